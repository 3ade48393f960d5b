"""Probability, expected value, costs and greeks of a candidate."""

import math
from dataclasses import replace
from datetime import date
from decimal import Decimal

import numpy as np
import pytest
from scipy.stats import norm

from market.chain import Chain
from market.errors import InvalidInput
from market.quant.distribution import lognormal_distribution
from market.rulebook.charges import ChargeRates, equity_charges, option_charge_rates
from strategies.build import Candidate, build
from strategies.catalog import BY_SLUG, CATALOGUE
from strategies.evaluate import Evaluation
from strategies.spec import Structure
from tests.builders import NO_CHARGES, make_chain, make_fair_chain
from tests.reference import Polyline, expiry_payoff, payoff
from tests.single import evaluate

RATES = option_charge_rates(exchange="NSE", as_of=date(2026, 1, 30))


def built(slug: str, chain: Chain) -> Candidate:
    return build(BY_SLUG[slug], chain)


def evaluated(slug: str, chain: Chain, rates: ChargeRates = NO_CHARGES) -> Evaluation:
    return evaluate(built(slug, chain), chain, rates=rates)


def lognormal_sample(*, forward: float, years: float, volatility: float, paths: int = 200_000):
    """Stratified, so that the sample's own error is far below the tolerance of the test."""
    normal = norm.ppf((np.arange(paths) + 0.5) / paths)
    return forward * np.exp(volatility * math.sqrt(years) * normal - 0.5 * volatility**2 * years)


@pytest.mark.parametrize("structure", CATALOGUE, ids=lambda structure: structure.slug)
def test_probability_of_profit_agrees_with_a_sample_of_the_flat_smile(structure: Structure):
    chain = make_chain(skewed=False, days=(25, 53))
    candidate = build(structure, chain)

    result = evaluate(candidate, chain, rates=RATES)

    sample = lognormal_sample(forward=chain.expiries[0].forward, years=25 / 365, volatility=0.15)
    outcomes = payoff(candidate, chain).at(sample)
    assert result.probability_of_profit == pytest.approx(np.mean(outcomes > 0), abs=0.003)
    assert result.probability_after_costs == pytest.approx(np.mean(outcomes > result.charges), abs=0.003)


def test_probability_of_a_bull_call_is_that_of_its_breakeven_not_of_its_delta():
    chain = make_fair_chain(skewed=False, days=(25,))
    candidate = built("bull-call-spread", chain)
    breakeven = candidate.legs[0].strike - candidate.net_premium

    result = evaluate(candidate, chain, rates=NO_CHARGES)

    spread = 0.15 * math.sqrt(25 / 365)
    expected = norm.cdf((math.log(22_000 / breakeven) - 0.5 * spread**2) / spread)
    assert result.probability_of_profit == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("structure", CATALOGUE, ids=lambda structure: structure.slug)
@pytest.mark.parametrize("skewed", [False, True])
def test_fair_prices_and_no_costs_have_no_expected_value(structure: Structure, skewed: bool):
    chain = make_fair_chain(skewed=skewed, days=(25, 53))

    result = evaluate(build(structure, chain), chain, rates=NO_CHARGES)

    assert result.expected_value_gross == pytest.approx(0.0, abs=0.02)


def test_the_carry_of_a_share_is_not_an_advantage():
    carried = make_chain(days=(25,), spread=0.0, carry=0.08, lot_size=500)

    assert evaluated("covered-call", carried).expected_value_gross == pytest.approx(0.0, abs=0.02)


def test_parity_covered_call_is_worth_a_short_put_of_the_same_strike():
    chain = make_fair_chain(days=(25,))
    covered = built("covered-call", chain)
    short_put = built("cash-secured-put", chain)
    index = int(np.flatnonzero(chain.expiries[0].strikes == covered.legs[1].strike)[0])
    price = float(chain.expiries[0].puts.bid[index])
    contract = replace(short_put.legs[0].contract, strike=covered.legs[1].strike)
    put_leg = replace(short_put.legs[0], contract=contract, price=price)
    put = replace(short_put, legs=(put_leg,), net_premium=price, option_premium=price)

    left, right = (evaluate(candidate, chain, rates=NO_CHARGES) for candidate in (covered, put))

    assert left.breakevens == pytest.approx(right.breakevens)
    assert left.probability_of_profit == pytest.approx(right.probability_of_profit, abs=1e-9)
    assert left.max_profit == pytest.approx(right.max_profit)
    assert left.standard_deviation == pytest.approx(right.standard_deviation)
    assert left.expected_value_gross == pytest.approx(right.expected_value_gross, abs=1e-6)


def test_crossing_the_spread_is_what_is_lost_in_expectation():
    chain = make_chain(days=(25,), spread=0.04, carry=0.0)

    result = evaluated("iron-condor", chain)

    # The touch is rounded outwards to the tick, so mids are within half a tick of the smile.
    assert result.expected_value == pytest.approx(-result.spread_cost, abs=4 * 0.05)
    assert result.spread_cost > 0


def test_charges_open_and_close_every_leg():
    chain = make_chain(days=(25,))
    candidate = built("call-ratio-spread", chain)
    bought, sold = candidate.legs

    result = evaluate(candidate, chain, rates=ChargeRates(buy=0.001, sell=0.002, per_order=23.6))

    expected = 0.001 * bought.price + 0.002 * bought.mid + 2 * (0.002 * sold.price + 0.001 * sold.mid) + 4 * 23.6 / 65
    assert result.charges == pytest.approx(expected)
    assert result.expected_value == pytest.approx(result.expected_value_gross - expected)


def test_charges_of_the_share_of_a_covered_call_are_those_of_delivery():
    chain = make_chain(1_500, step=20, days=(25,), lot_size=500)

    result = evaluated("covered-call", chain)

    day = date(2026, 1, 30)
    share = sum(
        float(equity_charges(side=side, price=Decimal(1_500), quantity=500, as_of=day).total) / 500
        for side in ("BUY", "SELL")
    )
    assert result.charges == pytest.approx(share)


def test_financing_a_debit_costs_interest_and_a_credit_earns_it():
    chain = make_fair_chain(days=(25,))

    for slug in ("long-call", "short-put"):
        candidate = built(slug, chain)
        free = evaluate(candidate, chain, rates=NO_CHARGES)
        financed = evaluate(candidate, chain, rates=NO_CHARGES, risk_free=0.065)
        interest = candidate.option_premium * math.expm1(0.065 * 25 / 365)
        assert financed.expected_value - free.expected_value == pytest.approx(interest)


def test_net_greeks_count_sides_and_ratios():
    chain = make_chain(days=(25,))
    candidate = built("broken-wing-butterfly", chain)
    upper, body, lower = candidate.legs

    result = evaluate(candidate, chain, rates=NO_CHARGES)

    for name in ("delta", "gamma", "theta", "vega", "rho"):
        expected = -2 * getattr(body, name) + getattr(upper, name) + getattr(lower, name)
        assert getattr(result, f"net_{name}") == pytest.approx(expected)


def test_covered_call_delta_includes_the_share():
    chain = make_chain(days=(25,))
    candidate = built("covered-call", chain)

    result = evaluate(candidate, chain, rates=NO_CHARGES)

    assert result.net_delta == pytest.approx(1 - candidate.legs[1].delta)


def test_moments_and_tails_agree_with_a_sample():
    chain = make_fair_chain(skewed=False, days=(25,))
    candidate = built("iron-condor", chain)

    result = evaluate(candidate, chain, rates=NO_CHARGES)

    sample = lognormal_sample(forward=22_000, years=25 / 365, volatility=0.15)
    outcomes = np.sort(expiry_payoff(candidate.legs).at(sample))
    assert result.standard_deviation == pytest.approx(outcomes.std(), rel=1e-3)
    assert result.tail_loss == pytest.approx(-outcomes[:10_000].mean(), rel=1e-3)
    assert result.tail_gain == pytest.approx(outcomes[-10_000:].mean(), rel=1e-3)


def test_tails_are_after_charges():
    chain = make_chain(days=(25,))

    free, charged = (evaluated("iron-condor", chain, rates) for rates in (NO_CHARGES, RATES))

    assert charged.charges > 1.0
    assert charged.tail_loss - free.tail_loss == pytest.approx(charged.charges)
    assert free.tail_gain - charged.tail_gain == pytest.approx(charged.charges)


def test_expected_value_is_exact_through_calls():
    chain = make_fair_chain(skewed=False, days=(25,))
    distribution = lognormal_distribution(22_000, 25 / 365, 0.15)
    condor = expiry_payoff(built("iron-condor", chain).legs)

    levels = 0.5 * (distribution.grid[1:] + distribution.grid[:-1])
    by_grid = float(np.diff(distribution.cumulative) @ condor.at(levels))

    assert condor.expected_value(distribution) == pytest.approx(by_grid, abs=0.05)


def test_probability_of_nothing_and_of_everything():
    distribution = lognormal_distribution(100.0, 0.1, 0.2)
    always, never = (Polyline(np.array([0.0, 100.0]), np.full(2, value), 0.0) for value in (1.0, -1.0))

    assert always.probability_of_profit(distribution) == 1.0
    assert never.probability_of_profit(distribution) == 0.0


@pytest.mark.parametrize("structure", CATALOGUE, ids=lambda structure: structure.slug)
def test_every_number_is_finite_or_honestly_unlimited(structure: Structure):
    chain = make_chain()

    result = evaluate(build(structure, chain), chain, rates=RATES)

    assert not any(np.isnan(np.asarray(getattr(result, name), dtype=float)).any() for name in result.__slots__)
    assert math.isfinite(result.expected_value)
    assert result.risk_reward >= 0.0
    assert result.days_to_expiry > 0


def test_risk_reward_of_the_three_kinds_of_tail():
    chain = make_chain(days=(25,))

    assert evaluated("long-call", chain).risk_reward == math.inf
    assert evaluated("short-call", chain).risk_reward == 0.0
    spread = evaluated("bull-call-spread", chain)
    assert spread.risk_reward == pytest.approx(spread.max_profit / spread.max_loss)


def test_a_broken_number_is_refused_not_stored():
    result = evaluated("iron-condor", make_chain(days=(25,)))

    with pytest.raises(InvalidInput) as refusal:
        replace(result, sharpe=math.nan)
    assert refusal.value.reason.code == "NOT_A_NUMBER"
    with pytest.raises(InvalidInput):
        replace(result, expected_value=math.inf)
    with pytest.raises(InvalidInput):
        replace(result, max_loss=math.nan)
