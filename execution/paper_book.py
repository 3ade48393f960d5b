"""The books of the paper exchange: what it would remember after our side crashed. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from execution.ports import BrokerOrder, OrderStatus
from market.contract import Side


@dataclass(frozen=True, slots=True)
class BookedOrder:
    """One order as the exchange keeps it; quantities in units, prices in rupees per unit."""

    order_id: str
    correlation_id: str
    segment: str
    security_id: str
    side: Side
    quantity: int
    limit_price: Decimal
    status: OrderStatus
    placed_at: datetime
    filled_quantity: int = 0
    average_price: Decimal | None = None
    reason: str = ""

    @property
    def cash(self) -> Decimal:
        """Rupees received by the fills; paid is negative."""
        return -self.side.sign * self.filled_quantity * (self.average_price or Decimal(0))

    def as_broker_order(self) -> BrokerOrder:
        """The row of the order book that a client sees."""
        return BrokerOrder(
            self.order_id,
            self.correlation_id,
            self.status,
            self.quantity,
            self.filled_quantity,
            self.average_price,
            self.reason,
        )


class PaperBook(Protocol):
    """Where the paper exchange keeps its orders, one per correlation id."""

    def record(self, order: BookedOrder) -> BookedOrder:
        """Store a new order, or return the one that already has this correlation id."""

    def replace(self, order: BookedOrder) -> BookedOrder:
        """Store what became of a known order."""

    def find(self, correlation_id: str) -> BookedOrder | None:
        """The order of that name."""

    def get(self, order_id: str) -> BookedOrder | None:
        """The order of that id."""

    def between(self, start: datetime, end: datetime) -> Sequence[BookedOrder]:
        """Orders placed from `start` to `end`, both included, oldest first."""

    def taken(self, security_id: str, side: Side, *, since: datetime, until: datetime) -> int:
        """Units already filled on one side of one contract from `since` to `until`, both included."""

    def cash(self) -> Decimal:
        """Rupees received minus paid by every fill so far."""


class MemoryBook:
    """Books that last as long as the process: for tests, simulation and backtests."""

    def __init__(self) -> None:
        self._orders: dict[str, BookedOrder] = {}

    def record(self, order: BookedOrder) -> BookedOrder:
        """Store a new order, or return the one that already has this correlation id."""
        return self._orders.setdefault(order.correlation_id, order)

    def replace(self, order: BookedOrder) -> BookedOrder:
        """Store what became of a known order."""
        self._orders[order.correlation_id] = order
        return order

    def find(self, correlation_id: str) -> BookedOrder | None:
        """The order of that name."""
        return self._orders.get(correlation_id)

    def get(self, order_id: str) -> BookedOrder | None:
        """The order of that id."""
        return next((order for order in self._orders.values() if order.order_id == order_id), None)

    def between(self, start: datetime, end: datetime) -> Sequence[BookedOrder]:
        """Orders placed from `start` to `end`, both included, oldest first."""
        return [order for order in self._orders.values() if start <= order.placed_at <= end]

    def taken(self, security_id: str, side: Side, *, since: datetime, until: datetime) -> int:
        """Units already filled on one side of one contract from `since` to `until`, both included."""
        found = self.between(since, until)
        return sum(o.filled_quantity for o in found if o.security_id == security_id and o.side is side)

    def cash(self) -> Decimal:
        """Rupees received minus paid by every fill so far."""
        return sum((order.cash for order in self._orders.values()), Decimal(0))
