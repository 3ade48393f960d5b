"""Volatility realised by past prices."""

import numpy as np
from numpy.typing import ArrayLike

from market.errors import InvalidInput, Reason
from market.quant.black import Floats

TRADING_DAYS_PER_YEAR = 252


def realised_volatility(closes: ArrayLike, *, periods_per_year: float = TRADING_DAYS_PER_YEAR) -> Floats:
    """Estimate annual volatility from closing prices.

    Parameters
    ----------
    closes : array_like, shape (..., n)
        Prices in rupees at equal steps, oldest first along the last axis, n >= 3, > 0, adjusted for splits.
    periods_per_year : float
        Steps per year: 252 for daily closes.

    Returns
    -------
    ndarray, shape (...)
        Annual volatility as a fraction: the sample standard deviation (n - 2 degrees of freedom) of the log returns
        times the square root of `periods_per_year`.

    Raises
    ------
    InvalidInput
        When there are fewer than 3 closes or one is not a positive number.

    Notes
    -----
    Source: J. C. Hull, "Options, Futures, and Other Derivatives", "Estimating volatility from historical data".
    """
    prices = _positive(closes)
    if prices.ndim == 0 or prices.shape[-1] < 3:
        raise InvalidInput(Reason("TOO_FEW_PRICES", "Volatility needs at least 3 closes."))
    deviation = np.std(np.diff(np.log(prices), axis=-1), axis=-1, ddof=1)
    return np.asarray(deviation * np.sqrt(_positive(periods_per_year)))


def garman_klass(
    *,
    opens: ArrayLike,
    highs: ArrayLike,
    lows: ArrayLike,
    closes: ArrayLike,
    periods_per_year: float = TRADING_DAYS_PER_YEAR,
) -> Floats:
    """Estimate annual volatility from the open, high, low and close of each period.

    About 7.4 times as efficient as close-to-close, but blind to the gap between one close and the next open.

    Parameters
    ----------
    opens, highs, lows, closes : array_like, shape (..., n)
        Rupees, oldest first along the last axis, n >= 1, > 0, low <= open, close <= high.
    periods_per_year : float
        252 for daily bars.

    Returns
    -------
    ndarray, shape (...)
        Annual volatility as a fraction.

    Raises
    ------
    InvalidInput
        When there is no bar, a price is not a positive number, or a bar contradicts itself.

    Notes
    -----
    Source: M. B. Garman and M. J. Klass, "On the Estimation of Security Price Volatilities from Historical Data",
    Journal of Business 53 (1980) 67-78, the practical estimator
    sigma^2 = 0.5 ln(high/low)^2 - (2 ln 2 - 1) ln(close/open)^2.
    """
    o, h, low, c = np.broadcast_arrays(*(_positive(values) for values in (opens, highs, lows, closes)))
    if o.ndim == 0 or o.shape[-1] < 1:
        raise InvalidInput(Reason("TOO_FEW_PRICES", "Volatility needs at least one bar."))
    if (low > np.minimum(o, c)).any() or (h < np.maximum(o, c)).any():
        raise InvalidInput(Reason("BAR_CONTRADICTION", "A bar's open or close lies outside its low and high."))
    variance = 0.5 * np.log(h / low) ** 2 - (2.0 * np.log(2.0) - 1.0) * np.log(c / o) ** 2
    # A bar that opens at one extreme and closes at the other has 0.5 > 2 ln 2 - 1 times the square: never negative.
    return np.asarray(np.sqrt(np.mean(variance, axis=-1) * _positive(periods_per_year)))


def _positive(values: ArrayLike) -> Floats:
    array = np.asarray(values, dtype=np.float64)
    if not (np.isfinite(array).all() and (array > 0.0).all()):
        raise InvalidInput(Reason("NOT_POSITIVE", "Prices and periods must be positive numbers."))
    return array
