"""The trader: one leader that works through the queue and watches positions while the market is open.

It polls PostgreSQL; Redis only wakes it sooner, and losing Redis costs at most one poll.
"""

import gc
import logging
import threading
import time
from collections.abc import Callable

from django.conf import settings
from django.db import InterfaceError, InternalError, OperationalError, connection
from redis import Redis, RedisError

from execution.errors import ExecutionDenied
from execution.models import ExecutionRun
from execution.services.breakers import trip_breakers
from execution.services.desk import open_desk
from execution.services.hints import listening
from execution.services.pauses import entries_paused
from execution.services.positions import open_due_exits
from execution.services.runs import next_queued, open_entry
from execution.services.trading import Trading, trading
from market.calendar import closed_reason

logger = logging.getLogger(__name__)

WAKE_KEY = "trader:wake"
POLL_SECONDS = 2.0
PATIENCE = 0.5  # seconds that an answer of Redis may take beyond what was asked of it
BUSY_SECONDS = 0.25  # between two passes while orders are under way
MONITOR_EVERY_SECONDS = 30.0
STANDBY_SECONDS = 0.25
MOST_ENTRIES_AT_ONCE = 10
_STARTS_OVER = frozenset({"NOT_LEADER", "FENCED"})

Say = Callable[[str], None]


def wake() -> None:
    """Ring the trader's bell; without Redis it finds the work by polling."""
    try:
        _redis(patience=PATIENCE).lpush(WAKE_KEY, "1")
    except RedisError:
        logger.warning("the trader could not be woken; it will poll")


def trade_until(stopped: threading.Event, *, account_name: str | None, say: Say) -> None:
    """Lead, or stand by until the leader is gone; whoever is fenced off or loses the database starts over."""
    say, desk = _once(say), None
    with listening(wake):
        while not stopped.is_set():
            try:
                desk = desk or open_desk(account_name=account_name)  # once: a candidate asks four times a second
                with trading(desk) as leader:
                    desk.account.refresh_from_db()  # what a candidate knows may be hours old
                    say("Trader is leading. Ctrl-C stops it.")
                    _lead(leader, stopped, say)
            except ExecutionDenied as refusal:
                if refusal.reason.code not in _STARTS_OVER:
                    raise
                say(f"Standing by. {refusal.reason}")
            except (OperationalError, InterfaceError, InternalError) as error:
                logger.exception("trader: the database is not there")
                say(f"The database is not there ({type(error).__name__}); trying again.")
                connection.close()
            stopped.wait(STANDBY_SECONDS)


def one_pass(leader: Trading) -> bool:
    """Claim what may be begun and drive everything open one step; True when something moved."""
    leader.reconcile_when_due()  # first: the gate opens nothing on books that were not compared
    claimed = _claim_next(leader)
    moved = leader.turn()
    return claimed or moved


def spare_the_heap() -> None:
    """Let the garbage collector pass over what stays for good: a full look at it takes longer than an order."""
    gc.collect()
    gc.freeze()


def _lead(leader: Trading, stopped: threading.Event, say: Say) -> None:
    monitored = 0.0
    spare_the_heap()
    while not stopped.is_set():
        leader.keep()
        closed = closed_reason(leader.desk.as_of)
        say("Market open: trading." if closed is None else str(closed))
        if closed is None:
            leader.reconcile_when_due()  # before breakers ask when the books were compared
            monitored = _monitor_when_due(leader, monitored)
            if one_pass(leader):
                continue
        _wait(stopped, BUSY_SECONDS if closed is None and leader.movable() else POLL_SECONDS)


def _once(say: Say) -> Say:
    """Say a thing when it is new, not at every pass."""
    told = ""

    def tell(words: str) -> None:
        nonlocal told
        if words != told:
            told = words
            logger.info("trader: %s", words)
            say(words)

    return tell


def _monitor_when_due(leader: Trading, last: float) -> float:
    if time.monotonic() - last < MONITOR_EVERY_SECONDS:
        return last
    open_due_exits(leader.desk)
    trip_breakers(leader)
    return time.monotonic()


def _claim_next(leader: Trading) -> bool:
    """Begin the next strategy of the queue unless enough are under way; the kill switch is asked first."""
    entries = ExecutionRun.objects.open().filter(account=leader.desk.account, purpose=ExecutionRun.Purpose.ENTRY)
    if leader.ledger.permit().opening is not None or entries.count() >= MOST_ENTRIES_AT_ONCE:
        return False
    strategy_id = next_queued(leader.desk)
    if strategy_id is None or leader.not_now() is not None or entries_paused(leader.desk) is not None:
        return False
    return open_entry(strategy_id, leader.desk) is not None


def _wait(stopped: threading.Event, seconds: float) -> None:
    """Sleep until woken, at most so long and a little: a Redis that hangs is no reason to sleep on."""
    until = time.monotonic() + seconds
    try:
        _redis(patience=seconds + PATIENCE).blpop([WAKE_KEY], timeout=seconds)
    except RedisError:
        stopped.wait(max(0.0, until - time.monotonic()))


def _redis(*, patience: float) -> "Redis":
    return Redis.from_url(settings.WAKE_URL, socket_timeout=patience, socket_connect_timeout=PATIENCE)
