"""Plan a multi-leg basket: who goes first, in what slices, and whether every short stays covered. Pure."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from market.contract import Contract, OptionType, Side
from market.errors import InvalidInput, Reason

CORRELATION = re.compile(r"[A-Za-z0-9_-]{1,25}")  # dhan.md: 26 characters reject the whole order as DH-905

# Where neither the master nor the rulebook knows the freeze quantity we send at most this many lots in one order:
# below every freeze quantity published since 2025 (the tightest is BANKNIFTY, 600 units = 20 lots of 30).
CAUTIOUS_LOTS_PER_ORDER = 20

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


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


def positions(legs: Sequence[BasketLeg], held: Held) -> dict[Contract, int]:
    """Return signed units by contract."""
    totals: dict[Contract, int] = {}
    for leg in legs:
        totals[leg.contract] = totals.get(leg.contract, 0) + held.get(leg.number, 0)
    return totals


def after(position: Mapping[Contract, int], piece: Slice) -> dict[Contract, int]:
    """Return the position as it would be with this order filled in full."""
    contract = piece.leg.contract
    return {**position, contract: position.get(contract, 0) + piece.side.sign * piece.quantity}


def uncovered_short(
    position: Mapping[Contract, int], *, cash_secured: bool = False, allow_naked: bool = False
) -> Reason | None:
    """Return why a position holds a short without cover, or None when every short is covered.

    A call is covered by a long call of the same underlying that does not expire sooner, or by shares; a put by
    such a long put, or by cash when `cash_secured`. A short share is never covered.

    Parameters
    ----------
    position : mapping of Contract to int
        Signed units, what is filled plus what is about to be sent.
    cash_secured : bool
        The strikes of all short puts are set aside in cash.
    allow_naked : bool
        The account may hold uncovered shorts.
    """
    if allow_naked:
        return None
    for underlying in sorted({contract.underlying for contract, units in position.items() if units < 0}):
        own = {contract: units for contract, units in position.items() if contract.underlying == underlying}
        shares = own.get(Contract(underlying), 0)
        if shares < 0:
            return _naked(f"{-shares} shares of {underlying} would be sold without being held.")
        calls = _shortfall(own, OptionType.CALL) - shares
        if calls > 0:
            return _naked(f"{calls} units of {underlying} calls would be short without a filled long call or shares.")
        puts = 0 if cash_secured else _shortfall(own, OptionType.PUT)
        if puts > 0:
            return _naked(f"{puts} units of {underlying} puts would be short without a filled long put.")
    return None


def entry_would_uncover(
    legs: Sequence[BasketLeg], *, cash_secured: bool = False, allow_naked: bool = False
) -> Reason | None:
    """Return why the finished basket would hold an uncovered short; asked before anything is sent."""
    full = {leg.number: leg.side.sign * leg.quantity for leg in legs}
    return uncovered_short(positions(legs, full), cash_secured=cash_secured, allow_naked=allow_naked)


def correlation_id(*, mode: str, run: int, leg: int, piece: int, attempt: int) -> str:
    """Name an order for ever from its place in our books, so that a restart computes the same name.

    Parameters
    ----------
    mode : str
        "paper" or "live": the first letter.
    run, leg, piece, attempt : int
        Positive row and counter values.

    Returns
    -------
    str
        At most 25 characters of A-Z, a-z, 0-9, _ and -.

    Raises
    ------
    InvalidInput
        A counter that is not positive, or a name beyond 25 characters.
    """
    numbers = (run, leg, piece, attempt)
    name = "-".join([{"paper": "P", "live": "L"}.get(mode, "?"), *map(_base36, numbers)])
    if min(numbers) < 1 or not CORRELATION.fullmatch(name):
        raise InvalidInput(Reason("CORRELATION", f"No legal correlation id for {mode} {numbers}."))
    return name


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


def _shortfall(position: Mapping[Contract, int], option_type: OptionType) -> int:
    """Units of short options beyond the long ones that live at least as long, at the worst expiry."""
    by_expiry: dict[date, int] = {}
    for contract, units in position.items():
        if contract.option_type is option_type and contract.expiry is not None:
            by_expiry[contract.expiry] = by_expiry.get(contract.expiry, 0) + units
    worst = running = 0
    for expiry in sorted(by_expiry, reverse=True):
        running += by_expiry[expiry]
        worst = max(worst, -running)
    return worst


def _naked(sentence: str) -> Reason:
    return Reason("NAKED_SHORT", sentence, "Add the covering leg, or let a person allow naked shorts on the account.")


def _base36(number: int) -> str:
    digits = ""
    while number > 0:
        number, digit = divmod(number, 36)
        digits = _DIGITS[digit] + digits
    return digits
