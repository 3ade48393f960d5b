"""Row rules that hold for every chain, live or recorded."""

import math
from dataclasses import replace
from datetime import date, datetime

import pytest

from market.calendar import IST
from market.contract import OptionType
from market.errors import BadChain
from market.ports import CapturedChain, CapturedQuote
from market.readers.gate import sift

DAY = date(2026, 1, 30)
EXPIRY = date(2026, 2, 24)
GOOD = CapturedQuote(EXPIRY, 100.0, OptionType.CALL, last_price=5.0, bid=4.9, ask=5.1, volume=10, open_interest=20)
OTHER = replace(GOOD, strike=110.0)


def chain(*quotes: CapturedQuote, spot: float | None = 101.5, is_index: bool = False) -> CapturedChain:
    return CapturedChain("ACME", datetime(2026, 1, 30, 15, 29, tzinfo=IST), "test", spot, quotes, is_index)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"last_price": math.nan}, "NOT_FINITE"),
        ({"bid": math.inf}, "NOT_FINITE"),
        ({"ask": -math.inf}, "NOT_FINITE"),
        ({"last_price": -0.05}, "NEGATIVE_PRICE"),
        ({"last_price": 0.0}, "PRICE_OUT_OF_BOUNDS"),
        ({"last_price": 1e8}, "PRICE_OUT_OF_BOUNDS"),
        ({"bid": 5.2}, "CROSSED"),
        ({"strike": 0.0}, "BAD_STRIKE"),
        ({"strike": -100.0}, "BAD_STRIKE"),
        ({"strike": math.nan}, "BAD_STRIKE"),
        ({"expiry": date(2026, 1, 29)}, "EXPIRED"),
        ({"volume": -1}, "BAD_COUNT"),
        ({"open_interest": 10**16}, "BAD_COUNT"),
        ({"ask_quantity": -5}, "BAD_COUNT"),
        ({"implied_volatility": -0.1}, "BAD_VOLATILITY"),
        ({"implied_volatility": math.nan}, "BAD_VOLATILITY"),
        ({"strike": 110.0}, "DUPLICATE"),
    ],
)
def test_a_bad_quote_is_dropped_and_counted_and_the_others_stay(change: dict[str, object], code: str) -> None:
    clean, rejected = sift(chain(OTHER, replace(GOOD, **change)), day=DAY)

    assert rejected == {code: 1}
    assert clean.quotes == (OTHER,)


def test_a_contract_that_expires_today_and_a_locked_market_are_good() -> None:
    quote = replace(GOOD, expiry=DAY, bid=5.0, ask=5.0)

    clean, rejected = sift(chain(quote), day=DAY)

    assert clean.quotes == (quote,)
    assert not rejected


def test_quotes_come_back_in_order_and_silent_ones_are_left_out() -> None:
    silent = CapturedQuote(EXPIRY, 90.0, OptionType.PUT, implied_volatility=0.2, bid_quantity=50)
    put = replace(GOOD, option_type=OptionType.PUT)

    clean, rejected = sift(chain(OTHER, silent, put, GOOD), day=DAY)

    assert clean.quotes == (GOOD, put, OTHER)
    assert not rejected


@pytest.mark.parametrize(
    ("spot", "is_index", "code"),
    [
        (0.0, False, "ZERO_SPOT"),
        (None, False, "ZERO_SPOT"),
        (0.0, True, "ZERO_SPOT"),
        (math.nan, False, "BAD_SPOT"),
        (-5.0, True, "BAD_SPOT"),
        (math.inf, True, "BAD_SPOT"),
    ],
)
def test_a_chain_without_a_spot_is_refused(spot: float | None, is_index: bool, code: str) -> None:
    with pytest.raises(BadChain) as refusal:
        sift(chain(GOOD, spot=spot, is_index=is_index), day=DAY)

    assert refusal.value.reason.code == code


def test_an_index_may_have_no_spot() -> None:
    clean, _ = sift(chain(GOOD, spot=None, is_index=True), day=DAY)

    assert clean.spot is None


def test_a_chain_left_without_quotes_is_refused_and_says_what_was_wrong() -> None:
    with pytest.raises(BadChain) as refusal:
        sift(chain(replace(GOOD, bid=6.0)), day=DAY)

    assert refusal.value.reason.code == "NO_ROWS"
    assert "CROSSED 1" in refusal.value.reason.remedy


@pytest.mark.parametrize("symbol", ["", "A\tB", "A\\N", "X" * 41, "ÀCME", "DROP TABLE"])
def test_a_name_that_is_no_symbol_is_refused(symbol: str) -> None:
    with pytest.raises(BadChain) as refusal:
        sift(replace(chain(GOOD), underlying=symbol), day=DAY)

    assert refusal.value.reason.code == "BAD_SYMBOL"
