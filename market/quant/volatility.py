"""Volatility realised by past prices, where an implied one stands in its history, and what both say of the next."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from market.errors import InvalidInput, Reason
from market.quant.black import Floats

TRADING_DAYS_PER_YEAR = 252
EWMA_DECAY = 0.94  # RiskMetrics, daily
SHORTEST_LOOKBACK, LONGEST_LOOKBACK = 5, 252  # sessions
FEWEST_OBSERVATIONS = 60
FEWEST_PEERS = 3
_WEEK, _MONTH = 5, 22  # sessions


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
    o, h, low, c = _bars(opens, highs, lows, closes)
    variance = 0.5 * np.log(h / low) ** 2 - (2.0 * np.log(2.0) - 1.0) * np.log(c / o) ** 2
    # A bar that opens at one extreme and closes at the other has 0.5 > 2 ln 2 - 1 times the square: never negative.
    return np.asarray(np.sqrt(np.mean(variance, axis=-1) * _positive(periods_per_year)))


def parkinson(*, highs: ArrayLike, lows: ArrayLike, periods_per_year: float = TRADING_DAYS_PER_YEAR) -> Floats:
    """Estimate annual volatility from the range of each period.

    Five times as efficient as close-to-close without drift; blind to gaps, and low where trading is not continuous.

    Parameters
    ----------
    highs, lows : array_like, shape (..., n)
        Rupees, oldest first along the last axis, n >= 1, > 0, low <= high.
    periods_per_year : float
        252 for daily bars.

    Returns
    -------
    ndarray, shape (...)
        Annual volatility as a fraction.

    Raises
    ------
    InvalidInput
        TOO_FEW_PRICES, NOT_POSITIVE or BAR_CONTRADICTION.

    Notes
    -----
    Source: M. Parkinson, "The Extreme Value Method for Estimating the Variance of the Rate of Return", Journal of
    Business 53 (1980) 61-65: sigma^2 = mean(ln(high/low)^2) / (4 ln 2).
    """
    _, h, low, _ = _bars(lows, highs, lows, lows)
    variance = np.log(h / low) ** 2 / (4.0 * np.log(2.0))
    return np.asarray(np.sqrt(np.mean(variance, axis=-1) * _positive(periods_per_year)))


def rogers_satchell(
    *,
    opens: ArrayLike,
    highs: ArrayLike,
    lows: ArrayLike,
    closes: ArrayLike,
    periods_per_year: float = TRADING_DAYS_PER_YEAR,
) -> Floats:
    """Estimate annual volatility from bars, unbiased whatever the drift; blind to gaps.

    Parameters, returns and errors are those of `garman_klass`.

    Notes
    -----
    Source: L. C. G. Rogers and S. E. Satchell, "Estimating Variance from High, Low and Closing Prices", Annals of
    Applied Probability 1 (1991) 504-512: ln(h/c) ln(h/o) + ln(l/c) ln(l/o).
    """
    o, h, low, c = _bars(opens, highs, lows, closes)
    return np.asarray(np.sqrt(np.mean(_rogers_satchell(o, h, low, c), axis=-1) * _positive(periods_per_year)))


def yang_zhang(
    *,
    opens: ArrayLike,
    highs: ArrayLike,
    lows: ArrayLike,
    closes: ArrayLike,
    periods_per_year: float = TRADING_DAYS_PER_YEAR,
) -> Floats:
    """Estimate annual volatility from bars with their gaps, unbiased whatever the drift.

    Parameters and errors are those of `garman_klass`, but n >= 3: the first bar gives only its close.

    Returns
    -------
    ndarray, shape (...)
        Annual volatility as a fraction.

    Notes
    -----
    Source: D. Yang and Q. Zhang, "Drift-Independent Volatility Estimation Based on High, Low, Open, and Close
    Prices", Journal of Business 73 (2000) 477-491: overnight + k open-to-close + (1 - k) Rogers-Satchell with
    k = 0.34 / (1.34 + (n + 1)/(n - 1)), n the bars with a gap before them.
    """
    o, h, low, c = _bars(opens, highs, lows, closes)
    if o.shape[-1] < 3:
        raise InvalidInput(Reason("TOO_FEW_PRICES", "This estimator needs at least 3 bars."))
    gaps = np.log(o[..., 1:] / c[..., :-1])
    o, h, low, c = (values[..., 1:] for values in (o, h, low, c))
    count = o.shape[-1]
    share = 0.34 / (1.34 + (count + 1.0) / (count - 1.0))
    overnight, inside = np.var(gaps, axis=-1, ddof=1), np.var(np.log(c / o), axis=-1, ddof=1)
    ranges = np.mean(_rogers_satchell(o, h, low, c), axis=-1)
    variance = overnight + share * inside + (1.0 - share) * ranges
    return np.asarray(np.sqrt(variance * _positive(periods_per_year)))


def ewma_volatility(
    closes: ArrayLike, *, decay: float = EWMA_DECAY, periods_per_year: float = TRADING_DAYS_PER_YEAR
) -> Floats:
    """Estimate annual volatility from closes, recent ones weighing more.

    Parameters
    ----------
    closes : array_like, shape (..., n)
        Rupees at equal steps, oldest first along the last axis, n >= 2, > 0.
    decay : float
        What a squared return weighs against the one after it, 0 < decay < 1.
    periods_per_year : float
        252 for daily closes.

    Returns
    -------
    ndarray, shape (...)
        Annual volatility as a fraction; the weights of the returns given add up to one.

    Raises
    ------
    InvalidInput
        TOO_FEW_PRICES, NOT_POSITIVE or BAD_DECAY.

    Notes
    -----
    Source: J. P. Morgan/Reuters, "RiskMetrics Technical Document" (1996), section 5.2, zero mean.
    """
    prices = _positive(closes)
    if prices.ndim == 0 or prices.shape[-1] < 2:
        raise InvalidInput(Reason("TOO_FEW_PRICES", "Volatility needs at least 2 closes."))
    if not 0.0 < decay < 1.0:
        raise InvalidInput(Reason("BAD_DECAY", "The decay lies between 0 and 1."))
    squares = np.diff(np.log(prices), axis=-1) ** 2
    weights = decay ** np.arange(squares.shape[-1] - 1.0, -1.0, -1.0)
    return np.asarray(np.sqrt(squares @ (weights / weights.sum()) * _positive(periods_per_year)))


@dataclass(frozen=True, slots=True)
class Standing:
    """Where an implied volatility stands in its own past: rank in the range, percentile among the days; fractions."""

    rank: float
    percentile: float
    current: float
    low: float
    high: float
    observations: int
    lookback: int


def iv_standing(history: ArrayLike, *, lookback: int = LONGEST_LOOKBACK) -> Standing | Reason:
    """Say where the newest implied volatility stands among those of the lookback.

    Parameters
    ----------
    history : array_like, shape (n,)
        One at-the-money volatility per session (fractions, > 0), oldest first, the newest is the current one.
    lookback : int
        Sessions looked at, 5 to 252, the current one included.

    Returns
    -------
    Standing or Reason
        INSUFFICIENT_HISTORY below 60 observations in all, whatever the lookback; FLAT_HISTORY when the lookback holds
        one value only, so that there is no range. Never a number then.

    Raises
    ------
    InvalidInput
        NOT_POSITIVE, or BAD_LOOKBACK outside 5 to 252.

    Notes
    -----
    rank = (current - low)/(high - low); percentile = share of the other days strictly below the current one.
    Source: the definitions brokers print (for instance Cboe Options Institute, "IV rank and IV percentile").
    """
    values = _positive(history)
    if not SHORTEST_LOOKBACK <= lookback <= LONGEST_LOOKBACK:
        raise InvalidInput(Reason("BAD_LOOKBACK", f"A lookback is {SHORTEST_LOOKBACK} to {LONGEST_LOOKBACK} sessions."))
    if values.size < FEWEST_OBSERVATIONS:
        sentence = f"There are {values.size} of the {FEWEST_OBSERVATIONS} daily volatilities this needs."
        return Reason("INSUFFICIENT_HISTORY", sentence, "Capture or import more sessions.")
    window = values[-lookback:]
    current, low, high = float(window[-1]), float(window.min()), float(window.max())
    if high <= low:
        return Reason("FLAT_HISTORY", f"Its volatility was the same in all {window.size} sessions.", "Look longer.")
    below = float(np.mean(window[:-1] < current))
    return Standing((current - low) / (high - low), below, current, low, high, window.size, lookback)


def relative_volatility(volatility: float, peers: Sequence[float], *, group: str) -> float | Reason:
    """Return a volatility over the median of its peers' (1 is the same), or why it cannot be compared.

    Parameters
    ----------
    volatility : float
        Fraction, > 0.
    peers : sequence of float
        Those of the others in its group, without its own; > 0.
    group : str
        The name of the group for the sentence; empty when it is not known.

    Returns
    -------
    float or Reason
        UNKNOWN_GROUP without a group, TOO_FEW_PEERS below three.
    """
    own, others = float(_positive(volatility)), _positive(np.asarray(peers, dtype=np.float64))
    if not group:
        return Reason("UNKNOWN_GROUP", "Its sector is not known.", "Import the sectors of the underlyings.")
    if others.size < FEWEST_PEERS:
        sentence = f"{group} has {others.size} others with a volatility; {FEWEST_PEERS} are needed."
        return Reason("TOO_FEW_PEERS", sentence, "Capture more chains.")
    return own / float(np.median(others))


@dataclass(frozen=True, slots=True)
class ForecastWeights:
    """Annual variance of the next sessions = these times the variances known today; they sum to 1."""

    past: float  # of all sessions given
    week: float
    month: float
    implied: float = 0.0


# Fitted by `python -m bench chains`; the notes of `forecast_variance` say on what and how well.
REALISED_WEIGHTS = ForecastWeights(past=0.40, week=0.29, month=0.31)
BLENDED_WEIGHTS = ForecastWeights(past=0.0, week=0.0, month=0.43, implied=0.57)


def daily_variances(*, opens: ArrayLike, highs: ArrayLike, lows: ArrayLike, closes: ArrayLike) -> Floats:
    """Return the annual variance of each session but the first: its gap squared plus its Rogers-Satchell range.

    Parameters are those of `garman_klass`, shape (..., n) with n >= 2; the result has shape (..., n - 1).
    """
    o, h, low, c = _bars(opens, highs, lows, closes)
    gaps = np.log(o[..., 1:] / c[..., :-1])
    ranges = _rogers_satchell(o[..., 1:], h[..., 1:], low[..., 1:], c[..., 1:])
    return np.asarray(TRADING_DAYS_PER_YEAR * (gaps**2 + ranges))


def forecast_variance(variances: ArrayLike, *, implied: float | None = None) -> float:
    """Forecast the annual variance of the next month from past sessions and, where there is one, the implied.

    Parameters
    ----------
    variances : array_like, shape (n,)
        Of `daily_variances`, oldest first, n >= 22, >= 0. Without an implied one all of them count: the longer the
        past, the better is the level known to which its variance returns.
    implied : float, optional
        At-the-money volatility (fraction, > 0); without it the weights fitted without it are used.

    Returns
    -------
    float
        Annual variance between the least and the greatest of those it weighs; twice the volatilities, four times it.

    Raises
    ------
    InvalidInput
        TOO_FEW_PRICES below 22 sessions, NOT_POSITIVE for a volatility that is not, NOT_FINITE for a variance.

    Notes
    -----
    The weights sum to 1 and there is no constant, which would be a floor under quiet underlyings. Bias is mean
    forecast / mean variance seen.
    Without implied (all 0.40, week 0.29, month 0.31): fitted on 150 stocks and on NIFTY, BANKNIFTY, FINNIFTY and SENSEX
    to 2022, stocks and indices with equal say; tested on 2023 to January 2026. Bias 1.02 on stocks and 1.05 on indices.
    With implied (month 0.43, implied 0.57): fitted on the stock chains of 23 December 2025 to 5 January 2026. On NIFTY
    with India VIX of 2023 to 2025, which the fit has not seen, bias 1.15, where the VIX alone has 1.26.
    Source: F. Corsi, "A Simple Approximate Long-Memory Model of Realized Volatility", Journal of Financial
    Econometrics 7 (2009) 174-196, eq. 8; B. J. Christensen and N. R. Prabhala, "The relation between implied and
    realized volatility", Journal of Financial Economics 50 (1998) 125-150, for adding the implied one.
    """
    past = np.asarray(variances, dtype=np.float64)
    if past.ndim != 1 or past.size < _MONTH:
        raise InvalidInput(Reason("TOO_FEW_PRICES", f"A forecast needs {_MONTH} sessions."))
    if not (np.isfinite(past).all() and (past >= 0.0).all()):
        raise InvalidInput(Reason("NOT_FINITE", "A variance is not a number from 0."))
    weights = REALISED_WEIGHTS if implied is None else BLENDED_WEIGHTS
    squared = 0.0 if implied is None else float(_positive(implied)) ** 2
    parts = (past.mean(), past[-_WEEK:].mean(), past[-_MONTH:].mean(), squared)
    return float(np.dot((weights.past, weights.week, weights.month, weights.implied), parts))


def _rogers_satchell(o: Floats, h: Floats, low: Floats, c: Floats) -> Floats:
    return np.asarray(np.log(h / c) * np.log(h / o) + np.log(low / c) * np.log(low / o))


def _bars(opens: ArrayLike, highs: ArrayLike, lows: ArrayLike, closes: ArrayLike) -> tuple[Floats, ...]:
    o, h, low, c = np.broadcast_arrays(*(_positive(values) for values in (opens, highs, lows, closes)))
    if o.ndim == 0 or o.shape[-1] < 1:
        raise InvalidInput(Reason("TOO_FEW_PRICES", "Volatility needs at least one bar."))
    if (low > np.minimum(o, c)).any() or (h < np.maximum(o, c)).any():
        raise InvalidInput(Reason("BAR_CONTRADICTION", "A bar's open or close lies outside its low and high."))
    return o, h, low, c


def _positive(values: ArrayLike) -> Floats:
    array = np.asarray(values, dtype=np.float64)
    if not (np.isfinite(array).all() and (array > 0.0).all()):
        raise InvalidInput(Reason("NOT_POSITIVE", "Prices and periods must be positive numbers."))
    return array
