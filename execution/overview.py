"""What the execution page shows, read in a fixed number of queries."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db.models import Count, F, Max, Q, Sum
from django.db.models.functions import Now, TruncDate

from allocation.models import Account
from execution.models import Alert, ExecutionRun, Position, StrategyMark, Trade, TraderLease
from execution.services.alerts import unacknowledged
from execution.services.standing import Standing, standings
from market.calendar import IST, closed_reason, session_on
from market.errors import Reason
from market.services.instruments import MasterStatus, master_status
from strategies.models import OptionStrategy, QueuedStrategy

ROWS = 50
RECENT_RUNS = 15


@dataclass(frozen=True)
class Installation:
    """What this installation trades with, and whether it can now."""

    mode: str
    broker: str
    source: str
    closed: Reason | None
    closes_at: datetime | None
    master: MasterStatus
    master_is_todays: bool
    practises: bool  # at another time of day, or on another day

    @property
    def live(self) -> bool:
        """Whether orders cost money."""
        return self.mode == "live"


@dataclass(frozen=True)
class AccountLine:
    """One account on one line; None where nothing is known yet."""

    account: Account
    open_strategies: int
    fills: int
    charges: Decimal
    profit: Decimal | None
    valued_at: datetime | None
    standing: Standing
    leader: TraderLease | None


@dataclass(frozen=True)
class Overview:
    """Everything on the page."""

    now: datetime
    installation: Installation
    accounts: list[AccountLine]
    alerts: list[Alert]
    queue: list[QueuedStrategy]
    queued: int
    working: list[ExecutionRun]
    recent: list[ExecutionRun]
    failed: list[OptionStrategy]
    trades: list[Trade]
    trades_day: date | None
    positions: list[Position]

    @property
    def trades_are_todays(self) -> bool:
        """Whether the trades shown are of today."""
        return self.trades_day == self.now.astimezone(IST).date()

    @property
    def names_trades_day(self) -> bool:
        """Whether "today" would not say which day the trades are of."""
        return self.trades_day is not None and (self.installation.practises or not self.trades_are_todays)


def overview(now: datetime) -> Overview:
    """Read the page at one moment; nothing here changes anything."""
    day = Trade.objects.aggregate(day=Max(TruncDate("timestamp", tzinfo=IST)))["day"]
    queue = QueuedStrategy.objects.all()
    runs = _runs()
    return Overview(
        now=now,
        installation=_installation(now),
        accounts=_accounts(day),
        alerts=list(unacknowledged())[:ROWS],
        queue=list(queue[:ROWS]),
        queued=queue.count(),
        working=_with_plan(runs.open()[:ROWS]),
        recent=_with_plan(runs.exclude(pk__in=ExecutionRun.objects.open())[:RECENT_RUNS]),
        failed=list(OptionStrategy.objects.filter(execution_status="failed").order_by("-trade_date", "-id")[:ROWS]),
        trades=[] if day is None else list(_trades_of(day)[:ROWS]),
        trades_day=day,
        positions=list(_positions()[: 2 * ROWS]),
    )


def _installation(now: datetime) -> Installation:
    today = now.astimezone(IST).date()
    session = session_on(today)
    master = master_status()
    return Installation(
        mode=settings.TRADING_MODE,
        broker=settings.BROKER,
        source=settings.MARKET_SOURCE,
        closed=closed_reason(now),
        closes_at=session.closes if session else None,
        master=master,
        master_is_todays=master.current is not None and master.current.published_on == today,
        practises=bool(settings.CLOCK_SHIFT_SECONDS),
    )


def _runs() -> Any:
    """Runs with what their orders came to, newest first, in one query; what is taken back is not filled again."""
    return (
        ExecutionRun.objects.select_related("strategy", "account")
        .annotate(
            orders_total=Count("orders"),
            units_filled=Sum("orders__filled_quantity", filter=~Q(orders__phase="unwinding"), default=0),
        )
        .order_by("-id")
    )


def _with_plan(runs: Any) -> list[ExecutionRun]:
    """Each with the units its legs are meant to come to: many orders may have asked for the same ones."""
    rows: list[Any] = list(runs)
    for run in rows:
        run.units_wanted = sum(leg["quantity"] for leg in run.intended)
    return rows


def _trades_of(day: date) -> Any:
    start = datetime(day.year, day.month, day.day, tzinfo=IST)
    return Trade.objects.since(start).filter(timestamp__lt=start + timedelta(days=1)).select_related("strategy")


def _positions() -> Any:
    """What is held, with the lot size to speak of lots."""
    held = Position.objects.exclude(quantity=0).select_related("strategy", "account")
    return held.order_by("strategy__stock_name", "strategy_id", "expiry", "strike", "id")


def _accounts(day: date | None) -> list[AccountLine]:
    open_now = _by_account(
        Position.objects.exclude(quantity=0).values("account_id").annotate(n=Count("strategy_id", distinct=True))
    )
    traded = Trade.objects.none() if day is None else Trade.objects.filter(timestamp__date=day).order_by()
    fills = _by_account(traded.values("account_id").annotate(n=Count("id"), c=Sum("charges")))
    values = _by_account(_latest_values())
    stood = standings()
    leading = {lease.account_id: lease for lease in TraderLease.objects.filter(lease_until__gt=Now())}
    return [
        AccountLine(
            account=account,
            open_strategies=open_now.get(account.pk, {}).get("n", 0),
            fills=fills.get(account.pk, {}).get("n", 0),
            charges=fills.get(account.pk, {}).get("c", Decimal(0)),
            profit=values.get(account.pk, {}).get("profit"),
            valued_at=values.get(account.pk, {}).get("valued_at"),
            standing=stood.get(account.pk, stood[0]),
            leader=leading.get(account.pk),
        )
        for account in Account.objects.filter(active=True).order_by("name")
    ]


def _latest_values() -> list[dict[str, Any]]:
    """Profit of the open strategies of each account at the last look, oldest look named."""
    newest = (
        StrategyMark.objects.filter(strategy__in=OptionStrategy.objects.all().open())
        .order_by("strategy_id", "-as_of")
        .distinct("strategy_id")
        .annotate(account_id=F("strategy__execution_runs__account_id"))
        .values("account_id", "profit", "as_of")
    )
    totals: dict[int, dict[str, Any]] = {}
    for row in newest:
        line = totals.setdefault(
            row["account_id"], {"account_id": row["account_id"], "profit": Decimal(0), "valued_at": row["as_of"]}
        )
        line["profit"] += row["profit"]
        line["valued_at"] = min(line["valued_at"], row["as_of"])
    return list(totals.values())


def _by_account(rows: Any) -> dict[int, dict[str, Any]]:
    return {row["account_id"]: row for row in rows}
