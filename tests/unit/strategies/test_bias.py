"""The bias monitor on the documents' own last run, and on balanced ones."""

import pytest

from strategies.bias import BOUNDS, Lean, beside, bias


def leans(bullish, bearish, neutral=0):
    sides = ["Bullish"] * bullish + ["Bearish"] * bearish + ["Neutral"] * neutral
    return [Lean(f"S{number}", side) for number, side in enumerate(sides)]


def codes(found):
    return [alarm.code for alarm in found.alarms]


def test_the_documents_last_run_raises_an_alarm():
    found = bias(leans(154, 15, 35))

    assert (found.bullish, found.bearish, found.neutral) == (154, 15, 35)
    assert found.bullish_share == 154 / 169
    assert codes(found) == ["ONE_SIDED_DIRECTION"]
    assert "154 bullish against 15 bearish" in found.alarms[0].sentence


def test_its_mirror_image_raises_the_same_alarm():
    assert codes(bias(leans(15, 154, 35))) == ["ONE_SIDED_DIRECTION"]


def test_a_balanced_day_raises_none():
    assert codes(bias(leans(60, 60, 40))) == []
    assert codes(bias(leans(75, 25))) == []  # the bound itself is allowed
    assert codes(bias(leans(76, 24))) == ["ONE_SIDED_DIRECTION"]


def test_a_handful_of_views_says_nothing():
    found = bias(leans(BOUNDS.least - 1, 0))

    assert (found.bullish_share, codes(found)) == (1.0, [])


def test_without_a_side_there_is_no_share():
    found = bias(leans(0, 0, 30))

    assert (found.bullish_share, found.long_vega_share, codes(found)) == (None, None, [])
    assert bias([]).top_symbols == ()


def test_vega_on_one_side_raises_an_alarm():
    rows = [Lean(f"S{n}", "Neutral", vega=-10.0 if n else 5.0) for n in range(30)]

    found = bias(rows)

    assert found.long_vega_share == 5.0 / 295.0
    assert codes(found) == ["ONE_SIDED_VEGA"]


def test_one_symbol_with_most_recommendations_raises_an_alarm():
    rows = [*leans(15, 15), *[Lean("ACME", side) for side in ("Bullish", "Bearish") * 4]]

    found = bias(rows)

    assert found.top_symbols[0] == ("ACME", 8)
    assert codes(found) == ["ONE_SYMBOL"]


def test_of_ten_symbols_one_always_stands_for_a_tenth():
    rows = [Lean(f"S{number % 10}", side) for number, side in enumerate(("Bullish", "Bearish") * 15)]

    assert codes(bias([*rows, Lean("S0", "Bullish")])) == []


# --- strategies beside the market ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mine", "market", "words"),
    [
        ((6, 2, 2), (5, 5), "25 points more bullish than the market"),
        ((2, 6, 2), (5, 5), "25 points more bearish than the market"),
        ((3, 3), (1, 1, 8), "of the decided as bullish as the market"),
        ((6, 2), (0, 0, 4), "75% bullish, 25% bearish, 0% neutral of the strategies; 0% bullish"),
        ((6, 2), (0, 0), "no market view is known"),
        ((0, 0), (4, 4), "None of the strategies"),
    ],
)
def test_strategies_are_held_against_the_breadth_of_the_market(mine, market, words):
    assert words in beside(bias(leans(*mine)), bias(leans(*market)))
