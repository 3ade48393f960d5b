"""The chance of having half of the best at some time, against closed forms and a simulation watched all the time."""

import math

import numpy as np
import pytest
from scipy.special import ndtr
from scipy.stats import norm

from strategies.batch import Batch
from strategies.build import build
from strategies.catalog import BY_SLUG
from strategies.horizon import distribution_at
from strategies.passage import probability_of_reaching
from strategies.table import SHARE
from tests.builders import make_chain, make_fair_chain
from tests.single import batch_of

PATHS, LOOKS = 40_000, 200
NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(61)
SIMULATED = (
    "short-straddle", "iron-condor", "bull-put-spread", "bear-call-spread", "bull-call-spread", "covered-call",
    "broken-wing-butterfly", "jade-lizard", "call-ratio-spread", "long-put",
)  # fmt: skip


def one(slug: str, chain) -> Batch:
    return batch_of(build(BY_SLUG[slug], chain), chain)


def target(batch: Batch) -> np.ndarray:
    """A third of the credit or of the debit: in reach of all of them."""
    return np.abs(batch.option_premium) / 3.0


def settled(batch: Batch, levels: np.ndarray) -> np.ndarray:
    table = batch.table
    profit = np.full(levels.shape, batch.net_premium[0])
    for row, units in zip(batch.rows[0], batch.units[0], strict=True):
        kind, strike = table.kind[row], table.strike[row]
        profit += units * (levels if kind == SHARE else np.maximum(kind * (levels - strike), 0.0))
    return profit


def simulated(batch: Batch, goal: float) -> float:
    """Watch paths of the driving Brownian motion, and between two looks the bridge against the nearest crossing."""
    distribution = distribution_at(batch.table.chain.expiries[0])
    random = np.random.default_rng(7)
    grid, step = np.linspace(-6.0, 6.0, 601), 1.0 / LOOKS
    path, reached = np.zeros(PATHS), np.zeros(PATHS, dtype=np.bool_)
    before = np.full(PATHS, np.nan)
    for look in range(1, LOOKS + 1):
        path = path + random.normal(size=PATHS) * math.sqrt(step)
        spread = math.sqrt(1.0 - look * step)
        ends = distribution.quantile(ndtr(grid[:, None] + spread * NODES))
        lead = settled(batch, ends) @ WEIGHTS / WEIGHTS.sum() - goal
        away = np.interp(path, grid, lead)
        slope = np.abs(np.interp(path, grid, np.gradient(lead, grid)))
        distance = -away / np.maximum(slope, 1e-9)
        missed = np.exp(-2.0 * np.maximum(distance, 0.0) * np.maximum(before, 0.0) / step)
        reached |= (away >= 0.0) | (random.random(PATHS) < np.nan_to_num(missed))
        before = distance
    return float(reached.mean())


@pytest.mark.parametrize("share", [0.2, 0.5, 1.0, 1.5, 2.5])
def test_a_bought_forward_reaches_a_price_as_the_reflection_principle_says(share: float):
    chain = make_fair_chain(22_000, days=(25,), skewed=False)
    batch = one("synthetic-long", chain)
    spread = 0.15 * math.sqrt(25 / 365)
    goal = share * spread * 22_000

    found = probability_of_reaching(batch, np.array([goal]), distribution_at(chain.expiries[0]))[0]

    # A lognormal martingale's maximum; Harrison (1985), section 1.8.
    high = 22_000 + goal + (float(batch.table.strike[batch.rows[0, 0]]) - 22_000 - batch.net_premium[0])
    log = math.log(high / 22_000)
    expected = norm.cdf((-log - 0.5 * spread**2) / spread) + 22_000 / high * norm.cdf((-log + 0.5 * spread**2) / spread)
    assert found == pytest.approx(expected, abs=0.006)


@pytest.mark.parametrize("slug", SIMULATED)
def test_it_is_what_a_simulation_of_the_same_process_finds(slug: str):
    chain = make_chain(2_200, days=(25,))
    batch = one(slug, chain)
    goal = target(batch)

    found = probability_of_reaching(batch, goal, distribution_at(chain.expiries[0]))[0]

    assert found == pytest.approx(simulated(batch, float(goal[0])), abs=0.01)


def test_more_is_reached_less_often_and_never_less_often_than_held_to_the_end():
    chain = make_chain(2_200, days=(25,))
    batch = one("iron-condor", chain)
    distribution = distribution_at(chain.expiries[0])
    levels = distribution.quantile((np.arange(100_000) + 0.5) / 100_000)

    goals = batch.option_premium * np.array([0.25, 0.5, 0.75, 0.95])
    found = np.array([probability_of_reaching(batch, np.array([goal]), distribution)[0] for goal in goals])

    assert (np.diff(found) < 0.0).all()
    held = np.array([(settled(batch, levels) >= goal).mean() for goal in goals])
    assert (found > held).all()


def test_what_is_there_from_the_start_is_certain_and_what_no_outcome_pays_is_not_reached():
    chain = make_chain(2_200, days=(25,))
    batch = one("iron-condor", chain)
    distribution = distribution_at(chain.expiries[0])

    certain, never = (probability_of_reaching(batch, np.array([goal]), distribution)[0] for goal in (-50.0, 1_000.0))

    assert certain == pytest.approx(1.0, abs=1e-9)
    assert never == pytest.approx(0.0, abs=1e-9)


def test_candidates_together_or_alone_are_the_same():
    chain = make_chain(2_200, days=(25, 53))
    batch = one("calendar-spread", chain)
    both = batch.take(np.array([0, 0]))
    distribution = distribution_at(chain.expiries[0])

    alone = probability_of_reaching(batch, target(batch), distribution)[0]
    together = probability_of_reaching(both, np.array([1.0, 2.0]) * target(batch), distribution)

    assert together[0] == pytest.approx(alone, abs=1e-12)
    assert together[1] < together[0]
