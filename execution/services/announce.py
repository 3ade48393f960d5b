"""One hint to every open page per state change; losing one loses nothing, the rows are the truth.

A thread of its own sends them: whoever trades waits neither for Redis nor for a connection to it.
"""

import asyncio
import atexit
import logging
import os
from concurrent.futures import Future, wait
from functools import partial
from threading import Lock, Thread

from channels.layers import get_channel_layer
from django.db import transaction
from redis.exceptions import RedisError

from execution.models import LegOrder

ORDERS_GROUP = "orders"
MOST_WAITING = 1_000  # hints; while Redis takes none, later ones are dropped
TELL_SECONDS = 2.0
FLUSH_SECONDS = 1.0

logger = logging.getLogger(__name__)


def order_changed(order: LegOrder) -> None:
    """Tell the pages after the change is committed."""
    update = {
        "id": order.pk,
        "run": order.run_id,
        "symbol": order.symbol,
        "side": order.side,
        "quantity": order.quantity,
        "filled_quantity": order.filled_quantity,
        "state": str(order.state),
    }
    transaction.on_commit(partial(_send, update))


def _send(update: dict[str, object]) -> None:
    _announcer(os.getpid()).send(update)


class _Announcer:
    """A thread with an event loop, which keeps the connections of the channel layer."""

    def __init__(self) -> None:
        self._process = os.getpid()
        self._loop = asyncio.new_event_loop()
        self._in_order = asyncio.Lock()
        self._waiting = set[Future[None]]()
        self._thread = Thread(target=self._loop.run_forever, name="announcements", daemon=True)
        self._thread.start()
        atexit.register(self._end)

    def send(self, update: dict[str, object]) -> None:
        if len(self._waiting) >= MOST_WAITING:
            logger.warning("order update not announced: %s wait already", MOST_WAITING)
            return
        sent = asyncio.run_coroutine_threadsafe(self._tell(update), self._loop)
        self._waiting.add(sent)
        sent.add_done_callback(self._done)

    def _done(self, sent: Future[None]) -> None:
        self._waiting.discard(sent)
        if not sent.cancelled() and sent.exception() is not None:
            logger.error("order update not announced", exc_info=sent.exception())

    async def _tell(self, update: dict[str, object]) -> None:
        layer = get_channel_layer()
        if layer is None:
            return
        try:
            async with self._in_order, asyncio.timeout(TELL_SECONDS):
                await layer.group_send(ORDERS_GROUP, {"type": "order_update", "order": update})
        except (RedisError, OSError) as error:
            logger.warning("order update not announced: %s", str(error) or type(error).__name__)

    def _end(self) -> None:
        """A command that ends at once has its last hints sent first."""
        if os.getpid() != self._process:
            return  # a forked child has the list and not the thread
        wait(list(self._waiting), timeout=FLUSH_SECONDS)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(FLUSH_SECONDS)


_made: dict[int, _Announcer] = {}
_making = Lock()


def _announcer(process: int) -> _Announcer:
    """One for each process: a thread does not come along into a forked one."""
    with _making:
        if process not in _made:
            _made[process] = _Announcer()
        return _made[process]
