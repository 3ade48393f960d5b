"""Bugs planted one at a time, each in place of one rule of the core, the executor or the books.

Patching is allowed here and nowhere else: a mutant *is* altered code. A mutant that survives says that the harness is
blind to the rule it breaks.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from execution import evidence
from execution.basket import order_rules, run_rules, sending, values
from execution.basket import step as step_module
from execution.basket.messages import (
    Accepted,
    Cancel,
    Event,
    Lost,
    Missed,
    Refused,
    Seen,
    Send,
    Tick,
)
from execution.basket.values import Attempt, Basket, Purpose, Timing, move, since
from execution.errors import BrokerError, Fenced, LostRace, NotSent, OutcomeUnknown
from execution.evidence import Books, Watch
from execution.executor import Executor
from execution.ledger import KnownOrder
from execution.legs import Phase, is_complete
from execution.lifecycle import OrderEvent, OrderState, RunEvent, RunState
from execution.ports import ClearedOrder, OrderStatus
from market.contract import Side
from market.errors import Reason
from tests.simulation import schedule
from tests.simulation.ledger import MemoryLedger

Change = tuple[Any, str, Any]


@dataclass(frozen=True, slots=True)
class Mutant:
    """One planted bug: what is put in whose place."""

    name: str
    modes: str  # the failure modes it lets through
    changes: tuple[Change, ...]

    @contextmanager
    def planted(self) -> Iterator[None]:
        """The bug is there inside this block."""
        undo = [_put(*change) for change in self.changes]
        try:
            yield
        finally:
            for act in reversed(undo):
                act()


def _put(owner: Any, name: Any, value: Any) -> Callable[[], None]:
    """Replace an attribute, a row of a table, or what the executor does about a command."""
    if isinstance(owner, dict):
        old = owner[name]
        owner[name] = value
        return partial(owner.__setitem__, name, old)
    if owner is _COMMANDS:
        old = _COMMANDS.dispatcher.dispatch(name)
        _COMMANDS.register(name, value)
        return partial(_COMMANDS.register, name, old)
    old = owner.__dict__[name]
    setattr(owner, name, value)
    return partial(setattr, owner, name, old)


_COMMANDS = Executor.__dict__["_do"]
_HANDLERS: Any = step_module._HANDLERS
_RULES: Any = run_rules._RUN_RULES
_LIVE = Attempt.__dict__["is_live"].fget


# --- writing and sending ---------------------------------------------------------------------------------------------


def _send_first(self: Any, command: Send, basket: Basket, trades: Any) -> Basket:
    """The request leaves, then SENDING is written."""
    attempt, name = basket.attempt(command.correlation_id), command.correlation_id
    event = self._ask(ClearedOrder(self._ledger.request(basket, attempt), self._clock.elapsed()))
    cleared = self._clear(basket, name)
    return basket if isinstance(cleared, Reason) else self._apply(self._ledger.basket(basket.run), event)


def _ask_thrice(self: Any, cleared: ClearedOrder) -> Event:
    """An order that may be there is sent again."""
    for _ in range(3):
        event = _ASK(self, cleared)
        if not isinstance(event, Lost):
            break
    return event


def _ask_sure(self: Any, cleared: ClearedOrder) -> Event:
    """No answer is taken for a no."""
    event = _ASK(self, cleared)
    return Refused(event.correlation_id, event.reason) if isinstance(event, Lost) else event


def _ask_timeout_never_left(self: Any, cleared: ClearedOrder) -> Event:
    """No answer is taken for "it never left", so that the leg may be tried again."""
    try:
        return Accepted(cleared.request.correlation_id, self._broker.place(cleared).order_id)
    except (OutcomeUnknown, NotSent) as error:
        reason = Reason("NOT_SENT", error.reason.sentence)
        return order_rules.NeverLeft(cleared.request.correlation_id, reason)
    except BrokerError as error:
        return self._confirmed(cleared.request.correlation_id, error)


def _unconfirmed(self: Any, name: str, error: BrokerError) -> Event:
    return Refused(name, error.reason)


def _sends_what_it_finds(self: Any, run: int, permit: Any) -> bool:
    """A start sends again what the last process was sending."""
    basket = self._ledger.basket(run)
    for attempt in basket.attempts:
        if attempt.state is OrderState.SENDING:
            self._ask(ClearedOrder(self._ledger.request(basket, attempt), self._clock.elapsed()))
    return bool(_TURN_OF(self, run, permit))


def _clear_anyway(self: Any, basket: Basket, name: str) -> ClearedOrder | Reason:
    """A lost race, or the end of our lease, is no reason to stop."""
    try:
        return _CLEAR(self, basket, name)  # type: ignore[no-any-return]
    except (LostRace, Fenced):
        return ClearedOrder(self._ledger.request(basket, basket.attempt(name)), self._clock.elapsed())


def _no_pace(self: Any, *, urgent: bool) -> float:
    return 0.0


def _same_epoch(self: Any) -> bool:
    """Everybody may lead."""
    with self._transaction("elect"):
        lease = self.database.lease
        lease.owner, lease.epoch, lease.until, lease.session_lives = self.owner, 1, self._world.time + 10.0, True
        self.epoch = 1
    return True


_ASK, _CLEAR, _TURN_OF = Executor._ask, Executor._clear, Executor._turn_of


def _nothing(*_: Any, **__: Any) -> None:
    return None


# --- evidence --------------------------------------------------------------------------------------------------------


def _believes_any_book(basket: Basket, event: Seen, now: Any, timing: Timing) -> order_rules.Step:
    """An older book overwrites what is known."""
    attempt = basket.attempt(event.correlation_id)
    if attempt.order_id == event.order.order_id and event.order.filled_quantity < attempt.filled:
        filled = replace(attempt, filled=event.order.filled_quantity)
        return values.with_attempt(basket, filled), ()
    return _ON_SEEN(basket, event, now, timing)


def _always(*_: Any) -> bool:
    return True


def _counts_without_trades(basket: Basket, event: Seen, now: Any, timing: Timing) -> order_rules.Step:
    return _ON_SEEN(basket, replace(event, traded=event.order.filled_quantity), now, timing)


def _partial_is_full(basket: Basket, event: Seen, now: Any, timing: Timing) -> order_rules.Step:
    order = event.order
    if order.filled_quantity and event.traded == order.filled_quantity:
        event = replace(event, order=replace(order, status=OrderStatus.TRADED))
        attempt = basket.attempt(event.correlation_id)
        if attempt.is_live and attempt.state not in {OrderState.SENDING, OrderState.UNKNOWN}:
            full = replace(attempt, filled=attempt.quantity, value=event.value)
            return move(basket, full, OrderEvent.FILL), ()
    return _ON_SEEN(basket, event, now, timing)


def _blind_to_end_states(basket: Basket, event: Seen, now: Any, timing: Timing) -> order_rules.Step:
    """What was given up is never looked at again."""
    given_up = basket.attempt(event.correlation_id).state in values.GIVEN_UP
    return (basket, ()) if given_up else _ON_SEEN(basket, event, now, timing)


def _missed_at_once(basket: Basket, event: Missed, now: Any, timing: Timing) -> order_rules.Step:
    attempt = basket.attempt(event.correlation_id)
    if attempt.state is not OrderState.UNKNOWN:
        return basket, ()
    return move(basket, attempt, OrderEvent.MISS, reason=Reason("NOT_PLACED", "Not found.")), ()


def _ours_first_only(self: Any, known: KnownOrder, orders: Sequence[Any], books: Books) -> None:
    """An order that stands twice is looked at once."""
    _OURS(self, known, orders[:1], books)


def _looked_up_without_errors(self: Any, order: KnownOrder) -> None:
    """A lookup that fails counts as one that finds nothing."""
    if since(order.sent_at, self._clock.now()) <= self._timing.quarantine:
        return
    try:
        _looked_up(self, order)
    except BrokerError:
        self._executor.apply(order.run, Missed(order.correlation_id))


def _looked_up(self: Any, order: KnownOrder) -> None:
    found = self._broker.order_by_correlation(order.correlation_id)
    if found is None:
        raise BrokerError(Reason("NONE", "none"))
    trades = self._broker.trades(found.order_id)
    total = sum(trade.quantity for trade in trades)
    value = sum(trade.price * trade.quantity for trade in trades)
    self._executor.apply(order.run, Seen(order.correlation_id, found, total, value), trades)


def _book_without_errors(self: Any, known: Any) -> Books | None:
    """A book that cannot be read is an empty one, and a cut one is whole."""
    try:
        return Books(self._broker.orders(), self._broker.trades())
    except BrokerError:
        return Books((), ())


def _missing_is_cancelled(self: Any, books: Books, known: Any) -> None:
    """An order that the book does not show has ended."""
    _TAKE_OVER(self, books, known)
    there = {order.correlation_id for order in books.orders}
    for name, order in known.items():
        if order.is_live and order.order_id and name not in there:
            basket = self._ledger.basket(order.run)
            attempt = basket.attempt(name)
            if attempt.state in {OrderState.ACKED, OrderState.WORKING, OrderState.PART, OrderState.PENDING_CANCEL}:
                self._ledger.commit(basket, move(basket, attempt, OrderEvent.CANCEL))


_ON_SEEN, _OURS, _TAKE_OVER = order_rules.on_seen, Watch._ours, Watch._take_over


# --- rules -----------------------------------------------------------------------------------------------------------


def _all_covered(basket: Basket, piece: Any, position: Any) -> Any:
    return piece


def _exits_sell_first(basket: Basket, permit: Any, now: Any, timing: Timing) -> run_rules.Found:
    if basket.purpose is Purpose.ENTRY or not run_rules.outstanding(Phase.SELLING, basket.legs, basket.held):
        return run_rules._from_ready(basket, permit, now, timing)
    return RunEvent.SELL, None


def _longs_first(phase: Phase, legs: Any, held: Any) -> Any:
    pieces = _OUTSTANDING(phase, legs, held)
    return sorted(pieces, key=lambda piece: piece.side is Side.BUY) if phase is Phase.UNWINDING else pieces


def _shorts_first(basket: Basket, permit: Any, now: Any, timing: Timing) -> run_rules.Found:
    """An entry sells before it buys, as its rows stand."""
    if basket.purpose is Purpose.ENTRY and run_rules.outstanding(Phase.SELLING, basket.legs, basket.held):
        return RunEvent.SELL, None
    return run_rules._from_ready(basket, permit, now, timing)


def _always_due(basket: Basket, piece: Any, now: Any, timing: Timing) -> bool:
    return True


def _ended_when_cancel_asked(self: Attempt) -> bool:
    return _LIVE(self) and self.state is not OrderState.PENDING_CANCEL


def _cancel_is_the_end(self: Any, command: Cancel, basket: Basket, trades: Any) -> Basket:
    """The broker took the request to cancel, so it is cancelled."""
    try:
        self._broker.cancel(command.order_id)
    except BrokerError:
        return basket
    attempt = basket.attempt(command.correlation_id)
    return self._ledger.commit(basket, move(basket, attempt, OrderEvent.CANCEL))


def _accepted_counts(self: Basket) -> dict[int, int]:
    """What the broker took counts as filled."""
    totals: dict[int, int] = {}
    for one in self.attempts:
        units = one.quantity if _LIVE(one) and one.order_id else one.filled
        totals[one.leg] = totals.get(one.leg, 0) + one.side.sign * units
    return {leg: units for leg, units in totals.items() if units}


def _only_live_without_id(self: Attempt) -> bool:
    return _LIVE(self) and not self.order_id


def _settled_with_live(basket: Basket, permit: Any, now: Any, timing: Timing) -> run_rules.Found:
    """The run goes on from SETTLING while orders are open."""
    ended = tuple(one for one in basket.attempts if not one.is_live)
    return run_rules._from_settling(replace(basket, attempts=ended), permit, now, timing)


def _half_is_complete(basket: Basket, permit: Any, now: Any, timing: Timing) -> run_rules.Found:
    found = run_rules._from_settling(basket, permit, now, timing)
    if found is not None and found[0] is RunEvent.UNWIND:
        return RunEvent.COMPLETE, None
    return found


def _unwinding_abandoned(basket: Basket, permit: Any, now: Any, timing: Timing) -> run_rules.Found:
    """It gives up after a while and says that it is flat."""
    if since(basket.phase_at, now) > 6.0 and not basket.live:
        return RunEvent.FLATTEN, None
    return run_rules._from_unwinding(basket, permit, now, timing)


def _complete_despite_live(basket: Basket, permit: Any, now: Any, timing: Timing) -> run_rules.Found:
    """Done with the buying once the orders are out."""
    if basket.state is RunState.BUYING and basket.attempts and is_complete((), {}):
        sold = run_rules.outstanding(Phase.SELLING, basket.legs, basket.held)
        return (RunEvent.SELL, None) if sold else run_rules._from_sending(basket, permit, now, timing)
    return run_rules._from_sending(basket, permit, now, timing)


def _never_ended(basket: Basket, attempt: Attempt, now: Any, timing: Timing) -> bool:
    return False


def _whole_legs(basket: Basket, piece: Any, phase: Phase) -> Any:
    """A chase asks for the whole slice again, not for what is missing."""
    return _PRICE(basket, replace(piece, quantity=min(piece.leg.quantity, piece.leg.order_limit)), phase)


def _numbered_by_phase(basket: Basket, piece: Any, phase: Phase) -> Any:
    """Names are counted from the start of the phase, not from the start of the run."""
    price = _PRICE(basket, piece, phase)
    return replace(price, number=price.step)


def _not_overtaken(basket: Basket, wanted: Any) -> bool:
    return False


def _ticks_again(basket: Basket, event: Tick, now: Any, timing: Timing) -> Any:
    """SENDING found at a start is an intent: it goes back and is sent."""
    for attempt in basket.attempts:
        if attempt.state is OrderState.SENDING:
            again = replace(attempt, state=OrderState.INTENT, sent_at=None)
            return values.with_attempt(basket, again), (Send(attempt.correlation_id),)
    return _TICK(basket, event, now, timing)


_OUTSTANDING, _PRICE, _TICK = sending.outstanding, sending._price, step_module._tick


def _timing(**changes: Any) -> Change:
    return (schedule, "Timing", partial(Timing, **changes))


_NO_COVER: Change = (sending, "_covered", _all_covered)

MUTANTS: tuple[Mutant, ...] = (
    Mutant("no write-ahead", "C1 C3", ((_COMMANDS, Send, _send_first),)),
    Mutant("blind retry", "A2", ((Executor, "_ask", _ask_thrice),)),
    Mutant("no quarantine", "A3 A12", ((_HANDLERS, Missed, _missed_at_once), _timing(quarantine=0.0))),
    Mutant("short quarantine", "A3 A12", (_timing(quarantine=12.0),)),
    Mutant("no cover rule, sells first", "E1 E2", (_NO_COVER, (_RULES, RunState.READY, _shorts_first))),
    Mutant("sells while it buys", "E2", (_NO_COVER, (_RULES, RunState.BUYING, _complete_despite_live))),
    Mutant("last write wins", "B3 C6", ((MemoryLedger, "require_version", _nothing),)),
    Mutant("no send deadline", "C5", ((ClearedOrder, "require_fresh", _nothing),)),
    Mutant("no lease", "C5 C6", ((MemoryLedger, "require_lease", _nothing), (MemoryLedger, "require_epoch", _nothing))),
    Mutant("no fencing of commits", "C5", ((MemoryLedger, "require_epoch", _nothing),)),
    Mutant("one epoch", "C6", ((MemoryLedger, "elect", _same_epoch), (MemoryLedger, "require_lease", _nothing))),
    Mutant("a lost race or lease does not stop", "C5 C6", ((Executor, "_clear", _clear_anyway),)),
    Mutant("exit sells the hedge first", "E1", (_NO_COVER, (_RULES, RunState.READY, _exits_sell_first))),
    Mutant("unwind sells longs first", "E1", (_NO_COVER, (sending, "outstanding", _longs_first))),
    Mutant("cancel and new without waiting", "A16", ((Attempt, "is_live", property(_ended_when_cancel_asked)),)),
    Mutant("a cancel that was taken is the end", "A16", ((_COMMANDS, Cancel, _cancel_is_the_end),)),
    Mutant(
        "stale book believed",
        "A13 B3",
        ((evidence, "_says_more", _always), (_HANDLERS, Seen, _believes_any_book)),
    ),
    Mutant("a failed lookup finds nothing", "A13", ((Watch, "_look_up", _looked_up_without_errors),)),
    Mutant(
        "a failed or cut book is the whole book", "A13",
        ((Watch, "_read", _book_without_errors), (Watch, "_take_over", _missing_is_cancelled)),
    ),
    Mutant("no duplicate detection", "A9", ((Watch, "_ours", _ours_first_only),)),
    Mutant("one negative suffices", "A12", ((_HANDLERS, Missed, _missed_at_once),)),
    Mutant(
        "chase beside a live attempt", "A16",
        ((sending, "_is_due", _always_due), (order_rules, "_is_overtaken", _not_overtaken)),
    ),
    Mutant("zombie ignored", "A3", ((_HANDLERS, Seen, _blind_to_end_states),)),
    Mutant("unknown taken for refused", "A4", ((Executor, "_ask", _ask_sure),)),
    Mutant("unknown taken for never sent", "A4 A6", ((Executor, "_ask", _ask_timeout_never_left),)),
    Mutant("refusal not confirmed", "A5", ((Executor, "_confirmed", _unconfirmed),)),
    Mutant(
        "kill switch ignored", "E10",
        (
            (MemoryLedger, "require_standing", _nothing),
            (run_rules, "forbidden", _nothing),
            (sending, "forbidden", _nothing),
        ),
    ),
    Mutant("kill switch read at the start only", "E10", ((sending, "forbidden", _nothing),
           (MemoryLedger, "require_standing", _nothing))),
    Mutant("a start sends again what was being sent", "C3", ((Executor, "_turn_of", _sends_what_it_finds),)),
    Mutant("SENDING goes back to INTENT", "C2 C3", ((_HANDLERS, Tick, _ticks_again),)),
    Mutant("order fills counted without trades", "B4", ((_HANDLERS, Seen, _counts_without_trades),)),
    Mutant("a partial fill is a full one", "E2", ((_HANDLERS, Seen, _partial_is_full),)),
    Mutant(
        "executed on accept", "E5",
        ((Basket, "held", property(_accepted_counts)), (Attempt, "is_live", property(_only_live_without_id))),
    ),
    Mutant("decides with orders open", "E7", ((_RULES, RunState.SETTLING, _settled_with_live),)),
    Mutant("half a basket is complete", "E1", ((_RULES, RunState.SETTLING, _half_is_complete),)),
    Mutant("unwinding gives up quietly", "E5", ((_RULES, RunState.UNWINDING, _unwinding_abandoned),)),
    Mutant("resting orders are never ended", "E3", ((order_rules, "_must_end", _never_ended),)),
    Mutant("cancels are never sent", "A16 E3", ((Executor, "cancel", _nothing),)),
    Mutant("a chase asks for the whole slice again", "B7 E2", ((sending, "_price", _whole_legs),)),
    Mutant(
        "names counted anew in each phase", "A10",
        ((sending, "_price", _numbered_by_phase), (order_rules, "_is_overtaken", _not_overtaken)),
    ),
    Mutant("no pace", "A5", ((MemoryLedger, "pace", _no_pace),)),
    Mutant("limit ignored", "C15", ((MemoryLedger, "reserve", _nothing),)),
    Mutant("found fills of ended orders are ignored", "A3 B4", ((order_rules, "_found_late", lambda b, *_: (b, ())),)),
)  # fmt: skip
