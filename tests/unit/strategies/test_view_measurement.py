"""The measurement finds what is there, and nothing where nothing is."""

import math

import numpy as np
import pytest
from scipy.stats import spearmanr, ttest_1samp

from bench.view import Market, components, correlations, described, market, newey_west, trace, walk_forward, worth
from strategies.observe import read_candles
from strategies.view import WEIGHTS
from tests.candles import walk

DAYS, SHARES = 400, 60


def planted(strength, seed=1):
    """A market of independent returns with one signal that knows a share of the next one."""
    random = np.random.default_rng(seed)
    returns = random.normal(size=(DAYS, SHARES))
    signal = np.tanh(strength * returns + random.normal(size=(DAYS, SHARES)))
    days = np.datetime64("2021-01-01") + np.arange(DAYS)
    return Market(days, [f"S{n}" for n in range(SHARES)], {"rsi": signal}, {1: returns}, np.ones((DAYS, SHARES)))


def measured(there):
    return worth(trace(there.panel["rsi"], there, 1), there.days, 1, np.ones(DAYS, dtype=bool))


def test_a_planted_signal_is_found():
    found = measured(planted(0.1))

    assert found.ic == pytest.approx(0.1, abs=0.02)
    assert found.t > 6
    assert found.hit > 0.52


@pytest.mark.parametrize("seed", range(5))
def test_noise_stays_below_the_threshold(seed):
    assert abs(measured(planted(0.0, seed)).t) < 3


def test_rank_correlations_are_spearmans():
    there = planted(0.3)
    there.panel["rsi"][:, :20] = np.nan

    found = correlations(there.panel["rsi"], there.returns[1])

    assert found[7] == pytest.approx(spearmanr(there.panel["rsi"][7, 20:], there.returns[1][7, 20:])[0], abs=1e-12)


def test_newey_west_is_the_plain_t_of_independent_terms_and_smaller_for_overlapping_ones():
    series = np.random.default_rng(3).normal(0.1, 1, 2_000)
    overlapping = np.convolve(series, np.ones(10) / 10, mode="valid")

    plain = ttest_1samp(series, 0).statistic

    assert newey_west(series, 0) == pytest.approx(plain, rel=1e-3)
    assert newey_west(overlapping, 20) == pytest.approx(plain, rel=0.35)
    assert newey_west(overlapping, 0) > 2.5 * newey_west(overlapping, 20)
    assert math.isnan(newey_west(np.zeros(50), 5))


def test_the_measured_sum_is_the_one_that_is_shown():
    bars = walk(1, 400)
    rows = np.arange(len(bars)) - (len(bars) - 1)  # the last session is one where the value area is drawn
    panel = {name: values[:, None] for name, values in components(bars, rows).items()}

    from market.quant.levels import value_area

    read = read_candles(bars, value_area(bars))
    total = sum(WEIGHTS[name] * value for name, value in read.items()) / sum(WEIGHTS[name] for name in read)

    assert set(panel) == set(read)
    assert described(panel)[-1, 0] == pytest.approx(total, abs=1e-9)


def test_no_return_reaches_over_a_split():
    whole = {f"S{n}": walk(n, 300) for n in range(3)}
    for column in (whole["S1"].opens, whole["S1"].highs, whole["S1"].lows, whole["S1"].closes):
        column[200:] /= 2

    there = market(whole, walk(9, 300))

    assert np.nanmax(np.abs(there.returns[10])) < 0.4
    assert np.isnan(there.returns[10][190:200, 1]).all()
    assert np.isfinite(there.returns[10][190:200, 0]).all()


def test_the_walk_forward_chooses_only_on_what_came_before():
    there = planted(0.2)
    there.panel["rsi"][:200] = np.random.default_rng(5).normal(size=(200, SHARES))  # worthless until the summer
    days = np.datetime64("2021-01-01") + 2 * np.arange(DAYS)
    moved = Market(days, there.symbols, there.panel, there.returns, there.sigma)

    chosen, total = walk_forward(moved, {("rsi", 1): trace(moved.panel["rsi"], moved, 1)}, 1)

    assert chosen[2021] == []
    assert total is None or total.first.year > 2021
