"""From a held position back to a structure: the catalogue's own entries, read the other way round."""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise, permutations, product
from types import MappingProxyType

from scipy.special import ndtr, ndtri

from market.contract import Contract
from strategies.catalog import BY_SLUG
from strategies.spec import Kind, LegRule, Structure
from strategies.strikes import (
    CLEARLY_APART,
    MIRROR_REACH,
    Apart,
    Atm,
    Beside,
    Delta,
    Mirror,
    Percent,
    Premium,
    SameAs,
    Sigma,
    StraddleWidth,
    StrikeRule,
)

SMALLEST_WING = 0.6  # standard deviations between body and wing in the catalogue
WING_TOLERANCE = MIRROR_REACH / SMALLEST_WING  # of the wider wing: what the builder itself calls equal
CLEARLY_WIDER = 1.5  # times the next distance between strikes: a wing that is broken on purpose
STRADDLE = 2.0 / math.sqrt(2.0 * math.pi)  # price of the straddle at the forward, standard deviations
STEP = 0.1  # standard deviations between listed strikes, where a rule counts steps
MONEY = 0.05  # one standard deviation as a fraction of spot, where a rule is in percent

Signature = tuple[tuple[int, Kind, int], ...]


@dataclass(frozen=True, slots=True)
class Recognised:
    """The structure a position is.

    `contracts` stand in the order of the structure's legs. `ratio` is how many units of the underlying the position
    holds per unit of the structure. `broken_wing` is True where the structure has equal wings and the position has
    not. `confidence` is the share of the entry's conditions on strikes that hold: 1 when all do.
    """

    structure: Structure
    contracts: tuple[Contract, ...]
    ratio: int
    confidence: float
    broken_wing: bool


@dataclass(frozen=True, slots=True)
class Shape:
    """What an entry asks of the strikes of its legs, as places in `Structure.legs`.

    `equal` pairs share a strike, each (low, high) of `ordered` rises, each (wing, body, other) of `mirrored` has equal
    wings, and of each ((a, b), (c, d)) in `wider` the distance from a to b is the larger.
    """

    equal: tuple[tuple[int, int], ...]
    ordered: tuple[tuple[int, int], ...]
    mirrored: tuple[tuple[int, int, int], ...]
    wider: tuple[tuple[tuple[int, int], tuple[int, int]], ...]

    @property
    def conditions(self) -> int:
        """How many there are: the more, the more specific the structure."""
        return len(self.equal) + len(self.ordered) + len(self.mirrored) + len(self.wider)


def recognise(legs: Iterable[tuple[Contract, int]], *, cash_secured: bool = False) -> Recognised | None:
    """Name a held position.

    Parameters
    ----------
    legs : iterable of (Contract, int)
        Signed units of the underlying, bought positive; in any order, one contract may come more than once.
    cash_secured : bool
        Whether the price of the underlying is set aside, so that a short put is a cash-secured one.

    Returns
    -------
    Recognised or None
        The most specific structure of the catalogue that has these legs: kinds, sides, ratios, expiries and the order
        and equalities of strikes. None when there is none, or for legs on more than one underlying.

    Notes
    -----
    Nothing is written down for it: what an entry asks of its strikes follows from its strike rules on a market with
    one volatility, in standard deviations.
    """
    held = _netted(legs)
    if not held or len({contract.underlying for contract in held}) > 1:
        return None
    factor = math.gcd(*held.values())
    ratios = {contract: units // factor for contract, units in held.items()}
    found = [
        match
        for structure in _by_signature().get(_signature_of(ratios), ())
        if structure.margin_group != "cash" or cash_secured
        for match in _matches(structure, ratios, factor)
    ]
    return max(found, key=_preference, default=None)


def _preference(match: Recognised) -> tuple[bool, float, bool, int]:
    return (
        not match.broken_wing,
        match.confidence,
        match.structure.margin_group == "cash",
        shape_of(match.structure).conditions,
    )


def _netted(legs: Iterable[tuple[Contract, int]]) -> dict[Contract, int]:
    total: dict[Contract, int] = defaultdict(int)
    for contract, units in legs:
        total[contract] += units
    return {contract: units for contract, units in total.items() if units != 0}


# --- which entries have such legs ------------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def _by_signature() -> Mapping[Signature, tuple[Structure, ...]]:
    found: dict[Signature, list[Structure]] = defaultdict(list)
    for structure in BY_SLUG.values():
        legs = [(leg.expiry_rank, leg.kind, leg.side.sign * leg.ratio) for leg in structure.legs]
        found[tuple(sorted(legs))].append(structure)
    return MappingProxyType({signature: tuple(structures) for signature, structures in found.items()})


def _signature_of(ratios: Mapping[Contract, int]) -> Signature:
    ranks = _ranks(ratios)
    return tuple(sorted((ranks[contract], _kind(contract), ratio) for contract, ratio in ratios.items()))


def _ranks(contracts: Iterable[Contract]) -> dict[Contract, int]:
    """Return the rank of each contract's expiry among those held; 0 for the share."""
    listed = list(contracts)
    expiries = sorted({contract.expiry for contract in listed if contract.expiry is not None})
    return {contract: expiries.index(contract.expiry) if contract.expiry else 0 for contract in listed}


def _kind(contract: Contract) -> Kind:
    return Kind.STOCK if contract.option_type is None else Kind(contract.option_type.value)


# --- which leg is which, and do the strikes fit ----------------------------------------------------------------------


def _matches(structure: Structure, ratios: Mapping[Contract, int], factor: int) -> Iterator[Recognised]:
    """Yield the position as this structure, for every way of giving its contracts to the legs that fits."""
    shape = shape_of(structure)
    for contracts in _assignments(structure.legs, ratios):
        strikes = [contract.strike or 0.0 for contract in contracts]
        if not _fits(shape, strikes):
            continue
        equal_wings = [_equal_wings(strikes, *each) for each in shape.mirrored]
        wider = [_distance(strikes, *first) > _distance(strikes, *second) for first, second in shape.wider]
        missed = equal_wings.count(False) + wider.count(False)
        yield Recognised(
            structure=structure,
            contracts=contracts,
            ratio=factor,
            confidence=1.0 - missed / shape.conditions if shape.conditions else 1.0,
            broken_wing=not all(equal_wings),
        )


def _assignments(rules: Sequence[LegRule], ratios: Mapping[Contract, int]) -> Iterator[tuple[Contract, ...]]:
    ranks = _ranks(ratios)
    wanted: dict[tuple[int, Kind, int], list[int]] = defaultdict(list)
    for place, rule in enumerate(rules):
        wanted[rule.expiry_rank, rule.kind, rule.side.sign * rule.ratio].append(place)
    groups = [
        [contract for contract, ratio in ratios.items() if (ranks[contract], _kind(contract), ratio) == key]
        for key in wanted
    ]
    places = [place for group in wanted.values() for place in group]
    for chosen in product(*(permutations(group) for group in groups)):
        contracts = [contract for group in chosen for contract in group]
        yield tuple(contract for _, contract in sorted(zip(places, contracts, strict=True)))


def _fits(shape: Shape, strikes: Sequence[float]) -> bool:
    return all(strikes[one] == strikes[other] for one, other in shape.equal) and all(
        strikes[low] < strikes[high] for low, high in shape.ordered
    )


def _equal_wings(strikes: Sequence[float], wing: int, body: int, other: int) -> bool:
    first, second = abs(strikes[wing] - strikes[body]), abs(strikes[other] - strikes[body])
    return abs(first - second) <= WING_TOLERANCE * max(first, second)


def _distance(strikes: Sequence[float], one: int, other: int) -> float:
    return abs(strikes[other] - strikes[one])


# --- what an entry asks of its strikes -------------------------------------------------------------------------------


@lru_cache(maxsize=256)
def shape_of(structure: Structure) -> Shape:
    """Return what a structure asks of its strikes."""
    at = _typical_strikes(structure.legs)
    same = {
        place: rule.strike.leg_index for place, rule in enumerate(structure.legs) if isinstance(rule.strike, SameAs)
    }
    ordered = tuple(
        (low, high)
        for low, high in permutations(at, 2)
        if at[high] - at[low] > CLEARLY_APART and low not in same and high not in same
    )
    mirrored = tuple(
        (rule.strike.wing, rule.strike.body, place)
        for place, rule in enumerate(structure.legs)
        if isinstance(rule.strike, Mirror)
    )
    return Shape(
        equal=tuple((leader, place) for place, leader in same.items()),
        ordered=ordered,
        mirrored=mirrored,
        # Standard deviations of two expiries do not compare.
        wider=_wider(at, same) if not mirrored and structure.expiries_needed == 1 else (),
    )


def _wider(at: Mapping[int, float], same: Mapping[int, int]) -> tuple[tuple[tuple[int, int], tuple[int, int]], ...]:
    """Return which of two neighbouring distances is clearly the larger one."""
    steps = list(pairwise(sorted((place for place in at if place not in same), key=lambda place: at[place])))
    found = []
    for first, second in pairwise(steps):
        one, other = _gap(at, first), _gap(at, second)
        if one > CLEARLY_WIDER * other:
            found.append((first, second))
        elif other > CLEARLY_WIDER * one:
            found.append((second, first))
    return tuple(found)


def _gap(at: Mapping[int, float], step: tuple[int, int]) -> float:
    return at[step[1]] - at[step[0]]


def _typical_strikes(rules: Sequence[LegRule]) -> dict[int, float]:
    """Return where each option leg goes in standard deviations from the forward, on a market with one volatility."""
    at: dict[int, float] = {}
    for place, rule in enumerate(rules):
        if rule.strike is not None:
            at[place] = _typical(rule.strike, rule.kind is Kind.CALL, at)
    return at


def _typical(rule: StrikeRule, is_call: bool, at: Mapping[int, float]) -> float:
    match rule:
        case SameAs(leader):
            return at[leader]
        case Apart(leader, multiple):
            return at[leader] + multiple
        case Beside(leader, steps):
            return at[leader] + STEP * steps
        case Mirror(wing, body):
            return 2.0 * at[body] - at[wing]
        case Delta(target):
            return float(-ndtri(target) if is_call else ndtri(target))
        case _:
            return _typical_distance(rule, is_call)


def _typical_distance(rule: Atm | Sigma | Percent | Premium | StraddleWidth, is_call: bool) -> float:
    match rule:
        case Atm(steps):
            return STEP * steps
        case Sigma(multiple):
            return multiple
        case Percent(offset):
            return offset / MONEY
        case StraddleWidth(multiple):
            return multiple * STRADDLE
        case Premium(fraction, of):
            wanted = fraction * STRADDLE if of == "straddle" else fraction / MONEY
            return _out_of_the_money(wanted) if is_call else -_out_of_the_money(wanted)


def _out_of_the_money(premium: float) -> float:
    """Return how far a call with this premium is out of the money, all in standard deviations (Bachelier)."""
    low, high = -8.0, 8.0
    for _ in range(60):
        middle = 0.5 * (low + high)
        worth = math.exp(-0.5 * middle**2) / math.sqrt(2.0 * math.pi) - middle * float(ndtr(-middle))
        low, high = (middle, high) if worth > premium else (low, middle)
    return low
