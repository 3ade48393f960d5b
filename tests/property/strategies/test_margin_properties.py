"""Whatever is built, its margin follows the group the catalogue states, and bounds the loss where that is bounded."""

import math
from dataclasses import replace
from datetime import date, timedelta
from functools import cache

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from market.calendar import IST
from market.chain import Chain
from market.contract import Contract, OptionType
from strategies.build import Candidate, build
from strategies.catalog import CATALOGUE, CHECKS
from strategies.margins import HeldLeg, margin_group, margin_of
from strategies.spec import Structure
from tests.builders import NO_CHARGES, TAKEN_AT, make_fair_chain
from tests.single import evaluate

DAY = TAKEN_AT.astimezone(IST).date()
every_entry = pytest.mark.parametrize("structure", CATALOGUE + CHECKS, ids=lambda structure: structure.slug)


@cache
def made(spot: float, volatility: float, days: int, skewed: bool) -> Chain:
    """A fair chain with fifteen strikes to a standard deviation and a later expiry four weeks behind the first."""
    deviation = spot * volatility * math.sqrt(days / 365.0)
    width = min(0.9, max(0.25, 4.0 * deviation / spot))
    return make_fair_chain(
        spot, days=(days, days + 28), step=deviation / 15, volatility=volatility, skewed=skewed, width=width
    )


chains = st.builds(
    made,
    spot=st.sampled_from([850.0, 22_000.0]),
    volatility=st.sampled_from([0.15, 0.35]),
    days=st.sampled_from([8, 25, 40]),
    skewed=st.booleans(),
)
a_few = settings(max_examples=4, deadline=None)


def held(candidate: Candidate) -> list[HeldLeg]:
    return [
        HeldLeg(leg.contract, leg.side.sign * leg.ratio * candidate.lot_size, leg.price, leg.iv)
        for leg in candidate.legs
    ]


def margin(legs: list[HeldLeg], spot: float, structure: Structure | None = None) -> float:
    group = structure.margin_group if structure else margin_group(legs)
    return margin_of(legs, group=group, spot=spot, is_index=False, as_of=DAY)


@every_entry
@a_few
@given(chain=chains, order=st.randoms(use_true_random=False))
def test_margin_follows_the_group_of_the_entry(structure: Structure, chain: Chain, order):
    candidate = build(structure, chain)
    legs = held(candidate)
    loss = evaluate(candidate, chain, rates=NO_CHARGES).max_loss * candidate.lot_size

    recognised = margin_group(legs)
    blocked = margin(legs, chain.spot, structure)
    shuffled = order.sample(legs, len(legs))
    doubled = [replace(each, units=2 * each.units) for each in legs]

    assert structure.margin_group == ("cash" if structure.slug == "cash-secured-put" else recognised)
    assert structure.undefined_risk == (recognised == "naked" and structure.margin_group != "cash")
    assert blocked > 0.0
    assert margin(shuffled, chain.spot, structure) == pytest.approx(blocked)
    assert margin(doubled, chain.spot, structure) == pytest.approx(2.0 * blocked)
    if structure.margin_group != "naked":
        assert blocked >= loss * (1.0 - 1e-9)
    else:
        assert blocked < loss


strikes = st.sampled_from([850.0, 900.0, 950.0, 1_000.0, 1_050.0, 1_100.0])
options = st.builds(
    lambda days, strike, option_type, units, premium, volatility: HeldLeg(
        Contract("ACME", DAY + timedelta(days=days), strike, option_type), units, premium, volatility
    ),
    st.sampled_from([25, 53]),
    strikes,
    st.sampled_from(OptionType),
    st.sampled_from([-1_000, -500, 500, 1_000]),
    st.floats(0.05, 200.0),
    st.just(0.3),
)
positions = st.lists(options, min_size=1, max_size=4)


@settings(max_examples=300, deadline=None)
@given(legs=positions)
def test_a_position_of_any_legs_has_a_margin(legs: list[HeldLeg]):
    blocked = margin(legs, 1_000.0)

    assert np.isfinite(blocked)
    assert blocked >= 0.0


@settings(max_examples=300, deadline=None)
@given(legs=positions, shares=st.sampled_from([500, 1_000, 2_000]))
def test_a_share_and_options_it_covers_block_what_they_may_lose(legs: list[HeldLeg], shares: int):
    near = [replace(each, contract=replace(each.contract, expiry=date(2026, 2, 24))) for each in legs]
    both = [HeldLeg(Contract("ACME"), shares, 1_000.0, None), *near]
    assume(margin_group(both) == "covered")

    levels = np.arange(0.0, 3_001.0, 50.0)
    worth = shares * (levels - 1_000.0)
    for each in near:
        sign = 1.0 if each.contract.option_type is OptionType.CALL else -1.0
        worth += each.units * (np.maximum(0.0, sign * (levels - each.contract.strike)) - each.premium)

    assert margin(both, 1_000.0) >= -worth.min() * (1.0 - 1e-9)


@settings(max_examples=200, deadline=None)
@given(first=positions, second=positions)
def test_two_naked_positions_never_block_more_together(first: list[HeldLeg], second: list[HeldLeg]):
    near = [replace(each, contract=replace(each.contract, expiry=date(2026, 2, 24))) for each in first + second]
    first, second = near[: len(first)], near[len(first) :]
    groups = {margin_group(each) for each in (first, second, near)}

    apart = [margin(first, 1_000.0), margin(second, 1_000.0)]
    if groups == {"naked"} and min(apart) > 0.0:
        assert margin(near, 1_000.0) <= sum(apart) * (1.0 + 1e-9)


@settings(max_examples=200, deadline=None)
@given(legs=positions, bought=options)
def test_what_one_buys_as_well_costs_no_more_than_its_premium(legs: list[HeldLeg], bought: HeldLeg):
    bought = replace(bought, units=abs(bought.units))
    if margin(legs, 1_000.0) == 0.0 or {each.contract.expiry for each in legs} != {bought.contract.expiry}:
        return

    more = margin([*legs, bought], 1_000.0)

    if margin_group(legs) == margin_group([*legs, bought]):
        assert more <= margin(legs, 1_000.0) + bought.units * bought.premium * (1.0 + 1e-9) + 1e-6
