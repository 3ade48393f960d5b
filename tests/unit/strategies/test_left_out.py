"""Every code that can be stored as why a structure was left out has a sentence and a remedy."""

import re
from pathlib import Path

import pytest

import strategies
from market.errors import Reason
from strategies.left_out import LEFT_OUT, why_left_out
from strategies.liquidity import REMEDIES
from strategies.recommend import most_frequent
from strategies.score import REASONS

ROOT = Path(strategies.__file__).parent
# What stands between a chain and a recommendation; in other files of the app a Reason ends elsewhere.
SOURCES = ("build", "search", "strikes", "exits", "score")
WRITTEN = {
    code
    for name in SOURCES
    for code in re.findall(r'(?:Reason|_lossy)\(\s*"([A-Z_]+)"', (ROOT / f"{name}.py").read_text())
}
STORED = sorted(WRITTEN | {*REASONS} | {*REMEDIES} | {most_frequent({})})


def test_there_are_codes_to_look_at():
    assert {"NO_EXPIRY_IN_WINDOW", "NO_BID", "LOSS_ABOVE", "NO_CHOICE", "STALE_LEG", "TOO_THIN"} <= set(STORED)


@pytest.mark.parametrize("code", STORED)
def test_every_code_has_a_sentence_and_a_remedy(code):
    why = LEFT_OUT[code]

    assert why.code == code
    assert why.sentence.endswith(".") and why.remedy.endswith(".")
    assert why_left_out(code) is why


def test_no_sentence_is_left_over():
    assert set(LEFT_OUT) == set(STORED)


def test_a_code_of_a_calculation_says_that_it_is_one():
    why = why_left_out("NO_PAIRS")

    assert why == Reason("NO_PAIRS", why.sentence, why.remedy)
    assert "calculation" in why.sentence and "report" in why.remedy
