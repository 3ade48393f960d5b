"""What people type: previews, executions, status and monitoring, their output and exit codes."""

import json
from collections.abc import Callable
from datetime import date, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from allocation.models import Account
from execution.consumers import ORDERS_GROUP as CONSUMER_GROUP
from execution.management.commands.execution_status import Command as StatusCommand
from execution.models import ExecutionRun, PaperOrder, Trade
from execution.services.announce import ORDERS_GROUP
from market.console import moment
from market.models import ChainSnapshot, FileImport, Instrument, OptionQuote
from strategies.models import OptionStrategy

NOON = "2026-01-30T12:00"
EXPIRY = date(2026, 2, 24)

pytestmark = pytest.mark.usefixtures("chain")


@pytest.fixture
def chain(account: Account, master: FileImport, make_strategy: Any) -> ChainSnapshot:
    """A recorded chain with a book, taken at noon."""
    at = moment(NOON)
    snapshot = ChainSnapshot.objects.create(
        symbol="ACME", taken_at=at, source="test", spot=1010, quote_count=6, content_hash="x"
    )
    for strike, bid, ask in ((1000, "39.95", "40.05"), (1050, "19.95", "20.05"), (1100, "9.95", "10.05")):
        for code in ("CE", "PE"):
            OptionQuote.objects.create(
                snapshot=snapshot, symbol="ACME", option_type=code, strike=strike, expiry=EXPIRY, bid=bid, ask=ask,
                bid_quantity=50_000, ask_quantity=50_000, last_price=bid, volume=100_000, quoted_at=at,
            )  # fmt: skip
    return snapshot


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


def refuse_the_next_master() -> None:
    FileImport.objects.create(kind="master", source="test", file_name="bad", status="refused", reason_code="TRUNCATED")


def test_the_preview_shows_the_order_of_sending_and_sends_nothing(make_strategy: Callable[..., OptionStrategy]) -> None:
    strategy = make_strategy()

    code, output = run("execute_strategies", "--as-of", NOON)

    assert code == 0
    assert output.index("BUY") < output.index("SELL")
    assert "ACME-1000-CE" in output
    assert "Nothing was sent; add --execute to send." in output
    strategy.refresh_from_db()
    assert strategy.execution_status == "marked"
    assert not PaperOrder.objects.exists()


def test_the_preview_as_json_holds_raw_numbers_and_denials(make_strategy: Callable[..., OptionStrategy]) -> None:
    strategy = make_strategy(("SELL", 1050, "CE", 1))

    code, output = run("execute_strategies", "--json", "--as-of", NOON)

    (shown,) = json.loads(output)["strategies"]
    assert code == 0
    assert shown["id"] == strategy.pk
    assert [(order["side"], order["quantity"], order["limit"]) for order in shown["orders"]] == [("SELL", 500, 19.9)]
    assert [denial["code"] for denial in shown["denials"]] == ["NAKED_SHORT"]


def test_a_preview_outside_market_hours_says_so_as_a_denial(make_strategy: Callable[..., OptionStrategy]) -> None:
    make_strategy()

    code, output = run("execute_strategies", "--json", "--as-of", "2026-01-30T16:00")

    assert code == 0
    assert "MARKET_CLOSED" in {denial["code"] for denial in json.loads(output)["strategies"][0]["denials"]}


def test_execute_fills_on_the_paper_account(make_strategy: Callable[..., OptionStrategy]) -> None:
    strategy = make_strategy()

    code, output = run("execute_strategies", "--execute", "--as-of", NOON)

    strategy.refresh_from_db()
    assert (code, strategy.execution_status) == (0, "executed")
    assert "1 of 1 executed on account paper (paper)." in output


def test_execute_as_json_prints_only_json(make_strategy: Callable[..., OptionStrategy]) -> None:
    strategy = make_strategy()

    code, output = run("execute_strategies", "--execute", "--json", "--as-of", NOON)

    (result,) = json.loads(output)["results"]
    assert code == 0
    assert (result["strategy_id"], result["state"], result["status"]) == (strategy.pk, "complete", "executed")
    assert result["net"] == -10120.39


def test_when_nothing_succeeds_the_exit_code_is_one(make_strategy: Callable[..., OptionStrategy]) -> None:
    make_strategy(("SELL", 1050, "CE", 1))

    code, output = run("execute_strategies", "--execute", "--as-of", NOON)

    assert code == 1
    assert "NAKED_SHORT" in output


def test_what_cannot_be_resolved_has_dashes_not_zeros(
    make_strategy: Callable[..., OptionStrategy], master: FileImport
) -> None:
    make_strategy()
    refuse_the_next_master()

    _, words = run("execute_strategies", "--as-of", NOON)
    _, output = run("execute_strategies", "--json", "--as-of", NOON)

    (shown,) = json.loads(output)["strategies"]
    assert "net – at the touch, charges –, cash needed –" in words
    assert "₹0" not in words
    assert (shown["net_premium"], shown["charges"], shown["cash_needed"]) == (None, None, None)
    assert [denial["code"] for denial in shown["denials"]] == ["MASTER_STALE"]


def test_the_preview_of_a_cash_secured_put_asks_for_its_whole_maximum_loss(
    make_strategy: Callable[..., OptionStrategy],
) -> None:
    make_strategy(("SELL", 1000, "PE", 1), structure="cash-secured-put", max_loss=480_000)

    _, words = run("execute_strategies", "--as-of", NOON)
    _, output = run("execute_strategies", "--json", "--as-of", NOON)

    assert "net ₹19,975.00 at the touch" in words
    assert "cash needed ₹4,80,000.00" in words
    assert json.loads(output)["strategies"][0]["cash_needed"] == 480_000.0


@pytest.mark.parametrize("flags", [[], ["--execute"]])
def test_what_was_generated_later_is_named_not_hidden(
    make_strategy: Callable[..., OptionStrategy], flags: list[str]
) -> None:
    first = make_strategy(generated_on=moment("2026-01-30T13:00"))
    second = make_strategy(generated_on=moment("2026-01-30T13:00"), priority=9)

    code, words = run("execute_strategies", *flags, "--as-of", NOON)
    _, output = run("execute_strategies", *flags, "--json", "--as-of", NOON)

    sentence = "2 marked strategies were generated later than 2026-01-30 12:00 IST and are left out"
    assert code == 0
    assert f"{sentence}: {second.pk}, {first.pk}." in words
    assert json.loads(output)["left_out"] == {"count": 2, "ids": [second.pk, first.pk]}


def test_of_many_that_are_left_out_the_first_are_named(make_strategy: Callable[..., OptionStrategy]) -> None:
    made = [make_strategy(generated_on=moment("2026-01-30T13:00")).pk for _ in range(22)]

    _, words = run("execute_strategies", "--as-of", NOON)
    _, output = run("execute_strategies", "--json", "--as-of", NOON)

    assert "22 marked strategies were generated later" in " ".join(words.split())
    assert f"{made[19]} and 2 more." in " ".join(words.split())
    assert json.loads(output)["left_out"] == {"count": 22, "ids": made[:20]}


def test_where_nothing_is_left_out_nothing_is_said(make_strategy: Callable[..., OptionStrategy]) -> None:
    make_strategy()

    _, words = run("execute_strategies", "--as-of", NOON)
    _, output = run("execute_strategies", "--json", "--as-of", NOON)

    assert "left out" not in words
    assert json.loads(output)["left_out"] == {"count": 0, "ids": []}


def test_an_empty_queue_is_done(make_strategy: Callable[..., OptionStrategy]) -> None:
    make_strategy(marked=False)

    code, output = run("execute_strategies", "--execute", "--as-of", NOON)

    assert code == 0
    assert "0 of 0 executed" in output


@pytest.mark.parametrize("at", ["2026-01-30T18:00", "2026-01-31T12:00", "2026-01-26T12:00"])
def test_a_closed_market_is_refused_with_three(make_strategy: Callable[..., OptionStrategy], at: str) -> None:
    strategy = make_strategy()

    code, output = run("execute_strategies", "--execute", "--as-of", at)

    strategy.refresh_from_db()
    assert code == 3
    assert "The next session opens on" in output
    assert strategy.execution_status == "marked"
    assert not ExecutionRun.objects.exists()


def test_one_strategy_is_executed_alone(make_strategy: Callable[..., OptionStrategy]) -> None:
    other, chosen = make_strategy(priority=9), make_strategy(priority=1)

    code, _ = run("execute_strategies", "--execute", "--strategy", str(chosen.pk), "--as-of", NOON)

    other.refresh_from_db()
    chosen.refresh_from_db()
    assert (code, other.execution_status, chosen.execution_status) == (0, "marked", "executed")


def test_an_unknown_or_unmarked_strategy_is_a_sentence_and_one(make_strategy: Callable[..., OptionStrategy]) -> None:
    pending = make_strategy(marked=False)
    later = make_strategy(generated_on=pending.generated_on + timedelta(hours=3))

    assert run("execute_strategies", "--strategy", "999999") == (1, "There is no strategy 999999. [UNKNOWN_STRATEGY]")
    code, output = run("execute_strategies", "--strategy", str(pending.pk), "--as-of", NOON)
    assert (code, "[NOT_QUEUED]" in output) == (1, True)
    code, output = run("execute_strategies", "--strategy", str(later.pk), "--as-of", NOON)
    assert (code, "[GENERATED_LATER]" in output) == (1, True)


@pytest.mark.parametrize("limit", ["0", "-1", "many"])
def test_a_bad_limit_is_wrong_usage(limit: str) -> None:
    with pytest.raises(CommandError, match="limit"):
        call_command("execute_strategies", "--limit", limit)


def test_an_unknown_account_is_refused() -> None:
    code, output = run("execute_strategies", "--account", "nobody", "--as-of", NOON)

    assert (code, "[NO_ACCOUNT]" in output) == (3, True)


def test_a_live_account_never_gets_the_paper_broker(settings: Any) -> None:
    Account.objects.create(name="real", mode="live", capital=1000)
    settings.TRADING_MODE = "live"

    code, output = run("execute_strategies", "--as-of", NOON)

    assert (code, "[MODE]" in output) == (3, True)


def test_an_expected_plan_without_its_strategy_is_wrong_usage() -> None:
    code, output = run("execute_strategies", "--expect", "0" * 64, "--as-of", NOON)

    assert (code, output) == (2, "--expect names the plan of one strategy: add --strategy ID.")


@pytest.mark.parametrize(
    "words",
    [("execute_strategies",), ("monitor_positions",), ("run_day",), ("kill_switch", "flatten"), ("run_trader",)],
)
def test_an_unknown_broker_is_wrong_usage(settings: Any, words: tuple[str, ...]) -> None:
    settings.BROKER = "nobody"
    more = {"kill_switch": ("--account", "paper", "--reason", "practice"), "run_trader": ()}

    code, output = run(*words, *more.get(words[0], ("--as-of", NOON)))

    known = "Set BROKER to one of: dhan, paper, simulator. [UNKNOWN_BROKER]"
    assert (code, known in output) == (2, True)


def test_status_is_the_summary_by_default(make_strategy: Callable[..., OptionStrategy]) -> None:
    make_strategy()
    make_strategy(marked=False)
    run("execute_strategies", "--execute", "--as-of", NOON)

    code, output = run("execution_status", "--json")

    found = json.loads(output)
    assert code == 0
    assert list(found) == ["summary"]
    assert found["summary"]["strategies"] == {"pending": 1, "marked": 0, "executing": 0, "executed": 1, "failed": 0}
    assert (found["summary"]["trades"], found["summary"]["charges"]) == (2, 70.39)


@pytest.mark.parametrize(
    ("flag", "section"),
    [
        (["--summary"], "summary"),
        (["--recent", "24"], "recent"),
        (["--failed"], "failed"),
        (["--queue"], "queue"),
        (["--trades"], "trades"),
    ],
)
def test_each_flag_shows_its_section(
    make_strategy: Callable[..., OptionStrategy], flag: list[str], section: str
) -> None:
    executed, refused = make_strategy(), make_strategy(("SELL", 1050, "CE", 1))
    run("execute_strategies", "--execute", "--as-of", NOON)
    waiting = make_strategy()

    code, output = run("execution_status", *flag, "--json")
    _, words = run("execution_status", *flag)

    found = json.loads(output)
    ids = {
        "recent": lambda rows: {row["strategy"] for row in rows},
        "failed": lambda rows: {row["id"] for row in rows},
        "queue": lambda rows: {row["id"] for row in rows},
        "trades": lambda rows: {row["strategy_id"] for row in rows["trades"]},
        "summary": lambda rows: set(),
    }[section](found[section])
    expected = {
        "recent": {executed.pk, refused.pk},
        "failed": {refused.pk},
        "queue": {waiting.pk},
        "trades": {executed.pk},
        "summary": set(),
    }[section]
    assert (code, list(found), ids) == (0, [section], expected)
    assert len(words.splitlines()) > 3


def test_all_shows_every_section_and_what_is_empty_says_none() -> None:
    code, output = run("execution_status", "--all")

    assert code == 0
    for words in ("Execution summary", "Execution queue: none.", "Failed executions: none.", "Held: none."):
        assert words in output


def test_trades_of_an_empty_today_fall_back_to_the_last_day_and_say_so(
    make_strategy: Callable[..., OptionStrategy],
) -> None:
    make_strategy()
    run("execute_strategies", "--execute", "--as-of", NOON)

    _, words = run("execution_status", "--trades")
    _, asked = run("execution_status", "--trades", "--as-of", "2026-01-29")

    assert "Trades of 30 Jan 2026 (none today; the last day that has any)" in words
    assert "Trades of 29 Jan 2026: none." in asked


@pytest.mark.parametrize("hours", ["0", "abc", "8761", "-1", "1.5", "9" * 5000])
def test_bad_hours_are_wrong_usage(hours: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        StatusCommand().run_from_argv(["manage.py", "execution_status", f"--recent={hours}"])

    assert stop.value.code == 2
    assert f"'{hours}' is not a number of hours from 1 to 8760" in capsys.readouterr().err


def test_a_year_of_hours_is_the_most() -> None:
    assert run("execution_status", "--recent", "8760")[0] == 0


@pytest.mark.parametrize(("price", "shown"), [("180.1", "180.10"), ("180.1250", "180.125")])
def test_trades_show_paise_and_more_only_where_there_is_more(
    make_strategy: Callable[..., OptionStrategy], price: str, shown: str
) -> None:
    make_strategy()
    run("execute_strategies", "--execute", "--as-of", NOON)
    Trade.objects.filter(action="BUY").update(price=price)

    _, words = run("execution_status", "--trades", "--as-of", NOON)

    (line,) = [line for line in words.splitlines() if "BUY" in line]
    assert f" {shown} " in line


def test_monitoring_marks_and_closes(make_strategy: Callable[..., OptionStrategy]) -> None:
    strategy = make_strategy(levels={"time_exit_dte": 30})
    run("execute_strategies", "--execute", "--as-of", NOON)

    code, output = run("monitor_positions", "--json", "--as-of", "2026-01-30T12:05")

    (watched,) = json.loads(output)["watched"]
    strategy.refresh_from_db()
    assert (code, watched["decision"], watched["exit_state"]) == (0, "TIME_EXIT", "complete")
    assert strategy.execution_detail == "closed"
    assert run("monitor_positions", "--as-of", "2026-01-30T12:06")[0] == 0


def test_an_exit_that_was_due_and_could_not_be_carried_out_says_why_and_is_one(
    make_strategy: Callable[..., OptionStrategy],
) -> None:
    strategy = make_strategy(levels={"time_exit_dte": 30})
    run("execute_strategies", "--execute", "--as-of", NOON)
    Instrument.objects.filter(strike=1050, option_type="CE").delete()

    code, words = run("monitor_positions", "--as-of", "2026-01-30T12:05")
    again, output = run("monitor_positions", "--json", "--as-of", "2026-01-30T12:06")

    (watched,) = json.loads(output)["watched"]
    strategy.refresh_from_db()
    assert (code, again, strategy.execution_detail) == (1, 1, "")
    assert "NOT_IN_MASTER" in words
    assert "1 exit that was due could not be carried out" in words
    assert (watched["exit_state"], watched["exit_reason"]["code"]) == ("denied", "NOT_IN_MASTER")
    assert "1050" in watched["exit_reason"]["sentence"]


def test_a_refused_newer_master_does_not_keep_people_in(make_strategy: Callable[..., OptionStrategy]) -> None:
    make_strategy(levels={"time_exit_dte": 30})
    run("execute_strategies", "--execute", "--as-of", NOON)
    refuse_the_next_master()

    code, output = run("monitor_positions", "--json", "--as-of", "2026-01-30T12:05")

    (watched,) = json.loads(output)["watched"]
    assert (code, watched["exit_state"], watched["exit_reason"]) == (0, "complete", None)


def test_monitoring_a_closed_market_is_refused_with_three() -> None:
    assert run("monitor_positions", "--as-of", "2026-01-31T12:00")[0] == 3


def test_the_number_of_queries_of_the_status_does_not_grow_with_the_rows(
    make_strategy: Callable[..., OptionStrategy],
) -> None:
    def executed_and_counted(number: int) -> int:
        for _ in range(number):
            make_strategy()
        run("execute_strategies", "--execute", "--as-of", NOON)
        with CaptureQueriesContext(connection) as queries:
            run("execution_status", "--all")
        return len(queries)

    assert executed_and_counted(1) == executed_and_counted(3)


def test_announcements_go_where_the_pages_listen() -> None:
    assert ORDERS_GROUP == CONSUMER_GROUP


@pytest.mark.parametrize("score", ["nan", "1.1", "-0.1", "half"])
def test_run_day_refuses_a_score_that_is_none_before_it_starts(score: str) -> None:
    held = FileImport.objects.count(), ChainSnapshot.objects.count()

    with pytest.raises(CommandError, match="min-score"):
        call_command("run_day", f"--min-score={score}")

    assert (FileImport.objects.count(), ChainSnapshot.objects.count()) == held


def test_run_day_refuses_a_moment_that_has_not_come() -> None:
    later = timezone.localtime() + timedelta(days=3)

    with pytest.raises(CommandError, match="FUTURE_MOMENT"):
        call_command("run_day", "--as-of", f"{later:%Y-%m-%dT%H:%M}")
