"""What the figures of execution are measured on: a database of their own, one desk, a queue of two-leg baskets."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg
from psycopg import sql

from execution.clock import SystemClock
from market.calendar import IST

MOMENT = datetime(2026, 10, 28, 10, 15, tzinfo=IST)  # a session day, like practice: the market of today may be closed
SPREAD = (("SELL", 1100.0, "CE"), ("BUY", 1050.0, "CE"))  # listed short leg first, as people do
AT_RISK, PREMIUM = Decimal(15_000), Decimal(-5_050)
COPY = "bench_execution"
MOST = 1_000  # what the limits of an account may be at most


@contextmanager
def own_database() -> Iterator[None]:
    """A copy of the migrated database, as durable as the original, gone afterwards: an audit trail is never emptied."""
    from django.db import connection

    from tests.crash.ground import seed_master

    original = connection.settings_dict["NAME"]
    drop = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(COPY))
    _leave()
    with _administrator() as session:
        session.execute(drop)
        make = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY")
        session.execute(make.format(sql.Identifier(COPY), sql.Identifier(original)))
    connection.settings_dict["NAME"] = COPY
    try:
        seed_master()
        yield
    finally:
        _leave()
        connection.settings_dict["NAME"] = original
        with _administrator() as session:
            session.execute(drop)


def _leave() -> None:
    """End every session of this process: neither a copy nor a removal bears one."""
    from django.db import connections

    for one in connections.all():
        one.close()
        one.close_pool()


def _administrator() -> "psycopg.Connection[Any]":
    from django.db import connection

    given = connection.get_connection_params()
    known = {name: given[name] for name in ("host", "port", "user", "password") if given.get(name)}
    return psycopg.connect(**known, dbname="postgres", autocommit=True)


def shift_to_session() -> float:
    """Seconds from now to the moment everything is measured at."""
    return (MOMENT - datetime.now(IST)).total_seconds()


def open_account(name: str) -> Any:
    """An account whose own limits stop nothing here: how fast is measured, not how much."""
    from allocation.models import Account
    from execution.models import RiskLimits

    account = Account.objects.create(
        name=name, capital=Decimal(500_000_000), max_open_strategies=MOST, max_per_structure=MOST
    )
    RiskLimits.objects.create(
        account=account, changed_by="bench", same_legs_seconds=0, open_per_underlying=MOST, open_strategies=MOST,
        lots_per_underlying=1_000_000, calls_per_second=10, calls_per_minute=250,
    )  # fmt: skip
    return account


def queue_spreads(count: int, *, label: str) -> None:
    """Two-leg baskets put into the queue the way people do it; what an earlier part left there goes out."""
    from strategies.models import OptionStrategy, StrategyLeg
    from strategies.services.marking import mark, unmark
    from tests.crash import market

    left = list(OptionStrategy.objects.queued().values_list("pk", flat=True))
    if left:
        unmark(left)
    made = OptionStrategy.objects.bulk_create(
        OptionStrategy(
            stock_name=market.SYMBOL, strategy_name=f"{label} {number}", structure="bull-call-spread",
            total_score=Decimal("0.6"), max_loss=AT_RISK, net_premium=PREMIUM, lot_size=market.LOT,
            expiry=market.EXPIRY, generated_on=MOMENT - timedelta(minutes=5), trade_date=MOMENT.date(),
            content_hash=f"{label}-{number}", spot_price=Decimal(1000),
        )
        for number in range(1, count + 1)
    )  # fmt: skip
    StrategyLeg.objects.bulk_create(
        StrategyLeg(
            strategy=strategy, leg_number=number, setup_type=side, option_type=code, strike=strike,
            expiry=market.EXPIRY, premium=1, lots=1, delta=Decimal("0.3"), vega=Decimal("0.01"),
        )
        for strategy in made
        for number, (side, strike, code) in enumerate(SPREAD, start=1)
    )  # fmt: skip
    refused = mark([strategy.pk for strategy in made]).refused
    if refused:
        raise RuntimeError(f"the baskets could not be queued: {refused}")


def open_desk(exchange: Any, account: Any, shift: float, *, on_stage: Any) -> Any:
    """The desk of `access.build_simulator_broker`, with somebody who hears how far each request came."""
    from django.conf import settings

    from execution.brokers.dhan.addresses import PracticeAccess
    from execution.brokers.dhan.broker import SimulatorBroker
    from execution.brokers.dhan.transport import Wire
    from execution.services.access import current_credential
    from execution.services.preparation import Desk
    from tests.crash.market import StillMarket

    settings.DHAN_CLIENT_ID, settings.DHAN_ACCESS_TOKEN = exchange.client_id, exchange.token
    clock = SystemClock(shift)
    wire = Wire(exchange.base_url, on_stage=on_stage)
    broker = SimulatorBroker(PracticeAccess(exchange.base_url, current_credential), clock=clock, wire=wire)
    return Desk(broker, StillMarket(), account, clock)
