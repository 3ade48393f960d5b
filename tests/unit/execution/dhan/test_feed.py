"""The market feed: packets by the table, only wanted instruments, ages that count data alone."""

import asyncio
import json
import struct
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from execution.brokers.dhan.feed import MarketFeed
from execution.brokers.dhan.packets import BadFrame, Packet, packets
from execution.brokers.dhan.supervision import Ended, SupervisedSocket, Why
from tests.unit.execution.dhan.sockets import FAST, Tokens, aborts, running, says, scripted_sockets, until

TICKER = bytes.fromhex("021000000d000000e646c44648b4016b")
QUOTE = bytes.fromhex(
    "043200020c8900009a19cb42410048b4016b3333c842e8030000f4010000580200000000c6420000c4420000d2420000c242"
)
OI = bytes.fromhex("050c00020c890000581b0000")
PREVIOUS = bytes.fromhex("061000000d0000000051c34600000000")
STATUS = bytes.fromhex("0708000000000000")
FULL = bytes.fromhex(
    "08a200020c8900009a19cb42410048b4016b3333c842e8030000f401000058020000581b0000401f0000701700000000c6420000c4420000"
    "d2420000c242"
    "4100000082000000010002000000c8429a19c842"
    "82000000c30000000200030066e6c7423333c842"
    "c30000000401000003000400cdccc742cd4cc842"
    "04010000450100000400050033b3c7426666c842"
    "4501000086010000050006009a99c7420080c842"
)
DISCONNECT = bytes.fromhex("320a0000000000002503")
CALL = ("NSE_FNO", "35084")
TRADED = 1_795_273_800 - 19_800


def ticker(price, *, security=35084, segment=2):
    return struct.pack("<BHBIfI", 2, 16, segment, security, price, 1_795_273_800)


class Watch:
    def __init__(self):
        self.at = 100.0

    def __call__(self):
        return self.at


def feed(*wanted, watch=None):
    made = MarketFeed("ws://127.0.0.1:1", elapsed=watch or Watch())
    made.want(wanted or [CALL])
    return made


def test_the_vectors_of_the_reference():
    assert list(packets(TICKER)) == [Packet(2, "IDX_I", "13", last_price=Decimal("25123.45"), traded_at=TRADED)]
    assert list(packets(QUOTE)) == [
        Packet(4, "NSE_FNO", "35084", last_price=Decimal("101.55"), traded_at=TRADED, volume=1_000)
    ]
    assert list(packets(OI)) == [Packet(5, "NSE_FNO", "35084", open_interest=7_000)]
    assert list(packets(DISCONNECT)) == [Packet(50, "IDX_I", "0", reason=805)]
    assert list(packets(STATUS)) == [Packet(7, "IDX_I", "0")]
    assert list(packets(PREVIOUS)) == [Packet(6, "IDX_I", "13")]
    assert list(packets(FULL)) == [
        Packet(
            8,
            "NSE_FNO",
            "35084",
            last_price=Decimal("101.55"),
            traded_at=TRADED,
            volume=1_000,
            open_interest=7_000,
            bid=Decimal("100.00"),
            ask=Decimal("100.05"),
            bid_quantity=65,
            ask_quantity=130,
        )
    ]


def test_stacked_packets_are_all_read():
    assert [packet.code for packet in packets(TICKER + OI + FULL)] == [2, 5, 8]


@pytest.mark.parametrize("code", [0, 1, 3, 9, 41, 255])
def test_fm_B8_unknown_codes_are_refused(code):
    with pytest.raises(BadFrame):
        list(packets(bytes([code]) + TICKER[1:]))


@pytest.mark.parametrize("frame", [TICKER, QUOTE, OI, FULL, DISCONNECT])
def test_fm_B8_every_cut_of_a_packet_is_refused(frame):
    for length in range(1, len(frame)):
        with pytest.raises(BadFrame):
            list(packets(frame[:length]))


@pytest.mark.parametrize("price", [float("nan"), float("inf"), -1.0, 0.0, 1e7, 1e30, -0.0])
def test_fm_B14_a_price_no_market_has_is_refused(price):
    with pytest.raises(BadFrame):
        list(packets(ticker(price)))


@given(st.binary(max_size=400))
def test_fm_B8_no_bytes_break_the_reader_or_leave_an_illegal_price(frame):
    made = feed()
    made.want([("NSE_FNO", str(number)) for number in range(50)])
    try:
        made.received(frame)
    except Ended:
        return

    for number in range(50):
        quote = made.latest("NSE_FNO", str(number))
        assert quote is None or Decimal("0.01") <= quote.last_price < 10_000_000


@given(st.sampled_from([TICKER, QUOTE, OI, FULL]), st.integers(0, 161), st.integers(0, 255))
def test_fm_B8_a_flipped_byte_never_escapes(frame, position, value):
    broken = bytearray(frame)
    broken[position % len(frame)] = value
    try:
        feed(CALL, ("IDX_I", "13")).received(bytes(broken))
    except Ended as end:
        assert broken[0] == 50 or end.why  # a disconnect packet is an end, nothing else is


def test_a_full_packet_is_the_newest_quote():
    watch = Watch()
    made = feed(watch=watch)

    assert made.received(FULL) is True
    watch.at = 102.5
    quote = made.latest(*CALL)
    assert (quote.last_price, quote.bid, quote.ask) == (Decimal("101.55"), Decimal("100.00"), Decimal("100.05"))
    assert (quote.bid_quantity, quote.ask_quantity, quote.open_interest) == (65, 130, 7_000)
    assert made.age(*CALL) == 2.5


def test_fm_B9_what_nobody_wanted_is_not_kept():
    made = feed(("NSE_FNO", "1"))

    assert made.received(FULL) is False
    assert made.latest(*CALL) is None
    assert made.silent_for() is None


def test_fm_B9_a_wild_jump_is_believed_only_when_it_repeats():
    made = feed()
    made.received(ticker(100.0))

    made.received(ticker(900.0))
    assert made.latest(*CALL).last_price == Decimal("100.00")
    made.received(ticker(101.0))
    made.received(ticker(900.0))
    assert made.latest(*CALL).last_price == Decimal("101.00")
    made.received(ticker(905.0))
    assert made.latest(*CALL).last_price == Decimal("905.00")
    assert made.rejected == 2


def test_fm_B10_B11_age_counts_data_of_this_instrument_and_silence_data_of_any():
    watch = Watch()
    made = feed(CALL, ("IDX_I", "13"), watch=watch)
    made.received(FULL)
    watch.at = 107.0
    made.received(STATUS)
    made.received(OI)
    made.received(b"")
    assert (made.age(*CALL), made.silent_for()) == (7.0, 7.0)

    made.received(TICKER)
    assert (made.age(*CALL), made.silent_for(), made.age("IDX_I", "13")) == (7.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("code", "why"), [(805, Why.PACED), (806, Why.AUTH), (807, Why.AUTH), (810, Why.AUTH), (814, Why.DROPPED)]
)
def test_a_disconnect_packet_ends_the_connection_with_its_reason(code, why):
    with pytest.raises(Ended) as caught:
        feed().received(struct.pack("<BHBIH", 50, 10, 0, 0, code))

    assert caught.value.why is why


@pytest.mark.parametrize(
    "wanted", [[("MCX_COMM", "1")], [("NSE_FNO", "x")], [("NSE_FNO", str(n)) for n in range(5_001)]]
)
def test_what_the_feed_cannot_carry_is_refused(wanted):
    with pytest.raises(ValueError, match="at most 5000"):
        feed().want(wanted)


def told(server, connection):
    heard = server.heard_by[connection] if connection < len(server.heard_by) else []
    return [json.loads(message) for message in heard]


def listed(messages, code):
    found = [message for message in messages if message["RequestCode"] == code]
    assert all(message["InstrumentCount"] == len(message["InstrumentList"]) <= 100 for message in found)
    return {(one["ExchangeSegment"], one["SecurityId"]) for message in found for one in message["InstrumentList"]}


def test_fm_B12_after_every_opening_the_subscriptions_are_the_wanted_set():
    wanted = [("NSE_FNO", str(number)) for number in range(250)]

    async def play():
        async with scripted_sockets(aborts, says(ticker(50.0, security=7))) as server:
            made = MarketFeed(server.url, elapsed=Watch())
            made.want(wanted)
            async with running(SupervisedSocket(made, Tokens(), pauses=FAST)):
                await until(lambda: made.latest("NSE_FNO", "7"))
                await until(lambda: len(told(server, 1)) == 3)
                made.want([*wanted[100:], ("IDX_I", "13")])
                await until(lambda: len(told(server, 1)) == 5)
        return server

    server = asyncio.run(play())
    first, later = told(server, 1)[:3], told(server, 1)[3:]
    assert listed(first, 21) == set(wanted)
    assert (listed(first, 22), listed(later, 22)) == (set(), set(wanted[:100]))
    assert listed(later, 21) == {("IDX_I", "13")}
    assert server.paths == ["/?version=2&token=CANARY-token-1&clientId=1100000001&authType=2"] * 2


def test_fm_B10_a_line_that_lives_without_data_is_opened_anew():
    async def play():
        async with scripted_sockets() as server:
            made = MarketFeed(server.url, elapsed=Watch(), silence_seconds=0.1)
            made.want([CALL])
            async with running(SupervisedSocket(made, Tokens(), pauses=FAST)):
                await until(lambda: len(server.paths) >= 3)

    asyncio.run(play())


def test_a_feed_that_nobody_wants_anything_from_may_be_silent():
    async def play():
        async with scripted_sockets() as server:
            made = MarketFeed(server.url, elapsed=Watch(), silence_seconds=0.05)
            async with running(SupervisedSocket(made, Tokens(), pauses=FAST)):
                await asyncio.sleep(0.4)
        return len(server.paths)

    assert asyncio.run(play()) == 1
