"""Named reads of strategies, and the one conditional UPDATE that claims one."""

from datetime import date, datetime
from typing import Any

from django.db import models
from django.db.models.functions import Coalesce, TruncDate

from market.calendar import IST


class StrategyQuerySet(models.QuerySet[Any]):
    """Reads of the review list and the queue."""

    def pending(self) -> "StrategyQuerySet":
        """Not yet marked, not yet expired, and what the newest run says."""
        rows = self.filter(execution_status="pending", superseded_by__isnull=True)
        return rows.exclude(execution_detail="expired")

    def standing(self) -> "StrategyQuerySet":
        """Everything but what a later run replaced before anybody marked it."""
        return self.exclude(execution_status="pending", superseded_by__isnull=False)

    def superseded(self) -> "StrategyQuerySet":
        """What a later run replaced before anybody marked it."""
        return self.filter(execution_status="pending", superseded_by__isnull=False)

    def marked(self) -> "StrategyQuerySet":
        """Everything a person or the allocator marked and nobody claimed."""
        return self.filter(marked_for_execution=True, execution_status="marked")

    def queued(self) -> "StrategyQuerySet":
        """What will be executed, in order: priority, then score."""
        return self.marked().filter(execution_priority__gt=0).order_by("-execution_priority", "-total_score", "id")

    def known_by(self, as_of: datetime) -> "StrategyQuerySet":
        """Only ideas that existed at `as_of`."""
        return self.filter(generated_on__lte=as_of)

    def latest_generation(self) -> "StrategyQuerySet":
        """Strategies of the trade date the generator last worked for, also where it found all of them known already.

        Where no run kept anything, of the trade date of the row written last.
        """
        runs = self.model._meta.get_field("run").related_model._default_manager.filter(results__kept__gt=0)
        day = TruncDate("as_of", tzinfo=IST)
        worked = runs.order_by("-id").values(day=day)[:1]
        written = self.model._default_manager.order_by("-created_at", "-id").values("trade_date")[:1]
        return self.filter(trade_date=Coalesce(models.Subquery(worked), models.Subquery(written)))

    def universe(self, day: date) -> "StrategyQuerySet":
        """One list over all underlyings of a trade date, best first (an index scan)."""
        return self.standing().filter(trade_date=day).order_by("-total_score", "id")

    def ahead_of(self, row: Any) -> "StrategyQuerySet":
        """What stands before a strategy in that list."""
        better = models.Q(total_score__gt=row.total_score) | models.Q(total_score=row.total_score, pk__lt=row.pk)
        return self.universe(row.trade_date).filter(better)

    def open(self) -> "StrategyQuerySet":
        """Filled and not yet closed."""
        return self.filter(execution_status="executed").exclude(execution_detail="closed")

    def claim(self, strategy_id: int) -> bool:
        """Move exactly one marked row to executing; False when somebody else has it (race-free UPDATE)."""
        return self.queued().order_by().filter(pk=strategy_id).update(execution_status="executing") == 1


class SymbolResultQuerySet(models.QuerySet[Any]):
    """Reads of generation results."""

    def claim(self, result_id: int) -> bool:
        """Take one pending symbol for this worker; False when it is taken."""
        return self.filter(pk=result_id, status="pending").update(status="working") == 1
