"""A paper exchange behind the port of every broker: the same states and silences, fills at the opposite touch."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal

from execution.brokers.paper_margin import blocked
from execution.brokers.paper_matching import (
    PaperHabits,
    arrived,
    ended_already,
    ends_at,
    malformed,
    matched,
    next_moment,
    received,
    rejection_on_arrival,
    taken_out,
    touch_at,
)
from execution.errors import OrderRefused
from execution.paper_book import BookedOrder, PaperBook
from execution.ports import (
    BrokerOrder,
    BrokerPosition,
    BrokerTrade,
    ClearedOrder,
    Clock,
    Funds,
    MarginNeed,
    OrderRequest,
    OrderStatus,
    Placed,
)
from market.calendar import IST
from market.contract import Contract, Side
from market.errors import Reason
from market.ports import MarketSource, Touch


class PaperBroker:
    """A broker of its own, with its own books; money and prices are real, only the exchange is not.

    Nothing runs in the background: every read first lets the exchange do what was due by the clock's moment.
    """

    name = "paper"
    mode = "paper"

    def __init__(
        self,
        *,
        market: MarketSource,
        book: PaperBook,
        capital: Decimal,
        clock: Clock,
        habits: PaperHabits | None = None,
    ) -> None:
        self._market, self._book, self._capital, self._clock = market, book, capital, clock
        self._habits = habits or PaperHabits()

    def place(self, order: ClearedOrder) -> Placed:
        """Take an order on its way or refuse it; the same correlation id again answers with the first order."""
        request, now = order.request, self._clock.now()
        order.require_fresh(self._clock.elapsed())
        self._settle(now)
        same = self._book.named(request.correlation_id)
        if same and not self._habits.accepts_twice:
            return Placed(same[0].order_id, same[0].status)
        refusal = malformed(request, now) or self._switched_off(now)
        if refusal is not None:
            raise OrderRefused(refusal)
        order_id = f"PAPER-{request.correlation_id}" + (f".{len(same) + 1}" if same else "")
        known = self._book.record(received(order_id, request, now, self._habits))
        return Placed(known.order_id, known.status)

    def cancel(self, order_id: str) -> None:
        """Ask for the end of an order; what fills before the request has travelled stays filled."""
        now, known = self._read(order_id)
        if known.status.is_final:
            raise OrderRefused(ended_already(known))
        if known.cancel_at is None:
            self._ask(known, replace(known, cancel_at=now + self._habits.acknowledgement(f"{order_id} cancel")))

    def orders(self) -> Sequence[BrokerOrder]:
        """The order book of the day, up to the clock's moment."""
        return [order.as_broker_order() for order in self._of_today()]

    def order_by_correlation(self, correlation_id: str) -> BrokerOrder | None:
        """The order of that name, found even after our side forgot it; the first where there are several."""
        self._settle(self._clock.now())
        return next((order.as_broker_order() for order in self._book.named(correlation_id)), None)

    def trades(self, order_id: str | None = None) -> Sequence[BrokerTrade]:
        """The fills of the day's orders, or those of one order."""
        found = self._of_today() if order_id is None else [self._read(order_id)[1]]
        return [trade for order in found for trade in order.as_broker_trades()]

    def positions(self) -> Sequence[BrokerPosition]:
        """What the fills add up to; an expired contract is no longer held."""
        now = self._clock.now()
        self._settle(now)
        held = self._book.held(on=_day(now))
        return [BrokerPosition(one.segment, one.security_id, one.product, one.units) for one in held]

    def funds(self) -> Funds:
        """Capital plus what the fills brought in, less what resting buys would pay and, by habit, shorts block."""
        now = self._clock.now()
        self._settle(now)
        return Funds(self._available(now))

    def margin(self, orders: Sequence[OrderRequest]) -> MarginNeed:
        """Premiums to pay plus what the shorts would block on top of what is open; an unknown spot raises."""
        now = self._clock.now()
        self._settle(now)
        return MarginNeed(self._need(orders, now))

    def switch_off(self) -> None:
        """Trade no more today; refused unless flat with nothing pending, as Dhan does."""
        now = self._clock.now()
        self._settle(now)
        pending, held = len(self._book.live()), len(self._book.held(on=_day(now)))
        if pending or held:
            sentence = f"{pending} orders are pending and {held} positions are open."
            raise OrderRefused(Reason("NOT_FLAT", sentence, "Cancel and close them first."))
        self._book.switch_off(_day(now))

    def _settle(self, now: datetime) -> None:
        """Let the exchange do everything that was due by `now`, in the order in which it was due."""
        live = {order.order_id: order for order in self._book.live()}
        while due := min(_due(live, now), default=None):
            at, order_id = due
            before = live.pop(order_id)
            after = self._step(before, at, now)
            rests = after == before or (after.matched and at >= now)
            if not after.status.is_final and not rests:
                live[order_id] = after

    def _step(self, order: BookedOrder, at: datetime, now: datetime) -> BookedOrder:
        """One look of the exchange at one order; the order itself when nothing changed."""
        touch = touch_at(self._market, order.request, at, now)
        if order.status is OrderStatus.TRANSIT:
            rejection = rejection_on_arrival(order, touch, self._habits) or self._beyond_money(order, now)
            return self._book.move(order, arrived(order, rejection))
        with self._book.matching(order.request.security_id):
            after = order
            if at >= order.match_from:
                after = matched(order, touch, at, used=self._used(order, touch, now), habits=self._habits)
            if at >= ends_at(order):
                after = taken_out(after)
            return order if after == order else self._book.move(order, after)

    def _used(self, order: BookedOrder, touch: Touch | Reason, now: datetime) -> int:
        """Units of this quote that are gone."""
        if isinstance(touch, Reason):
            return 0
        return self._book.taken(order.request.security_id, order.request.side, since=touch.quoted_at, until=now)

    def _beyond_money(self, order: BookedOrder, now: datetime) -> Reason | None:
        """Why the account cannot carry the order; a margin that cannot be computed is a reason too."""
        is_buy = order.request.side is Side.BUY
        if not (is_buy or self._habits.checks_margin):
            return None
        try:
            needed = order.remaining * order.limit_price if is_buy else self._need([order.request], now)
            available = self._available(now)
        except OrderRefused as error:
            return error.reason
        if needed <= available:
            return None
        return Reason("FUNDS" if is_buy else "MARGIN", f"The order needs ₹{needed} and ₹{available} is available.")

    def _available(self, now: datetime) -> Decimal:
        resting = [order for order in self._book.live() if order.status is not OrderStatus.TRANSIT]
        reserved = sum(
            (order.remaining * order.limit_price for order in resting if order.request.side is Side.BUY), Decimal(0)
        )
        shorts = self._blocked(self._held(now), now) if self._habits.checks_margin else Decimal(0)
        return self._capital + self._book.cash() - reserved - shorts

    def _need(self, orders: Sequence[OrderRequest], now: datetime) -> Decimal:
        open_now = self._held(now)
        then = dict(open_now)
        for order in orders:
            then[order.contract] = then.get(order.contract, 0) + order.side.sign * order.quantity
        paid = sum((o.quantity * o.limit_price for o in orders if o.side is Side.BUY), Decimal(0))
        return paid + max(Decimal(0), self._blocked(then, now) - self._blocked(open_now, now))

    def _blocked(self, position: Mapping[Contract, int], now: datetime) -> Decimal:
        return blocked(position, market=self._market, now=now)

    def _held(self, now: datetime) -> dict[Contract, int]:
        totals: dict[Contract, int] = {}
        for one in self._book.held(on=_day(now)):
            totals[one.contract] = totals.get(one.contract, 0) + one.units
        return totals

    def _read(self, order_id: str) -> tuple[datetime, BookedOrder]:
        """The moment, and a known order as it stands at it."""
        now = self._clock.now()
        self._settle(now)
        order = self._book.get(order_id)
        if order is None:
            raise OrderRefused(Reason("UNKNOWN_ORDER", f"The paper exchange has no order {order_id}."))
        return now, order

    def _ask(self, before: BookedOrder, after: BookedOrder) -> None:
        """Note a request, unless the order moved on meanwhile: then the book tells, and the caller asks again."""
        if self._book.move(before, after) != replace(after, revision=before.revision + 1):
            raise OrderRefused(Reason("ORDER_MOVED", f"{before.order_id} changed meanwhile.", "Read the order book."))

    def _of_today(self) -> Sequence[BookedOrder]:
        now = self._clock.now()
        self._settle(now)
        midnight = now.astimezone(IST).replace(hour=0, minute=0, second=0, microsecond=0)
        return self._book.between(midnight, now)

    def _switched_off(self, now: datetime) -> Reason | None:
        if not self._book.is_off(_day(now)):
            return None
        return Reason("SWITCHED_OFF", "This account was switched off for the day.", "Trade again tomorrow.")


def _due(live: Mapping[str, BookedOrder], now: datetime) -> Iterator[tuple[datetime, str]]:
    for order in live.values():
        at = next_moment(order, now)
        if at is not None:
            yield at, order.order_id


def _day(now: datetime) -> date:
    return now.astimezone(IST).date()
