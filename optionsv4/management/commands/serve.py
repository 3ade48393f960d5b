"""`manage.py serve`: web, worker, beat and trader together, until Ctrl-C or until one of them dies."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from market.calendar import IST
from optionsv4.practice import keep_environment, practice_environment, practice_moment, start_exchange, with_environment
from optionsv4.together import run_together, stop_all

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
        kept = keep_environment(environment | lines)
        self.stdout.write(
            f"Practising on account '{environment['ACCOUNT']}' from {moment.astimezone(IST):%d %b %Y %H:%M} IST.\n"
            f"Commands in another terminal: set -a; . {kept}; set +a\n"
            f"Make things go wrong: POST {lines['DHAN_BASE_URL'].removesuffix('/v2')}/simulator/faults"
        )
        try:
            yield environment | lines
        finally:
            stop_all([exchange])


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
