"""What the checks said, and the limits they compare with: a change of limits is a new row, none is ever edited."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from unfold.decorators import display

from execution.checks import LIMIT_NAMES
from execution.models import CheckAnswer, RejectionCount, RiskLimits
from market.admin import LedgerAdmin

VERDICT_COLOURS = {"passed": "success", "denied": "danger"}


@admin.register(RiskLimits)
class RiskLimitsAdmin(LedgerAdmin):
    """The history of limits, the newest row of an account counts; superusers add the next one."""

    fields = ("account", "note", *LIMIT_NAMES)
    list_display = ("account", "valid_from", "changed_by", "note", "set_here")
    list_select_related = ("account",)
    list_filter = ("account",)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Superusers: it disarms live trading, and the triggers write it down."""
        return bool(request.user.is_superuser)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """A copy of what the newest row of the account sets, to be changed."""
        given = super().get_changeform_initial_data(request)
        newest = RiskLimits.objects.filter(account_id=given.get("account")).first()
        return {} if newest is None else {name: getattr(newest, name) for name in LIMIT_NAMES} | given

    def save_model(self, request: HttpRequest, obj: RiskLimits, form: Any, change: bool) -> None:
        """In the name of who is signed in."""
        obj.changed_by = f"web:{request.user.get_username()}"
        super().save_model(request, obj, form, change)

    @display(description="sets")
    def set_here(self, row: RiskLimits) -> str:
        """The limits this row sets, in words."""
        found = [f"{name} {value}" for name in LIMIT_NAMES if (value := getattr(row, name)) is not None]
        return ", ".join(found) or "nothing"


@admin.register(CheckAnswer)
class CheckAnswerAdmin(LedgerAdmin):
    """Every denial, and every gate that let something through."""

    list_display = ("at", "account", "strategy", "run", "purpose", "code", "verdict", "reason_code", "sentence")
    list_select_related = ("account", "strategy", "run")
    list_filter = ("passed", "purpose", "code", "account")
    search_fields = ("=strategy__id", "=run__id", "reason_code__startswith")

    @display(description="verdict", ordering="passed", label=VERDICT_COLOURS)
    def verdict(self, row: CheckAnswer) -> str:
        """In a word."""
        return "passed" if row.passed else "denied"


@admin.register(RejectionCount)
class RejectionCountAdmin(LedgerAdmin):
    """How often each reason of each check denied, per day."""

    list_display = ("day", "account", "code", "reason_code", "count")
    list_select_related = ("account",)
    list_filter = ("code", "account")
    ordering = ("-day", "-count", "code", "reason_code")
