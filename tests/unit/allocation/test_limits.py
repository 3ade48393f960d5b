"""Sizing: whole sets, best score first, and the limit that binds is named."""

from dataclasses import replace

import pytest

from allocation.limits import Limits, Proposal, Sized, Used, Weight, allocate, exceeded, oversized

ACME = Proposal(
    strategy_id=1,
    underlying="ACME",
    industry="Steel",
    sector="Metals",
    outlook="Bullish",
    score=0.8,
    margin=10_000.0,
    depth=50,
)
WIDE = Limits(deployable=1_000_000, per_underlying=1_000_000, per_strategy=1_000_000, max_sets=10, max_open=10)


def sized(*proposals, limits=WIDE, used=None):
    return allocate(proposals, limits=limits, used=used or Used())


def other(number, **changes):
    return replace(ACME, strategy_id=number, underlying=f"OTHER{number}", **changes)


@pytest.mark.parametrize(
    ("changes", "sets"),
    [
        ({"deployable": 59_999.0}, 5),
        ({"per_underlying": 30_000.0}, 3),
        ({"per_strategy": 20_001.0}, 2),
        ({"max_sets": 4}, 4),
        ({"industries": {"Steel": Weight(0.07)}}, 7),
        ({"sectors": {"Metals": Weight(0.0699)}}, 6),
    ],
)
def test_the_tightest_limit_decides_how_many_whole_sets(changes, sets):
    (answer,) = sized(ACME, limits=replace(WIDE, **changes))

    assert (answer.sets, answer.priority, answer.reason) == (sets, 100, None)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"deployable": 9_999.0}, "LIMIT_CAPITAL"),
        ({"per_underlying": 9_999.0}, "LIMIT_PER_UNDERLYING"),
        ({"per_strategy": 9_999.0}, "LIMIT_PER_STRATEGY"),
        ({"industries": {"Steel": Weight(0.0099)}}, "LIMIT_INDUSTRY"),
        ({"sectors": {"Metals": Weight(0.0)}}, "LIMIT_SECTOR"),
        ({"industries": {"Banks": Weight(0.5)}}, "NO_INDUSTRY_WEIGHT"),
        ({"sectors": {"Banks": Weight(0.5)}}, "NO_SECTOR_WEIGHT"),
        ({"industries": {"Steel": Weight(0.5, "SHORT")}}, "AGAINST_WEIGHT"),
        ({"sectors": {"Metals": Weight(0.5, "SHORT")}}, "AGAINST_WEIGHT"),
    ],
)
def test_a_limit_that_one_set_does_not_fit_is_named_and_no_set_is_taken(changes, code):
    used = Used()

    (answer,) = sized(ACME, limits=replace(WIDE, **changes), used=used)

    assert (answer.sets, answer.priority, answer.reason.code) == (0, 0, code)
    assert answer.reason.remedy
    assert used == Used()


def test_a_limit_is_held_against_what_one_set_needs():
    (answer,) = sized(ACME, limits=replace(WIDE, per_strategy=9_999.0))

    assert answer.reason.sentence == (
        "One set needs ₹10,000 (margin, or the most it may lose), the per strategy room is ₹9,999."
    )


@pytest.mark.parametrize(
    ("outlook", "way", "sets"),
    [
        ("Bullish", "LONG", 10),
        ("Neutral", "LONG", 10),
        ("Bearish", "LONG", 0),
        ("Bearish", "SHORT", 10),
        ("Neutral", "SHORT", 10),
        ("Bullish", "SHORT", 0),
    ],
)
def test_a_strategy_must_not_oppose_the_direction_of_its_weight(outlook, way, sets):
    (answer,) = sized(replace(ACME, outlook=outlook), limits=replace(WIDE, industries={"Steel": Weight(1.0, way)}))

    assert answer.sets == sets


@pytest.mark.parametrize(("depth", "sets", "code"), [(3, 3, None), (1, 1, None), (0, 0, "DEPTH"), (None, 0, "DEPTH")])
def test_the_touch_limits_the_size(depth, sets, code):
    (answer,) = sized(replace(ACME, depth=depth))

    assert answer.sets == sets
    assert (answer.reason.code if answer.reason else None) == (f"LIMIT_{code}" if code else None)


@pytest.mark.parametrize("margin", [0.0, -1.0, float("nan"), float("inf")])
def test_a_margin_that_is_no_positive_amount_is_refused(margin):
    answers = sized(replace(ACME, margin=margin), other(2, score=0.5))

    assert [(answer.sets, answer.reason and answer.reason.code) for answer in answers] == [(0, "NO_MARGIN"), (10, None)]
    assert answers[0].reason.remedy


def test_the_best_score_comes_first_and_ties_go_to_the_older_row():
    answers = sized(other(3, score=0.7), other(2, score=0.7), other(4, score=0.9))

    assert [(answer.proposal.strategy_id, answer.priority) for answer in answers] == [(4, 100), (2, 99), (3, 98)]


def test_only_one_strategy_per_underlying_is_taken():
    answers = sized(replace(ACME, strategy_id=2, score=0.9), ACME)

    assert [(answer.sets, answer.reason and answer.reason.code) for answer in answers] == [
        (10, None),
        (0, "UNDERLYING_TAKEN"),
    ]


def test_a_better_strategy_that_does_not_fit_leaves_its_underlying_free():
    answers = sized(replace(ACME, strategy_id=2, score=0.9, margin=2_000_000), ACME)

    assert [(answer.sets, answer.priority) for answer in answers] == [(0, 0), (10, 100)]


def test_priorities_do_not_fall_below_one():
    answers = sized(
        *(other(number) for number in range(1, 105)), limits=replace(WIDE, max_sets=1, max_open=200, deployable=1e9)
    )

    assert [answer.priority for answer in answers][:2] == [100, 99]
    assert [answer.priority for answer in answers][-5:] == [1, 1, 1, 1, 1]


def test_what_is_open_already_counts():
    used = Used(
        total=960_000.0,
        strategies=1,
        underlyings={"ACME": 80_000.0},
        industries={"Steel": 30_000.0},
        sectors={"Metals": 40_000.0},
    )

    def sets(**changes):
        copy = replace(
            used, underlyings=dict(used.underlyings), industries=dict(used.industries), sectors=dict(used.sectors)
        )
        return sized(ACME, limits=replace(WIDE, **changes), used=copy)[0].sets

    assert sets() == 4
    assert sets(deployable=2_000_000, per_underlying=100_000.0) == 2
    assert sets(deployable=2_000_000, industries={"Steel": Weight(0.02)}) == 1
    assert sets(deployable=2_000_000, sectors={"Metals": Weight(0.025)}) == 1
    assert sets(max_open=1) == 0


def test_the_number_of_open_strategies_is_limited():
    answers = sized(other(1), other(2), other(3), limits=replace(WIDE, max_open=2, max_sets=1))

    assert [answer.sets for answer in answers] == [1, 1, 0]
    assert answers[2].reason.code == "LIMIT_POSITIONS"


def test_exceeded_names_every_limit_that_is_broken():
    limits = replace(WIDE, per_underlying=5_000.0, industries={"Steel": Weight(0.001)}, sectors={"Banks": Weight(0.5)})
    used = Used(1_000_002.0, 11, {"ACME": 5_002.0}, {"Steel": 1_002.0}, {"Metals": 2.0})

    found = exceeded(used, limits)

    codes = [reason.code for reason in found]
    assert codes == ["LIMIT_CAPITAL", "LIMIT_POSITIONS", "LIMIT_PER_UNDERLYING", "LIMIT_INDUSTRY", "LIMIT_SECTOR"]
    assert all(reason.remedy for reason in found)


def test_exceeded_forgives_a_rupee_and_tables_that_are_empty():
    used = Used(1_000_000.9, 10, {"ACME": 1_000_000.9}, {"Steel": 9e9}, {"Metals": 9e9})

    assert exceeded(used, WIDE) == []


def test_oversized_checks_one_strategy():
    limits = replace(WIDE, per_strategy=100_000.0)

    assert oversized(Sized(ACME, 10), limits) == []
    found = oversized(Sized(ACME, 11), limits)
    assert [reason.code for reason in found] == ["LIMIT_SETS", "LIMIT_PER_STRATEGY"]
    assert all(reason.remedy for reason in found)


def test_no_more_than_so_many_of_one_structure():
    names = ("A", "B", "C", "D")
    proposals = [
        Proposal(number, name, "", "", "Neutral", 1 - number / 10, 1_000.0, depth=5, structure="long-call")
        for number, name in enumerate(names)
    ]
    limits = Limits(1e6, 1e6, 1e6, max_sets=1, max_open=10, max_per_structure=2)

    answers = allocate(proposals, limits=limits, used=Used())

    assert [answer.sets for answer in answers] == [1, 1, 0, 0]
    assert {answer.reason.code for answer in answers[2:]} == {"LIMIT_STRUCTURE"}


def test_too_many_of_one_structure_are_found_afterwards():
    used = Used(structures={"long-call": 3})
    limits = Limits(1e6, 1e6, 1e6, max_sets=1, max_open=10, max_per_structure=2)

    assert [reason.code for reason in exceeded(used, limits)] == ["LIMIT_STRUCTURE"]
