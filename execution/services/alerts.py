"""What a person must see: raised once, acknowledged by name; a CRITICAL one stops entries until then."""

import logging
from collections.abc import Sequence
from datetime import timedelta

from django.db.models import Q
from django.db.models.functions import Now

from allocation.models import Account
from execution.errors import ExecutionDenied
from execution.models import Alert, AlertLevel, ExecutionRun
from market.errors import Reason

logger = logging.getLogger(__name__)

REMIND_AFTER = timedelta(minutes=5)  # a person who has seen a lasting thing is told again after so long

_LOG_LEVEL = {AlertLevel.INFO: logging.INFO, AlertLevel.WARNING: logging.WARNING, AlertLevel.CRITICAL: logging.ERROR}
_RANK = list(AlertLevel.values)


def raise_alert(
    account: Account,
    level: AlertLevel,
    code: str,
    sentence: str,
    remedy: str,
    run: ExecutionRun | None = None,
    *,
    about: str = "",
) -> Alert:
    """Make an alert, or return the unacknowledged one of the same code, run and subject, at the higher level.

    Part of the caller's transaction; two who raise the same thing at once make one row.
    """
    dedupe = f"{code}:{run.pk if run else ''}:{about}"[:120]
    made = Alert(account=account, level=level, code=code[:40], sentence=sentence, remedy=remedy, run=run, dedupe=dedupe)
    known = set(Alert.objects.filter(account=account, dedupe=dedupe, acknowledged_at=None).values_list("pk", flat=True))
    Alert.objects.bulk_create([made], ignore_conflicts=True)
    standing = Alert.objects.filter(account=account, dedupe=dedupe, acknowledged_at=None)
    below = _RANK[: _RANK.index(level)]
    raised = standing.filter(level__in=below).update(level=level, sentence=sentence, remedy=remedy)
    found = standing.get()
    if raised or found.pk not in known:
        logger.log(_LOG_LEVEL[AlertLevel(level)], "alert for %s: %s: %s %s", account, code, sentence, remedy)
    return found


def remind() -> list[int]:
    """Say again what a person has not acknowledged, at most once in five minutes each, whoever asks how often."""
    due = Alert.objects.filter(acknowledged_at=None, at__lte=Now() - REMIND_AFTER).exclude(level=AlertLevel.INFO)
    due = due.filter(Q(reminded_at=None) | Q(reminded_at__lte=Now() - REMIND_AFTER))
    said = []
    for alert in due.select_related("account").order_by("pk"):
        if due.filter(pk=alert.pk).update(reminded_at=Now()):
            level = _LOG_LEVEL[AlertLevel(alert.level)]
            logger.log(
                level, "alert %s for %s still waits: %s: %s", alert.pk, alert.account, alert.code, alert.sentence
            )
            said.append(alert.pk)
    return said


def lately_acknowledged(account: Account, code: str, run: ExecutionRun | None) -> bool:
    """Whether a person has seen this very thing within the last minutes; it may last a while after that."""
    seen = Alert.objects.filter(account=account, code=code[:40], run=run, acknowledged_at__gt=Now() - REMIND_AFTER)
    return seen.exists()


def is_raised(account: Account, code: str, run: ExecutionRun | None) -> bool:
    """Whether this very thing waits for a person already."""
    return Alert.objects.filter(account=account, code=code[:40], run=run, acknowledged_at=None).exists()


def tell_once(account: Account, level: AlertLevel, reason: Reason) -> None:
    """Raise an alert about an account unless it waits for a person already, or one has just seen it."""
    if not (is_raised(account, reason.code, None) or lately_acknowledged(account, reason.code, None)):
        raise_alert(account, level, reason.code, reason.sentence, reason.remedy)


def acknowledge(alert_id: int, *, actor: str) -> Alert:
    """Say that a named person has seen an alert; raise ExecutionDenied when there is no such one to see."""
    if not actor.strip():
        raise ExecutionDenied(Reason("NO_PERSON", "An alert is acknowledged by a named person.", "Say who you are."))
    waiting = Alert.objects.filter(pk=alert_id, acknowledged_at=None)
    if waiting.update(acknowledged_at=Now(), acknowledged_by=actor[:80]) != 1:
        sentence = f"There is no unacknowledged alert {alert_id}."
        raise ExecutionDenied(Reason("UNKNOWN_ALERT", sentence, "List them: manage.py attention."))
    logger.info("alert %s acknowledged by %s", alert_id, actor)
    return Alert.objects.get(pk=alert_id)


def unacknowledged(account: Account | None = None) -> Sequence[Alert]:
    """Alerts that wait for a person, of one account or of all; the newest CRITICAL first."""
    chosen = Q(account=account) if account else Q()
    rows = Alert.objects.filter(chosen, acknowledged_at=None).select_related("account", "run")
    return sorted(rows, key=lambda alert: (-_RANK.index(alert.level), -alert.pk))


def require_none_critical(account_id: int) -> None:
    """Raise ExecutionDenied CRITICAL_ALERT while a CRITICAL alert of the account waits (one query)."""
    alert = Alert.objects.filter(account_id=account_id, level=AlertLevel.CRITICAL, acknowledged_at=None).first()
    if alert is not None:
        sentence = f"Alert {alert.pk} is not acknowledged: {alert.code}: {alert.sentence}"
        raise ExecutionDenied(
            Reason("CRITICAL_ALERT", sentence, f"manage.py attention acknowledge {alert.pk}, then try again.")
        )
