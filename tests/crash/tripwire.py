"""Die at a named place: the ports are wrapped from outside, the code under test knows nothing of it."""

import os
import re
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from typing import Any

from execution.basket.values import Attempt, Basket
from execution.lifecycle import OrderState, RunState

Report = Callable[..., None]

_S = OrderState
_ENDED_BY_CANCEL = {_S.FILLED, _S.CANCELLED, _S.EXPIRED}
_SENDS = {RunState.BUYING, RunState.SELLING, RunState.UNWINDING}
# A statement that writes, with what it writes first; the lease may be asked for in front of it.
_WRITES = re.compile(r'\s*(?:WITH\b.*?\bmoved AS \(\s*)?(?:INSERT INTO|UPDATE) "?(\w+)', re.DOTALL)


class Tripwire:
    """Kills (or stops) this process when it reaches the armed point."""

    def __init__(self, point: str, report: Report, *, signal_number: int = signal.SIGKILL) -> None:
        self._point, self._report, self._signal = point, report, signal_number
        self._armed = self._unwinding_only = False
        self._doing: list[str] = []

    def arm(self) -> None:
        """From now on the point is deadly, once."""
        self._armed = True

    def arm_when_settling(self) -> None:
        """Be deadly once a basket cannot be completed."""
        self._unwinding_only = True

    def reach(self, name: str) -> None:
        """Die here if this is the place."""
        if self._armed and name == self._point:
            self._armed = False
            self._report("struck", time.monotonic())
            os.kill(os.getpid(), self._signal)

    # --- wrapping ----------------------------------------------------------------------------------------------------

    def around(self, owner: Any, name: str, subject: str, *, done: Callable[[], None] | None = None) -> None:
        """Wrap a method or function: `subject.before` and `subject.after`, and its writes belong to the subject."""
        inner = getattr(owner, name)

        @wraps(inner)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            with self._subject(subject):
                found = inner(*args, **kwargs)
            if done is not None:
                done()
            self.reach(f"{subject}.after")
            return found

        setattr(owner, name, wrapped)

    def around_commit(self, ledger: type, *, done: Callable[[], None]) -> None:
        """Wrap the ledger's commit, named after what it is about."""
        inner = ledger.commit  # type: ignore[attr-defined]

        @wraps(inner)
        def wrapped(own: Any, before: Basket, after: Basket, trades: Sequence[Any] = ()) -> Basket:
            if self._unwinding_only and after.state is RunState.SETTLING:
                self.arm()
                self._report("armed")
                self._unwinding_only = False
            subjects = ["recovery", *subjects_of(before, after)]
            for subject in subjects:
                self.reach(f"{subject}.before")
            with self._subject(*subjects, reached=True):
                found: Basket = inner(own, before, after, trades)
            done()
            for subject in subjects:
                self.reach(f"{subject}.after")
            return found

        ledger.commit = wrapped  # type: ignore[attr-defined]

    def stage(self, name: str) -> None:
        """Hear how far a request came."""
        if self._doing:
            self.reach(f"{self._doing[-1]}.{name}")

    def statement(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        """Be Django's wrapper around every statement."""
        found = execute(sql, params, many, context)
        if not self._armed or not self._doing:
            return found
        if "trading_states" in sql and "FOR SHARE" in sql:
            self._reach_all("standing-held")
        written = _WRITES.match(sql)
        # The row that every candidate makes sure of is not yet an election.
        if written and "DO NOTHING" not in sql:
            self._reach_all("inside")
            moment = _MOMENTS.get(written.group(1))
            if moment:
                self._reach_all(moment)
        return found

    def _reach_all(self, moment: str) -> None:
        for subject in self._doing:
            self.reach(f"{subject}.{moment}")

    @contextmanager
    def _subject(self, *subjects: str, reached: bool = False) -> Iterator[None]:
        if not reached:
            for subject in subjects:
                self.reach(f"{subject}.before")
        self._doing += subjects
        try:
            yield
        finally:
            del self._doing[len(self._doing) - len(subjects) :]


_MOMENTS = {
    "strategies": "strategy-written",
    "execution_runs": "run-written",
    "trades": "trade-written",
    "alerts": "written",
    "trading_states": "switch-written",
}


def subjects_of(before: Basket, after: Basket) -> list[str]:
    """What a commit is about, the most telling last."""
    known = {attempt.correlation_id: attempt for attempt in before.attempts}
    found = []
    for attempt in after.attempts:
        was = known.get(attempt.correlation_id)
        if was is not attempt:
            found += ["intent"] if was is None else list(_about(was, attempt))
    if after.state is not before.state:
        found += _about_run(after.state, has_ended=after.has_ended)
    return found


def _about_run(state: RunState, *, has_ended: bool) -> list[str]:
    if state is RunState.PRECHECK:
        return ["begin"]
    if state in {RunState.READY, RunState.DENIED}:
        return ["verdict"]
    if state in _SENDS:
        return ["phase"]
    return ["finish"] if has_ended else []


def _about(was: Attempt, now: Attempt) -> Iterator[str]:
    if now.filled > was.filled:
        yield "fill"
    if now.misses > was.misses:
        yield "miss"
    moved = was.state, now.state
    if moved == (_S.SENDING, _S.ACKED):
        yield "ack"
    elif moved == (_S.UNKNOWN, _S.ACKED):
        yield "found"
    elif moved == (_S.UNKNOWN, _S.NOT_PLACED):
        yield "not-placed"
    elif moved[1] is _S.UNKNOWN and moved[0] is _S.SENDING:
        yield "unknown"
    elif moved[1] is _S.PENDING_CANCEL and moved[0] is not _S.PENDING_CANCEL:
        yield "cancel-intent"
    elif moved[0] is _S.PENDING_CANCEL and moved[1] in _ENDED_BY_CANCEL:
        yield "cancelled"
