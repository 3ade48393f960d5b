"""The executor as it is shipped, in a world where everything fails that can."""

from pathlib import Path

import pytest

from execution.simulator.faults import APPLIES, Call, Fault
from tests.simulation.schedule import Outcome, Schedule, silence, simulate

# A thousand seeds, fifty to a test, so that workers share them.
BLOCKS = range(20)
BLOCK = 50

_LINES = (Path(__file__).parent / "corpus.txt").read_text().splitlines()
CORPUS = [int(line.split()[0]) for line in _LINES if line and not line.startswith("#")]

# A calm schedule is one where nothing goes wrong at all.
CALM = [seed for seed in range(300) if Schedule(seed).world.is_calm]

# What the order path meets as our own errors; the update socket is a hint that comes, or comes twice, or never.
MET = {
    call: set(APPLIES[call]) - {Fault.BROKER_SQUARE_OFF}
    for call in (Call.PLACE, Call.CANCEL, Call.BOOK, Call.LOOKUP, Call.FATE, Call.SESSION)
}

TOLD = {"crash", "stopped", "fenced", "hint", "commit answer lost", "database down", "books stand still", "alert"}
ENDS = {
    *("entry complete", "entry flat", "entry failed_flat", "entry denied", "entry attention"),
    *("exit complete", "exit failed_flat", "flatten complete"),
}


def require_whole(outcomes: list[Outcome]) -> None:
    """Fail with the command that shows it again."""
    broken = [
        f"seed {one.seed}: {one.violations[0]}\n  python -m tests.simulation --replay {one.seed}"
        for one in outcomes
        if one.violations
    ]
    assert not broken, "\n".join(broken)


@pytest.mark.parametrize("block", BLOCKS)
def test_fm_A1_A2_A3_A4_A5_A6_A9_A12_A13_A14_A16_B2_B3_B4_B5_B6_B7_no_invariant_breaks(block: int) -> None:
    outcomes = [simulate(seed) for seed in range(block * BLOCK, (block + 1) * BLOCK)]

    require_whole(outcomes)
    assert sum(one.orders for one in outcomes) > 3 * BLOCK


@pytest.mark.parametrize("seed", CORPUS, ids=str)
def test_fm_C1_C2_C3_C4_C5_C6_C12_C13_a_seed_that_once_broke_holds(seed: int) -> None:
    require_whole([simulate(seed)])


@pytest.mark.parametrize("seed", CALM, ids=str)
def test_where_nothing_goes_wrong_everything_that_was_wanted_is_done(seed: int) -> None:
    outcome = simulate(seed)

    require_whole([outcome])
    assert outcome.runs > 0


def test_fm_C15_E1_E2_E3_E5_E6_E7_E16_the_schedules_reach_what_they_are_about() -> None:
    wanted = TOLD | ENDS | set().union(*MET.values()) | {"five at once"}

    seed = 0
    while wanted and seed < 400:
        wanted -= reached(seed)
        seed += 1

    assert wanted == set()


def test_every_schedule_has_a_mix_of_faults_of_its_own() -> None:
    mixes = [Schedule(seed).chaos.plan.rates for seed in range(200)]

    live = [mix for mix in mixes if mix]
    assert len({tuple(sorted(mix)) for mix in live}) == len(live)
    for fault in MET[Call.PLACE]:
        share = sum(fault in mix for mix in live) / len(live)
        assert 0.5 < share < 0.8, fault


def reached(seed: int) -> set[str]:
    """What happened in a schedule: faults that hit, words of its trace, ends of its runs."""
    schedule = Schedule(seed)
    with silence():
        schedule.run()
    words = {str(line[1]) for line in schedule.world.trace}
    ends = {f"{run.purpose} {run.state}" for run in schedule.database.runs.values()}
    many = {"five at once"} if at_once(schedule) >= 5 else set[str]()
    return words | ends | many | {strike.fault for _, _, strike in schedule.chaos.plan.struck}


def at_once(schedule: Schedule) -> int:
    """The most runs that were under way together."""
    open_runs, most = set[object](), 0
    for _, word, *rest in schedule.world.trace:
        if word == "run":
            number, what = rest[0], str(rest[1])
            if what in {"entry", "exit", "flatten"}:
                open_runs.add(number)
            elif what in {"complete", "flat", "failed_flat", "denied", "attention"}:
                open_runs.discard(number)
            most = max(most, len(open_runs))
    return most
