"""The index and India VIX: bands, percentile and the nine states."""

import math

import numpy as np
import pytest

from market.errors import InvalidInput
from market.quant.indicators import rate_of_change
from market.quant.regime import STATES, index_regime, index_trend, state, vix_regime
from tests.candles import walk


def test_the_trend_weighs_four_spans():
    bars = walk(1, 200)
    by_hand = sum(
        weight * rate_of_change(bars, span)[-1] for span, weight in [(5, 0.4), (10, 0.3), (20, 0.2), (60, 0.1)]
    )

    assert index_trend(bars)[-1] == pytest.approx(by_hand, abs=1e-12)


@pytest.mark.parametrize(
    ("trend", "regime"), [(0.21, "Bullish"), (0.2, "Neutral"), (0.0, "Neutral"), (-0.2, "Neutral"), (-0.21, "Bearish")]
)
def test_the_index_has_a_direction_beyond_a_fifth(trend, regime):
    assert index_regime(trend) == regime


def test_an_unknown_trend_has_no_regime():
    with pytest.raises(InvalidInput):
        index_regime(math.nan)


@pytest.mark.parametrize(
    ("close", "band", "regime"),
    [
        (14.99, "Low", "Low"),
        (15.0, "Normal", "Normal"),
        (20.0, "Elevated", "High"),
        (25.0, "High", "High"),
        (30.0, "Extreme", "High"),
    ],
)
def test_vix_bands_begin_at_15_20_25_and_30(close, band, regime):
    found = vix_regime(np.array([close]))

    assert (found.band, found.regime, found.percentile) == (band, regime, None)


def test_the_percentile_needs_a_year_of_closes():
    closes = np.linspace(10, 20, 251)

    assert vix_regime(closes).percentile is None
    assert vix_regime(np.append(closes, 15.001)).percentile == pytest.approx(126 / 251)


@pytest.mark.parametrize("closes", [[], [0.0], [math.nan], [12.0, -1.0]])
def test_a_vix_without_a_price_is_refused(closes):
    with pytest.raises(InvalidInput):
        vix_regime(np.array(closes, dtype=float))


def test_there_are_nine_states():
    assert len(set(STATES)) == 9
    assert state("Bullish", "Low") == "Bullish_Low_VIX"
    assert state("Bullish", "Low") in STATES
