"""The invariants of reliability.md 2.9, judged by the exchange's journal, never by what our books say.

A run is *blamed on the exchange* when the exchange did to one of its orders what no client can undo: took it twice,
filled more than asked, let it arrive after the quarantine, or denied it three times. Such a run may end in ATTENTION,
with a person called; nothing else may.

==  ============================================================  ====================================================
 #  what must hold                                                where it is looked at, and when
==  ============================================================  ====================================================
 1  live remainder + filled <= intended, per leg                  `_room` each send, `_within` each arrival and trade
 2  trades of the exchange = fills of the ledger, per order       `_orders` at the end
 3  every order decodes to one leg of a strategy that was         `on_wire`, `_row` each send
    claimed, and of a run that the gate let pass
 4  no short without cover: 0 s, not 30                           `_cover` each send, `_filled` each trade
 5  what a run says at its end is true                            `_claims` when it ends; stays true by 2 and 6
 6  no live order without a live run                              `_claims` when it ends, `_orders` at the end
 7  every run ends within 15 minutes of the faults                `_ended` at the end
 8  fills and epochs never decrease, one epoch writes             `committed` each commit
 9  nothing leaves without a fresh committed SENDING row          `on_wire`, `_row` each send
10  nothing opens after the kill switch or a critical alert,      `_kill` each send
    nothing but a flatten leaves after a halt
11  at most ten order calls in any second                         `on_call` each send and cancel
12  reservations = live orders that open, never negative          `_reservations` each commit, `at_end`
13  one live attempt per leg, one send per name                   `on_wire`, `_alone` each send; the database's index
14  no transition outside the tables                              the database's triggers each commit (`Trader.run`)
15  a paper run makes paper orders                                `on_wire` each send; tests/live_host_guard.py
16  exposure within the limit, over all runs                      `_limit` each send and trade
17  an exit never turns a position round                          `_room` each send, `_filled` each trade
18  as many audit rows as transitions                             `at_end`; the hash chain itself: test_audit.py
19  the same seed, the same trace                                 test_replay.py
20  no exception reaches the top                                  `Trader.run`
21  (ours) where nothing goes wrong, all that was wanted is done  `Schedule._all_done`
==  ============================================================  ====================================================
"""

from collections import deque

from execution.basket.values import TIMING, Attempt, Basket, Purpose
from execution.legs import BasketLeg, Phase
from execution.lifecycle import OrderState, RunState, StrategyState
from execution.naming import OrderNames, OrderPlace
from execution.ports import SEND_DEADLINE_SECONDS, ClearedOrder
from execution.simulator.book import Entry, Happening, Order
from execution.simulator.exchange import Exchange
from market.contract import Contract, Side
from tests.simulation.database import Alert, Database
from tests.simulation.truth import Tally, Truth, Violation, naked
from tests.simulation.world import World

MOST_CALLS = 10  # the broker's limit, in any second
KILL_GRACE = SEND_DEADLINE_SECONDS + 0.5  # a request cleared just before the switch may still leave
LIVENESS = 900.0

_SERIOUS = frozenset({"DUPLICATE_ORDER", "OVERFILL", "FOUND_LATE"})
_GONE = frozenset({RunState.FLAT, RunState.FAILED_FLAT, RunState.DENIED})


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
        self._denied: set[int] = set()
        self._transitions = 0
        self._epoch = 0
        self._places: dict[str, OrderPlace | None] = {}  # a name is read once: its signature costs time

    # --- what the world tells ----------------------------------------------------------------------------------------

    def broken(self, invariant: int, sentence: str) -> None:
        """Note a violation."""
        self._world.say("VIOLATION", invariant, sentence)
        self.violations.append(Violation(invariant, self._world.time, sentence))

    def place_of(self, name: str) -> OrderPlace | None:
        """Where an order stands in our books, None for one that is not ours."""
        if name not in self._places:
            self._places[name] = self._names.read(name)
        return self._places[name]

    def blame(self, name: str, why: str) -> None:
        """The exchange did something to this order that no client can undo."""
        place = self.place_of(name)
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
        self._reservations(after)
        if before is not None and before.state is not after.state and after.has_ended:
            self._claims(after)

    def _reservations(self, run: Basket) -> None:
        """What may still open is reserved, and nothing else is."""
        for attempt in run.attempts:
            opens = run.purpose is Purpose.ENTRY and attempt.phase is not Phase.UNWINDING
            sent = attempt.is_live and attempt.state is not OrderState.INTENT
            meant = attempt.quantity if opens and sent else 0
            reserved = self._database.reserved.get(attempt.correlation_id, 0)
            if reserved != meant:
                self.broken(12, f"{attempt.correlation_id}: {reserved} units reserved, {meant} may still open")

    def judged(self, run: int, *, denied: bool) -> None:
        """The gate has spoken about a run; what it says once the run has its answer does not count."""
        if self._database.runs[run].state is RunState.PRECHECK:
            (self._denied.add if denied else self._denied.discard)(run)

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
        place = self.place_of(name)
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
        if run.run in self._denied:
            self.broken(3, f"{name} belongs to a run that the gate denied")
        if attempt.state not in {OrderState.SENDING, OrderState.UNKNOWN}:
            self.broken(9, f"{name} leaves while its row says {attempt.state}")
        sent = self._world.at(attempt.sent_at) if attempt.sent_at is not None else self._world.time
        if self._world.time - sent > SEND_DEADLINE_SECONDS + 1e-6:
            self.broken(9, f"{name} leaves {self._world.time - sent:.1f} s after it was cleared")

    def _kill(self, run: Basket, attempt: Attempt) -> None:
        opens = run.purpose is Purpose.ENTRY and self._adds(run, attempt)
        since = self._killed_at
        if opens and since is not None and self._world.time - since > KILL_GRACE:
            self.broken(10, f"{attempt.correlation_id} opens {self._world.time - since:.1f} s after the kill switch")
        if opens and any(self._is_pressing(alert) for alert in self._database.alerts.values()):
            self.broken(10, f"{attempt.correlation_id} opens though a person was called and has not come")
        since = self._halted_at
        flattens = run.purpose is Purpose.FLATTEN or self._database.flattening
        if not flattens and since is not None and self._world.time - since > KILL_GRACE:
            self.broken(10, f"{attempt.correlation_id} leaves {self._world.time - since:.1f} s after the halt")

    def _adds(self, run: Basket, attempt: Attempt) -> bool:
        """Whether the exchange would hold more of the leg after it; what it did wrong may be taken back."""
        if run.run in self.blamed and attempt.phase is Phase.UNWINDING:
            return False
        leg = run.leg(attempt.leg)
        net = leg.side.sign * self._truth(run.run).legs.get(leg.number, Tally()).net
        return abs(net + attempt.side.sign * attempt.quantity) > abs(net)

    def _is_pressing(self, alert: Alert) -> bool:
        return alert.critical and not alert.acknowledged and self._world.time - alert.at > KILL_GRACE

    def _alone(self, place: OrderPlace, name: str) -> None:
        """No other order of this leg is alive at the exchange or on its way there."""
        for order in self._exchange.every_order():
            if order.is_live and order.correlation_id != name and self._is_of(place, order.correlation_id):
                self.broken(13, f"{name} is sent beside {order.correlation_id}")
        for other, (_, arrives) in self._arriving.items():
            if arrives > self._world.time and other != name and self._is_of(place, other):
                self.broken(13, f"{name} is sent while {other} is on its way")

    def _is_of(self, place: OrderPlace, other: str) -> bool:
        found = self.place_of(other)
        return found is not None and (found.run, found.leg) == (place.run, place.leg)

    def _room(self, run: Basket, attempt: Attempt) -> None:
        """What is filled and what this order adds stay within the leg, and within what can be taken back."""
        leg, tally = run.leg(attempt.leg), self._truth(run.run).legs.get(attempt.leg, Tally())
        if attempt.side is leg.side:
            if tally.net + attempt.quantity > leg.quantity:
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
            place = self.place_of(order.correlation_id) if order.is_live and order.side is Side.SELL else None
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
            if entry.correlation_id and entry.kind in {Happening.SUBMITTED, Happening.TRADED}:
                self._happened(entry)

    def _happened(self, entry: Entry) -> None:
        if entry.filled > entry.quantity:
            self.blame(entry.correlation_id, "filled more than asked")
        place = self.place_of(entry.correlation_id)
        run = None if place is None else self._database.runs.get(place.run)
        if place is None or run is None or entry.side is None:
            return
        leg, truth = run.leg(place.leg), self._truth(place.run)
        tally = truth.legs.setdefault(place.leg, Tally())
        if entry.kind is Happening.TRADED:
            self.last_arrival = max(self.last_arrival, self._world.time)  # the books are read once more after it
            self._world.say("traded", entry.correlation_id, entry.side, f"{entry.filled}/{entry.quantity}")
            self._count(entry, leg, truth, tally)
        if run.run not in self.blamed:
            self._within(place, leg, tally)
            self._filled(run, place, tally)
        if not self.blamed:
            self._limit()

    def _count(self, entry: Entry, leg: BasketLeg, truth: Truth, tally: Tally) -> None:
        side = entry.side or leg.side
        if side is leg.side:
            tally.opened += entry.units
        else:
            tally.closed += entry.units
        truth.position[leg.contract] = truth.position.get(leg.contract, 0) + side.sign * entry.units

    def _within(self, place: OrderPlace, leg: BasketLeg, tally: Tally) -> None:
        """By the exchange's own counters: what is held of a leg and what still stands there for it."""
        coming = 0
        for order in self._exchange.every_order():
            if order.is_live and order.side is leg.side and self._is_of(place, order.correlation_id):
                coming += order.remaining
        if tally.net + coming > leg.quantity:
            self.broken(1, f"run {place.run} leg {leg.number}: {tally.net} held, {coming} coming, {leg.quantity} meant")

    def _filled(self, run: Basket, place: OrderPlace, tally: Tally) -> None:
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
        nets = {leg.number: tallies.get(leg.number, Tally()).net for leg in run.legs}
        if run.state is RunState.COMPLETE and any(nets[leg.number] != leg.quantity for leg in run.legs):
            self.broken(5, f"run {run.run} says COMPLETE and holds {nets}")
        if run.state in _GONE and any(nets.values()):
            self.broken(5, f"run {run.run} says {run.state} and holds {nets}")
        for order in self._exchange.every_order():
            place = self.place_of(order.correlation_id) if order.is_live else None
            if place is not None and place.run == run.run:
                self.broken(5, f"run {run.run} says {run.state} and {order.correlation_id} is live")

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
            place = self.place_of(order.correlation_id)
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
