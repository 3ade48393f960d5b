"""What the exchange did for one run, and what a broken invariant is."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Protocol

from execution.ports import ClearedOrder
from market.contract import Contract, OptionType


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken invariant."""

    invariant: int
    time: float
    sentence: str

    def __str__(self) -> str:
        return f"invariant {self.invariant} at {self.time:.3f} s: {self.sentence}"


class Witness(Protocol):
    """Who is told what a request meets on its way."""

    def on_wire(self, order: ClearedOrder) -> None:
        """The first byte of an order leaves."""

    def on_call(self) -> None:
        """One more order call."""

    def under_way(self, name: str, seconds: float, hidden: float) -> None:
        """A request hangs somewhere and will arrive."""

    def denied(self, name: str) -> None:
        """A lookup says that there is no such order."""

    def blame(self, name: str, why: str) -> None:
        """The exchange did something to this order that no client can undo."""

    def look(self) -> None:
        """Take in what the exchange did since the last look."""


@dataclass(slots=True)
class Tally:
    """What the exchange did for one leg of one run, in units."""

    opened: int = 0  # on the leg's side
    closed: int = 0  # against it

    @property
    def net(self) -> int:
        """What is held of it."""
        return self.opened - self.closed


@dataclass(slots=True)
class Truth:
    """What the exchange did for one run."""

    legs: dict[int, Tally] = field(default_factory=dict)
    position: dict[Contract, int] = field(default_factory=dict)


def naked(position: Mapping[Contract, int]) -> int:
    """Units that are short without a long option of their kind that lives as long, or shares; a rule of our own."""
    worst = 0
    shares = sum(units for contract, units in position.items() if not contract.is_option)
    for kind in OptionType:
        rows = [(contract.expiry, units) for contract, units in position.items() if contract.option_type is kind]
        for expiry in {day for day, units in rows if units < 0}:
            alive = sum(units for day, units in rows if _as_long(day, expiry))
            worst = max(worst, -alive - (shares if kind is OptionType.CALL else 0))
    return max(worst, -shares, 0)


def _as_long(day: date | None, expiry: date | None) -> bool:
    return day is not None and expiry is not None and day >= expiry
