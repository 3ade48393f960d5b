"""The guide says what the catalogue holds, and the stored page is what the code writes."""

from pathlib import Path

import pytest

from strategies.catalog import BY_SLUG, CATALOGUE, CHECKS
from strategies.convention import TERMS
from strategies.guide import COLUMNS, leg_in_words, page, row, section, strike_in_words
from strategies.ranking_guide import READS, RULES, variant
from strategies.score import TASTES, weights_of
from strategies.strikes import Apart, Atm, Beside, Delta, Mirror, Percent, Premium, SameAs, Sigma, StraddleWidth

ROOT = Path(__file__).resolve().parents[3]


def test_the_stored_page_is_what_the_catalogue_says():
    stored = (ROOT / "docs" / "strategies.md").read_text(encoding="utf-8")

    assert stored == page(), "run: manage.py strategy_guide --write"


@pytest.mark.parametrize("structure", CATALOGUE + CHECKS, ids=lambda structure: structure.slug)
def test_every_structure_has_a_section_with_its_help_and_legs(structure):
    text = "\n".join(section(structure))

    assert text in page()
    assert structure.guidance in text
    assert structure.summary in text
    assert ("Undefined risk" in text) == structure.undefined_risk
    for leg in structure.legs:
        assert leg_in_words(leg)[1:] in text


def test_every_structure_has_a_row_and_checks_have_none():
    rows = [line for line in page().splitlines() if line.startswith("| ")]

    for structure in CATALOGUE:
        assert "| " + " | ".join(row(structure)) + " |" in rows
        assert len(row(structure)) == len(COLUMNS)
    assert not any(line.startswith(f"| {check.name} |") for check in CHECKS for line in rows)


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (Atm(), "at the money"),
        (Atm(2), "2 strikes above the money"),
        (Delta(0.25), "at 0.25 delta"),
        (Sigma(-0.6), "0.6 σ below the forward"),
        (Percent(0.05), "5% above spot"),
        (Premium(0.125), "at a premium of 12.5% of the straddle"),
        (Premium(0.01, of="spot"), "at a premium of 1% of spot"),
        (StraddleWidth(1.25), "1.25 × the straddle's price above the forward"),
        (Beside(0, -3), "3 strikes below leg 1"),
        (Apart(1, 0.5), "0.5 σ above leg 2"),
        (Mirror(wing=1, body=0), "as far from leg 1 as leg 2, on the other side"),
        (SameAs(0), "at the strike of leg 1"),
    ],
)
def test_every_rule_has_words(rule, words: str):
    assert strike_in_words(rule) == words


def test_legs_in_words():
    assert [leg_in_words(leg) for leg in BY_SLUG["covered-call"].legs] == ["buy the share", "sell 1 call at 0.3 delta"]
    assert leg_in_words(BY_SLUG["call-ratio-spread"].legs[1]) == "sell 2 calls 0.9 σ above the forward"
    assert leg_in_words(BY_SLUG["calendar-spread"].legs[1]) == "buy 1 call of the next expiry at the strike of leg 1"


def test_every_component_has_its_weight_by_profile_and_says_what_it_reads():
    rows = [line for line in page().splitlines() if line.startswith("| ")]

    for taste in TASTES.values():
        assert READS.keys() == taste.weights.keys()
    for name, reads in READS.items():
        weights = " | ".join(f"{taste.weights[name]:.2f}" for taste in TASTES.values())
        assert f"| {name.replace('_', ' ')} | {weights} | {reads} |" in rows
    assert f"{weights_of('moderate', tested=False)['probability']:.3f} on probability" in page()


def test_the_conventions_of_probability_are_told():
    for convention, terms in TERMS.items():
        assert f"| `{convention}`: {terms.name} | {terms.anchor} | {terms.distribution} | {terms.day_count} |" in page()


def test_every_strike_rule_is_told_with_the_number_of_structures_that_use_it():
    used = dict.fromkeys(RULES, 0)
    for structure in CATALOGUE:
        for name in {variant(leg.strike) for leg in structure.legs if leg.strike is not None}:
            used[name] += 1

    for name, words in RULES.items():
        (line,) = [line for line in page().splitlines() if line.startswith(f"| `{name}` |")]
        assert words in line
        assert f"| {used[name]}, such as" in line if used[name] else "| none |" in line
    assert used["Percent"] == used["Beside"] == 0 < used["Atm"]


@pytest.mark.parametrize(
    ("rule", "name"),
    [
        (Atm(), "Atm"),
        (Atm(-1), "Atm(steps)"),
        (Premium(0.2), "Premium"),
        (Premium(0.01, of="spot"), "Premium(of='spot')"),
    ],
)
def test_variants_of_a_rule_are_told_apart(rule, name):
    assert variant(rule) == name


def test_the_checks_say_what_becomes_of_them():
    assert "BOX_OFF" in page()
    assert "CONVERSION_OFF" in page()
