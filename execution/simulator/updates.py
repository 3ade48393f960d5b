"""The order-update WebSocket (dhan.md section 7): a login frame in, an alert for every change of every order out."""

import asyncio
from collections.abc import Iterable, Iterator

import orjson

from execution.simulator.book import Entry, Happening
from execution.simulator.faults import Call, Fault, Strike
from execution.simulator.shapes import camel, order_alert, recased
from execution.simulator.sockets import Ask, Receive, Scope, Send, Socket, message_of
from execution.simulator.venue import Venue
from execution.simulator.wire import Json

LOGIN = 42

_UNTOLD = frozenset({Happening.REFUSED, Happening.MODIFY_ASKED, Happening.CANCEL_ASKED, Happening.TRIGGERED})


class OrderUpdateServer:
    """Tells everyone who logged in; no acknowledgement, no replay."""

    def __init__(self, venue: Venue, ask: Ask) -> None:
        self.venue, self._ask = venue, ask
        self.sockets: list[Socket] = []
        self._held: list[bytes] = []  # told after the next one
        self._silent_until = 0.0

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hold one connection until it ends; a wrong login ends it."""
        socket = Socket(receive, send)
        await socket.accept()
        raw = await socket.read()
        if raw is None:
            return
        message = message_of(raw)
        if not await self._ask(lambda: self._welcome(message)):
            await socket.close()
            return
        self.sockets.append(socket)
        try:
            while await socket.read() is not None:
                continue
        finally:
            self.sockets.remove(socket)

    def _welcome(self, message: dict[str, Json]) -> bool:
        login = message.get("LoginReq")
        if not isinstance(login, dict) or login.get("MsgCode") != LOGIN or message.get("UserType") != "SELF":
            return False
        right = login.get("ClientId") == self.venue.client_id
        return right and self.venue.access.accepts(str(login.get("Token")), self.venue.now())

    def rows(self, entries: Iterable[Entry]) -> Iterator[dict[str, Json]]:
        """What happened, as far as this socket tells it."""
        for entry in entries:
            order = self.venue.exchange.order(entry.order_id, entry.at) if entry.order_id else None
            if order is not None and entry.kind not in _UNTOLD:
                yield order_alert(entry, order, self.venue.client_id)

    async def tell(self, rows: Iterable[dict[str, Json]]) -> None:
        """Send it, as the plan lets it through."""
        for row in rows:
            if not self.venue.switches.silent_updates:
                await self._pass(row)

    async def _pass(self, row: dict[str, Json]) -> None:
        if asyncio.get_running_loop().time() < self._silent_until or not self.sockets:
            return
        strike = self.venue.plan.on(Call.UPDATE)
        pascal = self.venue.switches.pascal_updates
        if strike is None:
            await self._send(_alert(row, pascal=pascal))
        else:
            await self._spoil(row, strike, pascal=pascal)

    async def _send(self, payload: bytes) -> None:
        """This one, then what was held back for after it."""
        held, self._held = self._held, []
        for one in (payload, *held):
            for socket in list(self.sockets):
                await socket.write(one.decode())

    async def _spoil(self, row: dict[str, Json], strike: Strike, *, pascal: bool) -> None:
        fault, payload = strike.fault, _alert(row, pascal=pascal)
        if fault is Fault.UPDATE_REORDERED:
            self._held.append(payload)
        elif fault is Fault.SILENT_SOCKET:
            self._silent_until = asyncio.get_running_loop().time() + strike.seconds
        elif fault is Fault.SOCKET_CLOSED:
            await self.drop(1011)
        elif fault is Fault.UPDATE_DUPLICATE:
            await self._send(payload)
            await self._send(payload)
        elif fault is not Fault.UPDATE_MISSING:
            await self._send(_oddity(fault, row, pascal=pascal))

    async def drop(self, code: int) -> None:
        """End every connection."""
        for socket in list(self.sockets):
            await socket.close(code)


def _alert(row: dict[str, Json], *, pascal: bool) -> bytes:
    return orjson.dumps({"Data": row if pascal else recased(row, camel), "Type": "order_alert"})


def _oddity(fault: Fault, row: dict[str, Json], *, pascal: bool) -> bytes:
    """A message that is not what it should be."""
    if fault is Fault.MALFORMED_FRAME:
        return _alert(row, pascal=pascal)[:-20]
    if fault is Fault.UPDATE_FOREIGN_MESSAGE:
        return orjson.dumps({"Type": "heartbeat", "Data": {}})
    if fault is Fault.UPDATE_UNKNOWN_STATUS:
        return _alert({**row, "Status": "Inactive"}, pascal=pascal)
    return _alert({**row, "Status": str(row["Status"]).upper()}, pascal=not pascal)
