"""Bugs that are planted are found: the harness is tested by what it must not let pass."""

from itertools import chain

import pytest

from tests.simulation.__main__ import hunt, main
from tests.simulation.mutants import MUTANTS, Mutant
from tests.simulation.schedule import simulate

# Where a bug is known to show when it does not show in the first few; `--mutants` hunts for all of them from seed 0.
SHOWS = {
    "no send deadline": 6,
    "the clearance is dated after the commit": 6,
    "no fencing of commits": 5,
    "a lost race or lease does not stop": 8,
    "no pace": 181,
    "one negative suffices": 218,
    "last-write-wins updates": 389,
    "a failed lookup finds nothing": 20,
    "no duplicate detection": 7,
    "zombie ignored": 23,
    "found fills of ended orders are ignored": 23,
    "an overfill is clamped": 205,
    "a cancel that was taken is the end": 7,
    "nobody is called": 7,
    "kill switch ignored": 11,
    "kill switch read at the start only": 52,
    "a critical alert stops nobody": 16,
    "the gate is asked and not heeded": 12,
    "refusal not confirmed": 62,
}
FIRST = range(5)
REST = range(5, 60)  # where the known seed has become another story
ASKED_FOR = {
    "no write-ahead",
    "blind retry",
    "no quarantine",
    "no cover rule",
    "last-write-wins updates",
    "no send deadline",
    "no lease",
    "exit sells hedge first",
}


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name.replace(" ", "_"))
def test_a_planted_bug_is_caught(mutant: Mutant) -> None:
    known = [SHOWS[mutant.name]] if mutant.name in SHOWS else FIRST

    caught = hunt(mutant, chain(known, REST))

    assert caught is not None
    assert simulate(caught.seed).violations == ()


def test_there_are_enough_of_them_with_names_of_their_own() -> None:
    names = {mutant.name for mutant in MUTANTS}

    assert len(names) == len(MUTANTS) >= 25
    assert names >= ASKED_FOR
    assert set(SHOWS) <= names


def test_a_bug_is_gone_when_its_block_ends() -> None:
    before = simulate(0).hash

    for mutant in MUTANTS:
        with mutant.planted():
            pass

    assert simulate(0).hash == before


def test_the_command_counts(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["--mutants", "--only", "write-ahead", "--schedules", "10", "--processes", "1"])

    assert code == 0
    assert capsys.readouterr().out.splitlines()[-1] == "caught 1 of 1"
