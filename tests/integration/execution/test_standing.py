"""The kill switch of an account: what it lets through, who may change it, what is assumed when it is unreadable."""

import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, connection, connections, transaction
from django.db.models import F

from allocation.models import Account
from execution.errors import ExecutionDenied
from execution.models import AlertLevel, ReconcileReport, TradingState
from execution.models import Standing as State
from execution.services.alerts import acknowledge, raise_alert
from execution.services.standing import (
    Standing,
    halt,
    reduce_only,
    release,
    require_lets,
    standing,
    standing_and_alarm,
)
from market.errors import Reason

WHY = Reason("DRILL", "A drill.")
ASHA = "cli:asha"


@pytest.fixture(autouse=True)
def state_dir(settings: Any, tmp_path: Path) -> Path:
    settings.STATE_DIR = tmp_path
    return tmp_path


def code_of(call: Callable[[], object]) -> str:
    with pytest.raises(ExecutionDenied) as denied:
        call()
    return denied.value.reason.code


def ready_for_release(account: Account, *, clean: bool = True) -> None:
    """The pause is over and the books were compared."""
    TradingState.objects.filter(account=account).update(changed_at=F("changed_at") - timedelta(minutes=2))
    ReconcileReport.objects.create(account=account, clean=clean)


def test_an_account_that_was_never_stopped_is_active(account: Account) -> None:
    found = standing(account.pk)

    assert (found.state, found.reason) == ("ACTIVE", None)
    assert not TradingState.objects.exists()


@pytest.mark.parametrize(
    ("change", "lets"),
    [
        (None, {"entry": True, "exit": True, "flatten": True}),
        (reduce_only, {"entry": False, "exit": True, "flatten": True}),
        (halt, {"entry": False, "exit": False, "flatten": True}),
    ],
)
def test_what_each_state_lets_through(account: Account, change: Any, lets: dict[str, bool]) -> None:
    if change:
        change(account, reason=WHY, actor=ASHA)

    found = standing(account.pk)

    assert {purpose: found.lets(purpose) for purpose in lets} == lets


def test_the_gate_refuses_with_the_state_as_code_and_says_why(account: Account) -> None:
    halt(account, reason=WHY, actor=ASHA)

    with pytest.raises(ExecutionDenied) as denied, transaction.atomic():
        require_lets(account.pk, "exit")

    assert denied.value.reason.code == "HALTED"
    assert "no exit is sent. DRILL: A drill." in denied.value.reason.sentence


def test_a_stop_reaches_only_its_account(account: Account) -> None:
    other = Account.objects.create(name="other", capital=1_000_000)

    halt(account, reason=WHY, actor=ASHA)

    assert standing(other.pk).state == "ACTIVE"


def test_who_and_why_are_kept(account: Account) -> None:
    found = halt(account, reason=WHY, actor="system:loss limit")

    assert (found.reason.code, found.reason.sentence, found.actor, found.automatic) == (
        "DRILL", "A drill.", "system:loss limit", True
    )  # fmt: skip
    assert found.changed_at is not None


def test_reduce_only_does_not_free_what_is_halted(account: Account) -> None:
    halt(account, reason=WHY, actor=ASHA)

    found = reduce_only(account, reason=Reason("OTHER", "Another."), actor=ASHA)

    assert (found.state, found.reason.code) == ("HALTED", "DRILL")


def test_a_halt_follows_a_reduce_only(account: Account) -> None:
    reduce_only(account, reason=Reason("OTHER", "Another."), actor=ASHA)

    assert halt(account, reason=WHY, actor=ASHA).reason.code == "DRILL"


def test_release_after_the_pause_with_clean_books_by_a_person(account: Account) -> None:
    halt(account, reason=WHY, actor="system")
    ready_for_release(account)

    found = release(account, reason=Reason("SEEN", "Looked at."), actor=ASHA)

    assert (found.state, found.actor, found.automatic) == ("ACTIVE", ASHA, False)


@pytest.mark.parametrize("actor", ["system", "system:breaker", "", " "])
def test_what_tripped_by_itself_never_releases_itself(account: Account, actor: str) -> None:
    halt(account, reason=WHY, actor="system:breaker")
    ready_for_release(account)

    assert code_of(lambda: release(account, reason=WHY, actor=actor)) == "NO_PERSON"
    assert standing(account.pk).state == "HALTED"


def test_no_release_within_a_minute(account: Account) -> None:
    halt(account, reason=WHY, actor=ASHA)
    ReconcileReport.objects.create(account=account, clean=True)

    assert code_of(lambda: release(account, reason=WHY, actor=ASHA)) == "COOLING_OFF"
    assert standing(account.pk).state == "HALTED"


def test_a_repeated_trip_starts_the_pause_anew(account: Account) -> None:
    halt(account, reason=WHY, actor=ASHA)
    ready_for_release(account)
    halt(account, reason=WHY, actor="system")

    assert code_of(lambda: release(account, reason=WHY, actor=ASHA)) == "COOLING_OFF"


@pytest.mark.parametrize("reports", [[], [False], [True, False]])
def test_no_release_unless_the_last_comparison_was_clean(account: Account, reports: list[bool]) -> None:
    halt(account, reason=WHY, actor=ASHA)
    TradingState.objects.update(changed_at=F("changed_at") - timedelta(minutes=2))
    for clean in reports:
        ReconcileReport.objects.create(account=account, clean=clean)

    assert code_of(lambda: release(account, reason=WHY, actor=ASHA)) == "NOT_RECONCILED"
    assert standing(account.pk).state == "HALTED"


@pytest.mark.parametrize("clean", [False, True])
def test_the_refusal_to_release_says_what_the_comparison_left_open(account: Account, clean: bool) -> None:
    halt(account, reason=WHY, actor=ASHA)
    TradingState.objects.update(changed_at=F("changed_at") - timedelta(minutes=2))
    found = {"code": "POSITIONS_MOVE", "sentence": "Ours are under way."}
    ReconcileReport.objects.create(account=account, clean=clean, findings=[found])

    with pytest.raises(ExecutionDenied, match=r"was not found equal to the broker's\. Ours are under way\.") as refused:
        release(account, reason=WHY, actor=ASHA)

    assert refused.value.reason.code == "NOT_RECONCILED"


def test_a_comparison_before_the_stop_does_not_count(account: Account) -> None:
    ReconcileReport.objects.create(account=account, clean=True)
    halt(account, reason=WHY, actor=ASHA)
    ReconcileReport.objects.update(at=F("at") - timedelta(minutes=10))
    TradingState.objects.update(changed_at=F("changed_at") - timedelta(minutes=2))

    assert code_of(lambda: release(account, reason=WHY, actor=ASHA)) == "NOT_RECONCILED"


def test_fm_F17_no_release_while_a_critical_alert_waits(account: Account) -> None:
    halt(account, reason=WHY, actor=ASHA)
    ready_for_release(account)
    alert = raise_alert(account, AlertLevel.CRITICAL, "ZOMBIE", "An order arrived late.", "Look.")

    assert code_of(lambda: release(account, reason=WHY, actor=ASHA)) == "CRITICAL_ALERT"
    acknowledge(alert.pk, actor=ASHA)
    assert release(account, reason=WHY, actor=ASHA).state == "ACTIVE"


def test_a_release_of_what_is_active_changes_nothing(account: Account) -> None:
    assert release(account, reason=WHY, actor=ASHA).state == "ACTIVE"
    assert TradingState.objects.get().reason_code == ""


@pytest.mark.parametrize(
    ("text", "state"), [("", "HALTED"), ("ACTIVE", "HALTED"), ("\x80", "HALTED"), ("REDUCE_ONLY\n", "REDUCE_ONLY")]
)
def test_the_file_makes_it_stricter(account: Account, state_dir: Path, text: str, state: str) -> None:
    (state_dir / "HALT").write_text(text)

    found = standing(account.pk)

    assert (found.state, found.reason.code) == (state, "SENTINEL_FILE")


def test_the_file_never_makes_it_freer(account: Account, state_dir: Path) -> None:
    halt(account, reason=WHY, actor=ASHA)
    (state_dir / "HALT").write_text("REDUCE_ONLY")

    assert standing(account.pk).state == "HALTED"


def test_a_file_that_cannot_be_read_halts(account: Account, state_dir: Path) -> None:
    (state_dir / "HALT").mkdir()

    found = standing(account.pk)

    assert (found.state, found.reason.code) == ("HALTED", "STANDING_UNREADABLE")


def test_a_link_to_nowhere_halts(account: Account, state_dir: Path) -> None:
    (state_dir / "HALT").symlink_to(state_dir / "gone")

    assert standing(account.pk).state == "HALTED"


def test_a_state_that_cannot_be_read_halts(account: Account) -> None:
    with transaction.atomic():
        with connection.cursor() as cursor, pytest.raises(DatabaseError):
            cursor.execute("SELECT 1 / 0")
        found = standing(account.pk)
        transaction.set_rollback(True)

    assert (found.state, found.reason.code) == ("HALTED", "STANDING_UNREADABLE")


def test_the_row_of_an_account_is_never_deleted(account: Account) -> None:
    halt(account, reason=WHY, actor=ASHA)

    with pytest.raises(IntegrityError, match="never deleted"), transaction.atomic():
        TradingState.objects.all().delete()

    assert standing(account.pk).state == "HALTED"


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_fm_E16_a_halt_waits_for_the_clearance_that_read_before_it_and_is_seen_by_the_next(account: Account) -> None:
    halted = threading.Event()  # the first of this account: nobody has written its row yet

    def stop() -> None:
        halt(account, reason=WHY, actor=ASHA)
        halted.set()
        connections.close_all()

    thread = threading.Thread(target=stop)
    with transaction.atomic():
        require_lets(account.pk, "entry")
        thread.start()
        overtaken = halted.wait(0.3)
    thread.join()

    assert not overtaken
    assert standing(account.pk).state == "HALTED"


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_who_freezes_with_a_clearance_half_made_does_not_keep_a_halt_waiting(account: Account) -> None:
    reduce_only(account, reason=WHY, actor=ASHA)

    with transaction.atomic(), connection.cursor() as cursor:
        require_lets(account.pk, "exit")
        cursor.execute("SHOW idle_in_transaction_session_timeout")
        held = cursor.fetchone()
    with connection.cursor() as cursor:
        cursor.execute("SHOW idle_in_transaction_session_timeout")
        after = cursor.fetchone()

    assert (held, after) == (("5s",), ("0",))


def test_a_critical_alert_is_told_with_the_standing(account: Account) -> None:
    assert standing_and_alarm(account.pk) == (Standing(State.ACTIVE), False)

    alert = raise_alert(account, AlertLevel.CRITICAL, "FOUND_LATE", "A fill was found late.", "Compare.")
    assert standing_and_alarm(account.pk)[1]

    acknowledge(alert.pk, actor=ASHA)
    reduce_only(account, reason=WHY, actor=ASHA)
    found, alarmed = standing_and_alarm(account.pk)
    assert (found, alarmed) == (standing(account.pk), False)
    assert found.state == "REDUCE_ONLY"
