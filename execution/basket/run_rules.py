"""Where a run goes next: one rule per state. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from execution.basket.messages import Command, Unpriced
from execution.basket.values import Attempt, Basket, Permit, Purpose, Timing, since, uncovered, worst_position
from execution.cover import worst_at_expiry
from execution.legs import BasketLeg, Phase, is_complete, is_flat, outstanding
from execution.lifecycle import RUN_TABLE, OrderState, RunEvent, RunState, advance
from market.contract import Side
from market.errors import Reason

# A refusal for pace, and an order that never left, say nothing about the order itself.
RETRYABLE = frozenset({"RATE_LIMITED", "NOT_SENT", "SEND_DEADLINE", "PACE"})
_FOR_WANT_OF_TIME = frozenset({"PARTIAL_FILL", "PHASE_TIMEOUT"})
_NO = frozenset({OrderState.REFUSED, OrderState.REJECTED})


def on_unpriced(basket: Basket, event: Unpriced, now: datetime, timing: Timing) -> tuple[Basket, tuple[Command, ...]]:
    """A missing price may come a moment later; an entry that still has none stops, an exit goes on with the rest."""
    waiting = basket.state in {RunState.BUYING, RunState.SELLING} and basket.purpose is Purpose.ENTRY
    if not waiting or since(basket.phase_at, now) < 2 * timing.chase:
        return basket, ()
    return _moved(basket, RunEvent.SETTLE, event.reason, now), ()


def moved_run(basket: Basket, permit: Permit, now: datetime, timing: Timing) -> Basket | None:
    """The run one row further by its rule, or None when it stays."""
    rule = _RUN_RULES.get(basket.state)
    found = None if rule is None else rule(basket, permit, now, timing)
    if found is None:
        return None
    return _moved(basket, *found, now)


def _moved(basket: Basket, event: RunEvent, reason: Reason | None, now: datetime) -> Basket:
    """An exit keeps the rule it leaves by as its reason."""
    after = advance(RUN_TABLE, basket.state, event)
    kept = reason if reason is not None and basket.purpose is Purpose.ENTRY else basket.reason
    return replace(basket, state=after, phase_at=now, reason=kept or reason)


Found = tuple[RunEvent, Reason | None] | None


def _from_created(basket: Basket, permit: Permit, now: datetime, timing: Timing) -> Found:
    return RunEvent.CHECK, None


def _from_ready(basket: Basket, permit: Permit, now: datetime, timing: Timing) -> Found:
    obstacle = forbidden(basket, permit)
    if obstacle is not None:
        return RunEvent.SETTLE, obstacle
    return (RunEvent.BUY if outstanding(Phase.BUYING, basket.legs, basket.held) else RunEvent.SELL), None


def _from_sending(basket: Basket, permit: Permit, now: datetime, timing: Timing) -> Found:
    """From BUYING or SELLING."""
    if is_complete(basket.legs, basket.held) and not basket.live:
        return RunEvent.COMPLETE, None
    obstacle = forbidden(basket, permit) or _trouble(basket, timing) or _late(basket, now, timing)
    if obstacle is not None:
        return RunEvent.SETTLE, obstacle
    if basket.state is RunState.BUYING and not outstanding(Phase.BUYING, basket.legs, basket.held) and not basket.live:
        return RunEvent.SELL, None
    return None


def _from_settling(basket: Basket, permit: Permit, now: datetime, timing: Timing) -> Found:
    if basket.live:
        return None
    if is_complete(basket.legs, basket.held):
        return RunEvent.COMPLETE, None
    if is_flat(basket.held) and basket.purpose is not Purpose.FLATTEN:
        return RunEvent.ABANDON, None
    if basket.purpose is Purpose.ENTRY:
        again = forbidden(basket, permit) is None and _worth_a_second_window(basket, now, timing)
        return (RunEvent.RESUME if again else RunEvent.UNWIND), None
    patient = len(basket.attempts) >= 2 * timing.most_tries * len(basket.legs)
    rested = since(basket.phase_at, now) >= (timing.slow_chase if patient else timing.chase)
    return (RunEvent.RESUME, None) if rested and forbidden(basket, permit) is None else None


def _from_unwinding(basket: Basket, permit: Permit, now: datetime, timing: Timing) -> Found:
    return (RunEvent.FLATTEN, None) if is_flat(basket.held) and not basket.live else None


_RUN_RULES: Mapping[RunState, Callable[[Basket, Permit, datetime, Timing], Found]] = {
    RunState.CREATED: _from_created,
    RunState.READY: _from_ready,
    RunState.BUYING: _from_sending,
    RunState.SELLING: _from_sending,
    RunState.SETTLING: _from_settling,
    RunState.UNWINDING: _from_unwinding,
}


def forbidden(basket: Basket, permit: Permit) -> Reason | None:
    """Why this run may send nothing now."""
    if basket.purpose is Purpose.FLATTEN:
        return permit.flattening
    return permit.opening if basket.opens else permit.reducing


def _late(basket: Basket, now: datetime, timing: Timing) -> Reason | None:
    phase, run = since(basket.phase_at, now), since(basket.started_at, now)
    if phase <= timing.phase and (run <= timing.run or basket.purpose is not Purpose.ENTRY):
        return None
    return Reason("PHASE_TIMEOUT", f"The basket was still {basket.state} after {phase:.0f} s ({run:.0f} s in all).")


def _trouble(basket: Basket, timing: Timing) -> Reason | None:
    """What has gone wrong in this phase that another try would not mend."""
    recent = [one for one in basket.attempts if one.intended_at >= basket.phase_at]
    for leg in basket.legs:
        tries = [one for one in recent if one.leg == leg.number]
        found = _no_again(tries, timing) or _given_up(basket, tries) or _tried_enough(basket, leg, tries, timing)
        if found is not None:
            return found
    return None


def _no_again(tries: list[Attempt], timing: Timing) -> Reason | None:
    """A purchase is refused once, a sale twice: margin is released a moment after the hedge has filled."""
    said = [one for one in tries if one.state in _NO and not _is_retryable(one)]
    if not said or len(said) < (timing.most_rejections if said[-1].side is Side.SELL else 1):
        return None
    return said[-1].reason or Reason("REJECTED", f"{said[-1].correlation_id} was rejected.")


def _given_up(basket: Basket, tries: list[Attempt]) -> Reason | None:
    """An entry does not send again what was given up after its quarantine; it holds, and takes back what it has."""
    lost = [one for one in tries if one.state is OrderState.NOT_PLACED and not _is_retryable(one)]
    if not lost or basket.purpose is not Purpose.ENTRY:
        return None
    return Reason("NOT_PLACED", f"Order {lost[-1].correlation_id} never reached the broker.")


def _tried_enough(basket: Basket, leg: BasketLeg, tries: list[Attempt], timing: Timing) -> Reason | None:
    missing = leg.quantity - abs(basket.held.get(leg.number, 0))
    if not missing or len(tries) < timing.most_tries or any(one.is_live for one in tries):
        return None
    return Reason("PARTIAL_FILL", f"Not filled after {len(tries)} tries: {leg.side} {missing} {leg.contract}.")


def _is_retryable(attempt: Attempt) -> bool:
    return attempt.reason is not None and attempt.reason.code in RETRYABLE


def _worth_a_second_window(basket: Basket, now: datetime, timing: Timing) -> bool:
    """Only time was short, and holding what is filled a little longer risks no more than the plan did."""
    short_of_time = basket.reason is not None and basket.reason.code in _FOR_WANT_OF_TIME
    if not short_of_time or basket.plan_loss is None or since(basket.started_at, now) > timing.run - timing.phase:
        return False
    position = worst_position(basket)
    if uncovered(basket, position) is not None:
        return False
    cash = sum((-one.side.sign * one.value for one in basket.attempts), Decimal(0))
    at_risk = worst_at_expiry(position, cash)
    has_shorts = any(units < 0 for units in position.values())
    share = timing.residual_share if has_shorts else timing.longs_only_share
    return at_risk is not None and at_risk <= share * basket.plan_loss
