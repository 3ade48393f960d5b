"""Mark open positions and leave where an exit rule says so."""

from typing import Any, ClassVar

from django.core.management.base import CommandParser

from execution.errors import ExecutionDenied
from execution.services.desk import open_desk
from execution.services.positions import Watched, monitor_positions
from market.console import DONE, FAILED, ConsoleCommand, now_or, rupees, table


class Command(ConsoleCommand):
    """One pass over everything that is open."""

    help = "Mark open strategies at the touch and close those whose exit rule holds."
    refusals: ClassVar = (ExecutionDenied,)

    def add_arguments(self, parser: CommandParser) -> None:
        """Whose positions."""
        parser.add_argument("--account", metavar="NAME", help="by default the first active one")

    def run(self, **options: Any) -> int | None:
        """Open the desk, look, act."""
        desk = open_desk(now_or(options["as_of"]), account_name=options["account"])
        with self.progress("monitoring") as advance:
            report = monitor_positions(
                as_of=desk.as_of, broker=desk.broker, market=desk.market, account=desk.account, progress=advance
            )
        columns = ("id", "strategy", "profit", "days", "exit", "outcome")
        self.emit(
            {
                "as_of": desk.as_of,
                "watched": [_json(one) for one in report.watched],
                "resumed": [{"run": one.run_id, "state": one.state} for one in report.resumed],
            },
            table("Open strategies", columns, [_cells(one) for one in report.watched], right=("id", "profit", "days")),
            f"{len(report.watched)} watched, {sum(one.exit_run is not None for one in report.watched)} closing, "
            f"{len(report.resumed)} unfinished runs taken up.",
        )
        marked = sum(one.profit is not None for one in report.watched)
        return FAILED if report.watched and not marked else DONE


def _cells(one: Watched) -> tuple[Any, ...]:
    outcome = one.exit_run.state if one.exit_run else one.problem or ""
    profit = None if one.profit is None else rupees(one.profit, places=2)
    return (one.strategy_id, one.title, profit, one.days_to_expiry, one.decision or "", outcome)


def _json(one: Watched) -> dict[str, Any]:
    return {
        "strategy_id": one.strategy_id,
        "title": one.title,
        "profit": one.profit,
        "days_to_expiry": one.days_to_expiry,
        "decision": one.decision.code if one.decision else None,
        "problem": one.problem.code if one.problem else None,
        "exit_state": one.exit_run.state if one.exit_run else None,
    }
