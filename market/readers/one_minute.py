"""The parquet of NSE chains of every expiry, about once a minute, with bid, ask and volatility.

`Fetch_Time` is NSE's own stamp of the page (IST) and the time of the chain; where a page was collected again
under the same stamp, the last collection counts. 0 means none in every column. Open interest and volume are in
lots, quantities in units: the lot is the one the quantities show. There is no underlying price.
"""

import io
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from market.calendar import IST
from market.contract import OptionType
from market.ports import CapturedChain, CapturedQuote
from market.readers.archive import Member, bad
from market.readers.rows import INDEX_SYMBOLS, RowFault, day, in_units, observed_lot, symbol_of

SLUG = "one_minute"
MAGIC = b"PAR1"
ROW_CAP = 5_000_000
_FIELDS = ("LTP", "Bid_Price", "Ask_Price", "Bid_Qty", "Ask_Qty", "Volume", "OI", "IV")
_HEAD = ("Symbol", "Fetch_Time", "source_file", "Expiry_Date", "Strike_Price")
_TEXTS = ("Symbol", "Fetch_Time", "source_file", "Expiry_Date")
_SIDES = tuple((option_type, f"{option_type}S_") for option_type in OptionType)
_COLUMNS = [*_HEAD, *(prefix + name for _, prefix in _SIDES for name in _FIELDS)]

Row = tuple[Any, ...]


def recognises(member: Member) -> bool:
    """Whether the bytes are a parquet file."""
    return member.data.startswith(MAGIC)


def read(member: Member, *, source: str) -> Iterator[tuple[list[CapturedChain], Counter[str]]]:
    """One chain per symbol and stamp, in order of time, each with the rows rejected by code."""
    pages: dict[tuple[str, str], dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
    for row in _rows(member):
        pages[row[0], row[1]][row[2]].append(row)
    for symbol, stamp in sorted(pages, key=lambda key: (_stamp(key[1]), key[0])):
        collected = pages[symbol, stamp]
        yield _chain(symbol, stamp, collected[max(collected)], source)


def _rows(member: Member) -> Iterator[Row]:
    try:
        file = pq.ParquetFile(io.BytesIO(member.data))
        wrong = [name for name in _COLUMNS if not _is_of_kind(file.schema_arrow, name)]
        if wrong:
            raise bad("WRONG_COLUMNS", f"{member.name} lacks the column {wrong[0]}, or it is of another type.")
        if file.metadata.num_rows > ROW_CAP:
            raise bad("TOO_LARGE", f"{member.name} holds more than {ROW_CAP:,} rows.", "Split it.")
        columns = file.read(columns=_COLUMNS)
    except (pa.ArrowException, OSError) as error:
        raise bad("TRUNCATED", f"{member.name} is not a whole parquet file.", "Fetch it again.") from error
    if not columns.num_rows:
        raise bad("NO_ROWS", f"{member.name} holds no rows.")
    return zip(*(columns[name].to_pylist() for name in _COLUMNS), strict=True)


def _is_of_kind(schema: Any, name: str) -> bool:
    if name not in schema.names:
        return False
    kind = schema.field(name).type
    if name in _TEXTS:
        return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))
    return bool(pa.types.is_integer(kind) or (not name.endswith("_Qty") and pa.types.is_floating(kind)))


def _stamp(text: Any) -> datetime:
    try:
        return datetime.strptime(text, "%d-%b-%Y %H:%M:%S").replace(tzinfo=IST)
    except (TypeError, ValueError) as error:
        raise bad("BAD_DATE", f"{text!r} is not a time such as 29-Aug-2025 12:28:21.") from error


def _chain(symbol: str, stamp: str, rows: list[Row], source: str) -> tuple[list[CapturedChain], Counter[str]]:
    lot_size = observed_lot(_quantities(rows))
    rejected: Counter[str] = Counter()
    quotes = []
    for row in rows:
        for position, (option_type, _) in enumerate(_SIDES):
            try:
                quotes.append(_quote(row, position, option_type, lot_size))
            except RowFault as fault:
                rejected[fault.code] += 1
    try:
        name = symbol_of(symbol)
    except RowFault as fault:
        raise bad(fault.code, f"{symbol!r} is not a symbol.") from fault
    return [CapturedChain(name, _stamp(stamp), source, None, tuple(quotes), name in INDEX_SYMBOLS)], rejected


def _quantities(rows: list[Row]) -> Iterator[int | None]:
    for position in range(len(_SIDES)):
        start = len(_HEAD) + position * len(_FIELDS)
        for name in ("Bid_Qty", "Ask_Qty"):
            place = start + _FIELDS.index(name)
            yield from (row[place] for row in rows)


def _quote(row: Row, position: int, option_type: OptionType, lot_size: int | None) -> CapturedQuote:
    start = len(_HEAD) + position * len(_FIELDS)
    last, bid, ask, bid_quantity, ask_quantity, volume, interest, percent = row[start : start + len(_FIELDS)]
    if row[3] is None or row[4] is None:
        raise RowFault("BAD_DATE" if row[3] is None else "BAD_STRIKE")
    return CapturedQuote(
        day(row[3]),
        float(row[4]),
        option_type,
        last_price=last or None,
        bid=bid or None,
        ask=ask or None,
        bid_quantity=bid_quantity or None,
        ask_quantity=ask_quantity or None,
        volume=in_units(volume or None, lot_size),
        open_interest=in_units(interest or None, lot_size),
        implied_volatility=percent / 100 if percent else None,
    )
