"""Order updates over the WebSocket, through the whole ASGI stack and real Redis."""

import json
import socket
import time

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from asgiref.testing import ApplicationCommunicator
from django.contrib.auth.models import User
from django.test import Client

from execution.models import LegOrder
from execution.services.announce import order_changed

# channels closes connections that are inside a transaction, so these tests commit.
pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)

ADDRESS = "/ws/orders/"
UPDATE = {"id": 7, "run": 3, "symbol": "NIFTY 25000 CE", "side": "BUY", "quantity": 75, "filled_quantity": 50}


@pytest.fixture
def cookie(client: Client):
    client.force_login(User.objects.create_user("desk"))
    return client.cookies["sessionid"].value


@pytest.fixture
def order():
    return LegOrder(
        pk=7, run_id=3, symbol="NIFTY 25000 CE", side="BUY", quantity=75, filled_quantity=50, state=LegOrder.State.PART
    )


class Socket(ApplicationCommunicator):
    """A browser's end of a WebSocket (channels' own test client would need daphne)."""

    async def connect(self):
        await self.send_input({"type": "websocket.connect"})
        answer = await self.receive_output(5)
        return answer["type"] == "websocket.accept", answer.get("code")

    async def say(self, **content):
        await self.send_input({"type": "websocket.receive", **content})

    async def hear(self):
        return (await self.receive_output(5))["text"]

    async def leave(self):
        await self.send_input({"type": "websocket.disconnect", "code": 1000})
        await self.wait(5)


def socket_of(cookie="", origin="http://localhost"):
    from optionsv4.asgi import application

    headers = [(b"host", b"localhost"), (b"origin", origin.encode()), (b"cookie", f"sessionid={cookie}".encode())]
    scope = {"type": "websocket", "path": ADDRESS, "query_string": b"", "headers": headers, "subprotocols": []}
    return Socket(application, scope)


def test_an_update_arrives_after_commit_in_a_stable_shape(cookie, order):
    async def listen():
        page = socket_of(cookie)
        assert await page.connect() == (True, None)
        await sync_to_async(order_changed)(order)
        text = await page.hear()
        await page.leave()
        return text

    assert json.loads(async_to_sync(listen)()) == {"type": "order", "order": UPDATE | {"state": "part"}}


def test_every_page_gets_the_update(cookie, order):
    async def listen():
        pages = [socket_of(cookie) for _ in range(3)]
        for page in pages:
            await page.connect()
        await sync_to_async(order_changed)(order)
        heard = [await page.hear() for page in pages]
        for page in pages:
            await page.leave()
        return heard

    assert len(async_to_sync(listen)()) == 3


@pytest.mark.parametrize("cookie", ["", "nonsense"])
def test_fm_F8_strangers_are_turned_away(cookie):
    async def knock():
        return await socket_of(cookie).connect()

    assert async_to_sync(knock)() == (False, 4401)


def test_fm_F8_a_foreign_origin_is_refused_even_with_a_session(cookie):
    async def knock():
        return await socket_of(cookie, origin="https://evil.example").connect()

    connected, code = async_to_sync(knock)()
    assert not connected
    assert code != 4401


@pytest.mark.parametrize("words", ["", "{", '{"type": "order_update"}', "x" * 10_000])
def test_what_a_browser_says_is_ignored(cookie, words):
    async def talk():
        page = socket_of(cookie)
        await page.connect()
        await page.say(text=words)
        await page.say(bytes=b"\x00\xff")
        silent = await page.receive_nothing(0.1)
        await page.leave()
        return silent

    assert async_to_sync(talk)()


def levels_told(caplog, seconds=5.0):
    """The levels of what was said of lost hints, once anything was: another thread says it."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if found := [record.levelname for record in caplog.records if "not announced" in record.message]:
            return found
        time.sleep(0.01)
    return []


def test_fm_C9_C10_a_dead_redis_costs_a_warning_and_nothing_else(order, settings, caplog):
    settings.CHANNEL_LAYERS = {
        "default": {
            "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
            "CONFIG": {"hosts": ["unix:///nowhere/redis.sock"]},
        }
    }

    order_changed(order)

    assert levels_told(caplog) == ["WARNING"]


def test_whoever_trades_does_not_wait_for_a_redis_that_hangs(order, settings, caplog):
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes the connection and never answers
        settings.CHANNEL_LAYERS = {
            "default": {
                "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
                "CONFIG": {"hosts": [f"redis://127.0.0.1:{silent.getsockname()[1]}/0"]},
            }
        }
        began = time.monotonic()

        order_changed(order)

        assert time.monotonic() - began < 0.5
        assert levels_told(caplog) == ["WARNING"]


def test_updates_arrive_in_the_order_of_the_changes(cookie, order):
    async def listen():
        page = socket_of(cookie)
        await page.connect()
        for filled in range(1, 31):
            order.filled_quantity = filled
            await sync_to_async(order_changed)(order)
        heard = [json.loads(await page.hear())["order"]["filled_quantity"] for _ in range(30)]
        await page.leave()
        return heard

    assert async_to_sync(listen)() == list(range(1, 31))
