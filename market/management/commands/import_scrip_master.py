"""Import Dhan's instrument master: from a file, from Dhan, or from the simulated market."""

import time
from typing import Any

from django.core.management.base import CommandParser

from market.calendar import IST
from market.console import ConsoleCommand, now_or, table
from market.models import FileImport, Underlying
from market.services.instruments import import_scrip_master
from market.services.master_origin import todays_master


class Command(ConsoleCommand):
    help = "Import the instrument master (Dhan's compact or detailed CSV, plain or .gz)."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--file", help="a master on this machine; without it today's is fetched")
        parser.add_argument("--source", help="whose master this is (dhan)")
        parser.add_argument("--allow-shrink", action="store_true", help="accept a partial file")
        parser.add_argument("--allow-older", action="store_true", help="go back to an older master")

    def run(self, **options: Any) -> None:
        started = time.monotonic()
        moment = options["as_of"]
        given = {name: options[name] for name in ("allow_shrink", "allow_older")}
        given["as_of"] = moment.astimezone(IST).date() if moment else None
        with self.progress("reading") as advance:
            if options["file"] is not None:
                subject, source, name = options["file"], "dhan", ""
            else:
                origin = todays_master(as_of=now_or(moment))
                subject, source, name = origin.stream, origin.source, origin.file_name
                given["as_of"] = now_or(moment).astimezone(IST).date()
            attempt = import_scrip_master(
                subject, source=options["source"] or source, file_name=name, progress=advance, **given
            )
        self._report(attempt, time.monotonic() - started)

    def _report(self, attempt: FileImport, seconds: float) -> None:
        numbers = {
            "status": attempt.status,
            "source": attempt.source,
            "file": attempt.file_name,
            "published_on": attempt.published_on,
            "rows": attempt.row_count,
            "inserted": attempt.inserted,
            "updated": attempt.updated,
            "deactivated": attempt.deactivated,
            "rejected": attempt.rejected,
            "underlyings": Underlying.objects.tradable().count(),
            "seconds": round(seconds, 2),
        }
        rows = [(name, _cell(value)) for name, value in numbers.items() if name != "rejected"]
        rows += [(f"rejected {code}", f"{count:,}") for code, count in sorted(attempt.rejected.items())]
        self.emit(numbers, table("Instrument master", ["what", "value"], rows, right=["value"]))


def _cell(value: Any) -> Any:
    return f"{value:,}" if isinstance(value, int) else value
