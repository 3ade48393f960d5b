"""`generate_strategies`: build, evaluate, score and store strategies from stored chains."""

import os
import time
from collections import Counter
from typing import Any

from django.core.management.base import CommandParser
from django.db.models import Sum

from market.console import FAILED, ConsoleCommand, now_or, table
from strategies.models import GenerationRun, OptionStrategy
from strategies.services.crew import generate_in_processes
from strategies.services.generation import RISKS, finish_run, generate, start_run
from strategies.tasks import ring


class Command(ConsoleCommand):
    """Generate strategies."""

    help = "Generate strategies for every symbol with a chain of the day."

    def add_arguments(self, parser: CommandParser) -> None:
        """What for, for whose taste, and where the work is done."""
        parser.add_argument("--symbol", action="append", type=str.upper, help="only these; may be repeated")
        parser.add_argument("--risk", choices=RISKS, default="moderate")
        parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes, by default one per core")
        parser.add_argument("--celery", action="store_true", help="let the workers do it, one task per symbol")
        parser.add_argument(
            "--patience", type=float, default=10.0, metavar="SECONDS", help="without a sign of them, do it here"
        )

    def run(self, **options: Any) -> int | None:
        """Generate with progress; exit code 1 when no symbol succeeded."""
        started = time.monotonic()
        run = start_run(as_of=now_or(options["as_of"]), risk=options["risk"], symbols=options["symbol"])
        with self.progress("Generating", run.results.count()) as advance:
            if options["celery"]:
                ring(run)
                self._watch(run, advance, options["patience"])
            else:
                generate_in_processes(run, workers=options["jobs"], progress=advance)
        self._close(finish_run(run), time.monotonic() - started)
        return None if run.results.filter(status="done").exists() else FAILED

    def _watch(self, run: GenerationRun, advance: Any, patience: float) -> None:
        """Follow the workers; where none answers, do the rest here: the rows are the queue, not the messages."""
        total, seen, since = run.results.count(), -1, time.monotonic()
        while (left := run.results.filter(status__in=["pending", "working"]).count()) > 0:
            advance(total - left)
            if left != seen:
                seen, since = left, time.monotonic()
            elif time.monotonic() - since > patience:
                generate(run)
            time.sleep(0.2)
        advance(total)

    def _close(self, run: GenerationRun, seconds: float) -> None:
        done, failed = run.results.filter(status="done"), run.results.filter(status="failed")
        sums = run.results.aggregate(candidates=Sum("candidates"), kept=Sum("kept"))
        fresh = OptionStrategy.objects.filter(run=run)
        structures = Counter(fresh.values_list("strategy_name", flat=True))
        summary = {
            "run": run.pk,
            "symbols": run.results.count(),
            "succeeded": done.count(),
            "candidates": sums["candidates"] or 0,
            "kept": sums["kept"] or 0,
            "new": fresh.count(),
            "seconds": round(seconds, 2),
            "refused": dict(failed.values_list("symbol", "reason_code")),
        }
        shown = [(name.capitalize(), value) for name, value in summary.items() if name != "refused"]
        tables = [table("Generation", ("What", "Value"), shown, right=("Value",))]
        if structures:
            tables.append(table("New strategies", ("Structure", "Count"), structures.most_common(), right=("Count",)))
        if failed.exists():
            rows = failed.order_by("symbol").values_list("symbol", "reason_code", "reason_text")
            tables.append(table("Symbols without a strategy", ("Symbol", "Reason", "Why"), rows))
        self.emit(summary, *tables)
