"""Behind the front door of the simulated exchange: time, matching, what ends an order, and the journal. Pure."""

from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from heapq import heappop, heappush
from random import Random
from typing import NamedTuple

from execution.ports import OrderStatus
from execution.simulator import judging
from execution.simulator.book import (
    ZERO,
    ClosedReason,
    Entry,
    Happening,
    Listing,
    Mark,
    Order,
    Refused,
    Rules,
    Ticket,
    TouchOf,
    Trade,
)
from execution.simulator.ledger import Ledger
from market.calendar import IST, closed_reason
from market.contract import Side
from market.ports import Touch

OPENING_BALANCE = Decimal(10_000_000)

_NEVER = datetime.max.replace(tzinfo=IST)
_SAME_STATE = frozenset({Happening.MODIFY_ASKED, Happening.CANCEL_ASKED, Happening.MODIFY_FAILED})


class Terms(NamedTuple):
    """What a modification asks for; the quantity is the order's total under Dhan's rules."""

    quantity: int
    price: Decimal
    order_type: str
    trigger_price: Decimal = ZERO


def exchange_hours(segment: str, now: datetime) -> str | None:
    """Dhan's words when the exchange of this segment is closed."""
    closed = closed_reason(now, exchange="BSE" if segment.startswith("BSE") else "NSE")
    return None if closed is None else "RMS:Market is Closed! Want to place an offline order?"


class Floor:
    """The books of one account at one exchange, and what time and quotes do to them."""

    def __init__(
        self,
        *,
        listings: Mapping[tuple[str, str], Listing],
        touch: TouchOf,
        rng: Random,
        rules: Rules | None = None,
        closed: ClosedReason = exchange_hours,
        opening_balance: Decimal = OPENING_BALANCE,
    ) -> None:
        self.listings, self.rules = listings, rules or Rules()
        self.journal: list[Entry] = []
        self.killed = False
        self.ledger = Ledger(opening_balance)
        self._touch, self._rng, self._closed = touch, rng, closed
        self._orders: dict[str, Order] = {}
        self._today: dict[str, Order] = {}
        self._by_correlation: dict[str, Order] = {}
        self._resting: dict[str, Order] = {}
        self._trades: list[Trade] = []
        self._taken: dict[tuple[str, str, Side], tuple[datetime, int]] = {}
        self._due: list[tuple[datetime, int, Callable[..., None], tuple[object, ...]]] = []
        self._pushed = 0
        self._now: datetime | None = None
        self._day, self._midnight = date.min, _NEVER

    # --- time --------------------------------------------------------------------------------------------------------

    def advance(self, now: datetime) -> datetime:
        """Let everything happen that is due by `now`; return it, or the newest moment known when that is later."""
        if self._now is not None and now <= self._now:
            return self._now
        while self._due and self._due[0][0] <= now:
            due, _, action, arguments = heappop(self._due)
            moment = due if self._now is None or due > self._now else self._now
            self._reach(moment)
            action(moment, *arguments)
        self._reach(now)
        for order in list(self._resting.values()) if self._resting else ():
            self._work(now, order)
        return now

    def note(self, now: datetime, text: str, *, kind: Happening = Happening.NOTED) -> None:
        """Add a line to the journal that is about no order."""
        self.journal.append(Entry(len(self.journal), now, kind, "", "", "", "", None, None, 0, 0, 0, None, "", text))

    def _reach(self, now: datetime) -> None:
        self._now = now
        if now >= self._midnight or self._midnight is _NEVER:
            self._start_day(now)

    def _start_day(self, now: datetime) -> None:
        """Begin an empty book on a new day; what was meant for its opening stays."""
        self._day = now.astimezone(IST).date()
        self._midnight = datetime.combine(self._day + timedelta(days=1), time(), IST)
        for order in [order for order in self._today.values() if order.is_live and not order.ticket.after_market]:
            self._end(now, order, Happening.EXPIRED, "end of the day")
        self._today = {order_id: order for order_id, order in self._today.items() if order.is_live}
        self.killed = False
        self.ledger.start_day(self._day)

    def _push(self, due: datetime, action: Callable[..., None], *arguments: object) -> None:
        self._pushed += 1
        heappush(self._due, (due, self._pushed, action, arguments))

    def _later(self, now: datetime, span: tuple[float, float]) -> datetime:
        low, high = span
        return now + timedelta(seconds=low + (high - low) * self._rng.random()) if high else now

    # --- orders ---------------------------------------------------------------------------------------------------

    def _arrive(self, now: datetime, order: Order) -> None:
        """The exchange sees the order for the first time."""
        if not order.is_live:
            return
        closed = self._closed(order.ticket.segment, now) if self.rules.check_hours else None
        if closed and order.ticket.after_market:
            self._confirm(now, order)
            return
        touch = self._touch(order.ticket.segment, order.ticket.security_id, now)
        rejection = closed or self._rejection(order, touch)
        if rejection:
            order.error_code, order.error_text = rejection.partition(":")[0], rejection
            self._end(now, order, Happening.REJECTED, rejection)
            return
        order.reached_at = now
        if order.status is OrderStatus.TRANSIT:
            self._confirm(now, order)
        self._match(now, order, touch)

    def _confirm(self, now: datetime, order: Order) -> None:
        order.status = OrderStatus.PENDING
        self._resting[order.order_id] = order
        self._write(Happening.CONFIRMED, order, now)

    def _rejection(self, order: Order, touch: Touch | None) -> str:
        """Everything that is found out behind the front door."""
        ticket, listing = order.ticket, order.listing
        if order.fate.reject:
            return order.fate.reject
        if judging.has_expired(listing, self._day):
            return "EXCH:16419:The contract has expired"
        wrong = judging.broken_quantity(listing, order.quantity)
        if wrong:
            return wrong
        if order.order_type == "MARKET":
            if touch is None:
                return "EXCH:No price to protect a market order with"
            order.price, order.order_type = judging.protected_limit(ticket, listing, touch), "LIMIT"
        wrong = judging.broken_price(listing, order.price, touch) if self.rules.check_prices else ""
        return wrong or (self._broke(order) if self.rules.check_margin else "")

    def _broke(self, order: Order) -> str:
        """Nothing, after reserving what the order needs; else the words of the risk desk."""
        ticket = order.ticket
        if ticket.side is Side.BUY:
            needed = order.remaining * order.price
        else:
            needed = self.ledger.need([ticket], [order.listing], alone=False)
        available = self.ledger.account().available
        if needed > available:
            return judging.insufficient(needed, available)
        self.ledger.reserve(order, needed)
        return ""

    def _work(self, now: datetime, order: Order) -> None:
        """See what time and new quotes do to an order that rests."""
        closed = self._closed(order.ticket.segment, now) if self.rules.check_hours else None
        waiting = order.reached_at is None
        if closed:
            if not (waiting and order.ticket.after_market):
                self._end(now, order, Happening.EXPIRED, "end of the session")
        elif order.fate.stays_in_transit:
            return
        elif waiting:
            self._arrive(now, order)
        else:
            self._match(now, order, self._touch(order.ticket.segment, order.ticket.security_id, now))

    def _match(self, now: datetime, order: Order, touch: Touch | None) -> None:
        """Trade what crosses the opposite touch; an IOC order ends here."""
        if touch is not None and self._is_triggered(now, order, touch):
            self._trade(now, order, touch)
        if order.ticket.validity == "IOC" and order.is_live:
            self._end(now, order, Happening.CANCELLED, "the rest of an IOC order")

    def _is_triggered(self, now: datetime, order: Order, touch: Touch) -> bool:
        if order.triggered or order.order_type != "STOP_LOSS":
            return True
        price = touch.ask if order.side is Side.BUY else touch.bid
        order.triggered = order.side.sign * (price - order.trigger_price) >= 0
        if order.triggered:
            self._write(Happening.TRIGGERED, order, now, price=price)
        return order.triggered

    def _trade(self, now: datetime, order: Order, touch: Touch) -> None:
        buys = order.side is Side.BUY
        price, shown = (touch.ask, touch.ask_quantity) if buys else (touch.bid, touch.bid_quantity)
        if price <= 0 or order.side.sign * (order.price - price) < 0:
            return
        key = order.ticket.segment, order.ticket.security_id, order.side
        quoted_at, used = self._taken.get(key, (touch.quoted_at, 0))
        used = used if quoted_at == touch.quoted_at else 0
        units = min(self._wanted(order), max(shown - used, 0) // order.listing.lot_size * order.listing.lot_size)
        if units > 0:
            self._taken[key] = touch.quoted_at, used + units
            self._fill(now, order, units, price)

    def _wanted(self, order: Order) -> int:
        """Units that may still fill under the order's fate."""
        if order.fate.share is None:
            return order.remaining
        lot = order.listing.lot_size
        return max(int(order.quantity * order.fate.share) // lot * lot - order.filled, 0)

    def _fill(self, now: datetime, order: Order, units: int, price: Decimal) -> None:
        """Book a fill; one that completes an order may overfill it when that is its fate."""
        if order.filled + units >= order.quantity and order.fate.overfill_lots:
            units += order.fate.overfill_lots * order.listing.lot_size
        order.filled += units
        order.value += units * price
        order.last_price = price
        complete = order.filled >= order.quantity
        order.status = OrderStatus.TRADED if complete else OrderStatus.PART_TRADED
        trade = Trade(f"{len(self._trades) + 1:07d}", order.order_id, units, price, now)
        self._trades.append(trade)
        self.ledger.count(order, units, price)
        self.ledger.release(order, units)
        if complete:
            self._resting.pop(order.order_id, None)
        self._write(Happening.TRADED, order, now, units=units, price=price)

    def _apply(self, now: datetime, order: Order, terms: Terms) -> None:
        """Give an order other terms, unless it ended meanwhile or they are illegal."""
        if not order.is_live:
            return
        quantity = terms.quantity + (order.filled if self.rules.modify_quantity == "pending" else 0)
        touch = self._touch(order.ticket.segment, order.ticket.security_id, now)
        if terms.order_type == "MARKET" and touch is not None:
            terms = terms._replace(
                price=judging.protected_limit(order.ticket, order.listing, touch), order_type="LIMIT"
            )
        wrong = judging.broken_quantity(order.listing, quantity)
        if not wrong and self.rules.check_prices:
            wrong = judging.broken_price(order.listing, terms.price, touch)
        if wrong or quantity <= order.filled:
            order.error_text = wrong or "EXCH:Quantity is below what has traded"
            self._write(Happening.MODIFY_FAILED, order, now, note=order.error_text)
            return
        order.quantity, order.price = quantity, terms.price
        order.order_type, order.trigger_price = terms.order_type, terms.trigger_price
        self._write(Happening.MODIFIED, order, now, price=terms.price)
        if order.reached_at is not None:
            self._match(now, order, touch)

    def _end_by_cancel(self, now: datetime, order: Order, fills: bool) -> None:
        if not order.is_live:
            return
        if fills:
            touch = self._touch(order.ticket.segment, order.ticket.security_id, now)
            self._fill(now, order, order.remaining, _better(order, touch))
        else:
            self._end(now, order, Happening.CANCELLED, "cancelled on request")

    def _end(self, now: datetime, order: Order, kind: Happening, note: str) -> None:
        order.status = OrderStatus(kind.value)
        self._resting.pop(order.order_id, None)
        self.ledger.reserve(order, ZERO)
        self._write(kind, order, now, note=note)

    # --- the journal -------------------------------------------------------------------------------------------------

    def _write(
        self,
        kind: Happening,
        order: Order,
        now: datetime,
        *,
        units: int = 0,
        price: Decimal | None = None,
        note: str = "",
    ) -> None:
        ticket = order.ticket
        self.journal.append(
            Entry(
                len(self.journal),
                now,
                kind,
                order.order_id,
                ticket.correlation_id,
                ticket.segment,
                ticket.security_id,
                ticket.side,
                order.status,
                order.quantity,
                order.filled,
                units,
                order.price if price is None else price,
                ticket.source,
                note,
            )
        )
        if kind not in _SAME_STATE:
            order.updated_at = now
            order.marks.append(Mark(now, order.status, order.quantity, order.price, order.filled, order.value))

    def _write_refusal(self, ticket: Ticket, now: datetime, refusal: Refused) -> None:
        self.journal.append(
            Entry(
                len(self.journal),
                now,
                Happening.REFUSED,
                "",
                ticket.correlation_id,
                ticket.segment,
                ticket.security_id,
                ticket.side,
                None,
                ticket.quantity,
                0,
                0,
                ticket.price,
                ticket.source,
                str(refusal),
            )
        )


def _better(order: Order, touch: Touch | None) -> Decimal:
    """The price of a fill that wins against a cancellation: the touch where the limit allows it, else the limit."""
    if touch is None:
        return order.price
    return min(order.price, touch.ask) if order.side is Side.BUY else max(order.price, touch.bid)
