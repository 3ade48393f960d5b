"""What can happen to a basket, and what it asks to be done. Pure."""

from dataclasses import dataclass
from decimal import Decimal

from execution.basket.values import ANYTHING, Permit
from execution.legs import Phase, Slice
from execution.ports import BrokerOrder
from market.errors import Reason


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed."""

    permit: Permit = ANYTHING


@dataclass(frozen=True, slots=True)
class Checked:
    """The gate has answered; a reason denies."""

    reason: Reason | None = None


@dataclass(frozen=True, slots=True)
class Offered:
    """A limit was found for what `Price` asked."""

    price: "Price"
    correlation_id: str
    limit: Decimal


@dataclass(frozen=True, slots=True)
class Unpriced:
    """No limit could be found for what `Price` asked."""

    reason: Reason


@dataclass(frozen=True, slots=True)
class Sending:
    """The last gate let the order pass; from here on it may be at the broker."""

    correlation_id: str


@dataclass(frozen=True, slots=True)
class Voided:
    """The last gate refused the order: it was never sent."""

    correlation_id: str
    reason: Reason


@dataclass(frozen=True, slots=True)
class Accepted:
    """The broker gave the order an id."""

    correlation_id: str
    order_id: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The broker said no, and its book does not know the order."""

    correlation_id: str
    reason: Reason


@dataclass(frozen=True, slots=True)
class NeverLeft:
    """Provably nothing left this machine."""

    correlation_id: str
    reason: Reason


@dataclass(frozen=True, slots=True)
class Lost:
    """Whether the order is at the broker is not known."""

    correlation_id: str
    reason: Reason


@dataclass(frozen=True, slots=True)
class Seen:
    """The order stands in the broker's book; its trades add up to `traded` units for `value` rupees."""

    correlation_id: str
    order: BrokerOrder
    traded: int
    value: Decimal


@dataclass(frozen=True, slots=True)
class Missed:
    """A complete book and a lookup by name, both cleanly read, do not know the order."""

    correlation_id: str


Event = Tick | Checked | Offered | Unpriced | Sending | Voided | Accepted | Refused | NeverLeft | Lost | Seen | Missed


@dataclass(frozen=True, slots=True)
class Check:
    """Ask the gate about the whole basket."""


@dataclass(frozen=True, slots=True)
class Price:
    """Find a limit for this slice; `step` counts the tries, `leaving` widens the room."""

    piece: Slice
    phase: Phase
    number: int
    step: int
    leaving: bool


@dataclass(frozen=True, slots=True)
class Send:
    """Clear and send this intent."""

    correlation_id: str


@dataclass(frozen=True, slots=True)
class Cancel:
    """Ask the broker to end this order; its book says what became of it."""

    correlation_id: str
    order_id: str


@dataclass(frozen=True, slots=True)
class CallPerson:
    """Tell a person; a critical call stops new entries on the account until it is acknowledged."""

    reason: Reason
    critical: bool = True


@dataclass(frozen=True, slots=True)
class Repeat:
    """The same event again: one row of a table was taken, another may follow."""

    event: Event


Command = Check | Price | Send | Cancel | CallPerson | Repeat
