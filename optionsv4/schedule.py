"""The daily run by the clock (IST), as rows an operator can change in the admin.

Every day of the week: the tasks ask the calendar, which knows the special sessions on weekends too.
"""

from dataclasses import dataclass

from django.db import transaction
from django_celery_beat.models import CrontabSchedule, PeriodicTask

TIME_ZONE = "Asia/Kolkata"
EXPIRES_SECONDS = 1_800


@dataclass(frozen=True)
class Ring:
    """One task at one time of day."""

    name: str
    task: str
    hour: str
    minute: str
    description: str

    @property
    def at(self) -> str:
        """When it rings, as people say it."""
        hours = "all day" if self.hour == "*" else f"{self.hour} h"
        if self.minute == "*":
            return f"every minute, {hours}"
        every = self.minute.removeprefix("*/")
        return f"{self.hour:0>2}:{self.minute:0>2}" if every == self.minute else f"every {every} minutes, {hours}"


RINGS = (
    Ring("Import the instrument master", "market.tasks.import_master", "8", "30", "From the market source."),
    Ring(
        "Capture chains and generate strategies",
        "optionsv4.tasks.capture_and_generate",
        *("9", "20"),
        "Captures every underlying, then generates per symbol.",
    ),
    Ring("Allocate the portfolio", "allocation.tasks.allocate_all", "9", "35", "One proposal per active account."),
    Ring("Execute what is marked", "execution.tasks.wake_trader", "9-15", "*", "Wakes the trader."),
    Ring("Watch the access token", "execution.tasks.watch_access_token", "7-15", "*/10", "Refreshes it or tells you."),
    Ring("Remind of alerts", "execution.tasks.remind_of_alerts", "*", "*/5", "Says again what nobody acknowledged."),
    Ring("Export the audit head", "execution.tasks.export_audit_head", "*", "*/5", "To AUDIT_HEAD_FILE."),
)


@transaction.atomic
def sync_schedule(*, reset: bool = False) -> list[str]:
    """Add the rings that are missing and name them; what an operator changed stays, unless `reset`."""
    held = set(PeriodicTask.objects.values_list("name", flat=True))
    wanted = [ring for ring in RINGS if reset or ring.name not in held]
    for ring in wanted:
        PeriodicTask.objects.update_or_create(name=ring.name, defaults=_fields(ring))
    return [ring.name for ring in wanted]


def _fields(ring: Ring) -> dict[str, object]:
    crontab, _ = CrontabSchedule.objects.get_or_create(
        minute=ring.minute,
        hour=ring.hour,
        day_of_week="*",
        day_of_month="*",
        month_of_year="*",
        timezone=TIME_ZONE,
    )
    return {
        "task": ring.task,
        "crontab": crontab,
        "interval": None,
        "enabled": True,
        "args": "[]",
        "kwargs": "{}",
        # A worker that was down must not do the morning's work in the afternoon.
        "expire_seconds": EXPIRES_SECONDS,
        "description": ring.description,
    }
