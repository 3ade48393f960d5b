"""Every choice of strikes that is compared says what its structure claims: the declared view is the sign of delta."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market.errors import OptionsError
from strategies.catalog import CATALOGUE
from strategies.search import neighbourhood
from strategies.spec import Structure
from strategies.table import contract_table
from tests.builders import make_chain

NEARLY_NEUTRAL = 0.25  # of the deltas of all legs
CHAINS = [
    make_chain(spot, days=days, volatility=volatility, skewed=skewed)
    for spot, days, volatility, skewed in (
        (2_200.0, (11, 39), 0.15, True),
        (22_000.0, (8, 25), 0.30, True),
        (850.0, (25, 53), 0.45, False),
    )
]


@pytest.mark.parametrize("structure", CATALOGUE, ids=lambda structure: structure.slug)
@settings(max_examples=3, deadline=None)
@given(chain=st.sampled_from(CHAINS))
def test_no_choice_contradicts_the_view_of_its_structure(structure: Structure, chain):
    table = contract_table(chain)
    try:
        batch = neighbourhood(structure, chain, table)
    except OptionsError:
        return

    deltas = batch.units * table.delta[batch.rows]
    share = deltas.sum(axis=1) / np.abs(deltas).sum(axis=1)

    if structure.outlook == "Neutral":
        assert (np.abs(share) < NEARLY_NEUTRAL).all()
    else:
        assert (share * {"Bullish": 1, "Bearish": -1}[structure.outlook] > 0.0).all()
