"""Django's entry for this app."""

from django.apps import AppConfig


class MarketConfig(AppConfig):
    """The market app."""

    name = "market"
