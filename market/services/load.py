"""Stored chains, made ready to calculate on with the master's lots and ticks."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Literal

from django.db.models import Count, F, OuterRef, Subquery
from django.db.models.functions import Coalesce

from market.assembly import MODELLED_DEPTH_LOTS, assemble, has_book
from market.calendar import IST
from market.chain import Chain
from market.contract import Contract, Side
from market.errors import OptionsError, Reason, StaleQuote, UnknownInstrument
from market.models import Instrument, Underlying
from market.ports import CapturedChain
from market.services.chains import latest_chains


@dataclass
class Listing:
    """What the master says of one underlying's options: units per lot by expiry, tick in rupees, exchange."""

    lot_sizes: dict[date, int] = field(default_factory=dict)
    tick_size: float = 0.0
    exchange: str = "NSE"


def load_chain(symbol: str, *, as_of: datetime) -> Chain:
    """The newest chain of one underlying not later than `as_of`; raises StaleQuote, UnknownInstrument or BadChain."""
    outcome = load_chains([symbol], as_of=as_of)[symbol]
    if isinstance(outcome, OptionsError):
        raise outcome
    return outcome


def load_chains(symbols: Sequence[str], *, as_of: datetime) -> dict[str, Chain | OptionsError]:
    """One chain, or the reason there is none, per symbol (three queries, however many symbols)."""
    captured = latest_chains(symbols, as_of=as_of)
    listed = listings(symbols)
    return {symbol: _assembled(symbol, captured.get(symbol), listed.get(symbol), as_of) for symbol in symbols}


def listings(symbols: Sequence[str]) -> dict[str, Listing]:
    """Lots, ticks and exchange of the active option contracts of these underlyings, on their own exchange.

    Contracts adjusted for corporate actions carry odd lots; an expiry's lot is that of most of its contracts. The
    BSE lists options on NSE's shares too, with other expiries and lots.
    """
    home = Underlying.objects.filter(symbol=OuterRef("underlying")).values("exchange")
    rows = (
        Instrument.objects.active()
        .options()
        .filter(underlying__in=symbols, exchange=Coalesce(Subquery(home), F("exchange")))
        .values_list("underlying", "expiry", "lot_size", "tick_paise", "exchange")
        .annotate(contracts=Count("pk"))
        .order_by("contracts", "underlying", "expiry", "lot_size", "tick_paise", "exchange")
    )
    found: dict[str, Listing] = {}
    for underlying, expiry, lot_size, tick_paise, exchange, _ in rows:
        listing = found.setdefault(underlying, Listing())
        if expiry is not None:
            listing.lot_sizes[expiry] = lot_size
        listing.tick_size, listing.exchange = float(tick_paise) / 100, exchange
    return found


def _assembled(
    symbol: str, captured: CapturedChain | None, listing: Listing | None, as_of: datetime
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
        return assemble(captured, lot_sizes=listing.lot_sizes, tick_size=listing.tick_size, exchange=exchange)
    except OptionsError as error:
        return error


def touch_depths(symbols: Sequence[str], *, as_of: datetime) -> dict[tuple[Contract, Side], int]:
    """Units one can trade at the touch of each option's newest snapshot: bought at the ask, sold at the bid.

    A source without a book gets the depth its touch is modelled with, where the option traded (two queries).
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
