"""The batch measures what a slow reference measures leg by leg, and what counting outcomes gives."""

import math
from dataclasses import fields
from datetime import date

import numpy as np
import pytest

from market.chain import Chain
from market.contract import Side
from market.quant.distribution import rescaled
from market.rulebook.charges import option_charge_rates
from strategies.batch import Batch, concatenate, join
from strategies.build import build, candidate_of, choose_expiries, place_legs
from strategies.catalog import BY_SLUG, CATALOGUE
from strategies.errors import NotConstructible
from strategies.evaluate import evaluations
from strategies.horizon import distribution_at, remaining_volatilities
from strategies.measure import measure, payoff_lines, profit_mass
from strategies.search import neighbourhood
from strategies.table import SHARE, contract_table
from tests.builders import NO_CHARGES, make_chain, make_fair_chain
from tests.reference import reference

RATES = option_charge_rates(exchange="NSE", as_of=date(2026, 1, 30))
EXACT = (
    "max_profit", "max_loss", "probability_of_profit", "probability_after_costs", "expected_value_gross",
    "expected_value", "forecast_value", "forecast_probability", "risk_reward", "net_premium", "option_premium",
    "charges", "spread_cost", "net_delta", "net_gamma", "net_theta", "net_vega", "net_rho",
)  # fmt: skip
ON_A_GRID = ("forecast_deviation", "standard_deviation", "sharpe", "tail_loss", "far_tail_loss", "tail_gain")
NEAR = 1e-9  # where both are exact; surviving legs are a polyline on two different grids
NEAR_A_HORIZON = 2e-4


def own_choices(chain: Chain) -> Batch:
    """Every structure that can be built, where its rules place it."""
    parts = []
    for structure in CATALOGUE:
        try:
            expiries = choose_expiries(structure, chain)
            build(structure, chain)
        except NotConstructible:
            continue
        rank = chain.expiries.index(expiries[0])
        parts.append((structure, rank, np.array([place_legs(structure, chain, expiries)])))
    return join(contract_table(chain), parts)


@pytest.mark.parametrize("spot", [180.0, 2_200.0, 22_000.0])
@pytest.mark.parametrize("days", [(5,), (25,), (4, 11, 25, 53)], ids=str)
def test_every_figure_of_every_structure_is_that_of_the_slow_reference(spot: float, days: tuple[int, ...]):
    chain = make_chain(spot, days=days)
    batch = own_choices(chain)
    forecasts = {rank: rescaled(distribution_at(expiry), 0.8) for rank, expiry in enumerate(chain.expiries)}

    found = evaluations(batch, measure(batch, rates=RATES, forecasts=forecasts, cells=20_000))

    for place, ours in enumerate(found):
        candidate = candidate_of(batch, place)
        alone = reference(candidate, chain, rates=RATES, forecast=forecasts[int(batch.front[place])])
        near = NEAR if batch.is_simple[place] else NEAR_A_HORIZON
        # Four surviving legs leave an expected value of next to nothing against what each of them is worth.
        room = near * max(1.0, 5e-4 * spot)
        for name in EXACT:
            assert getattr(ours, name) == pytest.approx(alone[name], rel=near, abs=room), (candidate, name)
        for name in ON_A_GRID:
            assert getattr(ours, name) == pytest.approx(alone[name], rel=2e-3, abs=1e-3), (candidate, name)
        assert ours.days_to_expiry == candidate.days_to_expiry
        assert ours.breakevens == pytest.approx(alone["breakevens"], rel=1e-6), candidate
        assert [edge for pair in ours.profit_ranges for edge in pair] == pytest.approx(
            [edge for pair in alone["profit_ranges"] for edge in pair], rel=1e-6
        )


def test_every_figure_is_that_of_counted_outcomes():
    chain = make_chain(2_200, days=(25,))
    batch = own_choices(chain)
    levels = distribution_at(chain.expiries[0]).quantile((np.arange(400_000) + 0.5) / 400_000)
    table = batch.table

    found = measure(batch, rates=RATES)

    for place in range(batch.size):
        profit = np.full(levels.size, batch.net_premium[place])
        for row, units in zip(batch.rows[place], batch.units[place], strict=True):
            kind, strike = table.kind[row], table.strike[row]
            profit += units * (levels if kind == SHARE else np.maximum(kind * (levels - strike), 0.0))
        carry = batch.units[place] @ (table.kind[batch.rows[place]] == SHARE) * (chain.expiries[0].forward - chain.spot)
        after = np.sort(profit - found.charges[place])
        assert found.probability_of_profit[place] == pytest.approx((profit > 0).mean(), abs=1e-5)
        assert found.probability_after_costs[place] == pytest.approx((after > 0).mean(), abs=1e-5)
        assert found.expected_value[place] == pytest.approx(after.mean() - carry, abs=0.002)
        assert found.standard_deviation[place] == pytest.approx(profit.std(), rel=0.01)
        assert found.shortfall_95[place] == pytest.approx(max(0.0, -after[:20_000].mean()), rel=0.01, abs=0.01)
        assert found.shortfall_99[place] == pytest.approx(max(0.0, -after[:4_000].mean()), rel=0.03, abs=0.01)
        assert found.tail_gain[place] == pytest.approx(max(0.0, after[-20_000:].mean()), rel=0.01, abs=0.01)


def test_a_fair_calendar_is_expected_to_earn_nothing():
    chain = make_fair_chain(22_000, days=(25, 53), step=100.0)
    batch = join(
        contract_table(chain),
        [(BY_SLUG["calendar-spread"], 0, np.array([place_legs(BY_SLUG["calendar-spread"], chain, chain.expiries)]))],
    )

    found = measure(batch, rates=NO_CHARGES)

    assert not batch.is_simple[0]
    assert found.expected_value[0] == pytest.approx(0.0, abs=0.05)
    assert 0.0 < found.max_profit[0] < math.inf


def test_what_is_left_of_a_flat_term_structure_is_the_same_volatility():
    chain = make_fair_chain(22_000, days=(25, 53), step=100.0, skewed=False)
    near, far = chain.expiries

    left = remaining_volatilities(near.strikes[::5], near, far)

    assert left == pytest.approx(np.full(left.size, 0.15), abs=2e-4)


def test_candidates_measured_together_or_alone_are_the_same():
    chain = make_chain(2_200)
    table = contract_table(chain)
    batches = [neighbourhood(BY_SLUG[slug], chain, table) for slug in ("iron-condor", "calendar-spread", "long-call")]
    together = concatenate(batches)

    joint = measure(together, rates=RATES)

    start = 0
    for batch in batches:
        alone = measure(batch, rates=RATES)
        for name in (field.name for field in fields(joint)):
            ours = getattr(joint, name)[start : start + batch.size]
            assert ours == pytest.approx(getattr(alone, name), rel=1e-9, abs=1e-3), name
        start += batch.size


def test_an_outcome_of_nothing_is_not_a_profit():
    chain = make_fair_chain(2_200, days=(25,), step=10.0)
    table = contract_table(chain)
    row = table.row(0, BY_SLUG["long-call"].legs[0].kind.option_type, 50)
    batch = Batch(
        table,
        (BY_SLUG["long-call"],),
        np.zeros(1, int),
        np.array([[row, row]]),
        np.array([[1.0, -1.0]]),
        np.zeros(1, int),
    )

    lines = payoff_lines(batch)

    assert (lines.values == 0.0).all()
    assert profit_mass(lines, distribution_at(chain.expiries[0]))[0] == 0.0


def test_buying_and_selling_at_one_price_are_each_others_mirror():
    chain = make_fair_chain(2_200, days=(25,), step=10.0)
    batch = own_choices(chain)
    mirrored = Batch(batch.table, batch.structures, batch.which, batch.rows, -batch.units, batch.front)

    ours, theirs = (measure(each, rates=NO_CHARGES) for each in (batch, mirrored))

    bounded = np.isfinite(ours.max_profit) & np.isfinite(theirs.max_loss)
    assert ours.expected_value_gross == pytest.approx(-theirs.expected_value_gross, abs=1e-9)
    assert np.maximum(ours.max_profit, 0.0)[bounded] == pytest.approx(theirs.max_loss[bounded], abs=1e-9)
    assert (ours.probability_of_profit + theirs.probability_of_profit <= 1.0 + 1e-9).all()
    assert ours.net_vega == pytest.approx(-theirs.net_vega, abs=1e-12)


def test_a_leg_is_paid_at_the_ask_and_received_at_the_bid():
    chain = make_chain(2_200, days=(25,), spread=0.05)
    batch = own_choices(chain)
    place = [structure.slug for structure in batch.structures].index("bull-call-spread")

    paid, received = batch.price[place, :2]

    table, rows = batch.table, batch.rows[place]
    assert (paid, received) == (table.ask[rows[0]], table.bid[rows[1]])
    assert BY_SLUG["bull-call-spread"].legs[0].side is Side.BUY
    assert batch.net_premium[place] == pytest.approx(received - paid)
