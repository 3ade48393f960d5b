"""What short options block at the exchange: pairs of short and long, the rest naked (dhan.md 13.8). Pure.

An approximation: the strike stands for the level of the underlying, and premiums do not offset the requirement.
"""

from collections.abc import Collection
from datetime import date
from decimal import Decimal

from execution.simulator.book import ZERO, Listing
from market.contract import OptionType
from market.rulebook import margin_rates

Holding = tuple[Listing, int]
"""A listed contract and the signed units of it."""

Group = tuple[str, date | None, OptionType | None]
"""Shorts and longs offset each other within one underlying, expiry and option type."""


def group_of(listing: Listing) -> Group:
    """What a contract offsets with."""
    contract = listing.contract
    return contract.underlying, contract.expiry, contract.option_type


def group_margin(holdings: Collection[Holding], *, day: date) -> Decimal:
    """Rupees blocked for one group: each short meets the nearest longs, what is left is naked."""
    shorts = [(listing, -units) for listing, units in holdings if units < 0 and listing.is_option]
    if not shorts:
        return ZERO
    longs = [(_strike(listing), units) for listing, units in holdings if units > 0]
    return sum((_short_margin(listing, units, longs, day) for listing, units in shorts), ZERO)


def _short_margin(listing: Listing, units: int, longs: list[tuple[Decimal, int]], day: date) -> Decimal:
    """Exposure on every unit, the strike distance where a long covers it, the price scan where none does."""
    rates = margin_rates("stock" if listing.instrument.endswith("STK") else "index", as_of=day)
    strike = _strike(listing)
    addon = rates.expiry_day_addon if listing.expiry == day else 0.0
    exposure, scan = Decimal(str(rates.exposure + addon)) * strike, Decimal(str(rates.price_scan_floor)) * strike
    needed = exposure * units
    longs.sort(key=lambda held: abs(held[0] - strike))
    for place, (cover, held) in enumerate(longs):
        paired = min(units, held)
        distance = cover - strike if listing.contract.option_type is OptionType.CALL else strike - cover
        needed += min(max(distance, ZERO), scan) * paired
        longs[place] = (cover, held - paired)
        units -= paired
    return needed + scan * units


def _strike(listing: Listing) -> Decimal:
    return Decimal(str(listing.contract.strike))
