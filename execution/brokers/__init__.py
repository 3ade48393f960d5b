"""Brokers, built from the dotted path that settings name; nobody imports a concrete one."""

from collections.abc import Callable
from typing import cast

from django.conf import settings
from django.utils.module_loading import import_string

from allocation.models import Account
from execution.errors import ExecutionDenied
from execution.ports import Broker, Clock
from market.errors import Reason
from market.ports import MarketSource

# The brokers whose orders cost nothing; whatever else settings name is taken to trade with real money.
PAPER_ONLY = frozenset({"paper", "simulator"})


def build_broker(*, account: Account, market: MarketSource, clock: Clock, name: str | None = None) -> Broker:
    """Build the broker that settings (or `name`) name; refuse one that does not fit the mode, before it is imported."""
    chosen = name or settings.BROKER
    path = settings.BROKERS.get(chosen)
    if path is None:
        known = ", ".join(sorted(settings.BROKERS))
        raise ExecutionDenied(Reason("UNKNOWN_BROKER", f"No broker '{chosen}' is configured; known: {known}."))
    _require_live_mode(chosen, account)
    build = cast(Callable[..., Broker], import_string(path))
    broker = build(account=account, market=market, clock=clock)
    if broker.mode != account.mode:
        raise ExecutionDenied(
            Reason("MODE", f"Broker {broker.name} is {broker.mode}, account {account.name} is {account.mode}.")
        )
    return broker


def _require_live_mode(chosen: str, account: Account) -> None:
    """A broker of real money is not even built unless the installation and the account are both live."""
    if chosen in PAPER_ONLY or settings.TRADING_MODE == account.mode == "live":
        return
    sentence = f"Broker {chosen} is live; TRADING_MODE is {settings.TRADING_MODE}, account {account.name} is "
    raise ExecutionDenied(
        Reason("LIVE_NOT_ARMED", f"{sentence}{account.mode}.", "Choose BROKER=paper, or arm live trading.")
    )
