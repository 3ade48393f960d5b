"""Every address of the web process."""

from django.contrib import admin
from django.urls import include, path

from optionsv4.api import api
from optionsv4.health import healthz

urlpatterns = [
    path("healthz", healthz, name="healthz"),
    path("api/", api.urls),
    path("admin/", admin.site.urls),
    path("strategies/", include("strategies.urls")),
    path("", include("execution.urls")),
]
