"""The tables, columns, guards and role that other people's SQL relies on."""

from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from django.db import IntegrityError, connection, transaction

from strategies.models import LEGAL_TRANSITIONS, ExecutionStatus, OptionStrategy, QueuedStrategy

pytestmark = pytest.mark.django_db

STATEMENTS = [
    "\n".join(line for line in block.splitlines() if not line.startswith("--")).strip()
    for block in (Path(__file__).parents[2] / "contract" / "queries.sql").read_text().split(";")
]
QUERIES = [statement for statement in STATEMENTS if statement]

CONTRACT = {
    "strategies": "id stock_name strategy_name strategy_type total_score probability_of_profit expected_profit "
    "max_loss conviction_level market_outlook marked_for_execution execution_status execution_priority execution_notes "
    "generated_on executed_at",
    "strategy_details": "id strategy_id leg_number option_type strike_price premium lots setup_type delta gamma "
    "theta vega rho",
    "strategy_parameters": "strategy_id breakeven_points profit_ranges expected_value sharpe_ratio iv_percentile "
    "days_to_expiry",
    "strategy_exit_levels": "strategy_id profit_target_1 profit_target_2 profit_target_3 stop_loss time_exit_dte "
    "delta_exit_threshold vega_exit_threshold",
    "industry_allocations_current": "industry weight_percentage position_type rating updated_date",
    "sector_allocations_current": "sector weight_percentage position_type updated_date",
    "stock_data": "symbol industry sector fno_stock lot_size market_cap",
    "option_chain_data": "symbol option_type strike_price expiry_date volume open_interest bid ask index",
    "api_scrip_master": "sem_exm_exch_id sem_segment sem_smst_security_id sem_instrument_name sem_expiry_code "
    "sem_trading_symbol sem_lot_units sem_custom_symbol sem_expiry_date sem_strike_price sem_option_type sem_tick_size "
    "sem_expiry_flag sem_exch_instrument_type sem_series sm_symbol_name",
    "trades": "strategy_id order_id security_id quantity price order_status timestamp",
    "v_execution_queue": "id stock_name strategy_name total_score conviction_level marked_for_execution "
    "execution_priority execution_status execution_notes",
}
INDEXED = [
    ("strategies", "marked_for_execution"),
    ("strategies", "execution_status"),
    ("strategies", "stock_name"),
    ("strategy_details", "strategy_id"),
    ("api_scrip_master", "sem_custom_symbol"),
]


def make_strategy(**values):
    defaults = {"stock_name": "NIFTY", "strategy_name": "Iron Condor", "total_score": "0.7"}
    return OptionStrategy.objects.create(
        **{"generated_on": datetime(2026, 1, 30, 9, 59, tzinfo=UTC)} | defaults | values
    )


def walk_to(strategy, status):
    """Take a strategy to a status along the legal path."""
    path = {"pending": [], "marked": ["marked"], "executing": ["marked", "executing"]}
    path |= {end: ["marked", "executing", end] for end in ("executed", "failed")}
    for step in path[status]:
        values = {"execution_status": step, "marked_for_execution": True, "execution_priority": 5}
        if step == "executed":
            values["executed_at"] = datetime(2026, 1, 30, 10, 0, tzinfo=UTC)
        OptionStrategy.objects.filter(pk=strategy.pk).update(**values)


@pytest.mark.parametrize(("table", "columns"), CONTRACT.items())
def test_contract_columns_exist(table, columns):
    with connection.cursor() as cursor:
        cursor.execute("SELECT column_name FROM information_schema.columns WHERE table_name = %s", [table])
        present = {name for (name,) in cursor.fetchall()}

    assert set(columns.split()) <= present


@pytest.mark.parametrize(("table", "column"), INDEXED)
def test_required_index_leads_with_its_column(table, column):
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0] "
            "WHERE i.indrelid = %s::regclass AND a.attname = %s",
            [table, column],
        )
        assert cursor.fetchone()[0] >= 1


@pytest.mark.parametrize("query", QUERIES, ids=range(1, len(QUERIES) + 1))
def test_every_query_people_run_works_as_the_desk_role(query):
    strategy = make_strategy()
    # Query 7 unmarks, so it needs a marked row; the others start from pending.
    if "= 'pending'" in query:
        walk_to(strategy, "marked")

    with connection.cursor() as cursor:
        cursor.execute("SET ROLE options_desk")
        cursor.execute(query.replace("123", str(strategy.pk)))
        found = cursor.description is not None or cursor.rowcount
        cursor.execute("RESET ROLE")

    assert found


def test_marking_by_sql_is_marking():
    strategy = make_strategy(content_hash="abc")

    with connection.cursor() as cursor:
        cursor.execute("SET ROLE options_desk")
        cursor.execute(QUERIES[0].replace("123", str(strategy.pk)))
        cursor.execute("RESET ROLE")

    strategy.refresh_from_db()
    assert (strategy.execution_status, strategy.execution_priority, strategy.approved_hash) == ("marked", 5, "abc")
    assert strategy.marked_at is not None
    assert [row.id for row in QueuedStrategy.objects.all()] == [strategy.pk]
    assert OptionStrategy.objects.queued().get() == strategy


def test_history_records_plain_sql_and_its_author():
    strategy = make_strategy()
    before = strategy.events.count()

    with connection.cursor() as cursor:
        cursor.execute("SET ROLE options_desk")
        cursor.execute(QUERIES[0].replace("123", str(strategy.pk)))
        cursor.execute("RESET ROLE")

    last = strategy.events.order_by("-pgh_id").first()
    assert strategy.events.count() == before + 1
    assert (last.execution_status, last.pgh_label) == ("marked", "update")
    assert last.changed_by != ""


def test_desk_role_cannot_write_history_or_scores():
    strategy = make_strategy()

    for statement in (
        "DELETE FROM strategies_optionstrategyevent",
        f"UPDATE strategies SET total_score = 1 WHERE id = {strategy.pk}",
        "INSERT INTO trades DEFAULT VALUES",
    ):
        with pytest.raises(Exception, match=r"permission denied|does not exist"), transaction.atomic():
            cursor = connection.cursor()
            cursor.execute("SET LOCAL ROLE options_desk")
            cursor.execute(statement)


@pytest.mark.parametrize("old", list(ExecutionStatus))
@pytest.mark.parametrize("new", list(ExecutionStatus))
def test_the_database_allows_exactly_the_legal_transitions(old, new):
    strategy = make_strategy()
    walk_to(strategy, old)
    values = {"execution_status": new, "marked_for_execution": new != "pending", "execution_priority": 5}
    values["executed_at"] = datetime(2026, 1, 30, 10, 0, tzinfo=UTC)

    def move():
        with transaction.atomic():
            OptionStrategy.objects.filter(pk=strategy.pk).update(**values)

    if old == new or (old, new) in LEGAL_TRANSITIONS:
        move()
    else:
        with pytest.raises(IntegrityError, match=f"may not go from {old} to {new}"):
            move()
        strategy.refresh_from_db()
        assert strategy.execution_status == old


@pytest.mark.parametrize("status", ["marked", "executing", "executed", "failed"])
def test_a_new_row_starts_as_pending(status):
    with pytest.raises(IntegrityError, match="starts as pending"), transaction.atomic():
        make_strategy(execution_status=status, marked_for_execution=True, execution_priority=5)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("total_score", "'NaN'"),
        ("total_score", "1.01"),
        ("total_score", "-0.01"),
        ("probability_of_profit", "'NaN'"),
        ("max_loss", "-1"),
        ("max_loss", "'NaN'"),
        ("expected_profit", "'NaN'"),
        ("execution_priority", "101"),
        ("execution_priority", "-1"),
        ("marked_for_execution", "true"),
        ("sets", "0"),
    ],
)
def test_bounds_hold_on_both_sides_and_refuse_nan(column, value):
    strategy = make_strategy()

    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"UPDATE strategies SET {column} = {value} WHERE id = %s", [strategy.pk])


def test_fm_D10_one_content_per_day():
    make_strategy(content_hash="same")

    with pytest.raises(IntegrityError), transaction.atomic():
        make_strategy(content_hash="same")
    make_strategy(content_hash="same", generated_on=datetime(2026, 1, 31, 9, 0, tzinfo=UTC))


def test_trade_date_is_the_indian_day():
    late = make_strategy(generated_on=datetime(2026, 1, 29, 20, 0, tzinfo=UTC))

    late.refresh_from_db()

    assert str(late.trade_date) == "2026-01-30"


def test_fm_C7_only_one_of_two_claims_wins():
    strategy = make_strategy()
    walk_to(strategy, "marked")

    assert [OptionStrategy.objects.all().claim(strategy.pk) for _ in range(2)] == [True, False]


def test_desk_role_can_sign_in_by_itself():
    parameters = connection.get_connection_params()
    parameters = {key: parameters[key] for key in ("host", "dbname") if key in parameters} | {"user": "options_desk"}

    with psycopg.connect(**parameters) as session:
        assert session.execute("SHOW timezone").fetchone() == ("Asia/Kolkata",)
        assert session.execute("SELECT count(*) FROM v_execution_queue").fetchone() == (0,)


def test_legs_change_only_while_the_strategy_is_pending():
    strategy = make_strategy()
    terms = {"setup_type": "BUY", "option_type": "CE", "strike": 25_000, "expiry": "2026-02-24", "premium": 100}
    leg = strategy.legs.create(leg_number=1, **terms)
    strategy.legs.update(premium=101)
    walk_to(strategy, "marked")

    for change in (
        lambda: strategy.legs.update(premium=1),
        lambda: strategy.legs.create(leg_number=2, **terms),
        lambda: strategy.legs.all().delete(),
    ):
        with pytest.raises(IntegrityError, match="may not change: it is marked"), transaction.atomic():
            change()

    leg.refresh_from_db()
    assert (strategy.legs.count(), leg.premium) == (1, 101)


def as_desk(statement, *values):
    """Run one statement as the role people are given."""
    with transaction.atomic():
        cursor = connection.cursor()
        cursor.execute("SET LOCAL ROLE options_desk")
        cursor.execute(statement, values)
        cursor.execute("RESET ROLE")


@pytest.mark.parametrize(("start", "end"), [("marked", "executing"), ("executing", "failed")])
def test_people_cannot_play_the_executor(start, end):
    strategy = make_strategy()
    walk_to(strategy, start)

    with pytest.raises(IntegrityError, match=f"only the executor moves strategy {strategy.pk} to {end}"):
        as_desk("UPDATE strategies SET execution_status = %s WHERE id = %s", end, strategy.pk)

    strategy.refresh_from_db()
    assert strategy.execution_status == start


@pytest.mark.parametrize("status", ["executing", "executed", "failed"])
def test_fm_F2_people_change_nothing_once_it_is_claimed(status):
    strategy = make_strategy()
    walk_to(strategy, status)

    with pytest.raises(IntegrityError, match="SQL may change it no more"):
        as_desk("UPDATE strategies SET execution_notes = 'x' WHERE id = %s", strategy.pk)


def test_people_keep_to_their_scale_of_priorities():
    strategy = make_strategy()

    with pytest.raises(IntegrityError, match="priority 11 is outside the scale 1-10"):
        as_desk("UPDATE strategies SET execution_priority = 11 WHERE id = %s", strategy.pk)


def test_nobody_signs_as_another():
    strategy = make_strategy()

    with transaction.atomic():
        cursor = connection.cursor()
        cursor.execute("SELECT set_config('optionsv4.actor', 'admin:ceo', true)")
        cursor.execute("SET LOCAL ROLE options_desk")
        cursor.execute(QUERIES[0].replace("123", str(strategy.pk)))
        cursor.execute("RESET ROLE")

    strategy.refresh_from_db()
    assert strategy.changed_by == "options_desk"
    assert strategy.events.order_by("-pgh_id").first().changed_by == "options_desk"


def test_notes_have_an_end():
    strategy = make_strategy()

    with pytest.raises(IntegrityError, match="execution_notes_bounded"):
        as_desk("UPDATE strategies SET execution_notes = repeat('x', 100001) WHERE id = %s", strategy.pk)
