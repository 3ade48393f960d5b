"""The simulated market behind the same port as recorded chains and the broker."""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from io import BytesIO
from typing import BinaryIO

import numpy as np

from market.calendar import next_expiries, years_to
from market.contract import Contract, OptionType
from market.errors import Illiquid, Reason, UnknownInstrument
from market.ports import VOLATILITY_INDEX, CapturedChain, CapturedQuote, DayCandle, Touch, UnderlyingFact
from market.rulebook import lot_size
from market.sources.simulated.book import Book, Setting, open_book
from market.sources.simulated.master import master_rows
from market.sources.simulated.noise import Counts, stream
from market.sources.simulated.paths import Moment, Paths, indian_time
from market.sources.simulated.strikes import chain_window, listed_steps, tick_of_option, tick_of_share
from market.sources.simulated.surface import Surface, surface_of
from market.sources.simulated.universe import BY_SYMBOL, UNIVERSE, Listing

_WEEKLIES = 4
_MONTHLIES = 3
_MONTH = 30 / 365
_SHARE_DEPTH = 2_000  # shares at the touch, at most
_SHARES_TRADED = 500_000, 5_000_000  # in a session


class SimulatedMarket:
    """Chains, touches and masters of 50 shares and 3 indices: a function of the seed and the moment only."""

    name = "simulated"

    def __init__(self, *, seed: int = 1) -> None:
        self._seed = seed
        self._paths = Paths(seed)
        self._expiry_lists: dict[tuple[str, date], tuple[date, ...]] = {}
        self._step_lists: dict[tuple[str, date], Counts] = {}
        self._books: dict[tuple[str, date], tuple[Moment, Book]] = {}

    def underlyings(self) -> Sequence[UnderlyingFact]:
        """Every underlying of the simulation."""
        return [listing.fact for listing in UNIVERSE]

    def master(self, *, as_of: datetime) -> BinaryIO:
        """Dhan's compact master CSV of the morning of that day, a trading day or not."""
        day = indian_time(as_of).date()
        listed = {
            listing: {expiry: self._steps(listing, expiry) for expiry in self.expiries(listing.symbol, day=day)}
            for listing in UNIVERSE
        }
        rows = master_rows(listed, paths=self._paths, day=day, lot_of=_lot)
        return BytesIO("".join(rows).encode("ascii"))

    def chain(self, underlying: str, *, as_of: datetime) -> CapturedChain:
        """The chain at the newest trading minute not later than `as_of`."""
        listing, moment = _listing(underlying), self._paths.moment(as_of)
        expiries = self.expiries(underlying, day=moment.day)
        quotes = [quote for expiry in expiries for quote in self._quotes(listing, expiry, moment)]
        spot = float(self._spot(listing, moment))
        return CapturedChain(underlying, moment.at, self.name, spot, tuple(quotes), listing.is_index)

    def touch(self, contract: Contract, *, as_of: datetime) -> Touch:
        """The touch at the newest trading minute not later than `as_of`, equal to the chain's."""
        listing, moment = _listing(contract.underlying), self._paths.moment(as_of)
        if contract.expiry is None or contract.strike is None or contract.option_type is None:
            return self._share_touch(listing, moment)
        self._require_alive(contract, contract.expiry, moment, as_of)
        book = self._book(listing, contract.expiry, moment)
        column = int(np.searchsorted(book.strikes, contract.strike))
        if column == len(book.strikes) or book.strikes[column] != contract.strike:
            raise _unknown(contract)
        return _touch_of(book, contract, (int(contract.option_type is OptionType.PUT), column))

    def candles(self, underlying: str, *, since: date, as_of: datetime) -> Sequence[DayCandle]:
        """The sessions of the simulated path that have closed by then, on the tick of their day; India VIX too."""
        at = indian_time(as_of)
        closed = [
            number
            for number, session in enumerate(self._paths.sessions)
            if session.day >= since and session.closes <= at
        ]
        if underlying == VOLATILITY_INDEX:
            return [self._fear(number) for number in closed]
        listing = _listing(underlying)
        return [self._candle(listing, number) for number in closed]

    def _fear(self, number: int) -> DayCandle:
        """India VIX of a session, which runs from its open to its close without turning."""
        session = self._paths.sessions[number]
        first, last = (self.volatility_index(as_of=at) for at in (session.opens, session.closes))
        return DayCandle(session.day, first, max(first, last), min(first, last), last)

    def _candle(self, listing: Listing, number: int) -> DayCandle:
        day = self._paths.sessions[number].day
        tick = float(tick_of_share(listing, paths=self._paths, day=day))
        levels = np.round(np.round(self._paths.day_levels(listing, number) / tick) * tick, 2)
        volume = None
        if not listing.is_index:
            volume = int(stream(self._seed, "turnover", listing.symbol, day).integers(*_SHARES_TRADED))
        first, last = float(levels[0]), float(levels[-1])
        return DayCandle(day, first, float(levels.max()), float(levels.min()), last, volume)

    def volatility_index(self, *, as_of: datetime) -> float:
        """The simulated India VIX at that moment, in points: NIFTY's 30-day volatility in percent."""
        moment = self._paths.moment(as_of)
        return round(100 * self._surface(BY_SYMBOL["NIFTY"], moment).atm_volatility(_MONTH), 2)

    def expiries(self, underlying: str, *, day: date) -> tuple[date, ...]:
        """The listed expiries on a day: three monthly ones, and up to four nearest where there are weeklies."""
        listing = _listing(underlying)
        key = listing.symbol if listing.is_index else "stock", day
        if key not in self._expiry_lists:
            monthly = next_expiries(underlying, day, _MONTHLIES, cycle="monthly")
            nearest = next_expiries(underlying, day, _WEEKLIES)
            self._expiry_lists[key] = tuple(sorted({*monthly, *(day for day in nearest if day <= monthly[-1])}))
        return self._expiry_lists[key]

    def _steps(self, listing: Listing, expiry: date) -> Counts:
        key = listing.symbol, expiry
        if key not in self._step_lists:
            self._step_lists[key] = listed_steps(listing, paths=self._paths, expiry=expiry)
        return self._step_lists[key]

    def _surface(self, listing: Listing, moment: Moment) -> Surface:
        return surface_of(listing, seed=self._seed, regime=self._paths.regime_of(listing, moment))

    def _spot(self, listing: Listing, moment: Moment) -> Decimal:
        tick = tick_of_share(listing, paths=self._paths, day=moment.day)
        return round(self._paths.level(listing, moment) / float(tick)) * tick

    def _book(self, listing: Listing, expiry: date, moment: Moment) -> Book:
        """Return the book of an expiry; only the newest one asked for is kept."""
        key = listing.symbol, expiry
        kept = self._books.get(key)
        if kept is None or kept[0] != moment:
            kept = moment, open_book(self._setting(listing, expiry, moment), self._steps(listing, expiry))
            self._books[key] = kept
        return kept[1]

    def _setting(self, listing: Listing, expiry: date, moment: Moment) -> Setting:
        start = self._paths.start_of(moment)
        return Setting(
            seed=self._seed,
            listing=listing,
            expiry=expiry,
            at=moment.at,
            progress=self._paths.progress(moment),
            years=years_to(expiry, moment.at, exchange=listing.exchange),
            spot=float(self._spot(listing, moment)),
            opening=self._paths.level(listing, start),
            opening_years=years_to(expiry, start.at, exchange=listing.exchange),
            opening_surface=self._surface(listing, start),
            surface=self._surface(listing, moment),
            tick=tick_of_option(listing, paths=self._paths, day=moment.day),
            lot=_lot(listing, expiry, moment.day),
        )

    def _quotes(self, listing: Listing, expiry: date, moment: Moment) -> list[CapturedQuote]:
        book = self._book(listing, expiry, moment)
        volatility = book.setting.surface.atm_volatility(_MONTH)
        window = chain_window(listing, book.strikes, spot=book.setting.spot, volatility=volatility)
        return _captured(book, window)

    def _share_touch(self, listing: Listing, moment: Moment) -> Touch:
        if listing.is_index:
            raise UnknownInstrument(
                Reason("INDEX_NOT_TRADABLE", f"{listing.symbol} is an index: it has no share.", "Trade its options.")
            )
        bid, tick = self._spot(listing, moment), tick_of_share(listing, paths=self._paths, day=moment.day)
        sizes = stream(self._seed, "share", listing.symbol, moment.at).integers(1, _SHARE_DEPTH, 2)
        return Touch(bid, bid + tick, int(sizes[0]), int(sizes[1]), moment.at)

    def _require_alive(self, contract: Contract, expiry: date, moment: Moment, as_of: datetime) -> None:
        """Refuse a contract that was not listed at that minute, or is gone on the day of asking."""
        listed = self.expiries(contract.underlying, day=moment.day)
        if expiry not in listed or expiry < indian_time(as_of).date():
            raise _unknown(contract)


def _listing(underlying: str) -> Listing:
    try:
        return BY_SYMBOL[underlying]
    except KeyError:
        raise UnknownInstrument(
            Reason("UNKNOWN_UNDERLYING", f"The simulated market does not list {underlying!r}.", "See its underlyings.")
        ) from None


def _lot(listing: Listing, expiry: date, day: date) -> int:
    if listing.lot_size is None:
        return lot_size(listing.symbol, expiry, as_of=day)
    return listing.lot_size


def _unknown(contract: Contract) -> UnknownInstrument:
    return UnknownInstrument(Reason("NOT_LISTED", f"{contract} is not listed.", "Take contracts from the master."))


def _touch_of(book: Book, contract: Contract, cell: tuple[int, int]) -> Touch:
    """Return one contract's touch; prices are whole ticks, so they are exact without a float in between."""
    bid, ask = int(book.bid_ticks[cell]), int(book.ask_ticks[cell])
    if not (bid and ask):
        side = "sells" if bid else "buys"
        raise Illiquid(Reason("ONE_SIDED", f"Nobody {side} {contract} at this moment.", "Choose a nearer strike."))
    setting = book.setting
    return Touch(
        bid * setting.tick,
        ask * setting.tick,
        int(book.bid_lots[cell]) * setting.lot,
        int(book.ask_lots[cell]) * setting.lot,
        setting.at,
    )


def _captured(book: Book, window: slice) -> list[CapturedQuote]:
    """Return the quotes of a range of strikes, calls first."""
    quotes = []
    tick, lot = float(book.setting.tick), book.setting.lot
    strikes, implied = book.strikes[window].tolist(), np.round(book.volatility[window], 4).tolist()
    for row, option_type in enumerate((OptionType.CALL, OptionType.PUT)):
        bids, asks, lasts = (
            np.round(ticks[row, window] * tick, 2).tolist()
            for ticks in (book.bid_ticks, book.ask_ticks, book.last_ticks)
        )
        sizes = (book.bid_lots, book.ask_lots, book.volume_lots, book.open_lots)
        columns = (strikes, lasts, bids, asks, *((lots[row, window] * lot).tolist() for lots in sizes), implied)
        for strike, last, bid, ask, bid_size, ask_size, volume, interest, volatility in zip(*columns, strict=True):
            quotes.append(
                CapturedQuote(
                    book.setting.expiry,
                    strike,
                    option_type,
                    last or None,
                    bid or None,
                    ask or None,
                    bid_size or None,
                    ask_size or None,
                    volume,
                    interest,
                    volatility,
                )
            )
    return quotes
