"""`archive_old_data`: remove old ideas and chains that nobody traded."""

from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandParser

from market.console import ConsoleCommand, now_or, row_count, table
from strategies.services.archive import archive_old_data


class Command(ConsoleCommand):
    """Keep the tables small."""

    help = "Count, with --delete remove, pending strategies and chains older than --days that nobody traded."

    def add_arguments(self, parser: CommandParser) -> None:
        """How old, and whether to do it."""
        parser.add_argument("--days", type=row_count, default=90, help="keep this many days (90)")
        parser.add_argument("--delete", action="store_true", help="do it; without this it only counts")

    def run(self, **options: Any) -> None:
        """Remove and report."""
        as_of, days, dry_run = now_or(options["as_of"]), options["days"], not options["delete"]
        with self.progress("Archiving") as advance:
            found = archive_old_data(as_of=as_of, days=days, dry_run=dry_run, progress=advance)
        counts = asdict(found)
        title = f"{'Would remove' if dry_run else 'Removed'}: everything untraded before {found.before:%Y-%m-%d}"
        rows = [(name.capitalize(), counts[name]) for name in ("strategies", "marks", "snapshots", "quotes")]
        hint = ["Nothing was removed; add --delete to remove it."] if dry_run else []
        self.emit(counts, table(title, ("What", "Rows"), rows, right=("Rows",)), *hint)
