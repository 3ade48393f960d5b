"""The trader: one leader, woken by Redis, patient while the market is closed."""

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
import time_machine
from django.conf import settings as project
from redis import Redis

from allocation.models import Account
from execution.errors import OutcomeUnknown
from execution.models import ExecutionRun, LegOrder, PaperOrder, TraderLease
from execution.services.leadership import lead
from execution.services.preparation import Desk
from execution.services.trader import WAKE_KEY, one_pass, trade_until, wake
from execution.services.trading import Trading, trading
from strategies.models import OptionStrategy
from tests.elsewhere import Elsewhere
from tests.integration.execution.desks import SAID, answering, watched

SATURDAY = "2026-01-31T10:00:00+05:30"


def listen(stopped: threading.Event, *, until: int) -> tuple[list[str], Callable[[str], None]]:
    """What is said, and an ear that ends the trading after so many sentences."""
    said: list[str] = []

    def hear(sentence: str) -> None:
        said.append(sentence)
        if len(said) >= until:
            stopped.set()

    return said, hear


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_a_second_trader_stands_by_and_says_so(account: Account) -> None:
    stopped = threading.Event()
    said, hear = listen(stopped, until=1)

    with Elsewhere(lead(account.pk, owner="elsewhere")):
        trade_until(stopped, account_name=account.name, say=hear)

    assert said == [
        f"Standing by. NOT_LEADER: elsewhere leads account {account.pk}. Stop it first, or wait: one leads."
    ]
    assert TraderLease.objects.get().epoch == 1


@pytest.mark.django_db
def test_a_closed_market_is_said_once_and_waited_for(account: Account) -> None:
    stopped = threading.Event()
    said, hear = listen(stopped, until=2)

    with time_machine.travel(SATURDAY, tick=True):
        trade_until(stopped, account_name=account.name, say=hear)

    assert said[0] == "Trader is leading. Ctrl-C stops it."
    assert said[1].startswith("MARKET_CLOSED")
    assert len(said) == 2


@pytest.mark.django_db
def test_a_wake_is_heard_at_once(account: Account) -> None:
    Redis.from_url(project.WAKE_URL).delete(WAKE_KEY)
    stopped = threading.Event()
    _, hear = listen(stopped, until=2)
    wake()

    started = time.monotonic()
    with time_machine.travel(SATURDAY, tick=True):
        trade_until(stopped, account_name=account.name, say=hear)

    assert time.monotonic() - started < 2.0
    assert Redis.from_url(project.WAKE_URL).llen(WAKE_KEY) == 0


@pytest.mark.django_db
def test_fm_C8_C9_without_redis_waking_is_only_a_warning(settings: Any, caplog: pytest.LogCaptureFixture) -> None:
    settings.WAKE_URL = "unix:///nowhere/redis.sock?db=4"

    wake()

    assert "could not be woken" in caplog.text


def test_fm_C8_the_first_pass_compares_the_books_and_begins_the_next_of_the_queue(
    desk: Desk, make_strategy: Callable[..., OptionStrategy]
) -> None:
    second, first = make_strategy(priority=1), make_strategy(priority=9)

    with trading(desk) as leader:
        for _ in range(20):
            one_pass(leader)
            desk.clock.sleep(0.25)

    runs = ExecutionRun.objects.order_by("id").values_list("strategy_id", "state")
    assert list(runs) == [(first.pk, "complete"), (second.pk, "complete")]
    assert PaperOrder.objects.count() == 4


def passes(leader: Trading, desk: Desk, seconds: float) -> None:
    """The trader's loop for so long by the desk's clock."""
    for _ in range(int(seconds / 0.5)):
        one_pass(leader)
        desk.clock.sleep(0.5)


def test_a_broker_that_cannot_be_read_burns_nothing_of_the_queue(
    desk: Desk, make_strategy: Callable[..., OptionStrategy]
) -> None:
    for priority in (9, 7, 5, 3, 1):
        make_strategy(priority=priority)
    desk, spy = watched(desk, deaf=True)  # reads fail once an order was placed

    with trading(desk) as leader:
        passes(leader, desk, 30)

    unsent = ExecutionRun.objects.filter(orders=None)
    assert spy.placed
    assert set(unsent.values_list("state", flat=True)) == {"precheck"}
    assert not OptionStrategy.objects.filter(execution_status="failed").exists()
    assert OptionStrategy.objects.get(execution_priority=1).execution_status == "marked"


def test_what_was_claimed_waits_while_the_outcome_of_another_order_is_unknown(
    desk: Desk, make_strategy: Callable[..., OptionStrategy]
) -> None:
    make_strategy(priority=9)
    claimed = make_strategy(priority=1)
    lost = answering(desk, OutcomeUnknown(SAID))

    with trading(lost) as leader:
        passes(leader, desk, 20)
        during = LegOrder.objects.filter(run__strategy=claimed).count()
        passes(leader, desk, 60)  # over the quarantine: looked up and not found

    assert during == 0
    assert ExecutionRun.objects.get(strategy=claimed).state == "complete"


def test_what_never_passes_denies_after_all(desk: Desk, make_strategy: Callable[..., OptionStrategy]) -> None:
    for priority in (9, 7, 5):
        make_strategy(priority=priority)
    desk, _ = watched(desk, deaf=True)

    with trading(desk) as leader:
        passes(leader, desk, 60)

    (denied,) = ExecutionRun.objects.filter(orders=None)
    assert (denied.state, denied.reason_code) == ("denied", "BREAKER_OPEN")
