"""Dhan's compact instrument master of a simulated morning (dhan.md section 8)."""

from collections.abc import Callable, Iterator, Mapping
from datetime import date
from decimal import Decimal

from market.calendar import next_expiries
from market.sources.simulated.noise import Counts
from market.sources.simulated.paths import Paths
from market.sources.simulated.strikes import tick_of_future, tick_of_option, tick_of_share
from market.sources.simulated.universe import UNIVERSE, VOLATILITY_INDEX_ID, Listing

LotOf = Callable[[Listing, date, date], int]

HEADER = (
    "SEM_EXM_EXCH_ID,SEM_SEGMENT,SEM_SMST_SECURITY_ID,SEM_INSTRUMENT_NAME,SEM_EXPIRY_CODE,SEM_TRADING_SYMBOL,"
    "SEM_LOT_UNITS,SEM_CUSTOM_SYMBOL,SEM_EXPIRY_DATE,SEM_STRIKE_PRICE,SEM_OPTION_TYPE,SEM_TICK_SIZE,SEM_EXPIRY_FLAG,"
    "SEM_EXCH_INSTRUMENT_TYPE,SEM_SERIES,SM_SYMBOL_NAME\n"
)
# Test symbols stand in the real file too, and must not be taken for companies (rows of Dhan's file, February 2026).
_JUNK = (
    "NSE,E,12841,EQUITY,0,11NSETEST,1.0,11NSETEST,,,,5.0000,NA,Other,EQ,11NSETEST\n",
    "NSE,C,1009,FUTCUR,0,11NSETEST-Dec2036-FUT,1.0,11NSETEST DEC FUT,2036-12-29 14:30:00,-0.01000,XX,0.2500,M,FUT,,\n",
    "NSE,D,36687,FUTSTK,0,011NSETEST-Nov2036-FUT,50.0,011NSETEST 27 NOV FUT,"
    "2036-11-27 14:30:00,-0.01000,XX,5.0000,W,FUT,,\n",
    "NSE,D,36690,FUTSTK,0,021NSETEST-Nov2036-FUT,50.0,021NSETEST 27 NOV FUT,"
    "2036-11-27 14:30:00,-0.01000,XX,5.0000,W,FUT,,\n",
)
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
# The hour is artificial; it differs by exchange as in Dhan's file of February 2026.
_HOUR = {"NSE": "14:30:00", "BSE": "15:30:00"}
_MONTHLIES = 3

# An id holds the expiry's day modulo 128, the underlying and the place among its strikes. Contracts live shorter
# than 128 days, so no two living ones share an id, while ids come back later as the exchanges' do.
_FIRST_ID = 100_000
_EXPIRY_SLOTS = 128
_IDS_PER_EXPIRY = 2048
_FUTURE_PLACE = _IDS_PER_EXPIRY - 1


def master_rows(
    listed: Mapping[Listing, Mapping[date, Counts]], *, paths: Paths, day: date, lot_of: LotOf
) -> Iterator[str]:
    """Yield the lines of the file: header, indices, shares, futures and options of the expiries given, test rows."""
    yield HEADER
    yield from _cash_rows(paths, day)
    for listing, expiries in listed.items():
        monthly = next_expiries(listing.symbol, day, _MONTHLIES, cycle="monthly")
        tick = _paise(tick_of_option(listing, paths=paths, day=day))
        future_tick = _paise(tick_of_future(listing, paths=paths, day=day))
        for expiry, steps in expiries.items():
            lot = f"{lot_of(listing, expiry, day)}.0"
            if expiry in monthly:
                yield _future_row(listing, expiry, lot=lot, tick=future_tick)
            flag = "M" if expiry in monthly else "W"
            yield from _option_rows(listing, expiry, steps, lot=lot, tick=tick, flag=flag)
    yield from _JUNK


def security_id(listing: Listing, expiry: date, *, place: int) -> int:
    """Return the id of a derivative: `place` is twice the strike's place in the listing, plus one for a put."""
    slot = (expiry.toordinal() % _EXPIRY_SLOTS) * len(UNIVERSE) + UNIVERSE.index(listing)
    return _FIRST_ID + slot * _IDS_PER_EXPIRY + place


def _cash_rows(paths: Paths, day: date) -> Iterator[str]:
    for listing in UNIVERSE:
        start = f"{listing.exchange},{'I' if listing.is_index else 'E'},{listing.security_id}"
        if listing.is_index:
            yield _index_row(start, listing.symbol, listing.name)
        else:
            tick = _paise(tick_of_share(listing, paths=paths, day=day))
            name = listing.name
            yield f"{start},EQUITY,0,{listing.symbol},1.0,{name},,,,{tick},NA,ES,EQ,{name.upper()}\n"
    yield _index_row(f"NSE,I,{VOLATILITY_INDEX_ID}", "INDIA VIX", "India VIX")


def _index_row(start: str, symbol: str, name: str) -> str:
    return f"{start},INDEX,0,{symbol},1.0,{name},,7.00000,,1.0000,NA,INDEX,X,{symbol}\n"


def _future_row(listing: Listing, expiry: date, *, lot: str, tick: str) -> str:
    month = _MONTHS[expiry.month - 1]
    start = f"{listing.exchange},D,{security_id(listing, expiry, place=_FUTURE_PLACE)},{_instrument(listing, 'FUT')},0"
    names = f"{listing.symbol}-{month}{expiry.year}-FUT,{lot},{listing.symbol} {month.upper()} FUT"
    return f"{start},{names},{_stamp(listing, expiry)},-0.01000,XX,{tick},M,{_exchange_type(listing, 'FUT')}\n"


def _option_rows(listing: Listing, expiry: date, steps: Counts, *, lot: str, tick: str, flag: str) -> Iterator[str]:
    month = _MONTHS[expiry.month - 1]
    first = security_id(listing, expiry, place=0)
    start, instrument = f"{listing.exchange},D", f"{_instrument(listing, 'OPT')},0"
    trading, custom = f"{listing.symbol}-{month}{expiry.year}", f"{listing.symbol} {expiry:%d} {month.upper()}"
    stamp, end = _stamp(listing, expiry), f"{tick},{flag},{_exchange_type(listing, 'OPT')}\n"
    for place, strike in enumerate((steps * listing.strike_step).tolist()):
        short, exact = _plain(strike), f"{strike:.5f}"
        for put, (code, word) in enumerate((("CE", "CALL"), ("PE", "PUT"))):
            yield (
                f"{start},{first + 2 * place + put},{instrument},{trading}-{short}-{code},{lot},"
                f"{custom} {short} {word},{stamp},{exact},{code},{end}"
            )


def _instrument(listing: Listing, prefix: str) -> str:
    return prefix + ("IDX" if listing.is_index else "STK")


def _exchange_type(listing: Listing, prefix: str) -> str:
    """Return the last three columns; BSE writes its own codes there."""
    if listing.exchange == "BSE":
        return f"{_instrument(listing, prefix)},,BSX{prefix}"
    return f"{'OP' if prefix == 'OPT' else prefix},,"


def _stamp(listing: Listing, expiry: date) -> str:
    return f"{expiry.isoformat()} {_HOUR[listing.exchange]}"


def _paise(tick: Decimal) -> str:
    return f"{tick * 100:.4f}"


def _plain(strike: float) -> str:
    return str(int(strike)) if strike.is_integer() else str(strike)
