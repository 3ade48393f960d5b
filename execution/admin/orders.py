"""Runs, orders and fills: read only, the ledger is written by the trader."""

from django.contrib import admin
from django.http import HttpRequest
from unfold.admin import TabularInline
from unfold.decorators import display

from execution.models import ExecutionRun, LegOrder, Trade
from market.admin import LedgerAdmin
from market.console import rupees

RUN_COLOURS = {
    "complete": "success",
    "flat": "success",
    "denied": "danger",
    "failed_flat": "danger",
    "attention": "danger",
    "unwinding": "warning",
}
ORDER_COLOURS = {
    "filled": "success",
    "part": "warning",
    "unknown": "danger",
    "refused": "danger",
    "rejected": "danger",
    "expired": "warning",
    "cancelled": "warning",
}


class LegOrderInline(TabularInline):
    """The run's orders."""

    model = LegOrder
    fields = readonly_fields = (
        *("side", "symbol", "quantity", "limit_price", "state", "filled_quantity", "average_price"),
        *("correlation_id", "broker_order_id", "reason_text"),
    )
    can_delete = False
    extra = 0

    def has_add_permission(self, request: HttpRequest, obj: ExecutionRun | None = None) -> bool:
        """Nobody."""
        return False


@admin.register(ExecutionRun)
class ExecutionRunAdmin(LedgerAdmin):
    """Baskets on their way."""

    list_display = ("id", "strategy", "account", "purpose", "progress", "reason_code", "started_at", "finished_at")
    list_select_related = ("strategy", "account")
    list_filter = ("state", "purpose", "account")
    search_fields = ("strategy__stock_name__startswith", "=strategy__id")
    inlines = (LegOrderInline,)

    @display(description="state", ordering="state", label=RUN_COLOURS)
    def progress(self, row: ExecutionRun) -> str:
        """State as a badge."""
        return row.state


@admin.register(LegOrder)
class LegOrderAdmin(LedgerAdmin):
    """Every attempt at an order."""

    list_display = (
        *("id", "run", "side", "symbol", "quantity", "limit_price", "outcome", "filled_quantity"),
        *("average_price", "broker_order_id", "reason_code"),
    )
    list_select_related = ("run",)
    list_filter = ("state", "side")
    search_fields = ("symbol__startswith", "=correlation_id", "=broker_order_id")
    ordering = ("-id",)

    @display(description="state", ordering="state", label=ORDER_COLOURS)
    def outcome(self, row: LegOrder) -> str:
        """State as a badge."""
        return row.state


@admin.register(Trade)
class TradeAdmin(LedgerAdmin):
    """Fills."""

    list_display = ("timestamp", "strategy", "action", "symbol", "quantity", "price_shown", "charges_shown", "purpose")
    list_select_related = ("strategy",)
    list_filter = ("action", "purpose", "account")
    search_fields = ("symbol__startswith", "=order_id", "strategy__stock_name__startswith")
    date_hierarchy = "timestamp"

    @display(description="price", ordering="price")
    def price_shown(self, row: Trade) -> str:
        """Rupees per unit."""
        return rupees(row.price, places=2)

    @display(description="charges", ordering="charges")
    def charges_shown(self, row: Trade) -> str:
        """Rupees."""
        return rupees(row.charges, places=2)
