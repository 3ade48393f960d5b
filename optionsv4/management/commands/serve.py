"""`manage.py serve`: web, worker, beat and trader together, until Ctrl-C or until one of them dies."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from market.calendar import IST
from optionsv4.practice import practice_environment, practice_moment, start_exchange, with_environment

STOP_SECONDS = 8.0
EXCHANGE_PORT = 8600


class Command(BaseCommand):
    help = "Run the web server, the Celery worker, its clock and the trader together; Ctrl-C stops them all."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=int, default=8000)

    def handle(self, *, host: str, port: int, **options: Any) -> None:
        self.stdout.write(f"Open http://{host}:{port}/ ; stop with Ctrl-C.")
        with self._practice() as environment:
            commands = {name: with_environment(cmd, environment) for name, cmd in process_commands(host, port).items()}
            ended = run_together(commands, directory=Path(settings.BASE_DIR))
        if ended:
            name, code = ended
            raise CommandError(f"{name} ended with exit code {code}; the others were stopped.")
        self.stdout.write("Stopped. The embedded servers still run: `manage.py embedded stop` ends them.")

    @contextmanager
    def _practice(self) -> Iterator[dict[str, str]]:
        """With BROKER=simulator and no exchange named: start one, and point all processes at it."""
        if settings.BROKER != "simulator" or not settings.DHAN_BASE_URL.startswith("https://"):
            yield {}
            return
        moment = practice_moment()
        environment = practice_environment(moment)
        exchange, lines = start_exchange(environment, port=EXCHANGE_PORT)
        self.stdout.write(
            f"Practising on account '{environment['ACCOUNT']}' from {moment.astimezone(IST):%d %b %Y %H:%M} IST.\n"
            f"Make things go wrong: POST {lines['DHAN_BASE_URL'].removesuffix('/v2')}/simulator/faults"
        )
        try:
            yield environment | lines
        finally:
            _stop_all([exchange], STOP_SECONDS)


def process_commands(host: str, port: int) -> dict[str, list[str]]:
    """The four processes of the product, each as a command line."""
    python = [sys.executable, "-m"]
    celery = [*python, "celery", "-A", "optionsv4"]
    web = ["uvicorn", "optionsv4.asgi:application", "--host", host, "--port", str(port)]
    scheduler = "django_celery_beat.schedulers:DatabaseScheduler"
    return {
        # Browsers hold WebSockets open for ever: without a limit the web server would wait for them.
        "web": [*python, *web, "--timeout-graceful-shutdown", "3"],
        "worker": [*celery, "worker", "--loglevel", "INFO"],
        "beat": [*celery, "beat", "--loglevel", "INFO", "--pidfile=", "--scheduler", scheduler],
        "trader": [sys.executable, "manage.py", "run_trader"],
    }


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
            _stop_all(children.values(), stop_seconds)


def _spawn(command: list[str], directory: Path) -> subprocess.Popen[bytes]:
    # Even kill -9 of `serve` ends its children, where the system can do that.
    dying_with_us = ["setpriv", "--pdeathsig", "TERM", "--"] if shutil.which("setpriv") else []
    # A session of its own: Ctrl-C reaches only us, and its whole process group can be ended.
    return subprocess.Popen([*dying_with_us, *command], cwd=directory, start_new_session=True)


def _first_to_end(children: Mapping[str, subprocess.Popen[bytes]], asked: threading.Event) -> tuple[str, int] | None:
    while not asked.wait(0.2):
        for name, child in children.items():
            if (code := child.poll()) is not None:
                return name, code
    return None


def _stop_all(children: Collection[subprocess.Popen[Any]], seconds: float) -> None:
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
