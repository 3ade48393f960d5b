"""The moments of one order's way from the intent to the wire, heard from the ledger and the transport."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

STAGES = ("INTENT commit", "pace", "SENDING commit with its checks", "request written")


@dataclass(frozen=True, slots=True)
class Way:
    """One order: when each stage ended (seconds, the start first), and what it cost on the way and after."""

    moments: Sequence[float]
    processor: float  # seconds of this process
    statements: int  # SQL, without BEGIN and COMMIT
    answered: float  # seconds from the wire to the answer

    @property
    def total(self) -> float:
        """Milliseconds from the decision to the last byte of the request."""
        return 1_000 * (self.moments[-1] - self.moments[0])

    @property
    def spans(self) -> list[float]:
        """Milliseconds of each stage."""
        return [1_000 * (after - before) for before, after in pairwise(self.moments)]


class Stopwatch:
    """Looks at the clock where the leader passes; nothing else is changed."""

    def __init__(self, after_each: Callable[[], None]) -> None:
        self.ways: list[Way] = []
        self._after_each = after_each
        self._moments: list[float] = []
        self._processor = 0.0
        self._statements = 0
        self._placing = False

    def attach(self, leader: Any) -> None:
        """Listen to a leader's books, broker and database session."""
        from django.db import connection

        ledger, broker = leader.ledger, leader.desk.broker
        ledger.commit = self._around(ledger.commit, starts=True)
        ledger.pace = self._around(ledger.pace)
        ledger.clear = self._around(ledger.clear)
        broker.place = self._place(broker.place)
        connection.execute_wrappers.append(self._count)

    def on_stage(self, name: str) -> None:
        """The transport says how far the request came."""
        if not self._placing:
            return
        if name == "sent":
            self._moments.append(time.perf_counter())
            self._processor = time.thread_time() - self._processor
        elif name == "answered":
            self._placing = False
            self._keep(time.perf_counter())
            self._after_each()

    def _keep(self, answered: float) -> None:
        if len(self._moments) == len(STAGES) + 1:  # not what waited for pace and asked again
            after = answered - self._moments[-1]
            self.ways.append(Way(tuple(self._moments), self._processor, self._statements, after))

    def _around(self, call: Callable[..., Any], *, starts: bool = False) -> Callable[..., Any]:
        def timed(*given: Any, **named: Any) -> Any:
            if starts:
                self._moments, self._statements = [time.perf_counter()], 0
                self._processor = time.thread_time()
            result = call(*given, **named)
            self._moments.append(time.perf_counter())
            return result

        return timed

    def _place(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def placing(order: Any) -> Any:
            self._placing = True
            return call(order)

        return placing

    def _count(self, execute: Callable[..., Any], *given: Any) -> Any:
        self._statements += 1
        return execute(*given)
