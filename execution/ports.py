"""What the rest of the system may ask of a broker, on paper or live."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Protocol

from execution.errors import NotSent
from market.contract import Contract, Side
from market.errors import Reason


class OrderStatus(StrEnum):
    """Where an order stands at the broker; a closed list, anything else is an error."""

    TRANSIT = "TRANSIT"
    PENDING = "PENDING"
    PART_TRADED = "PART_TRADED"
    TRADED = "TRADED"
    CANCELLED = "CANCELLED"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"

    @property
    def is_final(self) -> bool:
        """True when nothing more can happen to the order."""
        return self not in _LIVE


_LIVE = frozenset({OrderStatus.TRANSIT, OrderStatus.PENDING, OrderStatus.PART_TRADED})


class Validity(StrEnum):
    """IOC: fill now, cancel the rest; DAY: rest until the close."""

    IOC = "IOC"
    DAY = "DAY"


class Product(StrEnum):
    """MARGIN for derivatives, CNC for shares taken into delivery."""

    MARGIN = "MARGIN"
    CNC = "CNC"


@dataclass(frozen=True, slots=True)
class OrderRequest:
    """One limit order, ready to be sent; quantity in units, prices in exact rupees per unit."""

    correlation_id: str
    segment: str
    security_id: str
    contract: Contract
    side: Side
    quantity: int
    limit_price: Decimal
    tick_size: Decimal
    lot_size: int
    product: Product = Product.MARGIN
    validity: Validity = Validity.IOC


# An order that was cleared longer ago than this is not sent any more: the process may have been asleep.
SEND_DEADLINE_SECONDS = 2.0


class Clock(Protocol):
    """The market moment, and process time for deadlines; in simulation and under --as-of both are virtual."""

    def now(self) -> datetime:
        """The market moment, aware."""

    def elapsed(self) -> float:
        """Seconds that never run backwards and count suspension."""

    def sleep(self, seconds: float) -> None:
        """Let time pass."""


@dataclass(frozen=True, slots=True)
class ClearedOrder:
    """An order that the last gate let pass, with the process time of its clearance; only the gate makes one."""

    request: OrderRequest
    cleared_at: float

    def require_fresh(self, elapsed: float) -> None:
        """Raise NotSent when the clearance is too old; adapters call it as the last thing before the first byte."""
        age = elapsed - self.cleared_at
        if age > SEND_DEADLINE_SECONDS:
            sentence = f"{self.request.correlation_id} was cleared {age:.1f} s ago; at most {SEND_DEADLINE_SECONDS} s."
            raise NotSent(Reason("SEND_DEADLINE", sentence, "Nothing was sent; the next pass decides anew."))


@dataclass(frozen=True, slots=True)
class Placed:
    """The broker took the order: it has an id there, which says nothing about fills."""

    order_id: str
    status: OrderStatus


@dataclass(frozen=True, slots=True)
class BrokerOrder:
    """One row of the broker's order book; `average_price` is None until something filled."""

    order_id: str
    correlation_id: str  # empty when the broker knows none
    status: OrderStatus
    quantity: int
    filled_quantity: int
    average_price: Decimal | None = None
    reason: str = ""
    segment: str = ""
    security_id: str = ""
    side: Side | None = None
    limit_price: Decimal | None = None
    placed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class BrokerTrade:
    """One row of the broker's trade book."""

    order_id: str
    trade_number: str
    quantity: int
    price: Decimal
    traded_at: datetime


@dataclass(frozen=True, slots=True)
class BrokerPosition:
    """One row of the broker's position book; `net_quantity` in signed units."""

    segment: str
    security_id: str
    product: str
    net_quantity: int


@dataclass(frozen=True, slots=True)
class Funds:
    """What the broker lets this account spend, rupees."""

    available: Decimal


@dataclass(frozen=True, slots=True)
class MarginNeed:
    """What the broker would block for a basket on top of what is open, rupees."""

    total: Decimal


class Broker(Protocol):
    """Places and reads orders; every method raises a BrokerError and never answers "nothing" for a failed read."""

    name: str
    mode: str  # "paper" or "live"

    def place(self, order: ClearedOrder) -> Placed:
        """Send once; raises OrderRefused, NotSent, RateLimited, AuthExpired or OutcomeUnknown."""

    def cancel(self, order_id: str) -> None:
        """Ask for the end of a resting order; what became of it stands in the book. Raises like `place`."""

    def orders(self) -> Sequence[BrokerOrder]:
        """The order book of the day."""

    def order_by_correlation(self, correlation_id: str) -> BrokerOrder | None:
        """The order we named so, or None when the broker says that it has none."""

    def trades(self, order_id: str | None = None) -> Sequence[BrokerTrade]:
        """The fills of the day, or those of one order."""

    def positions(self) -> Sequence[BrokerPosition]:
        """What the account holds, ours or not."""

    def funds(self) -> Funds:
        """What may still be spent."""

    def margin(self, orders: Sequence[OrderRequest]) -> MarginNeed:
        """What these orders together would block."""

    def switch_off(self) -> None:
        """Engage the broker's own kill switch for the day; raises OrderRefused unless flat with nothing pending."""
