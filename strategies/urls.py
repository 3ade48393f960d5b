"""Pages of strategies outside the admin."""

from django.urls import path

from strategies.views import calibration_page

app_name = "strategies"
urlpatterns = [path("calibration", calibration_page, name="calibration")]
