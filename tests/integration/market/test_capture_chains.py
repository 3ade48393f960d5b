"""Capturing: what one symbol refuses stops no other, and what a source does not know wipes nothing."""

import io
import json
from datetime import datetime

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection, transaction

from market.actor import acting
from market.calendar import IST
from market.console import ConsoleCommand, person
from market.errors import MarketError, Reason
from market.management.commands.capture_chains import Command
from market.models import ChainSnapshot, Underlying
from market.ports import UnderlyingFact
from market.services.capture import capture_chains, record_underlyings
from market.sources import build_source
from strategies.models import OptionStrategy
from tests.factories import OptionStrategyFactory, UnderlyingFactory

pytestmark = pytest.mark.django_db

AS_OF = datetime(2026, 1, 30, 12, 0, tzinfo=IST)
TYPED = "2026-01-30T12:00"


def run(*arguments, command="capture_chains"):
    out, err, code = io.StringIO(), io.StringIO(), 0
    try:
        call_command(command, *arguments, stdout=out, stderr=err)
    except SystemExit as stop:
        code = stop.code
    except CommandError as error:
        code, err = error.returncode, io.StringIO(str(error))
    return code, out.getvalue(), err.getvalue()


def test_a_failing_symbol_is_reported_and_stops_no_other():
    steps = []

    outcome = capture_chains(build_source("simulated"), ["INFY", "NOBODY", "TCS"], as_of=AS_OF, progress=steps.append)

    assert {symbol: reason and reason.code for symbol, reason in outcome.items()} == {
        "INFY": None,
        "NOBODY": outcome["NOBODY"].code,
        "TCS": None,
    }
    assert steps == [1, 2, 3]
    assert sorted(ChainSnapshot.objects.values_list("symbol", flat=True)) == ["INFY", "TCS"]


def test_a_chain_that_contradicts_what_is_stored_is_refused_and_nothing_changes():
    market = build_source("simulated")
    capture_chains(market, ["INFY"], as_of=AS_OF)
    ChainSnapshot.objects.update(content_hash="f" * 64)

    outcome = capture_chains(market, ["INFY"], as_of=AS_OF)

    assert outcome["INFY"].code == "CONFLICT"
    assert ChainSnapshot.objects.get().content_hash == "f" * 64


def test_what_a_source_does_not_know_stays_as_it_is():
    UnderlyingFactory(symbol="INFY", industry="IT", sector="Technology", market_cap=5, lot_size=400)

    record_underlyings([UnderlyingFact("INFY", "Infosys", "stock", "NSE", "", "")])

    row = Underlying.objects.get()
    assert (row.name, row.industry, row.sector, row.market_cap, row.lot_size) == ("Infosys", "IT", "Technology", 5, 400)


def test_what_a_source_knows_is_taken():
    UnderlyingFactory(symbol="INFY", industry="Old")

    count = record_underlyings([UnderlyingFact("INFY", "Infosys", "stock", "NSE", "IT", "Technology", 7.6e12)])

    row = Underlying.objects.get()
    assert (count, row.industry, row.sector, row.market_cap) == (1, "IT", "Technology", 7_600_000_000_000)


def test_the_command_stores_and_reports_as_json():
    code, output, errors = run(
        "--source", "simulated", "--symbol", "INFY", "--symbol", "NOBODY", "--as-of", TYPED, "--json"
    )

    answer = json.loads(output)
    assert (code, errors, answer["stored"], list(answer["refused"])) == (0, "", 1, ["NOBODY"])


def test_the_command_says_why_a_symbol_was_not_captured():
    code, output, _ = run("--source", "simulated", "--symbol", "INFY", "--symbol", "[/x]", "--as-of", TYPED)

    assert code == 0
    assert "1 of 2 chains stored from the simulated market." in output
    assert "Not captured" in output
    assert "[/X]" in output


@pytest.mark.parametrize("arguments", [["--source", "simulated", "--symbol", "NOBODY"], ["--source", "recorded"]])
def test_the_command_fails_when_nothing_was_stored(arguments):
    code, _, _ = run(*arguments, "--as-of", TYPED)

    assert code == 1
    assert not ChainSnapshot.objects.exists()


def test_the_command_refuses_an_unknown_source_with_a_sentence():
    code, output, error = run("--source", "crystal", "--json")

    assert (code, error) == (1, "")
    assert json.loads(output)["error"]["code"] == "UNKNOWN_SOURCE"


@pytest.mark.parametrize("text", ["yesterday", "2026-13-01", "", "2026-01-30T99:00"])
def test_a_wrong_moment_is_wrong_usage_with_a_sentence(text, capsys):
    with pytest.raises(SystemExit) as stop:
        Command().run_from_argv(["manage.py", "capture_chains", "--as-of", text])

    assert stop.value.code == 2
    assert f"'{text}' is not a moment; write 2026-01-30T15:29" in capsys.readouterr().err


# --- how every command ends ------------------------------------------------------------------------------------------


class Refusing(ConsoleCommand):
    """Raises what it is told to."""

    refusals = (MarketError,)
    error = MarketError

    def run(self, **options):
        raise self.error(Reason("NO", "It may not be.", "Ask again."))


class Unruly(Refusing):
    refusals = ()


@pytest.mark.parametrize(("command", "code"), [(Refusing, 3), (Unruly, 1)])
def test_a_safety_rule_ends_in_three_and_any_other_refusal_in_one(command, code, capsys):
    with pytest.raises(SystemExit) as stop:
        command().run_from_argv(["manage.py", "x"])
    said = capsys.readouterr()

    assert stop.value.code == code
    assert said.out == ""
    assert said.err == "CommandError: It may not be. Ask again. [NO]\n"


def test_a_refusal_as_json_is_all_there_is_on_stdout(capsys):
    with pytest.raises(SystemExit) as stop:
        Refusing().run_from_argv(["manage.py", "x", "--json"])
    said = capsys.readouterr()

    assert stop.value.code == 3
    assert json.loads(said.out) == {"error": {"code": "NO", "sentence": "It may not be.", "remedy": "Ask again."}}
    assert said.err == ""


class Working(ConsoleCommand):
    """Has progress and numbered keys."""

    takes_as_of = False

    def run(self, **options):
        with self.progress("Working", 3) as advance:
            advance(3)
        self.emit({1: "one"}, "a line for people")


def test_json_stands_alone_on_stdout(capsys):
    Working().run_from_argv(["manage.py", "x", "--json"])
    said = capsys.readouterr()

    assert json.loads(said.out) == {"1": "one"}
    assert said.err == ""


def test_progress_is_silent_without_a_terminal(capsys):
    Working().run_from_argv(["manage.py", "x"])
    said = capsys.readouterr()

    assert (said.out, said.err) == ("a line for people\n", "")


# --- who acted -------------------------------------------------------------------------------------------------------


def changed_by(strategy):
    OptionStrategy.objects.filter(pk=strategy.pk).update(execution_notes="x")
    return OptionStrategy.objects.get(pk=strategy.pk).changed_by


def test_a_change_names_who_acted_and_the_sql_role_otherwise():
    strategy = OptionStrategyFactory()
    with connection.cursor() as cursor:
        cursor.execute("SELECT session_user")
        (role,) = cursor.fetchone()

    with acting("asha"):
        inside = changed_by(strategy)

    assert (inside, changed_by(strategy)) == ("asha", role)


def test_a_person_inside_a_program_gives_the_name_back():
    strategy = OptionStrategyFactory()

    with acting("outer"):
        with acting("inner"):
            assert changed_by(strategy) == "inner"
        assert changed_by(strategy) == "outer"


def test_the_name_does_not_outlive_an_error():
    strategy = OptionStrategyFactory()
    before = changed_by(strategy)

    with pytest.raises(ZeroDivisionError), acting("asha"), transaction.atomic():
        raise ZeroDivisionError

    assert changed_by(strategy) == before


def test_a_command_acts_as_the_user_who_typed_it():
    strategy = OptionStrategyFactory()

    code, _, _ = run("mark", str(strategy.pk), command="mark_for_execution")

    assert code == 0
    assert OptionStrategy.objects.get().changed_by == f"cli:{person()}"


def test_a_user_without_a_login_name_still_has_one(monkeypatch):
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("os.getuid", lambda: 4_242_424)

    assert person() == "uid 4242424"
