"""Stop by ourselves: look at losses, books, disk and clocks, and latch what a person must release."""

import logging
import shutil
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

from django.conf import settings
from django.db import connection
from django.utils import timezone

from execution.breakers import Health, Trip, tripped
from execution.models import AlertLevel, ReconcileReport, Standing
from execution.services.alerts import tell_once
from execution.services.checks import counting, limits_for
from execution.services.flatten import order_flatten
from execution.services.marks import profit_at_touch
from execution.services.preparation import Desk
from execution.services.standing import FLATTEN, SYSTEM, halt, reduce_only, standing
from execution.services.trading import Trading
from market.errors import OptionsError, Reason

logger = logging.getLogger(__name__)


def trip_breakers(leader: Trading) -> list[Trip]:
    """Open every breaker whose condition holds; what is open already stays so and is not told twice."""
    desk = leader.desk
    trips = list(tripped(_health(desk, leader.leads_for)))
    for trip in trips:
        if trip.flatten:
            _flatten(desk, trip.reason)
        elif standing(desk.account.pk).state == Standing.ACTIVE:
            reduce_only(desk.account, reason=trip.reason, actor=f"{SYSTEM}:breaker")
        tell_once(desk.account, AlertLevel.CRITICAL, trip.reason)
    return trips


def _health(desk: Desk, leads_for: timedelta) -> Health:
    """A leader that has just begun has its two minutes, however old the last comparison is."""
    report = ReconcileReport.objects.filter(account=desk.account).order_by("-id").first()
    return Health(
        result=_result(desk),
        most_loss=limits_for(desk.account).daily_loss,
        reconciled_ago=leads_for if report is None else min(leads_for, timezone.now() - report.at),
        free_bytes=_free_bytes(),
        skew=_skew(),
    )


def _result(desk: Desk) -> Decimal | None:
    start = counting.midnight(desk.as_of)
    try:
        return counting.day_result(
            desk.account,
            start=start,
            now=desk.as_of,
            profit=lambda strategy, rows: profit_at_touch(strategy, desk, rows),
        )
    except OptionsError as error:
        logger.warning("today's result is not known, entries are denied meanwhile: %s", error.reason)
        return None


def _free_bytes() -> int:
    """Where the state is kept, or would be: with database servers of one's own nothing has made that folder yet."""
    place = Path(settings.STATE_DIR)
    return shutil.disk_usage(next(one for one in (place, *place.absolute().parents) if one.exists())).free


def _skew() -> timedelta:
    """The database's clock less ours, half of the way there and back taken off."""
    before = timezone.now()
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        theirs: datetime = cursor.fetchone()[0]
    after = timezone.now()
    return theirs - (before + (after - before) / 2)


def _flatten(desk: Desk, reason: Reason) -> None:
    """Repeated while it holds: an exit that ended with something left is opened anew."""
    found = standing(desk.account.pk)
    if found.state != Standing.HALTED or found.reason is None or found.reason.code != FLATTEN:
        halt(desk.account, reason=Reason(FLATTEN, reason.sentence), actor=f"{SYSTEM}:breaker")
    order_flatten(desk, reason)
