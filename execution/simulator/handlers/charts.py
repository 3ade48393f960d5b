"""Candles: daily, intraday and of rolling expired options (dhan.md 4.10).

A candle is read off the market source at its ends, so it is as fine as the source; the level of an index comes with a
whole chain, so of an index at most `MOST_SAMPLES` moments are read and the ones between lie on a line.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal

from execution.simulator.book import Listing
from execution.simulator.judging import bad_input
from execution.simulator.venue import Venue
from execution.simulator.wire import Answer, Json, Request, number, plain, whole, wrapped
from market.calendar import IST, Session, sessions_between
from market.contract import OptionType
from market.errors import MarketError

MOST_CANDLES = 2_000
MOST_SAMPLES = 60

_INTERVALS = frozenset({1, 5, 15, 25, 60})
_LONGEST_INTRADAY = timedelta(days=90)
_COLUMNS = ("open", "high", "low", "close", "volume", "timestamp", "open_interest")
_ROLLING = ("iv", "oi", "strike", "spot", "open", "high", "low", "close", "volume", "timestamp")
_LAST_MINUTE = timedelta(minutes=1)


def daily(venue: Venue, request: Request) -> Answer:
    """POST /charts/historical: toDate is exclusive, a timestamp is midnight in India."""
    body, listing = _asked(venue, request)
    first, last = _moment(body.get("fromDate")), _moment(body.get("toDate"))
    sessions = _sessions(first.date(), last.date() - timedelta(days=1), venue.now())
    prices = _prices(venue, listing, [moment for one in sessions for moment in (one.opens, one.closes - _LAST_MINUTE)])
    stamps = [datetime.combine(one.day, datetime.min.time(), IST) for one in sessions]
    return plain(_candles(stamps, list(zip(prices[::2], prices[1::2], strict=True))))


def intraday(venue: Venue, request: Request) -> Answer:
    """POST /charts/intraday: timestamps are true UTC seconds of each candle's start."""
    body, listing = _asked(venue, request)
    interval = whole(body.get("interval", 1))
    first, last = _moment(body.get("fromDate")), _moment(body.get("toDate"))
    if interval not in _INTERVALS or last - first > _LONGEST_INTRADAY:
        raise bad_input()
    starts = list(_starts(first, min(last, venue.now()), interval, venue.now()))[-MOST_CANDLES:]
    ends = [start + timedelta(minutes=interval) - _LAST_MINUTE for start in starts]
    opened, closed = _prices(venue, listing, starts), _prices(venue, listing, ends if interval > 1 else starts)
    return plain(_candles(starts, list(zip(opened, closed, strict=True))))


def rolling(venue: Venue, request: Request) -> Answer:
    """POST /charts/rollingoption: the strike follows the spot from candle to candle."""
    body, listing = _asked(
        venue, request, segment="IDX_I" if request.fields().get("instrument") == "OPTIDX" else "NSE_EQ"
    )
    try:
        option_type = OptionType(str(body.get("drvOptionType")))
        steps = int(str(body.get("strike", "ATM")).removeprefix("ATM") or 0)
    except ValueError:
        raise bad_input() from None
    first, last = _moment(body.get("fromDate")), _moment(body.get("toDate"))
    starts = list(_starts(first, min(last, venue.now()), whole(body.get("interval", 1)), venue.now()))[-MOST_SAMPLES:]
    wanted = {*(body.get("requiredData") or ()), "timestamp"}
    columns: dict[str, list[Json]] = {name: [] for name in _ROLLING}
    for start in starts:
        row = _rolled(venue, listing.contract.underlying, option_type, steps, start)
        for name in wanted & row.keys():
            columns[name].append(row[name])
    side, other = ("ce", "pe") if option_type is OptionType.CALL else ("pe", "ce")
    return wrapped({side: columns, other: None})


def _rolled(venue: Venue, underlying: str, option_type: OptionType, steps: int, at: datetime) -> dict[str, Json]:
    """One candle of whichever contract was that far from the money then; empty where nothing is known."""
    captured = venue.screen.chain(underlying, at)
    if captured is None or captured.spot is None or not captured.quotes:
        return {}
    expiry = min(quote.expiry for quote in captured.quotes)
    side = [quote for quote in captured.quotes if quote.expiry == expiry and quote.option_type is option_type]
    side.sort(key=lambda quote: quote.strike)
    place = min(range(len(side)), key=lambda index: abs(side[index].strike - (captured.spot or 0.0))) + steps
    quote = side[max(0, min(place, len(side) - 1))]
    price = number(quote.last_price)
    known = {"iv": 100 * number(quote.implied_volatility), "oi": quote.open_interest or 0, "strike": quote.strike}
    known |= {"spot": captured.spot, "volume": quote.volume or 0, "timestamp": int(at.timestamp())}
    return {**known, **dict.fromkeys(("open", "high", "low", "close"), price)}


def _asked(venue: Venue, request: Request, *, segment: str = "") -> tuple[Json, Listing]:
    body = request.fields()
    listing = venue.listings.get((segment or str(body.get("exchangeSegment")), str(body.get("securityId"))))
    if listing is None:
        raise bad_input()
    return body, listing


def _moment(text: Json) -> datetime:
    try:
        return datetime.fromisoformat(str(text)).replace(tzinfo=IST)
    except ValueError:
        raise bad_input() from None


def _sessions(first: date, last: date, now: datetime) -> list[Session]:
    """Sessions that have begun, both ends included."""
    try:
        found = sessions_between(first, last)
    except MarketError:
        raise bad_input() from None
    return [session for session in found if session.opens <= now]


def _starts(first: datetime, last: datetime, interval: int, now: datetime) -> Iterator[datetime]:
    """When each candle begins."""
    for session in _sessions(first.date(), last.date(), now):
        start = session.opens
        while start < min(session.closes, last):
            if start >= first:
                yield start
            start += timedelta(minutes=interval)


def _prices(venue: Venue, listing: Listing, moments: Sequence[datetime]) -> list[Decimal | None]:
    if listing.instrument != "INDEX" or len(moments) <= MOST_SAMPLES:
        return [venue.screen.price(listing, moment) for moment in moments]
    step = -(-len(moments) // MOST_SAMPLES)
    places = [*range(0, len(moments) - 1, step), len(moments) - 1]
    known = [venue.screen.price(listing, moments[place]) for place in places]
    return [_between(places, known, place) for place in range(len(moments))]


def _between(places: Sequence[int], known: Sequence[Decimal | None], place: int) -> Decimal | None:
    """On the line between the two samples around a place."""
    right = bisect_left(places, place)
    before, after = known[max(right - 1, 0)], known[right]
    if places[right] == place or before is None or after is None:
        return after
    share = Decimal(place - places[right - 1]) / (places[right] - places[right - 1])
    return before + (after - before) * share


def _candles(stamps: Sequence[datetime], ends: Sequence[tuple[Decimal | None, Decimal | None]]) -> Json:
    """Columns; a candle without a price is left out."""
    columns: dict[str, list[Json]] = {name: [] for name in _COLUMNS}
    for stamp, (opened, closed) in zip(stamps, ends, strict=True):
        if opened is None or closed is None:
            continue
        first, last = number(round(opened, 4)), number(round(closed, 4))
        row = (first, max(first, last), min(first, last), last, 0, int(stamp.timestamp()), 0)
        for name, value in zip(_COLUMNS, row, strict=True):
            columns[name].append(value)
    return columns
