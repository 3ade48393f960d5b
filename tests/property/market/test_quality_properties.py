"""Whatever a source gives, the gate answers: no exception but its own, no NaN out, and what it passes is consistent."""

from datetime import date, datetime

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from market.assembly import assemble
from market.calendar import IST
from market.contract import OptionType
from market.errors import BadChain
from market.ports import CapturedChain, CapturedQuote
from market.quality import FORWARD_ERRORS, HIGHEST_RATE, PARITY_TICKS
from market.quant import black

TAKEN_AT = datetime(2026, 1, 30, 14, 0, tzinfo=IST)
EXPIRY = date(2026, 2, 24)
YEARS = (datetime(2026, 2, 24, 15, 30, tzinfo=IST) - TAKEN_AT).total_seconds() / 31_536_000
TICK = 0.05

price = st.one_of(
    st.none(),
    st.floats(0, 2_000),
    st.floats(allow_nan=True, allow_infinity=True),
    st.sampled_from([0.0, 0.05, 1e-9, 1e7]),
)
count = st.one_of(st.none(), st.integers(0, 10**9))
anything = st.builds(
    CapturedQuote,
    expiry=st.sampled_from([EXPIRY, date(2026, 1, 30), date(2026, 3, 30), date(2026, 1, 26), date(2026, 1, 1)]),
    strike=st.one_of(st.integers(1, 60).map(lambda k: 25.0 * k), st.floats(0.01, 3_000)),
    option_type=st.sampled_from(list(OptionType)),
    last_price=price,
    bid=price,
    ask=price,
    volume=count,
    open_interest=count,
)


def chain(quotes, spot):
    return CapturedChain("ACME", TAKEN_AT, "test", spot, tuple(quotes))


def made(captured):
    lots = {quote.expiry: 100 for quote in captured.quotes}
    return assemble(captured, lot_sizes=lots, tick_size=TICK)


@given(quotes=st.lists(anything, max_size=60), spot=st.one_of(st.none(), st.floats(1, 3_000), st.just(0.0)))
@settings(max_examples=150, deadline=None)
def test_garbage_is_refused_or_flagged_and_never_a_number_that_looks_fine(quotes, spot):
    try:
        result = made(chain(quotes, spot))
    except BadChain as refusal:
        assert refusal.reason.sentence
        return
    for expiry in result.expiries:
        assert np.isfinite([expiry.forward, expiry.smile.atm_volatility, expiry.smile.rmse, expiry.years]).all()
        assert expiry.forward > 0.0
        assert expiry.carry is None or np.isfinite(expiry.carry)
        assert not np.isnan(expiry.forward_stderr)
        for side in (expiry.calls, expiry.puts):
            assert np.isfinite(side.implied_volatility).all()
            assert np.array_equal(side.usable, side.refusal == 0)
            for values in (side.bid, side.ask):
                assert np.isfinite(values[side.usable]).all()
                assert (values[side.usable] > 0.0).all()


@st.composite
def noisy(draw):
    """A chain around one smile in which some quotes are shifted, by little or by much."""
    volatility, forward = draw(st.floats(0.08, 0.9)), draw(st.floats(940, 1_060))
    book = draw(st.booleans())
    random = np.random.default_rng(draw(st.integers(0, 2**31)))
    quotes = []
    for strike in np.arange(800.0, 1_201.0, draw(st.sampled_from([10.0, 25.0, 50.0]))):
        for kind in OptionType:
            fair = float(
                black.price(
                    forward=forward, strike=strike, years=YEARS, volatility=volatility, is_call=kind is OptionType.CALL
                )
            )
            shift = random.choice([0.0, 0.01, 0.05, 0.3], p=[0.6, 0.2, 0.1, 0.1]) * random.normal()
            last = round(max(fair * (1.0 + shift), TICK) / TICK) * TICK
            half = TICK * random.integers(1, 6)
            sides = {"bid": round(last - half, 2), "ask": round(last + half, 2)} if book else {}
            if book and sides["bid"] <= 0.0:
                sides["bid"] = None
            quotes.append(CapturedQuote(EXPIRY, strike, kind, round(last, 2), volume=500, open_interest=5_000, **sides))
    return chain(quotes, 1_000.0)


@given(captured=noisy())
@settings(max_examples=60, deadline=None)
def test_usable_quotes_keep_parity_bounds_order_and_convexity_within_their_spreads(captured):
    try:
        front = made(captured).expiries[0]
    except BadChain:
        return
    calls, puts, strikes = front.calls, front.puts, front.strikes
    slack = 1e-6 * front.forward

    both = calls.usable & puts.usable
    gap = np.abs(0.5 * (calls.bid + calls.ask - puts.bid - puts.ask) - (front.forward - strikes))[both]
    discounting = HIGHEST_RATE * front.years * np.abs(front.forward - strikes)
    error = FORWARD_ERRORS * front.forward_stderr if np.isfinite(front.forward_stderr) else 0.0
    band = 0.5 * (calls.ask - calls.bid + puts.ask - puts.bid)[both] + discounting[both] + error + PARITY_TICKS * TICK
    assert (gap <= band + slack).all()

    for side, sign in ((calls, 1.0), (puts, -1.0)):
        use = side.usable
        bid, ask, level = side.bid[use], side.ask[use], strikes[use]
        least = np.maximum(sign * (front.forward - level), 0.0) * (1.0 - HIGHEST_RATE * front.years)
        assert (ask >= least - error - TICK - slack).all()
        assert (bid < np.where(sign > 0, front.forward, level)).all()
        bid, ask, level = (values[:: int(sign)] for values in (bid, ask, sign * level))
        for low in range(level.size):
            assert (bid[low + 1 :] <= ask[low] + slack).all()
            assert (bid[low] - ask[low + 1 :] <= level[low + 1 :] - level[low] + slack).all()
        left, right = np.diff(level)[:-1], np.diff(level)[1:]
        wings = (ask[:-2] * right + ask[2:] * left) / (left + right)
        assert (bid[1:-1] <= wings + slack).all()
