"""`validate_allocation`: check the newest proposal against the limits, from its rows."""

from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandParser
from rich.markup import escape

from allocation.models import AllocationRun
from allocation.services import account_named, violations
from market.console import FAILED, ConsoleCommand


class Command(ConsoleCommand):
    """Say whether the newest allocation keeps every limit."""

    help = "Check the newest allocation of an account, at most as late as --as-of, against its limits."

    def add_arguments(self, parser: CommandParser) -> None:
        """Which account."""
        parser.add_argument("--account", default="paper")

    def run(self, **options: Any) -> int | None:
        """Check and say so; exit code 1 when a limit is exceeded."""
        runs = AllocationRun.objects.filter(account=account_named(options["account"]))
        run = (runs.filter(as_of__lte=options["as_of"]) if options["as_of"] else runs).first()
        if run is None:
            self.emit(
                {"run": None, "violations": [], "reasons": []},
                "There is no allocation yet. Run allocate_portfolio first.",
            )
            return FAILED
        found = violations(run)
        lines = [f"[red]{escape(f'{each.sentence} {each.remedy}'.strip())}[/red] \\[{each.code}]" for each in found]
        verdict = f"Allocation {run.pk} keeps every limit." if not found else f"Allocation {run.pk} breaks limits:"
        data = {"violations": [each.code for each in found], "reasons": [asdict(each) for each in found]}
        self.emit({"run": run.pk, **data}, verdict, *lines)
        return FAILED if found else None
