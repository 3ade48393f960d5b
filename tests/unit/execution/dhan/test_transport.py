"""One wire request per attempt, one deadline around it, and a clear word on how far it came."""

import socket
import time

import pytest

from execution.brokers.dhan.token import Credential
from execution.brokers.dhan.transport import BOUNDS, Bounds, Calls, Wire
from execution.errors import ExecutionDenied, NotSent, OutcomeUnknown, ReadFailed
from market.errors import Reason
from tests.unit.execution.dhan.scripted import drip, part_then_close, reply, reset, scripted_server, silence

WHO = Credential("1100000001", "header.payload.signature")


def calls(url, *, writes=True, gate=lambda: None, wire=None):
    return Calls(wire or Wire(url), lambda: WHO, writes=writes, gate=gate)


def test_a_post_carries_what_the_package_adds():
    with scripted_server(reply(200, {"orderId": "1"})) as server:
        answer = calls(server.url).post("/orders", {"quantity": 65})

    (seen,) = server.seen
    assert (answer.status, answer.body) == (200, b'{"orderId": "1"}')
    assert (seen.method, seen.path) == ("POST", "/v2/orders")
    assert seen.json == {"quantity": 65, "dhanClientId": "1100000001"}
    assert seen.headers["access-token"] == "header.payload.signature"
    assert seen.headers["client-id"] == "1100000001"
    assert seen.headers["content-type"] == "application/json"


def test_an_empty_payload_is_an_empty_body_and_a_get_has_none():
    with scripted_server(reply(200, {}), reply(200, [])) as server:
        one = calls(server.url)
        one.post("/killswitch?killSwitchStatus=ACTIVATE", {})
        one.get("/orders")

    assert (server.seen[0].body, server.seen[0].headers["content-length"]) == (b"", "0")
    assert "content-length" not in server.seen[1].headers


def test_fm_A4_status_body_and_pause_are_kept_as_they_came():
    with scripted_server(reply(503, b"<html>no</html>", Retry_After="9")) as server:
        answer = calls(server.url).get("/orders")

    assert (answer.status, answer.body, answer.retry_after) == (503, b"<html>no</html>", "9")


def test_fm_A6_a_refused_connection_is_provably_not_sent():
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    gates = []

    with pytest.raises(NotSent) as caught:
        calls(f"http://127.0.0.1:{port}/v2", gate=lambda: gates.append(1)).post("/orders", {"a": 1})

    assert caught.value.reason.code == "NOT_SENT"
    assert gates == []
    with pytest.raises(ReadFailed):
        calls(f"http://127.0.0.1:{port}/v2", writes=False).get("/orders")


@pytest.mark.parametrize("step", [reset, part_then_close(b""), part_then_close(b"HTTP/1.1 200 OK\r\nContent-Le")])
def test_fm_A2_A6_a_connection_that_ends_without_an_answer_is_unknown(step):
    with scripted_server(step) as server, pytest.raises(OutcomeUnknown):
        calls(server.url).post("/orders", {"a": 1})

    assert len(server.seen) == 1


def test_fm_A6_a_body_cut_short_is_unknown():
    half = part_then_close(b"HTTP/1.1 200 X\r\nContent-Length: 99\r\n\r\n{}")
    with scripted_server(half) as server, pytest.raises(OutcomeUnknown):
        calls(server.url).post("/orders", {"a": 1})


def test_fm_A6_A7_a_kept_connection_that_died_is_unknown_and_not_tried_again():
    with scripted_server(reply(200, {}), reset, reply(200, {})) as server:
        wire = Wire(server.url)
        calls(server.url, wire=wire).post("/orders", {"n": 1})
        with pytest.raises(OutcomeUnknown):
            calls(server.url, wire=wire).post("/orders", {"n": 2})

    assert [seen.json["n"] for seen in server.seen] == [1, 2]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_fm_A7_a_redirect_is_not_followed(status):
    with scripted_server() as other, scripted_server() as server:
        server.then(reply(status, b"", Location=other.url + "/orders"))
        answer = calls(server.url).post("/orders", {"a": 1})

    assert answer.status == status
    assert (len(server.seen), len(other.seen)) == (1, 0)


def test_fm_A7_no_proxy_of_the_environment_is_used(monkeypatch):
    with scripted_server() as proxy, scripted_server(reply(200, [])) as server:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "HTTPS_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        calls(server.url).get("/orders")

    assert (len(server.seen), len(proxy.seen)) == (1, 0)


WHOLE = b'HTTP/1.1 200 X\r\nContent-Length: 40\r\n\r\n{"orderId":"1","orderStatus":"TRANSIT"}   '


@pytest.mark.parametrize("step", [drip(WHOLE, every=0.05), silence(3.0), drip(WHOLE[-60:-20] * 50, every=0.05)])
def test_fm_A8_the_deadline_holds_however_slowly_bytes_come(step):
    tries = (seconds_until_cut_off(step) for _ in range(8))

    took = next((seconds for seconds in tries if seconds <= 0.7), None)  # a busy machine may be late, but not always

    assert took is not None
    assert took >= 0.35


def seconds_until_cut_off(step):
    """How long one write with 0.4 seconds to live takes."""
    with scripted_server(step) as server:
        call = calls(server.url, wire=Wire(server.url, bounds=Bounds(write_seconds=0.4)))
        started = time.monotonic()
        with pytest.raises(OutcomeUnknown):
            call.post("/orders", {"a": 1})
        return time.monotonic() - started


def test_fm_A8_reads_have_a_deadline_of_their_own():
    assert (BOUNDS.write_seconds, BOUNDS.read_seconds) == (8.0, 5.0)


def test_fm_C5_the_gate_is_asked_last_and_its_no_sends_nothing():
    def closed():
        raise NotSent(Reason("SEND_DEADLINE", "too late"))

    with scripted_server(reply(200, {})) as server:
        wire = Wire(server.url)
        with pytest.raises(NotSent) as caught:
            calls(server.url, wire=wire, gate=closed).post("/orders", {"a": 1})
        time.sleep(0.05)
        assert server.seen == []
        calls(server.url, wire=wire).post("/orders", {"a": 2})

    assert caught.value.reason.code == "SEND_DEADLINE"
    assert [seen.json["a"] for seen in server.seen] == [2]


def test_stages_are_told_in_order():
    stages = []
    with scripted_server(reply(200, {})) as server:
        wire = Wire(server.url, on_stage=stages.append)
        calls(server.url, wire=wire, gate=lambda: stages.append("gate")).post("/orders", {"a": 1})

    assert stages == ["connected", "gate", "sent", "answered"]


def test_an_answer_without_end_is_cut():
    with scripted_server(reply(200, b"x" * 5_000)) as server, pytest.raises(ReadFailed):
        small = Wire(server.url, bounds=Bounds(largest_answer=1_000))
        calls(server.url, writes=False, wire=small).get("/orders")


def test_fm_A11_what_is_no_json_never_leaves():
    with scripted_server(reply(200, {})) as server:
        for wrong in (float("nan"), object()):
            with pytest.raises(NotSent):
                calls(server.url).post("/orders", {"price": wrong})

    assert server.seen == []


@pytest.mark.parametrize(
    "url",
    [
        "http://api.dhan.co/v2",
        "https://example.com/v2",
        "https://api.dhan.co.example.com/v2",
        "https://api.dhan.co@example.com/v2",
        "https://user:pw@api.dhan.co/v2",
        "https://api.dhan.co:8443/v2",
        "http://10.0.0.7/v2",
        "http://127.0.0.1.example.com",
        "ftp://127.0.0.1/",
        "",
    ],
)
def test_fm_A21_no_other_host_is_ever_reached(url):
    with pytest.raises(ExecutionDenied) as caught:
        Wire(url)

    assert caught.value.reason.code == "WRONG_ADDRESS"


def test_fm_A21_dhan_s_own_host_and_this_machine_are_legal():
    for url in ("https://api.dhan.co/v2", "http://127.0.0.1:8001/v2", "http://localhost:1/v2", "http://[::1]:1/v2"):
        Wire(url).close()
