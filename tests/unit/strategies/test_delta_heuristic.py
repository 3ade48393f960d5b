"""The documents' formulas, as a baseline."""

import numpy as np
import pytest

from strategies.batch import concatenate
from strategies.build import candidate_of
from strategies.catalog import BY_SLUG
from strategies.delta_heuristic import delta_probability
from strategies.search import neighbourhood
from strategies.table import contract_table
from tests.builders import make_chain

SLUGS = (
    "long-call",
    "short-put",
    "bull-put-spread",
    "bull-call-spread",
    "bear-put-spread",
    "iron-condor",
    "long-straddle",
    "jade-lizard",
)


def test_each_formula_is_the_documents():
    chain = make_chain(2_200, days=(25,))
    table = contract_table(chain)
    batch = concatenate([neighbourhood(BY_SLUG[slug], chain, table).take(np.arange(1)) for slug in SLUGS])

    found = dict(zip(SLUGS, delta_probability(batch), strict=True))

    legs = {slug: candidate_of(batch, place).legs for place, slug in enumerate(SLUGS)}
    bought = {slug: [abs(leg.delta) for leg in legs[slug] if leg.quantity > 0] for slug in SLUGS}
    sold = {slug: [abs(leg.delta) for leg in legs[slug] if leg.quantity < 0] for slug in SLUGS}
    total = sum(leg.quantity * leg.delta for leg in legs["jade-lizard"])
    assert found == pytest.approx(
        {
            "long-call": 0.92 * bought["long-call"][0],
            "short-put": min(0.85, max(0.45, 1 - sold["short-put"][0])),
            "bull-put-spread": 1 - sold["bull-put-spread"][0],
            "bull-call-spread": 1 - bought["bull-call-spread"][0],
            "bear-put-spread": min(0.7, 0.8 * (1 - sold["bear-put-spread"][0])),
            "iron-condor": 0.9 * (1 - sold["iron-condor"][0]) * (1 - sold["iron-condor"][1]),
            "long-straddle": 0.35,
            "jade-lizard": min(0.8, max(0.2, 0.5 + 0.3 * total)),
        }
    )
