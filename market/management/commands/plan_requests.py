"""`plan_requests`: how long capturing chains from Dhan takes at its limits, and which endpoint is quicker."""

from typing import Any

from django.core.management.base import CommandParser

from market.calendar import IST
from market.console import FAILED, ConsoleCommand, now_or, row_count, table
from market.request_plan import Plan, duration
from market.services.capture import capturable, planned


class Command(ConsoleCommand):
    """Plan the requests of a capture."""

    help = "Print requests × limits = time for capturing option chains from Dhan, and which endpoint is quicker."

    def add_arguments(self, parser: CommandParser) -> None:
        """Which underlyings, and how many expiries of each."""
        which = parser.add_mutually_exclusive_group()
        which.add_argument("--symbols", type=row_count, metavar="N", help="only the first N underlyings by name")
        which.add_argument("--watchlist", action="store_true", help="only the underlyings on the watchlist")
        parser.add_argument("--strikes", type=row_count, metavar="N", help="only N strikes of each; default all listed")
        parser.add_argument("--expiries", type=row_count, default=2, metavar="K", help="of each; default 2")

    def run(self, **options: Any) -> int | None:
        """Report; exit code 1 when the master lists no options of these underlyings."""
        symbols = capturable(first=options["symbols"], watched=options["watchlist"])
        day = now_or(options["as_of"]).astimezone(IST).date()
        ways = planned(symbols, as_of=day, expiries=options["expiries"], strikes=options["strikes"])
        quickest = ways[0]
        title = f"{len(symbols)} underlyings, {quickest.chains} chains, {quickest.contracts:,} contracts"
        data = {
            "underlyings": len(symbols),
            "chains": quickest.chains,
            "contracts": quickest.contracts,
            "plans": [_plain(way) for way in ways],
        }
        if not quickest.contracts:
            self.emit(data | {"quickest": None}, "The master lists no options of these underlyings.")
            return FAILED
        columns = ("Endpoint", "Requests", "Limit", "Time", "Source")
        rows = [
            (
                way.endpoint.name,
                f"{way.requests:,}",
                f"1 per {way.endpoint.seconds_between:g} s",
                duration(way.seconds),
                way.endpoint.source,
            )
            for way in ways
        ]
        shown = table(title, columns, rows, right=("Requests", "Time"))
        self.emit(data | {"quickest": quickest.endpoint.name}, shown, f"Quicker: {quickest.sentence}.")
        return None


def _plain(way: Plan) -> dict[str, Any]:
    pace = way.endpoint.seconds_between
    return {
        "endpoint": way.endpoint.name,
        "requests": way.requests,
        "seconds_between": pace,
        "seconds": way.seconds,
        "source": way.endpoint.source,
    }
