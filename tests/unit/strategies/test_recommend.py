"""Every structure tried on one chain: what is kept is right to the reference's last digits, the rest has a reason."""

from datetime import date

import numpy as np
import pytest

from market.rulebook.charges import option_charge_rates
from market.sessions import Past
from strategies.catalog import CATALOGUE
from strategies.forecast import forecasts
from strategies.measure import measure
from strategies.recommend import Recommended, recommend
from strategies.score import facts_of, first_gates, totals
from strategies.search import neighbourhoods
from strategies.spec import Kind
from strategies.table import contract_table
from tests.builders import make_chain
from tests.reference import reference

RATES = option_charge_rates(exchange="NSE", as_of=date(2026, 1, 30))
CHAIN = make_chain(2_200, days=(25, 53))
CALM = Past(np.random.default_rng(5).normal(0.0, 0.006, 250), np.full(250, 0.095**2))  # calmer than the options cost
NEAR = 1e-9
NEAR_A_HORIZON = 3e-4
EXACT = (
    "max_profit", "max_loss", "probability_of_profit", "probability_after_costs", "expected_value_gross",
    "expected_value", "forecast_value", "forecast_probability", "risk_reward", "net_premium", "option_premium",
    "charges", "spread_cost", "net_delta", "net_gamma", "net_theta", "net_vega", "net_rho", "days_to_expiry",
)  # fmt: skip
FINE = ("forecast_deviation", "standard_deviation", "sharpe", "tail_loss", "far_tail_loss", "tail_gain")


@pytest.fixture(scope="module")
def found() -> Recommended:
    return recommend(CHAIN, rates=RATES, risk="aggressive", past=CALM)


def test_every_structure_is_kept_or_has_a_reason_and_none_comes_twice(found: Recommended):
    kept = [each.candidate.structure.slug for each in found.recommendations]

    assert len(kept) > 15
    assert len(set(kept)) == len(kept)
    assert set(kept) | set(found.refusals) == {structure.slug for structure in CATALOGUE}
    assert not set(kept) & set(found.refusals)


def test_what_is_kept_is_what_the_reference_computes_from_its_legs(found: Recommended):
    expected = forecasts(CHAIN, CALM)

    for each in found.recommendations:
        candidate = each.candidate
        rank = [expiry.expiry for expiry in CHAIN.expiries].index(candidate.expiry)
        alone = reference(candidate, CHAIN, rates=RATES, forecast=expected[rank])
        simple = all(leg.contract.expiry in (None, candidate.expiry) for leg in candidate.legs)
        near = NEAR if simple else NEAR_A_HORIZON
        for name in EXACT:
            ours = getattr(each.evaluation, name)
            assert ours == pytest.approx(alone[name], rel=near, abs=near), (candidate.structure.slug, name)
        for name in FINE:
            ours = getattr(each.evaluation, name)
            assert ours == pytest.approx(alone[name], rel=2e-3, abs=2e-3), (candidate.structure.slug, name)
        assert each.evaluation.breakevens == pytest.approx(alone["breakevens"], rel=1e-6)


def test_nothing_that_cannot_win_or_is_expected_to_lose_is_kept(found: Recommended):
    assert all(each.evaluation.max_profit > each.evaluation.charges for each in found.recommendations)
    assert all(each.evaluation.forecast_value >= 0.0 for each in found.recommendations)


def test_where_options_cost_more_than_is_expected_most_of_what_is_kept_sells_volatility(found: Recommended):
    implied = CHAIN.expiries[0].smile.atm_volatility
    vegas = [each.evaluation.net_vega for each in found.recommendations]

    assert all(each.figures.forecast_volatility < implied for each in found.recommendations)
    assert sum(vega < 0.0 for vega in vegas) > 0.6 * len(vegas)


def test_of_each_structure_the_choice_with_the_highest_score_that_passes_is_kept(found: Recommended):
    batch, _ = neighbourhoods(CATALOGUE, CHAIN, contract_table(CHAIN))
    facts = facts_of(batch, measure(batch, rates=RATES, forecasts=forecasts(CHAIN, CALM)))
    scores, (codes, first) = totals(facts, "aggressive"), first_gates(facts, "aggressive")

    assert found.measured == batch.size
    assert found.built == len(batch.structures)
    kept = {each.candidate.structure.slug: each.score.total for each in found.recommendations}
    for number, structure in enumerate(batch.structures):
        own = batch.which == number
        passed = own & (first == -1)
        if passed.any():
            assert kept[structure.slug] == pytest.approx(scores[passed].max(), abs=1e-12)
        else:
            assert found.refusals[structure.slug] in {codes[code] for code in np.unique(first[own])}
    assert list(kept.values()) == sorted(kept.values(), reverse=True)


def test_every_figure_is_there(found: Recommended):
    for each in found.recommendations:
        figures = each.figures
        assert 0.0 <= figures.probability_flat <= 1.0
        assert figures.probability_history is not None
        assert figures.forecast_volatility is not None
        assert figures.probability_half is not None or _without_limit(each)
        assert figures.probability_half is None or np.isfinite(each.evaluation.max_profit)
        assert len(figures.scenarios) == 30
        assert len(figures.theta_profile) == 5
        assert sum(part.probability for part in figures.regions) == pytest.approx(1.0)


def _without_limit(each) -> bool:
    """Whether profit has no bound, or grows until the price is zero."""
    falling = sum(leg.quantity for leg in each.candidate.legs if leg.kind is Kind.PUT)
    return np.isinf(each.evaluation.max_profit) or falling > 0


def test_a_leg_says_how_far_its_strike_lies_from_what_its_rule_aimed_at(found: Recommended):
    legs = [leg for each in found.recommendations for leg in each.candidate.legs]

    assert all((leg.off_target is None) == (not leg.contract.is_option) for leg in legs)
    assert all(leg.off_target is None or abs(leg.off_target) < 2.5 for leg in legs)
    assert all(leg.interest_known for leg in legs)


def test_a_chain_outside_every_window_has_reasons_only():
    found = recommend(make_chain(days=(2,)), rates=RATES, risk="aggressive", past=CALM)

    assert found.recommendations == []
    assert set(found.refusals) == {structure.slug for structure in CATALOGUE}
    assert (found.built, found.measured) == (0, 0)


def test_without_a_past_nothing_is_expected_to_earn():
    found = recommend(CHAIN, rates=RATES, risk="aggressive")

    assert found.recommendations == []
    assert found.built > 50
