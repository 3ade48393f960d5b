"""The order book and the crowd of one expiry: touch, depth, open interest and volume at every listed strike."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

import numpy as np

from market.sources.simulated.noise import Counts, Flags, Floats, key_of, uniforms
from market.sources.simulated.surface import Surface, fair_prices, forward_price
from market.sources.simulated.universe import Listing

_LAKH_CRORE = 1e12  # rupees

# Width of the touch around the fair price
_ATM_SPREAD = 0.0012  # of the premium, each side, in the most liquid book
_AWAY = 0.6  # growth of that with the square of the distance in deviations
_TIME = 8.0  # growth of that per year to expiry
_WIDEST = 0.30  # of the premium
_IN_THE_MONEY = 0.00008  # of the spot, each side, growing with the square of the deviations in the money
_STEEPER_START = 1.0  # the linear part of that growth
_FURTHEST = 5.0  # deviations

# The crowd
_PEAK_LOTS = {"NIFTY": 60_000, "BANKNIFTY": 25_000, "SENSEX": 20_000}
_PEAK_LOTS_OF_STOCK = 900  # times the square root of market capitalisation in lakh crore
_PEAK_AT = 0.8  # deviations out of the money
_PEAK_WIDTH = 1.3
_SHORTEST = 15 / 365  # years: positions do not vanish as the deviation of the last days shrinks
_FRONT = 7 / 365
_BACK = 22 / 365
_ROUND = ((10, 5.0), (5, 2.5))  # strikes at every n-th step hold that many times the positions of their neighbours
_DEPTH_LOTS = {"index": 40, "stock": 6}
_FORGOTTEN = 0.03  # share of odd far strikes that hardly anybody quotes
_FORGOTTEN_WIDTH = 6.0
_ONE_SIDED = 0.008  # share of them all that nobody offers


@dataclass(frozen=True, slots=True)
class Setting:
    """What one expiry's book is made from: prices in rupees, time in years, `progress` of the session in (0, 1].

    `opening` is the spot, `opening_years` the time to expiry and `opening_surface` the surface at the day's open:
    who holds what, and which strikes are forgotten, depends on these and not on the minute.
    """

    seed: int
    listing: Listing
    expiry: date
    at: datetime
    progress: float
    years: float
    spot: float
    opening: float
    opening_years: float
    opening_surface: Surface
    surface: Surface
    tick: Decimal
    lot: int


@dataclass(frozen=True, slots=True, eq=False)
class Book:
    """Both sides of one expiry; row 0 holds calls, row 1 puts, a column per listed strike.

    Prices are counted in ticks, 0 where there is none; sizes are lots.
    """

    setting: Setting
    strikes: Floats
    fair: Floats
    volatility: Floats
    bid_ticks: Counts
    ask_ticks: Counts
    last_ticks: Counts
    bid_lots: Counts
    ask_lots: Counts
    volume_lots: Counts
    open_lots: Counts


def open_book(setting: Setting, steps: Counts) -> Book:
    """Return the book at the listed strikes, given in units of the strike step."""
    strikes: Floats = (steps * setting.listing.strike_step).astype(np.float64)
    calls, puts, volatility = fair_prices(setting.surface, strikes, spot=setting.spot, years=setting.years)
    fair = np.vstack((calls, puts))
    away = _deviations(setting, strikes)
    crowd = _opening_deviations(setting, steps)
    forgotten = _forgotten(setting, steps, crowd)
    bid, ask = _touch(setting, fair=fair, away=away, forgotten=forgotten)
    ask[forgotten & (_noise(setting, steps, "one-sided") < _ONE_SIDED / _FORGOTTEN)] = 0
    open_lots = _open_lots(setting, steps, crowd, forgotten)
    volume = _volume_lots(setting, steps, np.where(forgotten, 0, open_lots))
    depth = _DEPTH_LOTS[setting.listing.kind] * np.exp(-(np.minimum(np.abs(away), _FURTHEST) ** 2) / 8)
    last = _last_ticks(bid, ask, chosen=_noise(setting, steps, "last", setting.at))
    return Book(
        setting,
        strikes,
        fair,
        volatility,
        bid,
        ask,
        np.where(volume > 0, last, 0),
        np.where(bid > 0, _lots(depth * _noise(setting, steps, "bid", setting.at)), 0),
        np.where(ask > 0, _lots(depth * _noise(setting, steps, "ask", setting.at)), 0),
        volume,
        open_lots,
    )


def _deviations(setting: Setting, strikes: Floats) -> Floats:
    """Return by how many deviations each option is out of the money, negative in the money."""
    forward = forward_price(setting.spot, years=setting.years)
    above = np.log(strikes / forward) / setting.surface.atm_variance(setting.years) ** 0.5
    return np.vstack((above, -above))


def _touch(setting: Setting, *, fair: Floats, away: Floats, forgotten: Flags) -> tuple[Counts, Counts]:
    """Return bid and ask in ticks: at least a tick on each side of the fair price, which stays between them."""
    tick = float(setting.tick)
    distance = np.minimum(np.abs(away), _FURTHEST)
    out_of_the_money = np.where(away >= 0, fair, fair[::-1])
    rate = _ATM_SPREAD * _illiquidity(setting.listing) * (1 + _AWAY * distance**2) * (1 + _TIME * setting.years)
    half = out_of_the_money * np.minimum(rate, _WIDEST)
    deep = distance * (_STEEPER_START + distance)
    half += np.where(away < 0, _IN_THE_MONEY * _illiquidity(setting.listing) * deep * setting.spot, 0.0)
    half = np.maximum(half, tick) * np.where(forgotten, _FORGOTTEN_WIDTH, 1.0)
    bid = np.floor((fair - half) / tick + 1e-9).astype(np.int64)
    ask = np.ceil((fair + half) / tick - 1e-9).astype(np.int64)
    return np.maximum(bid, 0), ask


def _illiquidity(listing: Listing) -> float:
    """Return how many times wider than the most liquid book this underlying's is."""
    if listing.market_cap is None:
        return 1.0 if listing.symbol == "NIFTY" else 1.3
    return 5.0 / float((listing.market_cap / _LAKH_CRORE) ** 0.3)


def _opening_deviations(setting: Setting, steps: Counts) -> Floats:
    """Return by how many deviations each option was out of the money at the open, over two weeks at least."""
    above = np.log(steps * setting.listing.strike_step / setting.opening)
    above /= setting.opening_surface.atm_variance(max(setting.opening_years, _SHORTEST)) ** 0.5
    return np.vstack((above, -above))


def _forgotten(setting: Setting, steps: Counts, crowd: Floats) -> Flags:
    """Return which options hardly anybody quotes that day: rare, far from the money and at odd strikes."""
    rare = _noise(setting, steps, "forgotten") < _FORGOTTEN
    forgotten: Flags = rare & (np.abs(crowd) > 1.0) & (steps % _ROUND[-1][0] != 0)
    return forgotten


def _open_lots(setting: Setting, steps: Counts, away: Floats, forgotten: Flags) -> Counts:
    """Return open interest in lots."""
    crowd = np.exp(-0.5 * ((away - _PEAK_AT) / _PEAK_WIDTH) ** 2)
    crowd *= np.exp(-max(0.0, setting.opening_years - _FRONT) / _BACK)
    crowd *= np.select([steps % nth == 0 for nth, _ in _ROUND], [factor for _, factor in _ROUND], default=1.0)
    crowd *= 0.5 + _noise(setting, steps, "open")
    crowd *= 0.8 + 0.4 * _noise(setting, steps, "open", setting.at.date())
    return np.floor(_peak_lots(setting.listing) * crowd * np.where(forgotten, 0.05, 1.0)).astype(np.int64)


def _peak_lots(listing: Listing) -> float:
    if listing.market_cap is None:
        return float(_PEAK_LOTS[listing.symbol])
    return _PEAK_LOTS_OF_STOCK * float((listing.market_cap / _LAKH_CRORE) ** 0.5)


def _volume_lots(setting: Setting, steps: Counts, open_lots: Counts) -> Counts:
    """Return the lots traded since the open: busiest after the open and before the close, never falling."""
    turnover = 0.4 + 1.2 * _noise(setting, steps, "volume", setting.at.date())
    passed = setting.progress
    done = passed + 0.12 * np.sin(2 * np.pi * passed)
    traded: Counts = np.floor(open_lots * turnover * done).astype(np.int64)
    return traded


def _last_ticks(bid: Counts, ask: Counts, *, chosen: Floats) -> Counts:
    """Return a price inside the touch; at the only side where there is one."""
    low = np.maximum(bid, 1)
    high = np.where(ask > 0, ask, low)
    last: Counts = low + np.rint(chosen * (high - low)).astype(np.int64)
    return last


def _lots(size: Floats) -> Counts:
    lots: Counts = 1 + np.floor(size).astype(np.int64)
    return lots


def _noise(setting: Setting, steps: Counts, *name: object) -> Floats:
    """Return a number in [0, 1) per contract under a name, the same whichever strikes are asked for."""
    key = key_of(setting.seed, setting.listing.symbol, setting.expiry, *name)
    return uniforms(key, np.vstack((2 * steps, 2 * steps + 1)))
