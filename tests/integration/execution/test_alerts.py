"""Alerts: raised once, acknowledged by name, and a CRITICAL one stops entries until then."""

import pytest

from allocation.models import Account
from execution.errors import ExecutionDenied
from execution.models import Alert, AlertLevel
from execution.services.alerts import acknowledge, raise_alert, require_none_critical, unacknowledged


def zombie(account: Account, level: AlertLevel = AlertLevel.CRITICAL, about: str = "") -> Alert:
    return raise_alert(account, level, "ZOMBIE", "An order arrived late.", "Look at it.", about=about)


def test_an_alert_is_kept_with_its_reason(account: Account) -> None:
    alert = zombie(account)

    row = Alert.objects.get()
    assert row == alert
    assert (row.level, row.code, row.sentence, row.remedy) == (
        "CRITICAL", "ZOMBIE", "An order arrived late.", "Look at it."
    )  # fmt: skip
    assert row.acknowledged_at is None


def test_fm_F17_the_same_thing_stands_once_until_it_is_acknowledged(account: Account) -> None:
    first, again = zombie(account), zombie(account)
    acknowledge(first.pk, actor="cli:asha")

    anew = zombie(account)

    assert first == again
    assert anew != first
    assert Alert.objects.count() == 2


def test_another_subject_is_another_alert(account: Account) -> None:
    zombie(account, about="order 1")
    zombie(account, about="order 2")

    assert Alert.objects.count() == 2


def test_what_gets_worse_is_raised_to_the_higher_level_and_never_lowered(account: Account) -> None:
    zombie(account, AlertLevel.WARNING)
    worse = zombie(account, AlertLevel.CRITICAL)
    still = zombie(account, AlertLevel.INFO)

    assert (worse.level, still.level) == ("CRITICAL", "CRITICAL")


def test_fm_F17_a_critical_alert_stops_entries_until_a_person_has_seen_it(account: Account) -> None:
    alert = zombie(account)

    with pytest.raises(ExecutionDenied) as denied:
        require_none_critical(account.pk)
    acknowledge(alert.pk, actor="cli:asha")
    require_none_critical(account.pk)

    assert denied.value.reason.code == "CRITICAL_ALERT"
    alert.refresh_from_db()
    assert alert.acknowledged_by == "cli:asha"
    assert alert.acknowledged_at is not None


def test_a_warning_stops_nothing(account: Account) -> None:
    zombie(account, AlertLevel.WARNING)

    require_none_critical(account.pk)


def test_nobody_cannot_acknowledge(account: Account) -> None:
    alert = zombie(account)

    with pytest.raises(ExecutionDenied) as denied:
        acknowledge(alert.pk, actor=" ")

    assert denied.value.reason.code == "NO_PERSON"
    assert Alert.objects.get().acknowledged_at is None


def test_an_alert_is_acknowledged_once(account: Account) -> None:
    alert = zombie(account)
    acknowledge(alert.pk, actor="cli:asha")

    with pytest.raises(ExecutionDenied) as denied:
        acknowledge(alert.pk, actor="cli:ravi")

    assert denied.value.reason.code == "UNKNOWN_ALERT"
    assert Alert.objects.get().acknowledged_by == "cli:asha"


def test_the_worst_is_listed_first(account: Account) -> None:
    zombie(account, AlertLevel.INFO, "a")
    zombie(account, AlertLevel.CRITICAL, "b")
    acknowledge(zombie(account, AlertLevel.CRITICAL, "c").pk, actor="cli:asha")

    assert [alert.level for alert in unacknowledged(account)] == ["CRITICAL", "INFO"]
