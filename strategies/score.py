"""A first ranking: additive, weighted, explained, with gates that say why a candidate is not recommended."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from market.chain import Chain
from market.contract import Side
from market.errors import Reason
from strategies.build import BuiltLeg, Candidate
from strategies.evaluate import Evaluation

RiskProfile = Literal["conservative", "moderate", "aggressive"]
Conviction = Literal["High", "Medium", "Low"]

HIGH, MEDIUM = 0.65, 0.50  # totals from which conviction is High and Medium
STALE_VOLATILITY = 0.03  # volatility points (as a fraction) a price may beat the smile by before it is suspect
STALE_TICKS = 2.0  # and this many ticks on top, for options that are worth next to nothing
FREE_LUNCH = 0.20  # of the tail loss: more expected value than this, before charges, is a bad quote
MODELLED_TOUCH = 0.8  # data quality of a spread that was modelled, not seen


@dataclass(frozen=True, slots=True)
class Taste:
    """How a risk profile ranks: weights that add up to 1, and what it refuses."""

    weights: Mapping[str, float]
    least_probability: float
    undefined_risk: bool


TASTES: Mapping[RiskProfile, Taste] = MappingProxyType(
    {
        "conservative": Taste(
            weights=MappingProxyType(
                {
                    "probability": 0.32,
                    "expected_value": 0.20,
                    "reward_risk": 0.08,
                    "liquidity": 0.15,
                    "cost_drag": 0.10,
                    "time_decay": 0.05,
                    "data_quality": 0.10,
                }
            ),
            least_probability=0.50,
            undefined_risk=False,
        ),
        "moderate": Taste(
            weights=MappingProxyType(
                {
                    "probability": 0.22,
                    "expected_value": 0.20,
                    "reward_risk": 0.18,
                    "liquidity": 0.15,
                    "cost_drag": 0.10,
                    "time_decay": 0.05,
                    "data_quality": 0.10,
                }
            ),
            least_probability=0.25,
            undefined_risk=False,
        ),
        "aggressive": Taste(
            weights=MappingProxyType(
                {
                    "probability": 0.12,
                    "expected_value": 0.20,
                    "reward_risk": 0.28,
                    "liquidity": 0.15,
                    "cost_drag": 0.10,
                    "time_decay": 0.05,
                    "data_quality": 0.10,
                }
            ),
            least_probability=0.20,
            undefined_risk=True,
        ),
    }
)


@dataclass(frozen=True, slots=True)
class Score:
    """A total from 0 to 1, the components (0 to 1) and their weighted shares, which add up to the total exactly.

    `reasons` is empty when the candidate may be recommended.
    """

    total: float
    components: Mapping[str, float]
    contributions: Mapping[str, float]
    conviction: Conviction
    reasons: tuple[Reason, ...]

    @property
    def recommendable(self) -> bool:
        """True when no gate refused it."""
        return not self.reasons


def score(evaluation: Evaluation, candidate: Candidate, chain: Chain, *, risk: RiskProfile = "moderate") -> Score:
    """Rank a candidate for a risk profile.

    Parameters
    ----------
    evaluation : Evaluation
    candidate : Candidate
    chain : Chain
    risk : {"conservative", "moderate", "aggressive"}

    Returns
    -------
    Score
        total = sum of weight × component; gates do not change the total, they forbid recommending.

    Notes
    -----
    Source: options-v4.md section 14 item 3: rank by expected value after costs per unit of risk, not by probability
    alone; a market view is not a conviction.
    """
    taste = TASTES[risk]
    components = _components(evaluation, candidate, chain)
    contributions = {name: weight * components[name] for name, weight in taste.weights.items()}
    total = min(1.0, math.fsum(contributions.values()))
    return Score(
        total=total,
        components=MappingProxyType(components),
        contributions=MappingProxyType(contributions),
        conviction="High" if total >= HIGH else "Medium" if total >= MEDIUM else "Low",
        reasons=_gates(evaluation, candidate, chain, taste),
    )


def _components(evaluation: Evaluation, candidate: Candidate, chain: Chain) -> dict[str, float]:
    reward = min(evaluation.tail_gain, max(0.0, evaluation.max_profit - evaluation.charges))
    decay = _ratio(evaluation.net_theta * evaluation.days_to_expiry, evaluation.tail_loss)
    return {
        "probability": _between(evaluation.probability_after_costs, 0.20, 0.85),
        "expected_value": math.exp(-20.0 * _ratio(_believed_cost(evaluation), evaluation.standard_deviation)),
        "reward_risk": _ratio(reward, reward + evaluation.max_loss),
        "liquidity": _between(_liquidity(candidate), 0.15, 0.85),
        "cost_drag": 1.0 - _between(_ratio(evaluation.charges, reward), 0.0, 0.05),
        "time_decay": 0.5 + 0.5 * math.tanh(decay),
        "data_quality": _between(_data_quality(candidate, chain), 0.50, 0.95),
    }


def _believed_cost(evaluation: Evaluation) -> float:
    """Return what the trade loses in expectation under the chain's own distribution.

    Spreads and charges make every honest trade lose there. A gain before charges only means that a quote beats the
    smile made of its neighbours: noise, which must not win a ranking.
    """
    return max(0.0, evaluation.charges - min(0.0, evaluation.expected_value_gross))


def _liquidity(candidate: Candidate) -> float:
    """Return half for narrow spreads, half for the open interest of the thinnest leg (10 lots to 10,000)."""
    legs = candidate.option_legs
    spread = math.fsum(leg.ratio * (leg.ask - leg.bid) for leg in legs)
    value = math.fsum(leg.ratio * leg.mid for leg in legs)
    thinnest = min((leg.open_interest or 0.0) / leg.lot_size for leg in legs)
    return 0.5 * math.exp(-15.0 * _ratio(spread, value)) + 0.5 * _between(math.log10(1.0 + thinnest), 1.0, 4.0)


def _data_quality(candidate: Candidate, chain: Chain) -> float:
    """Return how well the mids sit on the smile (3 volatility points off is 0.37), less for modelled touches."""
    legs = candidate.option_legs
    fit = math.fsum(math.exp(-abs(leg.mid - leg.fair) / _tolerance(leg, chain)) for leg in legs) / len(legs)
    return fit * (MODELLED_TOUCH if any(leg.touch_modelled for leg in legs) else 1.0)


def _tolerance(leg: BuiltLeg, chain: Chain) -> float:
    return STALE_VOLATILITY * leg.vega + STALE_TICKS * chain.tick_size


def _gates(evaluation: Evaluation, candidate: Candidate, chain: Chain, taste: Taste) -> tuple[Reason, ...]:
    found = (
        _profit_gate(evaluation),
        _probability_gate(evaluation, taste),
        _risk_gate(evaluation, candidate, taste),
        _stale_gate(evaluation, candidate, chain),
    )
    return tuple(reason for reason in found if reason is not None)


def _profit_gate(evaluation: Evaluation) -> Reason | None:
    if evaluation.max_profit <= 0.0:
        return Reason("MAX_PROFIT_NOT_POSITIVE", "No outcome at expiry makes money.", "Never trade this.")
    if evaluation.max_profit <= evaluation.charges:
        return Reason(
            "COSTS_EXCEED_PROFIT",
            f"Charges of {evaluation.charges:.2f} exceed the best outcome of {evaluation.max_profit:.2f}.",
            "Use wider strikes or more lots per order.",
        )
    return None


def _probability_gate(evaluation: Evaluation, taste: Taste) -> Reason | None:
    probability, least = evaluation.probability_after_costs, taste.least_probability
    if probability >= least:
        return None
    return Reason(
        "PROBABILITY_TOO_LOW",
        f"Probability of profit after costs {probability:.1%} is below {least:.0%}.",
        "Choose a more aggressive profile.",
    )


def _risk_gate(evaluation: Evaluation, candidate: Candidate, taste: Taste) -> Reason | None:
    if taste.undefined_risk or not (candidate.structure.undefined_risk or math.isinf(evaluation.max_loss)):
        return None
    return Reason(
        "UNDEFINED_RISK",
        f"Nothing bounds the loss of a {candidate.structure.name}.",
        "Choose the aggressive profile or buy a wing.",
    )


def _stale_gate(evaluation: Evaluation, candidate: Candidate, chain: Chain) -> Reason | None:
    """Refuse prices that are too good: better than the smile by more than its own error can explain."""
    for leg in candidate.option_legs:
        advantage = leg.fair - leg.price if leg.side is Side.BUY else leg.price - leg.fair
        if advantage > _tolerance(leg, chain):
            return Reason(
                "STALE_LEG",
                f"{leg.contract} at {leg.price:.2f} is {advantage:.2f} better than the smile says.",
                "The quote is probably old: capture the chain again.",
            )
    if evaluation.expected_value_gross > FREE_LUNCH * evaluation.tail_loss:
        return Reason(
            "STALE_LEG",
            f"An expected value of {evaluation.expected_value_gross:.2f} before charges is too good to be true.",
            "A quote is probably old: capture the chain again.",
        )
    return None


def _ratio(part: float, whole: float) -> float:
    """Return part / whole, with a whole of nothing taken as one paisa so that no risk is never a division by zero."""
    return part / max(whole, 0.01)


def _between(value: float, low: float, high: float) -> float:
    return min(1.0, max(0.0, (value - low) / (high - low)))
