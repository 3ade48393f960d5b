"""What stands: per symbol, trade date and risk profile the rows of the newest run that answered, and no others."""

import logging
from collections.abc import Collection
from datetime import date, datetime, time, timedelta
from typing import Any

from django.db import connection

from market.calendar import IST
from market.errors import MarketError, Reason
from market.moment import now
from strategies.models import ExecutionStatus, GenerationRun, OptionStrategy, SymbolResult

logger = logging.getLogger(__name__)

OPEN = (ExecutionStatus.PENDING, ExecutionStatus.MARKED)  # from executing on a row is a trade, and history
ANSWERED = (SymbolResult.Status.DONE, SymbolResult.Status.FAILED)
SUPERSEDED = "SUPERSEDED"


# Rows are locked in the order in which marking locks them.
NEWEST_STANDS = """
WITH newer AS (
    SELECT result.run_id, result.strategy_ids
    FROM generation_results result JOIN generation_runs run ON run.id = result.run_id
    WHERE run.as_of >= %(as_of)s AND run.as_of < %(midnight)s AND (run.as_of > %(as_of)s OR run.id > %(run)s)
        AND run.risk = %(risk)s AND result.symbol = %(symbol)s AND result.status = ANY(%(answered)s)
    ORDER BY run.as_of DESC, run.id DESC LIMIT 1
), newest AS (
    SELECT * FROM newer UNION ALL SELECT %(run)s, %(ids)s::bigint[] WHERE NOT EXISTS (SELECT FROM newer)
), wrong AS (
    SELECT row.id FROM strategies row, newest
    WHERE row.execution_status = ANY(%(open)s) AND (
        (row.stock_name = %(symbol)s AND row.trade_date = %(day)s AND row.risk_profile = %(risk)s
            AND row.run_id IS NOT NULL AND row.superseded_by_id IS NULL AND row.id <> ALL(newest.strategy_ids))
        OR (row.id = ANY(newest.strategy_ids) AND row.superseded_by_id IS NOT NULL))
    ORDER BY row.id FOR UPDATE OF row
)
UPDATE strategies SET superseded_by_id = CASE WHEN id = ANY(newest.strategy_ids) THEN NULL ELSE newest.run_id END
FROM newest WHERE id IN (SELECT id FROM wrong) AND execution_status = ANY(%(open)s)
"""


def refuse_future(as_of: datetime) -> None:
    """Refuse to generate for a later moment than now: that run would replace every real one until then.

    Raises MarketError FUTURE_MOMENT.
    """
    present = now()
    if as_of > present:
        sentence = (
            f"{as_of.astimezone(IST):%Y-%m-%d %H:%M} is later than now, {present.astimezone(IST):%Y-%m-%d %H:%M}."
        )
        raise MarketError(Reason("FUTURE_MOMENT", sentence, "Give a moment that has come, or leave out --as-of."))


def take_turn(*symbols: str) -> None:
    """Two runs over one symbol: the second waits until the first has committed, then finds what it stored."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended(symbol, 7)) FROM unnest(%s::text[]) symbol",
            [sorted(symbols)],
        )


def supersede(result: SymbolResult) -> int:
    """Let the rows of the newest answer stand and no others; returns how many changed (one UPDATE, and the lock).

    `result` is an answer that its caller stores in this transaction. It stands unless a run for a later moment, or a
    later run for the same moment, has answered already. A symbol that ends with a reason leaves nothing standing. A row
    that is marked trades as it was approved and only says that there is something newer: unmarked, it is not offered.
    """
    if not result.strategy_ids:
        take_turn(result.symbol)  # who stores rows has taken it already
    run = result.run
    day = _day(run)
    values: dict[str, Any] = {
        "symbol": result.symbol,
        "ids": result.strategy_ids,
        "run": run.pk,
        "risk": str(run.risk),
        "as_of": run.as_of,
        "day": day,
        "midnight": datetime.combine(day + timedelta(days=1), time(), IST),
        "answered": [status.value for status in ANSWERED],
        "open": [status.value for status in OPEN],
    }
    with connection.cursor() as cursor:
        cursor.execute(NEWEST_STANDS, values)
        changed: int = cursor.rowcount
    if changed:
        logger.info("%s: %d rows superseded or standing again", result.symbol, changed)
    return changed


def supersede_refused(run: GenerationRun, symbols: Collection[str]) -> None:
    """The same for symbols that a run refused before any work, where they have earlier rows.

    First every turn, by name, then every row, by key: like one symbol's run, and in the order in which marking locks.
    """
    if not symbols:
        return
    take_turn(*symbols)
    offered = OptionStrategy.objects.filter(stock_name__in=list(symbols), trade_date=_day(run), risk_profile=run.risk)
    offered = offered.filter(execution_status__in=OPEN, run__isnull=False)
    rows = offered.order_by("pk").select_for_update(of=("self",)).values_list("stock_name", "superseded_by_id")
    for symbol in sorted({name for name, replaced in rows if replaced is None}):
        supersede(run.results.select_related("run").get(symbol=symbol))


def why_superseded(strategy: OptionStrategy) -> Reason | None:
    """Why a row may not be marked, where a later run replaced it."""
    run = strategy.superseded_by
    if run is None:
        return None
    moment = f"{run.as_of.astimezone(IST):%H:%M}"
    sentence = f"Strategy {strategy.pk} was superseded by generation run {run.pk} of {moment}: its numbers are old."
    return Reason(SUPERSEDED, sentence, "Choose one of the newest run: mark_for_execution list.")


def _day(run: GenerationRun) -> date:
    return run.as_of.astimezone(IST).date()
