"""A market and its mirror image get exactly opposite views: nothing here leans to bulls or bears."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market.errors import Reason
from market.quant.regime import index_trend, vix_regime
from strategies.bias import Lean, bias
from strategies.observe import read_candles, read_interest
from strategies.view import MEASURED, Measured, Weather, combine, outlook, view
from tests.candles import random_interest, walk

SEEDS = st.integers(0, 2**32 - 1)
DRIFTS = st.floats(-0.006, 0.006)
OPPOSITE = {"Bullish": "Bearish", "Bearish": "Bullish", "Neutral": "Neutral"}
ANY = {name: Measured(0.03, 5.0, 5.0, 5.0, 0.52, 1_000, None, None) for name in MEASURED}  # as if all had passed


def seen(bars, interest, index):
    import numpy as np

    weather = Weather(float(index_trend(index)[-1]), "Neutral", vix_regime(np.array([14.0])))
    return view("ACME", bars, interest=interest, weather=weather, measured=ANY)


@settings(max_examples=60, deadline=None)
@given(seed=SEEDS, drift=DRIFTS, centre=st.floats(1.0, 10_000.0), count=st.integers(261, 420))
def test_reflecting_prices_turns_every_component_and_the_total_around(seed, drift, centre, count):
    bars, index = walk(seed, count, drift=drift), walk(seed + 1, 300)
    interest = random_interest(seed, float(bars.closes[-1]))

    up = seen(bars, interest, index)
    down = seen(bars.reflected(centre), interest.reflected(centre), index.reflected(centre))

    assert set(up.components) == set(down.components)
    for name, value in up.components.items():
        assert down.components[name] == pytest.approx(-value, abs=1e-9), name
    assert down.direction == pytest.approx(-up.direction, abs=1e-9)
    assert down.tested.total == pytest.approx(-up.tested.total, abs=1e-9)
    assert down.agreement == pytest.approx(up.agreement, abs=1e-9)
    assert down.volatility.atr_fraction == pytest.approx(up.volatility.atr_fraction, abs=1e-9)
    assert down.volatility.rsi == pytest.approx(100 - up.volatility.rsi, abs=1e-6)


@settings(max_examples=60, deadline=None)
@given(seed=SEEDS, drift=DRIFTS, count=st.integers(85, 420))
def test_components_stay_within_one_and_contributions_add_up_exactly(seed, drift, count):
    bars = walk(seed, count, drift=drift)
    interest = random_interest(seed, float(bars.closes[-1]))

    found = seen(bars, interest, walk(seed + 1, 300))

    assert all(-1.0 <= value <= 1.0 for value in found.components.values())
    contributions = list(found.waterfall.contributions.values())
    assert sum(contributions) == sum(reversed(contributions)) == found.direction
    assert math.fsum(found.waterfall.weights.values()) == pytest.approx(1.0, abs=1e-12)
    assert 0.0 <= found.confidence <= found.agreement <= 1.0


@given(
    values=st.dictionaries(st.sampled_from("abcdef"), st.floats(-1, 1), min_size=1),
    weights=st.fixed_dictionaries({name: st.floats(0.01, 1) for name in "abcdef"}),
)
def test_what_is_missing_is_left_out_and_never_counts_as_zero(values, weights):
    found = combine(values, weights)

    heard = sum(weights[name] for name in values)
    mean = sum(weights[name] * value for name, value in values.items()) / heard
    assert found.total == pytest.approx(mean, abs=1e-9)
    assert min(values.values()) - 1e-9 <= found.total <= max(values.values()) + 1e-9
    assert found.known == pytest.approx(heard / sum(weights.values()), abs=1e-12)


def test_as_many_bulls_as_bears_on_reflected_histories():
    histories = [walk(seed, 300, drift=0.002) for seed in range(40)]
    index = walk(99, 300)
    unknown = Reason("NO_CHAIN", "None.")

    up = [seen(bars, unknown, index) for bars in histories]
    down = [seen(bars.reflected(100.0), unknown, index.reflected(100.0)) for bars in histories]

    assert [OPPOSITE[each.outlook] for each in up] == [each.outlook for each in down]
    ups, downs = (bias(Lean(str(i), each.outlook) for i, each in enumerate(side)) for side in (up, down))
    assert (ups.bullish, ups.bearish, len(ups.alarms)) == (downs.bearish, downs.bullish, len(downs.alarms))
    assert ups.bullish > ups.bearish  # the histories do drift, so there was something to reflect


@given(st.floats(-1, 1))
def test_sides_are_the_same_on_both_sides(direction):
    assert outlook(-direction) == OPPOSITE[outlook(direction)]


@settings(max_examples=30, deadline=None)
@given(seed=SEEDS, count=st.integers(1, 300))
def test_few_candles_are_reasons_never_numbers_made_up(seed, count):
    found = read_candles(walk(seed, count), None)

    for value in found.values():
        assert isinstance(value, Reason) or math.isfinite(value)
    assert isinstance(found["yearly_momentum"], Reason) == (count < 253)
    assert all(isinstance(value, Reason) for value in read_interest(Reason("NO_CHAIN", "None.")).values())
