"""What waits, what was executed, what failed, what is held."""

from argparse import ArgumentTypeError
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.core.management.base import CommandParser
from rich.table import Table

from execution.price_text import price_text
from execution.services import status
from market.console import DONE, ConsoleCommand, ist, now_or, rupees, table

DEFAULT_HOURS = 24
MOST_HOURS = 24 * 365


class Command(ConsoleCommand):
    """Without a flag, the summary."""

    help = "Show the execution summary, recent runs, failures, the queue or the trades."

    def add_arguments(self, parser: CommandParser) -> None:
        """One flag per section."""
        parser.add_argument("--summary", action="store_true", help="counts by status, what is held, charges")
        parser.add_argument("--recent", type=_hours, metavar="H", help="runs of the last H hours")
        parser.add_argument("--failed", action="store_true", help="failed strategies with the reason")
        parser.add_argument("--queue", action="store_true", help="what will be executed, in order")
        parser.add_argument("--trades", action="store_true", help="today's trades")
        parser.add_argument("--all", action="store_true", dest="everything", help="every section")

    def run(self, **options: Any) -> int | None:
        """Read the chosen sections and print them."""
        data: dict[str, Any] = {}
        tables: list[Table | str] = []
        for name in _chosen(options):
            data[name], parts = _SECTIONS[name](options)
            tables.extend(parts)
        self.emit(data, *tables)
        return DONE


Section = tuple[Any, list[Table | str]]


def _chosen(options: dict[str, Any]) -> Sequence[str]:
    if options["everything"]:
        return list(_SECTIONS)
    asked = {**options, "recent": options["recent"] is not None, "positions": False}
    return [name for name in _SECTIONS if asked[name]] or ["summary"]


def _moment(options: dict[str, Any]) -> datetime:
    return now_or(options["as_of"])


def _summary(options: dict[str, Any]) -> Section:
    found = status.summary(_moment(options))
    rows: list[tuple[str, Any]] = [(f"strategies {name}", number) for name, number in found["strategies"].items()]
    rows += [
        ("need attention", found["needs_attention"]),
        ("closing", found["closing"]),
        ("closed", found["closed"]),
        ("open runs", found["open_runs"]),
        ("contracts held", found["open_contracts"]),
        ("trades", found["trades"]),
        ("charges paid", rupees(found["charges"], places=2)),
        ("last executed", ist(found["last_executed_at"])),
    ]
    return found, [table("Execution summary", ("what", "value"), rows, right=("value",))]


def _recent(options: dict[str, Any]) -> Section:
    hours = options["recent"] or DEFAULT_HOURS
    rows = status.recent(now_or(None), hours)
    cells = [
        (
            row["run"],
            row["strategy"],
            f"{row['stock_name']} {row['strategy_name']}",
            row["purpose"],
            row["state"],
            ist(row["as_of"]),
            row["reason"],
        )
        for row in rows
    ]
    columns = ("run", "id", "strategy", "purpose", "state", "market moment", "reason")
    return rows, [_or_none(table(f"Runs of the last {hours} hours", columns, cells, right=("run", "id")), rows)]


def _failed(options: dict[str, Any]) -> Section:
    rows = status.failed()
    cells = [
        (
            row["id"],
            f"{row['stock_name']} {row['strategy_name']}",
            row["execution_detail"] or row["execution_status"],
            row["execution_notes"],
        )
        for row in rows
    ]
    return rows, [
        _or_none(table("Failed executions", ("id", "strategy", "status", "notes"), cells, right=("id",)), rows)
    ]


def _queue(options: dict[str, Any]) -> Section:
    rows = status.queue()
    cells = [
        (
            row["execution_priority"],
            row["id"],
            f"{row['stock_name']} {row['strategy_name']}",
            row["total_score"],
            row["conviction_level"],
            row["execution_notes"],
        )
        for row in rows
    ]
    columns = ("priority", "id", "strategy", "score", "conviction", "notes")
    return rows, [_or_none(table("Execution queue", columns, cells, right=("priority", "id", "score")), rows)]


def _trades(options: dict[str, Any]) -> Section:
    found = status.trades(_moment(options), fall_back=options["as_of"] is None)
    cells = [
        (
            ist(row["timestamp"]),
            row["strategy_id"],
            row["purpose"],
            row["action"],
            row["quantity"],
            row["symbol"],
            price_text(row["price"]),
            rupees(row["charges"], places=2),
        )
        for row in found.rows
    ]
    title = f"Trades of {found.day:%d %b %Y}" + ("" if found.asked else " (none today; the last day that has any)")
    columns = ("time", "id", "purpose", "side", "quantity", "contract", "price", "charges")
    listing = table(title, columns, cells, right=("id", "quantity", "price", "charges"))
    return {"day": found.day, "trades": found.rows}, [_or_none(listing, found.rows)]


def _positions(options: dict[str, Any]) -> Section:
    rows = status.positions()
    cells = [
        (
            row["strategy_id"],
            row["symbol"],
            row["quantity"],
            rupees(row["cash"], places=2),
            rupees(row["charges"], places=2),
            row["held_as"] or None,
        )
        for row in rows
    ]
    columns = ("id", "contract", "quantity", "cash", "charges", "held as")
    return rows, [_or_none(table("Held", columns, cells, right=("id", "quantity", "cash", "charges")), rows)]


_SECTIONS = {
    "summary": _summary,
    "queue": _queue,
    "recent": _recent,
    "failed": _failed,
    "trades": _trades,
    "positions": _positions,
}


def _or_none(listing: Table, rows: Sequence[Any]) -> Table | str:
    return listing if rows else f"{listing.title}: none."


def _hours(text: str) -> int:
    hours = int(text) if text.isdecimal() and len(text) <= len(str(MOST_HOURS)) else 0
    if not 1 <= hours <= MOST_HOURS:
        raise ArgumentTypeError(f"'{text}' is not a number of hours from 1 to {MOST_HOURS}")
    return hours
