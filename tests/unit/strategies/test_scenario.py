"""Scenarios, theta by day and where the expected value comes from."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm

from strategies.batch import Batch
from strategies.build import build
from strategies.catalog import BY_SLUG
from strategies.horizon import distribution_at
from strategies.scenario import FLAT, Scenario, regions, scenarios, theta_profiles
from tests.builders import NO_CHARGES, make_chain, make_fair_chain
from tests.single import batch_of, measured


def one(slug: str, chain) -> Batch:
    return batch_of(build(BY_SLUG[slug], chain), chain)


def cell(cells: tuple[Scenario, ...], *, spot: float, volatility: float, days: int) -> float:
    (found,) = [
        each.profit
        for each in cells
        if each.spot_shift == pytest.approx(spot) and each.volatility_shift == volatility and each.days == days
    ]
    return found


def black_call(forward: float, strike: float, years: float, volatility: float) -> float:
    spread = volatility * math.sqrt(years)
    upper = math.log(forward / strike) / spread + 0.5 * spread
    return forward * norm.cdf(upper) - strike * norm.cdf(upper - spread)


def test_every_cell_is_blacks_price_against_what_was_paid():
    chain = make_chain(22_000, days=(25,), carry=0.06)
    candidate = build(BY_SLUG["long-call"], chain)
    leg, sigma = candidate.legs[0], 0.15 * math.sqrt(25 / 365)

    (cells,) = scenarios(batch_of(candidate, chain))

    assert len(cells) == 5 * 3 * 2
    assert {each.days for each in cells} == {0, 12}
    for steps in (-2.0, 0.0, 1.0):
        for shift in (-0.2, 0.0, 0.2):
            for days in (0, 12):
                years = (25 - days) / 365
                spot = 22_000 * math.exp(steps * sigma)
                worth = black_call(spot * math.exp(0.06 * years), leg.strike, years, leg.iv * (1.0 + shift))
                found = cell(cells, spot=math.exp(steps * sigma) - 1.0, volatility=shift, days=days)
                assert found == pytest.approx(worth - leg.price, rel=1e-9, abs=1e-9)


def test_nothing_moves_and_no_time_passes_leaves_what_crossing_the_spread_cost():
    chain = make_fair_chain(22_000, days=(25, 53))

    for slug in ("iron-condor", "covered-call", "calendar-spread", "call-ratio-spread"):
        (cells,) = scenarios(one(slug, chain))
        assert cell(cells, spot=0.0, volatility=0.0, days=0) == pytest.approx(0.0, abs=1e-6)


def test_time_and_a_calm_market_earn_for_a_sold_strangle_and_a_shock_costs():
    chain = make_fair_chain(22_000, days=(25,))
    sigma = 0.15 * math.sqrt(25 / 365)

    (cells,) = scenarios(one("short-strangle", chain))

    def still(volatility: float, days: int) -> float:
        return cell(cells, spot=0.0, volatility=volatility, days=days)

    assert still(0.0, 12) > still(0.0, 0)
    assert still(-0.2, 0) > 0.0 > still(0.2, 0)
    assert cell(cells, spot=math.exp(2 * sigma) - 1.0, volatility=0.2, days=0) < still(0.2, 0)


def test_candidates_together_have_the_cells_they_have_alone():
    chain = make_chain(22_000, days=(25,))
    batch = one("iron-condor", chain)

    twice = scenarios(batch.take(np.array([0, 0])))

    assert twice[0] == twice[1] == scenarios(batch)[0]


def test_theta_of_today_is_that_of_the_legs_and_grows_towards_expiry_at_the_money():
    chain = make_chain(22_000, days=(25,))
    candidate = build(BY_SLUG["short-straddle"], chain)

    (profile,) = theta_profiles(batch_of(candidate, chain))

    assert [days for days, _ in profile] == [0, 6, 12, 18, 24]
    today = -sum(leg.theta for leg in candidate.legs)
    thetas = [theta for _, theta in profile]
    assert thetas[0] == pytest.approx(today)
    assert thetas == sorted(thetas)


def test_theta_of_a_day_is_about_what_the_next_day_earns():
    chain = make_fair_chain(22_000, days=(25,))
    candidate = build(BY_SLUG["short-straddle"], chain)

    (profile,) = theta_profiles(batch_of(candidate, chain))

    def worth(days: float) -> float:
        years = (25 - days) / 365
        calls = [(black_call(22_000, leg.strike, years, leg.iv), leg) for leg in candidate.legs]
        return -sum(call if leg.kind == "CALL" else call - 22_000 + leg.strike for call, leg in calls)

    for days, theta in profile:
        assert theta == pytest.approx((worth(days + 0.01) - worth(days - 0.01)) / 0.02, rel=1e-3)


@pytest.mark.parametrize(("days", "expected"), [(1, [0]), (2, [0, 1]), (3, [0, 1, 2])])
def test_a_short_life_has_no_day_twice(days: int, expected: list[int]):
    chain = make_chain(22_000, days=(days, days + 28))

    (profile,) = theta_profiles(batch_of_first(chain))

    assert [day for day, _ in profile] == expected


def batch_of_first(chain) -> Batch:
    """A straddle at the money on the nearest expiry, whatever its window says."""
    structure = replace(BY_SLUG["short-straddle"], min_days=0)
    return batch_of(build(structure, chain), chain)


@pytest.mark.parametrize("slug", ["iron-condor", "long-straddle", "bull-call-spread", "call-ratio-spread"])
def test_regions_split_probability_and_expected_value(slug: str):
    chain = make_chain(22_000, days=(25,))
    batch, found = measured(build(BY_SLUG[slug], chain), chain, rates=NO_CHARGES)
    levels = distribution_at(chain.expiries[0]).quantile((np.arange(400_000) + 0.5) / 400_000)
    table, profit = batch.table, np.full(levels.size, batch.net_premium[0] - 3.0)
    for row, units in zip(batch.rows[0], batch.units[0], strict=True):
        profit += units * np.maximum(table.kind[row] * (levels - table.strike[row]), 0.0)

    expected = distribution_at(chain.expiries[0])
    (parts,) = regions(batch, expected, found.expected_value - 3.0, found.standard_deviation)

    assert [part.name for part in parts] == ["loss", "flat", "gain"]
    edge = FLAT * found.standard_deviation[0]
    inside = [profit < -edge, np.abs(profit) <= edge, profit > edge]
    for part, chosen in zip(parts, inside, strict=True):
        assert part.probability == pytest.approx(chosen.mean(), abs=0.002)
        assert part.expected_value == pytest.approx((profit * chosen).mean(), abs=0.005 * found.standard_deviation[0])
    assert sum(part.probability for part in parts) == pytest.approx(1.0)
    assert sum(part.expected_value for part in parts) == pytest.approx(found.expected_value[0] - 3.0, abs=1e-9)
