"""Celery's part in execution: the clock rings the trader and keeps watch; a task sends no order itself."""

from celery import shared_task
from django.conf import settings

from execution.services import alerts, audit
from execution.services.token_watch import watch_token
from execution.services.trader import wake
from market.moment import now
from market.tasks import on_session_days, refusing_in_one_line


@shared_task
@on_session_days
def wake_trader() -> None:
    """Ring the trader's bell; what it does follows from the rows it finds."""
    wake()


@shared_task
@refusing_in_one_line
def export_audit_head() -> None:
    """Keep the head of the audit chain outside the database; a rewritten chain is an ERROR line."""
    audit.export_head(settings.AUDIT_HEAD_FILE, now=now())


@shared_task
@on_session_days
def watch_access_token() -> None:
    """See to it that the token outlives the session."""
    watch_token(now=now())


@shared_task
def remind_of_alerts() -> None:
    """Say again what nobody has acknowledged."""
    alerts.remind()
