"""Several processes at one run: each does its share of the pending orders, then helps out; the rows are the queue."""

import multiprocessing
import sys
import time
from collections.abc import Callable, Sequence

from django.db import connection, connections

from market.actor import acting, who_acts
from strategies.models import GenerationRun
from strategies.services.generation import finish_run, generate_result
from strategies.services.known import with_known

LOOK_SECONDS = 0.2


def generate_in_processes(
    run: GenerationRun, *, workers: int, progress: Callable[[int], None] = lambda done: None
) -> GenerationRun:
    """Work through a run in this process and `workers` - 1 others; one that dies leaves its order to the rest."""
    pending = _pending(run.pk)
    # What a transaction has not committed, no child would see.
    hands = 1 if connection.in_atomic_block else min(max(1, workers), max(1, len(pending)))
    actor = who_acts()  # it is of the connection that is closed here
    if hands > 1:
        connections.close_all()  # children would share what is open, and a pool has no threads in them
        connection.close_pool()  # type: ignore[attr-defined]  # PostgreSQL's has one
    context = multiprocessing.get_context("fork")  # to import everything anew takes as long as twenty symbols
    helpers = [
        context.Process(target=_join_in, args=(run.pk, pending[number::hands], actor), daemon=True)
        for number in range(1, hands)
    ]
    for helper in helpers:
        helper.start()
    told = _Progress(run, progress)
    with acting(actor):
        take_part(run.pk, pending[0::hands], after_each=told.now_and_then)
        for helper in helpers:
            while helper.is_alive():
                told.now()
                helper.join(LOOK_SECONDS)
        take_part(run.pk, [], after_each=told.now_and_then)  # what a dead helper left
        told.now()
        return finish_run(run)


def _join_in(run_id: int, share: Sequence[int], actor: str) -> None:
    """Take part as a child, past what may stand in front of standard error: its lock may be held in the parent."""
    sys.stderr = sys.__stderr__
    with acting(actor):
        take_part(run_id, share)


def take_part(run_id: int, share: Sequence[int], *, after_each: Callable[[], None] = lambda: None) -> None:
    """Do one's share of the orders, then what others have not come to yet, their last ones first.

    An order that somebody is at stays pending until it is stored: whoever takes it too waits, then finds it done.
    """
    for pk, known in with_known(share):
        generate_result(pk, known)
        after_each()
    tried: set[int] = set()
    while left := [pk for pk in _pending(run_id) if pk not in tried]:
        tried.add(left[-1])
        generate_result(left[-1])
        after_each()


def _pending(run_id: int) -> list[int]:
    run = GenerationRun(pk=run_id)
    return list(run.results.filter(status="pending").order_by("pk").values_list("pk", flat=True))


class _Progress:
    """Counts what is done, at most a few times a second."""

    def __init__(self, run: GenerationRun, progress: Callable[[int], None]) -> None:
        self._run, self._tell = run, progress
        self._total = run.results.count()
        self._last = -LOOK_SECONDS

    def now_and_then(self) -> None:
        if time.monotonic() - self._last >= LOOK_SECONDS:
            self.now()

    def now(self) -> None:
        self._last = time.monotonic()
        self._tell(self._total - self._run.results.filter(status__in=["pending", "working"]).count())
