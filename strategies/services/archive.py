"""Housekeeping: ideas and chains nobody traded go after a while; what was traded stays, and so does all history."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Count, Exists, OuterRef, Q, QuerySet

from market.calendar import IST
from market.errors import Reason
from market.models import ChainSnapshot, OptionQuote
from strategies.errors import StrategyError
from strategies.models import OptionStrategy
from strategies.querysets import StrategyQuerySet

logger = logging.getLogger(__name__)

BATCH = 200  # rows per transaction: locks stay short


@dataclass(slots=True)
class Archived:
    """What was removed, or would be, all of it older than `before`."""

    before: date
    strategies: int
    marks: int
    snapshots: int
    quotes: int
    dry_run: bool


def archive_old_data(
    *, as_of: datetime, days: int = 90, dry_run: bool = False, progress: Callable[[int], None] = lambda done: None
) -> Archived:
    """Remove pending strategies and chain snapshots older than `days` that nobody traded; safe to run twice."""
    if days < 1:
        raise StrategyError(Reason("DAYS_RANGE", f"Cannot keep {days} days.", "Keep one day or more."))
    before = as_of.astimezone(IST).date() - timedelta(days=days)
    ideas, chains = untraded(before), unused(before)
    result = Archived(
        before,
        strategies=ideas.count(),
        marks=ideas.aggregate(marks=Count("marks"))["marks"],
        snapshots=chains.count(),
        quotes=OptionQuote.objects.filter(snapshot__in=chains).count(),
        dry_run=dry_run,
    )
    if not dry_run:
        done = _remove(ideas, progress, done=0)
        _remove(chains, progress, done=done)
        logger.info("archived before %s: %d strategies, %d chains", before, result.strategies, result.snapshots)
    return result


def untraded(before: date) -> StrategyQuerySet:
    """Pending strategies of earlier trade dates, expired ones too, that no run and no trade belongs to."""
    rows = OptionStrategy.objects.filter(execution_status="pending", trade_date__lt=before)
    return rows.filter(execution_runs=None, trades=None)


def unused(before: date) -> QuerySet[ChainSnapshot]:
    """Snapshots of earlier days on which no strategy of that underlying was traded, or generated and then wanted."""
    busy = Q(execution_runs__isnull=False) | Q(trades__isnull=False) | Q(execution_status="marked")
    that_day = Q(trade_date=OuterRef("taken_at__date")) | Q(execution_runs__as_of__date=OuterRef("taken_at__date"))
    traded = OptionStrategy.objects.filter(busy & that_day, stock_name=OuterRef("symbol"))
    return ChainSnapshot.objects.filter(~Exists(traded), taken_at__date__lt=before)


def _remove(rows: QuerySet[Any], progress: Callable[[int], None], *, done: int) -> int:
    """Delete in batches; rows are locked before they go, so that none is marked or executed meanwhile."""
    while True:
        with transaction.atomic():
            chosen = list(rows.order_by("pk").select_for_update(of=("self",)).values_list("pk", flat=True)[:BATCH])
            rows.model._default_manager.filter(pk__in=chosen).delete()
        if not chosen:
            return done
        done += len(chosen)
        progress(done)
