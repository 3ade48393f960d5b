"""What every drill starts from: an exchange, a database with a queue, and traders that can be started and ended."""

import multiprocessing
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import psycopg

from execution.simulator.serving import RunningSimulator
from tests.crash import market
from tests.crash.ground import Ground, connected, make_strategies
from tests.crash.oracle import Verdict, judge
from tests.crash.points import Purpose
from tests.crash.rig import exchange
from tests.crash.trader import Job
from tests.drills.trader import main

PENDING = 20


@dataclass(slots=True)
class Result:
    """What a drill counted, and what was wrong."""

    name: str
    counts: dict[str, object] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    def expect(self, what: str, found: object, wanted: object) -> None:
        """Keep a count and complain when it is another."""
        self.counts[what] = found
        if found != wanted:
            self.wrong.append(f"{what}: {found}, wanted {wanted}")

    def at_most(self, what: str, found: float, limit: float) -> None:
        """Keep a figure and complain when it is over its limit."""
        self.counts[what] = round(found, 2)
        if found > limit:
            self.wrong.append(f"{what}: {found:.2f}, at most {limit}")

    def __str__(self) -> str:
        said = ", ".join(f"{what} {number}" for what, number in self.counts.items())
        return f"{'ok ' if not self.wrong else 'BAD'}  {self.name}: {said}" + "".join(f"\n     {w}" for w in self.wrong)


class Process:
    """A trader that runs until it is killed."""

    def __init__(self, job: Job) -> None:
        context: Any = multiprocessing.get_context("forkserver")
        self._line, theirs = context.Pipe()
        self._process = context.Process(target=main, args=(job, theirs), daemon=True)
        self._process.start()
        theirs.close()
        self.heard: list[tuple[str, int, float]] = []

    @property
    def pid(self) -> int:
        """Its number."""
        return int(self._process.pid)

    @property
    def lives(self) -> bool:
        """Whether it was not killed yet."""
        return bool(self._process.is_alive())

    def said(self, word: str) -> list[float]:
        """The moments at which it said this."""
        try:
            while self._line.poll():
                self.heard.append(self._line.recv())
        except (EOFError, OSError):
            pass
        return [at for one, _, at in self.heard if one == word]

    def signal(self, number: signal.Signals) -> None:
        """Send it one."""
        os.kill(self.pid, number)

    def end(self) -> None:
        """Kill it and wait."""
        if self.lives:
            self._process.kill()
        self._process.join()


@dataclass(slots=True)
class Scene:
    """One exchange, one database, some traders."""

    ground: Ground
    name: str
    simulator: RunningSimulator
    processes: list[Process] = field(default_factory=list)

    def job(self, **changes: object) -> Job:
        """How a trader finds everything."""
        venue = self.simulator.venue
        plain = Job(
            database=self.name, base_url=self.simulator.addresses.base, client_id=venue.client_id,
            token=venue.access.token, clock=self.ground.directory / f"{self.name}.clock", purpose=Purpose.ENTRY,
            strategy=0,
        )  # fmt: skip
        return replace(plain, **changes)  # type: ignore[arg-type]

    def trader(self, **changes: object) -> Process:
        """Start one."""
        process = Process(self.job(**changes))
        self.processes.append(process)
        return process

    def session(self) -> psycopg.Connection[tuple[object, ...]]:
        """A database session of the drill's own."""
        return self.ground.connect(self.name)

    def queue(self, count: int, *, skip: int = 0) -> list[int]:
        """Mark this many spreads by plain SQL, as people do."""
        with self.session() as session:
            rows = session.execute(
                "UPDATE strategies SET marked_for_execution = true, execution_status = 'marked', execution_priority = 5"
                " WHERE id IN (SELECT id FROM strategies WHERE structure = 'bull-put-spread'"
                " AND execution_status = 'pending' ORDER BY id OFFSET %s LIMIT %s) RETURNING id",
                [skip, count],
            ).fetchall()
        return [int(str(row[0])) for row in rows]

    def count(self, what: str) -> int:
        """One number out of the database."""
        with self.session() as session:
            row = session.execute(what).fetchone()  # type: ignore[arg-type]
        return 0 if row is None else int(str(row[0]))

    def executed(self) -> int:
        """Strategies that are filled."""
        return self.count("SELECT count(*) FROM strategies WHERE execution_status = 'executed'")

    def taken_back(self) -> int:
        """Strategies of which an order was given up after a kill: their baskets ended with nothing held."""
        return self.count(
            "SELECT count(*) FROM strategies s JOIN execution_runs r ON r.strategy_id = s.id"
            " WHERE s.execution_status = 'failed' AND r.state IN ('flat', 'failed_flat')"
            " AND r.reason_code IN ('NOT_PLACED', 'PHASE_TIMEOUT')"
        )

    def done(self) -> int:
        """Strategies that have ended one way or the other."""
        return self.executed() + self.taken_back()

    def undone(self) -> int:
        """Strategies that are marked or under way."""
        return self.count("SELECT count(*) FROM strategies WHERE execution_status IN ('marked', 'executing')")

    def await_so(self, done: Callable[[], bool], seconds: float) -> bool:
        """Wait until something is so; False when it is not in time."""
        ends = time.monotonic() + seconds
        while not done():
            if time.monotonic() > ends:
                return False
            time.sleep(0.05)
        return True

    def judged(self) -> Verdict:
        """The exchange's books against ours."""
        with self.session() as session:
            return self.simulator.call(lambda: judge(self.simulator.exchange, session, market.SPREAD))

    def _lots_held(self) -> int:
        """Lots that the exchange shows, bought or sold: what was taken back is not among them."""
        held = Counter[str]()
        for order in self.simulator.exchange.every_order():
            held[order.ticket.security_id] += order.side.sign * order.filled
        return sum(abs(units) // market.LOT for units in held.values())

    def require_once(self, result: Result, strategies: int, *, interrupted: bool = False) -> None:
        """Every strategy was executed exactly once: so say our rows, and so says the exchange.

        Where a trader was killed at any moment, a basket whose order was given up counts as done once it is taken back.
        """
        verdict = self.judged()
        back = self.taken_back() if interrupted else 0
        executed = self.executed()
        result.expect("executed", executed, strategies - back)
        if interrupted:
            result.counts["taken back"] = back
        result.expect("runs", self.count("SELECT count(*) FROM execution_runs"), strategies)
        result.expect("lots held at the exchange", self._lots_held(), (strategies - back) * len(market.SPREAD))
        result.expect("lost", len(verdict.lost), 0)
        result.expect("duplicate", len(verdict.duplicate), 0)
        denied = [run for run in verdict.runs if " denied" in run]
        result.wrong += [*verdict.lost[:3], *verdict.duplicate[:3], *denied[:3]]


def _let_many_be_alike() -> None:
    """A drill runs the same spread again and again; the limits of its account are what its owner would set for that."""
    from allocation.models import Account
    from execution.models import RiskLimits

    RiskLimits.objects.create(
        account=Account.objects.get(name="paper"), same_legs_seconds=0, open_per_underlying=1_000,
        lots_per_underlying=1_000,
    )  # fmt: skip


@contextmanager
def scene(ground: Ground, name: str) -> Iterator[Scene]:
    """Set it up, with strategies to mark; end every trader and drop the database afterwards."""
    with ground.copy(name), exchange(ground, name) as simulator:
        with connected(name):
            make_strategies(PENDING, market.SPREAD)
            _let_many_be_alike()
        made = Scene(ground, name, simulator)
        try:
            yield made
        finally:
            for process in made.processes:
                process.end()
