"""Whatever a liquid market looks like, every structure can be built on it and is what the catalogue says it is."""

import math
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market.chain import Chain
from market.contract import Contract
from strategies.build import Candidate, build
from strategies.catalog import CATALOGUE, CHECKS
from strategies.evaluate import Evaluation
from strategies.exits import ExitKind, exit_rows
from strategies.recognise import recognise
from strategies.spec import Kind, LegRule, Structure, opposite
from strategies.strikes import REACH, Placed, Site, place
from tests.builders import NO_CHARGES, make_chain, make_fair_chain
from tests.reference import payoff
from tests.single import evaluate

EVERY = CATALOGUE + CHECKS
NEARLY_NEUTRAL = 0.25  # of the deltas of all legs
NEARLY_VEGALESS = 0.30  # of the vegas of all legs

a_few = settings(max_examples=10, deadline=None)  # of every structure: some six hundred for each property

every_structure = pytest.mark.parametrize("structure", CATALOGUE, ids=lambda structure: structure.slug)
every_entry = pytest.mark.parametrize("structure", EVERY, ids=lambda structure: structure.slug)


@cache
def made(spot: float, volatility: float, days: int, rungs: int, skewed: bool, fair: bool) -> Chain:
    """A liquid chain with `rungs` strikes to a standard deviation and a later expiry four weeks behind the first."""
    deviation = spot * volatility * math.sqrt(days / 365.0)
    make = make_fair_chain if fair else make_chain
    return make(
        spot,
        days=(days, days + 28),
        step=deviation / rungs,
        volatility=volatility,
        skewed=skewed,
        width=min(0.9, max(0.25, 4.0 * deviation / spot)),
    )


chains = st.builds(
    made,
    spot=st.sampled_from([850.0, 4_000.0, 22_000.0]),
    volatility=st.sampled_from([0.12, 0.20, 0.35, 0.50]),
    days=st.sampled_from([8, 15, 25, 40]),
    rungs=st.sampled_from([10, 15, 24]),
    skewed=st.booleans(),
    fair=st.just(True),
)


@cache
def built(structure: Structure, chain: Chain) -> tuple[Candidate, Evaluation]:
    candidate = build(structure, chain)
    return candidate, evaluate(candidate, chain, rates=NO_CHARGES)


def net(candidate: Candidate, name: str) -> float:
    return math.fsum(leg.quantity * getattr(leg, name) for leg in candidate.legs)


def gross(candidate: Candidate, name: str) -> float:
    return math.fsum(abs(leg.quantity * getattr(leg, name)) for leg in candidate.legs)


@every_structure
@a_few
@given(chain=chains)
def test_the_view_is_the_sign_of_delta(structure: Structure, chain: Chain):
    candidate, _ = built(structure, chain)

    share = net(candidate, "delta") / gross(candidate, "delta")
    if structure.outlook == "Neutral":
        assert abs(share) < NEARLY_NEUTRAL
    else:
        assert share * {"Bullish": 1, "Bearish": -1}[structure.outlook] > 0.0


@every_structure
@a_few
@given(chain=chains)
def test_the_volatility_view_is_the_sign_of_vega(structure: Structure, chain: Chain):
    candidate, _ = built(structure, chain)

    share = net(candidate, "vega") / gross(candidate, "vega")
    if structure.volatility_view == "neutral":
        assert abs(share) < NEARLY_VEGALESS
    else:
        assert share * {"long": 1, "short": -1}[structure.volatility_view] > 0.0


@every_structure
@a_few
@given(chain=chains)
def test_the_premium_has_its_sign_and_some_outcome_pays(structure: Structure, chain: Chain):
    candidate, evaluation = built(structure, chain)

    assert {"credit": candidate.option_premium > 0.0, "debit": candidate.option_premium < 0.0}.get(
        structure.premium, True
    )
    assert evaluation.max_profit > 0.0
    assert evaluation.max_loss > 0.0


@every_structure
@a_few
@given(chain=chains)
def test_undefined_risk_is_what_the_payoff_shows(structure: Structure, chain: Chain):
    """A loss without limit, or one that grows all the way to a worthless underlying as only a sold put's does."""
    candidate, evaluation = built(structure, chain)
    line = payoff(candidate, chain)

    shares = sum(leg.quantity for leg in candidate.legs if leg.kind is Kind.STOCK)
    falls_with_the_price = line.slopes[0] - shares > 0.5
    unbounded = math.isinf(evaluation.max_loss) or bool(falls_with_the_price)
    assert structure.undefined_risk == (unbounded and structure.margin_group != "cash")


@every_entry
@a_few
@given(chain=chains)
def test_the_other_side_of_every_trade_has_the_opposite_outcome(structure: Structure, chain: Chain):
    candidate, _ = built(structure, chain)
    twin = next((other for other in EVERY if other.legs == opposite(structure.legs)), None)
    if twin is None or (structure.premium == "any" and twin.premium != "any"):
        return

    other = build(twin, chain)

    assert [leg.contract for leg in other.legs] == [leg.contract for leg in candidate.legs]
    assert other.net_premium == pytest.approx(-candidate.net_premium, abs=1e-9)
    for name in ("delta", "gamma", "theta", "vega", "rho"):
        assert net(other, name) == pytest.approx(-net(candidate, name), abs=1e-9)
    levels = [0.0, 0.7 * chain.spot, chain.spot, 1.3 * chain.spot, 5.0 * chain.spot]
    assert payoff(other, chain).at(levels) == pytest.approx(-payoff(candidate, chain).at(levels), abs=1e-6)


@every_structure
@a_few
@given(chain=chains)
def test_every_exit_row_is_a_number_or_a_reason(structure: Structure, chain: Chain):
    candidate, evaluation = built(structure, chain)

    rows = exit_rows(structure, evaluation, candidate)

    assert {row.kind for row in rows} == set(ExitKind)
    for row in rows:
        if row.kind is ExitKind.UNDERLYING_PRICE and row.value is not None:
            assert (row.value < chain.spot) == (row.level == "price_below")


@every_entry
@a_few
@given(chain=chains)
def test_every_strike_is_one_of_its_expiry_and_within_the_bound_of_its_rule(structure: Structure, chain: Chain):
    candidate, _ = built(structure, chain)

    placed: list[Placed | None] = []
    for leg, rule in zip(candidate.legs, structure.legs, strict=True):
        if rule.strike is None:
            placed.append(None)
            continue
        expiry = chain.expiries[rule.expiry_rank]
        site = Site(chain, expiry, rule.side, rule.kind.option_type, tuple(placed), _taken(structure, placed, rule))
        found = place(rule.strike, site)
        assert found.strike == leg.strike == expiry.strikes[found.index]
        assert abs(found.off_target) <= REACH
        placed.append(found)


def _taken(structure: Structure, placed: list[Placed | None], rule: LegRule) -> frozenset[int]:
    return frozenset(
        earlier.index
        for other, earlier in zip(structure.legs, placed, strict=False)
        if earlier is not None and other.kind is rule.kind and other.expiry_rank == rule.expiry_rank
    )


# --- recognition -----------------------------------------------------------------------------------------------------


def held(candidate: Candidate, units: int) -> list[tuple[Contract, int]]:
    return [(leg.contract, leg.quantity * units) for leg in candidate.legs]


def cash_of(structure: Structure) -> bool:
    return structure.margin_group == "cash"


@every_entry
@a_few
@given(chain=chains, units=st.integers(1, 5_000), data=st.data())
def test_every_structure_is_recognised_as_itself_in_any_order_and_size(
    structure: Structure, chain: Chain, units: int, data: st.DataObject
):
    candidate, _ = built(structure, chain)
    legs = data.draw(st.permutations(held(candidate, units)))

    found = recognise(legs, cash_secured=cash_of(structure))

    assert found is not None
    assert found.structure is structure
    assert found.ratio == units
    assert not found.broken_wing
    assert [contract.option_type for contract in found.contracts] == [
        None if leg.kind is Kind.STOCK else leg.kind.option_type for leg in structure.legs
    ]


@every_entry
@a_few
@given(chain=chains, data=st.data())
def test_a_structure_with_a_leg_taken_away_is_another_one(structure: Structure, chain: Chain, data: st.DataObject):
    candidate, _ = built(structure, chain)
    legs = held(candidate, 65)
    del legs[data.draw(st.integers(0, len(legs) - 1))]

    found = recognise(legs, cash_secured=cash_of(structure))

    assert found is None or found.structure is not structure


@every_entry
@a_few
@given(chain=chains)
def test_the_other_side_of_every_trade_is_never_the_same_structure(structure: Structure, chain: Chain):
    candidate, _ = built(structure, chain)

    found = recognise(held(candidate, -65), cash_secured=cash_of(structure))

    assert found is None or found.structure is not structure


# --- constructible ---------------------------------------------------------------------------------------------------


@every_entry
@a_few
@given(
    volatility=st.sampled_from([0.10, 0.20, 0.40]),
    days=st.sampled_from([8, 25, 40]),
    rungs=st.sampled_from([6, 12]),
    skewed=st.booleans(),
)
def test_every_structure_is_built_on_a_liquid_market_with_spreads(
    structure: Structure, volatility: float, days: int, rungs: int, skewed: bool
):
    chain = made(22_000.0, volatility, days, rungs, skewed, False)

    candidate = build(structure, chain)

    assert len(candidate.legs) == len(structure.legs)
    assert [leg.side for leg in candidate.legs] == [rule.side for rule in structure.legs]
