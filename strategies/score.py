"""A first ranking: additive, weighted, explained, with gates that say why a candidate is not recommended."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np

from market.chain import Chain, Flags, Floats
from market.contract import Side
from market.errors import Reason
from strategies.batch import Batch
from strategies.build import BuiltLeg, Candidate
from strategies.evaluate import Evaluation
from strategies.measure import Measures
from strategies.table import SHARE

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
    taste, facts = TASTES[risk], facts_of(evaluation, candidate, chain)
    components = {name: float(value[0]) for name, value in _components(facts).items()}
    contributions = {name: weight * components[name] for name, weight in taste.weights.items()}
    total = min(1.0, math.fsum(contributions.values()))
    return Score(
        total=total,
        components=MappingProxyType(components),
        contributions=MappingProxyType(contributions),
        conviction="High" if total >= HIGH else "Medium" if total >= MEDIUM else "Low",
        reasons=_gates(facts, evaluation, candidate, chain, taste),
    )


@dataclass(frozen=True, slots=True, eq=False)
class Facts:
    """What components and gates are computed from: arrays with one entry per candidate, rupees per unit.

    `spread` and `value` are the sums of ratio × (ask - bid) and ratio × mid over the option legs, `thinnest` the least
    open interest of a leg in lots, `fit` how well the mids sit on the smile (0 to 1), `advantage` the most by which an
    executable price beats the smile beyond its tolerance.
    """

    probability: Floats
    gross: Floats
    forecast: Floats
    deviation: Floats
    tail_loss: Floats
    tail_gain: Floats
    max_profit: Floats
    max_loss: Floats
    charges: Floats
    theta: Floats
    days: Floats
    spread: Floats
    value: Floats
    thinnest: Floats
    fit: Floats
    modelled: Flags
    advantage: Floats
    undefined: Flags


def facts_of(evaluation: Evaluation, candidate: Candidate, chain: Chain) -> Facts:
    """Return the facts of one candidate, as arrays of one."""
    legs = candidate.option_legs
    columns = {
        "probability": evaluation.probability_after_costs,
        "gross": evaluation.expected_value_gross,
        "forecast": evaluation.forecast_value,
        "deviation": evaluation.standard_deviation,
        "tail_loss": evaluation.tail_loss,
        "tail_gain": evaluation.tail_gain,
        "max_profit": evaluation.max_profit,
        "max_loss": evaluation.max_loss,
        "charges": evaluation.charges,
        "theta": evaluation.net_theta,
        "days": float(evaluation.days_to_expiry),
        "spread": math.fsum(leg.ratio * (leg.ask - leg.bid) for leg in legs),
        "value": math.fsum(leg.ratio * leg.mid for leg in legs),
        "thinnest": min((leg.open_interest or 0.0) / leg.lot_size for leg in legs),
        "fit": math.fsum(math.exp(-abs(leg.mid - leg.fair) / _tolerance(leg, chain)) for leg in legs) / len(legs),
        "advantage": max(_advantage(leg) - _tolerance(leg, chain) for leg in legs),
    }
    return Facts(
        **{name: np.array([value]) for name, value in columns.items()},
        modelled=np.array([any(leg.touch_modelled for leg in legs)]),
        undefined=np.array([candidate.structure.undefined_risk]),
    )


def facts_of_batch(batch: Batch, measures: Measures) -> Facts:
    """Return the facts of every candidate of a batch."""
    table, chain = batch.table, batch.table.chain
    options = (table.kind[batch.rows] != SHARE) & (batch.units != 0.0)
    ratio = np.where(options, np.abs(batch.units), 0.0)
    legs = options.sum(axis=1)
    tolerance = (STALE_VOLATILITY * table.vega + STALE_TICKS * chain.tick_size)[batch.rows]
    fit = np.exp(-np.abs(table.mid - table.fair)[batch.rows] / tolerance)
    lots = np.array([expiry.lot_size for expiry in chain.expiries] + [1])[table.rank]
    interest = np.nan_to_num(table.open_interest) / lots
    advantage = np.where(batch.units > 0.0, table.fair[batch.rows] - batch.price, batch.price - table.fair[batch.rows])
    undefined = np.array([structure.undefined_risk for structure in batch.structures], dtype=np.bool_)
    days = np.array([float(expiry.days_to_expiry) for expiry in chain.expiries])
    return Facts(
        probability=measures.probability_after_costs,
        gross=measures.expected_value_gross,
        forecast=measures.forecast_value,
        deviation=measures.standard_deviation,
        tail_loss=measures.shortfall_95,
        tail_gain=measures.tail_gain,
        max_profit=measures.max_profit,
        max_loss=measures.max_loss,
        charges=measures.charges,
        theta=measures.net_theta,
        days=days[batch.front],
        spread=(ratio * np.where(options, (table.ask - table.bid)[batch.rows], 0.0)).sum(axis=1),
        value=(ratio * table.mid[batch.rows]).sum(axis=1),
        thinnest=np.where(options, interest[batch.rows], np.inf).min(axis=1),
        fit=np.where(options, fit, 0.0).sum(axis=1) / legs,
        modelled=(options & table.modelled[batch.rows]).any(axis=1),
        advantage=np.where(options, advantage - tolerance, -np.inf).max(axis=1),
        undefined=undefined[batch.which],
    )


def totals(facts: Facts, risk: RiskProfile) -> Floats:
    """Return the score of every candidate, 0 to 1."""
    components = _components(facts)
    shares = np.stack([weight * components[name] for name, weight in TASTES[risk].weights.items()])
    return np.asarray(np.minimum(1.0, shares.sum(axis=0)))


def first_gates(facts: Facts, risk: RiskProfile) -> "np.typing.NDArray[np.str_]":
    """Return the code of the first gate that refuses each candidate, "" where none does."""
    refused = _refused(facts, TASTES[risk])
    return np.select(list(refused.values()), list(refused), default="")


def _components(facts: Facts) -> dict[str, Floats]:
    reward = np.minimum(facts.tail_gain, np.maximum(0.0, facts.max_profit - facts.charges))
    decay = _ratio(facts.theta * facts.days, facts.tail_loss)
    spread = np.exp(-15.0 * _ratio(facts.spread, facts.value))
    interest = _between(np.log10(1.0 + facts.thinnest), 1.0, 4.0)
    return {
        "probability": _between(facts.probability, 0.20, 0.85),
        "expected_value": _between(_ratio(facts.forecast, facts.tail_loss), -0.05, 0.20),
        "reward_risk": _ratio(reward, reward + facts.max_loss),
        "liquidity": _between(0.5 * spread + 0.5 * interest, 0.15, 0.85),
        "cost_drag": 1.0 - _between(_ratio(facts.charges, reward), 0.0, 0.05),
        "time_decay": 0.5 + 0.5 * np.tanh(decay),
        "data_quality": _between(facts.fit * np.where(facts.modelled, MODELLED_TOUCH, 1.0), 0.50, 0.95),
    }


def _tolerance(leg: BuiltLeg, chain: Chain) -> float:
    return STALE_VOLATILITY * leg.vega + STALE_TICKS * chain.tick_size


def _advantage(leg: BuiltLeg) -> float:
    """Return by how much an executable price is better than the smile's."""
    return leg.fair - leg.price if leg.side is Side.BUY else leg.price - leg.fair


def _refused(facts: Facts, taste: Taste) -> dict[str, Flags]:
    """Return for every gate, in the order of telling, which candidates it refuses."""
    unbounded = facts.undefined | np.isinf(facts.max_loss)
    return {
        "MAX_PROFIT_NOT_POSITIVE": facts.max_profit <= 0.0,
        "COSTS_EXCEED_PROFIT": (facts.max_profit > 0.0) & (facts.max_profit <= facts.charges),
        "EXPECTED_VALUE_NEGATIVE": facts.forecast < 0.0,
        "PROBABILITY_TOO_LOW": facts.probability < taste.least_probability,
        "UNDEFINED_RISK": unbounded & (not taste.undefined_risk),
        "STALE_LEG": (facts.advantage > 0.0) | (facts.gross > FREE_LUNCH * facts.tail_loss),
    }


def _gates(
    facts: Facts, evaluation: Evaluation, candidate: Candidate, chain: Chain, taste: Taste
) -> tuple[Reason, ...]:
    codes = [code for code, refused in _refused(facts, taste).items() if refused[0]]
    return tuple(_SENTENCES[code](evaluation, candidate, chain, taste) for code in codes)


def _no_profit(evaluation: Evaluation, candidate: Candidate, chain: Chain, taste: Taste) -> Reason:
    return Reason("MAX_PROFIT_NOT_POSITIVE", "No outcome at expiry makes money.", "Never trade this.")


def _costs(evaluation: Evaluation, candidate: Candidate, chain: Chain, taste: Taste) -> Reason:
    return Reason(
        "COSTS_EXCEED_PROFIT",
        f"Charges of {evaluation.charges:.2f} exceed the best outcome of {evaluation.max_profit:.2f}.",
        "Use wider strikes or more lots per order.",
    )


def _no_value(evaluation: Evaluation, candidate: Candidate, chain: Chain, taste: Taste) -> Reason:
    return Reason(
        "EXPECTED_VALUE_NEGATIVE",
        f"After costs {evaluation.forecast_value:.2f} per unit is expected, under the forecast or, without history,"
        " the smile.",
        "Wait for volatility to differ from what the options cost; import the history if there is none.",
    )


def _improbable(evaluation: Evaluation, candidate: Candidate, chain: Chain, taste: Taste) -> Reason:
    probability, least = evaluation.probability_after_costs, taste.least_probability
    return Reason(
        "PROBABILITY_TOO_LOW",
        f"Probability of profit after costs {probability:.1%} is below {least:.0%}.",
        "Choose a more aggressive profile.",
    )


def _undefined(evaluation: Evaluation, candidate: Candidate, chain: Chain, taste: Taste) -> Reason:
    return Reason(
        "UNDEFINED_RISK",
        f"Nothing bounds the loss of a {candidate.structure.name}.",
        "Choose the aggressive profile or buy a wing.",
    )


def _stale(evaluation: Evaluation, candidate: Candidate, chain: Chain, taste: Taste) -> Reason:
    """Prices that are too good: better than the smile by more than its own error can explain."""
    remedy = "The quote is probably old: capture the chain again."
    for leg in candidate.option_legs:
        if _advantage(leg) > _tolerance(leg, chain):
            sentence = f"{leg.contract} at {leg.price:.2f} is {_advantage(leg):.2f} better than the smile says."
            return Reason("STALE_LEG", sentence, remedy)
    sentence = f"An expected value of {evaluation.expected_value_gross:.2f} before charges is too good to be true."
    return Reason("STALE_LEG", sentence, remedy)


_SENTENCES: Mapping[str, Callable[[Evaluation, Candidate, Chain, Taste], Reason]] = MappingProxyType(
    {
        "MAX_PROFIT_NOT_POSITIVE": _no_profit,
        "COSTS_EXCEED_PROFIT": _costs,
        "EXPECTED_VALUE_NEGATIVE": _no_value,
        "PROBABILITY_TOO_LOW": _improbable,
        "UNDEFINED_RISK": _undefined,
        "STALE_LEG": _stale,
    }
)


def _ratio(part: Floats, whole: Floats) -> Floats:
    """Return part / whole, with a whole of nothing taken as one paisa so that no risk is never a division by zero."""
    return part / np.maximum(whole, 0.01)


def _between(value: Floats, low: float, high: float) -> Floats:
    return np.clip((value - low) / (high - low), 0.0, 1.0)
