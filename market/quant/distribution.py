"""The distribution of the underlying at expiry that a smile implies."""

from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr

from market.errors import InvalidInput, Reason
from market.quant.black import Floats
from market.quant.smile import Smile, SviShape, flat_smile

FEWEST_GRID_POINTS = 101
_NEGLIGIBLE = 1e-9  # probability and share of the forward left beyond each end of the grid
_FIRST_REACH, _WIDER, _FURTHEST = 6.0, 1.25, 30  # at-the-money deviations, growth per attempt, attempts
_FURTHEST_LOG = 25.0  # of ln(level/forward): beyond it no level is a price
_EVEN = 1.0  # at-the-money deviations within which levels are about evenly spaced; beyond, gaps grow with the distance


@dataclass(frozen=True, slots=True, eq=False)
class Distribution:
    """Terminal distribution with a constant density between the levels of a grid, and mean = forward.

    grid, rupees, ascending; cumulative, the probability of ending at or below each level, from 0 to 1;
    density per rupee at each level; mean in rupees. Scalars in give scalars out.
    """

    grid: Floats
    cumulative: Floats
    density: Floats
    mean: float
    _tail: Floats  # integral of 1 - cdf from each level upwards: the undiscounted call

    def cdf(self, level: ArrayLike) -> Floats:
        """Return the probability of ending at or below the level (rupees, -inf and inf allowed)."""
        levels = _not_nan(level)
        return cast(Floats, np.interp(levels, self.grid, self.cumulative, left=0.0, right=1.0))

    def probability_between(self, low: ArrayLike, high: ArrayLike) -> Floats:
        """Return the probability of ending between two levels (rupees, -inf and inf allowed); 0 when low > high."""
        return cast(Floats, np.maximum(self.cdf(high) - self.cdf(low), 0.0))

    def expectation_of_call(self, strike: ArrayLike) -> Floats:
        """Return E[max(S - strike, 0)], the undiscounted call, in rupees (finite strikes)."""
        strikes = _finite(strike)
        cell = np.clip(np.searchsorted(self.grid, strikes, side="right") - 1, 0, self.grid.size - 2)
        inside = np.clip(strikes, self.grid[0], self.grid[-1])
        to_next = self.grid[cell + 1] - inside
        survival = 1.0 - 0.5 * (self.cdf(inside) + self.cumulative[cell + 1])
        below = np.maximum(self.grid[0] - strikes, 0.0)
        return cast(Floats, self._tail[cell + 1] + to_next * survival + below)

    def quantile(self, probability: ArrayLike) -> Floats:
        """Return the lowest level with that probability of ending at or below it (0 to 1), in rupees."""
        share = _finite(probability)
        if ((share < 0.0) | (share > 1.0)).any():
            raise InvalidInput(Reason("NOT_A_PROBABILITY", "A probability must be between 0 and 1."))
        cell = np.clip(np.searchsorted(self.cumulative, share, side="left"), 1, self.grid.size - 1)
        mass = self.cumulative[cell] - self.cumulative[cell - 1]
        rise = (share - self.cumulative[cell - 1]) / np.where(mass > 0.0, mass, 1.0)
        return self.grid[cell - 1] + rise * (self.grid[cell] - self.grid[cell - 1])


def terminal_distribution(smile: Smile, *, points: int = 3001) -> Distribution:
    """Derive the risk-neutral terminal distribution from a smile.

    Parameters
    ----------
    smile : Smile
        Of one expiry, free of butterfly arbitrage as `fit_smile` makes it.
    points : int
        Grid levels, densest in ln(level) around the forward, at least 101.

    Returns
    -------
    Distribution
        cdf in [0, 1] and monotone; mean equal to the smile's forward.

    Raises
    ------
    InvalidInput
        When there are fewer than 101 points.

    Notes
    -----
    P(S <= K) = N(-d2) + phi(d2) d(sigma sqrt(T))/d ln K. Less than 1e-9 of probability and of value lies beyond each
    end of the grid and is put on it. The undiscounted call at each level is the smile's own price.
    Source: D. T. Breeden and R. H. Litzenberger, "Prices of State-Contingent Claims Implicit in Option Prices",
    Journal of Business 51 (1978) 621-651, applied to Black's formula with a volatility that depends on strike.
    """
    if points < FEWEST_GRID_POINTS:
        raise InvalidInput(Reason("TOO_FEW_POINTS", f"A grid needs at least {FEWEST_GRID_POINTS} points."))
    deviation = smile.atm_volatility * np.sqrt(smile.years)
    low = -_reach(smile.shape, -deviation)
    high = _reach(smile.shape, deviation)
    log_levels = _spaced(low, high, deviation, points)
    cumulative = np.maximum.accumulate(np.clip(_cdf(smile.shape, log_levels), 0.0, 1.0))
    cumulative[0], cumulative[-1] = 0.0, 1.0
    grid = smile.forward * np.exp(log_levels)
    tail = smile.prices(grid, True)
    tail += smile.forward - grid[0] - tail[0]
    tail[-1] = 0.0
    return Distribution(grid, cumulative, _density(grid, cumulative), smile.forward, tail)


def rescaled(distribution: Distribution, ratio: float) -> Distribution:
    """Return the distribution of the same shape whose standard deviation in ln(level) is `ratio` times as large.

    Parameters
    ----------
    distribution : Distribution
    ratio : float
        Volatility wanted over the volatility it has, > 0.

    Returns
    -------
    Distribution
        Mean as before, cumulative probabilities as before at levels that lie `ratio` times as far from the mean in
        logarithms, shifted so that the mean stays.

    Raises
    ------
    InvalidInput
        When the ratio is not a positive number.
    """
    if not (np.isfinite(ratio) and ratio > 0.0):
        raise InvalidInput(Reason("RATIO_NOT_POSITIVE", f"A ratio of volatilities of {ratio} is no ratio."))
    away = np.log(distribution.grid / distribution.mean)
    grid = distribution.mean * np.exp(ratio * away)
    mean = float(np.diff(distribution.cumulative) @ (0.5 * (grid[1:] + grid[:-1])))
    return _on_grid(grid * (distribution.mean / mean), distribution.cumulative)


def sampled_distribution(levels: ArrayLike, *, mean: float) -> Distribution:
    """Return the distribution through equally likely levels (rupees, > 0), scaled so that its mean is `mean`.

    Raises
    ------
    InvalidInput
        When there are fewer than 101 different levels, or one is not positive.
    """
    sample = np.unique(_finite(levels))
    if sample.size < FEWEST_GRID_POINTS or sample[0] <= 0.0:
        raise InvalidInput(Reason("TOO_FEW_POINTS", f"A sample needs {FEWEST_GRID_POINTS} different positive levels."))
    grid = np.concatenate([[sample[0] * (1.0 - 1e-9)], sample])
    cumulative = np.arange(grid.size) / (grid.size - 1.0)
    own = float(np.diff(cumulative) @ (0.5 * (grid[1:] + grid[:-1])))
    return _on_grid(grid * (mean / own), cumulative)


def lognormal_distribution(forward: float, years: float, volatility: float) -> Distribution:
    """Return the distribution Black's formula assumes: mean in rupees, ACT/365 years, annual volatility, all > 0."""
    return terminal_distribution(flat_smile(forward=forward, years=years, volatility=volatility))


def _on_grid(grid: Floats, cumulative: Floats) -> Distribution:
    areas = np.diff(grid) * (1.0 - 0.5 * (cumulative[1:] + cumulative[:-1]))
    tail = np.append(np.cumsum(areas[::-1])[::-1], 0.0)
    mean = float(np.diff(cumulative) @ (0.5 * (grid[1:] + grid[:-1])))
    return Distribution(grid, cumulative, _density(grid, cumulative), mean, tail)


def _density(grid: Floats, cumulative: Floats) -> Floats:
    cells = np.diff(cumulative) / np.diff(grid)
    return np.concatenate([cells[:1], 0.5 * (cells[1:] + cells[:-1]), cells[-1:]])


def _spaced(low: float, high: float, deviation: float, points: int) -> Floats:
    """Return ascending ln(level/forward): wings may reach a hundred deviations, but nearly all mass lies in four."""
    ends = np.arcsinh(np.array([low, high]) / (_EVEN * deviation))
    steps = np.linspace(-1.0, 1.0, points)
    return _EVEN * deviation * np.sinh(np.abs(np.where(steps < 0.0, *ends)) * steps)


def _reach(shape: SviShape, deviation: float) -> float:
    """Return how far in |ln(level/forward)| the grid must go on one side for nothing that matters to lie beyond."""
    reach = _FIRST_REACH * deviation
    for _ in range(_FURTHEST):
        if abs(reach) >= _FURTHEST_LOG or _beyond(shape, reach) < _NEGLIGIBLE:
            break
        reach *= _WIDER
    return min(abs(reach), _FURTHEST_LOG)


def _beyond(shape: SviShape, log_level: float) -> float:
    """Return the probability and the share of the forward outside the level, whichever is larger."""
    at = np.array([log_level])
    inside = float(_cdf(shape, at)[0])
    outside = inside if log_level < 0.0 else 1.0 - inside
    spread = np.sqrt(shape.variance(at)[0][0])
    asset_side = float(ndtr(np.sign(log_level) * (-log_level / spread + 0.5 * spread)))
    return max(outside, asset_side)


def _cdf(shape: SviShape, log_level: Floats) -> Floats:
    variance, slope, _ = shape.variance(log_level)
    spread = np.sqrt(variance)
    d2 = -log_level / spread - 0.5 * spread
    tilt = slope / (2.0 * spread)
    return cast(Floats, ndtr(-d2) + tilt * np.exp(-0.5 * d2 * d2) / np.sqrt(2.0 * np.pi))


def _not_nan(values: ArrayLike) -> Floats:
    array = np.asarray(values, dtype=np.float64)
    if np.isnan(array).any():
        raise InvalidInput(Reason("NOT_A_NUMBER", "A level must be a number."))
    return array


def _finite(values: ArrayLike) -> Floats:
    array = _not_nan(values)
    if not np.isfinite(array).all():
        raise InvalidInput(Reason("NOT_FINITE", "A strike or a probability must be finite."))
    return array
