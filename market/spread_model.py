"""Half spreads for sources that record no book: a regression on recorded books, with its coefficients as data."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from market.errors import InvalidInput, Reason
from market.quant.black import Floats

# The rule before the regression, and the one for quotes without volume and open interest: rupees plus a share of
# the last price. Median of 6,124 quotes of five stocks in NSE's pages of 2019.
PLAIN_RUPEES = 0.05
PLAIN_SHARE = 0.015
WIDEST_SHARE = 0.25  # of the premium: twice that is no market (quality.WIDEST_SPREAD_SHARE)
# Depth of a modelled touch: the median of 6,890 quotes of four stocks in NSE's 2019 chain pages is two lots on either
# side, whatever the session's volume (quartiles 1 and 3-4).
MODELLED_DEPTH_LOTS = 2
_LAD_ROUNDS = 40
_LAD_FLOOR = 0.01


@dataclass(frozen=True, slots=True)
class SpreadCoefficients:
    """ln(half spread in rupees) = the sum of these times their regressors (see `regressors`)."""

    intercept: float
    log_premium: float
    log_premium_squared: float
    out_of_money: float
    in_the_money: float
    log_days: float
    log_interest: float
    index: float
    log_turnover: float = 0.0

    def vector(self) -> Floats:
        """The coefficients in the order of the columns of `regressors`."""
        return np.array([getattr(self, name) for name in self.__slots__])


# Both by `python -m bench chains`, which prints them with their errors in and out of sample.
FITTED = SpreadCoefficients(
    intercept=1.268,
    log_premium=0.719,
    log_premium_squared=0.028,
    out_of_money=-0.055,
    in_the_money=-0.161,
    log_days=-0.172,
    log_interest=-0.144,
    index=-0.485,
    log_turnover=-0.173,
)
FITTED_WITHOUT_VOLUME = SpreadCoefficients(
    intercept=1.194,
    log_premium=0.599,
    log_premium_squared=0.049,
    out_of_money=0.026,
    in_the_money=-0.195,
    log_days=-0.101,
    log_interest=-0.304,
    index=-0.821,
)


def regressors(
    *,
    premium: ArrayLike,
    strike: ArrayLike,
    forward: float,
    days: int,
    is_call: ArrayLike,
    open_interest: ArrayLike,
    is_index: bool,
    volume: ArrayLike | None = None,
) -> Floats:
    """Lay out what a half spread depends on.

    Parameters
    ----------
    premium : array_like, shape (n,)
        Last prices in rupees, > 0.
    strike : array_like, shape (n,)
        Rupees, > 0.
    forward : float
        Rupees, > 0.
    days : int
        Calendar days to expiry, >= 0.
    is_call : array_like of bool, shape (n,)
    open_interest, volume : array_like, shape (n,)
        Units; the volume of the session so far. Their rupee value counts, so that lots need not be known.
    is_index : bool

    Returns
    -------
    ndarray, shape (n, 8), with `volume` (n, 9)
        1, ln premium, its square, |x| and |x| where in the money (x = ln(strike/forward) over the square root of
        the years to expiry; dividing by the volatility as well explains no more), ln(1 + days),
        ln(1 + open interest x premium), whether an index, ln(1 + volume x premium).

    Raises
    ------
    InvalidInput
        NOT_POSITIVE when premium, strike or forward is not a positive number.
    """
    price, level = np.asarray(premium, dtype=np.float64), np.asarray(strike, dtype=np.float64)
    for values in (price, level, np.asarray(forward)):
        if not (np.isfinite(values).all() and (values > 0.0).all()):
            raise InvalidInput(Reason("NOT_POSITIVE", "Premiums, strikes and forward must be positive numbers."))
    away = np.log(level / forward) / np.sqrt((days + 0.5) / 365.0)
    outward = np.where(np.asarray(is_call, dtype=np.bool_), away, -away)
    log_price = np.log(price)
    held = np.log1p(np.maximum(np.asarray(open_interest, dtype=np.float64), 0.0) * price)
    columns = [
        *(np.ones_like(price), log_price, log_price**2, np.abs(outward), np.maximum(-outward, 0.0)),
        *(np.full_like(price, np.log1p(days)), held, np.full_like(price, float(is_index))),
    ]
    if volume is not None:
        columns.append(np.log1p(np.maximum(np.asarray(volume, dtype=np.float64), 0.0) * price))
    return np.stack(columns, axis=-1)


def half_spread(
    *,
    premium: ArrayLike,
    strike: ArrayLike,
    forward: float,
    days: int,
    is_call: ArrayLike,
    open_interest: ArrayLike,
    volume: ArrayLike,
    is_index: bool,
) -> Floats:
    """Model half of the bid-ask spread from what a source without a book does record.

    Parameters are those of `regressors`; NaN in `volume` or `open_interest` means not known.

    Returns
    -------
    ndarray, shape (n,)
        Rupees. Without volume the coefficients fitted without it; without either the plain rule; never more than
        a quarter of the premium plus the plain rupees.
    """
    price = np.asarray(premium, dtype=np.float64)
    held, traded = np.asarray(open_interest, dtype=np.float64), np.asarray(volume, dtype=np.float64)
    design = regressors(
        premium=price,
        strike=strike,
        forward=forward,
        days=days,
        is_call=is_call,
        open_interest=np.where(np.isnan(held), 0.0, held),
        is_index=is_index,
        volume=np.where(np.isnan(traded), 0.0, traded),
    )
    half = modelled(FITTED, design)
    if np.isnan(traded).any():
        half = np.where(np.isnan(traded), modelled(FITTED_WITHOUT_VOLUME, design), half)
    if np.isnan(held).any():
        half = np.where(np.isnan(held), plain_half_spread(price), half)
    return np.minimum(half, WIDEST_SHARE * price + PLAIN_RUPEES)


def plain_half_spread(premium: ArrayLike) -> Floats:
    """Return the two-parameter half spread (rupees) of a last price (rupees)."""
    return PLAIN_RUPEES + PLAIN_SHARE * np.asarray(premium, dtype=np.float64)


def touches(premium: ArrayLike, half: ArrayLike, tick_size: float) -> tuple[Floats, Floats]:
    """Return bid and ask (rupees, on tick, rounded away from the price); NaN for a bid below one tick."""
    price, width = np.asarray(premium, dtype=np.float64), np.asarray(half, dtype=np.float64)
    bid = np.round(np.floor((price - width) / tick_size + 1e-9) * tick_size, 4)
    ask = np.round(np.ceil((price + width) / tick_size - 1e-9) * tick_size, 4)
    return np.where(bid >= tick_size * (1.0 - 1e-9), bid, np.nan), ask


def modelled_touch(last_price: float, tick_size: float) -> tuple[float, float]:
    """Bid and ask (rupees, on tick) around a last price by the plain rule, when nothing else is known of it."""
    half = float(plain_half_spread(last_price))
    bid = math.floor((last_price - half) / tick_size + 1e-9) * tick_size
    ask = math.ceil((last_price + half) / tick_size - 1e-9) * tick_size
    return round(bid, 4), round(ask, 4)


def modelled_touches(
    *,
    last_price: ArrayLike,
    volume: ArrayLike,
    open_interest: ArrayLike,
    strike: ArrayLike,
    is_call: ArrayLike,
    forward: float,
    days: int,
    tick_size: float,
    is_index: bool,
) -> tuple[Floats, Floats]:
    """Model bids and asks of one expiry's quotes, for a source that records no book.

    Parameters
    ----------
    last_price, volume, open_interest, strike : array_like, shape (n,)
        Rupees, units, units, rupees; NaN where the source does not say.
    is_call : array_like of bool, shape (n,)
    forward : float
        Rupees; the spot is near enough.
    days : int
        Calendar days to expiry.
    tick_size : float
        Rupees.
    is_index : bool

    Returns
    -------
    bid, ask : ndarray, shape (n,)
        Rupees, on tick. NaN for both where nothing traded (no last price, or volume 0), for a bid below one tick.
    """
    last, traded_units = np.asarray(last_price, dtype=np.float64), np.asarray(volume, dtype=np.float64)
    bids, asks = np.full(last.size, np.nan), np.full(last.size, np.nan)
    traded = np.isfinite(last) & (last > 0.0) & ~(traded_units == 0.0)
    if traded.any():
        half = half_spread(
            premium=last[traded],
            strike=np.asarray(strike, dtype=np.float64)[traded],
            forward=forward,
            days=days,
            is_call=np.asarray(is_call, dtype=np.bool_)[traded],
            open_interest=np.asarray(open_interest, dtype=np.float64)[traded],
            volume=traded_units[traded],
            is_index=is_index,
        )
        bids[traded], asks[traded] = touches(last[traded], half, tick_size)
    return bids, asks


def fit(design: Floats, half: Floats, weights: Floats) -> SpreadCoefficients:
    """Fit the coefficients by least absolute deviations of the logarithm.

    Parameters
    ----------
    design : ndarray, shape (n, 8) or (n, 9)
        Of `regressors`.
    half : ndarray, shape (n,)
        Half spreads seen, rupees, > 0.
    weights : ndarray, shape (n,)
        Trust in each, > 0.

    Returns
    -------
    SpreadCoefficients
        Without a ninth column, those for quotes without volume.

    Notes
    -----
    Source: iteratively reweighted least squares, P. J. Huber and E. M. Ronchetti, "Robust Statistics" (2009), 7.8.
    The median of the logarithm is the median spread: a few very wide books do not move it.
    """
    target, trust = np.log(half), weights
    for _ in range(_LAD_ROUNDS):
        root = np.sqrt(trust)
        beta = np.linalg.lstsq(design * root[:, None], target * root, rcond=None)[0]
        trust = weights / np.maximum(np.abs(target - design @ beta), _LAD_FLOOR)
    return SpreadCoefficients(*(float(value) for value in beta))


def modelled(coefficients: SpreadCoefficients, design: Floats) -> Floats:
    """Return the half spreads (rupees) that these coefficients give to a design."""
    return np.exp(design @ coefficients.vector()[: design.shape[-1]])
