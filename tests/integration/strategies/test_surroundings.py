"""What a run stores around each strategy: typed exits, recalibration, liquidity, volatility, view, lean and hash."""

import io
import json
from collections import Counter
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import ProgrammingError, connection, transaction

from market.calendar import IST
from market.errors import Reason
from market.models import DailyBar, IvSummary, MarketView
from market.services.chains import store_chain
from market.services.volatility import atm_volatility
from market.sources import build_source
from strategies.calibration import MonotoneMap, recalibrated
from strategies.calibration_report import STRUCTURE
from strategies.catalog import BY_SLUG, CATALOGUE
from strategies.exits import ExitKind, exit_rows
from strategies.models import (
    CalibrationRun,
    CalibrationScore,
    OptionStrategy,
    RecalibrationMap,
    StrategyExitRow,
    StrategyLeg,
    StrategyParameters,
)
from strategies.services import generation
from strategies.services.generation import finish_run, generate, generate_result, start_run
from strategies.services.known import known_of
from strategies.services.lean import kept_by
from strategies.services.surroundings import surroundings_of
from strategies.services.views import store_view
from strategies.view import Measured, Weather, outlook, view
from tests.candles import walk
from tests.factories import GenerationRunFactory, OptionStrategyFactory, list_chain, record_past
from tests.stored import load_chain

pytestmark = pytest.mark.django_db

AS_OF = datetime(2026, 1, 30, 12, 0, tzinfo=IST)
DAY = AS_OF.date()
MAP = ((0.0, 0.5, 1.0), (0.1, 0.4, 0.8))
NO_VIEW = Reason("NO_CANDLES", "No closed candle is stored.")
IV_WEIGHT = 0.06 / 0.90  # of the moderate and the aggressive taste, while no direction is tested


@pytest.fixture(scope="session")
def chains():
    """One minute of the simulated market, computed once."""
    market = build_source("simulated")
    return {symbol: market.chain(symbol, as_of=AS_OF) for symbol in ("INFY", "TCS")}


def put(captured, *, sessions=60):
    list_chain(captured, lot_size=400)
    store_chain(captured)
    if sessions:
        record_past(captured.underlying, until=DAY - timedelta(days=1), volatility=0.12, sessions=sessions)


@pytest.fixture
def infy(chains):
    put(chains["INFY"])
    return "INFY"


def generated(**options):
    return generate(start_run(as_of=AS_OF, **options))


def recommended(symbol="INFY", risk="moderate", **known):
    found = known_of([symbol], as_of=AS_OF)[symbol]
    around = surroundings_of(symbol, found, run=GenerationRunFactory(as_of=AS_OF))
    return generation.recommended(found.chain, replace(around, **known), risk=risk).recommendations


def by_slug(found):
    return {each.candidate.structure.slug: each.score for each in found}


def calibrated(*, until=date(2026, 1, 1), helps=True):
    run = CalibrationRun.objects.create(
        archives="test", first_day=date(2025, 9, 1), last_day=until, symbols=1, chains=9, trials=90, clusters=9,
        expiry_dates=3, per_structure=8, picture="<svg/>", seconds=1, finished_at=AS_OF,
        whole=True,
    )  # fmt: skip
    gain = {name: Decimal("-0.01") for name in ("change", "change_low", "change_high", "dates_low", "dates_high")}
    RecalibrationMap.objects.create(
        run=run, method="isotonic", breakpoints=list(zip(*MAP, strict=True)), trained_from=date(2025, 9, 1),
        trained_until=until, tested=90, tested_clusters=9, tested_dates=3, helps=helps,
        reason_code="" if helps else "NO_GAIN_OUT_OF_SAMPLE", **gain,
    )  # fmt: skip
    return run


# --- exits -----------------------------------------------------------------------------------------------------------


def test_every_exit_is_a_typed_row_that_says_what_the_documents_columns_say(infy):
    generated()

    stored = {row.structure: row for row in OptionStrategy.objects.prefetch_related("exit_rows", "exit_levels")}
    assert len(stored) >= 5
    for each in recommended():
        row, candidate = stored[each.candidate.structure.slug], each.candidate
        levels = exit_rows(candidate.structure, each.evaluation, candidate)
        found = {(one.kind, one.level): one for one in row.exit_rows.all()}
        assert set(found) == {(level.kind.value, level.level) for level in levels}
        assert {kind for kind, _ in found} == {kind.value for kind in ExitKind}
        for level in levels:
            value = found[level.kind.value, level.level].value
            scale = 400 if level.kind is ExitKind.MONEY else 1
            assert (
                value is None if level.value is None else float(value) == pytest.approx(level.value * scale, abs=0.01)
            )
        assert found["money", "stop_loss"].value == row.exit_levels.stop_loss
        assert found["money", "stop_loss"].unit == "rupees per set"
        assert found["days_to_expiry", "time_exit"].value == row.exit_levels.time_exit_dte


# --- figures and legs ------------------------------------------------------------------------------------------------


def test_time_scenarios_and_regions_are_stored_in_rupees_per_set(infy):
    generated()

    stored = {row.strategy.structure: row for row in StrategyParameters.objects.select_related("strategy")}
    assert len(stored) >= 5
    for each in recommended():
        row, shown = stored[each.candidate.structure.slug], each.figures
        half = row.probability_half
        assert (
            half is None
            if shown.probability_half is None
            else float(half) == pytest.approx(shown.probability_half, abs=1e-6)
        )
        assert row.theta_profile == [
            [days, pytest.approx(400 * theta, abs=0.006)] for days, theta in shown.theta_profile
        ]
        assert len(row.theta_profile) > 1
        assert row.scenarios == [
            [
                pytest.approx(one.spot_shift, abs=1e-6),
                one.volatility_shift,
                one.days,
                pytest.approx(400 * one.profit, abs=0.006),
            ]
            for one in shown.scenarios
        ]
        assert {name: pair[0] for name, pair in row.regions.items()} == {
            one.name: pytest.approx(one.probability, abs=1e-6) for one in shown.regions
        }
        for one in shown.regions:
            assert row.regions[one.name][1] == pytest.approx(400 * one.expected_value, abs=0.016)


def test_a_row_has_one_expected_value(infy):
    generated(risk="aggressive")

    rows = list(StrategyParameters.objects.all())
    assert len(rows) >= 5
    assert any(row.expected_value_implied < 0 < row.expected_value for row in rows)
    for row in rows:
        parts = sum(Decimal(str(value)) for _, value in row.regions.values())
        assert parts == row.expected_value
        assert row.sharpe_ratio * row.expected_value >= 0
        if row.standard_deviation > 1:
            ratio = row.expected_value / row.standard_deviation
            assert float(row.sharpe_ratio) == pytest.approx(float(ratio), abs=1e-4, rel=1e-3)


def test_every_leg_says_how_far_its_strike_lies_from_what_the_rule_aimed_at(infy):
    generated()

    stored = {row.structure: row for row in OptionStrategy.objects.prefetch_related("legs")}
    distances = []
    for each in recommended():
        legs = zip(stored[each.candidate.structure.slug].legs.all(), each.candidate.legs, strict=True)
        for row, leg in legs:
            assert (
                row.off_target is None
                if leg.off_target is None
                else float(row.off_target) == pytest.approx(leg.off_target, abs=1e-4)
            )
            distances.append(leg.off_target or 0.0)
    assert max(map(abs, distances)) > 0.01


# --- calibration -----------------------------------------------------------------------------------------------------


def test_the_recalibrated_probability_stands_beside_the_raw_one(infy):
    calibrated()

    generated()

    chosen = MonotoneMap(*MAP)
    rows = StrategyParameters.objects.select_related("strategy")
    assert len(rows) >= 5
    for row in rows:
        raw = float(row.strategy.probability_of_profit)
        assert float(row.probability_recalibrated) == pytest.approx(recalibrated(raw, chosen), abs=2e-6)
        assert row.recalibration_reason == ""


@pytest.mark.parametrize(
    ("prepare", "code"),
    [
        (lambda: None, "NOT_CALIBRATED"),
        (lambda: calibrated(helps=False), "NO_GAIN_OUT_OF_SAMPLE"),
        (lambda: calibrated(until=DAY), "MAP_KNOWS_LATER"),
    ],
)
def test_without_a_map_that_helps_the_reason_stands_there(infy, prepare, code):
    prepare()

    generated()

    found = set(StrategyParameters.objects.values_list("probability_recalibrated", "recalibration_reason"))
    assert found == {(None, code)}
    flags = [flag for row in StrategyParameters.objects.all() for flag in row.flags]
    assert {flag["code"] for flag in flags if flag["about"] == "probability_recalibrated"} == {code}


# --- liquidity and the chain's quality -------------------------------------------------------------------------------


def test_where_the_source_reports_no_open_interest_each_leg_and_strategy_says_so(chains):
    captured = chains["INFY"]
    put(replace(captured, quotes=tuple(replace(quote, open_interest=None) for quote in captured.quotes)))

    generated()

    assert set(StrategyLeg.objects.filter(option_type__isnull=False).values_list("interest_known", flat=True)) == {
        False
    }
    for row in StrategyParameters.objects.all():
        assert "OPEN_INTEREST_UNKNOWN" in {flag["code"] for flag in row.flags}


def test_what_the_chain_is_doubted_for_stands_on_every_strategy_of_those_expiries(chains):
    captured = chains["INFY"]
    put(replace(captured, quotes=tuple(replace(quote, bid=None, ask=None) for quote in captured.quotes)))

    run = generated()

    chain = load_chain("INFY", as_of=AS_OF)
    assert run.results.get().kept == StrategyParameters.objects.count() > 0
    for row in StrategyParameters.objects.select_related("strategy"):
        codes = {flag["code"] for flag in row.flags}
        front = next(expiry for expiry in chain.expiries if expiry.expiry == row.strategy.expiry)
        assert {reason.code for reason in (*chain.flags, *front.flags)} <= codes
        assert "TOUCH_MODELLED" in codes


# --- volatility ------------------------------------------------------------------------------------------------------


def remember(volatilities, *, last=DAY - timedelta(days=1), days=30.0):
    IvSummary.objects.bulk_create(
        IvSummary(
            symbol="INFY", date=last - timedelta(days=place), atm_iv=volatility, iv_skew=0.0, data_points=9,
            days_to_expiry=days, interpolated=True, fit_error=0.0, source="test", taken_at=AS_OF,
        )
        for place, volatility in enumerate(volatilities)
    )  # fmt: skip


def test_the_percentile_is_that_of_the_chain_itself_in_its_history(infy):
    now = atm_volatility(load_chain("INFY", as_of=AS_OF)).volatility
    remember([now - 0.01] * 45 + [now + 0.01] * 15)
    remember([0.001], last=DAY)  # what a later snapshot of the day knows

    generated()

    rows = StrategyParameters.objects.select_related("strategy")
    assert {(row.iv_percentile, row.iv_percentile_reason, row.iv_regime) for row in rows} == {
        (Decimal("0.750000"), "", "high")
    }
    assert len(rows) >= 5
    assert all(row.iv_fits == ("high" in BY_SLUG[row.strategy.structure].iv_regimes) for row in rows)


def test_a_history_of_other_maturities_is_flagged_beside_the_percentile(infy):
    remember([0.2] * 60)
    remember([0.3] * 5, last=DAY - timedelta(days=61), days=4.0)

    generated()

    row = StrategyParameters.objects.first()
    flag = next(flag for flag in row.flags if flag["about"] == "iv_percentile")
    assert row.iv_percentile is not None
    assert flag["code"] == "MIXED_MATURITIES"
    assert "5 of 66 sessions" in flag["sentence"]


def test_a_history_of_other_maturities_does_not_tell_the_regime(infy):
    remember([0.9] * 60)
    remember([0.9] * 5, last=DAY - timedelta(days=61), days=4.0)

    generated()

    row = StrategyParameters.objects.first()
    assert row.iv_percentile == 0
    assert row.iv_regime == "high"  # implied over a realised volatility of 12 %


def test_a_history_of_one_maturity_is_not_flagged_and_tells_the_regime(infy):
    remember([0.9] * 65)

    generated()

    row = StrategyParameters.objects.first()
    assert "iv_percentile" not in {flag["about"] for flag in row.flags}
    assert row.iv_regime == "low"


def test_a_short_history_is_a_reason_and_the_past_of_prices_tells_the_regime(infy):
    remember([0.2] * 58)

    generated()

    row = StrategyParameters.objects.first()
    assert (row.iv_percentile, row.iv_percentile_reason) == (None, "INSUFFICIENT_HISTORY")
    assert row.iv_regime == "high"  # implied over a realised volatility of 12 %
    assert {flag["code"] for flag in row.flags if flag["about"] == "iv_percentile"} == {"INSUFFICIENT_HISTORY"}


# --- checks of the quotes -------------------------------------------------------------------------------------------


def flagged():
    rows = StrategyParameters.objects.select_related("strategy")
    return {row.strategy.pk: [flag for flag in row.flags if flag["code"].endswith("_OFF")] for row in rows}


def test_a_conversion_that_earns_for_sure_is_a_flag_of_every_strategy_on_that_chain(chains):
    put(replace(chains["INFY"], spot=0.985 * chains["INFY"].spot))

    generated(risk="aggressive")

    found = flagged()
    assert found
    for pk, flags in found.items():
        expiries = {f"{leg.expiry}" for leg in StrategyLeg.objects.filter(strategy=pk) if leg.expiry}
        assert {flag["about"] for flag in flags} == expiries
        assert all(flag["code"] == "CONVERSION_OFF" and "₹" in flag["sentence"] for flag in flags)


def test_quotes_of_one_moment_are_not_flagged(infy):
    generated(risk="aggressive")

    found = flagged()
    assert found
    assert set(map(len, found.values())) == {0}


# --- market view and lean --------------------------------------------------------------------------------------------


def trend(symbol, daily, sessions=300):
    DailyBar.objects.filter(symbol=symbol).delete()
    days = [day for ago in range(1, 2 * sessions) if (day := DAY - timedelta(days=ago)).weekday() < 5][:sessions]
    rows, level = [], 1_500.0
    for day in days:  # backwards
        before = level / (1.0 + daily)
        high, low = 1.002 * max(level, before), 0.998 * min(level, before)
        prices = {"open": before, "high": high, "low": low, "close": level}
        exact = {name: Decimal(f"{value:.4f}") for name, value in prices.items()}
        rows.append(DailyBar(symbol=symbol, series="EQ", day=day, volume=1_000, **exact))
        level = before
    DailyBar.objects.bulk_create(rows)


def test_the_market_view_of_the_run_is_kept_and_held_against_each_structure(infy):
    trend("INFY", 0.004)

    run = generated(risk="aggressive")

    view = MarketView.objects.get(symbol="INFY", as_of=AS_OF)
    assert outlook(view.direction) == "Bullish"
    sides = {"Bullish": "agrees", "Neutral": "neutral", "Bearish": "contradicts"}
    rows = StrategyParameters.objects.select_related("strategy", "market_view")
    assert run.results.get().kept == len(rows) > 0
    assert all(row.market_view == view for row in rows)
    assert all(row.view_agreement == sides[row.strategy.market_outlook] for row in rows)


def test_a_view_moves_no_score(infy):
    trend("INFY", 0.004)
    without = recommended(risk="aggressive", view=NO_VIEW)

    generated(risk="aggressive")

    assert {row.view_agreement for row in StrategyParameters.objects.all()} >= {"agrees", "contradicts"}
    scores = {each.candidate.structure.slug: each.score for each in without}
    stored = dict(OptionStrategy.objects.values_list("structure", "total_score"))
    assert stored == {
        slug: pytest.approx(Decimal(str(score.total)), abs=Decimal("1e-6")) for slug, score in scores.items()
    }
    for slug, parts in OptionStrategy.objects.values_list("structure", "component_scores"):
        assert parts == pytest.approx(scores[slug].contributions, abs=1e-6)


def test_the_stored_parts_of_a_score_add_up_to_it_exactly(infy):
    trend("INFY", 0.004)

    generated(risk="aggressive")

    rows = OptionStrategy.objects.values_list("total_score", "component_scores")
    sums = [(total, sum(Decimal(str(part)) for part in parts.values())) for total, parts in rows]
    assert len(sums) > 10
    assert all(total == whole for total, whole in sums)


def test_a_tested_view_moves_the_score_of_each_side_and_an_untested_one_nothing(infy):
    trend("INFY", 0.004)
    moved = {}
    for tested in (None, 0.0, 0.8, -0.8):
        view = MarketView(symbol="INFY", tested_direction=tested)
        moved[tested] = by_slug(recommended(risk="aggressive", view=view))

    assert moved[None] == by_slug(recommended(risk="aggressive", view=NO_VIEW))
    assert {score.contributions["direction"] for score in moved[None].values()} == {0.0}
    for slug, score in moved[0.8].items():
        side = {"Bullish": 1, "Bearish": -1, "Neutral": 0}[BY_SLUG[slug].outlook]
        assert score.contributions["direction"] == pytest.approx(0.10 * (0.5 + 0.4 * side))
        assert score.total - moved[0.0][slug].total == pytest.approx(0.04 * side)
        assert moved[-0.8][slug].total - moved[0.0][slug].total == pytest.approx(-0.04 * side)


def test_a_component_that_passed_its_test_is_kept_with_the_view_and_moves_the_score(infy):
    proven = {"rsi": Measured(0.04, 4.0, 3.5, 2.0, 0.53, 1_200, date(2021, 1, 1), date(2026, 1, 8))}
    unknown = Weather(NO_VIEW, NO_VIEW, NO_VIEW)
    found = view("INFY", walk(3, 300, drift=0.004), interest=NO_VIEW, weather=unknown, measured=proven)

    kept = MarketView.objects.get(pk=store_view(found, as_of=AS_OF).pk)

    assert found.tested.total > 0.1
    assert kept.tested_direction == pytest.approx(found.tested.total)
    for slug, score in by_slug(recommended(risk="aggressive", view=kept)).items():
        side = {"Bullish": 1, "Bearish": -1, "Neutral": 0}[BY_SLUG[slug].outlook]
        assert score.contributions["direction"] == pytest.approx(0.10 * (0.5 + 0.5 * side * found.tested.total))


def test_the_regime_of_volatility_moves_the_score_and_an_unknown_one_neither_way(infy):
    low, high = (by_slug(recommended(risk="aggressive", regime=regime)) for regime in ("low", "high"))
    unknown = by_slug(recommended(risk="aggressive", regime=Reason("NO_IV_REGIME", "Nothing to compare with.")))

    assert len({BY_SLUG[slug].iv_regimes for slug in unknown}) >= 3
    for slug, score in unknown.items():
        regimes = BY_SLUG[slug].iv_regimes
        assert score.contributions["iv_fit"] == pytest.approx(0.5 * IV_WEIGHT)
        for known, regime in ((low, "low"), (high, "high")):
            gain = IV_WEIGHT * ((regime in regimes) - 0.5) if len(regimes) < 3 else 0.0
            assert known[slug].total - score.total == pytest.approx(gain)


def test_what_is_stored_is_scored_by_the_regime_of_the_run(infy):
    remember([0.001] * 60)

    generated(risk="aggressive")

    fits = {False: set(), True: set()}
    for row in OptionStrategy.objects.select_related("parameters"):
        assert row.parameters.iv_regime == "high"
        if len(BY_SLUG[row.structure].iv_regimes) < 3:
            fits[row.parameters.iv_fits].add(row.component_scores["iv_fit"])
    assert fits[False] == {0.0}
    assert fits[True] and max(abs(part - IV_WEIGHT) for part in fits[True]) < 1e-6  # rounding is shared out


def test_without_recent_candles_the_view_is_unknown_and_says_why(chains):
    put(chains["INFY"], sessions=0)
    record_past("INFY", until=DAY - timedelta(days=20), volatility=0.12)

    generated(risk="aggressive")

    assert not MarketView.objects.exists()
    rows = StrategyParameters.objects.all()
    assert {(row.market_view_id, row.view_agreement) for row in rows} == {(None, "unknown")}
    for row in rows:
        assert {flag["code"] for flag in row.flags if flag["about"] == "market_view"} == {"STALE_CANDLES"}


def test_a_symbol_without_a_chain_keeps_its_view(infy):
    trend("TCS", -0.004)

    run = generated(symbols=["TCS"])

    assert run.results.get().reason_code == "NO_CHAIN"
    assert MarketView.objects.get(symbol="TCS", as_of=AS_OF).direction < 0


def test_the_run_knows_how_its_strategies_lean_beside_the_market(infy):
    trend("INFY", 0.004)

    run = generated(risk="aggressive")

    kept, market = run.bias["strategies"], run.bias["market"]
    counts = Counter(OptionStrategy.objects.values_list("market_outlook", flat=True))
    assert (kept["bullish"], kept["bearish"], kept["neutral"]) == tuple(
        counts[side] for side in ("Bullish", "Bearish", "Neutral")
    )
    assert (market["bullish"], market["bearish"], market["neutral"]) == (1, 0, 0)
    assert "more bearish than the market" in run.bias["sentence"]


# --- the universe and the hash ---------------------------------------------------------------------------------------


def test_one_ranking_over_all_symbols(infy, chains):
    put(chains["TCS"])

    run = generated()

    ranked = list(kept_by(run).values_list("stock_name", "total_score"))
    assert {symbol for symbol, _ in ranked} == {"INFY", "TCS"}
    assert [score for _, score in ranked] == sorted((score for _, score in ranked), reverse=True)
    universe = OptionStrategy.objects.all().universe(DAY)
    assert [universe.ahead_of(row).count() for row in universe] == list(range(len(ranked)))


def test_a_second_run_ranks_what_the_first_had_stored(infy):
    first, second = generated(), generated()

    assert list(kept_by(first)) == list(kept_by(second)) != []


def test_the_same_snapshot_and_rules_give_the_same_hash_and_anything_else_another(infy, chains):
    first = generated()
    again = generated()
    OptionStrategy.objects.all().delete()
    MarketView.objects.all().delete()
    anew = generated()
    braver = generated(risk="aggressive")
    store_chain(replace(chains["INFY"], spot=chains["INFY"].spot + 0.05), replace=True)
    moved = generated()

    assert len(first.content_hash) == 64
    assert first.content_hash == again.content_hash == anew.content_hash
    assert len({first.content_hash, braver.content_hash, moved.content_hash}) == 3


def test_the_hash_says_what_became_of_every_symbol(infy):
    alone = generated(symbols=["INFY"])
    with_another = generated(symbols=["INFY", "GONE"])

    assert alone.content_hash != with_another.content_hash
    assert alone.results.get().content_hash == with_another.results.get(symbol="INFY").content_hash


def test_a_run_has_no_hash_before_it_is_over(infy):
    run = start_run(as_of=AS_OF, symbols=["INFY", "GONE"])

    generate_result(run.results.get(symbol="GONE").pk)
    finish_run(run)

    run.refresh_from_db()
    assert (run.content_hash, run.bias, run.finished_at) == ("", {}, None)


# --- what people see -------------------------------------------------------------------------------------------------


def command(*arguments):
    out = io.StringIO()
    call_command("generate_strategies", "--as-of", "2026-01-30T12:00", *arguments, stdout=out)
    return out.getvalue()


def test_the_closing_table_ranks_the_universe_and_says_how_it_leans(infy, chains):
    put(chains["TCS"])

    shown, data = command("--top", "3"), json.loads(command("--top", "3", "--json"))

    best = list(OptionStrategy.objects.order_by("-total_score", "id")[:3])
    assert [(row["rank"], row["id"]) for row in data["best"]] == [(1, best[0].pk), (2, best[1].pk), (3, best[2].pk)]
    assert data["content_hash"] in shown
    assert data["bias"]["sentence"] in " ".join(shown.split())
    assert sum(data["left_out"].values()) == sum(
        len(CATALOGUE) - OptionStrategy.objects.filter(stock_name=symbol).count() for symbol in ("INFY", "TCS")
    )
    assert [row["symbol"] for row in data["by_symbol"]] == ["INFY", "TCS"]
    assert sum(row["kept"] for row in data["by_symbol"]) == data["kept"]
    assert "A loss is expected after costs" in " ".join(shown.split())
    assert (data["symbols"], data["succeeded"], data["kept"]) == (2, 2, OptionStrategy.objects.count())


@pytest.fixture
def desk(client):
    client.force_login(User.objects.create_superuser("chief"))
    return client


def test_the_page_of_a_strategy_shows_all_of_it(infy, desk):
    trend("INFY", 0.004)
    run = calibrated()
    generated(risk="aggressive")
    row = OptionStrategy.objects.all().universe(DAY)[1]
    CalibrationScore.objects.create(
        run=run, convention="smile", kind=STRUCTURE, label=row.structure, trials=321, clusters=9, forecast="0.5",
        realised="0.4", **dict.fromkeys(
            ("brier", "brier_low", "brier_high", "reliability", "resolution", "uncertainty", "within", "chance",
             "log_loss"), Decimal("0.1")),
    )  # fmt: skip

    text = desk.get(f"/admin/strategies/optionstrategy/{row.pk}/change/").content.decode()

    exits = text.split('id="exit_rows-group"')[1]
    assert "rupees per set" in exits
    assert "calendar days to the front expiry" in exits
    assert "321 trials" in text
    assert "Weight in the score: 0." in text
    assert "Bullish, strength" in text
    assert "INSUFFICIENT_HISTORY" in text
    assert f"2 of {OptionStrategy.objects.count()}" in text
    assert f"{100 * row.parameters.probability_recalibrated:.1f} %" in text


def test_a_strategy_typed_in_by_hand_has_a_page_too(desk):
    row = OptionStrategyFactory(details=False, structure="", component_scores={}, content_hash="")

    assert desk.get(f"/admin/strategies/optionstrategy/{row.pk}/change/").status_code == 200


def test_the_page_of_a_run_shows_its_hash_and_lean(infy, desk):
    run = generated()

    text = desk.get(f"/admin/strategies/generationrun/{run.pk}/change/").content.decode()

    assert run.content_hash in text
    assert run.bias["sentence"] in text


def test_exit_rows_go_with_their_strategy(infy):
    generated()
    OptionStrategy.objects.all().delete()

    assert not StrategyExitRow.objects.exists()


def test_people_with_sql_read_exit_rows_and_change_none():
    OptionStrategyFactory()

    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL ROLE options_desk")
        cursor.execute("SELECT count(*) FROM strategy_exit_rows WHERE kind = 'money'")
        assert cursor.fetchone() == (4,)
        with pytest.raises(ProgrammingError, match="permission denied"), transaction.atomic():
            cursor.execute("UPDATE strategy_exit_rows SET value = 0")
        cursor.execute("RESET ROLE")
