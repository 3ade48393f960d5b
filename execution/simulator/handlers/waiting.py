"""/super/orders, /forever and /alerts/orders (dhan.md 4.2 to 4.4)."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

from execution.simulator.exchange import Terms
from execution.simulator.handlers.orders import MOST_BATCHED, ticket_of
from execution.simulator.judging import bad_input, order_error
from execution.simulator.shapes import derivative, order_row, stamp
from execution.simulator.standing import ENTRY, STOP, TARGET, Alert, ExitLeg, ForeverOrder, SuperOrder, super_row
from execution.simulator.venue import Venue
from execution.simulator.wire import Answer, Json, Request, number, plain, rupees, whole


def place_super(venue: Venue, request: Request) -> Answer:
    """POST /super/orders."""
    fields = request.fields()
    if not {"targetPrice", "stopLossPrice", "trailingJump"} <= fields.keys():
        raise bad_input()
    target, stop, trailing = (rupees(fields[name]) for name in ("targetPrice", "stopLossPrice", "trailingJump"))
    ticket = replace(ticket_of(fields), leg_name=ENTRY, remark="Super Order")
    sign = ticket.side.sign
    if (target > 0 and sign * (target - ticket.price) <= 0) or (stop > 0 and sign * (ticket.price - stop) <= 0):
        raise order_error("Target and Stop Loss must be on either side of Price")
    entry = venue.place(ticket, venue.now())
    venue.standing.place_super(entry, target=target, stop=stop, trailing=trailing)
    return plain({"orderId": entry.order_id, "orderStatus": entry.status.value})


def modify_super(venue: Venue, request: Request) -> Answer:
    """PUT /super/orders/{id}: the entry while it is live, then the exits; no trailingJump cancels the trail."""
    fields, held = request.fields(), _super(venue, request.words[0])
    leg = str(fields.get("legName"))
    if leg == ENTRY:
        price = rupees(fields.get("price"))
        terms = Terms(whole(fields.get("quantity")), price, str(fields.get("orderType") or "LIMIT"))
        venue.exchange.modify(held.entry.order_id, terms, venue.now())
    if leg in {ENTRY, TARGET} and fields.get("targetPrice"):
        _open_leg(held, TARGET).price = rupees(fields["targetPrice"])
    if leg in {ENTRY, STOP}:
        stop = _open_leg(held, STOP)
        stop.price = rupees(fields.get("stopLossPrice")) or stop.price
        stop.trailing = rupees(fields.get("trailingJump"))
    elif leg != TARGET:
        raise bad_input()
    return plain({"orderId": held.entry.order_id, "orderStatus": "TRANSIT"})


def cancel_super(venue: Venue, request: Request) -> Answer:
    """DELETE /super/orders/{id}/{leg}."""
    order_id, leg = request.words
    if leg not in {ENTRY, TARGET, STOP}:
        raise bad_input()
    venue.standing.cancel_super(order_id, leg, venue.now())
    return plain({"orderId": order_id, "orderStatus": "CANCELLED"}, 202)


def list_super(venue: Venue, request: Request) -> Answer:
    """GET /super/orders."""
    now, rows = venue.now(), []
    for held in venue.standing.supers.values():
        price = venue.screen.price(held.entry.listing, now)
        rows.append(super_row(held, order_row(held.entry, venue.client_id), price))
    return plain(rows)


def _super(venue: Venue, order_id: str) -> SuperOrder:
    held = venue.standing.supers.get(order_id)
    if held is None or held.closed:
        raise order_error("Super Order cannot be modified")
    return held


def _open_leg(held: SuperOrder, name: str) -> ExitLeg:
    leg = held.legs[name]
    if leg.status != "PENDING":
        raise order_error(f"{name} has ended")
    return leg


def place_forever(venue: Venue, request: Request) -> Answer:
    """POST /forever/orders."""
    fields = request.fields()
    flag = str(fields.get("orderFlag"))
    ticket = ticket_of(fields)
    if flag not in {"SINGLE", "OCO"} or (ticket.segment, ticket.security_id) not in venue.listings:
        raise bad_input()
    legs = {TARGET: _forever_leg(fields, "")}
    if flag == "OCO":
        legs[STOP] = _forever_leg(fields, "1")
    made = venue.standing.place_forever(replace(ticket, trigger_price=Decimal(0)), flag, legs, venue.now())
    return plain({"orderId": made.order_id, "orderStatus": "PENDING"})


def _forever_leg(fields: Json, suffix: str) -> tuple[Decimal, Decimal, int]:
    """Trigger, price and quantity of one leg."""
    trigger, price = rupees(fields.get(f"triggerPrice{suffix}")), rupees(fields.get(f"price{suffix}"))
    if trigger <= 0:
        raise bad_input()
    return trigger, price, whole(fields.get(f"quantity{suffix}"), least=1)


def modify_forever(venue: Venue, request: Request) -> Answer:
    """PUT /forever/orders/{id}."""
    fields, waiting = request.fields(), _forever(venue, request.words[0])
    name = str(fields.get("legName") or TARGET)
    if name not in waiting.legs:
        raise bad_input()
    waiting.legs[name] = _forever_leg(fields, "")
    return plain({"orderId": waiting.order_id, "orderStatus": "PENDING"})


def cancel_forever(venue: Venue, request: Request) -> Answer:
    """DELETE /forever/orders/{id}."""
    waiting = _forever(venue, request.words[0])
    waiting.status = "CANCELLED"
    return plain({"orderId": waiting.order_id, "orderStatus": "CANCELLED"}, 202)


def list_forever(venue: Venue, request: Request) -> Answer:
    """GET /forever/orders and /forever/all: orderType holds SINGLE or OCO."""
    return plain([row for waiting in venue.standing.forevers.values() for row in _forever_rows(venue, waiting)])


def _forever_rows(venue: Venue, waiting: ForeverOrder) -> list[Json]:
    ticket = waiting.ticket
    listing = venue.listings[ticket.segment, ticket.security_id]
    shared = {
        "dhanClientId": venue.client_id,
        "orderId": waiting.order_id,
        "orderStatus": waiting.status,
        "transactionType": ticket.side.value,
        "exchangeSegment": ticket.segment,
        "productType": ticket.product,
        "orderType": waiting.flag,
        "tradingSymbol": listing.trading_symbol,
        "securityId": ticket.security_id,
        "createTime": stamp(waiting.created_at),
        "updateTime": stamp(waiting.created_at),
        "exchangeTime": None,
        **derivative(listing),
    }
    return [
        {**shared, "legName": name, "triggerPrice": number(trigger), "price": number(price), "quantity": quantity}
        for name, (trigger, price, quantity) in waiting.legs.items()
    ]


def _forever(venue: Venue, order_id: str) -> ForeverOrder:
    waiting = venue.standing.forevers.get(order_id)
    if waiting is None or waiting.status != "CONFIRM":
        raise order_error("Nothing to Cancel . ")
    return waiting


def place_alert(venue: Venue, request: Request) -> Answer:
    """POST /alerts/orders."""
    condition, orders = _alert_parts(request)
    made = venue.standing.add_alert(condition, orders, [ticket_of(_order(row)) for row in orders], venue.now())
    return plain({"alertId": made.alert_id, "alertStatus": made.status})


def modify_alert(venue: Venue, request: Request) -> Answer:
    """PUT /alerts/orders/{id}: everything is given anew."""
    alert, (condition, orders) = _alert(venue, request), _alert_parts(request)
    alert.condition, alert.orders, alert.tickets = condition, orders, [ticket_of(_order(row)) for row in orders]
    return plain({"alertId": alert.alert_id, "alertStatus": alert.status})


def cancel_alert(venue: Venue, request: Request) -> Answer:
    """DELETE /alerts/orders/{id}."""
    alert = _alert(venue, request)
    alert.status = "CANCELLED"
    return plain({"alertId": alert.alert_id, "alertStatus": alert.status})


def list_alerts(venue: Venue, request: Request) -> Answer:
    """GET /alerts/orders."""
    return plain([_alert_row(alert) for alert in venue.standing.alerts.values()])


def one_alert(venue: Venue, request: Request) -> Answer:
    """GET /alerts/orders/{id}."""
    return plain(_alert_row(_alert(venue, request)))


def _alert_parts(request: Request) -> tuple[Json, list[Json]]:
    fields = request.fields()
    condition, orders = fields.get("condition"), fields.get("orders") or []
    if not isinstance(condition, dict) or not isinstance(orders, list) or len(orders) > MOST_BATCHED:
        raise bad_input()
    if condition.get("exchangeSegment") not in {"NSE_EQ", "BSE_EQ", "IDX_I"}:
        raise bad_input()
    return condition, orders


def _order(row: Json) -> Json:
    """An alert's order names its disclosed quantity differently."""
    return {**row, "disclosedQuantity": row.get("discQuantity") or 0}


def _alert(venue: Venue, request: Request) -> Alert:
    alert = venue.standing.alerts.get(request.words[0])
    if alert is None:
        raise order_error("No such alert")
    return alert


def _alert_row(alert: Alert) -> Json:
    return {
        "alertId": alert.alert_id,
        "alertStatus": alert.status,
        "createdTime": _utc(alert.created_at),
        "triggeredTime": _utc(alert.triggered_at),
        "lastPrice": None if alert.last_price is None else str(alert.last_price),
        "condition": alert.condition,
        "orders": alert.orders,
    }


def _utc(moment: datetime | None) -> str | None:
    """Alerts speak ISO-8601 in UTC, unlike every other endpoint."""
    return None if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
