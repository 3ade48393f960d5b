"""Both servers of one home directory: start, stop, status."""

import shutil
import signal
from dataclasses import dataclass
from pathlib import Path

from optionsv4.embedded.home import identity_for, locked, sockets_of
from optionsv4.embedded.postgres import database_url, ensure_postgres, postgres_server
from optionsv4.embedded.redis import ensure_redis, redis_server, redis_socket
from optionsv4.embedded.server import ServerStatus, end, status_of
from optionsv4.embedded.system import in_words


@dataclass(frozen=True, slots=True)
class Servers:
    """Where the two servers of one state directory answer; a pid is None where that server was not asked for."""

    database_url: str
    redis_url: str
    redis_socket: str
    postgres_pid: int | None
    redis_pid: int | None


@dataclass(frozen=True, slots=True)
class Status:
    """Both servers as they stand now."""

    postgres: ServerStatus
    redis: ServerStatus

    @property
    def running(self) -> bool:
        return self.postgres.running and self.redis.running


def start_servers(home: Path, *, throwaway: bool, postgres: bool, redis: bool) -> Servers:
    """Start what is asked for and does not run yet; processes that race take turns."""
    with in_words(home):
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        with locked(home):
            identity = identity_for(home)
            return Servers(
                postgres_pid=ensure_postgres(home, identity, throwaway=throwaway) if postgres else None,
                redis_pid=ensure_redis(home, identity) if redis else None,
                database_url=database_url(home),
                redis_url=f"unix://{redis_socket(home)}",
                redis_socket=redis_socket(home),
            )


def stop_servers(home: Path) -> None:
    """Stop both servers without losing anything."""
    if not home.is_dir():
        return
    with in_words(home), locked(home):
        end(redis_server(home))
        end(postgres_server(home))
        _remove_far_sockets(home)


def remove_servers(home: Path) -> None:
    """Kill both servers and delete all they stored."""
    end(redis_server(home), signal.SIGKILL)
    end(postgres_server(home), signal.SIGQUIT, signal.SIGKILL)
    _remove_far_sockets(home)
    shutil.rmtree(home, ignore_errors=True)


def status_of_servers(home: Path) -> Status:
    """Look without touching."""
    with in_words(home):
        postgres, redis = postgres_server(home), redis_server(home)
        return Status(
            postgres=status_of(postgres, url=database_url(home), directory=home / "postgres"),
            redis=status_of(redis, url=f"unix://{redis_socket(home)}", directory=home / "redis"),
        )


def _remove_far_sockets(home: Path) -> None:
    if sockets_of(home) != home / "run":
        shutil.rmtree(sockets_of(home), ignore_errors=True)
