"""When to leave."""

from datetime import date, datetime
from decimal import Decimal

import pytest

from execution.exits import ExitLevels, PositionMark, decide_exit, expiry_exit
from market.calendar import IST

LEVELS = ExitLevels(Decimal(5_000), Decimal(3_000), 7, 0.8)


def decided(levels: ExitLevels, profit: str | None, days: int | None = 30, delta: float | None = None) -> str | None:
    mark = PositionMark(None if profit is None else Decimal(profit), days, delta)
    decision = decide_exit(levels, mark)
    return decision.reason.code if decision else None


@pytest.mark.parametrize(
    ("profit", "days", "delta", "code"),
    [
        ("0", 30, 0.0, None),
        ("4999.99", 8, 0.79, None),
        ("5000", 30, None, "PROFIT_TARGET"),
        ("-2999.99", 30, None, None),
        ("-3000", 30, None, "STOP_LOSS"),
        ("0", 7, None, "TIME_EXIT"),
        ("0", -1, None, "TIME_EXIT"),
        ("0", 30, 0.8, "DELTA_EXIT"),
        ("0", 30, -0.8, "DELTA_EXIT"),
        ("-3000", 0, 0.9, "STOP_LOSS"),
    ],
)
def test_fm_E14_the_first_rule_that_holds_decides(
    profit: str, days: int, delta: float | None, code: str | None
) -> None:
    assert decided(LEVELS, profit, days, delta) == code


def test_what_is_unknown_decides_nothing() -> None:
    tight = ExitLevels(Decimal(0), Decimal(0), 0, 0.0)

    assert decided(tight, None, None, None) is None


@pytest.mark.parametrize("profit", ["-1000000", "1000000"])
def test_without_levels_nothing_decides(profit: str) -> None:
    assert decided(ExitLevels(), profit, 0, 5.0) is None


@pytest.mark.parametrize(
    ("delivers", "moment", "leaves"),
    [
        (False, "2026-10-27T14:44", False),
        (False, "2026-10-27T14:45", True),
        (False, "2026-10-28T09:15", True),
        (True, "2026-10-26T14:44", False),
        (True, "2026-10-26T14:45", True),
        (False, "2026-10-26T15:00", False),
    ],
)
def test_fm_E14_nothing_is_carried_into_settlement(delivers: bool, moment: str, leaves: bool) -> None:
    now = datetime.fromisoformat(moment).replace(tzinfo=IST)

    decision = expiry_exit(date(2026, 10, 27), now, delivers=delivers)

    assert (decision.reason.code if decision else None) == ("EXPIRY_EXIT" if leaves else None)


def test_fm_E14_a_monday_before_a_holiday_expiry_counts_sessions_not_days() -> None:
    # Tuesday 20 Oct 2026 is Dussehra: what expires on Wednesday is left on Monday.
    now = datetime(2026, 10, 19, 14, 45, tzinfo=IST)

    assert expiry_exit(date(2026, 10, 21), now, delivers=True) is not None
