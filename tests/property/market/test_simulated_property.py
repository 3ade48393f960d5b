"""What holds of the simulated market at any minute of any seed."""

from datetime import datetime, timedelta
from decimal import Decimal

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from market.calendar import IST
from market.contract import Contract
from market.sources.simulated import SimulatedMarket
from market.sources.simulated.surface import fair_prices, surface_of
from market.sources.simulated.universe import UNIVERSE

MARKETS = {seed: SimulatedMarket(seed=seed) for seed in (1, 2, 3)}
START = datetime(2024, 1, 2, 9, 15, tzinfo=IST)
MINUTES = int((datetime(2026, 9, 1, tzinfo=IST) - START) / timedelta(minutes=1))

moments = st.integers(0, MINUTES).map(lambda minutes: START + timedelta(minutes=minutes))
listings = st.sampled_from(UNIVERSE)
seeds = st.sampled_from(sorted(MARKETS))


@settings(max_examples=60, deadline=None)
@given(seed=seeds, listing=listings, moment=moments)
def test_a_chain_is_whole_at_any_moment(seed, listing, moment):
    chain = MARKETS[seed].chain(listing.symbol, as_of=moment)

    assert chain.taken_at <= moment
    assert chain.spot > 0
    expiries = {quote.expiry for quote in chain.quotes}
    assert len(expiries) >= 3
    assert min(expiries) >= chain.taken_at.date()
    keys = [(quote.expiry, quote.strike, quote.option_type) for quote in chain.quotes]
    assert len(keys) == len(set(keys))
    for expiry in expiries:
        strikes = {quote.strike for quote in chain.quotes if quote.expiry == expiry}
        each_side = 15 if listing.is_index else 10
        assert min(sum(k < chain.spot for k in strikes), sum(k >= chain.spot for k in strikes)) >= each_side


@settings(max_examples=60, deadline=None)
@given(seed=seeds, listing=listings, moment=moments, data=st.data())
def test_a_touch_equals_its_chain_at_any_moment(seed, listing, moment, data):
    market = MARKETS[seed]
    chain = market.chain(listing.symbol, as_of=moment)
    today = [q for q in chain.quotes if q.bid and q.ask and q.expiry >= moment.date()]
    quote = data.draw(st.sampled_from(today))

    touch = market.touch(Contract(listing.symbol, quote.expiry, quote.strike, quote.option_type), as_of=moment)

    assert (touch.bid, touch.ask) == (Decimal(str(quote.bid)), Decimal(str(quote.ask)))
    assert touch.quoted_at == chain.taken_at


@settings(max_examples=100, deadline=None)
@given(
    seed=seeds,
    listing=listings,
    regime=st.floats(0.7, 2.4),
    years=st.floats(1 / (365 * 24 * 60), 0.4),
    moved=st.floats(0.5, 2.0),
)
def test_fair_prices_never_admit_arbitrage(seed, listing, regime, years, moved):
    spot = listing.base_price * moved
    surface = surface_of(listing, seed=seed, regime=regime)
    strikes = np.linspace(0.5, 1.6, 200) * spot

    calls, puts, _ = fair_prices(surface, strikes, spot=spot, years=years)

    slopes = np.diff(calls) / np.diff(strikes)
    assert np.all(np.diff(slopes) >= -1e-9)
    assert np.all((slopes <= 1e-9) & (slopes >= -1 - 1e-9))
    assert np.allclose(calls - puts, spot - strikes * np.exp(-0.065 * years), rtol=0, atol=1e-8 * spot)
    later = surface.total_variance(np.log(strikes / spot), years=years * 1.1)
    assert np.all(later >= surface.total_variance(np.log(strikes / spot), years=years))
