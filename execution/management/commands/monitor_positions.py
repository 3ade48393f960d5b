"""Mark open positions and leave where an exit rule says so."""

from typing import Any, ClassVar

from django.core.management.base import CommandParser

from execution.errors import ExecutionDenied
from execution.management.usage import require_known_broker
from execution.services.desk import open_desk
from execution.services.positions import Watched, monitor_positions
from market.console import DONE, FAILED, ConsoleCommand, rupees, table


class Command(ConsoleCommand):
    """One pass over everything that is open."""

    help = "Mark open strategies at the touch and close those whose exit rule holds."
    refusals: ClassVar = (ExecutionDenied,)

    def add_arguments(self, parser: CommandParser) -> None:
        """Whose positions."""
        parser.add_argument("--account", metavar="NAME", help="by default the first active one")

    def run(self, **options: Any) -> int | None:
        """Open the desk, look, act."""
        require_known_broker()
        desk = open_desk(options["as_of"], account_name=options["account"])
        with self.progress("monitoring") as advance:
            report = monitor_positions(desk, progress=advance)
        stuck = sum(one.exit_run is not None and not one.exit_run.succeeded for one in report.watched)
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
            *_stuck_note(stuck),
        )
        marked = any(one.profit is not None for one in report.watched)
        return FAILED if stuck or (report.watched and not marked) else DONE


def _stuck_note(stuck: int) -> list[str]:
    if not stuck:
        return []
    what = "1 exit that was due" if stuck == 1 else f"{stuck} exits that were due"
    return [f"{what} could not be carried out."]


def _outcome(one: Watched) -> str:
    """What became of the exit and why; without one, why the position could not be marked."""
    if one.exit_run is None:
        return str(one.problem or "")
    reason = one.exit_run.reason
    return one.exit_run.state if reason is None else f"{one.exit_run.state}: {reason}"


def _cells(one: Watched) -> tuple[Any, ...]:
    profit = None if one.profit is None else rupees(one.profit, places=2)
    return (one.strategy_id, one.title, profit, one.days_to_expiry, one.decision or "", _outcome(one))


def _json(one: Watched) -> dict[str, Any]:
    reason = one.exit_run.reason if one.exit_run else None
    return {
        "strategy_id": one.strategy_id,
        "title": one.title,
        "profit": one.profit,
        "days_to_expiry": one.days_to_expiry,
        "decision": one.decision.code if one.decision else None,
        "problem": one.problem.code if one.problem else None,
        "exit_state": one.exit_run.state if one.exit_run else None,
        "exit_reason": None if reason is None else {"code": reason.code, "sentence": reason.sentence},
    }
