"""The real dhanhq 2.3.0 OrderUpdate against the simulated broker (dhan.md sections 3.5 and 7)."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from dhanhq import DhanContext, OrderUpdate, dhanhq

from execution.simulator.book import Listing
from execution.simulator.faults import Call, Fault, Scripted
from execution.simulator.serving import RunningSimulator

Messages = list[dict[str, Any]]


@contextmanager
def listening(
    simulator: RunningSimulator, context: DhanContext, *, logged_in: bool = True
) -> Iterator[tuple[Messages, threading.Thread]]:
    """A client of the package in a thread, as it has no way to stop by itself: the server ends it."""
    client, heard = OrderUpdate(context), Messages()
    client.order_feed_wss = simulator.addresses.updates
    client.on_update = heard.append
    thread = threading.Thread(target=client.connect_to_dhan_websocket_sync, daemon=True)
    thread.start()
    try:
        if logged_in:
            until(lambda: simulator.server.updates.sockets)
        yield heard, thread
    finally:
        simulator.drop_updates()
        thread.join(5)
        assert not thread.is_alive()


def until(satisfied: Callable[[], object], seconds: float = 5.0) -> None:
    """Wait for something to hold."""
    deadline = time.monotonic() + seconds
    while not satisfied():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def buy(api: dhanhq, option: Listing, *, tag: str = "LEG-1", quantity: int = 65) -> str:
    """One lot at once."""
    answer = api.place_order(
        option.security_id, "NSE_FNO", "BUY", quantity, "LIMIT", "MARGIN", 180.0, validity="IOC", tag=tag
    )
    return str(answer["data"]["orderId"])


def statuses(heard: Messages) -> list[str]:
    """In the order of their coming."""
    return [message["Data"]["status"] for message in heard]


def test_an_order_is_told_in_camel_case_with_cumulative_fills(
    simulator: RunningSimulator, api: dhanhq, context: DhanContext, call_option: Listing
) -> None:
    with listening(simulator, context) as (heard, _):
        order_id = buy(api, call_option)
        until(lambda: len(heard) == 3)

    assert {message["Type"] for message in heard} == {"order_alert"}
    assert statuses(heard) == ["Transit", "Pending", "Traded"]
    last = heard[-1]["Data"]
    assert (last["orderNo"], last["correlationId"], last["tradedQty"], last["remainingQuantity"]) == (
        order_id,
        "LEG-1",
        65,
        0,
    )
    assert (last["exchange"], last["segment"], last["txnType"], last["orderType"]) == ("NSE", "D", "B", "LMT")
    assert (last["optType"], last["product"], last["lotSize"]) == ("CE", "M", 65)
    assert last["tradedPrice"] == last["avgTradedPrice"] == api.get_trade_book()["data"][0]["tradedPrice"]


def test_fm_A19_the_documented_casing_is_a_switch(
    simulator: RunningSimulator, api: dhanhq, context: DhanContext, call_option: Listing
) -> None:
    simulator.venue.switches.pascal_updates = True

    with listening(simulator, context) as (heard, _):
        buy(api, call_option)
        until(lambda: len(heard) == 3)

    assert [message["Data"]["Status"] for message in heard] == ["Transit", "Pending", "Traded"]
    assert heard[0]["Data"]["OrderNo"]


def test_a_rejection_carries_its_text(
    simulator: RunningSimulator, api: dhanhq, context: DhanContext, call_option: Listing
) -> None:
    with listening(simulator, context) as (heard, _):
        buy(api, call_option, quantity=64)
        until(lambda: len(heard) == 2)

    assert statuses(heard) == ["Transit", "Rejected"]
    assert "lot size" in heard[-1]["Data"]["reasonDescription"]


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Fault.UPDATE_MISSING, ["Transit", "Traded"]),
        (Fault.UPDATE_DUPLICATE, ["Transit", "Pending", "Pending", "Traded"]),
        (Fault.UPDATE_REORDERED, ["Transit", "Traded", "Pending"]),
        (Fault.UPDATE_UNKNOWN_STATUS, ["Transit", "Inactive", "Traded"]),
        (Fault.UPDATE_FOREIGN_MESSAGE, ["Transit", "Traded"]),  # the package prints it and goes on
        (Fault.SILENT_SOCKET, ["Transit"]),
    ],
)
def test_fm_B1_B2_B3_B4_updates_are_missing_doubled_and_out_of_order(
    simulator: RunningSimulator,
    api: dhanhq,
    context: DhanContext,
    call_option: Listing,
    fault: Fault,
    expected: list[str],
) -> None:
    simulator.plan.add(Scripted(fault, Call.UPDATE, 2, 60.0))

    with listening(simulator, context) as (heard, _):
        order_id = buy(api, call_option)
        until(lambda: api.get_order_by_id(order_id)["data"]["orderStatus"] == "TRADED")
        until(lambda: len(heard) >= len(expected))
        time.sleep(0.1)

    assert statuses(heard) == expected


def test_the_client_ends_with_the_socket_and_nothing_is_replayed(
    simulator: RunningSimulator, api: dhanhq, context: DhanContext, call_option: Listing
) -> None:
    simulator.plan.add(Scripted(Fault.SOCKET_CLOSED, Call.UPDATE, 1))
    with listening(simulator, context) as (heard, thread):
        order_id = buy(api, call_option)
        thread.join(5)

        assert not thread.is_alive()
        assert heard == []
    until(lambda: api.get_order_by_id(order_id)["data"]["orderStatus"] == "TRADED")
    time.sleep(0.1)

    with listening(simulator, context) as (heard, _):
        time.sleep(0.2)

    assert heard == []


def test_a_dead_token_ends_the_socket_without_a_word(simulator: RunningSimulator, context: DhanContext) -> None:
    simulator.call(lambda: simulator.venue.access.expire(simulator.venue.now()))

    with listening(simulator, context, logged_in=False) as (heard, thread):
        thread.join(5)

        assert not thread.is_alive()
        assert heard == []
