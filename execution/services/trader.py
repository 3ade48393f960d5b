"""The trader: one leader that works through the queue and watches positions while the market is open.

It polls PostgreSQL; Redis only wakes it sooner, and losing Redis costs at most one poll.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime

from django.conf import settings
from django.db import connection
from django.utils import timezone
from redis import Redis, RedisError

from execution.errors import ExecutionDenied
from execution.services.desk import open_desk
from execution.services.positions import monitor_positions
from execution.services.preparation import Desk
from execution.services.runs import execute_queue
from market.errors import OptionsError, Reason

logger = logging.getLogger(__name__)

LEADER_LOCK = 0x0F7E0001  # advisory lock: one trader per database
WAKE_KEY = "trader:wake"
POLL_SECONDS = 2.0
MONITOR_EVERY_SECONDS = 30.0

Step = Callable[..., object]  # takes as_of, broker, market and account


def wake() -> None:
    """Ring the trader's bell; without Redis it finds the work by polling."""
    try:
        _redis().lpush(WAKE_KEY, "1")
    except RedisError:
        logger.warning("the trader could not be woken; it will poll")


@contextmanager
def leadership() -> Iterator[None]:
    """Hold the leader's lock for as long as this session lives; a second trader is refused."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [LEADER_LOCK])
        row = cursor.fetchone()
    if not (row and row[0]):
        raise ExecutionDenied(Reason("NOT_LEADER", "Another trader is running.", "Stop it first: one leads."))
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [LEADER_LOCK])


def trade_until(stopped: threading.Event, *, account_name: str | None, say: Callable[[str], None]) -> None:
    """Poll until told to stop: execute what is queued, look at what is open; a closed market is waited for."""
    state, monitored = "", 0.0
    while not stopped.is_set():
        due = time.monotonic() - monitored >= MONITOR_EVERY_SECONDS
        try:
            refusals = _one_round(timezone.now(), account_name, monitor=due)
            monitored = time.monotonic() if due and not refusals else monitored
            now_state = "; ".join(dict.fromkeys(map(str, refusals))) or "Market open: trading."
        except OptionsError as refusal:
            now_state = str(refusal.reason)
        if now_state != state:
            state = now_state
            logger.info("trader: %s", state)
            say(state)
        _wait(stopped)


def in_turn(steps: Iterable[Step], desk: Desk) -> list[Reason]:
    """Take each step; what refuses one does not keep the next from being done."""
    refusals = (_refusal(step, desk) for step in steps)
    return [reason for reason in refusals if reason is not None]


def _one_round(as_of: datetime, account_name: str | None, *, monitor: bool) -> list[Reason]:
    steps: list[Step] = [execute_queue, monitor_positions] if monitor else [execute_queue]
    return in_turn(steps, open_desk(as_of, account_name=account_name))


def _refusal(step: Step, desk: Desk) -> Reason | None:
    try:
        step(as_of=desk.as_of, broker=desk.broker, market=desk.market, account=desk.account)
    except OptionsError as error:
        return error.reason
    return None


def _wait(stopped: threading.Event) -> None:
    """Sleep until woken, at most one poll."""
    try:
        _redis().blpop([WAKE_KEY], timeout=POLL_SECONDS)
    except RedisError:
        stopped.wait(POLL_SECONDS)


def _redis() -> "Redis":
    return Redis.from_url(settings.WAKE_URL, socket_timeout=POLL_SECONDS + 3)
