"""What becomes of an attempt: what the broker answered, what its books say, and what time alone does. Pure."""

from dataclasses import replace
from datetime import datetime

from execution.basket.messages import (
    Accepted,
    CallPerson,
    Cancel,
    Command,
    Lost,
    Missed,
    NeverLeft,
    Offered,
    Price,
    Refused,
    Repeat,
    Seen,
    Send,
    Sending,
    Voided,
)
from execution.basket.values import GIVEN_UP, PHASES, Attempt, Basket, Timing, move, since, with_attempt
from execution.lifecycle import RUN_TABLE, OrderEvent, OrderState, RunEvent, RunState, advance
from execution.ports import BrokerOrder, OrderStatus
from market.errors import Reason

Step = tuple[Basket, tuple[Command, ...]]

_IN_DOUBT = frozenset({OrderState.SENDING, OrderState.UNKNOWN})
_AT_EXCHANGE = frozenset({OrderState.ACKED, OrderState.WORKING, OrderState.PART})
_ENDS = {
    OrderStatus.TRADED: OrderEvent.FILL,
    OrderStatus.CANCELLED: OrderEvent.CANCEL,
    OrderStatus.REJECTED: OrderEvent.REJECT,
    OrderStatus.EXPIRED: OrderEvent.EXPIRE,
}


def moved_by_time(basket: Basket, now: datetime, timing: Timing) -> Basket | None:
    """What time alone does to an attempt: the same whether the process just started or never stopped."""
    for attempt in basket.attempts:
        if attempt.state is OrderState.INTENT:
            return move(basket, attempt, OrderEvent.VOID, reason=Reason("NOT_SENT", "The intent was not sent in time."))
        if attempt.state is OrderState.SENDING:
            return move(basket, attempt, OrderEvent.LOSE, reason=Reason("INTERRUPTED", "Stopped while sending."))
        if attempt.state in _AT_EXCHANGE and _must_end(basket, attempt, now, timing):
            return move(basket, attempt, OrderEvent.ASK_CANCEL)
    return None


def _must_end(basket: Basket, attempt: Attempt, now: datetime, timing: Timing) -> bool:
    """An order of ours ends by itself at once; one that rests, or whose run is settling, is ended."""
    settling = basket.state in {RunState.SETTLING, RunState.ATTENTION} or basket.has_ended
    return settling or since(attempt.intended_at, now) > timing.rest


def on_offered(basket: Basket, event: Offered, now: datetime, timing: Timing) -> Step:
    """A limit was found: the intent is written down, then sent, unless the basket has gone on meanwhile."""
    wanted = event.price
    if _is_overtaken(basket, wanted):
        return basket, ()
    attempt = Attempt(
        correlation_id=event.correlation_id,
        leg=wanted.piece.leg.number,
        number=wanted.number,
        phase=wanted.phase,
        side=wanted.piece.side,
        quantity=wanted.piece.quantity,
        limit=event.limit,
        intended_at=now,
    )
    return replace(basket, attempts=(*basket.attempts, attempt)), (Send(event.correlation_id),)


def _is_overtaken(basket: Basket, wanted: Price) -> bool:
    """Between the question and its answer an earlier order of the same pass was sent, and much can follow from that."""
    before = [one for one in basket.attempts if one.leg == wanted.piece.leg.number]
    in_phase = PHASES.get(basket.state) is wanted.phase
    return not in_phase or len(before) + 1 != wanted.number or any(one.is_live for one in before)


def on_sending(basket: Basket, event: Sending, now: datetime, timing: Timing) -> Step:
    """From here on the order may be at the broker."""
    return move(basket, basket.attempt(event.correlation_id), OrderEvent.SEND, sent_at=now), ()


def on_voided(basket: Basket, event: Voided, now: datetime, timing: Timing) -> Step:
    """It was never sent."""
    return _moved_from(basket, OrderState.INTENT, event.correlation_id, OrderEvent.VOID, reason=event.reason)


def on_accepted(basket: Basket, event: Accepted, now: datetime, timing: Timing) -> Step:
    """It has an id at the broker, which says nothing about fills."""
    attempt = basket.attempt(event.correlation_id)
    if attempt.state not in _IN_DOUBT:
        return basket, ()  # the book was faster; an order given up meanwhile is found in it too
    return move(basket, attempt, _find(attempt), order_id=event.order_id), ()


def on_refused(basket: Basket, event: Refused, now: datetime, timing: Timing) -> Step:
    """The broker said no."""
    return _moved_from(basket, OrderState.SENDING, event.correlation_id, OrderEvent.REFUSE, reason=event.reason)


def on_never_left(basket: Basket, event: NeverLeft, now: datetime, timing: Timing) -> Step:
    """Nothing left this machine."""
    return _moved_from(basket, OrderState.SENDING, event.correlation_id, OrderEvent.MISS, reason=event.reason)


def on_lost(basket: Basket, event: Lost, now: datetime, timing: Timing) -> Step:
    """Its fate is unknown."""
    return _moved_from(basket, OrderState.SENDING, event.correlation_id, OrderEvent.LOSE, reason=event.reason)


def _moved_from(basket: Basket, state: OrderState, name: str, event: OrderEvent, *, reason: Reason) -> Step:
    """Take an answer only in the state that waits for it: after a pause another process may have gone on from there."""
    attempt = basket.attempt(name)
    return (move(basket, attempt, event, reason=reason) if attempt.state is state else basket), ()


def on_missed(basket: Basket, event: Missed, now: datetime, timing: Timing) -> Step:
    """Not found is not "not placed" before the quarantine has passed, nor at the first time after it."""
    attempt = basket.attempt(event.correlation_id)
    if attempt.state is not OrderState.UNKNOWN or since(attempt.sent_at, now) <= timing.quarantine:
        return basket, ()
    if attempt.looked_at is not None and now <= attempt.looked_at:
        return basket, ()
    counted = replace(attempt, misses=attempt.misses + 1, looked_at=now)
    if counted.misses < timing.misses:
        return with_attempt(basket, counted), ()
    said = Reason("NOT_PLACED", f"Not in the broker's books {timing.quarantine:.0f} s after it was sent.")
    return move(with_attempt(basket, counted), counted, OrderEvent.MISS, reason=said), ()


def on_seen(basket: Basket, event: Seen, now: datetime, timing: Timing) -> Step:
    """Take over what the books say, never backwards."""
    attempt, order = basket.attempt(event.correlation_id), event.order
    contradiction = _overfill(attempt, event) or _twice(attempt, order)
    if contradiction is not None:
        return alarmed(basket, contradiction, now)
    if order.filled_quantity < attempt.filled or event.traded != order.filled_quantity:
        return basket, ()  # an older book than we know, or two books that differ: no evidence
    if attempt.is_live:
        return _seen_live(basket, attempt, event)
    if _is_given_up(attempt, order) or event.traded > attempt.filled:
        return _found_late(basket, attempt, event, now)
    return basket, ()


def _is_given_up(attempt: Attempt, order: BrokerOrder) -> bool:
    return attempt.state in GIVEN_UP and (not attempt.order_id or not order.status.is_final)


def _seen_live(basket: Basket, attempt: Attempt, event: Seen) -> Step:
    order = event.order
    if attempt.state in _IN_DOUBT:
        return move(basket, attempt, _find(attempt), order_id=order.order_id), (Repeat(event),)
    filled = replace(attempt, filled=event.traded, value=event.value)
    told = _told_by(order, attempt)
    if told is None:
        return (basket if filled == attempt else with_attempt(basket, filled)), ()
    return move(basket, filled, told, reason=_words(order)), ()


def _find(attempt: Attempt) -> OrderEvent:
    return OrderEvent.ACCEPT if attempt.state is OrderState.SENDING else OrderEvent.FIND


def _told_by(order: BrokerOrder, attempt: Attempt) -> OrderEvent | None:
    """The row of the table that a book's status asks for, None when the state already says it."""
    if order.status in _ENDS:
        return _ENDS[order.status]
    if attempt.state is OrderState.PENDING_CANCEL:
        return None
    if order.filled_quantity:
        return OrderEvent.PART_FILL
    resting = order.status is OrderStatus.PENDING and attempt.state is OrderState.ACKED
    return OrderEvent.REST if resting else None


def _found_late(basket: Basket, attempt: Attempt, event: Seen, now: datetime) -> Step:
    """An order we had given up is there after all: end it, take over what it filled, and call a person."""
    order = event.order
    said = Reason(
        "FOUND_LATE",
        f"Order {attempt.correlation_id} ({order.order_id}) stands in the broker's book after it was given up.",
        "Compare the position with the broker's and settle the run.",
    )
    taken = replace(attempt, order_id=order.order_id, filled=event.traded, value=event.value)
    calls: list[Command] = [CallPerson(said)]
    if attempt.state is OrderState.NOT_PLACED and order.status in _ENDS:
        basket = move(basket, taken, _ENDS[order.status], reason=_words(order))
    else:
        basket = with_attempt(basket, taken)
    if order.status not in _ENDS:
        calls.append(Cancel(attempt.correlation_id, order.order_id))
    if basket.has_ended and event.traded > attempt.filled and basket.state is not RunState.DENIED:
        state = advance(RUN_TABLE, basket.state, RunEvent.REOPEN)
        basket = replace(basket, state=state, phase_at=now, reason=said)
    return basket, tuple(calls)


def alarmed(basket: Basket, said: Reason, now: datetime) -> Step:
    """Stop the run where it stands: what is held is neither what was meant nor nothing."""
    if basket.state is RunState.ATTENTION or basket.has_ended:
        return basket, (CallPerson(said),)
    state = advance(RUN_TABLE, basket.state, RunEvent.ALARM)
    return replace(basket, state=state, phase_at=now, reason=said), (CallPerson(said),)


def _overfill(attempt: Attempt, event: Seen) -> Reason | None:
    got = max(event.order.filled_quantity, event.traded)
    if got <= attempt.quantity:
        return None
    sentence = f"{attempt.correlation_id}: {got} filled of {attempt.quantity}."
    return Reason("OVERFILL", sentence, "Compare with the broker's order book by hand.")


def _twice(attempt: Attempt, order: BrokerOrder) -> Reason | None:
    if attempt.order_id in {"", order.order_id}:
        return None
    sentence = f"{attempt.correlation_id} stands twice in the broker's book: {attempt.order_id} and {order.order_id}."
    return Reason("DUPLICATE_ORDER", sentence, "The newer one is cancelled; compare what was filled.")


def _words(order: BrokerOrder) -> Reason | None:
    """The broker's words; a code before the first colon is ours, from the paper exchange."""
    if not order.reason:
        return None
    head, colon, tail = order.reason.partition(": ")
    is_code = bool(colon) and head.isupper() and " " not in head
    return Reason(head, tail) if is_code else Reason(f"BROKER_{order.status}", order.reason)
