"""A fact that changes on known dates, and the lookup that refuses to guess."""

from bisect import bisect_right
from dataclasses import dataclass
from datetime import date, datetime
from typing import Generic, TypeVar

from market.errors import InvalidInput, Reason, UnknownDay

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Dated(Generic[T]):
    """One value of a fact, the first day it holds, and where that was read."""

    effective_from: date
    value: T
    source: str


@dataclass(frozen=True, slots=True)
class Timeline(Generic[T]):
    """Every known value of one fact, oldest first; each holds until the next begins.

    Only beginnings are stored, so the table can have neither a gap nor an overlap.
    """

    name: str
    entries: tuple[Dated[T], ...]

    def __post_init__(self) -> None:
        starts = [entry.effective_from for entry in self.entries]
        if not starts or starts != sorted(set(starts)):
            raise InvalidInput(Reason("RULEBOOK_ORDER", f"The entries of {self.name} are not in ascending order."))

    def at(self, as_of: date) -> T:
        """Return the value in force on `as_of`; raise UnknownDay before the first entry."""
        position = bisect_right(self.entries, plain_date(as_of), key=lambda entry: entry.effective_from)
        if position == 0:
            raise self.unknown(as_of)
        return self.entries[position - 1].value

    def unknown(self, as_of: date) -> UnknownDay:
        first = self.entries[0].effective_from
        return UnknownDay(
            Reason(
                "DAY_NOT_COVERED",
                f"The rulebook knows {self.name} from {first:%d %b %Y}; {as_of:%d %b %Y} was asked.",
                "Use a later day, or add the earlier entry with its source to market/rulebook.",
            )
        )


def plain_date(day: date) -> date:
    """Refuse a datetime: it would compare and hash unlike the date it stands for."""
    if isinstance(day, datetime) or not isinstance(day, date):
        raise InvalidInput(
            Reason("NOT_A_DATE", f"A plain date is needed, not {day!r}.", "Take the IST date of the moment.")
        )
    return day
