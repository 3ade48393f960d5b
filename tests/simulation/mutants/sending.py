"""Bugs in writing and sending."""

from dataclasses import replace
from typing import Any

from execution.basket import step as step_module
from execution.basket.messages import (
    Accepted,
    Event,
    Lost,
    NeverLeft,
    Refused,
    Send,
)
from execution.basket.values import Basket
from execution.errors import BrokerError, Fenced, LostRace, NotSent, OutcomeUnknown
from execution.executor import Executor
from execution.lifecycle import OrderState
from execution.ports import ClearedOrder
from market.errors import Reason
from tests.simulation.ledger import MemoryLedger
from tests.simulation.mutants.planting import COMMANDS, Change, Mutant, nothing


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
        return NeverLeft(cleared.request.correlation_id, reason)
    except BrokerError as error:
        event: Event = self._confirmed(cleared.request.correlation_id, error)
        return event


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
        return _CLEAR(self, basket, name)
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


def _clear_when_shut(self: Any, basket: Basket, name: str) -> ClearedOrder | Reason:
    """What the last gate says is written down and no more."""
    cleared = _CLEAR(self, basket, name)
    if isinstance(cleared, Reason) and cleared.code != "PACE":
        return ClearedOrder(self._ledger.request(basket, basket.attempt(name)), self._clock.elapsed())
    return cleared


def _dated_afterwards(self: Any, before: Basket, after: Basket, name: str) -> ClearedOrder:
    """The clearance begins when SENDING is committed, however long that took."""
    cleared = _CLEARED(self, before, after, name)
    return replace(cleared, cleared_at=self._world.time)


_ASK, _CLEAR, _TURN_OF, _CLEARED = Executor._ask, Executor._clear, Executor._turn_of, MemoryLedger.clear

_HANDLERS: Any = step_module._HANDLERS
_NO_LEASE: Change = (MemoryLedger, "require_lease", nothing)
_NO_EPOCH: Change = (MemoryLedger, "require_epoch", nothing)

MUTANTS = (
    Mutant("no write-ahead", "C1 C3", ((COMMANDS, Send, _send_first),)),
    Mutant("blind retry", "A2", ((Executor, "_ask", _ask_thrice),)),
    Mutant("no send deadline", "C5", ((ClearedOrder, "require_fresh", nothing),)),
    Mutant("the clearance is dated after the commit", "C5", ((MemoryLedger, "clear", _dated_afterwards),)),
    Mutant("no lease", "C5 C6", (_NO_LEASE, _NO_EPOCH)),
    Mutant("no fencing of commits", "C5", (_NO_EPOCH,)),
    Mutant("one epoch", "C6", ((MemoryLedger, "elect", _same_epoch), _NO_LEASE)),
    # "Rows written whatever their version" stood here until the executor read its basket after the answer: since
    # then nobody else writes between a read and its commit in this world, where one process moves at a time and the
    # epoch fences the rest. The version is held by PostgreSQL: test_write_ahead.py, LOST_RACE.
    Mutant("a lost race or lease does not stop", "C5 C6", ((Executor, "_clear", _clear_anyway),)),
    Mutant("a shut last gate does not stop", "E16", ((Executor, "_clear", _clear_when_shut),)),
    Mutant("unknown taken for refused", "A4", ((Executor, "_ask", _ask_sure),)),
    Mutant("unknown taken for never sent", "A4 A6", ((Executor, "_ask", _ask_timeout_never_left),)),
    Mutant("refusal not confirmed", "A5", ((Executor, "_confirmed", _unconfirmed),)),
    Mutant("a start sends again what was being sent", "C3", ((Executor, "_turn_of", _sends_what_it_finds),)),
    Mutant("no pace", "A5", ((MemoryLedger, "pace", _no_pace),)),
    Mutant("limit ignored", "C15", ((MemoryLedger, "reserve", nothing),)),
    Mutant("cancels are never sent", "A16 E3", ((Executor, "cancel", nothing),)),
)
