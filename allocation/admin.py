"""Admin pages of how much: target weights, accounts, and what was proposed."""

from typing import Any, ClassVar

from django.contrib import admin
from django.http import HttpRequest
from unfold.admin import ModelAdmin, TabularInline
from unfold.decorators import display

from allocation.models import Account, Allocation, AllocationRun, IndustryAllocation, SectorAllocation
from market.admin import LedgerAdmin
from market.console import percent, rupees
from market.small_imports import CsvAdmin, SmallResource


class IndustryResource(SmallResource):
    """industry_allocations_current as CSV."""

    class Meta(SmallResource.Meta):
        model = IndustryAllocation
        import_id_fields = ("industry",)
        fields = ("industry", "weight_percentage", "position_type", "rating")


class SectorResource(SmallResource):
    """sector_allocations_current as CSV."""

    class Meta(SmallResource.Meta):
        model = SectorAllocation
        import_id_fields = ("sector",)
        fields = ("sector", "weight_percentage", "position_type")


@admin.register(IndustryAllocation)
class IndustryAllocationAdmin(CsvAdmin):
    """Target weights of industries."""

    resource_classes: ClassVar[list[type[SmallResource]]] = [IndustryResource]
    list_display = ("industry", "weight_percentage", "position_type", "rating", "updated_date")
    list_filter = ("position_type", "rating")
    search_fields = ("industry",)


@admin.register(SectorAllocation)
class SectorAllocationAdmin(CsvAdmin):
    """Target weights of sectors."""

    resource_classes: ClassVar[list[type[SmallResource]]] = [SectorResource]
    list_display = ("sector", "weight_percentage", "position_type", "updated_date")
    list_filter = ("position_type",)
    search_fields = ("sector",)


@admin.register(Account)
class AccountAdmin(ModelAdmin):
    """Accounts and their limits: only a superuser sets them, nobody deletes them."""

    list_display = ("name", "mode_badge", "capital_shown", "deployed_limit", "allocator_may_mark", "active")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Superusers."""
        return bool(request.user.is_superuser)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Superusers."""
        return bool(request.user.is_superuser)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody: its orders and trades stay; make it inactive."""
        return False

    @display(description="mode", label={"PAPER": "info", "LIVE": "danger"})
    def mode_badge(self, row: Account) -> str:
        """Paper or live, in capitals."""
        return row.mode.upper()

    @display(description="capital", ordering="capital")
    def capital_shown(self, row: Account) -> str:
        """Rupees."""
        return rupees(row.capital)

    @display(description="may deploy", ordering="max_deployed_share")
    def deployed_limit(self, row: Account) -> str:
        """Share of capital."""
        return percent(row.max_deployed_share, places=0)


class AllocationInline(TabularInline):
    """The proposal's lines."""

    model = Allocation
    fields = readonly_fields = ("strategy", "sets", "margin_shown", "priority", "marked", "reason_code", "reason_text")
    can_delete = False
    extra = 0

    def get_queryset(self, request: HttpRequest) -> Any:
        """With the strategies' names, in one query."""
        return super().get_queryset(request).select_related("strategy")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody."""
        return False

    @display(description="needs")
    def margin_shown(self, row: Allocation) -> str:
        """Rupees."""
        return rupees(row.margin)


@admin.register(AllocationRun)
class AllocationRunAdmin(LedgerAdmin):
    """Proposals."""

    list_display = ("id", "account", "as_of", "capital_shown", "considered", "created_at")
    list_select_related = ("account",)
    list_filter = ("account",)
    inlines = (AllocationInline,)

    @display(description="capital")
    def capital_shown(self, row: AllocationRun) -> str:
        """Rupees."""
        return rupees(row.capital)
