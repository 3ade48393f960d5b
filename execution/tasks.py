"""Celery's part in execution: the clock rings the trader; a task sends nothing itself."""

from celery import shared_task

from execution.services.trader import wake
from market.tasks import on_session_days


@shared_task
@on_session_days
def wake_trader() -> None:
    """Ring the trader's bell; what it does follows from the rows it finds."""
    wake()
