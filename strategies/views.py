"""The calibration page."""

from django.contrib.admin.views.decorators import staff_member_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from strategies.services.calibrate import calibration_page_data


@never_cache
@staff_member_required
@require_safe
def calibration_page(request: HttpRequest) -> HttpResponse:
    """How the probability of profit fared in the newest whole calibration."""
    return render(request, "strategies/calibration.html", calibration_page_data())
