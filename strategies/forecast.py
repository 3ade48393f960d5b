"""The distribution one expects at each expiry: the smile's shape at a volatility between implied and realised."""

import math
from collections.abc import Mapping
from functools import lru_cache

import numpy as np
from scipy.special import ndtr

from market.chain import Chain, ExpiryChain, Floats
from market.quant.distribution import FEWEST_GRID_POINTS, Distribution, rescaled, sampled_distribution
from market.quant.volatility import TRADING_DAYS_PER_YEAR, forecast_variance
from market.sessions import Past
from strategies.horizon import distribution_at

FEWEST_RETURNS = 15
BLOCK, DRAWS = 5, 4_000  # sessions drawn together, and outcomes drawn
LEAST_RATIO, MOST_RATIO = 0.6, 1.5  # of forecast to implied volatility: beyond it one of the two is wrong


def forecasts(chain: Chain, past: Past | None) -> Mapping[int, Distribution]:
    """Return the expected distribution by rank of the expiry; empty when the past says nothing.

    Parameters
    ----------
    chain : Chain
    past : Past or None
        Of the underlying; None when its history is too short.

    Returns
    -------
    Mapping[int, Distribution]
        The smile's shape at the forecast volatility, mean at the forward: no drift is claimed.

    Notes
    -----
    Implied variance is a biased forecast of the realised one: on average it is higher, the variance risk premium.
    Source: P. Carr and L. Wu, "Variance Risk Premiums", Review of Financial Studies 22 (2009) 1311-1341.
    """
    if past is None:
        return {}
    found = {}
    for rank, expiry in enumerate(chain.expiries):
        implied = expiry.smile.atm_volatility
        expected = math.sqrt(forecast_variance(past.variances, implied=implied))
        found[rank] = rescaled(distribution_at(expiry), min(MOST_RATIO, max(LEAST_RATIO, expected / implied)))
    return found


def flat_cdf(expiry: ExpiryChain, levels: Floats) -> Floats:
    """Return the probability of ending at or below levels (rupees, 0 and inf allowed), as most screens have it.

    The lognormal distribution at the at-the-money volatility, with the forward as its mean.
    Source: F. Black, "The pricing of commodity contracts", Journal of Financial Economics 3 (1976) 167-179.
    """
    spread = expiry.smile.atm_volatility * math.sqrt(expiry.years)
    with np.errstate(divide="ignore"):
        away = np.log(levels / expiry.forward)
    return np.asarray(ndtr(away / spread + 0.5 * spread))


@lru_cache(maxsize=64)
def history_distribution(expiry: ExpiryChain, past: Past | None, *, seed: int = 0) -> Distribution | None:
    """Return what as many sessions drawn from the past, without their mean, make of the forward; None without a past.

    Notes
    -----
    Blocks of `BLOCK` sessions are drawn with replacement, so that volatility keeps its clusters.
    Source: H. R. Künsch, "The Jackknife and the Bootstrap for General Stationary Observations", Annals of Statistics
    17 (1989) 1217-1241.
    """
    if past is None:
        return None
    sessions = max(1, round(expiry.years * TRADING_DAYS_PER_YEAR))
    returns = past.returns - past.returns.mean()
    if np.unique(returns).size < FEWEST_RETURNS:
        return None  # a share that hardly traded: nothing is drawn from a handful of prices
    starts = _draws(returns.size, -(-sessions // BLOCK), seed)
    rest = sessions - (starts.shape[1] - 1) * BLOCK
    drawn = _sums(returns, BLOCK)[starts[:, :-1]].sum(axis=1) + _sums(returns, rest)[starts[:, -1]]
    levels = expiry.forward * np.exp(drawn)
    if np.unique(levels).size < FEWEST_GRID_POINTS:
        return None  # one block of a short past: as many outcomes as sessions, too few for a distribution
    return sampled_distribution(levels, mean=expiry.forward)


@lru_cache(maxsize=64)
def _draws(sessions: int, blocks: int, seed: int) -> "np.typing.NDArray[np.int64]":
    """Return where the blocks begin that are drawn from so many sessions; shape (draws, blocks)."""
    return np.random.default_rng(seed).integers(0, sessions, (DRAWS, blocks))


def _sums(returns: Floats, length: int) -> Floats:
    """Return the sum of so many returns from each session on; after the last comes the first; shape as `returns`."""
    places = np.arange(returns.size)[:, None] + np.arange(length)
    return np.asarray(returns[places % returns.size].sum(axis=1))
