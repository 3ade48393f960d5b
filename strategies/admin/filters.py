"""What the list of strategies can be narrowed to."""

from typing import Any, cast

from django import forms
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.contrib.filters.admin import DropdownFilter

from market.templatetags.money import day
from strategies.catalog import CATALOGUE
from strategies.models import OptionStrategy
from strategies.querysets import StrategyQuerySet

RECENT_DAYS = 10


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


class StandingFilter(DropdownFilter):
    """What the newest run says, unless one asks for what it replaced."""

    title = "superseded by a later run"
    parameter_name = "superseded"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Without a choice, what stands."""
        return [("only", "Superseded only"), ("with", "With the superseded")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Its strategies."""
        rows = cast(StrategyQuerySet, queryset)
        if self.value() == "with":
            return rows
        return rows.superseded() if self.value() == "only" else rows.standing()
