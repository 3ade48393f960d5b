"""Throw-away servers: a guard process holds them, and removes them when their owner lets go or dies in any way."""

import atexit
import json
import os
import select
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from optionsv4.embedded.supervisor import Servers, remove_servers, start_servers
from optionsv4.embedded.system import EmbeddedError

_PROJECT = Path(__file__).parents[2]
# By state directory: the process that owns the guard (a forked child inherits this table, not the servers), the guard.
_guards: dict[Path, tuple[int, subprocess.Popen[str], Servers]] = {}


def start_guarded(state_dir: Path, *, postgres: bool, redis: bool) -> Servers:
    """Start throw-away servers that belong to this process."""
    if state_dir in _guards:
        return _guards[state_dir][2]
    if state_dir.exists() and any(state_dir.iterdir()):
        raise EmbeddedError(f"{state_dir} is not empty.", "Throw-away servers remove their directory: give a new one.")
    wanted = json.dumps({"postgres": postgres, "redis": redis})
    guard = subprocess.Popen(
        [sys.executable, "-m", "optionsv4.embedded", str(state_dir), wanted],
        cwd=_PROJECT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        # Ctrl-C is for the owner; the guard follows when the owner has ended.
        start_new_session=True,
    )
    servers = _answer_of(guard)
    _guards[state_dir] = (os.getpid(), guard, servers)
    atexit.register(stop_guarded, state_dir)
    return servers


def stop_guarded(state_dir: Path) -> bool:
    """End the throw-away servers of this process in this directory; False where there are none."""
    owner, guard, _ = _guards.get(state_dir, (None, None, None))
    if owner != os.getpid() or guard is None or guard.stdin is None:
        return False
    del _guards[state_dir]
    guard.stdin.close()
    guard.wait()
    return True


def hold(state_dir: Path, wanted: dict[str, bool]) -> None:
    """Be the guard: start the servers, tell the owner, wait until it lets go or is gone, remove every trace."""
    owner = os.getppid()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    home = state_dir / "embedded"
    try:
        _answer(asdict(start_servers(home, throwaway=True, **wanted)))
        # The pipe tells at once; the parent's pid tells also when a forked child still holds the pipe open.
        while os.getppid() == owner and not select.select([sys.stdin], [], [], 1.0)[0]:
            pass
    except EmbeddedError as error:
        _answer({"sentence": error.sentence, "remedy": error.remedy})
    finally:
        remove_servers(home)
        with suppress(OSError):
            state_dir.rmdir()


def _answer(words: dict[str, Any]) -> None:
    with suppress(BrokenPipeError):
        sys.stdout.write(json.dumps(words) + "\n")
        sys.stdout.flush()


def _answer_of(guard: subprocess.Popen[str]) -> Servers:
    assert guard.stdin is not None
    assert guard.stdout is not None
    with guard.stdout:
        answer = json.loads(guard.stdout.readline() or "{}")
    if "database_url" in answer:
        return Servers(**answer)
    guard.stdin.close()
    guard.wait()
    raise EmbeddedError(answer.get("sentence", "The guard of the throw-away servers died."), answer.get("remedy", ""))
