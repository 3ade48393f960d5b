"""What a candidate is worth: exact extremes, probability and expected value under the chain's own distribution."""

import math
from dataclasses import dataclass, fields
from decimal import Decimal

import numpy as np

from market.calendar import IST
from market.chain import Chain, ExpiryChain, Floats
from market.contract import Side
from market.errors import InvalidInput, Reason
from market.quant.distribution import Distribution
from market.rulebook.charges import ChargeRates, equity_charges
from strategies.build import BuiltLeg, Candidate
from strategies.horizon import distribution_at
from strategies.payoff import Polyline, Range, payoff

TAIL, FAR_TAIL = 0.05, 0.01  # probability in the tails that are averaged


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Everything measured about a candidate; rupees per unit of underlying unless said otherwise.

    max_profit, max_loss (positive) and risk_reward (max_profit / max_loss) may be math.inf, as may the upper end of
    the last profit range; everything else is finite. Probabilities are fractions. `charges` open and close all legs.
    expected_value is after charges, expected_value_gross before, both under the smile's own distribution;
    forecast_value and forecast_probability, after charges, are under the one that is expected, and a price better than
    the smile's counts as the smile's in the former. sharpe is
    expected_value / standard_deviation over the life of the trade. tail_loss and tail_gain are the mean of the worst
    and best 5 % of outcomes after charges, far_tail_loss that of the worst 1 %, as positive amounts (0 when that tail
    has the other sign). spread_cost is what crossing from mid to the touch costs.
    """

    max_profit: float
    max_loss: float
    breakevens: tuple[float, ...]
    profit_ranges: tuple[Range, ...]
    probability_of_profit: float
    probability_after_costs: float
    expected_value_gross: float
    expected_value: float
    forecast_value: float
    forecast_probability: float
    standard_deviation: float
    sharpe: float
    tail_loss: float
    far_tail_loss: float
    tail_gain: float
    risk_reward: float
    net_premium: float
    option_premium: float
    charges: float
    spread_cost: float
    net_delta: float
    net_gamma: float
    net_theta: float
    net_vega: float
    net_rho: float
    days_to_expiry: int

    def __post_init__(self) -> None:
        for name in (field.name for field in fields(self)):
            _require_number(name, getattr(self, name))


def evaluate(
    candidate: Candidate,
    chain: Chain,
    *,
    rates: ChargeRates,
    forecast: Distribution | None = None,
    line: Polyline | None = None,
    risk_free: float = 0.0,
) -> Evaluation:
    """Measure a candidate under the distribution its own chain implies.

    Parameters
    ----------
    candidate : Candidate
    chain : Chain
        The chain it was built from.
    rates : ChargeRates
        Option charges of the day: fractions of premium turnover and rupees per order.
    forecast : Distribution, optional
        The distribution one expects at the front expiry; by default the one the smile implies.
    line : Polyline, optional
        The candidate's payoff, where it is known already.
    risk_free : float
        Continuously compounded annual rate at which option premiums are financed to expiry.

    Returns
    -------
    Evaluation
        Rupees per unit of underlying.

    Raises
    ------
    InvalidInput
        When a result is not a number; UnknownDay from the charges of a share.

    Notes
    -----
    Probability of profit is the mass of the terminal distribution over the profit ranges of the exact payoff; expected
    value follows from the kinks: E[V] = V(0) + sum of slope changes × E[max(S - kink, 0)]. A share earns its carry,
    forward less spot, which is what financing it costs, so that carry is not counted as an advantage.
    Source: options-v4.md section 14, items 1 and 3; D. T. Breeden and R. H. Litzenberger (1978).
    """
    front = _front(candidate, chain)
    line, distribution = line or payoff(candidate, chain), distribution_at(front)
    charges = _charges(candidate, rates)
    financing, expected = _financing(candidate, front, risk_free), forecast or distribution
    gross = line.expected_value(distribution) - financing
    net, after_costs = gross - charges, line.shifted(-charges)
    outcomes, masses = _outcomes(line, distribution)
    deviation = _deviation(outcomes, masses)
    worst, best = _tails(outcomes - charges, masses, TAIL)
    furthest, _ = _tails(outcomes - charges, masses, FAR_TAIL)
    return Evaluation(
        max_profit=line.max_profit,
        max_loss=line.max_loss,
        breakevens=line.breakevens,
        profit_ranges=line.profit_ranges,
        probability_of_profit=line.probability_of_profit(distribution),
        probability_after_costs=after_costs.probability_of_profit(distribution),
        expected_value_gross=gross,
        expected_value=net,
        # A price that beats the smile made of its neighbours is noise: only the difference of the distributions earns.
        forecast_value=net - max(gross, 0.0) + line.expected_value(expected) - line.expected_value(distribution),
        forecast_probability=after_costs.probability_of_profit(expected),
        standard_deviation=deviation,
        sharpe=net / deviation if deviation > 0.0 else 0.0,
        tail_loss=max(0.0, -worst),
        far_tail_loss=max(0.0, -furthest),
        tail_gain=max(0.0, best),
        risk_reward=_risk_reward(line),
        net_premium=candidate.net_premium,
        option_premium=candidate.option_premium,
        charges=charges,
        spread_cost=math.fsum(leg.quantity * (leg.price - leg.mid) for leg in candidate.option_legs),
        net_delta=_net(candidate, "delta"),
        net_gamma=_net(candidate, "gamma"),
        net_theta=_net(candidate, "theta"),
        net_vega=_net(candidate, "vega"),
        net_rho=_net(candidate, "rho"),
        days_to_expiry=candidate.days_to_expiry,
    )


def _front(candidate: Candidate, chain: Chain) -> ExpiryChain:
    for expiry in chain.expiries:
        if expiry.expiry == candidate.expiry:
            return expiry
    raise InvalidInput(Reason("WRONG_CHAIN", f"The chain has no expiry {candidate.expiry}.", "Pass its own chain."))


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


_MAY_BE_UNLIMITED = {"max_profit", "max_loss", "risk_reward", "profit_ranges"}


def _require_number(name: str, value: object) -> None:
    numbers = np.asarray(value, dtype=np.float64)
    broken = np.isnan(numbers) if name in _MAY_BE_UNLIMITED else ~np.isfinite(numbers)
    if broken.any() or np.isneginf(numbers).any():
        raise InvalidInput(Reason("NOT_A_NUMBER", f"{name} came out as {value}.", "The chain holds a bad price."))
