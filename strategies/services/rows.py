"""What is written of one recommendation: floats become exact decimals here, rupees per unit become rupees per set."""

import math
from collections.abc import Iterator
from decimal import Decimal
from functools import lru_cache
from typing import Any

from market.calendar import IST
from market.errors import InvalidInput, Reason
from market.models import MarketView
from market.quant.ticks import to_decimal
from strategies.build import BuiltLeg, Candidate
from strategies.calibration import MonotoneMap, recalibrated
from strategies.exits import ExitKind, exit_rows
from strategies.figures import Figures
from strategies.models import Agreement, GenerationRun
from strategies.recommend import Recommendation
from strategies.score import Score
from strategies.services.surroundings import Surroundings
from strategies.view import outlook

SHARPE_BOUND = 99_999.0
REWARD_BOUND = 9_999_999.0  # a loss of a paisa makes any reward look endless

Values = dict[str, Any]

_exact = lru_cache(maxsize=4096)(to_decimal)  # the same contract is a leg of many strategies


def strategy_values(each: Recommendation, run: GenerationRun) -> Values:
    """The strategy itself, without what differs from one database to the next, and without its content hash."""
    candidate, evaluation, structure = each.candidate, each.evaluation, each.candidate.structure
    return {
        "stock_name": candidate.underlying,
        "strategy_name": structure.name,
        "structure": structure.slug,
        "strategy_type": structure.category,
        "total_score": _exact(each.score.total, places=6),
        "probability_of_profit": _exact(evaluation.probability_of_profit, places=6),
        "expected_profit": _money(evaluation.max_profit, candidate),
        "unlimited_profit": math.isinf(evaluation.max_profit),
        "max_loss": _money(evaluation.max_loss, candidate),
        "unlimited_loss": math.isinf(evaluation.max_loss),
        "net_premium": _money(evaluation.option_premium, candidate),
        "conviction_level": each.score.conviction,
        "market_outlook": structure.outlook,
        "risk_profile": str(run.risk),
        "component_scores": _waterfall(each.score),
        "spot_price": _exact(candidate.spot, places=4),
        "lot_size": candidate.lot_size,
        "expiry": candidate.expiry,
        "trade_date": run.as_of.astimezone(IST).date(),
    }


def _waterfall(score: Score) -> dict[str, float]:
    """The weighted parts in millionths that add up to the stored total, each less than one from its own value."""
    exact = {name: 1e6 * _rounded(part, 12) for name, part in score.contributions.items()}
    millionths = {name: math.floor(part) for name, part in exact.items()}
    missing = int(1_000_000 * _exact(score.total, places=6)) - sum(millionths.values())
    nearest_above = sorted(exact, key=lambda name: millionths[name] - exact[name])
    for name in nearest_above[: max(0, missing)]:
        millionths[name] += 1
    return {name: part / 1e6 for name, part in millionths.items()}


def leg_values(leg: BuiltLeg) -> Values:
    """One leg."""
    contract = leg.contract
    return {
        "leg_number": leg.leg_number,
        "setup_type": leg.side.value,
        "option_type": contract.option_type.code if contract.option_type else None,
        "strike": None if contract.strike is None else _exact(contract.strike, places=4),
        "expiry": contract.expiry,
        "premium": _exact(leg.price, places=4),
        "lots": leg.ratio,
        "implied_volatility": None if leg.iv is None else _exact(leg.iv, places=6),
        "open_interest": None if leg.open_interest is None or math.isnan(leg.open_interest) else int(leg.open_interest),
        "interest_known": leg.interest_known if contract.is_option else None,
        "off_target": None if leg.off_target is None else _exact(leg.off_target, places=4),
        **{name: _exact(getattr(leg, name), places=8) for name in ("delta", "gamma", "theta", "vega", "rho")},
    }


def parameter_values(each: Recommendation, around: Surroundings) -> Values:
    """The metrics, and what was known around them."""
    evaluation, candidate = each.evaluation, each.candidate
    reward = evaluation.risk_reward
    return {
        "breakevens": [_rounded(price, 4) for price in evaluation.breakevens],
        "profit_ranges": [[_open(low), _open(high)] for low, high in evaluation.profit_ranges],
        "expected_value": _money(evaluation.forecast_value, candidate),
        "expected_value_gross": _money(evaluation.forecast_value + evaluation.charges, candidate),
        "expected_value_implied": _money(evaluation.expected_value, candidate),
        "sharpe_ratio": _capped(evaluation.sharpe, SHARPE_BOUND),
        "days_to_expiry": evaluation.days_to_expiry,
        "risk_reward": None if math.isinf(reward) else _capped(reward, REWARD_BOUND),
        "charges": _money(evaluation.charges, candidate),
        "standard_deviation": _money(evaluation.forecast_deviation, candidate),
        "shortfall_95": _money(evaluation.tail_loss, candidate),
        "shortfall_99": _money(evaluation.far_tail_loss, candidate),
        "spread_cost": _money(evaluation.spread_cost, candidate),
        "probability_after_costs": _exact(evaluation.probability_after_costs, places=6),
        "probability_forecast": _exact(evaluation.forecast_probability, places=6),
        **_shown(each.figures, candidate.lot_size),
        "regions": _regions(each),
        **_around(each, around),
        **{f"net_{name}": _exact(getattr(evaluation, f"net_{name}"), places=8) for name in _NET},
    }


_NET = ("delta", "gamma", "theta", "vega")
_PROBABILITIES = (
    *("probability_flat", "probability_history", "probability_touch", "probability_half"),
    "forecast_volatility",
)


def _shown(shown: Figures, lot_size: int) -> Values:
    fractions = {
        name: None if value is None else _exact(value, places=6)
        for name in _PROBABILITIES
        for value in [getattr(shown, name)]
    }
    on_margin = shown.return_on_margin
    return fractions | {
        "margin_required": _exact(shown.margin, places=2),
        "return_on_margin": None if on_margin is None else _capped(on_margin, SHARPE_BOUND),
        "theta_profile": [[days, _rounded(theta * lot_size, 2)] for days, theta in shown.theta_profile],
        "scenarios": [
            [_rounded(each.spot_shift, 6), each.volatility_shift, each.days, _rounded(each.profit * lot_size, 2)]
            for each in shown.scenarios
        ],
    }


def _regions(each: Recommendation) -> dict[str, list[float]]:
    """Probability and value per set of each part; the largest takes the paisa by which rounding misses the whole."""
    lot_size, parts = each.candidate.lot_size, each.figures.regions
    paise = {part.name: round(100 * _rounded(part.expected_value * lot_size, 2)) for part in parts}
    if paise:
        largest = max(paise, key=lambda name: abs(paise[name]))
        paise[largest] += int(100 * _exact(each.evaluation.forecast_value * lot_size, places=2)) - sum(paise.values())
    return {part.name: [_rounded(part.probability, 6), paise[part.name] / 100] for part in parts}


def _around(each: Recommendation, around: Surroundings) -> Values:
    """What the history, the calibration and the market view say of it, each NULL with its reason where unknown."""
    structure, percentile, regime = each.candidate.structure, around.percentile, around.regime
    return {
        **_recalibrated(each.evaluation.probability_of_profit, around.recalibration),
        "iv_percentile": None if isinstance(percentile, Reason) else _exact(percentile, places=6),
        "iv_percentile_reason": percentile.code if isinstance(percentile, Reason) else "",
        "iv_regime": "" if isinstance(regime, Reason) else regime,
        "iv_fits": None if isinstance(regime, Reason) else regime in structure.iv_regimes,
        "view_agreement": str(agreement(structure.outlook, around.view)),
        "flags": [*around.flags_of(each.candidate), *_doubts(each), *_unknown(each.figures)],
    }


def _doubts(each: Recommendation) -> list[dict[str, str]]:
    return [{"about": day.isoformat(), "code": why.code, "sentence": why.sentence} for day, why in each.doubts]


def _unknown(shown: Figures) -> list[dict[str, str]]:
    return [{"about": name, "code": why.code, "sentence": why.sentence} for name, why in shown.unknown.items()]


def _recalibrated(raw: float, chosen: MonotoneMap | Reason) -> Values:
    if isinstance(chosen, Reason):
        return {"probability_recalibrated": None, "recalibration_reason": chosen.code}
    corrected = _exact(recalibrated(raw, chosen), places=6)
    return {"probability_recalibrated": corrected, "recalibration_reason": ""}


def agreement(side: str, view: MarketView | Reason) -> Agreement:
    """Whether the market view stands on this side."""
    if isinstance(view, Reason):
        return Agreement.UNKNOWN
    seen = outlook(view.direction)
    if seen == side:
        return Agreement.AGREES
    return Agreement.NEUTRAL if "Neutral" in (seen, side) else Agreement.CONTRADICTS


def exit_values(each: Recommendation) -> Values:
    """The documents' columns of the levels at which to leave."""
    levels, candidate = each.exits, each.candidate
    money = {
        name: _money(getattr(levels, name), candidate)
        for name in ("profit_target_1", "profit_target_2", "profit_target_3", "stop_loss")
    }
    return money | {
        "time_exit_dte": levels.time_exit_dte,
        "delta_exit_threshold": _exact(levels.delta_exit_threshold, places=6),
        "vega_exit_threshold": _exact(levels.vega_exit_threshold, places=6),
    }


def exit_row_values(each: Recommendation) -> Iterator[Values]:
    """The same levels and more, one row each."""
    candidate = each.candidate
    for row in exit_rows(candidate.structure, each.evaluation, candidate):
        places, scale = (2, candidate.lot_size) if row.kind is ExitKind.MONEY else (6, 1)
        value = None if row.value is None else _exact(row.value * scale, places=places)
        yield {"kind": row.kind.value, "level": row.level, "value": value, "reason": row.reason}


def _money(per_unit: float, candidate: Candidate) -> Decimal | None:
    """Rupees per set; None where there is no bound."""
    return None if math.isinf(per_unit) else _exact(per_unit * candidate.lot_size, places=2)


def _capped(ratio: float, bound: float) -> Decimal:
    """A ratio inside its column; NaN passes through to be refused."""
    return _exact(ratio if math.isnan(ratio) else max(-bound, min(bound, ratio)), places=6)


def _open(price: float) -> float | None:
    return None if math.isinf(price) else _rounded(price, 4)


def _rounded(value: float, places: int) -> float:
    """A number inside JSON, where NaN would become null."""
    if not math.isfinite(value):
        raise InvalidInput(Reason("NOT_FINITE", f"{value} is not an amount."))
    return round(value, places)
