"""The review screen: strategies with their numbers; numbers and execution columns change only through services."""

from typing import ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.html import format_html
from unfold.decorators import action, display

from market.console import MISSING, percent, rupees
from market.templatetags.money import day, limited
from strategies.admin.filters import StandingFilter, StructureFilter, SymbolFilter, TradeDateFilter
from strategies.admin.marking import MarkingAdmin
from strategies.admin.metrics import ExitRowInline, ParametersInline, calibration_sentence, margin_sentence
from strategies.admin.rows import ExitLevelsInline, HistoryInline, LegInline, amount
from strategies.models import ExecutionStatus, OptionStrategy
from strategies.services.recognition import legs_of, name_of
from strategies.services.superseding import why_superseded

STATUS_COLOURS = {"marked": "info", "executing": "warning", "executed": "success", "failed": "danger"}
OUTLOOK_COLOURS = {"Bullish": "success", "Bearish": "danger"}


@admin.register(OptionStrategy)
class OptionStrategyAdmin(MarkingAdmin):
    """Review and marking; numbers and execution columns change only through services."""

    list_display = (
        *("stock_name", "name", "score", "pop", "max_profit", "max_loss_shown", "conviction", "outlook"),
        *("status", "priority", "expires", "traded_on"),
    )
    list_display_links = ("stock_name", "name")
    list_filter = (
        *("execution_status", "conviction_level", TradeDateFilter, SymbolFilter, StructureFilter, "market_outlook"),
        *("risk_profile", StandingFilter),
    )
    list_filter_submit = True
    list_fullwidth = True
    list_disable_select_all = True
    search_fields = ("stock_name__istartswith", "strategy_name__icontains", "=id")
    search_help_text = "Symbol, strategy name or id"
    ordering = ("-trade_date", "-total_score", "id")
    actions_detail: ClassVar[list[str]] = ["mark_this", "preview_this"]
    inlines = (LegInline, ParametersInline, ExitLevelsInline, ExitRowInline, HistoryInline)
    readonly_fields = (
        *("score", "pop", "max_profit", "max_loss_shown", "net_premium_shown", "status", "parts"),
        *("calibration", "margin_rule", "recognised", "universe_rank", "stands"),
    )
    fieldsets = (
        (None, {"fields": (("stock_name", "strategy_name"), ("strategy_type", "market_outlook", "conviction_level"))}),
        (
            "Per set",
            {
                "fields": (
                    ("max_profit", "max_loss_shown", "net_premium_shown"),
                    ("pop", "score", "universe_rank"),
                    "parts",
                )
            },
        ),
        ("What it rests on", {"fields": ("recognised", "calibration", "margin_rule")}),
        (
            "Execution",
            {
                "fields": (
                    ("status", "execution_detail", "marked_for_execution"),
                    ("execution_priority", "sets", "execution_notes"),
                    ("marked_at", "executed_at", "changed_by"),
                )
            },
        ),
        (
            "Origin",
            {
                "fields": (
                    ("expiry", "lot_size", "spot_price"),
                    ("generated_on", "trade_date", "run"),
                    "stands",
                    ("structure", "risk_profile"),
                    "content_hash",  # too long to stand beside anything
                )
            },
        ),
    )
    net_premium_shown = amount("net_premium", description="net premium (credit +)")

    def get_queryset(self, request: HttpRequest) -> QuerySet[OptionStrategy]:
        """One query for the list, whatever its length."""
        rows: QuerySet[OptionStrategy] = super().get_queryset(request).select_related("run", "superseded_by")
        return rows

    @action(description="Preview the orders")
    def preview_this(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Exactly what would be sent now; the page belongs to execution, known here by its address only."""
        return redirect("execution:preview", strategy_id=object_id)

    @display(description="strategy", ordering="strategy_name")
    def name(self, row: OptionStrategy) -> str:
        """The structure's name and the row's id, which commands take."""
        return f"{row.strategy_name} #{row.pk}"

    @display(description="score", ordering="total_score")
    def score(self, row: OptionStrategy) -> str:
        """Two places are what a ranking can mean."""
        return f"{row.total_score:.2f}"

    @display(description="POP", ordering="probability_of_profit")
    def pop(self, row: OptionStrategy) -> str:
        """Probability of any profit at expiry."""
        return percent(row.probability_of_profit, places=0)

    @display(description="max profit", ordering="expected_profit")
    def max_profit(self, row: OptionStrategy) -> str:
        """Rupees per set."""
        return limited(row.expected_profit, row.unlimited_profit)

    @display(description="max loss", ordering="max_loss")
    def max_loss_shown(self, row: OptionStrategy) -> str:
        """Rupees per set, a positive amount; no limit in red and in words."""
        if row.unlimited_loss:
            return format_html('<span class="loss">{}</span>', "Unlimited")
        return rupees(row.max_loss)

    @display(description="outlook", ordering="market_outlook", label=OUTLOOK_COLOURS)
    def outlook(self, row: OptionStrategy) -> str:
        """Direction as a badge."""
        return row.market_outlook or MISSING

    @display(description="status", ordering="execution_status", label=STATUS_COLOURS)
    def status(self, row: OptionStrategy) -> str:
        """Where it is; what nobody marked and a later run replaced is no longer on offer."""
        replaced = row.superseded_by_id is not None and row.execution_status == ExecutionStatus.PENDING
        return "superseded" if replaced else row.execution_status

    @display(description="stands")
    def stands(self, row: OptionStrategy) -> str:
        """Whether the newest run says it, or which one replaced it."""
        why = why_superseded(row)
        return "It is what the newest run says." if why is None else f"{why.sentence} {why.remedy}"

    @display(description="conviction", ordering="conviction_level")
    def conviction(self, row: OptionStrategy) -> str:
        """High, medium, low."""
        return row.conviction_level or MISSING

    @display(description="priority", ordering="execution_priority")
    def priority(self, row: OptionStrategy) -> str:
        """Only what is or was in the queue has one."""
        return str(row.execution_priority or MISSING)

    @display(description="expiry", ordering="expiry")
    def expires(self, row: OptionStrategy) -> str:
        """Nearest expiry."""
        return day(row.expiry)

    @display(description="trade date", ordering="trade_date")
    def traded_on(self, row: OptionStrategy) -> str:
        """The day it was computed for."""
        return day(row.trade_date)

    @display(description="rank in the universe")
    def universe_rank(self, row: OptionStrategy) -> str:
        """Its place by score among all strategies of its trade date."""
        rows = OptionStrategy.objects.all()
        return f"{rows.ahead_of(row).count() + 1} of {rows.universe(row.trade_date).count()}"

    @display(description="calibration of this structure")
    def calibration(self, row: OptionStrategy) -> str:
        """How its probability of profit fared on recorded markets."""
        return calibration_sentence(row)

    @display(description="its legs are")
    def recognised(self, row: OptionStrategy) -> str:
        """The structure that has these legs, whoever wrote them."""
        return name_of(legs_of(row)) or MISSING

    @display(description="margin")
    def margin_rule(self, row: OptionStrategy) -> str:
        """How it is reckoned."""
        return margin_sentence(row)

    @display(description="score parts")
    def parts(self, row: OptionStrategy) -> str:
        """What the score is made of."""
        return " · ".join(f"{name} {value}" for name, value in sorted(row.component_scores.items())) or MISSING
