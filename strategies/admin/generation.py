"""The passes of the generator."""

from django.contrib import admin
from unfold.admin import TabularInline

from market.admin import LedgerAdmin
from strategies.admin.rows import ReadOnlyInline
from strategies.models import GenerationRun, SymbolResult


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
