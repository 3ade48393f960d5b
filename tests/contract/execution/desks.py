"""Three ways to the same desk: the paper exchange, the simulator through `dhanhq`, and answers that were recorded."""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from execution.brokers.dhan.addresses import PracticeAccess
from execution.brokers.dhan.answers import Answer
from execution.brokers.dhan.broker import SimulatorBroker
from execution.brokers.dhan.token import Credential
from execution.brokers.dhan.transport import BOUNDS, Bounds, Cut, Wire
from execution.brokers.paper import PaperBroker
from execution.brokers.paper_matching import PaperHabits
from execution.clock import SteppedClock
from execution.paper_book import MemoryBook
from execution.ports import Broker, BrokerOrder, ClearedOrder, Clock, OrderRequest, Placed, Validity
from execution.simulator.book import Listing
from execution.simulator.faults import Call, Fault, Scripted
from execution.simulator.serving import RunningClock, RunningSimulator, running_simulator
from execution.simulator.venue import build_venue
from market.calendar import IST
from market.contract import Contract, OptionType, Side
from market.errors import Illiquid, Reason
from market.ports import CapturedChain, Touch, UnderlyingFact

NOW = datetime(2026, 2, 27, 12, 0, tzinfo=IST)
CALL = Contract("NIFTY", date(2026, 3, 24), 25_000.0, OptionType.CALL)
SEGMENT, SECURITY, LOT = "NSE_FNO", "35084", 65
TICK = Decimal("0.05")
SHORT = Bounds(write_seconds=1.0, read_seconds=1.0)


@dataclass
class OneTouchMarket:
    """One touch for every contract, as the test wrote it."""

    touch_now: Touch | None = None
    name: str = "one touch"

    def quote(self, bid: str, ask: str, depth: int = 10_000) -> None:
        quoted_at = NOW - timedelta(seconds=1)
        self.touch_now = Touch(Decimal(bid), Decimal(ask), depth, depth, quoted_at)

    def touch(self, contract: Contract, *, as_of: datetime) -> Touch:
        if self.touch_now is None:
            raise Illiquid(Reason("NO_TOUCH", f"{contract} has no touch."))
        return self.touch_now

    def underlyings(self) -> list[UnderlyingFact]:
        return [UnderlyingFact("NIFTY", "Nifty 50", "index", "NSE", "", "")]

    def chain(self, underlying: str, *, as_of: datetime) -> CapturedChain:
        return CapturedChain(underlying, as_of, self.name, 25_000.0, (), is_index=True)

    def master(self, *, as_of: datetime) -> Any:
        raise NotImplementedError


@dataclass
class RecordedWire:
    """Answers as they were given before, each only to the request that was made then."""

    exchanges: list[dict[str, Any]]
    bounds: Bounds = BOUNDS
    sent: list[tuple[str, str]] = field(default_factory=list)

    def send(
        self,
        method: str,
        endpoint: str,
        *,
        headers: Mapping[str, str],
        body: bytes | None,
        seconds: float,
        gate: Callable[[], None],
    ) -> Answer:
        gate()
        known = self.exchanges.pop(0)
        asked = {"method": method, "endpoint": endpoint, "payload": _payload(body)}
        assert asked == {name: known[name] for name in asked}
        self.sent.append((method, endpoint))
        if known["status"] is None:
            raise Cut("recorded")
        return Answer(known["status"], known["body"].encode(), known["retry_after"])


@dataclass
class RecordingWire:
    """The real wire, with a note of every exchange."""

    wire: Wire
    bounds: Bounds
    exchanges: list[dict[str, Any]] = field(default_factory=list)
    sent: list[tuple[str, str]] = field(default_factory=list)

    def send(self, method: str, endpoint: str, **how: Any) -> Answer:
        def gate() -> None:
            how_gate()
            self.sent.append((method, endpoint))

        how_gate = how["gate"]
        asked = {"method": method, "endpoint": endpoint, "payload": _payload(how["body"])}
        try:
            answer = self.wire.send(method, endpoint, **how | {"gate": gate})
        except Cut:
            self.exchanges.append(asked | {"status": None, "body": "", "retry_after": ""})
            raise
        said = {"status": answer.status, "body": answer.body.decode(), "retry_after": answer.retry_after}
        self.exchanges.append(asked | said)
        return answer


def _payload(body: bytes | None) -> Any:
    return json.loads(body) if body else None


@dataclass
class Desk:
    """What a contract test works with."""

    broker: Broker
    clock: Clock
    market: OneTouchMarket
    sent: list[tuple[str, str]] | None = None  # what went over the wire, None where there is none
    simulator: RunningSimulator | None = None

    def request(
        self,
        name: str,
        *,
        side: Side = Side.BUY,
        quantity: int = LOT,
        limit_price: str = "100.10",
        validity: Validity = Validity.IOC,
    ) -> OrderRequest:
        return OrderRequest(
            correlation_id=name,
            segment=SEGMENT,
            security_id=SECURITY,
            contract=CALL,
            side=side,
            quantity=quantity,
            limit_price=Decimal(limit_price),
            tick_size=TICK,
            lot_size=LOT,
            validity=validity,
        )

    def place(self, name: str, **terms: Any) -> Placed:
        return self.broker.place(ClearedOrder(self.request(name, **terms), self.clock.elapsed()))

    def settled(self, order_id: str) -> BrokerOrder:
        """The order when nothing more can happen to it."""
        return self.wait_for(order_id, lambda order: order.status.is_final)

    def wait_for(self, order_id: str, condition: Callable[[BrokerOrder], bool]) -> BrokerOrder:
        for _ in range(100):
            found = [order for order in self.broker.orders() if order.order_id == order_id]
            if found and condition(found[0]):
                return found[0]
            self.clock.sleep(0.05)
        raise AssertionError(f"{order_id} did not get there")

    def goes_wrong(self, fault: Fault, seconds: float | None = None) -> None:
        """Let the next order meet this fault; the recording already holds what came of it."""
        if self.simulator is not None:
            self.simulator.plan.add(Scripted(fault, Call.PLACE, seconds=seconds))


def paper_desk() -> Desk:
    market, clock = OneTouchMarket(), SteppedClock(NOW)
    habits = PaperHabits(acknowledgement_seconds=0.02, fill_seconds=0.02, accepts_twice=True)
    broker = PaperBroker(market=market, book=MemoryBook(), capital=Decimal(10_000_000), clock=clock, habits=habits)
    return Desk(broker, clock, market)


@contextmanager
def simulator_desk(record_to: Path | None) -> Iterator[Desk]:
    market, clock = OneTouchMarket(), RunningClock(NOW)
    listing = Listing(SEGMENT, SECURITY, "NIFTY-Mar2026-25000-CE", "OPTIDX", LOT, TICK, CALL)
    venue = build_venue(market, clock, master=b"", listings={(SEGMENT, SECURITY): listing}, rate_limits=False)
    with running_simulator(venue) as simulator:
        wire = RecordingWire(Wire(simulator.addresses.base, bounds=SHORT), SHORT)
        who = Credential(venue.client_id, venue.access.token)
        access = PracticeAccess(simulator.addresses.base, lambda: who)
        yield Desk(SimulatorBroker(access, clock=clock, wire=wire), clock, market, wire.sent, simulator)
    if record_to is not None and wire.exchanges:
        record_to.write_text(json.dumps(wire.exchanges, indent=1) + "\n")


@contextmanager
def recorded_desk(file: Path) -> Iterator[Desk]:
    wire, clock = RecordedWire(json.loads(file.read_text()) if file.exists() else []), SteppedClock(NOW)
    who = Credential("1100000001", "recorded")
    access = PracticeAccess("http://127.0.0.1:1/v2", lambda: who)
    yield Desk(SimulatorBroker(access, clock=clock, wire=wire), clock, OneTouchMarket(), wire.sent)
    assert wire.exchanges == []


PAYLOADS = Path(__file__).parent / "payloads"
RECORDING = bool(os.environ.get("RECORD_PAYLOADS"))


@contextmanager
def desk_for(adapter: str, test: str) -> Iterator[Desk]:
    """The desk over one adapter; under RECORD_PAYLOADS=1 the simulator's answers are written down for `recorded`."""
    file = PAYLOADS / f"{test.removeprefix('test_')}.json"
    if adapter == "paper":
        yield paper_desk()
    elif adapter == "recorded":
        with recorded_desk(file) as made:
            yield made
    else:
        with simulator_desk(file if RECORDING else None) as made:
            yield made
