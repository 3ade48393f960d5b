"""What a recommendation shows beside its measures: other conventions of probability, the chance of a touch, margin."""

import math
from dataclasses import dataclass

from market.calendar import IST
from market.chain import Chain, ExpiryChain
from market.margin import MarginLeg, margin_per_set
from market.quant.distribution import Distribution
from market.sessions import Past
from strategies.build import Candidate
from strategies.evaluate import Evaluation
from strategies.forecast import flat_distribution, history_distribution
from strategies.horizon import distribution_at
from strategies.payoff import Polyline


@dataclass(frozen=True, slots=True)
class Figures:
    """Probabilities are fractions, each named by its convention; None where its input is not known.

    probability_flat: lognormal at the at-the-money volatility. probability_history: blocks of past sessions without
    their mean, put on the forward. probability_touch: of reaching a price from which expiry would be a loss (or, where
    the forward itself is one, a profit) at any time before the front expiry. forecast_volatility: annual, at the front
    expiry. margin: rupees one set blocks; return_on_margin: the forecast value of a set over it, None where
    nothing is blocked.
    """

    probability_flat: float
    probability_history: float | None
    probability_touch: float
    forecast_volatility: float | None
    margin: float
    return_on_margin: float | None


def figures(
    candidate: Candidate,
    evaluation: Evaluation,
    chain: Chain,
    *,
    line: Polyline,
    past: Past | None,
    forecast: Distribution | None,
) -> Figures:
    """Compute the figures of one candidate from its payoff; raises OptionsError where a rate is not known."""
    front = next(expiry for expiry in chain.expiries if expiry.expiry == candidate.expiry)
    history = history_distribution(front, past)
    margin = _margin(candidate, evaluation, chain)
    return Figures(
        probability_flat=line.probability_of_profit(flat_distribution(front)),
        probability_history=None if history is None else line.probability_of_profit(history),
        probability_touch=touch_probability(line, front),
        forecast_volatility=None if forecast is None else _volatility(forecast, front),
        margin=margin,
        return_on_margin=evaluation.forecast_value * candidate.lot_size / margin if margin > 0.0 else None,
    )


def touch_probability(line: Polyline, front: ExpiryChain) -> float:
    """Return the probability that the underlying leaves the range its forward lies in before the front expiry.

    Parameters
    ----------
    line : Polyline
        Profit and loss at the front expiry.
    front : ExpiryChain

    Returns
    -------
    float
        Twice the probability of ending outside the range of profit (or of loss) around the forward, at most 1.

    Notes
    -----
    The reflection principle for an underlying without drift, each edge by its own smile volatility; with two edges
    the sum counts a path that touches both twice, so it is an upper bound there.
    Source: J. M. Harrison, "Brownian Motion and Stochastic Flow Systems" (Wiley 1985), section 1.8.
    """
    edges = [0.0, *line.breakevens, math.inf]
    low = max(edge for edge in edges if edge <= front.forward)
    high = min(edge for edge in edges if edge > front.forward)
    inside = float(distribution_at(front).probability_between(low, high))
    return min(1.0, max(0.0, 2.0 * (1.0 - inside)))


def _volatility(forecast: Distribution, front: ExpiryChain) -> float:
    """The at-the-money volatility of a rescaled smile, from how far its quartiles moved."""
    implied = distribution_at(front)
    wide, narrow = (math.log(float(each.quantile(0.75)) / float(each.quantile(0.25))) for each in (forecast, implied))
    return front.smile.atm_volatility * wide / narrow


def _margin(candidate: Candidate, evaluation: Evaluation, chain: Chain) -> float:
    legs = [
        MarginLeg(leg.side, leg.contract.option_type, leg.ratio * candidate.lot_size, leg.price)
        for leg in candidate.legs
    ]
    unlimited = math.isinf(evaluation.max_loss)
    return margin_per_set(
        legs,
        spot=chain.spot,
        max_loss=None if unlimited else evaluation.max_loss * candidate.lot_size,
        is_index=chain.is_index,
        as_of=candidate.taken_at.astimezone(IST).date(),
    )
