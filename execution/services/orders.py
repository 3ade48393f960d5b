"""One leg order from intent to its end: written before it is sent, sent once, believed only from the broker's books."""

import logging
from collections.abc import Sequence
from decimal import Decimal

from django.db import transaction
from django.db.models import Sum
from django.utils import timezone

from execution.basket import correlation_id
from execution.errors import (
    AuthExpired,
    BrokerError,
    ExecutionDenied,
    NotSent,
    OrderRefused,
    OutcomeUnknown,
    RateLimited,
)
from execution.lifecycle import ENDED_ORDERS, ORDER_TABLE, OrderEvent, OrderState, advance
from execution.models import ExecutionRun, LegOrder, Trade
from execution.ports import BrokerOrder, BrokerTrade, OrderRequest, OrderStatus
from execution.services.announce import order_changed
from execution.services.listing import ListedLeg
from execution.services.preparation import Desk, PlannedOrder, order_charges
from market.contract import Side
from market.errors import Reason

logger = logging.getLogger(__name__)

_EVENTS = {
    OrderStatus.PART_TRADED: OrderEvent.PART_FILL,
    OrderStatus.TRADED: OrderEvent.FILL,
    OrderStatus.CANCELLED: OrderEvent.CANCEL,
    OrderStatus.REJECTED: OrderEvent.REJECT,
    OrderStatus.EXPIRED: OrderEvent.EXPIRE,
}


def held(run: ExecutionRun) -> dict[int, int]:
    """Signed units filled so far in this run, by leg number."""
    rows = run.orders.values_list("leg__leg_number", "side").annotate(units=Sum("filled_quantity")).order_by()
    totals: dict[int, int] = {}
    for number, side, units in rows:
        totals[number] = totals.get(number, 0) + Side(side).sign * units
    return totals


def write_intent(run: ExecutionRun, planned: PlannedOrder, desk: Desk) -> LegOrder:
    """Commit what we are about to do; refused while the leg has a live order on that side, whatever its slice."""
    listed, piece = planned.listed, planned.piece
    _require_none_live(run, planned)
    before = run.orders.filter(leg_id=listed.row_id, slice_number=piece.number).count()
    name = correlation_id(
        mode=desk.broker.mode, run=run.pk, leg=piece.leg.number, piece=piece.number, attempt=before + 1
    )
    order: LegOrder = LegOrder.objects.create(
        run=run,
        leg_id=listed.row_id,
        slice_number=piece.number,
        attempt=before + 1,
        side=piece.side.value,
        segment=listed.segment,
        security_id=listed.security_id,
        symbol=listed.symbol,
        quantity=piece.quantity,
        limit_price=planned.limit,
        correlation_id=name,
    )
    logger.info("order %s intent: %s %d %s at %s", name, order.side, order.quantity, order.symbol, order.limit_price)
    return order


def send(order: LegOrder, planned: PlannedOrder, desk: Desk) -> None:
    """Send a written order once and read back what became of it; never raises for what a broker may answer."""
    move(order, OrderEvent.SEND, sent_at=timezone.now())
    try:
        placed = desk.broker.place(_request(order, planned), now=desk.as_of)
    except NotSent as error:
        _end(order, OrderEvent.MISS, error.reason)
    except (OrderRefused, RateLimited, AuthExpired) as error:
        _end(order, OrderEvent.REFUSE, error.reason)
    except OutcomeUnknown as error:
        move(order, OrderEvent.LOSE, **_why(error.reason))
        read_back(order, planned.listed, desk)
    else:
        move(order, OrderEvent.ACCEPT, broker_order_id=placed.order_id)
        read_back(order, planned.listed, desk)


def read_back(order: LegOrder, listed: ListedLeg, desk: Desk) -> None:
    """Take over what the broker's books say of one order; a failed or contradictory read changes nothing."""
    try:
        found = desk.broker.order_by_correlation(order.correlation_id, now=desk.as_of)
        if found is None:
            logger.warning("order %s is not in the broker's book", order.correlation_id)
            return
        trades = desk.broker.trades(found.order_id, now=desk.as_of) if found.filled_quantity else []
        _require_agreement(order, found, trades)
    except BrokerError as error:
        logger.warning("order %s could not be read: %s", order.correlation_id, error.reason)
        return
    _take_over(order, found, trades, listed, desk)


def is_ended(order: LegOrder) -> bool:
    """Whether a new attempt may follow this one."""
    return OrderState(order.state) in ENDED_ORDERS


def void_or_ask(order: LegOrder, listed: ListedLeg, desk: Desk) -> None:
    """After a crash: an intent was never sent; anything later is looked up under its name, never sent again."""
    state = OrderState(order.state)
    if state is OrderState.INTENT:
        move(order, OrderEvent.VOID, settled_at=timezone.now())
        return
    if state is OrderState.SENDING:
        move(order, OrderEvent.LOSE, reason_code="INTERRUPTED", reason_text="The program stopped while sending.")
    read_back(order, listed, desk)


def move(order: LegOrder, event: OrderEvent, **changes: object) -> None:
    """Change the state of exactly one row, from the state we know, by the table."""
    before = OrderState(order.state)
    after = advance(ORDER_TABLE, before, event)
    if LegOrder.objects.filter(pk=order.pk, state=before.value).update(state=after.value, **changes) != 1:
        raise ExecutionDenied(Reason("LOST_RACE", f"Order {order.correlation_id} was changed by somebody else."))
    order.state = after.value
    for name, value in changes.items():
        setattr(order, name, value)
    logger.info("order %s %s -> %s %s", order.correlation_id, before, after, order.reason_code)
    order_changed(order)


def _require_none_live(run: ExecutionRun, planned: PlannedOrder) -> None:
    """The unique index knows slices only, and slices are cut anew by what is filled."""
    live = run.orders.live().filter(leg_id=planned.listed.row_id, side=planned.piece.side.value).first()
    if live is not None:
        sentence = f"Order {live.correlation_id} for the same leg and side has not ended ({live.state})."
        raise ExecutionDenied(Reason("LIVE_ORDER", sentence, "Look it up in the broker's order book."))


def _request(order: LegOrder, planned: PlannedOrder) -> OrderRequest:
    listed = planned.listed
    return OrderRequest(
        correlation_id=order.correlation_id,
        segment=order.segment,
        security_id=order.security_id,
        contract=listed.leg.contract,
        side=planned.piece.side,
        quantity=order.quantity,
        limit_price=planned.limit,
        tick_size=listed.tick,
        lot_size=listed.unit_lot,
        product=listed.product,
    )


def _take_over(
    order: LegOrder, found: BrokerOrder, trades: Sequence[BrokerTrade], listed: ListedLeg, desk: Desk
) -> None:
    with transaction.atomic():
        if OrderState(order.state) in (OrderState.UNKNOWN, OrderState.NOT_PLACED):
            move(order, OrderEvent.FIND, broker_order_id=found.order_id)
        if found.status.is_final:
            _keep_trades(order, trades, listed, desk)
            _end(order, _EVENTS[found.status], _broker_reason(found), found)
        elif found.status in _EVENTS and found.filled_quantity > order.filled_quantity:
            move(order, _EVENTS[found.status], filled_quantity=found.filled_quantity, average_price=found.average_price)
        elif found.status is OrderStatus.PENDING and order.state == OrderState.ACKED:
            move(order, OrderEvent.REST)


def _end(order: LegOrder, event: OrderEvent, reason: Reason | None, found: BrokerOrder | None = None) -> None:
    changes: dict[str, object] = {"settled_at": timezone.now()}
    if reason is not None:
        changes |= _why(reason)
    if found is not None:
        changes |= {"filled_quantity": found.filled_quantity, "average_price": found.average_price}
    move(order, event, **changes)


def _keep_trades(order: LegOrder, trades: Sequence[BrokerTrade], listed: ListedLeg, desk: Desk) -> None:
    """One row per fill, written once; the order's charges stand on its first fill, brokerage being per order."""
    total = sum(trade.quantity for trade in trades)
    if not total:
        return
    average = sum((trade.price * trade.quantity for trade in trades), Decimal(0)) / total
    charges = order_charges(listed, side=Side(order.side), price=average, quantity=total, day=desk.day)
    contract, run = listed.leg.contract, order.run
    for number, trade in enumerate(trades):
        Trade.objects.get_or_create(
            order_id=trade.order_id,
            trade_number=trade.trade_number,
            defaults={
                "strategy_id": run.strategy_id,
                "leg_order": order,
                "account_id": run.account_id,
                "security_id": order.security_id,
                "symbol": order.symbol,
                "action": order.side,
                "option_type": contract.option_type.code if contract.option_type else None,
                "strike": order.leg.strike,
                "expiry": contract.expiry,
                "quantity": trade.quantity,
                "price": trade.price,
                "charges": charges if number == 0 else Decimal(0),
                "order_status": OrderStatus.TRADED.value,
                "product_type": listed.product.value,
                "purpose": run.purpose,
                "timestamp": trade.traded_at,
            },
        )


def _require_agreement(order: LegOrder, found: BrokerOrder, trades: Sequence[BrokerTrade]) -> None:
    """Order book and trade book must tell the same, and no more than was asked for, before either is believed."""
    filled = sum(trade.quantity for trade in trades)
    if found.filled_quantity > order.quantity or found.filled_quantity < order.filled_quantity:
        sentence = f"{order.correlation_id}: {found.filled_quantity} filled of {order.quantity}."
        raise OutcomeUnknown(Reason("OVERFILL", sentence, "Compare with the broker's order book by hand."))
    if found.status.is_final and filled != found.filled_quantity:
        sentence = f"{order.correlation_id}: order book {found.filled_quantity}, trade book {filled}."
        raise OutcomeUnknown(Reason("BOOKS_DIFFER", sentence, "Read again."))


def _broker_reason(found: BrokerOrder) -> Reason | None:
    """The broker's words; a code before the first colon is ours, from the paper exchange."""
    if not found.reason:
        return None
    head, colon, tail = found.reason.partition(": ")
    is_code = bool(colon) and head.isupper() and " " not in head
    return Reason(head, tail) if is_code else Reason(f"BROKER_{found.status}", found.reason)


def _why(reason: Reason) -> dict[str, object]:
    return {"reason_code": reason.code[:40], "reason_text": reason.sentence}
