"""The execution-status page, and the preview of one basket."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required, permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from allocation.models import Account
from execution.forms import StopForm
from execution.overview import overview
from execution.services.desk import open_desk
from execution.services.preview import preview_of
from execution.services.standing import halt, reduce_only, standing
from market.errors import OptionsError, Reason
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
@permission_required("execution.change_tradingstate", raise_exception=True)
@require_http_methods(["GET", "HEAD", "POST"])
def stop_page(request: HttpRequest, account_id: int) -> HttpResponse:
    """The kill switch of one account: say why, and stop entries, or everything but cancels."""
    account = get_object_or_404(Account, pk=account_id, active=True)
    form = StopForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        act = halt if form.cleaned_data["how"] == "halt" else reduce_only
        said = Reason("BY_HAND", form.cleaned_data["reason"])
        found = act(account, reason=said, actor=f"user:{request.user.get_username()}")
        messages.warning(request, f"{account.name} is {found.state}.")
        return redirect("execution:status")
    context = {"account": account, "form": form, "standing": standing(account.pk)}
    return render(request, "execution/stop.html", context, status=400 if form.errors else 200)


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
