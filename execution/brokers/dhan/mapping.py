"""Our words into Dhan's and back: every enum closed, every number checked, nothing defaulted. Pure."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from execution.brokers.dhan.fields import (
    DEAREST,
    MOST_UNITS,
    Row,
    bad_row,
    money,
    price,
    price_or_none,
    rows,
    stamp,
    units,
    words,
    words_or_empty,
)
from execution.errors import OrderRefused
from execution.naming import CORRELATION
from execution.ports import (
    BrokerOrder,
    BrokerPosition,
    BrokerTrade,
    Funds,
    MarginNeed,
    OrderRequest,
    OrderStatus,
)
from market.contract import Side
from market.errors import Reason
from market.quant.ticks import is_on_tick

SEGMENTS = frozenset({"NSE_EQ", "NSE_FNO", "BSE_EQ", "BSE_FNO"})
_SECURITY = re.compile(r"[0-9]{1,12}")
_ORDER_ID = re.compile(r"[A-Za-z0-9_-]{1,40}")
# A modified order is an order that rests; Dhan's portal names that state, its order book may too.
_STATUSES = {status.value: status for status in OrderStatus} | {"MODIFIED": OrderStatus.PENDING}
_LONGEST_UPDATE = 65_536


# --- what we send -----------------------------------------------------------------------------------------------


def place_arguments(order: OrderRequest) -> dict[str, Any]:
    """The arguments of `dhanhq.place_order`; LIMIT always, for Dhan's MARKET is a limit order of its own choosing."""
    require_sendable(order)
    return {
        "security_id": order.security_id,
        "exchange_segment": order.segment,
        "transaction_type": order.side.value,
        "quantity": int(order.quantity),
        "order_type": "LIMIT",
        "product_type": order.product.value,
        "price": float(order.limit_price),
        "validity": order.validity.value,
        "tag": order.correlation_id,
    }


def margin_list(orders: Sequence[OrderRequest]) -> list[dict[str, Any]]:
    """The legs for the margin calculator."""
    for order in orders:
        require_sendable(order)
    return [
        {
            "exchangeSegment": order.segment,
            "transactionType": order.side.value,
            "quantity": int(order.quantity),
            "productType": order.product.value,
            "securityId": order.security_id,
            "price": float(order.limit_price),
            "triggerPrice": 0.0,
        }
        for order in orders
    ]


def require_sendable(order: OrderRequest) -> None:
    """Refuse here what Dhan would refuse without naming the field (DH-905)."""
    if not CORRELATION.fullmatch(order.correlation_id):
        raise _refused("CORRELATION", f"'{order.correlation_id}' is not a legal correlation id.")
    if order.segment not in SEGMENTS:
        raise _refused("SEGMENT", f"{order.segment} is no segment that is traded here.")
    if not _SECURITY.fullmatch(order.security_id):
        raise _refused("SECURITY_ID", f"'{order.security_id}' is no security id.")
    if order.lot_size < 1 or not 0 < order.quantity <= MOST_UNITS or order.quantity % order.lot_size:
        raise _refused("LOT", f"{order.quantity} is not a whole number of lots of {order.lot_size}.")
    require_price(order.limit_price, order.tick_size)


def require_price(limit_price: Decimal, tick_size: Decimal) -> None:
    """Refuse a price that is not finite, not positive or between two ticks."""
    legal = limit_price.is_finite() and 0 < limit_price < DEAREST
    if not legal or not is_on_tick(limit_price, tick_size):
        raise _refused("TICK", f"{limit_price} is not a price in steps of {tick_size}.")


def require_order_id(order_id: str) -> str:
    """Refuse an id that could change the path it stands in."""
    if not _ORDER_ID.fullmatch(order_id):
        raise _refused("ORDER_ID", f"'{order_id}' is not an order id.")
    return order_id


def require_correlation(correlation_id: str) -> str:
    """Refuse a name that no order of ours can have."""
    if not CORRELATION.fullmatch(correlation_id):
        raise _refused("CORRELATION", f"'{correlation_id}' is not a legal correlation id.")
    return correlation_id


def _refused(code: str, sentence: str) -> OrderRefused:
    return OrderRefused(Reason(code, sentence, "Nothing was sent."))


# --- what we read -----------------------------------------------------------------------------------------------


def status_of(text: str) -> OrderStatus | None:
    """Dhan's word in either casing, or None when the list does not have it."""
    return _STATUSES.get(text.strip().upper())


def broker_order(row: Row) -> BrokerOrder:
    """One row of the order book."""
    order_id = words(row, "orderId")
    status = status_of(words(row, "orderStatus"))
    if status is None:
        raise bad_row(
            "UNKNOWN_STATUS", f"Order {order_id} stands at '{row['orderStatus']}', which has no meaning here."
        )
    quantity, filled = units(row, "quantity"), units(row, "filledQty")
    average = price_or_none(row, "averageTradedPrice")
    _require_consistent(order_id, status, quantity, filled, average)
    return BrokerOrder(
        order_id=order_id,
        correlation_id=words_or_empty(row, "correlationId"),
        status=status,
        quantity=quantity,
        filled_quantity=filled,
        average_price=average if filled else None,
        reason=words_or_empty(row, "omsErrorDescription"),
        segment=words(row, "exchangeSegment"),
        security_id=words(row, "securityId"),
        side=_side(row),
        limit_price=price_or_none(row, "price"),
        placed_at=stamp(row, "createTime", "updateTime"),
    )


def _require_consistent(
    order_id: str, status: OrderStatus, quantity: int, filled: int, average: Decimal | None
) -> None:
    if quantity < 1 or filled > quantity:
        raise bad_row("OVERFILL", f"Order {order_id} filled {filled} of {quantity}.")
    if status is OrderStatus.TRADED and filled != quantity:
        raise bad_row("BAD_ROW", f"Order {order_id} is TRADED with {filled} of {quantity}.")
    if filled and average is None:
        raise bad_row("BAD_ROW", f"Order {order_id} filled {filled} at no price.")


def _side(row: Row) -> Side:
    word = words(row, "transactionType").upper()
    if word not in set(Side):
        raise bad_row("BAD_ROW", f"'{word}' is neither BUY nor SELL.")
    return Side(word)


def broker_orders(value: Any) -> list[BrokerOrder]:
    """The order book; one row that cannot be read discards all of it."""
    return [broker_order(row) for row in rows(value)]


def broker_trades(value: Any) -> list[BrokerTrade]:
    """The trade book, or the trades of one order; a trade that Dhan lists twice counts once."""
    return list(dict.fromkeys(_trade(row) for row in rows(value)))


def _trade(row: Row) -> BrokerTrade:
    order_id, quantity = words(row, "orderId"), units(row, "tradedQuantity")
    traded_at = stamp(row, "exchangeTime", "createTime", "updateTime")
    if quantity < 1 or traded_at is None:
        raise bad_row("BAD_ROW", f"A trade of order {order_id} has no quantity or no moment.")
    number = words(row, "exchangeTradeId")
    return BrokerTrade(order_id, number, quantity, price(row, "tradedPrice"), traded_at)


def broker_positions(value: Any) -> list[BrokerPosition]:
    """What is held; closed rows are left out."""
    found = [
        BrokerPosition(
            words(row, "exchangeSegment"),
            words(row, "securityId"),
            words(row, "productType").upper(),
            units(row, "netQty", signed=True),
        )
        for row in rows(value)
    ]
    return [position for position in found if position.net_quantity]


def funds(value: Any) -> Funds:
    """What may be spent; the misspelt name is Dhan's."""
    return Funds(money(_one(value), "availabelBalance", "availableBalance", signed=True))


def margin_need(value: Any) -> MarginNeed:
    """The calculator's total in either of its spellings."""
    return MarginNeed(money(_one(value), "total_margin", "totalMargin"))


def _one(value: Any) -> Row:
    if not isinstance(value, dict):
        raise bad_row("BAD_ROW", "Dhan's answer is not an object.")
    return value


# --- what the order socket hints --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OrderHint:
    """Something happened to an order: look now. Nothing in it is acted on; None means the message does not say."""

    order_id: str
    correlation_id: str = ""
    status: OrderStatus | None = None
    filled_quantity: int | None = None


def order_hint(message: str | bytes) -> OrderHint | None:
    """Read one message of the order socket in either casing; None for whatever is no readable order alert."""
    if len(message) > _LONGEST_UPDATE:
        return None
    try:
        whole = json.loads(message)
    except (ValueError, RecursionError):
        return None
    envelope = _folded(whole)
    if str(envelope.get("type", "")).lower() != "order_alert":
        return None
    data = _folded(envelope.get("data"))
    order_id = str(data.get("orderno") or "")
    if not _ORDER_ID.fullmatch(order_id):
        return None
    correlation = data.get("correlationid")
    return OrderHint(
        order_id=order_id,
        correlation_id=correlation if isinstance(correlation, str) and CORRELATION.fullmatch(correlation) else "",
        status=status_of(str(data.get("status", ""))),
        filled_quantity=_whole(data.get("tradedqty")),
    )


def _folded(value: Any) -> Mapping[str, Any]:
    """The keys without their casing; where a message has both casings, the live one (camelCase) wins."""
    if not isinstance(value, dict):
        return {}
    ordered = sorted(value, key=lambda name: name[:1].islower())
    return {name.lower(): value[name] for name in ordered}


def _whole(value: Any) -> int | None:
    return value if type(value) is int and 0 <= value <= MOST_UNITS else None
