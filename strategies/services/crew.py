"""Several processes at one run: each takes the next pending order, the rows are the queue."""

import multiprocessing
from collections.abc import Callable, Sequence

from django.db import connection

from strategies.crew_member import join_in
from strategies.models import GenerationRun
from strategies.services.generation import finish_run, generate_result

LOOK_SECONDS = 0.2


def generate_in_processes(
    run: GenerationRun, *, workers: int, progress: Callable[[int], None] = lambda done: None
) -> GenerationRun:
    """Work through a run in this process and `workers` - 1 others; one that dies leaves its order to the rest."""
    total = run.results.count()
    pending = list(run.results.filter(status="pending").values_list("pk", flat=True))
    hands = min(max(1, workers), max(1, len(pending)))
    database = str(connection.settings_dict["NAME"])
    context = multiprocessing.get_context("spawn")  # a forked child would share our database connection
    helpers = [
        context.Process(target=join_in, args=(database, _turn(pending, number, hands)), daemon=True)
        for number in range(1, hands)
    ]
    for helper in helpers:
        helper.start()
    for pk in _turn(pending, 0, hands):
        generate_result(pk)
        progress(total - run.results.filter(status__in=["pending", "working"]).count())
    for helper in helpers:
        while helper.is_alive():
            progress(total - run.results.filter(status__in=["pending", "working"]).count())
            helper.join(LOOK_SECONDS)
    for pk in run.results.filter(status="pending").values_list("pk", flat=True):  # what a dead helper left
        generate_result(pk)
    progress(total)
    return finish_run(run)


def _turn(pending: Sequence[int], number: int, hands: int) -> list[int]:
    """Every order, one's own share first, so that nobody waits for another's and nothing is left."""
    own = list(pending[number::hands])
    return own + [pk for pk in reversed(pending) if pk not in set(own)]
