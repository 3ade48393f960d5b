"""Another process, for tests of locks: a thread with a database session of its own."""

import threading
from contextlib import AbstractContextManager

from django.db import connections


class Elsewhere:
    """Inside this block somebody else is inside `lock`."""

    def __init__(self, lock: AbstractContextManager[object]) -> None:
        self._lock, self._ready, self._done = lock, threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._hold)

    def _hold(self) -> None:
        with self._lock:
            self._ready.set()
            self._done.wait(10)
        connections.close_all()

    def __enter__(self) -> None:
        self._thread.start()
        assert self._ready.wait(10)

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()
