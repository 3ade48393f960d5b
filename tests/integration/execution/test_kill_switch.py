"""`kill_switch` and `attention`: what they change, print and answer."""

import json
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db.models import F

from allocation.models import Account
from execution.models import Alert, AlertLevel, ExternalOrder, PaperSwitch, ReconcileReport, TradingState
from execution.services.alerts import raise_alert


@pytest.fixture(autouse=True)
def state_dir(settings: Any, tmp_path: Path) -> Path:
    settings.STATE_DIR = tmp_path
    return tmp_path


def run(*arguments: str) -> tuple[int, str]:
    """Exit code and output, as a shell would see them."""
    out, err = StringIO(), StringIO()
    try:
        call_command(*arguments, stdout=out, stderr=err)
    except SystemExit as stop:
        return int(stop.code or 0), out.getvalue()
    except CommandError as error:
        return error.returncode, str(error)
    return 0, out.getvalue()


def test_status_shows_every_account_and_changes_nothing(account: Account) -> None:
    code, output = run("kill_switch", "status")

    assert code == 0
    assert "paper" in output
    assert "ACTIVE" in output
    assert not TradingState.objects.exists()


def test_halt_stops_every_account_when_none_is_named(account: Account, settings: Any) -> None:
    Account.objects.create(name="asleep", capital=1_000_000, active=False)
    settings.REDIS_URL = settings.WAKE_URL = "redis://127.0.0.1:1"  # nobody listens there

    code, output = run("kill_switch", "halt", "--reason", "fat finger", "--json")

    rows = json.loads(output)["accounts"]
    assert code == 0
    assert {row["account"]: (row["state"], row["code"], row["reason"]) for row in rows} == dict.fromkeys(
        ("paper", "asleep"), ("HALTED", "HALT", "fat finger")
    )
    assert all(row["actor"].startswith("cli:") and not row["automatic"] for row in rows)


def test_reduce_only_of_one_account(account: Account) -> None:
    Account.objects.create(name="other", capital=1_000_000)

    code, _ = run("kill_switch", "reduce-only", "--account", "paper", "--reason", "news")

    assert code == 0
    assert [(row.account.name, row.state) for row in TradingState.objects.all()] == [("paper", "REDUCE_ONLY")]


@pytest.mark.parametrize("words", [("halt",), ("halt", "--reason", " "), ("release", "--reason", "x")])
def test_what_is_missing_is_wrong_usage(account: Account, words: tuple[str, ...]) -> None:
    code, _ = run("kill_switch", *words)

    assert code == 2
    assert not TradingState.objects.exists()


def test_an_unknown_account_is_wrong_usage(account: Account) -> None:
    assert run("kill_switch", "halt", "--account", "nobody", "--reason", "x")[0] == 2


@pytest.mark.parametrize(("words", "switched"), [((), False), (("--broker-switch",), True)])
def test_flatten_halts_looks_twice_and_engages_the_brokers_switch_if_asked(
    account: Account, words: tuple[str, ...], switched: bool
) -> None:
    code, _ = run("kill_switch", "flatten", "--account", "paper", "--reason", "enough", *words)

    assert code == 0
    assert ReconcileReport.objects.filter(clean=True).count() == 2
    assert (TradingState.objects.get().state, TradingState.objects.get().reason_code) == ("HALTED", "FLATTEN")
    assert PaperSwitch.objects.exists() is switched


def test_a_release_too_early_is_refused_by_the_safety_rule(account: Account) -> None:
    run("kill_switch", "halt", "--reason", "x")

    code, output = run("kill_switch", "release", "--account", "paper", "--reason", "seen")

    assert code == 3
    assert "COOLING_OFF" in output
    assert TradingState.objects.get().state == "HALTED"


def test_release_lets_the_account_trade_again(account: Account) -> None:
    run("kill_switch", "halt", "--reason", "x")
    TradingState.objects.update(changed_at=F("changed_at") - timedelta(minutes=2))
    ReconcileReport.objects.create(account=account, clean=True)

    code, _ = run("kill_switch", "release", "--account", "paper", "--reason", "seen")

    assert code == 0
    assert TradingState.objects.get().state == "ACTIVE"


def test_attention_with_nothing_to_do_says_so(account: Account) -> None:
    code, output = run("attention")

    assert code == 0
    assert "Runs that need a person: none." in output
    assert "Alerts not acknowledged: none." in output


def test_attention_lists_alerts_and_strange_orders(account: Account) -> None:
    raise_alert(account, AlertLevel.CRITICAL, "ZOMBIE", "An order arrived late.", "Look at it.")
    ExternalOrder.objects.create(account=account, broker_order_id="77", quantity=50, side="BUY", status="TRADED")

    code, output = run("attention", "--json")

    found = json.loads(output)
    assert code == 0
    assert [(row["level"], row["code"]) for row in found["alerts"]] == [("CRITICAL", "ZOMBIE")]
    assert [(row["broker_order_id"], row["quantity"]) for row in found["external_orders"]] == [("77", 50)]
    assert run("attention")[0] == 0


def test_fm_F17_attention_acknowledges_by_the_name_of_who_ran_it(account: Account) -> None:
    alert = raise_alert(account, AlertLevel.CRITICAL, "ZOMBIE", "An order arrived late.", "Look at it.")

    code, _ = run("attention", "acknowledge", str(alert.pk))

    assert code == 0
    assert Alert.objects.get().acknowledged_by.startswith("cli:")
    assert run("attention", "acknowledge", str(alert.pk))[0] == 3


@pytest.mark.parametrize(
    "words", [("acknowledge",), ("settle", "1"), ("settle", "1", "--as", "flat"), ("settle", "--as", "flat")]
)
def test_attention_without_its_words_is_wrong_usage(account: Account, words: tuple[str, ...]) -> None:
    assert run("attention", *words)[0] == 2


@pytest.mark.parametrize("words", [("kill_switch", "status"), ("kill_switch", "release"), ("arm_live", "show")])
def test_an_account_that_does_not_exist_is_wrong_usage_and_the_others_are_named(
    account: Account, words: tuple[str, ...]
) -> None:
    Account.objects.create(name="another", capital=1)

    code, output = (
        run(*words, "--account", "nobody", "--reason", "x")
        if words[0] == "kill_switch"
        else run(*words, "--account", "nobody")
    )

    assert (code, output) == (2, "There is no account nobody. Accounts: another, paper. [NO_ACCOUNT]")
    assert not TradingState.objects.exists()
