"""`manage.py embedded start|stop|status`: the PostgreSQL and the Redis of this checkout."""

import json
from dataclasses import asdict
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from optionsv4 import embedded


class Command(BaseCommand):
    help = "Start, stop or show the embedded PostgreSQL and Redis. `status` exits with 1 unless both run."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("action", choices=["start", "stop", "status"])
        parser.add_argument("--json", action="store_true", help="print the result as JSON")

    def handle(self, *, action: str, **options: Any) -> None:
        try:
            found = act(action)
        except embedded.EmbeddedError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(json.dumps(asdict(found)) if options["json"] else described(found))
        if action == "status" and not found.running:
            raise SystemExit(1)


def act(action: str) -> embedded.Status:
    """Do what was asked and return how things stand afterwards."""
    if action == "start":
        embedded.start(settings.STATE_DIR)
    if action == "stop":
        embedded.stop(settings.STATE_DIR)
    return embedded.status(settings.STATE_DIR)


def described(found: embedded.Status) -> str:
    """Both servers as text for a person."""
    return "\n".join(_line(name, server) for name, server in [("PostgreSQL", found.postgres), ("Redis", found.redis)])


def _line(name: str, server: embedded.ServerStatus) -> str:
    if not server.running:
        return f"{name} {server.version} is not running (data in {server.directory})"
    return f"{name} {server.version} runs as pid {server.pid}: {server.url} (log {server.log})"
