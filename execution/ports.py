"""What the rest of the system may ask of a broker, on paper or live."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Protocol

from market.contract import Contract, Side


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


@dataclass(frozen=True, slots=True)
class Placed:
    """The broker took the order: it has an id there, which says nothing about fills."""

    order_id: str
    status: OrderStatus


@dataclass(frozen=True, slots=True)
class BrokerOrder:
    """One row of the broker's order book; `average_price` is None until something filled."""

    order_id: str
    correlation_id: str
    status: OrderStatus
    quantity: int
    filled_quantity: int
    average_price: Decimal | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class BrokerTrade:
    """One row of the broker's trade book."""

    order_id: str
    trade_number: str
    quantity: int
    price: Decimal
    traded_at: datetime


@dataclass(frozen=True, slots=True)
class Funds:
    """What the broker lets this account spend, rupees."""

    available: Decimal


class Broker(Protocol):
    """Places and reads orders; every method raises a BrokerError and never answers "nothing" for a failed read."""

    name: str
    mode: str  # "paper" or "live"

    def place(self, order: OrderRequest, *, now: datetime) -> Placed:
        """Send once; raises OrderRefused, NotSent, RateLimited, AuthExpired or OutcomeUnknown."""

    def orders(self, *, now: datetime) -> Sequence[BrokerOrder]:
        """The order book of the day of `now`."""

    def order_by_correlation(self, correlation_id: str, *, now: datetime) -> BrokerOrder | None:
        """The order we named so, or None when the broker says that it has none."""

    def trades(self, order_id: str, *, now: datetime) -> Sequence[BrokerTrade]:
        """The fills of one order."""

    def cancel(self, order_id: str, *, now: datetime) -> BrokerOrder:
        """Cancel what is still open of an order and return what became of it."""

    def funds(self, *, now: datetime) -> Funds:
        """What may still be spent."""
