"""`demo`: a whole trading day and the sessions after it, on the simulated market and the paper account."""

import secrets
import time
from typing import Any, ClassVar

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management.base import CommandParser

from execution.errors import ExecutionDenied
from execution.management.commands.run_day import day_data, day_tables, day_went_well, runs_table
from execution.models import ExecutionRun, Trade
from execution.services.day import equal_weights, follow_up, look_again, run_day
from execution.services.desk import open_desk
from execution.services.outcomes import RunResult
from market.console import FAILED, ConsoleCommand, now_or, rupees, table
from market.errors import Reason
from market.services.capture import record_underlyings
from strategies.models import OptionStrategy

USER = "demo"


class Command(ConsoleCommand):
    """Show the whole day on a market that needs no broker and no network."""

    help = "Run a whole trading day and its follow-up on the simulated market with the paper account."
    refusals: ClassVar = (ExecutionDenied,)

    def add_arguments(self, parser: CommandParser) -> None:
        """How long the positions are followed."""
        parser.add_argument("--sessions", type=int, default=12, help="later sessions to monitor (default 12)")

    def run(self, **options: Any) -> int | None:
        """Run the day, follow the positions to their exits, and say how to open the console."""
        started = time.monotonic()
        _refuse_real_money()
        desk = open_desk(options["as_of"])
        record_underlyings(desk.market.underlyings())
        equal_weights()
        report = run_day(desk, as_of=options["as_of"], risk="moderate", min_score=0.5, bar=self.progress)
        day_seconds = time.monotonic() - started
        exits = self._follow(options)
        ids = [a.strategy_id for a in report.allocation.allocations.filter(sets__gt=0)]
        password = _console_user()
        data = day_data(report) | {"exits": len(exits), "seconds": round(time.monotonic() - started, 2)}
        closing = [runs_table("Exits of this run", exits)] if exits else []
        self.emit(
            data,
            *day_tables(report, day_seconds),
            *closing,
            _outcome(ids),
            f"\n[bold]Open the console:[/bold]  make serve   then   http://127.0.0.1:8000/   "
            f"user [bold]{USER}[/bold]  password [bold]{password}[/bold]   (Ctrl-C stops it)",
        )
        return None if day_went_well(report) and not ExecutionRun.objects.filter(state="attention").exists() else FAILED

    def _follow(self, options: dict[str, Any]) -> list[RunResult]:
        moments = follow_up(now_or(options["as_of"]), options["sessions"])
        exits: list[RunResult] = []
        with self.progress("Later sessions", len(moments)) as advance:
            for done, moment in enumerate(moments, start=1):
                report = look_again(open_desk(moment))
                exits += [watched.exit_run for watched in report.watched if watched.exit_run]
                advance(done)
        return exits


def _refuse_real_money() -> None:
    """A demonstration writes simulated facts; it may not do so beside a live account or a real market."""
    wrong = settings.TRADING_MODE != "paper" or settings.BROKER != "paper" or settings.MARKET_SOURCE != "simulated"
    if wrong:
        sentence = "The demonstration runs only on the simulated market with the paper broker."
        remedy = "Use make demo, or set BROKER=paper TRADING_MODE=paper MARKET_SOURCE=simulated."
        raise ExecutionDenied(Reason("NOT_A_DEMO", sentence, remedy))


def _console_user() -> str:
    """A user for the console with a fresh password each time; nothing secret is kept in a file."""
    user, _ = get_user_model().objects.get_or_create(username=USER, defaults={"is_staff": True, "is_superuser": True})
    password = secrets.token_urlsafe(9)
    user.set_password(password)
    user.save(update_fields=["password"])
    return password


def _outcome(strategy_ids: list[int]) -> Any:
    """What the day's strategies came to, from their trades."""
    rows = []
    for strategy in OptionStrategy.objects.filter(pk__in=strategy_ids).order_by("-execution_priority", "id"):
        trades = Trade.objects.filter(strategy=strategy)
        cash = sum(t.price * t.quantity * (1 if t.action == "SELL" else -1) - t.charges for t in trades)
        closed = strategy.execution_detail == "closed"
        state = f"{strategy.execution_status} {strategy.execution_detail}".strip()
        charges = rupees(sum(t.charges for t in trades))
        rows.append(
            (strategy.pk, strategy.stock_name, strategy.strategy_name, strategy.sets, state, len(trades), charges,
             rupees(cash) if closed else None)
        )  # fmt: skip
    columns = ("ID", "Stock", "Strategy", "Sets", "State", "Fills", "Charges", "Result")
    return table(
        "What became of the day's strategies", columns, rows, right=("ID", "Sets", "Fills", "Charges", "Result")
    )
