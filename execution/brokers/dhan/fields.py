"""One field of a Dhan row at a time: there, of its kind and within bounds, or the whole read has failed. Pure."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from execution.errors import ReadFailed
from market.calendar import IST
from market.errors import Reason

Row = Mapping[str, Any]

MOST_UNITS = 100_000_000
DEAREST = Decimal(10_000_000)  # rupees per unit, not reached
MOST_MONEY = Decimal(1_000_000_000_000)
_STAMP = "%Y-%m-%d %H:%M:%S"
_NO_STAMP = frozenset({"", "NA", "0001-01-01 00:00:00"})


def bad_row(code: str, sentence: str) -> ReadFailed:
    """The read that met a row nobody may act on."""
    return ReadFailed(Reason(code, sentence, "The whole answer is discarded; look at the broker's own screen."))


def rows(value: Any) -> list[Row]:
    """The rows of an answer that is an array, or one object where Dhan sends either."""
    found = [value] if isinstance(value, dict) else value
    if not isinstance(found, list) or not all(isinstance(row, dict) and row for row in found):
        raise bad_row("BAD_ROW", "Dhan's answer is not a list of objects.")
    return found


def words(row: Row, name: str) -> str:
    """A text that must be there."""
    value = row.get(name)
    if type(value) is int:
        return str(value)
    if not isinstance(value, str) or not value.strip():
        raise bad_row("BAD_ROW", f"Dhan's row has no {name}.")
    return value.strip()


def words_or_empty(row: Row, *names: str) -> str:
    """The first text of these names that is there."""
    return next((row[name].strip() for name in names if isinstance(row.get(name), str) and row[name].strip()), "")


def units(row: Row, name: str, *, signed: bool = False) -> int:
    """A whole number of units; a fraction is refused, not cut off."""
    number = _number(row, name)
    if number != number.to_integral_value() or abs(number) > MOST_UNITS or (number < 0 and not signed):
        raise bad_row("BAD_ROW", f"{name} is {number}, which is no quantity.")
    return int(number)


def price(row: Row, name: str) -> Decimal:
    """A price above 0."""
    found = price_or_none(row, name)
    if found is None:
        raise bad_row("BAD_ROW", f"{name} is 0, which is no price.")
    return found


def price_or_none(row: Row, name: str) -> Decimal | None:
    """A price, or None for 0 and for null."""
    if row.get(name) is None:
        return None
    number = _number(row, name)
    if not 0 <= number < DEAREST:
        raise bad_row("BAD_ROW", f"{name} is {number}, which is no price.")
    return number or None


def money(row: Row, *names: str, signed: bool = False) -> Decimal:
    """Rupees under the first of these names that is there, as a number or as text."""
    name = next((name for name in names if row.get(name) is not None), names[0])
    number = _number(row, name)
    if abs(number) > MOST_MONEY or (number < 0 and not signed):
        raise bad_row("BAD_ROW", f"{name} is {number}, which is no amount.")
    return number


def stamp(row: Row, *names: str) -> datetime | None:
    """The first moment of these names, aware IST; None when the row has none."""
    for name in names:
        value = row.get(name)
        if isinstance(value, str) and value.strip() not in _NO_STAMP:
            return _moment(name, value.strip())
    return None


def _moment(name: str, text: str) -> datetime:
    try:
        return datetime.strptime(text, _STAMP).replace(tzinfo=IST)
    except ValueError as error:
        raise bad_row("BAD_ROW", f"{name} is no moment.") from error


def _number(row: Row, name: str) -> Decimal:
    value = row.get(name)
    if isinstance(value, bool) or not isinstance(value, int | Decimal | str):
        raise bad_row("BAD_ROW", f"Dhan's row has no number {name}.")
    try:
        number = Decimal(value)
    except InvalidOperation as error:
        raise bad_row("BAD_ROW", f"{name} is no number.") from error
    if not number.is_finite():
        raise bad_row("BAD_ROW", f"{name} is not finite.")
    return number
