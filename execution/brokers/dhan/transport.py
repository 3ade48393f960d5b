"""The wire to Dhan: one request per attempt, one deadline around it, the answer kept as it came.

The `dhanhq` package builds the requests; it takes any object with get, post, put and delete, and hands back what
these return. No redirect is followed, no proxy is used, nothing is retried: httpcore does none of it by itself.
"""

import json
import logging
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NoReturn, Protocol

import httpcore
import httpx

from execution.brokers.dhan.addresses import CredentialReader, require_reachable
from execution.brokers.dhan.answers import UNKNOWN_REMEDY, Answer
from execution.brokers.dhan.deadline import Deadline, DeadlineBackend
from execution.clock import SystemClock
from execution.errors import NotSent, OutcomeUnknown, ReadFailed
from market.errors import Reason

_KEEP_ALIVE_SECONDS = 20.0
_FIRST_BYTE = "http11.send_request_headers.started"
_ELAPSED = SystemClock().elapsed  # of the machine, even where the market moment is virtual: the network is real
_SENT = "http11.send_request_body.complete"

log = logging.getLogger(__name__)

Stage = Callable[[str], None]
_FAILURES = (
    httpcore.NetworkError,
    httpcore.TimeoutException,
    httpcore.ProtocolError,
    httpcore.UnsupportedProtocol,
    httpcore.ConnectionNotAvailable,
    OSError,
)


@dataclass(frozen=True, slots=True)
class Bounds:
    """How long an exchange may take, seconds, and how much an answer may hold, bytes."""

    write_seconds: float = 8.0
    read_seconds: float = 5.0
    largest_answer: int = 16 * 1024 * 1024


BOUNDS = Bounds()


class Unsent(Exception):
    """No byte of the request left this machine."""


class Cut(Exception):
    """At least one byte may have left, and no whole answer came back."""


def no_stage(_name: str) -> None:
    """Nobody is watching."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """One write and what came back; `failure` says how far it came where no whole answer did."""

    method: str
    endpoint: str
    correlation_id: str
    request: bytes
    status: int | None
    answer: bytes | None
    failure: str = ""


Recorder = Callable[[Exchange], None]


def unrecorded(_exchange: Exchange) -> None:
    """Nobody keeps a record."""


class Sends(Protocol):
    """What carries one request and brings back its whole answer."""

    bounds: Bounds

    def send(
        self,
        method: str,
        endpoint: str,
        *,
        headers: Mapping[str, str],
        body: bytes | None,
        seconds: float,
        gate: Callable[[], None],
    ) -> Answer:
        """Exchange one request; raises Unsent or Cut."""


class Wire:
    """Sends one request and returns its whole answer, or says how far it came."""

    def __init__(
        self,
        base_url: str,
        *,
        elapsed: Callable[[], float] = _ELAPSED,
        on_stage: Stage = no_stage,
        bounds: Bounds = BOUNDS,
    ) -> None:
        require_reachable(base_url)
        self._base_url, self._on_stage, self.bounds = base_url.rstrip("/"), on_stage, bounds
        self._deadline = Deadline(elapsed)
        self._pool = httpcore.ConnectionPool(
            ssl_context=httpx.create_ssl_context(trust_env=False),
            max_connections=10,
            keepalive_expiry=_KEEP_ALIVE_SECONDS,
            retries=0,
            network_backend=DeadlineBackend(self._deadline),
        )
        self.close = weakref.finalize(self, self._pool.close)  # nobody has to remember to close a broker

    def send(
        self,
        method: str,
        endpoint: str,
        *,
        headers: Mapping[str, str],
        body: bytes | None,
        seconds: float,
        gate: Callable[[], None],
    ) -> Answer:
        """Exchange one request; `gate` runs after the connection stands and before the first byte of the request."""
        progress = _Progress(gate, self._on_stage)
        with self._deadline.of(seconds):
            try:
                answer = self._exchange(method, endpoint, headers, body, progress)
            except _FAILURES as error:
                progress.give_up(error)
        self._on_stage("answered")
        return answer

    def _exchange(
        self, method: str, endpoint: str, headers: Mapping[str, str], body: bytes | None, progress: "_Progress"
    ) -> Answer:
        extensions = {"trace": progress, "timeout": {"pool": self._deadline.left(httpcore.ConnectTimeout)}}
        url = self._base_url + endpoint
        with self._pool.stream(
            method, url, headers=list(headers.items()), content=body, extensions=extensions
        ) as response:
            chunks, size = [], 0
            for chunk in response.iter_stream():
                self._deadline.left(httpcore.ReadTimeout)
                size += len(chunk)
                if size > self.bounds.largest_answer:
                    raise httpcore.RemoteProtocolError("the answer is too large")
                chunks.append(chunk)
            retry_after = next((value for name, value in response.headers if name.lower() == b"retry-after"), b"")
            return Answer(response.status, b"".join(chunks), retry_after.decode("latin-1"))


class _Progress:
    """Hears from httpcore how far a request came; runs the gate at the last moment before it starts."""

    def __init__(self, gate: Callable[[], None], on_stage: Stage) -> None:
        self._gate, self._on_stage, self._started = gate, on_stage, False

    def __call__(self, event: str, _info: Mapping[str, Any]) -> None:
        if event == _FIRST_BYTE:
            self._on_stage("connected")
            self._gate()
            self._started = True
        elif event == _SENT:
            self._on_stage("sent")

    def give_up(self, error: Exception) -> NoReturn:
        """Say which of the two kinds of failure this is; the text of the error may hold secrets and is left out."""
        raise (Cut if self._started else Unsent)(type(error).__name__) from error


@dataclass(frozen=True, slots=True)
class Calls:
    """One attempt, in the shape the `dhanhq` package wants: what each method returns is the raw answer."""

    wire: Sends
    credential: CredentialReader
    writes: bool
    gate: Callable[[], None]
    recorded: Recorder = unrecorded

    def get_dhan_http(self) -> "Calls":
        """Be the package's context too."""
        return self

    def get(self, endpoint: str) -> Answer:
        """One GET."""
        return self._attempt("GET", endpoint, None)

    def post(self, endpoint: str, payload: dict[str, Any]) -> Answer:
        """One POST."""
        return self._attempt("POST", endpoint, payload)

    def put(self, endpoint: str, payload: dict[str, Any]) -> Answer:
        """One PUT."""
        return self._attempt("PUT", endpoint, payload)

    def delete(self, endpoint: str) -> Answer:
        """One DELETE."""
        return self._attempt("DELETE", endpoint, None)

    def _attempt(self, method: str, endpoint: str, payload: dict[str, Any] | None) -> Answer:
        who = self.credential()
        headers = {
            "access-token": who.access_token,
            "client-id": who.client_id,
            "Content-type": "application/json",
            "Accept": "application/json",
        }
        body = _body(payload, who.client_id) if payload is not None else None
        seconds = self.wire.bounds.write_seconds if self.writes else self.wire.bounds.read_seconds
        exchange = Exchange(method, endpoint, str((payload or {}).get("correlationId", "")), body or b"", None, None)
        try:
            answer = self.wire.send(method, endpoint, headers=headers, body=body, seconds=seconds, gate=self.gate)
        except Unsent as error:
            self._record(replace(exchange, failure=f"not sent: {error}"))
            raise self._failure(NotSent, "NOT_SENT", error) from error
        except Cut as error:
            self._record(replace(exchange, failure=f"cut off: {error}"))
            raise self._failure(OutcomeUnknown, "OUTCOME_UNKNOWN", error) from error
        self._record(replace(exchange, status=answer.status, answer=answer.body))
        log.debug("%s answered %s with %s bytes", method, answer.status, len(answer.body))
        return answer

    def _record(self, exchange: Exchange) -> None:
        """Reads change nothing and are asked all day: only writes are kept."""
        if self.writes:
            self.recorded(exchange)

    def _failure(
        self, kind: type[NotSent | OutcomeUnknown], code: str, error: Exception
    ) -> NotSent | OutcomeUnknown | ReadFailed:
        """A read that failed is no evidence of anything, wherever it broke."""
        if not self.writes:
            return ReadFailed(Reason("READ_FAILED", f"Dhan could not be read: {error}.", "Nothing was learned."))
        if kind is NotSent:
            return NotSent(Reason(code, f"Nothing left this machine: {error}.", "It may be tried again."))
        return OutcomeUnknown(Reason(code, f"No whole answer came: {error}.", UNKNOWN_REMEDY))


def _body(payload: dict[str, Any], client_id: str) -> bytes:
    """What the package would send: its payload with the client id; nothing for an empty one."""
    if not payload:
        return b""
    try:
        return json.dumps(payload | {"dhanClientId": client_id}, allow_nan=False).encode()
    except (TypeError, ValueError) as error:
        sentence = f"The request cannot be written as JSON: {type(error).__name__}."
        raise NotSent(Reason("UNSENDABLE", sentence, "This is a mistake in our own mapping.")) from error
