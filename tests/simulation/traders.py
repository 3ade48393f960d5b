"""The processes: traders that are killed and stopped, and the people and machines around them."""

from collections.abc import Callable
from decimal import Decimal
from functools import cache

from execution.basket.messages import Price
from execution.basket.values import Basket, Timing
from execution.errors import ExecutionDenied, Fenced
from execution.evidence import Watch
from execution.executor import Executor
from execution.naming import OrderNames
from market.contract import Side
from market.errors import MarketError, Reason
from tests.simulation.broker import Chaos, SimulatedBroker
from tests.simulation.database import Database, Violated
from tests.simulation.late import LateExchange
from tests.simulation.ledger import MemoryLedger
from tests.simulation.market import SEGMENT, TICK, Quotes
from tests.simulation.oracle import Oracle
from tests.simulation.world import Crash, ProcessClock, Unavailable, World

HASTY_PAUSE, BUSY_PAUSE, IDLE_PAUSE, STANDBY_PAUSE = 0.3, 1.0, 2.0, 3.0
RECONCILE_EVERY = 10.0
LONGEST_STOP = 45.0

_WRITES = frozenset({"commit", "clear", "place", "cancel", "claim"})


@cache
def _weight(point: str) -> float:
    """Writes are interrupted more often than reads, of which there are many more."""
    return 3.0 if point.rpartition(" ")[2] in _WRITES else 0.3


class SimulatedDesk:
    """Judges nothing wrong and prices at the touch, unless the schedule says otherwise."""

    def __init__(self, around: "Surroundings") -> None:
        self._world, self._chaos, self._quotes = around.world, around.chaos, around.quotes
        self._database, self._oracle = around.database, around.oracle

    def check(self, basket: Basket) -> Reason | None:
        """Deny some baskets."""
        denied = self._world.chance(self._chaos.denied) and basket.opens
        self._oracle.judged(basket.run, denied=denied)
        return Reason("DENIED", "The schedule says so.") if denied else None

    def limit(self, basket: Basket, wanted: Price) -> Decimal:
        """The opposite touch; the first try of some is a little better than that, and does not fill."""
        if self._world.chance(self._chaos.unpriced):
            raise MarketError(Reason("NO_QUOTE", "The schedule says so."))
        security = self._database.securities[wanted.piece.leg.contract]
        touch = self._quotes.touch(SEGMENT, security, self._world.now())
        passive = wanted.step == 1 and not wanted.leaving and int(security) % 4 == 0
        if wanted.piece.side is Side.BUY:
            return touch.ask - TICK if passive else touch.ask + TICK
        return touch.bid + TICK if passive else touch.bid - TICK


class Surroundings:
    """What every process shares."""

    def __init__(
        self,
        world: World,
        database: Database,
        exchange: LateExchange,
        chaos: Chaos,
        oracle: Oracle,
        quotes: Quotes,
        names: OrderNames,
        timing: Timing,
    ) -> None:
        self.world, self.database, self.exchange, self.chaos = world, database, exchange, chaos
        self.oracle, self.quotes, self.names, self.timing = oracle, quotes, names, timing


class Trader:
    """One process: leads if it can, looks, claims, drives; may die or be stopped at every port call."""

    def __init__(self, around: Surroundings, owner: str, respawn: Callable[[str], None]) -> None:
        self._around, self.owner, self._respawn = around, owner, respawn
        self._world, self._chaos = around.world, around.chaos
        self._ledger = MemoryLedger(around.database, owner, self.reach)
        self._broker = SimulatedBroker(self._world, around.exchange, self._chaos, around.oracle, self.reach)
        self._in_thread = False
        self._forget()

    def _forget(self) -> None:
        """New memory, as after a start."""
        around, clock = self._around, ProcessClock(self._world)
        self._leads, self._caught_up, self._reconciled_at = False, False, self._world.time
        desk = SimulatedDesk(around)
        self.executor = Executor(
            ledger=self._ledger, broker=self._broker, clock=clock, desk=desk, names=around.names, timing=around.timing
        )
        self.watch = Watch(
            ledger=self._ledger, broker=self._broker, clock=clock, executor=self.executor, names=around.names,
            timing=around.timing,
        )  # fmt: skip

    def reach(self, point: str) -> None:
        """A port call begins or ends: here the process may die, stand still, or run its other thread."""
        chaos, world = self._chaos, self._world
        if chaos.interrupts:
            drawn = world.rng.random() / _weight(point)
            if drawn < chaos.crash:
                world.say("crash", self.owner, point)
                raise Crash(point)
            if drawn < chaos.crash + chaos.pause:
                seconds = world.between(0.2, LONGEST_STOP)
                world.say("stopped", self.owner, point, round(seconds, 1))
                world.pass_time(seconds)
        if point == "last byte" and not self._in_thread and world.chance(chaos.second_thread):
            self._hint()

    def _hint(self) -> None:
        """The update socket's thread looks at the books while the answer to an order is still on its way."""
        self._in_thread = True
        self._world.say("hint", self.owner)
        try:
            self._world.pass_time(0.1)
            self.watch.look()
        except (Fenced, Unavailable) as error:
            self._world.say("hint fails", type(error).__name__)
        finally:
            self._in_thread = False

    def run(self) -> None:
        """One pass of the loop, and the next one on the agenda."""
        pause = IDLE_PAUSE
        self._ledger.lost_commits = self._chaos.lost_commits
        try:
            pause = self._pass()
        except Crash:
            self._die()
            return
        except Unavailable:
            pause = BUSY_PAUSE
        except Fenced:
            self._world.say("fenced", self.owner)
            self._forget()
        except Violated as refused:
            self._around.oracle.broken(13 if "two live" in str(refused) else 14, str(refused))
            self._forget()
        except Exception as error:  # noqa: BLE001 - the top level: nothing may get here
            self._around.oracle.broken(20, f"{type(error).__name__}: {error}")
            self._forget()
        self._world.later(pause, self.run)

    def _die(self) -> None:
        lease = self._around.database.lease
        if lease.owner == self.owner and lease.epoch == self._ledger.epoch:
            lease.session_lives = False
        self._respawn(self.owner)

    def _pass(self) -> float:
        if not self._leads:
            if not self._ledger.elect():
                return STANDBY_PAUSE
            self._leads = True
        self._ledger.renew()
        if not self._caught_up:
            self._caught_up = self.watch.look(everything=True)
        else:
            self.watch.look()
        self._ledger.renew()
        if self._caught_up:
            self._claim()
        self.executor.turn()
        if self._world.time - self._reconciled_at > RECONCILE_EVERY:
            self._reconciled_at = self._world.time
            self.watch.reconcile()
        live = any(order.is_live for order in self._around.database.known.values())
        busy = live or any(not run.has_ended for run in self._around.database.runs.values())
        return (BUSY_PAUSE if self._chaos.haste == 1.0 else HASTY_PAUSE) if busy else IDLE_PAUSE

    def _claim(self) -> None:
        try:
            self._ledger.claim()
        except Fenced:
            raise
        except ExecutionDenied as denied:
            self._world.say("not claimed", denied.reason.code)
