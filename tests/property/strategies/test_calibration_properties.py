"""Whatever is forecast and whatever comes, the parts of the score add up and maps rise."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from strategies.calibration import isotonic, logistic, murphy, recalibrated, reliability_bins, score

SHARES = st.floats(0.0, 1.0, allow_nan=False)


@st.composite
def forecasts(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    size = draw(st.integers(1, 60))
    forecast = draw(hnp.arrays(np.float64, size, elements=SHARES))
    outcome = draw(hnp.arrays(np.bool_, size)).astype(np.float64)
    return forecast, outcome


@given(forecasts(), st.integers(1, 25))
def test_the_parts_add_up(drawn: tuple[np.ndarray, np.ndarray], bins: int):
    parts = murphy(*drawn, bins=bins)

    assert parts.brier == pytest.approx(
        parts.reliability - parts.resolution + parts.uncertainty + parts.within, abs=1e-12
    )
    assert parts.reliability >= 0.0
    assert 0.0 <= parts.resolution <= parts.uncertainty + 1e-12


@given(forecasts())
def test_bins_hold_every_trial_and_intervals_hold_the_rate(drawn: tuple[np.ndarray, np.ndarray]):
    forecast, outcome = drawn
    cluster = np.arange(forecast.size) // 3

    bins = reliability_bins(forecast, outcome, cluster)

    assert sum(each.count for each in bins) == forecast.size
    for each in bins:
        assert 0.0 <= each.interval_low <= each.realised + 1e-12
        assert each.realised - 1e-12 <= each.interval_high <= 1.0
        assert 1.0 - 1e-9 <= each.effective <= each.count + 1e-9


@given(forecasts())
def test_the_isotonic_map_never_scores_worse_where_it_was_fitted(drawn: tuple[np.ndarray, np.ndarray]):
    forecast, outcome = np.round(drawn[0], 2), drawn[1]

    chosen = isotonic(forecast, outcome)

    fitted = np.array([recalibrated(float(raw), chosen) for raw in forecast])
    assert np.mean((fitted - outcome) ** 2) <= np.mean((forecast - outcome) ** 2) + 1e-5  # the hair kept from 0 and 1


@given(forecasts(), SHARES, SHARES)
def test_maps_keep_the_order_of_probabilities(drawn: tuple[np.ndarray, np.ndarray], one: float, other: float):
    for fit in (isotonic, logistic):
        chosen = fit(*drawn)

        low, high = recalibrated(min(one, other), chosen), recalibrated(max(one, other), chosen)
        assert 0.001 <= low <= high <= 0.999


@given(forecasts())
def test_the_interval_of_a_score_is_a_range_of_scores(drawn: tuple[np.ndarray, np.ndarray]):
    found = score(*drawn, np.arange(drawn[0].size))

    assert 0.0 <= found.brier_low <= found.brier_high <= 1.0
