"""The books of the paper exchange: what it would remember after our side crashed. Pure."""

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Protocol

from execution.ports import BrokerOrder, BrokerTrade, OrderRequest, OrderStatus
from market.contract import Contract, Side


@dataclass(frozen=True, slots=True)
class Fill:
    """One trade of an order: units, and rupees per unit."""

    number: int
    quantity: int
    price: Decimal
    traded_at: datetime


@dataclass(frozen=True, slots=True)
class BookedOrder:
    """One order as the exchange keeps it.

    It reaches the exchange at `arrives_at` and is not matched before `match_from`; `matched` once it was. A cancel
    that was asked for reaches the exchange at `cancel_at`. `revision` counts the moves, so that nobody moves it twice.
    """

    order_id: str
    request: OrderRequest
    status: OrderStatus
    placed_at: datetime
    arrives_at: datetime
    match_from: datetime
    matched: bool = False
    cancel_at: datetime | None = None
    fills: tuple[Fill, ...] = ()
    reason: str = ""
    revision: int = 0

    @property
    def limit_price(self) -> Decimal:
        """The price as last changed."""
        return self.request.limit_price

    @property
    def filled_quantity(self) -> int:
        """Units traded so far."""
        return sum(fill.quantity for fill in self.fills)

    @property
    def remaining(self) -> int:
        """Units that may still trade."""
        return 0 if self.status.is_final else self.request.quantity - self.filled_quantity

    @property
    def average_price(self) -> Decimal | None:
        """Rupees per unit over all fills, to a hundredth of a paisa; None before the first."""
        units = self.filled_quantity
        return (self._value / units).quantize(Decimal("0.0001")) if units else None

    @property
    def cash(self) -> Decimal:
        """Rupees received by the fills; paid is negative."""
        return -self.request.side.sign * self._value

    @property
    def _value(self) -> Decimal:
        return sum((fill.quantity * fill.price for fill in self.fills), Decimal(0))

    def as_broker_order(self) -> BrokerOrder:
        """The row of the order book that a client sees."""
        return BrokerOrder(
            order_id=self.order_id,
            correlation_id=self.request.correlation_id,
            status=self.status,
            quantity=self.request.quantity,
            filled_quantity=self.filled_quantity,
            average_price=self.average_price,
            reason=self.reason,
            segment=self.request.segment,
            security_id=self.request.security_id,
            side=self.request.side,
            limit_price=self.limit_price,
            placed_at=self.placed_at,
        )

    def as_broker_trades(self) -> list[BrokerTrade]:
        """The rows of the trade book that a client sees."""
        return [
            BrokerTrade(self.order_id, str(fill.number), fill.quantity, fill.price, fill.traded_at)
            for fill in self.fills
        ]


@dataclass(frozen=True, slots=True)
class HeldUnits:
    """What the fills of one contract add up to, signed units."""

    segment: str
    security_id: str
    product: str
    contract: Contract
    units: int


class PaperBook(Protocol):
    """Where the paper exchange keeps the orders of one account; only depth is shared between accounts."""

    def record(self, order: BookedOrder) -> BookedOrder:
        """Store a new order, or return the one that already has this order id."""

    def move(self, before: BookedOrder, after: BookedOrder) -> BookedOrder:
        """Store `after` if the row still stands as `before`; return what now stands."""

    def named(self, correlation_id: str) -> Sequence[BookedOrder]:
        """Every order of that name, oldest first."""

    def get(self, order_id: str) -> BookedOrder | None:
        """The order of that id."""

    def between(self, start: datetime, end: datetime) -> Sequence[BookedOrder]:
        """Orders placed from `start` to `end`, both included, oldest first."""

    def live(self) -> Sequence[BookedOrder]:
        """Orders that have not ended, oldest first."""

    def held(self, *, on: date) -> Sequence[HeldUnits]:
        """What the account holds of contracts that have not expired before `on`; nothing that nets to zero."""

    def taken(self, security_id: str, side: Side, *, since: datetime, until: datetime) -> int:
        """Units all accounts filled on one side of one contract from `since` to `until`, both included."""

    def matching(self, security_id: str) -> AbstractContextManager[object]:
        """Hold off other matching of one contract, so that two orders cannot take the same units."""

    def cash(self) -> Decimal:
        """Rupees received minus paid by every fill so far."""

    def switch_off(self, day: date) -> None:
        """Note that the account trades no more on that day."""

    def is_off(self, day: date) -> bool:
        """Whether the account was switched off for that day."""


@dataclass
class MemoryBook:
    """Books that last as long as the process: for tests, simulation and backtests."""

    orders: dict[str, BookedOrder] = field(default_factory=dict)
    days_off: set[date] = field(default_factory=set)

    def record(self, order: BookedOrder) -> BookedOrder:
        """Store a new order, or return the one that already has this order id."""
        return self.orders.setdefault(order.order_id, order)

    def move(self, before: BookedOrder, after: BookedOrder) -> BookedOrder:
        """Store `after` if the row still stands as `before`; return what now stands."""
        if self.orders[before.order_id].revision == before.revision:
            self.orders[before.order_id] = replace(after, revision=before.revision + 1)
        return self.orders[before.order_id]

    def named(self, correlation_id: str) -> Sequence[BookedOrder]:
        """Every order of that name, oldest first."""
        return [order for order in self.orders.values() if order.request.correlation_id == correlation_id]

    def get(self, order_id: str) -> BookedOrder | None:
        """The order of that id."""
        return self.orders.get(order_id)

    def between(self, start: datetime, end: datetime) -> Sequence[BookedOrder]:
        """Orders placed from `start` to `end`, both included, oldest first."""
        return [order for order in self.orders.values() if start <= order.placed_at <= end]

    def live(self) -> Sequence[BookedOrder]:
        """Orders that have not ended, oldest first."""
        return [order for order in self.orders.values() if not order.status.is_final]

    def held(self, *, on: date) -> Sequence[HeldUnits]:
        """What the account holds of contracts that have not expired before `on`; nothing that nets to zero."""
        return add_up(self.orders.values(), on=on)

    def taken(self, security_id: str, side: Side, *, since: datetime, until: datetime) -> int:
        """Units all accounts filled on one side of one contract from `since` to `until`, both included."""
        same = [o for o in self.orders.values() if (o.request.security_id, o.request.side) == (security_id, side)]
        return sum(fill.quantity for order in same for fill in order.fills if since <= fill.traded_at <= until)

    def matching(self, security_id: str) -> AbstractContextManager[object]:
        """Do nothing: one process, one thread."""
        return nullcontext()

    def cash(self) -> Decimal:
        """Rupees received minus paid by every fill so far."""
        return sum((order.cash for order in self.orders.values()), Decimal(0))

    def switch_off(self, day: date) -> None:
        """Note that the account trades no more on that day."""
        self.days_off.add(day)

    def is_off(self, day: date) -> bool:
        """Whether the account was switched off for that day."""
        return day in self.days_off


def add_up(orders: Iterable[BookedOrder], *, on: date) -> list[HeldUnits]:
    """Net the fills by contract and product; what expired before `on` was settled and is gone."""
    totals: dict[tuple[str, str, str, Contract], int] = {}
    for order in orders:
        asked = order.request
        if asked.contract.expiry is None or asked.contract.expiry >= on:
            key = (asked.segment, asked.security_id, asked.product.value, asked.contract)
            totals[key] = totals.get(key, 0) + asked.side.sign * order.filled_quantity
    return [HeldUnits(*key, units) for key, units in totals.items() if units]
