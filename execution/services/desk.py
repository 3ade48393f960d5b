"""Put together what settings and the accounts name: a market, an account and its broker."""

from datetime import datetime

from django.conf import settings

from allocation.models import Account
from execution.brokers import build_broker
from execution.errors import ExecutionDenied
from execution.services.preparation import Desk
from market.errors import Reason
from market.sources import build_source


def open_desk(as_of: datetime, *, account_name: str | None = None) -> Desk:
    """The desk of one active account of the trading mode, by default the first."""
    account = _account(account_name)
    market = build_source()
    return Desk(build_broker(account=account, market=market), market, account, as_of)


def _account(name: str | None) -> Account:
    rows = Account.objects.filter(active=True, mode=settings.TRADING_MODE).order_by("id")
    account = (rows if name is None else rows.filter(name=name)).first()
    if account is None:
        sentence = f"No active {settings.TRADING_MODE} account{'' if name is None else f' {name}'} exists."
        raise ExecutionDenied(Reason("NO_ACCOUNT", sentence, "Create one in the admin."))
    return account
