"""Django's entry for the wiring package: registers its system checks and Celery."""

from django.apps import AppConfig


class OptionsV4Config(AppConfig):
    """Wiring."""

    name = "optionsv4"
    verbose_name = "Options V4"

    def ready(self) -> None:
        """Register the system checks, and Celery's app, so that every process rings the same bell."""
        from optionsv4 import celery, checks  # noqa: F401
