"""A paper exchange: checks an order the way an exchange does and fills it against the touch, never better."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from execution.basket import CORRELATION
from execution.errors import OrderRefused
from execution.paper_book import BookedOrder, PaperBook
from execution.ports import BrokerOrder, BrokerTrade, Funds, OrderRequest, OrderStatus, Placed, Validity
from market.calendar import IST, closed_reason
from market.contract import Side
from market.errors import InvalidInput, MarketError, Reason, UnknownDay, UnknownInstrument
from market.ports import MarketSource, Touch
from market.quant.ticks import is_on_tick, to_decimal
from market.rulebook import freeze_quantity, price_protection_band


class PaperBroker:
    """A broker of its own, with its own books; money and prices are real, only the exchange is not."""

    name = "paper"
    mode = "paper"

    def __init__(self, *, market: MarketSource, book: PaperBook, capital: Decimal) -> None:
        self._market, self._book, self._capital = market, book, capital

    def place(self, order: OrderRequest, *, now: datetime) -> Placed:
        """Take, reject or refuse an order; the same correlation id again answers with the first order."""
        known = self._book.find(order.correlation_id)
        if known is None:
            refusal = _malformed(order, now)
            if refusal is not None:
                raise OrderRefused(refusal)
            known = self._book.record(self._execute(order, now))
        return Placed(known.order_id, known.status)

    def orders(self, *, now: datetime) -> Sequence[BrokerOrder]:
        """The order book of the day of `now`, up to `now`."""
        midnight = now.astimezone(IST).replace(hour=0, minute=0, second=0, microsecond=0)
        return [order.as_broker_order() for order in self._book.between(midnight, now)]

    def order_by_correlation(self, correlation_id: str, *, now: datetime) -> BrokerOrder | None:
        """The order of that name, found even after our side forgot it."""
        found = self._book.find(correlation_id)
        return None if found is None else found.as_broker_order()

    def trades(self, order_id: str, *, now: datetime) -> Sequence[BrokerTrade]:
        """The one fill of an order, or none."""
        order = self._known(order_id)
        if order.average_price is None or not order.filled_quantity:
            return []
        return [BrokerTrade(order_id, "1", order.filled_quantity, order.average_price, order.placed_at)]

    def cancel(self, order_id: str, *, now: datetime) -> BrokerOrder:
        """Cancel the rest of a resting order; an order that has ended stays as it is."""
        order = self._known(order_id)
        if order.status.is_final:
            return order.as_broker_order()
        ended = replace(order, status=OrderStatus.CANCELLED, reason="cancelled on request")
        return self._book.replace(ended).as_broker_order()

    def funds(self, *, now: datetime) -> Funds:
        """Capital plus what the fills brought in."""
        return Funds(self._capital + self._book.cash())

    def _known(self, order_id: str) -> BookedOrder:
        order = self._book.get(order_id)
        if order is None:
            raise OrderRefused(Reason("UNKNOWN_ORDER", f"The paper exchange has no order {order_id}."))
        return order

    def _execute(self, order: OrderRequest, now: datetime) -> BookedOrder:
        """What the exchange makes of a well-formed order at this moment."""
        resting = BookedOrder(
            order_id=f"PAPER-{order.correlation_id}",
            correlation_id=order.correlation_id,
            segment=order.segment,
            security_id=order.security_id,
            side=order.side,
            quantity=order.quantity,
            limit_price=order.limit_price,
            status=OrderStatus.PENDING,
            placed_at=now,
        )
        try:
            touch = self._market.touch(order.contract, as_of=now)
        except MarketError as error:
            return replace(resting, status=OrderStatus.REJECTED, reason=str(error.reason))
        rejection = self._rejection(order, touch, now)
        if rejection is not None:
            return replace(resting, status=OrderStatus.REJECTED, reason=str(rejection))
        return self._fill(resting, touch, order)

    def _rejection(self, order: OrderRequest, touch: Touch, now: datetime) -> Reason | None:
        if touch.quoted_at > now:
            return Reason("QUOTE_LATER", f"The quote of {order.contract} is from {touch.quoted_at}, after {now}.")
        if order.contract.is_option:
            low, high = (to_decimal(edge, places=4) for edge in price_protection_band(float(touch.bid + touch.ask) / 2))
            if not low <= order.limit_price <= high:
                return Reason("PRICE_BAND", f"{order.limit_price} is beyond the LPP limits {low} to {high}.")
        needed, available = order.quantity * order.limit_price, self.funds(now=now).available
        if order.side is Side.BUY and needed > available:
            return Reason("FUNDS", f"The order needs ₹{needed} and ₹{available} is available.")
        return None

    def _fill(self, order: BookedOrder, touch: Touch, request: OrderRequest) -> BookedOrder:
        """Trade at the opposite touch if the limit reaches it, whole lots, for no more than is left there."""
        price, shown = (touch.ask, touch.ask_quantity) if order.side is Side.BUY else (touch.bid, touch.bid_quantity)
        reaches = order.side.sign * (order.limit_price - price) >= 0
        used = self._book.taken(order.security_id, order.side, since=touch.quoted_at, until=order.placed_at)
        left = max(shown - used, 0) // request.lot_size * request.lot_size
        units = min(order.quantity, left) if reaches and price > 0 else 0
        filled = replace(order, filled_quantity=units, average_price=price if units else None)
        if units == order.quantity:
            return replace(filled, status=OrderStatus.TRADED)
        if request.validity is Validity.IOC:
            return replace(filled, status=OrderStatus.CANCELLED, reason=_why_not_all(order, price, left, reaches))
        return replace(filled, status=OrderStatus.PART_TRADED if units else OrderStatus.PENDING)


def _malformed(order: OrderRequest, now: datetime) -> Reason | None:
    """What the broker's own front door refuses before the exchange sees it."""
    checks = (_bad_name, _closed, _expired, _bad_quantity, _bad_price)
    return next((reason for check in checks if (reason := check(order, now)) is not None), None)


def _bad_name(order: OrderRequest, now: datetime) -> Reason | None:
    if CORRELATION.fullmatch(order.correlation_id):
        return None
    return Reason("CORRELATION", f"'{order.correlation_id}' is not a legal correlation id.")


def _closed(order: OrderRequest, now: datetime) -> Reason | None:
    return closed_reason(now, exchange="BSE" if order.segment.startswith("BSE") else "NSE")


def _expired(order: OrderRequest, now: datetime) -> Reason | None:
    if order.contract.expiry is None or order.contract.expiry >= now.astimezone(IST).date():
        return None
    return Reason("EXPIRED", f"{order.contract} has expired.")


def _bad_quantity(order: OrderRequest, now: datetime) -> Reason | None:
    if order.quantity <= 0 or order.lot_size <= 0 or order.quantity % order.lot_size:
        return Reason("LOT", f"{order.quantity} is not a whole number of lots of {order.lot_size}.")
    freeze = _freeze(order, now)
    if freeze is not None and order.quantity > freeze:
        return Reason(
            "FREEZE", f"{order.quantity} exceeds the freeze quantity {freeze} of {order.contract.underlying}."
        )
    return None


def _bad_price(order: OrderRequest, now: datetime) -> Reason | None:
    if _is_price(order.limit_price, order.tick_size):
        return None
    return Reason("TICK", f"{order.limit_price} is not a price in steps of {order.tick_size}.")


def _freeze(order: OrderRequest, now: datetime) -> int | None:
    """The published freeze quantity, where there is one: of the indices, since August 2025."""
    if not order.contract.is_option:
        return None
    try:
        return freeze_quantity(order.contract.underlying, as_of=now.astimezone(IST).date())
    except (UnknownInstrument, UnknownDay):
        return None


def _is_price(price: Decimal, tick: Decimal) -> bool:
    try:
        return price > 0 and is_on_tick(price, tick)
    except (InvalidInput, ArithmeticError):
        return False


def _why_not_all(order: BookedOrder, price: Decimal, left: int, reaches: bool) -> str:
    if not reaches:
        return f"NOT_MARKETABLE: the limit {order.limit_price} does not reach the touch {price}"
    return f"THIN_TOUCH: {left} units were left at {price}; the rest of the IOC order was cancelled"
