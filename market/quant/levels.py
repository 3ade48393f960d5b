"""Price levels that other people's positions make: open-interest walls, max pain, put-call ratio, value area."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from market.quant.indicators import Bars, Floats

VALUE_SHARE = 0.70  # of the traded volume lies in the value area
BINS = 50
SAME = 1e-9  # relative: weights this close are a tie, and a tie leans to neither side
SMIRK_REACH = (math.log(1.02), math.log(1.12))  # how far out of the money an option speaks for its side's volatility


@dataclass(frozen=True, slots=True, eq=False)
class Interest:
    """One expiry's positions by strike, shapes (k,): open interest and volume in units, volatility as a fraction.

    NaN where the source did not say. `spot` in rupees.
    """

    spot: float
    strikes: Floats
    call_interest: Floats
    put_interest: Floats
    call_volume: Floats
    put_volume: Floats
    call_volatility: Floats
    put_volatility: Floats

    def reflected(self, centre: float) -> "Interest":
        """The mirror image: strikes become centre² / strike, and calls and puts change places."""
        square = centre * centre
        swapped = (self.put_interest, self.call_interest, self.put_volume, self.call_volume)
        volatilities = (self.put_volatility, self.call_volatility)
        columns = [column[::-1] for column in (square / self.strikes, *swapped, *volatilities)]
        return Interest(square / self.spot, *columns)


@dataclass(frozen=True, slots=True)
class ValueArea:
    """Where most was traded, rupees: the busiest price and the narrowest band around it with 70 % of the volume."""

    low: float
    point_of_control: float
    high: float

    def position(self, price: float) -> float:
        """Place a price: 0 at the busiest price, ±1 a whole value area away or further."""
        width = math.log(self.high / self.low)
        distance = math.log(price / self.point_of_control)
        return 0.0 if width == 0.0 and distance == 0.0 else math.tanh(distance / width) if width else math.nan


@dataclass(frozen=True, slots=True)
class Walls:
    """The strikes with the most open interest: calls at or above the spot, puts at or below it, rupees."""

    put_wall: float
    call_wall: float

    def balance(self, spot: float) -> float:
        """Return how much more room there is above than below: 1 on the put wall, -1 on the call wall."""
        above, below = math.log(self.call_wall / spot), math.log(spot / self.put_wall)
        return (above - below) / (above + below) if above + below > 0 else 0.0


def walls(interest: Interest) -> Walls | None:
    """Find the call wall and the put wall; None when a side has no open interest on its side of the spot.

    Among equals the strike nearest to the spot. The walls are never inverted: put wall <= spot <= call wall.
    """
    upper, lower = interest.strikes >= interest.spot, interest.strikes <= interest.spot
    calls = np.where(upper, _known(interest.call_interest), 0.0)
    puts = np.where(lower, _known(interest.put_interest), 0.0)
    if calls.max(initial=0.0) <= 0 or puts.max(initial=0.0) <= 0:
        return None
    below = len(puts) - 1 - int(np.argmax(puts[::-1]))
    return Walls(put_wall=float(interest.strikes[below]), call_wall=float(interest.strikes[int(np.argmax(calls))]))


def max_pain(interest: Interest) -> float | None:
    """Return the price at which the holders of all these options together would get least at expiry.

    What is paid out is a convex polyline of the price whose slope is the calls below minus the puts above, so the
    minimum is where this changes sign: no search. Between two equally bad strikes it is their geometric mean.
    None when there is no open interest. Rupees. Source: the definition; the exchange publishes no such number.
    """
    calls, puts = _known(interest.call_interest), _known(interest.put_interest)
    if calls.sum() + puts.sum() <= 0:
        return None
    after = np.cumsum(calls) - (puts.sum() - np.cumsum(puts))  # slope just above each strike
    before = after - calls - puts
    least = (before <= 0) & (after >= 0)
    worst = interest.strikes[least]
    return float(worst[0]) if len(worst) == 1 else math.exp(float(np.log(worst).mean()))


def put_call_balance(calls: Floats, puts: Floats) -> float | None:
    """Return tanh of the log of puts over calls: 0 when equal, positive when puts prevail; None where a side is empty.

    Positive is read as bullish on Indian exchanges, where puts are mostly written to hold a floor.
    """
    call_sum, put_sum = float(np.nansum(calls)), float(np.nansum(puts))
    return math.tanh(math.log(put_sum / call_sum)) if call_sum > 0 and put_sum > 0 else None


def smirk(interest: Interest) -> float | None:
    """Compare the volatility of calls and puts 2 to 12 % out of the money: negative when puts cost more.

    tanh of ten times the log ratio of the two means; None where a side states no volatility.
    """
    distance = np.log(interest.strikes / interest.spot)
    near, far = SMIRK_REACH
    calls = interest.call_volatility[(distance >= near) & (distance <= far)]
    puts = interest.put_volatility[(distance <= -near) & (distance >= -far)]
    sides = [side[np.isfinite(side) & (side > 0)] for side in (calls, puts)]
    if not all(len(side) for side in sides):
        return None
    call_mean, put_mean = (float(np.log(side).mean()) for side in sides)
    return math.tanh(10.0 * (call_mean - put_mean))


def value_area(bars: Bars, *, window: int = 60, share: float = VALUE_SHARE) -> ValueArea | None:
    """Spread each candle's volume evenly over its range and find the value area of the last `window` candles.

    None when nothing was traded or the price stood still. Rupees.
    Source: J. P. Steidlmayer's market profile, e.g. J. F. Dalton, "Mind over Markets" (1990), ch. 2.
    """
    recent = bars.since(max(0, len(bars) - window))
    low, high = np.log(recent.lows), np.log(recent.highs)
    floor, ceiling = float(low.min()), float(high.max())
    if ceiling <= floor or recent.volumes.sum() <= 0:
        return None
    edges = np.linspace(floor, ceiling, BINS + 1)
    return _area(edges, _profile(edges, low, high, recent.volumes), share)


def _profile(edges: Floats, low: Floats, high: Floats, volumes: Floats) -> Floats:
    """Volume per bin; a candle without a range lies in the bin of its price."""
    half = 1e-9 * (edges[-1] - edges[0])
    bottom, top = (low - half)[:, None], (high + half)[:, None]
    overlap = np.clip(np.minimum(top, edges[1:]) - np.maximum(bottom, edges[:-1]), 0.0, None)
    return np.asarray((volumes[:, None] * overlap / overlap.sum(axis=1, keepdims=True)).sum(axis=0))


def _area(edges: Floats, weights: Floats, share: float) -> ValueArea:
    """Grow the band from the busiest bin to the heavier neighbour, to both when they weigh the same."""
    peaks: NDArray[np.intp] = np.flatnonzero(weights >= weights.max() * (1.0 - SAME))
    first, last = int(peaks[0]), int(peaks[-1])
    middle = 0.25 * (edges[first] + edges[first + 1] + edges[last] + edges[last + 1])
    enough = share * weights.sum() * (1.0 - SAME)
    padded = np.concatenate([[-1.0], weights, [-1.0]])  # bin i stands at i + 1; beyond the ends nothing is heavier
    while weights[first : last + 1].sum() < enough:
        below, above = padded[first], padded[last + 2]
        first -= int(below >= above * (1.0 - SAME) and first > 0)
        last += int(above >= below * (1.0 - SAME) and last < BINS - 1)
    return ValueArea(math.exp(edges[first]), math.exp(middle), math.exp(edges[last + 1]))


def _known(counts: Floats) -> Floats:
    return np.where(np.isnan(counts), 0.0, counts)
