"""From stored chains to stored strategies, once, and with a reason for everything that is not there."""

import io
import json
import math
import threading
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from market.calendar import IST
from market.errors import BadMaster, InvalidInput, MarketError, UnknownInstrument
from market.models import ChainSnapshot, FileImport, OptionQuote
from market.services.chains import store_chain
from market.sources import build_source
from strategies.catalog import CATALOGUE
from strategies.left_out import why_left_out
from strategies.models import (
    GenerationRun,
    OptionStrategy,
    StrategyExitLevels,
    StrategyLeg,
    StrategyParameters,
    SymbolResult,
)
from strategies.recommend import most_frequent
from strategies.services.generation import finish_run, generate, generate_result, recommended, start_run
from strategies.services.integrity import stored_data
from strategies.services.known import known_of
from strategies.services.marking import reviewable
from strategies.services.storage import store_recommendations
from strategies.services.surroundings import surroundings_of
from strategies.tasks import generate_symbol, ring
from tests.factories import (
    FileImportFactory,
    GenerationRunFactory,
    OptionStrategyFactory,
    UnderlyingFactory,
    list_chain,
    record_past,
)
from tests.stored import load_chain

pytestmark = pytest.mark.django_db

AS_OF = datetime(2026, 1, 30, 12, 0, tzinfo=IST)
CALM = 0.12  # what the share has realised: less than its options cost, so that selling them is expected to earn
SUNDAY = datetime(2026, 1, 25, 12, 0, tzinfo=IST)


@pytest.fixture(scope="session")
def chains():
    """One minute of the simulated market, computed once."""
    market = build_source("simulated")
    return {symbol: market.chain(symbol, as_of=AS_OF) for symbol in ("INFY", "TCS")}


@pytest.fixture
def infy(chains):
    list_chain(chains["INFY"], lot_size=400)
    store_chain(chains["INFY"])
    record_past("INFY", until=AS_OF.date() - timedelta(days=1), volatility=CALM)
    return "INFY"


def around(run):
    return surroundings_of("INFY", known_of(["INFY"], as_of=AS_OF)["INFY"], run=run)


def recommendations(as_of=AS_OF):
    known = around(GenerationRunFactory(as_of=as_of))
    return recommended(load_chain("INFY", as_of=as_of), known, risk="moderate").recommendations


def store(found, run):
    return store_recommendations(found, run=run, around=around(run)).ids


def contents():
    return list(OptionStrategy.objects.order_by("id").values_list("id", "content_hash", "total_score"))


def test_every_column_of_every_table_is_populated(infy):
    run = generate(start_run(as_of=AS_OF))

    result = run.results.get()
    assert (result.symbol, result.status, result.reason_code) == ("INFY", "done", "")
    assert result.kept == OptionStrategy.objects.count() >= 5
    assert result.candidates + sum(1 for code in result.refusals.values()) >= 23
    assert result.seconds > 0
    assert run.finished_at is not None
    data = stored_data()
    assert data.faults == {}
    whole = {each.column for each in data.populations if each.filled == each.rows}
    assert {"net_premium", "component_scores", "delta", "vega", "premium", "charges", "stop_loss"} <= whole
    assert not OptionStrategy.objects.exclude(run=run, generated_on=AS_OF, execution_status="pending").exists()
    assert not OptionStrategy.objects.filter(marked_for_execution=True).exists()


def test_money_is_rupees_for_one_set_exact_to_the_paisa(infy):
    generate(start_run(as_of=AS_OF))

    for each in recommendations():
        evaluation, lot = each.evaluation, each.candidate.lot_size
        row = OptionStrategy.objects.get(structure=each.candidate.structure.slug)
        assert lot == row.lot_size == 400
        legs = row.legs.filter(option_type__isnull=False)
        premium = -sum(leg.side.sign * leg.lots * leg.premium * lot for leg in legs)
        assert row.net_premium == premium
        loss = None if math.isinf(evaluation.max_loss) else round(evaluation.max_loss * lot, 2)
        assert (None if row.max_loss is None else float(row.max_loss)) == pytest.approx(loss, abs=0.011)
        assert row.unlimited_loss == math.isinf(evaluation.max_loss)
        assert row.unlimited_profit == math.isinf(evaluation.max_profit)
        assert (row.expected_profit is None) == row.unlimited_profit
        assert float(row.parameters.charges) == pytest.approx(evaluation.charges * lot, abs=0.006)
        assert float(row.exit_levels.stop_loss) == pytest.approx(each.exits.stop_loss * lot, abs=0.006)
        assert row.parameters.days_to_expiry == evaluation.days_to_expiry
        assert float(row.total_score) == pytest.approx(each.score.total, abs=1e-6)


def test_open_ranges_are_null_and_nothing_else_is(infy):
    generate(start_run(as_of=AS_OF))

    ranges = [pair for row in StrategyParameters.objects.all() for pair in row.profit_ranges]
    assert all(low is not None for low, _ in ranges)
    assert any(high is None for _, high in ranges)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM strategy_details d JOIN strategy_parameters p USING (strategy_id)"
            " WHERE 'NaN' IN (d.premium, d.delta, d.gamma, d.theta, d.vega, d.rho, p.expected_value, p.sharpe_ratio)"
        )
        assert cursor.fetchone() == (0,)


@pytest.mark.parametrize("part", ["expected_value", "net_delta", "sharpe"])
def test_nan_is_never_stored(infy, part):
    first, second = recommendations()[:2]
    broken = replace(second.evaluation)
    object.__setattr__(broken, part, float("nan"))

    with pytest.raises(InvalidInput) as refusal:
        store([first, replace(second, evaluation=broken)], GenerationRunFactory(as_of=AS_OF))

    assert refusal.value.reason.code == "NOT_FINITE"
    assert OptionStrategy.objects.count() == StrategyLeg.objects.count() == StrategyParameters.objects.count() == 0


def test_nan_is_never_stored_inside_json(infy):
    best = recommendations()[0]
    broken = replace(best.figures, theta_profile=((0, float("nan")),))

    with pytest.raises(InvalidInput) as refusal:
        store([replace(best, figures=broken)], GenerationRunFactory(as_of=AS_OF))

    assert refusal.value.reason.code == "NOT_FINITE"
    assert OptionStrategy.objects.count() == 0


def test_fm_D10_a_second_run_adds_nothing_and_returns_the_same_ids(infy):
    run = GenerationRunFactory(as_of=AS_OF)
    first = store(recommendations(), run)
    before = contents()

    again = store(recommendations(), GenerationRunFactory(as_of=AS_OF + timedelta(minutes=5)))
    generated = generate(start_run(as_of=AS_OF + timedelta(minutes=1)))

    assert again == first
    assert contents() == before
    assert generated.results.get().kept == len(first)
    assert not OptionStrategy.objects.filter(run=generated).exists()
    assert StrategyExitLevels.objects.count() == StrategyParameters.objects.count() == len(first)


def test_the_same_content_on_another_day_is_another_strategy(infy):
    found = recommendations()[:1]

    first = store(found, GenerationRunFactory(as_of=AS_OF))
    second = store(found, GenerationRunFactory(as_of=AS_OF + timedelta(days=3)))

    assert first != second
    assert OptionStrategy.objects.count() == 2


def test_the_same_content_twice_in_one_list_is_stored_once(infy):
    best = recommendations()[0]

    ids = store([best, best], GenerationRunFactory(as_of=AS_OF))

    row = OptionStrategy.objects.get()
    assert ids == [row.pk, row.pk]
    assert row.legs.count() == len(best.candidate.legs)


@pytest.mark.parametrize("part", ["score", "price", "figure", "exit", "moment", "risk"])
def test_a_row_stands_only_for_what_it_says(infy, part):
    best = recommendations()[0]
    legs = (replace(best.candidate.legs[0], price=best.candidate.legs[0].price + 0.05), *best.candidate.legs[1:])
    later = best.candidate.taken_at + timedelta(minutes=1)
    other = {
        "score": replace(best, score=replace(best.score, total=best.score.total / 2)),
        "price": replace(best, candidate=replace(best.candidate, legs=legs)),
        "figure": replace(best, figures=replace(best.figures, margin=best.figures.margin + 1)),
        "exit": replace(best, exits=replace(best.exits, stop_loss=best.exits.stop_loss + 1)),
        "moment": replace(best, candidate=replace(best.candidate, taken_at=later)),
    }.get(part, best)

    first = store([best], GenerationRunFactory(as_of=AS_OF))
    second = store([other], GenerationRunFactory(as_of=AS_OF, risk="aggressive" if part == "risk" else "moderate"))

    assert first != second
    assert OptionStrategy.objects.values("content_hash").distinct().count() == 2


def test_what_is_not_known_is_stored_with_its_reason(infy):
    best = recommendations()[0]
    names = ("probability_history", "probability_half", "forecast_volatility", "return_on_margin")
    silent = replace(best, figures=replace(best.figures, **dict.fromkeys(names)))

    store([silent], GenerationRunFactory(as_of=AS_OF))

    row = StrategyParameters.objects.get()
    assert [getattr(row, name) for name in names] == [None] * 4
    found = {flag["about"]: (flag["code"], flag["sentence"][-1]) for flag in row.flags if flag["about"] in names}
    codes = ("NO_PAST", "PROFIT_UNBOUNDED", "NO_PAST", "NO_MARGIN")
    assert found == {name: (code, ".") for name, code in zip(names, codes, strict=True)}
    assert stored_data().faults == {}


def test_no_recommendations_store_nothing():
    assert store_recommendations([], run=GenerationRunFactory(), around=None).ids == []


def test_a_loss_of_next_to_nothing_does_not_overflow_the_reward(infy):
    best = recommendations()[0]
    endless = replace(best, evaluation=replace(best.evaluation, risk_reward=1e15))

    store([endless], GenerationRunFactory(as_of=AS_OF))

    assert StrategyParameters.objects.get().risk_reward == Decimal(9_999_999)


def test_a_symbol_that_fails_is_reported_and_stops_no_other(infy):
    run = generate(start_run(as_of=AS_OF, symbols=["MISSING", "INFY", "INFY"]))

    results = dict(run.results.values_list("symbol", "reason_code"))
    assert results == {"MISSING": "NO_CHAIN", "INFY": ""}
    assert run.results.get(symbol="MISSING").status == "failed"
    assert "No chain of MISSING is stored" in run.results.get(symbol="MISSING").reason_text
    assert OptionStrategy.objects.exists()


def test_a_symbol_the_master_does_not_list_is_reported(infy, chains):
    store_chain(chains["TCS"])

    run = generate(start_run(as_of=AS_OF))

    assert dict(run.results.values_list("symbol", "reason_code")) == {"INFY": "", "TCS": "NOT_IN_MASTER"}


def test_a_structure_that_is_left_out_has_a_reason(infy):
    run = generate(start_run(as_of=AS_OF))

    result = run.results.get()
    assert len(result.refusals) + result.kept == len(CATALOGUE)
    assert all(code.isupper() for code in result.refusals.values())


def test_a_symbol_without_any_recommendation_ends_with_the_most_frequent_reason():
    assert most_frequent({"a": "NO_BID", "b": "STALE_LEG", "c": "NO_BID"}) == "NO_BID"
    assert most_frequent({}) == "NO_STRUCTURES"


@pytest.mark.parametrize(
    "planted",
    [
        "ALTER TABLE strategy_exit_levels ADD CONSTRAINT planted CHECK (time_exit_dte < 0)",  # breaks storing
        "ALTER TABLE option_chain_data RENAME COLUMN ltp TO planted",  # breaks reading
    ],
)
def test_an_unexpected_error_leaves_the_order_failed_although_a_statement_broke(infy, planted):
    with connection.cursor() as cursor:
        cursor.execute(planted)
    run = start_run(as_of=AS_OF)

    generate(run)

    result = run.results.get()
    assert (result.status, result.reason_code) == ("failed", "INTERNAL_ERROR")
    assert result.kept == 0
    assert OptionStrategy.objects.count() == 0
    assert run.finished_at is not None


def test_a_listed_symbol_without_a_chain_of_the_day_is_refused_at_the_start(infy):
    UnderlyingFactory(symbol="ABSENT", fno_stock="yes")
    UnderlyingFactory(symbol="CASHONLY", fno_stock="no")

    run = start_run(as_of=AS_OF)

    absent = run.results.get(symbol="ABSENT")
    assert (absent.status, absent.reason_code) == ("failed", "NO_CHAIN")
    assert absent.reason_text == "No chain of ABSENT of 2026-01-30 is stored. Import or capture one."
    assert dict(run.results.values_list("symbol", "status")) == {"ABSENT": "failed", "INFY": "pending"}
    assert generate(run).finished_at is not None
    assert run.results.get(symbol="INFY").status == "done"


def test_absent_symbols_cost_no_query_each(infy, django_assert_num_queries):
    with CaptureQueriesContext(connection) as alone:
        start_run(as_of=AS_OF)
    for number in range(20):
        UnderlyingFactory(symbol=f"ABSENT{number}", fno_stock="yes")

    with django_assert_num_queries(len(alone)):
        run = start_run(as_of=AS_OF)

    assert run.results.filter(reason_code="NO_CHAIN").count() == 20


def test_the_command_counts_listed_symbols_without_a_chain(infy):
    UnderlyingFactory(symbol="ABSENT", fno_stock="yes")

    code, output = run_command("--as-of", "2026-01-30T12:00", "--json")

    assert code == 0
    assert json.loads(output)["symbols"] == 2
    assert json.loads(output)["refused"] == {"ABSENT": "NO_CHAIN"}


def test_without_a_master_nothing_is_started(chains):
    store_chain(chains["INFY"])

    with pytest.raises(BadMaster) as refusal:
        start_run(as_of=AS_OF)

    assert refusal.value.reason.code == "NO_MASTER"
    assert not GenerationRun.objects.exists()


def test_on_a_master_whose_successor_was_refused_nothing_is_started(infy):
    FileImportFactory(status=FileImport.Status.REFUSED, reason_code="HTML")

    with pytest.raises(BadMaster) as refusal:
        start_run(as_of=AS_OF)

    assert refusal.value.reason.code == "MASTER_STALE"
    assert not GenerationRun.objects.exists()


@pytest.mark.parametrize("as_of", [SUNDAY, AS_OF - timedelta(hours=1), AS_OF + timedelta(days=1)])
def test_a_moment_without_a_chain_of_its_day_is_refused(infy, as_of):
    with pytest.raises(MarketError) as refusal:
        start_run(as_of=as_of)

    assert refusal.value.reason.code == "NO_CHAINS"
    assert f"{as_of:%Y-%m-%d}" in refusal.value.reason.sentence
    assert not GenerationRun.objects.exists()


def test_an_empty_list_of_symbols_is_not_all_symbols(infy):
    with pytest.raises(MarketError) as refusal:
        start_run(as_of=AS_OF, symbols=[])

    assert refusal.value.reason.code == "NO_CHAINS"


@pytest.mark.parametrize("symbol", ["", "X" * 41, "[/red]", "A B", "A\x00"])
def test_what_cannot_be_a_symbol_is_refused(infy, symbol):
    with pytest.raises(UnknownInstrument) as refusal:
        start_run(as_of=AS_OF, symbols=[symbol])

    assert refusal.value.reason.code == "BAD_SYMBOL"
    assert not GenerationRun.objects.exists()


def test_yesterdays_chain_is_stale_on_a_closed_day(infy):
    run = generate(start_run(as_of=AS_OF + timedelta(days=2), symbols=["INFY"]))

    assert run.results.get().reason_code == "STALE_CHAIN"
    assert not OptionStrategy.objects.exists()


def test_a_later_quote_is_never_used(infy, chains):
    later = chains["INFY"].taken_at + timedelta(minutes=10)
    store_chain(replace(chains["INFY"], taken_at=later, spot=2 * chains["INFY"].spot))

    generate(start_run(as_of=AS_OF))

    assert set(OptionStrategy.objects.values_list("spot_price", flat=True)) == {Decimal(str(chains["INFY"].spot))}


def test_two_chains_of_one_moment_give_the_one_stored_last(infy, chains):
    store_chain(replace(chains["INFY"], source="other", spot=chains["INFY"].spot + 1))

    assert load_chain("INFY", as_of=AS_OF).source == "other"


def test_fm_C7_a_claimed_order_is_not_done_again(infy):
    run = start_run(as_of=AS_OF)
    result = run.results.get()
    generate_result(result.pk)
    before = SymbolResult.objects.values().get()

    generate_result(result.pk)

    assert SymbolResult.objects.values().get() == before


def test_a_run_is_finished_only_when_no_order_is_open(infy):
    run = start_run(as_of=AS_OF, symbols=["INFY", "MISSING"])

    generate_result(run.results.get(symbol="MISSING").pk)
    assert finish_run(run).finished_at is None
    generate_result(run.results.get(symbol="INFY").pk)
    ended = finish_run(run).finished_at

    assert ended is not None
    assert finish_run(GenerationRun.objects.get()).finished_at == ended


@pytest.fixture
def eager():
    from optionsv4.celery import app

    app.conf.task_always_eager = True
    yield
    app.conf.task_always_eager = False


def test_the_workers_do_the_same_work(infy, eager):
    run = start_run(as_of=AS_OF, symbols=["INFY", "MISSING"])

    ring(run)
    generate_symbol(run.results.get(symbol="INFY").pk)

    run.refresh_from_db()
    assert run.finished_at is not None
    assert sorted(run.results.values_list("status", flat=True)) == ["done", "failed"]
    assert OptionStrategy.objects.filter(run=run).count() == run.results.get(symbol="INFY").kept


def test_one_symbol_costs_the_same_queries_whatever_its_chain_and_catalogue_hold(
    infy, chains, django_assert_max_num_queries
):
    run = start_run(as_of=AS_OF)

    with django_assert_max_num_queries(30):
        generate_result(run.results.get().pk)

    assert OptionStrategy.objects.count() > 5
    assert OptionQuote.objects.count() > 100


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_two_runs_of_one_symbol_at_once_store_it_once(chains):
    list_chain(chains["INFY"], lot_size=400)
    store_chain(chains["INFY"])
    record_past("INFY", until=AS_OF.date() - timedelta(days=1), volatility=CALM)
    runs = [start_run(as_of=AS_OF), start_run(as_of=AS_OF)]
    together = threading.Barrier(2, timeout=20)

    def work(run):
        try:
            together.wait()
            generate(run)
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=(run,)) for run in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)

    kept = set(SymbolResult.objects.values_list("status", "kept"))
    assert kept == {("done", OptionStrategy.objects.count())}
    assert OptionStrategy.objects.values("content_hash").distinct().count() == OptionStrategy.objects.count()


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_fm_C8_an_order_whose_worker_died_is_pending_again(chains):
    list_chain(chains["INFY"], lot_size=400)
    store_chain(chains["INFY"])
    record_past("INFY", until=AS_OF.date() - timedelta(days=1), volatility=CALM)
    run = start_run(as_of=AS_OF)
    with connection.cursor() as cursor:
        cursor.execute("CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
                       " PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NEW; END $$")  # fmt: skip
        cursor.execute("CREATE TRIGGER die BEFORE INSERT ON strategies FOR EACH ROW EXECUTE FUNCTION die()")

    with pytest.raises(Exception, match="terminat|closed"):
        generate(run)
    connection.close()
    with connection.cursor() as cursor:
        cursor.execute("DROP TRIGGER die ON strategies; DROP FUNCTION die()")

    assert run.results.get().status == "pending"
    generate(run)
    assert run.results.get().status == "done"


# --- which generation people review -------------------------------------------------------------------------------


def test_the_newest_generation_is_the_day_the_generator_last_worked_for(infy):
    generate(start_run(as_of=AS_OF))
    OptionStrategyFactory(stock_name="LATER", generated_on=AS_OF + timedelta(days=3))

    assert set(reviewable().values_list("stock_name", flat=True)) == {"INFY"}
    assert "LATER" in set(reviewable(every_day=True).values_list("stock_name", flat=True))


def test_a_run_that_found_everything_known_already_is_still_the_newest(infy):
    generate(start_run(as_of=AS_OF))
    days = {"as_of": AS_OF + timedelta(days=3)}
    other = GenerationRunFactory(**days)
    other.results.create(symbol="LATER", status="done", kept=1)
    OptionStrategyFactory(stock_name="LATER", generated_on=days["as_of"], run=other)

    generate(start_run(as_of=AS_OF))

    assert set(reviewable().values_list("stock_name", flat=True)) == {"INFY"}


def test_a_run_that_kept_nothing_does_not_hide_the_day_before(infy):
    generate(start_run(as_of=AS_OF))
    generate(start_run(as_of=AS_OF + timedelta(days=3), symbols=["INFY"]))

    assert set(reviewable().values_list("stock_name", flat=True)) == {"INFY"}


def test_without_a_run_the_row_written_last_names_the_day():
    OptionStrategyFactory(stock_name="OLD", generated_on=AS_OF - timedelta(days=1))
    OptionStrategyFactory(stock_name="NEW", generated_on=AS_OF)

    assert list(reviewable().values_list("stock_name", flat=True)) == ["NEW"]


# --- the pages ----------------------------------------------------------------------------------------------------


def test_the_page_of_a_run_says_why_each_structure_was_left_out(infy, admin_client):
    run = start_run(as_of=AS_OF)
    run.results.update(refusals={"a": "NO_BID", "b": "NO_BID", "c": "EXPECTED_VALUE_NEGATIVE"})

    shown = admin_client.get(f"/admin/strategies/generationrun/{run.pk}/change/").content.decode()

    assert "NO_BID × 2: Nobody bids for what a leg would sell. Wait for a two-sided market.<br>" in shown
    assert "EXPECTED_VALUE_NEGATIVE × 1: A loss is expected after costs" in shown


def test_the_page_of_a_strategy_says_why_a_figure_is_not_known(admin_client):
    row = OptionStrategyFactory()
    flag = {"about": "probability_half", "code": "PROFIT_UNBOUNDED", "sentence": "The profit has no bound."}
    StrategyParameters.objects.update(probability_half=None, flags=[flag])

    shown = admin_client.get(f"/admin/strategies/optionstrategy/{row.pk}/change/").content.decode()

    assert "PROFIT_UNBOUNDED: The profit has no bound." in shown


def test_a_symbol_that_ends_without_says_what_most_structures_lack(chains):
    list_chain(chains["INFY"], lot_size=400)
    store_chain(chains["INFY"])  # without a past nothing is expected to earn more than it costs

    result = generate(start_run(as_of=AS_OF)).results.get()

    assert (result.status, result.reason_code, result.kept) == ("failed", "EXPECTED_VALUE_NEGATIVE", 0)
    why = why_left_out(result.reason_code)
    assert result.reason_text == f"No structure on INFY may be recommended; most often: {why.sentence} {why.remedy}"


# --- the command --------------------------------------------------------------------------------------------------


def run_command(*arguments):
    out, code = io.StringIO(), 0
    try:
        call_command("generate_strategies", *arguments, stdout=out)
    except SystemExit as stop:
        code = stop.code
    return code, out.getvalue()


def test_the_command_reports_and_adds_nothing_the_second_time(infy):
    code, first = run_command("--as-of", "2026-01-30T12:00", "--json")
    again_code, again = run_command("--as-of", "2026-01-30T12:00", "--json")

    first, again = json.loads(first), json.loads(again)
    assert (code, again_code) == (0, 0)
    assert (first["symbols"], first["succeeded"], first["refused"]) == (1, 1, {})
    assert first["new"] == first["kept"] == OptionStrategy.objects.count()
    assert (again["kept"], again["new"]) == (first["kept"], 0)


def test_the_command_shows_why_a_symbol_has_none(infy):
    code, output = run_command("--as-of", "2026-01-30T12:00", "--symbol", "INFY", "--symbol", "GONE")

    assert code == 0
    assert "Symbols without a strategy" in output
    assert "NO_CHAIN" in output
    assert "Iron Condor" in output


def test_the_command_fails_when_no_symbol_succeeds(infy):
    code, output = run_command("--as-of", "2026-01-30T12:00", "--symbol", "GONE", "--json")

    assert code == 1
    assert json.loads(output)["refused"] == {"GONE": "NO_CHAIN"}


def test_the_command_does_the_work_itself_where_no_worker_answers(infy):
    code, output = run_command("--as-of", "2026-01-30T12:00", "--celery", "--patience", "0.3", "--json")

    assert code == 0
    assert json.loads(output)["succeeded"] == 1


@pytest.mark.parametrize("risk", ["conservative", "moderate", "aggressive"])
def test_every_profile_is_stored_under_its_name(infy, risk):
    code, _ = run_command("--as-of", "2026-01-30T12:00", "--risk", risk, "--json")

    assert code == 0
    assert set(OptionStrategy.objects.values_list("risk_profile", flat=True)) == {risk}
    assert ChainSnapshot.objects.count() == 1
