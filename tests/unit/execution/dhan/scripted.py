"""A loopback server that answers one raw request after another exactly as the test says, byte by byte."""

import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

Step = Callable[[socket.socket], None]


@dataclass(frozen=True)
class Seen:
    """One request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class ScriptedServer:
    """Walks through its steps, one per request; without a step left it closes the connection."""

    steps: list[Step] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v2"

    def then(self, *steps: Step) -> None:
        self.steps.extend(steps)

    def talk(self, connection: socket.socket) -> None:
        try:
            while (request := read_request(connection)) is not None:
                self.seen.append(request)
                if not self.steps:
                    return
                self.steps.pop(0)(connection)
        except OSError:
            return
        finally:
            connection.close()


def read_request(connection: socket.socket) -> Seen | None:
    data = b""
    while b"\r\n\r\n" not in data:
        chunk = connection.recv(65_536)
        if not chunk:
            return None
        data += chunk
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    while len(body) < int(headers.get("content-length", 0)):
        body += connection.recv(65_536)
    method, path, _ = first.split(" ")
    return Seen(method, path, headers, body)


def reply(status: int, body: Any = b"", **headers: str) -> Step:
    """A whole answer; anything but bytes is written as JSON."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    extra = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    head = f"HTTP/1.1 {status} X\r\nContent-Length: {len(raw)}\r\n{extra}\r\n".encode()
    return lambda connection: connection.sendall(head + raw)


def part_then_close(raw: bytes) -> Step:
    """So many bytes and the end of the connection."""

    def step(connection: socket.socket) -> None:
        connection.sendall(raw)
        raise OSError

    return step


def reset(connection: socket.socket) -> None:
    """End the connection the hard way."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    raise OSError


def drip(raw: bytes, *, every: float) -> Step:
    """One byte at a time, for ever slower than anybody should wait."""

    def step(connection: socket.socket) -> None:
        for index in range(len(raw)):
            connection.sendall(raw[index : index + 1])
            time.sleep(every)

    return step


def silence(seconds: float) -> Step:
    """Nothing at all."""
    return lambda _connection: time.sleep(seconds)


@contextmanager
def scripted_server(*steps: Step) -> Iterator[ScriptedServer]:
    """A server of its own for one test."""
    server = ScriptedServer(list(steps))
    listener = socket.create_server(("127.0.0.1", 0))
    server.port = listener.getsockname()[1]

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=server.talk, args=(connection,), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield server
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
