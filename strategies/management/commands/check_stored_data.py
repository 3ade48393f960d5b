"""`check_stored_data`: is everything that must be stored there?"""

from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandParser

from market.calendar import IST
from market.console import FAILED, ConsoleCommand, now_or, percent, rupees, table
from strategies.services.integrity import Population, StoredData, stored_data

MONEY = ("expected_profit", "max_loss", "net_premium")


class Command(ConsoleCommand):
    """Count what is stored."""

    help = "Population of every column of the strategy tables, and what is missing; exit code 1 when something is."

    def add_arguments(self, parser: CommandParser) -> None:
        """One day or everything."""
        parser.add_argument("--today", action="store_true", help="only strategies of the day of --as-of")

    def run(self, **options: Any) -> int | None:
        """Count and report."""
        as_of = options["as_of"]
        day = now_or(as_of).astimezone(IST).date() if options["today"] or as_of else None
        found = stored_data(day=day)
        data = {"day": day, "sums": found.sums, "faults": found.faults, "columns": list(map(asdict, found.populations))}
        self.emit(data, *_tables(found), _verdict(found))
        return FAILED if found.faults or not found.sums["strategies"] else None


def _tables(found: StoredData) -> list[Any]:
    sums = [(_words(name), rupees(value) if name in MONEY else value) for name, value in found.sums.items()]
    columns = ("Table", "Column", "Rows", "Filled", "Share", "Missing")
    tables = [
        table("Stored", ("What", "Value"), sums, right=("Value",)),
        table("Columns", columns, map(_cells, found.populations), right=columns[2:]),
    ]
    if found.faults:
        tables.append(table("Missing", ("What", "How many"), found.faults.items(), right=("How many",)))
    return tables


def _cells(each: Population) -> tuple[Any, ...]:
    share = each.filled / each.rows if each.rows else None
    return (each.table, each.column, each.rows, each.filled, percent(share), each.missing or "")


def _verdict(found: StoredData) -> str:
    if not found.sums["strategies"]:
        return "Nothing is stored. Run generate_strategies first."
    return "Something that must be there is missing." if found.faults else "Everything that must be there is there."


def _words(name: str) -> str:
    return name.replace("_", " ").capitalize()
