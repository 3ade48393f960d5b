"""Brokers, built from the dotted path that settings name; nobody imports a concrete one."""

from collections.abc import Callable
from typing import cast

from django.conf import settings
from django.utils.module_loading import import_string

from allocation.models import Account
from execution.errors import ExecutionDenied
from execution.ports import Broker
from market.errors import Reason
from market.ports import MarketSource


def build_broker(*, account: Account, market: MarketSource, name: str | None = None) -> Broker:
    """Build the broker that settings (or `name`) name; refuse one that does not fit the account's mode."""
    chosen = name or settings.BROKER
    path = settings.BROKERS.get(chosen)
    if path is None:
        known = ", ".join(sorted(settings.BROKERS))
        raise ExecutionDenied(Reason("UNKNOWN_BROKER", f"No broker '{chosen}' is configured; known: {known}."))
    build = cast(Callable[..., Broker], import_string(path))
    broker = build(account=account, market=market)
    if broker.mode != account.mode:
        raise ExecutionDenied(
            Reason("MODE", f"Broker {broker.name} is {broker.mode}, account {account.name} is {account.mode}.")
        )
    return broker
