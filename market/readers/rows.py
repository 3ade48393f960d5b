"""Cells and rows of the recorded files: text in, numbers out, a code for each row that cannot be used."""

import csv
import math
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import date, datetime
from functools import lru_cache
from typing import Final

from market.errors import BadChain
from market.readers.archive import Member, bad, lines_of

NONE_MARKS: Final = ("", "-")
_DATES = ("%Y-%m-%d", "%d-%m-%Y", "%d-%b-%Y", "%d%b%Y")
INDEX_SYMBOLS: Final = frozenset(
    {"NIFTY", "BANKNIFTY", "FINNIFTY", "MIDCPNIFTY", "NIFTYNXT50", "SENSEX", "BANKEX", "SENSEX50"}
)
_ENOUGH = 20  # quantities: fewer can share a multiple of the lot by chance


class RowFault(ValueError):
    """Why one row or side is not used: a reason code."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Table:
    """A CSV member: column names without blanks, and its rows; rows of the wrong width are counted, not given."""

    def __init__(self, member: Member) -> None:
        self.name = member.name
        self.rejected: Counter[str] = Counter()
        self._rows = csv.reader(lines_of(member))
        try:
            self.columns = tuple(cell.strip() for cell in next(self._rows, ()))
        except csv.Error as error:
            raise bad("BAD_CSV", f"{member.name} is not a comma-separated table.") from error

    def __iter__(self) -> Iterator[list[str]]:
        width = len(self.columns)
        try:
            for row in self._rows:
                if len(row) == width:
                    yield row
                elif row:
                    self.rejected["WRONG_WIDTH"] += 1
        except csv.Error as error:
            raise bad("BAD_CSV", f"{self.name} is not a comma-separated table: {error}.") from error

    def where(self, column: str) -> int:
        """The position of a column; refused when it is missing or stands twice."""
        if self.columns.count(column) != 1:
            raise self.wrong_columns(column)
        return self.columns.index(column)

    def where_if(self, column: str) -> int | None:
        """The position of a column that not every version of the form has."""
        return self.where(column) if column in self.columns else None

    def wrong_columns(self, missing: str) -> BadChain:
        """The refusal of a table that lacks a column."""
        return bad("WRONG_COLUMNS", f"{self.name} lacks one column named {missing}.", "Fetch the whole file again.")


def number(text: str) -> float | None:
    """A number that may carry thousands commas; None for a blank or `-`."""
    text = text.strip()
    if text in NONE_MARKS:
        return None
    try:
        return float(text.replace(",", ""))
    except ValueError as error:
        raise RowFault("NOT_A_NUMBER") from error


def positive(text: str) -> float | None:
    """A price or volatility where 0 means none."""
    return number(text) or None


def whole(text: str) -> int | None:
    """A count; None for a blank or `-`, 0 stays 0."""
    value = number(text)
    return None if value is None else as_whole(value)


def as_whole(value: float) -> int:
    """A count that arrived as a float."""
    if not math.isfinite(value):
        raise RowFault("NOT_FINITE")
    if value != int(value):
        raise RowFault("NOT_WHOLE")
    return int(value)


@lru_cache(maxsize=4096)
def day(text: str) -> date:
    """A date in one of the forms seen: 2026-01-27, 27-01-2026, 27-Jan-2026, 27JAN2026."""
    for form in _DATES:
        try:
            return datetime.strptime(text.strip(), form).date()  # noqa: DTZ007 - a date has no zone
        except ValueError:
            continue
    raise RowFault("BAD_DATE")


def symbol_of(text: str) -> str:
    """An underlying's symbol in capitals."""
    symbol = text.strip().upper()
    if not is_symbol(symbol):
        raise RowFault("BAD_SYMBOL")
    return symbol


def is_symbol(text: str) -> bool:
    """Whether this can be an underlying's symbol: 360ONE, M&M, BAJAJ-AUTO."""
    return len(text) <= 40 and text.isascii() and text.replace("&", "").replace("-", "").isalnum()


def observed_lot(quantities: Iterable[int | None]) -> int | None:
    """The lot that order quantities show: their greatest common divisor, when enough are seen and one is exactly it.

    Quantities stand in units and every order is a multiple of the lot, while NSE states volume (and in some
    files open interest) in lots. Where too few quantities are quoted the lot stays unknown: never guessed.
    """
    seen = [quantity for quantity in quantities if quantity is not None and quantity > 0]
    if len(seen) < _ENOUGH:
        return None
    divisor = math.gcd(*seen)
    return divisor if divisor in seen else None


def in_units(lots: float | None, lot_size: int | None) -> int | None:
    """A count of lots as units; None where either is unknown (no lots at all are no units, whatever the lot).

    NSE shows an interest from before a change of lot size as a fraction of lots: still whole units.
    """
    if lots == 0:
        return 0
    return None if lots is None or lot_size is None else as_whole(round(lots * lot_size, 6))
