"""Bugs that are planted are found: the harness is tested by what it must not let pass."""

import pytest

from tests.simulation.__main__ import hunt, main
from tests.simulation.mutants import MUTANTS, Mutant
from tests.simulation.schedule import simulate

# Where each bug is known to show; `--mutants` hunts for them from seed 0.
SHOWS: dict[str, int] = {}


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name.replace(" ", "_"))
def test_a_planted_bug_is_caught(mutant: Mutant) -> None:
    seed = SHOWS[mutant.name]

    caught = hunt(mutant, [seed])

    assert caught is not None
    assert simulate(seed).violations == ()


def test_there_are_enough_of_them_with_names_of_their_own() -> None:
    names = {mutant.name for mutant in MUTANTS}

    assert len(names) == len(MUTANTS) >= 25


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
