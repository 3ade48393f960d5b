"""Celery: a bell, not a ledger. `celery -A optionsv4.celery worker`."""

import os
from pathlib import Path

from celery import Celery

from optionsv4.bootstrap import bootstrap

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "optionsv4.settings")
bootstrap(Path(__file__).resolve().parent.parent)

app = Celery("optionsv4")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
