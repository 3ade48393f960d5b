"""What candidates are worth, all of a chain at once: exact extremes, probability, expected value, tails and greeks."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from decimal import Decimal

import numpy as np

from market.calendar import IST
from market.chain import Flags, Floats
from market.quant.distribution import Distribution
from market.rulebook.charges import ChargeRates, equity_charges
from strategies.batch import Batch, Real, across, summed
from strategies.horizon import distribution_at
from strategies.payoff import SETTLED, Lines, deviations, expectations, groups, payoff_lines, profit_mass, worths
from strategies.table import SHARE, ContractTable, Ints

__all__ = ["SETTLED", "Lines", "Measures", "leg_charges", "measure", "payoff_lines", "profit_mass"]

CELLS = 200  # equally probable parts of the distribution on which tails are measured
EXPECTED_SHORTFALL = (0.05, 0.01)  # the tails of ES 95 and ES 99
GAIN_TAIL = 0.05
RANKED, KEPT = np.float32, np.float64  # single precision is right to a ten-millionth and sorted in half the time
FINE_CELLS = 2_000  # the same for the few that are kept
TAILS = ("shortfall_95", "shortfall_99", "tail_gain")


@dataclass(frozen=True, slots=True, eq=False)
class Measures:
    """Every figure of every candidate; arrays of shape (n,), rupees per unit of underlying unless said otherwise.

    max_profit, max_loss (positive) and risk_reward (their ratio) may be inf, all else is finite. Probabilities are
    fractions under the smile-implied terminal distribution; `forecast_value`, after charges, and `forecast_probability`
    of a profit after charges are under the forecast one, and a price better than the smile's counts as the smile's in
    the former. `charges` open and close all legs; expected_value is after charges. standard_deviation is under the
    smile, forecast_deviation under the forecast distribution; sharpe is forecast_value / forecast_deviation over the
    life of the trade. shortfall_95 and shortfall_99 are the mean of the worst 5 % and 1 %
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
    forecast_deviation: Floats
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
        Equally probable parts on which tails are measured.
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
    for chosen, group in groups(batch):
        rank = int(group.front[0])
        implied = distribution_at(batch.table.chain.expiries[rank])
        expected = (forecasts or {}).get(rank, implied)
        found = _measured(group, implied, expected, charges[chosen], risk_free)
        found |= _tails(group, implied, charges[chosen], cells, RANKED)
        for name, values in found.items():
            columns[name][chosen] = values
    return Measures(**columns)


def leg_charges(table: ContractTable, rates: ChargeRates, batch: Batch) -> Floats:
    """Return what opening every leg at its executable price and closing it at today's mid costs, per unit; (n,)."""
    sizes = np.array([expiry.lot_size for expiry in table.chain.expiries] + [1.0])
    flat = 2.0 * rates.per_order / sizes[table.rank]
    bought = np.nan_to_num(rates.buy * table.ask) + rates.sell * table.mid + flat
    sold = rates.sell * table.bid + rates.buy * table.mid + flat
    bought[-1] = 0.0  # the share is charged per lot of the front expiry
    orders = across(np.add, flat[batch.rows] * (batch.units != 0.0))
    turnover = np.where(batch.units > 0.0, (bought - flat)[batch.rows], (sold - flat)[batch.rows])
    return np.asarray(summed(np.abs(batch.units), turnover) + orders + _share_charges(batch))


def _share_charges(batch: Batch) -> Floats:
    charges = np.zeros(batch.size)
    if not (batch.rows == batch.table.share).any():
        return charges
    shares = batch.net((batch.table.kind == SHARE).astype(np.float64))
    chain = batch.table.chain
    day, price = chain.taken_at.astimezone(IST).date(), Decimal(str(chain.spot))
    held = np.flatnonzero(shares)
    for rank, ratio in np.unique(np.stack([batch.front[held], shares[held]], axis=1), axis=0).tolist():
        lot_size = chain.expiries[int(rank)].lot_size
        quantity = int(abs(ratio)) * lot_size
        both = [equity_charges(side=side, price=price, quantity=quantity, as_of=day) for side in ("BUY", "SELL")]
        charges[(batch.front == rank) & (shares == ratio)] = float((both[0] + both[1]).total) / lot_size
    return charges


def _measured(
    batch: Batch, distribution: Distribution, forecast: Distribution, charges: Floats, risk_free: float
) -> dict[str, Floats]:
    table, lines = batch.table, payoff_lines(batch)
    smile_value = expectations(batch, distribution)
    gross = smile_value - _financing(batch, risk_free)
    net = gross - charges
    # A price that beats the smile made of its neighbours is noise: what earns is the distributions' difference.
    forecast_value = net - np.maximum(gross, 0.0) + expectations(batch, forecast) - smile_value
    best, worst, deviation = lines.max_profit, lines.max_loss, deviations(lines, distribution)
    forecast_deviation = deviation if forecast is distribution else deviations(lines, forecast)
    ask_or_bid = np.where(batch.units > 0.0, table.ask[batch.rows], table.bid[batch.rows])
    crossed = np.where(table.kind[batch.rows] == SHARE, 0.0, ask_or_bid - table.mid[batch.rows])
    return {
        "max_profit": best,
        "max_loss": worst,
        "probability_of_profit": profit_mass(lines, distribution),
        "probability_after_costs": profit_mass(lines, distribution, shift=-charges),
        "expected_value_gross": gross,
        "expected_value": net,
        "forecast_value": forecast_value,
        "forecast_probability": profit_mass(lines, forecast, shift=-charges),
        "forecast_deviation": forecast_deviation,
        "standard_deviation": deviation,
        "sharpe": _ratio(forecast_value, forecast_deviation),
        "risk_reward": _risk_reward(best, worst),
        "net_premium": batch.net_premium,
        "option_premium": batch.option_premium,
        "charges": charges,
        "spread_cost": summed(batch.units, crossed),
        **{f"net_{name}": batch.net(getattr(table, name)) for name in ("delta", "gamma", "theta", "vega", "rho")},
    }


def _financing(batch: Batch, risk_free: float) -> Floats:
    """Return what holding the position to expiry costs: interest on option premiums, the carry of shares."""
    front = batch.table.chain.expiries[int(batch.front[0])]
    shares = batch.net((batch.table.kind == SHARE).astype(np.float64))
    interest = -batch.option_premium * math.expm1(risk_free * front.years)
    return np.asarray(interest + shares * (front.forward - batch.table.chain.spot))


def sharpened(batch: Batch, measures: Measures, *, cells: int = FINE_CELLS) -> Measures:
    """Return the measures of a few candidates with their tails on finer parts of the distribution."""
    columns = {name: getattr(measures, name).copy() for name in TAILS}
    for chosen, group in groups(batch):
        implied = distribution_at(batch.table.chain.expiries[int(group.front[0])])
        for name, values in _tails(group, implied, measures.charges[chosen], cells, KEPT).items():
            columns[name][chosen] = values
    return replace(measures, **columns)


def _tails(
    batch: Batch,
    distribution: Distribution,
    charges: Floats,
    cells: int,
    precision: type[Real],
) -> dict[str, Floats]:
    """Return the mean of each tail over equally probable parts of the distribution, sorted by outcome."""
    place, worth = worths(batch, cell_means(distribution, cells))
    worst = [max(1, round(share * cells)) for share in EXPECTED_SHORTFALL]
    best = max(1, round(GAIN_TAIL * cells))
    value = batch.weighted(place, worth.astype(precision))
    value.sort(axis=1)
    tails = (value[:, : worst[0]], value[:, : worst[1]], value[:, cells - best :])
    profit = [tail.mean(axis=1, dtype=np.float64) + batch.net_premium - charges for tail in tails]
    signs = (-1.0, -1.0, 1.0)
    return {name: np.maximum(0.0, sign * each) for name, sign, each in zip(TAILS, signs, profit, strict=True)}


def cell_means(distribution: Distribution, cells: int) -> Floats:
    """Return the mean level of each of the equally probable parts, from the integral of the level over each."""
    edges = distribution.quantile(np.arange(cells + 1) / cells)
    above = distribution.expectation_of_call(edges) + edges * (1.0 - distribution.cdf(edges))
    return np.asarray(np.clip((above[:-1] - above[1:]) * cells, edges[:-1], edges[1:]))


def _ratio(part: Floats, whole: Floats) -> Floats:
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0.0)


def _risk_reward(best: Floats, worst: Floats) -> Floats:
    """Return max_profit / max_loss: 0 where the loss has no bound, inf where nothing can be lost."""
    bounded = np.isfinite(worst)
    ratio = np.divide(best, worst, out=np.full_like(best, math.inf), where=bounded & (worst > 0.0))
    return np.where(bounded, ratio, 0.0)
