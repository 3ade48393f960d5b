"""The trader: one leader, woken by Redis, patient while the market is closed."""

import threading
import time

import psycopg
import pytest
import time_machine
from django.conf import settings
from django.db import connection
from redis import Redis

from execution.errors import ExecutionDenied
from execution.services.trader import LEADER_LOCK, WAKE_KEY, leadership, trade_until, wake


def second_session():
    parameters = connection.get_connection_params()
    return psycopg.connect(**{key: parameters[key] for key in ("host", "dbname", "user") if key in parameters})


@pytest.mark.django_db
def test_a_second_trader_is_refused_and_says_so():
    with second_session() as other:
        other.execute("SELECT pg_advisory_lock(%s)", [LEADER_LOCK])

        with pytest.raises(ExecutionDenied) as denied, leadership():
            pass

    assert denied.value.reason.code == "NOT_LEADER"


@pytest.mark.django_db
def test_leadership_ends_with_its_block():
    with leadership():
        pass

    with second_session() as other:
        assert other.execute("SELECT pg_try_advisory_lock(%s)", [LEADER_LOCK]).fetchone() == (True,)


@pytest.mark.django_db
def test_a_closed_market_is_said_once_and_waited_for():
    said, stopped = [], threading.Event()

    def hear(sentence):
        said.append(sentence)
        stopped.set()

    with time_machine.travel("2026-01-31T10:00:00+05:30", tick=True):
        trade_until(stopped, account_name=None, say=hear)

    assert len(said) == 1
    assert said[0].startswith("MARKET_CLOSED")


@pytest.mark.django_db
def test_a_wake_is_heard_at_once():
    Redis.from_url(settings.WAKE_URL).delete(WAKE_KEY)
    stopped = threading.Event()
    wake()
    rounds = []

    def hear(sentence):
        rounds.append(time.monotonic())
        threading.Timer(0.0, stopped.set).start()

    started = time.monotonic()
    with time_machine.travel("2026-01-31T10:00:00+05:30", tick=True):
        trade_until(stopped, account_name=None, say=hear)

    assert time.monotonic() - started < 1.5
    assert Redis.from_url(settings.WAKE_URL).llen(WAKE_KEY) == 0


@pytest.mark.django_db
def test_without_redis_waking_is_only_a_warning(settings, caplog):
    settings.WAKE_URL = "unix:///nowhere/redis.sock?db=4"

    wake()

    assert "could not be woken" in caplog.text
