"""The only crossing between float (pure code) and Decimal (orders, fills, models), and the price grid."""

import math
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Decimal
from typing import Literal

from market.errors import InvalidInput, Reason

Direction = Literal["down", "up", "nearest"]

LARGEST = 1e12  # rupees: fits numeric(20, 6) and is beyond any amount of one account
_MOST_PLACES = 12
_STEPS = tuple(Decimal(1).scaleb(-places) for places in range(_MOST_PLACES + 1))
_ROUNDINGS: dict[str, str] = {"down": ROUND_FLOOR, "up": ROUND_CEILING, "nearest": ROUND_HALF_UP}


def to_decimal(value: float, *, places: int) -> Decimal:
    """Round a float to a Decimal with that many places, half away from zero, starting from its shortest text.

    Parameters
    ----------
    value : float
        Finite, at most 1e12 in size.
    places : int
        Digits after the point, 0 to 12.

    Raises
    ------
    InvalidInput
        NOT_FINITE for NaN and infinity, OUT_OF_BOUNDS beyond 1e12, BAD_PLACES outside 0 to 12.
    """
    number = float(value)
    if not math.isfinite(number):
        raise InvalidInput(Reason("NOT_FINITE", f"{number} is not an amount."))
    if abs(number) > LARGEST:
        raise InvalidInput(Reason("OUT_OF_BOUNDS", f"{number:g} is larger than {LARGEST:g}."))
    if not 0 <= places <= _MOST_PLACES:
        raise InvalidInput(Reason("BAD_PLACES", f"{places} decimal places are not between 0 and {_MOST_PLACES}."))
    rounded = Decimal(repr(number)).quantize(_STEPS[places], rounding=ROUND_HALF_UP)
    return rounded + 0  # turns -0.00 into 0.00


def snap(price: Decimal, tick: Decimal, *, towards: Direction) -> Decimal:
    """Move a price onto the tick grid: down is towards minus infinity, nearest breaks ties away from zero.

    Raises
    ------
    InvalidInput
        NOT_FINITE, BAD_TICK when the tick is not positive, BAD_DIRECTION.
    """
    _require_finite(price)
    _require_tick(tick)
    if towards not in _ROUNDINGS:
        raise InvalidInput(Reason("BAD_DIRECTION", f"{towards!r} is not down, up or nearest."))
    return (price / tick).to_integral_value(rounding=_ROUNDINGS[towards]) * tick


def is_on_tick(price: Decimal, tick: Decimal) -> bool:
    """Whether the price is a whole number of ticks."""
    _require_finite(price)
    _require_tick(tick)
    return price % tick == 0


def _require_finite(price: Decimal) -> None:
    if not price.is_finite() or abs(price) > Decimal(LARGEST):
        raise InvalidInput(Reason("NOT_FINITE", f"{price} is not a price."))


def _require_tick(tick: Decimal) -> None:
    if not tick.is_finite() or tick <= 0:
        raise InvalidInput(Reason("BAD_TICK", f"A tick of {tick} is not a price step.", "Read it from the master."))
