"""Positions that parity makes the same are measured the same, and the seller's are the buyer's reversed."""

from functools import cache

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from market.contract import OptionType
from strategies.batch import Batch
from strategies.catalog import BY_SLUG
from strategies.measure import Measures, measure
from strategies.table import ContractTable, contract_table
from tests.builders import NO_CHARGES, make_fair_chain

CALL, PUT, SHARE = OptionType.CALL, OptionType.PUT, None
Legs = list[tuple[int, OptionType | None, int, int]]  # units, kind, which of four rising strikes, which expiry
ANY = BY_SLUG["iron-condor"]  # the batch asks a structure only for its name

# A share costs its price and a call its premium: what both pay or cost is the same from the same forward, undiscounted.
TWINS: dict[str, tuple[Legs, Legs]] = {
    "synthetic and share": ([(1, CALL, 1, 0), (-1, PUT, 1, 0)], [(1, SHARE, 0, 0)]),
    "call and put spread": ([(1, CALL, 0, 0), (-1, CALL, 2, 0)], [(1, PUT, 0, 0), (-1, PUT, 2, 0)]),
    "iron and call condor": (
        [(1, PUT, 0, 0), (-1, PUT, 1, 0), (-1, CALL, 2, 0), (1, CALL, 3, 0)],
        [(1, CALL, 0, 0), (-1, CALL, 1, 0), (-1, CALL, 2, 0), (1, CALL, 3, 0)],
    ),
    "iron and put condor": (
        [(1, PUT, 0, 0), (-1, PUT, 1, 0), (-1, CALL, 2, 0), (1, CALL, 3, 0)],
        [(1, PUT, 0, 0), (-1, PUT, 1, 0), (-1, PUT, 2, 0), (1, PUT, 3, 0)],
    ),
    "call and put butterfly": (
        [(1, CALL, 0, 0), (-2, CALL, 1, 0), (1, CALL, 2, 0)],
        [(1, PUT, 0, 0), (-2, PUT, 1, 0), (1, PUT, 2, 0)],
    ),
    "straddle and twice the call on a sold share": (
        [(1, CALL, 1, 0), (1, PUT, 1, 0)],
        [(2, CALL, 1, 0), (-1, SHARE, 0, 0)],
    ),
    "guts and strangle": ([(1, CALL, 0, 0), (1, PUT, 2, 0)], [(1, PUT, 0, 0), (1, CALL, 2, 0)]),
    "covered call and sold put": ([(1, SHARE, 0, 0), (-1, CALL, 1, 0)], [(-1, PUT, 1, 0)]),
    "protective put and call": ([(1, SHARE, 0, 0), (1, PUT, 1, 0)], [(1, CALL, 1, 0)]),
    "collar and call spread": (
        [(1, SHARE, 0, 0), (1, PUT, 0, 0), (-1, CALL, 2, 0)],
        [(1, CALL, 0, 0), (-1, CALL, 2, 0)],
    ),
    "call and put calendar": ([(-1, CALL, 1, 0), (1, CALL, 1, 1)], [(-1, PUT, 1, 0), (1, PUT, 1, 1)]),
    "call and put diagonal": (
        [(1, CALL, 0, 1), (-1, CALL, 2, 0)],
        [(1, PUT, 0, 1), (-1, PUT, 2, 0)],
    ),
}
# Not charges, which depend on what is traded, nor what follows from them; nor the cash, which a share takes much of.
SAME = (
    "max_profit",
    "max_loss",
    "probability_of_profit",
    "expected_value_gross",
    "standard_deviation",
    "net_delta",
    "net_gamma",
    "net_theta",
    "net_vega",
)


@cache
def table(spot: float, volatility: float, days: int, skewed: bool) -> ContractTable:
    """A market without spreads or carry: every price is exactly its smile's."""
    chain = make_fair_chain(spot, days=(days, days + 28), volatility=volatility, skewed=skewed, width=0.4)
    return contract_table(chain)


tables = st.builds(
    table,
    spot=st.sampled_from([850.0, 4_000.0, 22_000.0]),
    volatility=st.sampled_from([0.12, 0.25, 0.50]),
    days=st.sampled_from([3, 15, 40]),
    skewed=st.booleans(),
)
# Away from the middle of the ladder, in rungs of about half a per cent.
rungs = st.lists(st.integers(-18, 18), min_size=4, max_size=4, unique=True).map(sorted)


def batch_of(contracts: ContractTable, sides: list[Legs], rungs: list[int]) -> Batch:
    """One candidate for each list of legs, in one batch."""
    widest = max(map(len, sides))
    rows = np.full((len(sides), widest), contracts.share, dtype=np.int64)
    units = np.zeros((len(sides), widest))
    for place, legs in enumerate(sides):
        for column, (number, kind, which, rank) in enumerate(legs):
            units[place, column] = number
            if kind is not None:
                middle = contracts.chain.expiries[rank].strikes.size // 2
                rows[place, column] = contracts.row(rank, kind, middle + rungs[which])
    zeros = np.zeros(len(sides), dtype=np.int64)
    return Batch(contracts, (ANY,), zeros, rows, units, zeros)


def figures(found: Measures, name: str, spot: float) -> np.ndarray:
    """A figure of all candidates with money as a share of the price of the underlying."""
    values = getattr(found, name)
    return values if name.startswith(("probability", "net_delta")) else values / spot


@pytest.mark.parametrize("name", TWINS)
@settings(max_examples=12, deadline=None)
@given(contracts=tables, rungs=rungs)
def test_twins_have_the_same_figures(name: str, contracts: ContractTable, rungs: list[int]):
    found = measure(batch_of(contracts, list(TWINS[name]), rungs), rates=NO_CHARGES)

    for figure in SAME:
        one, other = figures(found, figure, contracts.chain.spot)
        assert one == pytest.approx(other, rel=1e-6, abs=1e-6), figure


@pytest.mark.parametrize("name", TWINS)
@settings(max_examples=8, deadline=None)
@given(contracts=tables, rungs=rungs)
def test_a_twin_against_its_twin_is_worth_nothing_everywhere(name: str, contracts: ContractTable, rungs: list[int]):
    one, other = TWINS[name]
    against = [*one, *[(-units, kind, which, rank) for units, kind, which, rank in other]]

    found = measure(batch_of(contracts, [against], rungs), rates=NO_CHARGES)

    spot = contracts.chain.spot
    assert float(found.max_profit[0]) / spot == pytest.approx(0.0, abs=1e-6)
    assert float(found.max_loss[0]) / spot == pytest.approx(0.0, abs=1e-6)
    assert float(found.expected_value_gross[0]) / spot == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("name", TWINS)
@settings(max_examples=8, deadline=None)
@given(contracts=tables, rungs=rungs)
def test_the_seller_has_what_the_buyer_has_not(name: str, contracts: ContractTable, rungs: list[int]):
    for legs in TWINS[name]:
        if any(units > 0 and kind is None for units, kind, _, _ in legs):
            continue  # a share sold is financed the other way round too, but nobody lends it
        reverse = [(-units, kind, which, rank) for units, kind, which, rank in legs]

        found = measure(batch_of(contracts, [legs, reverse], rungs), rates=NO_CHARGES)

        spot = contracts.chain.spot
        assume(float(found.max_profit.min()) > 1e-6)  # what has no price earns neither of the two anything
        assert found.max_profit[0] / spot == pytest.approx(found.max_loss[1] / spot, abs=1e-9)
        assert found.max_loss[0] / spot == pytest.approx(found.max_profit[1] / spot, abs=1e-9)
        assert found.probability_of_profit.sum() == pytest.approx(1.0, abs=1e-6)
        assert found.standard_deviation[0] == pytest.approx(found.standard_deviation[1], rel=1e-9, abs=1e-9)
        for figure in ("expected_value_gross", "net_premium", "net_delta", "net_gamma", "net_theta", "net_vega"):
            one, other = figures(found, figure, spot)
            assert one == pytest.approx(-other, abs=1e-9), figure
