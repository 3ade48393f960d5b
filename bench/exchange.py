"""The simulated exchange in a process of its own, so that it takes no time from the executor measured against it."""

import multiprocessing
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from multiprocessing.connection import Connection

from execution.clock import SteppedClock, SystemClock
from execution.simulator.book import Ticket
from market.calendar import IST
from market.contract import Side

OPEN = datetime(2026, 10, 28, 10, 15, tzinfo=IST)
WRITES = {"POST", "PUT", "DELETE"}


@dataclass(frozen=True, slots=True)
class Call:
    """One order call as the exchange saw it: by the clock of the machine, seconds."""

    at: float
    method: str
    status: int


@dataclass(frozen=True, slots=True)
class RemoteExchange:
    """Where it listens, who may talk to it, and the line to ask what it has seen."""

    base_url: str
    client_id: str
    token: str
    line: Connection

    def calls(self) -> list[Call]:
        """Every order call so far, oldest first."""
        self.line.send("calls")
        return [Call(*row) for row in self.line.recv()]


@contextmanager
def remote_exchange(shift_seconds: float) -> Iterator[RemoteExchange]:
    """Serve the still market until the block ends, its moment shifted like everybody's."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(shift_seconds, theirs), daemon=True)
    process.start()
    theirs.close()
    try:
        yield RemoteExchange(*ours.recv(), line=ours)
    finally:
        ours.send("stop")
        process.join(10)
        ours.close()


def _serve(shift_seconds: float, line: Connection) -> None:
    from execution.simulator.serving import running_simulator
    from execution.simulator.venue import build_venue
    from tests.crash import market

    clock = SystemClock(shift_seconds)
    # Dhan's own windows would refuse before ours do anything wrong: what is measured is what arrives here.
    venue = build_venue(market.StillMarket(), clock, master=b"", listings=market.listings(), rate_limits=False)
    shift, seen = timedelta(seconds=shift_seconds), []
    with running_simulator(venue) as simulator:
        line.send((simulator.addresses.base, venue.client_id, venue.access.token))
        while line.recv() == "calls":
            seen += simulator.call(lambda: _drained(venue.requests))
            line.send([((at - shift).timestamp(), method, status) for at, method, _, status in seen])


def _drained(requests: list[tuple[object, str, str, int]]) -> list[tuple[object, str, str, int]]:
    """Take the order calls out of the server's log, which forgets what is old."""
    found = [row for row in requests if row[1] in WRITES and row[2].startswith("/v2/orders")]
    requests.clear()
    return found


def submit_seconds(orders: int = 2_000) -> float:
    """Seconds for one marketable order in the exchange itself: taken, matched, booked."""
    from execution.simulator.venue import build_venue
    from tests.crash import market

    clock = SteppedClock(OPEN)
    venue = build_venue(market.StillMarket(), clock, master=b"", listings=market.listings(), rate_limits=False)
    started = time.perf_counter()
    for number in range(orders):
        clock.sleep(0.1)
        ticket = Ticket(market.SEGMENT, "12", Side.BUY, market.LOT, Decimal("20.05"), f"bench-{number}", validity="IOC")
        venue.exchange.submit(ticket, clock.now())
    took = time.perf_counter() - started
    if not venue.exchange.every_trade():
        raise RuntimeError("nothing traded: this is not the cost of an order")
    return took / orders
