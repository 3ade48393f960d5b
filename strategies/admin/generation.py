"""The passes of the generator."""

from collections import Counter

from django.contrib import admin
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from unfold.admin import TabularInline
from unfold.decorators import display

from market.admin import LedgerAdmin
from market.console import MISSING
from strategies.admin.rows import ReadOnlyInline
from strategies.left_out import why_left_out
from strategies.models import GenerationRun, SymbolResult


class SymbolResultInline(ReadOnlyInline, TabularInline):
    """What became of each symbol."""

    model = SymbolResult
    fields = readonly_fields = (
        *("symbol", "status", "candidates", "measured", "kept", "reason_code", "reason_text", "left_out"),
        *("content_hash", "seconds"),
    )

    @display(description="structures left out, by reason")
    def left_out(self, row: SymbolResult) -> SafeString | str:
        """How many each reason kept out, and what to do about it."""
        counts = [(why_left_out(code), count) for code, count in Counter(row.refusals.values()).most_common()]
        lines = [(why.code, count, why.sentence, why.remedy) for why, count in counts]
        return format_html_join(SafeString("<br>"), "{} × {}: {} {}", lines) or MISSING


@admin.register(GenerationRun)
class GenerationRunAdmin(LedgerAdmin):
    """Passes of the generator."""

    list_display = ("id", "as_of", "risk", "started_at", "finished_at", "lean", "content_hash")
    fields = readonly_fields = ("as_of", "risk", "started_at", "finished_at", "lean", "alarms", "content_hash")
    list_filter = ("risk",)
    inlines = (SymbolResultInline,)

    @display(description="lean of the strategies beside the market")
    def lean(self, run: GenerationRun) -> str:
        """The bias monitor's sentence."""
        return str(run.bias.get("sentence", MISSING))

    @display(description="alarms")
    def alarms(self, run: GenerationRun) -> str:
        """What is too one-sided."""
        found = run.bias.get("strategies", {}).get("alarms", [])
        return " ".join(f"{each['sentence']} {each['remedy']}" for each in found) or MISSING
