import math

import numpy as np
import pytest

from market.errors import InvalidInput, NoSolution
from market.quant import black
from market.quant.forward import implied_forward, weighted_median

STRIKES = np.arange(20_000.0, 24_050.0, 50.0)
FORWARD = 22_013.7


def quotes(*, forward=FORWARD, discount=1.0, noise=0.0, seed=1):
    """Call and put prices of a flat 14 % chain with a week to run."""
    random = np.random.default_rng(seed)
    terms = {"forward": forward, "strike": STRIKES, "years": 7 / 365, "volatility": 0.14, "discount": discount}
    calls, puts = (black.price(**terms, is_call=side) for side in (True, False))
    return calls + noise * random.normal(size=STRIKES.size), puts + noise * random.normal(size=STRIKES.size)


def test_exact_prices_give_the_exact_forward():
    calls, puts = quotes(discount=0.98)

    fit = implied_forward(strikes=STRIKES, call_prices=calls, put_prices=puts, discount=0.98)

    assert fit.forward == pytest.approx(FORWARD, rel=1e-12)
    assert fit.strikes_used == 12
    assert fit.stderr < 1e-6


def test_stale_prices_are_outvoted_and_dropped():
    calls, puts = quotes(noise=0.3)
    near = np.argsort(np.abs(STRIKES - 22_000.0))[:12]
    calls[near[[1, 4, 6]]] += 85.0  # last traded when the market stood higher
    puts[near[9]] += 60.0

    fit = implied_forward(strikes=STRIKES, call_prices=calls, put_prices=puts, spot=22_000.0)

    assert fit.forward == pytest.approx(FORWARD, abs=0.6)
    assert fit.strikes_used <= 8
    assert 0.02 < fit.stderr < 0.5


def test_spot_restricts_the_fit_to_the_strikes_nearest_to_it():
    calls, puts = quotes()
    far = np.abs(STRIKES - 22_000.0) > 350.0
    calls[far] += 500.0  # most of the chain is stale, the middle is not

    fit = implied_forward(strikes=STRIKES, call_prices=calls, put_prices=puts, spot=22_000.0)

    assert fit.forward == pytest.approx(FORWARD, rel=1e-9)


def test_weights_decide_between_two_camps():
    camps = {"strikes": [100.0, 105.0, 110.0, 115.0], "call_prices": [9, 6, 9, 8], "put_prices": [4, 6, 9, 8]}

    trusted = implied_forward(**camps, weights=[1.0, 1.0, 0.0, 0.0])

    assert trusted.forward == pytest.approx(105.0)


def test_one_pair_gives_a_forward_of_unknown_error():
    fit = implied_forward(strikes=[100.0, 110.0], call_prices=[6.0, math.nan], put_prices=[4.0, 9.0])

    assert (fit.forward, fit.stderr, fit.strikes_used) == (102.0, math.inf, 1)


@pytest.mark.parametrize(("calls", "puts"), [([math.nan], [1.0]), ([0.0], [1.0]), ([1.0], [-1.0]), ([], [])])
def test_no_pair_is_no_solution(calls, puts):
    with pytest.raises(NoSolution) as refusal:
        implied_forward(strikes=[100.0] * len(calls), call_prices=calls, put_prices=puts)

    assert refusal.value.reason.code == "NO_PAIRS"


def test_a_negative_forward_is_no_solution():
    with pytest.raises(NoSolution) as refusal:
        implied_forward(strikes=[100.0], call_prices=[1.0], put_prices=[500.0])

    assert refusal.value.reason.code == "NO_FORWARD"


@pytest.mark.parametrize(
    "change",
    [
        {"put_prices": [1.0]},
        {"weights": [1.0, -1.0]},
        {"weights": [1.0, math.nan]},
        {"discount": 0.0},
        {"spot": math.nan},
        {"strikes": [100.0, math.nan]},
    ],
)
def test_malformed_input_is_refused(change):
    good = {"strikes": [100.0, 105.0], "call_prices": [6.0, 4.0], "put_prices": [4.0, 6.0]}

    with pytest.raises(InvalidInput):
        implied_forward(**good | change)


def test_weighted_median():
    values = np.array([3.0, 1.0, 2.0, 9.0])

    assert weighted_median(values, np.ones(4)) == 2.5
    assert weighted_median(values, np.array([1.0, 1.0, 1.0, 5.0])) == 9.0
