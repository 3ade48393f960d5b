"""Scores of forecasts, their parts, their intervals, and maps that correct them."""

import math
from itertools import pairwise

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import beta

from market.errors import InvalidInput
from strategies.calibration import (
    MonotoneMap,
    cluster_interval,
    effective_size,
    isotonic,
    log_loss,
    logistic,
    murphy,
    pooled,
    recalibrated,
    reliability_bins,
    score,
    walk_forward,
    wilson,
)


def test_a_brier_score_by_hand():
    forecast, outcome = np.array([0.9, 0.9, 0.1, 0.1]), np.array([1.0, 0.0, 0.0, 0.0])

    parts = murphy(forecast, outcome)

    assert parts.brier == pytest.approx((0.01 + 0.81 + 0.01 + 0.01) / 4)
    assert parts.reliability == pytest.approx(0.5 * (0.9 - 0.5) ** 2 + 0.5 * 0.1**2)
    assert parts.resolution == pytest.approx(0.5 * 0.25**2 + 0.5 * 0.25**2)
    assert parts.uncertainty == pytest.approx(0.25 * 0.75)
    assert parts.within == pytest.approx(0.0, abs=1e-15)


def test_a_perfect_forecaster_has_no_reliability_term():
    forecast = np.repeat([0.25, 0.5, 0.75], 4)
    outcome = np.array([1, 0, 0, 0, 1, 1, 0, 0, 1, 1, 1, 0], dtype=np.float64)

    parts = murphy(forecast, outcome)

    assert parts.reliability == 0.0
    assert parts.brier == pytest.approx(parts.uncertainty - parts.resolution)


def test_one_belongs_to_the_last_bin_and_empty_bins_are_left_out():
    found = reliability_bins(np.array([1.0, 1.0, 0.0]), np.array([1.0, 0.0, 0.0]), np.arange(3))

    assert [(each.low, each.high, each.count, each.realised) for each in found] == [
        (0.0, 0.1, 1, 0.0),
        (0.9, 1.0, 2, 0.5),
    ]


def test_log_loss_by_hand_and_finite_for_a_forecast_that_was_certain_and_wrong():
    assert log_loss(np.array([0.8, 0.4]), np.array([1.0, 0.0])) == pytest.approx(-(math.log(0.8) + math.log(0.6)) / 2)
    assert log_loss(np.array([1.0]), np.array([0.0])) == pytest.approx(-math.log(0.001))


@pytest.mark.parametrize(
    ("forecast", "outcome", "code"),
    [
        ([], [], "NO_TRIALS"),
        ([0.5], [1.0, 0.0], "NO_TRIALS"),
        ([1.1], [1.0], "NOT_A_PROBABILITY"),
        ([math.nan], [1.0], "NOT_A_PROBABILITY"),
        ([0.5], [0.5], "NOT_AN_OUTCOME"),
        ([0.5], [math.nan], "NOT_AN_OUTCOME"),
    ],
)
def test_what_cannot_be_scored_is_refused(forecast: list[float], outcome: list[float], code: str):
    with pytest.raises(InvalidInput) as refusal:
        murphy(np.array(forecast), np.array(outcome))

    assert refusal.value.reason.code == code


# --- intervals -------------------------------------------------------------------------------------------------------


def test_wilson_reproduces_a_printed_interval():
    # R. G. Newcombe, Statistics in Medicine 17 (1998) 857-872, table I, method 3: 81/263, 15/148, 0/20, 1/29.
    for successes, trials, low, high in ((81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611)):
        assert wilson(successes / trials, trials) == pytest.approx((low, high), abs=5e-5)


def test_wilson_lies_near_the_exact_interval():
    low, high = wilson(0.4, 500)

    assert low == pytest.approx(beta.ppf(0.025, 200, 301), abs=3e-3)
    assert high == pytest.approx(beta.ppf(0.975, 201, 300), abs=3e-3)


def test_intervals_cover_the_truth_as_often_as_they_say_when_clusters_share_outcomes():
    random = np.random.default_rng(4)
    rate, clusters, inside = 0.3, 60, 20
    cluster = np.repeat(np.arange(clusters), inside)
    covered = naive = 0
    for _ in range(400):
        outcome = np.repeat((random.random(clusters) < rate).astype(np.float64), inside)
        low, high = wilson(outcome.mean(), effective_size(outcome, cluster))
        covered += low <= rate <= high
        low, high = wilson(outcome.mean(), outcome.size)
        naive += low <= rate <= high

    assert 0.92 <= covered / 400 <= 0.98
    assert naive / 400 < 0.5  # what counting every candidate would claim


def test_the_bootstrap_over_clusters_covers_too():
    random = np.random.default_rng(5)
    numbers = np.repeat(np.arange(50), 10)
    covered = 0
    for seed in range(300):
        values = np.repeat(random.normal(1.0, 2.0, 50), 10)
        low, high = cluster_interval(values, numbers, resamples=400, seed=seed)
        covered += low <= 1.0 <= high

    assert 0.90 <= covered / 300 <= 0.98


def test_effective_size_is_the_number_of_clusters_when_each_is_one_trial_and_all_when_none_is():
    cluster = np.repeat(np.arange(40), 5)
    shared = np.repeat(np.tile([0.0, 1.0], 20), 5)

    assert effective_size(shared, cluster) == pytest.approx(40.0)
    assert effective_size(np.tile([0.0, 1.0], 100), np.arange(200)) == pytest.approx(199.0, rel=0.01)
    assert effective_size(np.tile([0.0, 1.0], 100), np.arange(200) // 20) == pytest.approx(10.0)  # opposites cancel
    assert effective_size(np.ones(200), cluster) == pytest.approx(40.0)  # nothing is known of the variance


def test_a_score_counts_clusters_and_says_what_chance_would_show():
    forecast, outcome = np.full(200, 0.5), np.repeat(np.tile([0.0, 1.0], 20), 5)

    found = score(forecast, outcome, np.repeat(np.arange(40), 5))

    assert (found.trials, found.clusters) == (200, 40)
    assert found.chance == pytest.approx(0.25 / 40)
    assert found.brier_low == found.brier_high == 0.25  # every trial scores the same


# --- recalibration ---------------------------------------------------------------------------------------------------


def brute_isotonic(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The min-max formula: the largest, over starts, of the smallest weighted mean up to an end."""
    size = values.size
    return np.array(
        [
            max(
                min(np.average(values[a : b + 1], weights=weights[a : b + 1]) for b in range(place, size))
                for a in range(place + 1)
            )
            for place in range(size)
        ]
    )


@pytest.mark.parametrize("seed", range(20))
def test_pooling_gives_the_isotonic_fit_found_by_brute_force(seed: int):
    random = np.random.default_rng(seed)
    values, weights = random.random(12), random.integers(1, 9, 12).astype(np.float64)

    starts, means = pooled(values, weights)

    fitted = np.repeat(means, np.diff(np.append(starts, 12)))
    assert fitted == pytest.approx(brute_isotonic(values, weights), abs=1e-12)


def test_an_isotonic_map_gives_each_block_its_rate():
    forecast, outcome = np.array([0.1, 0.1, 0.2, 0.3, 0.9, 0.9]), np.array([0.0, 1.0, 0.0, 0.0, 1.0, 0.0])

    chosen = isotonic(forecast, outcome)

    assert [recalibrated(raw, chosen) for raw in (0.0, 0.1, 0.2, 0.3, 0.9, 1.0)] == pytest.approx(
        [0.25] * 4 + [0.5] * 2
    )


def test_no_recalibrated_probability_is_certain():
    chosen = isotonic(np.array([0.2, 0.8]), np.array([0.0, 1.0]))

    assert (recalibrated(0.0, chosen), recalibrated(1.0, chosen)) == (0.001, 0.999)


def test_the_logistic_map_is_the_maximum_of_the_likelihood():
    random = np.random.default_rng(7)
    forecast = random.uniform(0.05, 0.95, 3_000)
    truth = 1.0 / (1.0 + np.exp(-(0.3 + 0.6 * np.log(forecast / (1.0 - forecast)))))
    outcome = (random.random(3_000) < truth).astype(np.float64)
    odds = np.log(forecast / (1.0 - forecast))

    def loss(weights: np.ndarray) -> float:
        return float(
            np.logaddexp(0.0, weights[0] + weights[1] * odds) @ np.ones(3_000)
            - outcome @ (weights[0] + weights[1] * odds)
        )

    best = minimize(loss, np.array([0.0, 1.0])).x
    chosen = logistic(forecast, outcome)

    for raw in (0.1, 0.35, 0.5, 0.8):
        expected = 1.0 / (1.0 + math.exp(-(best[0] + best[1] * math.log(raw / (1.0 - raw)))))
        assert recalibrated(raw, chosen) == pytest.approx(expected, abs=1e-4)


def test_forecasts_that_point_the_wrong_way_become_the_base_rate():
    forecast, outcome = np.repeat([0.2, 0.8], 50), np.repeat([1.0, 0.0], 50)

    chosen = logistic(forecast, outcome)

    assert recalibrated(0.2, chosen) == recalibrated(0.8, chosen) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("raw", "mapped"),
    [
        ((), ()),
        ((0.1, 0.2), (0.1,)),
        ((0.2, 0.1), (0.1, 0.2)),
        ((0.1, 0.2), (0.2, 0.1)),
        ((0.1, 1.2), (0.1, 0.2)),
        ((0.1, 0.2), (0.1, math.nan)),
    ],
)
def test_a_map_that_does_not_rise_cannot_be_made(raw: tuple[float, ...], mapped: tuple[float, ...]):
    with pytest.raises(InvalidInput, match="BAD_MAP"):
        MonotoneMap(raw, mapped)


@pytest.mark.parametrize("raw", [-0.1, 1.1, math.nan])
def test_only_a_probability_is_recalibrated(raw: float):
    with pytest.raises(InvalidInput, match="NOT_A_PROBABILITY"):
        recalibrated(raw, MonotoneMap((0.0, 1.0), (0.0, 1.0)))


def days_of_trials(seed: int) -> dict[str, np.ndarray]:
    """Ten expiries ten days apart, each with twelve clusters whose forecasts are made one to nine days before."""
    random = np.random.default_rng(seed)
    settled_on = np.repeat(np.arange(10, 110, 10), 120)
    forecast = random.uniform(0.05, 0.95, settled_on.size)
    return {
        "forecast": forecast,
        "outcome": (random.random(settled_on.size) < forecast**2).astype(np.float64),
        "cluster": np.repeat(np.arange(120), 10),
        "taken_on": settled_on - random.integers(1, 10, settled_on.size),
        "settled_on": settled_on,
    }


def test_a_map_never_sees_an_outcome_of_its_day_or_later():
    trials = days_of_trials(1)
    cut = 50
    before = walk_forward(**trials, fit=isotonic, least_clusters=10)
    later = trials["settled_on"] >= cut

    flipped = dict(trials, outcome=np.where(later, 1.0 - trials["outcome"], trials["outcome"]))
    after = walk_forward(**flipped, fit=isotonic, least_clusters=10)

    early = trials["taken_on"] <= cut
    assert np.array_equal(before[early], after[early], equal_nan=True)
    assert not np.array_equal(before[~early], after[~early])  # those that may see them do


def test_an_outcome_settled_on_the_day_of_the_forecast_is_not_yet_known():
    forecast, outcome = np.full(40, 0.5), np.ones(40)
    cluster, settled_on = np.arange(40), np.repeat([10, 20], 20)

    same_day = walk_forward(
        forecast,
        outcome,
        cluster,
        taken_on=np.repeat([1, 10], 20),
        settled_on=settled_on,
        fit=isotonic,
        least_clusters=10,
    )
    day_after = walk_forward(
        forecast,
        outcome,
        cluster,
        taken_on=np.repeat([1, 11], 20),
        settled_on=settled_on,
        fit=isotonic,
        least_clusters=10,
    )

    assert np.isnan(same_day).all()
    assert np.isnan(day_after[:20]).all()
    assert day_after[20:] == pytest.approx(0.999)


def test_walking_forward_needs_enough_clusters_and_then_helps_a_biased_forecaster():
    trials = days_of_trials(2)

    result = walk_forward(**trials, fit=logistic, least_clusters=25)

    tested = np.isfinite(result)
    assert trials["taken_on"][tested].min() > 30  # 12 clusters an expiry: three expiries must have settled
    raw, outcome = trials["forecast"][tested], trials["outcome"][tested]
    assert np.mean((result[tested] - outcome) ** 2) < np.mean((raw - outcome) ** 2) - 0.01


def test_a_fitted_map_rises():
    trials = days_of_trials(3)

    for fit in (isotonic, logistic):
        chosen = fit(trials["forecast"], trials["outcome"])
        assert all(low < high for low, high in pairwise(chosen.raw))
        assert all(low <= high for low, high in pairwise(chosen.mapped))
