"""A multi-leg basket cut into orders: what is still missing, in whole lots, within the freeze quantity. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from market.contract import Contract, Side
from market.errors import InvalidInput, Reason

# Where neither the master nor the rulebook knows the freeze quantity we send at most this many lots in one order:
# below every freeze quantity published since 2025 (the tightest is BANKNIFTY, 600 units = 20 lots of 30).
CAUTIOUS_LOTS_PER_ORDER = 20


class Phase(StrEnum):
    """What a step of a run does: open bought legs, open sold legs, or take everything back."""

    BUYING = "buying"
    SELLING = "selling"
    UNWINDING = "unwinding"


@dataclass(frozen=True, slots=True)
class BasketLeg:
    """One leg as intended: `quantity` units on `side`, sent in orders of at most `order_limit` units."""

    number: int
    contract: Contract
    side: Side
    quantity: int
    lot_size: int
    order_limit: int

    def __post_init__(self) -> None:
        if self.quantity <= 0 or self.lot_size <= 0 or self.quantity % self.lot_size:
            raise InvalidInput(
                Reason("LOT", f"{self.quantity} units of {self.contract} are not whole lots of {self.lot_size}.")
            )
        if self.order_limit < self.lot_size:
            raise InvalidInput(
                Reason(
                    "FREEZE", f"One lot of {self.contract} ({self.lot_size}) exceeds the limit of {self.order_limit}."
                )
            )


@dataclass(frozen=True, slots=True)
class Slice:
    """One order to send: part of a leg, in whole lots, not above the order limit."""

    leg: BasketLeg
    number: int
    side: Side
    quantity: int


# Units bought or sold so far, signed, by leg number.
Held = Mapping[int, int]


def outstanding(phase: Phase, legs: Sequence[BasketLeg], held: Held) -> list[Slice]:
    """Return the orders this phase still needs, in the order of sending.

    Parameters
    ----------
    phase : Phase
        BUYING and SELLING work on the legs of that side; UNWINDING buys back what is short, then sells what is long.
    legs : sequence of BasketLeg
    held : mapping of int to int
        Signed units filled per leg number; a leg that is absent holds nothing.

    Returns
    -------
    list of Slice
        Empty when the phase is done.

    Raises
    ------
    InvalidInput
        A leg holds more than intended or the opposite side.
    """
    if phase is Phase.UNWINDING:
        return [*_unwind(legs, held, Side.BUY), *_unwind(legs, held, Side.SELL)]
    wanted = Side.BUY if phase is Phase.BUYING else Side.SELL
    return [piece for leg in legs if leg.side is wanted for piece in _cut(leg, wanted, _missing(leg, held))]


def is_complete(legs: Sequence[BasketLeg], held: Held) -> bool:
    """Tell whether every leg is filled to its intended quantity; raises when any leg holds more."""
    return sum(_missing(leg, held) for leg in legs) == 0


def is_flat(held: Held) -> bool:
    """Tell whether nothing at all is held."""
    return not any(held.values())


def order_limit(*, lot_size: int, freeze_quantity: int | None) -> int:
    """Return the most units one order may hold: the largest whole lots within the freeze quantity."""
    limit = CAUTIOUS_LOTS_PER_ORDER * lot_size if freeze_quantity is None else freeze_quantity
    return limit // lot_size * lot_size


def _cut(leg: BasketLeg, side: Side, units: int) -> Iterator[Slice]:
    limit = leg.order_limit // leg.lot_size * leg.lot_size
    number = 0
    while units > 0:
        number += 1
        quantity = min(units, limit)
        units -= quantity
        yield Slice(leg, number, side, quantity)


def _missing(leg: BasketLeg, held: Held) -> int:
    filled = held.get(leg.number, 0) * leg.side.sign
    if not 0 <= filled <= leg.quantity:
        raise InvalidInput(
            Reason("OVERFILL", f"Leg {leg.number} was to {leg.side} {leg.quantity} {leg.contract} but holds {filled}.")
        )
    return leg.quantity - filled


def _unwind(legs: Iterable[BasketLeg], held: Held, side: Side) -> Iterator[Slice]:
    for leg in legs:
        yield from _cut(leg, side, -side.sign * held.get(leg.number, 0))
