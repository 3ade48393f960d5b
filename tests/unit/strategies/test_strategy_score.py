"""The ranking adds up, prefers what it should, and says why it refuses."""

import math
from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from market.chain import Chain
from market.rulebook.charges import option_charge_rates
from strategies.build import BuiltLeg, build
from strategies.catalog import BY_SLUG, CATALOGUE
from strategies.measure import measure
from strategies.score import (
    HIGH,
    MEDIUM,
    REASONS,
    TASTES,
    Facts,
    RiskProfile,
    Score,
    facts_of,
    first_gates,
    gates,
    iv_fit,
    scores,
    totals,
    weights_of,
)
from strategies.search import neighbourhoods
from strategies.spec import Kind
from strategies.table import contract_table
from tests.builders import make_chain
from tests.single import facts, measured

RATES = option_charge_rates(exchange="NSE", as_of=date(2026, 1, 30))
every_profile = pytest.mark.parametrize("risk", list(TASTES))


def judged(slug: str, chain: Chain) -> Facts:
    """The facts where a little more is expected than the smile says, so that no gate refuses for that."""
    found = facts(build(BY_SLUG[slug], chain), chain, rates=RATES)
    return replace(found, forecast=0.05 * found.tail_loss)


def changed(slug: str, chain: Chain, **changes: float) -> Facts:
    return replace(judged(slug, chain), **{name: np.array([value]) for name, value in changes.items()})


def scored(slug: str, chain: Chain, risk: RiskProfile = "moderate", **changes: float) -> Score:
    return scores(changed(slug, chain, **changes), risk)[0]


def codes(slug: str, chain: Chain, risk: RiskProfile = "moderate", **changes: float) -> list[str]:
    return [code for code, refused in gates(changed(slug, chain, **changes), risk).items() if refused[0]]


def quoted(chain: Chain, leg: BuiltLeg, **touch: float) -> Chain:
    """The chain with another bid or ask on the contract of one leg."""
    front = chain.expiries[0]
    name = "calls" if leg.kind is Kind.CALL else "puts"
    side = getattr(front, name)
    at = front.strikes == leg.strike
    moved = {field: np.where(at, price, getattr(side, field)) for field, price in touch.items()}
    return replace(chain, expiries=(replace(front, **{name: replace(side, **moved)}), *chain.expiries[1:]))


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
        assert result.contributions[name] == result.weights[name] * value


@every_profile
def test_the_documents_components_are_all_there(risk: RiskProfile):
    documents = {"probability", "direction", "reward_risk", "iv_fit", "time_decay", "liquidity"}

    assert documents < TASTES[risk].weights.keys()


@every_profile
def test_the_weights_that_count_add_up_to_one_and_keep_their_proportions(risk: RiskProfile):
    whole, counted = weights_of(risk, tested=True), weights_of(risk, tested=False)

    assert whole == TASTES[risk].weights
    assert (whole["direction"], counted["direction"]) == (0.10, 0.0)
    assert math.fsum(counted.values()) == pytest.approx(1.0, abs=1e-12)
    for name in whole.keys() - {"direction"}:
        assert counted[name] / counted["probability"] == pytest.approx(whole[name] / whole["probability"])


@pytest.mark.parametrize(
    ("slug", "regime", "fit"),
    [
        ("long-call", "low", 1.0),
        ("long-call", "normal", 1.0),
        ("long-call", "high", 0.0),
        ("short-strangle", "high", 1.0),
        ("short-strangle", "normal", 0.0),
        ("short-strangle", None, 0.5),
        ("bull-call-spread", "low", 0.5),
        ("bull-call-spread", "high", 0.5),
        ("bull-call-spread", None, 0.5),
    ],
)
def test_a_structure_fits_the_regime_it_is_meant_for_and_one_meant_for_any_gets_no_bonus(slug, regime, fit):
    chain = make_chain(days=(25,))
    batch, measures = measured(build(BY_SLUG[slug], chain), chain, rates=RATES)

    found = scores(facts_of(batch, measures, regime=regime))[0]

    assert iv_fit(BY_SLUG[slug], regime) == fit
    assert found.components["iv_fit"] == fit
    assert found.contributions["iv_fit"] == found.weights["iv_fit"] * fit


@every_profile
@pytest.mark.parametrize(
    ("slug", "tested", "component"),
    [
        ("bull-call-spread", 0.6, 0.8),
        ("bull-call-spread", -1.0, 0.0),
        ("bear-put-spread", 0.6, 0.2),
        ("bear-put-spread", -1.0, 1.0),
        ("iron-condor", 0.6, 0.5),
        ("iron-condor", -1.0, 0.5),
    ],
)
def test_a_tested_direction_weighs_what_the_taste_says(risk: RiskProfile, slug: str, tested: float, component: float):
    chain = make_chain(days=(25,))
    batch, measures = measured(build(BY_SLUG[slug], chain), chain, rates=RATES)
    found = facts_of(batch, measures, tested=tested)

    result = scores(found, risk)[0]

    assert result.weights == TASTES[risk].weights
    assert result.components["direction"] == pytest.approx(component)
    assert result.contributions["direction"] == pytest.approx(TASTES[risk].weights["direction"] * component)
    assert result.total == math.fsum(result.contributions.values()) == pytest.approx(totals(found, risk)[0], abs=1e-12)


def test_an_untested_direction_contributes_exactly_nothing():
    result = scored("bull-call-spread", make_chain(days=(25,)))

    assert (result.weights["direction"], result.contributions["direction"]) == (0.0, 0.0)
    assert math.fsum(result.weights.values()) == pytest.approx(1.0, abs=1e-12)


def test_facts_of_some_candidates_keep_the_view_of_each():
    chain = make_chain(days=(25,))
    table = contract_table(chain)
    batch, _ = neighbourhoods([BY_SLUG["long-put"], BY_SLUG["long-call"]], chain, table)
    facts_of_all = facts_of(batch, measure(batch, rates=RATES), regime="low", tested=0.5)

    last = facts_of_all.take(np.array([batch.size - 1]))

    assert batch.structures[batch.which[-1]].slug == "long-call"
    assert (last.lean.tolist(), last.iv_fit.tolist()) == ([0.5], [1.0])
    assert facts_of_all.lean[0] == -0.5


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

    fair, lucky = (scored("iron-condor", chain, gross=gross) for gross in (0.0, 20.0))

    assert lucky.total == fair.total


@pytest.mark.parametrize(
    ("change", "component"),
    [
        ({"probability": 0.2}, "probability"),
        ({"forecast": -50.0}, "expected_value"),
        ({"max_loss": 5_000.0}, "reward_risk"),
        ({"charges": 20.0}, "cost_drag"),
        ({"theta": -10.0}, "time_decay"),
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
    leg = build(BY_SLUG["long-call"], chain).legs[0]
    off = quoted(chain, leg, bid=1.2 * leg.bid, ask=1.2 * leg.ask)

    before, after = (scored("long-call", each).components["data_quality"] for each in (chain, off))

    assert after < before


def test_the_same_candidate_ranks_by_taste():
    chain = make_chain(days=(25,))

    def gap(risk: RiskProfile) -> float:
        return scored("bull-put-spread", chain, risk).total - scored("bull-call-spread", chain, risk).total

    assert gap("conservative") > gap("moderate") > gap("aggressive")


def test_max_profit_below_zero_is_never_recommended():
    refused = codes("butterfly", make_chain(days=(25,)), max_profit=-4.0, probability=0.8)

    assert refused == ["MAX_PROFIT_NOT_POSITIVE"]


@every_profile
def test_what_is_expected_to_lose_after_costs_is_never_recommended(risk: RiskProfile):
    chain = make_chain(days=(25,))

    assert codes("iron-condor", chain, risk, forecast=0.0) == []
    assert codes("iron-condor", chain, risk, forecast=-0.01) == ["EXPECTED_VALUE_NEGATIVE"]


def test_costs_above_the_best_outcome_are_a_reason():
    assert codes("iron-condor", make_chain(days=(25,)), charges=500.0) == ["COSTS_EXCEED_PROFIT"]


@pytest.mark.parametrize(("risk", "refused"), [("conservative", True), ("moderate", True), ("aggressive", False)])
def test_undefined_risk_is_for_the_aggressive_only(risk: RiskProfile, refused: bool):
    assert ("UNDEFINED_RISK" in codes("short-strangle", make_chain(), risk)) is refused
    assert ("UNDEFINED_RISK" in codes("jade-lizard", make_chain(), risk)) is refused


def test_unlimited_loss_is_refused_even_where_the_catalogue_forgot_to_flag_it():
    assert "UNDEFINED_RISK" in codes("iron-condor", make_chain(days=(25,)), "conservative", max_loss=math.inf)


@every_profile
def test_probability_below_the_profiles_minimum_is_a_reason(risk: RiskProfile):
    least = TASTES[risk].least_probability
    chain = make_chain(days=(25,))

    assert codes("iron-condor", chain, risk, probability=least) == []
    assert codes("iron-condor", chain, risk, probability=least - 0.001) == ["PROBABILITY_TOO_LOW"]


def test_a_bid_much_better_than_the_smile_is_a_stale_leg():
    chain = make_chain(days=(25,))
    leg = build(BY_SLUG["cash-secured-put"], chain).legs[0]
    tolerated = leg.fair + 0.03 * leg.vega + 2 * chain.tick_size

    rich, honest = (quoted(chain, leg, bid=tolerated + more, ask=tolerated + 1.0) for more in (0.01, -0.01))

    assert "STALE_LEG" in codes("cash-secured-put", rich, gross=0.0)
    assert codes("cash-secured-put", honest, gross=0.0) == []


def test_a_cheap_purchase_is_a_stale_leg_too_and_a_dear_one_is_only_dear():
    chain = make_chain(days=(25,))
    leg = build(BY_SLUG["long-call"], chain).legs[0]

    cheap = quoted(chain, leg, bid=0.45 * leg.fair, ask=0.5 * leg.fair)
    dear = quoted(chain, leg, bid=1.45 * leg.fair, ask=1.5 * leg.fair)

    assert codes("long-call", cheap, gross=0.0) == ["STALE_LEG"]
    assert codes("long-call", dear, probability=0.5) == []


def test_an_expected_value_too_good_to_be_true_is_not_believed():
    chain = make_chain(days=(25,))

    refused = codes("iron-condor", chain, gross=0.3 * float(judged("iron-condor", chain).tail_loss[0]))

    assert refused == ["STALE_LEG"]


def test_the_first_gate_that_refuses_is_told_and_none_where_all_let_pass():
    chain = make_chain(days=(25,))
    several = changed("iron-condor", chain, forecast=-1.0, probability=0.0)

    names, first = first_gates(several, "moderate")
    _, none = first_gates(judged("iron-condor", chain), "moderate")

    assert names[first[0]] == "EXPECTED_VALUE_NEGATIVE"
    assert none.tolist() == [-1]


def test_every_gate_has_a_sentence_and_a_remedy():
    names, _ = first_gates(judged("iron-condor", make_chain(days=(25,))), "moderate")

    assert set(names) == set(REASONS)
    assert all(reason.sentence.endswith(".") and reason.remedy.endswith(".") for reason in REASONS.values())


def test_totals_of_a_batch_are_those_that_are_explained():
    found = judged("iron-condor", make_chain(days=(25,)))

    assert totals(found, "moderate")[0] == pytest.approx(scores(found, "moderate")[0].total, abs=1e-12)


def test_conviction_follows_the_total():
    for structure in CATALOGUE:
        result = scored(structure.slug, make_chain(), "moderate")
        expected = "High" if result.total >= HIGH else "Medium" if result.total >= MEDIUM else "Low"
        assert result.conviction == expected


def test_a_structure_that_cannot_lose_does_not_divide_by_zero():
    result = scored("iron-condor", make_chain(days=(25,)), tail_loss=0.0, max_loss=0.0)

    assert 0.0 <= result.total <= 1.0
