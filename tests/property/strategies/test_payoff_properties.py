"""The polyline equals brute force, whatever the legs."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market.contract import Side
from market.quant.distribution import lognormal_distribution
from strategies.build import BuiltLeg
from strategies.spec import Kind
from tests.builders import make_leg
from tests.reference import expiry_payoff

DISTRIBUTION = lognormal_distribution(100.0, 0.1, 0.3)


@st.composite
def legs(draw: st.DrawFn) -> BuiltLeg:
    kind = draw(st.sampled_from(Kind))
    side = draw(st.sampled_from(Side))
    price = draw(st.integers(1, 4_000)) / 20
    ratio = draw(st.integers(1, 3))
    strike = None if kind is Kind.STOCK else float(draw(st.integers(10, 60)) * 5)
    return make_leg(side, kind, strike, price=price, ratio=ratio)


many_legs = st.lists(legs(), min_size=1, max_size=6)


def brute(leg: BuiltLeg, level: float) -> float:
    worth = {
        Kind.CALL: lambda: max(level - leg.strike, 0.0),
        Kind.PUT: lambda: max(leg.strike - level, 0.0),
        Kind.STOCK: lambda: level,
    }[leg.kind]()
    return leg.side.sign * leg.ratio * (worth - leg.price)


def total(some: list[BuiltLeg], level: float) -> float:
    return math.fsum(brute(leg, level) for leg in some)


@settings(max_examples=100, deadline=None)
@given(many_legs, st.floats(0.0, 1_000.0))
def test_the_polyline_is_the_sum_of_its_legs_at_any_level(some: list[BuiltLeg], level: float):
    assert float(expiry_payoff(some).at(level)) == pytest.approx(total(some, level), abs=1e-8)


@settings(max_examples=100, deadline=None)
@given(many_legs)
def test_no_level_beats_the_extremes_and_unlimited_follows_the_tail(some: list[BuiltLeg]):
    line = expiry_payoff(some)
    levels = np.concatenate([np.linspace(0, 400, 401), [1e4, 1e6]])
    outcomes = [total(some, float(level)) for level in levels]
    rise = total(some, 2e6) - total(some, 1e6)

    assert max(outcomes) <= line.max_profit + 1e-8
    assert -min(outcomes) <= line.max_loss + 1e-8
    assert math.isinf(line.max_profit) == (rise > 1.0)
    assert math.isinf(line.max_loss) == (rise < -1.0)


@settings(max_examples=100, deadline=None)
@given(many_legs)
def test_profit_is_exactly_where_the_ranges_say(some: list[BuiltLeg]):
    line = expiry_payoff(some)

    for level in np.linspace(0.25, 500.25, 501):
        outcome = total(some, float(level))
        inside = any(low < level < high for low, high in line.profit_ranges)
        assert inside == (outcome > 1e-9) or abs(outcome) < 1e-6


@settings(max_examples=100, deadline=None)
@given(many_legs)
def test_breakevens_are_zeros_and_ranges_are_disjoint_and_rising(some: list[BuiltLeg]):
    line = expiry_payoff(some)

    assert [total(some, level) for level in line.breakevens] == pytest.approx([0.0] * len(line.breakevens), abs=1e-6)
    edges = [edge for pair in line.profit_ranges for edge in pair]
    assert edges == sorted(edges)
    assert len(set(edges)) == len(edges)


@settings(max_examples=50, deadline=None)
@given(many_legs)
def test_expectation_is_that_of_the_grid_and_linear_in_the_legs(some: list[BuiltLeg]):
    line = expiry_payoff(some)

    separately = math.fsum(expiry_payoff([leg]).expected_value(DISTRIBUTION) for leg in some)

    assert line.expected_value(DISTRIBUTION) == pytest.approx(separately, abs=1e-6)


@settings(max_examples=50, deadline=None)
@given(many_legs, st.floats(0.0, 50.0))
def test_costs_never_raise_the_probability_of_profit(some: list[BuiltLeg], costs: float):
    line = expiry_payoff(some)

    before = line.probability_of_profit(DISTRIBUTION)
    after = line.shifted(-costs).probability_of_profit(DISTRIBUTION)

    assert 0.0 <= after <= before + 1e-9 <= 1.0 + 1e-9


@settings(max_examples=100, deadline=None)
@given(many_legs)
def test_the_opposite_position_has_the_opposite_outcome(some: list[BuiltLeg]):
    mirrored = [
        make_leg(leg.side.opposite, leg.kind, leg.contract.strike, price=leg.price, ratio=leg.ratio) for leg in some
    ]

    line, opposite = expiry_payoff(some), expiry_payoff(mirrored)

    assert opposite.at(line.kinks) == pytest.approx(-line.at(line.kinks), abs=1e-8)
    assert opposite.right_slope == -line.right_slope
