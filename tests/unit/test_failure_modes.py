"""Every failure mode is named by a test, or by the reason why none does; the page says so."""

import ast
from pathlib import Path

import pytest

from tests.failure_modes import PAGE, ROOT, Proof, covered, ids_of, misnamed, page, proofs
from tests.failure_modes.table import DRILLED, GROUPS, MODES, NOT_COVERED


def test_the_page_is_what_the_names_of_the_tests_say():
    assert PAGE.read_text(encoding="utf-8") == page(proofs()), "run: python -m tests.failure_modes"


def test_every_failure_mode_has_a_test_or_a_reason_and_never_both():
    assert set(MODES) - covered(proofs()) == set(NOT_COVERED)


def test_no_test_names_what_is_no_failure_mode():
    assert {known for proof in proofs() for known in proof.ids} - set(MODES) == set()
    assert misnamed() == []


def test_the_table_counts_each_group_without_a_gap():
    sizes = {"A": 21, "B": 17, "C": 24, "D": 14, "E": 16, "F": 17}

    assert list(MODES) == [f"{letter}{number}" for letter in GROUPS for number in range(1, sizes[letter] + 1)]
    assert all(mode.answer.endswith(".") and "|" not in mode.title + mode.answer for mode in MODES.values())


def test_every_drill_that_is_named_exists():
    tree = ast.parse((ROOT / "tests" / "drills" / "__main__.py").read_text(encoding="utf-8"))
    words = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}

    assert {name for names in DRILLED.values() for name in names} - words == set()


@pytest.mark.parametrize(
    ("name", "ids"),
    [
        ("test_fm_A3_late_arrival", ("A3",)),
        ("test_fm_C1_C14_sending_is_committed", ("C1", "C14")),
        ("test_fm_late_arrival", ()),
        ("test_a_page", ()),
    ],
)
def test_ids_are_read_from_the_name(name: str, ids: tuple[str, ...]):
    assert ids_of(name) == ids


def test_tests_are_found_without_importing_them(tmp_path: Path):
    file = tmp_path / "tests" / "unit" / "test_x.py"
    file.parent.mkdir(parents=True)
    file.write_text("import nothing_there\ndef test_fm_A1_A2_lost(): ...\nasync def test_fm_B1_silent(): ...\n")

    assert [(proof.path, proof.ids) for proof in proofs(tmp_path)] == [
        ("tests/unit/test_x.py", ("A1", "A2")),
        ("tests/unit/test_x.py", ("B1",)),
    ]


def test_a_fault_that_is_only_played_is_not_proven():
    played = Proof("tests/unit/execution/simulator/test_x.py", "test_fm_A3_late", ("A3",))
    proven = Proof("tests/unit/execution/test_x.py", "test_fm_A1_lost", ("A1",))

    assert covered([played, proven]) == {"A1"}
