"""Django's entry for this app."""

from django.apps import AppConfig


class AllocationConfig(AppConfig):
    """The allocation app."""

    name = "allocation"
