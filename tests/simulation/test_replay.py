"""A seed is enough to see everything again."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulation.__main__ import main
from tests.simulation.naive import simulate_naive
from tests.simulation.schedule import simulate

ROOT = Path(__file__).resolve().parents[2]
SEED = 7


def test_the_same_seed_gives_the_same_trace_every_time() -> None:
    hashes = {simulate(SEED).hash for _ in range(25)}

    assert len(hashes) == 1


def test_the_same_seed_gives_the_same_trace_in_another_process() -> None:
    hashes = {_hash_in_a_process(salt) for salt in ("1", "2")}

    assert hashes == {simulate(SEED).hash}


def test_other_seeds_give_other_traces() -> None:
    assert len({simulate(seed).hash for seed in range(20)}) == 20


def test_a_schedule_before_it_does_not_change_a_schedule() -> None:
    alone = simulate(3).hash

    simulate(4)
    simulate_naive(4)

    assert simulate(3).hash == alone


def test_replay_prints_the_trace_and_its_hash(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["--replay", str(SEED)])

    lines = capsys.readouterr().out.splitlines()
    assert code == 0
    assert lines[-1] == f"seed {SEED}: 0 violations, hash {simulate(SEED).hash}"
    assert any(" place " in line for line in lines)


def test_the_last_line_counts(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["--schedules", "20", "--processes", "1"])

    assert code == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert re.fullmatch(r"20 schedules, 0 violations, \d+ schedules/s", last)


def _hash_in_a_process(salt: str) -> str:
    command = [sys.executable, "-m", "tests.simulation", "--replay", str(SEED)]
    environment = {**os.environ, "PYTHONHASHSEED": salt}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    return done.stdout.split()[-1]
