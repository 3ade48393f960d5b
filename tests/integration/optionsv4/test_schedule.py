"""The daily run by the clock."""

import json
import logging
from datetime import datetime
from io import StringIO

import pytest
import time_machine
from django.core.management import call_command
from django_celery_beat.models import CrontabSchedule, PeriodicTask

from market.calendar import IST
from market.models import ChainSnapshot, FileImport
from market.tasks import capture_chains, import_master
from optionsv4.celery import app, provide_schedule
from optionsv4.schedule import RINGS, sync_schedule
from optionsv4.tasks import generate_day

pytestmark = pytest.mark.django_db

SATURDAY, FRIDAY = datetime(2026, 1, 31, 8, 30, tzinfo=IST), datetime(2026, 1, 30, 9, 20, tzinfo=IST)
BUDGET_SUNDAY = datetime(2026, 2, 1, 9, 20, tzinfo=IST)


def test_the_day_is_rung_in_indian_time():
    sync_schedule()

    times = {(str(task.crontab.hour), str(task.crontab.minute), task.task) for task in PeriodicTask.objects.all()}
    zones = {str(crontab.timezone) for crontab in CrontabSchedule.objects.all()}

    assert times == {
        ("8", "30", "market.tasks.import_master"),
        ("9", "20", "optionsv4.tasks.capture_and_generate"),
        ("9", "35", "allocation.tasks.allocate_all"),
        ("9-15", "*", "execution.tasks.wake_trader"),
        ("7-15", "*/10", "execution.tasks.watch_access_token"),
        ("*", "*/5", "execution.tasks.remind_of_alerts"),
        ("*", "*/5", "execution.tasks.export_audit_head"),
    }
    assert zones == {"Asia/Kolkata"}


def test_every_ring_names_a_registered_task():
    app.loader.import_default_modules()

    assert [ring.task for ring in RINGS if ring.task not in app.tasks] == []


def test_twice_is_once_and_an_operators_change_stays():
    assert len(sync_schedule()) == len(RINGS)
    PeriodicTask.objects.filter(name=RINGS[0].name).update(enabled=False)

    again = sync_schedule()

    assert again == []
    assert PeriodicTask.objects.count() == len(RINGS)
    assert PeriodicTask.objects.filter(enabled=False).count() == 1
    assert len(sync_schedule(reset=True)) == len(RINGS)
    assert PeriodicTask.objects.filter(enabled=False).count() == 0


def test_the_clock_brings_its_schedule_along():
    provide_schedule()

    assert PeriodicTask.objects.count() == len(RINGS)


def test_the_command_speaks_json():
    out = StringIO()

    call_command("sync_schedule", "--json", stdout=out)

    assert json.loads(out.getvalue())["written"] == [ring.name for ring in RINGS]


@pytest.mark.parametrize("task", [import_master, capture_chains, generate_day])
def test_a_day_without_a_session_does_nothing(task, caplog):
    with time_machine.travel(SATURDAY, tick=False), caplog.at_level(logging.INFO):
        task()

    assert "no session today" in caplog.text
    assert not FileImport.objects.exists()
    assert not ChainSnapshot.objects.exists()


@pytest.mark.parametrize("moment", [FRIDAY, BUDGET_SUNDAY])
def test_a_refusal_is_one_line_for_the_operator(moment, settings, caplog):
    # A recorded market has no master of its own, so the day's file is fetched; nobody listens at this address.
    settings.MARKET_SOURCE, settings.DHAN_MASTER_URL = "recorded", "http://127.0.0.1:9/master.csv"

    with time_machine.travel(moment, tick=False):
        import_master()

    assert FileImport.objects.get().reason_code == "DOWNLOAD_FAILED"
    assert "import_master refused" in caplog.text


def test_capture_stores_the_chains_once_however_often_it_rings(settings):
    settings.MARKET_SOURCE = "simulated"

    with time_machine.travel(FRIDAY, tick=False):
        capture_chains(["NIFTY", "NOSUCH"])
        capture_chains(["NIFTY", "NOSUCH"])

    assert [snapshot.symbol for snapshot in ChainSnapshot.objects.all()] == ["NIFTY"]


def test_the_master_is_taken_from_the_market_source(settings):
    settings.MARKET_SOURCE = "simulated"

    with time_machine.travel(FRIDAY, tick=False):
        import_master()
        import_master()

    assert list(FileImport.objects.order_by("id").values_list("status", flat=True)) == ["accepted", "unchanged"]
