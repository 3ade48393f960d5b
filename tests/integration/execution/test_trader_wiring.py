"""What the trader and the queue must call: each test fails when its call is cut out."""

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, NoReturn

import pytest
from django.conf import settings as project
from django.db import connections
from redis import Redis

from allocation.models import Account
from execution.errors import ExecutionDenied, ReadFailed
from execution.models import Alert, ExecutionRun, Position, ReconcileReport, RiskLimits
from execution.services.leadership import lead
from execution.services.preparation import Desk
from execution.services.standing import standing
from execution.services.trader import WAKE_KEY, _wait, one_pass, trade_until, wake
from execution.services.trading import trading
from strategies.models import OptionStrategy
from tests.elsewhere import Elsewhere
from tests.integration.execution.conftest import WIDE, ScriptedMarket, option
from tests.integration.execution.desks import SAID, Spy, monitor, run_queue

LONGEST = 40.0  # seconds until a trader at work must have done what is asked of it; it takes two
pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)
Make = Callable[..., OptionStrategy]

MARKET = ScriptedMarket()


def shown() -> ScriptedMarket:
    """The market that settings name to the trader."""
    return MARKET


class Updates:
    """An order-update socket that says what the test says."""

    heard = ended = threading.Event()
    hint: Callable[[object], None]

    def __init__(self, *, on_hint: Callable[[object], None], on_connected: Callable[[], None]) -> None:
        Updates.hint, Updates.heard, Updates.ended = staticmethod(on_hint), threading.Event(), threading.Event()

    async def run(self) -> None:
        """Listen until the end."""
        Updates.heard.set()
        try:
            await asyncio.Event().wait()
        finally:
            Updates.ended.set()


@contextmanager
def at_work(desk: Desk, scripted: ScriptedMarket, settings: Any) -> Iterator[None]:
    """A trader of this account in a thread, from the desk's moment on and in its market."""
    MARKET.touches = scripted.touches
    settings.MARKET_SOURCES = settings.MARKET_SOURCES | {"wiring": f"{__name__}.shown"}
    settings.MARKET_SOURCE = "wiring"
    settings.CLOCK_SHIFT_SECONDS = (desk.as_of - datetime.now(UTC)).total_seconds()
    stopped = threading.Event()

    def work() -> None:
        try:
            trade_until(stopped, account_name=desk.account.name, say=lambda _: None)
        finally:
            connections.close_all()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        wake()
        thread.join(LONGEST)
        assert not thread.is_alive()


def soon(holds: Callable[[], bool]) -> bool:
    """Whether it becomes true before one has waited long enough."""
    began = time.monotonic()
    while not holds():
        if time.monotonic() - began > LONGEST:
            return False
        time.sleep(0.05)
    return True


def test_the_trader_hears_order_updates_for_as_long_as_it_runs(account: Account, settings: Any) -> None:
    settings.ORDER_UPDATES = {project.BROKER: f"{__name__}.Updates"}
    redis, stopped = Redis.from_url(project.WAKE_URL), threading.Event()
    redis.delete(WAKE_KEY)

    def hear(_: str) -> None:
        assert Updates.heard.wait(LONGEST)
        assert not Updates.ended.is_set()
        Updates.hint("an order has changed")
        stopped.set()

    with Elsewhere(lead(account.pk, owner="elsewhere")):  # who stands by takes no wake away
        trade_until(stopped, account_name=account.name, say=hear)

    assert redis.llen(WAKE_KEY) == 1
    assert Updates.ended.wait(LONGEST)
    redis.delete(WAKE_KEY)


def test_the_trader_trips_breakers(
    desk: Desk, scripted: ScriptedMarket, make_strategy: Make, later: Any, settings: Any
) -> None:
    make_strategy()
    run_queue(desk)
    RiskLimits.objects.create(account=desk.account, changed_by="test", **WIDE, daily_loss=Decimal(2_000))
    desk = later(desk, timedelta(minutes=5))
    scripted.quote(option(1000), "36.00", "36.10", at=desk.as_of)
    scripted.quote(option(1050), "19.95", "20.05", at=desk.as_of)

    with at_work(desk, scripted, settings):
        assert soon(lambda: standing(desk.account.pk).state == "REDUCE_ONLY")

    assert Alert.objects.get().code == "DAILY_LOSS"


def test_the_trader_opens_exits_that_are_due_and_drives_them(
    desk: Desk, scripted: ScriptedMarket, make_strategy: Make, later: Any, settings: Any
) -> None:
    make_strategy(levels={"time_exit_dte": 25})
    run_queue(desk)
    assert Position.objects.exclude(quantity=0).count() == 2

    with at_work(later(desk, timedelta(minutes=5)), scripted, settings):
        assert soon(lambda: ExecutionRun.objects.filter(purpose="exit", state="complete").exists())

    assert ExecutionRun.objects.get(purpose="exit").reason_code == "TIME_EXIT"
    assert not Position.objects.exclude(quantity=0).exists()


def test_a_pass_compares_the_books_before_it_claims(desk: Desk, make_strategy: Make) -> None:
    strategy = make_strategy()

    with trading(desk) as leader:
        began = ReconcileReport.objects.count()
        one_pass(leader)

    assert (began, ReconcileReport.objects.count()) == (0, 1)
    assert ExecutionRun.objects.get().strategy == strategy


class Unreadable(Spy):
    """A broker whose order book cannot be read."""

    def _hear(self) -> NoReturn:
        raise ReadFailed(SAID)


def test_the_queue_is_refused_while_the_books_cannot_be_compared(desk: Desk, make_strategy: Make) -> None:
    strategy = make_strategy()
    spy = Unreadable(desk.broker)

    with pytest.raises(ExecutionDenied, match="BROKER_HEALTH"):
        run_queue(replace(desk, broker=spy))

    strategy.refresh_from_db()
    assert (strategy.execution_status, strategy.marked_for_execution) == ("marked", True)
    assert (spy.placed, ExecutionRun.objects.count()) == ([], 0)


@pytest.fixture
def waiting(desk: Desk, make_strategy: Make) -> OptionStrategy:
    """A marked strategy behind three exits that lost money: the spread, and charges."""
    for _ in range(3):
        make_strategy(levels={"time_exit_dte": 25})
        run_queue(desk)
        monitor(desk)
    return make_strategy()


def test_the_queue_is_refused_during_a_pause(desk: Desk, waiting: OptionStrategy) -> None:
    runs = ExecutionRun.objects.count()

    with pytest.raises(ExecutionDenied, match="LOSING_STREAK"):
        run_queue(desk)

    waiting.refresh_from_db()
    assert (waiting.execution_status, ExecutionRun.objects.count()) == ("marked", runs)


def test_the_trader_claims_nothing_during_a_pause(desk: Desk, waiting: OptionStrategy) -> None:
    runs = ExecutionRun.objects.count()

    with trading(desk) as leader:
        one_pass(leader)
        assert leader.not_now() is None

    waiting.refresh_from_db()
    assert (waiting.execution_status, ExecutionRun.objects.count()) == ("marked", runs)
    assert Alert.objects.get(code="LOSING_STREAK").level == "WARNING"


@pytest.mark.parametrize("seconds", [0.0, 0.2])
def test_a_redis_that_hangs_holds_the_trader_up_no_longer_than_its_patience(settings: Any, seconds: float) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes the connection and never answers
        settings.WAKE_URL = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        began = time.monotonic()

        _wait(threading.Event(), seconds or 0.01)

        assert time.monotonic() - began < seconds + 1.5
