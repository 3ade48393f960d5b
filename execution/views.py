"""The execution-status page."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from execution.overview import overview


@never_cache
@login_required
@require_safe
def status_page(request: HttpRequest) -> HttpResponse:
    """Queue, runs, trades and positions; the htmx refresh asks for the tables only."""
    partial = getattr(request, "htmx", False)
    template = "execution/_overview.html" if partial else "execution/status.html"
    response = render(request, template, {"overview": overview(timezone.now())})
    response.headers["Vary"] = "HX-Request, Cookie"
    return response
