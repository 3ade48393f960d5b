"""What the broker's books say of our orders, and what counts as evidence. Pure of framework and network.

A failed, partial or old read is no evidence at all; an order is missing only when two endpoints, both cleanly read,
do not know it; a difference of positions counts when two reads some seconds apart agree on it.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from execution.basket.messages import CallPerson, Missed, Seen
from execution.basket.values import GIVEN_UP, TIMING, Timing, since
from execution.errors import BrokerError
from execution.executor import Executor
from execution.ledger import KnownOrder, Ledger
from execution.lifecycle import OrderState
from execution.naming import OrderNames
from execution.ports import Broker, BrokerOrder, BrokerTrade, Clock
from market.calendar import IST
from market.errors import Reason

logger = logging.getLogger(__name__)

TWO_READS_APART = 3.0  # seconds between two reads that must agree
QUIET = 5.0  # seconds since our own last change, before a difference of positions counts

# What one read of the positions leaves open: trading goes on beside the first, nothing new begins beside the second.
MOVING = Reason("POSITIONS_MOVE", "The positions differ while orders of ours are under way: that is no evidence.")
UNCONFIRMED = Reason(
    "POSITIONS_READ_ONCE",
    "The positions differ, and no second read has said so yet.",
    f"They are read again; nothing new begins until two reads {TWO_READS_APART:.0f} s apart agree.",
)

# What a person does about it.
BOOK_ORDER = "manage.py attention book-order {} --filled UNITS --price PRICE --reason WORDS"
BOOK_TRADE = (
    "manage.py attention book-trade --strategy ID --leg N --side SIDE --units U --price P --at WHEN --reason WORDS"
)
REMEDY_HELD = f"Somebody traded by hand, or a fill was missed: compare, then book what is missing: {BOOK_TRADE}"
REMEDY_FLAT = (
    "Somebody opened it by hand: close it at the broker, who knows whose it is."
    f" Only what was traded in a leg of a strategy that is still open is booked: {BOOK_TRADE}"
)


@dataclass(frozen=True, slots=True)
class Books:
    """Order book and trade book, read one after the other."""

    orders: Sequence[BrokerOrder]
    trades: Sequence[BrokerTrade]

    def of(self, order_id: str) -> list[BrokerTrade]:
        """The trades of one order."""
        return [trade for trade in self.trades if trade.order_id == order_id]


class Watch:
    """Looks at the broker's books and tells the executor what they say."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        broker: Broker,
        clock: Clock,
        executor: Executor,
        names: OrderNames,
        timing: Timing = TIMING,
    ) -> None:
        self._ledger, self._broker, self._clock, self._executor = ledger, broker, clock, executor
        self._names, self._timing = names, timing
        self._differed: tuple[float, dict[tuple[str, str], int]] | None = None
        self._seen: dict[str, int] = {}
        self.read_failed: Reason | None = None

    def look(self, *, everything: bool = False) -> bool:
        """Read the books if anything is under way, or for everything; False when they could not be believed."""
        known = self._ledger.known_orders()
        if not everything and not any(order.is_live for order in known.values()):
            return True
        books = self._read(known)
        if books is None:
            return False
        self._take_over(books, known)
        return True

    def reconcile(self) -> bool:
        """Look at everything, compare positions, keep the report; True when all agrees."""
        if not self.look(everything=True):
            return False
        try:
            rows = self._broker.positions()
        except BrokerError as error:
            self.read_failed = error.reason
            return False
        broker: dict[tuple[str, str], int] = {}
        for row in rows:
            broker[row.segment, row.security_id] = broker.get((row.segment, row.security_id), 0) + row.net_quantity
        findings, doubt = self._compare(broker)
        agrees = not findings and doubt is not UNCONFIRMED
        said = findings if doubt is None else [*findings, doubt]
        self._ledger.keep_report(clean=agrees, findings=said, seen=self._seen | {"positions": len(rows)})
        return agrees

    def _read(self, known: Mapping[str, KnownOrder]) -> Books | None:
        try:
            books = Books(self._broker.orders(), self._broker.trades())
        except BrokerError as error:
            logger.warning("the broker's books could not be read: %s", error.reason)
            self.read_failed = error.reason
            return None
        there = {order.order_id for order in books.orders}
        absent = [order for order in known.values() if order.order_id and order.order_id not in there]
        absent = [order for order in absent if not self._of_another_day(order)]
        if absent:
            sentence = f"The order book lacks {absent[0].order_id} and {len(absent) - 1} more that it had before."
            self.read_failed = Reason("BOOK_INCOMPLETE", sentence, "Read again.")
            logger.warning("%s", self.read_failed)
            return None
        self.read_failed = None
        self._seen = {"orders": len(books.orders), "trades": len(books.trades)}
        return books

    def _take_over(self, books: Books, known: Mapping[str, KnownOrder]) -> None:
        named: dict[str, list[BrokerOrder]] = {}
        for order in books.orders:
            named.setdefault(order.correlation_id, []).append(order)
        for name, orders in named.items():
            if name in known:
                self._ours(known[name], orders, books)
            else:
                self._not_ours(orders)
        for name, ours in known.items():
            if ours.state is OrderState.UNKNOWN and name not in named:
                self._look_up(ours)
            elif ours.is_live and ours.order_id and name not in named:
                self._left_open(ours)

    def _ours(self, known: KnownOrder, orders: Sequence[BrokerOrder], books: Books) -> None:
        first, *again = _first(known, orders)
        if known.is_live or _says_more(known, first):
            trades = books.of(first.order_id)
            self._executor.apply(known.run, _seen(known.correlation_id, first, trades), trades)
        for order in again:
            self._doubled(known, order, books)

    def _doubled(self, known: KnownOrder, order: BrokerOrder, books: Books) -> None:
        """The broker took one request twice: end the newer; what it filled is for a person."""
        if not order.status.is_final:
            self._executor.cancel(known.correlation_id, order.order_id)
        self._executor.apply(known.run, _seen(known.correlation_id, order, books.of(order.order_id)))

    def _not_ours(self, orders: Sequence[BrokerOrder]) -> None:
        for order in orders:
            own_tag = self._names.read(order.correlation_id) is not None
            self._ledger.keep_external(order, own_tag=own_tag)
            if own_tag:
                sentence = f"Order {order.correlation_id} ({order.order_id}) bears our mark and is not in our books."
                said = Reason("UNTRACEABLE", sentence, "Was an older backup restored? Compare before trading on.")
                self._ledger.call_person(None, CallPerson(said))

    def _of_another_day(self, order: KnownOrder) -> bool:
        """A day book has the orders of its own day only."""
        return order.sent_at is not None and _day(order.sent_at) != _day(self._clock.now())

    def _left_open(self, order: KnownOrder) -> None:
        """Nobody read how it ended before its day was over: that it filled nothing is not to be assumed."""
        sentence = f"Order {order.correlation_id} is of another day, and how it ended was never read."
        remedy = f"Look it up in the broker's order history, then: {BOOK_ORDER.format(order.correlation_id)}"
        said = Reason("LEFT_OPEN", sentence, remedy)
        self._ledger.call_person(order.run, CallPerson(said))

    def _look_up(self, order: KnownOrder) -> None:
        """Ask by name once the quarantine is over; before that, not finding it would mean nothing."""
        if since(order.sent_at, self._clock.now()) <= self._timing.quarantine:
            return
        try:
            found = self._broker.order_by_correlation(order.correlation_id)
            trades = () if found is None else self._broker.trades(found.order_id)
        except BrokerError as error:
            logger.warning("order %s could not be looked up: %s", order.correlation_id, error.reason)
            return
        if found is None and self._of_another_day(order):
            self._left_open(order)
            return
        event = Missed(order.correlation_id) if found is None else _seen(order.correlation_id, found, trades)
        self._executor.apply(order.run, event, trades)

    def _compare(self, broker: Mapping[tuple[str, str], int]) -> tuple[list[Reason], Reason | None]:
        """Differences in what we trade that two reads agree on while nothing of ours moves; or why none is sure yet.

        What was ours and is flat counts too: somebody may have opened it again. Other contracts of the account are
        somebody else's.
        """
        ours = dict.fromkeys(self._ledger.traded_contracts(), 0) | dict(self._ledger.positions())
        differing = {key: broker.get(key, 0) - units for key, units in ours.items() if broker.get(key, 0) != units}
        now, before = self._clock.elapsed(), self._differed
        known = self._ledger.known_orders().values()
        quiet = all(self._of_another_day(order) or _is_quiet(order, self._clock.now()) for order in known)
        if not differing or not quiet:
            self._differed = None
            return [], MOVING if differing else None
        if before is None or before[1] != differing:
            self._differed = (now, differing)
            return [], UNCONFIRMED
        if now - before[0] < TWO_READS_APART:
            return [], UNCONFIRMED
        return [self._differs(key, ours[key], broker.get(key, 0)) for key in differing], None

    def _differs(self, key: tuple[str, str], ours: int, theirs: int) -> Reason:
        said = Reason(
            "POSITION_DIFFERS",
            f"Our trades add up to {ours} units of {key[0]} {key[1]}, the broker shows {theirs}.",
            REMEDY_HELD if ours else REMEDY_FLAT,
        )
        self._ledger.call_person(None, CallPerson(said))
        return said


def _seen(name: str, order: BrokerOrder, trades: Sequence[BrokerTrade]) -> Seen:
    value = sum((trade.price * trade.quantity for trade in trades), Decimal(0))
    return Seen(name, order, sum(trade.quantity for trade in trades), value)


def _says_more(known: KnownOrder, order: BrokerOrder) -> bool:
    given_up = known.state in GIVEN_UP and (not known.order_id or not order.status.is_final)
    return given_up or order.filled_quantity > known.filled


def _is_quiet(order: KnownOrder, now: datetime) -> bool:
    return not order.is_live and (order.sent_at is None or since(order.sent_at, now) > QUIET)


def _day(moment: datetime) -> date:
    return moment.astimezone(IST).date()


def _first(known: KnownOrder, orders: Sequence[BrokerOrder]) -> list[BrokerOrder]:
    """The order we were told of, else the oldest, before the others."""
    return sorted(orders, key=lambda one: (one.order_id != known.order_id, one.order_id))
