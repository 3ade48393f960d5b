import math
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market.quant.distribution import terminal_distribution
from market.quant.smile import fit_smile
from market.quant.ticks import is_on_tick, snap, to_decimal

any_volatilities = st.lists(st.one_of(st.floats(0.01, 3.0), st.just(math.nan)), min_size=1, max_size=40).filter(
    lambda values: any(value > 0.0 for value in values)
)


@settings(max_examples=60, deadline=None)
@given(any_volatilities, st.floats(15 / 525_600, 2.0), st.floats(0.02, 0.3))
def test_whatever_the_quotes_the_distribution_is_one(volatilities, years, spread):
    strikes = 100.0 * np.exp(np.linspace(-spread, spread, len(volatilities)))

    smile = fit_smile(forward=100.0, years=years, strikes=strikes, volatilities=volatilities)
    distribution = terminal_distribution(smile)

    assert 0.0 < smile.atm_volatility <= 10.0
    assert math.isfinite(smile.skew)
    assert math.isfinite(smile.rmse)
    assert (distribution.density >= 0.0).all()
    assert (np.diff(distribution.cumulative) >= 0.0).all()
    assert distribution.mean == pytest.approx(100.0, rel=1e-6)
    assert float(distribution.probability_between(-math.inf, math.inf)) == 1.0


@settings(max_examples=60, deadline=None)
@given(any_volatilities, st.floats(0.01, 1.0))
def test_call_prices_fall_and_curve_upwards_along_the_strikes(volatilities, years):
    strikes = 100.0 * np.exp(np.linspace(-0.3, 0.3, len(volatilities)))

    smile = fit_smile(forward=100.0, years=years, strikes=strikes, volatilities=volatilities)

    calls = smile.prices(np.linspace(60.0, 160.0, 201), True)
    assert np.diff(calls).max() <= 1e-9
    assert np.diff(calls, 2).min() >= -1e-5


prices = st.decimals(Decimal(-10_000), Decimal(10_000), places=4, allow_nan=False)
ticks = st.sampled_from([Decimal("0.01"), Decimal("0.05"), Decimal("0.10"), Decimal(5)])


@settings(max_examples=100, deadline=None)
@given(prices, ticks)
def test_snapping_lands_on_the_grid_within_one_tick(price, tick):
    down, near, up = (snap(price, tick, towards=towards) for towards in ("down", "nearest", "up"))

    assert all(is_on_tick(snapped, tick) for snapped in (down, near, up))
    assert down <= price <= up
    assert up - down in (Decimal(0), tick)
    assert abs(near - price) <= tick / 2


@settings(max_examples=100, deadline=None)
@given(st.floats(-1e9, 1e9), st.integers(0, 6))
def test_to_decimal_is_within_half_a_place(value, places):
    found = to_decimal(value, places=places)

    assert abs(found - Decimal(repr(value))) <= Decimal(1).scaleb(-places) / 2
    assert found.as_tuple().exponent == -places
