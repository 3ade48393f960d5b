"""Admin pages of facts: the master and the chains are only read here, the small lists are kept here."""

from typing import Any, ClassVar

from django.contrib import admin
from django.http import HttpRequest
from unfold.admin import ModelAdmin
from unfold.decorators import display

from market.console import rupees
from market.models import ChainSnapshot, FileImport, Instrument, Underlying, WatchlistItem
from market.small_imports import CsvAdmin, SmallResource


class LedgerAdmin(ModelAdmin):
    """Rows that programs write: people look, nobody adds, changes or deletes."""

    list_per_page = 50
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody."""
        return False


@admin.register(FileImport)
class FileImportAdmin(LedgerAdmin):
    """What was imported, and what was refused and why."""

    list_display = ("created_at", "kind", "source", "file_name", "published_on", "outcome", "row_count", "reason_code")
    list_filter = ("kind", "status")
    search_fields = ("file_name", "reason_code")

    @display(description="status", label={"accepted": "success", "unchanged": "info", "refused": "danger"})
    def outcome(self, row: FileImport) -> str:
        """Status as a badge."""
        return row.status


@admin.register(Instrument)
class InstrumentAdmin(LedgerAdmin):
    """The scrip master."""

    list_display = (
        *("custom_symbol", "segment", "security_id", "instrument_name", "expiry", "strike"),
        *("option_type", "lot_size", "active"),
    )
    list_filter = ("active", "segment", "instrument_name")
    search_fields = ("underlying__startswith", "=security_id", "custom_symbol__startswith")
    list_select_related = False


@admin.register(ChainSnapshot)
class ChainSnapshotAdmin(LedgerAdmin):
    """Captured chains."""

    list_display = ("symbol", "taken_at", "source", "spot", "quote_count")
    list_filter = ("source",)
    search_fields = ("symbol__startswith",)
    ordering = ("-id",)


class UnderlyingResource(SmallResource):
    """stock_data as CSV."""

    class Meta(SmallResource.Meta):
        model = Underlying
        import_id_fields = ("symbol",)
        fields = ("symbol", "name", "kind", "exchange", "industry", "sector", "fno_stock", "market_cap")


@admin.register(Underlying)
class UnderlyingAdmin(CsvAdmin):
    """The symbol master."""

    resource_classes: ClassVar[list[type[SmallResource]]] = [UnderlyingResource]
    list_display = ("symbol", "kind", "industry", "sector", "fno_stock", "lot_size", "capitalisation")
    list_filter = ("kind", "fno_stock", "sector")
    search_fields = ("symbol__startswith", "name")
    readonly_fields = ("lot_size", "updated_at")

    @display(description="market cap", ordering="market_cap")
    def capitalisation(self, row: Underlying) -> str:
        """Rupees with Indian grouping."""
        return rupees(row.market_cap)


class WatchlistResource(SmallResource):
    """watchlist_items as CSV."""

    class Meta(SmallResource.Meta):
        model = WatchlistItem
        import_id_fields = ("segment", "security_id")
        fields = ("segment", "security_id", "active", "kind", "label")


@admin.register(WatchlistItem)
class WatchlistAdmin(CsvAdmin):
    """What the feed subscribes to."""

    resource_classes: ClassVar[list[type[SmallResource]]] = [WatchlistResource]
    list_display = ("label", "segment", "security_id", "kind", "active", "watchable")
    list_editable = ("active",)
    list_filter = ("active", "kind", "segment")
    list_select_related = ("watchable",)
    search_fields = ("label", "=security_id")
    autocomplete_fields = ("watchable",)
