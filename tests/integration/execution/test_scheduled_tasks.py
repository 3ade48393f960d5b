"""What the clock rings for execution: in the schedule, and done once however often it is delivered."""

import base64
import json
import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from cryptography.fernet import Fernet
from django.db import IntegrityError, connection, transaction
from django_celery_beat.models import PeriodicTask

from allocation.models import Account
from execution.models import Alert, AuditEntry, BrokerAccess, CheckAnswer
from execution.services import alerts, audit
from execution.services.access import current_credential, store_token
from execution.services.alerts import raise_alert
from execution.tasks import export_audit_head, remind_of_alerts, wake_trader, watch_access_token
from market.calendar import IST
from optionsv4.schedule import RINGS, sync_schedule
from strategies.models import OptionStrategy
from tests.factories import AccountFactory
from tests.integration.execution.conftest import NOON
from tests.unit.execution.dhan.scripted import reply, scripted_server

pytestmark = pytest.mark.django_db

CLIENT, SECRET = "1100000001", base64.b32encode(b"12345678901234567890").decode()
MORNING = datetime(2026, 1, 30, 8, 0, tzinfo=IST)
SATURDAY = MORNING + timedelta(days=1)
TIMES = 5


def jwt(name: str, until: datetime) -> str:
    payload = json.dumps({"exp": int(until.timestamp()), "name": name}).encode()
    return f"eyJhbGciOiJIUzUxMiJ9.{base64.urlsafe_b64encode(payload).rstrip(b'=').decode()}.{name}-signature"


ENDS_AT_TEN, ENDS_TOMORROW = MORNING + timedelta(hours=2), MORNING + timedelta(hours=24)


def deliver(task: Callable[[], None], moment: datetime = MORNING) -> None:
    """As often as a broker of messages might."""
    with time_machine.travel(moment, tick=False):
        for _ in range(TIMES):
            task()


def settle() -> None:
    """Do what a commit does: ordinary tests never commit."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")


@pytest.fixture
def live(settings: Any, db: None) -> Account:
    """A live account whose broker asks for a token, and the means to fetch one."""
    settings.DHAN_CLIENT_ID, settings.DHAN_ACCESS_TOKEN = CLIENT, ""
    settings.DHAN_PIN, settings.DHAN_TOTP_SECRET = "123456", SECRET
    settings.ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    account: Account = AccountFactory(name="real", mode=Account.Mode.LIVE)
    return account


@pytest.mark.parametrize(
    ("task", "hour", "minute"),
    [
        (wake_trader, "9-15", "*"),
        (watch_access_token, "7-15", "*/10"),
        (remind_of_alerts, "*", "*/5"),
        (export_audit_head, "*", "*/5"),
    ],
)
def test_every_task_is_in_the_schedule(task, hour, minute):
    sync_schedule()

    entry = PeriodicTask.objects.get(task=task.name)

    assert (str(entry.crontab.hour), str(entry.crontab.minute), entry.enabled) == (hour, minute, True)


def test_the_schedule_says_in_words_when_it_rings():
    words = {ring.task.rpartition(".")[2]: ring.at for ring in RINGS}

    assert words["import_master"] == "08:30"
    assert words["wake_trader"] == "every minute, 9-15 h"
    assert words["watch_access_token"] == "every 10 minutes, 7-15 h"
    assert words["export_audit_head"] == "every 5 minutes, all day"


def test_fm_C7_the_audit_head_is_kept_once_until_the_chain_has_grown(settings, tmp_path: Path):
    settings.AUDIT_HEAD_FILE = tmp_path / "audit" / "heads"
    audit.record("said", audit.Subject("here", "1"))
    settle()

    deliver(export_audit_head, SATURDAY)
    audit.record("said", audit.Subject("here", "2"))
    settle()
    deliver(export_audit_head, SATURDAY + timedelta(minutes=5))

    kept = audit.read_heads(settings.AUDIT_HEAD_FILE)
    assert [one.taken[11:16] for one in kept] == ["08:00", "08:05"]
    assert kept[1].seq == kept[0].seq + 1


def test_fm_F15_a_rewritten_chain_is_an_error_line_and_no_traceback(settings, tmp_path, caplog):
    settings.AUDIT_HEAD_FILE = tmp_path / "heads"
    audit.record("said", audit.Subject("here", "1"))
    settle()
    export_audit_head()
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE audit_entries DISABLE TRIGGER USER")
        cursor.execute("DELETE FROM audit_entries WHERE seq = (SELECT max(seq) FROM audit_entries)")

    export_audit_head()

    assert "export_audit_head refused: AUDIT_REWRITTEN" in caplog.text
    assert len(audit.read_heads(settings.AUDIT_HEAD_FILE)) == 1


def test_fm_A14_C7_a_token_that_ends_before_the_session_is_fetched_anew_once(live, settings):
    store_token(jwt("old", ENDS_AT_TEN))

    with scripted_server(reply(200, {"accessToken": jwt("fresh", ENDS_TOMORROW)})) as server:
        settings.DHAN_AUTH_URL = f"http://127.0.0.1:{server.port}"
        deliver(watch_access_token)

    assert len(server.seen) == 1
    assert current_credential().access_token == jwt("fresh", ENDS_TOMORROW)
    assert BrokerAccess.objects.get().generation == 2
    assert not Alert.objects.exists()


def test_fm_A14_C7_without_the_means_to_fetch_one_a_person_is_told_once(live, settings):
    settings.DHAN_TOTP_SECRET = ""
    store_token(jwt("old", ENDS_AT_TEN))

    deliver(watch_access_token)

    alert = Alert.objects.get()
    assert (alert.account, alert.level, alert.code) == (live, "WARNING", "TOKEN_ENDS")
    assert alert.sentence == "The access token lives until 30 Jan 10:00 IST; today it is needed until 16:00 IST."


def test_a_refresh_that_fails_tells_a_person_and_is_not_repeated_at_once(live, settings):
    store_token(jwt("old", ENDS_AT_TEN))

    with scripted_server(reply(200, {"message": "Invalid TOTP"})) as server:
        settings.DHAN_AUTH_URL = f"http://127.0.0.1:{server.port}"
        deliver(watch_access_token)

    assert len(server.seen) == 1
    assert Alert.objects.get().code == "TOKEN_ENDS"
    assert current_credential().access_token == jwt("old", ENDS_AT_TEN)


def test_no_token_at_all_is_told_as_well(live, settings):
    settings.DHAN_PIN = ""

    deliver(watch_access_token)

    assert Alert.objects.get().code == "TOKEN_ENDS"


@pytest.mark.parametrize(("moment", "until"), [(SATURDAY, ENDS_AT_TEN), (MORNING, ENDS_TOMORROW)])
def test_on_a_day_off_and_with_a_token_that_lasts_nothing_is_done(live, moment, until):
    store_token(jwt("old", until))

    deliver(watch_access_token, moment)

    assert BrokerAccess.objects.get().generation == 1
    assert not Alert.objects.exists()


def test_paper_alone_needs_no_token(live):
    Account.objects.filter(pk=live.pk).update(active=False)

    deliver(watch_access_token)

    assert not Alert.objects.exists()


def test_fm_C7_what_nobody_acknowledged_is_said_again_once_in_five_minutes(account, caplog):
    old = raise_alert(account, alerts.AlertLevel.CRITICAL, "OLD", "Look.", "")
    raise_alert(account, alerts.AlertLevel.CRITICAL, "NEW", "Look.", "")
    seen = raise_alert(account, alerts.AlertLevel.WARNING, "SEEN", "Look.", "")
    info = raise_alert(account, alerts.AlertLevel.INFO, "INFO", "Look.", "")
    Alert.objects.filter(pk__in=[old.pk, seen.pk, info.pk]).update(at=old.at - timedelta(minutes=6))
    alerts.acknowledge(seen.pk, actor="asha")
    caplog.clear()

    deliver(remind_of_alerts)

    lines = [(record.levelno, record.getMessage()) for record in caplog.records if "still waits" in record.message]
    assert lines == [(logging.ERROR, f"alert {old.pk} for {account} still waits: OLD: Look.")]
    Alert.objects.filter(pk=old.pk).update(reminded_at=old.at - timedelta(minutes=6))
    assert alerts.remind() == [old.pk]


def test_who_may_open_the_broker_is_in_the_audit_and_the_token_is_not(live):
    began = audit.head().seq
    store_token(jwt("secret", ENDS_TOMORROW))
    settle()

    rows = AuditEntry.objects.filter(subject_kind="broker_access", seq__gt=began).order_by("seq")
    assert [(row.event, row.before, row.after) for row in rows] == [("created", None, "0"), ("changed", "0", "1")]
    assert rows[1].detail["last_four"] == ["", "ture"]
    assert "token" not in json.dumps([row.detail for row in rows])


def answer(account: Account, strategy: OptionStrategy | None = None) -> CheckAnswer:
    said = {"code": "SPREAD", "reason_code": "SPREAD", "passed": False, "purpose": "entry", "at": NOON}
    made: CheckAnswer = CheckAnswer.objects.create(account=account, strategy=strategy, **said)
    return made


@pytest.mark.parametrize("change", [{"passed": True}, {"sentence": "Fine."}, {"reason_code": "OTHER"}])
def test_what_a_check_answered_is_never_changed(account, change):
    row = answer(account)

    with pytest.raises(IntegrityError, match="never changed"), transaction.atomic():
        CheckAnswer.objects.filter(pk=row.pk).update(**change)


def test_what_a_check_answered_is_never_removed_and_outlives_its_strategy(account, make_strategy):
    strategy = make_strategy(marked=False)
    row = answer(account, strategy)

    with pytest.raises(IntegrityError, match="never removed"), transaction.atomic():
        row.delete()
    OptionStrategy.objects.filter(pk=strategy.pk).delete()

    row.refresh_from_db()
    assert row.strategy_id is None
    with pytest.raises(IntegrityError, match="never changed"), transaction.atomic():
        CheckAnswer.objects.filter(pk=row.pk).update(strategy=make_strategy())
