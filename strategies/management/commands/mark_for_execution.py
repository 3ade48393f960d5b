"""`mark_for_execution list|mark|bulk|top|show|unmark`: choose what may be traded."""

import argparse
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db.models import QuerySet
from rich.markup import escape

from market.console import FAILED, USAGE, ConsoleCommand, percent, row_count, rupees, share, table
from strategies.convention import EVENT, TERMS, ProbabilityConvention
from strategies.models import OptionStrategy
from strategies.services.marking import DEFAULT_PRIORITY, PEOPLE_HIGHEST, MarkReport, mark, mark_top, reviewable, unmark
from strategies.services.probability import RANKS, ranked, stated

REVIEW = ("ID", "Stock", "Strategy", "Score", "POP", "Max profit", "Max loss", "Conviction", "Outlook", "Generated")
QUEUE = (*REVIEW, "Priority", "Sets", "Notes")
NUMBERS = ("ID", "Score", "POP", "Max profit", "Max loss", "Priority", "Sets")


class Command(ConsoleCommand):
    """List, mark and unmark strategies."""

    help = "Choose which strategies may be traded: list, mark, bulk, top, show, unmark."
    takes_as_of = False

    def add_arguments(self, parser: CommandParser) -> None:
        """One sub-command per verb, as the documents print them."""
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="list|mark|bulk|top|show|unmark")
        listing = verbs.add_parser("list", help="pending strategies, best first")
        listing.add_argument("--symbol", type=str.upper)
        listing.add_argument("--min-score", type=share, default=0, metavar="0-1")
        listing.add_argument("--limit", type=row_count, default=50)
        listing.add_argument(
            "--probability",
            type=ProbabilityConvention,
            choices=list(ProbabilityConvention),
            default=ProbabilityConvention.SMILE,
            help="convention of the probability that is shown",
        )
        listing.add_argument("--rank-by", choices=RANKS, default="score", help="best first by this")
        listing.add_argument("--every-day", action="store_true", help="not only the newest generation")
        one = verbs.add_parser("mark", help="mark one strategy")
        one.add_argument("ids", type=int, nargs=1, metavar="strategy_id")
        many = verbs.add_parser("bulk", help="mark several strategies")
        many.add_argument("ids", type=int, nargs="+", metavar="strategy_id")
        top = verbs.add_parser("top", help="mark the best of the newest generation")
        top.add_argument("--count", type=int, default=5)
        top.add_argument("--min-score", type=share, default=0, metavar="0-1")
        for verb in (one, many, top):
            verb.add_argument("--priority", type=int, default=DEFAULT_PRIORITY, help="1-10, 10 is executed first")
        for verb in (one, many):
            verb.add_argument("--notes", default="")
        show = verbs.add_parser("show", help="what is marked, in order of execution")
        out = verbs.add_parser("unmark", help="take strategies out of the queue")
        out.add_argument("ids", type=int, nargs="+", metavar="strategy_id")
        for verb in (listing, one, many, top, show, out):  # people write it after the verb as well
            verb.add_argument("--json", action="store_true", dest="as_json", default=argparse.SUPPRESS)

    def run(self, **options: Any) -> int | None:
        """Hand over to the verb."""
        return {
            "list": self._list,
            "mark": self._mark,
            "bulk": self._mark,
            "top": self._top,
            "show": self._show,
            "unmark": self._unmark,
        }[options["verb"]](options)

    def _list(self, options: dict[str, Any]) -> None:
        rows = reviewable(symbol=options["symbol"], min_score=options["min_score"], every_day=options["every_day"])
        convention = options["probability"]
        shown = ranked(rows, convention, rank_by=options["rank_by"])[: options["limit"]]
        self._strategies("Pending strategies", shown, REVIEW, convention)

    def _show(self, options: dict[str, Any]) -> None:
        self._strategies(
            "Marked for execution, in order", OptionStrategy.objects.all().queued().select_related("parameters"), QUEUE
        )

    def _mark(self, options: dict[str, Any]) -> int | None:
        return self._report("Marked", mark(options["ids"], priority=_priority(options), notes=options["notes"]))

    def _top(self, options: dict[str, Any]) -> int | None:
        wanted = {name: options[name] for name in ("count", "min_score")}
        return self._report("Marked", mark_top(priority=_priority(options), **wanted))

    def _unmark(self, options: dict[str, Any]) -> int | None:
        return self._report("Unmarked", unmark(options["ids"]))

    def _strategies(
        self,
        title: str,
        rows: QuerySet[OptionStrategy],
        columns: tuple[str, ...],
        convention: ProbabilityConvention = ProbabilityConvention.SMILE,
    ) -> None:
        cells = [_cells(row, convention)[: len(columns)] for row in rows]
        whole = table(f"{title}: {len(cells)}", columns, cells, right=NUMBERS)
        said = escape(f"POP: {EVENT} {TERMS[convention].sentence}")
        self.emit([_plain(row, convention) for row in rows], whole, said)

    def _report(self, verb: str, report: MarkReport) -> int | None:
        refused = {pk: {"code": r.code, "sentence": r.sentence, "remedy": r.remedy} for pk, r in report.refused.items()}
        rows = OptionStrategy.objects.filter(pk__in=report.done).order_by("-execution_priority", "-total_score", "id")
        cells = [_cells(row) for row in rows]
        lines = [
            f"[red]{escape(f'{why.sentence} {why.remedy}')}[/red] \\[{why.code}]" for why in report.refused.values()
        ]
        if not (cells or lines):
            lines = ["Nothing fits: no pending strategy of the newest generation reaches that score."]
        shown = [table(f"{verb}: {len(cells)}", QUEUE, cells, right=NUMBERS)] if cells else []
        self.emit({verb.lower(): report.done, "refused": {str(pk): r for pk, r in refused.items()}}, *shown, *lines)
        return FAILED if report.refused or not report.done else None


def _cells(row: OptionStrategy, convention: ProbabilityConvention = ProbabilityConvention.SMILE) -> tuple[Any, ...]:
    chance = stated(row, convention)
    return (
        row.pk,
        row.stock_name,
        row.strategy_name,
        f"{row.total_score:.3f}",
        chance.reason or percent(chance.value),
        "Unlimited" if row.unlimited_profit else rupees(row.expected_profit),
        "Unlimited" if row.unlimited_loss else rupees(row.max_loss),
        row.conviction_level,
        row.market_outlook,
        f"{row.trade_date:%Y-%m-%d}",
        row.execution_priority,
        row.sets,
        row.execution_notes,
    )


def _priority(options: dict[str, Any]) -> int:
    """A number outside the scale is a slip of the keyboard, not a refusal."""
    priority: int = options["priority"]
    if not 1 <= priority <= PEOPLE_HIGHEST:
        sentence = f"Priority {priority} is outside 1-{PEOPLE_HIGHEST}. 10 is executed first. [PRIORITY_RANGE]"
        raise CommandError(sentence, returncode=USAGE)
    return priority


def _plain(row: OptionStrategy, convention: ProbabilityConvention) -> dict[str, Any]:
    names = (
        "id stock_name strategy_name strategy_type total_score probability_of_profit expected_profit max_loss "
        "conviction_level market_outlook execution_status execution_priority execution_notes sets trade_date"
    )
    chance = stated(row, convention)
    probability = {"convention": convention, "probability": chance.value, "probability_reason": chance.reason}
    return {name: getattr(row, name) for name in names.split()} | probability
