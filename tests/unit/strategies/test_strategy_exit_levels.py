"""Exit levels are amounts one can act on, for every structure, unlimited ones included."""

import math
from dataclasses import fields, replace
from datetime import date

import pytest

from market.errors import InvalidInput
from market.rulebook.charges import option_charge_rates
from strategies.build import build
from strategies.catalog import BY_SLUG, CATALOGUE
from strategies.evaluate import Evaluation
from strategies.exits import RULES, UNITS, ExitKind, ExitLevel, ExitLevels, exit_levels, exit_rows
from strategies.spec import ExitClass
from tests.builders import make_chain
from tests.single import evaluate

RATES = option_charge_rates(exchange="NSE", as_of=date(2026, 1, 30))


def evaluated(slug: str, days: tuple[int, ...] = (25, 53)) -> Evaluation:
    chain = make_chain(days=days)
    return evaluate(build(BY_SLUG[slug], chain), chain, rates=RATES)


def levels(slug: str, **changes: float) -> ExitLevels:
    return exit_levels(BY_SLUG[slug], replace(evaluated(slug), **changes))


def test_every_exit_class_has_a_rule_and_is_used():
    assert set(RULES) == set(ExitClass) == {structure.exits for structure in CATALOGUE}


@pytest.mark.parametrize("structure", CATALOGUE, ids=lambda structure: structure.slug)
def test_all_levels_are_populated_finite_and_in_order(structure):
    result = exit_levels(structure, evaluated(structure.slug))

    values = [getattr(result, field.name) for field in fields(result)]
    assert all(math.isfinite(value) and value > 0 for value in values)
    assert result.profit_target_1 < result.profit_target_2 < result.profit_target_3


def test_targets_of_unlimited_profit_are_multiples_of_the_debit():
    result = levels("long-straddle", option_premium=-400.0, max_loss=400.0)

    assert (result.profit_target_1, result.profit_target_2, result.profit_target_3) == (200.0, 400.0, 800.0)
    assert result.stop_loss == pytest.approx(200.0)


def test_a_long_put_does_not_wait_for_the_share_to_fall_to_zero():
    evaluation = evaluated("long-put")

    result = exit_levels(BY_SLUG["long-put"], evaluation)

    assert result.profit_target_3 == pytest.approx(-2 * evaluation.option_premium)
    assert result.profit_target_3 < 0.1 * evaluation.max_profit


def test_short_premium_takes_half_its_credit_and_stops_at_twice_it():
    evaluation = evaluated("short-strangle")

    result = exit_levels(BY_SLUG["short-strangle"], replace(evaluation, option_premium=500.0, max_profit=500.0))

    assert result.profit_target_1 == pytest.approx(0.5 * min(500.0, max(evaluation.tail_gain, 500.0)))
    assert result.stop_loss == pytest.approx(1_000.0)


def test_a_credit_spread_stops_before_its_maximum_loss():
    result = levels("iron-condor", option_premium=100.0, max_loss=120.0, max_profit=100.0)

    assert result.stop_loss == pytest.approx(0.8 * 120)


def test_a_ratio_opened_for_next_to_nothing_is_not_stopped_by_the_first_tick():
    result = levels("call-ratio-spread", option_premium=0.05, tail_loss=300.0)

    assert result.stop_loss == pytest.approx(75.0)


def test_a_debit_stops_at_half_its_maximum_loss():
    evaluation = evaluated("bull-call-spread")

    assert exit_levels(BY_SLUG["bull-call-spread"], evaluation).stop_loss == pytest.approx(0.5 * evaluation.max_loss)


def test_income_targets_are_shares_of_the_credit():
    evaluation = evaluated("cash-secured-put")

    result = exit_levels(BY_SLUG["cash-secured-put"], evaluation)

    assert result.profit_target_1 == pytest.approx(0.5 * evaluation.max_profit)


@pytest.mark.parametrize(("days", "leave"), [(8, 4), (25, 12), (44, 21)])
def test_fm_E14_time_exit_is_the_rules_day_but_never_before_half_way(days: int, leave: int):
    evaluation = replace(evaluated("iron-condor"), days_to_expiry=days)

    assert exit_levels(BY_SLUG["iron-condor"], evaluation).time_exit_dte == leave


def test_delta_exit_leaves_room_above_the_delta_at_entry():
    assert levels("iron-condor", net_delta=0.01).delta_exit_threshold == 0.5
    assert levels("covered-call", net_delta=-0.75).delta_exit_threshold == pytest.approx(0.9)


def test_vega_exit_is_beyond_the_vega_at_entry():
    assert levels("long-straddle", net_vega=4_000.0).vega_exit_threshold == pytest.approx(6_000)
    assert levels("iron-condor", net_vega=0.0).vega_exit_threshold > 0


def test_a_guaranteed_loser_has_no_target():
    with pytest.raises(InvalidInput) as refusal:
        levels("butterfly", max_profit=-1.0)

    assert refusal.value.reason.code == "NO_PROFIT_TO_TARGET"


def test_a_broken_level_is_refused():
    good = levels("iron-condor")

    with pytest.raises(InvalidInput):
        replace(good, stop_loss=math.inf)
    with pytest.raises(InvalidInput):
        replace(good, profit_target_1=math.nan)
    with pytest.raises(InvalidInput):
        replace(good, vega_exit_threshold=-1.0)


# --- typed rows ------------------------------------------------------------------------------------------------------


def rows_of(slug: str, days: tuple[int, ...] = (25, 53), **changes: float) -> dict[tuple[ExitKind, str], ExitLevel]:
    chain = make_chain(days=days)
    candidate = build(BY_SLUG[slug], chain)
    evaluation = replace(evaluate(candidate, chain, rates=RATES), **changes)
    return {(row.kind, row.level): row for row in exit_rows(BY_SLUG[slug], evaluation, candidate)}


def prices(slug: str) -> dict[str, float | None]:
    return {level: row.value for (kind, level), row in rows_of(slug).items() if kind is ExitKind.UNDERLYING_PRICE}


@pytest.mark.parametrize("structure", CATALOGUE, ids=lambda structure: structure.slug)
def test_every_structure_has_every_kind_with_one_unit_or_a_reason(structure):
    rows = rows_of(structure.slug)

    assert {kind for kind, _ in rows} == set(ExitKind)
    assert all(row.unit == UNITS[row.kind] for row in rows.values())
    assert all(row.reason.endswith(".") for row in rows.values())
    for kind in ExitKind:
        values = [row.value for (each, _), row in rows.items() if each is kind]
        assert None not in values or len(values) == 1


@pytest.mark.parametrize("structure", CATALOGUE, ids=lambda structure: structure.slug)
def test_the_seven_columns_are_rows_too(structure):
    chain = make_chain(days=(25, 53))
    candidate = build(structure, chain)
    evaluation = evaluate(candidate, chain, rates=RATES)

    columns = exit_levels(structure, evaluation)
    rows = {(row.kind, row.level): row.value for row in exit_rows(structure, evaluation, candidate)}

    for name in ("profit_target_1", "profit_target_2", "profit_target_3", "stop_loss"):
        assert rows[ExitKind.MONEY, name] == getattr(columns, name)
    assert rows[ExitKind.DAYS_TO_EXPIRY, "time_exit"] == columns.time_exit_dte
    assert rows[ExitKind.DELTA, "delta"] == columns.delta_exit_threshold
    assert rows[ExitKind.VEGA, "vega"] == columns.vega_exit_threshold


def test_shares_of_maximum_profit_and_of_credit():
    rows = rows_of("short-strangle", option_premium=200.0, max_profit=200.0)

    assert rows[ExitKind.PERCENT_OF_MAX_PROFIT, "profit_target_1"].value == pytest.approx(0.5)
    assert rows[ExitKind.PERCENT_OF_CREDIT, "profit_target_3"].value == pytest.approx(0.8)
    assert rows[ExitKind.PERCENT_OF_CREDIT, "stop_loss"].value == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("slug", "kind", "words"),
    [
        ("long-call", ExitKind.PERCENT_OF_MAX_PROFIT, "no maximum"),
        ("long-put", ExitKind.PERCENT_OF_MAX_PROFIT, "out of reach"),
        ("synthetic-short", ExitKind.PERCENT_OF_MAX_PROFIT, "out of reach"),
        ("bull-call-spread", ExitKind.PERCENT_OF_CREDIT, "debit"),
        ("iron-butterfly", ExitKind.PERCENT_OF_CREDIT, "share of its loss"),
        ("long-straddle", ExitKind.UNDERLYING_PRICE, "premium is all"),
        ("protective-put", ExitKind.UNDERLYING_PRICE, "No sold strike"),
    ],
)
def test_a_kind_that_a_structure_does_not_have_says_why(slug: str, kind: ExitKind, words: str):
    (row,) = [row for (each, _), row in rows_of(slug).items() if each is kind]

    assert row.value is None
    assert words in row.reason


def test_the_price_levels_of_short_premium_are_its_sold_strikes():
    chain = make_chain(days=(25, 53))
    put, _, call, _ = build(BY_SLUG["iron-condor"], chain).legs

    assert prices("iron-condor") == {"price_below": put.strike, "price_above": call.strike}


def test_a_sold_strike_at_the_money_gives_way_to_the_break_even():
    low, high = evaluated("short-straddle").breakevens

    assert prices("short-straddle") == {"price_below": low, "price_above": high}


def test_options_sold_in_the_money_are_watched_by_break_even():
    low, high = evaluated("short-guts").breakevens

    assert prices("short-guts") == {"price_below": low, "price_above": high}


def test_a_pinned_structure_leaves_at_the_edges_of_its_profit():
    low, high = evaluated("butterfly").breakevens

    assert prices("butterfly") == {"price_below": low, "price_above": high}


def test_no_level_is_set_where_the_structure_cannot_lose():
    assert set(prices("jade-lizard")) == {"price_below"}
    assert set(prices("reverse-jade-lizard")) == {"price_above"}


@pytest.mark.parametrize(
    ("slug", "level", "sign"), [("synthetic-long", "price_below", 1), ("synthetic-short", "price_above", -1)]
)
def test_what_moves_like_the_underlying_has_a_stop_price(slug: str, level: str, sign: int):
    evaluation = evaluated(slug)

    (found,) = prices(slug).items()

    stop = exit_levels(BY_SLUG[slug], evaluation).stop_loss
    assert found[0] == level
    assert found[1] == pytest.approx(22_000 - sign * stop / abs(evaluation.net_delta))


def test_targets_of_a_share_are_not_measured_by_the_premium_of_its_call():
    credit_rows = [level for kind, level in rows_of("covered-call") if kind is ExitKind.PERCENT_OF_CREDIT]

    assert credit_rows == ["stop_loss"]


def test_a_broken_row_is_refused():
    with pytest.raises(InvalidInput):
        ExitLevel(ExitKind.MONEY, "stop_loss", math.nan, "Why.")
    with pytest.raises(InvalidInput):
        ExitLevel(ExitKind.MONEY, "stop_loss", -1.0, "Why.")
    with pytest.raises(InvalidInput):
        ExitLevel(ExitKind.MONEY, "stop_loss", None, "")


@pytest.mark.parametrize(
    ("slug", "changes", "stop", "words"),
    [
        ("bull-put-spread", {"option_premium": 10.0, "tail_loss": 90.0}, 15.0, "1.5 times the credit"),
        ("bull-put-spread", {"option_premium": 10.0, "max_loss": 15.0}, 12.0, "80% of the maximum loss"),
        ("short-strangle", {"option_premium": 1.0, "tail_loss": 400.0}, 100.0, "25% of what the worst outcomes take"),
        ("long-call", {"option_premium": -40.0, "max_loss": 40.0, "tail_loss": 40.0}, 20.0, "50% of the maximum loss"),
        ("synthetic-long", {"option_premium": -2.0, "tail_loss": 300.0}, 90.0, "30% of what the worst outcomes take"),
        ("synthetic-long", {"option_premium": -400.0, "tail_loss": 300.0}, 120.0, "30% of the premium"),
    ],
)
def test_the_stop_says_which_rule_set_it(slug, changes, stop, words):
    chain = make_chain(days=(25, 53))
    candidate = build(BY_SLUG[slug], chain)
    evaluation = replace(evaluate(candidate, chain, rates=RATES), **changes)

    rows = exit_rows(BY_SLUG[slug], evaluation, candidate)

    row = next(row for row in rows if (row.kind, row.level) == (ExitKind.MONEY, "stop_loss"))
    assert row.value == pytest.approx(stop)
    assert row.value == exit_levels(BY_SLUG[slug], evaluation).stop_loss
    assert row.reason.startswith(words)
