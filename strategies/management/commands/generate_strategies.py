"""`generate_strategies`: build, evaluate, score and store strategies from stored chains."""

import os
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandParser
from django.db.models import Sum
from rich.markup import escape

from market.console import FAILED, ConsoleCommand, now_or, percent, row_count, rupees, table
from market.templatetags.money import limited
from strategies.convention import EVENT, TERMS, ProbabilityConvention
from strategies.left_out import why_left_out
from strategies.models import GenerationRun, OptionStrategy
from strategies.services.crew import generate_in_processes
from strategies.services.generation import RISKS, finish_run, generate, start_run
from strategies.services.lean import kept_by
from strategies.services.probability import RANKS, ranked, stated
from strategies.services.superseding import refuse_future
from strategies.tasks import ring

HANDFUL = 30  # symbols that still make a table
OUTCOME = ("Symbol", "Candidates", "Compared", "Kept", "Reason")
RESULT = ("symbol", "candidates", "measured", "kept", "reason_code")
BEST = ("Rank", "Symbol", "Strategy", "Score", "POP", "Expected", "Max profit", "Max loss", "Margin", "View")


class Command(ConsoleCommand):
    """Generate strategies."""

    help = "Generate strategies for every symbol with a chain of the day."

    def add_arguments(self, parser: CommandParser) -> None:
        """What for, for whose taste, and where the work is done."""
        parser.add_argument("--symbol", action="append", type=str.upper, help="only these; may be repeated")
        parser.add_argument("--risk", choices=RISKS, default="moderate")
        parser.add_argument("--top", type=row_count, default=10, metavar="N", help="how many of the best to show")
        parser.add_argument(
            "--probability",
            type=ProbabilityConvention,
            choices=list(ProbabilityConvention),
            default=ProbabilityConvention.SMILE,
            help="convention of the probability of profit that is shown: smile-implied, flat-IV lognormal, history",
        )
        parser.add_argument("--rank-by", choices=RANKS, default="score", help="what the best are the best by")
        parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes, by default one per core")
        parser.add_argument("--celery", action="store_true", help="let the workers do it, one task per symbol")
        parser.add_argument(
            "--patience", type=float, default=10.0, metavar="SECONDS", help="without a sign of them, do it here"
        )

    def run(self, **options: Any) -> int | None:
        """Generate with progress; exit code 1 when no symbol succeeded."""
        started, as_of = time.monotonic(), now_or(options["as_of"])
        refuse_future(as_of)
        run = start_run(as_of=as_of, risk=options["risk"], symbols=options["symbol"])
        with self.progress("Generating", run.results.count()) as advance:
            if options["celery"]:
                ring(run)
                self._watch(run, advance, options["patience"])
            else:
                generate_in_processes(run, workers=options["jobs"], progress=advance)
        self._close(finish_run(run), time.monotonic() - started, options)
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

    def _close(self, run: GenerationRun, seconds: float, options: Mapping[str, Any]) -> None:
        convention = options["probability"]
        best = list(ranked(kept_by(run), convention, rank_by=options["rank_by"])[: options["top"]])
        summary = {**_summary(run), "seconds": round(seconds, 2), "content_hash": run.content_hash}
        lists = {
            "bias": run.bias,
            "refused": dict(run.results.filter(status="failed").values_list("symbol", "reason_code")),
            "left_out": dict(_left_out(run)),
            "probability": {"convention": convention, "event": EVENT} | asdict(TERMS[convention]),
            "best": [_plain(rank, row, convention) for rank, row in enumerate(best, start=1)],
            "by_symbol": list(run.results.order_by("symbol").values(*RESULT)),
        }
        shown = [(name.capitalize().replace("_", " "), value) for name, value in summary.items()]
        whole = table("Generation", ("What", "Value"), shown, right=("Value",))
        self.emit(summary | lists, whole, *_best(best, convention), *_kept(run), *_reasons(run), *_lean(run))


def _best(best: Sequence[OptionStrategy], convention: ProbabilityConvention) -> list[Any]:
    rows = [_cells(rank, row, convention) for rank, row in enumerate(best, start=1)]
    if not rows:
        return []
    said = escape(f"POP: {EVENT} {TERMS[convention].sentence}")
    return [table("Best of the universe", BEST, rows, right=(BEST[0], *BEST[3:9])), said]


def _kept(run: GenerationRun) -> list[Any]:
    """What was kept by structure, and of a handful of symbols by symbol."""
    tables: list[Any] = []
    kept = Counter(kept_by(run).values_list("strategy_name", flat=True))
    if kept:
        tables.append(table("Kept", ("Structure", "Count"), kept.most_common(), right=("Count",)))
    rows = list(run.results.order_by("symbol").values_list(*RESULT))
    if len(rows) <= HANDFUL:
        tables.append(table("By symbol", OUTCOME, rows, right=OUTCOME[1:4]))
    return tables


def _reasons(run: GenerationRun) -> list[Any]:
    """Why structures, and why whole symbols, have no strategy."""
    tables: list[Any] = []
    counts = _left_out(run).most_common()
    why = [(code, times, why_left_out(code).sentence, why_left_out(code).remedy) for code, times in counts]
    if why:
        tables.append(
            table("Structures left out, all symbols", ("Reason", "Times", "Why", "What to do"), why, right=("Times",))
        )
    failed = run.results.filter(status="failed").order_by("symbol")
    refused = list(failed.values_list("symbol", "reason_code", "reason_text"))
    if refused:
        tables.append(table("Symbols without a strategy", ("Symbol", "Reason", "Why"), refused))
    return tables


def _summary(run: GenerationRun) -> dict[str, Any]:
    sums = run.results.aggregate(built=Sum("candidates"), measured=Sum("measured"), kept=Sum("kept"))
    return {
        "run": run.pk,
        "symbols": run.results.count(),
        "succeeded": run.results.filter(status="done").count(),
        "candidates": sums["built"] or 0,
        "compared": sums["measured"] or 0,
        "kept": sums["kept"] or 0,
        "new": OptionStrategy.objects.filter(run=run).count(),
    }


def _left_out(run: GenerationRun) -> Counter[str]:
    """How often each reason kept a structure out."""
    return Counter(code for refusals in run.results.values_list("refusals", flat=True) for code in refusals.values())


def _plain(rank: int, row: OptionStrategy, convention: ProbabilityConvention) -> dict[str, Any]:
    names = ("stock_name", "strategy_name", "total_score", "probability_of_profit", "expected_profit", "max_loss")
    found = {"rank": rank, "id": row.pk} | {name: getattr(row, name) for name in names}
    metrics = ("expected_value", "margin_required", "view_agreement")
    chance = stated(row, convention)
    found |= {"probability": chance.value, "probability_reason": chance.reason}
    return found | {name: getattr(row.parameters, name) for name in metrics}


def _cells(rank: int, row: OptionStrategy, convention: ProbabilityConvention) -> tuple[Any, ...]:
    chance = stated(row, convention)
    return (
        rank,
        row.stock_name,
        f"{row.strategy_name} #{row.pk}",
        f"{row.total_score:.3f}",
        chance.reason or percent(chance.value, places=0),
        rupees(row.parameters.expected_value),
        limited(row.expected_profit, row.unlimited_profit),
        limited(row.max_loss, row.unlimited_loss),
        rupees(row.parameters.margin_required),
        row.parameters.get_view_agreement_display(),
    )


def _lean(run: GenerationRun) -> list[str]:
    """The bias monitor's sentence and its alarms; nothing while somebody else still works on the run."""
    if not run.bias:
        return []
    alarms = run.bias["strategies"]["alarms"]
    return [run.bias["sentence"], *(escape(f"{each['code']}: {each['sentence']} {each['remedy']}") for each in alarms)]
