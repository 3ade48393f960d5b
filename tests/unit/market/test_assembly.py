"""From captured quotes to a chain: touches, the gate, the forward, and flags instead of guesses."""

import time
from dataclasses import replace
from datetime import UTC, date, datetime

import numpy as np
import pytest

from market.assembly import assemble, has_book, modelled_touch, modelled_touches
from market.calendar import IST
from market.contract import OptionType
from market.errors import BadChain
from market.ports import CapturedChain, CapturedQuote
from market.quant import black

TAKEN_AT = datetime(2026, 1, 30, 15, 29, tzinfo=IST)
FRONT, BACK = date(2026, 2, 24), date(2026, 3, 30)
FORWARD = 1010.0
LOTS = {FRONT: 500, BACK: 500}
STRIKES = [float(strike) for strike in range(800, 1221, 20)]


def quote(strike, option_type, *, expiry=FRONT, book=True, **changes):
    """A fair quote at 25 % volatility, with a narrow book or with a last price only."""
    years = (
        datetime(expiry.year, expiry.month, expiry.day, 15, 30, tzinfo=IST) - TAKEN_AT
    ).total_seconds() / 31_536_000
    fair = float(
        black.price(
            forward=FORWARD, strike=strike, years=years, volatility=0.25, is_call=option_type is OptionType.CALL
        )
    )
    last = round(round(fair / 0.05) * 0.05, 2) or 0.05
    sides = {"bid": max(0.05, round(last - 0.05, 2)), "ask": round(last + 0.05, 2)} if book else {}
    values = {"last_price": last, "volume": 1000, "open_interest": 5000} | sides | changes
    return CapturedQuote(expiry, float(strike), option_type, **values)


def captured(*, expiries=(FRONT,), book=True, spot=1003.2, changes=None, taken_at=TAKEN_AT):
    """A chain; `changes` maps (strike, type) to the fields of a bad quote."""
    changes = changes or {}
    quotes = [
        quote(strike, kind, expiry=expiry, book=book, **changes.get((strike, kind), {}))
        for expiry in expiries
        for strike in STRIKES
        for kind in OptionType
    ]
    return CapturedChain("ACME", taken_at, "test", spot, tuple(quotes))


def made(chain=None, **options):
    return assemble(chain or captured(), **({"lot_sizes": LOTS, "tick_size": 0.05} | options))


def usable(chain, strike, option_type=OptionType.CALL):
    expiry = chain.expiries[0]
    return bool(expiry.side(option_type).usable[expiry.strikes.tolist().index(strike)])


@pytest.mark.parametrize(
    ("last_price", "tick", "bid", "ask"),
    [
        (40.0, 0.05, 39.35, 40.65),  # half spread 0.05 + 1.5 % = 0.65
        (100.0, 0.05, 98.45, 101.55),
        (1.0, 0.05, 0.90, 1.10),  # 0.065 widened to the tick on both sides
        (0.05, 0.05, -0.05, 0.15),  # too cheap to have a buyer
        (200.0, 0.10, 196.9, 203.1),
    ],
)
def test_a_touch_is_modelled_around_the_last_price_on_tick(last_price, tick, bid, ask):
    assert modelled_touch(last_price, tick) == (bid, ask)


def test_a_chain_with_a_book_keeps_its_own_touch():
    chain = made()

    calls = chain.expiries[0].calls
    index = chain.expiries[0].strikes.tolist().index(1000.0)
    original = quote(1000, OptionType.CALL)
    assert not calls.touch_modelled
    assert (calls.bid[index], calls.ask[index]) == (original.bid, original.ask)
    assert calls.usable.all()


def test_a_chain_without_any_book_gets_modelled_touches_where_it_traded():
    idle = {(1000.0, OptionType.CALL): {"volume": 0}, (1020.0, OptionType.CALL): {"last_price": None}}
    chain = made(captured(book=False, changes=idle))

    front = chain.expiries[0]
    traded = front.strikes.tolist().index(980.0)
    assert front.calls.touch_modelled
    assert front.puts.touch_modelled
    assert (front.calls.bid[traded], front.calls.ask[traded]) == seen_from(front, traded)
    assert not usable(chain, 1000.0)
    assert not usable(chain, 1020.0)
    assert usable(chain, 1000.0, OptionType.PUT)


def seen_from(front, place):
    """The touch that the spread model gives this call."""
    bids, asks = modelled_touches(
        last_price=front.calls.last_price[[place]],
        volume=[1000.0],
        open_interest=[5000.0],
        strike=front.strikes[[place]],
        is_call=[True],
        forward=1003.2,
        days=25,
        tick_size=0.05,
        is_index=False,
    )
    return bids[0], asks[0]


def test_an_expiry_without_quotes_in_a_book_is_no_market_and_not_modelled():
    booked = captured(expiries=(FRONT,))
    silent = captured(expiries=(BACK,), book=False)

    chain = made(replace(booked, quotes=booked.quotes + silent.quotes))

    assert has_book(booked.quotes)
    assert not has_book(silent.quotes)
    assert [expiry.expiry for expiry in chain.expiries] == [FRONT]
    assert len(chain.flags) == 1


@pytest.mark.parametrize(
    "bad",
    [
        {"bid": 45.0, "ask": 44.0},  # crossed
        {"bid": 10.0, "ask": 80.0},  # wider than half of the mid
        {"bid": None},
        {"ask": None},
        {"bid": None, "ask": None},
        {"bid": 0.0, "ask": 0.1},
        {"bid": float("nan")},
        {"ask": float("inf")},
        {"bid": 90.0, "ask": 90.1},  # off the smile its neighbours make
    ],
)
def test_a_bad_quote_is_not_usable_and_its_neighbours_are(bad):
    chain = made(captured(changes={(1000.0, OptionType.CALL): bad}))

    assert not usable(chain, 1000.0)
    assert usable(chain, 980.0)
    assert usable(chain, 1020.0)


def test_a_cheap_option_may_be_wide_in_per_cent_but_not_in_ticks():
    narrow, wide = {"bid": 0.05, "ask": 0.45}, {"bid": 0.05, "ask": 0.55}
    chain = made(captured(changes={(1220.0, OptionType.CALL): narrow, (1200.0, OptionType.CALL): wide}))

    assert usable(chain, 1220.0)
    assert not usable(chain, 1200.0)


def test_a_bid_of_nothing_is_no_bid_however_near_the_fair_price():
    chain = made(captured(changes={(1220.0, OptionType.CALL): {"bid": 0.0, "ask": 0.1}}))

    assert not usable(chain, 1220.0)


def test_nothing_usable_is_not_a_number():
    holes = {(strike, OptionType.PUT): {"bid": None, "volume": None} for strike in STRIKES[::3]}
    chain = made(captured(changes=holes))

    for side in (chain.expiries[0].calls, chain.expiries[0].puts):
        for values in (side.bid, side.ask, side.implied_volatility):
            assert np.isfinite(values[side.usable]).all()
    assert np.isfinite(chain.expiries[0].forward)


def test_the_forward_follows_from_parity_and_stands_in_for_a_missing_spot():
    with_spot, without = made(), made(captured(spot=None))

    assert with_spot.expiries[0].forward == pytest.approx(FORWARD, abs=0.1)
    assert with_spot.spot == 1003.2
    assert without.spot == without.expiries[0].forward == pytest.approx(FORWARD, abs=0.1)


def test_volatility_is_read_off_the_smile():
    front = made().expiries[0]

    near = np.abs(front.strikes - FORWARD) < 60
    assert front.calls.implied_volatility[near] == pytest.approx(0.25, abs=0.003)
    assert np.array_equal(front.calls.implied_volatility, front.puts.implied_volatility)


def test_days_are_counted_on_the_indian_calendar_whatever_the_zone():
    late = datetime(2026, 1, 29, 20, 0, tzinfo=UTC)  # 01:30 on the 30th in India

    assert made(captured(taken_at=late)).expiries[0].days_to_expiry == 25
    assert made().expiries[0].days_to_expiry == 25


def test_an_expiry_without_a_lot_is_flagged_and_left_out():
    chain = made(captured(expiries=(FRONT, BACK)), lot_sizes={FRONT: 500})

    assert [expiry.expiry for expiry in chain.expiries] == [FRONT]
    assert chain.expiries[0].lot_size == 500
    assert [flag.code for flag in chain.flags] == ["NO_LOT_SIZE"]
    assert "30 Mar 2026" in chain.flags[0].sentence


def test_an_expiry_outside_the_covered_calendar_becomes_a_flag():
    beyond = date(2031, 2, 24)
    front, far = captured(), [replace(quote(1000, kind), expiry=beyond) for kind in OptionType]

    chain = made(replace(front, quotes=front.quotes + tuple(far)), lot_sizes={**LOTS, beyond: 500})

    assert [expiry.expiry for expiry in chain.expiries] == [FRONT]
    assert [flag.code for flag in chain.flags] == ["EXPIRY_NOT_A_SESSION"]
    assert chain.flags[0].sentence.startswith("ACME 24 Feb 2031: ")


def test_an_expiry_that_has_passed_becomes_a_flag():
    past = [replace(quote(1000, kind), expiry=date(2026, 1, 27)) for kind in OptionType]
    front = captured()

    chain = made(replace(front, quotes=front.quotes + tuple(past)), lot_sizes={**LOTS, date(2026, 1, 27): 500})

    assert [flag.code for flag in chain.flags] == ["EXPIRED"]


def test_a_chain_with_no_usable_expiry_is_refused_and_says_why():
    with pytest.raises(BadChain) as refusal:
        made(lot_sizes={})

    assert refusal.value.reason.code == "NO_USABLE_EXPIRY"
    assert "has no lot size in the master" in refusal.value.reason.sentence


def test_a_chain_without_quotes_is_refused():
    with pytest.raises(BadChain) as refusal:
        made(replace(captured(), quotes=()))

    assert refusal.value.reason.code == "NO_USABLE_EXPIRY"
    assert "it holds no quotes" in refusal.value.reason.sentence


def test_a_chain_of_eighty_strikes_takes_milliseconds():
    strikes = [float(strike) for strike in range(610, 1_410, 10)]
    quotes = [quote(strike, kind, book=False) for strike in strikes for kind in OptionType]
    chain = replace(captured(), quotes=tuple(quotes))

    spent = []
    for _ in range(12):
        start = time.process_time()  # not the clock: others may use the machine too
        made(chain)
        spent.append(time.process_time() - start)

    assert min(spent) < 0.015  # 2 ms on a quiet machine; `python -m bench chains` holds it to 3
