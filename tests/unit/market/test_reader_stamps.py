"""When a recorded chain counts."""

from datetime import date, datetime

import pytest

from market.calendar import IST
from market.errors import BadChain
from market.readers.stamps import session_stamp
from market.readers.year_2019 import nearest_expiry


def ist(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=IST)


@pytest.mark.parametrize(
    ("taken", "stamp"),
    [
        ("2026-01-30T17:26", "2026-01-30T15:29"),
        ("2026-01-30T15:30", "2026-01-30T15:29"),
        ("2026-01-30T15:29:40", "2026-01-30T15:29:40"),
        ("2026-01-30T09:15", "2026-01-30T09:15"),
        ("2025-02-01T18:09:14", "2025-02-01T15:29"),
        ("2019-06-10T10:00", "2019-06-10T10:00"),
        ("2019-06-10T15:45", "2019-06-10T15:29"),
    ],
)
def test_a_chain_counts_at_its_own_time_or_in_the_closing_minute(taken: str, stamp: str) -> None:
    assert session_stamp(ist(taken), symbol="NIFTY") == ist(stamp)


@pytest.mark.parametrize(
    "taken",
    [
        "2026-01-30T09:14:59",
        "2026-01-31T17:00",
        "2026-01-26T12:00",
        "2018-06-11T12:00",
        "2019-06-10T09:00",
        "2019-06-05T12:00",
        "2019-04-29T12:00",
        "2019-07-09T12:00",
        "2019-06-09T12:00",
    ],
)
def test_nothing_counts_outside_a_session(taken: str) -> None:
    with pytest.raises(BadChain) as refusal:
        session_stamp(ist(taken), symbol="NIFTY")

    assert refusal.value.reason.code == "OUT_OF_SESSION"


@pytest.mark.parametrize(
    ("symbol", "day", "expiry"),
    [
        ("NIFTY", date(2019, 6, 10), date(2019, 6, 13)),
        ("BANKNIFTY", date(2019, 6, 13), date(2019, 6, 13)),
        ("NIFTY", date(2019, 6, 14), date(2019, 6, 20)),
        ("NIFTY", date(2019, 8, 13), date(2019, 8, 14)),
        ("NIFTY", date(2019, 8, 15), date(2019, 8, 22)),
        ("RELIANCE", date(2019, 6, 10), date(2019, 6, 27)),
        ("RELIANCE", date(2019, 6, 28), date(2019, 7, 25)),
        ("RELIANCE", date(2019, 7, 31), date(2019, 8, 29)),
    ],
)
def test_the_nearest_expiry_of_2019(symbol: str, day: date, expiry: date) -> None:
    assert nearest_expiry(symbol, day) == expiry


@pytest.mark.parametrize("day", [date(2018, 6, 11), date(2019, 2, 8), date(2020, 1, 2)])
def test_an_expiry_is_not_guessed_outside_those_rules(day: date) -> None:
    with pytest.raises(BadChain) as refusal:
        nearest_expiry("NIFTY", day)

    assert refusal.value.reason.code == "UNKNOWN_EXPIRY"
