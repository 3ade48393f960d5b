"""The two signatures of live trading, and the stops that rest at the broker."""

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html_join
from unfold.decorators import action, display

from execution.errors import ExecutionDenied
from execution.models import LiveArming, ResidentStop
from execution.services import arming
from execution.services.stop_rows import settle_by_hand
from market.admin import LedgerAdmin
from market.moment import now

ARMING_COLOURS = {"armed": "success", "half armed": "warning", "disarmed": "danger"}
STOP_COLOURS = {
    "placed": "success",
    "placing": "warning",
    "cancelling": "warning",
    "triggered": "danger",
    "failed": "danger",
}


@admin.register(LiveArming)
class LiveArmingAdmin(LedgerAdmin):
    """Who armed which account for which day; anybody who may change armings takes one away."""

    list_display = ("account", "day", "state_badge", "armed_by", "armed_at", "confirmed_by", "confirmed_at", "reason")
    list_select_related = ("account",)
    list_filter = ("account",)
    fields = (
        *("account", "day", "armed_by", "armed_at", "confirmed_by", "confirmed_at", "shown_hash", "would_sign"),
        *("client_id", "code_version", "disarmed_at", "disarmed_by", "reason"),
    )
    readonly_fields = ("would_sign",)
    actions = ("sign", "disarm")

    def has_sign_permission(self, request: HttpRequest) -> bool:
        """The same people."""
        return self.has_disarm_permission(request)

    @action(description="Sign second: I saw the same", permissions=["sign"])
    def sign(self, request: HttpRequest, queryset: QuerySet[LiveArming]) -> None:
        """By who is signed in, and refused when what is signed has changed; the first signature is arm_live's."""
        for row in queryset.select_related("account"):
            try:
                actor = f"web:{request.user.get_username()}"
                arming.confirm(row.account, shown_hash=row.shown_hash, actor=actor, now=now())
            except ExecutionDenied as denied:
                self.message_user(request, str(denied.reason), messages.WARNING)
            else:
                self.message_user(request, f"{row.account} is armed for {row.day}.")

    @display(description="signing now would sign")
    def would_sign(self, row: LiveArming) -> str:
        """Everything that is signed, as it stands now, and its hash."""
        seen = arming.shown(row.account, now=now())
        names = [(name.replace("_", " "), getattr(seen, name)) for name in seen.__slots__]
        return format_html_join("", "<div><b>{}</b>: {}</div>", [*names, ("hash", seen.hash)])

    def has_disarm_permission(self, request: HttpRequest) -> bool:
        """Who may change armings: the pages themselves change none."""
        return request.user.has_perm("execution.change_livearming")

    @action(description="Disarm", permissions=["disarm"])
    def disarm(self, request: HttpRequest, queryset: QuerySet[LiveArming]) -> None:
        """The accounts of the chosen rows."""
        for row in queryset.filter(disarmed_at=None).select_related("account"):
            arming.disarm(row.account, reason="By hand.", actor=f"web:{request.user.get_username()}")
            self.message_user(request, f"{row.account} is disarmed.")

    @display(description="state", label=ARMING_COLOURS)
    def state_badge(self, row: LiveArming) -> str:
        """As a badge; only today's counts."""
        return row.state


@admin.register(ResidentStop)
class ResidentStopAdmin(LedgerAdmin):
    """Stops that strategies asked for, and what became of them."""

    list_display = (
        *("id", "strategy", "account", "state_badge", "security_id", "quantity", "trigger_price", "limit_price"),
        *("broker_order_id", "reason_code"),
    )
    list_select_related = ("strategy", "account")
    list_filter = ("state", "account")
    search_fields = ("=strategy__id", "=broker_order_id", "=correlation_id")
    actions = ("settle",)

    def has_settle_permission(self, request: HttpRequest) -> bool:
        """Who may change stops: the pages themselves change none."""
        return request.user.has_perm("execution.change_residentstop")

    @action(description="It is over: positions were compared", permissions=["settle"])
    def settle(self, request: HttpRequest, queryset: QuerySet[ResidentStop]) -> None:
        """Stops of which nobody knows what they did; the rest of their strategies leaves then."""
        for stop in queryset.order_by("pk"):
            try:
                settle_by_hand(stop.pk, actor=f"web:{request.user.get_username()}")
            except ExecutionDenied as denied:
                self.message_user(request, str(denied.reason), messages.WARNING)
            else:
                self.message_user(request, f"Stop {stop.pk} is settled.")

    @display(description="state", ordering="state", label=STOP_COLOURS)
    def state_badge(self, row: ResidentStop) -> str:
        """As a badge."""
        return row.state
