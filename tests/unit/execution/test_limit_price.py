"""The limit of an order."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from execution.errors import ExecutionDenied
from execution.limit_price import ENTRY_PRICES, EXIT_PRICES, PriceRules, limit_price
from market.contract import Side
from market.ports import Touch

NOW = datetime(2026, 1, 30, 6, 30, tzinfo=UTC)


def price(side: Side, bid: str, ask: str, *, attempt: int = 1, exit_: bool = False, banded: bool = True) -> str:
    touch = Touch(Decimal(bid), Decimal(ask), 100, 100, NOW)
    rules = EXIT_PRICES if exit_ else ENTRY_PRICES
    return str(limit_price(side=side, touch=touch, tick=Decimal("0.05"), attempt=attempt, rules=rules, banded=banded))


@pytest.mark.parametrize(
    ("side", "attempt", "exit_", "limit"),
    [
        (Side.BUY, 1, False, "100.15"),
        (Side.BUY, 3, False, "100.25"),
        (Side.SELL, 1, False, "99.85"),
        (Side.SELL, 3, False, "99.75"),
        (Side.BUY, 1, True, "100.20"),
        (Side.SELL, 2, True, "99.70"),
    ],
)
def test_the_limit_is_the_touch_and_a_few_ticks(side: Side, attempt: int, exit_: bool, limit: str) -> None:
    assert price(side, "99.90", "100.10", attempt=attempt, exit_=exit_) == limit


def test_the_collar_stops_the_chase() -> None:
    # mid 100, collar 10 %
    assert price(Side.BUY, "90.10", "109.90", attempt=50) == "110.00"
    assert price(Side.SELL, "90.10", "109.90", attempt=50) == "90.00"


def test_a_cheap_option_has_four_ticks_of_room() -> None:
    assert price(Side.BUY, "0.05", "0.25", attempt=50) == "0.35"
    assert price(Side.SELL, "0.05", "0.25", attempt=50) == "0.05"


@pytest.mark.parametrize(
    ("side", "bid", "ask"), [(Side.BUY, "80", "120"), (Side.SELL, "80", "120"), (Side.SELL, "0", "0.20")]
)
def test_a_touch_outside_the_collar_is_not_crossed(side: Side, bid: str, ask: str) -> None:
    with pytest.raises(ExecutionDenied, match="PRICE_COLLAR"):
        price(side, bid, ask)


@pytest.mark.parametrize(("bid", "ask"), [("0", "0"), ("10", "9"), ("NaN", "9"), ("9", "Infinity"), ("-1", "9")])
def test_what_is_no_price_is_refused(bid: str, ask: str) -> None:
    with pytest.raises(ExecutionDenied, match="PRICE_MISSING"):
        price(Side.BUY, bid, ask)


def test_fm_D7_the_protection_band_holds_for_options_only() -> None:
    # mid 60: the exchange takes up to +40 % = 84, a wider rule of ours would take 120
    wide = PriceRules(collar=Decimal(1))
    touch = Touch(Decimal("59.95"), Decimal("60.05"), 1, 1, NOW)
    limits = [
        limit_price(side=Side.BUY, touch=touch, tick=Decimal("0.05"), attempt=2000, rules=wide, banded=banded)
        for banded in (True, False)
    ]

    assert limits == [Decimal("84.00"), Decimal("120.00")]
