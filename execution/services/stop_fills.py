"""What the order of a broker's stop did, in our books: a finished exit run of one leg, its order and its trades."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from django.utils import timezone

from execution.legs import Phase
from execution.lifecycle import OrderState, RunState
from execution.models import ExecutionRun, LegOrder, ResidentStop, RunPurpose
from execution.ports import BrokerOrder, BrokerTrade, OrderStatus
from execution.services.fills import keep_trades
from execution.services.intended import from_json, to_json
from execution.services.listing import ListedLeg
from market.calendar import IST
from market.contract import Side

_ENDS = {
    OrderStatus.TRADED: OrderState.FILLED,
    OrderStatus.CANCELLED: OrderState.CANCELLED,
    OrderStatus.EXPIRED: OrderState.EXPIRED,
    OrderStatus.REJECTED: OrderState.REJECTED,
}
_RUN_PATH = (RunState.PRECHECK, RunState.READY, RunState.BUYING, RunState.COMPLETE)


def listed_leg(stop: ResidentStop) -> ListedLeg:
    """The instrument of the short leg, as its entry resolved it, to be bought back."""
    entry = entry_of(stop.strategy_id, stop.account_id)
    listed = next(one for one in from_json(entry.intended if entry else []) if one.row_id == stop.leg_id)
    return replace(listed, leg=replace(listed.leg, side=Side.BUY, quantity=stop.quantity))


def entry_of(strategy_id: int, account_id: int) -> ExecutionRun | None:
    """The run that opened the strategy."""
    rows = ExecutionRun.objects.filter(strategy_id=strategy_id, account_id=account_id, purpose=RunPurpose.ENTRY)
    return rows.filter(state=RunState.COMPLETE).order_by("-pk").first()


def keep_fill(
    stop: ResidentStop, order: BrokerOrder, trades: Sequence[BrokerTrade], *, now: datetime, epoch: int, broker: str
) -> ExecutionRun:
    """Write the finished order of a stop with its trades; part of the caller's transaction."""
    listed = listed_leg(stop)
    sentence = f"The broker's stop at {stop.trigger_price} bought {order.filled_quantity} of {order.quantity} units."
    run = ExecutionRun.objects.create(
        strategy_id=stop.strategy_id,
        account_id=stop.account_id,
        broker=broker,
        purpose=RunPurpose.EXIT,
        as_of=now,
        phase_started_at=now,
        intended=to_json([listed]),
        opening={str(listed.leg.number): -stop.quantity},
        epoch=epoch,
        reason_code="RESIDENT_STOP",
        reason_text=sentence,
    )
    for state in _RUN_PATH:
        ExecutionRun.objects.filter(pk=run.pk).update(state=state.value)
    ExecutionRun.objects.filter(pk=run.pk).update(finished_at=timezone.now())
    _keep_order(run, stop, order, trades, listed, now)
    run.refresh_from_db()
    return run


def _keep_order(
    run: ExecutionRun,
    stop: ResidentStop,
    order: BrokerOrder,
    trades: Sequence[BrokerTrade],
    listed: ListedLeg,
    now: datetime,
) -> None:
    row = LegOrder.objects.create(
        run=run,
        leg_id=stop.leg_id,
        phase=Phase.BUYING.value,
        side=Side.BUY.value,
        segment=stop.segment,
        security_id=stop.security_id,
        symbol=listed.symbol,
        quantity=order.quantity,
        limit_price=stop.limit_price,
        correlation_id=stop.correlation_id,
        intended_at=stop.placed_at or now,
    )
    value = sum(trade.price * trade.quantity for trade in trades)
    fields = {
        "filled_quantity": order.filled_quantity,
        "average_price": round(value / order.filled_quantity, 4),
        "broker_order_id": order.order_id,
        "sent_at": now,
        "settled_at": now,
    }
    for state in (OrderState.SENDING, OrderState.ACKED):
        LegOrder.objects.filter(pk=row.pk).update(state=state.value)
    LegOrder.objects.filter(pk=row.pk).update(state=_ENDS[order.status].value, **fields)
    row.refresh_from_db()
    keep_trades(row, trades, listed, run, now.astimezone(IST).date())
