"""Marking: the only way a strategy gets into the execution queue, whoever asks."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from django.db import connection, transaction
from django.db.models import Exists, OuterRef, Q, Subquery

from market.errors import Reason
from strategies.errors import NotMarkable
from strategies.models import ExecutionStatus, OptionStrategy, StrategyLeg
from strategies.querysets import StrategyQuerySet
from strategies.services.superseding import why_superseded

PEOPLE_HIGHEST = 10  # the documents' scale; the allocator may go to the column's 100
DEFAULT_PRIORITY = 5
MOST_AT_ONCE = 1_000
EXPIRED = "expired"
TAKEN = (ExecutionStatus.EXECUTING, ExecutionStatus.EXECUTED)

# Whoever marks anything waits here, SQL too (strategies_guard): one lock cannot be taken in two orders.
LOCK_MARKING = "SELECT pg_advisory_xact_lock(hashtextextended('marking', 8))"


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
    changes = {
        "execution_status": ExecutionStatus.PENDING,
        "marked_for_execution": False,
        "execution_priority": 0,
        "sets": 1,  # the allocator's size belongs to the mark that is taken back
    }
    return _change(strategy_ids, ExecutionStatus.MARKED, changes)


def mark_top(*, count: int, min_score: Decimal | float = 0, priority: int = DEFAULT_PRIORITY) -> MarkReport:
    """Mark the best pending strategies of the newest generation."""
    if not 1 <= count <= MOST_AT_ONCE:
        remedy = f"Ask for 1 to {MOST_AT_ONCE}."
        raise NotMarkable(Reason("COUNT_RANGE", f"Cannot mark {count} strategies at once.", remedy))
    best = reviewable(min_score=min_score).values_list("pk", flat=True)[:count]
    return mark(list(best), priority=priority, notes="Top of the ranking")


def reviewable(
    *, symbol: str | None = None, min_score: Decimal | float = 0, every_day: bool = False
) -> StrategyQuerySet:
    """Pending strategies, best first: those of the newest generation unless `every_day`."""
    if not 0 <= min_score <= 1:
        raise NotMarkable(Reason("SCORE_RANGE", f"A score of {min_score} is outside 0-1.", "Scores go from 0 to 1."))
    rows = OptionStrategy.objects.all().pending().filter(total_score__gte=min_score)
    rows = rows.filter(_has_legs()) if every_day else rows.latest_generation().filter(_has_legs())
    return (rows.filter(stock_name=symbol) if symbol else rows).order_by("-total_score", "id")


@transaction.atomic
def _change(strategy_ids: Sequence[int], old: ExecutionStatus, changes: dict[str, object]) -> MarkReport:
    report, wanted = MarkReport(), list(dict.fromkeys(strategy_ids))
    lock_rows(wanted)
    for strategy_id in wanted:
        rows = OptionStrategy.objects.filter(_has_legs(), pk=strategy_id, execution_status=old)
        rows = rows.exclude(execution_detail=EXPIRED)
        if old == ExecutionStatus.PENDING:
            rows = rows.filter(Q(legs_hash="") | ~Exists(_twins()), superseded_by__isnull=True)
        if rows.update(**changes) == 1:
            report.done.append(strategy_id)
        else:
            report.refused[strategy_id] = _why_not(strategy_id, old)
    return report


def same_legs(strategy_ids: Sequence[int]) -> dict[int, Reason]:
    """Why rows may not be marked beside one with the same legs that is in the day's queue, on its way or held."""
    rows = OptionStrategy.objects.filter(pk__in=strategy_ids).exclude(legs_hash="")
    first = _twins().order_by("pk")
    found = rows.annotate(twin=Subquery(first.values("pk")[:1]), state=Subquery(first.values("execution_status")[:1]))
    return {
        pk: Reason(
            "SAME_LEGS",
            f"Strategy {pk} has the same legs as strategy {twin_id}, which is {state}.",
            "Unmark or close that one first, or choose other legs.",
        )
        for pk, twin_id, state in found.filter(twin__isnull=False).order_by().values_list("pk", "twin", "state")
    }


def _twins() -> StrategyQuerySet:
    """Other rows with the same legs: marked for the same day, or of any day on their way or held.

    A mark is for its own day alone (APPROVAL_EXPIRED), a position stands until it is closed.
    """
    rows = OptionStrategy.objects.filter(legs_hash=OuterRef("legs_hash")).exclude(pk=OuterRef("pk"))
    queued = Q(execution_status=ExecutionStatus.MARKED, trade_date=OuterRef("trade_date"))
    return rows.filter(queued | Q(execution_status__in=TAKEN) & ~Q(execution_detail="closed"))


def lock_rows(strategy_ids: Sequence[int]) -> None:
    """One order for everyone: two people marking the same rows wait for each other instead of deadlocking.

    Then marking itself is locked: of two rows with the same legs that are marked at once the second sees the first.
    Whoever marks in several steps inside one transaction locks all the rows before the first.
    """
    rows = OptionStrategy.objects.filter(pk__in=strategy_ids).order_by("pk").select_for_update()
    list(rows.values_list("pk", flat=True))
    with connection.cursor() as cursor:
        cursor.execute(LOCK_MARKING)


def _has_legs() -> Exists:
    return Exists(StrategyLeg.objects.filter(strategy=OuterRef("pk")))


def _why_replaced(strategy: OptionStrategy) -> Reason | None:
    return why_superseded(strategy) or same_legs([strategy.pk]).get(strategy.pk)


def _why_not(strategy_id: int, needed: ExecutionStatus) -> Reason:
    strategy = OptionStrategy.objects.select_related("superseded_by").filter(pk=strategy_id).first()
    if strategy is None:
        return Reason("UNKNOWN_STRATEGY", f"There is no strategy {strategy_id}.", "See mark_for_execution list.")
    if strategy.execution_detail == EXPIRED:
        return Reason("EXPIRED", f"Strategy {strategy_id} has expired.", "Choose one of the newest generation.")
    if strategy.execution_status == needed:
        no_legs = Reason("NO_LEGS", f"Strategy {strategy_id} has no legs to trade.", "Generate it again.")
        replaced = _why_replaced(strategy) if needed == ExecutionStatus.PENDING else None
        return replaced or no_legs
    if strategy.execution_status == ExecutionStatus.FAILED:
        sentence = f"Strategy {strategy_id} has failed."
        return Reason("NOT_PENDING", sentence, "The next day's generation may propose it again.")
    return Reason(
        "NOT_PENDING" if needed == ExecutionStatus.PENDING else "NOT_MARKED",
        f"Strategy {strategy_id} is {strategy.execution_status}, not {needed}.",
        "Only pending strategies are marked, only marked ones unmarked.",
    )
