"""The paper exchange's books in PostgreSQL, and the paper broker on top of them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal

from django.db import connection, transaction
from django.db.models import DecimalField, F, Q, QuerySet, Sum
from django.db.models.functions import Coalesce

from allocation.models import Account
from execution.brokers.paper import PaperBroker
from execution.brokers.paper_matching import PaperHabits
from execution.models import PaperFill, PaperOrder, PaperSwitch
from execution.models.paper import LIVE
from execution.paper_book import BookedOrder, Fill, HeldUnits, add_up
from execution.ports import Clock, OrderRequest, OrderStatus, Product, Validity
from market.contract import Contract, OptionType, Side
from market.ports import MarketSource


def build_paper_broker(
    *, account: Account, market: MarketSource, clock: Clock, habits: PaperHabits | None = None
) -> PaperBroker:
    """The paper exchange for one account; it is handed no credentials and no address."""
    book = DatabaseBook(account)
    return PaperBroker(market=market, book=book, capital=account.capital, clock=clock, habits=habits)


class DatabaseBook:
    """PaperBook of one account on `paper_orders`; the unique order id makes `record` idempotent.

    Cash and orders are the account's own; the depth of a touch is shared by all, as on an exchange.
    """

    def __init__(self, account: Account) -> None:
        self._account = account

    def _orders(self) -> QuerySet[PaperOrder]:
        return PaperOrder.objects.filter(account=self._account).order_by("id").prefetch_related("fills")

    def record(self, order: BookedOrder) -> BookedOrder:
        """Store a new order, or return the one that already has this order id."""
        values = _terms(order) | _progress(order)
        row, _ = PaperOrder.objects.get_or_create(account=self._account, order_id=order.order_id, defaults=values)
        return _booked(row)

    def move(self, before: BookedOrder, after: BookedOrder) -> BookedOrder:
        """Store `after` if the row still stands as `before`; return what now stands."""
        moved = replace(after, revision=before.revision + 1)
        with transaction.atomic():
            standing = self._orders().filter(order_id=before.order_id, revision=before.revision)
            if standing.update(**_progress(moved)) != 1:
                return _booked(self._orders().get(order_id=before.order_id))
            self._keep_fills(moved, after.fills[len(before.fills) :])
        return moved

    def _keep_fills(self, order: BookedOrder, fills: Sequence[Fill]) -> None:
        if not fills:
            return
        row = PaperOrder.objects.only("id").get(order_id=order.order_id)
        PaperFill.objects.bulk_create(
            PaperFill(order=row, number=one.number, quantity=one.quantity, price=one.price, traded_at=one.traded_at)
            for one in fills
        )

    def named(self, correlation_id: str) -> Sequence[BookedOrder]:
        """Every order of that name, oldest first."""
        return [_booked(row) for row in self._orders().filter(correlation_id=correlation_id)]

    def get(self, order_id: str) -> BookedOrder | None:
        """The order of that id."""
        row = self._orders().filter(order_id=order_id).first()
        return None if row is None else _booked(row)

    def between(self, start: datetime, end: datetime) -> Sequence[BookedOrder]:
        """Orders placed from `start` to `end`, both included, oldest first."""
        return [_booked(row) for row in self._orders().filter(placed_at__range=(start, end))]

    def live(self) -> Sequence[BookedOrder]:
        """Orders that have not ended, oldest first."""
        return [_booked(row) for row in self._orders().filter(status__in=LIVE)]

    def held(self, *, on: date) -> Sequence[HeldUnits]:
        """What the account holds of contracts that have not expired before `on`; nothing that nets to zero."""
        alive = self._orders().filter(Q(expiry=None) | Q(expiry__gte=on), filled_quantity__gt=0)
        return add_up((_booked(row) for row in alive), on=on)

    def taken(self, security_id: str, side: Side, *, since: datetime, until: datetime) -> int:
        """Units all accounts filled on one side of one contract from `since` to `until`, both included."""
        found = PaperFill.objects.filter(
            order__security_id=security_id, order__side=side.value, traded_at__range=(since, until)
        )
        units: int = found.aggregate(units=Coalesce(Sum("quantity"), 0))["units"]
        return units

    @contextmanager
    def matching(self, security_id: str) -> Iterator[None]:
        """Hold off other matching of one contract, by every process, until this one is committed."""
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"paper {security_id}"])
            yield

    def cash(self) -> Decimal:
        """Rupees received minus paid by every fill so far."""
        return self._value(Side.SELL) - self._value(Side.BUY)

    def _value(self, side: Side) -> Decimal:
        fills = PaperFill.objects.filter(order__account=self._account, order__side=side.value)
        value = Sum(F("quantity") * F("price"), output_field=DecimalField())
        total: Decimal = fills.aggregate(value=Coalesce(value, Decimal(0), output_field=DecimalField()))["value"]
        return total

    def switch_off(self, day: date) -> None:
        """Note that the account trades no more on that day."""
        PaperSwitch.objects.get_or_create(account=self._account, day=day)

    def is_off(self, day: date) -> bool:
        """Whether the account was switched off for that day."""
        return PaperSwitch.objects.filter(account=self._account, day=day).exists()


def _terms(order: BookedOrder) -> dict[str, object]:
    """What never changes."""
    request, contract = order.request, order.request.contract
    return {
        "correlation_id": request.correlation_id,
        "security_id": request.security_id,
        "segment": request.segment,
        "underlying": contract.underlying,
        "expiry": contract.expiry,
        "strike": contract.strike,
        "option_type": contract.option_type.code if contract.option_type else "",
        "side": request.side.value,
        "quantity": request.quantity,
        "lot_size": request.lot_size,
        "tick_size": request.tick_size,
        "product": request.product.value,
        "validity": request.validity.value,
        "placed_at": order.placed_at,
    }


def _progress(order: BookedOrder) -> dict[str, object]:
    """What a move may change."""
    return {
        "limit_price": order.limit_price,
        "status": order.status.value,
        "filled_quantity": order.filled_quantity,
        "average_price": order.average_price,
        "reason": order.reason,
        "arrives_at": order.arrives_at,
        "match_from": order.match_from,
        "matched": order.matched,
        "cancel_at": order.cancel_at,
        "revision": order.revision,
    }


def _booked(row: PaperOrder) -> BookedOrder:
    return BookedOrder(
        order_id=row.order_id,
        request=_request(row),
        status=OrderStatus(row.status),
        placed_at=row.placed_at,
        arrives_at=row.arrives_at,
        match_from=row.match_from,
        matched=row.matched,
        cancel_at=row.cancel_at,
        fills=tuple(Fill(one.number, one.quantity, one.price, one.traded_at) for one in row.fills.all()),
        reason=row.reason,
        revision=row.revision,
    )


def _request(row: PaperOrder) -> OrderRequest:
    return OrderRequest(
        correlation_id=row.correlation_id,
        segment=row.segment,
        security_id=row.security_id,
        contract=Contract(
            row.underlying,
            row.expiry,
            None if row.strike is None else float(row.strike),
            OptionType.from_code(row.option_type) if row.option_type else None,
        ),
        side=Side(row.side),
        quantity=row.quantity,
        limit_price=row.limit_price,
        tick_size=row.tick_size,
        lot_size=row.lot_size,
        product=Product(row.product),
        validity=Validity(row.validity),
    )
