"""Running the simulated broker: in a thread for tests, in the foreground for people."""

import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from execution.simulator.exchange import Exchange
from execution.simulator.faults import FaultPlan
from execution.simulator.server import FEED_PATH, UPDATE_PATH, Asked, DhanServer
from execution.simulator.venue import Venue, build_venue

LOOPBACK = "127.0.0.1"
STARTING_SECONDS = 10.0
PING_SECONDS, PONG_SECONDS = 10.0, 40.0


class RunningClock:
    """Starts at a given market moment and then keeps real time."""

    def __init__(self, start: datetime) -> None:
        self._start, self._began = start, monotonic()

    def now(self) -> datetime:
        """The given moment plus what has passed since."""
        return self._start + timedelta(seconds=self.elapsed())

    def elapsed(self) -> float:
        """Seconds since it was started."""
        return monotonic() - self._began

    def sleep(self, seconds: float) -> None:
        """Wait."""
        threading.Event().wait(seconds)


class AbortableProtocol(HttpToolsProtocol):
    """Hands the application its transport, so that it can end a connection without an answer."""

    def on_message_begin(self) -> None:
        """Add to each request's scope."""
        super().on_message_begin()
        self.scope["state"]["transport"] = self.transport


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the server listens."""

    host: str
    port: int

    @property
    def base(self) -> str:
        """The REST API."""
        return f"http://{self.host}:{self.port}/v2"

    @property
    def auth(self) -> str:
        """The token host."""
        return f"http://{self.host}:{self.port}/auth"

    @property
    def master(self) -> str:
        """The compact instrument master."""
        return f"http://{self.host}:{self.port}/api-scrip-master.csv"

    @property
    def detailed_master(self) -> str:
        """The detailed instrument master."""
        return f"http://{self.host}:{self.port}/api-scrip-master-detailed.csv"

    @property
    def feed(self) -> str:
        """The market feed."""
        return f"ws://{self.host}:{self.port}{FEED_PATH}"

    @property
    def updates(self) -> str:
        """The order updates."""
        return f"ws://{self.host}:{self.port}{UPDATE_PATH}"

    @property
    def console(self) -> str:
        """Faults and journal."""
        return f"http://{self.host}:{self.port}/simulator"

    def environment(self, venue: Venue) -> Mapping[str, str]:
        """What points Options V4 here."""
        return {
            "BROKER": "simulator",
            "DHAN_BASE_URL": self.base,
            "DHAN_AUTH_URL": self.auth,
            "DHAN_MASTER_URL": self.master,
            "DHAN_MARKET_FEED_URL": self.feed,
            "DHAN_ORDER_UPDATE_URL": self.updates,
            "DHAN_CLIENT_ID": venue.client_id,
            "DHAN_ACCESS_TOKEN": venue.access.token,
            "DHAN_PIN": venue.access.pin,
            "DHAN_TOTP_SECRET": venue.access.totp_secret,
        }


@dataclass(frozen=True, slots=True)
class RunningSimulator:
    """A server that is up, with the books behind it."""

    addresses: Addresses
    venue: Venue
    server: DhanServer

    @property
    def exchange(self) -> Exchange:
        """Ground truth."""
        return self.venue.exchange

    @property
    def plan(self) -> FaultPlan:
        """What goes wrong."""
        return self.venue.plan

    def call(self, work: Callable[[], Asked]) -> Asked:
        """Touch the venue on its own thread, as everything that happens to it does."""
        return self.server.call(work)

    def drop_updates(self, code: int = 1000) -> None:
        """End every order-update connection."""
        self.server.drop_updates(code)


def make_server(app: DhanServer) -> uvicorn.Server:
    """Configure uvicorn the way Dhan's front looks: pings every 10 s, no server logs of its own."""
    config = uvicorn.Config(
        app,
        http=AbortableProtocol,
        ws="websockets-sansio",
        log_config=None,
        log_level="warning",  # at INFO it writes the address of a WebSocket, and the token with it
        access_log=False,
        server_header=False,
        lifespan="on",
        ws_ping_interval=PING_SECONDS,
        ws_ping_timeout=PONG_SECONDS,
        timeout_graceful_shutdown=1,
    )
    return uvicorn.Server(config)


def bind(port: int = 0) -> socket.socket:
    """A listening socket on loopback; port 0 takes a free one."""
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((LOOPBACK, port))
    except OSError:
        bound.close()
        raise
    return bound


@contextmanager
def running_simulator(venue: Venue | None = None, *, port: int = 0, **options: Any) -> Iterator[RunningSimulator]:
    """Serve a venue from a thread until the block ends; `options` go to `build_venue`."""
    venue = venue or build_venue(**options)
    app = DhanServer(venue)
    server, bound = make_server(app), bind(port)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, name="simulate_dhan", daemon=True)
    thread.start()
    try:
        _await_start(server, thread)
        yield RunningSimulator(Addresses(LOOPBACK, bound.getsockname()[1]), venue, app)
    finally:
        server.should_exit = True
        thread.join(STARTING_SECONDS)
        bound.close()


def _await_start(server: uvicorn.Server, thread: threading.Thread) -> None:
    deadline, pause = monotonic() + STARTING_SECONDS, threading.Event()
    while not server.started:
        if not thread.is_alive() or monotonic() > deadline:
            raise RuntimeError("The simulated broker did not start.")
        pause.wait(0.005)
