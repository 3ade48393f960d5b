"""Stops that rest at the broker, for when this process is not there: forever orders.

One (SINGLE) is a limit order that is sent when a trigger trades; it survives the day.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from execution.brokers.dhan.answers import changed, content
from execution.brokers.dhan.broker import DhanOrders
from execution.brokers.dhan.fields import Row, bad_row, price_or_none, rows, units, words, words_or_empty
from execution.brokers.dhan.mapping import place_arguments, require_order_id, require_price
from execution.errors import OrderRefused
from execution.ports import ClearedOrder, OrderRequest, OrderStatus, Placed
from execution.resting import ProtectiveStop, StopState
from market.contract import Side
from market.errors import Reason

__all__ = ["DhanStops", "ProtectiveStop", "StopState"]


_STATES = {
    "CONFIRM": StopState.WAITING,
    "PENDING": StopState.WAITING,
    "TRANSIT": StopState.WAITING,
    "PART_TRADED": StopState.TRIGGERED,
    "TRIGGERED": StopState.TRIGGERED,
    "TRADED": StopState.ENDED,
    "CLOSED": StopState.ENDED,
    "CANCELLED": StopState.ENDED,
    "REJECTED": StopState.ENDED,
    "EXPIRED": StopState.ENDED,
}


class DhanStops:
    """The stops of the account behind one broker object."""

    def __init__(self, broker: DhanOrders) -> None:
        self._broker = broker

    def place_protective_stop(self, order: ClearedOrder, *, trigger_price: Decimal) -> Placed:
        """Leave a limit order that goes out when the trigger trades; its limit stands beyond the trigger."""
        request = order.request
        arguments = place_arguments(request)
        require_price(trigger_price, request.tick_size)
        _require_beyond(request, trigger_price)
        answer = self._broker.writing(self._broker.gate_of(order)).place_forever(
            **_shared(arguments),
            quantity=arguments["quantity"],
            price=arguments["price"],
            trigger_Price=float(trigger_price),
            order_flag="SINGLE",
            validity="DAY",
        )
        return Placed(changed(answer).order_id, OrderStatus.PENDING)

    def protective_stops(self) -> Sequence[ProtectiveStop]:
        """Every forever order of the account, ours or not."""
        return [_stop(row) for row in rows(content(self._broker.reading().get_forever()))]

    def cancel_protective_stop(self, order_id: str) -> None:
        """Take a forever order away; whether it was in time stands in the list."""
        changed(self._broker.writing().cancel_forever(require_order_id(order_id)))


def _shared(arguments: dict[str, Any]) -> dict[str, Any]:
    names = ("security_id", "exchange_segment", "transaction_type", "product_type", "order_type", "tag")
    return {name: arguments[name] for name in names}


def _stop(row: Row) -> ProtectiveStop:
    order_id, word = words(row, "orderId"), words(row, "orderStatus").upper()
    side = words(row, "transactionType").upper()
    if word not in _STATES or side not in set(Side):
        raise bad_row("UNKNOWN_STATUS", f"Stop {order_id} stands at '{word}', side '{side}'.")
    return ProtectiveStop(
        order_id=order_id,
        correlation_id=words_or_empty(row, "correlationId"),
        state=_STATES[word],
        segment=words(row, "exchangeSegment"),
        security_id=words(row, "securityId"),
        side=Side(side),
        quantity=units(row, "quantity"),
        trigger_price=price_or_none(row, "triggerPrice"),
        limit_price=price_or_none(row, "price"),
    )


def _require_beyond(order: OrderRequest, trigger_price: Decimal) -> None:
    """A limit on the near side of its trigger would rest unfilled just when it is needed."""
    if order.side.sign * (order.limit_price - trigger_price) < 0:
        sentence = f"The limit {order.limit_price} is not beyond the trigger {trigger_price}."
        raise OrderRefused(Reason("STOP_PRICE", sentence, "Nothing was sent."))
