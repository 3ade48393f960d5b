"""Order updates pushed by the broker: each says "look now" and nothing else; without them the book is polled."""

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from django.conf import settings
from django.utils.module_loading import import_string

logger = logging.getLogger(__name__)


@contextmanager
def listening(look_now: Callable[[], None]) -> Iterator[None]:
    """Hear the broker's order updates in a thread of their own, where the chosen broker has any."""
    path = settings.ORDER_UPDATES.get(settings.BROKER)
    if path is None:
        yield
        return
    socket = import_string(path)(on_hint=lambda hint: look_now(), on_connected=look_now)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=_run, args=(loop, socket), name="order-updates", daemon=True)
    thread.start()
    try:
        yield
    finally:
        loop.call_soon_threadsafe(_cancel_all, loop)
        thread.join(timeout=5)


def _run(loop: asyncio.AbstractEventLoop, socket: Any) -> None:
    with suppress(asyncio.CancelledError):
        loop.run_until_complete(socket.run())
    loop.close()
    logger.info("order updates: no longer listening")


def _cancel_all(loop: asyncio.AbstractEventLoop) -> None:
    for task in asyncio.all_tasks(loop):
        task.cancel()
