"""Changes of runs and strategies, each one conditional UPDATE of exactly one row, by the table."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from django.db import connection
from django.utils import timezone

from allocation.models import Account
from execution.errors import ExecutionDenied
from execution.lifecycle import (
    ENDED_RUNS,
    PROJECTION,
    RUN_TABLE,
    STRATEGY_TABLE,
    RunEvent,
    RunState,
    StrategyEvent,
    StrategyState,
    advance,
)
from execution.models import ExecutionRun
from market.errors import Reason
from strategies.models import OptionStrategy

logger = logging.getLogger(__name__)

_OWNER_LOCK = 0x4F50_5634  # namespace of the advisory locks, "OPV4"
_ACCOUNT_LOCK = 0x4F50_5641  # the same for accounts, "OPVA"
_STATES = {columns: state for state, columns in PROJECTION.items()}


def move_run(run: ExecutionRun, event: RunEvent, reason: Reason | None = None) -> None:
    """Change the state of a run; a reason is kept when one is given."""
    before = RunState(run.state)
    after = advance(RUN_TABLE, before, event)
    changes: dict[str, object] = {"state": after.value}
    if reason is not None:
        changes |= {"reason_code": reason.code[:40], "reason_text": f"{reason.sentence} {reason.remedy}".strip()}
    if after in ENDED_RUNS:
        changes["finished_at"] = timezone.now()
    if ExecutionRun.objects.filter(pk=run.pk, state=before.value).update(**changes) != 1:
        raise ExecutionDenied(Reason("LOST_RACE", f"Run {run.pk} was changed by somebody else."))
    for name, value in changes.items():
        setattr(run, name, value)
    logger.info("run %s of strategy %s %s -> %s %s", run.pk, run.strategy_id, before, after, reason or "")


def move_strategy(
    strategy: OptionStrategy, event: StrategyEvent, *, note: str | None = None, executed_at: datetime | None = None
) -> None:
    """Change the state of a strategy in the two columns of the contract; the trigger writes the audit row."""
    before = state_of(strategy)
    status, detail = PROJECTION[advance(STRATEGY_TABLE, before, event)]
    changes: dict[str, object] = {"execution_status": status, "execution_detail": detail}
    if note is not None:
        changes["execution_notes"] = note
    if executed_at is not None:
        changes["executed_at"] = executed_at
    row = OptionStrategy.objects.filter(
        pk=strategy.pk, execution_status=strategy.execution_status, execution_detail=strategy.execution_detail
    )
    if row.update(**changes) != 1:
        raise ExecutionDenied(Reason("LOST_RACE", f"Strategy {strategy.pk} was changed by somebody else."))
    for name, value in changes.items():
        setattr(strategy, name, value)
    logger.info("strategy %s %s -> %s %s", strategy.pk, before, event, note or "")


def state_of(strategy: OptionStrategy) -> StrategyState:
    """Read the two columns; a detail that does not belong to the status is history, not state."""
    status = strategy.execution_status
    found = _STATES.get((status, strategy.execution_detail))
    return found if found is not None else _STATES[status, ""]


@contextmanager
def owning(strategy_id: int) -> Iterator[bool]:
    """Hold the right to act on one strategy; False when a living process has it. A dead one loses it at once."""
    with _advisory_lock(_OWNER_LOCK, strategy_id) as owned:
        yield owned


@contextmanager
def sending_for(account: Account) -> Iterator[None]:
    """Be the only one who sends for an account: two would pass the funds check on the same rupees."""
    with _advisory_lock(_ACCOUNT_LOCK, account.pk) as alone:
        if not alone:
            sentence = f"Another process is sending orders for account {account} right now."
            raise ExecutionDenied(Reason("ACCOUNT_BUSY", sentence, "Try again when it has finished."))
        yield


@contextmanager
def _advisory_lock(namespace: int, number: int) -> Iterator[bool]:
    """Try for a lock of this database session; it ends with the block, or with the session."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", [namespace, number])
        owned = bool(cursor.fetchone()[0])
    try:
        yield owned
    finally:
        if owned:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s, %s)", [namespace, number])
