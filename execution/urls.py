"""Pages about execution."""

from django.urls import path
from django.views.generic import RedirectView

from execution import views

app_name = "execution"
urlpatterns = [
    path("", RedirectView.as_view(pattern_name="execution:status"), name="home"),
    path("execution/", views.status_page, name="status"),
    path("execution/stop/<int:account_id>/", views.stop_page, name="stop"),
    path("execution/preview/<int:strategy_id>/", views.preview_page, name="preview"),
]
