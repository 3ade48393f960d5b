"""The real dhanhq 2.3.0 MarketFeed against the simulated broker (dhan.md sections 3.4 and 5)."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from dhanhq import DhanContext, MarketFeed

from execution.simulator import packets
from execution.simulator.book import Listing
from execution.simulator.faults import Call, Fault, Scripted
from execution.simulator.serving import RunningSimulator

pytestmark = [
    # The package leaves its event loop and its socket to the garbage collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning"),
]


class Heard:
    """What a feed was told."""

    def __init__(self) -> None:
        self.messages: list[Any] = []
        self.errors: list[Exception] = []
        self.connected = 0
        self.closed = 0

    def wait(self, satisfied: Callable[[], object], seconds: float = 8.0) -> None:
        """Until something holds."""
        deadline = time.monotonic() + seconds
        while not satisfied():
            assert time.monotonic() < deadline, (self.messages[-5:], self.errors[-5:])
            time.sleep(0.02)

    def of(self, kind: str) -> list[dict[str, Any]]:
        """Messages of one type."""
        return [message for message in self.messages if isinstance(message, dict) and message["type"] == kind]


@contextmanager
def feed_of(context: DhanContext, instruments: list[tuple[int, str, int]]) -> Iterator[tuple[MarketFeed, Heard]]:
    """A started feed that is closed at the end, from a thread as the documents advise."""
    heard = Heard()

    def connected(_: MarketFeed) -> None:
        heard.connected += 1

    def closed(_: MarketFeed) -> None:
        heard.closed += 1

    feed = MarketFeed(
        context,
        instruments,
        on_connect=connected,
        on_message=lambda _, message: heard.messages.append(message),
        on_error=lambda _, error: heard.errors.append(error),
        on_close=closed,
    )
    running = feed.start()
    try:
        yield feed, heard
    finally:
        closer = threading.Thread(target=feed.close_connection, daemon=True)
        closer.start()
        closer.join(5)
        running.join(5)
        if not running.is_alive():
            feed.loop.close()


def test_every_mode_arrives_with_its_own_packet(
    simulator: RunningSimulator, context: DhanContext, call_option: Listing
) -> None:
    option = call_option.security_id
    wanted = [(MarketFeed.IDX, "13", MarketFeed.Ticker), (MarketFeed.NSE_FNO, option, MarketFeed.Quote)]

    with feed_of(context, [*wanted, (MarketFeed.NSE_FNO, option, MarketFeed.Full)]) as (_, heard):
        heard.wait(lambda: heard.of("Ticker Data") and heard.of("OI Data") and heard.of("Full Data"))

    assert "Markets Open" in heard.messages  # code 7, whatever it holds
    ticker, quote, full = (heard.of(f"{kind} Data")[0] for kind in ("Ticker", "Quote", "Full"))
    assert (ticker["exchange_segment"], ticker["security_id"]) == (0, 13)
    assert isinstance(ticker["LTP"], str)
    assert 25_000 < float(ticker["LTP"]) < 27_000
    assert ticker["LTT"].startswith("10:00:")  # Indian wall time
    assert heard.of("Previous Close")[0]["security_id"] == 13
    assert heard.of("OI Data")[0]["OI"] > 0
    assert quote["security_id"] == full["security_id"] == int(option)
    assert len(full["depth"]) == 5
    touch = simulator.call(lambda: simulator.exchange.touch(call_option, simulator.venue.now()))
    assert touch is not None
    assert full["depth"][0]["ask_price"] == f"{touch.ask:.2f}"
    assert full["depth"][0]["bid_quantity"] == touch.bid_quantity


def test_subscriptions_are_added_and_removed_while_it_runs(
    simulator: RunningSimulator, context: DhanContext, call_option: Listing
) -> None:
    key = ("NSE_FNO", call_option.security_id)
    with feed_of(context, [(MarketFeed.IDX, "13", MarketFeed.Ticker)]) as (feed, heard):
        heard.wait(lambda: heard.of("Ticker Data"))

        feed.subscribe_symbols([(MarketFeed.NSE_FNO, call_option.security_id, MarketFeed.Quote)])
        heard.wait(lambda: heard.of("Quote Data"))
        (connection,) = simulator.server.feed.connections
        assert connection.modes[key] == {17}
        feed.unsubscribe_symbols([(MarketFeed.NSE_FNO, call_option.security_id, MarketFeed.Quote)])

        heard.wait(lambda: key not in connection.modes)


def test_fm_B12_a_close_is_followed_by_a_new_connection_with_all_subscriptions(
    simulator: RunningSimulator, context: DhanContext
) -> None:
    with feed_of(context, [(MarketFeed.IDX, "13", MarketFeed.Ticker)]) as (_, heard):
        heard.wait(lambda: heard.of("Ticker Data"))
        simulator.venue.switches.feed_seconds = 0.05
        heard.messages.clear()

        simulator.call(lambda: simulator.plan.set_rates({Fault.SOCKET_CLOSED: 1.0}))
        simulator.venue.clock._start = simulator.venue.clock._start.replace(minute=5)  # new quotes, so a packet is due
        heard.wait(lambda: heard.errors)
        simulator.call(lambda: simulator.plan.set_rates({}))

        heard.wait(lambda: heard.connected >= 2 and heard.of("Ticker Data"))


def test_a_dead_token_is_told_by_a_disconnect_packet_and_met_again_at_once(
    simulator: RunningSimulator, context: DhanContext, capsys: pytest.CaptureFixture[str]
) -> None:
    simulator.call(lambda: simulator.venue.access.expire(simulator.venue.now()))

    with feed_of(context, [(MarketFeed.IDX, "13", MarketFeed.Ticker)]) as (_, heard):
        heard.wait(lambda: heard.closed >= 2, 20.0)  # the package logs in again and again with the same token

    assert heard.of("Ticker Data") == []
    assert None in heard.messages
    assert "expired" in capsys.readouterr().out


def test_a_refused_handshake_kills_the_thread(simulator: RunningSimulator, context: DhanContext) -> None:
    simulator.venue.switches.refuse_feed = 429

    with feed_of(context, [(MarketFeed.IDX, "13", MarketFeed.Ticker)]) as (_, heard):
        heard.wait(lambda: heard.errors)
        time.sleep(0.2)

    assert heard.connected == 0
    assert "429" in str(heard.errors[0])


def test_fm_B8_half_packets_and_stacked_packets_are_lost_and_the_socket_lives(
    simulator: RunningSimulator, context: DhanContext, call_option: Listing
) -> None:
    simulator.venue.switches.feed_seconds = 0.05
    simulator.plan.add(Scripted(Fault.MALFORMED_FRAME, Call.FEED, 1))
    simulator.plan.add(Scripted(Fault.STACKED_FRAMES, Call.FEED, 2))
    full = (MarketFeed.NSE_FNO, call_option.security_id, MarketFeed.Full)

    with feed_of(context, [(MarketFeed.IDX, "13", MarketFeed.Ticker), full]) as (_, heard):
        heard.wait(lambda: heard.of("Full Data"))

    assert len(heard.errors) >= 1  # the torn one
    assert heard.connected == 1
    assert len(simulator.plan.struck) == 2


def test_fm_B13_a_sixth_connection_evicts_the_oldest(simulator: RunningSimulator, context: DhanContext) -> None:
    wanted = [(MarketFeed.IDX, "13", MarketFeed.Ticker)]
    with feed_of(context, wanted) as (first, oldest):
        oldest.wait(lambda: oldest.of("Ticker Data"))
        first._running = False  # or it would come back and evict the next one
        with feed_of(context, wanted), feed_of(context, wanted), feed_of(context, wanted), feed_of(context, wanted):
            oldest.wait(lambda: len(simulator.server.feed.connections) == 5)

            with feed_of(context, wanted) as (_, sixth):
                sixth.wait(lambda: sixth.of("Ticker Data"))

                oldest.wait(lambda: oldest.closed)
                assert len(simulator.server.feed.connections) == 5


def test_the_packets_are_those_of_the_fact_sheet() -> None:
    assert packets.disconnect(805).hex() == "320a0000000000002503"
    assert packets.market_status().hex() == "0708000000000000"
