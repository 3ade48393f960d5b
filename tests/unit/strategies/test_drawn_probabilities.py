"""The benchmark that draws prices from a smile: it knows the distribution by itself, and finds a planted error."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import lognorm

from bench.probability import Errors, candidates, count, inverse
from market.quant.smile import flat_smile
from market.rulebook.charges import option_charge_rates
from strategies.batch import Batch
from strategies.catalog import CATALOGUE
from strategies.horizon import distribution_at
from strategies.measure import Measures, measure
from tests.builders import TAKEN_AT, make_chain

PATHS = 200_000
CHAIN = make_chain(2_200, days=(11, 39), spread=0.004)
RATES = option_charge_rates(exchange="NSE", as_of=TAKEN_AT.date())


@pytest.fixture(scope="module")
def drawn() -> tuple[Batch, Measures, np.ndarray, np.ndarray]:
    """Candidates of every structure on a made chain of two expiries, and what was counted of them."""
    batch = candidates(CHAIN)
    batch = batch.take(batch.front == 0)
    found = measure(batch, rates=RATES)
    return batch, found, *count(batch, found.charges, np.random.default_rng(7), PATHS)


def test_a_flat_smile_is_drawn_lognormal():
    deviation = 0.2 * math.sqrt(0.1)
    exact = lognorm(deviation, scale=1_000.0 * math.exp(-0.5 * deviation**2))
    shares = np.linspace(0.001, 0.999, 99)

    levels, cumulative = inverse(flat_smile(forward=1_000.0, years=0.1, volatility=0.2))

    assert np.interp(shares, cumulative, levels) == pytest.approx(exact.ppf(shares), rel=1e-5)


def test_the_probability_of_profit_is_the_share_of_drawn_outcomes_that_pay(drawn):
    batch, found, counted, after = drawn
    slugs = {batch.structures[which].slug for which in np.unique(batch.which)}
    noise = 4.5 * math.sqrt(0.25 / PATHS)

    assert len(slugs) >= len(CATALOGUE) - 5
    assert {"calendar-spread", "double-diagonal"} <= slugs
    assert np.abs(found.probability_of_profit - counted).max() < noise
    assert np.abs(found.probability_after_costs - after).max() < noise
    assert np.abs(found.probability_of_profit - counted).mean() < 0.001


def test_another_smile_is_told_from_this_one(drawn):
    batch, found, counted, _ = drawn
    front = CHAIN.expiries[0]
    other = flat_smile(forward=front.forward, years=front.years, volatility=1.05 * front.smile.atm_volatility)
    chain = replace(CHAIN, expiries=(replace(front, smile=other), *CHAIN.expiries[1:]))
    table = replace(batch.table, chain=chain)

    elsewhere, _ = count(replace(batch, table=table), found.charges, np.random.default_rng(7), PATHS)

    assert (
        np.abs(found.probability_of_profit - elsewhere).mean()
        > 5 * np.abs(found.probability_of_profit - counted).mean()
    )


def test_errors_are_means_of_absolute_gaps():
    errors = Errors([np.array([0.5, 0.6])], [np.array([0.4, 0.8])], [np.array([0.9, 0.8])])

    assert (errors.number(), errors.mean(), errors.largest()) == (2, pytest.approx(0.15), pytest.approx(0.2))
    assert errors.heuristic() == pytest.approx(0.25)
    assert errors.noise(10_000) == pytest.approx((math.sqrt(0.24) + 0.4) / 2 / 100)


def test_the_drawing_does_not_see_the_distribution_it_checks():
    levels, cumulative = inverse(CHAIN.expiries[0].smile)
    checked = distribution_at(CHAIN.expiries[0])

    assert levels.size != checked.grid.size
    assert np.interp(checked.grid, levels, cumulative) == pytest.approx(checked.cumulative, abs=2e-6)
