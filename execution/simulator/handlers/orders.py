"""/orders and /trades (dhan.md 4.1)."""

from dataclasses import replace

from execution.simulator.book import Listing, Order, Ticket
from execution.simulator.exchange import Terms
from execution.simulator.faults import Fault
from execution.simulator.judging import bad_input, order_error
from execution.simulator.shapes import accepted, order_row, trade_row
from execution.simulator.venue import Venue
from execution.simulator.wire import Answer, Failed, Json, Request, plain, rupees, trading_error, whole
from market.contract import Side

MOST_BATCHED = 15

_AMO_TIMES = frozenset({"PRE_OPEN", "OPEN", "OPEN_30", "OPEN_60"})


def ticket_of(fields: Json) -> Ticket:
    """The order a body asks for; raises DH-905."""
    try:
        side = Side(str(fields["transactionType"]).upper())
        after_market = bool(fields.get("afterMarketOrder"))
        if after_market and str(fields.get("amoTime") or "OPEN") not in _AMO_TIMES:
            raise bad_input()
        return Ticket(
            segment=str(fields["exchangeSegment"]),
            security_id=str(fields["securityId"]),
            side=side,
            quantity=whole(fields["quantity"]),
            price=rupees(fields.get("price")),
            correlation_id=str(fields.get("correlationId") or ""),
            order_type=str(fields["orderType"]),
            product=str(fields["productType"]),
            validity=str(fields.get("validity") or "DAY"),
            trigger_price=rupees(fields.get("triggerPrice")),
            disclosed_quantity=whole(fields.get("disclosedQuantity") or 0),
            after_market=after_market,
        )
    except (KeyError, ValueError, AttributeError):
        raise bad_input() from None


def place(venue: Venue, request: Request) -> Answer:
    """POST /orders."""
    twice = request.strike is not None and request.strike.fault is Fault.DUPLICATE_ACCEPT
    return plain(accepted(venue.place(ticket_of(request.fields()), venue.now(), twice=twice)))


def place_sliced(venue: Venue, request: Request) -> Answer:
    """POST /orders/slicing: an order above the freeze quantity as several, an array back."""
    ticket = ticket_of(request.fields())
    listing = venue.listings.get((ticket.segment, ticket.security_id))
    sizes = [ticket.quantity] if listing is None else slices(ticket.quantity, listing)
    made = [venue.place(replace(ticket, quantity=size), venue.now()) for size in sizes]
    return plain([accepted(order) for order in made])


def slices(quantity: int, listing: Listing) -> list[int]:
    """Pieces the exchange takes, the largest first."""
    largest = (listing.freeze_quantity or quantity) // listing.lot_size * listing.lot_size
    if quantity <= 0 or largest <= 0:
        return [quantity]
    whole_ones, rest = divmod(quantity, largest)
    return [largest] * whole_ones + ([rest] if rest else [])


def place_batch(venue: Venue, request: Request) -> Answer:
    """POST /alerts/multi/orders: up to 15 orders, each on its own."""
    rows = request.fields().get("orders")
    if not isinstance(rows, list) or not 0 < len(rows) <= MOST_BATCHED:
        raise bad_input()
    made = [(str(row.get("sequence")), venue.place(ticket_of(row), venue.now())) for row in rows]
    return plain({"orders": [{**accepted(order), "sequence": sequence} for sequence, order in made]})


def modify(venue: Venue, request: Request) -> Answer:
    """PUT /orders/{id}: the quantity is the total of the order."""
    fields, now = request.fields(), venue.now()
    lost = request.strike is not None and request.strike.fault is Fault.MODIFY_LOST
    known = venue.exchange.order(request.words[0], now)
    terms = Terms(
        quantity=whole(fields.get("quantity") or (known.quantity if known else 0)),
        price=rupees(fields.get("price")),
        order_type=str(fields.get("orderType") or "LIMIT"),
        trigger_price=rupees(fields.get("triggerPrice")),
    )
    order = venue.exchange.modify(request.words[0], terms, now, lost=lost)
    return plain({"orderId": order.order_id, "orderStatus": "TRANSIT"})


def cancel(venue: Venue, request: Request) -> Answer:
    """DELETE /orders/{id}: 202, whatever comes of it."""
    fault = None if request.strike is None else request.strike.fault
    order = venue.exchange.cancel(
        request.words[0], venue.now(), lost=fault is Fault.CANCEL_LOST, fills=fault is Fault.FILL_ON_CANCEL
    )
    return plain({"orderId": order.order_id, "orderStatus": "CANCELLED"}, 202)


def book(venue: Venue, request: Request) -> Answer:
    """GET /orders."""
    strike = request.strike
    stale = strike.seconds if strike is not None and strike.fault is Fault.STALE_BOOK else 0.0
    return plain([_row(venue, order) for order in venue.exchange.order_book(venue.now(), stale_seconds=stale)])


def by_id(venue: Venue, request: Request) -> Answer:
    """GET /orders/{id}."""
    order = venue.exchange.order(request.words[0], venue.now())
    return _one(venue, order if order is not None and order.visible_at <= venue.now() else None)


def by_correlation(venue: Venue, request: Request) -> Answer:
    """GET /orders/external/{correlation id}."""
    return _one(venue, venue.exchange.order_by_correlation(request.words[0], venue.now()))


def trades(venue: Venue, request: Request) -> Answer:
    """GET /trades, /trades/ and /trades/{order id}."""
    order_id = request.words[0] if request.words else None
    now = venue.now()
    found = venue.exchange.trade_book(now, order_id)
    return plain([trade_row(trade, _known(venue, trade.order_id), venue.client_id) for trade in found])


def _row(venue: Venue, order: Order) -> Json:
    return order_row(order, venue.client_id)


def _one(venue: Venue, order: Order | None) -> Answer:
    if order is None:
        raise Failed(trading_error("DH-906", "Order does not exist", status=404))
    row = _row(venue, order)
    return plain([row] if venue.switches.single_as_array else row)


def _known(venue: Venue, order_id: str) -> Order:
    order = venue.exchange.order(order_id, venue.now())
    if order is None:
        raise order_error("Order does not exist")
    return order
