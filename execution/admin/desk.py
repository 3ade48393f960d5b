"""Who leads, what an account may do, what waits for a person, and what the broker's books and the audit say."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.decorators import action, display

from execution.errors import ExecutionDenied
from execution.models import (
    Alert,
    AuditEntry,
    BrokerAccess,
    ExternalOrder,
    ReconcileReport,
    TraderLease,
    TradingState,
)
from execution.services import alerts
from market.admin import LedgerAdmin

LEVEL_COLOURS = {"INFO": "info", "WARNING": "warning", "CRITICAL": "danger"}
STATE_COLOURS = {"ACTIVE": "success", "REDUCE_ONLY": "warning", "HALTED": "danger"}


@admin.register(Alert)
class AlertAdmin(LedgerAdmin):
    """What a person must see; whoever may change alerts acknowledges them in their own name."""

    list_display = ("level_badge", "code", "sentence", "account", "run", "at", "acknowledged_by", "acknowledged_at")
    list_display_links = ("code",)
    list_select_related = ("account", "run")
    list_filter = (("acknowledged_at", admin.EmptyFieldListFilter), "level", "code", "account")
    actions = ("acknowledge",)

    def has_acknowledge_permission(self, request: HttpRequest) -> bool:
        """Who may change alerts: the pages themselves change none."""
        return request.user.has_perm("execution.change_alert")

    @action(description="Acknowledge: I have seen it", permissions=["acknowledge"])
    def acknowledge(self, request: HttpRequest, queryset: QuerySet[Alert]) -> None:
        """Each in the name of who is signed in."""
        for alert in queryset.order_by("pk"):
            try:
                alerts.acknowledge(alert.pk, actor=f"web:{request.user.get_username()}")
            except ExecutionDenied as denied:
                self.message_user(request, str(denied.reason), messages.WARNING)
            else:
                self.message_user(request, f"Alert {alert.pk} acknowledged.")

    @display(description="level", ordering="level", label=LEVEL_COLOURS)
    def level_badge(self, row: Alert) -> str:
        """As a badge."""
        return row.level


@admin.register(TradingState)
class TradingStateAdmin(LedgerAdmin):
    """The kill switch of each account; it is thrown and released by manage.py kill_switch."""

    list_display = ("account", "state_badge", "reason_code", "reason_text", "actor", "automatic", "changed_at")
    list_select_related = ("account",)

    @display(description="state", ordering="state", label=STATE_COLOURS)
    def state_badge(self, row: TradingState) -> str:
        """As a badge."""
        return row.state


@admin.register(TraderLease)
class TraderLeaseAdmin(LedgerAdmin):
    """Who leads each account."""

    list_display = ("account", "owner", "epoch", "lease_until", "renewed_at", "code_version")
    list_select_related = ("account",)


@admin.register(ExternalOrder)
class ExternalOrderAdmin(LedgerAdmin):
    """Orders at the broker that are not ours, or bear our mark and are in no book of ours."""

    list_display = (
        *("last_seen_at", "account", "broker_order_id", "side", "quantity", "filled_quantity", "security_id"),
        *("status", "own_tag"),
    )
    list_select_related = ("account",)
    list_filter = ("own_tag", "status", "account")
    search_fields = ("=broker_order_id", "=correlation_id")


@admin.register(ReconcileReport)
class ReconcileReportAdmin(LedgerAdmin):
    """Comparisons with the broker's books."""

    list_display = ("at", "account", "clean", "orders_seen", "trades_seen", "positions_seen", "found")
    list_select_related = ("account",)
    list_filter = ("clean", "account")

    @display(description="findings")
    def found(self, row: ReconcileReport) -> str:
        """Their codes."""
        return ", ".join(str(one.get("code")) for one in row.findings)


@admin.register(BrokerAccess)
class BrokerAccessAdmin(LedgerAdmin):
    """Which token is in use, never the token."""

    list_display = ("client_id", "token_shown", "expires_at", "generation", "stored_at", "refresh_tried_at")
    exclude = ("token_encrypted",)

    @display(description="token")
    def token_shown(self, row: BrokerAccess) -> str:
        """Its last four characters."""
        return f"…{row.last_four}" if row.last_four else ""


@admin.register(AuditEntry)
class AuditEntryAdmin(LedgerAdmin):
    """The audit chain, newest first; manage.py audit verify tells whether it is whole."""

    list_display = ("seq", "at", "actor", "subject_kind", "subject_id", "event", "before", "after")
    list_filter = ("event",)
    search_fields = ("=subject_id", "=subject_kind")
    ordering = ("-seq",)

    def get_search_results(self, request: HttpRequest, queryset: QuerySet[Any], search_term: str) -> Any:
        """`order 12` finds the entries of that subject."""
        kind, _, number = search_term.strip().partition(" ")
        if number:
            return queryset.filter(subject_kind=kind, subject_id=number), False
        return super().get_search_results(request, queryset, search_term)
