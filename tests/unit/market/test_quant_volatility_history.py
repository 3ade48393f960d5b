"""Estimators from bars, where an implied volatility stands, and the forecast of variance."""

import math

import numpy as np
import pytest

from market.errors import InvalidInput
from market.quant.volatility import (
    BLENDED_WEIGHTS,
    REALISED_WEIGHTS,
    daily_variances,
    ewma_volatility,
    forecast_variance,
    garman_klass,
    iv_standing,
    parkinson,
    relative_volatility,
    rogers_satchell,
    yang_zhang,
)

OPENS, H, L, C = [100.0, 102.0, 101.0], [103.0, 104.0, 105.0], [99.0, 101.0, 100.0], [102.0, 101.5, 104.0]
BARS = {"opens": OPENS, "highs": H, "lows": L, "closes": C}


def simulated(*, volatility=0.3, drift=0.0, gap=0.0, days=400, steps=800, seed=3):
    """Bars of geometric Brownian motion, `gap` being the share of the variance that falls overnight."""
    random = np.random.default_rng(seed)
    daily = volatility / math.sqrt(252)
    inside = daily * math.sqrt(1 - gap) / math.sqrt(steps) * random.normal(size=(days, steps)) + drift / 252 / steps
    jumps = daily * math.sqrt(gap) * random.normal(size=days)
    paths = np.cumsum(inside, axis=1)
    starts = np.concatenate([[0.0], np.cumsum(paths[:, -1] + jumps)[:-1]]) + jumps
    walk = np.concatenate([np.zeros((days, 1)), paths], axis=1) + starts[:, None]
    prices = 100 * np.exp(walk)
    return {"opens": prices[:, 0], "highs": prices.max(1), "lows": prices.min(1), "closes": prices[:, -1]}


def test_parkinson_by_hand():
    squares = [math.log(h / low) ** 2 for h, low in zip(H, L, strict=True)]

    assert float(parkinson(highs=H, lows=L)) == pytest.approx(math.sqrt(252 * sum(squares) / 3 / (4 * math.log(2))))


def test_rogers_satchell_by_hand():
    terms = [
        math.log(h / c) * math.log(h / o) + math.log(low / c) * math.log(low / o)
        for o, h, low, c in zip(OPENS, H, L, C, strict=True)
    ]

    assert float(rogers_satchell(**BARS)) == pytest.approx(math.sqrt(252 * sum(terms) / 3))


def test_yang_zhang_by_hand():
    gaps = [math.log(102 / 102), math.log(101 / 101.5)]
    inside = [math.log(101.5 / 102), math.log(104 / 101)]
    ranges = [
        math.log(h / c) * math.log(h / o) + math.log(low / c) * math.log(low / o)
        for o, h, low, c in zip(OPENS[1:], H[1:], L[1:], C[1:], strict=True)
    ]
    share = 0.34 / (1.34 + 3 / 1)
    variance = np.var(gaps, ddof=1) + share * np.var(inside, ddof=1) + (1 - share) * np.mean(ranges)

    assert float(yang_zhang(**BARS)) == pytest.approx(math.sqrt(252 * variance))


def test_ewma_by_hand():
    first, second = math.log(102 / 100), math.log(101 / 102)
    expected = math.sqrt(252 * (0.94 * first**2 + second**2) / 1.94)

    assert float(ewma_volatility([100.0, 102.0, 101.0])) == pytest.approx(expected)


@pytest.mark.parametrize("estimate", [parkinson, rogers_satchell, yang_zhang, garman_klass])
def test_range_estimators_find_the_volatility_of_brownian_motion(estimate):
    bars = simulated()
    given = {"highs": bars["highs"], "lows": bars["lows"]} if estimate is parkinson else bars

    assert float(estimate(**given)) == pytest.approx(0.3, rel=0.06)  # 800 steps a day see a little less than the range


def test_ewma_finds_the_volatility_of_brownian_motion():
    closes = simulated(days=3_000, steps=1)["closes"]

    assert float(ewma_volatility(closes, decay=0.998)) == pytest.approx(0.3, rel=0.08)


def test_drift_deceives_parkinson_and_not_the_drift_independent_two():
    bars = simulated(volatility=0.2, drift=4.0)

    assert float(rogers_satchell(**bars)) == pytest.approx(0.2, rel=0.06)
    assert float(yang_zhang(**bars)) == pytest.approx(0.2, rel=0.06)
    assert float(parkinson(highs=bars["highs"], lows=bars["lows"])) > 0.23


def test_only_yang_zhang_sees_the_night():
    bars = simulated(gap=0.5)

    assert float(yang_zhang(**bars)) == pytest.approx(0.3, rel=0.08)
    assert float(rogers_satchell(**bars)) == pytest.approx(0.3 * math.sqrt(0.5), rel=0.06)


def test_many_series_at_once_are_each_their_own():
    stacked = {name: np.stack([values, values]) for name, values in BARS.items()}

    assert yang_zhang(**stacked).tolist() == [float(yang_zhang(**BARS))] * 2


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (lambda: parkinson(highs=[], lows=[]), "TOO_FEW_PRICES"),
        (lambda: parkinson(highs=[1.0], lows=[2.0]), "BAR_CONTRADICTION"),
        (lambda: rogers_satchell(opens=[1.0], highs=[1.0], lows=[0.0], closes=[1.0]), "NOT_POSITIVE"),
        (lambda: rogers_satchell(opens=[2.0], highs=[1.5], lows=[1.0], closes=[1.2]), "BAR_CONTRADICTION"),
        (lambda: yang_zhang(**{name: values[:2] for name, values in BARS.items()}), "TOO_FEW_PRICES"),
        (lambda: ewma_volatility([1.0]), "TOO_FEW_PRICES"),
        (lambda: ewma_volatility([1.0, 2.0], decay=1.0), "BAD_DECAY"),
        (lambda: ewma_volatility([1.0, math.nan]), "NOT_POSITIVE"),
    ],
)
def test_bars_that_are_none_are_refused(call, code):
    with pytest.raises(InvalidInput) as refusal:
        call()

    assert refusal.value.reason.code == code


# --- rank and percentile ----------------------------------------------------------------------------------------------


def test_rank_and_percentile_by_hand():
    history = [0.10] * 30 + [0.30] * 29 + [0.25]

    standing = iv_standing(history)

    assert (standing.low, standing.high, standing.current, standing.observations) == (0.10, 0.30, 0.25, 60)
    assert standing.rank == pytest.approx(0.75)
    assert standing.percentile == pytest.approx(30 / 59)


@pytest.mark.parametrize(("lookback", "rank"), [(5, 0.5), (60, 0.25)])
def test_a_lookback_sees_only_its_own_sessions(lookback, rank):
    history = [0.10, *[0.20] * 55, 0.30, 0.20, 0.50, 0.35] if lookback == 5 else [0.10, *[0.20] * 57, 0.50, 0.20]

    assert iv_standing(history, lookback=lookback).rank == pytest.approx(rank)


@pytest.mark.parametrize("lookback", [5, 60, 252])
@pytest.mark.parametrize("count", [0, 1, 59])
def test_below_sixty_observations_there_is_a_reason_and_no_number(count, lookback):
    answer = iv_standing(np.linspace(0.1, 0.3, count), lookback=lookback)

    assert answer.code == "INSUFFICIENT_HISTORY"
    assert f"{count} of the 60" in answer.sentence


def test_a_history_without_a_range_has_no_rank():
    assert iv_standing([0.2] * 80).code == "FLAT_HISTORY"


@pytest.mark.parametrize("lookback", [4, 253])
def test_lookbacks_are_from_five_to_two_hundred_and_fifty_two(lookback):
    with pytest.raises(InvalidInput) as refusal:
        iv_standing([0.2] * 80, lookback=lookback)

    assert refusal.value.reason.code == "BAD_LOOKBACK"


@pytest.mark.parametrize(("volatility", "peers", "group", "answer"), [
    (0.30, [0.10, 0.20, 0.40], "Banks", 1.5),
    (0.30, [0.10, 0.20], "Banks", "TOO_FEW_PEERS"),
    (0.30, [0.10, 0.20, 0.40], "", "UNKNOWN_GROUP"),
])  # fmt: skip
def test_relative_volatility_is_over_the_median_of_the_others(volatility, peers, group, answer):
    found = relative_volatility(volatility, peers, group=group)

    assert found == pytest.approx(answer) if isinstance(answer, float) else found.code == answer


# --- forecast ---------------------------------------------------------------------------------------------------------


def test_the_forecast_is_the_weighted_sum_of_what_is_known():
    past = np.arange(1.0, 31.0) / 100
    parts = (past.mean(), past[-5:].mean(), past[-22:].mean())

    for weights, implied in ((REALISED_WEIGHTS, None), (BLENDED_WEIGHTS, 0.4)):
        expected = np.dot((weights.past, weights.week, weights.month), parts)
        expected += weights.implied * (implied or 0.0) ** 2
        assert forecast_variance(past, implied=implied) == pytest.approx(expected)


@pytest.mark.parametrize(("realised", "implied"), [(0.09, 0.11), (0.20, 0.25), (0.40, 0.50)])
def test_a_forecast_lies_between_what_was_realised_and_what_is_implied(realised, implied):
    found = math.sqrt(forecast_variance([realised**2] * 60, implied=implied))

    assert realised < found < implied


@pytest.mark.parametrize("volatility", [0.05, 0.09, 0.60])
@pytest.mark.parametrize("with_implied", [True, False])
def test_what_was_always_the_same_is_forecast_to_stay(volatility, with_implied):
    found = forecast_variance([volatility**2] * 60, implied=volatility if with_implied else None)

    assert found == pytest.approx(volatility**2)


@pytest.mark.parametrize("implied", [0.2, None])
def test_twice_the_volatilities_are_twice_the_forecast(implied):
    past = np.random.default_rng(3).uniform(0.005, 0.08, 135)

    once = math.sqrt(forecast_variance(past, implied=implied))
    twice = math.sqrt(forecast_variance(4.0 * past, implied=implied and 2.0 * implied))

    assert twice == pytest.approx(2.0 * once)


def test_daily_variances_are_gap_plus_range_by_hand():
    found = daily_variances(**BARS)

    gap = math.log(101 / 101.5)
    inside = math.log(105 / 104) * math.log(105 / 101) + math.log(100 / 104) * math.log(100 / 101)
    assert found.shape == (2,)
    assert found[1] == pytest.approx(252 * (gap**2 + inside))


@pytest.mark.parametrize(
    ("past", "implied", "code"),
    [
        ([0.1] * 21, None, "TOO_FEW_PRICES"),
        ([0.1] * 21 + [math.nan], None, "NOT_FINITE"),
        ([0.1] * 21 + [-0.1], None, "NOT_FINITE"),
        ([0.1] * 22, 0.0, "NOT_POSITIVE"),
    ],
)
def test_a_forecast_from_nothing_is_refused(past, implied, code):
    with pytest.raises(InvalidInput) as refusal:
        forecast_variance(past, implied=implied)

    assert refusal.value.reason.code == code
