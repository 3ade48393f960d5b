"""Entries rest for a while after too many losing exits; nothing is latched, the queue waits."""

from datetime import datetime

from django.db.models import F, Sum

from allocation.models import Account
from execution.breakers import LOSING_WITHIN, MOST_LOSING_EXITS, PAUSE, paused_until
from execution.errors import ExecutionDenied
from execution.lifecycle import RunState
from execution.models import AlertLevel, ExecutionRun, Position, RunPurpose
from execution.services.alerts import tell_once
from execution.services.preparation import Desk
from market.calendar import IST
from market.errors import Reason


def entries_paused(desk: Desk) -> Reason | None:
    """Why nothing new begins for a while, though nothing is latched: too many losing exits lately; told once."""
    until = paused_until(_losing_exits(desk.account, desk.as_of), desk.as_of)
    if until is None:
        return None
    lost = f"{MOST_LOSING_EXITS} exits lost money within {LOSING_WITHIN.seconds // 60} minutes"
    sentence = f"{lost}; entries pause until {until.astimezone(IST):%H:%M} IST."
    reason = Reason("LOSING_STREAK", sentence, "Look at what they have in common.")
    tell_once(desk.account, AlertLevel.WARNING, reason)
    return reason


def require_no_pause(desk: Desk) -> None:
    """Refuse to begin anything during a pause."""
    reason = entries_paused(desk)
    if reason is not None:
        raise ExecutionDenied(reason)


def _losing_exits(account: Account, now: datetime) -> list[datetime]:
    """When strategies were closed at a loss, charges included."""
    rows = ExecutionRun.objects.filter(
        account=account,
        purpose=RunPurpose.EXIT,
        state=RunState.COMPLETE,
        phase_started_at__gt=now - LOSING_WITHIN - PAUSE,
        phase_started_at__lte=now,
    ).order_by("phase_started_at")
    ended = list(rows.values_list("strategy_id", "phase_started_at"))
    sums = Position.objects.filter(account=account, strategy__in=[strategy for strategy, _ in ended])
    results = dict(sums.values_list("strategy_id").annotate(result=Sum(F("cash") - F("charges"))))
    return [at for strategy, at in ended if results.get(strategy, 0) < 0]
