"""The ranking: additive, weighted, explained, with gates that say why a candidate is not recommended."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Any, Literal, get_args

import numpy as np

from market.chain import Flags, Floats
from market.errors import Reason
from strategies.batch import Batch, across, summed
from strategies.measure import Measures
from strategies.spec import IvRegime, Outlook, Structure
from strategies.table import ContractTable, Ints

RiskProfile = Literal["conservative", "moderate", "aggressive"]
Conviction = Literal["High", "Medium", "Low"]

HIGH, MEDIUM = 0.65, 0.50  # totals from which conviction is High and Medium
STALE_VOLATILITY = 0.03  # volatility points (as a fraction) a price may beat the smile by before it is suspect
STALE_TICKS = 2.0  # and this many ticks on top, for options that are worth next to nothing
FREE_LUNCH = 0.20  # of the tail loss: more expected value than this, before charges, is a bad quote
MODELLED_TOUCH = 0.8  # data quality of a spread that was modelled, not seen
NEITHER = 0.5  # of a component that says nothing for or against
SIDES: Mapping[Outlook, float] = MappingProxyType({"Bullish": 1.0, "Bearish": -1.0, "Neutral": 0.0})


@dataclass(frozen=True, slots=True)
class Taste:
    """How a risk profile ranks: weights that add up to 1, and what it refuses.

    The weight of `direction` counts only where a tested view exists; else the others are raised in proportion.
    """

    weights: Mapping[str, float]
    least_probability: float
    undefined_risk: bool


TASTES: Mapping[RiskProfile, Taste] = MappingProxyType(
    {
        "conservative": Taste(
            weights=MappingProxyType(
                {
                    "probability": 0.27,
                    "expected_value": 0.18,
                    "reward_risk": 0.07,
                    "iv_fit": 0.06,
                    "direction": 0.10,
                    "liquidity": 0.13,
                    "cost_drag": 0.08,
                    "time_decay": 0.03,
                    "data_quality": 0.08,
                }
            ),
            least_probability=0.50,
            undefined_risk=False,
        ),
        "moderate": Taste(
            weights=MappingProxyType(
                {
                    "probability": 0.18,
                    "expected_value": 0.18,
                    "reward_risk": 0.16,
                    "iv_fit": 0.06,
                    "direction": 0.10,
                    "liquidity": 0.13,
                    "cost_drag": 0.08,
                    "time_decay": 0.03,
                    "data_quality": 0.08,
                }
            ),
            least_probability=0.25,
            undefined_risk=False,
        ),
        "aggressive": Taste(
            weights=MappingProxyType(
                {
                    "probability": 0.10,
                    "expected_value": 0.18,
                    "reward_risk": 0.24,
                    "iv_fit": 0.06,
                    "direction": 0.10,
                    "liquidity": 0.13,
                    "cost_drag": 0.08,
                    "time_decay": 0.03,
                    "data_quality": 0.08,
                }
            ),
            least_probability=0.20,
            undefined_risk=True,
        ),
    }
)


# Why a gate refuses, and what to do; prices that are too good beat the smile by more than its error can explain.
REASONS: Mapping[str, Reason] = MappingProxyType(
    {
        reason.code: reason
        for reason in (
            Reason("MAX_PROFIT_NOT_POSITIVE", "No outcome at expiry makes money.", "Never trade this."),
            Reason(
                "COSTS_EXCEED_PROFIT",
                "Charges exceed the best outcome.",
                "Use wider strikes or more lots per order.",
            ),
            Reason(
                "EXPECTED_VALUE_NEGATIVE",
                "A loss is expected after costs, under the forecast or, without history, the smile.",
                "Wait for volatility to differ from what the options cost; import the history if there is none.",
            ),
            Reason(
                "PROBABILITY_TOO_LOW",
                "The probability of profit after costs is below the profile's least.",
                "Choose a more aggressive profile.",
            ),
            Reason(
                "UNDEFINED_RISK",
                "It sells an option that no bought option, share or cash set aside covers.",
                "Choose the aggressive profile or buy a wing.",
            ),
            Reason(
                "STALE_LEG",
                "A price, or the expected value before charges, is too good to be true.",
                "The quote is probably old: capture the chain again.",
            ),
        )
    }
)


@dataclass(frozen=True, slots=True)
class Score:
    """A total from 0 to 1, the components (0 to 1) and their weighted shares, which add up to the total exactly.

    `weights` are those that counted: they add up to 1, and that of `direction` is 0 without a tested view.
    """

    total: float
    components: Mapping[str, float]
    weights: Mapping[str, float]
    contributions: Mapping[str, float]
    conviction: Conviction


@dataclass(frozen=True, slots=True, eq=False)
class Facts:
    """What components and gates are computed from: arrays with one entry per candidate, rupees per unit.

    `spread` and `value` are the sums of ratio × (ask - bid) and ratio × mid over the option legs, `thinnest` the least
    open interest of a leg in lots, `fit` how well the mids sit on the smile (0 to 1), `advantage` the most by which an
    executable price beats the smile beyond its tolerance. `iv_fit` is 1 where the structure is meant for the regime
    of implied volatility, 0 where it is not, 0.5 where it claims none or the regime is not known. `lean` is how far the
    tested market view stands on the structure's side (-1 to 1); None without a tested view.
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
    iv_fit: Floats
    lean: Floats | None

    def take(self, chosen: "Ints | Flags") -> "Facts":
        """Some of the candidates, in the order asked for."""
        columns: dict[str, Any] = {each.name: getattr(self, each.name) for each in fields(self)}
        taken: dict[str, Any] = {name: None if each is None else each[chosen] for name, each in columns.items()}
        return Facts(**taken)


def facts_of(batch: Batch, measures: Measures, *, regime: IvRegime | None = None, tested: float | None = None) -> Facts:
    """Return the facts of every candidate of a batch; no leg and the share, which is one row, count for nothing.

    Parameters
    ----------
    batch : Batch
    measures : Measures
        Of the same batch.
    regime : {"low", "normal", "high"}, optional
        Where implied volatility stands; None where it is not known.
    tested : float, optional
        The tested direction of the market view (`View.tested`), -1 to 1; None while no component of it has passed.

    Returns
    -------
    Facts
    """
    table, expiries = batch.table, batch.table.chain.expiries
    tolerance = STALE_VOLATILITY * table.vega + STALE_TICKS * table.chain.tick_size
    lots = np.array([expiry.lot_size for expiry in expiries] + [1])[table.rank]
    undefined = np.array([structure.undefined_risk for structure in batch.structures], dtype=np.bool_)
    days = np.array([float(expiry.days_to_expiry) for expiry in expiries])
    bought, sold = table.fair - table.ask - tolerance, table.bid - table.fair - tolerance
    fit = _options(table, np.exp(-np.abs(table.mid - table.fair) / tolerance), share=0.0)[batch.rows]
    rows, ratio = batch.rows, np.abs(batch.units)
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
        spread=summed(ratio, _options(table, table.ask - table.bid, share=0.0)[rows]),
        value=summed(ratio, _options(table, table.mid, share=0.0)[rows]),
        thinnest=across(np.minimum, _options(table, np.nan_to_num(table.open_interest) / lots, share=math.inf)[rows]),
        fit=across(np.add, fit) / across(np.add, (rows != table.share).astype(np.float64)),
        modelled=across(np.logical_or, table.modelled[rows]),
        advantage=across(
            np.maximum,
            np.where(
                batch.units > 0.0,
                _options(table, bought, share=-math.inf)[rows],
                _options(table, sold, share=-math.inf)[rows],
            ),
        ),
        undefined=undefined[batch.which],
        iv_fit=np.array([iv_fit(structure, regime) for structure in batch.structures])[batch.which],
        lean=None if tested is None else tested * _sides(batch.structures)[batch.which],
    )


def iv_fit(structure: Structure, regime: IvRegime | None) -> float:
    """Return 1 where a structure is meant for this regime of implied volatility, 0 where for others only, else 0.5."""
    if regime is None or len(structure.iv_regimes) == len(get_args(IvRegime)):
        return NEITHER
    return float(regime in structure.iv_regimes)


def _sides(structures: Sequence[Structure]) -> Floats:
    """1 for a bullish structure, -1 for a bearish, 0 for a neutral one: a tested direction promises no stillness."""
    return np.array([SIDES[structure.outlook] for structure in structures])


def _options(table: ContractTable, values: Floats, *, share: float) -> Floats:
    """Return a column of the table with another value for the share."""
    column = values.copy()
    column[table.share] = share
    return column


def weights_of(risk: RiskProfile, *, tested: bool) -> Mapping[str, float]:
    """Return the weights that count, which add up to 1: the direction's only where a tested view says something."""
    weights = TASTES[risk].weights
    if tested:
        return weights
    heard = math.fsum(weight for name, weight in weights.items() if name != "direction")
    return {name: 0.0 if name == "direction" else weight / heard for name, weight in weights.items()}


def totals(facts: Facts, risk: RiskProfile) -> Floats:
    """Return the score of every candidate, 0 to 1, as `scores` explains it."""
    components, weights = _components(facts), weights_of(risk, tested=facts.lean is not None)
    shares = np.stack([weight * components[name] for name, weight in weights.items()])
    return np.asarray(np.minimum(1.0, shares.sum(axis=0)))


def scores(facts: Facts, risk: RiskProfile = "moderate") -> list[Score]:
    """Rank candidates for a risk profile and say what the total of each is made of.

    Parameters
    ----------
    facts : Facts
    risk : {"conservative", "moderate", "aggressive"}

    Returns
    -------
    list of Score
        total = sum of weight × component; gates do not change the total, they forbid recommending.

    Notes
    -----
    Source: options-v4.md section 6, the documents' components, and section 14 items 3 and 7: rank by expected value
    after costs per unit of risk, not by probability alone; a direction is tested before it may move anything.
    """
    found, weights = _components(facts), weights_of(risk, tested=facts.lean is not None)
    rows = zip(*(values.tolist() for values in found.values()), strict=True)
    return [_scored(dict(zip(found, row, strict=True)), weights) for row in rows]


def _scored(components: Mapping[str, float], weights: Mapping[str, float]) -> Score:
    contributions = {name: weight * components[name] for name, weight in weights.items()}
    total = min(1.0, math.fsum(contributions.values()))
    return Score(
        total=total,
        components=MappingProxyType(components),
        weights=MappingProxyType(weights),
        contributions=MappingProxyType(contributions),
        conviction="High" if total >= HIGH else "Medium" if total >= MEDIUM else "Low",
    )


def gates(facts: Facts, risk: RiskProfile) -> Mapping[str, Flags]:
    """Return for every gate, in the order of telling, by the code of its reason, which candidates it refuses."""
    taste = TASTES[risk]
    unbounded = facts.undefined | np.isinf(facts.max_loss)
    return {
        "MAX_PROFIT_NOT_POSITIVE": facts.max_profit <= 0.0,
        "COSTS_EXCEED_PROFIT": (facts.max_profit > 0.0) & (facts.max_profit <= facts.charges),
        "EXPECTED_VALUE_NEGATIVE": facts.forecast < 0.0,
        "PROBABILITY_TOO_LOW": facts.probability < taste.least_probability,
        "UNDEFINED_RISK": unbounded & (not taste.undefined_risk),
        "STALE_LEG": (facts.advantage > 0.0) | (facts.gross > FREE_LUNCH * facts.tail_loss),
    }


def first_gates(facts: Facts, risk: RiskProfile) -> tuple[tuple[str, ...], Ints]:
    """Return the codes of all gates and, by candidate, the place of the first that refuses it, -1 where none does."""
    refused = gates(facts, risk)
    flags = np.stack([*refused.values(), np.ones_like(facts.undefined)])
    first = np.argmax(flags, axis=0)
    return tuple(refused), np.where(first < len(refused), first, -1)


def _components(facts: Facts) -> dict[str, Floats]:
    reward = np.minimum(facts.tail_gain, np.maximum(0.0, facts.max_profit - facts.charges))
    decay = _ratio(facts.theta * facts.days, facts.tail_loss)
    spread = np.exp(-15.0 * _ratio(facts.spread, facts.value))
    interest = _between(np.log10(1.0 + facts.thinnest), 1.0, 4.0)
    return {
        "probability": _between(facts.probability, 0.20, 0.85),
        "expected_value": _between(_ratio(facts.forecast, facts.tail_loss), -0.05, 0.20),
        "reward_risk": _ratio(reward, reward + facts.max_loss),
        "iv_fit": facts.iv_fit,
        "direction": np.full_like(facts.iv_fit, NEITHER) if facts.lean is None else 0.5 + 0.5 * facts.lean,
        "liquidity": _between(0.5 * spread + 0.5 * interest, 0.15, 0.85),
        "cost_drag": 1.0 - _between(_ratio(facts.charges, reward), 0.0, 0.05),
        "time_decay": 0.5 + 0.5 * np.tanh(decay),
        "data_quality": _between(facts.fit * np.where(facts.modelled, MODELLED_TOUCH, 1.0), 0.50, 0.95),
    }


def _ratio(part: Floats, whole: Floats) -> Floats:
    """Return part / whole, with a whole of nothing taken as one paisa so that no risk is never a division by zero."""
    return part / np.maximum(whole, 0.01)


def _between(value: Floats, low: float, high: float) -> Floats:
    return np.clip((value - low) / (high - low), 0.0, 1.0)
