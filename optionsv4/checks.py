"""System checks: what must be true before this installation may run for real."""

from typing import Any

from django.conf import settings
from django.core import checks

MODES = ("paper", "live")


@checks.register(checks.Tags.database, deploy=True)
def real_servers(**_: Any) -> list[checks.CheckMessage]:
    """With DEBUG off, both servers must be named: the embedded ones are for one person's machine."""
    if settings.DEBUG:
        return []
    missing = [
        name for name in ("DATABASE_URL", "REDIS_URL") if settings.EMBEDDED_SERVERS or not getattr(settings, name)
    ]
    return [
        checks.Error(
            f"{name} is not set while DEBUG is off.", hint=f"Set {name} to a real server.", id=f"optionsv4.E00{n}"
        )
        for n, name in enumerate(missing, start=1)
    ]


@checks.register(checks.Tags.security)
def known_adapters(**_: Any) -> list[checks.CheckMessage]:
    """BROKER, MARKET_SOURCE and TRADING_MODE must name something that exists."""
    known = {"BROKER": settings.BROKERS, "MARKET_SOURCE": settings.MARKET_SOURCES, "TRADING_MODE": MODES}
    return [
        checks.Error(f"{name}={getattr(settings, name)!r} is not one of {', '.join(names)}.", id="optionsv4.E010")
        for name, names in known.items()
        if getattr(settings, name) not in names
    ]
