"""Every convention of a probability says what it is anchored at, which distribution it takes and how days count."""

import numpy as np
import pytest

from market.rulebook.charges import option_charge_rates
from market.sessions import Past
from strategies.convention import EVENT, NO_PAST, NOT_MEASURED, TERMS, ProbabilityConvention, why_none
from strategies.forecast import BLOCK, DRAWS
from strategies.recommend import recommend
from tests.builders import TAKEN_AT, make_chain

RATES = option_charge_rates(exchange="NSE", as_of=TAKEN_AT.date())
every_convention = pytest.mark.parametrize("convention", list(ProbabilityConvention))


@every_convention
def test_each_names_its_anchor_distribution_and_day_count(convention):
    terms = TERMS[convention]

    for part in (terms.name, terms.anchor, terms.distribution, terms.day_count):
        assert part
        assert part in terms.sentence
    assert "before charges" in EVENT


def test_no_two_are_said_to_be_the_same():
    assert set(TERMS) == set(ProbabilityConvention)
    assert len({terms.column for terms in TERMS.values()}) == 3
    assert len({(terms.distribution, terms.day_count) for terms in TERMS.values()}) == 3
    history = TERMS[ProbabilityConvention.HISTORY].distribution
    assert f"{DRAWS:,}" in history
    assert f"{BLOCK} sessions" in history


def test_what_is_not_known_says_why():
    history, flat = ProbabilityConvention.HISTORY, ProbabilityConvention.FLAT

    assert why_none(history, measured=True) == NO_PAST
    assert why_none(history, measured=False) == why_none(flat, measured=True) == NOT_MEASURED


def test_the_three_are_of_the_same_event_and_agree_where_smile_and_past_are_flat():
    """Without a skew, and with a past as wide as the smile, three ways to the same probability."""
    random = np.random.default_rng(8)
    wide = Past(random.normal(0.0, 0.15 / np.sqrt(252), 2_000), np.full(2_000, 0.08**2))
    chain = make_chain(2_200.0, days=(25,), skewed=False)

    found = recommend(chain, rates=RATES, risk="aggressive", past=wide).recommendations

    assert len(found) > 5
    for each in found:
        smile = each.evaluation.probability_of_profit
        assert each.figures.probability_flat == pytest.approx(smile, abs=1e-3)
        assert each.figures.probability_history == pytest.approx(smile, abs=0.05)
