"""What a person saw at the broker, written into our books: how an order of ours ended, or a trade made by hand.

It is written beside whoever leads, by the same tables: the version of the run and the state of every order guard each
write, and nothing is sent.
"""

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from django.db import connection, transaction

from execution.basket.messages import CallPerson, Event, Repeat, Seen, Tick
from execution.basket.step import step
from execution.basket.values import Basket
from execution.clock import SteppedClock
from execution.errors import ExecutionDenied
from execution.lifecycle import OrderState, RunState
from execution.models import ExecutionRun, LegOrder, Trade
from execution.ports import BrokerOrder, BrokerTrade, OrderStatus
from execution.services.audit import Subject, record
from execution.services.intended import from_json
from execution.services.leadership import LEASE, Lease
from execution.services.ledger import DatabaseLedger
from market.actor import acting
from market.calendar import IST
from market.constraints import PRICE_MAX
from market.errors import Reason

logger = logging.getLogger(__name__)

BY_HAND = "BOOKED_BY_HAND"
ORDER_TYPE = "BY_HAND"  # of the trades: no book of the broker's was read for them
ORDER_ID = re.compile(r"[A-Za-z0-9_-]{1,40}")
LOWEST_PRICE, STEP = Decimal("0.01"), Decimal("0.0001")

_LEFT = frozenset(
    {
        *(OrderState.UNKNOWN, OrderState.NOT_PLACED, OrderState.ACKED, OrderState.WORKING),
        *(OrderState.PART, OrderState.PENDING_CANCEL),
    }
)


@dataclass(frozen=True, slots=True)
class OrderEnd:
    """How an order ended by the broker's own history: all units it filled, and their average price."""

    name: str
    filled: int
    price: Decimal | None = None
    order_id: str = ""


@dataclass(frozen=True, slots=True)
class Booking:
    """What was booked, or would be; `already` says that it stood in the books before."""

    name: str
    strategy_id: int
    run_id: int | None
    symbol: str
    side: str
    units: int
    price: Decimal | None
    then: str
    already: bool = False
    done: bool = False


class Books(DatabaseLedger):
    """The books as a person writes them, beside whoever leads."""

    led = False

    def commit(self, before: Basket, after: Basket, trades: Sequence[BrokerTrade] = ()) -> Basket:
        """Without a lease: a leader that has read an older version of the run loses the race and reads anew."""
        with transaction.atomic():
            self._write(before, after, trades)
        return replace(after, version=before.version + 1)


def book_order(end: OrderEnd, *, actor: str, words: str, now: datetime, execute: bool) -> Booking:
    """Say how an order ended that nobody read before its day was over; its run and its strategy follow.

    Raises ExecutionDenied, and books nothing, where the order is none that was left so, is of today, or the units or
    the price are none it can have.
    """
    said = said_by(actor, words)
    with acting(actor), transaction.atomic():
        order = _locked_order(end.name)
        if _is_booked(order, end):
            return _of_order(order, end, "It is booked already.", already=True)
        _require_left(order, now)
        _require_end(order, end)
        at = order.sent_at or order.intended_at
        books, trades = books_of(order.run, at, actor), _fills(order, end, at)
        before = books.basket(order.run_id)
        steps, calls = _seen(before, order, end, trades, said, now)
        steps += ending(steps[-1] if steps else before, now)
        if execute:
            write(books, before, steps, trades, calls)
            Trade.objects.filter(leg_order=order, trade_number=ORDER_TYPE).update(order_type=ORDER_TYPE)
            keep_word("order", end.name, end.filled, end.price, said)
        return replace(_of_order(order, end, what_follows(steps[-1])), done=execute)


def said_by(actor: str, words: str) -> Reason:
    """Who says it and why, as it is kept in the order's row."""
    if not actor.strip():
        raise denied("NO_PERSON", "A named person books, no program.", "Say who you are.")
    if not words.strip():
        raise denied("NO_REASON", "What is booked by hand has a reason.", "Say it: --reason WORDS")
    return Reason(BY_HAND, f"{actor}: {words.strip()}")


def books_of(run: ExecutionRun, at: datetime, actor: str) -> Books:
    """The run's epoch stays that of the leader who wrote last."""
    lease = Lease(run.account_id, actor, run.epoch, LEASE, connection.connection)
    return Books(
        account=run.account, clock=SteppedClock(at), lease=lease, pace=lambda urgent: 0.0, code_version=run.code_version
    )


def write(
    books: Books,
    basket: Basket,
    steps: Sequence[Basket],
    trades: Sequence[BrokerTrade],
    calls: Sequence[CallPerson],
) -> None:
    for after in steps:
        basket = books.commit(basket, replace(after, version=basket.version), trades)
    for call in calls:
        books.call_person(basket.run, call)


def _locked_order(name: str) -> LegOrder:
    run_id = LegOrder.objects.filter(correlation_id=name).values_list("run_id", flat=True).first()
    if run_id is None:
        raise denied("UNKNOWN_ORDER", f"No order of ours is named {name!r}.", "See leg_orders.correlation_id.")
    ExecutionRun.objects.select_for_update().get(pk=run_id)
    rows = LegOrder.objects.select_related("leg", "run__account", "run__strategy")
    order: LegOrder = rows.get(correlation_id=name)
    return order


def _is_booked(order: LegOrder, end: OrderEnd) -> bool:
    over = order.reason_code == BY_HAND and OrderState(order.state) not in _LEFT
    same = order.filled_quantity == end.filled
    return over and same and (not end.filled or end.price is None or order.average_price == round(end.price, 4))


def _require_left(order: LegOrder, now: datetime) -> None:
    name, sent = order.correlation_id, order.sent_at or order.intended_at
    if OrderState(order.state) not in _LEFT:
        sentence = f"Order {name} is {order.state} with {order.filled_quantity} of {order.quantity} units filled."
        raise denied("ORDER_ENDED", sentence, "A trade that is not in it is booked by book-trade.")
    if sent.astimezone(IST).date() == now.astimezone(IST).date():
        raise denied("ORDER_OF_TODAY", f"Order {name} is of today.", "The trader reads how it ends from the book.")


def _is_borne(order: LegOrder, order_id: str) -> bool:
    """Whether another order of the account, or a trade of one, has this id at the broker."""
    others = LegOrder.objects.filter(run__account=order.run.account, broker_order_id=order_id).exclude(pk=order.pk)
    trades = Trade.objects.filter(account=order.run.account, order_id=order_id).exclude(leg_order=order)
    return others.exists() or trades.exists()


def _require_end(order: LegOrder, end: OrderEnd) -> None:
    require_order_id(end.order_id)
    if end.order_id and order.broker_order_id not in ("", end.order_id):
        sentence = f"Order {end.name} is {order.broker_order_id} at the broker, not {end.order_id}."
        raise denied("OTHER_ORDER", sentence, "Look up the one that is named.")
    if end.order_id and _is_borne(order, end.order_id):
        sentence = f"Order {end.order_id} of the broker is booked under another order."
        raise denied("OTHER_ORDER", sentence, "Look up the id of this one.")
    if not order.filled_quantity <= end.filled <= order.quantity:
        known = f"{order.filled_quantity} of {order.quantity} units of {end.name} are booked"
        raise denied("UNITS", f"{known}: {end.filled} is none it can have filled in all.", "Look it up again.")
    if order.state == OrderState.NOT_PLACED and not end.filled:
        raise denied("ORDER_ENDED", f"Order {end.name} was given up with nothing filled.", "Nothing is left to say.")
    row = next((one for one in from_json(order.run.intended) if one.row_id == order.leg_id), None)
    require_lots(end.filled, row.unit_lot if row is not None else 1)
    if bool(end.filled) != (end.price is not None):
        sentence = "A price without units, or units without a price."
        raise denied("PRICE", sentence, "Both stand in the broker's order history: --filled UNITS --price PRICE")
    if end.price is not None:
        require_price(end.price)
        if end.filled > order.filled_quantity:
            require_price(_price_of_rest(order, end))


def require_lots(units: int, lot: int, *, least: int = 0) -> None:
    """Refuse what no exchange trades."""
    if units < least or units % lot:
        raise denied("LOT", f"{units} units are not whole lots of {lot}.", "Type units, in whole lots.")


def require_order_id(order_id: str) -> None:
    """Refuse what no broker names an order; empty says that nobody knows it."""
    if order_id and not ORDER_ID.fullmatch(order_id):
        raise denied("ORDER_ID", f"{order_id!r} is no order id.", "Copy it from the broker's order history.")


def require_price(price: Decimal) -> None:
    """Refuse what no trade was made at."""
    if not (price.is_finite() and LOWEST_PRICE <= price <= PRICE_MAX and price == price.quantize(STEP)):
        raise denied("PRICE", f"{price} is not the price of a trade.", "Rupees a unit, at most four decimals.")


def _fills(order: LegOrder, end: OrderEnd, at: datetime) -> list[BrokerTrade]:
    """What is booked of the order already, and the rest as one trade that makes the average true."""
    known = [
        BrokerTrade(one.order_id, one.trade_number, one.quantity, one.price, one.timestamp)
        for one in Trade.objects.filter(leg_order=order).order_by("id")
    ]
    rest = end.filled - order.filled_quantity
    if not rest:
        return known
    return [*known, BrokerTrade(_order_id(order, end), ORDER_TYPE, rest, _price_of_rest(order, end), at)]


def _price_of_rest(order: LegOrder, end: OrderEnd) -> Decimal:
    rest = end.filled - order.filled_quantity
    before = (order.average_price or Decimal(0)) * order.filled_quantity
    return (((end.price or Decimal(0)) * end.filled - before) / rest).quantize(STEP)


def _order_id(order: LegOrder, end: OrderEnd) -> str:
    return order.broker_order_id or end.order_id or f"HAND-{order.correlation_id}"


def _seen(
    basket: Basket, order: LegOrder, end: OrderEnd, trades: Sequence[BrokerTrade], said: Reason, now: datetime
) -> tuple[list[Basket], list[CallPerson]]:
    """What the core makes of an order book that says so."""
    told = BrokerOrder(
        order_id=_order_id(order, end),
        correlation_id=end.name,
        status=OrderStatus.TRADED if end.filled == order.quantity else OrderStatus.CANCELLED,
        quantity=order.quantity,
        filled_quantity=end.filled,
        reason=f"{said.code}: {said.sentence}",
    )
    value = sum((trade.price * trade.quantity for trade in trades), Decimal(0))
    events: list[Event] = [Seen(end.name, told, end.filled, value)]
    steps, calls = list[Basket](), list[CallPerson]()
    while events:
        after, commands = step(basket, events.pop(), now)
        steps += [after] if after != basket else []
        basket = after
        events += [command.event for command in commands if isinstance(command, Repeat)]
        calls += [command for command in commands if isinstance(command, CallPerson)]
    return steps, calls


def ending(basket: Basket, now: datetime) -> list[Basket]:
    """The row that ends the run, where its rule has come to that; whatever else is due the leader does."""
    if basket.live or basket.has_ended:
        return []
    after, _ = step(basket, Tick(), now)
    return [after] if after.has_ended else []


def what_follows(basket: Basket) -> str:
    if basket.has_ended:
        return f"Run {basket.run} ends as {basket.state}."
    if basket.state is RunState.ATTENTION:
        return f"Run {basket.run} waits in attention: manage.py attention settle {basket.run} --as ..."
    return f"Run {basket.run} goes on from {basket.state}: the trader does the rest."


def keep_word(kind: str, name: str, units: int, price: Decimal | None, said: Reason) -> None:
    record("booked_by_hand", Subject(kind, name), {"units": units, "price": price, "said": said.sentence[:500]})
    logger.warning("%s %s: %s units at %s booked by hand: %s", kind, name, units, price, said.sentence)


def _of_order(order: LegOrder, end: OrderEnd, then: str, *, already: bool = False) -> Booking:
    strategy_id = order.run.strategy_id
    row = (end.name, strategy_id, order.run_id, order.symbol, order.side, end.filled, end.price, then)
    return Booking(*row, already=already)


def denied(code: str, sentence: str, remedy: str) -> ExecutionDenied:
    return ExecutionDenied(Reason(code, sentence, remedy))
