"""Celery: a bell, not a ledger. `celery -A optionsv4.celery worker`."""

import os
from pathlib import Path
from typing import Any

from celery import Celery
from celery.signals import beat_init
from django.conf import settings

from optionsv4.bootstrap import bootstrap

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "optionsv4.settings")
if not settings.configured:  # the worker's or the clock's own start; a process that has settings has its servers
    bootstrap(Path(__file__).resolve().parent.parent)

app = Celery("optionsv4")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@beat_init.connect
def provide_schedule(**_: Any) -> None:
    """The clock starts with the daily run in its tables; entries an operator changed stay."""
    from optionsv4.schedule import sync_schedule

    sync_schedule()
