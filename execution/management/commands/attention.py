"""`attention`: what waits for a person, and how a person settles it."""

from typing import Any, ClassVar

from django.core.management.base import CommandError, CommandParser

from execution.errors import ExecutionDenied
from execution.services import alerts, waiting
from execution.services.attention import settle
from market.console import USAGE, ConsoleCommand, ist, person, table

OUTCOMES = ("complete", "flat", "unwind")


class Command(ConsoleCommand):
    """Without an action, the list."""

    help = "List what needs a person; acknowledge an alert; settle a run that stopped in attention."
    refusals: ClassVar = (ExecutionDenied,)
    takes_as_of = False

    def add_arguments(self, parser: CommandParser) -> None:
        """What to do, with which row, and why."""
        parser.add_argument("action", nargs="?", choices=("list", "acknowledge", "settle"), default="list")
        parser.add_argument("number", nargs="?", type=int, help="of the alert or the run")
        parser.add_argument("--as", choices=OUTCOMES, dest="outcome", help="what the run came to")
        parser.add_argument("--reason", default="", help="why a run is settled so; kept in the audit")

    def run(self, **options: Any) -> None:
        """Do one thing."""
        {"list": self._list, "acknowledge": self._acknowledge, "settle": self._settle}[options["action"]](options)

    def _list(self, _: dict[str, Any]) -> None:
        found = waiting.for_a_person()
        titles = {
            "runs": "Runs that need a person",
            "strategies": "Strategies that need a person",
            "alerts": "Alerts not acknowledged",
            "external_orders": "Orders that are not ours",
        }
        self.emit(found, *(_listing(title, found[name]) for name, title in titles.items()))

    def _acknowledge(self, options: dict[str, Any]) -> None:
        if options["number"] is None:
            raise CommandError("Which alert? attention acknowledge ALERT", returncode=USAGE)
        alert = alerts.acknowledge(options["number"], actor=f"cli:{person()}")
        self.emit({"acknowledged": alert.pk, "by": alert.acknowledged_by}, f"Alert {alert.pk} acknowledged.")

    def _settle(self, options: dict[str, Any]) -> None:
        number, outcome, reason = options["number"], options["outcome"], options["reason"].strip()
        if number is None or outcome is None or not reason:
            raise CommandError(
                "Settle how? attention settle RUN --as complete|flat|unwind --reason TEXT", returncode=USAGE
            )
        settle(number, outcome=outcome, reason=reason, actor=f"cli:{person()}")
        self.emit({"settled": number, "as": outcome}, f"Run {number} settled as {outcome}.")


def _listing(title: str, rows: list[dict[str, Any]]) -> Any:
    if not rows:
        return f"{title}: none."
    cells = [
        [ist(cell) if name in ("since", "at", "last_seen_at") else cell for name, cell in row.items()] for row in rows
    ]
    return table(title, list(rows[0]), cells)
