"""Prices of the market the exchange is bound to, by segment and security id."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from execution.simulator.book import Listing
from execution.simulator.listings import Listings
from market.calendar import IST, previous_session, session_on
from market.contract import Contract, OptionType
from market.errors import MarketError
from market.ports import CapturedChain, CapturedQuote, MarketSource, Touch

_MINUTE = timedelta(minutes=1)
_KEPT_CHAINS = 64

_Terms = tuple[date, float, OptionType]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What is known of one instrument at a moment; prices in rupees, None where there is none."""

    last: Decimal
    bid: Decimal
    ask: Decimal
    bid_quantity: int
    ask_quantity: int
    volume: int
    open_interest: int
    opened: Decimal
    high: Decimal
    low: Decimal
    previous_close: Decimal
    at: datetime


class Screen:
    """One market source seen through the ids of its master."""

    def __init__(self, source: MarketSource, listings: Listings) -> None:
        self.source, self.listings = source, listings
        self._chains: dict[tuple[str, datetime], tuple[CapturedChain, dict[_Terms, CapturedQuote]] | None] = {}
        self._days: dict[tuple[str, str, date], tuple[Decimal, Decimal]] = {}
        self._terms: dict[Contract, Listing] = {}
        self._extremes: dict[tuple[str, str, date], tuple[Decimal, Decimal]] = {}

    def option(self, underlying: str, expiry: date, strike: float, option_type: OptionType) -> Listing | None:
        """The listed option with these terms."""
        return self._options().get(Contract(underlying, expiry, strike, option_type))

    def expiries(self, underlying: str) -> list[date]:
        """Days on which options of an underlying expire, soonest first."""
        found = {option.expiry for option in self._options() if option.underlying == underlying}
        return sorted(day for day in found if day is not None)

    def _options(self) -> dict[Contract, Listing]:
        if not self._terms:
            self._terms = {listing.contract: listing for listing in self.listings.values() if listing.is_option}
        return self._terms

    def touch(self, segment: str, security_id: str, now: datetime) -> Touch | None:
        """The touch of a contract; None where the source has none or it is no contract."""
        listing = self.listings.get((segment, security_id))
        if listing is None or listing.instrument == "INDEX":
            return None
        try:
            return self.source.touch(listing.contract, as_of=now)
        except MarketError:
            return None

    def price(self, listing: Listing, now: datetime) -> Decimal | None:
        """The middle of the touch, or the level of an index."""
        if listing.instrument == "INDEX":
            return self.spot(listing.contract.underlying, now)
        touch = self.touch(listing.segment, listing.security_id, now)
        return None if touch is None else (touch.bid + touch.ask) / 2

    def spot(self, underlying: str, now: datetime) -> Decimal | None:
        """The level of an underlying as its chain tells it."""
        kept = self.chain(underlying, now)
        return None if kept is None or kept.spot is None else Decimal(str(kept.spot))

    def chain(self, underlying: str, now: datetime) -> CapturedChain | None:
        """The newest chain, read once a minute."""
        kept = self._kept(underlying, now)
        return None if kept is None else kept[0]

    def snapshot(self, listing: Listing, now: datetime) -> Snapshot | None:
        """Everything a quote packet needs; None where nothing is quoted."""
        price = self.price(listing, now)
        if price is None:
            return None
        quote = self._quote(listing, now)
        last = price if quote is None or quote.last_price is None else Decimal(str(quote.last_price))
        touch = self.touch(listing.segment, listing.security_id, now)
        opened, previous = self._day(listing, now, last)
        high, low = self._extreme(listing, now, opened, last)
        return Snapshot(
            last=last,
            bid=Decimal(0) if touch is None else touch.bid,
            ask=Decimal(0) if touch is None else touch.ask,
            bid_quantity=0 if touch is None else touch.bid_quantity,
            ask_quantity=0 if touch is None else touch.ask_quantity,
            volume=0 if quote is None else quote.volume or 0,
            open_interest=0 if quote is None else quote.open_interest or 0,
            opened=opened,
            high=high,
            low=low,
            previous_close=previous,
            at=now if touch is None else touch.quoted_at,
        )

    def _quote(self, listing: Listing, now: datetime) -> CapturedQuote | None:
        contract = listing.contract
        if contract.expiry is None or contract.strike is None or contract.option_type is None:
            return None
        kept = self._kept(contract.underlying, now)
        return None if kept is None else kept[1].get((contract.expiry, contract.strike, contract.option_type))

    def _kept(self, underlying: str, now: datetime) -> tuple[CapturedChain, dict[_Terms, CapturedQuote]] | None:
        key = underlying, now.replace(second=0, microsecond=0)
        if key not in self._chains:
            if len(self._chains) >= _KEPT_CHAINS:
                self._chains.clear()
            self._chains[key] = self._read(underlying, now)
        return self._chains[key]

    def _read(self, underlying: str, now: datetime) -> tuple[CapturedChain, dict[_Terms, CapturedQuote]] | None:
        try:
            chain = self.source.chain(underlying, as_of=now)
        except MarketError:
            return None
        return chain, {(quote.expiry, quote.strike, quote.option_type): quote for quote in chain.quotes}

    def _day(self, listing: Listing, now: datetime, last: Decimal) -> tuple[Decimal, Decimal]:
        """The day's opening price and the close before it, where the source reaches back so far."""
        day = now.astimezone(IST).date()
        key = listing.segment, listing.security_id, day
        if key not in self._days:
            session = session_on(day)
            opens = now if session is None else session.opens
            opened = self.price(listing, min(opens, now)) or last
            before = previous_session(day).closes - _MINUTE
            self._days[key] = opened, self.price(listing, before) or opened
        return self._days[key]

    def _extreme(self, listing: Listing, now: datetime, opened: Decimal, last: Decimal) -> tuple[Decimal, Decimal]:
        """The highest and lowest price seen so far that day."""
        key = listing.segment, listing.security_id, now.astimezone(IST).date()
        high, low = self._extremes.get(key, (opened, opened))
        self._extremes[key] = max(high, last), min(low, last)
        return self._extremes[key]
