"""How likely a position is to reach half of its best result at some time before its front expiry ("P50")."""

import math
from functools import cache

import numpy as np
from scipy.special import ndtr

from market.chain import Floats
from market.quant.distribution import Distribution
from strategies.batch import Batch
from strategies.payoff import outcomes

STEPS = 40  # of time to the front expiry
WIDEST = 4.2  # standard deviations of the driving Brownian motion at the end
FINENESS = 0.75  # distance of two levels, in standard deviations of one step
HALF = 0.5
# What watching a barrier only now and then misses, in standard deviations of one step: -zeta(1/2) / sqrt(2 pi).
BETWEEN_LOOKS = 0.5826


def probability_of_reaching(batch: Batch, targets: Floats, distribution: Distribution) -> Floats:
    """Return the probability that the profit reaches a target at some time up to the front expiry.

    Parameters
    ----------
    batch : Batch
        Candidates of one front expiry, all simple or all of one last expiry.
    targets : ndarray, shape (n,)
        Rupees per unit before charges, > 0.
    distribution : Distribution
        Of the underlying at the front expiry.

    Returns
    -------
    ndarray, shape (n,)
        Fractions. Against a simulation of the same process that watches all the time the error is below 0.01.

    Notes
    -----
    The underlying is the martingale S(t) = E[g(W(1)) | W(t)], W a Brownian motion over the life of the trade and g the
    map of its end onto the distribution's quantiles: the one diffusion of this kind that ends exactly in the smile's
    own distribution. A position is worth the conditional expectation of its payoff, so that profit and the chance of
    having reached the target obey the same backward recursion on one lattice; a level is a share of 1 where the target
    is crossed inside its cell. The target is moved inwards by what 40 looks miss of an uninterrupted watch.
    Source: R. F. Bass, "Skorokhod imbedding via stochastic integrals", Seminaire de probabilites XVII (1983) 221-224;
    M. Broadie, P. Glasserman and S. Kou, "A continuity correction for discrete barrier options", Mathematical Finance
    7 (1997) 325-349.
    """
    grid, kernel = _lattice()
    profit = outcomes(batch, distribution.quantile(ndtr(grid))).T
    reached = _inside(profit, targets, grid, looks=0.0)
    for step in range(STEPS - 1, -1, -1):
        profit, later = kernel @ profit, kernel @ reached
        now = _inside(profit, targets, grid, looks=BETWEEN_LOOKS if step else 0.0)
        reached = now + (1.0 - now) * later
    middle = grid.size // 2
    return np.asarray(np.clip(reached[middle], 0.0, 1.0))


def _inside(profit: Floats, targets: Floats, grid: Floats, *, looks: float) -> Floats:
    """Return which share of each level's cell lies where the profit is at least the target; shape (levels, n)."""
    slope = np.empty_like(profit)
    np.abs(profit[2:] - profit[:-2], out=slope[1:-1])
    slope[0], slope[-1] = slope[1], slope[-2]
    cells = (profit - targets) / np.maximum(0.5 * slope, 1e-12)
    cells += 0.5 + looks / (math.sqrt(STEPS) * (grid[1] - grid[0]))
    return np.minimum(np.maximum(cells, 0.0, out=cells), 1.0, out=cells)


@cache
def _lattice() -> tuple[Floats, Floats]:
    """Return levels of W and the probability of going from each to each other in one step."""
    step = math.sqrt(1.0 / STEPS)
    reach = math.ceil(WIDEST / (FINENESS * step))
    grid = FINENESS * step * np.arange(-reach, reach + 1, dtype=np.float64)
    kernel = np.exp(-0.5 * ((grid[None, :] - grid[:, None]) / step) ** 2)
    return grid, kernel / kernel.sum(axis=1, keepdims=True)
