"""How the paper exchange treats one order: what it refuses, when it looks, what it fills, never better than the touch.

Every answer is a function of the order, the touch of the moment and the habits. Pure.
"""

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from execution.naming import CORRELATION
from execution.paper_book import BookedOrder, Fill
from execution.ports import OrderRequest, OrderStatus, Validity
from market.calendar import IST, closed_reason, session_on
from market.contract import Side
from market.errors import InvalidInput, MarketError, Reason, UnknownDay, UnknownInstrument
from market.ports import MarketSource, Touch
from market.quant.ticks import is_on_tick, to_decimal
from market.rulebook import freeze_quantity, price_protection_band


@dataclass(frozen=True, slots=True)
class PaperHabits:
    """How this exchange behaves; the same habits and the same market give the same day.

    acknowledgement_seconds
        TRANSIT for so long: an order is heard of before it is at the exchange. Small, as on a good line.
    fill_seconds
        From the exchange's book to a fill: long enough that a first look finds the order still resting.
    jitter
        Each latency varies by up to this fraction; 0 so that a virtual clock steps onto round moments.
    shown_share
        Fraction of the shown depth that is there for us; 1 because an IOC order races nobody in most minutes.
    partial_share
        Fraction of matches that give only a part of what they could; 0: thin touches give partials enough.
    reject_share
        Fraction of orders rejected for no reason of ours; 0: practice should not punish at random.
    accepts_twice
        Take a second order of the same correlation id as Dhan does; off, because the paper account is ours to guard.
    checks_margin
        Reject shorts beyond the margin, and count what shorts block. Off, because it needs a spot for every
        underlying, and not every market source has one.
    """

    seed: int = 0
    acknowledgement_seconds: float = 0.2
    fill_seconds: float = 0.3
    jitter: float = 0.0
    shown_share: Decimal = Decimal(1)
    partial_share: float = 0.0
    reject_share: float = 0.0
    accepts_twice: bool = False
    checks_margin: bool = False

    def draw(self, name: str, purpose: str) -> float:
        """A number from 0 up to 1 that depends on nothing but the seed and these words."""
        digest = hashlib.sha256(f"{self.seed}|{name}|{purpose}".encode()).digest()
        return int.from_bytes(digest[:7]) / 2**56

    def acknowledgement(self, name: str) -> timedelta:
        """How long a request of this name travels."""
        return self._latency(self.acknowledgement_seconds, name, "acknowledgement")

    def until_fill(self, name: str) -> timedelta:
        """How long an order of this name stands at the exchange before it is matched."""
        return self._latency(self.fill_seconds, name, "fill")

    def _latency(self, seconds: float, name: str, purpose: str) -> timedelta:
        return timedelta(seconds=seconds * (1 + self.jitter * (2 * self.draw(name, purpose) - 1)))


def received(order_id: str, request: OrderRequest, now: datetime, habits: PaperHabits) -> BookedOrder:
    """A well-formed order on its way to the exchange."""
    arrives_at = now + habits.acknowledgement(order_id)
    return BookedOrder(
        order_id=order_id,
        request=request,
        status=OrderStatus.TRANSIT,
        placed_at=now,
        arrives_at=arrives_at,
        match_from=arrives_at + habits.until_fill(order_id),
    )


def next_moment(order: BookedOrder, now: datetime) -> datetime | None:
    """When the exchange must look at a live order next, not after `now`; None when nothing is due."""
    if order.status is OrderStatus.TRANSIT:
        due = order.arrives_at
    elif order.matched:
        due = min(now, ends_at(order))
    else:
        due = min(order.match_from, ends_at(order))
    return due if due <= now else None


def ends_at(order: BookedOrder) -> datetime:
    """When an order that still rests is taken out of the book: by a cancel, or by the close of its day."""
    session = session_on(order.placed_at.astimezone(IST).date(), exchange=_exchange(order.request))
    closes = order.placed_at if session is None else session.closes
    return closes if order.cancel_at is None else min(closes, order.cancel_at)


def touch_at(market: MarketSource, request: OrderRequest, at: datetime, now: datetime) -> Touch | Reason:
    """The touch at a moment, or why nothing trades.

    A source that keeps no history answers with its newest quote: that one is taken unless it is later than `now`.
    """
    closed = _closed(request, at)
    if closed is not None:
        return closed
    try:
        touch = market.touch(request.contract, as_of=at)
    except MarketError as error:
        return error.reason
    if touch.quoted_at > now:
        return Reason("QUOTE_LATER", f"The quote of {request.contract} is from {touch.quoted_at}, after {now}.")
    return touch


def arrived(order: BookedOrder, rejection: Reason | None) -> BookedOrder:
    """The order as it stands when the exchange has looked at it for the first time."""
    if rejection is None:
        return replace(order, status=OrderStatus.PENDING)
    return replace(order, status=OrderStatus.REJECTED, reason=str(rejection))


def rejection_on_arrival(order: BookedOrder, touch: Touch | Reason, habits: PaperHabits) -> Reason | None:
    """What the exchange says no to, apart from money."""
    if habits.draw(order.order_id, "reject") < habits.reject_share:
        return Reason("EXCHANGE_SAID_NO", "The paper exchange rejects a share of all orders, as its habits say.")
    if isinstance(touch, Reason):
        return touch
    return _beyond_freeze(order) or _beyond_band(order, touch)


def matched(order: BookedOrder, touch: Touch | Reason, at: datetime, *, used: int, habits: PaperHabits) -> BookedOrder:
    """The order after one look at the opposite touch, of which `used` units are gone."""
    looked = order if order.matched else replace(order, matched=True)
    if isinstance(touch, Reason):
        return _ended_if_immediate(looked, str(touch))
    price, left = _opposite(order, touch, used, habits)
    units = _units(order, price, left, habits)
    if units:
        # A quote newer than the moment stands in for it: the fill cannot be older than its quote.
        fill = Fill(len(order.fills) + 1, units, price, max(at, touch.quoted_at))
        # The rest is matched after as long again: how often somebody looks must not decide how much fills.
        later = at + habits.until_fill(f"{order.order_id} part {len(order.fills) + 1}")
        looked = replace(
            looked, fills=(*order.fills, fill), status=OrderStatus.PART_TRADED, match_from=later, matched=False
        )
    if looked.filled_quantity == order.request.quantity:
        return replace(looked, status=OrderStatus.TRADED)
    return _ended_if_immediate(looked, _why_not_all(order, price, left))


def taken_out(order: BookedOrder) -> BookedOrder:
    """The order at the end of its time in the book; what has filled stays filled."""
    if order.status.is_final:
        return order
    if order.cancel_at is not None and ends_at(order) >= order.cancel_at:
        return replace(order, status=OrderStatus.CANCELLED, reason="CANCELLED: cancelled on request")
    return replace(order, status=OrderStatus.EXPIRED, reason="EXPIRED: the session closed")


def malformed(order: OrderRequest, now: datetime) -> Reason | None:
    """What the broker's own front door refuses before the exchange sees it."""
    checks = (_bad_name, _closed, _expired, _bad_quantity, _bad_price)
    return next((reason for check in checks if (reason := check(order, now)) is not None), None)


def ended_already(order: BookedOrder) -> Reason:
    """Why nothing can be asked of an order any more."""
    return Reason("ORDER_ENDED", f"{order.order_id} has ended: {order.status}.", "Read the order book.")


def _opposite(order: BookedOrder, touch: Touch, used: int, habits: PaperHabits) -> tuple[Decimal, int]:
    """Price of the opposite touch, and the units left there for us in whole lots."""
    bought = order.request.side is Side.BUY
    price, shown = (touch.ask, touch.ask_quantity) if bought else (touch.bid, touch.bid_quantity)
    return price, _whole_lots(max(int(shown * habits.shown_share) - used, 0), order)


def _units(order: BookedOrder, price: Decimal, left: int, habits: PaperHabits) -> int:
    if price <= 0 or not _reaches(order, price):
        return 0
    units = min(order.remaining, left)
    look = f"{len(order.fills)}"
    if habits.draw(order.order_id, f"part {look}") < habits.partial_share:
        return _whole_lots(int(units * habits.draw(order.order_id, f"size {look}")), order)
    return units


def _reaches(order: BookedOrder, price: Decimal) -> bool:
    return order.request.side.sign * (order.limit_price - price) >= 0


def _whole_lots(units: int, order: BookedOrder) -> int:
    return units // order.request.lot_size * order.request.lot_size


def _ended_if_immediate(order: BookedOrder, why: str) -> BookedOrder:
    if order.request.validity is not Validity.IOC:
        return order
    return replace(order, status=OrderStatus.CANCELLED, reason=why)


def _why_not_all(order: BookedOrder, price: Decimal, left: int) -> str:
    if not _reaches(order, price):
        return f"NOT_MARKETABLE: the limit {order.limit_price} does not reach the touch {price}"
    return f"THIN_TOUCH: {left} units were left at {price}; the rest of the IOC order was cancelled"


def _beyond_freeze(order: BookedOrder) -> Reason | None:
    request = order.request
    freeze = _freeze(request, order.arrives_at)
    if freeze is None or request.quantity <= freeze:
        return None
    return Reason(
        "FREEZE", f"{request.quantity} exceeds the freeze quantity {freeze} of {request.contract.underlying}."
    )


def _beyond_band(order: BookedOrder, touch: Touch) -> Reason | None:
    if not order.request.contract.is_option:
        return None
    low, high = (to_decimal(edge, places=4) for edge in price_protection_band(float(touch.bid + touch.ask) / 2))
    if low <= order.limit_price <= high:
        return None
    return Reason("PRICE_BAND", f"{order.limit_price} is beyond the LPP limits {low} to {high}.")


def _exchange(order: OrderRequest) -> str:
    return "BSE" if order.segment.startswith("BSE") else "NSE"


def _bad_name(order: OrderRequest, now: datetime) -> Reason | None:
    if CORRELATION.fullmatch(order.correlation_id):
        return None
    return Reason("CORRELATION", f"'{order.correlation_id}' is not a legal correlation id.")


def _closed(order: OrderRequest, now: datetime) -> Reason | None:
    return closed_reason(now, exchange=_exchange(order))


def _expired(order: OrderRequest, now: datetime) -> Reason | None:
    if order.contract.expiry is None or order.contract.expiry >= now.astimezone(IST).date():
        return None
    return Reason("EXPIRED", f"{order.contract} has expired.")


def _bad_quantity(order: OrderRequest, now: datetime) -> Reason | None:
    if order.quantity > 0 and order.lot_size > 0 and order.quantity % order.lot_size == 0:
        return None
    return Reason("LOT", f"{order.quantity} is not a whole number of lots of {order.lot_size}.")


def _bad_price(order: OrderRequest, now: datetime) -> Reason | None:
    if _is_price(order.limit_price, order.tick_size):
        return None
    return Reason("TICK", f"{order.limit_price} is not a price in steps of {order.tick_size}.")


def _freeze(order: OrderRequest, at: datetime) -> int | None:
    """The published freeze quantity, where there is one: of the indices, since August 2025."""
    if not order.contract.is_option:
        return None
    try:
        return freeze_quantity(order.contract.underlying, as_of=at.astimezone(IST).date())
    except (UnknownInstrument, UnknownDay):
        return None


def _is_price(price: Decimal, tick: Decimal) -> bool:
    try:
        return price > 0 and is_on_tick(price, tick)
    except (InvalidInput, ArithmeticError):
        return False
