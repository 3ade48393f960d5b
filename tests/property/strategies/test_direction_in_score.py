"""A tested view moves the score of bulls and bears alike: what a market gives one side its mirror gives the other."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market.errors import Reason
from market.quant.regime import index_trend, vix_regime
from market.rulebook.charges import option_charge_rates
from market.sessions import Past
from strategies.catalog import BY_SLUG
from strategies.measure import measure
from strategies.recommend import recommend
from strategies.score import TASTES, facts_of, scores
from strategies.search import neighbourhoods
from strategies.table import contract_table
from strategies.view import MEASURED, Measured, Weather, view
from tests.builders import TAKEN_AT, make_chain
from tests.candles import walk

RATES = option_charge_rates(exchange="NSE", as_of=TAKEN_AT.date())
CHAIN = make_chain(2_200.0, days=(25, 53))
CALM = Past(np.random.default_rng(5).normal(0.0, 0.006, 250), np.full(250, 0.095**2))
NO_CHAIN = Reason("NO_CHAIN", "None.")
PROVEN = {"rsi": Measured(0.04, 4.0, 3.5, 2.0, 0.53, 1_200, None, None)}
SIDES = {"Bullish": 1.0, "Bearish": -1.0, "Neutral": 0.0}
PAIRS = [
    ("long-call", "long-put"),
    ("bull-call-spread", "bear-put-spread"),
    ("bull-put-spread", "bear-call-spread"),
    ("synthetic-long", "synthetic-short"),
]


def direction_of(bars, index, measured):
    weather = Weather(float(index_trend(index)[-1]), "Neutral", vix_regime(np.array([14.0])))
    found = view("ACME", bars, interest=NO_CHAIN, weather=weather, measured=measured).tested
    return None if found is None else found.total


def directions(tested):
    slugs = [slug for pair in PAIRS for slug in pair]
    batch, _ = neighbourhoods([BY_SLUG[slug] for slug in slugs], CHAIN, contract_table(CHAIN))
    found = scores(facts_of(batch, measure(batch, rates=RATES), tested=tested))
    return {batch.structures[which].slug: score for which, score in zip(batch.which.tolist(), found, strict=True)}


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), drift=st.floats(-0.006, 0.006))
def test_the_mirror_of_a_market_gives_the_bear_what_the_market_gives_the_bull(seed, drift):
    bars, index = walk(seed, 300, drift=drift), walk(seed + 1, 300)

    up = direction_of(bars, index, PROVEN)
    down = direction_of(bars.reflected(1_000.0), index.reflected(1_000.0), PROVEN)

    seen, mirrored = directions(up), directions(down)
    for bull, bear in PAIRS:
        assert seen[bull].contributions["direction"] == pytest.approx(mirrored[bear].contributions["direction"])
        assert seen[bear].contributions["direction"] == pytest.approx(mirrored[bull].contributions["direction"])
        both = seen[bull].contributions["direction"] + seen[bear].contributions["direction"]
        assert both == pytest.approx(TASTES["moderate"].weights["direction"])


@pytest.mark.parametrize("drift", [0.004, -0.004])
def test_a_view_that_passed_moves_scores_and_one_of_today_moves_none(drift):
    bars, index = walk(3, 300, drift=drift), walk(4, 300)
    proven, today = direction_of(bars, index, PROVEN), direction_of(bars, index, MEASURED)

    def ranked(tested):
        found = recommend(CHAIN, rates=RATES, risk="aggressive", past=CALM, tested=tested).recommendations
        return {each.candidate.structure.slug: each.score for each in found}

    moved, level, unmoved = ranked(proven), ranked(0.0), ranked(today)

    assert proven * drift > 0.0
    assert today is None
    assert {BY_SLUG[slug].outlook for slug in moved} == set(SIDES)
    for slug, score in moved.items():
        gain = 0.5 * TASTES["aggressive"].weights["direction"] * SIDES[BY_SLUG[slug].outlook] * proven
        assert score.total - level[slug].total == pytest.approx(gain)
    for score in unmoved.values():
        assert score.contributions["direction"] == 0.0
        assert score.total == math.fsum(score.contributions.values())
        assert math.fsum(score.weights.values()) == pytest.approx(1.0)
