"""The access token in the database: encrypted, refreshed once in two minutes, re-encrypted, never shown."""

import asyncio
import base64
import io
import json
import logging
from datetime import UTC, datetime, timedelta

import pytest
from asgiref.sync import sync_to_async
from cryptography.fernet import Fernet
from django.core.management import CommandError, call_command
from django.db import connection, connections

from allocation.models import Account
from execution.brokers import build_broker
from execution.clock import SystemClock
from execution.errors import AuthExpired, ExecutionDenied, RateLimited
from execution.models import BrokerAccess
from execution.ports import OrderStatus
from execution.services.access import (
    build_dhan_broker,
    build_order_updates,
    build_simulator_broker,
    current_credential,
    refresh_token,
    rotate_keys,
    store_token,
)
from tests.factories import AccountFactory
from tests.unit.execution.dhan.scripted import reply, scripted_server
from tests.unit.execution.dhan.sockets import running, says, scripted_sockets, until

NOW = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)
SECRET = base64.b32encode(b"12345678901234567890").decode()
pytestmark = pytest.mark.django_db


def jwt(word, *, hours=24):
    exp = int((NOW + timedelta(hours=hours)).timestamp())
    payload = base64.urlsafe_b64encode(json.dumps({"exp": exp, "w": word}).encode()).rstrip(b"=").decode()
    return f"eyJhbGciOiJIUzUxMiJ9.{payload}.{word}-signature"


@pytest.fixture(autouse=True)
def _configured(settings):
    settings.DHAN_CLIENT_ID = "1100000001"
    settings.DHAN_ACCESS_TOKEN = ""
    settings.DHAN_PIN = "123456"
    settings.DHAN_TOTP_SECRET = SECRET
    settings.ENCRYPTION_KEYS = [Fernet.generate_key().decode()]


def test_without_a_token_every_use_is_refused():
    with pytest.raises(AuthExpired) as caught:
        current_credential()

    assert caught.value.reason.code == "NO_TOKEN"


def test_a_stored_token_is_encrypted_and_comes_back():
    store_token(jwt("first"))
    who = current_credential()

    row = BrokerAccess.objects.get()
    assert who.access_token == jwt("first")
    assert (who.generation, who.expires_at) == (1, NOW + timedelta(hours=24))
    assert b"first" not in bytes(row.token_encrypted)
    assert jwt("first").encode() not in bytes(row.token_encrypted)
    assert row.last_four == "ture"


def test_every_new_token_is_a_new_generation():
    for word in ("one", "two", "three"):
        store_token(jwt(word))

    assert (current_credential().generation, BrokerAccess.objects.count()) == (3, 1)


def test_the_token_of_the_settings_wins_only_when_it_lives_longer(settings):
    store_token(jwt("stored", hours=10))
    settings.DHAN_ACCESS_TOKEN = jwt("given", hours=9)
    assert current_credential().access_token == jwt("stored", hours=10)

    settings.DHAN_ACCESS_TOKEN = jwt("given", hours=11)
    assert (current_credential().access_token, current_credential().generation) == (jwt("given", hours=11), 0)


def test_a_refresh_asks_the_login_host_once_and_keeps_the_token(settings):
    with scripted_server(reply(200, {"accessToken": jwt("fresh")})) as server:
        settings.DHAN_AUTH_URL = f"http://127.0.0.1:{server.port}"
        refresh_token(now=NOW)

    (seen,) = server.seen
    assert seen.method == "POST"
    assert seen.path.startswith("/app/generateAccessToken?dhanClientId=1100000001&pin=123456&totp=")
    assert current_credential().access_token == jwt("fresh")


def test_fm_A14_a_refresh_is_tried_once_in_two_minutes_whatever_came_of_it(settings):
    with scripted_server(reply(200, {"message": "Invalid TOTP"}), reply(200, {"accessToken": jwt("late")})) as server:
        settings.DHAN_AUTH_URL = f"http://127.0.0.1:{server.port}"
        with pytest.raises(AuthExpired):
            refresh_token(now=NOW)
        with pytest.raises(RateLimited):
            refresh_token(now=NOW + timedelta(seconds=119))
        assert len(server.seen) == 1
        refresh_token(now=NOW + timedelta(seconds=120))

    assert current_credential().access_token == jwt("late")


def test_without_a_key_nothing_is_fetched_and_nothing_stored(settings):
    settings.ENCRYPTION_KEYS = []
    with scripted_server(reply(200, {"accessToken": jwt("lost")})) as server:
        settings.DHAN_AUTH_URL = f"http://127.0.0.1:{server.port}"
        with pytest.raises(AuthExpired) as caught:
            refresh_token(now=NOW)
        with pytest.raises(AuthExpired):
            store_token(jwt("lost"))

    assert caught.value.reason.code == "NO_KEY"
    assert (server.seen, BrokerAccess.objects.count()) == ([], 0)


def test_rotation_moves_every_token_to_the_first_key(settings):
    (old,) = settings.ENCRYPTION_KEYS
    store_token(jwt("kept"))
    new = Fernet.generate_key().decode()

    settings.ENCRYPTION_KEYS = [new, old]
    assert rotate_keys() == 1

    settings.ENCRYPTION_KEYS = [new]
    assert current_credential().access_token == jwt("kept")
    settings.ENCRYPTION_KEYS = [old]
    with pytest.raises(AuthExpired) as caught:
        current_credential()
    assert caught.value.reason.code == "TOKEN_UNREADABLE"


def test_a_key_that_is_none_is_refused(settings):
    settings.ENCRYPTION_KEYS = ["not a key"]

    with pytest.raises(AuthExpired) as caught:
        store_token(jwt("x"))

    assert caught.value.reason.code == "BAD_KEY"


def test_fm_F13_no_command_no_log_and_no_table_shows_a_token(settings, monkeypatch, capsys, caplog):
    caplog.set_level(logging.DEBUG)
    canary = jwt("CANARY")
    with scripted_server(reply(500, {"message": f"echo {canary}"})) as server:
        settings.DHAN_AUTH_URL = f"http://127.0.0.1:{server.port}"
        monkeypatch.setattr("sys.stdin", io.StringIO(canary + "\n"))
        call_command("dhan_token", "set")
        call_command("dhan_token", "status")
        call_command("dhan_token", "status", "--json")
        call_command("dhan_token", "rotate")
        with pytest.raises(CommandError) as caught:
            call_command("dhan_token", "refresh")

    printed = capsys.readouterr()
    said = printed.out + printed.err + caplog.text + str(caught.value) + repr(caught.value.__cause__)
    with connection.cursor() as cursor:
        cursor.execute("SELECT broker_access::text FROM broker_access")
        stored = str(cursor.fetchall())
    assert "…ture" in printed.out
    for secret in (canary, "CANARY", "123456&totp", SECRET, base64.b64encode(canary.encode()).decode()):
        assert secret not in said
        assert secret not in stored


def test_the_command_prints_json(capsys, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO(jwt("x") + "\n"))
    call_command("dhan_token", "set", "--json")

    said = json.loads(capsys.readouterr().out)
    assert (said["client_id"], said["last_four"], said["generation"]) == ("1100000001", "ture", 1)


def test_fm_A21_a_paper_process_cannot_build_a_live_broker(settings):
    settings.TRADING_MODE = "paper"

    with pytest.raises(ExecutionDenied) as caught:
        build_dhan_broker(account=AccountFactory(), market=None, clock=SystemClock())

    assert caught.value.reason.code == "NOT_ARMED"


def test_fm_A21_a_live_process_talks_to_dhan_s_own_host_only(settings):
    settings.TRADING_MODE = "live"
    settings.DHAN_BASE_URL = "http://127.0.0.1:8001/v2"

    with pytest.raises(ExecutionDenied) as caught:
        build_dhan_broker(account=AccountFactory(), market=None, clock=SystemClock())

    assert caught.value.reason.code == "WRONG_ADDRESS"


def test_fm_A21_the_simulator_cannot_be_dhan(settings):
    settings.DHAN_BASE_URL = "https://api.dhan.co/v2"

    with pytest.raises(ExecutionDenied) as caught:
        build_simulator_broker(account=AccountFactory(), market=None, clock=SystemClock())

    assert caught.value.reason.code == "WRONG_ADDRESS"


def test_the_simulator_is_paper_and_dhan_is_live(settings):
    settings.DHAN_BASE_URL = "http://127.0.0.1:8001/v2"
    paper = AccountFactory(mode=Account.Mode.PAPER)
    practice = build_simulator_broker(account=paper, market=None, clock=SystemClock())
    settings.TRADING_MODE, settings.DHAN_BASE_URL = "live", "https://api.dhan.co/v2"
    live = build_dhan_broker(account=paper, market=None, clock=SystemClock())

    assert (practice.name, practice.mode) == ("simulator", "paper")
    assert (live.name, live.mode) == ("dhan", "live")


def test_settings_name_the_builders(settings):
    settings.DHAN_BASE_URL = "http://127.0.0.1:8001/v2"

    broker = build_broker(account=AccountFactory(), market=None, clock=SystemClock(), name="simulator")

    assert broker.name == "simulator"


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_the_socket_is_built_with_the_stored_token(settings):
    store_token(jwt("stored"))
    alert = {"Type": "order_alert", "Data": {"orderNo": "7", "status": "Traded"}}
    hints, connected = [], []

    async def play():
        async with scripted_sockets(says(json.dumps(alert))) as server:
            settings.DHAN_ORDER_UPDATE_URL = server.url
            updates = build_order_updates(on_hint=hints.append, on_connected=lambda: connected.append(True))
            async with running(updates):
                await until(lambda: hints)
            await sync_to_async(connections.close_all)()
        return server

    server = asyncio.run(play())
    assert json.loads(server.heard_by[0][0])["LoginReq"]["Token"] == jwt("stored")
    assert [(hint.order_id, hint.status) for hint in hints] == [("7", OrderStatus.TRADED)]
    assert connected == [True]
