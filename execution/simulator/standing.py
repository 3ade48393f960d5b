"""Orders that wait at the broker: super orders, forever orders and conditional alerts (dhan.md 4.2 to 4.4). Pure.

They are advanced by whoever advances the exchange; what they send are ordinary orders of it.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from execution.ports import OrderStatus
from execution.simulator import judging
from execution.simulator.book import ZERO, Order, Refused, Ticket
from execution.simulator.exchange import Exchange
from execution.simulator.wire import Json, number

ENTRY, TARGET, STOP = "ENTRY_LEG", "TARGET_LEG", "STOP_LOSS_LEG"

Level = Callable[[str, str, datetime], Decimal | None]
"""(segment, security id, moment) -> the price a condition looks at."""


@dataclass(slots=True, eq=False)
class ExitLeg:
    """The target or the stop of a super order."""

    name: str
    price: Decimal
    status: str = "PENDING"
    trailing: Decimal = ZERO
    order_id: str = ""


@dataclass(slots=True, eq=False)
class SuperOrder:
    """An entry with a target and a stop that live at the broker."""

    entry: Order
    legs: dict[str, ExitLeg]
    best: Decimal = ZERO  # the most favourable price since the entry filled
    closed: bool = False


@dataclass(slots=True, eq=False)
class ForeverOrder:
    """A good-till-triggered order; two legs when it is one-cancels-other."""

    order_id: str
    flag: str
    ticket: Ticket
    legs: dict[str, tuple[Decimal, Decimal, int]]  # name -> trigger, price, quantity
    started: dict[str, bool]  # name -> whether the price stood under the trigger when it was armed
    created_at: datetime
    status: str = "CONFIRM"
    fired: str = ""


@dataclass(slots=True, eq=False)
class Alert:
    """A condition on a share or an index with the orders it sends."""

    alert_id: str
    condition: Mapping[str, Json]
    orders: list[Json]
    tickets: list[Ticket]
    created_at: datetime
    status: str = "ACTIVE"
    triggered_at: datetime | None = None
    last_price: Decimal | None = None


_COMPARISONS: Mapping[str, Callable[[Decimal, Decimal, Decimal], bool]] = {
    "GREATER_THAN": lambda before, now, level: now > level,
    "LESS_THAN": lambda before, now, level: now < level,
    "GREATER_THAN_EQUAL": lambda before, now, level: now >= level,
    "LESS_THAN_EQUAL": lambda before, now, level: now <= level,
    "EQUAL": lambda before, now, level: now == level,
    "NOT_EQUAL": lambda before, now, level: now != level,
    "CROSSING_UP": lambda before, now, level: before < level <= now,
    "CROSSING_DOWN": lambda before, now, level: before > level >= now,
    "CROSSING_ANY_SIDE": lambda before, now, level: before < level <= now or before > level >= now,
}


class Standing:
    """Everything that waits."""

    def __init__(self, exchange: Exchange, level: Level) -> None:
        self._exchange, self._level = exchange, level
        self.supers: dict[str, SuperOrder] = {}
        self.forevers: dict[str, ForeverOrder] = {}
        self.alerts: dict[str, Alert] = {}
        self._numbered = 0

    def place_super(self, entry: Order, *, target: Decimal, stop: Decimal, trailing: Decimal) -> SuperOrder:
        """Attach exits to an entry that was just submitted."""
        legs = {TARGET: ExitLeg(TARGET, target), STOP: ExitLeg(STOP, stop, trailing=trailing)}
        made = self.supers[entry.order_id] = SuperOrder(entry, legs)
        return made

    def cancel_super(self, order_id: str, leg: str, now: datetime) -> SuperOrder:
        """End one leg, or with the entry everything."""
        found = self.supers.get(order_id)
        if found is None or found.closed:
            raise judging.order_error("Nothing to Cancel . ")
        if leg != ENTRY:
            found.legs[leg].status = "CANCELLED"
            return found
        if found.entry.is_live:
            self._exchange.cancel(order_id, now)
        for exit_leg in found.legs.values():
            exit_leg.status = "CANCELLED"
        found.closed = True
        return found

    def place_forever(
        self, ticket: Ticket, flag: str, legs: Mapping[str, tuple[Decimal, Decimal, int]], now: datetime
    ) -> ForeverOrder:
        """Arm a forever order; each leg is its trigger, price and quantity."""
        level = self._level(ticket.segment, ticket.security_id, now)
        started = {name: level is not None and level < trigger for name, (trigger, _, _) in legs.items()}
        made = ForeverOrder(self._number("5"), flag, ticket, dict(legs), started, now)
        self.forevers[made.order_id] = made
        return made

    def add_alert(
        self, condition: Mapping[str, Json], orders: list[Json], tickets: list[Ticket], now: datetime
    ) -> Alert:
        """Watch a condition."""
        made = Alert(self._number("7"), condition, orders, tickets, now)
        self.alerts[made.alert_id] = made
        return made

    def advance(self, now: datetime) -> None:
        """Send what has become due."""
        for held in [held for held in self.supers.values() if not held.closed]:
            self._work_super(held, now)
        for waiting in [waiting for waiting in self.forevers.values() if waiting.status == "CONFIRM"]:
            self._work_forever(waiting, now)
        for alert in [alert for alert in self.alerts.values() if alert.status == "ACTIVE"]:
            self._work_alert(alert, now)

    def _number(self, first: str) -> str:
        self._numbered += 1
        return f"{first}{self._numbered:011d}"

    def _work_super(self, held: SuperOrder, now: datetime) -> None:
        entry = held.entry
        if entry.is_live:
            return
        price = self._level(entry.ticket.segment, entry.ticket.security_id, now)
        if not entry.filled:
            held.closed = True
        if held.closed or price is None:
            return
        self._trail(held, price)
        sign = entry.side.sign
        for leg in held.legs.values():
            reached = sign * (price - leg.price) * (1 if leg.name == TARGET else -1) >= 0
            if leg.status == "PENDING" and leg.price > 0 and reached:
                self._fire(held, leg, now)
                return

    def _trail(self, held: SuperOrder, price: Decimal) -> None:
        """Move the stop by whole jumps as the price moves in favour."""
        leg, sign = held.legs[STOP], held.entry.side.sign
        held.best = held.best or held.entry.average_price
        if leg.trailing > 0 and sign * (price - held.best) >= leg.trailing:
            jumps = abs(price - held.best) // leg.trailing
            held.best += sign * jumps * leg.trailing
            leg.price += sign * jumps * leg.trailing

    def _fire(self, held: SuperOrder, leg: ExitLeg, now: datetime) -> None:
        entry = held.entry
        ticket = replace(
            entry.ticket,
            side=entry.side.opposite,
            quantity=entry.filled,
            price=ZERO,
            order_type="MARKET",
            validity="DAY",
            leg_name=leg.name,
            remark="Super Order",
        )
        with suppress(Refused):
            leg.order_id = self._exchange.submit(ticket, now).order_id
        leg.status = "TRIGGERED"
        for other in held.legs.values():
            other.status = "CANCELLED" if other is not leg and other.status == "PENDING" else other.status
        held.closed = True

    def _work_forever(self, waiting: ForeverOrder, now: datetime) -> None:
        level = self._level(waiting.ticket.segment, waiting.ticket.security_id, now)
        if level is None:
            return
        for name, (trigger, price, quantity) in waiting.legs.items():
            if (level >= trigger) if waiting.started[name] else (level <= trigger):
                with suppress(Refused):
                    self._exchange.submit(replace(waiting.ticket, price=price, quantity=quantity), now)
                waiting.status, waiting.fired = "TRADED", name
                return

    def _work_alert(self, alert: Alert, now: datetime) -> None:
        """Fire on a price; indicators are stored and never fire here."""
        condition = alert.condition
        price = self._level(str(condition.get("exchangeSegment")), str(condition.get("securityId")), now)
        compare = _COMPARISONS.get(str(condition.get("operator")))
        before, alert.last_price = alert.last_price, price
        if price is None or compare is None or condition.get("comparisonType") != "PRICE_WITH_VALUE":
            return
        if compare(price if before is None else before, price, Decimal(str(condition.get("comparingValue")))):
            alert.status, alert.triggered_at = "TRIGGERED", now
            for ticket in alert.tickets:
                with suppress(Refused):
                    self._exchange.submit(ticket, now)


def super_row(held: SuperOrder, row: dict[str, Json], last_price: Decimal | None) -> Json:
    """One item of the super order list, on top of the entry's order row."""
    wanted = [
        "dhanClientId",
        "orderId",
        "correlationId",
        "orderStatus",
        "transactionType",
        "exchangeSegment",
        "productType",
        "orderType",
        "validity",
        "tradingSymbol",
        "securityId",
        "quantity",
        "remainingQuantity",
        "price",
        "afterMarketOrder",
        "exchangeOrderId",
        "createTime",
        "updateTime",
        "exchangeTime",
        "omsErrorDescription",
        "averageTradedPrice",
        "filledQty",
    ]
    kept = {name: row[name] for name in wanted}
    if held.closed and held.entry.status is OrderStatus.TRADED:
        kept["orderStatus"] = "CLOSED"
    return {**kept, "ltp": number(last_price), "legName": ENTRY, "legDetails": list(_leg_rows(held))}


def _leg_rows(held: SuperOrder) -> Iterator[Json]:
    side = held.entry.side.opposite
    for leg in held.legs.values():
        yield {
            "orderId": held.entry.order_id,
            "legName": leg.name,
            "transactionType": side.value,
            "totalQuatity": held.entry.quantity,
            "remainingQuantity": 0 if leg.status == "TRIGGERED" else held.entry.quantity,
            "triggeredQuantity": held.entry.filled if leg.status == "TRIGGERED" else 0,
            "price": number(leg.price),
            "orderStatus": leg.status,
            "trailingJump": number(leg.trailing),
        }
