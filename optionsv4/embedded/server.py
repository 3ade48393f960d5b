"""Start, recognise, await and stop one server process, whichever it is."""

import os
import re
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from optionsv4.embedded.home import Identity
from optionsv4.embedded.system import EmbeddedError, command_line, fail, recorded_pid, run

_READY_SECONDS = 120.0
_STOP_SECONDS = 30.0
_LOG_BYTES = 10_000_000
# The pid file is written before the server's first instruction, so no death of ours can leave a server unknown.
_DETACHED = """/bin/sh -c 'echo $$ >"$0" && exec "$@"' "$@" </dev/null >>"$0" 2>&1 & echo $!"""


@dataclass(frozen=True, slots=True)
class Server:
    """What there is to know about one server; the last pid file is the one we write."""

    name: str
    arguments: list[str]
    marker: str
    pid_files: tuple[Path, ...]
    log: Path
    is_ready: Callable[[int], bool]
    stop_signals: tuple[signal.Signals, ...]

    def pid(self) -> int | None:
        """The live process, never one that merely inherited a number from a stale pid file."""
        return next((pid for pid in map(recorded_pid, self.pid_files) if pid and self.is_process(pid)), None)

    def is_process(self, pid: int) -> bool:
        return f"{self.marker} " in f"{command_line(pid)} "


@dataclass(frozen=True, slots=True)
class ServerStatus:
    """One server as it stands now."""

    running: bool
    pid: int | None
    url: str
    version: str
    directory: str
    log: str


def ensure(server: Server, identity: Identity) -> int:
    """Start the server unless it runs, wait until it answers, and return its pid."""
    _rotate(server.log)
    deadline = time.monotonic() + _READY_SECONDS
    while True:
        log_size = server.log.stat().st_size if server.log.exists() else 0
        pid = server.pid() or _spawn(server, identity)
        if _becomes_ready(server, pid, deadline=deadline):
            return pid
        said = _written_since(log_size, server.log)
        # After kill -9 of the postmaster its backends need a moment to notice.
        if "pre-existing shared memory block" not in said or time.monotonic() > deadline:
            fail(f"The embedded {server.name} server did not start", said, log=server.log)
        time.sleep(0.2)


def end(server: Server, *signals: signal.Signals) -> None:
    """Stop the server and wait until it is gone, by the given signals in turn or by its own gentle ones."""
    for number in signals or server.stop_signals:
        pid = server.pid()
        if pid is None:
            break
        with suppress(ProcessLookupError):
            os.kill(pid, number)
        if _is_gone(server, pid):
            break
    else:
        raise EmbeddedError(f"The embedded {server.name} server does not stop.", f"Read {server.log}.")
    server.pid_files[-1].unlink(missing_ok=True)


def status_of(server: Server, *, url: str, directory: Path) -> ServerStatus:
    """Look at one server without touching it."""
    pid = server.pid()
    version = re.search(r"\d+(\.\d+)+", run([server.arguments[0], "--version"]).stdout)
    return ServerStatus(
        running=pid is not None and server.is_ready(pid),
        pid=pid,
        url=url,
        version=version.group() if version else "unknown",
        directory=str(directory),
        log=str(server.log),
    )


def _spawn(server: Server, identity: Identity) -> int:
    pid_file = server.pid_files[-1]
    pid_file.unlink(missing_ok=True)
    detach = ["/bin/sh", "-c", _DETACHED, str(server.log), str(pid_file), *server.arguments]
    launched = identity.run(detach, start_new_session=True)
    if launched.returncode:
        fail(f"The embedded {server.name} server could not be launched", launched.stderr)
    return int(launched.stdout)


def _becomes_ready(server: Server, pid: int, *, deadline: float) -> bool:
    """Whether the process came up; False once it is gone."""
    while not server.is_ready(pid):
        if not server.is_process(pid):
            return False
        if time.monotonic() > deadline:
            raise EmbeddedError(
                f"The embedded {server.name} server (pid {pid}) does not answer after {_READY_SECONDS:.0f} s.",
                f"It may still be recovering: read {server.log}, wait, and try again.",
            )
        time.sleep(0.005)
    return True


def _is_gone(server: Server, pid: int) -> bool:
    deadline = time.monotonic() + _STOP_SECONDS
    while server.is_process(pid):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True


def _written_since(size: int, log: Path) -> str:
    try:
        return log.read_bytes()[size:].decode(errors="replace")
    except FileNotFoundError:
        return ""


def _rotate(log: Path) -> None:
    if log.exists() and log.stat().st_size > _LOG_BYTES:
        log.rename(log.with_suffix(".log.old"))
