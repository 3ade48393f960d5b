"""Stops that rest at the broker: what the list says of them, and what may be concluded from it. Pure.

Each buys one short leg back when its trigger trades. A list that could not be read concludes nothing; a stop is gone
when two clean lists some seconds apart do not have it and the order book has nothing that it sent.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Protocol

from execution.ports import BrokerOrder, ClearedOrder, Placed
from market.contract import Side
from market.quant.ticks import snap

LIMIT_ROOM = Decimal("0.10")  # of the trigger: how far beyond it the order of a stop may fill
TWO_LISTS_APART = 3.0  # seconds
ENOUGH_MISSES = 2


class StopState(StrEnum):
    """Where a resting stop stands: waiting, sent on as an order, or over; a closed list."""

    WAITING = "WAITING"
    TRIGGERED = "TRIGGERED"
    ENDED = "ENDED"


@dataclass(frozen=True, slots=True)
class ProtectiveStop:
    """One stop as the broker lists it; prices rupees, quantity units."""

    order_id: str
    correlation_id: str
    state: StopState
    segment: str
    security_id: str
    side: Side
    quantity: int
    trigger_price: Decimal | None
    limit_price: Decimal | None


class Stops(Protocol):
    """What a broker that holds stops can do; raises like a Broker."""

    def place_protective_stop(self, order: ClearedOrder, *, trigger_price: Decimal) -> Placed:
        """Leave a limit order that goes out when the trigger trades."""

    def protective_stops(self) -> Sequence[ProtectiveStop]:
        """Every stop of the account, ours or not."""

    def cancel_protective_stop(self, order_id: str) -> None:
        """Take one away; whether it was in time stands in the list."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What was asked for; `order_id` is empty until the broker named it."""

    correlation_id: str
    order_id: str
    segment: str
    security_id: str
    quantity: int
    trigger_price: Decimal
    limit_price: Decimal
    asked_at: datetime | None


class Finding(StrEnum):
    """What one clean look says of a stop."""

    FIRED = "fired"  # its order is in the book
    RESTS = "rests"
    SENT_ON = "sent on"  # the list says so and the book does not show it yet
    OVER = "over"  # ended, or on no list: gone, if the next look agrees


def finding(listed: ProtectiveStop | None, order: BrokerOrder | None) -> Finding:
    """Return what a list and the book that was read after it say together."""
    if order is not None:
        return Finding.FIRED
    if listed is None or listed.state is StopState.ENDED:
        return Finding.OVER
    return Finding.RESTS if listed.state is StopState.WAITING else Finding.SENT_ON


def on_the_list(terms: Terms, listed: Sequence[ProtectiveStop], claimed: Collection[str]) -> ProtectiveStop | None:
    """Return the row of this stop: by the broker's id, else by our name, else the one nobody claims on equal terms.

    Dhan's list of forever orders carries no correlation id (dhan.md 4.3), so equal terms are all there is to go by.
    """
    if terms.order_id:
        return next((row for row in listed if row.order_id == terms.order_id), None)
    named = [row for row in listed if row.correlation_id == terms.correlation_id]
    alike = [row for row in listed if row.order_id not in claimed and not row.correlation_id and _is_alike(terms, row)]
    return next(iter(named or sorted(alike, key=lambda row: row.state is not StopState.WAITING)), None)


def order_of(
    terms: Terms, listed: ProtectiveStop | None, book: Sequence[BrokerOrder], known: Collection[str], *, guess: bool
) -> BrokerOrder | None:
    """Return the order this stop has sent: of our name or the stop's own id, else by a guess a nameless one like it.

    `known` are the broker's ids of orders that are accounted for. A person who buys the same units back by hand is
    taken for the stop: what is held is the same.
    """
    ours = {terms.correlation_id, terms.order_id} - {""}
    for order in book:
        if order.correlation_id in ours or order.order_id in ours:
            return order
    if not guess or (listed is not None and listed.state is StopState.WAITING):
        return None
    alike = [order for order in book if order.order_id not in known and _could_be_of(terms, order)]
    return alike[0] if len(alike) == 1 else None


def stop_prices(*, sold_at: Decimal, times: Decimal, tick: Decimal) -> tuple[Decimal, Decimal]:
    """Return trigger and limit of the stop of a short leg, on the tick, the limit beyond the trigger.

    Parameters
    ----------
    sold_at : Decimal
        Average price of the leg, rupees per unit.
    times : Decimal
        The trigger as a multiple of it.
    tick : Decimal
        Rupees.
    """
    trigger = snap(sold_at * times, tick, towards="up")
    return trigger, snap(trigger * (1 + LIMIT_ROOM), tick, towards="up")


def _is_alike(terms: Terms, row: ProtectiveStop) -> bool:
    wanted = (terms.segment, terms.security_id, Side.BUY, terms.quantity, terms.trigger_price, terms.limit_price)
    return wanted == (row.segment, row.security_id, row.side, row.quantity, row.trigger_price, row.limit_price)


def _could_be_of(terms: Terms, order: BrokerOrder) -> bool:
    if order.correlation_id or terms.asked_at is None or order.placed_at is None or order.placed_at < terms.asked_at:
        return False
    wanted = (terms.segment, terms.security_id, Side.BUY, terms.quantity)
    return wanted == (order.segment, order.security_id, order.side, order.quantity)
