"""NSE's chain page of 2019 saved as CSV: bid, ask, volatility and open interest of one expiry.

Symbol and time (IST) stand in the member's name, `NIFTY_10-06-2019_09:30.csv`; the expiry in the folder where
there is one (`index/NIFTY/11JUL2019/`), else it is the nearest of that day. Numbers carry thousands commas
and `-` for none. Open interest is in units; volume in lots, turned into units by the lot that the page's
own quantities show; volatility in percent.
"""

import re
from collections import Counter
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import PurePosixPath

from market.calendar import IST
from market.contract import OptionType
from market.ports import CapturedChain, CapturedQuote
from market.readers.archive import bad
from market.readers.rows import INDEX_SYMBOLS, RowFault, Table, day, in_units, number, observed_lot, positive, whole
from market.readers.year_2019 import nearest_expiry

SLUG = "nse_page"
NEAR_SLUG = "nse_page_near"
_NAME = re.compile(r"(?P<symbol>[A-Z0-9&-]+)_(?P<stamp>\d\d-\d\d-\d{4}_\d\d[:-]\d\d)\.csv$")
_FOLDER = re.compile(r"\d{1,2}[A-Z]{3}\d{4}$")
_QUANTITIES = ("CallBidQty", "CallAskQty", "PutBidQty", "PutAskQty", "CallOI", "PutOI")
_FIELDS = ("LTP", "BidPrice", "AskPrice", "BidQty", "AskQty", "Volume", "OI", "IV")


def recognises(columns: tuple[str, ...]) -> bool:
    """Whether the header is of this form."""
    return {"CallOI", "CallBidPrice", "StrikePrice", "PutAskPrice", "PutOI"} <= set(columns)


def slug(name: str) -> str:
    """The source a page is stored under: pages of the nearest expiry alone do not contradict those of every expiry."""
    return SLUG if moment_key(name) else NEAR_SLUG


def moment_key(name: str) -> str | None:
    """The part of a member's name that members of several expiries share; None where no folder names an expiry."""
    path = PurePosixPath(name)
    return path.name if _FOLDER.match(path.parent.name) else None


def read(table: Table, *, source: str) -> tuple[list[CapturedChain], Counter[str]]:
    """The one chain of the member, and the rows rejected by code."""
    symbol, taken_at, expiry = _identity(table.name)
    rows = list(table)
    if not rows:
        raise bad("NO_ROWS", f"{table.name} holds no rows (that expiry was over, or the page was empty).")
    sides = [
        (option_type, [table.where(f"{option_type.title()}{name}") for name in _FIELDS]) for option_type in OptionType
    ]
    lot_size = observed_lot(_quantities(table, rows))
    strike, rejected, quotes = table.where("StrikePrice"), Counter[str](), []
    for row in rows:
        for option_type, places in sides:
            try:
                quotes.append(_quote(row, expiry, strike, (option_type, places), lot_size))
            except RowFault as fault:
                rejected[fault.code] += 1
    chain = CapturedChain(symbol, taken_at, source, _spot(table, rows), tuple(quotes), symbol in INDEX_SYMBOLS)
    return [chain], rejected + table.rejected


def _identity(name: str) -> tuple[str, datetime, date]:
    path = PurePosixPath(name)
    match = _NAME.match(path.name)
    if match is None:
        raise bad(
            "NAME_WITHOUT_TIME", f"{name} does not say its symbol and time.", "Name it SYMBOL_DD-MM-YYYY_HH:MM.csv."
        )
    try:
        stamp = match["stamp"][:13] + ":" + match["stamp"][14:]
        taken_at = datetime.strptime(stamp, "%d-%m-%Y_%H:%M").replace(tzinfo=IST)
        folder = path.parent.name
        named = day(folder) if _FOLDER.match(folder) else None
    except ValueError as error:
        raise bad("NAME_WITHOUT_TIME", f"{name} names a time that does not exist.") from error
    return match["symbol"], taken_at, named or nearest_expiry(match["symbol"], taken_at.date())


def _quantities(table: Table, rows: list[list[str]]) -> Iterator[int | None]:
    for place in [table.where(name) for name in _QUANTITIES]:
        for row in rows:
            try:
                yield whole(row[place])
            except RowFault:
                continue


def _spot(table: Table, rows: list[list[str]]) -> float | None:
    try:
        return positive(rows[-1][table.where("CurrentVal")])
    except RowFault as fault:
        raise bad("BAD_SPOT", f"{table.name} has no readable underlying price.") from fault


def _quote(
    row: list[str], expiry: date, strike_place: int, side: tuple[OptionType, list[int]], lot_size: int | None
) -> CapturedQuote:
    option_type, places = side
    last, bid, ask, bid_quantity, ask_quantity, volume, interest, volatility = (row[place] for place in places)
    strike, percent = number(row[strike_place]), positive(volatility)
    if strike is None:
        raise RowFault("BAD_STRIKE")
    return CapturedQuote(
        expiry,
        strike,
        option_type,
        last_price=positive(last),
        bid=positive(bid),
        ask=positive(ask),
        bid_quantity=whole(bid_quantity),
        ask_quantity=whole(ask_quantity),
        volume=in_units(whole(volume), lot_size),
        open_interest=whole(interest),
        implied_volatility=None if percent is None else percent / 100,
    )
