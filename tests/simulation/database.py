"""PostgreSQL as far as the executor needs it: one committed state that outlives every process, and its constraints."""

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from execution.basket.values import Attempt, Basket, Permit, Purpose
from execution.ledger import KnownOrder
from execution.legs import BasketLeg
from execution.lifecycle import (
    ENDED_ORDERS,
    ORDER_TABLE,
    RUN_TABLE,
    STRATEGY_TABLE,
    OrderState,
    RunState,
    StrategyEvent,
    StrategyState,
    advance,
)
from execution.ports import BrokerTrade
from market.contract import Contract, Side
from market.errors import Reason
from tests.simulation.world import World

LEASE = 10.0
CALLS_PER_SECOND = 8  # what the ledger gives out; the broker allows ten
RESERVED_FOR_EXITS = 3

_ORDER_PAIRS = frozenset((start, end) for (start, _), end in ORDER_TABLE.items())
_RUN_PAIRS = frozenset((start, end) for (start, _), end in RUN_TABLE.items())


class Violated(Exception):
    """A constraint or a trigger refused the row."""


@dataclass(slots=True)
class Strategy:
    """One row of what may be traded: its legs, its state, and what its entry filled."""

    number: int
    legs: tuple[BasketLeg, ...]
    state: StrategyState = StrategyState.PENDING
    plan_loss: Decimal | None = None
    cash_secured: bool = False
    shares: Mapping[Contract, int] = field(default_factory=dict)
    entry: int = 0
    exits: list[int] = field(default_factory=list)
    wants_exit: bool = False


@dataclass(slots=True)
class Alert:
    """Something a person must see."""

    run: int | None
    reason: Reason
    critical: bool
    at: float
    acknowledged: bool = False


@dataclass(slots=True)
class Lease:
    """Who leads; the session of a dead process is gone, and its lock with it."""

    owner: str = ""
    epoch: int = 0
    until: float = 0.0
    session_lives: bool = False


Writer = tuple[str, int]  # who leads, and since which epoch
Watcher = Callable[[Basket | None, Basket, Writer], None]


class Database:
    """Everything that is committed."""

    def __init__(self, world: World, securities: Mapping[Contract, str], limit: int) -> None:
        self.world, self.securities, self.limit = world, securities, limit
        self.strategies: dict[int, Strategy] = {}
        self.runs: dict[int, Basket] = {}
        self.of_run: dict[int, Strategy] = {}
        self.run_of: dict[str, int] = {}
        self.known: dict[str, KnownOrder] = {}
        self.trades: dict[tuple[str, str], BrokerTrade] = {}
        self.traded: dict[str, int] = {}  # units by order id
        self.net: dict[tuple[str, str], int] = {}
        self.reserved: dict[str, int] = {}
        self.alerts: dict[tuple[object, ...], Alert] = {}
        self.external: dict[str, bool] = {}
        self.reports, self.report_at = 0, -1.0
        self.last_report_clean = self.doubtful = False
        self.lease = Lease()
        self.standing = "ACTIVE"
        self.flattening = False
        self.calls: deque[float] = deque()
        self.audited = 0
        self.down_until = -1.0
        self.watcher: Watcher = lambda before, after, writer: None

    # --- strategies and runs -----------------------------------------------------------------------------------------

    def move_strategy(self, strategy: Strategy, event: StrategyEvent) -> None:
        """One row of the strategy table."""
        strategy.state = advance(STRATEGY_TABLE, strategy.state, event)
        self.world.say("strategy", strategy.number, strategy.state)

    def open_run(self, strategy: Strategy, purpose: Purpose, legs: Iterable[BasketLeg], writer: Writer) -> Basket:
        """Insert a run in its first state."""
        number, now = len(self.runs) + 1, self.world.now()
        opening = dict(strategy.shares) if purpose is Purpose.ENTRY else self.held(strategy)
        basket = Basket(
            number, purpose, tuple(legs), RunState.CREATED, now, now, opening,
            plan_loss=strategy.plan_loss, cash_secured=strategy.cash_secured, version=1,
        )  # fmt: skip
        self.runs[number], self.of_run[number] = basket, strategy
        if purpose is Purpose.ENTRY:
            strategy.entry = number
        else:
            strategy.exits.append(number)
        if self.another_open(number):
            raise Violated(f"run {number} is opened beside another of its strategy")
        self.audited += 1
        self.world.say("run", number, purpose, f"strategy {strategy.number}")
        self.watcher(None, basket, writer)
        return basket

    def held(self, strategy: Strategy) -> dict[Contract, int]:
        """Signed units by contract that the runs of a strategy filled, and its shares."""
        totals = dict(strategy.shares)
        for number in (strategy.entry, *strategy.exits):
            basket = self.runs.get(number)
            if basket is None:
                continue
            for leg, units in basket.held.items():
                contract = basket.leg(leg).contract
                totals[contract] = totals.get(contract, 0) + units
        return {contract: units for contract, units in totals.items() if units}

    def another_open(self, run: int) -> bool:
        """Whether another run of the same strategy is open."""
        strategy = self.of_run[run]
        return any(not self.runs[one].has_ended for one in (strategy.entry, *strategy.exits) if one and one != run)

    def open_exit(self, strategy: Strategy) -> bool:
        """Whether an exit of this strategy is under way."""
        return any(not self.runs[number].has_ended for number in strategy.exits)

    # --- rows --------------------------------------------------------------------------------------------------------

    def write(self, before: Basket, after: Basket, trades: Sequence[BrokerTrade], writer: Writer) -> Basket:
        """Take a run over with its trades and audit rows, or refuse all of it."""
        stored = self.runs[after.run]
        moved = self._transitions(stored, after)
        counted = {trade.order_id: 0 for trade in trades}
        for trade in trades:
            counted[trade.order_id] += trade.quantity
        old = {attempt.correlation_id: attempt.filled for attempt in stored.attempts}
        for attempt in after.attempts:
            known = max(self.traded.get(attempt.order_id, 0), counted.get(attempt.order_id, 0))
            if attempt.filled != old.get(attempt.correlation_id, 0) and attempt.filled != known:
                raise Violated(f"{attempt.correlation_id} claims {attempt.filled} filled, its trades say {known}")
        if not after.has_ended and self.another_open(after.run):
            raise Violated(f"run {after.run} is open beside another of its strategy")
        written = replace(after, version=stored.version + 1)
        self.runs[after.run] = written
        self.audited += moved
        for attempt in written.attempts:
            self._index(written.run, attempt)
        for trade in trades:
            self._book(written, trade)
        self._project(stored, written)
        self.watcher(stored, written, writer)
        return written

    def _transitions(self, stored: Basket, after: Basket) -> int:
        """Count what moves; refuse what the triggers refuse."""
        moved = 0
        if stored.state is not after.state:
            if (stored.state, after.state) not in _RUN_PAIRS:
                raise Violated(f"run {after.run}: {stored.state} -> {after.state}")
            moved += 1
        old = {attempt.correlation_id: attempt for attempt in stored.attempts}
        live: set[int] = set()
        for attempt in after.attempts:
            moved += self._moved(old.pop(attempt.correlation_id, None), attempt, after.run)
            if attempt.is_live:
                if attempt.leg in live:
                    raise Violated(f"run {after.run} leg {attempt.leg}: two live attempts")
                live.add(attempt.leg)
        if old:
            raise Violated(f"run {after.run} lost {sorted(old)}")
        return moved

    def _moved(self, old: Attempt | None, new: Attempt, run: int) -> int:
        if old is None:
            if new.state is not OrderState.INTENT:
                raise Violated(f"{new.correlation_id} begins as {new.state}")
            if new.correlation_id in self.run_of:
                raise Violated(f"{new.correlation_id} exists already")
            return 1
        if new.filled < old.filled:
            raise Violated(f"{new.correlation_id}: {old.filled} -> {new.filled} filled")
        if new.filled > new.quantity:
            raise Violated(f"{new.correlation_id}: {new.filled} filled of {new.quantity}")
        if old.state is new.state:
            return 0
        if (old.state, new.state) not in _ORDER_PAIRS:
            raise Violated(f"{new.correlation_id}: {old.state} -> {new.state}")
        return 1

    def _index(self, run: int, attempt: Attempt) -> None:
        name = attempt.correlation_id
        known = self.known.get(name)
        if known is not None and (known.state, known.filled, known.order_id) == (
            attempt.state, attempt.filled, attempt.order_id,
        ):  # fmt: skip
            return
        self.run_of[name] = run
        self.world.say("attempt", name, attempt.state, f"{attempt.filled}/{attempt.quantity}", attempt.order_id)
        order = KnownOrder(name, run, attempt.state, attempt.order_id, attempt.filled, attempt.sent_at)
        self.known[name] = order
        if attempt.state in ENDED_ORDERS:
            self.reserved.pop(name, None)

    def _book(self, basket: Basket, trade: BrokerTrade) -> None:
        key = trade.order_id, trade.trade_number
        if key in self.trades:
            return
        attempt = next((one for one in basket.attempts if one.order_id == trade.order_id), None)
        if attempt is None:
            return  # of the twin of an order that the broker took twice
        self.trades[key] = trade
        self.traded[trade.order_id] = self.traded.get(trade.order_id, 0) + trade.quantity
        place = "NSE_FNO", self.securities[basket.leg(attempt.leg).contract]
        self.net[place] = self.net.get(place, 0) + attempt.side.sign * trade.quantity

    def _project(self, before: Basket, after: Basket) -> None:
        """What a run's state says about its strategy."""
        if before.state is after.state:
            return
        self.world.say("run", after.run, after.state, "" if after.reason is None else after.reason.code)
        strategy = self.of_run[after.run]
        if after.purpose is Purpose.ENTRY:
            event = {
                RunState.COMPLETE: StrategyEvent.FILL,
                RunState.DENIED: StrategyEvent.FAIL,
                RunState.FLAT: StrategyEvent.FAIL,
                RunState.FAILED_FLAT: StrategyEvent.FAIL,
                RunState.ATTENTION: StrategyEvent.ALARM,
            }.get(after.state)
            if event is not None and (strategy.state, event) in STRATEGY_TABLE:
                self.move_strategy(strategy, event)
        elif after.has_ended and strategy.state is StrategyState.CLOSING:
            options = {contract for contract in self.held(strategy) if contract.is_option}
            self.move_strategy(strategy, StrategyEvent.HOLD if options else StrategyEvent.CLOSED)

    # --- what the gate asks ------------------------------------------------------------------------------------------

    def permit(self) -> Permit:
        """What may be sent now."""
        if self.standing == "HALTED":
            halted = Reason("FLATTEN" if self.flattening else "HALTED", "A person stopped the account.")
            return Permit(halted, None if self.flattening else halted, None)
        if self.standing == "REDUCE_ONLY":
            return Permit(Reason("REDUCE_ONLY", "A person stopped entries."))
        if any(alert.critical and not alert.acknowledged for alert in self.alerts.values()):
            return Permit(Reason("CRITICAL_ALERT", "A person must look first."))
        return Permit()

    def exposure(self) -> int:
        """Units that opened and are not closed, and what was cleared and may still open."""
        held = sum(abs(units) for strategy in self.strategies.values() for units in self._options(strategy))
        return held + sum(self.reserved.values())

    def _options(self, strategy: Strategy) -> list[int]:
        return [units for contract, units in self.held(strategy).items() if contract.is_option]

    def take_call(self, now: float, *, urgent: bool) -> float:
        """Seconds to wait for a call, 0 when one was taken."""
        while self.calls and self.calls[0] <= now - 1.0:
            self.calls.popleft()
        allowed = CALLS_PER_SECOND if urgent else CALLS_PER_SECOND - RESERVED_FOR_EXITS
        if len(self.calls) < allowed:
            self.calls.append(now)
            return 0.0
        return self.calls[len(self.calls) - allowed] + 1.0 - now + 0.001

    def alert(self, run: int | None, reason: Reason, *, critical: bool) -> None:
        """Insert once until it is acknowledged."""
        key: tuple[Any, ...] = (run, reason.code)
        standing = self.alerts.get(key)
        if standing is None or standing.acknowledged:
            self.world.say("alert", run, reason.code, reason.sentence)
            serious = critical or (standing is not None and standing.critical)
            self.alerts[key] = Alert(run, reason, serious, self.world.time)


def closing_legs(strategy: Strategy, held: Mapping[Contract, int]) -> list[BasketLeg]:
    """The legs that take a strategy back."""
    legs: list[BasketLeg] = []
    for leg in strategy.legs:
        units = held.get(leg.contract, 0)
        if units:
            side = Side.SELL if units > 0 else Side.BUY
            legs.append(replace(leg, number=len(legs) + 1, side=side, quantity=abs(units)))
    return legs
