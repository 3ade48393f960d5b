"""REST: the review list."""

from datetime import datetime

from django.db.models import QuerySet
from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from ninja import Field, Query, Router, Schema

from strategies.models import OptionStrategy

router = Router(tags=["option strategies"])


class LegOut(Schema):
    """One leg; `option_type` is CE, PE or null for the share."""

    leg_number: int
    setup_type: str
    option_type: str | None
    strike_price: float | None = Field(alias="strike")
    premium: float
    lots: int
    delta: float | None


class StrategyOut(Schema):
    """One strategy as the review list shows it; money is rupees per set, null means unlimited or unknown."""

    id: int
    stock_name: str
    strategy_name: str
    strategy_type: str
    total_score: float
    probability_of_profit: float | None
    expected_profit: float | None
    max_loss: float | None
    conviction_level: str
    market_outlook: str
    marked_for_execution: bool
    execution_status: str
    execution_priority: int
    execution_notes: str | None
    generated_on: datetime
    executed_at: datetime | None


class StrategyDetail(StrategyOut):
    """One strategy with its legs."""

    legs: list[LegOut]


class Filters(Schema):
    """What to list."""

    symbol: str | None = None
    status: str | None = None
    min_score: float = Field(0, ge=0, le=1)
    limit: int = Field(50, ge=1, le=500)
    offset: int = Field(0, ge=0, le=1_000_000)


@router.get("", response=list[StrategyOut])
def list_strategies(request: HttpRequest, filters: Query[Filters]) -> QuerySet[OptionStrategy]:
    """Strategies, best first."""
    rows = OptionStrategy.objects.filter(total_score__gte=filters.min_score).order_by("-total_score", "id")
    if filters.symbol:
        rows = rows.filter(stock_name=filters.symbol)
    if filters.status:
        rows = rows.filter(execution_status=filters.status)
    return rows[filters.offset : filters.offset + filters.limit]


@router.get("/{int:strategy_id}", response=StrategyDetail)
def read_strategy(request: HttpRequest, strategy_id: int) -> OptionStrategy:
    """One strategy with its legs."""
    return get_object_or_404(OptionStrategy.objects.prefetch_related("legs"), pk=strategy_id)
