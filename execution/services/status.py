"""Reads for `execution_status`: what waits, what was done, what failed, what is held."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Count, F, Max, Q, Sum

from execution.models import ExecutionRun, Position, RejectionCount, Trade
from execution.services.preparation import contract_of
from market.calendar import IST
from market.contract import Contract
from strategies.models import ExecutionStatus, OptionStrategy, QueuedStrategy
from strategies.services.recognition import name_of

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class TradesOfDay:
    """The trades of one IST day; `asked` is False when the day is the last one that has any."""

    day: date
    asked: bool
    rows: Sequence[Row]


def summary(as_of: datetime) -> Row:
    """Counts by status, what needs a person, what is held, and what trading cost so far."""
    standing = OptionStrategy.objects.standing()  # a pending row that a later run replaced waits for nothing
    counted = standing.values_list("execution_status").annotate(number=Count("pk")).order_by()
    counts = dict.fromkeys(ExecutionStatus.values, 0) | dict(counted)
    runs = ExecutionRun.objects
    known = Q(timestamp__lte=as_of) | Q(
        leg_order__run__as_of__lte=as_of
    )  # an order of this moment fills a little later
    totals = Trade.objects.filter(known).aggregate(number=Count("pk"), charges=Sum("charges"))
    return {
        "strategies": counts,
        "needs_attention": OptionStrategy.objects.filter(execution_detail="attention").count(),
        "closing": OptionStrategy.objects.filter(execution_detail="closing").count(),
        "closed": OptionStrategy.objects.filter(execution_detail="closed").count(),
        "open_runs": runs.open().count(),
        "open_contracts": Position.objects.exclude(quantity=0).count(),
        "trades": totals["number"],
        "charges": totals["charges"] or Decimal(0),
        "last_executed_at": OptionStrategy.objects.aggregate(last=Max("executed_at"))["last"],
    }


def recent(now: datetime, hours: int) -> list[Row]:
    """Runs started within the last hours of the clock, newest first; a replay of an old day counts as done now."""
    rows = ExecutionRun.objects.filter(started_at__gte=now - timedelta(hours=hours)).select_related("strategy")
    return [
        {
            "run": run.pk,
            "strategy": run.strategy_id,
            "stock_name": run.strategy.stock_name,
            "strategy_name": run.strategy.strategy_name,
            "purpose": run.purpose,
            "state": run.state,
            "as_of": run.as_of,
            "started_at": run.started_at,
            "reason": f"{run.reason_code}: {run.reason_text}" if run.reason_code else "",
        }
        for run in rows.order_by("-id")
    ]


def failed() -> list[Row]:
    """Failed strategies and those that need a person, newest first."""
    rows = OptionStrategy.objects.filter(execution_status="failed") | OptionStrategy.objects.filter(
        execution_detail="attention"
    )
    names = ("id", "stock_name", "strategy_name", "execution_status", "execution_detail", "execution_notes")
    return list(rows.order_by("-id").values(*names))


def queue() -> list[Row]:
    """What will be executed, in order."""
    names = ("id", "stock_name", "strategy_name", "total_score", "conviction_level")
    return list(
        QueuedStrategy.objects.order_by("-execution_priority", "-total_score", "id").values(
            *names, "execution_priority", "execution_notes"
        )
    )


def trades(as_of: datetime, *, fall_back: bool) -> TradesOfDay:
    """The trades of the IST day of `as_of`; with `fall_back`, of the last day that has any."""
    day = as_of.astimezone(IST).date()
    rows = _trades_on(day)
    if rows or not fall_back:
        return TradesOfDay(day, True, rows)
    last = Trade.objects.aggregate(last=Max("timestamp"))["last"]
    if last is None:
        return TradesOfDay(day, True, [])
    return TradesOfDay(last.astimezone(IST).date(), False, _trades_on(last.astimezone(IST).date()))


def positions() -> list[Row]:
    """What is held, by strategy and contract; quantity in units, signed."""
    rows = list(Position.objects.exclude(quantity=0).select_related("strategy").order_by("strategy_id", "security_id"))
    names = ("strategy_id", "security_id", "symbol", "quantity", "cash", "charges")
    held_as = _structures(rows)
    return [{name: getattr(row, name) for name in names} | {"held_as": held_as[row.strategy_id]} for row in rows]


def _structures(rows: Sequence[Position]) -> dict[int, str]:
    """What is held of each strategy by its name in the catalogue; a basket that is not whole has another, or none."""
    legs: dict[int, list[tuple[Contract, int]]] = {}
    for row in rows:
        legs.setdefault(row.strategy_id, []).append((contract_of(row.strategy, row), row.quantity))
    return {strategy_id: name_of(held) for strategy_id, held in legs.items()}


def newest_rejections(days: int) -> Sequence[RejectionCount]:
    """The rejections of so many days, the newest that have any: a practice or a replay lives on days of its own."""
    newest = RejectionCount.objects.order_by("-day").values_list("day", flat=True).distinct()[:days]
    first = min(newest, default=None)
    return [] if first is None else list(RejectionCount.objects.since(first).select_related("account"))


def _trades_on(day: date) -> list[Row]:
    rows = (
        Trade.objects.filter(timestamp__date=day).annotate(value=F("price") * F("quantity")).order_by("timestamp", "id")
    )
    names = (
        "id",
        "strategy_id",
        "order_id",
        "security_id",
        "symbol",
        "action",
        "quantity",
        "price",
        "value",
        "charges",
    )
    return list(rows.values(*names, "purpose", "order_status", "timestamp"))
