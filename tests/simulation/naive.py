"""The documents' executor in the same world: rows in their order, three blind tries, a status after all legs.

It is here so that the harness can be seen to see. It is judged by fewer rules than ours, those about the money: it has
no intents, no leases and no names, so the rules about them would fail it before anything has happened.
"""

from collections.abc import Iterable
from decimal import Decimal

from execution.basket.values import Purpose
from execution.errors import BrokerError
from execution.legs import BasketLeg
from execution.lifecycle import StrategyEvent, StrategyState
from execution.ports import ClearedOrder, OrderRequest, Validity
from execution.simulator.book import Entry, Happening
from execution.simulator.exchange import Exchange
from market.contract import Contract, Side
from tests.simulation.broker import SimulatedBroker
from tests.simulation.database import Database, Strategy
from tests.simulation.market import SEGMENT, TICK
from tests.simulation.schedule import Outcome, Schedule, silence
from tests.simulation.truth import Violation, naked
from tests.simulation.world import Crash, World

TRIES = 3
LONGEST_UNCOVERED = 30.0


class NaiveTrader:
    """One process; whatever is still marked when it starts, it starts with."""

    def __init__(self, schedule: "NaiveSchedule") -> None:
        self._schedule, self._world, self._database = schedule, schedule.world, schedule.database
        self._broker = SimulatedBroker(
            schedule.world,
            schedule.exchange,
            schedule.chaos,
            schedule.judge,
            self._reach,
        )

    def _reach(self, point: str) -> None:
        chaos = self._schedule.chaos
        if chaos.interrupts and self._world.chance(chaos.crash * 3.0):
            self._world.say("crash", point)
            raise Crash(point)

    def run(self) -> None:
        """Everything that is marked, one after the other; then what wants out."""
        try:
            for strategy in list(self._database.strategies.values()):
                if strategy.state is StrategyState.MARKED:
                    self._enter(strategy)
                elif strategy.state is StrategyState.EXECUTED and strategy.wants_exit:
                    self._leave(strategy)
        except Crash:
            self._schedule.start_again()
            return
        self._world.later(2.0, self.run)

    def _enter(self, strategy: Strategy) -> None:
        done = [self._place(strategy, leg, leg.side) for leg in strategy.legs]
        self._database.move_strategy(strategy, StrategyEvent.CLAIM)
        self._database.move_strategy(strategy, StrategyEvent.FILL if all(done) else StrategyEvent.FAIL)

    def _leave(self, strategy: Strategy) -> None:
        strategy.wants_exit = False
        done = [self._place(strategy, leg, leg.side.opposite) for leg in strategy.legs]
        if all(done):
            self._database.move_strategy(strategy, StrategyEvent.CLOSE)
            self._database.move_strategy(strategy, StrategyEvent.CLOSED)

    def _place(self, strategy: Strategy, leg: BasketLeg, side: Side) -> bool:
        security = self._database.securities[leg.contract]
        for _ in range(TRIES):
            touch = self._schedule.quotes.touch(SEGMENT, security, self._world.now())
            price: Decimal = touch.ask + TICK if side is Side.BUY else touch.bid - TICK
            name = f"naive-{strategy.number:02d}-{leg.number:02d}"
            request = OrderRequest(
                name, SEGMENT, security, leg.contract, side, leg.quantity, price, TICK, leg.lot_size,
                validity=Validity.DAY,
            )  # fmt: skip
            try:
                self._broker.place(ClearedOrder(request, self._world.time))
            except BrokerError as error:
                self._world.say("tries again", name, error.reason.code)
            else:
                return True
        return False


class Judge:
    """What the exchange did, by strategy."""

    def __init__(self, world: World, exchange: Exchange, database: Database) -> None:
        self._world, self._exchange, self._database = world, exchange, database
        self.violations: list[Violation] = []
        self.blamed: set[int] = set()
        self._told: set[tuple[int, int]] = set()
        self._read = 0
        self._positions: dict[int, dict[Contract, int]] = {}
        self._uncovered_since: dict[int, float] = {}

    def on_wire(self, order: ClearedOrder) -> None:
        """Nothing is asked of a request."""

    def on_call(self) -> None:
        """Nor of a call."""

    def under_way(self, name: str, seconds: float, hidden: float) -> None:
        """Late is late."""

    def denied(self, name: str) -> None:
        """It never looks an order up."""

    def blame(self, name: str, why: str) -> None:
        """What no client can undo is not counted."""
        self.blamed.add(int(name.split("-")[1]))

    def look(self) -> None:
        """Take in what the exchange did."""
        journal = self._exchange.journal
        while self._read < len(journal):
            entry = journal[self._read]
            self._read += 1
            if entry.kind is Happening.TRADED and entry.correlation_id:
                self._traded(entry)
        for number, since in self._uncovered_since.items():
            if self._world.time - since > LONGEST_UNCOVERED:
                self._broken(4, number, f"short without cover for {self._world.time - since:.0f} s")

    def _traded(self, entry: Entry) -> None:
        number, leg_number = (int(word) for word in entry.correlation_id.split("-")[1:])
        if entry.filled > entry.quantity:
            self.blamed.add(number)
        strategy = self._database.strategies[number]
        leg = next(one for one in strategy.legs if one.number == leg_number)
        position = self._positions.setdefault(number, {})
        units = position.get(leg.contract, 0) + (entry.side or Side.BUY).sign * entry.units
        position[leg.contract] = units
        if units * leg.side.sign > leg.quantity:
            self._broken(1, number, f"leg {leg.number} holds {units}, {leg.quantity} were meant")
        if units * leg.side.sign < 0:
            self._broken(17, number, f"leg {leg.number} is {units}: the exit turned it round")
        if not naked({**strategy.shares, **position}):
            self._uncovered_since.pop(number, None)
        else:
            self._uncovered_since.setdefault(number, self._world.time)

    def at_end(self, strategies: Iterable[Strategy]) -> None:
        """What a status says is true."""
        self._exchange.advance(self._world.now())
        self.look()
        for strategy in strategies:
            held = {contract: units for contract, units in self._positions.get(strategy.number, {}).items() if units}
            meant = {leg.contract: leg.side.sign * leg.quantity for leg in strategy.legs}
            if strategy.state is StrategyState.EXECUTED and held != meant:
                self._broken(5, strategy.number, f"says executed and holds {list(held.values())}")
            if strategy.state in {StrategyState.CLOSED, StrategyState.FAILED} and held:
                self._broken(5, strategy.number, f"says {strategy.state} and holds {list(held.values())}")
        if any(order.is_live for order in self._exchange.every_order()):
            self._broken(6, 0, "an order is alive at the end")

    def _broken(self, invariant: int, number: int, sentence: str) -> None:
        if number not in self.blamed and (invariant, number) not in self._told:
            self._told.add((invariant, number))
            self.violations.append(Violation(invariant, self._world.time, f"strategy {number}: {sentence}"))
            self._world.say("VIOLATION", invariant, number, sentence)


class NaiveSchedule(Schedule):
    """The same agenda, another executor; one process, as two would double everything."""

    def _start(self, owner: str) -> None:
        if owner == "one":
            self.judge = Judge(self.world, self.exchange, self.database)
            self.world.later(0.5, NaiveTrader(self).run)

    def start_again(self) -> None:
        """After a crash, with new memory."""
        self.world.later(self.world.between(0.5, 20.0), NaiveTrader(self).run)

    def _want_exit(self, strategy: Strategy) -> None:
        strategy.wants_exit = strategy.state is StrategyState.EXECUTED

    def _open_exit(self, strategy: Strategy, purpose: Purpose) -> None:
        """It has no such thing as a flatten."""

    def run(self) -> None:
        """Until a minute after the faults have stopped."""
        while self.world.time < self.faults_until + 60.0:
            self.world.step()
            self.judge.look()
        self.judge.at_end(self.database.strategies.values())

    def outcome(self, *, lines: bool = False) -> Outcome:
        """What came of it."""
        return Outcome(
            self.world.seed, tuple(self.judge.violations), self.world.hash(),
            tuple(self.world.lines()) if lines else (), 0, len(self.exchange.every_order()),
        )  # fmt: skip


def simulate_naive(seed: int, *, lines: bool = False) -> Outcome:
    """Run one schedule of the documents' design."""
    schedule = NaiveSchedule(seed)
    with silence():
        schedule.run()
    return schedule.outcome(lines=lines)
