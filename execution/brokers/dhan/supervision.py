"""Keeps one WebSocket to Dhan open for as long as it runs, whatever the other end does."""

import asyncio
import logging
import random
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from execution.brokers.dhan.addresses import require_reachable
from execution.brokers.dhan.token import Credential
from execution.clock import SystemClock
from execution.errors import AuthExpired, BrokerError

LARGEST_FRAME = 1024 * 1024  # the library ends the connection beyond it, and we open it again
_PACED = frozenset({"805", "429"})
_TOKEN = frozenset({"401", "403", "806", "807", "808", "809", "810"})

log = logging.getLogger(__name__)
# The library writes every frame and address at DEBUG, and with them the token: it gets a logger that says nothing.
_SILENT = logging.getLogger("execution.brokers.dhan.frames")
_SILENT.setLevel(logging.CRITICAL + 1)
_SILENT.propagate = False

Send = Callable[[str], Awaitable[None]]
AsyncCredentialReader = Callable[[], Awaitable[Credential]]


class Why(StrEnum):
    """Why a connection ended, named by what to do: try soon, cool off, wait for another token."""

    DROPPED = "dropped"
    PACED = "paced"
    AUTH = "auth"
    RENEWED = "renewed"


class Ended(Exception):
    """The connection is over, or has to be."""

    def __init__(self, why: Why) -> None:
        super().__init__(why.value)
        self.why = why


class Conversation(Protocol):
    """What is said on one kind of socket."""

    name: str
    silence_seconds: float

    def address(self, who: Credential) -> str:
        """Where to connect; may hold the token, so it is never logged."""

    async def opened(self, send: Send, who: Credential) -> None:
        """The socket is open."""

    def received(self, message: str | bytes) -> bool:
        """Take a message; whether it is a sign of life of the data, not only of the line. Raises Ended."""

    async def beat(self, send: Send) -> bool:
        """A moment has passed; whether data is to be expected at all."""


@dataclass(frozen=True, slots=True)
class Pauses:
    """Seconds of waiting: between attempts, after a refusal for pace, with a dead token, and between two looks."""

    first: float = 0.5
    longest: float = 30.0
    cool_off: float = 60.0
    token: float = 300.0
    look: float = 5.0
    beat: float = 0.25


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Time and chance as things one can hand over."""

    sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep
    jitter: Callable[[], float] = random.random
    elapsed: Callable[[], float] = SystemClock().elapsed


class SupervisedSocket:
    """Connects, listens and connects again, for ever; ends only when its task is cancelled."""

    def __init__(
        self,
        conversation: Conversation,
        credential: AsyncCredentialReader,
        *,
        pauses: Pauses | None = None,
        around: Surroundings | None = None,
    ) -> None:
        self._conversation, self._credential = conversation, credential
        self._pauses, self._around = pauses or Pauses(), around or Surroundings()
        self.attempts = 0
        self.is_open = False
        self._lively = False

    async def run(self) -> None:
        """Keep the socket open."""
        failures = 0
        while True:
            why, generation = await self._one()
            failures = 0 if self._lively else failures + 1
            await self._rest(why, failures, generation)

    async def _one(self) -> tuple[Why, int | None]:
        """One connection from its opening to its end; why it ended, and with which token it was opened."""
        self.attempts, self._lively, generation = self.attempts + 1, False, None
        try:
            who = await self._credential()
            generation = who.generation
            await self._converse(who)
        except Ended as end:
            why = end.why
        except BrokerError as error:
            why = Why.AUTH if isinstance(error, AuthExpired) else Why.DROPPED
        except (WebSocketException, OSError, EOFError) as error:
            why = _why(error)
        finally:
            self.is_open = False
        log.log(logging.ERROR if why is Why.AUTH else logging.WARNING, "%s ended: %s", self._conversation.name, why)
        return why, generation

    async def _converse(self, who: Credential) -> None:
        address = self._conversation.address(who)
        require_reachable(address)
        async with _Straight(
            address,
            logger=_SILENT,
            proxy=None,
            max_size=LARGEST_FRAME,
            open_timeout=10,
            ping_interval=10,
            ping_timeout=10,
            close_timeout=2,
        ) as socket:
            await self._conversation.opened(socket.send, who)
            self.is_open = True
            log.info("%s is open", self._conversation.name)
            await self._listen(socket, who)

    async def _listen(self, socket: ClientConnection, who: Credential) -> None:
        opened_at = alive_at = looked_at = self._around.elapsed()
        while True:
            expected = await self._conversation.beat(socket.send)
            message = await _next(socket, self._pauses.beat)
            fresh = message is not None and self._conversation.received(message)
            now = self._around.elapsed()
            if fresh or not expected:
                alive_at = now
            if now - alive_at > self._conversation.silence_seconds:
                raise Ended(Why.DROPPED)
            self._lively = self._lively or fresh or now - opened_at >= self._pauses.longest
            if now - looked_at >= self._pauses.look:
                looked_at = now
                await self._require_same_token(who)

    async def _require_same_token(self, who: Credential) -> None:
        if (await self._credential()).generation != who.generation:
            raise Ended(Why.RENEWED)

    async def _rest(self, why: Why, failures: int, generation: int | None) -> None:
        if why is Why.RENEWED:
            return
        if why is Why.AUTH:
            await self._await_other_token(generation)
            return
        if why is Why.PACED:
            await self._around.sleep(self._pauses.cool_off)
            return
        longest = min(self._pauses.longest, self._pauses.first * 2.0 ** min(failures, 10))
        await self._around.sleep(longest * (0.5 + 0.5 * self._around.jitter()))

    async def _await_other_token(self, generation: int | None) -> None:
        """A dead token is not tried in a loop, which gets accounts blocked; another one is used at once."""
        waited = 0.0
        while waited < self._pauses.token:
            await self._around.sleep(self._pauses.look)
            waited += self._pauses.look
            try:
                if (await self._credential()).generation != generation:
                    return
            except BrokerError:
                continue


class _Straight(connect):
    """Connects where it was told to, and nowhere a redirect says: the address or the first message holds the token."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


async def _next(socket: ClientConnection, seconds: float) -> str | bytes | None:
    try:
        async with asyncio.timeout(seconds):
            return await socket.recv()
    except TimeoutError:
        return None


def _why(error: Exception) -> Why:
    """Read the kind of an end from a handshake's status or a close frame's reason."""
    said: set[str] = set()
    if isinstance(error, InvalidStatus):
        said = {str(error.response.status_code)}
    elif isinstance(error, ConnectionClosed) and error.rcvd is not None:
        said = set(re.findall(r"\b\d{3}\b", error.rcvd.reason))
    return Why.PACED if said & _PACED else Why.AUTH if said & _TOKEN else Why.DROPPED
