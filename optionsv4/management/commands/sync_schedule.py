"""`sync_schedule`: put the daily run into Celery Beat's tables; beat does the same when it starts."""

from typing import Any

from django.core.management.base import CommandParser

from market.console import ConsoleCommand, table
from optionsv4.schedule import RINGS, TIME_ZONE, sync_schedule


class Command(ConsoleCommand):
    """Write the schedule."""

    help = "Add missing entries of the daily schedule; what an operator changed stays."
    takes_as_of = False

    def add_arguments(self, parser: CommandParser) -> None:
        """Whether to undo an operator's changes."""
        parser.add_argument("--reset", action="store_true", help="also put changed entries back to their defaults")

    def run(self, **options: Any) -> None:
        """Write and show."""
        written = sync_schedule(reset=options["reset"])
        rows = [(ring.name, ring.at, ring.task) for ring in RINGS]
        data = {"written": written, "time_zone": TIME_ZONE, "schedule": [list(row) for row in rows]}
        self.emit(data, table("Daily schedule (IST)", ("What", "At", "Task"), rows), f"{len(written)} entries written.")
