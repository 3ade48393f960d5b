"""The forward price an option chain implies through put-call parity."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from market.errors import InvalidInput, NoSolution, Reason
from market.quant.black import Flags, Floats, require_domain

NEAREST_STRIKES = 12  # pairs further from the money trade less, and their last prices are older
_DEVIATIONS_KEPT = 3.0
_MAD_TO_SIGMA = 1.4826  # for a normal distribution
_FINEST = 1e-9  # relative: quotes never agree more closely than this, rounding does


@dataclass(frozen=True, slots=True)
class ForwardFit:
    """A forward in rupees, its standard error in rupees (inf from a single pair), and how many strikes made it."""

    forward: float
    stderr: float
    strikes_used: int


def implied_forward(
    *,
    strikes: ArrayLike,
    call_prices: ArrayLike,
    put_prices: ArrayLike,
    weights: ArrayLike | None = None,
    discount: float = 1.0,
    spot: float | None = None,
) -> ForwardFit:
    """Fit the forward to call and put prices of one expiry, robustly against stale quotes.

    Each pair says forward = strike + (call - put) / discount. The weighted median over the strikes nearest the money
    is the first answer; pairs further from it than 3 robust standard deviations are dropped, and the weighted mean
    of the rest is the second.

    Parameters
    ----------
    strikes : array_like, shape (n,)
        Rupees, > 0.
    call_prices, put_prices : array_like, shape (n,)
        Rupees per unit, discounted by `discount`. Pairs with a NaN, zero or negative price are not used.
    weights : array_like, shape (n,), optional
        Trust in each pair, >= 0 (for instance the inverse of its spread squared). Equal by default.
    discount : float
        Discount factor to expiry, > 0.
    spot : float, optional
        Rupees, > 0. Restricts the fit to the 12 usable strikes nearest to it; without it, to the 12 nearest the
        weighted median over all usable strikes.

    Returns
    -------
    ForwardFit
        Forward and its standard error in rupees. The standard error of a single pair is unknown: inf.

    Raises
    ------
    NoSolution
        NO_PAIRS when no strike has both prices, NO_FORWARD when the pairs put it at or below zero.
    InvalidInput
        When the arrays differ in shape, or strikes, weights, discount or spot are outside their domain.

    Notes
    -----
    Source: put-call parity, J. C. Hull, "Options, Futures, and Other Derivatives", section "Put-call parity" for
    futures options; P. J. Rousseeuw and C. Croux, JASA 88 (1993) 1273, for the median absolute deviation.
    """
    levels, calls, puts = (np.asarray(values, dtype=np.float64) for values in (strikes, call_prices, put_prices))
    trust = np.ones_like(levels) if weights is None else np.asarray(weights, dtype=np.float64)
    _require_aligned(levels, calls, puts, trust)
    require_domain(strike=levels, discount=discount, spot=1.0 if spot is None else spot)
    usable = _usable(levels, calls, puts, trust)
    if not usable.any():
        raise NoSolution(Reason("NO_PAIRS", "No strike has both a call and a put price.", "Wait for a fuller chain."))
    levels, trust = levels[usable], trust[usable]
    forwards = levels + (calls[usable] - puts[usable]) / discount
    centre = spot if spot is not None else weighted_median(forwards, trust)
    near = np.argsort(np.abs(levels - centre), kind="stable")[:NEAREST_STRIKES]
    return _trimmed(forwards[near], trust[near])


def weighted_median(values: Floats, weights: Floats) -> float:
    """Return the value at which half of the weight is reached (the mean of two when it is reached exactly)."""
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order]) / np.sum(weights)
    low = values[order][np.searchsorted(reached, 0.5 - 1e-12)]
    high = values[order][np.searchsorted(reached, 0.5 + 1e-12)]
    return float(0.5 * (low + high))


def _trimmed(forwards: Floats, trust: Floats) -> ForwardFit:
    median = weighted_median(forwards, trust)
    distance = np.abs(forwards - median)
    scale = max(_MAD_TO_SIGMA * weighted_median(distance, trust), _FINEST * abs(median))
    kept = distance <= _DEVIATIONS_KEPT * scale
    share = trust[kept] / trust[kept].sum()
    forward = float(share @ forwards[kept])
    if forward <= 0.0:
        raise NoSolution(Reason("NO_FORWARD", f"The pairs imply a forward of {forward:g}.", "The chain is damaged."))
    return ForwardFit(forward, _standard_error(forwards[kept] - forward, share), int(kept.sum()))


def _standard_error(residuals: Floats, share: Floats) -> float:
    freedom = 1.0 - float(share @ share)  # 1 - 1/n for equal weights
    if freedom <= 0.0:
        return math.inf
    return math.sqrt(float(share @ residuals**2) / freedom * float(share @ share))


def _usable(levels: Floats, calls: Floats, puts: Floats, trust: Floats) -> Flags:
    priced = np.isfinite(calls) & np.isfinite(puts) & (calls > 0.0) & (puts > 0.0)
    return priced & (trust > 0.0) & (levels > 0.0)


def _require_aligned(levels: Floats, calls: Floats, puts: Floats, trust: Floats) -> None:
    if levels.ndim != 1 or any(other.shape != levels.shape for other in (calls, puts, trust)):
        raise InvalidInput(Reason("SHAPES_DIFFER", "Strikes, prices and weights must be lists of the same length."))
    if not (np.isfinite(trust).all() and (trust >= 0.0).all()):
        raise InvalidInput(Reason("BAD_WEIGHTS", "Weights must be finite and not negative."))
