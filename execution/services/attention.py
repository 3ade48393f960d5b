"""What a person decides about a run that stands in ATTENTION: never a guess, only what the books bear out."""

import logging
from datetime import datetime

from django.db import transaction
from django.db.models import F, Max, TextField
from django.db.models.functions import Cast

from execution.errors import ExecutionDenied, LostRace
from execution.lifecycle import RUN_TABLE, IllegalTransition, RunEvent, RunState, StrategyState, advance
from execution.models import Alert, AuditEntry, ExecutionRun, LegOrder, Position, ReconcileReport, RunPurpose, Trade
from execution.services.outcomes import follow
from execution.services.transitions import state_of
from market.actor import acting
from market.errors import Reason

logger = logging.getLogger(__name__)

SETTLED_BY_HAND = "SETTLED_BY_HAND"
OUTCOMES = {"complete": RunEvent.COMPLETE, "flat": RunEvent.FLATTEN, "unwind": RunEvent.UNWIND}


def settle(run_id: int, *, outcome: str, reason: str, actor: str) -> ExecutionRun:
    """End a run's ATTENTION as `complete` or `flat`, if that is what is held, or have it taken back by `unwind`."""
    event = OUTCOMES[outcome]
    with acting(actor), transaction.atomic():
        rows = ExecutionRun.objects.select_for_update(of=("self",)).select_related("strategy")
        run: ExecutionRun | None = rows.filter(pk=run_id).first()
        if run is None or run.state != RunState.ATTENTION:
            state = "does not exist" if run is None else f"is {run.state}"
            raise ExecutionDenied(Reason("NOT_IN_ATTENTION", f"Run {run_id} {state}: there is nothing to settle."))
        _require_settled_orders(run)
        if event is not RunEvent.UNWIND:
            _require_reconciled(run)
        _require_true(run, event)
        _settle(run, event, Reason(SETTLED_BY_HAND, f"{actor}: {reason}"))
    logger.info("run %s settled as %s by %s: %s", run_id, outcome, actor, reason)
    return run


def _require_settled_orders(run: ExecutionRun) -> None:
    live = LegOrder.objects.live().filter(run=run).first()
    if live is not None:
        sentence = f"Order {live.correlation_id} of run {run.pk} is {live.state}: its outcome is not known."
        raise ExecutionDenied(Reason("LIVE_ORDER", sentence, "Let the trader read the broker's book first."))


def _require_reconciled(run: ExecutionRun) -> None:
    """A clean comparison with the broker, made after the last change of this run."""
    report = ReconcileReport.objects.filter(account=run.account).order_by("-id").first()
    if report is None or not report.is_equal or report.at < _stopped_at(run):
        sentence = f"Since run {run.pk} stopped, our books have not been found equal to the broker's."
        raise ExecutionDenied(Reason("NOT_RECONCILED", sentence, "Let the trader reconcile first."))


def _require_true(run: ExecutionRun, event: RunEvent) -> None:
    held = {
        row.security_id: row.quantity
        for row in Position.objects.filter(strategy=run.strategy, account=run.account).exclude(quantity=0)
    }
    entry = run.purpose == RunPurpose.ENTRY
    if event is RunEvent.UNWIND and not entry:
        sentence = f"Run {run.pk} closes a position: taking it back would open the position again."
        raise ExecutionDenied(Reason("NOT_AN_ENTRY", sentence, "Settle it as flat or complete."))
    if event is RunEvent.FLATTEN and entry and held:
        raise _untrue(run, f"it still holds {held}")
    if event is RunEvent.FLATTEN and not entry and (not held or state_of(run.strategy) is StrategyState.CLOSED):
        # As flat an exit leaves its strategy open, to be closed by the next one.
        raise _untrue(run, f"its strategy holds {held or 'nothing'} and is {state_of(run.strategy)}, not left open")
    wanted = _wanted(run) if entry else {}
    if event is RunEvent.COMPLETE and held != wanted:
        raise _untrue(run, f"it holds {held}, complete would be {wanted}")


def _untrue(run: ExecutionRun, why: str) -> ExecutionDenied:
    return ExecutionDenied(Reason("NOT_TRUE", f"Run {run.pk} cannot be settled so: {why}.", "See v_positions."))


def _wanted(run: ExecutionRun) -> dict[str, int]:
    """Signed units by security id that a complete entry holds."""
    totals: dict[str, int] = {}
    for leg in run.intended:
        units = leg["quantity"] if leg["side"] == "BUY" else -leg["quantity"]
        totals[leg["security_id"]] = totals.get(leg["security_id"], 0) + units
    return {key: units for key, units in totals.items() if units}


def _stopped_at(run: ExecutionRun) -> datetime:
    """When a person was last called about this run, or a trade of its strategy was last written, whoever found it.

    By the database's clock, as the reports are.
    """
    called: datetime | None = Alert.objects.filter(run=run).aggregate(last=Max("at"))["last"]
    trades = Trade.objects.filter(strategy=run.strategy_id).annotate(name=Cast("pk", TextField())).order_by()
    written = AuditEntry.objects.filter(subject_kind="trade", subject_id__in=trades.values("name"))
    traded: datetime | None = written.aggregate(last=Max("at"))["last"]
    return max(moment for moment in (called, traded, run.started_at) if moment is not None)


def _settle(run: ExecutionRun, event: RunEvent, reason: Reason) -> None:
    try:
        _write(run, event, reason)
    except IllegalTransition as refusal:
        raise _untrue(run, f"its strategy is {state_of(run.strategy)}, which does not follow") from refusal


def _write(run: ExecutionRun, event: RunEvent, reason: Reason) -> None:
    state = advance(RUN_TABLE, RunState(run.state), event)
    rows = ExecutionRun.objects.filter(pk=run.pk, version=run.version, state=run.state)
    changes = {"reason_code": reason.code, "reason_text": reason.sentence}
    if rows.update(state=state.value, version=F("version") + 1, **changes) != 1:
        raise LostRace(Reason("LOST_RACE", f"Run {run.pk} was changed by somebody else."))
    run.refresh_from_db()
    follow(run, reason, run.as_of)
