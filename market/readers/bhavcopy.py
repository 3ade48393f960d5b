"""NSE's daily bhavcopies: F&O in the UDiFF form (since July 2024), the old and the converted form; cash with delivery.

A price of 0 stands for "did not trade" and becomes None; the close of a contract that did not trade is a theoretical
number and becomes None too (the settlement price says what the exchange made of it). Futures and options volume is
stated in contracts: units where the file says the lot, else left in contracts with an unknown lot. An underlying
always has a price, so a spot of 0 is a fault of the row.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import astuple, dataclass, replace
from datetime import date
from typing import TypeVar

from market.calendar import is_covered, session_on
from market.master import BAD_ROWS_SHARE
from market.readers.archive import Member, bad
from market.readers.gate import COUNT_CEILING, PRICE_CEILING, PRICE_FLOOR
from market.readers.rows import INDEX_SYMBOLS, NONE_MARKS, RowFault, Table, day, number, positive, symbol_of, whole
from market.rulebook.days import UNKNOWN_HOURS, covered_years

_UDIFF_NAMES = {"IDF": "FUTIDX", "STF": "FUTSTK", "IDO": "OPTIDX", "STO": "OPTSTK"}
_FUTURES, _OPTIONS = ("FUTIDX", "FUTSTK"), ("OPTIDX", "OPTSTK")
_SATURDAY = 5


@dataclass(frozen=True, slots=True)
class ContractDay:
    """One derivative contract's session; prices in rupees, None where nothing traded."""

    exchange: str
    instrument_name: str
    underlying: str
    expiry: date
    strike: float | None
    option_type: str
    day: date
    open: float | None
    high: float | None
    low: float | None
    close: float | None
    settlement: float | None
    underlying_price: float | None
    volume: int
    open_interest: int
    open_interest_change: int
    lot_size: int | None

    @property
    def key(self) -> tuple[object, ...]:
        """What makes this row one of its kind."""
        terms = (self.underlying, self.instrument_name, self.expiry, self.strike, self.option_type)
        return (self.exchange, *terms, self.day)


@dataclass(frozen=True, slots=True)
class ShareDay:
    """One share's session; prices in rupees, quantities in shares."""

    exchange: str
    symbol: str
    series: str
    day: date
    open: float
    high: float
    low: float
    close: float
    last_price: float | None
    previous_close: float | None
    volume: int
    delivered: int | None

    @property
    def key(self) -> tuple[object, ...]:
        """What makes this row one of its kind."""
        return (self.exchange, self.symbol, self.series, self.day)


@dataclass(frozen=True, slots=True)
class Bhavcopy:
    """One member read: either contracts or shares, and the rows rejected by code."""

    name: str
    contracts: tuple[ContractDay, ...]
    shares: tuple[ShareDay, ...]
    rejected: Counter[str]


RowT = TypeVar("RowT", ContractDay, ShareDay)


@dataclass(frozen=True, slots=True)
class _Terms:
    exchange: str
    instrument_name: str
    underlying: str
    expiry: date
    strike: float | None
    option_type: str
    day: date
    lot_size: int | None


@dataclass(frozen=True, slots=True)
class _Prices:
    """What a form calls its columns of prices and counts."""

    open: str
    high: str
    low: str
    close: str
    settlement: str
    volume: str
    interest: str
    change: str
    underlying_price: str | None

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(name for name in astuple(self) if name is not None)


class _Cells:
    """One row, read by column name."""

    def __init__(self, places: dict[str, int], row: list[str]) -> None:
        self._places, self._row = places, row

    def text(self, name: str) -> str:
        return self._row[self._places[name]].strip()

    def price(self, name: str) -> float | None:
        value = positive(self.text(name))
        if value is not None and not PRICE_FLOOR <= value <= PRICE_CEILING:
            raise RowFault("NEGATIVE_PRICE" if value < 0 else "NOT_A_PRICE")
        return value

    def spot(self, name: str) -> float | None:
        if number(self.text(name)) == 0:
            raise RowFault("ZERO_SPOT")
        return self.price(name)

    def sure_price(self, name: str) -> float:
        value = self.price(name)
        if value is None:
            raise RowFault("NO_PRICE")
        return value

    def count(self, name: str) -> int:
        value = whole(self.text(name))
        if value is None or not 0 <= value <= COUNT_CEILING:
            raise RowFault("BAD_COUNT")
        return value

    def change(self, name: str) -> int:
        value = whole(self.text(name))
        if value is None or abs(value) > COUNT_CEILING:
            raise RowFault("BAD_COUNT")
        return value


def read(member: Member) -> Bhavcopy:
    """Read one bhavcopy of one session; raises BadChain when it is no known form or must not be used as a whole."""
    table = Table(member)
    for columns, parse in _CONTRACT_FORMS:
        if set(columns) <= set(table.columns):
            contracts, rejected = _unique(_parsed(table, columns, parse))
            return _checked(Bhavcopy(member.name, contracts, (), rejected + table.rejected))
    if set(_CASH) <= set(table.columns):
        shares, rejected = _unique(_parsed(table, _CASH, _cash))
        return _checked(Bhavcopy(member.name, (), shares, rejected + table.rejected))
    shown = ", ".join(table.columns[:6])[:120]
    raise bad("WRONG_COLUMNS", f"{member.name} is no known form of bhavcopy; it begins with {shown}.")


def _parsed(table: Table, columns: Iterable[str], parse: Callable[[_Cells], RowT]) -> Iterator[RowT | str]:
    """Each row, or the code it is rejected with."""
    places = {name: table.where(name) for name in columns}
    for row in table:
        try:
            yield parse(_Cells(places, row))
        except RowFault as fault:
            yield fault.code


def _unique(rows: Iterable[RowT | str]) -> tuple[tuple[RowT, ...], Counter[str]]:
    kept: dict[tuple[object, ...], RowT] = {}
    rejected: Counter[str] = Counter()
    for row in rows:
        if isinstance(row, str):
            rejected[row] += 1
        elif row.key in kept:
            rejected["DUPLICATE"] += 1
        else:
            kept[row.key] = row
    return tuple(kept.values()), rejected


def _checked(bhavcopy: Bhavcopy) -> Bhavcopy:
    name, rows = bhavcopy.name, bhavcopy.contracts or bhavcopy.shares
    lost = ", ".join(f"{code} {count:,}" for code, count in sorted(bhavcopy.rejected.items()))
    if not rows:
        raise bad("NO_ROWS", f"{name} holds no usable row{f' ({lost})' if lost else ''}.", "Fetch it again.")
    _check_day(name, {row.day for row in rows})
    wrong = bhavcopy.rejected.total()
    if wrong > BAD_ROWS_SHARE * (wrong + len(rows)):
        sentence = f"{name}: {wrong:,} of {wrong + len(rows):,} rows are unusable ({lost})."
        raise bad("TOO_MANY_BAD_ROWS", sentence, "Fetch it again.")
    return bhavcopy


def _check_day(name: str, days: set[date]) -> None:
    first, last = min(days), max(days)
    if first != last:
        sentence = f"{name} holds rows of {len(days)} days, {first} to {last}."
        raise bad("MIXED_DATES", sentence, "A bhavcopy is of one session: give each day its own file.")
    if not _trades(first):
        sentence = f"{name} is of {first:%A %d %b %Y}, a day without a known session."
        raise bad("OUT_OF_SESSION", sentence, "Check the dates in it, or extend market/rulebook/days.py.")


def _trades(session: date) -> bool:
    """Whether the exchange can have printed a bhavcopy; of the years before the rulebook only weekends are known."""
    if is_covered(session):
        return session_on(session) is not None or session in UNKNOWN_HOURS
    return session.year < min(covered_years()) and session.weekday() < _SATURDAY


def _contract(cells: _Cells, facts: _Terms, names: _Prices) -> ContractDay:
    """Put a contract's terms and its prices together, whatever the columns are called."""
    if facts.expiry < facts.day:
        raise RowFault("EXPIRED")
    lots, change = cells.count(names.volume), cells.change(names.change)
    high, low = cells.price(names.high), cells.price(names.low)
    if high is not None and low is not None and high < low:
        raise RowFault("BAD_RANGE")
    return ContractDay(
        facts.exchange,
        facts.instrument_name,
        facts.underlying,
        facts.expiry,
        facts.strike,
        facts.option_type,
        facts.day,
        open=cells.price(names.open) if lots else None,
        high=high if lots else None,
        low=low if lots else None,
        close=cells.price(names.close) if lots else None,
        settlement=cells.price(names.settlement),
        underlying_price=cells.spot(names.underlying_price) if names.underlying_price else None,
        volume=lots * (facts.lot_size or 1),
        open_interest=cells.count(names.interest),
        open_interest_change=change,
        lot_size=facts.lot_size,
    )


def _terms(
    cells: _Cells, instrument_name: str, *, symbol: str, dates: tuple[str, str], strike: str, option_type: str
) -> _Terms:
    """The terms of a row: a future has no strike and type XX, an option has both."""
    code = cells.text(option_type)
    price = cells.price(strike)
    if instrument_name in _FUTURES and code in ("", "XX"):
        code, price = "XX", None
    elif instrument_name not in _OPTIONS or code not in ("CE", "PE"):
        raise RowFault("UNKNOWN_TYPE")
    elif price is None:
        raise RowFault("BAD_STRIKE")
    expiry, session = (day(cells.text(name)) for name in dates)
    return _Terms("NSE", instrument_name, symbol_of(cells.text(symbol)), expiry, price, code, session, None)


def _udiff(cells: _Cells) -> ContractDay:
    name = _UDIFF_NAMES.get(cells.text("FinInstrmTp"), "")
    dates = ("XpryDt", "TradDt")
    terms = _terms(cells, name, symbol="TckrSymb", dates=dates, strike="StrkPric", option_type="OptnTp")
    lot_size = cells.count("NewBrdLotQty")
    if lot_size == 0:
        raise RowFault("BAD_LOT")
    exchange = cells.text("Src")
    if exchange not in ("NSE", "BSE"):
        raise RowFault("UNKNOWN_EXCHANGE")
    return _contract(cells, replace(terms, exchange=exchange, lot_size=lot_size), _UDIFF_PRICES)


def _old(cells: _Cells) -> ContractDay:
    dates = ("EXPIRY_DT", "TIMESTAMP")
    name = cells.text("INSTRUMENT")
    terms = _terms(cells, name, symbol="SYMBOL", dates=dates, strike="STRIKE_PR", option_type="OPTION_TYP")
    return _contract(cells, terms, _OLD_PRICES)


def _converted(cells: _Cells) -> ContractDay:
    dates = ("EXPIRY_DT", "TRADE_DATE")
    name = "OPTIDX" if cells.text("SYMBOL") in INDEX_SYMBOLS else "OPTSTK"
    terms = _terms(cells, name, symbol="SYMBOL", dates=dates, strike="STRIKE_PR", option_type="OPTION_TYP")
    return _contract(cells, terms, _CONVERTED_PRICES)


def _cash(cells: _Cells) -> ShareDay:
    high, low = cells.sure_price("HIGH_PRICE"), cells.sure_price("LOW_PRICE")
    if high < low:
        raise RowFault("BAD_RANGE")
    return ShareDay(
        "NSE",
        symbol_of(cells.text("SYMBOL")),
        _series(cells.text("SERIES")),
        day(cells.text("DATE1")),
        open=cells.sure_price("OPEN_PRICE"),
        high=high,
        low=low,
        close=cells.sure_price("CLOSE_PRICE"),
        last_price=cells.price("LAST_PRICE"),
        previous_close=cells.price("PREV_CLOSE"),
        volume=cells.count("TTL_TRD_QNTY"),
        delivered=None if cells.text("DELIV_QTY") in NONE_MARKS else cells.count("DELIV_QTY"),
    )


def _series(text: str) -> str:
    if not text.isalnum() or len(text) > 4:
        raise RowFault("BAD_SERIES")
    return text


_UDIFF_PRICES = _Prices(
    *("OpnPric", "HghPric", "LwPric", "ClsPric", "SttlmPric"),
    *("TtlTradgVol", "OpnIntrst", "ChngInOpnIntrst", "UndrlygPric"),
)
_OLD_PRICES = _Prices("OPEN", "HIGH", "LOW", "CLOSE", "SETTLE_PR", "CONTRACTS", "OPEN_INT", "CHG_IN_OI", None)
_CONVERTED_PRICES = _Prices(
    *("OPEN_PRICE", "HIGH_PRICE", "LOW_PRICE", "CLOSE_PRICE", "SETTLE_PR"),
    *("VOLUME", "OPEN_INT", "CHG_IN_OI", "UNDERLYING_PRICE"),
)
_UDIFF_TERMS = ("FinInstrmTp", "TckrSymb", "XpryDt", "TradDt", "StrkPric", "OptnTp", "NewBrdLotQty", "Src")
_OLD_TERMS = ("INSTRUMENT", "SYMBOL", "EXPIRY_DT", "TIMESTAMP", "STRIKE_PR", "OPTION_TYP")
_CONVERTED_TERMS = ("SYMBOL", "EXPIRY_DT", "TRADE_DATE", "STRIKE_PR", "OPTION_TYP")
_CONTRACT_FORMS: tuple[tuple[tuple[str, ...], Callable[[_Cells], ContractDay]], ...] = (
    ((*_UDIFF_TERMS, *_UDIFF_PRICES.names), _udiff),
    ((*_OLD_TERMS, *_OLD_PRICES.names), _old),
    ((*_CONVERTED_TERMS, *_CONVERTED_PRICES.names), _converted),
)
_CASH = (
    *("SYMBOL", "SERIES", "DATE1", "PREV_CLOSE", "OPEN_PRICE", "HIGH_PRICE", "LOW_PRICE", "LAST_PRICE"),
    *("CLOSE_PRICE", "TTL_TRD_QNTY", "DELIV_QTY"),
)
