"""Reason codes are one alphabet: other people's queries and pages match on them."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = [path for app in ("market", "strategies", "allocation", "execution") for path in (ROOT / app).rglob("*.py")]
CODES = [
    (f"{path.relative_to(ROOT)}:{text[: match.start()].count(chr(10)) + 1}", match.group(1))
    for path in SOURCES
    for text in [path.read_text()]
    for match in re.finditer(r'\bReason\(\s*"([^"]*)"', text)
]


@pytest.mark.parametrize(("place", "code"), CODES, ids=[place for place, _ in CODES])
def test_codes_are_capitals_and_short_enough_for_their_column(place, code):
    assert re.fullmatch(r"[A-Z][A-Z0-9_]{1,39}", code)


def test_there_are_codes_to_look_at():
    assert len(CODES) > 100
