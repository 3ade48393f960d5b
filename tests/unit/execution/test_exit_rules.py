"""When to leave."""

from decimal import Decimal

import pytest

from execution.exits import ExitLevels, PositionMark, decide_exit

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
def test_the_first_rule_that_holds_decides(profit: str, days: int, delta: float | None, code: str | None) -> None:
    assert decided(LEVELS, profit, days, delta) == code


def test_what_is_unknown_decides_nothing() -> None:
    tight = ExitLevels(Decimal(0), Decimal(0), 0, 0.0)

    assert decided(tight, None, None, None) is None


@pytest.mark.parametrize("profit", ["-1000000", "1000000"])
def test_without_levels_nothing_decides(profit: str) -> None:
    assert decided(ExitLevels(), profit, 0, 5.0) is None
