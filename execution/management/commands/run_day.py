"""`run_day`: the whole daily run, from the instrument master to filled orders."""

import time
from typing import Any, ClassVar

from django.core.management.base import CommandParser
from rich.table import Table

from allocation.management.commands.allocate_portfolio import portfolio_tables
from execution.errors import ExecutionDenied
from execution.lifecycle import RunState
from execution.management.usage import require_known_broker
from execution.services.day import DayReport, run_day
from execution.services.desk import open_desk
from execution.services.outcomes import RunResult
from market.console import FAILED, ConsoleCommand, ist, rupees, share, table
from strategies.services.generation import RISKS
from strategies.services.superseding import refuse_future

UNSETTLED = {RunState.ATTENTION, RunState.UNWINDING, RunState.SETTLING}


class Command(ConsoleCommand):
    """Run the day."""

    help = "Run the day: master, chains, strategies, allocation, marking, execution, monitoring."
    refusals: ClassVar = (ExecutionDenied,)

    def add_arguments(self, parser: CommandParser) -> None:
        """For whom and with what taste."""
        parser.add_argument("--account", help="by default the first active one of the trading mode")
        parser.add_argument("--risk", choices=RISKS, default="moderate")
        parser.add_argument("--min-score", type=share, default=0.5, metavar="0-1")

    def run(self, **options: Any) -> int | None:
        """Run every step with progress, then show what came of each."""
        started = time.monotonic()
        require_known_broker()
        if options["as_of"] is not None:
            refuse_future(options["as_of"])
        desk = open_desk(options["as_of"], account_name=options["account"])
        taste = {"risk": options["risk"], "min_score": options["min_score"]}
        report = run_day(desk, as_of=options["as_of"], bar=self.progress, **taste)
        self.emit(day_data(report), *day_tables(report, time.monotonic() - started))
        return None if day_went_well(report) else FAILED


def day_went_well(report: DayReport) -> bool:
    """True when nothing is left half done: every basket was filled, denied or taken back."""
    return not any(result.state in UNSETTLED for result in report.executed)


def day_data(report: DayReport) -> dict[str, Any]:
    """The day as plain data."""
    results = report.generation.results
    return {
        "as_of": report.as_of.isoformat(),
        "master": {"status": report.master.status, "rows": report.master.row_count},
        "chains": sum(reason is None for reason in report.captured.values()),
        "symbols": results.count(),
        "symbols_succeeded": results.filter(status="done").count(),
        "kept": sum(results.values_list("kept", flat=True)),
        "allocated": report.allocation.allocations.filter(sets__gt=0).count(),
        "executed": [{"strategy_id": r.strategy_id, "status": r.status, "fills": r.fills} for r in report.executed],
        "open": len(report.monitored.watched),
    }


def day_tables(report: DayReport, seconds: float) -> list[Table | str]:
    """The day as a trader reads it."""
    data = day_data(report)
    filled = sum(result.succeeded for result in report.executed)
    steps = [
        ("Instrument master", f"{report.master.row_count:,} rows, {report.master.status}"),
        ("Option chains", f"{data['chains']} of {len(report.captured)} underlyings"),
        ("Strategies", f"{data['kept']:,} kept on {data['symbols_succeeded']} of {data['symbols']} underlyings"),
        ("Sizes and marks", f"{data['allocated']} of {report.allocation.considered} allocated"),
        ("Orders", f"{filled} of {len(report.executed)} baskets filled"),
        ("Monitoring", f"{len(report.monitored.watched)} open strategies marked"),
    ]
    title = f"The day as of {ist(report.as_of)} IST, {seconds:.1f} s"
    tables: list[Table | str] = [table(title, ("Step", "Outcome"), steps), *portfolio_tables(report.allocation)]
    if report.executed:
        tables.append(runs_table("Orders", report.executed))
    return tables


def runs_table(title: str, results: list[RunResult]) -> Table:
    """What became of each basket."""
    rows = [
        (r.strategy_id, r.title, r.purpose, r.state, r.fills, rupees(r.net), "" if r.reason is None else str(r.reason))
        for r in results
    ]
    columns = ("ID", "Strategy", "Purpose", "State", "Fills", "Net cash", "Why")
    return table(title, columns, rows, right=("ID", "Fills", "Net cash"))
