"""Volatility across expiries: total variance between smiles, and where they contradict each other."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike

from market.errors import InvalidInput, Reason
from market.quant.black import Floats, require_domain
from market.quant.smile import Smile

CONSTANT_MATURITY = 30.0  # calendar days
ALIKE = 7.0  # calendar days by which two maturities may differ and still be compared
_CHECKED_DEVIATIONS = np.linspace(-2.5, 2.5, 21)  # of the nearer expiry
_WORTH_SAYING = 0.002  # of volatility: smaller drops are noise of the fits


@dataclass(frozen=True, slots=True)
class ConstantMaturity:
    """An at-the-money volatility (fraction) at so many calendar days.

    `interpolated` is False where the expiries do not reach around the maturity asked for; `days` is then the nearest
    expiry's.
    """

    volatility: float
    days: float
    interpolated: bool


@dataclass(frozen=True, slots=True, eq=False)
class TermStructure:
    """The smiles of one underlying by rising expiry, and what is wrong between them.

    Between two expiries total variance is linear in time at equal ln(strike/forward); before the first and after the
    last the volatility is that of the nearest. `flags` are CALENDAR_ARBITRAGE with their amounts.
    """

    smiles: tuple[Smile, ...]
    flags: tuple[Reason, ...] = ()

    @property
    def years(self) -> Floats:
        """Time to each expiry (ACT/365)."""
        return np.array([smile.years for smile in self.smiles])

    def forward(self, years: float) -> float:
        """Return the forward (rupees) at any time > 0: its logarithm is linear between expiries, flat outside."""
        _require_time(years)
        return math.exp(float(np.interp(years, self.years, [math.log(smile.forward) for smile in self.smiles])))

    def total_variance(self, log_strike: ArrayLike, years: float) -> Floats:
        """Return sigma^2 T at ln(strike/forward) and any time > 0 (years)."""
        _require_time(years)
        away = _finite(log_strike)
        times = self.years
        after = int(np.searchsorted(times, years))
        if after == 0:
            return np.asarray(_variance(self.smiles[0], away) * (years / times[0]))
        if after == times.size:
            return np.asarray(_variance(self.smiles[-1], away) * (years / times[-1]))
        share = (years - times[after - 1]) / (times[after] - times[after - 1])
        near, far = _variance(self.smiles[after - 1], away), _variance(self.smiles[after], away)
        return np.asarray((1.0 - share) * near + share * far)

    def volatility(self, strike: ArrayLike, years: float) -> Floats:
        """Return the annual volatility (fractions) at any strikes (rupees, > 0) and time (years, > 0)."""
        (levels,) = require_domain(strike=strike)
        if (levels <= 0.0).any():
            raise InvalidInput(Reason("STRIKE_NOT_POSITIVE", "A smile has no volatility at strike 0."))
        return np.sqrt(self.total_variance(np.log(levels / self.forward(years)), years) / years)

    def fit_error(self, years: float) -> float:
        """Return the larger root mean square error (in volatility) of the two smiles that a time is read from."""
        _require_time(years)
        after = int(np.searchsorted(self.years, years))
        read = {min(after, len(self.smiles) - 1), max(after - 1, 0)} if after else {0}
        return max(self.smiles[place].rmse for place in read)

    def constant_maturity(self, days: float = CONSTANT_MATURITY) -> ConstantMaturity:
        """Return the at-the-money volatility at so many days, or that of the nearest expiry with its days said."""
        asked, times = days / 365.0, self.years
        if times[0] <= asked <= times[-1]:
            level = float(self.total_variance(np.zeros(1), asked)[0])
            return ConstantMaturity(math.sqrt(level / asked), days, interpolated=True)
        nearest = int(np.argmin(np.abs(times - asked)))
        return ConstantMaturity(self.smiles[nearest].atm_volatility, float(times[nearest] * 365.0), interpolated=False)


def term_structure(smiles: Sequence[Smile]) -> TermStructure:
    """Join smiles to a term structure and check that total variance does not fall with time.

    Parameters
    ----------
    smiles : sequence of Smile
        One per expiry, by rising time; at least one.

    Returns
    -------
    TermStructure
        Readable even where its flags say that a later expiry is worth less: the amount tells how much.

    Raises
    ------
    InvalidInput
        NO_EXPIRIES, or YEARS_NOT_RISING.

    Notes
    -----
    No calendar arbitrage: total variance at equal ln(strike/forward) does not decrease with time.
    Source: J. Gatheral and A. Jacquier, "Arbitrage-free SVI volatility surfaces", Quantitative Finance 14 (2014)
    59-71, lemma 2.1. It is checked out to 2.5 standard deviations of the nearer expiry.
    """
    if not smiles:
        raise InvalidInput(Reason("NO_EXPIRIES", "A term structure needs at least one expiry."))
    if any(near.years >= far.years for near, far in pairwise(smiles)):
        raise InvalidInput(Reason("YEARS_NOT_RISING", "The expiries of a term structure must rise."))
    found = (_fall(near, far) for near, far in pairwise(smiles))
    return TermStructure(tuple(smiles), tuple(reason for reason in found if reason is not None))


def mixed_maturities(days: Sequence[float], *, session: date) -> Reason | None:
    """Say whether volatilities of these maturities are no measure of each other.

    Parameters
    ----------
    days : sequence of float
        Calendar days to which each session's volatility was read, oldest first, the current one last.
    session : date
        Of the current one, which need not be today's.

    Returns
    -------
    Reason or None
        MIXED_MATURITIES where some lie more than a week from the current one: volatility differs by maturity even
        while the market stands still, and most of all near expiry. None where all are alike, or nothing is given.
    """
    apart = [each for each in days if abs(each - days[-1]) > ALIKE]
    if not apart:
        return None
    sentence = (
        f"The volatility of {session:%d %b %Y} is that of {days[-1]:.0f} days; {len(apart)} of {len(days)} sessions it "
        f"is compared with were read at {min(apart):.0f} to {max(apart):.0f} days."
    )
    return Reason("MIXED_MATURITIES", sentence, "Store chains of two expiries that reach around 30 days.")


def _fall(near: Smile, far: Smile) -> Reason | None:
    """The worst fall of total variance from one expiry to the next, said in volatility of the later one."""
    away = _CHECKED_DEVIATIONS * near.atm_volatility * math.sqrt(near.years)
    low, high = _variance(far, away), _variance(near, away)
    missing = np.sqrt(high / far.years) - np.sqrt(low / far.years)
    worst = int(np.argmax(missing))
    if missing[worst] <= _WORTH_SAYING:
        return None
    sentence = (
        f"At {100 * math.exp(away[worst]):.1f} % of the forward the expiry in {365 * far.years:.0f} days would need "
        f"{100 * missing[worst]:.1f} volatility points more to be worth as much as that in {365 * near.years:.0f}."
    )
    return Reason("CALENDAR_ARBITRAGE", sentence, "Do not trade one against the other on these quotes.")


def _variance(smile: Smile, log_strike: Floats) -> Floats:
    return smile.shape.variance(log_strike)[0]


def _require_time(years: float) -> None:
    require_domain(years=years)
    if years <= 0.0:
        raise InvalidInput(Reason("EXPIRED", "A volatility needs time to expiry."))


def _finite(log_strike: ArrayLike) -> Floats:
    away = np.asarray(log_strike, dtype=np.float64)
    if not np.isfinite(away).all():
        raise InvalidInput(Reason("NOT_FINITE", "A log-strike is not a number."))
    return away
