"""Correlated prices of the whole universe at every minute of every session: a function of the seed alone.

Daily logarithmic returns are a market factor, a sector factor and a share's own noise, scaled by a volatility
regime that rises when the market falls. Levels are pulled slowly towards their base, so that prices, lots and
strike steps still fit each other years after the epoch. Inside a day a bridge joins open and close.
"""

from bisect import bisect_right
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import numpy as np

from market.calendar import IST, Session, is_covered, sessions_between
from market.errors import InvalidInput, Reason, StaleQuote
from market.rulebook import covered_years
from market.sources.simulated.noise import Floats, stream
from market.sources.simulated.universe import UNIVERSE, Listing

EPOCH = date(2024, 1, 1)
MARKET_VOLATILITY = 0.115  # yearly, of the market factor in the middle regime

_SESSIONS_PER_YEAR = 252
_PULL = 0.01  # of the distance to the base level, per session: half of it is gone after 69
_REGIME_MEMORY = 0.97
_REGIME_STEP = 0.075
_LEVERAGE = 0.7  # minus the correlation of market returns and the volatility regime
_REGIME_RANGE = (0.70, 2.40)
_OVERNIGHT = 0.25  # share of a day's move that happens before the open
_INTRADAY = (1 - _OVERNIGHT) ** 0.5
_GAP_NOISE = 0.15  # of a day's deviation
_REGIME_POWER = {"index": 0.9, "stock": 0.5}
_SECTOR_SHARE = {"NIFTY": 0.95, "SENSEX": 0.95, "BANKNIFTY": 0.80}  # of the variance the market leaves over
_SECTOR_SHARE_OF_STOCK = 0.25
_BRIDGES_KEPT = 8_000  # the market's and all sectors' of two years of sessions


@dataclass(frozen=True, slots=True)
class Moment:
    """A trading minute: the session's place in the path and minutes since its open."""

    number: int
    minute: int
    at: datetime

    @property
    def day(self) -> date:
        """The session's date."""
        return self.at.date()


@dataclass(frozen=True, slots=True)
class _Loadings:
    """Yearly deviation of one underlying by source."""

    market: float
    sector: float
    own: float


class Paths:
    """The prices and the volatility regime of one seed."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self.sessions = sessions_between(EPOCH, date(max(covered_years()), 12, 31))
        self._days = [session.day for session in self.sessions]
        self._column = {listing.symbol: n for n, listing in enumerate(UNIVERSE)}
        self._loadings = {listing.symbol: _loadings(listing) for listing in UNIVERSE}
        self._bridges: dict[tuple[str, int], Floats] = {}
        self.market_returns, self._regimes = self._market()
        self._log_levels = self._levels()

    def moment(self, as_of: datetime) -> Moment:
        """Return the newest trading minute not later than `as_of`."""
        at = indian_time(as_of)
        number = bisect_right(self._days, at.date()) - 1
        if number >= 0 and at < self.sessions[number].opens:
            number -= 1
        if number < 0 or not is_covered(at.date()):
            raise StaleQuote(
                Reason(
                    "NO_SIMULATED_DAY",
                    f"The simulated market has no day for {at:%d %b %Y %H:%M}: {self._days[0]} to {self._days[-1]}.",
                    "Ask for a moment inside the calendar.",
                )
            )
        minute = _minute(self.sessions[number], at)
        return Moment(number, minute, self.sessions[number].opens + timedelta(minutes=minute))

    def progress(self, moment: Moment) -> float:
        """Return the part of the session that has passed, in (0, 1]."""
        return (moment.minute + 1) / _minutes(self.sessions[moment.number])

    def level(self, listing: Listing, moment: Moment) -> float:
        """Return the unrounded price at a minute, rupees."""
        start, end = self._open_and_close(listing, moment.number)
        done = moment.minute / _minutes(self.sessions[moment.number])
        return float(np.exp(start + done * (end - start) + self._wiggle(listing, moment)))

    def start_of(self, moment: Moment) -> Moment:
        """Return the first minute of the same session."""
        return Moment(moment.number, 0, self.sessions[moment.number].opens)

    def closing(self, listing: Listing, before: date) -> float:
        """Return the last close before a day, rupees; the base price before the first session."""
        number = bisect_right(self._days, before - timedelta(days=1))
        return float(np.exp(self._log_levels[number, self._column[listing.symbol]]))

    def day_levels(self, listing: Listing, number: int) -> Floats:
        """Return the unrounded price at every minute of a session, the close last; rupees."""
        start, end = self._open_and_close(listing, number)
        part, minutes = self._loadings[listing.symbol], _minutes(self.sessions[number])
        wave = part.market * self._bridge("market", number) + part.sector * self._bridge(listing.sector, number)
        wave = wave + part.own * self._new_bridge(listing.symbol, number)
        scale = _INTRADAY * self._deviation(listing, number) / listing.base_volatility
        return np.asarray(np.exp(np.linspace(start, end, minutes + 1) + scale * wave))

    def regime(self, moment: Moment) -> float:
        """Return the volatility regime at a minute: 1 in the middle, above 1 when markets are nervous."""
        session = self.sessions[moment.number]
        before, after = np.log(self._regimes[moment.number : moment.number + 2])
        done = moment.minute / _minutes(session)
        fright = -_LEVERAGE * _REGIME_STEP * _INTRADAY * self._bridge("market", moment.number)[moment.minute]
        return float(np.clip(np.exp(before + done * (after - before) + fright), *_REGIME_RANGE))

    def regime_of(self, listing: Listing, moment: Moment) -> float:
        """Return how much of the regime this underlying takes part in, as a factor on its volatility."""
        return float(self.regime(moment) ** _REGIME_POWER[listing.kind])

    def _market(self) -> tuple[Floats, Floats]:
        """Return the market's return per session and the regime at each close, the first before the epoch."""
        shocks, fears = self._daily("market"), self._daily("regime")
        log_regime, returns, regimes = 0.0, np.empty(len(shocks)), np.ones(len(shocks) + 1)
        for number, (shock, fear) in enumerate(zip(shocks, fears, strict=True)):
            returns[number] = MARKET_VOLATILITY * regimes[number] * shock / _SESSIONS_PER_YEAR**0.5
            step = -_LEVERAGE * shock + (1 - _LEVERAGE**2) ** 0.5 * fear
            log_regime = _REGIME_MEMORY * log_regime + _REGIME_STEP * step
            regimes[number + 1] = np.clip(np.exp(log_regime), *_REGIME_RANGE)
        return returns, regimes

    def _levels(self) -> Floats:
        """Return logarithms of closes, a row per session after a first row of base prices."""
        sectors = {listing.sector: self._daily("sector", listing.sector) for listing in UNIVERSE}
        moves = np.empty((len(self._days), len(UNIVERSE)))
        for column, listing in enumerate(UNIVERSE):
            part = self._loadings[listing.symbol]
            shock = part.market * self._daily("market") + part.sector * sectors[listing.sector]
            shock += part.own * self._daily("own", listing.symbol)
            moves[:, column] = shock * self._regimes[:-1] ** _REGIME_POWER[listing.kind] / _SESSIONS_PER_YEAR**0.5
        distance = np.zeros((len(self._days) + 1, len(UNIVERSE)))
        for number, move in enumerate(moves):
            distance[number + 1] = (1 - _PULL) * distance[number] + move
        return distance + np.log([listing.base_price for listing in UNIVERSE])

    def _daily(self, *name: str) -> Floats:
        """Return a standard normal shock per session, drawn per calendar day so that a new holiday moves no other."""
        offsets = [(day - EPOCH).days for day in self._days]
        return stream(self._seed, "daily", *name).standard_normal(offsets[-1] + 1)[offsets]

    def _open_and_close(self, listing: Listing, number: int) -> tuple[float, float]:
        before, close = self._log_levels[number : number + 2, self._column[listing.symbol]]
        surprise = stream(self._seed, "gap", listing.symbol, self._days[number]).standard_normal()
        gap = _OVERNIGHT * (close - before) + _GAP_NOISE * self._deviation(listing, number) * surprise
        return float(before + gap), float(close)

    def _wiggle(self, listing: Listing, moment: Moment) -> float:
        part, number, minute = self._loadings[listing.symbol], moment.number, moment.minute
        wave = part.market * self._bridge("market", number)[minute]
        wave += part.sector * self._bridge(listing.sector, number)[minute]
        wave += part.own * self._bridge(listing.symbol, number)[minute]
        scale = self._deviation(listing, number) / listing.base_volatility
        return float(_INTRADAY * scale * wave)

    def _deviation(self, listing: Listing, number: int) -> float:
        regime = self._regimes[number] ** _REGIME_POWER[listing.kind]
        return float(listing.base_volatility * regime / _SESSIONS_PER_YEAR**0.5)

    def _bridge(self, name: str, number: int) -> Floats:
        """Return a standard Brownian bridge over the minutes of a session, zero at both ends."""
        found = self._bridges.get((name, number))
        if found is None:
            if len(self._bridges) >= _BRIDGES_KEPT:
                self._bridges.clear()
            found = self._new_bridge(name, number)
            self._bridges[name, number] = found
        return found

    def _new_bridge(self, name: str, number: int) -> Floats:
        minutes = _minutes(self.sessions[number])
        steps = stream(self._seed, "bridge", name, self._days[number]).standard_normal(minutes)
        walk = np.concatenate(([0.0], np.cumsum(steps))) / minutes**0.5
        return np.asarray(walk - np.linspace(0.0, 1.0, minutes + 1) * walk[-1])


def indian_time(moment: datetime) -> datetime:
    """Return a moment in IST; one without a time zone is refused."""
    if moment.tzinfo is None:
        raise InvalidInput(Reason("NAIVE_DATETIME", f"The moment {moment.isoformat()} has no time zone.", "Give IST."))
    return moment.astimezone(IST)


def _loadings(listing: Listing) -> _Loadings:
    market = listing.beta * MARKET_VOLATILITY
    rest = listing.base_volatility**2 - market**2
    share = _SECTOR_SHARE.get(listing.symbol, _SECTOR_SHARE_OF_STOCK)
    return _Loadings(market, (share * rest) ** 0.5, ((1 - share) * rest) ** 0.5)


def _minutes(session: Session) -> int:
    return int((session.closes - session.opens) / timedelta(minutes=1))


def _minute(session: Session, at: datetime) -> int:
    """Return minutes since the open; before a pause when it is one, the last minute after the close."""
    for start, end in session.pauses:
        if start <= at < end:
            at = start - timedelta(minutes=1)
    return min(int((at - session.opens) / timedelta(minutes=1)), _minutes(session) - 1)
