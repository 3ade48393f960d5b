"""What is stored and how completely: a value that must be there and is not is a fault, not a gap."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from types import MappingProxyType
from typing import Any

from django.db.models import Count, Exists, Model, OuterRef, Q, QuerySet, Sum

from strategies.models import (
    OptionStrategy,
    StrategyExitLevels,
    StrategyExitRow,
    StrategyLeg,
    StrategyParameters,
)
from strategies.querysets import StrategyQuerySet
from strategies.services.contradictions import contradictions

# NULL is an answer here: nothing known of a share's volatility or open interest, not done yet, nothing newer.
MAY_BE_EMPTY: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "strategies": frozenset(
            [
                "run_id",
                "execution_detail",
                "execution_notes",
                "marked_at",
                "approved_hash",
                "executed_at",
                "content_hash",
                "legs_hash",
                "superseded_by_id",
            ]
        ),
        "strategy_details": frozenset(["implied_volatility", "open_interest"]),
        "strategy_parameters": frozenset(["iv_percentile_reason", "recalibration_reason"]),
        "strategy_exit_levels": frozenset(["resident_stop_multiple"]),
        "strategy_exit_rows": frozenset(["value"]),  # the row's reason says why it has none
    }
)
# Whose reason is among the flags of the row.
SAYS_WHY = ("probability_history", "probability_half", "forecast_volatility", "return_on_margin")


def _flagged(about: str) -> Q:
    return Q(flags__contains=[{"about": about}])


# Empty only together with the flag or the leg that says why.
EXCUSED: Mapping[tuple[str, str], Q] = MappingProxyType(
    {
        ("strategies", "expected_profit"): Q(unlimited_profit=True),
        ("strategies", "max_loss"): Q(unlimited_loss=True),
        ("strategy_details", "option_type"): Q(strike__isnull=True),
        ("strategy_details", "strike_price"): Q(option_type__isnull=True),
        ("strategy_details", "expiry_date"): Q(option_type__isnull=True),
        ("strategy_details", "interest_known"): Q(option_type__isnull=True),
        ("strategy_details", "off_target"): Q(option_type__isnull=True),
        ("strategy_parameters", "risk_reward"): Q(strategy__unlimited_profit=True) | Q(strategy__max_loss=0),
        **{("strategy_parameters", name): _flagged(name) for name in SAYS_WHY},
        ("strategy_parameters", "iv_percentile"): ~Q(iv_percentile_reason=""),
        ("strategy_parameters", "probability_recalibrated"): ~Q(recalibration_reason=""),
        ("strategy_parameters", "iv_regime"): _flagged("iv_regime"),
        ("strategy_parameters", "iv_fits"): Q(iv_regime=""),
        ("strategy_parameters", "market_view_id"): _flagged("market_view"),
    }
)


@dataclass(frozen=True, slots=True)
class Population:
    """How many rows of a table have a value in one column; `missing` counts only values that must be there."""

    table: str
    column: str
    rows: int
    filled: int
    missing: int


@dataclass(frozen=True, slots=True)
class StoredData:
    """The populations, sums over the strategies, and faults: how many strategies lack a part or a value."""

    populations: list[Population]
    sums: dict[str, Any] = field(default_factory=dict)
    faults: dict[str, int] = field(default_factory=dict)


def stored_data(*, day: date | None = None) -> StoredData:
    """Count what is stored, of one trade date or of all (ten queries)."""
    strategies: StrategyQuerySet = OptionStrategy.objects.all()
    strategies = strategies.filter(trade_date=day) if day else strategies
    parts: list[type[Model]] = [StrategyLeg, StrategyParameters, StrategyExitLevels, StrategyExitRow]
    populations = _population(strategies)
    for model in parts:
        rows = model._default_manager.all()
        populations += _population(rows.filter(strategy__trade_date=day) if day else rows)
    faults = {f"{each.table}.{each.column} empty": each.missing for each in populations if each.missing}
    return StoredData(populations, _sums(strategies), _incomplete(strategies) | faults | contradictions(strategies))


def _population(rows: QuerySet[Any]) -> list[Population]:
    table = rows.model._meta.db_table
    columns = [column for column in rows.model._meta.concrete_fields if not column.primary_key]
    counts: dict[str, Any] = {"rows": Count("pk")}
    for column in columns:
        empty = Q(**{f"{column.attname}__isnull": True})
        if column.empty_strings_allowed and column.get_internal_type() in ("CharField", "TextField"):
            empty |= Q(**{column.attname: ""})
        counts[f"filled_{column.attname}"] = Count("pk", filter=~empty)
        excuse = EXCUSED.get((table, column.column))
        counts[f"missing_{column.attname}"] = Count("pk", filter=empty if excuse is None else empty & ~excuse)
    found = rows.order_by().aggregate(**counts)
    return [
        Population(
            table,
            column.column,
            found["rows"],
            found[f"filled_{column.attname}"],
            0 if column.column in MAY_BE_EMPTY[table] else found[f"missing_{column.attname}"],
        )
        for column in columns
    ]


def _sums(strategies: StrategyQuerySet) -> dict[str, Any]:
    """What stands, added up, and how much later runs replaced."""
    sums = (
        strategies.standing()
        .order_by()
        .aggregate(
            strategies=Count("pk"),
            symbols=Count("stock_name", distinct=True),
            structures=Count("strategy_name", distinct=True),
            expected_profit=Sum("expected_profit"),
            max_loss=Sum("max_loss"),
            net_premium=Sum("net_premium"),
        )
    )
    return sums | {"superseded": strategies.superseded().count()}


def _incomplete(strategies: QuerySet[OptionStrategy]) -> dict[str, int]:
    parts: dict[str, type[Model]] = {
        "without legs": StrategyLeg,
        "without parameters": StrategyParameters,
        "without exit levels": StrategyExitLevels,
        "without exit rows": StrategyExitRow,
    }
    lacking = {
        name.replace(" ", "_"): Count("pk", filter=~Exists(model._default_manager.filter(strategy=OuterRef("pk"))))
        for name, model in parts.items()
    }
    found = strategies.order_by().aggregate(**lacking)
    return {f"strategies {name.replace('_', ' ')}": count for name, count in found.items() if count}
