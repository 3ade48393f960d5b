"""A structure of one's own is data: rules that no entry of the catalogue uses go the whole way to a recommendation."""

from datetime import date

import numpy as np
import pytest

from market.rulebook.charges import option_charge_rates
from market.sessions import Past
from strategies.catalog.terms import ANY, BUY, CALL, PUT, SELL
from strategies.recognise import recognise
from strategies.recommend import recommend
from strategies.spec import ExitClass, LegRule, Structure
from strategies.strikes import Atm, Beside, Percent, Premium
from tests.builders import make_chain

RATES = option_charge_rates(exchange="NSE", as_of=date(2026, 1, 30))
CHAIN = make_chain(2_200.0, days=(25, 53))  # strikes 11 apart
CALM = Past(np.random.default_rng(5).normal(0.0, 0.006, 250), np.full(250, 0.095**2))


def credit_spread(slug: str, kind, outlook, short, long) -> Structure:
    return Structure(
        slug=slug,
        name="My Spread",
        category="directional",
        outlook=outlook,
        volatility_view="short",
        iv_regimes=ANY,
        legs=(LegRule(SELL, kind, short), LegRule(BUY, kind, long)),
        min_days=3,
        max_days=50,
        exits=ExitClass.CREDIT_SPREAD,
        premium="credit",
        margin_group="defined",
        summary="A spread of one's own.",
        guidance="As its legs say.",
    )


OWN = (
    credit_spread("percent-and-beside", CALL, "Bearish", Percent(0.03), Beside(0, 4)),
    credit_spread("steps-and-beside", PUT, "Bullish", Atm(-5), Beside(0, -4)),
    credit_spread("share-of-spot", PUT, "Bullish", Premium(0.008, of="spot"), Beside(0, -3)),
)


@pytest.mark.parametrize("mine", OWN, ids=lambda structure: structure.slug)
def test_it_is_searched_measured_scored_and_recommended_like_an_entry(mine: Structure):
    found = recommend(CHAIN, rates=RATES, risk="moderate", past=CALM, structures=(mine,))

    (only,) = found.recommendations
    short, long = only.candidate.legs
    rule = mine.legs[1].strike
    assert only.candidate.structure is mine
    assert found.measured > 50
    assert np.sign(long.strike - short.strike) == np.sign(rule.steps)
    assert only.evaluation.max_loss < np.inf
    assert only.score.total > 0.0


def test_its_legs_are_named_by_the_catalogue():
    found = recommend(CHAIN, rates=RATES, risk="moderate", past=CALM, structures=OWN[:1]).recommendations[0]

    named = recognise((leg.contract, leg.quantity) for leg in found.candidate.legs)

    assert named.structure.slug == "bear-call-spread"
