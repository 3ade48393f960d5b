"""Daily histories of many sessions: shares in the cash bhavcopy's columns, indices as Yahoo and NSE print them.

A history is not a bhavcopy: one file holds years. Prices are as traded, not adjusted for splits. Rows without a whole
candle (India VIX of 2021-02-12 has zeros) are counted by code, never filled.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePath
from typing import Final

from market.readers.archive import Member, bad
from market.readers.bhavcopy import ShareDay
from market.readers.gate import COUNT_CEILING, PRICE_CEILING, PRICE_FLOOR
from market.readers.rows import NONE_MARKS, RowFault, Table, day, positive, symbol_of, whole

INDEX_SERIES: Final = "IDX"
INDEX_FILES: Final = {
    "daily_NIFTY50": ("NSE", "NIFTY"),
    "daily_NIFTY_BANK": ("NSE", "BANKNIFTY"),
    "daily_NIFTY_FIN_SERVICE": ("NSE", "FINNIFTY"),
    "daily_SENSEX": ("BSE", "SENSEX"),
    "daily_NIFTY_IT": ("NSE", "NIFTYIT"),
    "daily_NIFTY_AUTO": ("NSE", "NIFTYAUTO"),
    "daily_NIFTY_PHARMA": ("NSE", "NIFTYPHARMA"),
    "daily_NIFTY_FMCG": ("NSE", "NIFTYFMCG"),
    "daily_NIFTY_METAL": ("NSE", "NIFTYMETAL"),
    "daily_NIFTY_ENERGY": ("NSE", "NIFTYENERGY"),
    "daily_NIFTY_PSU_BANK": ("NSE", "NIFTYPSUBANK"),
    "daily_NIFTY_REALTY": ("NSE", "NIFTYREALTY"),
    "daily_NIFTY_INFRA": ("NSE", "NIFTYINFRA"),
    "daily_NIFTY_MEDIA": ("NSE", "NIFTYMEDIA"),
    "india_vix_daily": ("NSE", "INDIAVIX"),
}


@dataclass(frozen=True, slots=True)
class History:
    """One member read: its sessions, and the rows rejected by code."""

    name: str
    shares: tuple[ShareDay, ...]
    rejected: Counter[str]


_Row = Callable[[list[str]], ShareDay]


def read_history(member: Member) -> History:
    """Read one daily history; raises BadChain when its form or its index is not known, or nothing is usable."""
    table = Table(member)
    parse = _share_row(table) if "SYMBOL" in table.columns else _index_row(table)
    kept: dict[tuple[object, ...], ShareDay] = {}
    rejected = Counter(table.rejected)
    for row in table:
        try:
            session = parse(row)
        except RowFault as fault:
            rejected[fault.code] += 1
            continue
        rejected["DUPLICATE"] += session.key in kept
        kept.setdefault(session.key, session)
    if not kept:
        raise bad("NO_ROWS", f"{member.name} holds no usable row.", "Fetch it again.")
    return History(member.name, tuple(kept.values()), +(rejected + table.rejected))


def _share_row(table: Table) -> _Row:
    names = ("SYMBOL", "SERIES", "DATE1", "OPEN_PRICE", "HIGH_PRICE", "LOW_PRICE", "CLOSE_PRICE", "LAST_PRICE")
    symbol, series, date1, *prices, last = (table.where(name) for name in names)
    previous, volume, delivered = (table.where(name) for name in ("PREV_CLOSE", "TTL_TRD_QNTY", "DELIV_QTY"))

    def parse(row: list[str]) -> ShareDay:
        return ShareDay(
            "NSE",
            symbol_of(row[symbol]),
            _series(row[series].strip()),
            day(row[date1]),
            *_candle([row[place] for place in prices]),
            last_price=_price(row[last]),
            previous_close=_price(row[previous]),
            volume=_count(row[volume]),
            delivered=None if row[delivered].strip() in NONE_MARKS else _count(row[delivered]),
        )

    return parse


def _index_row(table: Table) -> _Row:
    exchange, symbol = _index_of(table.name)
    names = ("Date", "Open", "High", "Low", "Close")
    when, *prices = (table.where(name) for name in names)
    volume, previous = table.where_if("Volume"), table.where_if("Prev. Close")

    def parse(row: list[str]) -> ShareDay:
        return ShareDay(
            exchange,
            symbol,
            INDEX_SERIES,
            day(row[when]),
            *_candle([row[place] for place in prices]),
            last_price=None,
            previous_close=None if previous is None else _price(row[previous]),
            volume=0 if volume is None else _count(row[volume]),  # India VIX trades no units
            delivered=None,
        )

    return parse


def _index_of(name: str) -> tuple[str, str]:
    """Exchange and symbol of the index a file is named for; a continuation carries its dates after the name."""
    stem = PurePath(name).name.removesuffix(".csv").split("_20", maxsplit=1)[0]
    if stem not in INDEX_FILES:
        raise bad("UNKNOWN_INDEX", f"{name} is of no known index.", "Name it as market/readers/history.py lists them.")
    return INDEX_FILES[stem]


def _candle(texts: list[str]) -> tuple[float, float, float, float]:
    """Open, high, low, close; a row whose extremes do not hold the close is no candle."""
    opened, high, low, close = (_price(text) for text in texts)
    if opened is None or high is None or low is None or close is None:
        raise RowFault("NO_PRICE")
    if not low <= min(opened, close) <= max(opened, close) <= high:
        raise RowFault("BAD_RANGE")
    return opened, high, low, close


def _price(text: str) -> float | None:
    value = positive(text)
    if value is not None and not PRICE_FLOOR <= value <= PRICE_CEILING:
        raise RowFault("NEGATIVE_PRICE" if value < 0 else "NOT_A_PRICE")
    return value


def _count(text: str) -> int:
    value = whole(text)
    if value is None or not 0 <= value <= COUNT_CEILING:
        raise RowFault("BAD_COUNT")
    return value


def _series(text: str) -> str:
    if not text.isalnum() or len(text) > 4:
        raise RowFault("BAD_SERIES")
    return text
