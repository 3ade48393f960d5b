"""The market-feed WebSocket (dhan.md section 5): text subscriptions in, binary packets out."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qsl

from execution.simulator import packets
from execution.simulator.book import Listing
from execution.simulator.faults import Call, Fault, Strike
from execution.simulator.screen import Snapshot
from execution.simulator.sockets import Ask, Receive, Scope, Send, Socket, message_of
from execution.simulator.venue import Venue

MOST_CONNECTIONS = 5
MOST_INSTRUMENTS = 5_000
MOST_PER_MESSAGE = 100
FIRST_MESSAGE_SECONDS = 1.0
GOODBYE_SECONDS = 0.05  # between the reason and the end
TOO_MANY, EXPIRED, FAILED, INVALID_REQUEST = 805, 807, 808, 814

_SUBSCRIBES = {15: 15, 17: 17, 21: 21}
_UNSUBSCRIBES = {16: 15, 18: 17, 22: 21}
_GOODBYE = 12

Key = tuple[str, str]


class FeedConnection:
    """One subscriber."""

    def __init__(self, socket: Socket, venue: Venue) -> None:
        self.socket, self.venue = socket, venue
        self.modes: dict[Key, set[int]] = {}
        self.silent_until = 0.0
        self._told: dict[tuple[Key, int], bytes] = {}

    def subscribe(self, message: Mapping[str, Any]) -> int | None:
        """Take one message; the reason to disconnect when it breaks a limit. Unknown ids are ignored."""
        code, wanted = message.get("RequestCode"), message.get("InstrumentList") or []
        if len(wanted) > MOST_PER_MESSAGE:
            return INVALID_REQUEST
        for item in wanted:
            key = str(item.get("ExchangeSegment")), str(item.get("SecurityId"))
            if code in _SUBSCRIBES and key in self.venue.listings:
                self.modes.setdefault(key, set()).add(_SUBSCRIBES[code])
            elif code in _UNSUBSCRIBES:
                self._drop(key, _UNSUBSCRIBES[code])
        return TOO_MANY if len(self.modes) > MOST_INSTRUMENTS else None

    def fresh(self) -> Iterator[bytes]:
        """Packets whose content changed since they were last sent."""
        now = self.venue.now()
        for key, modes in list(self.modes.items()):
            listing = self.venue.listings[key]
            shot = self.venue.screen.snapshot(listing, now)
            if shot is None:
                continue
            for name, packet in _packets(listing, shot, modes):
                if self._told.get((key, name)) != packet:
                    self._told[key, name] = packet
                    yield packet

    def _drop(self, key: Key, mode: int) -> None:
        modes = self.modes.get(key, set())
        modes.discard(mode)
        if not modes:
            self.modes.pop(key, None)
        for told in [told for told in self._told if told[0] == key]:
            del self._told[told]


def _packets(listing: Listing, shot: Snapshot, modes: set[int]) -> Iterator[tuple[int, bytes]]:
    """What one instrument is due in the modes it is subscribed in."""
    if listing.instrument == "INDEX":
        yield packets.PREVIOUS_CLOSE, packets.previous_close(listing, shot)
    if 15 in modes:
        yield packets.TICKER, packets.ticker(listing, shot)
    if 17 in modes:
        yield packets.QUOTE, packets.quote(listing, shot)
        if listing.expiry is not None:
            yield packets.OPEN_INTEREST, packets.open_interest(listing, shot)
    if 21 in modes:
        yield packets.FULL, packets.full(listing, shot)


class MarketFeedServer:
    """Every feed connection of the account; a sixth evicts the oldest."""

    def __init__(self, venue: Venue, ask: Ask) -> None:
        self.venue, self._ask = venue, ask
        self.connections: list[FeedConnection] = []

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hold one connection until it ends."""
        socket, query = Socket(receive, send), dict(parse_qsl(scope["query_string"].decode()))
        if self.venue.switches.refuse_feed:
            await socket.refuse(self.venue.switches.refuse_feed)
            return
        await socket.accept()
        reason = self._unwelcome(query)
        if reason is not None:
            with suppress(TimeoutError):  # it says what it wants before it learns that it gets nothing
                await asyncio.wait_for(socket.read(), FIRST_MESSAGE_SECONDS)
            await self._disconnect(socket, reason)
            return
        await self._hold(FeedConnection(socket, self.venue))

    def _unwelcome(self, query: Mapping[str, str]) -> int | None:
        if query.get("version") != "2" or query.get("authType") != "2":
            return INVALID_REQUEST
        if query.get("clientId") != self.venue.client_id:
            return 810
        if query.get("token") != self.venue.access.token:
            return FAILED
        return None if self.venue.access.accepts(query["token"], self.venue.now()) else EXPIRED

    async def _hold(self, connection: FeedConnection) -> None:
        self.connections.append(connection)
        if len(self.connections) > MOST_CONNECTIONS:
            await self._disconnect(self.connections.pop(0).socket, TOO_MANY)
        sender = asyncio.create_task(self._stream(connection))
        try:
            while (raw := await connection.socket.read()) is not None:
                message = message_of(raw)
                if message.get("RequestCode") == _GOODBYE:
                    break
                reason = connection.subscribe(message)
                if reason is not None:
                    await self._disconnect(connection.socket, reason)
                    break
        finally:
            sender.cancel()
            if connection in self.connections:
                self.connections.remove(connection)

    async def _stream(self, connection: FeedConnection) -> None:
        socket, clock = connection.socket, asyncio.get_running_loop()
        await socket.write(packets.market_status())
        while socket.open:
            if not self.venue.switches.silent_feed and clock.time() >= connection.silent_until:
                for packet in await self._ask(lambda: list(connection.fresh())):
                    await self._send(connection, packet)
            await asyncio.sleep(self.venue.switches.feed_seconds)

    async def _send(self, connection: FeedConnection, packet: bytes) -> None:
        """One packet to a frame, unless the plan has something else in mind."""
        strike = self.venue.plan.on(Call.FEED)
        if strike is None:
            await connection.socket.write(packet)
        else:
            await self._spoil(connection, packet, strike)

    async def _spoil(self, connection: FeedConnection, packet: bytes, strike: Strike) -> None:
        socket = connection.socket
        if strike.fault is Fault.SILENT_SOCKET:
            connection.silent_until = asyncio.get_running_loop().time() + strike.seconds
        elif strike.fault is Fault.SOCKET_CLOSED:
            await socket.close(1011)
        elif strike.fault is Fault.MALFORMED_FRAME:
            await socket.write(packet[: len(packet) // 2])
        elif strike.fault is Fault.STACKED_FRAMES:
            await socket.write(packet + packet)
        elif strike.fault is Fault.FEED_DISCONNECT:
            await self._disconnect(socket, strike.times or TOO_MANY)

    async def _disconnect(self, socket: Socket, reason: int) -> None:
        await socket.write(packets.disconnect(reason))
        await asyncio.sleep(GOODBYE_SECONDS)
        await socket.close()
