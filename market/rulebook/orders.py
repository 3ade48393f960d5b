"""Limits on single orders: freeze quantity, tick, strike step and limit-price protection."""

import math
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from types import MappingProxyType
from typing import Literal

from market.errors import InvalidInput, Reason, UnknownInstrument
from market.rulebook.dated import Dated, Timeline

UnderlyingKind = Literal["index", "stock"]

_FREEZE_COLUMNS = ("BANKNIFTY", "NIFTY", "FINNIFTY", "MIDCPNIFTY", "NIFTYNXT50")
_FREEZE_ROWS: tuple[tuple[date, tuple[int, int, int, int, int], str], ...] = (
    (date(2025, 8, 1), (600, 1800, 1800, 2800, 600), "FAOP69431"),
    (date(2025, 9, 1), (900, 1800, 1800, 2800, 600), "FAOP69913"),
    (date(2025, 12, 1), (600, 1800, 1200, 2800, 600), "FAOP71540"),
    (date(2026, 2, 1), (600, 1800, 1800, 2800, 600), "FAOP72534"),
    (date(2026, 3, 2), (600, 1800, 1200, 2800, 600), "FAOP73039"),
    (date(2026, 4, 1), (900, 1800, 1800, 2800, 600), "FAOP73531"),
    (date(2026, 7, 1), (600, 1800, 1800, 2800, 600), "FAOP74942"),
    (date(2026, 8, 3), (600, 1800, 1800, 2800, 600), "FAOP75521"),
)


def _freeze_timeline(name: str, entries: tuple[Dated[int], ...]) -> Timeline[int]:
    return Timeline(f"the freeze quantity of {name}", entries)


FREEZE: Mapping[str, Timeline[int]] = MappingProxyType(
    {
        name: _freeze_timeline(
            name, tuple(Dated(day, row[column], f"NSE {circular}, dhan.md 13.5") for day, row, circular in _FREEZE_ROWS)
        )
        for column, name in enumerate(_FREEZE_COLUMNS)
    }
    | {
        "NIFTYFPI": _freeze_timeline("NIFTYFPI", (Dated(date(2026, 8, 12), 8500, "dhan.md 13.5"),)),
        "SENSEX": _freeze_timeline("SENSEX", (Dated(date(2026, 2, 1), 1000, "ICICI page of Feb 2026, dhan.md 13.5"),)),
        "BANKEX": _freeze_timeline("BANKEX", (Dated(date(2026, 2, 1), 900, "ICICI page of Feb 2026, dhan.md 13.5"),)),
    }
)

# NSE 2021, still consistent with the monthly circulars of 2026 (dhan.md 13.5): index level up to -> units per order.
FREEZE_BY_LEVEL: tuple[tuple[float, int], ...] = (
    (5_750, 8500),
    (8_625, 5500),
    (11_500, 4200),
    (17_250, 2800),
    (27_500, 1800),
    (40_000, 1200),
    (55_000, 900),
    (math.inf, 600),
)

# The smaller tick of cheap stocks begins under this price of the underlying, rupees (NSE/FAOP/70382).
CHEAP_STOCK_BELOW = Decimal(250)

OPTION_TICKS: Mapping[str, Timeline[tuple[Decimal, Decimal]]] = MappingProxyType(
    {
        "index": Timeline(
            "the tick of index options", (Dated(date(2024, 1, 1), (Decimal("0.05"), Decimal("0.05")), "dhan.md 13.4"),)
        ),
        "stock": Timeline(
            "the tick of stock options",
            (
                Dated(date(2024, 1, 1), (Decimal("0.05"), Decimal("0.05")), "dhan.md 13.4"),
                Dated(date(2025, 11, 3), (Decimal("0.01"), Decimal("0.05")), "NSE/FAOP/70382, dhan.md 13.4"),
            ),
        ),
    }
)

# Near-the-money steps, index points (dhan.md 13.7 [OWN]); far strikes and expiries are wider: the master decides.
STRIKE_STEPS: Mapping[str, int] = MappingProxyType(
    {
        "NIFTY": 50,
        "BANKNIFTY": 100,
        "FINNIFTY": 50,
        "MIDCPNIFTY": 25,
        "NIFTYNXT50": 100,
        "NIFTYFPI": 5,
        "SENSEX": 100,
        "BANKEX": 100,
    }
)

_LPP_FLAT_UP_TO = 50.0
_LPP_FLAT = 20.0
_LPP_FRACTION = 0.40


def freeze_quantity(underlying: str, *, as_of: date) -> int:
    """Return the exchange's largest order in units for an index; raise UnknownInstrument for any other name.

    Source: dhan.md section 13.5. An order may hold the largest multiple of the lot that does not exceed it.
    """
    timeline = FREEZE.get(underlying)
    if timeline is None:
        raise _unknown("FREEZE_UNKNOWN", f"No freeze quantity of {underlying} is known here.")
    return timeline.at(as_of)


def freeze_quantity_at_level(level: float) -> int:
    """Return the NSE freeze quantity for an index level in points, where no circular of that month is at hand.

    Source: NSE table of 2021, dhan.md section 13.5.
    """
    if not (math.isfinite(level) and level > 0):
        raise InvalidInput(Reason("BAD_LEVEL", f"An index level must be positive and finite, not {level}."))
    return next(units for ceiling, units in FREEZE_BY_LEVEL if level <= ceiling)


def option_tick(underlying_kind: UnderlyingKind, *, underlying_price: Decimal, as_of: date) -> Decimal:
    """Return the price step of an option in rupees.

    Parameters
    ----------
    underlying_kind : {"index", "stock"}
    underlying_price : Decimal
        Rupees. The exchange reviews it monthly on the month-end close: pass that close, or trust the master's tick.
    as_of : date

    Raises
    ------
    InvalidInput
        Another kind, or a price that is not positive and finite.
    UnknownDay
        Before 1 January 2024.

    Notes
    -----
    Source: NSE/FAOP/70382, dhan.md section 13.4.
    """
    timeline = OPTION_TICKS.get(underlying_kind)
    if timeline is None:
        raise InvalidInput(Reason("BAD_KIND", f"An underlying is an index or a stock, not {underlying_kind!r}."))
    if not (underlying_price.is_finite() and underlying_price > 0):
        raise InvalidInput(Reason("BAD_PRICE", f"An underlying price must be positive, not {underlying_price}."))
    cheap, ordinary = timeline.at(as_of)
    return cheap if underlying_price < CHEAP_STOCK_BELOW else ordinary


def strike_step(underlying: str) -> int:
    """Return the distance of neighbouring strikes near the money of an index, in points."""
    try:
        return STRIKE_STEPS[underlying]
    except KeyError:
        raise _unknown("STRIKE_STEP_UNKNOWN", f"No strike step of {underlying} is known here.") from None


def price_protection_band(reference_price: float) -> tuple[float, float]:
    """Return the lowest and highest limit price the exchange accepts for an option, rupees.

    Parameters
    ----------
    reference_price : float
        Average traded price of the last 30 seconds, or the theoretical price when untraded for 15 minutes, rupees.

    Returns
    -------
    tuple of float
        Low and high: 20 rupees either side up to a reference of 50, 40 % above; never under zero.

    Raises
    ------
    InvalidInput
        A reference that is negative or not finite.

    Notes
    -----
    Source: dhan.md section 13.6 (limit price protection).
    """
    if not (math.isfinite(reference_price) and reference_price >= 0):
        raise InvalidInput(Reason("BAD_PRICE", f"A reference price cannot be {reference_price}."))
    reach = _LPP_FLAT if reference_price <= _LPP_FLAT_UP_TO else _LPP_FRACTION * reference_price
    return max(0.0, reference_price - reach), reference_price + reach


def _unknown(code: str, sentence: str) -> UnknownInstrument:
    return UnknownInstrument(Reason(code, sentence, "Take it from the instrument master of that day."))
