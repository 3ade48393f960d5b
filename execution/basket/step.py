"""The one step function. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from execution.basket.messages import (
    Accepted,
    Checked,
    Event,
    Lost,
    Missed,
    NeverLeft,
    Offered,
    Refused,
    Repeat,
    Seen,
    Sending,
    Tick,
    Unpriced,
    Voided,
)
from execution.basket.order_rules import (
    Step,
    alarmed,
    moved_by_time,
    on_accepted,
    on_lost,
    on_missed,
    on_never_left,
    on_offered,
    on_refused,
    on_seen,
    on_sending,
    on_voided,
)
from execution.basket.run_rules import moved_run, on_unpriced
from execution.basket.sending import wanted
from execution.basket.values import TIMING, Basket, Timing
from execution.lifecycle import RUN_TABLE, RunEvent, advance
from market.errors import InvalidInput


def step(basket: Basket, event: Event, now: datetime, timing: Timing = TIMING) -> Step:
    """Return the basket after an event and what is to be done about it.

    Parameters
    ----------
    basket : Basket
    event : Event
    now : datetime
        Aware; never read from a clock here.
    timing : Timing

    Returns
    -------
    tuple of Basket and tuple of Command
        At most one attempt or the run has moved, by one row of its table.

    Raises
    ------
    IllegalTransition
        The event is not one this state knows.
    """
    return _HANDLERS[type(event)](basket, event, now, timing)


def _tick(basket: Basket, event: Tick, now: datetime, timing: Timing) -> Step:
    try:
        moved = moved_by_time(basket, now, timing) or moved_run(basket, event.permit, now, timing)
        if moved is not None:
            return moved, (Repeat(event),)
        return basket, tuple(wanted(basket, event.permit, now, timing))
    except InvalidInput as overfilled:
        return alarmed(basket, overfilled.reason, now)


def _on_checked(basket: Basket, event: Checked, now: datetime, timing: Timing) -> Step:
    verdict = RunEvent.PASS if event.reason is None else RunEvent.DENY
    state = advance(RUN_TABLE, basket.state, verdict)
    return replace(basket, state=state, phase_at=now, reason=event.reason or basket.reason), ()


_HANDLERS: Mapping[type, Callable[[Basket, Any, datetime, Timing], Step]] = {
    Tick: _tick,
    Checked: _on_checked,
    Offered: on_offered,
    Unpriced: on_unpriced,
    Sending: on_sending,
    Voided: on_voided,
    Accepted: on_accepted,
    Refused: on_refused,
    NeverLeft: on_never_left,
    Lost: on_lost,
    Seen: on_seen,
    Missed: on_missed,
}
