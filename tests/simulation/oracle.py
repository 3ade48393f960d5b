"""The invariants of reliability.md 2.9, judged by the exchange's journal, never by what our books say.

A run is *blamed on the exchange* when the exchange did to one of its orders what no client can undo: took it twice,
filled more than asked, let it arrive after the quarantine, or denied it three times. Such a run may end in ATTENTION,
with a person called; nothing else may.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from execution.basket.values import TIMING, Attempt, Basket, Purpose
from execution.lifecycle import OrderState, RunState, StrategyState
from execution.naming import OrderNames, OrderPlace
from execution.ports import SEND_DEADLINE_SECONDS, ClearedOrder
from execution.simulator.book import Entry, Happening, Order
from execution.simulator.exchange import Exchange
from market.contract import Contract, OptionType, Side
from tests.simulation.database import Database
from tests.simulation.world import World

MOST_CALLS = 10  # the broker's limit, in any second
KILL_GRACE = SEND_DEADLINE_SECONDS + 0.5  # a request cleared just before the switch may still leave
LIVENESS = 900.0

_SERIOUS = frozenset({"DUPLICATE_ORDER", "OVERFILL", "FOUND_LATE"})
_GONE = frozenset({RunState.FLAT, RunState.FAILED_FLAT, RunState.DENIED})


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken invariant."""

    invariant: int
    time: float
    sentence: str

    def __str__(self) -> str:
        return f"invariant {self.invariant} at {self.time:.3f} s: {self.sentence}"


@dataclass(slots=True)
class Tally:
    """What the exchange did for one leg of one run, in units."""

    opened: int = 0  # on the leg's side
    closed: int = 0  # against it


@dataclass(slots=True)
class Truth:
    """What the exchange did for one run."""

    legs: dict[int, Tally] = field(default_factory=dict)
    position: dict[Contract, int] = field(default_factory=dict)


class Oracle:
    """Watches everything; says what is broken."""

    def __init__(self, world: World, exchange: Exchange, database: Database, names: OrderNames) -> None:
        self._world, self._exchange, self._database, self._names = world, exchange, database, names
        self.violations: list[Violation] = []
        self.blamed: dict[int, str] = {}
        self.sends: dict[str, int] = {}
        self._calls: deque[float] = deque()
        self._read = 0
        self._truths: dict[int, Truth] = {}
        self._arriving: dict[str, tuple[float, float]] = {}  # sent, visible
        self._lies: dict[str, int] = {}
        self.last_arrival = 0.0
        self._killed_at: float | None = None
        self._halted_at: float | None = None
        self._transitions = 0
        self._epoch = 0

    # --- what the world tells ----------------------------------------------------------------------------------------

    def broken(self, invariant: int, sentence: str) -> None:
        """Note a violation."""
        self._world.say("VIOLATION", invariant, sentence)
        self.violations.append(Violation(invariant, self._world.time, sentence))

    def blame(self, name: str, why: str) -> None:
        """The exchange did something to this order that no client can undo."""
        place = self._names.read(name)
        if place is not None:
            self._world.say("blamed", name, why)
            self.blamed.setdefault(place.run, why)

    def under_way(self, name: str, seconds: float, hidden: float) -> None:
        """A request hangs somewhere and will arrive."""
        attempt = self._attempt(name)
        visible = self._world.time + seconds + hidden
        self._arriving[name] = self._world.time, self._world.time + seconds
        self.last_arrival = max(self.last_arrival, visible)
        sent = self._world.time if attempt is None or attempt.sent_at is None else self._world.at(attempt.sent_at)
        if visible > sent + TIMING.quarantine:
            self.blame(name, f"visible {visible - sent:.1f} s after it was sent")

    def denied(self, name: str) -> None:
        """A lookup says that there is no such order."""
        order = self._exchange.order_by_correlation(name, self._world.now()) or any(
            one.correlation_id == name for one in self._exchange.every_order()
        )
        if not order:
            return
        self._lies[name] = self._lies.get(name, 0) + 1
        attempt = self._attempt(name)
        believed = attempt is not None and attempt.state is OrderState.SENDING
        if believed or self._lies[name] >= TIMING.misses:
            self.blame(name, "denied though it is there")

    def stopped(self, standing: str) -> None:
        """A person has changed what may be sent."""
        now = self._world.time
        self._killed_at = None if standing == "ACTIVE" else self._killed_at if self._killed_at is not None else now
        self._halted_at = None if standing != "HALTED" else self._halted_at if self._halted_at is not None else now

    def committed(self, before: Basket | None, after: Basket, writer: tuple[str, int]) -> None:
        """A run was written."""
        owner, epoch = writer
        if owner != self._database.lease.owner:
            self.broken(8, f"run {after.run} written by {owner} while {self._database.lease.owner} leads")
        if epoch != self._database.lease.epoch:
            self.broken(8, f"run {after.run} written by epoch {epoch} under {self._database.lease.epoch}")
        if epoch < self._epoch:
            self.broken(8, f"epoch {epoch} after {self._epoch}")
        self._epoch = max(epoch, self._epoch)
        old = {} if before is None else {attempt.correlation_id: attempt for attempt in before.attempts}
        self._transitions += before is None or before.state is not after.state
        for attempt in after.attempts:
            was = old.get(attempt.correlation_id)
            self._transitions += was is None or was.state is not attempt.state
            if was is not None and attempt.filled < was.filled:
                self.broken(8, f"{attempt.correlation_id}: {was.filled} -> {attempt.filled} filled")
        if sum(self._database.reserved.values()) < 0:
            self.broken(12, "reservations are negative")
        if before is not None and before.state is not after.state and after.has_ended:
            self._claims(after)

    # --- requests ----------------------------------------------------------------------------------------------------

    def on_call(self) -> None:
        """One more order call."""
        now, calls = self._world.time, self._calls
        calls.append(now)
        while calls[0] <= now - 1.0:
            calls.popleft()
        if len(calls) > MOST_CALLS:
            self.broken(11, f"{len(calls)} order calls within a second")

    def on_wire(self, order: ClearedOrder) -> None:
        """The first byte of an order leaves."""
        self.on_call()
        self.look()
        name = order.request.correlation_id
        self.sends[name] = self.sends.get(name, 0) + 1
        if self.sends[name] > 1:
            self.broken(13, f"{name} is sent {self.sends[name]} times")
        place = self._names.read(name)
        if place is None:
            self.broken(3, f"{name} names nothing")
            return
        if place.mode != "paper":
            self.broken(15, f"{name} is a {place.mode} order")
        run, attempt = self._database.runs.get(place.run), self._attempt(name)
        if run is None or attempt is None or attempt.sent_at is None:
            self.broken(9, f"{name} leaves without a committed SENDING row")
            return
        self._row(run, attempt, order)
        self._kill(run, attempt)
        if place.run not in self.blamed:
            self._alone(place, name)
            self._room(run, attempt)
            self._cover(run, attempt)
        if not self.blamed:
            self._limit()

    def _row(self, run: Basket, attempt: Attempt, order: ClearedOrder) -> None:
        request, name = order.request, attempt.correlation_id
        leg = run.leg(attempt.leg)
        if (request.side, request.quantity, request.contract) != (attempt.side, attempt.quantity, leg.contract):
            self.broken(3, f"{name} is not what its row says")
        if self._database.of_run[run.run].state in {StrategyState.PENDING, StrategyState.MARKED}:
            self.broken(3, f"{name} belongs to a strategy that was never claimed")
        if attempt.state not in {OrderState.SENDING, OrderState.UNKNOWN}:
            self.broken(9, f"{name} leaves while its row says {attempt.state}")
        sent = self._world.at(attempt.sent_at) if attempt.sent_at is not None else self._world.time
        if self._world.time - sent > SEND_DEADLINE_SECONDS + 1e-6:
            self.broken(9, f"{name} leaves {self._world.time - sent:.1f} s after it was cleared")

    def _kill(self, run: Basket, attempt: Attempt) -> None:
        opens = run.purpose is Purpose.ENTRY and attempt.side is run.leg(attempt.leg).side
        since = self._killed_at
        if opens and since is not None and self._world.time - since > KILL_GRACE:
            self.broken(10, f"{attempt.correlation_id} opens {self._world.time - since:.1f} s after the kill switch")
        since = self._halted_at
        flattens = run.purpose is Purpose.FLATTEN or self._database.flattening
        if not flattens and since is not None and self._world.time - since > KILL_GRACE:
            self.broken(10, f"{attempt.correlation_id} leaves {self._world.time - since:.1f} s after the halt")

    def _alone(self, place: OrderPlace, name: str) -> None:
        """No other order of this leg is alive at the exchange or on its way there."""
        for order in self._exchange.every_order():
            if order.is_live and order.correlation_id != name and self._is_beside(place, order.correlation_id):
                self.broken(13, f"{name} is sent beside {order.correlation_id}")
        for other, (_, arrives) in self._arriving.items():
            if arrives > self._world.time and other != name and self._is_beside(place, other):
                self.broken(13, f"{name} is sent while {other} is on its way")

    def _is_beside(self, place: OrderPlace, other: str) -> bool:
        found = self._names.read(other)
        return found is not None and (found.run, found.leg) == (place.run, place.leg)

    def _room(self, run: Basket, attempt: Attempt) -> None:
        """What is filled and what this order adds stay within the leg, and within what can be taken back."""
        leg, tally = run.leg(attempt.leg), self._truth(run.run).legs.get(attempt.leg, Tally())
        if attempt.side is leg.side:
            if tally.opened - tally.closed + attempt.quantity > leg.quantity:
                self.broken(1, f"{attempt.correlation_id} takes leg {leg.number} beyond {leg.quantity}")
        elif tally.closed + attempt.quantity > tally.opened:
            self.broken(17, f"{attempt.correlation_id} takes back more of leg {leg.number} than was filled")

    def _cover(self, run: Basket, attempt: Attempt) -> None:
        """If this sale and every other live one filled, every short would be covered."""
        if attempt.side is not Side.SELL or run.cash_secured or run.allow_naked:
            return
        position = self._position(run)
        contract = run.leg(attempt.leg).contract
        position[contract] = position.get(contract, 0) - attempt.quantity
        for order in self._exchange.every_order():
            place = self._names.read(order.correlation_id) if order.is_live and order.side is Side.SELL else None
            if place is not None and place.run == run.run and order.correlation_id != attempt.correlation_id:
                sold = order.listing.contract
                position[sold] = position.get(sold, 0) - order.remaining
        if naked(position):
            self.broken(4, f"{attempt.correlation_id} would leave {naked(position)} units uncovered")

    def _limit(self) -> None:
        held = 0
        for strategy in self._database.strategies.values():
            net: dict[Contract, int] = {}
            for number in (strategy.entry, *strategy.exits):
                for contract, units in self._truth(number).position.items():
                    net[contract] = net.get(contract, 0) + units
            held += sum(map(abs, net.values()))
        if held > self._database.limit:
            self.broken(16, f"{held} units held, {self._database.limit} allowed")

    # --- the exchange ------------------------------------------------------------------------------------------------

    def look(self) -> None:
        """Take in what the exchange did since the last look."""
        journal = self._exchange.journal
        while self._read < len(journal):
            entry = journal[self._read]
            self._read += 1
            if entry.kind is Happening.TRADED and entry.correlation_id:
                self._traded(entry)

    def _traded(self, entry: Entry) -> None:
        self._world.say("traded", entry.correlation_id, entry.side, f"{entry.filled}/{entry.quantity}")
        if entry.filled > entry.quantity:
            self.blame(entry.correlation_id, "filled more than asked")
        place = self._names.read(entry.correlation_id)
        run = None if place is None else self._database.runs.get(place.run)
        if place is None or run is None or entry.side is None:
            return
        leg, truth = run.leg(place.leg), self._truth(place.run)
        tally = truth.legs.setdefault(place.leg, Tally())
        if entry.side is leg.side:
            tally.opened += entry.units
        else:
            tally.closed += entry.units
        truth.position[leg.contract] = truth.position.get(leg.contract, 0) + entry.side.sign * entry.units
        if run.run not in self.blamed:
            self._filled(run, place, leg.quantity, tally)

    def _filled(self, run: Basket, place: OrderPlace, intended: int, tally: Tally) -> None:
        if tally.opened - tally.closed > intended:
            self.broken(1, f"run {run.run} leg {place.leg}: {tally.opened - tally.closed} of {intended}")
        if tally.closed > tally.opened:
            self.broken(17, f"run {run.run} leg {place.leg}: closed {tally.closed} of {tally.opened}")
        if not (run.cash_secured or run.allow_naked) and naked(self._position(run)):
            self.broken(4, f"run {run.run}: {naked(self._position(run))} units are short without cover")

    def _truth(self, run: int) -> Truth:
        return self._truths.setdefault(run, Truth())

    def _position(self, run: Basket) -> dict[Contract, int]:
        position = dict(run.opening)
        for contract, units in self._truth(run.run).position.items():
            position[contract] = position.get(contract, 0) + units
        return position

    def _attempt(self, name: str) -> Attempt | None:
        run = self._database.runs.get(self._database.run_of.get(name, 0))
        return None if run is None else next((one for one in run.attempts if one.correlation_id == name), None)

    # --- claims ------------------------------------------------------------------------------------------------------

    def _claims(self, run: Basket) -> None:
        """What a run says at its end is true at the exchange."""
        self.look()
        if run.run in self.blamed:
            return
        tallies = self._truth(run.run).legs
        nets = {leg.number: self._net(tallies.get(leg.number)) for leg in run.legs}
        if run.state is RunState.COMPLETE and any(nets[leg.number] != leg.quantity for leg in run.legs):
            self.broken(5, f"run {run.run} says COMPLETE and holds {nets}")
        if run.state in _GONE and any(nets.values()):
            self.broken(5, f"run {run.run} says {run.state} and holds {nets}")
        for order in self._exchange.every_order():
            place = self._names.read(order.correlation_id) if order.is_live else None
            if place is not None and place.run == run.run:
                self.broken(5, f"run {run.run} says {run.state} and {order.correlation_id} is live")

    def _net(self, tally: Tally | None) -> int:
        return 0 if tally is None else tally.opened - tally.closed

    def at_end(self) -> None:
        """What must hold when all is quiet."""
        self._exchange.advance(self._world.now())
        self.look()
        for run in self._database.runs.values():
            self._ended(run)
        self._orders()
        if self._database.audited != self._transitions:
            self.broken(18, f"{self._transitions} transitions, {self._database.audited} audit rows")
        reserved = [name for name in self._database.reserved if self._database.run_of[name] not in self.blamed]
        if reserved:
            self.broken(12, f"still reserved: {sorted(reserved)}")

    def _ended(self, run: Basket) -> None:
        attention = run.state is RunState.ATTENTION
        if not run.has_ended and not attention:
            self.broken(7, f"run {run.run} is still {run.state} ({[str(one.state) for one in run.live]})")
        if run.run in self.blamed:
            return
        if attention:
            why = "" if run.reason is None else run.reason.code
            self.broken(7, f"run {run.run} ended in ATTENTION ({why}) though the exchange behaved")

    def _orders(self) -> None:
        """Ledger and exchange agree on every order; none is alive."""
        for order in self._exchange.every_order():
            place = self._names.read(order.correlation_id)
            if place is None:
                continue
            if place.run in self.blamed:
                self._person_knows(order, place.run)
                continue
            attempt = self._attempt(order.correlation_id)
            if order.is_live:
                self.broken(6, f"{order.correlation_id} is alive at the end")
            filled = -1 if attempt is None else attempt.filled
            if filled != order.filled:
                self.broken(2, f"{order.correlation_id}: exchange {order.filled}, attempt {filled}")
            booked = self._database.traded.get(order.order_id, 0)
            if booked != order.filled:
                self.broken(2, f"{order.correlation_id}: exchange {order.filled}, trades {booked}")

    def _person_knows(self, order: Order, run: int) -> None:
        """What the exchange did wrong is taken over, or a person was called for this very thing."""
        attempt = self._attempt(order.correlation_id)
        taken = attempt is not None and attempt.filled == order.filled and attempt.order_id in {"", order.order_id}
        if taken and not order.is_live:
            return
        if not any(alert.run == run and alert.reason.code in _SERIOUS for alert in self._database.alerts.values()):
            self.broken(2, f"{order.correlation_id} ({self.blamed[run]}): books differ and nobody was called")


def naked(position: Mapping[Contract, int]) -> int:
    """Units that are short without a long option of their kind that lives as long, or shares; a rule of our own."""
    worst = 0
    shares = sum(units for contract, units in position.items() if not contract.is_option)
    for kind in OptionType:
        rows = [(contract.expiry, units) for contract, units in position.items() if contract.option_type is kind]
        for expiry in {day for day, units in rows if units < 0}:
            alive = sum(units for day, units in rows if _as_long(day, expiry))
            worst = max(worst, -alive - (shares if kind is OptionType.CALL else 0))
    return max(worst, -shares, 0)


def _as_long(day: date | None, expiry: date | None) -> bool:
    return day is not None and expiry is not None and day >= expiry
