"""A datum is known and sound, or the check that asks for it cannot pass. Pure."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import TypeVar

from market.errors import OptionsError, Reason

T = TypeVar("T")


class NotKnown(OptionsError):
    """A datum that is missing, not a number or out of its own range."""


def known(value: T | None, what: str) -> T:
    """Return the value, or raise where there is none."""
    if value is None:
        raise _not_known(f"{what} is not known.")
    return value


def flag(value: bool | None, what: str) -> bool:
    """Return a yes or no."""
    if not isinstance(value, bool):
        raise _not_known(f"{what} is not known.")
    return value


def text(value: str | None, what: str) -> str:
    """Return a text that says something."""
    if not isinstance(value, str) or not value:
        raise _not_known(f"{what} is not known.")
    return value


def count(value: int | None, what: str, *, low: int = 0) -> int:
    """Return a whole number not below `low`."""
    if value is None or isinstance(value, bool) or not isinstance(value, int):
        raise _not_known(f"{what} is not known.")
    if value < low:
        raise _not_known(f"{what} cannot be {value}.")
    return value


def money(value: Decimal | None, what: str, *, low: Decimal | None = None) -> Decimal:
    """Return a finite amount, not below `low`."""
    if not isinstance(value, Decimal) or not value.is_finite():
        raise _not_known(f"{what} is not known.")
    if low is not None and value < low:
        raise _not_known(f"{what} cannot be {value}.")
    return value


def moment(value: datetime | None, what: str) -> datetime:
    """Return an aware moment."""
    if not isinstance(value, datetime) or value.utcoffset() is None:
        raise _not_known(f"{what} is not known.")
    return value


def day(value: date | None, what: str) -> date:
    """Return a day."""
    if not isinstance(value, date) or isinstance(value, datetime):
        raise _not_known(f"{what} is not known.")
    return value


def span(value: timedelta | None, what: str) -> timedelta:
    """Return a length of time; one below zero would lie in the future."""
    if not isinstance(value, timedelta):
        raise _not_known(f"{what} is not known.")
    if value < timedelta(0):
        raise _not_known(f"{what} cannot be {value}.")
    return value


def _not_known(sentence: str) -> NotKnown:
    return NotKnown(Reason("NOT_KNOWN", sentence[0].upper() + sentence[1:]))
