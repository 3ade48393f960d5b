"""The catalogue holds what the documents list, and every entry makes sense as data."""

import math
from datetime import date

import pytest

from market.contract import Side
from market.rulebook.charges import option_charge_rates
from strategies.build import build
from strategies.catalog import BY_SLUG, CATALOGUE
from strategies.evaluate import evaluate
from strategies.exits import RULES, exit_levels
from strategies.score import score
from strategies.spec import Kind, Structure
from strategies.strikes import Apart, Beside, Mirror, SameAs
from tests.builders import TAKEN_AT, make_chain

RATES = option_charge_rates(exchange="NSE", as_of=date(2026, 1, 30))
NEAREST_MONTHLY = 25  # days on 2026-01-30: the only expiry the recorded end-of-day chains hold

# options-v4.md section 1.1
DOCUMENTED = {
    "Long Call": "directional",
    "Long Put": "directional",
    "Short Call": "directional",
    "Short Put": "directional",
    "Bull Call Spread": "directional",
    "Bear Call Spread": "directional",
    "Bull Put Spread": "directional",
    "Bear Put Spread": "directional",
    "Iron Condor": "neutral",
    "Butterfly Spread": "neutral",
    "Iron Butterfly": "neutral",
    "Long Straddle": "volatility",
    "Short Straddle": "volatility",
    "Long Strangle": "volatility",
    "Short Strangle": "volatility",
    "Cash-Secured Put": "income",
    "Covered Call": "income",
    "Calendar Spread": "advanced",
    "Diagonal Spread": "advanced",
    "Call Ratio Spread": "advanced",
    "Put Ratio Spread": "advanced",
    "Jade Lizard": "advanced",
    "Broken Wing Butterfly": "advanced",
}
# The same section, 1.2: sides, ratios and types of the legs, a later expiry dashed
DOCUMENTED_LEGS = {
    "long-call": "+1C",
    "long-put": "+1P",
    "short-call": "-1C",
    "short-put": "-1P",
    "bull-call-spread": "+1C -1C",
    "bear-call-spread": "+1C -1C",
    "bull-put-spread": "+1P -1P",
    "bear-put-spread": "+1P -1P",
    "iron-condor": "+1C +1P -1C -1P",
    "butterfly": "+1C +1C -2C",
    "iron-butterfly": "+1C +1P -1C -1P",
    "long-straddle": "+1C +1P",
    "short-straddle": "-1C -1P",
    "long-strangle": "+1C +1P",
    "short-strangle": "-1C -1P",
    "cash-secured-put": "-1P",
    "covered-call": "+1S -1C",
    "calendar-spread": "+1C' -1C",
    "diagonal-spread": "+1C' -1C",
    "call-ratio-spread": "+1C -2C",
    "put-ratio-spread": "+1P -2P",
    "jade-lizard": "+1C -1C -1P",
    "broken-wing-butterfly": "+1P +1P -2P",
}
TWO_EXPIRIES = {"calendar-spread", "diagonal-spread"}

every_structure = pytest.mark.parametrize("structure", CATALOGUE, ids=lambda structure: structure.slug)


def test_the_documents_23_structures_are_all_there():
    assert {structure.name: structure.category for structure in CATALOGUE} == DOCUMENTED
    assert len(CATALOGUE) == 23


@every_structure
def test_legs_are_those_of_the_documents(structure: Structure):
    written = sorted(f"{leg.side.sign * leg.ratio:+d}{leg.kind[0]}" + "'" * leg.expiry_rank for leg in structure.legs)

    assert " ".join(written) == DOCUMENTED_LEGS[structure.slug]


def test_slugs_and_summaries_are_unique():
    assert len(BY_SLUG) == len(CATALOGUE)
    assert len({structure.summary for structure in CATALOGUE}) == len(CATALOGUE)


@every_structure
def test_legs_refer_only_to_earlier_legs_with_a_strike(structure: Structure):
    for position, leg in enumerate(structure.legs):
        references = {
            SameAs: lambda rule: [rule.leg_index],
            Beside: lambda rule: [rule.leg_index],
            Apart: lambda rule: [rule.leg_index],
            Mirror: lambda rule: [rule.wing, rule.body],
        }.get(type(leg.strike), lambda rule: [])(leg.strike)

        assert all(0 <= index < position and structure.legs[index].strike is not None for index in references)
        assert (leg.strike is None) == (leg.kind is Kind.STOCK)
        assert leg.ratio >= 1


@every_structure
def test_the_window_holds_the_nearest_monthly_expiry_of_recorded_chains(structure: Structure):
    assert structure.min_days <= NEAREST_MONTHLY <= structure.max_days
    assert structure.exits in RULES


@every_structure
def test_every_structure_is_built_evaluated_scored_and_given_exits(structure: Structure):
    chain = make_chain()

    candidate = build(structure, chain)
    evaluation = evaluate(candidate, chain, rates=RATES)
    result = score(evaluation, candidate, chain, risk="aggressive")
    levels = exit_levels(structure, evaluation)

    assert [(leg.side, leg.kind, leg.ratio) for leg in candidate.legs] == [
        (rule.side, rule.kind, rule.ratio) for rule in structure.legs
    ]
    assert evaluation.max_profit > 0
    assert evaluation.breakevens
    assert 0 < evaluation.probability_of_profit < 1
    assert 0 < result.total < 1
    assert 0 < levels.profit_target_1 <= levels.profit_target_2 <= levels.profit_target_3 <= evaluation.max_profit
    assert 0 < levels.stop_loss < evaluation.max_loss
    assert 0 < levels.time_exit_dte < candidate.days_to_expiry


@pytest.mark.parametrize(
    "structure", [entry for entry in CATALOGUE if entry.slug not in TWO_EXPIRIES], ids=lambda structure: structure.slug
)
def test_every_single_expiry_structure_is_built_on_one_coarse_stock_expiry(structure: Structure):
    chain = make_chain(1_500, step=20, volatility=0.3, days=(NEAREST_MONTHLY,), lot_size=500)

    candidate = build(structure, chain)

    assert candidate.days_to_expiry == NEAREST_MONTHLY
    assert candidate.taken_at == TAKEN_AT


@every_structure
def test_unlimited_loss_is_flagged_as_undefined_risk_and_follows_from_uncovered_calls(structure: Structure):
    chain = make_chain()

    evaluation = evaluate(build(structure, chain), chain, rates=RATES)

    tail = sum(leg.side.sign * leg.ratio for leg in structure.legs if leg.kind is not Kind.PUT)
    assert math.isinf(evaluation.max_loss) == (tail < 0)
    assert math.isinf(evaluation.max_profit) == (tail > 0)
    assert structure.undefined_risk or not math.isinf(evaluation.max_loss)


def test_structures_without_any_cover_are_flagged():
    flagged = {structure.slug for structure in CATALOGUE if structure.undefined_risk}

    assert flagged == {
        "short-call",
        "short-put",
        "short-straddle",
        "short-strangle",
        "call-ratio-spread",
        "put-ratio-spread",
        "jade-lizard",
    }


def test_short_legs_never_outnumber_bought_ones_unless_flagged_or_cash_secured():
    for structure in CATALOGUE:
        puts = sum(leg.side.sign * leg.ratio for leg in structure.legs if leg.kind is Kind.PUT)
        calls = sum(leg.side.sign * leg.ratio for leg in structure.legs if leg.kind is not Kind.PUT)

        assert min(puts, calls) >= 0 or structure.undefined_risk or structure.slug == "cash-secured-put"


def test_covered_call_holds_the_share():
    legs = BY_SLUG["covered-call"].legs

    assert [(leg.side, leg.kind) for leg in legs] == [(Side.BUY, Kind.STOCK), (Side.SELL, Kind.CALL)]
