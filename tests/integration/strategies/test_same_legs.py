"""The same legs are marked once, by SQL as by program, beside what is held since yesterday, in any number."""

import re
import threading
from datetime import timedelta
from importlib import import_module

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from market.services.chains import store_chain
from market.sources.simulated import SimulatedMarket
from strategies.models import OptionStrategy
from strategies.services.generation import generate, start_run
from strategies.services.integrity import stored_data
from strategies.services.marking import lock_rows, mark, same_legs
from tests.factories import AS_OF, OptionStrategyFactory, list_chain, record_past
from tests.integration.strategies.test_marking import at_once

pytestmark = pytest.mark.django_db

MARKED = (
    "UPDATE strategies SET marked_for_execution = true, execution_status = 'marked', execution_priority = 5"
    " WHERE id = ANY(%s)"
)
YESTERDAY = AS_OF - timedelta(days=1)
MIGRATION = import_module("strategies.migrations.0012_same_legs_in_sql")


def by_sql(*rows):
    """Mark as the role people are given."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL ROLE options_desk")
        cursor.execute(MARKED, [[row.pk for row in rows]])
        cursor.execute("RESET ROLE")


def status(row):
    return OptionStrategy.objects.values_list("execution_status", flat=True).get(pk=row.pk)


# --- by SQL ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("standing", ["marked", "executing", "executed"])
def test_sql_is_refused_beside_the_same_legs_in_the_words_of_marking(standing):
    first, again = (OptionStrategyFactory(legs_hash="ab", status=each) for each in (standing, "pending"))

    with pytest.raises(IntegrityError) as refusal:
        by_sql(again)

    said = refusal.value.__cause__.diag
    assert said.constraint_name == "strategies_same_legs"
    assert f"{said.message_primary}." == same_legs([again.pk])[again.pk].sentence.replace("Strategy", "strategy", 1)
    assert said.message_primary.endswith(f"strategy {first.pk}, which is {standing}")
    assert said.message_hint == "unmark or close that one first, or choose other legs"
    assert status(again) == "pending"


@pytest.mark.parametrize(
    "other",
    [
        {"legs_hash": "ab", "status": "closed"},
        {"legs_hash": "ab", "status": "failed"},
        {"legs_hash": "cd", "status": "marked"},
        {"legs_hash": "", "status": "marked"},
        {"legs_hash": "ab", "status": "marked", "generated_on": YESTERDAY},
    ],
)
def test_sql_is_let_through_where_marking_is(other):
    OptionStrategyFactory(**other)
    strategy = OptionStrategyFactory(legs_hash="ab" if other["legs_hash"] else "")

    by_sql(strategy)

    assert status(strategy) == "marked"


def test_sql_that_marks_both_of_two_at_once_marks_none():
    rows = [OptionStrategyFactory(legs_hash="ab") for _ in range(2)]

    with pytest.raises(IntegrityError, match="has the same legs as strategy"):
        by_sql(*rows)

    assert [status(row) for row in rows] == ["pending", "pending"]


def test_a_table_of_that_name_of_ones_own_hides_no_twin():
    _, again = (OptionStrategyFactory(legs_hash="ab", status=each) for each in ("executed", "pending"))

    with pytest.raises(IntegrityError, match="same legs"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("CREATE TEMP TABLE strategies (LIKE public.strategies) ON COMMIT DROP")
        cursor.execute("SET LOCAL ROLE options_desk")
        cursor.execute(MARKED.replace("strategies", "public.strategies", 1), [[again.pk]])


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
@pytest.mark.parametrize("by_program", [True, False])
def test_who_marks_second_waits_for_the_first_and_is_refused(by_program):
    first, second = (OptionStrategyFactory(details=False, legs_hash="ab") for _ in range(2))
    answers = []

    def meanwhile():
        try:
            answers.append(mark([second.pk]).refused[second.pk].code if by_program else by_sql(second))
        except IntegrityError as error:
            answers.append(error.__cause__.diag.constraint_name)
        finally:
            connection.close()

    other = threading.Thread(target=meanwhile)
    with transaction.atomic():
        by_sql(first)
        other.start()
        other.join(timeout=0.7)
        waiting = other.is_alive()
    other.join(timeout=10)

    assert waiting
    assert answers == ["SAME_LEGS" if by_program else "strategies_same_legs"]
    assert (status(first), status(second)) == ("marked", "pending")


# --- what is held ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("standing", ["executing", "executed"])
def test_what_is_held_since_yesterday_is_held(standing):
    held = OptionStrategyFactory(legs_hash="ab", status=standing, generated_on=YESTERDAY)
    again = OptionStrategyFactory(legs_hash="ab")

    report = mark([again.pk])

    sentence = f"Strategy {again.pk} has the same legs as strategy {held.pk}, which is {standing}."
    assert (report.done, report.refused[again.pk].sentence) == ([], sentence)
    with pytest.raises(IntegrityError, match="same legs"):
        by_sql(again)


# --- at any size -----------------------------------------------------------------------------------------------------


def test_marking_reads_no_table_whole():
    chosen = OptionStrategyFactory(legs_hash="ab")
    OptionStrategyFactory(legs_hash="ab", status="executed", generated_on=YESTERDAY)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO strategies (stock_name, strategy_name, generated_on, legs_hash, content_hash)"
            " SELECT 'ACME', 'Many', %s, md5(n::text), 'c' || n FROM generate_series(1, 3000) n",
            [AS_OF],
        )
        cursor.execute("ANALYZE strategies")

    with CaptureQueriesContext(connection) as seen:
        assert mark([chosen.pk]).refused[chosen.pk].code == "SAME_LEGS"

    statements = [each["sql"] for each in seen if each["sql"].startswith(("SELECT", "UPDATE", "\nSELECT"))]
    assert len(statements) == 5  # rows, legs, the update, and two that say why not
    for sql in statements:
        with connection.cursor() as cursor:
            cursor.execute("EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) " + sql)
            plan = "\n".join(line for (line,) in cursor.fetchall())
        thrown_away = [int(count) for count in re.findall(r"Rows Removed by Filter: (\d+)", plan)]
        assert sum(thrown_away) < 10 and "Seq Scan on strategies" not in plan, plan


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_rows_locked_once_before_a_loop_are_locked_in_one_order():
    ids = [OptionStrategyFactory(details=False, legs_hash=f"{n:x}").pk for n in range(30)]

    def one_by_one(order):
        with transaction.atomic():
            lock_rows(order)
            return [len(mark([pk]).done) for pk in order]

    answers = at_once(lambda: one_by_one(ids), lambda: one_by_one(ids[::-1]))

    assert sorted(map(sum, answers)) == [0, 30]


# --- rows from before ------------------------------------------------------------------------------------------------


@pytest.fixture
def generated():
    """Every structure that a share of the simulated market yields, covered calls among them, stored as ever."""
    at = AS_OF.replace(hour=12, minute=0)
    for symbol in ("INFY", "TCS"):
        captured = SimulatedMarket(seed=1).chain(symbol, as_of=at)
        list_chain(captured, lot_size=400)
        store_chain(captured)
        record_past(symbol, until=at.date() - timedelta(days=1), volatility=0.12)
    generate(start_run(as_of=at, risk="aggressive"))
    return OptionStrategy.objects.order_by("pk")


def backfill():
    with connection.cursor() as cursor:
        cursor.execute(MIGRATION.BACKFILL)


def test_rows_from_before_are_given_the_key_that_the_program_gives(generated):
    keys = dict(generated.values_list("pk", "legs_hash"))
    OptionStrategy.objects.update(legs_hash="")

    backfill()

    assert len(set(keys.values())) > 20 and "" not in keys.values()
    assert dict(generated.values_list("pk", "legs_hash")) == keys


def test_the_backfill_signs_nothing_types_nothing_in_and_is_kept_in_history():
    marked, typed = OptionStrategyFactory(), OptionStrategyFactory(content_hash="")
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('optionsv4.actor', 'admin:asha', true)")
        cursor.execute(MARKED, [[marked.pk]])
        cursor.execute("SELECT set_config('optionsv4.actor', 'cli:migrate', true)")
    before = OptionStrategy.objects.filter(pk=marked.pk).values().get()

    backfill()

    after = OptionStrategy.objects.filter(pk=marked.pk).values().get()
    assert after == before | {"legs_hash": after["legs_hash"]}
    assert (len(after["legs_hash"]), after["changed_by"]) == (64, "admin:asha")
    typed.refresh_from_db()
    assert typed.legs_hash == ""
    assert marked.events.order_by("-pgh_id").first().legs_hash == after["legs_hash"]


def test_parts_of_a_row_from_before_are_judged_by_the_rounding_of_their_time():
    row = OptionStrategyFactory()
    rows = OptionStrategy.objects.filter(pk=row.pk)
    rows.update(component_scores={"probability": 0.2, "liquidity": 0.500009})
    exact = "strategies score parts do not add up"
    rough = "strategies score parts of before 0012 are off by more than 0.00001"
    assert stored_data().faults == {exact: 1}

    rows.update(created_at="2026-01-01T00:00Z")
    assert stored_data().faults == {}

    rows.update(component_scores={"probability": 0.2, "liquidity": 0.500011})
    assert stored_data().faults == {rough: 1}
    rows.update(component_scores={})
    assert stored_data().faults == {exact: 1}
