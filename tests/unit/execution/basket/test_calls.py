"""Who is called when a way out takes long, and how loudly."""

import pytest

from execution.basket.messages import CallPerson, Tick
from execution.basket.values import Basket, Permit, Purpose
from execution.lifecycle import RunState
from market.contract import Side
from tests.unit.execution.basket.making import LONG, QUANTITY, SHORT, after, make_basket, make_exit, make_filled, settle

HALF_BACK = make_filled(SHORT, QUANTITY // 2, side=Side.BUY)
BOUGHT_BACK = make_filled(SHORT, QUANTITY, side=Side.BUY)
UNWINDING = make_basket(RunState.UNWINDING, make_filled(LONG))


@pytest.mark.parametrize(
    ("basket", "critical"),
    [
        (make_exit(RunState.BUYING, HALF_BACK), True),
        (make_exit(RunState.SELLING, BOUGHT_BACK), False),
        (make_exit(RunState.SELLING, BOUGHT_BACK, purpose=Purpose.FLATTEN), True),
        (UNWINDING, True),
    ],
    ids=["short still held", "only longs left", "flatten", "entry taken back"],
)
def test_a_long_way_out_stops_entries_unless_only_longs_are_left_to_sell(basket: Basket, critical: bool) -> None:
    _, commands = settle(basket, Tick(Permit()), after(61))

    assert [one.critical for one in commands if isinstance(one, CallPerson)] == [critical]


def test_nobody_is_called_within_the_minute() -> None:
    _, commands = settle(make_exit(RunState.BUYING, HALF_BACK), Tick(Permit()), after(60))

    assert not [one for one in commands if isinstance(one, CallPerson)]
