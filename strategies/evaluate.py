"""What the candidates that are kept are worth, one by one: the batch's own numbers, with break-evens and ranges."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from market.errors import InvalidInput, Reason
from strategies.batch import Batch
from strategies.measure import Measures
from strategies.payoff import Lines, Range, breakevens, groups, payoff_lines, profit_ranges, refined

# By name here, by name in the batch's measures, where the two differ.
_RENAMED = {"tail_loss": "shortfall_95", "far_tail_loss": "shortfall_99"}


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Everything measured about a candidate; rupees per unit of underlying unless said otherwise.

    max_profit, max_loss (positive) and risk_reward (max_profit / max_loss) may be math.inf, as may the upper end of
    the last profit range; everything else is finite. Probabilities are fractions. `charges` open and close all legs.
    expected_value is after charges, expected_value_gross before, both under the smile's own distribution;
    forecast_value and forecast_probability, after charges, are under the one that is expected, and a price better than
    the smile's counts as the smile's in the former. standard_deviation is under the smile, forecast_deviation under
    what is expected; sharpe is forecast_value / forecast_deviation over the life of the trade.
    tail_loss and tail_gain are the mean of the worst
    and best 5 % of outcomes after charges, far_tail_loss that of the worst 1 %, as positive amounts (0 when that tail
    has the other sign). spread_cost is what crossing from mid to the touch costs. Break-evens of what has a surviving
    leg are roots of its value, not of the polyline through it.
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
    forecast_deviation: float
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
        for name in _FINITE:
            if not math.isfinite(getattr(self, name)):
                raise _not_a_number(name, getattr(self, name))
        for name in _MAY_BE_UNLIMITED:
            if not getattr(self, name) > -math.inf:
                raise _not_a_number(name, getattr(self, name))
        for edge in self.breakevens:
            if not math.isfinite(edge):
                raise _not_a_number("breakevens", edge)


_MAY_BE_UNLIMITED = ("max_profit", "max_loss", "risk_reward")
_SEQUENCES = ("breakevens", "profit_ranges")
_FINITE = tuple(name for name in Evaluation.__slots__ if name not in _MAY_BE_UNLIMITED + _SEQUENCES)
_MEASURED = tuple(name for name in Evaluation.__slots__ if name not in (*_SEQUENCES, "days_to_expiry"))


def evaluations(batch: Batch, measures: Measures) -> list[Evaluation]:
    """Take the measures of a batch apart, candidate by candidate.

    Parameters
    ----------
    batch : Batch
    measures : Measures
        Of the same batch, in its order.

    Returns
    -------
    list of Evaluation
        Rupees per unit of underlying; break-evens and ranges follow from the payoff.

    Raises
    ------
    InvalidInput
        NOT_A_NUMBER, when a result is not one.
    """
    columns = [getattr(measures, _RENAMED.get(name, name)).tolist() for name in _MEASURED]
    ranges = _all_ranges(batch)
    days = [batch.table.chain.expiries[rank].days_to_expiry for rank in batch.front.tolist()]
    return [
        Evaluation(
            breakevens=breakevens(ranges[place]),
            profit_ranges=ranges[place],
            days_to_expiry=days[place],
            **dict(zip(_MEASURED, values, strict=True)),
        )
        for place, values in enumerate(zip(*columns, strict=True))
    ]


def _all_ranges(batch: Batch) -> list[tuple[Range, ...]]:
    found: list[tuple[Range, ...]] = [()] * batch.size
    for chosen, group in groups(batch):
        ranges = [pair for lines in _exact(group) for pair in profit_ranges(lines)]
        for place, pairs in zip(chosen.tolist(), ranges, strict=True):
            found[place] = pairs
    return found


def _exact(group: Batch) -> Iterator[Lines]:
    lines = payoff_lines(group)
    if group.is_simple.all():
        yield lines
    else:
        yield from refined(group, lines)


def _not_a_number(name: str, value: float) -> InvalidInput:
    return InvalidInput(Reason("NOT_A_NUMBER", f"{name} came out as {value}.", "The chain holds a bad price."))
