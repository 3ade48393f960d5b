import types
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from market.errors import InvalidInput, UnknownDay
from market.rulebook import charges, covered_years, days, expiries, margins, orders
from market.rulebook.dated import Dated, Timeline

RULES = Timeline("a test rule", (Dated(date(2024, 1, 1), 1, "one"), Dated(date(2025, 1, 1), 2, "two")))


def timelines_in(module: types.ModuleType) -> Iterator[Timeline[Any]]:
    for value in vars(module).values():
        candidates = value.values() if isinstance(value, Mapping) else [value]
        yield from (item for item in candidates if isinstance(item, Timeline))


EVERY_TIMELINE = [line for module in (charges, days, expiries, margins, orders) for line in timelines_in(module)]


@pytest.mark.parametrize(
    ("day", "value"),
    [(date(2024, 1, 1), 1), (date(2024, 12, 31), 1), (date(2025, 1, 1), 2), (date(2030, 1, 1), 2)],
)
def test_a_value_holds_from_its_day_until_the_next(day: date, value: int) -> None:
    assert RULES.at(day) == value


def test_before_the_first_entry_nothing_is_known() -> None:
    with pytest.raises(UnknownDay, match="a test rule from 01 Jan 2024; 31 Dec 2023"):
        RULES.at(date(2023, 12, 31))


def test_a_datetime_is_refused() -> None:
    with pytest.raises(InvalidInput, match="NOT_A_DATE"):
        RULES.at(datetime(2024, 5, 1, tzinfo=UTC))


@pytest.mark.parametrize("starts", [[], [date(2025, 1, 1), date(2024, 1, 1)], [date(2025, 1, 1), date(2025, 1, 1)]])
def test_a_table_out_of_order_cannot_be_built(starts: list[date]) -> None:
    with pytest.raises(InvalidInput, match="RULEBOOK_ORDER"):
        Timeline("wrong", tuple(Dated(day, 0, "none") for day in starts))


def test_all_tables_are_found() -> None:
    assert len(EVERY_TIMELINE) == 36


@pytest.mark.parametrize("timeline", EVERY_TIMELINE, ids=lambda line: line.name)
def test_every_table_is_gapless_sourced_and_starts_somewhere(timeline: Timeline[Any]) -> None:
    starts = [entry.effective_from for entry in timeline.entries]

    assert starts == sorted(set(starts))
    assert all(entry.source for entry in timeline.entries)
    for number, entry in enumerate(timeline.entries):
        assert timeline.at(entry.effective_from) == entry.value
        if number:
            eve = entry.effective_from - timedelta(days=1)
            assert timeline.at(eve) == timeline.entries[number - 1].value
    with pytest.raises(UnknownDay):
        timeline.at(starts[0] - timedelta(days=1))


def test_covered_years() -> None:
    assert covered_years() == (2024, 2025, 2026)
