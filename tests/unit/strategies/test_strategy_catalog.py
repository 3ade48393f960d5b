"""The catalogue holds what the documents list, and every entry makes sense as data."""

import math
import re
from datetime import date

import pytest

from market.contract import Side
from market.rulebook.charges import option_charge_rates
from strategies.build import build
from strategies.catalog import BY_SLUG, CATALOGUE, CHECKS
from strategies.exits import RULES, exit_levels
from strategies.score import scores
from strategies.spec import Kind, Structure, opposite
from strategies.strikes import Apart, Beside, Mirror, SameAs
from tests.builders import TAKEN_AT, make_chain
from tests.reference import payoff
from tests.single import evaluate, facts

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
every_structure = pytest.mark.parametrize("structure", CATALOGUE, ids=lambda structure: structure.slug)
every_entry = pytest.mark.parametrize("structure", CATALOGUE + CHECKS, ids=lambda structure: structure.slug)


def bought(structure: Structure, *kinds: Kind) -> int:
    return sum(leg.side.sign * leg.ratio for leg in structure.legs if leg.kind in kinds)


def test_the_documents_23_structures_keep_their_names_and_categories():
    listed = {structure.name: structure.category for structure in CATALOGUE}

    assert {name: listed[name] for name in DOCUMENTED} == DOCUMENTED
    assert len(CATALOGUE) == 65


@pytest.mark.parametrize("slug", DOCUMENTED_LEGS)
def test_legs_are_those_of_the_documents(slug: str):
    legs = BY_SLUG[slug].legs
    written = sorted(f"{leg.side.sign * leg.ratio:+d}{leg.kind[0]}" + "'" * leg.expiry_rank for leg in legs)

    assert " ".join(written) == DOCUMENTED_LEGS[slug]


def test_slugs_names_and_summaries_are_unique():
    entries = CATALOGUE + CHECKS

    assert len(BY_SLUG) == len(entries)
    assert len({structure.name for structure in entries}) == len(entries)
    assert len({structure.summary for structure in entries}) == len(entries)


def test_checks_stand_apart_and_say_what_they_prove():
    assert not any(structure.is_check or structure.proves for structure in CATALOGUE)
    assert {structure.slug for structure in CHECKS} == {"box-spread", "conversion"}
    assert all(structure.is_check and structure.proves for structure in CHECKS)


@every_entry
def test_texts_are_three_to_five_sentences_and_fit_their_columns(structure: Structure):
    assert 3 <= len(re.findall(r"[.:?!](?: |$)", structure.guidance)) <= 6
    assert structure.guidance.endswith(".")
    assert len(structure.slug) <= 40
    assert len(structure.name) <= 80
    assert structure.iv_regimes
    assert len(set(structure.iv_regimes)) == len(structure.iv_regimes)


@every_entry
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
    result = scores(facts(candidate, chain, rates=RATES), "aggressive")[0]
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
    "structure",
    [entry for entry in CATALOGUE + CHECKS if entry.expiries_needed == 1],
    ids=lambda structure: structure.slug,
)
def test_every_single_expiry_structure_is_built_on_one_coarse_stock_expiry(structure: Structure):
    chain = make_chain(1_500, step=20, volatility=0.3, days=(NEAREST_MONTHLY,), lot_size=500)

    candidate = build(structure, chain)

    assert candidate.days_to_expiry == NEAREST_MONTHLY
    assert candidate.taken_at == TAKEN_AT


@every_structure
def test_unlimited_loss_and_profit_follow_from_uncovered_calls(structure: Structure):
    chain = make_chain()

    evaluation = evaluate(build(structure, chain), chain, rates=RATES)

    assert math.isinf(evaluation.max_loss) == (bought(structure, Kind.CALL, Kind.STOCK) < 0)
    assert math.isinf(evaluation.max_profit) == (bought(structure, Kind.CALL, Kind.STOCK) > 0)


@every_entry
def test_undefined_risk_is_a_sold_option_that_nothing_covers(structure: Structure):
    uncovered = bought(structure, Kind.PUT) < 0 or bought(structure, Kind.CALL, Kind.STOCK) < 0

    assert structure.undefined_risk == (uncovered and structure.margin_group != "cash")


@every_entry
def test_the_margin_group_fits_the_legs(structure: Structure):
    sides = {leg.side for leg in structure.legs}

    expected = (
        "naked"
        if structure.undefined_risk
        else "covered"
        if structure.holds_share
        else "calendar"
        if structure.expiries_needed > 1
        else "long"
        if sides == {Side.BUY}
        else "defined"
    )
    assert structure.margin_group == ("cash" if structure.slug == "cash-secured-put" else expected)


def test_buying_and_selling_twins_share_their_strike_rules():
    found = {
        (one.slug, other.slug)
        for one in CATALOGUE
        for other in CATALOGUE
        if one.legs == opposite(other.legs) and one.volatility_view != "short" and one.outlook != "Bearish"
    }

    assert found == {
        ("long-straddle", "short-straddle"),
        ("long-guts", "short-guts"),
        ("short-call-butterfly", "butterfly"),
        ("short-put-butterfly", "put-butterfly"),
        ("reverse-iron-butterfly", "iron-butterfly"),
        ("short-call-condor", "long-call-condor"),
        ("short-put-condor", "long-put-condor"),
        ("synthetic-long", "synthetic-short"),
        ("bullish-risk-reversal", "bearish-risk-reversal"),
    }


@pytest.mark.parametrize("slug", ["jade-lizard", "big-lizard", "broken-wing-butterfly"])
def test_no_rise_loses_money_where_that_is_promised(slug: str):
    chain = make_chain()

    line = payoff(build(BY_SLUG[slug], chain), chain)

    assert BY_SLUG[slug].covered_above
    assert float(line.at(10.0 * chain.spot)) >= 0.0


@pytest.mark.parametrize("slug", ["reverse-jade-lizard", "reverse-big-lizard", "broken-wing-call-butterfly"])
def test_no_fall_loses_money_where_that_is_promised(slug: str):
    chain = make_chain()

    line = payoff(build(BY_SLUG[slug], chain), chain)

    assert BY_SLUG[slug].covered_below
    assert float(line.at(0.0)) >= 0.0


def test_a_box_costs_more_than_it_pays_and_a_conversion_earns_only_the_carry():
    chain = make_chain(days=(25,))

    box, conversion = (payoff(build(structure, chain), chain) for structure in CHECKS)

    assert box.max_profit < 0.0
    assert box.max_profit == pytest.approx(-box.max_loss)
    assert conversion.max_profit == pytest.approx(chain.expiries[0].forward - chain.spot, abs=10.0)


def test_covered_call_holds_the_share():
    legs = BY_SLUG["covered-call"].legs

    assert [(leg.side, leg.kind) for leg in legs] == [(Side.BUY, Kind.STOCK), (Side.SELL, Kind.CALL)]
