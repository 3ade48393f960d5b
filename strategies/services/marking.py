"""Marking: the only way a strategy gets into the execution queue, whoever asks."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from django.db import transaction
from django.db.models import Exists, OuterRef

from market.errors import Reason
from strategies.errors import NotMarkable
from strategies.models import ExecutionStatus, OptionStrategy, StrategyLeg
from strategies.querysets import StrategyQuerySet

PEOPLE_HIGHEST = 10  # the documents' scale; the allocator may go to the column's 100
DEFAULT_PRIORITY = 5


@dataclass
class MarkReport:
    """Which ids were changed, and why the others were not."""

    done: list[int] = field(default_factory=list)
    refused: dict[int, Reason] = field(default_factory=dict)


def mark(
    strategy_ids: Sequence[int],
    *,
    priority: int = DEFAULT_PRIORITY,
    notes: str = "",
    highest_priority: int = PEOPLE_HIGHEST,
) -> MarkReport:
    """Put pending strategies into the queue; each row by itself, so one refusal stops no other."""
    if not 1 <= priority <= highest_priority:
        raise NotMarkable(
            Reason("PRIORITY_RANGE", f"Priority {priority} is outside 1-{highest_priority}.", "10 is executed first.")
        )
    changes = {
        "execution_status": ExecutionStatus.MARKED,
        "marked_for_execution": True,
        "execution_priority": priority,
        "execution_notes": notes or None,
    }
    return _change(strategy_ids, ExecutionStatus.PENDING, changes)


def unmark(strategy_ids: Sequence[int]) -> MarkReport:
    """Take marked strategies out of the queue again; claimed ones are refused."""
    changes = {"execution_status": ExecutionStatus.PENDING, "marked_for_execution": False, "execution_priority": 0}
    return _change(strategy_ids, ExecutionStatus.MARKED, changes)


def mark_top(*, count: int, min_score: Decimal | float = 0, priority: int = DEFAULT_PRIORITY) -> MarkReport:
    """Mark the best pending strategies of the newest generation."""
    if count < 1:
        raise NotMarkable(Reason("COUNT_RANGE", f"Cannot mark {count} strategies.", "Ask for one or more."))
    best = reviewable(min_score=min_score)[:count]
    return mark([strategy.pk for strategy in best], priority=priority, notes="Top of the ranking")


def reviewable(
    *, symbol: str | None = None, min_score: Decimal | float = 0, every_day: bool = False
) -> StrategyQuerySet:
    """Pending strategies, best first: those of the newest generation unless `every_day`."""
    rows = OptionStrategy.objects.all().pending().filter(total_score__gte=min_score)
    rows = rows.filter(_has_legs()) if every_day else rows.latest_generation().filter(_has_legs())
    return (rows.filter(stock_name=symbol) if symbol else rows).order_by("-total_score", "id")


@transaction.atomic
def _change(strategy_ids: Sequence[int], old: ExecutionStatus, changes: dict[str, object]) -> MarkReport:
    report = MarkReport()
    for strategy_id in dict.fromkeys(strategy_ids):
        rows = OptionStrategy.objects.filter(_has_legs(), pk=strategy_id, execution_status=old)
        if rows.update(**changes) == 1:
            report.done.append(strategy_id)
        else:
            report.refused[strategy_id] = _why_not(strategy_id, old)
    return report


def _has_legs() -> Exists:
    return Exists(StrategyLeg.objects.filter(strategy=OuterRef("pk")))


def _why_not(strategy_id: int, needed: ExecutionStatus) -> Reason:
    strategy = OptionStrategy.objects.filter(pk=strategy_id).first()
    if strategy is None:
        return Reason("UNKNOWN_STRATEGY", f"There is no strategy {strategy_id}.", "See mark_for_execution list.")
    if strategy.execution_status == needed:
        return Reason("NO_LEGS", f"Strategy {strategy_id} has no legs to trade.", "Generate it again.")
    if strategy.execution_status == ExecutionStatus.FAILED:
        return Reason("NOT_PENDING", f"Strategy {strategy_id} has failed.", "A failed strategy is generated anew.")
    return Reason(
        "NOT_PENDING" if needed == ExecutionStatus.PENDING else "NOT_MARKED",
        f"Strategy {strategy_id} is {strategy.execution_status}, not {needed}.",
        "Only pending strategies are marked, only marked ones unmarked.",
    )
