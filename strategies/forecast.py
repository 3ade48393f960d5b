"""The distribution one expects at each expiry: the smile's shape at a volatility between implied and realised."""

import math
from collections.abc import Mapping
from functools import lru_cache

import numpy as np

from market.chain import Chain, ExpiryChain
from market.quant.distribution import Distribution, lognormal_distribution, rescaled, sampled_distribution
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


@lru_cache(maxsize=64)
def flat_distribution(expiry: ExpiryChain) -> Distribution:
    """Return the lognormal distribution at the at-the-money volatility: the convention most screens use."""
    return lognormal_distribution(expiry.forward, expiry.years, expiry.smile.atm_volatility)


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
    blocks = -(-sessions // BLOCK)
    starts = np.random.default_rng(seed).integers(0, returns.size, (DRAWS, blocks, 1))
    drawn = returns[(starts + np.arange(BLOCK)) % returns.size].reshape(DRAWS, -1)[:, :sessions]
    return sampled_distribution(expiry.forward * np.exp(drawn.sum(axis=1)), mean=expiry.forward)
