"""Rate limits of the simulated broker (dhan.md section 10)."""

from datetime import datetime, timedelta

import pytest

from execution.simulator.limits import Bucket, Limits
from market.calendar import IST

NOW = datetime(2026, 11, 20, 10, 0, tzinfo=IST)


@pytest.mark.parametrize(
    ("bucket", "most"), [(Bucket.ORDER, 10), (Bucket.DATA, 5), (Bucket.QUOTE, 1), (Bucket.NON_TRADING, 20)]
)
def test_each_bucket_has_its_own_second(bucket: Bucket, most: int) -> None:
    limits = Limits()

    taken = [limits.take(bucket, NOW) for _ in range(most + 2)]

    assert taken == [True] * most + [False] * 2
    assert limits.take(bucket, NOW + timedelta(seconds=1))
    assert limits.refused == 2


def test_order_calls_are_counted_by_the_minute_and_the_hour_too() -> None:
    limits, at = Limits(), NOW

    taken = 0
    for _ in range(70):
        taken += sum(limits.take(Bucket.ORDER, at) for _ in range(10))
        at += timedelta(seconds=1)

    assert taken == 250 + 100  # the first minute's allowance, and the seconds that had left the window after it


def test_the_same_chain_comes_once_in_three_seconds_and_others_meanwhile() -> None:
    limits = Limits()

    assert limits.take_chain("NIFTY 1", NOW)
    assert limits.take_chain("NIFTY 2", NOW)
    assert not limits.take_chain("NIFTY 1", NOW + timedelta(seconds=2.9))
    assert limits.take_chain("NIFTY 1", NOW + timedelta(seconds=3))


def test_the_switch_lets_everything_pass() -> None:
    limits = Limits(active=False)

    assert all(limits.take(Bucket.QUOTE, NOW) for _ in range(100))
