"""What both WebSockets share: the ASGI conversation, and how a connection ends."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Protocol, TypeVar

import orjson

Asked = TypeVar("Asked")

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class Ask(Protocol):
    """Runs work on the venue's own thread."""

    async def __call__(self, work: Callable[[], Asked]) -> Asked:
        """Wait for it."""


class Socket:
    """One WebSocket connection."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive, self._send = receive, send
        self.open = False

    async def accept(self) -> None:
        """Finish the handshake."""
        await self._receive()
        await self._send({"type": "websocket.accept"})
        self.open = True

    async def refuse(self, status: int) -> None:
        """Answer the handshake with an HTTP error."""
        await self._receive()
        headers = [(b"content-type", b"text/plain")]
        await self._send({"type": "websocket.http.response.start", "status": status, "headers": headers})
        await self._send({"type": "websocket.http.response.body", "body": b"refused"})

    async def read(self) -> str | bytes | None:
        """The next message, None at the end."""
        message = await self._receive()
        if message["type"] != "websocket.receive":
            self.open = False
            return None
        text: str | None = message.get("text")
        return text if text is not None else bytes(message["bytes"])

    async def write(self, payload: bytes | str) -> None:
        """Send one frame, unless the other side has gone."""
        if not self.open:
            return
        key = "bytes" if isinstance(payload, bytes) else "text"
        try:
            await self._send({"type": "websocket.send", key: payload})
        except OSError:
            self.open = False

    async def close(self, code: int = 1000) -> None:
        """End it."""
        if self.open:
            self.open = False
            await self._send({"type": "websocket.close", "code": code})


def message_of(raw: str | bytes) -> dict[str, Any]:
    """The JSON object of a text frame; nothing for anything else, as the binary goodbye of the package."""
    if isinstance(raw, bytes):
        return {}
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return {}
    return value if isinstance(value, dict) else {}
