"""What recommendations show beside their measures: other conventions of probability, time, scenarios and margin."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from market.calendar import IST
from market.chain import Chain, ExpiryChain, Floats
from market.errors import Reason
from market.quant.distribution import Distribution
from market.sessions import Past
from strategies.batch import Batch
from strategies.build import Candidate
from strategies.convention import NO_PAST
from strategies.evaluate import Evaluation
from strategies.forecast import flat_cdf, history_distribution
from strategies.horizon import distribution_at
from strategies.margins import HeldLeg, margins_of
from strategies.passage import HALF, probability_of_reaching
from strategies.payoff import Range, groups, outcomes
from strategies.scenario import Region, Scenario, regions, scenarios, theta_profiles
from strategies.table import SHARE

LEAST_SHARE = 0.5  # of the maximum profit, from which the credit is what the position is held for
ROUNDING = 1e-9  # by how much two ways to the same profit may differ


@dataclass(frozen=True, slots=True)
class Figures:
    """Probabilities are fractions, each named by its convention; None where its input is not known.

    probability_flat: lognormal at the at-the-money volatility. probability_history: blocks of past sessions without
    their mean, put on the forward. probability_touch: of reaching a price from which expiry would be a loss (or, where
    the forward itself is one, a profit) at any time before the front expiry. probability_half: of having half of the
    credit at some time up to the front expiry where the credit is most of what can be earned, else half of the maximum
    profit, None where that has no bound or only that of a price of zero (see `best_results`).
    forecast_volatility: annual, at the front expiry. margin: rupees one set
    blocks; return_on_margin: the forecast value of a set over it, None where nothing is blocked. theta_profile: days
    from now and net theta then, rupees per unit and calendar day. scenarios: profit per unit on a grid of moves.
    regions: where the forecast value comes from, under the same distribution.
    """

    probability_flat: float
    probability_history: float | None
    probability_touch: float
    forecast_volatility: float | None
    margin: float
    return_on_margin: float | None
    probability_half: float | None = None
    theta_profile: tuple[tuple[int, float], ...] = ()
    scenarios: tuple[Scenario, ...] = ()
    regions: tuple[Region, ...] = ()

    @property
    def unknown(self) -> dict[str, Reason]:
        """Why each figure is None that is, by its name."""
        return {name: why for name, why in _UNKNOWN.items() if getattr(self, name) is None}


_UNKNOWN: Mapping[str, Reason] = MappingProxyType(
    {
        "probability_history": NO_PAST,
        "forecast_volatility": NO_PAST,
        "probability_half": Reason(
            "PROFIT_UNBOUNDED",
            "The profit has no bound, or only that of a price of zero: there is no half of it.",
            "Use the profit targets, which are amounts of money.",
        ),
        "return_on_margin": Reason("NO_MARGIN", "Nothing is blocked, so there is nothing to earn a return on."),
    }
)


def figures(
    batch: Batch,
    candidates: Sequence[Candidate],
    evaluations: Sequence[Evaluation],
    *,
    past: Past | None,
    forecasts: Mapping[int, Distribution],
) -> list[Figures]:
    """Compute the figures of candidates, in the order of the batch they come from.

    Parameters
    ----------
    batch : Batch
    candidates : sequence of Candidate
    evaluations : sequence of Evaluation
    past : Past or None
        Closed sessions of the underlying.
    forecasts : mapping of int to Distribution
        By rank of the front expiry; empty when the past says nothing.

    Returns
    -------
    list of Figures

    Raises
    ------
    OptionsError
        Where a rate of margin is not known.
    """
    found: dict[int, Figures] = {}
    margins = _margins(candidates, batch.table.chain)
    for chosen, group in groups(batch):
        judged = [evaluations[place] for place in chosen]
        columns = _columns(group, judged, past, forecasts)
        for each, place in enumerate(chosen.tolist()):
            margin = margins[place]
            value = evaluations[place].forecast_value * candidates[place].lot_size
            found[place] = Figures(
                margin=margin,
                return_on_margin=value / margin if margin > 0.0 else None,
                **{name: values[each] for name, values in columns.items()},
            )
    return [found[place] for place in range(batch.size)]


def _columns(
    group: Batch, judged: Sequence[Evaluation], past: Past | None, forecasts: Mapping[int, Distribution]
) -> dict[str, list]:  # type: ignore[type-arg]
    rank = int(group.front[0])
    front = group.table.chain.expiries[rank]
    ranges = [each.profit_ranges for each in judged]
    history, forecast = history_distribution(front, past), forecasts.get(rank)
    values = np.array([each.forecast_value for each in judged])
    spread = np.array([each.forecast_deviation for each in judged])
    return {
        "probability_flat": _masses(ranges, lambda levels: flat_cdf(front, levels)),
        "probability_history": _nothing(group) if history is None else _masses(ranges, history.cdf),
        "probability_touch": touch_probabilities(judged, front).tolist(),
        "forecast_volatility": [None if forecast is None else _volatility(forecast, front)] * group.size,
        "probability_half": probabilities_of_half(group, judged),
        "theta_profile": theta_profiles(group),
        "scenarios": scenarios(group),
        "regions": regions(group, forecast or distribution_at(front), values, spread),
    }


def _masses(ranges: Sequence[Sequence[Range]], cdf: Callable[[Floats], Floats]) -> list[float]:
    """Return the probability of each set of intervals."""
    edges = np.array([edge for pairs in ranges for pair in pairs for edge in pair])
    mass = np.diff(cdf(edges).reshape(-1, 2), axis=1)[:, 0]
    owner = np.repeat(np.arange(len(ranges)), [len(pairs) for pairs in ranges])
    total: list[float] = np.clip(np.bincount(owner, weights=mass, minlength=len(ranges)), 0.0, 1.0).tolist()
    return total


def _nothing(group: Batch) -> list[None]:
    return [None] * group.size


def touch_probabilities(judged: Sequence[Evaluation], front: ExpiryChain) -> Floats:
    """Return the probability that the underlying leaves the range its forward lies in before the front expiry.

    Parameters
    ----------
    judged : sequence of Evaluation
        With their break-evens at the front expiry.
    front : ExpiryChain

    Returns
    -------
    ndarray, shape (n,)
        Twice the probability of ending outside the range of profit (or of loss) around the forward, at most 1.

    Notes
    -----
    The reflection principle for an underlying without drift, each edge by its own smile volatility; with two edges
    the sum counts a path that touches both twice, so it is an upper bound there.
    Source: J. M. Harrison, "Brownian Motion and Stochastic Flow Systems" (Wiley 1985), section 1.8.
    """
    edges = [[0.0, *each.breakevens, math.inf] for each in judged]
    low = [max(edge for edge in each if edge <= front.forward) for each in edges]
    high = [min(edge for edge in each if edge > front.forward) for each in edges]
    inside = distribution_at(front).probability_between(low, high)
    return np.clip(2.0 * (1.0 - inside), 0.0, 1.0)


def best_results(group: Batch, most: Floats) -> Floats:
    """Return the profit of which `probability_half` asks for half, rupees per unit; shape (n,).

    Parameters
    ----------
    group : Batch
        Candidates of one front expiry.
    most : ndarray, shape (n,)
        Maximum profit, rupees per unit; may be inf.

    Returns
    -------
    ndarray, shape (n,)
        The credit where it is at least half of the maximum profit and no share is held; else the maximum profit where
        it is bounded; else inf, as where only a price of zero bounds it, which a long put has in common with a long
        call that has no bound.
    """
    holds_share = ((group.rows == group.table.share) & (group.units != 0.0)).any(axis=1)
    credit = group.option_premium
    of_credit = (credit > 0.0) & (credit >= LEAST_SHARE * most) & ~holds_share
    step = 1e-3 * float(group.table.strike[group.table.kind != SHARE].min())
    ruin = outcomes(group, np.array([0.0, step]))
    only_at_zero = (ruin[:, 0] - ruin[:, 1] > 0.5 * step) & (ruin[:, 0] >= most * (1.0 - ROUNDING))
    return np.where(of_credit, credit, np.where(only_at_zero, math.inf, most))


def probabilities_of_half(group: Batch, judged: Sequence[Evaluation]) -> list[float | None]:
    """Return the probability of having half of the best result at some time; None where that has no bound."""
    best = best_results(group, np.array([each.max_profit for each in judged]))
    known = np.flatnonzero(np.isfinite(best) & (best > 0.0))
    found: list[float | None] = [None] * group.size
    if known.size:
        front = group.table.chain.expiries[int(group.front[0])]
        reached = probability_of_reaching(group.take(known), HALF * best[known], distribution_at(front))
        for place, probability in zip(known.tolist(), reached.tolist(), strict=True):
            found[place] = probability
    return found


def _volatility(forecast: Distribution, front: ExpiryChain) -> float:
    """The at-the-money volatility of a rescaled smile, from how far its quartiles moved."""
    implied = distribution_at(front)
    wide, narrow = (math.log(np.divide(*each.quantile([0.75, 0.25]))) for each in (forecast, implied))
    return front.smile.atm_volatility * wide / narrow


def _margins(candidates: Sequence[Candidate], chain: Chain) -> list[float]:
    """Return what one set of each blocks."""
    held = [
        [HeldLeg(leg.contract, leg.side.sign * leg.ratio * each.lot_size, leg.price, leg.iv) for leg in each.legs]
        for each in candidates
    ]
    rules = [each.structure.margin_group for each in candidates]
    day = chain.taken_at.astimezone(IST).date()
    return margins_of(list(zip(held, rules, strict=True)), spot=chain.spot, is_index=chain.is_index, as_of=day)
