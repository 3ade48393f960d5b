"""The review screen: strategies with their numbers, and the actions that put them into the execution queue."""

import re
from collections.abc import Sequence
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import models
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from unfold.admin import TabularInline
from unfold.contrib.filters.admin import DropdownFilter
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminIntegerFieldWidget, UnfoldAdminTextInputWidget

from market.admin import LedgerAdmin
from market.console import MISSING, percent, rupees
from market.templatetags.money import clock, day, limited
from strategies.catalog import CATALOGUE
from strategies.models import (
    GenerationRun,
    OptionStrategy,
    StrategyExitLevels,
    StrategyLeg,
    StrategyParameters,
    SymbolResult,
)
from strategies.services.marking import DEFAULT_PRIORITY, PEOPLE_HIGHEST, MarkReport, mark, unmark

ROWS_PER_ACTION = 20
RECENT_DAYS = 10
STATUS_COLOURS = {"marked": "info", "executing": "warning", "executed": "success", "failed": "danger"}
OUTLOOK_COLOURS = {"Bullish": "success", "Bearish": "danger"}
OptionStrategyEvent = OptionStrategy._meta.get_field("events").related_model


class SymbolFilter(DropdownFilter):
    """One underlying."""

    title = "symbol"
    parameter_name = "stock_name"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Every underlying that has strategies."""
        names = OptionStrategy.objects.order_by("stock_name").values_list("stock_name", flat=True).distinct()
        return [(name, name) for name in names]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Its strategies."""
        return queryset.filter(stock_name=self.value()) if self.value() else queryset


class StructureFilter(DropdownFilter):
    """One structure of the catalogue."""

    title = "structure"
    parameter_name = "structure"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """The catalogue."""
        return [(structure.slug, structure.name) for structure in CATALOGUE]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Its strategies."""
        return queryset.filter(structure=self.value()) if self.value() else queryset


class TradeDateFilter(DropdownFilter):
    """One trade date."""

    title = "trade date"
    parameter_name = "day"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """The newest days that have strategies."""
        days = OptionStrategy.objects.order_by("-trade_date").values_list("trade_date", flat=True).distinct()
        return [(value.isoformat(), day(value)) for value in days[:RECENT_DAYS]]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """That day's strategies; a day that is none finds nothing."""
        if not self.value():
            return queryset
        try:
            return queryset.filter(trade_date=forms.DateField().clean(self.value()))
        except forms.ValidationError:
            return queryset.none()


class ReadOnlyInline:
    """Rows shown under a strategy that nobody edits."""

    can_delete = False
    extra = 0
    max_num = 0
    hide_title = True

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who may see the strategy sees all of it."""
        return True

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody."""
        return False


def amount(field: str, *, places: int = 0, description: str = "") -> Any:
    """A read-only column that shows one rupee field with Indian grouping."""

    @display(description=description or field.replace("_", " "), ordering=field)
    def shown(self: Any, row: models.Model) -> str:
        return rupees(getattr(row, field), places=places)

    return shown


def greek(field: str) -> Any:
    """A read-only column that shows one sensitivity to four places."""

    @display(description=field.removeprefix("net_"))
    def shown(self: Any, row: models.Model) -> str:
        value = getattr(row, field)
        return MISSING if value is None else f"{value:+.4f}"

    return shown


class LegInline(ReadOnlyInline, TabularInline):
    """What is bought and sold."""

    model = StrategyLeg
    fields = readonly_fields = (
        *("leg_number", "action", "lots", "option_type", "strike_shown", "expires", "premium_shown"),
        *("delta_shown", "gamma_shown", "theta_shown", "vega_shown", "volatility"),
    )
    premium_shown = amount("premium", places=2, description="premium")
    delta_shown, gamma_shown = greek("delta"), greek("gamma")
    theta_shown, vega_shown = greek("theta"), greek("vega")

    @display(description="strike")
    def strike_shown(self, leg: StrategyLeg) -> str:
        """As the exchange writes it."""
        return MISSING if leg.strike is None else f"{leg.strike.normalize():f}"

    @display(description="expiry")
    def expires(self, leg: StrategyLeg) -> str:
        """Expiry day."""
        return day(leg.expiry)

    @display(description="side", label={"BUY": "info", "SELL": "danger"})
    def action(self, leg: StrategyLeg) -> str:
        """BUY or SELL in words and colour."""
        return leg.setup_type

    @display(description="IV")
    def volatility(self, leg: StrategyLeg) -> str:
        """Per cent a year."""
        return percent(leg.implied_volatility)


class ParametersInline(ReadOnlyInline, TabularInline):
    """Metrics of one set."""

    model = StrategyParameters
    fields = readonly_fields = (
        *("breakevens_shown", "expected_value_shown", "charges_shown", "risk_reward", "sharpe_ratio", "iv_rank"),
        *("days_to_expiry", "delta_shown", "gamma_shown", "theta_shown", "vega_shown"),
    )
    expected_value_shown = amount("expected_value", description="expected value after charges")
    charges_shown = amount("charges", description="charges to open and close")
    delta_shown, gamma_shown = greek("net_delta"), greek("net_gamma")
    theta_shown, vega_shown = greek("net_theta"), greek("net_vega")

    @display(description="break-evens")
    def breakevens_shown(self, row: StrategyParameters) -> str:
        """Prices of the underlying."""
        return " · ".join(rupees(price, places=2) for price in row.breakevens) or MISSING

    @display(description="IV percentile")
    def iv_rank(self, row: StrategyParameters) -> str:
        """A dash without history."""
        return percent(row.iv_percentile, places=0)


class ExitLevelsInline(ReadOnlyInline, TabularInline):
    """When to leave."""

    model = StrategyExitLevels
    fields = readonly_fields = (
        *("target_1", "target_2", "target_3", "stop", "time_exit_dte"),
        *("delta_exit_threshold", "vega_exit_threshold"),
    )
    target_1 = amount("profit_target_1", description="profit target 1")
    target_2 = amount("profit_target_2", description="profit target 2")
    target_3 = amount("profit_target_3", description="profit target 3")
    stop = amount("stop_loss", description="stop loss")


class HistoryInline(ReadOnlyInline, TabularInline):
    """Every change, by whomever and however it was made."""

    model = OptionStrategyEvent
    fk_name = "pgh_obj"
    verbose_name_plural = "history"
    ordering = ("-pgh_id",)
    fields = readonly_fields = (
        *("when", "what", "who", "execution_status", "execution_detail"),
        *("execution_priority", "sets", "execution_notes"),
    )

    @display(description="when")
    def when(self, event: Any) -> str:
        """To the second, IST."""
        return clock(event.pgh_created_at)

    @display(description="change")
    def what(self, event: Any) -> str:
        """Insert, update or delete."""
        return str(event.pgh_label)

    @display(description="by")
    def who(self, event: Any) -> str:
        """Person, program or SQL role."""
        return event.changed_by or MISSING


class MarkForm(forms.Form):
    """What a reviewer says when marking."""

    priority = forms.IntegerField(
        min_value=1,
        max_value=PEOPLE_HIGHEST,
        initial=DEFAULT_PRIORITY,
        widget=UnfoldAdminIntegerFieldWidget,
        help_text=f"1 to {PEOPLE_HIGHEST}; {PEOPLE_HIGHEST} is executed first.",
    )
    notes = forms.CharField(max_length=500, required=False, widget=UnfoldAdminTextInputWidget)


@admin.register(OptionStrategy)
class OptionStrategyAdmin(LedgerAdmin):
    """Review and marking; numbers and execution columns change only through services."""

    list_display = (
        *("stock_name", "name", "score", "pop", "max_profit", "max_loss_shown", "conviction", "outlook"),
        *("status", "priority", "expires", "traded_on"),
    )
    list_display_links = ("stock_name", "name")
    list_filter = (
        *("execution_status", "conviction_level", TradeDateFilter, SymbolFilter, StructureFilter, "market_outlook"),
    )
    list_filter_submit = True
    list_fullwidth = True
    list_disable_select_all = True
    search_fields = ("stock_name__istartswith", "strategy_name__icontains", "=id")
    search_help_text = "Symbol, strategy name or id"
    ordering = ("-trade_date", "-total_score", "id")
    actions: ClassVar[list[str]] = ["mark_selected", "mark_10", "mark_5", "mark_1", "unmark_selected"]
    actions_detail: ClassVar[list[str]] = ["mark_this", "preview_this"]
    inlines = (LegInline, ParametersInline, ExitLevelsInline, HistoryInline)
    readonly_fields = ("score", "pop", "max_profit", "max_loss_shown", "net_premium_shown", "status", "parts")
    fieldsets = (
        (None, {"fields": (("stock_name", "strategy_name"), ("strategy_type", "market_outlook", "conviction_level"))}),
        ("Per set", {"fields": (("max_profit", "max_loss_shown", "net_premium_shown"), ("pop", "score", "parts"))}),
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
                    ("structure", "risk_profile", "content_hash"),
                )
            },
        ),
    )
    net_premium_shown = amount("net_premium", description="net premium (credit +)")

    def get_queryset(self, request: HttpRequest) -> QuerySet[OptionStrategy]:
        """One query for the list, whatever its length."""
        rows: QuerySet[OptionStrategy] = super().get_queryset(request).select_related("run")
        return rows

    def get_urls(self) -> list[URLPattern]:
        """Add the page that asks for priority and notes."""
        page = path("mark/", self.admin_site.admin_view(self.mark_page), name="strategies_optionstrategy_mark")
        return [page, *super().get_urls()]

    def has_mark_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who may put strategies into the queue."""
        return bool(self.has_view_permission(request) and request.user.has_perm("strategies.mark_optionstrategy"))

    # --- columns -----------------------------------------------------------------------------------------------------

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
        """Where it is, with the finer state."""
        return row.execution_status

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

    @display(description="score parts")
    def parts(self, row: OptionStrategy) -> str:
        """What the score is made of."""
        return " · ".join(f"{name} {value}" for name, value in sorted(row.component_scores.items())) or MISSING

    # --- actions -----------------------------------------------------------------------------------------------------

    @admin.action(description="Mark for execution …", permissions=["mark"])
    def mark_selected(self, request: HttpRequest, queryset: QuerySet[OptionStrategy]) -> HttpResponse | None:
        """Ask for priority and notes first."""
        ids = self._ids(request, queryset)
        return self._to_mark_page(request, ids) if ids else None

    @admin.action(description="Mark: priority 10", permissions=["mark"])
    def mark_10(self, request: HttpRequest, queryset: QuerySet[OptionStrategy]) -> None:
        """Execute first."""
        self._quick_mark(request, queryset, priority=10)

    @admin.action(description="Mark: priority 5", permissions=["mark"])
    def mark_5(self, request: HttpRequest, queryset: QuerySet[OptionStrategy]) -> None:
        """The usual."""
        self._quick_mark(request, queryset, priority=5)

    @admin.action(description="Mark: priority 1", permissions=["mark"])
    def mark_1(self, request: HttpRequest, queryset: QuerySet[OptionStrategy]) -> None:
        """Execute last."""
        self._quick_mark(request, queryset, priority=1)

    @admin.action(description="Unmark", permissions=["mark"])
    def unmark_selected(self, request: HttpRequest, queryset: QuerySet[OptionStrategy]) -> None:
        """Take out of the queue."""
        if ids := self._ids(request, queryset):
            self._tell(request, unmark(ids), "unmarked")

    @action(description="Mark or unmark …", permissions=["mark"])
    def mark_this(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """The same page for the strategy one is looking at."""
        return self._to_mark_page(request, [object_id])

    @action(description="Preview the orders")
    def preview_this(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Exactly what would be sent now; the page belongs to execution, known here by its address only."""
        return redirect("execution:preview", strategy_id=object_id)

    def mark_page(self, request: HttpRequest) -> HttpResponse:
        """Show what is selected and ask for priority and notes; POST marks or unmarks."""
        if not self.has_mark_permission(request):
            raise PermissionDenied
        ids = _read_ids(request.GET.get("ids", ""))
        if not ids or len(ids) > ROWS_PER_ACTION:
            self._refuse_count(request, len(ids))
            return self._to_list(request)
        if request.POST.get("verb") == "unmark":
            self._tell(request, unmark(ids), "unmarked")
            return self._to_list(request)
        form = MarkForm(request.POST or None)
        if form.is_valid():
            self._mark(request, ids, **form.cleaned_data)
            return self._to_list(request)
        return self._ask(request, form, ids)

    def _ask(self, request: HttpRequest, form: MarkForm, ids: Sequence[int]) -> HttpResponse:
        rows = self.get_queryset(request).filter(pk__in=ids)
        context = self.admin_site.each_context(request) | {
            "title": "Mark for execution",
            "opts": self.opts,
            "form": form,
            "rows": rows,
            "back": self._list_address(request),
        }
        return TemplateResponse(request, "admin/strategies/optionstrategy/mark.html", context)

    def _quick_mark(self, request: HttpRequest, queryset: QuerySet[OptionStrategy], *, priority: int) -> None:
        if ids := self._ids(request, queryset):
            self._mark(request, ids, priority=priority)

    def _mark(self, request: HttpRequest, ids: Sequence[int], *, priority: int, notes: str = "") -> None:
        self._tell(request, mark(ids, priority=priority, notes=notes), f"marked with priority {priority}")

    def _ids(self, request: HttpRequest, queryset: QuerySet[OptionStrategy]) -> list[int]:
        """The selected ids, or none with a message when there are too many for one look."""
        ids = list(queryset.values_list("pk", flat=True)[: ROWS_PER_ACTION + 1])
        if len(ids) <= ROWS_PER_ACTION:
            return ids
        self._refuse_count(request, queryset.count())
        return []

    def _refuse_count(self, request: HttpRequest, count: int) -> None:
        sentence = f"{count} strategies are selected; select 1 to {ROWS_PER_ACTION} at a time. Nothing was changed."
        self.message_user(request, sentence, messages.ERROR)

    def _tell(self, request: HttpRequest, report: MarkReport, verb: str) -> None:
        if report.done:
            ids = ", ".join(f"#{strategy_id}" for strategy_id in report.done)
            self.message_user(request, f"{len(report.done)} {verb}: {ids}.", messages.SUCCESS)
        for reason in report.refused.values():
            self.message_user(request, f"Refused: {reason.sentence} {reason.remedy}".strip(), messages.WARNING)

    def _to_mark_page(self, request: HttpRequest, ids: Sequence[int]) -> HttpResponse:
        query = QueryDict(mutable=True)
        query["ids"] = ",".join(str(strategy_id) for strategy_id in ids)
        query["back"] = request.GET.get("_changelist_filters", request.GET.urlencode())
        return HttpResponseRedirect(f"{reverse('admin:strategies_optionstrategy_mark')}?{query.urlencode()}")

    def _to_list(self, request: HttpRequest) -> HttpResponse:
        return HttpResponseRedirect(self._list_address(request))

    def _list_address(self, request: HttpRequest) -> str:
        """The list with the filters one came from; only the query string is taken from the request."""
        filters = QueryDict(request.GET.get("back", "")).urlencode()
        return f"{reverse('admin:strategies_optionstrategy_changelist')}{'?' if filters else ''}{filters}"


def _read_ids(text: str) -> list[int]:
    return [int(word) for word in dict.fromkeys(text.split(",")) if re.fullmatch(r"[0-9]{1,18}", word)]


class SymbolResultInline(ReadOnlyInline, TabularInline):
    """What became of each symbol."""

    model = SymbolResult
    fields = readonly_fields = ("symbol", "status", "candidates", "kept", "reason_code", "reason_text", "seconds")


@admin.register(GenerationRun)
class GenerationRunAdmin(LedgerAdmin):
    """Passes of the generator."""

    list_display = ("id", "as_of", "risk", "started_at", "finished_at")
    list_filter = ("risk",)
    inlines = (SymbolResultInline,)
