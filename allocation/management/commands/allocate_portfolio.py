"""`allocate_portfolio`: propose sizes and priorities within the account's limits."""

from typing import Any

from django.core.management.base import CommandParser

from allocation.models import AllocationRun
from allocation.services import account_named, allocate_portfolio
from market.console import ConsoleCommand, now_or, rupees, share, table


class Command(ConsoleCommand):
    """Propose a portfolio; mark it where the account lets the allocator mark."""

    help = "Propose a portfolio from the day's strategies within capital, underlying, industry and sector limits."

    def add_arguments(self, parser: CommandParser) -> None:
        """Which account, and how good a strategy must be."""
        parser.add_argument("--account", default="paper")
        parser.add_argument("--min-score", type=share, default=0.5, metavar="0-1")

    def run(self, **options: Any) -> None:
        """Allocate and show the proposal."""
        account = account_named(options["account"])
        run = allocate_portfolio(account, as_of=now_or(options["as_of"]), min_score=options["min_score"])
        self.emit(portfolio(run), *portfolio_tables(run))


def portfolio(run: AllocationRun) -> dict[str, Any]:
    """The run as plain data."""
    names = (
        "strategy_id",
        "strategy__stock_name",
        "sets",
        "margin",
        "priority",
        "marked",
        "reason_code",
        "reason_text",
    )
    return {"run": run.pk, "considered": run.considered, "allocations": list(run.allocations.values(*names))}


def portfolio_tables(run: AllocationRun) -> list[Any]:
    """What was taken, and why the rest was not."""
    taken = run.allocations.filter(sets__gt=0).select_related("strategy")
    rows = [
        (a.strategy_id, a.strategy.stock_name, a.strategy.strategy_name, f"{a.strategy.total_score:.3f}", a.sets,
         rupees(a.margin), a.priority, "yes" if a.marked else "proposed")
        for a in taken
    ]  # fmt: skip
    columns = ("ID", "Stock", "Strategy", "Score", "Sets", "Needs", "Priority", "Marked")
    total = rupees(sum((a.margin or 0) for a in taken))
    title = f"{len(rows)} of {run.considered} allocated on {run.account}: {total} of {rupees(run.capital)} needed"
    return [table(title, columns, rows, right=("ID", "Score", "Sets", "Needs", "Priority")), *_left_out(run)]


def _left_out(run: AllocationRun) -> list[Any]:
    """Every reason with how many it kept out, and what was said of the first of them; JSON has the words of all."""
    said: dict[str, list[str]] = {}
    left = run.allocations.filter(sets=0).order_by("id").values_list("reason_code", "strategy_id", "reason_text")
    for code, strategy_id, text in left:
        said.setdefault(code, []).append(f"#{strategy_id}: {text}")
    rows = [(code, len(texts), texts[0]) for code, texts in sorted(said.items())]
    columns = ("Reason", "Strategies", "Why and what to do, of the first")
    return [table("Left out", columns, rows, right=("Strategies",))] if rows else []
