"""Bugs in believing the broker."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from execution import evidence
from execution.basket import order_rules, values
from execution.basket import step as step_module
from execution.basket.messages import (
    Cancel,
    Missed,
    Seen,
)
from execution.basket.values import Basket, Timing, move, since
from execution.errors import BrokerError
from execution.evidence import Books, Watch
from execution.ledger import KnownOrder
from execution.lifecycle import OrderEvent, OrderState
from execution.ports import OrderStatus
from market.errors import Reason
from tests.simulation import schedule
from tests.simulation.ledger import MemoryLedger
from tests.simulation.mutants.planting import COMMANDS, Change, Mutant, nothing


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


def _cancel_is_the_end(self: Any, command: Cancel, basket: Basket, trades: Any) -> Basket:
    """The broker took the request to cancel, so it is cancelled."""
    try:
        self._broker.cancel(command.order_id)
    except BrokerError:
        return basket
    attempt = basket.attempt(command.correlation_id)
    ended: Basket = self._ledger.commit(basket, move(basket, attempt, OrderEvent.CANCEL))
    return ended


def _clamped(basket: Basket, event: Seen, now: Any, timing: Timing) -> order_rules.Step:
    """More filled than asked counts as filled, and nobody hears of it."""
    quantity = basket.attempt(event.correlation_id).quantity
    order = replace(event.order, filled_quantity=min(event.order.filled_quantity, quantity))
    return _ON_SEEN(basket, replace(event, order=order, traded=min(event.traded, quantity)), now, timing)


_ON_SEEN, _OURS, _TAKE_OVER = order_rules.on_seen, Watch._ours, Watch._take_over

_HANDLERS: Any = step_module._HANDLERS


def _timing(**changes: Any) -> Change:
    return (schedule, "Timing", partial(Timing, **changes))


MUTANTS = (
    Mutant("no quarantine", "A3 A12", ((_HANDLERS, Missed, _missed_at_once), _timing(quarantine=0.0))),
    Mutant("short quarantine", "A3 A12", (_timing(quarantine=12.0),)),
    Mutant("one negative suffices", "A12", ((_HANDLERS, Missed, _missed_at_once),)),
    Mutant(
        "last-write-wins updates",
        "A13 B3",
        ((evidence, "_says_more", _always), (_HANDLERS, Seen, _believes_any_book)),
    ),
    Mutant("a failed lookup finds nothing", "A13", ((Watch, "_look_up", _looked_up_without_errors),)),
    Mutant(
        "a failed or cut book is the whole book",
        "A13",
        ((Watch, "_read", _book_without_errors), (Watch, "_take_over", _missing_is_cancelled)),
    ),
    Mutant("no duplicate detection", "A9", ((Watch, "_ours", _ours_first_only),)),
    Mutant("zombie ignored", "A3", ((_HANDLERS, Seen, _blind_to_end_states),)),
    Mutant("found fills of ended orders are ignored", "A3 B4", ((order_rules, "_found_late", lambda b, *_: (b, ())),)),
    Mutant("order fills counted without trades", "B4", ((_HANDLERS, Seen, _counts_without_trades),)),
    Mutant("a partial fill is a full one", "E2", ((_HANDLERS, Seen, _partial_is_full),)),
    Mutant("an overfill is clamped", "B7", ((_HANDLERS, Seen, _clamped),)),
    Mutant("a cancel that was taken is the end", "A16", ((COMMANDS, Cancel, _cancel_is_the_end),)),
    Mutant("nobody is called", "A3 A9 B7", ((MemoryLedger, "call_person", nothing),)),
)
