"""The ranking adds up, prefers what it should, and says why it refuses."""

import math
from dataclasses import replace
from datetime import date

import pytest

from market.chain import Chain
from market.contract import Side
from market.rulebook.charges import option_charge_rates
from strategies.build import Candidate, build
from strategies.catalog import BY_SLUG, CATALOGUE
from strategies.evaluate import Evaluation, evaluate
from strategies.score import HIGH, MEDIUM, TASTES, RiskProfile, Score, score
from tests.builders import make_chain

RATES = option_charge_rates(exchange="NSE", as_of=date(2026, 1, 30))
every_profile = pytest.mark.parametrize("risk", list(TASTES))


def judged(slug: str, chain: Chain) -> tuple[Evaluation, Candidate]:
    """The measures where a little more is expected than the smile says, so that no gate refuses for that."""
    candidate = build(BY_SLUG[slug], chain)
    evaluation = evaluate(candidate, chain, rates=RATES)
    return replace(evaluation, forecast_value=0.05 * evaluation.tail_loss), candidate


def scored(slug: str, chain: Chain, risk: RiskProfile = "moderate", **changes: float) -> Score:
    evaluation, candidate = judged(slug, chain)
    return score(replace(evaluation, **changes), candidate, chain, risk=risk)


def codes(result: Score) -> list[str]:
    return [reason.code for reason in result.reasons]


@every_profile
def test_weights_add_up_to_one(risk: RiskProfile):
    assert math.fsum(TASTES[risk].weights.values()) == pytest.approx(1.0, abs=1e-12)
    assert all(weight > 0 for weight in TASTES[risk].weights.values())


@every_profile
@pytest.mark.parametrize("structure", CATALOGUE, ids=lambda structure: structure.slug)
def test_the_waterfall_sums_exactly_and_every_component_is_a_fraction(structure, risk: RiskProfile):
    result = scored(structure.slug, make_chain(), risk)

    assert result.total == math.fsum(result.contributions.values())
    assert result.components.keys() == result.contributions.keys() == TASTES[risk].weights.keys()
    assert all(0.0 <= value <= 1.0 for value in result.components.values())
    for name, value in result.components.items():
        assert result.contributions[name] == TASTES[risk].weights[name] * value


def test_scores_of_a_liquid_fair_chain_are_spread_out():
    totals = [scored(structure.slug, make_chain(days=(25, 53)), "moderate").total for structure in CATALOGUE]

    assert 0.35 <= min(totals) < 0.55
    assert 0.65 < max(totals) <= 0.85


def test_single_cheap_legs_do_not_rule_a_moderate_ranking():
    slugs = ("cash-secured-put", "long-straddle", "bull-put-spread", "long-put")

    totals = [scored(slug, make_chain(days=(25,))).total for slug in slugs]

    assert max(totals) - min(totals) < 0.12


def test_a_quote_that_beats_the_smile_does_not_raise_the_score():
    chain = make_chain(days=(25,))

    fair, lucky = (scored("iron-condor", chain, expected_value_gross=gross) for gross in (0.0, 20.0))

    assert lucky.total == fair.total


@pytest.mark.parametrize(
    ("change", "component"),
    [
        ({"probability_after_costs": 0.2}, "probability"),
        ({"forecast_value": -50.0}, "expected_value"),
        ({"max_loss": 5_000.0}, "reward_risk"),
        ({"charges": 20.0}, "cost_drag"),
        ({"net_theta": -10.0}, "time_decay"),
    ],
)
def test_each_component_answers_to_its_measure(change: dict[str, float], component: str):
    chain = make_chain(days=(25,))

    before, after = scored("iron-condor", chain), scored("iron-condor", chain, **change)

    assert after.components[component] < before.components[component]
    assert after.total < before.total
    unchanged = before.components.keys() - {component, "cost_drag", "expected_value", "reward_risk"}
    assert all(after.components[name] == before.components[name] for name in unchanged)


def test_wide_spreads_and_thin_interest_lower_liquidity():
    liquid, wide = make_chain(days=(25,)), make_chain(days=(25,), spread=0.10)
    front = liquid.expiries[0]
    thin_sides = {
        name: replace(getattr(front, name), open_interest=getattr(front, name).open_interest / 1_000)
        for name in ("calls", "puts")
    }
    thin = replace(liquid, expiries=(replace(front, **thin_sides),))

    best = scored("iron-condor", liquid).components["liquidity"]
    assert scored("iron-condor", wide).components["liquidity"] < best
    assert scored("iron-condor", thin).components["liquidity"] < best


def test_a_modelled_touch_is_worth_less_than_a_seen_one():
    seen, modelled = (make_chain(days=(25,), touch_modelled=flag) for flag in (False, True))

    assert scored("iron-condor", seen).components["data_quality"] == 1.0
    assert scored("iron-condor", modelled).components["data_quality"] == pytest.approx(0.3 / 0.45, rel=0.05)


def test_mids_off_the_smile_lower_data_quality():
    chain = make_chain(days=(25,))
    evaluation, candidate = judged("iron-condor", chain)
    off = replace(candidate, legs=tuple(replace(leg, mid=leg.mid * 1.2) for leg in candidate.legs))

    before, after = (score(evaluation, each, chain).components["data_quality"] for each in (candidate, off))

    assert after < before


def test_the_same_candidate_ranks_by_taste():
    chain = make_chain(days=(25,))

    def gap(risk: RiskProfile) -> float:
        return scored("bull-put-spread", chain, risk).total - scored("bull-call-spread", chain, risk).total

    assert gap("conservative") > gap("moderate") > gap("aggressive")


def test_max_profit_below_zero_is_never_recommended():
    result = scored("butterfly", make_chain(days=(25,)), max_profit=-4.0, probability_after_costs=0.8)

    assert codes(result) == ["MAX_PROFIT_NOT_POSITIVE"]


@every_profile
def test_what_is_expected_to_lose_after_costs_is_never_recommended(risk: RiskProfile):
    chain = make_chain(days=(25,))

    assert codes(scored("iron-condor", chain, risk, forecast_value=0.0)) == []
    assert codes(scored("iron-condor", chain, risk, forecast_value=-0.01)) == ["EXPECTED_VALUE_NEGATIVE"]


def test_costs_above_the_best_outcome_are_a_reason():
    assert codes(scored("iron-condor", make_chain(days=(25,)), charges=500.0)) == ["COSTS_EXCEED_PROFIT"]


@pytest.mark.parametrize(("risk", "refused"), [("conservative", True), ("moderate", True), ("aggressive", False)])
def test_undefined_risk_is_for_the_aggressive_only(risk: RiskProfile, refused: bool):
    assert ("UNDEFINED_RISK" in codes(scored("short-strangle", make_chain(), risk))) is refused
    assert ("UNDEFINED_RISK" in codes(scored("jade-lizard", make_chain(), risk))) is refused


def test_unlimited_loss_is_refused_even_where_the_catalogue_forgot_to_flag_it():
    result = scored("iron-condor", make_chain(days=(25,)), "conservative", max_loss=math.inf)

    assert "UNDEFINED_RISK" in codes(result)


@every_profile
def test_probability_below_the_profiles_minimum_is_a_reason(risk: RiskProfile):
    least = TASTES[risk].least_probability
    chain = make_chain(days=(25,))

    assert codes(scored("iron-condor", chain, risk, probability_after_costs=least)) == []
    assert codes(scored("iron-condor", chain, risk, probability_after_costs=least - 0.001)) == ["PROBABILITY_TOO_LOW"]


def test_a_price_much_better_than_the_smile_is_a_stale_leg():
    chain = make_chain(days=(25,))
    evaluation, candidate = judged("iron-condor", chain)
    short = candidate.legs[0]
    assert short.side is Side.SELL
    rich = replace(short, price=short.fair + 0.03 * short.vega + 2 * chain.tick_size + 0.01)
    honest = replace(short, price=short.fair + 0.03 * short.vega)

    assert codes(score(evaluation, replace(candidate, legs=(rich, *candidate.legs[1:])), chain)) == ["STALE_LEG"]
    assert codes(score(evaluation, replace(candidate, legs=(honest, *candidate.legs[1:])), chain)) == []


def test_a_cheap_purchase_is_a_stale_leg_too_and_a_dear_one_is_only_dear():
    chain = make_chain(days=(25,))
    evaluation, candidate = judged("long-call", chain)
    leg = candidate.legs[0]
    cheap, dear = (replace(candidate, legs=(replace(leg, price=leg.fair * factor),)) for factor in (0.5, 1.5))

    assert codes(score(evaluation, cheap, chain)) == ["STALE_LEG"]
    assert codes(score(evaluation, dear, chain)) == []


def test_an_expected_value_too_good_to_be_true_is_not_believed():
    evaluation, _ = judged("iron-condor", make_chain(days=(25,)))

    result = scored("iron-condor", make_chain(days=(25,)), expected_value_gross=0.3 * evaluation.tail_loss)

    assert codes(result) == ["STALE_LEG"]


def test_conviction_follows_the_total():
    for structure in CATALOGUE:
        result = scored(structure.slug, make_chain(), "moderate")
        expected = "High" if result.total >= HIGH else "Medium" if result.total >= MEDIUM else "Low"
        assert result.conviction == expected


def test_a_structure_that_cannot_lose_does_not_divide_by_zero():
    result = scored("iron-condor", make_chain(days=(25,)), tail_loss=0.0, max_loss=0.0)

    assert 0.0 <= result.total <= 1.0
