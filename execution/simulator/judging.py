"""Why an order is refused at the front door or rejected behind it, in the words of the broker and exchange. Pure."""

import re
from datetime import date
from decimal import Decimal

from execution.simulator.book import Listing, Refused, Rules, Ticket
from market.errors import UnknownDay, UnknownInstrument
from market.ports import Touch
from market.quant.ticks import snap
from market.rulebook import freeze_quantity, price_protection_band

BAD_INPUT = "Missing required fields, bad values for parameters etc."

_CORRELATION = re.compile(r"[A-Za-z0-9_\- ]*")
_ORDER_TYPES = frozenset({"LIMIT", "MARKET", "STOP_LOSS", "STOP_LOSS_MARKET"})
_PRODUCTS = frozenset({"CNC", "INTRADAY", "MARGIN", "MTF", "CO", "BO"})
_DERIVATIVE_PRODUCTS = frozenset({"INTRADAY", "MARGIN"})
_VALIDITIES = frozenset({"DAY", "IOC"})
_PRICE_SLACK = 1e-9

# Market price protection: premium below -> the share added to the touch (dhan.md 13.6, slabs of openalgo).
_PROTECTION = (
    (Decimal(10), Decimal("0.05")),
    (Decimal(100), Decimal("0.03")),
    (Decimal(500), Decimal("0.02")),
)
_PROTECTION_ABOVE = Decimal("0.01")


def bad_input(sentence: str = BAD_INPUT) -> Refused:
    """DH-905, which names no field on the real wire either."""
    return Refused("DH-905", "Input_Exception", sentence)


def order_error(sentence: str) -> Refused:
    """DH-906."""
    return Refused("DH-906", "Order_Error", sentence)


def require_sane(ticket: Ticket, listing: Listing | None, rules: Rules) -> Listing:
    """Refuse what the broker's front door refuses; everything else is found out later."""
    if listing is None or listing.instrument == "INDEX":
        raise bad_input("Invalid SecurityId")
    if len(ticket.correlation_id) > rules.longest_correlation or not _CORRELATION.fullmatch(ticket.correlation_id):
        raise bad_input()
    if ticket.quantity <= 0 or ticket.price < 0 or not _known_words(ticket, listing):
        raise bad_input()
    if ticket.order_type == "STOP_LOSS_MARKET" and not rules.stop_loss_market:
        raise order_error("Trigger Price should be greater than Price")
    if ticket.order_type.startswith("STOP_LOSS") and ticket.trigger_price <= 0:
        raise bad_input()
    if ticket.order_type in ("LIMIT", "STOP_LOSS") and ticket.price <= 0:
        raise bad_input()
    return listing


def _known_words(ticket: Ticket, listing: Listing) -> bool:
    products = _DERIVATIVE_PRODUCTS if listing.segment.endswith("_FNO") else _PRODUCTS
    return ticket.order_type in _ORDER_TYPES and ticket.product in products and ticket.validity in _VALIDITIES


def broken_quantity(listing: Listing, quantity: int) -> str:
    """Why this number of units cannot be ordered, or nothing."""
    if quantity % listing.lot_size:
        return f"RMS:Quantity {quantity} is not a multiple of lot size {listing.lot_size}"
    if listing.freeze_quantity is not None and quantity > listing.freeze_quantity:
        return f"EXCH:16328:Quantity {quantity} exceeds quantity freeze {listing.freeze_quantity}"
    return ""


def broken_price(listing: Listing, price: Decimal, touch: Touch | None) -> str:
    """Why this limit is no legal price, or nothing."""
    if price % listing.tick_size:
        return f"EXCH:16418:Price {price} is not a multiple of tick size {listing.tick_size}"
    if listing.lower_limit is not None and price < listing.lower_limit:
        return f"EXCH:Price {price} is below the lower circuit limit {listing.lower_limit}"
    if listing.upper_limit is not None and price > listing.upper_limit:
        return f"EXCH:Price {price} is above the upper circuit limit {listing.upper_limit}"
    if touch is None or not listing.is_option:
        return ""
    low, high = price_protection_band(float(touch.bid + touch.ask) / 2)
    if low - _PRICE_SLACK <= float(price) <= high + _PRICE_SLACK:
        return ""
    return f"EXCH:17071:Order price is beyond LPP limit {low:.2f} - {high:.2f}"


def has_expired(listing: Listing, day: date) -> bool:
    """True after the contract's last day."""
    return listing.expiry is not None and listing.expiry < day


def protected_limit(ticket: Ticket, listing: Listing, touch: Touch) -> Decimal:
    """The limit a MARKET order is given since 21 March 2026: the opposite touch and a little more."""
    price = touch.ask if ticket.side.sign > 0 else touch.bid
    share = next((share for ceiling, share in _PROTECTION if price < ceiling), _PROTECTION_ABOVE)
    wanted = price * (1 + ticket.side.sign * share)
    snapped = snap(wanted, listing.tick_size, towards="up" if ticket.side.sign > 0 else "down")
    return max(snapped, listing.tick_size)


def published_freeze(underlying: str, *, day: date) -> int | None:
    """The largest order of an index option, where the rulebook knows it."""
    try:
        return freeze_quantity(underlying, as_of=day)
    except (UnknownInstrument, UnknownDay):
        return None


def insufficient(needed: Decimal, available: Decimal) -> str:
    """The RMS rejection for lack of money."""
    return f"RMS:Margin Exceeds,Required:{needed:.2f}, Available:{available:.2f} due to insufficient funds for order"
