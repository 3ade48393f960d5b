"""The harness can see: the documents' executor does not survive it."""

import pytest

from tests.simulation.__main__ import main
from tests.simulation.naive import simulate_naive

SCHEDULES = 100


def test_the_documents_design_breaks_in_most_schedules() -> None:
    outcomes = [simulate_naive(seed) for seed in range(SCHEDULES)]

    broken = [one for one in outcomes if one.violations]

    assert len(broken) > SCHEDULES * 0.7
    kinds = {violation.invariant for one in broken for violation in one.violations}
    assert {1, 4, 5, 17} <= kinds


def test_the_command_says_how_many_break(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["--schedules", "50", "--design", "naive", "--processes", "1"])

    lines = capsys.readouterr().out.splitlines()
    assert code == 0
    assert lines[0].startswith("the documents' design breaks in ")
    assert lines[-1].startswith("50 schedules, ")
