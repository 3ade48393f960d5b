"""Every choice of strikes that is compared says what its structure claims: the declared view is the sign of delta.

Delta is taken here the slow way: every leg priced by Black's formula of 1976, written out below, at a spot a little
higher and a little lower, the forward moving with it and each strike keeping its volatility.
"""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from market.chain import Chain
from market.errors import OptionsError
from strategies.batch import Batch
from strategies.catalog import BY_SLUG, CATALOGUE
from strategies.search import neighbourhood
from strategies.spec import Structure
from strategies.table import contract_table
from tests.builders import make_chain

NEARLY_NEUTRAL = 0.25  # of the deltas of all legs
BUMP = 1e-4  # of the spot
CHAINS = [
    make_chain(spot, days=days, volatility=volatility, skewed=skewed)
    for spot, days, volatility, skewed in (
        (2_200.0, (11, 39), 0.15, True),
        (22_000.0, (8, 25), 0.30, True),
        (850.0, (25, 53), 0.45, False),
    )
]
SIDES = {"Bullish": 1, "Bearish": -1}
every_structure = pytest.mark.parametrize("structure", CATALOGUE, ids=lambda structure: structure.slug)


def value(chain: Chain, row: int, spot: float) -> float:
    """Price of one contract of the chain with the underlying at another spot."""
    contract = contract_table(chain).contracts[row]
    if contract.expiry is None:
        return spot
    expiry = next(each for each in chain.expiries if each.expiry == contract.expiry)
    forward, strike = expiry.forward * spot / chain.spot, contract.strike
    spread = float(expiry.smile.volatility(np.array([strike]))[0]) * math.sqrt(expiry.years)
    above = math.log(forward / strike) / spread + 0.5 * spread
    call = forward * norm.cdf(above) - strike * norm.cdf(above - spread)
    return call if contract.option_type.code == "CE" else call - forward + strike


def bumped_deltas(chain: Chain, batch: Batch) -> np.ndarray:
    """Delta of every leg of every choice, side and ratio applied; shape (choices, legs)."""
    step = BUMP * chain.spot
    by_row = {
        row: (value(chain, row, chain.spot + step) - value(chain, row, chain.spot - step)) / (2.0 * step)
        for row in np.unique(batch.rows).tolist()
    }
    return batch.units * np.vectorize(by_row.get)(batch.rows)


def leaning(chain: Chain, batch: Batch) -> np.ndarray:
    """Net delta as a share of the deltas of all legs."""
    deltas = bumped_deltas(chain, batch)
    return deltas.sum(axis=1) / np.abs(deltas).sum(axis=1)


@every_structure
@settings(max_examples=3, deadline=None)
@given(chain=st.sampled_from(CHAINS))
def test_no_choice_contradicts_the_view_of_its_structure(structure: Structure, chain: Chain):
    try:
        batch = neighbourhood(structure, chain, contract_table(chain))
    except OptionsError:
        return

    share = leaning(chain, batch)

    if structure.outlook == "Neutral":
        assert (np.abs(share) < NEARLY_NEUTRAL).all()
    else:
        assert (share * SIDES[structure.outlook] > 0.0).all()


@every_structure
def test_every_structure_has_choices_on_one_of_these_chains(structure: Structure):
    sizes = []
    for chain in CHAINS:
        try:
            sizes.append(neighbourhood(structure, chain, contract_table(chain)).size)
        except OptionsError:
            sizes.append(0)

    assert max(sizes) >= 10


def test_the_slow_delta_knows_a_bull_from_a_bear():
    for slug, side in (("long-call", 1), ("long-put", -1), ("short-call", -1), ("short-put", 1)):
        share = leaning(CHAINS[0], neighbourhood(BY_SLUG[slug], CHAINS[0], contract_table(CHAINS[0])))
        assert share == pytest.approx(side)
