"""The execution-status page, and the preview of one basket."""

from django.contrib.auth.decorators import login_required, permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from execution.overview import overview
from execution.services.desk import open_desk
from execution.services.preview import preview_of
from market.errors import OptionsError
from market.moment import now
from strategies.models import OptionStrategy


@never_cache
@login_required
@require_safe
def status_page(request: HttpRequest) -> HttpResponse:
    """Queue, runs, trades and positions; the htmx refresh asks for the tables only."""
    partial = getattr(request, "htmx", False)
    template = "execution/_overview.html" if partial else "execution/status.html"
    response = render(request, template, {"overview": overview(now())})
    response.headers["Vary"] = "HX-Request, Cookie"
    return response


@never_cache
@login_required
@permission_required("strategies.view_optionstrategy", raise_exception=True)
@require_safe
def preview_page(request: HttpRequest, strategy_id: int) -> HttpResponse:
    """Exactly what executing one strategy now would send, and what stands against it."""
    strategy = get_object_or_404(OptionStrategy, pk=strategy_id)
    try:
        preview, problem = preview_of(strategy, open_desk()), None
    except OptionsError as error:
        preview, problem = None, error.reason
    context = {"strategy": strategy, "preview": preview, "problem": problem}
    return render(request, "execution/preview.html", context)
