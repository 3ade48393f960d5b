"""What must be stored is there; what nobody traded goes after a while, and nothing else does."""

import io
import json
from datetime import timedelta
from decimal import Decimal

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.models import F

from allocation.models import Allocation
from execution.models import ExecutionRun, StrategyMark, Trade
from market.models import ChainSnapshot, OptionQuote
from strategies.errors import StrategyError
from strategies.models import OptionStrategy, StrategyExitLevels, StrategyExitRow, StrategyLeg, StrategyParameters
from strategies.services.archive import archive_old_data
from strategies.services.integrity import stored_data
from tests.factories import (
    AS_OF,
    RUN_DONE,
    AccountFactory,
    AllocationFactory,
    ChainSnapshotFactory,
    GenerationRunFactory,
    OptionStrategyFactory,
    StrategyLegFactory,
    SymbolResultFactory,
    walk,
)

pytestmark = pytest.mark.django_db

NOW = AS_OF + timedelta(days=200)
OLD, NEW = AS_OF, NOW - timedelta(days=10)


def run(*arguments):
    out, code = io.StringIO(), 0
    try:
        call_command(*arguments, stdout=out)
    except SystemExit as stop:
        code = stop.code
    return code, out.getvalue()


# --- check_stored_data -----------------------------------------------------------------------------------------------


def test_a_complete_strategy_has_no_faults():
    OptionStrategyFactory(run=GenerationRunFactory())

    found = stored_data()

    assert found.faults == {}
    assert found.sums["strategies"] == 1
    assert (found.sums["expected_profit"], found.sums["max_loss"]) == (Decimal("14950.00"), Decimal("10050.00"))
    tables = {each.table for each in found.populations}
    assert tables == {
        *("strategies", "strategy_details", "strategy_parameters", "strategy_exit_levels", "strategy_exit_rows"),
    }
    premium = next(each for each in found.populations if each.column == "premium")
    assert (premium.rows, premium.filled, premium.missing) == (2, 2, 0)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda row: StrategyLeg.objects.all().delete(), "strategies without legs"),
        (lambda row: StrategyParameters.objects.all().delete(), "strategies without parameters"),
        (lambda row: StrategyExitLevels.objects.all().delete(), "strategies without exit levels"),
        (lambda row: OptionStrategy.objects.update(max_loss=None), "strategies.max_loss empty"),
        (lambda row: OptionStrategy.objects.update(expected_profit=None), "strategies.expected_profit empty"),
        (lambda row: OptionStrategy.objects.update(conviction_level=""), "strategies.conviction_level empty"),
        (lambda row: StrategyLeg.objects.filter(leg_number=1).update(vega=None), "strategy_details.vega empty"),
        (
            lambda row: StrategyParameters.objects.update(expected_value=None),
            "strategy_parameters.expected_value empty",
        ),
        (lambda row: StrategyExitRow.objects.all().delete(), "strategies without exit rows"),
        (
            lambda row: StrategyLeg.objects.filter(leg_number=1).update(interest_known=None),
            "strategy_details.interest_known empty",
        ),
        (
            lambda row: StrategyParameters.objects.update(recalibration_reason=""),
            "strategy_parameters.probability_recalibrated empty",
        ),
        (lambda row: StrategyParameters.objects.update(flags=[]), "strategy_parameters.market_view_id empty"),
    ],
)
def test_what_must_be_there_and_is_not_is_a_fault(change, fault):
    OptionStrategyFactory()

    change(None)

    assert stored_data().faults == {fault: 1}


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda: StrategyExitLevels.objects.update(stop_loss=5000), "exit rows differ from exit levels"),
        (lambda: StrategyExitLevels.objects.update(time_exit_dte=8), "exit rows differ from exit levels"),
        (lambda: StrategyExitRow.objects.filter(kind="vega").update(value=8), "exit rows differ from exit levels"),
        (lambda: StrategyExitRow.objects.filter(kind="underlying_price").delete(), "kinds of exit missing"),
        (lambda: OptionStrategy.objects.update(total_score="0.71"), "score parts do not add up"),
        (lambda: OptionStrategy.objects.update(component_scores={}), "score parts do not add up"),
        (
            lambda: OptionStrategy.objects.update(total_score=F("total_score") + Decimal("0.000001")),
            "score parts do not add up",
        ),
        (lambda: OptionStrategy.objects.update(expected_profit=0), "no maximum profit above zero"),
        (lambda: OptionStrategy.objects.update(expiry=AS_OF.date()), "expiry is not that of the nearest leg"),
        (lambda: StrategyParameters.objects.update(expected_value=-1), "expected value below zero"),
        (lambda: StrategyParameters.objects.update(breakevens=[]), "no break-even although it can lose"),
        (lambda: StrategyParameters.objects.update(profit_ranges=[]), "no profit range"),
        (lambda: StrategyParameters.objects.update(margin_required=0), "margin not above zero"),
        (lambda: StrategyParameters.objects.update(theta_profile=[]), "no theta profile"),
        (lambda: StrategyParameters.objects.update(scenarios=[]), "no scenarios"),
        (lambda: StrategyParameters.objects.update(regions={}), "no scenarios"),
    ],
)
def test_what_cannot_be_true_is_a_fault(change, fault):
    OptionStrategyFactory()
    OptionStrategyFactory(content_hash="", component_scores={})  # typed in by hand: nothing of it is judged

    change()

    assert stored_data().faults == {f"strategies {fault}": 1}


def test_a_margin_of_zero_is_one_only_where_nothing_is_sold_or_paid():
    strategy = OptionStrategyFactory()
    StrategyParameters.objects.update(margin_required=0)
    assert stored_data().faults == {"strategies margin not above zero": 1}  # a debit

    OptionStrategy.objects.update(net_premium=0)
    assert stored_data().faults == {"strategies margin not above zero": 1}  # a short option

    StrategyLeg.objects.filter(strategy=strategy).update(setup_type="BUY")
    assert stored_data().faults == {}


@pytest.mark.parametrize(
    "column", ["probability_history", "probability_half", "forecast_volatility", "return_on_margin", "risk_reward"]
)
def test_a_figure_that_is_not_known_is_excused_by_its_reason_alone(column):
    OptionStrategyFactory(expected_profit=None, unlimited_profit=column == "risk_reward")
    OptionStrategy.objects.update(unlimited_profit=True)

    StrategyParameters.objects.update(**{column: None})
    assert stored_data().faults == ({} if column == "risk_reward" else {f"strategy_parameters.{column} empty": 1})

    row = StrategyParameters.objects.get()
    row.flags = [*row.flags, {"about": column, "code": "NO_PAST", "sentence": "None is stored."}]
    row.save()
    assert stored_data().faults == {}
    OptionStrategy.objects.update(unlimited_profit=False, expected_profit=Decimal(14_950))
    assert stored_data().faults == ({"strategy_parameters.risk_reward empty": 1} if column == "risk_reward" else {})


def test_unlimited_amounts_and_shares_excuse_their_empty_columns():
    strategy = OptionStrategyFactory(expected_profit=None, unlimited_profit=True, max_loss=None, unlimited_loss=True)
    StrategyLegFactory(
        strategy=strategy, leg_number=3, option_type=None, strike=None, expiry=None, implied_volatility=None
    )

    assert stored_data().faults == {}


def test_only_the_day_asked_for_counts():
    OptionStrategyFactory()
    OptionStrategyFactory(generated_on=AS_OF - timedelta(days=1), details=False)

    assert stored_data(day=AS_OF.date()).faults == {}
    assert stored_data(day=AS_OF.date()).sums["strategies"] == 1
    assert stored_data().faults == {
        "strategies without parameters": 1,
        "strategies without exit levels": 1,
        "strategies without exit rows": 1,
    }


def test_checking_costs_the_same_queries_for_one_row_and_for_many(django_assert_num_queries):
    for _ in range(15):
        OptionStrategyFactory()

    with django_assert_num_queries(10):
        stored_data()


def test_the_check_prints_every_column_and_a_verdict():
    OptionStrategyFactory()

    code, output = run("check_stored_data", "--today", "--as-of", "2026-01-30")

    assert code == 0
    assert "Everything that must be there is there." in output
    assert "breakeven_points" in output
    assert "100.0 %" in output


def test_the_check_fails_when_something_is_missing():
    OptionStrategyFactory(legs=())

    code, output = run("check_stored_data", "--json")

    assert code == 1
    assert json.loads(output)["faults"] == {"strategies without legs": 1}


def test_the_check_fails_when_nothing_is_stored():
    OptionStrategyFactory()

    code, output = run("check_stored_data", "--today", "--as-of", "2026-01-29")

    assert code == 1
    assert "Nothing is stored." in output


# --- archive_old_data ------------------------------------------------------------------------------------------------


def traded(**values):
    strategy = OptionStrategyFactory(status="executed", **values)
    account = AccountFactory(name="paper")
    run = ExecutionRun.objects.create(strategy=strategy, account=account, broker="paper", as_of=strategy.generated_on)
    walk(run, *RUN_DONE)
    Trade.objects.create(
        strategy=strategy, order_id=f"o{strategy.pk}", security_id="1", action="BUY", quantity=500, price=40,
        order_status="TRADED", timestamp=strategy.generated_on,
    )  # fmt: skip
    StrategyMark.objects.create(strategy=strategy, as_of=strategy.generated_on, profit=1)
    return strategy


def test_old_ideas_and_chains_go_and_new_ones_stay():
    old = OptionStrategyFactory(generated_on=OLD)
    expired = OptionStrategyFactory(generated_on=OLD, execution_detail="expired")
    new = OptionStrategyFactory(generated_on=NEW)
    AllocationFactory(strategy=old)
    ChainSnapshotFactory(taken_at=OLD, quotes=[{}, {"strike": 1050}])
    kept = ChainSnapshotFactory(taken_at=NEW, quotes=[{}])

    found = archive_old_data(as_of=NOW)

    assert (found.strategies, found.snapshots, found.quotes) == (2, 1, 2)
    assert OptionStrategy.objects.get() == new
    assert ChainSnapshot.objects.get() == kept
    assert OptionQuote.objects.count() == 1
    assert StrategyLeg.objects.count() == 2
    assert not Allocation.objects.exists()
    assert expired.pk not in OptionStrategy.objects.values_list("pk", flat=True)


@pytest.mark.parametrize("status", ["marked", "executing", "executed", "failed"])
def test_only_pending_strategies_go(status):
    OptionStrategyFactory(generated_on=OLD, status=status)

    assert archive_old_data(as_of=NOW).strategies == 0
    assert OptionStrategy.objects.count() == 1


def test_what_was_traded_stays_with_its_chain_marks_and_everything():
    strategy = traded(generated_on=OLD)
    ChainSnapshotFactory(taken_at=OLD, quotes=[{}])
    ChainSnapshotFactory(taken_at=OLD, symbol="OTHER", quotes=[{}])
    ChainSnapshotFactory(taken_at=OLD - timedelta(days=1), quotes=[{}])

    archive_old_data(as_of=NOW)

    assert OptionStrategy.objects.get() == strategy
    assert (Trade.objects.count(), ExecutionRun.objects.count(), StrategyMark.objects.count()) == (1, 1, 1)
    assert [(row.symbol, row.taken_at) for row in ChainSnapshot.objects.all()] == [("ACME", OLD)]


def test_the_chain_of_the_day_one_left_stays():
    strategy = traded(generated_on=OLD)
    later = OLD + timedelta(days=5)
    run = ExecutionRun.objects.create(
        strategy=strategy, account=AccountFactory(name="paper"), broker="paper", purpose="exit", as_of=later
    )
    walk(run, *RUN_DONE)
    ChainSnapshotFactory(taken_at=later, quotes=[{}])

    assert archive_old_data(as_of=NOW).snapshots == 0


def test_a_pending_strategy_with_a_run_that_was_denied_stays():
    strategy = OptionStrategyFactory(generated_on=OLD)
    run = ExecutionRun.objects.create(
        strategy=strategy, account=AccountFactory(name="paper"), broker="paper", as_of=OLD
    )
    walk(run, "precheck", "denied")

    assert archive_old_data(as_of=NOW).strategies == 0
    assert OptionStrategy.objects.exists()


def test_history_and_generation_results_stay():
    strategy = OptionStrategyFactory(generated_on=OLD)
    SymbolResultFactory()

    archive_old_data(as_of=NOW)

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pgh_label FROM strategies_optionstrategyevent WHERE pgh_obj_id = %s ORDER BY pgh_id", [strategy.pk]
        )
        labels = [label for (label,) in cursor.fetchall()]
    assert labels[0] == "insert"
    assert labels[-1] == "delete"
    assert SymbolResultFactory._meta.model.objects.count() == 1


def test_a_dry_run_counts_and_removes_nothing():
    OptionStrategyFactory(generated_on=OLD)
    ChainSnapshotFactory(taken_at=OLD, quotes=[{}])

    found = archive_old_data(as_of=NOW, dry_run=True)

    assert (found.strategies, found.snapshots, found.quotes, found.dry_run) == (1, 1, 1, True)
    assert OptionStrategy.objects.count() == ChainSnapshot.objects.count() == 1


@pytest.mark.parametrize(("days", "gone"), [(200, 0), (199, 1), (1, 1)])
def test_the_last_days_are_kept_whole(days, gone):
    OptionStrategyFactory(generated_on=OLD)

    assert archive_old_data(as_of=NOW, days=days).strategies == gone


def test_keeping_no_day_is_refused():
    OptionStrategyFactory(generated_on=OLD)

    with pytest.raises(StrategyError) as refusal:
        archive_old_data(as_of=NOW, days=0)

    assert refusal.value.reason.code == "DAYS_RANGE"
    assert OptionStrategy.objects.exists()


def test_more_rows_than_a_batch_go_and_a_second_time_finds_nothing():
    for _ in range(3):
        OptionStrategyFactory(generated_on=OLD)
    ChainSnapshot.objects.bulk_create(ChainSnapshotFactory.build(symbol=f"S{n}", taken_at=OLD) for n in range(205))
    steps = []

    first = archive_old_data(as_of=NOW, progress=steps.append)
    second = archive_old_data(as_of=NOW)

    assert (first.strategies, first.snapshots) == (3, 205)
    assert steps == [3, 203, 208]
    assert (second.strategies, second.snapshots) == (0, 0)


def test_the_archive_command_reports():
    OptionStrategyFactory(generated_on=OLD)

    dry_code, dry = run("archive_old_data", "--as-of", "2026-08-18", "--json")
    code, output = run("archive_old_data", "--as-of", "2026-08-18", "--days", "30", "--delete")

    assert (dry_code, code) == (0, 0)
    assert json.loads(dry)["strategies"] == 1
    assert "Removed: everything untraded before 2026-07-19" in output
    assert not OptionStrategy.objects.exists()
