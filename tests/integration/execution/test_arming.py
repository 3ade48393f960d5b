"""Live trading is armed for one day by two persons, disarmed by whatever changes what they signed; exits never ask."""

import base64
import json
from datetime import timedelta
from decimal import Decimal
from io import StringIO
from types import SimpleNamespace
from typing import Any

import pytest
import time_machine
from cryptography.fernet import Fernet
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction

from allocation.models import Account
from execution.errors import ExecutionDenied
from execution.models import AlertLevel, AuditEntry, ExecutionRun, LiveArming, Position, RiskLimits
from execution.services import arming
from execution.services.access import store_token
from execution.services.alerts import raise_alert
from execution.services.audit import head
from execution.services.preparation import Desk
from execution.services.standing import halt, reduce_only
from market.errors import Reason
from tests.integration.execution.conftest import NOON
from tests.integration.execution.desks import Spy, execute, monitor, planned

pytestmark = pytest.mark.django_db

CLIENT = "1100000042"
WHY = Reason("TEST", "The test says so.")


def jwt(name: str) -> str:
    payload = {"exp": int((NOON + timedelta(days=2)).timestamp()), "name": name}
    middle = base64.urlsafe_b64encode(json.dumps(payload).encode()).rstrip(b"=").decode()
    return f"eyJhbGciOiJIUzUxMiJ9.{middle}.{name}-signature"


@pytest.fixture(autouse=True)
def _configured(settings: Any) -> None:
    settings.DHAN_CLIENT_ID, settings.DHAN_ACCESS_TOKEN, settings.CODE_VERSION = CLIENT, "", "v1"
    settings.ENCRYPTION_KEYS = [Fernet.generate_key().decode()]


@pytest.fixture
def live(desk: Desk) -> Desk:
    """The desk as if its broker and its account were live, with a token."""
    store_token(jwt("first"))
    RiskLimits.objects.filter(account=desk.account).update(greeks_required=False)
    Account.objects.filter(pk=desk.account.pk).update(mode=Account.Mode.LIVE)
    desk.account.refresh_from_db()
    spy = Spy(desk.broker)
    spy.mode = "live"
    return Desk(spy, desk.market, desk.account, desk.clock)


def armed(account: Account) -> LiveArming:
    """Both signatures."""
    first = arming.arm(account, last_digits="0042", actor="cli:asha", now=NOON)
    return arming.confirm(account, shown_hash=first.shown_hash, actor="cli:ravi", now=NOON)


def code_of(caught: Any) -> str:
    return str(caught.value.reason.code)


def test_two_persons_who_saw_the_same_arm_the_account_for_the_day(live):
    first = arming.arm(live.account, last_digits="0042", actor="cli:asha", now=NOON)
    assert not arming.armed_today(live.account, NOON)

    arming.confirm(live.account, shown_hash=first.shown_hash, actor="cli:ravi", now=NOON)

    assert arming.armed_today(live.account, NOON)
    row = LiveArming.objects.get()
    assert (row.armed_by, row.confirmed_by, row.client_id, row.code_version) == ("cli:asha", "cli:ravi", CLIENT, "v1")
    assert row.day == NOON.date()


def test_the_next_day_needs_new_signatures(live):
    armed(live.account)

    assert not arming.armed_today(live.account, NOON + timedelta(days=1))
    assert arming.armed_today(live.account, NOON.replace(hour=23, minute=59))


@pytest.mark.parametrize("second", ["cli:asha", "asha", "web:Asha", "system:beat:asha"])
def test_one_person_is_one_person_whichever_way_they_come_in(live, second):
    first = arming.arm(live.account, last_digits="0042", actor="cli:asha", now=NOON)

    with pytest.raises(ExecutionDenied) as caught:
        arming.confirm(live.account, shown_hash=first.shown_hash, actor=second, now=NOON)

    assert code_of(caught) == "SAME_PERSON"
    assert not arming.armed_today(live.account, NOON)


def test_the_database_itself_takes_no_second_signature_of_the_first_person(live):
    row = arming.arm(live.account, last_digits="0042", actor="cli:asha", now=NOON)

    with pytest.raises(IntegrityError, match="two_persons"), transaction.atomic():
        LiveArming.objects.filter(pk=row.pk).update(confirmed_by="cli:asha", confirmed_at=row.armed_at)


def test_another_hash_is_not_what_was_signed(live):
    arming.arm(live.account, last_digits="0042", actor="cli:asha", now=NOON)

    with pytest.raises(ExecutionDenied) as caught:
        arming.confirm(live.account, shown_hash="0" * 64, actor="cli:ravi", now=NOON)

    assert code_of(caught) == "OTHER_HASH"


def test_what_was_marked_in_between_has_to_be_signed_anew(live, make_strategy):
    first = arming.arm(live.account, last_digits="0042", actor="cli:asha", now=NOON)
    make_strategy()

    with pytest.raises(ExecutionDenied) as caught:
        arming.confirm(live.account, shown_hash=first.shown_hash, actor="cli:ravi", now=NOON)

    assert code_of(caught) == "SHOWN_CHANGED"
    assert not arming.armed_today(live.account, NOON)


def test_after_ten_minutes_the_first_signature_is_worth_nothing(live):
    first = arming.arm(live.account, last_digits="0042", actor="cli:asha", now=NOON)
    LiveArming.objects.filter(pk=first.pk).update(armed_at=first.armed_at - timedelta(minutes=10, seconds=1))

    with pytest.raises(ExecutionDenied) as caught:
        arming.confirm(live.account, shown_hash=first.shown_hash, actor="cli:ravi", now=NOON)

    assert code_of(caught) == "TOO_LATE"
    assert not arming.armed_today(live.account, NOON)


def test_a_new_first_signature_takes_the_place_of_a_half_one(live):
    arming.arm(live.account, last_digits="0042", actor="cli:asha", now=NOON)

    arming.arm(live.account, last_digits="0042", actor="cli:mira", now=NOON)

    assert list(LiveArming.objects.order_by("pk").values_list("armed_by", "reason")) == [
        ("cli:asha", "Armed anew."),
        ("cli:mira", ""),
    ]


@pytest.mark.parametrize(
    ("code", "terms"),
    [
        ("WRONG_CLIENT", {"last_digits": "0043"}),
        ("WRONG_CLIENT", {"last_digits": ""}),
        ("NO_PERSON", {"actor": "system"}),
        ("NO_PERSON", {"actor": "  "}),
        ("NO_SESSION", {"now": NOON + timedelta(days=1)}),
        ("NO_SESSION", {"now": NOON.replace(hour=15, minute=45)}),
    ],
)
def test_what_is_not_in_order_arms_nothing(live, code, terms):
    with pytest.raises(ExecutionDenied) as caught:
        arming.arm(live.account, **({"last_digits": "0042", "actor": "cli:asha", "now": NOON} | terms))

    assert code_of(caught) == code
    assert not LiveArming.objects.exists()


def test_a_paper_account_is_not_armed(desk):
    with pytest.raises(ExecutionDenied) as caught:
        arming.arm(desk.account, last_digits="0042", actor="cli:asha", now=NOON)

    assert code_of(caught) == "NOT_LIVE"


def test_a_halted_account_and_one_with_a_critical_alert_are_not_armed(live):
    raise_alert(live.account, AlertLevel.CRITICAL, "TEST", "Look.", "")
    with pytest.raises(ExecutionDenied) as critical:
        arming.arm(live.account, last_digits="0042", actor="cli:asha", now=NOON)
    halt(live.account, reason=WHY, actor="asha")
    with pytest.raises(ExecutionDenied) as halted:
        arming.arm(live.account, last_digits="0042", actor="cli:asha", now=NOON)

    assert (code_of(critical), code_of(halted)) == ("CRITICAL_ALERT", "HALTED")
    assert not LiveArming.objects.exists()


def halts(account: Account) -> None:
    halt(account, reason=WHY, actor="asha")


def changes_limits(account: Account) -> None:
    RiskLimits.objects.create(account=account, changed_by="asha", lots_per_leg=1)


def changes_account(account: Account) -> None:
    Account.objects.filter(pk=account.pk).update(capital=Decimal(20_000_000))


def changes_token(account: Account) -> None:
    store_token(jwt("second"))


def changes_limits_in_sql(account: Account) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE risk_limits SET lots_per_leg = 2 WHERE account_id = %s", [account.pk])


def disarms(account: Account) -> None:
    arming.disarm(account, reason="Enough.", actor="cli:ravi")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (halts, "The account was halted."),
        (changes_limits, "The limits of the account were changed."),
        (changes_limits_in_sql, "The limits of the account were changed."),
        (changes_account, "The account and its own limits were changed."),
        (changes_token, "The access token was changed."),
        (disarms, "Enough."),
    ],
)
def test_a_change_of_what_was_signed_disarms(live, change, reason):
    armed(live.account)

    change(live.account)

    assert not arming.armed_today(live.account, NOON)
    assert LiveArming.objects.get().reason == reason


def test_what_only_tightens_or_touches_another_account_leaves_it_armed(live):
    armed(live.account)
    other = Account.objects.create(name="other", capital=1)

    reduce_only(live.account, reason=WHY, actor="asha")
    halt(other, reason=WHY, actor="asha")
    RiskLimits.objects.create(account=other, changed_by="asha")

    assert arming.armed_today(live.account, NOON)


@pytest.mark.parametrize(("name", "value"), [("CODE_VERSION", "v2"), ("DHAN_CLIENT_ID", "1100000043")])
def test_other_code_and_another_client_are_not_what_was_armed(live, settings, name, value):
    armed(live.account)

    setattr(settings, name, value)

    assert not arming.armed_today(live.account, NOON)


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_arming_and_disarming_are_in_the_audit(live):
    began = head().seq  # the chain is never emptied: other tests have written to it
    armed(live.account)
    changes_token(live.account)

    rows = AuditEntry.objects.filter(subject_kind="arming", seq__gt=began).order_by("seq")
    assert [(row.event, row.before, row.after) for row in rows] == [
        ("created", None, ""),
        ("changed", "", "cli:ravi"),
        ("changed", "cli:ravi", "cli:ravi"),
    ]


def test_an_entry_of_a_live_account_that_is_not_armed_is_denied_and_nothing_is_sent(live, make_strategy):
    strategy = make_strategy()

    result = execute(strategy.pk, live)

    assert (result.state, result.reason.code) == ("denied", "NOT_ARMED")
    assert live.broker.placed == []


def test_the_preview_of_a_live_account_says_so_too(live, make_strategy):
    strategy = make_strategy()

    assert [reason.code for reason in planned(strategy, live).denials] == ["NOT_ARMED"]
    armed(live.account)
    assert [reason.code for reason in planned(strategy, live).denials] == []


def test_an_armed_account_enters_and_leaves_even_when_disarmed_since(live, make_strategy):
    strategy = make_strategy(levels={"time_exit_dte": 30})
    armed(live.account)

    entered = execute(strategy.pk, live)
    arming.disarm(live.account, reason="Enough.", actor="cli:ravi")
    monitor(live)

    assert entered.state == "complete"
    strategy.refresh_from_db()
    assert strategy.execution_detail == "closed"
    assert not Position.objects.exclude(quantity=0).exists()


def test_disarmed_between_two_orders_the_rest_is_not_sent_and_what_filled_is_taken_back(live, make_strategy):
    strategy = make_strategy()
    armed(live.account)
    live.broker._before = lambda request: arming.disarm(live.account, reason="Enough.", actor="cli:ravi")

    result = execute(strategy.pk, live)

    assert result.state == "flat"
    assert [(order.side, order.security_id) for order in live.broker.placed] == [("BUY", "10"), ("SELL", "10")]
    assert "NOT_ARMED" in set(ExecutionRun.objects.get().orders.values_list("reason_code", flat=True))


@pytest.fixture
def signs(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Who runs the command, as the system's list of users has it."""

    def become(name: str) -> None:
        monkeypatch.setenv("LOGNAME", "whoever")
        monkeypatch.setattr("pwd.getpwuid", lambda uid: SimpleNamespace(pw_name=name))

    return become


def say(*words: str) -> dict[str, Any]:
    out = StringIO()
    with time_machine.travel(NOON, tick=False):
        call_command("arm_live", *words, "--json", stdout=out)
    return dict(json.loads(out.getvalue()))


def test_the_command_arms_with_two_people_and_disarms_with_one(live, signs):
    signs("asha")
    half = say("arm", "--last4", "0042")
    signs("ravi")
    whole = say("confirm", "--hash", half["hash"])
    over = say("disarm", "--reason", "Lunch.")

    assert (half["armed_today"], half["newest"]["armed_by"]) == (False, "cli:asha")
    assert (whole["armed_today"], whole["newest"]["confirmed_by"]) == (True, "cli:ravi")
    assert (over["armed_today"], over["newest"]["reason"]) == (False, "Lunch.")


def test_the_command_refuses_with_3_and_tells_wrong_usage_with_2(live, signs):
    signs("asha")
    half = say("arm", "--last4", "0042")

    with pytest.raises(SystemExit) as same:
        say("confirm", "--hash", half["hash"])
    with pytest.raises(CommandError) as unsaid:
        say("arm")
    with pytest.raises(CommandError) as unknown:
        say("status", "--account", "nobody")

    assert (same.value.code, unsaid.value.returncode, unknown.value.returncode) == (3, 2, 2)
    assert not arming.armed_today(live.account, NOON)


def test_without_an_action_it_shows_who_signed(live, capsys):
    armed(live.account)

    with time_machine.travel(NOON, tick=False):
        call_command("arm_live")

    shown = capsys.readouterr().out
    assert "cli:asha" in shown
    assert "cli:ravi" in shown
