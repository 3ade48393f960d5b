"""Rows from recommendations: floats become exact decimals here, rupees per unit become rupees per set."""

import math
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from django.db import connection, transaction

from market.calendar import IST
from market.quant.ticks import to_decimal
from strategies.build import BuiltLeg, Candidate, content_key
from strategies.figures import Figures
from strategies.models import (
    GenerationRun,
    OptionStrategy,
    StrategyExitLevels,
    StrategyLeg,
    StrategyParameters,
)
from strategies.recommend import Recommendation

SHARPE_BOUND = 99_999.0
REWARD_BOUND = 9_999_999.0  # a loss of a paisa makes any reward look endless


@transaction.atomic
def store_recommendations(recommendations: Sequence[Recommendation], *, run: GenerationRun) -> list[int]:
    """Store what is new and return the ids of all, in order: one row per content per day, the old one wins."""
    if not recommendations:
        return []
    underlying = recommendations[0].candidate.underlying
    with connection.cursor() as cursor:  # two runs over one symbol: the second waits, then finds the first's rows
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 7))", [underlying])
    day = run.as_of.astimezone(IST).date()
    keys = [content_key(each.candidate) for each in recommendations]
    known = OptionStrategy.objects.filter(trade_date=day, content_hash__in=keys)
    ids = dict(known.values_list("content_hash", "pk"))
    fresh: dict[str, Recommendation] = {}
    for key, each in zip(keys, recommendations, strict=True):
        if key not in ids:
            fresh.setdefault(key, each)  # the same content twice in one list: the better one comes first
    rows = OptionStrategy.objects.bulk_create(_strategy(each, key, run) for key, each in fresh.items())
    _store_details(list(zip(rows, fresh.values(), strict=True)))
    ids |= {row.content_hash: row.pk for row in rows}
    return [ids[key] for key in keys]


def _store_details(pairs: Sequence[tuple[OptionStrategy, Recommendation]]) -> None:
    StrategyLeg.objects.bulk_create(_leg(row, leg) for row, each in pairs for leg in each.candidate.legs)
    StrategyParameters.objects.bulk_create(_parameters(row, each) for row, each in pairs)
    StrategyExitLevels.objects.bulk_create(_exits(row, each) for row, each in pairs)


def _strategy(each: Recommendation, key: str, run: GenerationRun) -> OptionStrategy:
    candidate, evaluation, structure = each.candidate, each.evaluation, each.candidate.structure
    return OptionStrategy(
        stock_name=candidate.underlying,
        strategy_name=structure.name,
        structure=structure.slug,
        strategy_type=structure.category,
        total_score=to_decimal(each.score.total, places=6),
        probability_of_profit=to_decimal(evaluation.probability_of_profit, places=6),
        expected_profit=_money(evaluation.max_profit, candidate),
        unlimited_profit=math.isinf(evaluation.max_profit),
        max_loss=_money(evaluation.max_loss, candidate),
        unlimited_loss=math.isinf(evaluation.max_loss),
        net_premium=_money(evaluation.option_premium, candidate),
        conviction_level=each.score.conviction,
        market_outlook=structure.outlook,
        risk_profile=run.risk,
        component_scores={name: round(value, 6) for name, value in each.score.contributions.items()},
        spot_price=to_decimal(candidate.spot, places=4),
        lot_size=candidate.lot_size,
        expiry=candidate.expiry,
        generated_on=run.as_of,
        trade_date=run.as_of.astimezone(IST).date(),
        content_hash=key,
        run=run,
    )


def _leg(row: OptionStrategy, leg: BuiltLeg) -> StrategyLeg:
    contract = leg.contract
    return StrategyLeg(
        strategy=row,
        leg_number=leg.leg_number,
        setup_type=leg.side.value,
        option_type=contract.option_type.code if contract.option_type else None,
        strike=None if contract.strike is None else to_decimal(contract.strike, places=4),
        expiry=contract.expiry,
        premium=to_decimal(leg.price, places=4),
        lots=leg.ratio,
        implied_volatility=None if leg.iv is None else to_decimal(leg.iv, places=6),
        open_interest=None if leg.open_interest is None or math.isnan(leg.open_interest) else int(leg.open_interest),
        **{name: to_decimal(getattr(leg, name), places=8) for name in ("delta", "gamma", "theta", "vega", "rho")},
    )


def _parameters(row: OptionStrategy, each: Recommendation) -> StrategyParameters:
    evaluation, candidate = each.evaluation, each.candidate
    reward = evaluation.risk_reward
    return StrategyParameters(
        strategy=row,
        breakevens=[round(price, 4) for price in evaluation.breakevens],
        profit_ranges=[[_open(low), _open(high)] for low, high in evaluation.profit_ranges],
        expected_value=_money(evaluation.forecast_value, candidate),
        expected_value_gross=_money(evaluation.forecast_value + evaluation.charges, candidate),
        expected_value_implied=_money(evaluation.expected_value, candidate),
        sharpe_ratio=_capped(evaluation.sharpe, SHARPE_BOUND),
        days_to_expiry=evaluation.days_to_expiry,
        risk_reward=None if math.isinf(reward) else _capped(reward, REWARD_BOUND),
        charges=_money(evaluation.charges, candidate),
        standard_deviation=_money(evaluation.standard_deviation, candidate),
        shortfall_95=_money(evaluation.tail_loss, candidate),
        shortfall_99=_money(evaluation.far_tail_loss, candidate),
        spread_cost=_money(evaluation.spread_cost, candidate),
        probability_after_costs=to_decimal(evaluation.probability_after_costs, places=6),
        probability_forecast=to_decimal(evaluation.forecast_probability, places=6),
        **_shown(each.figures),
        **{f"net_{name}": to_decimal(getattr(evaluation, f"net_{name}"), places=8) for name in _NET},
    )


def _shown(shown: Figures) -> dict[str, Decimal | None]:
    fractions = {
        name: None if value is None else to_decimal(value, places=6)
        for name in ("probability_flat", "probability_history", "probability_touch", "forecast_volatility")
        for value in [getattr(shown, name)]
    }
    on_margin = shown.return_on_margin
    return fractions | {
        "margin_required": to_decimal(shown.margin, places=2),
        "return_on_margin": None if on_margin is None else _capped(on_margin, SHARPE_BOUND),
    }


_NET = ("delta", "gamma", "theta", "vega")


def _exits(row: OptionStrategy, each: Recommendation) -> StrategyExitLevels:
    levels, candidate = each.exits, each.candidate
    money: dict[str, Any] = {
        name: _money(getattr(levels, name), candidate)
        for name in ("profit_target_1", "profit_target_2", "profit_target_3", "stop_loss")
    }
    return StrategyExitLevels(
        strategy=row,
        time_exit_dte=levels.time_exit_dte,
        delta_exit_threshold=to_decimal(levels.delta_exit_threshold, places=6),
        vega_exit_threshold=to_decimal(levels.vega_exit_threshold, places=6),
        **money,
    )


def _money(per_unit: float, candidate: Candidate) -> Decimal | None:
    """Rupees per set; None where there is no bound."""
    return None if math.isinf(per_unit) else to_decimal(per_unit * candidate.lot_size, places=2)


def _capped(ratio: float, bound: float) -> Decimal:
    """A ratio inside its column; NaN passes through to be refused."""
    return to_decimal(ratio if math.isnan(ratio) else max(-bound, min(bound, ratio)), places=6)


def _open(price: float) -> float | None:
    return None if math.isinf(price) else round(price, 4)
