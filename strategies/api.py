"""REST: the review list and marking."""

from datetime import date, datetime

from django.db.models import QuerySet
from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from ninja import Field, Query, Router, Schema
from ninja.errors import HttpError

from strategies.convention import EVENT, TERMS, ProbabilityConvention
from strategies.errors import NotMarkable
from strategies.models import ExecutionStatus, OptionStrategy, StrategyParameters
from strategies.services.marking import DEFAULT_PRIORITY, PEOPLE_HIGHEST, MarkReport, mark, unmark
from strategies.services.probability import RankBy, Stated, ranked, stated

router = Router(tags=["option strategies"])
MARK_PERMISSION = "strategies.mark_optionstrategy"


class LegOut(Schema):
    """One leg; `option_type` is CE, PE or null for the share."""

    leg_number: int
    setup_type: str
    option_type: str | None
    strike_price: float | None = Field(alias="strike")
    expiry: date | None
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
    unlimited_profit: bool
    max_loss: float | None
    unlimited_loss: bool
    conviction_level: str
    market_outlook: str
    expiry: date | None
    sets: int
    marked_for_execution: bool
    execution_status: str
    execution_priority: int
    execution_notes: str | None
    generated_on: datetime
    superseded_by_id: int | None
    executed_at: datetime | None


class ConventionOut(Schema):
    """What a probability of profit takes for granted."""

    convention: str
    name: str
    event: str
    anchor: str
    distribution: str
    day_count: str


class ProbabilityOut(Schema):
    """A probability of profit under one convention; null with a reason code where it is not known."""

    convention: str
    value: float | None
    reason: str


class ListedStrategy(StrategyOut):
    """One strategy of the list, with its probability of profit under each convention."""

    probabilities: list[ProbabilityOut]

    @staticmethod
    def resolve_probabilities(strategy: OptionStrategy) -> list[Stated]:
        """One by each convention."""
        return [stated(strategy, convention) for convention in ProbabilityConvention]


class ExitRowOut(Schema):
    """One level at which to leave; null with a reason where the structure has none of this kind."""

    kind: str
    level: str
    value: float | None
    unit: str
    reason: str


class MetricsOut(Schema):
    """What was measured; probabilities are fractions, each by its convention, money is rupees per set."""

    expected_value: float | None
    expected_value_implied: float | None
    margin_required: float | None
    return_on_margin: float | None
    charges: float | None
    shortfall_95: float | None
    shortfall_99: float | None
    breakevens: list[float]
    profit_ranges: list[list[float | None]]
    days_to_expiry: int | None
    probability_after_costs: float | None
    probability_forecast: float | None
    probability_flat: float | None
    probability_history: float | None
    probability_touch: float | None
    probability_half: float | None
    probability_recalibrated: float | None
    recalibration_reason: str
    iv_percentile: float | None
    iv_percentile_reason: str
    iv_regime: str
    iv_fits: bool | None
    view_agreement: str
    theta_profile: list[tuple[int, float]]
    scenarios: list[tuple[float, float, int, float]]
    regions: dict[str, tuple[float, float]]
    flags: list[dict[str, str]]


class StrategyDetail(ListedStrategy):
    """One strategy with its legs, metrics and exits."""

    legs: list[LegOut]
    parameters: MetricsOut | None
    exit_rows: list[ExitRowOut]

    @staticmethod
    def resolve_parameters(strategy: OptionStrategy) -> StrategyParameters | None:
        """Null where a strategy was typed in by hand."""
        return getattr(strategy, "parameters", None)


class Refusal(Schema):
    """Why not, and what to do."""

    code: str
    sentence: str
    remedy: str


class Problem(Schema):
    """What was wrong with the request."""

    detail: str


class Filters(Schema):
    """What to list."""

    symbol: str | None = Field(None, max_length=40, pattern=r"^[^\x00]*$")
    status: ExecutionStatus | None = None
    min_score: float = Field(0, ge=0, le=1, allow_inf_nan=False)
    probability: ProbabilityConvention = ProbabilityConvention.SMILE
    rank_by: RankBy = "score"
    limit: int = Field(50, ge=1, le=500)
    offset: int = Field(0, ge=0, le=1_000_000)


class MarkIn(Schema):
    """What a reviewer says when marking."""

    priority: int = Field(DEFAULT_PRIORITY, ge=1, le=PEOPLE_HIGHEST)
    notes: str = Field("", max_length=500, pattern=r"^[^\x00]*$")


@router.get("", response=list[ListedStrategy])
def list_strategies(request: HttpRequest, filters: Query[Filters]) -> QuerySet[OptionStrategy]:
    """Strategies that stand, best first by score or by the probability of profit under the convention asked for."""
    rows = OptionStrategy.objects.all().standing().filter(total_score__gte=filters.min_score)
    if filters.symbol:
        rows = rows.filter(stock_name=filters.symbol)
    if filters.status:
        rows = rows.filter(execution_status=filters.status)
    found = ranked(rows, filters.probability, rank_by=filters.rank_by)
    return found[filters.offset : filters.offset + filters.limit]


@router.get("/probability-conventions", response=list[ConventionOut])
def list_conventions(request: HttpRequest) -> list[dict[str, str]]:
    """What each probability of profit takes for granted."""
    return [
        {
            "convention": convention.value,
            "name": terms.name,
            "event": EVENT,
            "anchor": terms.anchor,
            "distribution": terms.distribution,
            "day_count": terms.day_count,
        }
        for convention, terms in TERMS.items()
    ]


@router.get("/{int:strategy_id}", response={200: StrategyDetail, 404: Problem})
def read_strategy(request: HttpRequest, strategy_id: int) -> OptionStrategy:
    """One strategy with its legs, metrics and exits (three queries)."""
    rows = OptionStrategy.objects.select_related("parameters").prefetch_related("legs", "exit_rows")
    strategy: OptionStrategy = get_object_or_404(rows, pk=strategy_id)
    return strategy


CHANGED = {200: StrategyOut, 403: Problem, 404: Problem, 409: Refusal}


@router.post("/{int:strategy_id}/mark", response=CHANGED)
def mark_strategy(request: HttpRequest, strategy_id: int, wish: MarkIn) -> OptionStrategy:
    """Put a pending strategy into the execution queue."""
    _require_marker(request, strategy_id)
    return _changed(mark([strategy_id], priority=wish.priority, notes=wish.notes), strategy_id)


@router.post("/{int:strategy_id}/unmark", response=CHANGED)
def unmark_strategy(request: HttpRequest, strategy_id: int) -> OptionStrategy:
    """Take a marked strategy out of the queue again."""
    _require_marker(request, strategy_id)
    return _changed(unmark([strategy_id]), strategy_id)


def _require_marker(request: HttpRequest, strategy_id: int) -> None:
    if not request.user.has_perm(MARK_PERMISSION):
        raise HttpError(403, "You may not mark strategies for execution.")
    get_object_or_404(OptionStrategy.objects.only("pk"), pk=strategy_id)


def _changed(report: MarkReport, strategy_id: int) -> OptionStrategy:
    if strategy_id in report.refused:
        raise NotMarkable(report.refused[strategy_id])
    return OptionStrategy.objects.get(pk=strategy_id)
