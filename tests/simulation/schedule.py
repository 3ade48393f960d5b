"""One seeded schedule: two traders, a few baskets, people and machines around them, faults that stop after a while."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from random import Random

from execution.basket.values import Purpose, Timing
from execution.lifecycle import RunState, StrategyEvent, StrategyState
from execution.naming import OrderNames
from execution.simulator.book import ORDINARY, Rules
from execution.simulator.faults import STORM, Fault, FaultPlan
from tests.simulation.broker import Chaos
from tests.simulation.database import Database, Strategy, closing_legs
from tests.simulation.late import LateExchange
from tests.simulation.market import LISTINGS, SECURITIES, Quotes, strategies
from tests.simulation.oracle import LIVENESS, Oracle
from tests.simulation.traders import Surroundings, Trader
from tests.simulation.truth import Violation
from tests.simulation.world import World

CALM_SHARE = 0.03
# The broker closing everything by itself makes every book of ours wrong at once: a drill of its own, not a fault here.
RATES = {
    **STORM,
    Fault.BROKER_SQUARE_OFF: 0.0,
    Fault.LATE_ARRIVAL: 0.06,
    Fault.LOOKUP_MISSES: 0.15,
    Fault.STALE_BOOK: 0.1,
    Fault.PARTIAL_FILL: 0.2,
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a schedule."""

    seed: int
    violations: tuple[Violation, ...]
    hash: str
    lines: tuple[str, ...] = ()
    runs: int = 0
    orders: int = 0


class Schedule:
    """Builds the world of one seed and lets it run until all is quiet."""

    def __init__(self, seed: int) -> None:
        self.world = world = World(seed)
        rng = world.rng
        world.is_calm = rng.random() < CALM_SHARE
        plan = FaultPlan(seed) if world.is_calm else FaultPlan.swarm(seed, RATES)
        self.quotes, self.timing = Quotes(world, rng), Timing()
        self.exchange = LateExchange(
            listings=LISTINGS, touch=self.quotes.touch, rng=Random(f"{seed}:exchange"),
            rules=Rules(check_hours=False, check_prices=False, check_margin=False), closed=lambda *_: None,
        )  # fmt: skip
        self.exchange.advance(world.now())
        baskets = strategies(rng)
        intended = sum(leg.quantity for one in baskets for leg in one.legs)
        limit = intended if world.is_calm else int(intended * rng.choice((0.6, 0.9, 1.0, 1.0, 1.5)))
        self.database = Database(world, SECURITIES, limit)
        self.database.strategies = {one.number: one for one in baskets}
        self.names, self.chaos = OrderNames(b"simulation"), Chaos(world, plan)
        self.oracle = Oracle(world, self.exchange, self.database, self.names)
        self.database.watcher = self.oracle.committed
        self.faults_until = world.between(20.0, 75.0)
        self._busy_until = self.faults_until + 6.0  # nothing is left that could still begin
        self._around = Surroundings(
            world, self.database, self.exchange, self.chaos, self.oracle, self.quotes, self.names, self.timing
        )
        self._set_up()

    # --- the agenda --------------------------------------------------------------------------------------------------

    def _set_up(self) -> None:
        world = self.world
        for owner in ("one", "two"):
            self._start(owner)
        together = world.between(2.0, 10.0) if world.chance(0.2) else None  # marked in bulk
        for strategy in self.database.strategies.values():
            world.later(together or world.between(0.0, 15.0), partial(self._mark, strategy))
            if world.chance(0.7):
                wait = world.between(1.0, 50.0)
                self._busy_until = max(self._busy_until, wait + 3.0)
                world.later(wait, partial(self._want_exit, strategy))
        if not world.is_calm and world.chance(0.35):
            world.later(world.between(1.0, 50.0), self._stop_account)
        if not world.is_calm and world.chance(0.15):
            world.later(world.between(0.0, 25.0), self._incident)
        if not world.is_calm and world.chance(0.3):
            for _ in range(world.rng.randrange(1, 4)):
                world.later(world.between(1.0, 60.0), self._outage)
        world.later(20.0, self._person)
        world.later(self.faults_until, self._calm_down)

    def _start(self, owner: str) -> None:
        delay = self.world.between(0.0, 1.0)
        self.world.later(delay, Trader(self._around, owner, self._respawn).run)

    def _respawn(self, owner: str) -> None:
        delay = self.world.between(0.5, 20.0)
        self.world.later(delay, lambda: self._start(owner))

    def _mark(self, strategy: Strategy) -> None:
        if strategy.state is StrategyState.PENDING:
            self.database.move_strategy(strategy, StrategyEvent.MARK)

    def _want_exit(self, strategy: Strategy) -> None:
        """A rule asks for the way out; it asks again until it is out."""
        if strategy.state is StrategyState.EXECUTED and not self.database.open_exit(strategy):
            self._open_exit(strategy, Purpose.EXIT)
        if strategy.state not in {StrategyState.CLOSED, StrategyState.FAILED, StrategyState.ATTENTION}:
            self.world.later(12.0, lambda: self._want_exit(strategy))

    def _open_exit(self, strategy: Strategy, purpose: Purpose) -> None:
        legs = closing_legs(strategy, self.database.held(strategy))
        if legs:
            self.database.move_strategy(strategy, StrategyEvent.CLOSE)
            self.database.open_run(strategy, purpose, legs, (self.database.lease.owner, self.database.lease.epoch))

    def _outage(self) -> None:
        """PostgreSQL is gone for a while, and every session with it."""
        seconds = self.world.between(0.5, 15.0)
        self.world.say("database down", round(seconds, 1))
        self.database.down_until = self.world.time + seconds
        self.database.lease.session_lives = False

    def _incident(self) -> None:
        """The broker's books stand still for a while, and lookups are worth little."""
        seconds, hides = self.world.between(20.0, 70.0), self.world.chance(0.7)
        self.world.say("books stand still", round(seconds, 1), hides)
        self.chaos.hides_lost = hides
        self.chaos.books_since, self.chaos.books_until = self.world.now(), self.world.time + seconds

    def _stop_account(self) -> None:
        """A person pulls the switch: stop entries, stop everything, or stop everything and close."""
        standing, flattening = self.world.rng.choice((("REDUCE_ONLY", False), ("HALTED", False), ("HALTED", True)))
        self._stand(standing, flattening)
        if flattening:
            self._flatten()
        self.world.later(self.world.between(20.0, 60.0), lambda: self._stand("ACTIVE", False))

    def _stand(self, standing: str, flattening: bool) -> None:
        self.world.say("standing", standing, flattening)
        self.database.standing, self.database.flattening = standing, flattening
        self.oracle.stopped(standing)

    def _flatten(self) -> None:
        if not self.database.flattening:
            return
        for strategy in self.database.strategies.values():
            if strategy.state is StrategyState.EXECUTED and not self.database.open_exit(strategy):
                self._open_exit(strategy, Purpose.FLATTEN)
        self.world.later(2.0, self._flatten)

    def _person(self) -> None:
        """Somebody reads the alerts."""
        for alert in self.database.alerts.values():
            alert.acknowledged = True
        self.world.later(20.0, self._person)

    def _calm_down(self) -> None:
        """The faults stop; what the exchange was about to do to living orders stops too."""
        self.world.say("faults stop")
        self.chaos.stop()
        self.database.down_until = -1.0
        self._ease_orders()

    def _ease_orders(self) -> None:
        """Some orders are still to arrive, with a fate they were given before."""
        for order in self.exchange.every_order():
            if order.is_live:
                order.fate = ORDINARY
        self.world.later(5.0, self._ease_orders)

    # --- running -----------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Until every run has ended and stayed so, or fifteen minutes after the faults have stopped."""
        world, last = self.world, self.faults_until + LIVENESS
        while world.time < last and not (world.time > self._busy_until and self._is_quiet()):
            world.step()
            self.oracle.look()
        self.oracle.at_end()
        if world.is_calm:
            self._all_done()

    def _is_quiet(self) -> bool:
        if any(one.state is StrategyState.MARKED for one in self.database.strategies.values()):
            return False
        if self.oracle.last_arrival > self.world.time - 5.0:
            return False
        # A comparison that was being read while the exchange still moved is no evidence: one more has to follow.
        if self.oracle.blamed and self.database.report_at < max(self._busy_until, self.oracle.last_arrival + 5.0):
            return False
        if self.oracle.blamed and self.database.doubtful:
            return False
        runs = self.database.runs.values()
        return all(run.has_ended or (run.state is RunState.ATTENTION and not run.live) for run in runs) and not any(
            order.is_live for order in self.exchange.every_order()
        )

    def _all_done(self) -> None:
        """Where nothing goes wrong, everything that was wanted is done."""
        for run in self.database.runs.values():
            if run.state is not RunState.COMPLETE:
                self.oracle.broken(21, f"nothing went wrong and run {run.run} ended as {run.state}")

    def outcome(self, *, lines: bool = False) -> Outcome:
        """What came of it."""
        return Outcome(
            self.world.seed, tuple(self.oracle.violations), self.world.hash(),
            tuple(self.world.lines()) if lines else (), len(self.database.runs), len(self.exchange.every_order()),
        )  # fmt: skip


@contextmanager
def silence() -> Iterator[None]:
    """No log lines: they cost more than what they tell of."""
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


def simulate(seed: int, *, lines: bool = False) -> Outcome:
    """Run one schedule."""
    schedule = Schedule(seed)
    with silence():
        schedule.run()
    return schedule.outcome(lines=lines)
