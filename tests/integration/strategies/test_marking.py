"""Every verb of marking: what it changes, what it refuses, and what it prints."""

import io
import json
import threading
from datetime import timedelta
from decimal import Decimal

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection

from strategies.errors import NotMarkable
from strategies.management.commands.mark_for_execution import Command
from strategies.models import OptionStrategy
from strategies.services.marking import mark, mark_top, reviewable, unmark
from tests.factories import AS_OF, OptionStrategyFactory

pytestmark = pytest.mark.django_db

HUGE = 10**30
REVIEW = ["ID", "Stock", "Strategy", "Score", "POP", "Max profit", "Max loss", "Conviction", "Outlook", "Generated"]
QUEUE = [*REVIEW, "Priority", "Sets", "Notes"]


def state(strategy):
    row = OptionStrategy.objects.get(pk=strategy.pk)
    return row.execution_status, row.marked_for_execution, row.execution_priority, row.execution_notes


def everything():
    return list(OptionStrategy.objects.order_by("id").values())


# --- the service --------------------------------------------------------------------------------------------------


def test_marking_sets_the_documented_columns():
    strategy = OptionStrategyFactory()

    report = mark([strategy.pk], priority=7, notes="High conviction")

    assert (report.done, report.refused) == ([strategy.pk], {})
    assert state(strategy) == ("marked", True, 7, "High conviction")


def test_no_notes_are_null_as_in_the_documents():
    strategy = OptionStrategyFactory(execution_notes="old")

    mark([strategy.pk])

    assert state(strategy) == ("marked", True, 5, None)


@pytest.mark.parametrize("priority", [0, 11, -1, 100, HUGE])
def test_a_priority_outside_one_to_ten_is_refused(priority):
    strategy = OptionStrategyFactory()
    before = everything()

    with pytest.raises(NotMarkable) as refusal:
        mark([strategy.pk], priority=priority)

    assert refusal.value.reason.code == "PRIORITY_RANGE"
    assert everything() == before


@pytest.mark.parametrize("priority", [1, 10])
def test_one_and_ten_are_priorities(priority):
    strategy = OptionStrategyFactory()

    assert mark([strategy.pk], priority=priority).done == [strategy.pk]


def test_the_allocator_may_go_to_a_hundred_and_no_further():
    strategy = OptionStrategyFactory()

    with pytest.raises(NotMarkable):
        mark([strategy.pk], priority=101, highest_priority=100)

    assert mark([strategy.pk], priority=100, highest_priority=100).done == [strategy.pk]


@pytest.mark.parametrize("status", ["marked", "executing", "executed", "failed"])
def test_only_pending_strategies_are_marked(status):
    strategy = OptionStrategyFactory(status=status)
    before = everything()

    report = mark([strategy.pk])

    assert (report.done, report.refused[strategy.pk].code) == ([], "NOT_PENDING")
    assert ("failed" if status == "failed" else f"is {status}, not pending") in report.refused[strategy.pk].sentence
    assert everything() == before


@pytest.mark.parametrize("status", ["pending", "executing", "executed", "failed"])
def test_only_marked_strategies_are_unmarked(status):
    strategy = OptionStrategyFactory(status=status)
    before = everything()

    report = unmark([strategy.pk])

    code = "NOT_PENDING" if status == "failed" else "NOT_MARKED"
    assert (report.done, report.refused[strategy.pk].code) == ([], code)
    assert everything() == before


def test_an_expired_strategy_is_refused():
    strategy = OptionStrategyFactory(execution_detail="expired")

    report = mark([strategy.pk])

    assert report.refused[strategy.pk].code == "EXPIRED"
    assert state(strategy)[0] == "pending"


def test_a_strategy_without_legs_is_refused():
    strategy = OptionStrategyFactory(legs=())

    report = mark([strategy.pk])

    assert report.refused[strategy.pk].code == "NO_LEGS"
    assert state(strategy)[0] == "pending"


@pytest.mark.parametrize("unknown", [0, -1, 999_999, 2**31, 2**63 - 1, 2**63, HUGE])
def test_an_unknown_id_is_refused_and_the_others_are_marked(unknown):
    strategy = OptionStrategyFactory()

    report = mark([unknown, strategy.pk, strategy.pk])

    assert (report.done, report.refused[unknown].code) == ([strategy.pk], "UNKNOWN_STRATEGY")


def test_unmarking_goes_back_to_pending_with_the_allocators_size_taken_back():
    strategy = OptionStrategyFactory(sets=3)
    mark([strategy.pk], priority=9)

    report = unmark([strategy.pk])

    assert report.done == [strategy.pk]
    assert state(strategy)[:3] == ("pending", False, 0)
    assert OptionStrategy.objects.get().sets == 1


def test_top_takes_the_best_that_have_legs_and_reach_the_score():
    rows = [OptionStrategyFactory(total_score=Decimal(score)) for score in ("0.9", "0.8", "0.6", "0.3")]
    OptionStrategyFactory(total_score=1, legs=())
    OptionStrategyFactory(total_score=1, execution_detail="expired")

    report = mark_top(count=5, min_score=Decimal("0.6"), priority=3)

    assert report.done == [row.pk for row in rows[:3]]
    assert state(rows[0]) == ("marked", True, 3, "Top of the ranking")


def test_a_decimal_and_a_float_mean_the_same_score():
    OptionStrategyFactory(total_score=Decimal("0.6"))
    OptionStrategyFactory(total_score=Decimal("0.599999"))

    assert reviewable(min_score=0.6).count() == reviewable(min_score=Decimal("0.6")).count() == 1


@pytest.mark.parametrize("score", [-0.1, 1.1, float("nan"), Decimal(2)])
def test_a_score_that_is_none_is_refused(score):
    with pytest.raises(NotMarkable) as refusal:
        reviewable(min_score=score)

    assert refusal.value.reason.code == "SCORE_RANGE"


@pytest.mark.parametrize("count", [0, -1, 1_001, HUGE])
def test_a_count_outside_one_to_a_thousand_is_refused(count):
    strategy = OptionStrategyFactory()

    with pytest.raises(NotMarkable) as refusal:
        mark_top(count=count)

    assert refusal.value.reason.code == "COUNT_RANGE"
    assert state(strategy)[0] == "pending"


@pytest.mark.parametrize("status", ["marked", "executing", "executed"])
def test_the_same_legs_are_not_marked_beside_a_row_of_their_day_that_stands(status):
    standing, again = (OptionStrategyFactory(legs_hash="ab", status=each) for each in (status, "pending"))

    report = mark([again.pk])

    assert (report.done, report.refused[again.pk].code) == ([], "SAME_LEGS")
    sentence = f"Strategy {again.pk} has the same legs as strategy {standing.pk}, which is {status}."
    assert report.refused[again.pk].sentence == sentence
    assert state(again)[0] == "pending"


@pytest.mark.parametrize(
    "other",
    [
        {"legs_hash": "ab", "status": "closed"},
        {"legs_hash": "ab", "status": "closed", "generated_on": AS_OF - timedelta(days=1)},
        {"legs_hash": "ab", "status": "failed"},
        {"legs_hash": "cd", "status": "marked"},
        {"legs_hash": "ab", "status": "marked", "generated_on": AS_OF - timedelta(days=1)},
    ],
)
def test_other_legs_a_mark_of_another_day_and_what_is_over_stand_in_no_way(other):
    OptionStrategyFactory(**other)
    strategy = OptionStrategyFactory(legs_hash="ab")

    assert mark([strategy.pk]).done == [strategy.pk]


def test_rows_typed_by_hand_have_no_key_to_compare():
    rows = [OptionStrategyFactory(legs_hash="") for _ in range(2)]

    assert mark([row.pk for row in rows]).done == [row.pk for row in rows]


def test_of_two_with_the_same_legs_the_top_marks_the_better_only():
    rows = [OptionStrategyFactory(total_score=Decimal(score), legs_hash="ab") for score in ("0.6", "0.9")]

    report = mark_top(count=5)

    assert (report.done, list(report.refused)) == ([rows[1].pk], [rows[0].pk])
    assert report.refused[rows[0].pk].code == "SAME_LEGS"


def at_once(*calls):
    """Run the calls in threads that start together; return what each gave or raised."""
    together, answers = threading.Barrier(len(calls), timeout=20), [None] * len(calls)

    def work(place, call):
        try:
            together.wait()
            answers[place] = call()
        except Exception as error:  # noqa: BLE001 - the test looks at it
            answers[place] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=each) for each in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    return answers


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_of_two_people_marking_the_same_legs_at_once_one_wins():
    pairs = [[OptionStrategyFactory(details=False, legs_hash=f"{n:x}").pk for _ in range(2)] for n in range(20)]
    first, second = ([pair[place] for pair in pairs] for place in (0, 1))

    reports = at_once(lambda: mark(first), lambda: mark(second[::-1]))

    assert sorted(len(report.done) for report in reports) == [0, 20]
    assert {reason.code for report in reports for reason in report.refused.values()} == {"SAME_LEGS"}


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_fm_F1_of_two_people_marking_at_once_one_wins():
    ids = [OptionStrategyFactory(details=False).pk for _ in range(60)]

    reports = at_once(lambda: mark(ids, priority=3), lambda: mark(ids[::-1], priority=8))

    assert sorted(len(report.done) for report in reports) == [0, 60]
    winner = next(report for report in reports if report.done)
    priority = 3 if winner is reports[0] else 8
    assert set(OptionStrategy.objects.values_list("execution_priority", flat=True)) == {priority}
    assert {reason.code for report in reports for reason in report.refused.values()} == {"NOT_PENDING"}


# --- the command --------------------------------------------------------------------------------------------------


def run(*arguments):
    out, err, code = io.StringIO(), io.StringIO(), 0
    try:
        call_command("mark_for_execution", *map(str, arguments), stdout=out, stderr=err)
    except SystemExit as stop:
        code = stop.code
    except CommandError as error:
        code, err = error.returncode, io.StringIO(str(error))
    return code, out.getvalue(), err.getvalue()


def shell(*arguments):
    """As typed in a shell: wrong usage ends in exit code 2."""
    with pytest.raises(SystemExit) as stop:
        Command().run_from_argv(["manage.py", "mark_for_execution", *arguments])
    return stop.value.code


def header(output):
    """The column names of the printed table."""
    line = next(line for line in output.splitlines() if line.lstrip("│┃ ").startswith("ID"))
    return [cell.strip() for cell in line.strip("┃│ ").replace("┃", "│").split("│")]


def cells(output, pk):
    line = next(line for line in output.splitlines() if line.lstrip("│ ").startswith(f"{pk} "))
    return [cell.strip() for cell in line.strip("│ ").split("│")]


def test_list_prints_the_documented_columns_best_first():
    better = OptionStrategyFactory(total_score=Decimal("0.8"), unlimited_profit=True, expected_profit=None)
    OptionStrategyFactory(total_score=Decimal("0.7"))

    code, output, _ = run("list")

    assert code == 0
    assert "Pending strategies: 2" in output
    assert header(output) == REVIEW
    assert cells(output, better.pk) == [
        *(str(better.pk), "ACME", "Bull Call Spread", "0.800", "45.0 %", "Unlimited", "₹10,050"),
        *("High", "Bullish", "2026-01-30"),
    ]
    assert output.index("0.800") < output.index("0.700")


def test_list_filters_by_symbol_score_and_count():
    OptionStrategyFactory(stock_name="TCS", total_score=Decimal("0.9"))
    wanted = OptionStrategyFactory(total_score=Decimal("0.8"))
    OptionStrategyFactory(total_score=Decimal("0.7"))
    OptionStrategyFactory(total_score=Decimal("0.2"))

    _, output, _ = run("list", "--symbol", "ACME", "--min-score", "0.6", "--limit", "1", "--json")

    assert [row["id"] for row in json.loads(output)] == [wanted.pk]


def test_list_of_nothing_is_no_failure():
    code, output, _ = run("list", "--symbol", "[/red]")

    assert code == 0
    assert "Pending strategies: 0" in output


def test_names_with_square_brackets_are_shown_as_they_are():
    OptionStrategyFactory(stock_name="[/B]", strategy_name="Odd [bold]one")

    _, output, _ = run("list")

    assert "[/B]" in output
    assert "Odd [bold]one" in output


@pytest.mark.parametrize("place", ["before", "after"])
def test_json_prints_raw_numbers_and_nothing_else(place):
    strategy = OptionStrategyFactory()

    code, output, errors = run(*(["--json", "list"] if place == "before" else ["list", "--json"]))

    (row,) = json.loads(output)
    assert (code, errors) == (0, "")
    assert (row["id"], row["total_score"], row["max_loss"]) == (strategy.pk, 0.7, 10050.0)


def test_mark_prints_the_row_with_priority_sets_and_notes():
    strategy = OptionStrategyFactory()

    code, output, _ = run("mark", strategy.pk, "--priority", "8", "--notes", "[urgent] go")

    assert code == 0
    assert "Marked: 1" in output
    assert header(output) == QUEUE
    assert cells(output, strategy.pk)[-3:] == ["8", "1", "[urgent] go"]
    assert state(strategy) == ("marked", True, 8, "[urgent] go")


def test_mark_refuses_an_unknown_id_with_a_sentence_and_code_one():
    code, output, _ = run("mark", "424242")

    assert code == 1
    assert "There is no strategy 424242. See mark_for_execution list. [UNKNOWN_STRATEGY]" in output


@pytest.mark.parametrize("priority", ["0", "11"])
def test_mark_refuses_a_priority_with_a_sentence_and_code_two(priority):
    strategy = OptionStrategyFactory()

    code, output, error = run("mark", strategy.pk, "--priority", priority)

    assert (code, output) == (2, "")
    assert error == f"Priority {priority} is outside 1-10. 10 is executed first. [PRIORITY_RANGE]"
    assert state(strategy)[0] == "pending"


def test_a_refusal_as_json_is_json():
    code, output, _ = run("--json", "top", "--count", "0")

    assert code == 1
    assert json.loads(output)["error"]["code"] == "COUNT_RANGE"


def test_bulk_marks_what_it_can_and_fails_for_the_rest():
    first, second = OptionStrategyFactory(), OptionStrategyFactory(status="executed")

    code, output, _ = run("bulk", first.pk, second.pk, HUGE, "--priority", "3", "--json")

    answer = json.loads(output)
    assert code == 1
    assert answer["marked"] == [first.pk]
    assert {pk: reason["code"] for pk, reason in answer["refused"].items()} == {
        str(second.pk): "NOT_PENDING",
        str(HUGE): "UNKNOWN_STRATEGY",
    }
    assert state(first)[:3] == ("marked", True, 3)


def test_top_marks_the_best():
    best = OptionStrategyFactory(total_score=Decimal("0.9"))
    OptionStrategyFactory(total_score=Decimal("0.8"))

    code, output, _ = run("top", "--count", "1", "--min-score", "0.5", "--priority", "10")

    assert code == 0
    assert "Marked: 1" in output
    assert state(best) == ("marked", True, 10, "Top of the ranking")


def test_top_of_nothing_says_so_and_fails():
    OptionStrategyFactory(total_score=Decimal("0.4"))

    code, output, _ = run("top", "--min-score", "0.5")

    assert code == 1
    assert "Nothing fits" in output


def test_show_prints_the_queue_in_order_of_execution():
    rows = [OptionStrategyFactory(total_score=Decimal(score)) for score in ("0.6", "0.9", "0.7")]
    mark([rows[0].pk], priority=9)
    mark([rows[1].pk, rows[2].pk], priority=2)

    code, output, _ = run("show", "--json")
    _, printed, _ = run("show")

    assert code == 0
    assert [row["id"] for row in json.loads(output)] == [rows[0].pk, rows[1].pk, rows[2].pk]
    assert "Marked for execution, in order: 3" in printed
    assert header(printed) == QUEUE


def test_unmark_takes_out_of_the_queue():
    strategy = OptionStrategyFactory()
    mark([strategy.pk])

    code, output, _ = run("unmark", strategy.pk)
    again, why, _ = run("unmark", strategy.pk)

    assert (code, again) == (0, 1)
    assert "Unmarked: 1" in output
    assert f"Strategy {strategy.pk} is pending, not marked." in why
    assert state(strategy)[0] == "pending"


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["fly"],
        ["mark"],
        ["mark", "one"],
        ["mark", "1", "2"],
        ["bulk"],
        ["list", "--limit", "0"],
        ["list", "--limit", "-1"],
        ["list", "--limit", "1e3"],
        ["list", "--min-score", "nan"],
        ["list", "--min-score", "1.5"],
        ["top", "--min-score", "high"],
        ["top", "--count", "many"],
        ["mark", "1", "--priority", "urgent"],
    ],
)
def test_wrong_usage_ends_in_two(arguments, capsys):
    assert shell(*arguments) == 2
    assert "usage:" in capsys.readouterr().err


def test_the_database_records_who_marked():
    strategy = OptionStrategyFactory()

    run("mark", strategy.pk)

    assert OptionStrategy.objects.get().changed_by.startswith("cli:")


def test_listing_costs_the_same_queries_for_one_row_and_for_many(django_assert_num_queries):
    for _ in range(20):
        OptionStrategyFactory(generated_on=AS_OF)

    with django_assert_num_queries(3):  # the actor, the list, the actor
        run("list")
