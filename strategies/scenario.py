"""What a position earns when the underlying and implied volatility move before expiry, and what a day costs it then."""

from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

import numpy as np

from market.chain import ExpiryChain, Floats
from market.quant import black
from market.quant.distribution import Distribution
from strategies.batch import Batch
from strategies.measure import cell_means
from strategies.payoff import outcomes
from strategies.strikes import deviation
from strategies.table import CALL, SHARE, ContractTable, Ints

SPOT_DEVIATIONS = (-2.0, -1.0, 0.0, 1.0, 2.0)  # standard deviations of the front expiry
VOLATILITY_SHIFTS = (-0.2, 0.0, 0.2)  # of every leg's own volatility
TIMES = (0.0, 0.5)  # of the days to the front expiry
DECAY_TIMES = (0.0, 0.25, 0.5, 0.75, 1.0)  # of the days to the one before the front expiry
REGION_CELLS = 1_000  # equally probable parts on which the three regions are told apart
FLAT = 0.1  # standard deviations of the outcome within which it counts as flat
_NO_TIME = 1e-9  # years


class Scenario(NamedTuple):
    """One cell: fractions of spot and of volatility, calendar days from now, profit in rupees per unit."""

    spot_shift: float
    volatility_shift: float
    days: int
    profit: float


class Region(NamedTuple):
    """Part of the outcomes at the front expiry: how probable, and what it adds to the expected value (per unit)."""

    name: str
    probability: float
    expected_value: float


@dataclass(frozen=True, slots=True, eq=False)
class _Moment:
    """Spot, days from now and volatility's factor of each point at which contracts are valued; shape (points,)."""

    spot: Floats
    days: Floats
    factor: Floats


def scenarios(batch: Batch) -> list[tuple[Scenario, ...]]:
    """Return profit on a grid of moves for candidates of one front expiry.

    Parameters
    ----------
    batch : Batch

    Returns
    -------
    list of tuple of Scenario
        By candidate: every spot move, in standard deviations of the front expiry, with every shift of volatility, now
        and at half of the days; before charges, against the price paid.

    Notes
    -----
    Every leg is valued by Black-76 at the volatility of its own strike, moved by the same fraction for all, on a
    forward that keeps its carry. Source: the stress grid of J. C. Hull, "Options, Futures, and Other Derivatives",
    chapter "The Greek letters", "Scenario analysis".
    """
    table, front = batch.table, batch.table.chain.expiries[int(batch.front[0])]
    relative = deviation(front) / front.forward
    days = list(dict.fromkeys(int(share * front.days_to_expiry) for share in TIMES))
    cells = list(product([step * relative for step in SPOT_DEVIATIONS], VOLATILITY_SHIFTS, days))
    spot, shift, day = (np.array(column) for column in zip(*cells, strict=True))
    place, price, _ = _valued(batch, _Moment(table.chain.spot * np.exp(spot), day.astype(np.float64), 1.0 + shift))
    profit = batch.weighted(place, price) + batch.net_premium[:, None]
    named = [(float(np.expm1(move)), turn, each) for move, turn, each in cells]
    return [tuple(Scenario(*cell, value) for cell, value in zip(named, row, strict=True)) for row in profit.tolist()]


def theta_profiles(batch: Batch) -> list[tuple[tuple[int, float], ...]]:
    """Return by candidate of one front expiry the net theta on a few days at an unchanged spot.

    Returns
    -------
    list of tuple of (int, float)
        Calendar days from now, and rupees per unit and calendar day, positive where time earns; the last one is the
        day before the front expiry, when an option's theta is still a number.
    """
    front = batch.table.chain.expiries[int(batch.front[0])]
    days = list(dict.fromkeys(round(share * max(front.days_to_expiry - 1, 0)) for share in DECAY_TIMES))
    still = np.full(len(days), batch.table.chain.spot)
    place, _, theta = _valued(batch, _Moment(still, np.array(days, dtype=np.float64), np.ones(len(days))))
    net = batch.weighted(place, theta)
    return [tuple(zip(days, row, strict=True)) for row in net.tolist()]


def regions(batch: Batch, expected: Distribution, values: Floats, deviations: Floats) -> list[tuple[Region, ...]]:
    """Split the expected value of candidates of one front expiry into loss, flat and gain.

    Parameters
    ----------
    batch : Batch
    expected : Distribution
        Of the underlying at the front expiry, the one `values` and `deviations` were measured under.
    values, deviations : ndarray, shape (n,)
        Rupees per unit; what the value lacks against the mean payoff (charges, financing) is taken off every outcome,
        and an outcome within a tenth of a deviation of nothing is flat.

    Returns
    -------
    list of tuple of Region
        Loss, flat and gain by candidate; probabilities add up to 1, values to `values`.
    """
    payoff = outcomes(batch, cell_means(expected, REGION_CELLS))
    profit = payoff - (payoff.mean(axis=1) - values)[:, None]
    edge = FLAT * deviations[:, None]
    parts = {"loss": profit < -edge, "flat": np.abs(profit) <= edge, "gain": profit > edge}
    columns = [
        [
            (name, *pair)
            for pair in zip(inside.mean(axis=1).tolist(), (profit * inside).mean(axis=1).tolist(), strict=True)
        ]
        for name, inside in parts.items()
    ]
    return [tuple(Region(*part) for part in row) for row in zip(*columns, strict=True)]


def _valued(batch: Batch, at: _Moment) -> tuple[Ints, Floats, Floats]:
    """Return the place of each used contract, its value and its theta at each point; shape (used, points)."""
    table, rows = batch.table, batch.used
    place = np.zeros(table.strike.size, dtype=np.int64)
    place[rows] = np.arange(rows.size)
    price, theta = np.broadcast_to(at.spot, (rows.size, at.spot.size)).copy(), np.zeros((rows.size, at.spot.size))
    for rank in np.unique(table.rank[rows[table.kind[rows] != SHARE]]):
        chosen = table.rank[rows] == rank
        price[chosen], theta[chosen] = _model(table, rows[chosen], table.chain.expiries[int(rank)], at)
    return place, price, theta


def _model(table: ContractTable, rows: Ints, expiry: ExpiryChain, at: _Moment) -> tuple[Floats, Floats]:
    years = np.maximum(expiry.years - at.days / black.DAYS_PER_YEAR, _NO_TIME)
    carry = np.log(expiry.forward / table.chain.spot) / expiry.years
    model = black.greeks(
        forward=at.spot * np.exp(carry * years),
        strike=table.strike[rows, None],
        years=years,
        volatility=table.volatility[rows, None] * at.factor,
        is_call=(table.kind[rows] == CALL)[:, None],
        spot=at.spot,
    )
    return model.price, model.theta
