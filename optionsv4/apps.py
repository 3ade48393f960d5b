"""Django's entry for the wiring package: registers its system checks."""

from django.apps import AppConfig


class OptionsV4Config(AppConfig):
    """Wiring."""

    name = "optionsv4"
    verbose_name = "Options V4"

    def ready(self) -> None:
        """Register the system checks."""
        from optionsv4 import checks  # noqa: F401
