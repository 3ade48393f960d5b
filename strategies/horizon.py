"""What options that live on are worth at an earlier expiry, as a function of the underlying then."""

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np

from market.chain import ExpiryChain, Floats
from market.quant import black
from market.quant.distribution import Distribution, terminal_distribution

HORIZON_POINTS = 241  # levels of the underlying at which surviving options are valued
HORIZON_REACH = 6.0  # standard deviations of the far expiry they span
LEAST_FORWARD_VOLATILITY = 0.2  # of the far volatility that must remain after the near expiry
HIGHEST_VOLATILITY = 10.0
_MOST_STEPS = 60
_CLOSE = 1e-9  # between two steps, in volatility


@lru_cache(maxsize=64)
def distribution_at(expiry: ExpiryChain) -> Distribution:
    """Return the terminal distribution of an expiry; every candidate of a chain asks for the same few."""
    return terminal_distribution(expiry.smile)


def horizon_grid(near: ExpiryChain, far: ExpiryChain, strikes: Floats) -> Floats:
    """Return levels of the underlying at the near expiry (rupees, ascending from 0), the given strikes among them.

    Denser in the middle, where outcomes fall and values bend; six standard deviations of the far expiry wide.
    """
    reach = HORIZON_REACH * far.smile.atm_volatility * math.sqrt(far.years)
    spread = np.sinh(np.linspace(-2.0, 2.0, HORIZON_POINTS)) / math.sinh(2.0)
    return np.unique(np.concatenate([[0.0], near.forward * np.exp(reach * spread), strikes]))


def remaining_volatilities(strikes: Floats, near: ExpiryChain, far: ExpiryChain) -> Floats:
    """Return the volatility each strike keeps from the near to the far expiry; the same for calls and puts.

    Parameters
    ----------
    strikes : ndarray, shape (k,)
        Rupees.
    near, far : ExpiryChain

    Returns
    -------
    ndarray, shape (k,)
        Annual, for Black-76 at the far forward, which moves in proportion with the underlying.

    Notes
    -----
    The volatility of each strike is the one at which its expected value under the near distribution is the price the
    far smile gives today; that keeps the two smiles consistent: a fairly priced calendar has no expected value. Where
    the far price leaves no time value at all, a fifth of the far volatility is assumed.
    Source: the martingale condition between maturities, J. Gatheral, "The Volatility Surface" (Wiley 2006), chapter 3.
    """
    different, back = np.unique(strikes, return_inverse=True)
    grid, distribution = horizon_grid(near, far, different), distribution_at(near)
    calls = np.ones(different.size, dtype=np.bool_)
    today = far.smile.prices(different, calls)
    masses = hat_masses(grid, distribution)
    growth = far.forward / near.forward
    beyond = growth * float(distribution.expectation_of_call(grid[-1]))

    def excess(volatilities: Floats) -> Floats:
        return np.asarray(values_at(grid, different, calls, volatilities, near, far) @ masses + beyond - today)

    least = LEAST_FORWARD_VOLATILITY * far.smile.volatility(different)
    return np.where(excess(least) >= 0.0, least, _solved(excess, least, _guess(different, near, far)))[back]


def _guess(strikes: Floats, near: ExpiryChain, far: ExpiryChain) -> Floats:
    """Return the volatility that is left of the far total variance when the near one is over, at the same strike."""
    left = far.smile.total_variance(strikes) - near.smile.total_variance(strikes)
    floor = 0.25 * far.smile.total_variance(strikes)
    return np.asarray(np.sqrt(np.maximum(left, floor) / (far.years - near.years)))


def _solved(excess: Callable[[Floats], Floats], least: Floats, guess: Floats) -> Floats:
    """Find each root of a rising function by secants kept inside a bracket that closes in."""
    low, high = least, np.full_like(least, HIGHEST_VOLATILITY)
    at, last = guess, 1.05 * guess
    value, last_value = excess(at), excess(last)
    for _ in range(_MOST_STEPS):
        low, high = np.where(value < 0.0, at, low), np.where(value < 0.0, high, at)
        slope = np.where(value == last_value, 1.0, value - last_value)
        further = at - value * (at - last) / slope
        inside = (further > low) & (further < high)
        last, last_value = at, value
        at = np.where(inside, further, 0.5 * (low + high))
        value = excess(at)
        if (np.abs(at - last) < _CLOSE).all():
            break
    return at


def hat_masses(grid: Floats, distribution: Distribution) -> Floats:
    """Return weights whose product with values on the grid is the expectation of the polyline through them.

    Beyond the last level the polyline is flat here; its tail is added by who knows its slope.
    """
    calls = distribution.expectation_of_call(grid)
    slopes = -np.diff(calls) / np.diff(grid)  # average probability of ending above, section by section
    masses = np.empty_like(grid)
    masses[0] = 1.0 - slopes[0]
    masses[1:-1] = slopes[:-1] - slopes[1:]
    masses[-1] = slopes[-1]
    return masses


def values_at(
    levels: Floats,
    strikes: Floats,
    is_call: "np.typing.NDArray[np.bool_]",
    volatilities: Floats,
    near: ExpiryChain,
    far: ExpiryChain,
) -> Floats:
    """Value options of the far expiry at the near one by given volatilities, shape (strikes, levels)."""
    return black.price(
        forward=np.maximum(levels * (far.forward / near.forward), 1e-9)[None, :],
        strike=strikes[:, None],
        years=far.years - near.years,
        volatility=volatilities[:, None],
        is_call=np.broadcast_to(is_call[:, None], (strikes.size, levels.size)),
    )
