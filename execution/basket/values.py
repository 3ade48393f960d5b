"""What a run is made of: its legs, its attempts, its timing. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from execution.cover import uncovered_short
from execution.legs import BasketLeg, Phase
from execution.lifecycle import ENDED_ORDERS, ENDED_RUNS, ORDER_TABLE, OrderEvent, OrderState, RunState, advance
from market.contract import Contract, Side
from market.errors import Reason


class Purpose(StrEnum):
    """Opening, closing by a rule, or closing because everything must go."""

    ENTRY = "entry"
    EXIT = "exit"
    FLATTEN = "flatten"


@dataclass(frozen=True, slots=True)
class Timing:
    """The compensation policy, in seconds and counts; reliability.md 2.7 names each.

    `quarantine` is the deadline of a request (8), its worst late arrival (12), the broker's visibility lag (5) and
    a margin (5).
    """

    chase: float = 2.0
    slow_chase: float = 10.0
    most_tries: int = 6
    phase: float = 20.0
    run: float = 60.0
    rest: float = 5.0
    quarantine: float = 30.0
    misses: int = 3
    unknown_alarm: float = 60.0
    unwind_alarm: float = 60.0
    most_rejections: int = 2
    longs_only_share: Decimal = Decimal("0.25")
    residual_share: Decimal = Decimal("1.2")


TIMING = Timing()


@dataclass(frozen=True, slots=True)
class Permit:
    """What may be sent now; a reason forbids it."""

    opening: Reason | None = None
    reducing: Reason | None = None
    flattening: Reason | None = None


ANYTHING = Permit()

# States of an attempt that say "there is no such order": an order in the broker's book proves them wrong.
GIVEN_UP = frozenset({OrderState.VOID, OrderState.REFUSED, OrderState.NOT_PLACED})

# The states of a run that send, and what they send.
PHASES = {RunState.BUYING: Phase.BUYING, RunState.SELLING: Phase.SELLING, RunState.UNWINDING: Phase.UNWINDING}


@dataclass(frozen=True, slots=True)
class Attempt:
    """One broker order: `filled` units so far for `value` rupees, never fewer than before."""

    correlation_id: str
    leg: int
    number: int
    phase: Phase
    side: Side
    quantity: int
    limit: Decimal
    intended_at: datetime
    state: OrderState = OrderState.INTENT
    sent_at: datetime | None = None
    order_id: str = ""
    filled: int = 0
    value: Decimal = Decimal(0)
    misses: int = 0
    looked_at: datetime | None = None
    reason: Reason | None = None

    @property
    def is_live(self) -> bool:
        """Whether its outcome is still open."""
        return self.state not in ENDED_ORDERS

    @property
    def unfilled(self) -> int:
        """Units that did not trade yet."""
        return self.quantity - self.filled


@dataclass(frozen=True, slots=True)
class Basket:
    """One run as it stands; `opening` is what the strategy held when an exit began, `plan_loss` what it may lose."""

    run: int
    purpose: Purpose
    legs: tuple[BasketLeg, ...]
    state: RunState
    started_at: datetime
    phase_at: datetime
    opening: Mapping[Contract, int] = field(default_factory=dict)
    attempts: tuple[Attempt, ...] = ()
    reason: Reason | None = None
    plan_loss: Decimal | None = None
    cash_secured: bool = False
    allow_naked: bool = False
    version: int = 0

    @property
    def held(self) -> dict[int, int]:
        """Signed units this run has filled, by leg number."""
        totals: dict[int, int] = {}
        for attempt in self.attempts:
            if attempt.filled:
                totals[attempt.leg] = totals.get(attempt.leg, 0) + attempt.side.sign * attempt.filled
        return totals

    @property
    def live(self) -> list[Attempt]:
        """Attempts whose outcome is open."""
        return [attempt for attempt in self.attempts if attempt.is_live]

    @property
    def has_ended(self) -> bool:
        """Whether nothing more is to be done."""
        return self.state in ENDED_RUNS

    @property
    def opens(self) -> bool:
        """Whether what it sends now adds risk."""
        return self.purpose is Purpose.ENTRY and self.state is not RunState.UNWINDING

    def attempt(self, correlation_id: str) -> Attempt:
        """The attempt of that name."""
        return next(one for one in self.attempts if one.correlation_id == correlation_id)

    def leg(self, number: int) -> BasketLeg:
        """The leg of that number."""
        return next(leg for leg in self.legs if leg.number == number)


def worst_position(basket: Basket) -> dict[Contract, int]:
    """Signed units by contract if every live sale filled and no live purchase did."""
    totals = dict(basket.opening)
    for attempt in basket.attempts:
        units = attempt.side.sign * attempt.filled
        if attempt.side is Side.SELL and attempt.is_live:
            units -= attempt.unfilled
        if units:
            contract = basket.leg(attempt.leg).contract
            totals[contract] = totals.get(contract, 0) + units
    return totals


def uncovered(basket: Basket, position: Mapping[Contract, int]) -> Reason | None:
    """Why this position of the basket holds a short without cover."""
    return uncovered_short(position, cash_secured=basket.cash_secured, allow_naked=basket.allow_naked)


def move(basket: Basket, attempt: Attempt, event: OrderEvent, **changes: Any) -> Basket:
    """The basket with one attempt moved by one row of the table."""
    if changes.get("reason", ...) is None:
        del changes["reason"]
    state = advance(ORDER_TABLE, attempt.state, event)
    return with_attempt(basket, replace(attempt, state=state, **changes))


def with_attempt(basket: Basket, attempt: Attempt) -> Basket:
    """The basket with this attempt in the place of its former self."""
    attempts = tuple(attempt if one.correlation_id == attempt.correlation_id else one for one in basket.attempts)
    return replace(basket, attempts=attempts)


def since(moment: datetime | None, now: datetime) -> float:
    """Seconds from a moment to now; none have passed since a moment that has not come."""
    return 0.0 if moment is None else (now - moment).total_seconds()
