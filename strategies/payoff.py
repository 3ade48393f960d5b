"""Profit and loss at the front expiry as a piecewise linear function of the underlying, and what follows from it."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import cast

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq

from market.chain import Chain, ExpiryChain, Floats
from market.errors import InvalidInput, Reason
from market.quant.distribution import Distribution
from strategies.build import BuiltLeg, Candidate
from strategies.horizon import horizon_grid, remaining_volatilities, values_at
from strategies.spec import Kind

SETTLED = 1e-9  # rupees per unit: below it a profit is rounding, not money

Range = tuple[float, float]


@dataclass(frozen=True, eq=False)
class Polyline:
    """Profit and loss in rupees per unit against the underlying (rupees, from 0 upwards).

    Straight between the `kinks` (ascending, the first is 0), with slope `right_slope` beyond the last one.
    """

    kinks: Floats
    values: Floats
    right_slope: float

    def __post_init__(self) -> None:
        if self.kinks[0] != 0.0 or (np.diff(self.kinks) <= 0.0).any() or not np.isfinite(self.values).all():
            raise InvalidInput(Reason("BAD_PAYOFF", "A payoff needs rising kinks from 0 and finite values."))

    def at(self, levels: ArrayLike) -> Floats:
        """Return profit and loss at levels of the underlying (rupees, >= 0)."""
        prices = np.asarray(levels, dtype=np.float64)
        beyond = np.maximum(prices - self.kinks[-1], 0.0)
        return cast(Floats, np.interp(prices, self.kinks, self.values) + self.right_slope * beyond)

    @cached_property
    def slopes(self) -> Floats:
        """Rupees per rupee in each section, the tail last."""
        return np.append(np.diff(self.values) / np.diff(self.kinks), self.right_slope)

    @cached_property
    def max_profit(self) -> float:
        """The best outcome, rupees per unit; math.inf when the tail rises. Negative when every outcome loses."""
        return math.inf if self.right_slope > 0.0 else float(self.values.max())

    @cached_property
    def max_loss(self) -> float:
        """The worst outcome as a positive amount, rupees per unit; math.inf when the tail falls; 0 when none loses."""
        return math.inf if self.right_slope < 0.0 else max(0.0, -float(self.values.min()))

    @cached_property
    def profit_ranges(self) -> tuple[Range, ...]:
        """The open intervals of the underlying that end in profit; the last may end at math.inf."""
        nodes = self._nodes()
        probes = np.append(0.5 * (nodes[1:] + nodes[:-1]), nodes[-1] + 1.0)
        profitable = np.concatenate([[False], self.at(probes) > SETTLED, [False]])
        edges = np.append(nodes, math.inf)
        starts = edges[np.flatnonzero(~profitable[:-1] & profitable[1:])]
        ends = edges[np.flatnonzero(profitable[:-1] & ~profitable[1:])]
        return tuple((float(low), float(high)) for low, high in zip(starts, ends, strict=True))

    @property
    def breakevens(self) -> tuple[float, ...]:
        """Where profit begins or ends, rupees, ascending."""
        return tuple(edge for pair in self.profit_ranges for edge in pair if 0.0 < edge < math.inf)

    def probability_of_profit(self, distribution: Distribution) -> float:
        """Return the probability of ending inside the profit ranges."""
        mass = math.fsum(float(distribution.probability_between(low, high)) for low, high in self.profit_ranges)
        return min(1.0, max(0.0, mass))

    def expected_value(self, distribution: Distribution) -> float:
        """Return the expected outcome in rupees per unit: V(0) + sum of slope changes × E[max(S - kink, 0)]."""
        changes = np.diff(self.slopes, prepend=0.0)
        return float(self.values[0] + changes @ distribution.expectation_of_call(self.kinks))

    def shifted(self, amount: float) -> "Polyline":
        """Return the same payoff with `amount` rupees per unit added to every outcome."""
        return Polyline(self.kinks, self.values + amount, self.right_slope)

    def _nodes(self) -> Floats:
        """Return kinks and zero crossings together, ascending."""
        values = np.where(np.abs(self.values) < SETTLED, 0.0, self.values)
        crossing = np.flatnonzero(values[:-1] * values[1:] < 0.0)
        roots = self.kinks[crossing] - values[crossing] / self.slopes[crossing]
        if values[-1] * self.right_slope < 0.0:
            roots = np.append(roots, self.kinks[-1] - values[-1] / self.right_slope)
        return np.unique(np.concatenate([self.kinks, roots]))


def payoff(candidate: Candidate, chain: Chain) -> Polyline:
    """Return profit and loss at the front expiry, exact when all legs end there, on a fine grid when some survive."""
    if any(leg.contract.expiry not in (None, candidate.expiry) for leg in candidate.legs):
        return horizon_payoff(candidate.legs, chain)
    return expiry_payoff(candidate.legs)


def expiry_payoff(legs: Sequence[BuiltLeg]) -> Polyline:
    """Return the exact profit and loss of legs that share one expiry (shares allowed).

    Parameters
    ----------
    legs : sequence of BuiltLeg
        Prices in rupees per unit; side and ratio are applied.

    Returns
    -------
    Polyline
        Rupees per unit of underlying, before charges.

    Notes
    -----
    Source: J. C. Hull, "Options, Futures, and Other Derivatives", chapter "Trading strategies involving options".
    """
    kinks = np.unique([0.0] + [leg.strike for leg in legs if leg.contract.is_option])
    return Polyline(kinks, _settled(legs, kinks) - _paid(legs), _tail_slope(legs))


def horizon_payoff(legs: Sequence[BuiltLeg], chain: Chain) -> Polyline:
    """Return profit and loss at the front expiry of legs of which some live on, valued as `horizon` says.

    Parameters
    ----------
    legs : sequence of BuiltLeg
    chain : Chain
        The chain they were built from.

    Returns
    -------
    Polyline
        Rupees per unit, straight between grid levels; every strike is a level and every break-even is a root of the
        exact function. Beyond the grid it continues with the slope of an infinite rise.
    """
    expiries = {expiry.expiry: expiry for expiry in chain.expiries}
    used = sorted({leg.contract.expiry for leg in legs if leg.contract.expiry is not None})
    near, far = expiries[used[0]], expiries[used[-1]]
    dead = [leg for leg in legs if leg.contract.expiry in (None, near.expiry)]
    alive = [(leg, expiry) for leg in legs if (expiry := leg.contract.expiry) is not None and expiry > near.expiry]
    strikes = np.array([leg.strike for leg in legs if leg.contract.is_option])
    survivors = [_survivor(leg, near, expiries[expiry]) for leg, expiry in alive]
    paid = _paid(legs)

    def outcome(levels: Floats) -> Floats:
        return _settled(dead, levels) + sum((value(levels) for value in survivors), np.zeros_like(levels)) - paid

    grid = horizon_grid(near, far, strikes)
    grid = np.unique(np.concatenate([grid, _roots(outcome, grid)]))
    return Polyline(grid, outcome(grid), _tail_slope(legs))


def _survivor(leg: BuiltLeg, near: ExpiryChain, far: ExpiryChain) -> Callable[[Floats], Floats]:
    strike, is_call = np.array([leg.strike]), np.array([leg.kind is Kind.CALL])
    volatility = remaining_volatilities(strike, near, far)
    return lambda levels: leg.quantity * values_at(levels, strike, is_call, volatility, near, far)[0]


def _roots(outcome: Callable[[Floats], Floats], grid: Floats) -> Floats:
    values = outcome(grid)
    crossing = np.flatnonzero(values[:-1] * values[1:] < 0.0)

    def single(level: float) -> float:
        return float(outcome(np.array([level]))[0])

    return np.array([brentq(single, grid[i], grid[i + 1], xtol=1e-7) for i in crossing], dtype=np.float64)


def _settled(legs: Sequence[BuiltLeg], levels: Floats) -> Floats:
    """Return what legs are worth at their expiry, side and ratio applied."""
    total = np.zeros_like(levels)
    for leg in legs:
        match leg.kind:
            case Kind.CALL:
                total += leg.quantity * np.maximum(levels - leg.strike, 0.0)
            case Kind.PUT:
                total += leg.quantity * np.maximum(leg.strike - levels, 0.0)
            case Kind.STOCK:
                total += leg.quantity * levels
    return total


def _paid(legs: Sequence[BuiltLeg]) -> float:
    return math.fsum(leg.quantity * leg.price for leg in legs)


def _tail_slope(legs: Sequence[BuiltLeg]) -> float:
    """Return the slope of an infinite rise; rupees per rupee of the underlying."""
    return float(sum(leg.quantity for leg in legs if leg.kind is not Kind.PUT))
