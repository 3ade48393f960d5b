"""Which strikes are listed, and the price steps of what trades on them."""

from datetime import date, timedelta
from decimal import Decimal

import numpy as np

from market.rulebook import option_tick
from market.sources.simulated.noise import Counts, Floats
from market.sources.simulated.paths import Paths
from market.sources.simulated.universe import Listing

# Up to this distance from the reference, as a fraction of it, every n-th strike is listed; further out none.
# Dense near the money and wider outside as in Dhan's master of February 2026 (dhan.md 13.7).
_LADDERS = {"index": ((0.22, 1), (0.35, 2), (0.60, 5)), "stock": ((0.20, 1), (0.35, 2), (1.40, 4))}
_LOWEST = 0.15  # of the reference; below it every second strike at least, as the steps are wide for a fallen price
# Three monthly expiries reach 98 days ahead at most, so the reference is known before the contract is listed.
_REFERENCE_AGE = timedelta(days=100)
_REACH = {"index": (0.05, 15), "stock": (0.12, 10)}  # of a chain: least distance and least number of strikes each side
_DEVIATIONS = 3.0
_MONTH = 30 / 365

# Cash market and stock futures by price of the share (dhan.md 13.4, since 15 April 2025): below -> tick, rupees.
_CASH_TICKS = ((250, "0.01"), (1000, "0.05"), (5000, "0.10"), (10_000, "0.50"), (20_000, "1"))
_CASH_TICK_ABOVE = "5"
_INDEX_FUTURE_TICKS = ((15_000, "0.05"), (30_000, "0.10"))  # up to this level (dhan.md 13.4)
_INDEX_FUTURE_TICK_ABOVE = "0.20"


def listed_steps(listing: Listing, *, paths: Paths, expiry: date) -> Counts:
    """Return the listed strikes of an expiry in units of the strike step, ascending: fixed for the contract's life."""
    reference = paths.closing(listing, expiry - _REFERENCE_AGE)
    ladder = _LADDERS[listing.kind]
    reach = ladder[-1][0]
    lowest = np.ceil(reference * max(1 - reach, _LOWEST) / listing.strike_step)
    steps = np.arange(lowest, np.floor(reference * (1 + reach) / listing.strike_step) + 1, dtype=np.int64)
    distance = np.abs(steps * listing.strike_step / reference - 1)
    every = np.select([distance <= limit for limit, _ in ladder], [nth for _, nth in ladder], default=ladder[-1][1])
    every = np.where(steps * listing.strike_step < reference, np.minimum(every, 2), every)
    listed: Counts = steps[steps % every == 0]
    return listed


def chain_window(listing: Listing, strikes: Floats, *, spot: float, volatility: float) -> slice:
    """Return which of the listed strikes a chain shows round the spot; `volatility` is yearly, a fraction."""
    least, count = _REACH[listing.kind]
    reach = max(least, _DEVIATIONS * volatility * _MONTH**0.5)
    first, last = np.searchsorted(strikes, [spot * (1 - reach), spot * (1 + reach)])
    middle = int(np.searchsorted(strikes, spot))
    return slice(max(0, min(int(first), middle - count)), max(int(last), middle + count))


def month_end_close(listing: Listing, *, paths: Paths, day: date) -> float:
    """Return the close of the month before, on which the exchanges review ticks, rupees."""
    return paths.closing(listing, day.replace(day=1))


def tick_of_option(listing: Listing, *, paths: Paths, day: date) -> Decimal:
    """Return the price step of the underlying's options on a day, rupees."""
    close = Decimal(f"{month_end_close(listing, paths=paths, day=day):.2f}")
    return option_tick("index" if listing.is_index else "stock", underlying_price=close, as_of=day)


def tick_of_share(listing: Listing, *, paths: Paths, day: date) -> Decimal:
    """Return the price step of a share and of its futures, rupees; 0.01 for an index, which is only computed."""
    if listing.is_index:
        return Decimal("0.01")
    close = month_end_close(listing, paths=paths, day=day)
    return Decimal(next((tick for limit, tick in _CASH_TICKS if close < limit), _CASH_TICK_ABOVE))


def tick_of_future(listing: Listing, *, paths: Paths, day: date) -> Decimal:
    """Return the price step of a future, rupees."""
    if not listing.is_index:
        return tick_of_share(listing, paths=paths, day=day)
    close = month_end_close(listing, paths=paths, day=day)
    return Decimal(next((tick for limit, tick in _INDEX_FUTURE_TICKS if close <= limit), _INDEX_FUTURE_TICK_ABOVE))
