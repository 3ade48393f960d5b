"""Small baskets for tests of `step`: a put spread of two lots, in any state, with any attempts."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from execution.basket.messages import Command, Event, Price, Repeat, Seen
from execution.basket.step import step
from execution.basket.values import Attempt, Basket, Purpose
from execution.legs import BasketLeg, Phase
from execution.lifecycle import OrderState, RunState
from execution.ports import BrokerOrder, OrderStatus
from market.contract import Contract, OptionType, Side
from market.errors import Reason

LOT = 75
QUANTITY = 2 * LOT
T0 = datetime(2026, 10, 28, 4, 30, tzinfo=UTC)
EXPIRY = date(2026, 11, 3)
SOLD_PUT = Contract("NIFTY", EXPIRY, 23_900.0, OptionType.PUT)
BOUGHT_PUT = Contract("NIFTY", EXPIRY, 23_700.0, OptionType.PUT)
SHORT, LONG = 1, 2  # leg numbers; the short stands first, as people list them
WHY = Reason("TEST", "The test says so.")


def after(seconds: float) -> datetime:
    """The moment so many seconds after the run began."""
    return T0 + timedelta(seconds=seconds)


def make_legs(*, order_limit: int = QUANTITY) -> tuple[BasketLeg, ...]:
    """Sell a put, buy a lower one."""
    return (
        BasketLeg(SHORT, SOLD_PUT, Side.SELL, QUANTITY, LOT, order_limit),
        BasketLeg(LONG, BOUGHT_PUT, Side.BUY, QUANTITY, LOT, order_limit),
    )


def make_basket(state: RunState = RunState.BUYING, *attempts: Attempt, **changes: Any) -> Basket:
    """An entry that began at T0, its phase too."""
    basket = Basket(7, Purpose.ENTRY, make_legs(), state, T0, T0, attempts=attempts, version=1)
    return replace(basket, **changes)


def make_exit(state: RunState = RunState.BUYING, *attempts: Attempt, **changes: Any) -> Basket:
    """The way out of the whole spread: buy the short back, sell the long."""
    legs = (
        BasketLeg(SHORT, SOLD_PUT, Side.BUY, QUANTITY, LOT, QUANTITY),
        BasketLeg(LONG, BOUGHT_PUT, Side.SELL, QUANTITY, LOT, QUANTITY),
    )
    opening = {SOLD_PUT: -QUANTITY, BOUGHT_PUT: QUANTITY}
    return make_basket(state, *attempts, **({"purpose": Purpose.EXIT, "legs": legs, "opening": opening} | changes))


def make_attempt(leg: int = LONG, state: OrderState = OrderState.ACKED, **changes: Any) -> Attempt:
    """The first attempt on a leg of the entry, sent at T0, nothing filled."""
    side = Side.SELL if leg == SHORT else Side.BUY
    sent = None if state in {OrderState.INTENT, OrderState.VOID} else T0
    in_doubt = state in {OrderState.INTENT, OrderState.VOID, OrderState.SENDING, OrderState.UNKNOWN}
    gone = state in {OrderState.REFUSED, OrderState.NOT_PLACED}
    attempt = Attempt(
        f"P-{leg}-1", leg, 1, Phase.SELLING if leg == SHORT else Phase.BUYING, side, QUANTITY, Decimal("10.05"), T0,
        state, sent, "" if in_doubt or gone else f"B{leg}",
    )  # fmt: skip
    return replace(attempt, **changes)


def make_filled(leg: int = LONG, units: int = QUANTITY, **changes: Any) -> Attempt:
    """An attempt that ended with so many units."""
    state = OrderState.FILLED if units == QUANTITY else OrderState.CANCELLED
    return make_attempt(leg, state, **({"filled": units, "value": Decimal(10) * units} | changes))


def make_seen(attempt: Attempt, status: OrderStatus, filled: int = 0, *, traded: int | None = None, **of: Any) -> Seen:
    """The book's row of an attempt and the sum of its trades, at ten rupees."""
    row = BrokerOrder(of.pop("order_id", f"B{attempt.leg}"), attempt.correlation_id, status, attempt.quantity, filled)
    units = filled if traded is None else traded
    return Seen(attempt.correlation_id, replace(row, **of), units, Decimal(10) * units)


def settle(basket: Basket, event: Event, now: datetime) -> tuple[Basket, list[Command]]:
    """Step, and do what the repeats ask for, until nothing moves; return what else is wanted."""
    asked: list[Command] = []
    pending: list[Event] = [event]
    while pending:
        basket, commands = step(basket, pending.pop(), now)
        asked += [command for command in commands if not isinstance(command, Repeat)]
        pending += [command.event for command in commands if isinstance(command, Repeat)]
    return basket, asked


def prices(commands: list[Command]) -> list[tuple[int, Side, int]]:
    """Leg, side and quantity of what is to be priced."""
    found = [command for command in commands if isinstance(command, Price)]
    return [(price.piece.leg.number, price.piece.side, price.piece.quantity) for price in found]
