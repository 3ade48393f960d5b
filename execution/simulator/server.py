"""The simulated broker as one ASGI application: HTTP under /v2 and /auth, two WebSockets, and everything that fails."""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, TypeVar
from urllib.parse import parse_qsl

import orjson

from execution.simulator.book import Refused
from execution.simulator.faults import Fault, Strike
from execution.simulator.feed import MarketFeedServer
from execution.simulator.limits import Bucket
from execution.simulator.routes import Door, Route, find
from execution.simulator.sockets import Receive, Scope, Send
from execution.simulator.updates import OrderUpdateServer
from execution.simulator.venue import Venue, session_strike
from execution.simulator.wire import (
    WEB_PAGE,
    Answer,
    Failed,
    Json,
    Request,
    data_error,
    parse_body,
    plain,
    refusal,
    trading_error,
)

Asked = TypeVar("Asked")

FEED_PATH, UPDATE_PATH = "/feed", "/order-update"
PUMP_SECONDS = 0.02

_DRIP_SECONDS = 1.0
_HTML = "text/html"
_MOST_KEPT = 20_000
# The request has no effect, and this comes back.
_INSTEAD: Mapping[Fault, Answer] = {
    Fault.SERVER_ERROR_BEFORE: Answer(502, WEB_PAGE, _HTML),
    Fault.ERROR_IN_OK: trading_error("DH-906", status=200),
    Fault.REDIRECT: Answer(307, b"", headers=(("location", "/v2/profile"),)),
    Fault.INVALID_IP: trading_error("DH-905", "Invalid IP"),
    Fault.LOOKUP_ERROR: trading_error("DH-908"),
    Fault.LOOKUP_MISSES: trading_error("DH-906", "Order does not exist", status=404),
}
_NOT_DONE = frozenset({Fault.TOO_MANY_REQUESTS, *_INSTEAD, *(fault for fault in Fault if fault.name[:3] == "DH_")})


class DhanServer:
    """Routes what comes in, lets the plan spoil it, and keeps time moving."""

    def __init__(self, venue: Venue) -> None:
        self.venue = venue
        self._worker = ThreadPoolExecutor(1, "simulated-exchange")  # everything that touches the venue, in turn
        self.feed, self.updates = MarketFeedServer(venue, self.ask), OrderUpdateServer(venue, self.ask)
        self._pump: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI entry point."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "websocket":
            await self._socket(scope, receive, send)
        else:
            await self._http(scope, receive, send)

    async def ask(self, work: Callable[[], Asked]) -> Asked:
        """Run something on the venue's own thread: the market source may read a database."""
        return await asyncio.get_running_loop().run_in_executor(self._worker, work)

    def call(self, work: Callable[[], Asked]) -> Asked:
        """Do the same from any other thread."""
        return self._worker.submit(work).result()

    def drop_updates(self, code: int) -> None:
        """End every order-update connection, from any other thread."""
        if self._loop is not None:
            asyncio.run_coroutine_threadsafe(self.updates.drop(code), self._loop).result()

    # --- life --------------------------------------------------------------------------------------------------------

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        self._loop = asyncio.get_running_loop()
        self._pump = asyncio.create_task(self._keep_pumping())
        await send({"type": "lifespan.startup.complete"})
        await receive()
        self._pump.cancel()
        with suppress(asyncio.CancelledError):
            await self._pump
        self._worker.shutdown()
        await send({"type": "lifespan.shutdown.complete"})

    async def _keep_pumping(self) -> None:
        while True:
            await self.updates.tell(await self.ask(self._news))
            await asyncio.sleep(PUMP_SECONDS)

    def _news(self) -> list[dict[str, Json]]:
        """What happened since the last time, as order alerts."""
        return list(self.updates.rows(self.venue.pump(self.venue.now())))

    async def _socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        """By path; at the bare root the feed is the one whose address carries a token."""
        wants_feed = scope["path"].startswith(FEED_PATH) or b"token=" in scope["query_string"]
        await (self.feed if wants_feed else self.updates).serve(scope, receive, send)

    # --- HTTP --------------------------------------------------------------------------------------------------------

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        raw = await _read_body(receive)
        found = find(scope["method"], scope["raw_path"].decode("ascii"))
        if found is None:
            await _respond(send, trading_error("DH-905", "No such path", status=404))
            return
        route, words = found
        request = Request(
            method=scope["method"],
            path=scope["path"],
            query=dict(parse_qsl(scope["query_string"].decode(), keep_blank_values=True)),
            headers={name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]},
            body=None,
            words=words,
        )
        outcome = await self.ask(lambda: self._outcome(route, request, raw))
        self._keep(request, outcome)
        if outcome is None:
            scope["state"]["transport"].abort()
        elif request.strike is not None and request.strike.fault is Fault.SLOW_DRIP:
            await _drip(send, outcome, request.strike.seconds)
        else:
            await _respond(send, outcome)

    def _keep(self, request: Request, outcome: Answer | None) -> None:
        kept = self.venue.requests
        kept.append((self.venue.now(), request.method, request.path, 0 if outcome is None else outcome.status))
        if len(kept) > _MOST_KEPT:
            del kept[: _MOST_KEPT // 2]

    def _outcome(self, route: Route, request: Request, raw: bytes) -> Answer | None:
        """The answer, or None when the connection just ends."""
        now = self.venue.now()
        if route.call is None:
            return self._handled(route, request, raw)
        session_strike(self.venue, now)
        stopped = self._stopped(route, request, now)
        if stopped is not None:
            return stopped
        request.strike = self.venue.plan.on(route.call)
        if request.strike is None:
            return self._handled(route, request, raw)
        return self._spoiled(route, request, raw, request.strike)

    def _stopped(self, route: Route, request: Request, now: datetime) -> Answer | None:
        """Who may not pass: no token, no client id, too many calls, a foreign address."""
        door = route.door
        if door.needs_token and not self.venue.access.accepts(request.headers.get("access-token", ""), now):
            return _no_token(door, request)
        if door.needs_client and request.headers.get("client-id") != self.venue.client_id:
            return data_error(808, status=401)
        if not self.venue.limits.take(route.bucket, now):
            return _too_many(route)
        if door.order_write and not self.venue.access.address_allowed:
            return trading_error("DH-905", "Invalid IP")
        return None

    def _handled(self, route: Route, request: Request, raw: bytes) -> Answer:
        try:
            request.body = parse_body(raw)
            return route.handler(self.venue, request)
        except Refused as refused:
            return data_error(814, status=400) if route.door.data_shape else refusal(refused)
        except Failed as failed:
            return failed.answer

    # --- what fails --------------------------------------------------------------------------------------------------

    def _spoiled(self, route: Route, request: Request, raw: bytes, strike: Strike) -> Answer | None:
        """What the plan makes of one request; what is done is done before the answer is spoiled."""
        fault = strike.fault
        if fault is Fault.DROP_REQUEST:
            return None
        if fault is Fault.LATE_ARRIVAL:
            self._delay(route, request, raw, strike.seconds)
            return None
        if fault in _NOT_DONE:
            return _not_done(route, fault)
        answer = self._handled(route, request, raw)
        if fault is Fault.ACCEPT_THEN_CLOSE:
            return None
        return _rewritten(answer, fault)

    def _delay(self, route: Route, request: Request, raw: bytes, seconds: float) -> None:
        due = self.venue.now() + timedelta(seconds=seconds)
        self.venue.late.append((due, lambda: self._handled(route, request, raw)))


def _no_token(door: Door, request: Request) -> Answer:
    """A dead token does not look the same everywhere (dhan.md trap 10)."""
    if door.data_shape:
        return data_error(808, status=401)
    if door.order_write and request.headers.get("access-token"):
        return trading_error("DH-906", "Invalid Token")
    return trading_error("DH-901")


def _too_many(route: Route) -> Answer:
    if route.bucket in {Bucket.DATA, Bucket.QUOTE}:
        return data_error(805, status=429)
    return trading_error("DH-904")


def _not_done(route: Route, fault: Fault) -> Answer:
    """The request has no effect, and this is what comes back."""
    if fault is Fault.TOO_MANY_REQUESTS:
        return _too_many(route)
    return _INSTEAD[fault] if fault in _INSTEAD else trading_error(fault.name.replace("_", "-"))


def _rewritten(answer: Answer, fault: Fault) -> Answer:
    """The request had its effect, and the answer is not what it was."""
    if fault is Fault.SERVER_ERROR_AFTER:
        return Answer(500, WEB_PAGE, _HTML)
    if fault is Fault.NOT_JSON:
        return Answer(200, WEB_PAGE, _HTML)
    if fault is Fault.NO_ORDER_ID:
        return plain({"orderStatus": "TRANSIT"})
    if answer.body is None or answer.status >= 300:
        return answer
    change = {Fault.TRUNCATED_BOOK: _truncated, Fault.WRONG_CASING: _recased, Fault.NULL_FIELDS: _nulled}.get(fault)
    return answer if change is None else plain(change(orjson.loads(answer.body)), answer.status)


def _truncated(value: Json) -> Json:
    return value[: len(value) // 2] if isinstance(value, list) else value


def _recased(value: Json) -> Json:
    """Statuses in another case than documented."""
    if isinstance(value, list):
        return [_recased(item) for item in value]
    if isinstance(value, dict) and isinstance(value.get("orderStatus"), str):
        return {**value, "orderStatus": value["orderStatus"].title()}
    return value


def _nulled(value: Json) -> Json:
    """Null where a number belongs."""
    if isinstance(value, list):
        return [_nulled(item) for item in value]
    if isinstance(value, dict):
        return {name: None if isinstance(item, float) else item for name, item in value.items()}
    return value


# --- the wire --------------------------------------------------------------------------------------------------------


async def _read_body(receive: Receive) -> bytes:
    body: bytes = b""
    while True:
        message = await receive()
        body += bytes(message.get("body", b""))
        if message["type"] == "http.disconnect" or not message.get("more_body"):
            return body


def _start(answer: Answer) -> Mapping[str, Any]:
    body = answer.body or b""
    headers = [(b"content-length", str(len(body)).encode()), (b"content-type", answer.content_type.encode())]
    headers += [(name.encode(), value.encode()) for name, value in answer.headers]
    return {"type": "http.response.start", "status": answer.status, "headers": headers}


async def _respond(send: Send, answer: Answer) -> None:
    await send(dict(_start(answer)))
    await send({"type": "http.response.body", "body": answer.body or b""})


async def _drip(send: Send, answer: Answer, seconds: float) -> None:
    """One byte a second for so long, then the rest."""
    body = answer.body or b""
    slow = min(int(seconds / _DRIP_SECONDS), len(body))
    await send(dict(_start(answer)))
    for place in range(slow):
        await send({"type": "http.response.body", "body": body[place : place + 1], "more_body": True})
        await asyncio.sleep(_DRIP_SECONDS)
    await send({"type": "http.response.body", "body": body[slow:]})
