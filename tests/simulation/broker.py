"""`execution.ports.Broker` over the simulated exchange: what goes wrong on the wire comes out as our errors."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import NoReturn, TypeVar

from execution.errors import AuthExpired, NotSent, OrderRefused, OutcomeUnknown, RateLimited, ReadFailed
from execution.ports import (
    BrokerOrder,
    BrokerPosition,
    BrokerTrade,
    ClearedOrder,
    Funds,
    MarginNeed,
    OrderRequest,
    Placed,
)
from execution.simulator.book import Fate, Order, Refused, Ticket, Trade
from execution.simulator.faults import Call, Fault, FaultPlan, Strike
from market.contract import Side
from market.errors import Reason
from tests.simulation.late import LateExchange
from tests.simulation.market import LISTINGS, LOT
from tests.simulation.truth import Witness
from tests.simulation.world import ProcessClock, World

WRITE_DEADLINE = 8.0
READ_DEADLINE = 5.0

_REFUSALS = frozenset(
    {Fault.DH_902, Fault.DH_903, Fault.DH_905, Fault.DH_906, Fault.DH_911, Fault.INVALID_IP},
)
_DONE_WITHOUT_ANSWER = frozenset({Fault.ACCEPT_THEN_CLOSE, Fault.SERVER_ERROR_AFTER, Fault.NOT_JSON, Fault.NO_ORDER_ID})
_AMBIGUOUS_CODES = frozenset({Fault.DH_907, Fault.DH_908, Fault.DH_909, Fault.DH_910})

Reach = Callable[[str], None]
T = TypeVar("T")


class Chaos:
    """What goes wrong beside the exchange's own plan; probabilities per call."""

    def __init__(self, world: World, plan: FaultPlan) -> None:
        rng = world.rng
        self.plan, self._world = plan, world
        self.calm = world.is_calm
        self.connect_failed = 0.0 if self.calm else rng.choice((0.0, 0.02, 0.05))
        self.refused_but_done = 0.0 if self.calm else rng.choice((0.0, 0.0, 0.02, 0.05))
        self.crash = 0.0 if self.calm else rng.choice((0.0, 0.002, 0.006))
        self.pause = 0.0 if self.calm else rng.choice((0.0, 0.002, 0.005))
        self.second_thread = 0.0 if self.calm else rng.choice((0.0, 0.1, 0.3))
        self.lost_commits = 0.0 if self.calm else rng.choice((0.0, 0.0, 0.01, 0.03))
        self.unpriced = 0.0 if self.calm else rng.choice((0.0, 0.05, 0.15))
        self.denied = 0.0 if self.calm else rng.choice((0.0, 0.05))
        self.rests = 0.0 if self.calm else rng.choice((0.0, 0.3, 0.8))
        self.flicker = 0.0 if self.calm else rng.choice((0.0, 0.0, 0.4))  # reads a few seconds old
        self.haste = rng.choice((1.0, 1.0, 0.1))
        self.no_token_until = self.books_until = -1.0
        self.books_since = world.now()
        self.hides_lost = False  # in an incident: the books lack what got no answer, and nothing else
        self.lost: set[str] = set()
        self.interrupts = bool(self.crash or self.pause)

    def stop(self) -> None:
        """From here on everything works."""
        self.plan.set_rates({})
        self.connect_failed = self.refused_but_done = self.crash = self.pause = 0.0
        self.interrupts = False
        self.second_thread = self.lost_commits = self.unpriced = self.denied = 0.0
        self.rests = self.flicker = 0.0
        self.no_token_until = self.books_until = -1.0


class SimulatedBroker:
    """One process's connection to the exchange."""

    name = "simulated"
    mode = "paper"

    def __init__(self, world: World, exchange: LateExchange, chaos: Chaos, oracle: Witness, reach: Reach) -> None:
        self._world, self._exchange, self._chaos, self._oracle = world, exchange, chaos, oracle
        self._plan, self._reach = chaos.plan, reach
        self._clock = ProcessClock(world)

    # --- writes ------------------------------------------------------------------------------------------------------

    def place(self, order: ClearedOrder) -> Placed:
        """Send once."""
        self._reach("before place")
        if self._world.chance(self._chaos.connect_failed):
            self._world.pass_time(0.01)
            raise NotSent(_reason("CONNECT", "no connection"))
        order.require_fresh(self._clock.elapsed())
        self._oracle.on_wire(order)
        try:
            self._session("place", OutcomeUnknown)
            answer = self._answer(order.request)
        finally:
            self._oracle.look()
        self._reach("after place")
        return answer

    def _answer(self, request: OrderRequest) -> Placed:
        strike, fate = self._plan.on(Call.PLACE), self._plan.fate()
        fault = "" if strike is None else strike.fault
        self._world.say("place", request.correlation_id, request.side, request.quantity, fault)
        if strike is not None:
            return self._struck(request, strike, fate)
        if self._in_incident and self._world.chance(0.3):
            self._submit(request, fate)
            self._unknown(Fault.ACCEPT_THEN_CLOSE, 1.0, request)
        if self._world.chance(self._chaos.refused_but_done):
            self._submit(request, fate)
            self._world.pass_time(0.1)
            raise OrderRefused(_reason("DH-906", "a gateway that lies"))
        self._reach("first byte")
        self._oracle.under_way(
            request.correlation_id, 0.0, fate.hidden_seconds
        )  # a process may stand still in the write
        order = self._submit(request, fate)
        self._reach("last byte")
        self._wait(0.02, 0.12)
        return Placed(order.order_id, order.status)

    def _struck(self, request: OrderRequest, strike: Strike, fate: Fate) -> Placed:
        fault = strike.fault
        if fault in _DONE_WITHOUT_ANSWER:
            self._submit(request, fate)
            self._unknown(fault, self._world.between(0.1, WRITE_DEADLINE), request)
        if fault is Fault.LATE_ARRIVAL:
            self._late(request, strike.seconds, fate)
            self._unknown(fault, WRITE_DEADLINE)
        if fault is Fault.DUPLICATE_ACCEPT:
            return self._twice(request, fate)
        if fault is Fault.SLOW_DRIP:
            return self._drip(request, strike.seconds, fate)
        self._refuse(fault)
        if fault in _AMBIGUOUS_CODES and self._world.chance(0.5):
            self._submit(request, fate)
        return self._unknown(fault, self._world.between(0.1, WRITE_DEADLINE))

    def _late(self, request: OrderRequest, seconds: float, fate: Fate) -> None:
        arrives = self._world.now() + timedelta(seconds=seconds)
        self._oracle.under_way(request.correlation_id, seconds, fate.hidden_seconds)
        self._exchange.submit_at(self._ticket(request), arrives, fate)

    def _twice(self, request: OrderRequest, fate: Fate) -> Placed:
        self._oracle.blame(request.correlation_id, "taken twice")
        first = self._submit(request, fate)
        self._wait(0.0, 0.05)
        self._submit(request, self._plan.fate())
        self._wait(0.02, 0.12)
        return Placed(first.order_id, first.status)

    def _drip(self, request: OrderRequest, seconds: float, fate: Fate) -> Placed:
        order = self._submit(request, fate)
        if seconds > WRITE_DEADLINE:
            self._unknown(Fault.SLOW_DRIP, WRITE_DEADLINE)
        self._world.pass_time(seconds)
        return Placed(order.order_id, order.status)

    def _refuse(self, fault: Fault) -> None:
        """Raise for what is definitively not done."""
        if fault in {Fault.TOO_MANY_REQUESTS, Fault.DH_904}:
            self._wait(0.02, 0.1)
            raise RateLimited(_reason("DH-904", "too many requests"))
        if fault is Fault.DH_901:
            self._wait(0.02, 0.1)
            raise AuthExpired(_reason("DH-901", "the token is dead"))
        if fault in _REFUSALS:
            self._wait(0.02, 0.1)
            raise OrderRefused(_reason(fault.value, "the broker says no"))

    def _unknown(self, fault: Fault, seconds: float, done: OrderRequest | None = None) -> NoReturn:
        if done is not None:
            self._chaos.lost.add(done.correlation_id)
        self._world.pass_time(seconds)
        raise OutcomeUnknown(_reason(fault.value, "no usable answer"))

    def _submit(self, request: OrderRequest, fate: Fate) -> Order:
        try:
            return self._exchange.submit(self._ticket(request), self._world.now(), fate)
        except Refused as refusal:
            raise OrderRefused(_reason(refusal.code, refusal.sentence)) from refusal

    def _ticket(self, request: OrderRequest) -> Ticket:
        """As asked, but that some orders rest as if they had been sent for the day."""
        validity = "DAY" if self._world.chance(self._chaos.rests) else request.validity.value
        return Ticket(
            request.segment, request.security_id, request.side, request.quantity, request.limit_price,
            request.correlation_id, validity=validity,
        )  # fmt: skip

    def cancel(self, order_id: str) -> None:
        """Ask for the end of an order."""
        self._reach("before cancel")
        self._oracle.on_call()
        self._session("cancel", OutcomeUnknown)
        strike = self._plan.on(Call.CANCEL)
        fault = None if strike is None else strike.fault
        self._world.say("cancel", order_id, "" if fault is None else fault)
        if fault is not None and fault not in {Fault.CANCEL_LOST, Fault.FILL_ON_CANCEL}:
            self._refuse(fault)
            if fault in _DONE_WITHOUT_ANSWER:
                self._cancelled(order_id, lost=False, fills=False)
            self._unknown(fault, self._world.between(0.1, WRITE_DEADLINE))
        self._cancelled(order_id, lost=fault is Fault.CANCEL_LOST, fills=fault is Fault.FILL_ON_CANCEL)
        self._wait(0.02, 0.12)
        self._oracle.look()
        self._reach("after cancel")

    def _cancelled(self, order_id: str, *, lost: bool, fills: bool) -> None:
        try:
            self._exchange.cancel(order_id, self._world.now(), lost=lost, fills=fills)
        except Refused as refusal:
            raise OrderRefused(_reason(refusal.code, refusal.sentence)) from refusal

    # --- reads -------------------------------------------------------------------------------------------------------

    def orders(self) -> Sequence[BrokerOrder]:
        """The order book, perhaps old or cut."""
        strike = self._read("orders")
        rows = self._exchange.order_book(self._world.now(), stale_seconds=self._stale(strike))
        self._oracle.look()
        if self._in_incident and self._chaos.hides_lost:
            rows = [order for order in rows if order.correlation_id not in self._chaos.lost]
        return _cut([_row(order) for order in rows], strike)

    def trades(self, order_id: str | None = None) -> Sequence[BrokerTrade]:
        """The trade book, perhaps old or cut."""
        strike = self._read("trades")
        rows = self._exchange.trade_book(self._world.now(), order_id)
        until = self._world.now() - timedelta(seconds=self._stale(strike))
        return _cut([_trade(trade) for trade in rows if trade.at <= until], strike)

    def positions(self) -> Sequence[BrokerPosition]:
        """What the account holds."""
        strike = self._read("positions")
        rows = list(self._exchange.positions(self._world.now()))
        cut = _cut(rows, strike)
        return [
            BrokerPosition(one.listing.segment, one.listing.security_id, one.product, one.net_quantity) for one in cut
        ]

    def order_by_correlation(self, correlation_id: str) -> BrokerOrder | None:
        """One order by its name, perhaps denied though it is there."""
        self._reach("before lookup")
        self._session("lookup", ReadFailed)
        strike = self._plan.on(Call.LOOKUP)
        self._wait(0.01, 0.06)
        found = self._exchange.order_by_correlation(correlation_id, self._world.now())
        if self._in_incident and self._world.chance(0.6):
            self._fail(Strike(Fault.LOOKUP_ERROR))
        if (self._in_incident and self._world.chance(0.5)) or (
            strike is not None and strike.fault is Fault.LOOKUP_MISSES
        ):
            found = None
        elif strike is not None:
            self._fail(strike)
        if found is None:
            self._oracle.denied(correlation_id)
        self._world.say("lookup", correlation_id, "none" if found is None else found.order_id)
        self._reach("after lookup")
        return None if found is None else _row(found)

    def funds(self) -> Funds:
        """What may still be spent."""
        self._read("funds")
        return Funds(self._exchange.funds(self._world.now()).available)

    def margin(self, orders: Sequence[OrderRequest]) -> MarginNeed:
        """Nothing in the executor asks for this."""
        raise NotImplementedError

    def switch_off(self) -> None:
        """Nothing in the executor asks for this."""
        raise NotImplementedError

    def _read(self, what: str) -> Strike | None:
        self._reach(f"before {what}")
        self._session(what, ReadFailed)
        strike = self._plan.on(Call.BOOK)
        self._wait(0.01, 0.06)
        if strike is not None and strike.fault not in {Fault.STALE_BOOK, Fault.TRUNCATED_BOOK}:
            self._fail(strike)
        if strike is not None:
            self._world.say(what, strike.fault)
        self._reach(f"after {what}")
        return strike

    def _stale(self, strike: Strike | None) -> float:
        """How old the books are that are shown now."""
        if self._in_incident and not self._chaos.hides_lost:
            return self._world.time - self._world.at(self._chaos.books_since)
        if strike is not None and strike.fault is Fault.STALE_BOOK:
            return strike.seconds
        return self._world.between(0.0, 4.0) if self._world.chance(self._chaos.flicker) else 0.0

    @property
    def _in_incident(self) -> bool:
        return self._world.time < self._chaos.books_until

    def _fail(self, strike: Strike) -> NoReturn:
        self._world.say("read fails", strike.fault)
        if strike.fault is Fault.SLOW_DRIP:
            self._world.pass_time(min(strike.seconds, READ_DEADLINE))
        if strike.fault is Fault.TOO_MANY_REQUESTS:
            raise RateLimited(_reason("DH-904", "too many requests"))
        raise ReadFailed(_reason(strike.fault.value, "no usable answer"))

    # --- the account -------------------------------------------------------------------------------------------------

    def _session(self, what: str, otherwise: type[ReadFailed] | type[OutcomeUnknown]) -> None:
        """What can hit any request: a dead token, and what others do on the account."""
        if self._world.time < self._chaos.no_token_until:
            raise AuthExpired(_reason("DH-901", "the token is dead"))
        strike = self._plan.on(Call.SESSION)
        if strike is None:
            return
        if strike.fault is Fault.TOKEN_EXPIRED:
            self._world.say("token expired", what)
            self._chaos.no_token_until = self._world.time + self._world.between(5.0, 20.0)
            raise AuthExpired(_reason("DH-901", "the token is dead"))
        if strike.fault is Fault.FOREIGN_ORDER:
            self._by_hand()

    def _by_hand(self) -> None:
        """A person buys a lot in the broker's app."""
        segment, security_id = self._world.rng.choice(list(LISTINGS))
        ticket = Ticket(segment, security_id, Side.BUY, LOT, Decimal(200), validity="IOC", source="N")
        self._world.say("by hand", security_id)
        self._exchange.submit(ticket, self._world.now())

    def _wait(self, low: float, high: float) -> None:
        self._world.pass_time(self._world.between(low, high) * self._chaos.haste)


def _reason(code: str, sentence: str) -> Reason:
    return Reason(code.replace("-", "_"), sentence)


def _cut(rows: list[T], strike: Strike | None) -> list[T]:
    """Half of it, when that is the fault."""
    return rows[: len(rows) // 2] if strike is not None and strike.fault is Fault.TRUNCATED_BOOK else rows


def _row(order: Order) -> BrokerOrder:
    ticket = order.ticket
    return BrokerOrder(
        order.order_id, ticket.correlation_id, order.status, order.quantity, order.filled,
        order.average_price if order.filled else None, order.error_text, ticket.segment, ticket.security_id,
        ticket.side, order.price, order.created_at,
    )  # fmt: skip


def _trade(trade: Trade) -> BrokerTrade:
    return BrokerTrade(trade.order_id, trade.number, trade.units, trade.price, trade.at)
