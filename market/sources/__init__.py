"""Market sources, built from the dotted path that settings name; nobody imports a concrete one."""

from functools import cache
from typing import cast

from django.conf import settings
from django.utils.module_loading import import_string

from market.errors import MarketError, Reason
from market.ports import MarketSource


def build_source(name: str | None = None) -> MarketSource:
    """The source called `name`, by default the one MARKET_SOURCE names; one per process."""
    wanted = name or settings.MARKET_SOURCE
    if wanted not in settings.MARKET_SOURCES:
        known = ", ".join(sorted(settings.MARKET_SOURCES))
        raise MarketError(Reason("UNKNOWN_SOURCE", f"There is no market source {wanted!r}.", f"Known: {known}."))
    return _built(wanted)


@cache
def _built(name: str) -> MarketSource:
    factory = import_string(settings.MARKET_SOURCES[name])
    return cast(MarketSource, factory(**settings.MARKET_SOURCE_OPTIONS.get(name, {})))
