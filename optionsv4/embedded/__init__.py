"""A real PostgreSQL and a real Redis from Python wheels, supervised: no root, no Docker, nothing to configure.

Only the binaries of the wheels are used; their Python is never imported. Everything of one pair of servers lies in
`<state_dir>/embedded`, private to the user the servers run as:

    lock  postgres/  postgres.log  postgres.pid  redis/  redis.log  redis.pid  run/ (the two sockets)
"""

from pathlib import Path

from optionsv4.embedded.guard import start_guarded, stop_guarded
from optionsv4.embedded.server import ServerStatus
from optionsv4.embedded.supervisor import Servers, Status, start_servers, status_of_servers, stop_servers
from optionsv4.embedded.system import EmbeddedError

__all__ = ["EmbeddedError", "ServerStatus", "Servers", "Status", "start", "status", "stop"]


def start(state_dir: Path, *, throwaway: bool = False, postgres: bool = True, redis: bool = True) -> Servers:
    """Start what does not run yet and say where it answers; safe to call any number of times, from anywhere at once.

    Throw-away servers trade durability for speed, belong to this process, and vanish with it and their directory.
    """
    if throwaway:
        return start_guarded(state_dir.resolve(), postgres=postgres, redis=redis)
    return start_servers(state_dir.resolve() / "embedded", throwaway=False, postgres=postgres, redis=redis)


def stop(state_dir: Path) -> None:
    """Stop both servers and wait until they are gone; where nothing runs, nothing happens."""
    if not stop_guarded(state_dir.resolve()):
        stop_servers(state_dir.resolve() / "embedded")


def status(state_dir: Path) -> Status:
    """Look without touching: which server runs, where, in which version."""
    return status_of_servers(state_dir.resolve() / "embedded")
