"""The admin pages of execution: who may open them, how many queries a list costs, and what its actions do."""

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.contrib import admin
from django.contrib.auth.models import Permission, User
from django.contrib.messages import get_messages
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from execution.checks import LIMIT_NAMES
from execution.models import (
    Alert,
    AuditEntry,
    BrokerAccess,
    CheckAnswer,
    ExternalOrder,
    LiveArming,
    ReconcileReport,
    ResidentStop,
    RiskLimits,
    TraderLease,
    TradingState,
)
from execution.services import arming
from execution.services.checks import limits_for
from strategies.models import OptionStrategy
from tests.factories import AccountFactory
from tests.integration.execution.conftest import NOON
from tests.integration.execution.desks import run_queue

pytestmark = pytest.mark.django_db

LIST_QUERIES = 9  # session, user, two counts, the rows, the filters: none of them per row
PAGES = sorted(
    (model for model in admin.site._registry if model._meta.app_label == "execution"), key=lambda model: model.__name__
)
NAMES = [model.__name__ for model in PAGES]


def rows_of_everything(desk: Any, make_strategy: Callable[..., OptionStrategy], number: int) -> None:
    """One more row in each table."""
    strategy = make_strategy()
    run_queue(desk)
    account = AccountFactory(name=f"other-{number}")
    moment = timezone.now()
    TradingState.objects.create(account=account, state="HALTED", reason_code="TEST", actor="asha")
    lease = {"owner": "a:1", "host": "a", "pid": 1, "epoch": 1, "lease_until": moment, "renewed_at": moment}
    TraderLease.objects.create(account=account, **lease)
    Alert.objects.create(account=account, level="WARNING", code="TEST", sentence="Look.", dedupe="TEST::")
    ExternalOrder.objects.create(account=account, broker_order_id=f"{number}", quantity=1, status="TRADED")
    ReconcileReport.objects.create(account=account, clean=False, findings=[{"code": "POSITION_DIFFERS"}])
    BrokerAccess.objects.create(client_id=f"11000000{number}", last_four="abcd", token_encrypted=b"secret-token")
    RiskLimits.objects.create(account=account, changed_by="asha", lots_per_leg=3)
    CheckAnswer.objects.create(
        account=account, strategy=strategy, code="SPREAD", reason_code="SPREAD", passed=False, purpose="entry", at=NOON
    )
    LiveArming.objects.create(
        account=account, day=date(2026, 1, 30), armed_by="asha", shown_hash="0" * 64, client_id="1", code_version="v"
    )
    ResidentStop.objects.create(
        account=account, strategy=strategy, leg=strategy.legs.first(), quantity=500, trigger_price=Decimal(60),
        limit_price=Decimal(66), segment="NSE_FNO", security_id="11", correlation_id=f"S{number}", asked_by="strategy",
    )  # fmt: skip


def sign_in(client: Client, *codenames: str, superuser: bool = False) -> Client:
    user = User.objects.create_user("asha", is_staff=True, is_superuser=superuser)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    client.force_login(user)
    return client


@pytest.fixture
def operator(client: Client) -> Client:
    return sign_in(client, superuser=True)


def said(response: Any) -> list[str]:
    return [str(message) for message in get_messages(response.wsgi_request)]


def test_every_table_a_desk_looks_at_has_its_page():
    assert {
        *("Alert", "AuditEntry", "BrokerAccess", "CheckAnswer", "ExecutionRun", "ExternalOrder", "LegOrder"),
        *("LiveArming", "ReconcileReport", "RejectionCount", "ResidentStop", "RiskLimits", "Trade", "TraderLease"),
        "TradingState",
    } == set(NAMES)


def test_lists_and_pages_open_for_an_operator_with_as_many_queries_for_many_rows_as_for_one(
    operator, desk, make_strategy
):
    rows_of_everything(desk, make_strategy, 1)
    lists = {model: reverse(f"admin:execution_{model._meta.model_name}_changelist") for model in PAGES}
    few = {model.__name__: queries_of(operator, address) for model, address in lists.items()}
    for number in range(2, 5):
        rows_of_everything(desk, make_strategy, number)

    many = {model.__name__: queries_of(operator, address) for model, address in lists.items()}

    assert {name: (number, many[name]) for name, number in few.items() if many[name] > number} == {}
    assert {name: number for name, number in many.items() if number > LIST_QUERIES} == {}
    for model in PAGES:
        row = model._default_manager.order_by("pk").first()
        row = row or pytest.fail(f"no row of {model.__name__}") if model is not AuditEntry else row
        if row is not None:
            page = operator.get(reverse(f"admin:execution_{model._meta.model_name}_change", args=[row.pk]))
            assert page.status_code == 200, model.__name__
            assert "secret-token" not in page.content.decode()


def queries_of(client: Client, address: str) -> int:
    with CaptureQueriesContext(connection) as seen:
        response = client.get(address)
    assert response.status_code == 200, address
    return len(seen)


def test_a_reviewer_sees_what_they_may_and_nothing_else(client, desk, make_strategy):
    rows_of_everything(desk, make_strategy, 1)
    sign_in(client, "view_trade", "view_alert")

    got = {
        model.__name__: client.get(reverse(f"admin:execution_{model._meta.model_name}_changelist")).status_code
        for model in PAGES
    }

    assert {name for name, status in got.items() if status == 200} == {"Trade", "Alert"}
    assert set(got.values()) == {200, 403}


@pytest.mark.parametrize("model", PAGES, ids=NAMES)
def test_nobody_edits_or_removes_a_row_by_hand(operator, desk, make_strategy, model):
    rows_of_everything(desk, make_strategy, 1)
    row = model._default_manager.order_by("pk").first()
    number = 1 if row is None else row.pk

    changed = operator.post(reverse(f"admin:execution_{model._meta.model_name}_change", args=[number]), {"code": "X"})
    removed = operator.post(reverse(f"admin:execution_{model._meta.model_name}_delete", args=[number]), {"post": "yes"})
    added = operator.get(reverse(f"admin:execution_{model._meta.model_name}_add"))

    assert changed.status_code in {302, 403} and (row is None or changed.status_code == 403)
    assert removed.status_code in {302, 403} and (row is None or removed.status_code == 403)
    assert added.status_code == (200 if model is RiskLimits else 403)


def test_an_alert_is_acknowledged_in_the_name_of_who_is_signed_in(client, account):
    alert = Alert.objects.create(account=account, level="CRITICAL", code="TEST", sentence="Look.", dedupe="TEST::")
    sign_in(client, "view_alert", "change_alert")
    address = reverse("admin:execution_alert_changelist")

    first = client.post(address, {"action": "acknowledge", "_selected_action": [alert.pk]})
    again = client.post(address, {"action": "acknowledge", "_selected_action": [alert.pk]})

    alert.refresh_from_db()
    assert alert.acknowledged_by == "web:asha"
    assert alert.acknowledged_at is not None
    assert said(first) == [f"Alert {alert.pk} acknowledged."]
    assert "UNKNOWN_ALERT" in said(again)[-1]


def test_who_may_only_look_acknowledges_nothing(client, account):
    alert = Alert.objects.create(account=account, level="CRITICAL", code="TEST", sentence="Look.", dedupe="TEST::")
    sign_in(client, "view_alert")

    client.post(reverse("admin:execution_alert_changelist"), {"action": "acknowledge", "_selected_action": [alert.pk]})

    alert.refresh_from_db()
    assert alert.acknowledged_at is None


def test_new_limits_are_a_new_row_in_the_name_of_who_is_signed_in(operator, account):
    RiskLimits.objects.create(account=account, changed_by="test", lots_per_leg=3)
    values = {"account": account.pk, "note": "Smaller.", "lots_per_leg": 2, "greeks_required": "unknown"}

    response = operator.post(reverse("admin:execution_risklimits_add"), values)

    assert response.status_code == 302
    assert list(RiskLimits.objects.values_list("lots_per_leg", "changed_by")) == [(2, "web:asha"), (3, "test")]
    assert limits_for(account).lots_per_leg == 2


def test_limits_outside_their_bounds_are_refused_on_the_page(operator, account):
    values = {"account": account.pk, "lots_per_leg": 0, "greeks_required": "unknown"}

    response = operator.post(reverse("admin:execution_risklimits_add"), values)

    assert response.status_code == 200
    assert not RiskLimits.objects.exists()


def test_the_form_begins_with_what_counts_now(operator, account):
    RiskLimits.objects.create(account=account, changed_by="test", lots_per_leg=37)

    page = operator.get(reverse("admin:execution_risklimits_add") + f"?account={account.pk}").content.decode()

    assert 'value="37"' in page
    assert all(f'name="{name}"' in page for name in LIMIT_NAMES)


def test_an_arming_is_taken_away_by_who_may(client, account):
    row = LiveArming.objects.create(
        account=account, day=date(2026, 1, 30), armed_by="ravi", shown_hash="0" * 64, client_id="1", code_version="v"
    )
    sign_in(client, "view_livearming", "change_livearming")

    client.post(reverse("admin:execution_livearming_changelist"), {"action": "disarm", "_selected_action": [row.pk]})

    row.refresh_from_db()
    assert (row.state, row.disarmed_by, row.reason) == ("disarmed", "web:asha", "By hand.")


def test_the_second_signature_can_be_given_on_the_page_but_not_by_the_first_person(client, settings, account):
    settings.DHAN_CLIENT_ID = "1100000042"
    account.mode = "live"
    account.save()
    account.refresh_from_db()
    first = arming.arm(account, last_digits="0042", actor="cli:ravi", now=NOON)
    sign_in(client, "view_livearming", "change_livearming")
    address, chosen = reverse("admin:execution_livearming_changelist"), {"_selected_action": [first.pk]}

    with time_machine.travel(NOON, tick=False):
        page = client.get(reverse("admin:execution_livearming_change", args=[first.pk])).content.decode()
        LiveArming.objects.filter(pk=first.pk).update(armed_by="cli:asha")
        own = client.post(address, chosen | {"action": "sign"})
        LiveArming.objects.filter(pk=first.pk).update(armed_by="cli:ravi")
        other = client.post(address, chosen | {"action": "sign"})

    assert page.count(first.shown_hash) == 2
    assert said(own)[0].startswith("SAME_PERSON")
    assert said(other)[-1] == f"{account} is armed for 2026-01-30."
    assert arming.armed_today(account, NOON)


def test_an_unclear_stop_is_settled_and_any_other_is_not(client, desk, make_strategy):
    rows_of_everything(desk, make_strategy, 1)
    rows_of_everything(desk, make_strategy, 2)
    unclear, other = ResidentStop.objects.order_by("pk")
    ResidentStop.objects.filter(pk=unclear.pk).update(state="triggered", reason_code="STOP_UNCLEAR")
    sign_in(client, "view_residentstop", "change_residentstop")

    response = client.post(
        reverse("admin:execution_residentstop_changelist"),
        {"action": "settle", "_selected_action": [unclear.pk, other.pk]},
    )

    assert dict(ResidentStop.objects.values_list("pk", "state")) == {unclear.pk: "cancelled", other.pk: "wanted"}
    assert said(response) == [
        f"Stop {unclear.pk} is settled.",
        f"NOTHING_TO_SETTLE: Stop {other.pk} does not wait for a person.",
    ]


def test_the_audit_is_found_by_its_subject(operator):
    page = operator.get(reverse("admin:execution_auditentry_changelist") + "?q=order+12")

    assert page.status_code == 200
