"""Processes that live and end together. Needs no Django."""

import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

STOP_SECONDS = 8.0


def run_together(
    commands: Mapping[str, list[str]], *, directory: Path, stop_seconds: float = STOP_SECONDS
) -> tuple[str, int] | None:
    """Run until asked to stop (None) or until one process ends (its name and exit code); leave nothing behind."""
    with _stop_request() as asked:
        children: dict[str, subprocess.Popen[bytes]] = {}
        try:
            for name, command in commands.items():
                children[name] = _spawn(command, directory)
            return _first_to_end(children, asked)
        finally:
            stop_all(children.values(), stop_seconds)


def _spawn(command: list[str], directory: Path) -> subprocess.Popen[bytes]:
    # Even kill -9 of `serve` ends its children, where the system can do that.
    dying_with_us = ["setpriv", "--pdeathsig", "TERM", "--"] if shutil.which("setpriv") else []
    # A session of its own: Ctrl-C reaches only us, and its whole process group can be ended.
    words = [*dying_with_us, *command]
    return subprocess.Popen(words, cwd=directory, start_new_session=True)  # noqa: S603 our own command lines


def _first_to_end(children: Mapping[str, subprocess.Popen[bytes]], asked: threading.Event) -> tuple[str, int] | None:
    while not asked.wait(0.2):
        for name, child in children.items():
            if (code := child.poll()) is not None:
                return name, code
    return None


def stop_all(children: Collection[subprocess.Popen[Any]], seconds: float = STOP_SECONDS) -> None:
    """Ask every leader to end, then end what is left of its group: a Celery pool must not get the first signal."""
    for child in children:
        child.terminate()
    deadline = time.monotonic() + seconds
    for child in children:
        with suppress(subprocess.TimeoutExpired):
            child.wait(max(0.0, deadline - time.monotonic()))
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()


@contextmanager
def _stop_request() -> Iterator[threading.Event]:
    asked = threading.Event()
    before = {number: signal.signal(number, lambda *_: asked.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
