"""Marking from the admin: the actions, and the page that asks for priority and notes."""

import re
from collections.abc import Sequence
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from unfold.decorators import action
from unfold.widgets import UnfoldAdminIntegerFieldWidget, UnfoldAdminTextInputWidget

from market.admin import LedgerAdmin
from strategies.models import OptionStrategy
from strategies.services.marking import DEFAULT_PRIORITY, PEOPLE_HIGHEST, MarkReport, mark, unmark

ROWS_PER_ACTION = 20


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


class MarkingAdmin(LedgerAdmin):
    """A list of strategies that can be marked and unmarked."""

    actions: ClassVar[list[str]] = ["mark_selected", "mark_10", "mark_5", "mark_1", "unmark_selected"]

    def get_urls(self) -> list[URLPattern]:
        """Add the page that asks for priority and notes."""
        page = path("mark/", self.admin_site.admin_view(self.mark_page), name="strategies_optionstrategy_mark")
        return [page, *super().get_urls()]

    def has_mark_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who may put strategies into the queue."""
        return bool(self.has_view_permission(request) and request.user.has_perm("strategies.mark_optionstrategy"))

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
