"""A loopback WebSocket server whose connections the test scripts one after another."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from websockets.asyncio.server import Request, Response, ServerConnection, serve

from execution.brokers.dhan.supervision import Pauses, Surroundings
from execution.brokers.dhan.token import Credential

Script = Callable[[ServerConnection], Awaitable[None]]
LATE = 0.03  # seconds until a scripted end, so that the opening and its first message come before it
FAST = Pauses(first=0.01, longest=0.04, cool_off=0.2, token=0.3, look=0.02, beat=0.01)


@dataclass
class ScriptedSockets:
    """Runs one script per connection; without a script left it stays open and silent."""

    scripts: list[Script | int]
    port: int = 0
    heard: list[str | bytes] = field(default_factory=list)
    heard_by: list[list[str | bytes]] = field(default_factory=list)  # the same, one list per connection
    paths: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    async def judge(self, connection: ServerConnection, request: Request) -> Response | None:
        self.paths.append(request.path)
        if self.scripts and isinstance(self.scripts[0], int):
            status = self.scripts.pop(0)
            location = {"Location": f"{self.url}/elsewhere"} if 300 <= status < 400 else {}
            response = connection.respond(HTTPStatus(status), "no\n")
            for name, value in location.items():
                response.headers[name] = value
            return response
        return None

    async def handle(self, connection: ServerConnection) -> None:
        script = self.scripts.pop(0) if self.scripts else wait_for_close
        listening = asyncio.create_task(self._listen(connection))
        try:
            await script(connection)
        finally:
            await connection.close()
            await asyncio.gather(listening, return_exceptions=True)

    async def _listen(self, connection: ServerConnection) -> None:
        mine: list[str | bytes] = []
        self.heard_by.append(mine)
        async for message in connection:
            mine.append(message)
            self.heard.append(message)


async def wait_for_close(connection: ServerConnection) -> None:
    await connection.wait_closed()


def says(*messages: str | bytes, then: Script = wait_for_close) -> Script:
    """Send these and go on."""

    async def script(connection: ServerConnection) -> None:
        for message in messages:
            await connection.send(message)
        await then(connection)

    return script


def closes(code: int = 1000, reason: str = "") -> Script:
    async def script(connection: ServerConnection) -> None:
        await asyncio.sleep(LATE)
        await connection.close(code, reason)

    return script


async def aborts(connection: ServerConnection) -> None:
    """End the TCP connection without a word."""
    await asyncio.sleep(LATE)
    connection.transport.abort()


@asynccontextmanager
async def scripted_sockets(*scripts: Script | int) -> AsyncIterator[ScriptedSockets]:
    server = ScriptedSockets(list(scripts))
    async with serve(server.handle, "127.0.0.1", 0, process_request=server.judge, max_size=None) as listening:
        server.port = listening.sockets[0].getsockname()[1]
        yield server


@asynccontextmanager
async def running(socket: Any) -> AsyncIterator[asyncio.Task[None]]:
    """The supervised socket as a task that ends with the test."""
    task = asyncio.create_task(socket.run())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(condition: Callable[[], object], seconds: float = 3.0) -> None:
    """Wait for something to become true."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.005)


@dataclass
class Tokens:
    """A credential reader whose token the test changes."""

    generation: int = 1
    error: Exception | None = None

    async def __call__(self) -> Credential:
        if self.error is not None:
            raise self.error
        return Credential("1100000001", f"CANARY-token-{self.generation}", None, self.generation)


@dataclass
class Slept:
    """Remembers every pause, takes none of it."""

    pauses: list[float] = field(default_factory=list)

    async def __call__(self, seconds: float) -> None:
        self.pauses.append(seconds)
        await asyncio.sleep(0)

    def around(self, jitter: float = 1.0) -> Surroundings:
        return Surroundings(sleep=self, jitter=lambda: jitter)
