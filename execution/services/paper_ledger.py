"""The paper exchange's books in PostgreSQL, and the paper broker on top of them."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from django.db.models import DecimalField, F, QuerySet, Sum
from django.db.models.functions import Coalesce

from allocation.models import Account
from execution.brokers.paper import PaperBroker
from execution.models import PaperOrder
from execution.paper_book import BookedOrder
from execution.ports import OrderStatus
from market.contract import Side
from market.ports import MarketSource


def build_paper_broker(*, account: Account, market: MarketSource) -> PaperBroker:
    """The paper exchange for one account."""
    return PaperBroker(market=market, book=DatabaseBook(account), capital=account.capital)


class DatabaseBook:
    """PaperBook of one account on `paper_orders`; the unique correlation id makes `record` idempotent.

    Cash and orders are the account's own; the depth of a touch is shared by all, as on an exchange.
    """

    def __init__(self, account: Account) -> None:
        self._account = account

    def _orders(self) -> QuerySet[PaperOrder]:
        return PaperOrder.objects.filter(account=self._account)

    def record(self, order: BookedOrder) -> BookedOrder:
        """Store a new order, or return the one that already has this correlation id."""
        fields = _fields(order) | {"account": self._account}
        row, _ = PaperOrder.objects.get_or_create(correlation_id=fields.pop("correlation_id"), defaults=fields)
        return _booked(row)

    def replace(self, order: BookedOrder) -> BookedOrder:
        """Store what became of a known order."""
        self._orders().filter(correlation_id=order.correlation_id).update(**_fields(order))
        return order

    def find(self, correlation_id: str) -> BookedOrder | None:
        """The order of that name."""
        return _first(self._orders().filter(correlation_id=correlation_id))

    def get(self, order_id: str) -> BookedOrder | None:
        """The order of that id."""
        return _first(self._orders().filter(order_id=order_id))

    def between(self, start: datetime, end: datetime) -> Sequence[BookedOrder]:
        """Orders placed from `start` to `end`, both included, oldest first."""
        return [_booked(row) for row in self._orders().filter(placed_at__range=(start, end)).order_by("id")]

    def taken(self, security_id: str, side: Side, *, since: datetime, until: datetime) -> int:
        """Units already filled on one side of one contract from `since` to `until`, both included."""
        found = PaperOrder.objects.filter(security_id=security_id, side=side.value, placed_at__range=(since, until))
        units: int = found.aggregate(units=Coalesce(Sum("filled_quantity"), 0))["units"]
        return units

    def cash(self) -> Decimal:
        """Rupees received minus paid by every fill so far."""
        return self._value(Side.SELL) - self._value(Side.BUY)

    def _value(self, side: Side) -> Decimal:
        filled = self._orders().filter(side=side.value, filled_quantity__gt=0)
        value = Sum(F("filled_quantity") * F("average_price"), output_field=DecimalField())
        total: Decimal = filled.aggregate(value=Coalesce(value, Decimal(0), output_field=DecimalField()))["value"]
        return total


def _fields(order: BookedOrder) -> dict[str, object]:
    return {
        "correlation_id": order.correlation_id,
        "order_id": order.order_id,
        "security_id": order.security_id,
        "segment": order.segment,
        "side": order.side.value,
        "quantity": order.quantity,
        "limit_price": order.limit_price,
        "status": order.status.value,
        "filled_quantity": order.filled_quantity,
        "average_price": order.average_price,
        "reason": order.reason,
        "placed_at": order.placed_at,
    }


def _booked(row: PaperOrder) -> BookedOrder:
    return BookedOrder(
        order_id=row.order_id,
        correlation_id=row.correlation_id,
        segment=row.segment,
        security_id=row.security_id,
        side=Side(row.side),
        quantity=row.quantity,
        limit_price=row.limit_price,
        status=OrderStatus(row.status),
        placed_at=row.placed_at,
        filled_quantity=row.filled_quantity,
        average_price=row.average_price,
        reason=row.reason,
    )


def _first(rows: QuerySet[PaperOrder]) -> BookedOrder | None:
    row = rows.first()
    return None if row is None else _booked(row)
