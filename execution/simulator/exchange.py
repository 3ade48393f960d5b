"""The order engine of the simulated exchange: no clock, network or randomness of its own. Pure.

Every method takes the moment; whoever calls moves time forward, never back. Orders travel (`Rules.transit_seconds`),
so what became of a request shows up at a later `advance`, and every read advances first.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from execution.ports import OrderStatus
from execution.simulator import judging
from execution.simulator.book import (
    ORDINARY,
    ZERO,
    Account,
    Fate,
    Happening,
    Listing,
    Order,
    Position,
    Refused,
    Ticket,
    Trade,
)
from execution.simulator.floor import OPENING_BALANCE, Floor, Terms, exchange_hours
from market.contract import Side
from market.ports import Touch

__all__ = ["OPENING_BALANCE", "Exchange", "Terms", "exchange_hours"]

_MODIFIED_TYPES = frozenset({"LIMIT", "MARKET", "STOP_LOSS"})


class Exchange(Floor):
    """One account at one exchange: what it can be asked."""

    # --- requests ----------------------------------------------------------------------------------------------------

    def submit(self, ticket: Ticket, now: datetime, fate: Fate = ORDINARY) -> Order:
        """Take an order at the front door; raises Refused. The answer is in TRANSIT, what follows comes later."""
        now = self.advance(now)
        try:
            listing = self._admit(ticket)
        except Refused as refusal:
            self._write_refusal(ticket, now, refusal)
            raise
        order = self._open(ticket, listing, fate, now)
        self._write(Happening.SUBMITTED, order, now)
        if fate.stays_in_transit:
            self._resting[order.order_id] = order
        else:
            order.answered_at = self._later(now, self.rules.transit_seconds)
            self._push(order.answered_at, self._arrive, order)
        return order

    def modify(self, order_id: str, terms: Terms, now: datetime, *, lost: bool = False) -> Order:
        """Ask for other terms of a live order; raises Refused. A lost one is confirmed and never applied."""
        now = self.advance(now)
        order = self._live(order_id, "Order cannot be modified, it has already ended")
        if order.modifications >= self.rules.most_modifications:
            raise judging.order_error(f"Maximum {self.rules.most_modifications} modifications allowed per order")
        if terms.quantity <= 0 or terms.price < 0 or terms.order_type not in _MODIFIED_TYPES:
            raise judging.bad_input()
        order.modifications += 1
        self._write(Happening.MODIFY_ASKED, order, now, price=terms.price)
        if not lost:
            self._push(self._in_turn(order, now), self._apply, order, terms)
        return order

    def cancel(self, order_id: str, now: datetime, *, lost: bool = False, fills: bool = False) -> Order:
        """Ask for the end of a live order; raises Refused. A lost one is confirmed and never happens."""
        now = self.advance(now)
        order = self._live(order_id, "Nothing to Cancel . ")
        self._write(Happening.CANCEL_ASKED, order, now)
        if not (lost or order.fate.loses_cancel):
            self._push(self._in_turn(order, now), self._end_by_cancel, order, fills or order.fate.fills_on_cancel)
        return order

    def exit_all(self, now: datetime, *, source: str = "P") -> None:
        """Cancel every live order and close every position with protected market orders."""
        now = self.advance(now)
        for order in [order for order in self._today.values() if order.is_live]:
            self._end(now, order, Happening.CANCELLED, "cancelled by the exit of all positions")
        for position in list(self.ledger.positions.values()):
            if position.net_quantity:
                self._close_out(position, now, source)

    def square_off(self, now: datetime) -> None:
        """What the broker's risk desk does: close everything without asking."""
        self.exit_all(now, source="R")

    def switch(self, now: datetime, *, on: bool) -> None:
        """The broker's kill switch; refused while anything is open or pending."""
        now = self.advance(now)
        busy = any(order.is_live for order in self._today.values())
        if on and (busy or any(position.net_quantity for position in self.ledger.positions.values())):
            raise judging.order_error("Kill Switch cannot be activated with open positions or pending orders")
        self.killed = on
        self.note(now, f"kill switch {'on' if on else 'off'}", kind=Happening.SWITCHED)

    def convert(self, listing: Listing, units: int, *, from_product: str, to_product: str, now: datetime) -> None:
        """Move units of a position to another product; `units` positive."""
        now = self.advance(now)
        held = self.ledger.positions.get((listing.segment, listing.security_id, from_product))
        if held is None or not 0 < units <= abs(held.net_quantity) or to_product == from_product:
            raise judging.order_error("Position conversion quantity exceeds the open position")
        signed = units if held.net_quantity > 0 else -units
        self.ledger.convert(held, signed, to_product)
        self.note(now, f"{signed} of {listing.security_id} moved from {from_product} to {to_product}")

    # --- reads -------------------------------------------------------------------------------------------------------

    def order_book(self, now: datetime, *, stale_seconds: float = 0.0) -> list[Order]:
        """The orders of the day, oldest first; the live objects, or copies of how they stood that long ago."""
        now = self.advance(now)
        shown = [order for order in self._today.values() if order.visible_at <= now]
        if not stale_seconds:
            return shown
        then = now - timedelta(seconds=stale_seconds)
        return [old for order in shown if (old := order.as_of(then)) is not None]

    def order(self, order_id: str, now: datetime) -> Order | None:
        """One order by the broker's id, of any day."""
        self.advance(now)
        return self._orders.get(order_id)

    def order_by_correlation(self, correlation_id: str, now: datetime) -> Order | None:
        """The first order of that name, None when there is none or it is not visible yet."""
        now = self.advance(now)
        found = self._by_correlation.get(correlation_id)
        return found if found is not None and found.visible_at <= now else None

    def trade_book(self, now: datetime, order_id: str | None = None) -> list[Trade]:
        """The fills of the day, oldest first."""
        self.advance(now)
        return [t for t in self._trades if t.order_id in self._today and order_id in {None, t.order_id}]

    def every_order(self) -> list[Order]:
        """The orders of all days."""
        return list(self._orders.values())

    def every_trade(self) -> Sequence[Trade]:
        """The fills of all days."""
        return self._trades

    def positions(self, now: datetime) -> list[Position]:
        """Everything traded today or carried, closed positions too."""
        self.advance(now)
        return list(self.ledger.positions.values())

    def funds(self, now: datetime) -> Account:
        """What may be spent."""
        self.advance(now)
        return self.ledger.account()

    def margin_for(self, tickets: Sequence[Ticket], now: datetime, *, alone: bool = False) -> Decimal:
        """What these orders together would block, rupees: on top of what is open, or all alone."""
        self.advance(now)
        listings = [self._listed(ticket) for ticket in tickets]
        return self.ledger.need(tickets, listings, alone=alone)

    def touch(self, listing: Listing, now: datetime) -> Touch | None:
        """What is quoted."""
        return self._touch(listing.segment, listing.security_id, now)

    def _in_turn(self, order: Order, now: datetime) -> datetime:
        """When the exchange answers: requests about one order never overtake each other."""
        due = self._later(now, self.rules.answer_seconds)
        if order.answered_at is not None and order.answered_at > due:
            due = order.answered_at
        order.answered_at = due
        return due

    # --- the front door ----------------------------------------------------------------------------------------------

    def _admit(self, ticket: Ticket) -> Listing:
        listing = judging.require_sane(ticket, self.listings.get((ticket.segment, ticket.security_id)), self.rules)
        if self.killed:
            raise judging.order_error("Kill Switch is active, trading is disabled for the day")
        if self.rules.duplicates_refused and ticket.correlation_id in self._by_correlation:
            raise judging.bad_input("Duplicate correlationId")
        return listing

    def _open(self, ticket: Ticket, listing: Listing, fate: Fate, now: datetime) -> Order:
        number = len(self._orders) + 1
        order = Order(
            order_id=f"1{self._day:%y%m%d}{number:05d}",
            exchange_order_id=f"11{number:014d}",
            ticket=ticket,
            listing=listing,
            fate=fate,
            created_at=now,
            visible_at=now + timedelta(seconds=fate.hidden_seconds) if fate.hidden_seconds else now,
            status=OrderStatus.TRANSIT,
            quantity=ticket.quantity,
            price=ticket.price,
            order_type=ticket.order_type,
            trigger_price=ticket.trigger_price,
            updated_at=now,
        )
        self._orders[order.order_id] = self._today[order.order_id] = order
        if ticket.correlation_id:
            self._by_correlation.setdefault(ticket.correlation_id, order)
        return order

    def _live(self, order_id: str, otherwise: str) -> Order:
        order = self._orders.get(order_id)
        if order is None:
            raise judging.order_error("No such order")
        if not order.is_live:
            raise judging.order_error(otherwise)
        return order

    def _listed(self, ticket: Ticket) -> Listing:
        listing = self.listings.get((ticket.segment, ticket.security_id))
        if listing is None:
            raise judging.bad_input("Invalid SecurityId")
        return listing

    def _close_out(self, position: Position, now: datetime, source: str) -> None:
        """Send what closes a position, in orders the exchange accepts."""
        listing, left = position.listing, abs(position.net_quantity)
        side = Side.SELL if position.net_quantity > 0 else Side.BUY
        largest = (listing.freeze_quantity or left) // listing.lot_size * listing.lot_size or left
        while left > 0:
            units = min(left, largest)
            ticket = Ticket(listing.segment, listing.security_id, side, units, ZERO, order_type="MARKET")
            with suppress(Refused):
                self.submit(replace(ticket, product=position.product, source=source), now)
            left -= units
