"""Profit and loss at the front expiry, many candidates at once, as piecewise linear functions."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from market.chain import Floats
from market.quant.distribution import Distribution
from strategies.batch import Batch, across
from strategies.horizon import hat_masses, horizon_grid, remaining_volatilities, values_at
from strategies.table import CALL, SHARE, ContractTable, Ints

SETTLED = 1e-9  # rupees per unit: below it a profit is rounding, not money
ROOT_STEPS = 12  # of false position, from a cell of the horizon's grid to a break-even of the function itself

Range = tuple[float, float]


@dataclass(frozen=True, slots=True, eq=False)
class Lines:
    """Payoffs in rupees per unit against the underlying, straight between their kinks.

    Attributes
    ----------
    levels : ndarray, shape (m,)
        Rupees, ascending, the first 0; every kink is one of them.
    index : ndarray, shape (n, kinks) or (1, kinks)
        Which level each kink is, not falling; the first is level 0 and kinks may repeat.
    values : ndarray, shape (n, kinks)
    right_slope : ndarray, shape (n,)
        Of an infinite rise.
    """

    levels: Floats
    index: Ints
    values: Floats
    right_slope: Floats

    @property
    def kinks(self) -> Floats:
        """Where the lines bend, rupees; shape as `index`."""
        return self.levels[self.index]

    @property
    def max_profit(self) -> Floats:
        """The best outcome; inf where the tail rises, negative where every outcome loses; shape (n,)."""
        return np.where(self.right_slope > 0.0, math.inf, across(np.maximum, self.values))

    @property
    def max_loss(self) -> Floats:
        """The worst outcome as a positive amount; inf where the tail falls, 0 where none loses; shape (n,)."""
        return np.where(self.right_slope < 0.0, math.inf, np.maximum(0.0, -across(np.minimum, self.values)))


def groups(batch: Batch) -> Iterator[tuple[Ints, Batch]]:
    """Candidates that share a front expiry and a way of valuing, and where they stand in the batch."""
    last = np.where(batch.is_simple, -1, batch.last)
    keys = batch.front * (last.max(initial=-1) + 2) + last + 1
    different = np.flatnonzero(np.bincount(keys))
    if different.size == 1:
        yield np.arange(batch.size), batch
        return
    for key in different:
        chosen = np.flatnonzero(keys == key)
        yield chosen, batch.take(chosen)


def payoff_lines(batch: Batch) -> Lines:
    """Return the payoffs of candidates of one front expiry, all of whose options end there, or of one last expiry.

    Parameters
    ----------
    batch : Batch
        One of the `groups`.

    Returns
    -------
    Lines
        Rupees per unit before charges: exact where all options end at the front expiry, else a polyline through
        `horizon.HORIZON_POINTS` levels and the strikes.

    Notes
    -----
    Source: J. C. Hull, "Options, Futures, and Other Derivatives", chapter "Trading strategies involving options".
    """
    if batch.is_simple.all():
        return _settled_lines(batch)
    levels = horizon_levels(batch)
    return Lines(levels, np.arange(levels.size)[None, :], outcomes(batch, levels), tail_slope(batch))


def outcomes(batch: Batch, levels: Floats) -> Floats:
    """Return profit and loss at levels of the underlying, candidates of one front expiry; shape (n, levels)."""
    place, worth = worths(batch, levels)
    return batch.weighted(place, worth) + batch.net_premium[:, None]


def profit_mass(lines: Lines, distribution: Distribution, *, shift: Floats | float = 0.0) -> Floats:
    """Return the probability of ending in profit when every outcome is moved by `shift` rupees; shape (n,)."""
    values = lines.values + np.asarray(shift).reshape(-1, 1)
    reached = np.broadcast_to(distribution.cdf(lines.levels)[lines.index], values.shape)
    profitable = values > SETTLED
    start, end = profitable[:, :-1], profitable[:, 1:]
    at_root = np.zeros(start.shape)
    row, cell = np.nonzero(start != end)
    at_root[row, cell] = distribution.cdf(_roots(lines, values, row, cell))
    inside = np.where(end, reached[:, 1:], at_root) - np.where(start, reached[:, :-1], at_root)
    # Where neither end is in profit both terms are the root's 0.
    mass = across(np.add, inside) + _tail_mass(lines, values[:, -1], reached[:, -1], distribution)
    return np.asarray(np.clip(mass, 0.0, 1.0))


def profit_ranges(lines: Lines) -> list[tuple[Range, ...]]:
    """Return for each line the open intervals of the underlying that end in profit; the last may end at inf."""
    values, kinks = lines.values, np.broadcast_to(lines.kinks, lines.values.shape)
    profitable = values > SETTLED
    start, end = profitable[:, :-1], profitable[:, 1:]
    row, cell = np.nonzero(start != end)
    roots = np.zeros(start.shape)
    roots[row, cell] = _roots(lines, values, row, cell)
    low, high = np.where(start, kinks[:, :-1], roots), np.where(end, kinks[:, 1:], roots)
    filled = (start | end) & (low < high)
    tails = _tail_ranges(lines)
    return [
        _merged([*zip(low[i, filled[i]].tolist(), high[i, filled[i]].tolist(), strict=True), *tails[i]])
        for i in range(values.shape[0])
    ]


def breakevens(ranges: Sequence[Range]) -> tuple[float, ...]:
    """Return where profit begins or ends, rupees, ascending."""
    return tuple(edge for pair in ranges for edge in pair if 0.0 < edge < math.inf)


def refined(batch: Batch, lines: Lines) -> Iterator[Lines]:
    """Put the break-evens of the function itself among the kinks of each horizon line; one line per candidate.

    False position in the Illinois form. Source: M. Dowell and P. Jarratt, "A modified regula falsi method for
    computing the root of an equation", BIT 11 (1971) 168-174.
    """
    for place in range(batch.size):
        one = batch.take(np.array([place]))
        value = lines.values[place]
        cell = np.flatnonzero(value[:-1] * value[1:] < 0.0)
        levels = np.unique(np.concatenate([lines.levels, _bracketed(one, lines.levels, value, cell)]))
        index = np.arange(levels.size)[None, :]
        yield Lines(levels, index, outcomes(one, levels), lines.right_slope[place : place + 1])


def tail_slope(batch: Batch) -> Floats:
    """Return the slope of an infinite rise; rupees per rupee of the underlying."""
    return batch.net((batch.table.kind >= 0).astype(np.float64))


def expectations(batch: Batch, distribution: Distribution) -> Floats:
    """Return the expected outcome of each candidate of one of the `groups`, rupees per unit; shape (n,).

    An expectation is linear in the legs, so each contract is taken once: a call that ends at the front expiry is worth
    E[max(S - K, 0)], one that lives on the expectation of the polyline through the horizon's levels.
    """
    table, rank = batch.table, int(batch.front[0])
    expected = _expected_settled(table, distribution)
    rows = batch.used
    alive = rows[table.rank[rows] > rank]
    if alive.size:
        levels = horizon_levels(batch)
        beyond = float(distribution.expectation_of_call(levels[-1]))
        steep = (table.kind[alive] == CALL).astype(np.float64)
        expected[alive] = _worth(table, alive, levels, rank) @ hat_masses(levels, distribution) + steep * beyond
    return batch.net_premium + batch.net(expected)


def deviations(lines: Lines, distribution: Distribution) -> Floats:
    """Return the standard deviation of each line's outcome, rupees per unit, exact for the polyline; shape (n,).

    On each section the outcome is linear in the level, so that its first two moments follow from the distribution's
    own between the two kinks.
    """
    centre = distribution.mean
    kinks = np.broadcast_to(lines.kinks, lines.values.shape) - centre
    width = np.diff(kinks, axis=1)
    rise = np.divide(np.diff(lines.values, axis=1), width, out=np.zeros_like(width), where=width > 0.0)
    slope = np.concatenate([rise, lines.right_slope[:, None]], axis=1)
    start = lines.values - slope * kinks  # the outcome each section would have at the mean
    below = partial_moments(distribution, lines.levels)
    whole = partial_moments(distribution, distribution.grid[-1:])[:, 0]
    mass, first, second = (
        np.diff(np.broadcast_to(each[lines.index], kinks.shape), axis=1, append=total)
        for each, total in zip(below, whole, strict=True)
    )
    mean = across(np.add, start * mass + slope * first)
    square = across(np.add, start * start * mass + 2.0 * start * slope * first + slope * slope * second)
    return np.asarray(np.sqrt(np.maximum(square - mean * mean, 0.0)))


def partial_moments(distribution: Distribution, levels: Floats) -> Floats:
    """Return probability, first and second moment about the mean of ending at or below each level; shape (3, m)."""
    grid = distribution.grid - distribution.mean
    density = np.diff(distribution.cumulative) / np.diff(grid)
    at = np.clip(levels - distribution.mean, grid[0], grid[-1])
    cell = np.clip(np.searchsorted(grid, at, side="right") - 1, 0, density.size - 1)
    found = np.empty((3, at.size))
    for power in range(3):
        integral = grid ** (power + 1) / (power + 1)
        nodes = np.concatenate([[0.0], np.cumsum(density * np.diff(integral))])
        found[power] = nodes[cell] + density[cell] * (at ** (power + 1) / (power + 1) - integral[cell])
    return found


def _expected_settled(table: ContractTable, distribution: Distribution) -> Floats:
    calls = distribution.expectation_of_call(table.levels)[table.level]
    puts = calls - distribution.mean + table.strike
    return np.where(table.kind == CALL, calls, np.where(table.kind == SHARE, distribution.mean, puts))


def _settled_lines(batch: Batch) -> Lines:
    table = batch.table
    kinds, strikes = table.kind[batch.rows], table.strike[batch.rows]
    index = np.zeros((batch.size, batch.rows.shape[1] + 1), dtype=np.int64)
    index[:, 1:] = np.sort(table.level[batch.rows], axis=1)
    kinks = table.levels[index]
    values = np.repeat(batch.net_premium[:, None], kinks.shape[1], axis=1)
    for leg in range(batch.rows.shape[1]):
        kind = kinds[:, leg, None]
        worth = np.maximum(kind * (kinks - strikes[:, leg, None]), 0.0)
        if table.share in batch.rows[:, leg]:
            worth = np.where(kind == SHARE, kinks, worth)
        values += batch.units[:, leg, None] * worth
    return Lines(table.levels, index, values, tail_slope(batch))


def horizon_levels(batch: Batch) -> Floats:
    """Return the levels at which candidates with a surviving leg are valued; rupees, ascending from 0."""
    table, rank = batch.table, int(batch.front[0])
    rows = batch.used
    far = table.chain.expiries[int(table.rank[rows].max())]
    return horizon_grid(table.chain.expiries[rank], far, table.strike[rows[table.kind[rows] != SHARE]])


def worths(batch: Batch, levels: Floats) -> tuple[Ints, Floats]:
    """Return the place of each used contract and its worth at the front expiry; worth has shape (used, levels)."""
    place = np.zeros(batch.table.strike.size, dtype=np.int64)
    place[batch.used] = np.arange(batch.used.size)
    return place, _worth(batch.table, batch.used, levels, int(batch.front[0]))


def _worth(table: ContractTable, rows: Ints, levels: Floats, rank: int) -> Floats:
    """Return what contracts are worth at an expiry: settled if they end there, else by the surviving volatility."""
    kinds, strikes = table.kind[rows, None], table.strike[rows, None]
    worth = np.maximum(kinds * (levels - strikes), 0.0)
    worth[table.kind[rows] == SHARE] = levels
    near = table.chain.expiries[rank]
    for later in np.unique(table.rank[rows][table.rank[rows] > rank]):
        alive = table.rank[rows] == later
        which, far = rows[alive], table.chain.expiries[int(later)]
        left = _volatility_left(table, rank, int(later), which)
        worth[alive] = values_at(levels, table.strike[which], table.kind[which] == CALL, left, near, far)
    return worth


def _volatility_left(table: ContractTable, rank: int, later: int, rows: Ints) -> Floats:
    """Return the volatility contracts keep at an earlier expiry; what was asked before is remembered."""
    known = table.left.setdefault((rank, later), np.full(table.strike.size, np.nan))
    unknown = rows[np.isnan(known[rows])]
    if unknown.size:
        near, far = table.chain.expiries[rank], table.chain.expiries[later]
        known[unknown] = remaining_volatilities(table.strike[unknown], near, far)
    return known[rows]


def _roots(lines: Lines, values: Floats, row: Ints, cell: Ints) -> Floats:
    """Return where lines cross zero inside the given cells."""
    which = row if lines.index.shape[0] > 1 else np.zeros_like(row)
    low, high = lines.levels[lines.index[which, cell]], lines.levels[lines.index[which, cell + 1]]
    left, right = values[row, cell], values[row, cell + 1]
    return np.clip(low - left * (high - low) / (right - left), low, high)


def _tail_turn(lines: Lines, last: Floats) -> tuple[Floats, Floats]:
    """Return the last kink of each line and where it crosses zero beyond it, inf where it does not."""
    edge = np.broadcast_to(lines.kinks[:, -1], last.shape)
    slope = lines.right_slope
    crosses = np.where(last > SETTLED, slope < 0.0, slope > 0.0)
    turn = edge - last / np.where(slope == 0.0, 1.0, slope)
    return edge, np.where(crosses, np.maximum(turn, edge), math.inf)


def _tail_mass(lines: Lines, last: Floats, below: Floats, distribution: Distribution) -> Floats:
    """Return the probability of profit beyond the last kink."""
    _, turn = _tail_turn(lines, last)
    at_turn = np.ones(last.shape)
    crossing = np.isfinite(turn)
    at_turn[crossing] = distribution.cdf(turn[crossing])
    return np.where(last > SETTLED, at_turn - below, 1.0 - at_turn)


def _tail_ranges(lines: Lines) -> list[list[Range]]:
    """Return the profitable part beyond the last kink of each line, none or one."""
    last = lines.values[:, -1]
    edge, turn = _tail_turn(lines, last)
    low, high = np.where(last > SETTLED, edge, turn), np.where(last > SETTLED, turn, math.inf)
    return [[(a, b)] if a < b else [] for a, b in zip(low.tolist(), high.tolist(), strict=True)]


def _merged(pieces: Sequence[Range]) -> tuple[Range, ...]:
    """Join intervals that touch."""
    joined: list[Range] = []
    for low, high in pieces:
        if joined and joined[-1][1] == low:
            joined[-1] = (joined[-1][0], high)
        else:
            joined.append((low, high))
    return tuple(joined)


def _bracketed(one: Batch, levels: Floats, values: Floats, cell: Ints) -> Floats:
    """Return the roots of one candidate's outcome inside cells whose ends have different signs."""
    low, high, left, right = levels[cell], levels[cell + 1], values[cell], values[cell + 1]
    at, before = low, np.zeros(cell.size)
    for _ in range(ROOT_STEPS if cell.size else 0):
        at = np.clip(low - left * (high - low) / np.where(right == left, 1.0, right - left), low, high)
        value = outcomes(one, at)[0]
        moved = np.where(value * left > 0.0, 1.0, -1.0)  # 1 where the lower end moves up
        again = np.where(moved == before, 0.5, 1.0)  # an end that stays twice counts half
        low, left, right = (
            np.where(moved > 0.0, at, low),
            np.where(moved > 0.0, value, again * left),
            np.where(moved > 0.0, again * right, value),
        )
        high, before = np.where(moved > 0.0, high, at), moved
    return at
