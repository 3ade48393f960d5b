"""One combination: an exchange, a fresh database, a trader that dies, one that takes over, and the judge."""

import multiprocessing
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from random import Random
from typing import Any, LiteralString

import psycopg

from execution.simulator.book import Rules, Ticket
from execution.simulator.faults import Call, Fault, Scripted
from execution.simulator.serving import RunningSimulator, running_simulator
from execution.simulator.venue import build_venue
from market.contract import Side
from tests.crash import market
from tests.crash.clock import SharedClock
from tests.crash.ground import Ground
from tests.crash.oracle import Verdict, judge
from tests.crash.points import NAMED, Purpose, Setting
from tests.crash.trader import Job, main

LONGEST_SECONDS = 60.0
BROKEN_SECONDS = 2.0  # with a planted bug a run may never end: so long after the recovery it is judged
TICK_SECONDS = 0.02
ASK_SECONDS = 0.1
# While an order only waits for time to pass, this many market seconds pass at each look.
HURRY = 2.0
# Whether something waits, and how far the runs are: what has moved since the last look does not only wait.
_WAITING = (
    "SELECT EXISTS (SELECT 1 FROM leg_orders WHERE state = 'unknown')"
    " OR EXISTS (SELECT 1 FROM leg_orders o JOIN execution_runs r ON r.id = o.run_id"
    " WHERE o.state IN ('rejected', 'not_placed', 'refused', 'cancelled') AND r.finished_at IS NULL),"
    " (SELECT sum(version) FROM execution_runs)"
)
# As people do it in SQL; the triggers do the rest.
_MARK = (
    "UPDATE strategies SET marked_for_execution = true, execution_status = 'marked', execution_priority = 5"
    " WHERE id = %s"
)

# What one wants to see when a run did not end.
_SCENE: tuple[LiteralString, ...] = (
    "SELECT id, purpose, state, phase_started_at::text, reason_code, reason_text, version FROM execution_runs",
    "SELECT run_id, correlation_id, state, side, filled_quantity, intended_at::text, sent_at::text, settled_at::text,"
    " reason_code, reason_text FROM leg_orders ORDER BY id",
    "SELECT state, reason_code, actor FROM trading_states",
    "SELECT code, sentence FROM alerts",
    "SELECT epoch, clean, findings FROM reconcile_reports ORDER BY id DESC LIMIT 3",
)


def _rows(purpose: Purpose) -> Sequence[tuple[str, float, str]]:
    """A spread is enough to get in and out; four legs leave more to take back."""
    return market.CONDOR if purpose is Purpose.UNWIND else market.SPREAD


class NotReached(Exception):
    """The trader ended, or never came, where it should have died: such a crash counts for nothing."""


@dataclass(frozen=True, slots=True)
class Combination:
    """One place to die, in one kind of basket; `again` is where the successor dies."""

    point: str
    purpose: Purpose
    again: str = ""
    cold: bool = False  # the successor is started by the crash, interpreter and all
    bug: str = ""  # planted in every process

    def __str__(self) -> str:
        """As it is asked for on the command line."""
        again, bug = self.again and f":{self.again}", self.bug and f"+{self.bug}"
        return f"{self.purpose}:{self.point}{again}{'@cold' if self.cold else ''}{bug}"

    @classmethod
    def read(cls, words: str) -> "Combination":
        """The same the other way round."""
        rest, _, bug = words.partition("+")
        purpose, point, *again = rest.removesuffix("@cold").split(":")
        return cls(point, Purpose(purpose), *again, cold=rest.endswith("@cold"), bug=bug)


@dataclass(slots=True)
class Outcome:
    """What came of it; `recovery` holds the seconds of every recovery, as `tests.crash` defines it."""

    combination: Combination
    struck: bool = False
    struck_again: bool = False
    finished: bool = False
    recovery: list[float] = field(default_factory=list)
    verdict: Verdict = field(default_factory=Verdict)
    trouble: str = ""
    scene: list[str] = field(default_factory=list)  # our rows when there was trouble


class Worker:
    """A trader process and what it says."""

    def __init__(self, method: str, job: Job) -> None:
        context: Any = multiprocessing.get_context(method)
        self._line, theirs = context.Pipe()
        self.process: BaseProcess = context.Process(target=main, args=(job, theirs), daemon=True)
        self.process.start()
        theirs.close()
        self.said: dict[str, float] = {}
        self.line: Connection = self._line

    def hear(self) -> Iterator[str]:
        """What it said since the last time."""
        try:
            while self._line.poll():
                word, *rest = self._line.recv()
                self.said.setdefault(word, rest[0] if rest else time.monotonic())
                yield word
        except (EOFError, OSError):
            return

    def tell(self) -> None:
        """Let it go on."""
        try:
            self._line.send("go")
        except OSError:
            return

    def end(self) -> None:
        """Be rid of it."""
        if self.process.is_alive():
            self.process.kill()
        self.process.join()
        self._line.close()


class Rig:
    """Everything one combination runs on."""

    def __init__(self, ground: Ground, name: str, combination: Combination, simulator: RunningSimulator) -> None:
        self._name, self._chosen, self.simulator = name, combination, simulator
        self._session = ground.connect(name)
        self._point = NAMED[combination.point]
        self._strays: list[str] = []
        self._workers: list[Worker] = []
        self.clock: SharedClock = simulator.venue.clock  # type: ignore[assignment]
        self._asked = 0.0
        self._moved_to: object = None
        self._job = Job(
            database=name,
            base_url=simulator.addresses.base,
            client_id=simulator.venue.client_id,
            token=simulator.venue.access.token,
            clock=ground.directory / f"{name}.clock",
            purpose=combination.purpose,
            strategy=2 if combination.purpose is Purpose.UNWIND else 1,
            bug=combination.bug,
        )

    def run(self) -> Outcome:
        """Kill one, let the next take over, and judge."""
        outcome = Outcome(self._chosen)
        self._session.execute(_MARK, [self._job.strategy])
        try:
            self._run(outcome)
        except (TimeoutError, NotReached) as trouble:
            outcome.trouble = str(trouble)
            outcome.scene = [str(row) for query in _SCENE for row in self._session.execute(query)]
        finally:
            for worker in self._workers:
                worker.end()
        strays, rows = self._strays, _rows(self._chosen.purpose)
        outcome.verdict = self.simulator.call(
            lambda: judge(self.simulator.exchange, self._session, rows, strays=strays)
        )
        self._session.close()
        return outcome

    def _run(self, outcome: Outcome) -> None:
        victim = self._start(replace(self._job, point=self._chosen.point, waits=True))
        self._until(victim, lambda: "leading" in victim.said, "the first trader never led")
        heir = None if self._chosen.cold else self._heir()
        victim.tell()
        self._await_end(victim, "never struck", *([heir] if heir else []))
        outcome.struck = "struck" in victim.said
        if not outcome.struck:
            raise NotReached(f"the point was not reached: exit code {victim.process.exitcode}")
        self._recover(outcome, victim, heir or self._start(self._job, "spawn"))

    def _heir(self) -> Worker:
        """Who stands by; it dies too where the combination says so."""
        doomed = {"point": self._chosen.again, "recovers": True} if self._chosen.again else {}
        heir = self._start(replace(self._job, **doomed))  # type: ignore[arg-type]
        self._until(heir, lambda: "standing by" in heir.said, "nobody stands by")
        return heir

    def _recover(self, outcome: Outcome, victim: Worker, heir: Worker) -> None:
        if self._chosen.bug:
            self._until(heir, lambda: "accounted" in heir.said or not heir.process.is_alive(), "never recovered")
            time.sleep(BROKEN_SECONDS)
            return
        self._await_end(heir, "not finished")
        _keep_recovery(outcome, victim, heir)
        if self._chosen.again:
            outcome.struck_again = "struck" in heir.said
            if not outcome.struck_again:
                raise NotReached(f"the second point was not reached: exit code {heir.process.exitcode}")
            last = self._start(self._job)
            self._await_end(last, "not finished the second time")
            _keep_recovery(outcome, heir, last)
            heir = last
        outcome.finished = "finished" in heir.said

    def _await_end(self, worker: Worker, complaint: str, *others: Worker) -> None:
        self._until(worker, lambda: not worker.process.is_alive(), complaint, *others)
        list(worker.hear())

    def _start(self, job: Job, method: str = "forkserver") -> Worker:
        worker = Worker(method, job)
        self._workers.append(worker)
        return worker

    def _until(self, worker: Worker, done: Callable[[], bool], complaint: str, *others: Worker) -> None:
        """Serve until something is so: set the exchange when a trader is armed, let time fly while all only wait."""
        ends = time.monotonic() + LONGEST_SECONDS
        while not done():
            for one in (worker, *others):
                for word in one.hear():
                    if word == "armed":
                        self._set_exchange()
                        one.tell()
            if time.monotonic() > ends or not (worker.process.is_alive() or done()):
                raise TimeoutError(complaint)
            if self._only_waits():
                self.clock.skip(HURRY)
            worker.process.join(TICK_SECONDS)

    def _only_waits(self) -> bool:
        if time.monotonic() - self._asked < ASK_SECONDS:
            return False
        self._asked = time.monotonic()
        if any(order.is_live and order.fate.stays_in_transit for order in self.simulator.exchange.every_order()):
            return True
        try:
            row = self._session.execute(_WAITING).fetchone()
        except psycopg.Error:
            return False
        waits, moved_to = row or (False, None)
        stood_still, self._moved_to = moved_to == self._moved_to, moved_to
        return bool(waits) and stood_still

    def _set_exchange(self) -> None:
        faults = {
            Setting.STUCK: Scripted(Fault.TRANSIT_STAYS, Call.FATE),
            Setting.DROPPED: Scripted(Fault.DROP_REQUEST, Call.PLACE),
            Setting.UNANSWERED: Scripted(Fault.ACCEPT_THEN_CLOSE, Call.PLACE),
        }
        setting = self._point.setting
        if setting in faults:
            self.simulator.call(lambda: self.simulator.plan.add(faults[setting]))
        elif setting is Setting.STRAY:
            self._strays.append(self.simulator.call(self._stray))

    def _stray(self) -> str:
        """An order with our signature that our books have never seen, as after a restored backup."""
        from decimal import Decimal

        from execution.naming import OrderNames, OrderPlace
        from execution.services.trading import _names_key

        name = OrderNames(_names_key()).name(OrderPlace("paper", 900_000, 1, 1))
        ticket = Ticket(market.SEGMENT, market.STRAY, Side.BUY, market.LOT, Decimal("30.00"), name, validity="IOC")
        return self.simulator.exchange.submit(ticket, self.clock.now()).order_id


def _keep_recovery(outcome: Outcome, died: Worker, heir: Worker) -> None:
    if "accounted" in heir.said:
        outcome.recovery.append(heir.said["accounted"] - died.said["struck"])


@contextmanager
def exchange(ground: Ground, name: str, *, rejecting: str = "") -> Iterator[RunningSimulator]:
    """A simulated exchange with the still market behind it, on a clock that others can share."""
    clock = SharedClock.start(ground.directory / f"{name}.clock")
    # The books are read more often than Dhan lets anybody; the pace of orders is kept by our own governor.
    venue = build_venue(
        market.StillMarket(), clock, seed=Random(name).getrandbits(32), master=b"",
        listings=market.listings(rejecting=rejecting), rules=Rules(), rate_limits=False,
    )  # fmt: skip
    with running_simulator(venue) as simulator:
        yield simulator


def run_combination(ground: Ground, name: str, combination: Combination) -> Outcome:
    """Set everything up, run it, and take it down."""
    rejecting = market.REJECTED if combination.purpose is Purpose.UNWIND else ""
    with ground.copy(name), exchange(ground, name, rejecting=rejecting) as simulator:
        return Rig(ground, name, combination, simulator).run()
