"""The volatility at which Black's formula gives a price, to machine precision."""

from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import log_ndtr, ndtri, ndtri_exp

from market.errors import NoSolution, Reason
from market.quant.black import CHUNK, Flags, Floats, log_moneyness, mills_pair, require_domain, require_flags

_LOG_ROOT_TWO_PI = 0.5 * float(np.log(2.0 * np.pi))
_ROUNDING = 4.0 * float(np.finfo(np.float64).eps)
_WIDEST_DEVIATION = 70.0  # b(70) equals its bound to the last bit for every moneyness that has a price
_TINY = 1e-300
_MOST_STEPS = 60
_SETTLED = 1e-6  # relative step after which the next error of a third-order method is below 1e-16


def implied_volatility(
    *,
    price: ArrayLike,
    forward: ArrayLike,
    strike: ArrayLike,
    years: ArrayLike,
    is_call: ArrayLike,
    discount: ArrayLike = 1.0,
) -> Floats:
    """Invert Black's formula for many options at once.

    Parameters
    ----------
    price : array_like
        Rupees per unit, discounted by `discount`. NaN where there is none.
    forward, strike, years, is_call, discount : array_like
        As in `black.price`.

    Returns
    -------
    ndarray
        Annual volatility as a fraction. 0 where the price equals the intrinsic value of the forward (to 4 units in
        the last place, and to 1e-300 of the forward). **NaN where no volatility exists**: price absent, below
        intrinsic value, at or above its bound (forward for a call, strike for a put, discounted), or nothing to imply
        it from (years or strike 0).
        Callers must filter these; `implied_volatility_of` raises instead.

    Raises
    ------
    InvalidInput
        When anything but the price is outside its domain.

    Notes
    -----
    Reduce to the out-of-the-money twin by put-call parity, scale by sqrt(forward * strike) and solve
    ln b(x, s) = ln beta for s = sigma sqrt(T) by Halley's method inside a bracket. Everything is in units in which
    nothing underflows, so prices down to 1e-300 of the forward are inverted.
    Source: P. Jaeckel, "Let's be rational", Wilmott (2015), sections 2-4 (scaling, inflection point, lower map).
    """
    quoted = np.asarray(price, dtype=np.float64)
    columns = require_domain(forward=forward, strike=strike, years=years, discount=discount)
    calls = require_flags(is_call)
    shape = np.broadcast_shapes(quoted.shape, calls.shape, *(column.shape for column in columns))
    flat = [np.broadcast_to(column, shape).ravel() for column in (quoted, *columns)]
    calls = np.broadcast_to(calls, shape).ravel()
    out = np.empty(calls.size)
    for start in range(0, calls.size, CHUNK):
        piece = slice(start, start + CHUNK)
        p, f, k, t, d = (column[piece] for column in flat)
        with np.errstate(over="ignore"):
            undiscounted = p / d
        out[piece] = _implied(undiscounted, f, k, t, calls[piece])
    return out.reshape(shape)


def implied_volatility_of(
    *, price: float, forward: float, strike: float, years: float, is_call: bool, discount: float = 1.0
) -> float:
    """Invert Black's formula for one option, or say why it cannot be done.

    Parameters, units and source are those of `implied_volatility`, for scalars.

    Raises
    ------
    NoSolution
        With a reason code: PRICE_ABSENT, EXPIRED, NO_STRIKE, BELOW_INTRINSIC or ABOVE_BOUND.
    InvalidInput
        When anything but the price is outside its domain.
    """
    volatility = float(
        implied_volatility(price=price, forward=forward, strike=strike, years=years, is_call=is_call, discount=discount)
    )
    if np.isnan(volatility):
        raise NoSolution(_why_none(price / discount, forward, strike, years, is_call))
    return volatility


def _why_none(value: float, forward: float, strike: float, years: float, is_call: bool) -> Reason:
    if not np.isfinite(value):
        return Reason("PRICE_ABSENT", "There is no price to imply a volatility from.")
    if years == 0.0:
        return Reason("EXPIRED", "At expiry a price says nothing about volatility.")
    if strike == 0.0:
        return Reason("NO_STRIKE", "An option with strike 0 has the same price at every volatility.")
    bound = forward if is_call else strike
    intrinsic = max(forward - strike if is_call else strike - forward, 0.0)
    if value < intrinsic:
        sentence = f"The undiscounted price {value:g} is below the intrinsic value {intrinsic:g}."
        return Reason("BELOW_INTRINSIC", sentence, "The quote or the forward is stale.")
    return Reason("ABOVE_BOUND", f"The undiscounted price {value:g} is not below its bound {bound:g}.")


def _implied(value: Floats, forward: Floats, strike: Floats, years: Floats, is_call: Flags) -> Floats:
    in_the_money = np.where(is_call, forward - strike, strike - forward)
    time_value = value - np.maximum(in_the_money, 0.0)
    time_value[np.abs(time_value) <= _ROUNDING * np.maximum(in_the_money, 0.0)] = 0.0
    solvable = (time_value >= 0.0) & (time_value < np.minimum(forward, strike)) & (years > 0.0) & (strike > 0.0)
    out = np.where(solvable, 0.0, np.nan)
    beta = time_value / (np.sqrt(forward) * np.sqrt(np.where(solvable, strike, 1.0)))
    todo = np.flatnonzero(solvable & (beta > _TINY))
    f, k = forward[todo], strike[todo]
    out[todo] = _solve(np.abs(log_moneyness(f, k)), beta[todo]) / np.sqrt(years[todo])
    return out


@dataclass(slots=True, eq=False)
class _Search:
    """The options still being solved: |x|, ln beta, the guess for s and what brackets it."""

    index: NDArray[np.intp]
    distance: Floats
    target: Floats
    guess: Floats
    low: Floats
    high: Floats

    def keep(self, rows: Flags) -> "_Search":
        return _Search(
            self.index[rows], self.distance[rows], self.target[rows], self.guess[rows], self.low[rows], self.high[rows]
        )


def _solve(distance: Floats, beta: Floats) -> Floats:
    """Return s with b(-distance, s) = beta, where b is the value over sqrt(forward * strike)."""
    deviation = np.empty_like(beta)
    search = _start(distance, beta)
    for _ in range(_MOST_STEPS):
        step = _advance(search)
        settled = np.abs(step) <= _SETTLED * search.guess
        deviation[search.index[settled]] = search.guess[settled]
        if settled.all():
            break
        search = search.keep(~settled)
    else:
        deviation[search.index] = search.guess
    return deviation


def _start(distance: Floats, beta: Floats) -> _Search:
    inflection = np.sqrt(2.0 * distance)
    log_b, _ = _log_value(distance, inflection)
    target = np.log(beta)
    below = target < log_b
    guess = np.where(below, _lower_guess(distance, target - log_b), _upper_guess(distance, beta))
    low = np.where(below, 0.0, inflection)
    high = np.where(below, inflection, _WIDEST_DEVIATION + inflection)
    return _Search(np.arange(beta.size), distance, target, np.clip(guess, low, high), low, high)


def _lower_guess(distance: Floats, log_share: Floats) -> Floats:
    """Guess s below the inflection from the lower asymptote N(-|x|/(sqrt(3) s))^3, scaled to be exact at both ends."""
    log_tail = log_ndtr(-np.sqrt(distance / 6.0)) + np.minimum(log_share, 0.0) / 3.0
    return cast(Floats, distance / np.maximum(-np.sqrt(3.0) * ndtri_exp(log_tail), _TINY))


def _upper_guess(distance: Floats, beta: Floats) -> Floats:
    """Guess s above the inflection from the upper asymptote, exact at the money."""
    half = 0.5 * distance
    return cast(Floats, -2.0 * ndtri(np.maximum(np.exp(-half) - beta, _TINY) / (2.0 * np.cosh(half))))


def _advance(search: _Search) -> Floats:
    """Take one bracketed Halley step in place and return it."""
    guess, distance = search.guess, search.distance
    log_b, over_slope = _log_value(distance, guess)
    error = log_b - search.target
    np.copyto(search.low, guess, where=error < 0.0)
    np.copyto(search.high, guess, where=error > 0.0)
    bend = distance * distance / (guess * guess * guess) - 0.25 * guess  # b''/b'
    improved = guess - error * over_slope / (1.0 - 0.5 * error * (bend * over_slope - 1.0))
    inside = (search.low <= improved) & (improved <= search.high)
    search.guess = np.where(inside, improved, 0.5 * (search.low + search.high))
    return search.guess - guess


def _log_value(distance: Floats, deviation: Floats) -> tuple[Floats, Floats]:
    """Return ln b(-distance, s) and b/b', from the Mills ratios of the two legs."""
    centre, half = -distance / np.maximum(deviation, _TINY), 0.5 * deviation
    _, _, over_slope = mills_pair(centre, half)
    exponent = -0.5 * (centre * centre + half * half) - _LOG_ROOT_TWO_PI
    return exponent + np.log(np.maximum(over_slope, _TINY)), over_slope
