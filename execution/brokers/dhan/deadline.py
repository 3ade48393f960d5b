"""One deadline around a whole HTTP exchange: every read and write of a socket gets only the time that is left."""

import ssl
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import httpcore

_ENDS_AT: ContextVar[float] = ContextVar("dhan_exchange_ends_at")


class Deadline:
    """Says how much time is left; each exchange runs in one thread, so its end lives in that thread's context."""

    def __init__(self, elapsed: Callable[[], float]) -> None:
        self._elapsed = elapsed

    @contextmanager
    def of(self, seconds: float) -> Iterator[None]:
        """Everything inside ends after so many seconds."""
        token = _ENDS_AT.set(self._elapsed() + seconds)
        try:
            yield
        finally:
            _ENDS_AT.reset(token)

    def left(self, timeout_error: type[Exception]) -> float:
        """Seconds left, or the given error when none are."""
        seconds = _ENDS_AT.get() - self._elapsed()
        if seconds <= 0:
            raise timeout_error("the deadline of the exchange is over")
        return seconds


class DeadlineBackend(httpcore.NetworkBackend):
    """Opens sockets whose every step obeys the deadline."""

    def __init__(self, deadline: Deadline) -> None:
        self._deadline, self._inner = deadline, httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect within the time that is left."""
        left = self._deadline.left(httpcore.ConnectTimeout)
        stream = self._inner.connect_tcp(host, port, left, local_address, socket_options)
        return _DeadlineStream(stream, self._deadline)


class _DeadlineStream(httpcore.NetworkStream):
    def __init__(self, inner: httpcore.NetworkStream, deadline: Deadline) -> None:
        self._inner, self._deadline = inner, deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, self._deadline.left(httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, self._deadline.left(httpcore.WriteTimeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        left = self._deadline.left(httpcore.ConnectTimeout)
        return _DeadlineStream(self._inner.start_tls(ssl_context, server_hostname, left), self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)
