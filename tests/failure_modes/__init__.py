"""Which test proves which failure mode: read from the names of the tests, written to docs/failure-modes.md."""

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.failure_modes.table import DRILLED, GROUPS, MODES, NOT_COVERED, Mode

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "failure-modes.md"
_NAME = re.compile(r"test_fm_((?:[A-F][0-9]+_)+)[a-z]")
# These prove that the simulated exchange can play a fault, not what we do about it.
_PLAYS = ("tests/unit/execution/simulator/", "tests/contract/execution/test_dhanhq_")
_INTRODUCTION = """\
# Failure modes

Written by `python -m tests.failure_modes` from the names of the tests; a test compares it.

Each way to fail has an id, and a test that proves what we do about it bears the id in its name (`test_fm_A3_...`;
several ids where it proves several). Tests after "played by" show that the simulated exchange can do the thing to us.
`make simulate`, `make crash-points` and `make drills` prove more of them in larger numbers. What no test proves yet is
at the end, with the reason.
"""


@dataclass(frozen=True, slots=True)
class Proof:
    """A test and the failure modes it names."""

    path: str
    function: str
    ids: tuple[str, ...]

    @property
    def plays(self) -> bool:
        """Whether it shows the fault itself."""
        return self.path.startswith(_PLAYS)

    @property
    def link(self) -> str:
        """As Markdown, relative to docs/."""
        return f"[{Path(self.path).name}::{self.function}](../{self.path})"


def ids_of(function: str) -> tuple[str, ...]:
    """The ids in the name of a test, none when it bears none."""
    found = _NAME.match(function)
    return tuple(found[1].rstrip("_").split("_")) if found else ()


def proofs(root: Path = ROOT) -> list[Proof]:
    """Every test that names a failure mode, in the order of files and lines; nothing is imported."""
    return [
        Proof(path.relative_to(root).as_posix(), name, ids)
        for path in sorted((root / "tests").rglob("test_*.py"))
        for name in _functions(path)
        if (ids := ids_of(name))
    ]


def misnamed(root: Path = ROOT) -> list[str]:
    """Tests whose names begin like those of a failure mode and name none that could be read."""
    named = {(path, name) for path in (root / "tests").rglob("test_*.py") for name in _functions(path)}
    return sorted(f"{path.name}::{name}" for path, name in named if name.startswith("test_fm_") and not ids_of(name))


def page(found: Sequence[Proof]) -> str:
    """The whole of docs/failure-modes.md."""
    tests = {known: [proof for proof in found if known in proof.ids] for known in MODES}
    parts = [_INTRODUCTION, _figures(found)]
    parts += [_group(letter, title, tests) for letter, title in GROUPS.items()]
    return "\n".join([*parts, _not_covered()])


def _functions(path: Path) -> Iterator[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
    functions = (node for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return (node.name for node in functions)


def covered(found: Sequence[Proof]) -> set[str]:
    """The ids that are proven, not only played."""
    return {known for proof in found if not proof.plays for known in proof.ids}


def _figures(found: Sequence[Proof]) -> str:
    return f"{len(covered(found))} of {len(MODES)} failure modes are proven; {len(found)} tests name one.\n"


def _group(letter: str, title: str, tests: Mapping[str, Sequence[Proof]]) -> str:
    rows = [_row(known, mode, tests[known]) for known, mode in MODES.items() if known[0] == letter]
    head = ["| id | what fails | what we do | proven by |", "|---|---|---|---|"]
    return "\n".join([f"## {letter}. {title}", "", *head, *rows, ""])


def _row(known: str, mode: Mode, proven: Sequence[Proof]) -> str:
    links = [proof.link for proof in proven if not proof.plays]
    links += [f"`make drills`: {name}" for name in DRILLED.get(known, ())]
    played = [proof.link for proof in proven if proof.plays]
    if played:
        links.append("played by: " + "<br>".join(played))
    cell = "<br>".join(links) or "not yet, see below"
    return f"| {known} | {mode.title} | {mode.answer} | {cell} |"


def _not_covered() -> str:
    rows = [f"- **{known}** ({MODES[known].title}): {reason}" for known, reason in NOT_COVERED.items()]
    return "\n".join(["## Not proven yet", "", *rows, ""])
