"""What candidates are worth, all of a chain at once: exact extremes, probability, expected value, tails and greeks."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from decimal import Decimal

import numpy as np

from market.calendar import IST
from market.chain import ExpiryChain, Flags, Floats
from market.quant.distribution import Distribution
from market.rulebook.charges import ChargeRates, equity_charges
from strategies.batch import Batch
from strategies.horizon import distribution_at, horizon_grid, surviving_values
from strategies.table import CALL, SHARE, ContractTable, Ints

SETTLED = 1e-9  # rupees per unit: below it a profit is rounding, not money
CELLS = 200  # equally probable parts of the distribution on which tails and deviation are measured
EXPECTED_SHORTFALL = (0.05, 0.01)  # the tails of ES 95 and ES 99
GAIN_TAIL = 0.05


@dataclass(frozen=True, slots=True, eq=False)
class Lines:
    """Payoffs at the front expiry, straight between kinks: arrays of shape (n, kinks), the first kink 0.

    Kinks may repeat. `right_slope` is that of an infinite rise, shape (n,). Rupees per unit.
    """

    kinks: Floats
    values: Floats
    right_slope: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Measures:
    """Every figure of every candidate; arrays of shape (n,), rupees per unit of underlying unless said otherwise.

    max_profit, max_loss (positive) and risk_reward (their ratio) may be inf, all else is finite. Probabilities are
    fractions under the smile-implied terminal distribution; `forecast_value`, after charges, and `forecast_probability`
    of a profit after charges are under the forecast one, and a price better than the smile's counts as the smile's in
    the former. `charges` open and close all legs; expected_value is after charges. sharpe is expected_value /
    standard_deviation over the life of the trade. shortfall_95 and shortfall_99 are the mean of the worst 5 % and 1 %
    of outcomes after charges, tail_gain that of the best 5 %, as positive amounts (0 when that tail has the other
    sign). spread_cost is what crossing from mid to touch costs.
    """

    max_profit: Floats
    max_loss: Floats
    probability_of_profit: Floats
    probability_after_costs: Floats
    expected_value_gross: Floats
    expected_value: Floats
    forecast_value: Floats
    forecast_probability: Floats
    standard_deviation: Floats
    sharpe: Floats
    shortfall_95: Floats
    shortfall_99: Floats
    tail_gain: Floats
    risk_reward: Floats
    net_premium: Floats
    option_premium: Floats
    charges: Floats
    spread_cost: Floats
    net_delta: Floats
    net_gamma: Floats
    net_theta: Floats
    net_vega: Floats
    net_rho: Floats

    def take(self, chosen: "Ints | Flags") -> "Measures":
        """Some of the candidates, in the order asked for."""
        return Measures(**{field.name: getattr(self, field.name)[chosen] for field in fields(self)})


def measure(
    batch: Batch,
    *,
    rates: ChargeRates,
    forecasts: Mapping[int, Distribution] | None = None,
    cells: int = CELLS,
    risk_free: float = 0.0,
) -> Measures:
    """Measure candidates, every one by the same exact rules.

    Parameters
    ----------
    batch : Batch
    rates : ChargeRates
        Option charges of the day: fractions of premium turnover and rupees per order.
    forecasts : Mapping[int, Distribution], optional
        The terminal distribution one expects, by rank of the front expiry; where there is none, the smile's own.
    cells : int
        Equally probable parts on which deviation and tails are measured.
    risk_free : float
        Continuously compounded annual rate at which option premiums are financed to expiry.

    Returns
    -------
    Measures
        Rupees per unit of underlying.

    Notes
    -----
    Extremes, probability and expected value are exact for the piecewise linear payoff: probability is the mass over
    the profit ranges, expected value the sum of the legs' own expectations. A candidate with a surviving leg is a
    polyline through `horizon.HORIZON_POINTS` levels and its strikes. A share earns its carry, forward less spot,
    which is what financing it costs, so that carry is not counted as an advantage.
    Source: J. C. Hull, "Options, Futures, and Other Derivatives", "Trading strategies involving options";
    D. T. Breeden and R. H. Litzenberger (1978); P. Artzner et al., "Coherent measures of risk" (1999) for the tails.
    """
    columns = {field.name: np.empty(batch.size) for field in fields(Measures)}
    charges = leg_charges(batch.table, rates, batch)
    for chosen, group in _groups(batch):
        rank = int(group.front[0])
        implied = distribution_at(batch.table.chain.expiries[rank])
        expected = (forecasts or {}).get(rank, implied)
        found = _measured(group, implied, expected, charges[chosen], cells, risk_free)
        for name, values in found.items():
            columns[name][chosen] = values
    return Measures(**columns)


def payoff_lines(batch: Batch) -> Lines:
    """Return the payoffs of candidates that share a front expiry, all simple or none; rupees per unit."""
    if batch.is_simple.all():
        return _settled_lines(batch)
    return _horizon_lines(batch)


def profit_mass(lines: Lines, distribution: Distribution, *, shift: Floats | float = 0.0) -> Floats:
    """Return the probability of ending in profit when every outcome is moved by `shift` rupees; shape (n,)."""
    values = lines.values + np.asarray(shift).reshape(-1, 1)
    kinks = np.broadcast_to(lines.kinks, values.shape)
    low, high = kinks[:, :-1], kinks[:, 1:]
    left, right = values[:, :-1], values[:, 1:]
    start, end = left > SETTLED, right > SETTLED
    rise = np.where(left == right, 1.0, right - left)
    root = np.clip(low - left * (high - low) / rise, low, high)
    reached = distribution.cdf(kinks)
    at_root = np.where(start != end, distribution.cdf(root), 0.0)
    inside = np.where(end, reached[:, 1:], at_root) - np.where(start, reached[:, :-1], at_root)
    mass = np.where(start | end, inside, 0.0).sum(axis=1)
    return np.asarray(np.clip(mass + _tail_mass(lines, values[:, -1], distribution), 0.0, 1.0))


def leg_charges(table: ContractTable, rates: ChargeRates, batch: Batch) -> Floats:
    """Return what opening every leg at its executable price and closing it at today's mid costs, per unit; (n,)."""
    sizes = np.array([expiry.lot_size for expiry in table.chain.expiries] + [1.0])
    flat = 2.0 * rates.per_order / sizes[table.rank]
    bought = np.nan_to_num(rates.buy * table.ask) + rates.sell * table.mid + flat
    sold = rates.sell * table.bid + rates.buy * table.mid + flat
    bought[-1] = 0.0  # the share is charged per lot of the front expiry
    ratio = np.abs(batch.units)
    orders = (flat[batch.rows] * (batch.units != 0.0)).sum(axis=1)
    turnover = np.where(batch.units > 0.0, (bought - flat)[batch.rows], (sold - flat)[batch.rows])
    return np.asarray((ratio * turnover).sum(axis=1) + orders) + _share_charges(batch)


def _share_charges(batch: Batch) -> Floats:
    shares = np.where(batch.table.kind[batch.rows] == SHARE, batch.units, 0.0).sum(axis=1)
    charges = np.zeros(batch.size)
    chain = batch.table.chain
    day, price = chain.taken_at.astimezone(IST).date(), Decimal(str(chain.spot))
    for rank, ratio in {(int(f), float(s)) for f, s in zip(batch.front, shares, strict=True) if s}:
        quantity = int(abs(ratio)) * chain.expiries[rank].lot_size
        both = [equity_charges(side=side, price=price, quantity=quantity, as_of=day) for side in ("BUY", "SELL")]
        per_unit = float((both[0] + both[1]).total) / chain.expiries[rank].lot_size
        charges[(batch.front == rank) & (shares == ratio)] = per_unit
    return charges


def _groups(batch: Batch) -> Iterator[tuple[Ints, Batch]]:
    """Candidates that share a front expiry and a way of valuing."""
    simple = batch.is_simple
    last = np.where(batch.units != 0.0, batch.table.rank[batch.rows], -1).max(axis=1)
    keys = np.stack([batch.front, np.where(simple, -1, last)], axis=1)
    for key in np.unique(keys, axis=0):
        chosen = np.flatnonzero((keys == key).all(axis=1))
        yield chosen, batch.take(chosen)


def _measured(
    batch: Batch,
    distribution: Distribution,
    forecast: Distribution,
    charges: Floats,
    cells: int,
    risk_free: float,
) -> dict[str, Floats]:
    table, lines, financing = batch.table, payoff_lines(batch), _financing(batch, risk_free)
    gross = _expected(lines, distribution) - financing
    net = gross - charges
    deviation, tails = _tails(batch, lines, distribution, charges, cells)
    best = np.where(lines.right_slope > 0.0, math.inf, lines.values.max(axis=1))
    worst = np.where(lines.right_slope < 0.0, math.inf, np.maximum(0.0, -lines.values.min(axis=1)))
    crossed = np.where(batch.units > 0.0, table.ask[batch.rows], table.bid[batch.rows]) - table.mid[batch.rows]
    return {
        "max_profit": best,
        "max_loss": worst,
        "probability_of_profit": profit_mass(lines, distribution),
        "probability_after_costs": profit_mass(lines, distribution, shift=-charges),
        "expected_value_gross": gross,
        "expected_value": net,
        # A price that beats the smile made of its neighbours is noise: what earns is the distributions' difference.
        "forecast_value": net - np.maximum(gross, 0.0) + _expected(lines, forecast) - _expected(lines, distribution),
        "forecast_probability": profit_mass(lines, forecast, shift=-charges),
        "standard_deviation": deviation,
        "sharpe": np.divide(net, deviation, out=np.zeros_like(net), where=deviation > 0.0),
        "risk_reward": _risk_reward(best, worst),
        "net_premium": batch.net_premium,
        "option_premium": batch.option_premium,
        "charges": charges,
        "spread_cost": (batch.units * np.where(table.kind[batch.rows] == SHARE, 0.0, crossed)).sum(axis=1),
        **tails,
        **{f"net_{name}": batch.net(getattr(table, name)) for name in ("delta", "gamma", "theta", "vega", "rho")},
    }


# --- payoffs ---------------------------------------------------------------------------------------------------------


def _settled_lines(batch: Batch) -> Lines:
    table = batch.table
    strikes, kinds = table.strike[batch.rows], table.kind[batch.rows]
    kinks = np.sort(np.where(kinds == SHARE, 0.0, strikes), axis=1)
    kinks = np.concatenate([np.zeros((batch.size, 1)), kinks], axis=1)
    away = kinds[:, None, :] * (kinks[:, :, None] - strikes[:, None, :])
    worth = np.where(kinds[:, None, :] == SHARE, kinks[:, :, None], np.maximum(away, 0.0))
    values = (worth * batch.units[:, None, :]).sum(axis=2) + batch.net_premium[:, None]
    return Lines(kinks, values, _tail_slope(batch))


def _horizon_lines(batch: Batch) -> Lines:
    levels, used, worth = _horizon_worth(batch)
    values = np.broadcast_to(batch.net_premium[:, None], (batch.size, levels.size)).copy()
    for leg in range(batch.rows.shape[1]):
        values += batch.units[:, leg, None] * worth[used[batch.rows[:, leg]]]
    return Lines(levels[None, :], values, _tail_slope(batch))


def _horizon_worth(batch: Batch) -> tuple[Floats, Ints, Floats]:
    """Return levels, the place of each used contract, and its worth at the front expiry; worth is (used, levels)."""
    table, rank = batch.table, int(batch.front[0])
    near = table.chain.expiries[rank]
    rows = np.unique(batch.rows[batch.units != 0.0])
    far = table.chain.expiries[int(table.rank[rows].max())]
    strikes = table.strike[rows[table.kind[rows] != SHARE]]
    levels = horizon_grid(near, far, strikes)
    place = np.zeros(table.strike.size, dtype=np.int64)
    place[rows] = np.arange(rows.size)
    return levels, place, _worth(table, rows, levels, near, rank)


def _worth(table: ContractTable, rows: Ints, levels: Floats, near: ExpiryChain, rank: int) -> Floats:
    """Return what contracts are worth at an expiry: settled if they end there, else by the surviving volatility."""
    kinds, strikes = table.kind[rows, None], table.strike[rows, None]
    settled = np.maximum(kinds * (levels - strikes), 0.0)
    worth = np.where(kinds == SHARE, np.broadcast_to(levels, settled.shape), settled)
    for later in np.unique(table.rank[rows][table.rank[rows] > rank]):
        alive = table.rank[rows] == later
        is_call = table.kind[rows[alive]] == CALL
        far = table.chain.expiries[int(later)]
        worth[alive] = surviving_values(levels, table.strike[rows[alive]], is_call, near, far)
    return worth


def _tail_slope(batch: Batch) -> Floats:
    """Return the slope of an infinite rise; rupees per rupee of the underlying."""
    rises = (batch.table.kind >= 0).astype(np.float64)
    return batch.net(rises)


def _tail_mass(lines: Lines, last: Floats, distribution: Distribution) -> Floats:
    """Return the probability of profit beyond the last kink."""
    edge = np.broadcast_to(lines.kinks[:, -1], last.shape)
    slope = lines.right_slope
    turn = edge - last / np.where(slope == 0.0, 1.0, slope)
    crosses = np.where(last > SETTLED, slope < 0.0, slope > 0.0)
    turns = np.where(crosses, np.maximum(turn, edge), edge)
    below, beyond = distribution.cdf(edge), distribution.cdf(turns)
    from_start = np.where(slope < 0.0, beyond, 1.0) - below
    return np.where(last > SETTLED, from_start, np.where(slope > 0.0, 1.0 - beyond, 0.0))


# --- expectations and tails ------------------------------------------------------------------------------------------


def _expected(lines: Lines, distribution: Distribution) -> Floats:
    """Return V(0) + sum of slope changes x E[max(S - kink, 0)]: exact for a polyline; repeated kinks cancel."""
    kinks, values = np.broadcast_to(lines.kinks, lines.values.shape), lines.values
    width = np.diff(kinks, axis=1)
    slopes = np.divide(np.diff(values, axis=1), width, out=np.zeros_like(width), where=width > 0.0)
    slopes = np.concatenate([slopes, lines.right_slope[:, None]], axis=1)
    changes = np.diff(slopes, axis=1, prepend=0.0)
    calls = distribution.expectation_of_call(lines.kinks)
    return np.asarray(values[:, 0] + (changes * calls).sum(axis=1))


def _financing(batch: Batch, risk_free: float) -> Floats:
    """Return what holding the position to expiry costs: interest on option premiums, the carry of shares."""
    front = batch.table.chain.expiries[int(batch.front[0])]
    shares = np.where(batch.table.kind[batch.rows] == SHARE, batch.units, 0.0).sum(axis=1)
    interest = -batch.option_premium * math.expm1(risk_free * front.years)
    return np.asarray(interest + shares * (front.forward - batch.table.chain.spot))


def _tails(
    batch: Batch, lines: Lines, distribution: Distribution, charges: Floats, cells: int
) -> tuple[Floats, dict[str, Floats]]:
    outcomes = _outcomes(batch, lines, distribution, cells)
    mean = outcomes.mean(axis=1)
    square = np.einsum("ij,ij->i", outcomes, outcomes) / cells
    deviation = np.sqrt(np.maximum(square - mean**2, 0.0))
    worst = [max(1, round(share * cells)) for share in EXPECTED_SHORTFALL]
    best = max(1, round(GAIN_TAIL * cells))
    outcomes.partition([worst[1], worst[0], cells - best], axis=1)
    after = [np.maximum(0.0, charges - outcomes[:, :count].mean(axis=1)) for count in worst]
    gain = np.maximum(0.0, outcomes[:, cells - best :].mean(axis=1) - charges)
    return deviation, {"shortfall_95": after[0], "shortfall_99": after[1], "tail_gain": gain}


def _outcomes(batch: Batch, lines: Lines, distribution: Distribution, cells: int) -> Floats:
    """Return profit and loss at the mean of equally probable parts of the distribution; shape (n, cells)."""
    levels = _cell_means(distribution, cells)
    rows = np.unique(batch.rows)
    place = np.zeros(batch.table.strike.size, dtype=np.int64)
    place[rows] = np.arange(rows.size)
    rank = int(batch.front[0])
    worth = _worth(batch.table, rows, levels, batch.table.chain.expiries[rank], rank)
    outcomes = np.broadcast_to(batch.net_premium[:, None], (batch.size, cells)).copy()
    for leg in range(batch.rows.shape[1]):
        units = batch.units[:, leg]
        held = np.flatnonzero(units)
        outcomes[held] += units[held, None] * worth[place[batch.rows[held, leg]]]
    return outcomes


def _cell_means(distribution: Distribution, cells: int) -> Floats:
    """Return the mean level of each of the equally probable parts, from the integral of the level over each."""
    edges = distribution.quantile(np.arange(cells + 1) / cells)
    above = distribution.expectation_of_call(edges) + edges * (1.0 - distribution.cdf(edges))
    return np.asarray(np.clip((above[:-1] - above[1:]) * cells, edges[:-1], edges[1:]))


def _risk_reward(best: Floats, worst: Floats) -> Floats:
    """Return max_profit / max_loss: 0 where the loss has no bound, inf where nothing can be lost."""
    bounded = np.isfinite(worst)
    ratio = np.divide(best, worst, out=np.full_like(best, math.inf), where=bounded & (worst > 0.0))
    return np.where(bounded, ratio, 0.0)
