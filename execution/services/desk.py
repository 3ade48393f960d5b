"""Put together what settings and the accounts name: a market, an account and its broker."""

from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Max
from django.db.models.functions import Greatest

from allocation.models import Account
from execution.brokers import build_broker
from execution.clock import SteppedClock, SystemClock
from execution.errors import ExecutionDenied
from execution.models import ExecutionRun, LegOrder, Position
from execution.services.preparation import Desk
from market.errors import Reason
from market.sources import build_source


def open_desk(as_of: datetime | None = None, *, account_name: str | None = None) -> Desk:
    """The desk of one active account of the trading mode, by default the first; now, or at a replayed moment."""
    account = account_named(account_name)
    market = build_source()
    clock = (
        SystemClock(settings.CLOCK_SHIFT_SECONDS)
        if as_of is None
        else SteppedClock(_not_before_own_orders(account, as_of))
    )
    broker = build_broker(account=account, market=market, clock=clock)
    _require_same_broker(account, broker.name)
    return Desk(broker, market, account, clock)


def _require_same_broker(account: Account, broker: str) -> None:
    """What is open at one broker is not managed at another: its orders would be looked for where they never were."""
    rows = ExecutionRun.objects.filter(account=account).exclude(broker="").order_by("-pk")
    last = rows.values_list("broker", flat=True).first()
    if last in (None, broker):
        return
    held = Position.objects.filter(account=account).exclude(quantity=0)
    if held.exists() or ExecutionRun.objects.open().filter(account=account).exists():
        sentence = f"Account {account.name} has something open at broker {last}; this process is set to {broker}."
        remedy = f"Set BROKER={last}; beside `make serve BROKER=simulator` load the file it names: . var/practice.env"
        raise ExecutionDenied(Reason("OTHER_BROKER", sentence, remedy))


def _not_before_own_orders(account: Account, as_of: datetime) -> datetime:
    """A replayed moment goes on where its own orders ended: time does not run backwards for what it has sent."""
    same_day = (as_of, as_of + timedelta(hours=12))
    orders = LegOrder.objects.filter(run__account=account, run__as_of__lte=as_of, intended_at__range=same_day)
    ends = orders.aggregate(last=Max(Greatest("intended_at", "sent_at", "settled_at")))
    return max(as_of, ends["last"] or as_of)


def account_named(name: str | None) -> Account:
    """The active account of that name in the trading mode; without one the configured one, or the first."""
    name = name or settings.ACCOUNT or None
    rows = Account.objects.filter(active=True, mode=settings.TRADING_MODE).order_by("id")
    account = (rows if name is None else rows.filter(name=name)).first()
    if account is None:
        sentence = f"No active {settings.TRADING_MODE} account{'' if name is None else f' {name}'} exists."
        raise ExecutionDenied(Reason("NO_ACCOUNT", sentence, "Create one in the admin."))
    return account
