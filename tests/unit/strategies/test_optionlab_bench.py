"""The benchmark against optionlab: what is asked of it, how answers are compared, and that it never fails for want."""

import math
import sys
from pathlib import Path

import numpy as np
import pytest

from bench import optionlab
from bench.optionlab import NO_COSTS, UNITS, candidates, differences, environment, inputs, pairs
from strategies.build import candidate_of
from strategies.measure import measure
from tests.builders import make_chain
from tests.reference import payoff

CHAIN = make_chain(2_200, days=(25,), carry=0.0, skewed=False)


@pytest.fixture(scope="module")
def firsts():
    """One candidate of every structure."""
    batch = candidates(CHAIN)
    return batch.take(np.unique(batch.which, return_index=True)[1])


def answer(batch, place):
    """What a tool that agrees to the last digit would answer."""
    candidate, found = candidate_of(batch, place), measure(batch, rates=NO_COSTS)
    line = payoff(candidate, CHAIN)
    ends = [*line.values.tolist(), float(line.at(optionlab._top(batch)))]
    return {
        "probability": float(found.probability_of_profit[place]),
        "expected": float(found.expected_value_gross[place]) * UNITS,
        "best": max(ends) * UNITS,
        "worst": min(ends) * UNITS,
        "cost": candidate.net_premium * UNITS,
        "ranges": [list(pair) for pair in line.profit_ranges],
        "delta": [leg.side.sign * leg.delta for leg in candidate.legs],
        "theta": [leg.side.sign * leg.theta for leg in candidate.legs],
        "gamma": [leg.gamma for leg in candidate.legs],
        "vega": [leg.vega / 100.0 for leg in candidate.legs],
    }


def test_a_candidate_is_asked_for_with_all_its_terms(firsts):
    place = next(n for n in range(firsts.size) if firsts.structures[n].slug == "call-ratio-spread")
    candidate = candidate_of(firsts, place)

    asked = inputs(candidate, units=7, low=0.0, high=4_400.0, step=1.0)

    assert (asked["stock_price"], asked["days_to_target_date"]) == (2_200, 25)
    assert asked["volatility"] == pytest.approx(0.15)
    assert [(leg["type"], leg["action"], leg["n"]) for leg in asked["strategy"]] == [
        (leg.kind.lower(), leg.side.lower(), 7 * leg.ratio) for leg in candidate.legs
    ]
    assert [leg["premium"] for leg in asked["strategy"]] == [leg.price for leg in candidate.legs]


def test_a_share_is_a_leg_too(firsts):
    place = next(n for n in range(firsts.size) if firsts.structures[n].slug == "covered-call")

    asked = inputs(candidate_of(firsts, place), units=1, low=0.0, high=4_400.0, step=1.0)

    assert {"type": "stock", "action": "buy", "n": 1} in asked["strategy"]


def test_what_agrees_differs_by_nothing(firsts):
    found = measure(firsts, rates=NO_COSTS)

    gaps = differences(firsts, found, [answer(firsts, place) for place in range(firsts.size)])

    assert {name for name, _, _ in gaps} >= {"probability of profit", "break-evens", "maximum loss", "vega"}
    assert max(gap for _, gap, _ in gaps) < 1e-9


@pytest.mark.parametrize("name", ["probability", "expected", "best", "worst", "cost", "ranges", "delta", "vega"])
def test_every_planted_difference_is_found(firsts, name):
    found, answers = measure(firsts, rates=NO_COSTS), [answer(firsts, place) for place in range(firsts.size)]
    changed = answers[3][name]
    if name == "ranges":
        answers[3][name] = [[low + 1e-3, high] for low, high in changed]
    else:
        answers[3][name] = [changed[0] + 1e-3, *changed[1:]] if isinstance(changed, list) else changed - 1e-3 * UNITS

    gaps = differences(firsts, found, answers)

    assert sum(gap > 1e-4 for _, gap, _ in gaps) == 1


def test_another_number_of_ranges_is_infinitely_far(firsts):
    found, said = measure(firsts, rates=NO_COSTS), answer(firsts, 0)

    ours, theirs = pairs(firsts, found, 0, said | {"ranges": [[1.0, 2.0], [3.0, 4.0]]})["break-evens"]

    assert math.isinf(ours - theirs)


def test_without_the_package_index_it_says_so_and_goes_on(capsys):
    results = optionlab.against(CHAIN, lambda version: "No route to the index.")

    assert [unit for _, _, unit, _ in results] == ["µs", "µs"]
    assert 0.0 < results[0][1] < results[1][1]
    assert "not measured: No route to the index." in capsys.readouterr().out


def test_an_environment_made_before_is_used_again(tmp_path: Path):
    (tmp_path / ".1.9.1").touch()

    assert environment(tmp_path, "1.9.1") == tmp_path / "bin" / "python"


def test_a_command_that_fails_is_a_sentence():
    assert optionlab._refused([sys.executable, "-c", "raise SystemExit('No such package.')"]) == "No such package."
    assert optionlab._refused([sys.executable, "-c", "pass"]) == ""
    assert "nowhere" in optionlab._refused(["/nowhere/python"])
