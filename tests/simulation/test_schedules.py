"""The executor as it is shipped, in a world where everything fails that can."""

import pytest

from tests.simulation.schedule import Schedule, silence, simulate

# A thousand seeds, a hundred to a test, so that workers share them.
BLOCKS = range(10)
BLOCK = 100

# Seeds that once broke an invariant, and what was wrong then.
CORPUS = {
    58: "a fate outlived the end of the faults (the harness)",
    80: "an answer came for an attempt that another process had given up",
    140: "the same, after a pause",
    205: "an order was filled beyond its size before it had an id",
    570: "the same as 80",
    10439: "a false refusal of an order that stayed without a fill",
    10836: "the same",
    13647: "a process stood still between the deadline and the first byte",
    14543: "the same",
    20337: "quotes were read at another moment than the order's (the harness)",
    20855: "the same",
}


@pytest.mark.parametrize("block", BLOCKS)
def test_fm_A1_A2_A3_A4_A5_A6_A9_A12_A13_A14_A16_B2_B3_B4_B5_B6_B7_no_invariant_breaks(block: int) -> None:
    outcomes = [simulate(seed) for seed in range(block * BLOCK, (block + 1) * BLOCK)]

    broken = [f"seed {one.seed}: {one.violations[0]}" for one in outcomes if one.violations]

    assert broken == []
    assert sum(one.orders for one in outcomes) > 3 * BLOCK


@pytest.mark.parametrize("seed", CORPUS, ids=str)
def test_fm_C1_C2_C3_C4_C5_C6_C12_C13_a_seed_that_once_broke_holds(seed: int) -> None:
    assert simulate(seed).violations == ()


def test_fm_E1_E2_E3_E5_E6_E7_E16_the_schedules_reach_what_they_are_about() -> None:
    seen = dict.fromkeys(("crash", "stopped", "fenced", "hint", "commit answer lost", "database down"), 0)
    states: set[str] = set()

    for seed in range(120):
        schedule = Schedule(seed)
        with silence():
            schedule.run()
        for _, word, *_rest in schedule.world.trace:
            seen[str(word)] = seen.get(str(word), 0) + 1
        states |= {str(run.state) for run in schedule.database.runs.values()}
        states |= {f"{run.purpose} {run.state}" for run in schedule.database.runs.values()}

    assert min(seen.values()) > 0
    assert {"complete", "flat", "failed_flat", "denied", "attention", "exit complete", "flatten complete"} <= states


def test_a_calm_schedule_does_everything_that_was_wanted() -> None:
    calm = [seed for seed in range(300) if Schedule(seed).world.is_calm]

    outcomes = [simulate(seed) for seed in calm]

    assert len(calm) > 3
    assert all(one.violations == () and one.runs > 0 for one in outcomes)
