"""The order-update socket under every way a line can fail."""

import asyncio
import json
import logging

import pytest

from execution.brokers.dhan.mapping import OrderHint
from execution.brokers.dhan.order_updates import supervised_order_updates
from execution.brokers.dhan.supervision import LARGEST_FRAME, Pauses, Surroundings
from execution.errors import AuthExpired, ExecutionDenied, NotSent
from execution.ports import OrderStatus
from market.errors import Reason
from tests.unit.execution.dhan.sockets import (
    FAST,
    Slept,
    Tokens,
    aborts,
    closes,
    running,
    says,
    scripted_sockets,
    until,
)

CAMEL = json.dumps(
    {"Data": {"orderNo": "77", "status": "Traded", "tradedQty": 65, "correlationId": "P1-a"}, "Type": "order_alert"}
)
PASCAL = json.dumps(
    {"Data": {"OrderNo": "78", "Status": "PENDING", "TradedQty": 0, "CorrelationId": "P1-b"}, "Type": "order_alert"}
)


class Heard:
    def __init__(self):
        self.hints, self.connections = [], 0

    def hint(self, hint):
        self.hints.append(hint)

    def connected(self):
        self.connections += 1


def updates(url, heard, tokens=None, *, pauses=FAST, around=None, silence=60.0):
    return supervised_order_updates(
        url,
        tokens or Tokens(),
        on_hint=heard.hint,
        on_connected=heard.connected,
        silence_seconds=silence,
        pauses=pauses,
        around=around,
    )


def test_fm_A19_both_casings_are_heard_after_the_login():
    async def play():
        heard = Heard()
        async with scripted_sockets(says(CAMEL, PASCAL)) as server, running(updates(server.url, heard)):
            await until(lambda: len(heard.hints) == 2)
        return server, heard

    server, heard = asyncio.run(play())
    assert json.loads(server.heard[0]) == {
        "LoginReq": {"MsgCode": 42, "ClientId": "1100000001", "Token": "CANARY-token-1"},
        "UserType": "SELF",
    }
    assert heard.connections == 1
    assert heard.hints == [
        OrderHint("77", "P1-a", OrderStatus.TRADED, 65),
        OrderHint("78", "P1-b", OrderStatus.PENDING, 0),
    ]


def test_fm_B4_B12_every_end_is_followed_by_another_connection_and_a_look():
    async def play():
        heard = Heard()
        scripts = [closes(), closes(1011, "keepalive"), aborts, 503, closes(1000), says(CAMEL)]
        async with scripted_sockets(*scripts) as server, running(updates(server.url, heard)):
            await until(lambda: heard.hints)
        return server, heard

    server, heard = asyncio.run(play())
    assert len(server.paths) == 6
    assert heard.connections == 5  # the 503 opened nothing


def test_fm_B12_it_tries_for_ever_and_never_waits_longer_than_half_a_minute():
    async def play():
        heard, slept = Heard(), Slept()
        async with (
            scripted_sockets(*[503] * 40, says(CAMEL)) as server,
            running(updates(server.url, heard, pauses=Pauses(), around=slept.around())),
        ):
            await until(lambda: heard.hints, seconds=10)
        return slept.pauses

    pauses = asyncio.run(play())
    assert len(pauses) == 40
    assert pauses[:5] == [1.0, 2.0, 4.0, 8.0, 16.0]
    assert set(pauses[5:]) == {30.0}


def test_jitter_takes_up_to_half_of_a_pause():
    async def play():
        heard, slept = Heard(), Slept()
        async with (
            scripted_sockets(503, says(CAMEL)) as server,
            running(updates(server.url, heard, pauses=Pauses(), around=slept.around(jitter=0.0))),
        ):
            await until(lambda: heard.hints)
        return slept.pauses

    assert asyncio.run(play()) == [0.5]


@pytest.mark.parametrize("refusal", [429, closes(1008, "805 too many connections")])
def test_fm_A5_B13_a_refusal_for_pace_cools_off_for_a_minute(refusal):
    async def play():
        heard, slept = Heard(), Slept()
        async with (
            scripted_sockets(refusal, says(CAMEL)) as server,
            running(updates(server.url, heard, pauses=Pauses(), around=slept.around())),
        ):
            await until(lambda: heard.hints)
        return slept.pauses

    assert asyncio.run(play()) == [60.0]


@pytest.mark.parametrize("refusal", [401, closes(1008, "807 token expired")])
def test_fm_A14_a_dead_token_is_not_tried_again_until_there_is_another(refusal):
    async def play():
        heard, tokens = Heard(), Tokens()
        async with (
            scripted_sockets(refusal) as server,
            running(updates(server.url, heard, tokens, pauses=Pauses(look=0.02, token=60.0, beat=0.01))),
        ):
            await until(lambda: len(server.paths) == 1)
            await asyncio.sleep(0.3)
            tried = len(server.paths)
            tokens.generation = 2
            await until(lambda: len(server.paths) == 2)
            await until(lambda: server.heard and "CANARY-token-2" in server.heard[-1])
        return tried

    assert asyncio.run(play()) == 1


def test_fm_A14_a_refreshed_token_rebuilds_the_socket_at_once():
    async def play():
        heard, tokens = Heard(), Tokens()
        async with scripted_sockets() as server, running(updates(server.url, heard, tokens)):
            await until(lambda: len(server.heard) == 1)
            tokens.generation = 2
            await until(lambda: len(server.heard) == 2)
        return server.heard, heard.connections

    logins, connections = asyncio.run(play())
    assert [json.loads(login)["LoginReq"]["Token"] for login in logins] == ["CANARY-token-1", "CANARY-token-2"]
    assert connections == 2


@pytest.mark.parametrize("error", [AuthExpired(Reason("NO_TOKEN", "none")), NotSent(Reason("TOKEN_UNREADABLE", "db"))])
def test_a_token_that_cannot_be_read_connects_nowhere_and_is_asked_for_again(error):
    async def play():
        heard, tokens = Heard(), Tokens(error=error)
        async with scripted_sockets() as server, running(updates(server.url, heard, tokens)):
            await asyncio.sleep(0.15)
            before = len(server.paths)
            tokens.error = None
            await until(lambda: heard.connections == 1)
        return before

    assert asyncio.run(play()) == 0


JUNK = [
    "",
    "null",
    "[]",
    "{",
    "[" * 50_000,
    b"\x00\xff\xfe",
    "12",
    json.dumps({"Type": "order_alert"}),
    json.dumps({"Type": "order_alert", "Data": []}),
    json.dumps({"Type": "order_alert", "Data": {"orderNo": "../x"}}),
    json.dumps({"Type": "order_alert", "Data": {"orderNo": {"a": 1}}}),
    json.dumps({"Type": "other", "Data": {"orderNo": "1"}}),
    json.dumps({"Type": "order_alert", "Data": {"orderNo": "1", "pad": "x" * 70_000}}),
    "x" * 500_000,
]


def test_fm_B8_malformed_messages_cost_neither_the_connection_nor_the_process():
    async def play():
        heard = Heard()
        async with scripted_sockets(says(*JUNK, CAMEL)) as server, running(updates(server.url, heard)) as task:
            await until(lambda: heard.hints)
            assert not task.done()
        return len(server.paths), heard

    connections, heard = asyncio.run(play())
    assert (connections, len(heard.hints)) == (1, 1)


def test_fm_B8_a_frame_beyond_every_bound_costs_one_connection():
    async def play():
        heard = Heard()
        huge = says("x" * (LARGEST_FRAME + 1))
        async with scripted_sockets(huge, says(CAMEL)) as server, running(updates(server.url, heard)):
            await until(lambda: heard.hints)
        return len(server.paths)

    assert asyncio.run(play()) == 2


def test_fm_B1_a_silent_socket_is_opened_anew():
    async def play():
        heard = Heard()
        async with scripted_sockets() as server, running(updates(server.url, heard, silence=0.1)):
            await until(lambda: heard.connections >= 3)
        return len(server.paths)

    assert asyncio.run(play()) >= 3


def test_fm_F13_no_log_holds_the_token_at_any_level(caplog):
    caplog.set_level(logging.DEBUG)

    async def play():
        heard = Heard()
        scripts = [says(CAMEL, "CANARY", then=closes(1008, "807")), 401, 302, aborts]
        async with scripted_sockets(*scripts) as server, running(updates(server.url, heard)):
            await until(lambda: len(server.paths) >= 3, seconds=5)

    asyncio.run(play())
    ours = [record for record in caplog.records if record.name.startswith(("execution", "websockets.client"))]
    assert [record for record in ours if "order updates" in record.getMessage()]
    assert not [record for record in ours if "CANARY" in record.getMessage() + str(record.exc_info)]


def test_a_redirect_is_not_followed():
    async def play():
        heard = Heard()
        async with scripted_sockets(302, says(CAMEL)) as server, running(updates(server.url, heard)):
            await until(lambda: heard.hints)
        return server.paths

    assert asyncio.run(play()) == ["/", "/"]


def test_fm_A21_a_socket_goes_to_dhan_or_stays_on_this_machine():
    async def play():
        await updates("ws://example.com", Heard(), around=Surroundings()).run()

    with pytest.raises(ExecutionDenied):
        asyncio.run(play())
