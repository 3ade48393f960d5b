"""Stored chains, made ready to calculate on with the master's lots and ticks."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Literal

from django.db.models import Count, Max, Min

from market.assembly import MODELLED_DEPTH_LOTS, assemble, has_book
from market.calendar import IST
from market.chain import Chain
from market.contract import Contract, OptionType, Side
from market.errors import OptionsError, Reason, StaleQuote, UnknownInstrument
from market.models import ChainSnapshot, Instrument, OptionQuote, Underlying
from market.ports import CapturedChain, CapturedQuote
from market.quality import FROZEN_MOVE, Circumstances
from market.services.stored_chains import chains_of, latest_chains, newest_snapshots

MOST_AGE = timedelta(hours=1)  # of trading time; what is older is refused quote by quote


@dataclass
class Listing:
    """What the master says of one underlying's options: units per lot by expiry, tick in rupees, exchange."""

    lot_sizes: dict[date, int] = field(default_factory=dict)
    tick_size: float = 0.0
    exchange: str = "NSE"
    odd_lots: dict[tuple[date, float], int] = field(default_factory=dict)
    has_odd_lots: bool = False


def load_chains(
    symbols: Sequence[str], *, as_of: datetime, most_age: timedelta | None = MOST_AGE
) -> dict[str, Chain | OptionsError]:
    """One chain, or the reason there is none, per symbol (at most eight queries, however many symbols).

    Quotes older than `most_age` of trading time are kept but refused as STALE; None trusts any age within the day.
    """
    newest, listed = newest_snapshots(symbols, as_of=as_of), listings(symbols)
    captured = chains_of(newest)
    spreads, previous = _stamp_spreads(newest), _previous(newest, as_of=as_of)
    return {
        symbol: _assembled(
            symbol,
            captured.get(symbol),
            listed.get(symbol),
            Circumstances(
                as_of=as_of,
                most_age=most_age,
                previous=previous.get(symbol),
                odd_lots=listed[symbol].odd_lots if symbol in listed else {},
                stamp_spread=spreads.get(symbol, timedelta(0)),
            ),
            as_of,
        )
        for symbol in symbols
    }


def _stamp_spreads(newest: Sequence[ChainSnapshot]) -> dict[str, timedelta]:
    """Time between the first and the last quote of each snapshot; some sources say it of every quote."""
    rows = (
        OptionQuote.objects.filter(snapshot__in=[snapshot.pk for snapshot in newest])
        .values_list("symbol")
        .annotate(spread=Max("quoted_at") - Min("quoted_at"))
    )
    return dict(rows)


def _previous(newest: Sequence[ChainSnapshot], *, as_of: datetime) -> dict[str, CapturedChain]:
    """Last prices and volumes of the session's snapshot before the newest, where the spot moved too far since.

    Two queries, one where nothing moved; only what can be frozen is read.
    """
    moved = {snapshot.symbol: snapshot for snapshot in newest if snapshot.spot is not None}
    earlier = ChainSnapshot.objects.filter(symbol__in=moved, spot__isnull=False).exclude(pk__in=[s.pk for s in newest])
    before = {old.pk: old for old in earlier.latest_per_symbol(as_of) if _has_moved(old, moved[old.symbol])}
    if not before:
        return {}
    rows = OptionQuote.objects.filter(snapshot__in=before, bid__isnull=True, ask__isnull=True, volume__isnull=False)
    quotes: dict[int, list[CapturedQuote]] = {}
    for pk, code, expiry, strike, price, volume in rows.filter(last_price__isnull=False).values_list(
        "snapshot", "option_type", "expiry", "strike", "last_price", "volume"
    ):
        kind = OptionType.from_code(code)
        quotes.setdefault(pk, []).append(CapturedQuote(expiry, float(strike), kind, float(price), volume=volume))
    return {
        old.symbol: CapturedChain(old.symbol, old.taken_at, old.source, float(old.spot), tuple(quotes.get(pk, [])))
        for pk, old in before.items()
        if old.spot is not None
    }


def _has_moved(old: ChainSnapshot, new: ChainSnapshot) -> bool:
    """Whether the two are of one session and the spot moved more than a last price may sit through."""
    if old.spot is None or new.spot is None or old.source != new.source:
        return False
    same_day = old.taken_at.astimezone(IST).date() == new.taken_at.astimezone(IST).date()
    return same_day and abs(new.spot / old.spot - 1) > FROZEN_MOVE


def listings(symbols: Sequence[str]) -> dict[str, Listing]:
    """Lots, ticks and exchange of the active option contracts of these underlyings, on their own exchange.

    Contracts adjusted for corporate actions carry odd lots; an expiry's lot is that of most of its contracts. The
    BSE lists options on NSE's shares too, with other expiries and lots.
    """
    homes = home_exchanges(symbols)
    rows = (
        Instrument.objects.active()
        .options()
        .filter(underlying__in=symbols)
        .values_list("underlying", "expiry", "lot_size", "tick_paise", "exchange")
        .annotate(contracts=Count("pk"))
        .order_by("contracts", "underlying", "expiry", "lot_size", "tick_paise", "exchange")
    )
    found: dict[str, Listing] = {}
    for underlying, expiry, lot_size, tick_paise, exchange, _ in rows:
        if homes.get(underlying, exchange) != exchange:
            continue
        listing = found.setdefault(underlying, Listing())
        if expiry is not None:
            listing.has_odd_lots |= listing.lot_sizes.get(expiry, lot_size) != lot_size
            listing.lot_sizes[expiry] = lot_size
        listing.tick_size, listing.exchange = float(tick_paise) / 100, exchange
    _find_odd_lots({symbol: listing for symbol, listing in found.items() if listing.has_odd_lots})
    return found


def home_exchanges(symbols: Sequence[str]) -> dict[str, str]:
    """The exchange each underlying is traded on; a join here would ask again for every contract of the master."""
    return dict(Underlying.objects.filter(symbol__in=list(symbols)).values_list("symbol", "exchange"))


def _find_odd_lots(found: dict[str, Listing]) -> None:
    """Name the contracts whose lot is not that of their expiry (one query, none where there are none)."""
    if not found:
        return
    rows = Instrument.objects.active().options().filter(underlying__in=found, expiry__isnull=False)
    for underlying, expiry, strike, lot_size, exchange in rows.values_list(
        "underlying", "expiry", "strike", "lot_size", "exchange"
    ):
        listing = found[underlying]
        if exchange == listing.exchange and lot_size != listing.lot_sizes.get(expiry) and strike is not None:
            listing.odd_lots[expiry, float(strike)] = lot_size


def _assembled(
    symbol: str, captured: CapturedChain | None, listing: Listing | None, known: Circumstances, as_of: datetime
) -> Chain | OptionsError:
    if captured is None:
        sentence = f"No chain of {symbol} is stored up to {as_of.astimezone(IST):%Y-%m-%d %H:%M}."
        return StaleQuote(Reason("NO_CHAIN", sentence, "Import or capture one."))
    if captured.taken_at.astimezone(IST).date() != as_of.astimezone(IST).date():
        sentence = f"The newest chain of {symbol} is of {captured.taken_at.astimezone(IST):%Y-%m-%d %H:%M}."
        return StaleQuote(Reason("STALE_CHAIN", sentence, "Import or capture one of the day, or give --as-of."))
    if listing is None:
        remedy = "Import a master that lists it."
        return UnknownInstrument(Reason("NOT_IN_MASTER", f"The master lists no options of {symbol}.", remedy))
    exchange: Literal["NSE", "BSE"] = "BSE" if listing.exchange == "BSE" else "NSE"
    try:
        return assemble(
            captured, lot_sizes=listing.lot_sizes, tick_size=listing.tick_size, exchange=exchange, known=known
        )
    except OptionsError as error:
        return error


def touch_depths(symbols: Sequence[str], *, as_of: datetime) -> dict[tuple[Contract, Side], int]:
    """Units one can trade at the touch of each option's newest snapshot: bought at the ask, sold at the bid.

    A source without a book gets the depth its touch is modelled with, where the option traded (four queries).
    """
    listed = listings(symbols)
    depths: dict[tuple[Contract, Side], int] = {}
    for symbol, captured in latest_chains(symbols, as_of=as_of).items():
        booked = has_book(captured.quotes)
        for quote in captured.quotes:
            contract = Contract(symbol, quote.expiry, quote.strike, quote.option_type)
            lot = listed[symbol].lot_sizes.get(quote.expiry) if symbol in listed else None
            modelled = MODELLED_DEPTH_LOTS * lot if lot and quote.last_price and quote.volume != 0 else None
            for side, seen in ((Side.BUY, quote.ask_quantity), (Side.SELL, quote.bid_quantity)):
                units = seen if booked else modelled
                if units is not None:
                    depths[contract, side] = units
    return depths
