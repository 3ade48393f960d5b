"""What candles, options and the index say, added up in the open."""

from datetime import date

import numpy as np
import pytest

from market.errors import InvalidInput, Reason
from market.quant.regime import vix_regime
from strategies.observe import COMPONENTS, interest_of, read_interest
from strategies.view import (
    HORIZON,
    LATE_SESSION,
    MEASURED,
    THRESHOLD,
    WEIGHTS,
    Measured,
    Weather,
    agree,
    combine,
    label,
    score_weight,
    view,
    weight_in_score,
)
from tests.builders import make_chain
from tests.candles import make_bars, make_interest, random_interest, walk

NO_CHAIN = Reason("NO_CHAIN", "No chain.")
CALM = Weather(0.3, "Bullish", vix_regime(np.array([14.0])))
STRONG = Measured(0.04, 4.0, 3.5, 2.0, 0.53, 1_200, date(2021, 1, 1), date(2026, 1, 8))


def seen(bars=None, *, interest=NO_CHAIN, weather=CALM, **options):
    return view("ACME", walk(1, 400) if bars is None else bars, interest=interest, weather=weather, **options)


def test_every_component_has_a_weight_and_they_add_up_to_one():
    assert set(WEIGHTS) == {each.name for each in COMPONENTS}
    assert sum(WEIGHTS.values()) == pytest.approx(1.0, abs=1e-12)


def test_the_waterfall_by_hand():
    found = combine({"a": 0.5, "b": -1.0}, {"a": 0.3, "b": 0.1, "c": 0.6})

    assert found.contributions == {"a": pytest.approx(0.375, abs=1e-9), "b": pytest.approx(-0.25, abs=1e-9)}
    assert found.total == sum(found.contributions.values()) == pytest.approx(0.125, abs=1e-9)
    assert found.weights == {"a": pytest.approx(0.75), "b": pytest.approx(0.25)}
    assert found.known == pytest.approx(0.4)


def test_when_everything_is_as_bullish_as_can_be_the_sum_is_not_beyond_one():
    bulls, bears = (dict.fromkeys(WEIGHTS, side) for side in (1.0, -1.0))

    assert 1.0 - 1e-9 < combine(bulls, WEIGHTS).total <= 1.0
    assert combine(bears, WEIGHTS).total == -combine(bulls, WEIGHTS).total
    assert agree(bulls, combine(bulls, WEIGHTS)) <= 1.0


def test_without_any_weight_there_is_no_sum():
    assert combine({"a": 0.5}, {"a": 0.0, "b": 1.0}) is None
    assert combine({}, {"a": 1.0}) is None


@pytest.mark.parametrize(
    ("direction", "name"),
    [
        (0.51, "Strong Bullish"),
        (0.5, "Moderate Bullish"),
        (0.2, "Moderate Bullish"),
        (0.19, "Weak Bullish"),
        (0.1, "Neutral"),
        (0.0, "Neutral"),
        (-0.1, "Neutral"),
        (-0.11, "Weak Bearish"),
        (-0.2, "Moderate Bearish"),
        (-0.51, "Strong Bearish"),
    ],
)
def test_labels_have_the_documents_bands_on_both_sides(direction, name):
    assert label(direction) == name


def test_agreement_counts_sides_not_sizes():
    weights = {"a": 0.5, "b": 0.3, "c": 0.2}
    shy = {"a": 0.15, "b": 0.15, "c": -0.15}
    bold = {"a": 0.9, "b": 0.9, "c": -0.9}

    assert agree(bold, combine(bold, weights)) == pytest.approx(0.8)
    flat = {"a": 0.05, "b": -0.05, "c": 0.0}
    assert agree(flat, combine(flat, weights)) == pytest.approx(1.0)
    assert agree(shy, combine(shy, weights)) == pytest.approx(0.0)  # the sum is neutral, none of its parts is


def test_missing_options_are_left_out_visibly():
    found = seen()

    assert {found.missing[name].code for name in ("max_pain", "smirk")} == {"NO_CHAIN"}
    assert "max_pain" not in found.waterfall.weights
    assert found.waterfall.known == pytest.approx(0.88)
    assert found.confidence == pytest.approx(found.agreement * 0.88)


def test_too_few_candles_say_how_many_are_needed():
    found = seen(walk(1, 100))

    assert found.missing["yearly_momentum"].code == "TOO_FEW_CANDLES"
    assert found.missing["yearly_momentum"].sentence == "yearly_momentum needs 253 closed candles, has 100."
    assert "ema_alignment" in found.missing
    assert found.waterfall.known == pytest.approx(0.88 - 0.16 - 0.06)


def test_a_split_leaves_only_what_came_after_and_says_so():
    bars = walk(1, 400)
    for column in (bars.opens, bars.highs, bars.lows, bars.closes):
        column[300:] /= 5

    found = seen(bars)

    assert [flag.code for flag in found.flags] == ["CORPORATE_ACTION"]
    assert "has 100" in found.missing["yearly_momentum"].sentence
    assert found.levels.resistance == bars.highs[-55:].max()


@pytest.mark.parametrize("count", [0, 10])
def test_next_to_nothing_known_is_no_view(count):
    with pytest.raises(InvalidInput) as refusal:
        seen(walk(1, max(count, 1)).since(1 if count == 0 else 0))

    assert refusal.value.reason.code == ("NO_CANDLES" if count == 0 else "TOO_LITTLE_KNOWN")


def test_a_price_that_stands_still_has_no_momentum_made_up():
    found = seen(make_bars([100.0] * 300, spread=0.0))

    assert {found.missing[name].code for name in ("rate_of_change", "value_area")} == {"NO_MOVEMENT"}
    assert (found.direction, found.label) == (pytest.approx(0.08 * 0.3 / found.waterfall.known), "Neutral")


def test_an_old_candle_costs_confidence_not_direction():
    fresh, late = seen(), seen(sessions_late=2)

    assert late.direction == fresh.direction
    assert late.confidence == pytest.approx(fresh.confidence * LATE_SESSION**2)


def test_the_walls_are_support_and_resistance_and_max_pain_pulls():
    found = seen(interest=make_interest(100.0))

    assert (found.levels.support, found.levels.resistance, found.levels.max_pain) == (95.0, 105.0, 100.0)
    assert found.components["max_pain"] == 0.0
    assert found.components["open_interest_walls"] == pytest.approx(
        -0.025, abs=1e-3
    )  # 5 below is further in logs than 5 above


def test_put_call_ratios_are_told_and_weigh_nothing():
    found = seen(interest=random_interest(1, 1_000.0))

    assert found.components["put_call_interest"] != 0.0
    assert "put_call_interest" not in found.waterfall.contributions
    assert "smirk" not in found.waterfall.contributions


def test_an_assembled_chain_gives_its_nearest_expiry():
    chain = make_chain(1_000.0)

    found = read_interest(interest_of(chain))

    assert all(isinstance(value, float) for value in found.values())
    assert found["smirk"] < 0  # the made smile slopes down


def test_an_unknown_index_is_missing_and_has_no_state():
    lost = Reason("NO_CANDLES", "No NIFTY.")

    found = seen(weather=Weather(lost, lost, vix_regime(np.array([14.0]))))

    assert found.missing["index_trend"] == lost
    assert found.weather.state is None
    assert seen().weather.state == "Bullish_Low_VIX"


def test_what_was_measured_covers_every_component_of_the_candles_and_the_whole():
    measurable = {each.name for each in COMPONENTS if each.source != "options"}

    assert set(MEASURED) == measurable | {"direction"}
    assert all(each.first < each.last for each in MEASURED.values())
    assert HORIZON == 10


@pytest.mark.parametrize("name", sorted(WEIGHTS))
def test_a_component_without_enough_measured_value_moves_no_score(name):
    measured = MEASURED.get(name)
    enough = measured is not None and measured.ic is not None and measured.t >= 3.0 and measured.sessions >= 120

    assert (score_weight(name) > 0.0) == enough


def test_nothing_passed_so_no_view_may_move_a_score():
    assert [name for name in WEIGHTS if score_weight(name) > 0.0] == []
    assert seen().tested is None


@pytest.mark.parametrize(
    ("change", "passes"),
    [({}, True), ({"t": 2.99}, False), ({"t": -4.0}, False), ({"sessions": 119}, False), ({"ic": None}, False)],
)
def test_the_threshold_asks_for_the_expected_sign_and_enough_sessions(change, passes):
    from dataclasses import replace

    measured = {"rsi": replace(STRONG, **change)}

    assert THRESHOLD.passed(measured["rsi"]) is passes
    assert score_weight("rsi", measured) == (0.04 if passes else 0.0)


def test_only_what_passed_is_in_the_tested_direction():
    found = seen(measured={"rsi": STRONG, "macd": Measured(0.04, 1.0, 1.0, 1.0, 0.5, 1_200, STRONG.first, STRONG.last)})

    assert set(found.tested.contributions) == {"rsi"}
    assert found.tested.total == pytest.approx(found.components["rsi"], abs=1e-9)


def test_the_page_says_that_nothing_moves_a_score_or_what_does():
    proven = {"rsi": STRONG}

    assert weight_in_score() == (
        "Weight in the score: 0. No component showed t of 3 over 120 sessions or more, out of sample."
    )
    assert weight_in_score(proven).startswith("Only rsi may move a score")
