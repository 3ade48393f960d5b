"""What is stored and cannot be true: parts that do not add up, tables that disagree, amounts nobody may recommend."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from django.db.migrations.recorder import MigrationRecorder
from django.db.models import Count, DecimalField, Exists, F, Func, Min, OuterRef, Q, QuerySet, Subquery

from market.contract import Side
from strategies.exits import ExitKind
from strategies.models import OptionStrategy, StrategyExitRow, StrategyLeg

# Rows stored before this migration may have parts that were each rounded by itself to six places, a dozen of them.
PARTS_EXACT_SINCE = "0012_same_legs_in_sql"
ROUNDED_BEFORE = "0.00001"

# What a row of this kind and level must repeat of the documents' columns, which the monitor of positions reads.
REPEATED: Mapping[tuple[str, str], str] = MappingProxyType(
    {
        (ExitKind.MONEY, "profit_target_1"): "profit_target_1",
        (ExitKind.MONEY, "profit_target_2"): "profit_target_2",
        (ExitKind.MONEY, "profit_target_3"): "profit_target_3",
        (ExitKind.MONEY, "stop_loss"): "stop_loss",
        (ExitKind.DAYS_TO_EXPIRY, "time_exit"): "time_exit_dte",
        (ExitKind.DELTA, "delta"): "delta_exit_threshold",
        (ExitKind.VEGA, "vega"): "vega_exit_threshold",
    }
)


# Only what neither sells an option (`sells`, below) nor pays for itself may block nothing.
NEEDS_MARGIN = Q(sells=True) | Q(net_premium__lt=0)
BLOCKS_NOTHING = Q(parameters__margin_required__lte=0)
_SOLD = StrategyLeg.objects.filter(strategy=OuterRef("pk"), setup_type=Side.SELL.value, option_type__isnull=False)


def without_margin(strategies: QuerySet[OptionStrategy]) -> QuerySet[OptionStrategy]:
    """Those whose margin is not stored, or zero although they sell an option or pay for themselves."""
    missing = Q(parameters__margin_required=None) | (NEEDS_MARGIN & BLOCKS_NOTHING)
    return strategies.annotate(sells=Exists(_SOLD)).filter(missing)


class SumOfParts(Func):
    """The sum of the numbers of a JSON object; NULL for an empty one."""

    template = "(SELECT sum(part.value::numeric) FROM jsonb_each_text(%(expressions)s) AS part)"
    output_field = DecimalField()


class Distance(Func):
    """How far two amounts are apart."""

    template = "abs(%(expressions)s)"
    arg_joiner = " - "
    output_field = DecimalField()


def contradictions(strategies: QuerySet[OptionStrategy]) -> dict[str, int]:
    """How many strategies are wrong in each way that is (two queries); nothing typed in by hand is judged."""
    rows = strategies.exclude(content_hash="").order_by()
    wrong = {
        "score_parts_do_not_add_up": Q(parts__isnull=True) | (Q(exact=True) & ~Q(off=0)),
        f"score_parts_of_before_{PARTS_EXACT_SINCE[:4]}_are_off_by_more_than_{ROUNDED_BEFORE}": Q(exact=False)
        & Q(off__gt=ROUNDED_BEFORE),
        "no_maximum_profit_above_zero": Q(expected_profit__lte=0),
        "expected_value_below_zero": Q(parameters__expected_value__lt=0),
        "no_break-even_although_it_can_lose": Q(parameters__breakevens=[]) & ~Q(max_loss=0),
        "no_profit_range": Q(parameters__profit_ranges=[]),
        "no_theta_profile": Q(parameters__theta_profile=[]),
        "no_scenarios": Q(parameters__scenarios=[]) | Q(parameters__regions={}),
        "margin_not_above_zero": NEEDS_MARGIN & BLOCKS_NOTHING,
        "expiry_is_not_that_of_the_nearest_leg": ~Q(expiry=F("nearest")),
        "kinds_of_exit_missing": ~Q(kinds=len(ExitKind)) & Q(kinds__gt=0),
    }
    counted = {name: Count("pk", filter=condition) for name, condition in wrong.items()}
    found = _measured(rows).aggregate(**counted)
    found["exit_rows_differ_from_exit_levels"] = _differing(rows)
    return {f"strategies {name.replace('_', ' ')}": count for name, count in found.items() if count}


def _measured(rows: QuerySet[OptionStrategy]) -> QuerySet[OptionStrategy]:
    own = OuterRef("pk")
    nearest = StrategyLeg.objects.filter(strategy=own).order_by().values("strategy")
    kinds = StrategyExitRow.objects.filter(strategy=own).order_by().values("strategy")
    return rows.annotate(
        sells=Exists(_SOLD),
        parts=SumOfParts("component_scores"),
        off=Distance(SumOfParts("component_scores"), F("total_score")),
        exact=~Exists(_applied().filter(applied__gt=OuterRef("created_at"))),
        nearest=Subquery(nearest.annotate(first=Min("expiry")).values("first")),
        kinds=Subquery(kinds.annotate(count=Count("kind", distinct=True)).values("count")),
    )


def _applied() -> QuerySet[Any]:
    applied: QuerySet[Any] = MigrationRecorder.Migration.objects.filter(app="strategies", name=PARTS_EXACT_SINCE)
    return applied


def _differing(rows: QuerySet[OptionStrategy]) -> int:
    """Strategies of which a row and its column say different amounts, or of which a row lacks."""
    own = StrategyExitRow.objects.filter(strategy=OuterRef("pk"))
    agree = [
        Exists(own.filter(kind=kind, level=level, value=OuterRef(f"exit_levels__{column}")))
        for (kind, level), column in REPEATED.items()
    ]
    whole = rows.filter(Exists(own), exit_levels__isnull=False)
    return whole.exclude(*agree).count()
