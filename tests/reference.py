"""A second, slow way to every figure of one candidate: from its own legs, one object at a time, no table, no batch.

What production computes for thousands of candidates at once is held against this; the two share the smile, the
terminal distribution and the volatility that a surviving leg keeps, nothing else.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq

from market.calendar import IST
from market.chain import Chain, ExpiryChain, Floats
from market.contract import Side
from market.errors import InvalidInput, Reason
from market.quant.distribution import Distribution
from market.rulebook.charges import ChargeRates, equity_charges
from strategies.build import BuiltLeg, Candidate
from strategies.horizon import distribution_at, horizon_grid, remaining_volatilities, values_at
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


TAIL, FAR_TAIL = 0.05, 0.01


def reference(
    candidate: Candidate,
    chain: Chain,
    *,
    rates: ChargeRates,
    forecast: Distribution | None = None,
    risk_free: float = 0.0,
) -> dict[str, Any]:
    """Return what an Evaluation of the candidate must hold, by name."""
    front = next(expiry for expiry in chain.expiries if expiry.expiry == candidate.expiry)
    line, distribution = payoff(candidate, chain), distribution_at(front)
    charges = _charges(candidate, rates)
    financing, expected = _financing(candidate, front, risk_free), forecast or distribution
    gross = line.expected_value(distribution) - financing
    net, after_costs = gross - charges, line.shifted(-charges)
    outcomes, masses = _outcomes(line, distribution)
    deviation, spread = _deviation(outcomes, masses), _deviation(*_outcomes(line, expected))
    forecast_value = net - max(gross, 0.0) + line.expected_value(expected) - line.expected_value(distribution)
    worst, best = _tails(outcomes - charges, masses, TAIL)
    furthest, _ = _tails(outcomes - charges, masses, FAR_TAIL)
    return {
        "max_profit": line.max_profit,
        "max_loss": line.max_loss,
        "breakevens": line.breakevens,
        "profit_ranges": line.profit_ranges,
        "probability_of_profit": line.probability_of_profit(distribution),
        "probability_after_costs": after_costs.probability_of_profit(distribution),
        "expected_value_gross": gross,
        "expected_value": net,
        "forecast_value": forecast_value,
        "forecast_probability": after_costs.probability_of_profit(expected),
        "forecast_deviation": spread,
        "standard_deviation": deviation,
        "sharpe": forecast_value / spread if spread > 0.0 else 0.0,
        "tail_loss": max(0.0, -worst),
        "far_tail_loss": max(0.0, -furthest),
        "tail_gain": max(0.0, best),
        "risk_reward": _risk_reward(line),
        "net_premium": candidate.net_premium,
        "option_premium": candidate.option_premium,
        "charges": charges,
        "spread_cost": math.fsum(leg.quantity * (leg.price - leg.mid) for leg in candidate.option_legs),
        **{f"net_{name}": _net(candidate, name) for name in ("delta", "gamma", "theta", "vega", "rho")},
        "days_to_expiry": candidate.days_to_expiry,
    }


def _charges(candidate: Candidate, rates: ChargeRates) -> float:
    """Return what opening at the executable price and closing at today's mid costs, per unit."""
    return math.fsum(
        _option_charges(leg, rates) if leg.contract.is_option else _share_charges(leg, candidate)
        for leg in candidate.legs
    )


def _option_charges(leg: BuiltLeg, rates: ChargeRates) -> float:
    opening, closing = (rates.buy, rates.sell) if leg.side is Side.BUY else (rates.sell, rates.buy)
    return leg.ratio * (opening * leg.price + closing * leg.mid) + 2.0 * rates.per_order / leg.lot_size


def _share_charges(leg: BuiltLeg, candidate: Candidate) -> float:
    day = candidate.taken_at.astimezone(IST).date()
    quantity, price = leg.ratio * leg.lot_size, Decimal(str(leg.price))
    bought = equity_charges(side="BUY", price=price, quantity=quantity, as_of=day)
    sold = equity_charges(side="SELL", price=price, quantity=quantity, as_of=day)
    return float((bought + sold).total) / leg.lot_size


def _financing(candidate: Candidate, front: ExpiryChain, risk_free: float) -> float:
    """Return what holding the position to expiry costs: interest on option premiums, the carry of shares."""
    shares = sum(leg.quantity for leg in candidate.legs if not leg.contract.is_option)
    interest = -candidate.option_premium * math.expm1(risk_free * front.years)
    return interest + shares * (front.forward - candidate.spot)


def _outcomes(line: Polyline, distribution: Distribution) -> tuple[Floats, Floats]:
    """Return profit and loss in the middle of each cell of the distribution's grid, and the cell's probability."""
    middles = 0.5 * (distribution.grid[1:] + distribution.grid[:-1])
    return line.at(middles), np.diff(distribution.cumulative)


def _deviation(outcomes: Floats, masses: Floats) -> float:
    mean = float(masses @ outcomes)
    return math.sqrt(float(masses @ (outcomes - mean) ** 2))


def _tails(outcomes: Floats, masses: Floats, share: float) -> tuple[float, float]:
    """Return the mean of the worst and of the best `share` of outcomes."""
    order = np.argsort(outcomes, kind="stable")
    ranked, reached = outcomes[order], np.cumsum(masses[order])
    before = np.concatenate([[0.0], reached[:-1]])
    worst = np.clip(np.minimum(reached, share) - before, 0.0, None)
    best = np.clip(reached - np.maximum(before, 1.0 - share), 0.0, None)
    return float(worst @ ranked) / share, float(best @ ranked) / share


def _risk_reward(line: Polyline) -> float:
    if math.isinf(line.max_loss):
        return 0.0
    return line.max_profit / line.max_loss if line.max_loss > 0.0 else math.inf


def _net(candidate: Candidate, name: str) -> float:
    return math.fsum(leg.quantity * getattr(leg, name) for leg in candidate.legs)
