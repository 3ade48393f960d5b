"""Published margin parameters for estimates; the broker's calculator is the truth (dhan.md 13.8)."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from types import MappingProxyType
from typing import Literal

from market.errors import InvalidInput, Reason
from market.rulebook.dated import Dated, Timeline

MarginKind = Literal["index", "stock"]


@dataclass(frozen=True, slots=True)
class MarginRates:
    """Fractions of the notional value unless said otherwise.

    `price_scan_deviations` daily standard deviations of the underlying are the price scan range, which is not less than
    `price_scan_floor`, or `long_dated_price_scan` for options of more than nine months. `volatility_scan` is a fraction
    of annualised volatility with `volatility_scan_floor` as its least value; `calendar_spread_charge` is of the far
    contract; `expiry_day_addon` is for shorts on their expiry day; `calendar_benefit_on_expiry` tells whether the
    expiring leg still offsets a later one.
    """

    price_scan_deviations: float
    price_scan_floor: float
    long_dated_price_scan: float
    exposure: float
    expiry_day_addon: float
    volatility_scan: float
    volatility_scan_floor: float
    calendar_spread_charge: float
    calendar_benefit_on_expiry: bool


_SPAN_PAGE = "NSE Clearing SPAN page 2024-25, dhan.md 13.8"
_INDEX = MarginRates(
    price_scan_deviations=6.0 * math.sqrt(2.0),
    price_scan_floor=0.093,
    long_dated_price_scan=0.177,
    exposure=0.02,
    expiry_day_addon=0.0,
    volatility_scan=0.25,
    volatility_scan_floor=0.04,
    calendar_spread_charge=0.0175,
    calendar_benefit_on_expiry=True,
)
_STOCK = MarginRates(
    price_scan_deviations=6.0 * math.sqrt(2.0),
    price_scan_floor=0.142,
    long_dated_price_scan=0.142,
    exposure=0.035,
    expiry_day_addon=0.0,
    volatility_scan=0.25,
    volatility_scan_floor=0.10,
    calendar_spread_charge=0.022,
    calendar_benefit_on_expiry=True,
)
_INDEX_NOV_2024 = replace(_INDEX, expiry_day_addon=0.02)

MARGIN_RATES: Mapping[str, Timeline[MarginRates]] = MappingProxyType(
    {
        "index": Timeline(
            "index margin rates",
            (
                Dated(date(2024, 1, 1), _INDEX, _SPAN_PAGE),
                Dated(date(2024, 11, 20), _INDEX_NOV_2024, "expiry-day ELM, SEBI of 1 Oct 2024, dhan.md 13.8"),
                Dated(
                    date(2025, 2, 1),
                    replace(_INDEX_NOV_2024, calendar_benefit_on_expiry=False),
                    "no calendar benefit on expiry day, February 2025, dhan.md 13.8",
                ),
            ),
        ),
        "stock": Timeline(
            "stock margin rates",
            (
                Dated(date(2024, 1, 1), _STOCK, _SPAN_PAGE),
                Dated(
                    date(2026, 5, 4),
                    replace(_STOCK, calendar_benefit_on_expiry=False),
                    "SEBI of 5 Feb 2026, dhan.md 13.8",
                ),
            ),
        ),
    }
)


def margin_rates(kind: MarginKind, *, as_of: date) -> MarginRates:
    """Return the margin parameters for index or stock options in force on `as_of`; source dhan.md section 13.8."""
    timeline = MARGIN_RATES.get(kind)
    if timeline is None:
        raise InvalidInput(Reason("BAD_KIND", f"Margin rates are for an index or a stock, not {kind!r}."))
    return timeline.at(as_of)
