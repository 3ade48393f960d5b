"""Quotes and option chains (dhan.md 4.9 and 4.11)."""

from collections.abc import Callable, Iterator
from datetime import date, datetime

from execution.simulator.book import Listing
from execution.simulator.screen import Snapshot
from execution.simulator.venue import Venue
from execution.simulator.wire import Answer, Failed, Json, Request, data_error, number, whole, wrapped
from market.calendar import IST, years_to
from market.contract import OptionType
from market.errors import OptionsError
from market.ports import CapturedQuote
from market.quant.black import greeks

MOST_QUOTED = 1000

_NEVER_TRADED = "01/01/1980 00:00:00"
_Shape = Callable[[Listing, Snapshot], Json]


def last_prices(venue: Venue, request: Request) -> Answer:
    """POST /marketfeed/ltp."""
    return _quotes(venue, request, lambda listing, shot: {"last_price": number(shot.last)})


def day_prices(venue: Venue, request: Request) -> Answer:
    """POST /marketfeed/ohlc."""
    return _quotes(venue, request, lambda listing, shot: {"last_price": number(shot.last), "ohlc": _ohlc(shot)})


def full_quotes(venue: Venue, request: Request) -> Answer:
    """POST /marketfeed/quote."""
    return _quotes(venue, request, _full)


def _quotes(venue: Venue, request: Request, shape: _Shape) -> Answer:
    """Ids may be numbers or text and come back as text; unknown ones are simply absent."""
    body = request.body if isinstance(request.body, dict) else {}
    wanted = {segment: ids for segment, ids in body.items() if isinstance(ids, list)}
    if not wanted:
        raise Failed(data_error(814, status=400))
    if sum(len(ids) for ids in wanted.values()) > MOST_QUOTED:
        raise Failed(data_error(804, status=400))
    now, answer = venue.now(), dict[str, Json]()
    for segment, ids in wanted.items():
        rows = answer[segment] = dict[str, Json]()
        for security_id in map(str, ids):
            listing = venue.listings.get((segment, security_id))
            shot = None if listing is None else venue.screen.snapshot(listing, now)
            if listing is not None and shot is not None:
                rows[security_id] = shape(listing, shot)
    return wrapped(answer)


def _ohlc(shot: Snapshot) -> Json:
    return {
        "open": number(shot.opened),
        "close": number(shot.previous_close),
        "high": number(shot.high),
        "low": number(shot.low),
    }


def _full(listing: Listing, shot: Snapshot) -> Json:
    nothing = [{"quantity": 0, "orders": 0, "price": 0.0}] * 4
    index = listing.instrument == "INDEX"
    return {
        "average_price": 0.0 if index else number(shot.last),
        "buy_quantity": shot.bid_quantity,
        "sell_quantity": shot.ask_quantity,
        "depth": {
            "buy": [{"quantity": shot.bid_quantity, "orders": 1, "price": number(shot.bid)}, *nothing],
            "sell": [{"quantity": shot.ask_quantity, "orders": 1, "price": number(shot.ask)}, *nothing],
        },
        "last_price": number(shot.last),
        "last_quantity": listing.lot_size if shot.volume else 0,
        "last_trade_time": shot.at.astimezone(IST).strftime("%d/%m/%Y %H:%M:%S") if shot.volume else _NEVER_TRADED,
        "lower_circuit_limit": number(listing.lower_limit),
        "upper_circuit_limit": number(listing.upper_limit),
        "net_change": number(shot.last - shot.previous_close),
        "volume": shot.volume,
        "oi": shot.open_interest,
        "oi_day_high": shot.open_interest,
        "oi_day_low": shot.open_interest,
        "ohlc": _ohlc(shot),
    }


def expiries(venue: Venue, request: Request) -> Answer:
    """POST /optionchain/expirylist."""
    underlying, _ = _underlying(venue, request)
    today = venue.now().astimezone(IST).date()
    return wrapped([day.isoformat() for day in venue.screen.expiries(underlying) if day >= today])


def chain(venue: Venue, request: Request) -> Answer:
    """POST /optionchain: strikes are keys with six decimals."""
    underlying, body = _underlying(venue, request)
    wanted = f"{underlying} {body.get('Expiry')}"
    if not venue.limits.take_chain(wanted, venue.now()):
        raise Failed(data_error(805, status=429))
    expiry = _expiry(body.get("Expiry"))
    captured = venue.screen.chain(underlying, venue.now())
    quotes = [] if captured is None else [quote for quote in captured.quotes if quote.expiry == expiry]
    if captured is None or captured.spot is None or not quotes:
        raise Failed(data_error(811, status=400))
    strikes: dict[str, Json] = {}
    for quote, row in _sides(venue, underlying, quotes, captured.spot):
        side = "ce" if quote.option_type is OptionType.CALL else "pe"
        strikes.setdefault(f"{quote.strike:.6f}", {})[side] = row
    return wrapped({"last_price": captured.spot, "oc": strikes})


def _underlying(venue: Venue, request: Request) -> tuple[str, Json]:
    body = request.body if isinstance(request.body, dict) else {}
    security_id = str(whole(body.get("UnderlyingScrip", 0)))
    listing = venue.listings.get((str(body.get("UnderlyingSeg")), security_id))
    if listing is None or listing.expiry is not None:
        raise Failed(data_error(813, status=400))
    return listing.contract.underlying, body


def _expiry(text: Json) -> date:
    try:
        return datetime.fromisoformat(str(text)).date()
    except ValueError:
        raise Failed(data_error(812, status=400)) from None


def _sides(
    venue: Venue, underlying: str, quotes: list[CapturedQuote], spot: float
) -> Iterator[tuple[CapturedQuote, Json]]:
    for quote in quotes:
        listing = venue.screen.option(underlying, quote.expiry, quote.strike, quote.option_type)
        row = {
            "average_price": number(quote.last_price),
            "greeks": _greeks(quote, spot, venue.now()),
            "implied_volatility": 100 * number(quote.implied_volatility),
            "last_price": number(quote.last_price),
            "oi": quote.open_interest or 0,
            "previous_close_price": 0.0,
            "previous_oi": 0,
            "previous_volume": 0,
            "security_id": 0 if listing is None else int(listing.security_id),
            "top_ask_price": number(quote.ask),
            "top_ask_quantity": quote.ask_quantity or 0,
            "top_bid_price": number(quote.bid),
            "top_bid_quantity": quote.bid_quantity or 0,
            "volume": quote.volume or 0,
        }
        yield quote, row


def _greeks(quote: CapturedQuote, spot: float, now: datetime) -> Json:
    """Dhan's four, theta per day and vega per point; zeros where the source has no volatility."""
    names = ("delta", "theta", "gamma", "vega")
    if not quote.implied_volatility:
        return dict.fromkeys(names, 0.0)
    try:
        found = greeks(
            forward=spot,
            strike=quote.strike,
            years=years_to(quote.expiry, now),
            volatility=quote.implied_volatility,
            is_call=quote.option_type is OptionType.CALL,
        )
    except OptionsError:
        return dict.fromkeys(names, 0.0)
    values = {name: float(getattr(found, name)) for name in names}
    return {**values, "vega": values["vega"] / 100}
