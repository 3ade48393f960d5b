"""Bugs in what a run does next."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from execution import legs
from execution.basket import order_rules, run_rules, sending, values
from execution.basket import step as step_module
from execution.basket.messages import (
    Checked,
    Send,
    Tick,
)
from execution.basket.values import Attempt, Basket, Permit, Purpose, Timing, since
from execution.legs import Phase, is_complete
from execution.lifecycle import OrderState, RunEvent, RunState
from market.contract import Side
from tests.simulation.database import Database
from tests.simulation.ledger import MemoryLedger
from tests.simulation.mutants.planting import Change, Mutant, nothing

_LIVE = Attempt.__dict__["is_live"].fget


def _all_covered(basket: Basket, piece: Any, position: Any) -> Any:
    return piece


def _exits_sell_first(basket: Basket, permit: Any, now: Any, timing: Timing) -> run_rules.Found:
    if basket.purpose is Purpose.ENTRY or not _OUTSTANDING(Phase.SELLING, basket.legs, basket.held):
        return run_rules._from_ready(basket, permit, now, timing)
    return RunEvent.SELL, None


def _longs_first(phase: Phase, legs: Any, held: Any) -> Any:
    pieces = _OUTSTANDING(phase, legs, held)
    return sorted(pieces, key=lambda piece: piece.side is Side.BUY) if phase is Phase.UNWINDING else pieces


def _shorts_first(basket: Basket, permit: Any, now: Any, timing: Timing) -> run_rules.Found:
    """An entry sells before it buys, as its rows stand."""
    if basket.purpose is Purpose.ENTRY and _OUTSTANDING(Phase.SELLING, basket.legs, basket.held):
        return RunEvent.SELL, None
    return run_rules._from_ready(basket, permit, now, timing)


def _always_due(basket: Basket, piece: Any, now: Any, timing: Timing) -> bool:
    return True


def _ended_when_cancel_asked(self: Attempt) -> bool:
    return _LIVE(self) and self.state is not OrderState.PENDING_CANCEL


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
        sold = _OUTSTANDING(Phase.SELLING, basket.legs, basket.held)
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


def _ticks_without_recovery(basket: Basket, now: Any, timing: Timing) -> Basket | None:
    """A start leaves what was being sent as it is."""
    asleep = tuple(one for one in basket.attempts if one.state is not OrderState.SENDING)
    moved = _BY_TIME(replace(basket, attempts=asleep), now, timing)
    return None if moved is None else values.with_attempt(basket, _differing(asleep, moved.attempts))


def _differing(before: Sequence[Attempt], after: Sequence[Attempt]) -> Attempt:
    return next(new for old, new in zip(before, after, strict=True) if old is not new)


def _always_passes(basket: Basket, event: Checked, now: Any, timing: Timing) -> order_rules.Step:
    """The gate is asked, and its answer is not heeded."""
    return _CHECKED(basket, Checked(), now, timing)


def _takes_back_what_was_meant(phase: Phase, legs: Any, held: Any) -> Any:
    """An unwinding closes whole legs, whatever was filled of them."""
    if phase is not Phase.UNWINDING:
        return _OUTSTANDING(phase, legs, held)
    whole = {leg.number: leg.side.sign * leg.quantity for leg in legs if held.get(leg.number)}
    return _OUTSTANDING(phase, legs, whole)


def _permits_under_alarm(self: Any) -> Permit:
    """A critical alert stops nobody."""
    alerts, self.alerts = self.alerts, {}
    try:
        return _PERMIT(self)
    finally:
        self.alerts = alerts


_OUTSTANDING, _PRICE, _TICK = legs.outstanding, sending._price, step_module._tick
_BY_TIME, _CHECKED, _PERMIT = order_rules.moved_by_time, step_module._on_checked, Database.permit

_HANDLERS: Any = step_module._HANDLERS
_RULES: Any = run_rules._RUN_RULES
_NO_COVER: Change = (sending, "_covered", _all_covered)
_NO_LAST_LOOK: Change = (MemoryLedger, "require_standing", nothing)
_SENDS_UNDER_STOP: Change = (sending, "forbidden", nothing)
_NEVER_OVERTAKEN: Change = (order_rules, "_is_overtaken", _not_overtaken)

MUTANTS = (
    Mutant("no cover rule", "E1 E2", (_NO_COVER,)),
    Mutant("an entry sells before it buys", "E1 E2", (_NO_COVER, (_RULES, RunState.READY, _shorts_first))),
    Mutant("sells while it buys", "E2", (_NO_COVER, (_RULES, RunState.BUYING, _complete_despite_live))),
    Mutant("exit sells hedge first", "E1", (_NO_COVER, (_RULES, RunState.READY, _exits_sell_first))),
    Mutant("unwind sells longs first", "E1", (_NO_COVER, (sending, "outstanding", _longs_first))),
    Mutant("unwind takes back what was meant", "E8", ((sending, "outstanding", _takes_back_what_was_meant),)),
    Mutant("cancel and new without waiting", "A16", ((Attempt, "is_live", property(_ended_when_cancel_asked)),)),
    Mutant("chase beside a live attempt", "A16", ((sending, "_is_due", _always_due), _NEVER_OVERTAKEN)),
    Mutant("a chase asks for the whole slice again", "B7 E2", ((sending, "_price", _whole_legs),)),
    Mutant("names counted anew in each phase", "A10", ((sending, "_price", _numbered_by_phase), _NEVER_OVERTAKEN)),
    Mutant("kill switch ignored", "E16", (_NO_LAST_LOOK, (run_rules, "forbidden", nothing), _SENDS_UNDER_STOP)),
    Mutant("kill switch read at the start only", "E16", (_SENDS_UNDER_STOP, _NO_LAST_LOOK)),
    Mutant("a critical alert stops nobody", "A3 B7", ((Database, "permit", _permits_under_alarm),)),
    Mutant("the gate is asked and not heeded", "D12", ((_HANDLERS, Checked, _always_passes),)),
    Mutant("SENDING goes back to INTENT", "C2 C3", ((_HANDLERS, Tick, _ticks_again),)),
    Mutant("a start leaves SENDING as it is", "C3", ((step_module, "moved_by_time", _ticks_without_recovery),)),
    Mutant(
        "executed on accept",
        "E5",
        ((Basket, "held", property(_accepted_counts)), (Attempt, "is_live", property(_only_live_without_id))),
    ),
    Mutant("decides with orders open", "E7", ((_RULES, RunState.SETTLING, _settled_with_live),)),
    Mutant("half a basket is complete", "E1", ((_RULES, RunState.SETTLING, _half_is_complete),)),
    Mutant("unwinding gives up quietly", "E5", ((_RULES, RunState.UNWINDING, _unwinding_abandoned),)),
    Mutant("resting orders are never ended", "E3", ((order_rules, "_must_end", _never_ended),)),
)
