"""What a basket wants done now: orders, cancels, and a person. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime

from execution.basket.messages import CallPerson, Cancel, Check, Command, Price
from execution.basket.run_rules import forbidden
from execution.basket.values import PHASES, Basket, Permit, Purpose, Timing, since, uncovered, worst_position
from execution.legs import Phase, Slice, outstanding
from execution.lifecycle import OrderState, RunState
from market.contract import Contract, Side
from market.errors import Reason

_IN_DOUBT = frozenset({OrderState.SENDING, OrderState.UNKNOWN})


def wanted(basket: Basket, permit: Permit, now: datetime, timing: Timing) -> Iterator[Command]:
    """Everything this basket asks for at this moment, in the order of doing."""
    if basket.state is RunState.PRECHECK:
        yield Check()
    yield from _cancels(basket)
    yield from _calls(basket, now, timing)
    if forbidden(basket, permit) is None:
        yield from _prices(basket, now, timing)


def _cancels(basket: Basket) -> Iterator[Command]:
    for attempt in basket.attempts:
        if attempt.state is OrderState.PENDING_CANCEL:
            yield Cancel(attempt.correlation_id, attempt.order_id)


def _calls(basket: Basket, now: datetime, timing: Timing) -> Iterator[Command]:
    for attempt in basket.attempts:
        if attempt.state is OrderState.UNKNOWN and since(attempt.sent_at, now) > timing.unknown_alarm:
            yield CallPerson(
                Reason(
                    "OUTCOME_UNKNOWN",
                    f"Whether order {attempt.correlation_id} is at the broker is not known.",
                    "Look it up in the broker's order book; it is never sent again.",
                )
            )
    began = basket.phase_at if basket.purpose is Purpose.ENTRY else basket.started_at
    if not basket.opens and not basket.has_ended and since(began, now) > timing.unwind_alarm:
        held_short = any(units < 0 for units in worst_position(basket).values())
        yield CallPerson(
            Reason(
                "STILL_HELD",
                f"Run {basket.run} has not got out of everything after {since(began, now):.0f} s.",
                "It goes on trying; close the legs at the broker if it cannot.",
            ),
            # Longs that find no buyer on the way out cost at most their premium: no reason to stop all entries.
            critical=held_short or basket.purpose is not Purpose.EXIT,
        )


def _prices(basket: Basket, now: datetime, timing: Timing) -> Iterator[Price]:
    """What should be sent now: one order per leg, none beside a live one, no sale beyond its cover."""
    phase = PHASES.get(basket.state)
    if phase is None or (basket.opens and any(one.state in _IN_DOUBT for one in basket.attempts)):
        return
    position, asked = worst_position(basket), set[int]()
    for piece in outstanding(phase, basket.legs, basket.held):
        if piece.leg.number in asked or not _is_due(basket, piece, now, timing):
            continue
        asked.add(piece.leg.number)
        allowed = _covered(basket, piece, position)
        if allowed.quantity:
            yield _price(basket, allowed, phase)
            contract = allowed.leg.contract
            if allowed.side is Side.SELL:
                position[contract] = position.get(contract, 0) - allowed.quantity


def _is_due(basket: Basket, piece: Slice, now: datetime, timing: Timing) -> bool:
    """The pause counts from the tries of this phase: a short is bought back at once, whatever was tried before."""
    attempts = [one for one in basket.attempts if one.leg == piece.leg.number]
    tries = [one for one in attempts if one.intended_at >= basket.phase_at]
    pause = timing.chase if len(tries) < 2 * timing.most_tries else timing.slow_chase
    return not any(one.is_live for one in attempts) and all(since(one.intended_at, now) >= pause for one in tries)


def _covered(basket: Basket, piece: Slice, position: Mapping[Contract, int]) -> Slice:
    """As much of a sale as is covered by what is filled, in whole lots."""
    if piece.side is Side.BUY:
        return piece
    contract, quantity = piece.leg.contract, piece.quantity
    while quantity > 0:
        after = {**position, contract: position.get(contract, 0) - quantity}
        if uncovered(basket, after) is None:
            break
        quantity -= piece.leg.lot_size
    return replace(piece, quantity=max(quantity, 0))


def _price(basket: Basket, piece: Slice, phase: Phase) -> Price:
    before = [one for one in basket.attempts if one.leg == piece.leg.number]
    tries = sum(one.intended_at >= basket.phase_at for one in before)
    return Price(piece, phase, len(before) + 1, tries + 1, leaving=not basket.opens)
