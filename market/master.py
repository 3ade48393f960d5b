"""Dhan's instrument master, read without trusting it: what a file, a header and a row must look like.

The rules work on *shapes*: all rows of a file that share exchange, instrument, underlying, expiry, lot, tick and
option type. A file of 270,000 rows has 5,000 shapes, so the rules stay in Python and the rows in the database.

SOURCE: dhan.md section 8 (columns, units and traps of both forms of the file).
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from types import MappingProxyType
from typing import NamedTuple, NoReturn

from market.errors import BadMaster, Reason

KEPT = "What is stored was not touched and is marked stale; fetch the file again."

FEWEST_ROWS = 500
SMALLEST_SHARE = 0.5
BAD_ROWS_SHARE = 0.02
THIN_EXPIRY_SHARE = 0.01
LARGEST_LOT = 100_000_000
LARGEST_TICK = Decimal(1_000_000)
LARGEST_STRIKE = Decimal(10_000_000)
FUTURE_STRIKE = Decimal("-0.01")

# dhan.md section 8: ids are unique only within a segment, and the segment is this pair.
SEGMENTS: Mapping[tuple[str, str], str] = MappingProxyType(
    {
        ("NSE", "E"): "NSE_EQ",
        ("NSE", "D"): "NSE_FNO",
        ("NSE", "C"): "NSE_CURRENCY",
        ("NSE", "I"): "IDX_I",
        ("NSE", "M"): "NSE_COMM",
        ("BSE", "E"): "BSE_EQ",
        ("BSE", "D"): "BSE_FNO",
        ("BSE", "C"): "BSE_CURRENCY",
        ("BSE", "I"): "IDX_I",
        ("MCX", "M"): "MCX_COMM",
    }
)

# Our name -> the name in the header. `symbol_name` holds the company's name in one form and the contract in the other.
COMPACT: Mapping[str, str] = MappingProxyType(
    {
        "exchange": "SEM_EXM_EXCH_ID",
        "segment_letter": "SEM_SEGMENT",
        "security_id": "SEM_SMST_SECURITY_ID",
        "instrument_name": "SEM_INSTRUMENT_NAME",
        "expiry_code": "SEM_EXPIRY_CODE",
        "trading_symbol": "SEM_TRADING_SYMBOL",
        "lot_size": "SEM_LOT_UNITS",
        "custom_symbol": "SEM_CUSTOM_SYMBOL",
        "expiry": "SEM_EXPIRY_DATE",
        "strike": "SEM_STRIKE_PRICE",
        "option_type": "SEM_OPTION_TYPE",
        "tick": "SEM_TICK_SIZE",
        "expiry_flag": "SEM_EXPIRY_FLAG",
        "exchange_instrument_type": "SEM_EXCH_INSTRUMENT_TYPE",
        "series": "SEM_SERIES",
        "symbol_name": "SM_SYMBOL_NAME",
    }
)
DETAILED: Mapping[str, str] = MappingProxyType(
    {
        "exchange": "EXCH_ID",
        "segment_letter": "SEGMENT",
        "security_id": "SECURITY_ID",
        "instrument_name": "INSTRUMENT",
        "underlying_symbol": "UNDERLYING_SYMBOL",
        "symbol_name": "SYMBOL_NAME",
        "custom_symbol": "DISPLAY_NAME",
        "exchange_instrument_type": "INSTRUMENT_TYPE",
        "series": "SERIES",
        "lot_size": "LOT_SIZE",
        "expiry": "SM_EXPIRY_DATE",
        "strike": "STRIKE_PRICE",
        "option_type": "OPTION_TYPE",
        "tick": "TICK_SIZE",
        "expiry_flag": "EXPIRY_FLAG",
        "isin": "ISIN",
        "lower_limit": "SM_LOWER_LIMIT",
        "upper_limit": "SM_UPPER_LIMIT",
        "freeze_quantity": "SM_FREEZE_QTY",
    }
)
OPTIONAL = frozenset(
    {"expiry_code", "exchange_instrument_type", "isin", "lower_limit", "upper_limit", "freeze_quantity"}
)


def refuse(code: str, sentence: str, remedy: str = KEPT) -> NoReturn:
    """Refuse the whole file."""
    raise BadMaster(Reason(code, sentence, remedy))


# --- header ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Layout:
    """Which column holds what: our names in file order, None for a column nobody reads."""

    form: str
    columns: tuple[str | None, ...]

    def has(self, name: str) -> bool:
        """True if the file says this at all."""
        return name in self.columns


def read_layout(header: str, first_row: str) -> Layout:
    """Recognise a header by its names, never by position; the first row settles a trailing comma."""
    names = [name.strip().strip('"').upper() for name in header.rstrip("\r\n").split(",")]
    form, wanted = ("compact", COMPACT) if any(name.startswith("SEM_") for name in names) else ("detailed", DETAILED)
    missing = [column for ours, column in wanted.items() if column not in names and ours not in OPTIONAL]
    if len(missing) == len(wanted) - len(OPTIONAL & wanted.keys()):
        refuse("NOT_CSV", "The first line is not the header of an instrument master.")
    if missing:
        refuse("WRONG_COLUMNS", f"The master lacks {', '.join(missing)}.")
    repeated = sorted({column for column in wanted.values() if names.count(column) > 1})
    if repeated:
        refuse("WRONG_COLUMNS", f"The master has {', '.join(repeated)} more than once.")
    ours = {column: name for name, column in wanted.items()}
    return Layout(form, tuple(ours.get(name) for name in _fitted(names, first_row.rstrip("\r\n"))))


def _fitted(names: list[str], first_row: str) -> list[str]:
    """Header and rows may disagree about one trailing comma."""
    width = first_row.count(",") + 1
    if width == len(names) - 1 and not names[-1]:
        return names[:-1]
    if width == len(names) + 1 and first_row.endswith(","):
        return [*names, ""]
    return names


# --- rows ------------------------------------------------------------------------------------------------------------


class RowError(Exception):
    """One row, or all rows of one shape, cannot be used; the file still can."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Shape(NamedTuple):
    """What the rules need to know of a row, as text from the file.

    `stem` and `month` are the parts of a derivative's trading symbol before and at its month; `month` is empty where
    the file names the underlying itself.
    """

    exchange: str
    segment_letter: str
    instrument_name: str
    stem: str
    month: str
    expiry: str
    lot_size: str
    tick: str
    option_type: str
    is_test: bool


class Ruling(NamedTuple):
    """What a shape means, or why its rows are rejected."""

    reason: str = ""
    segment: str = ""
    underlying: str = ""
    expiry: date | None = None
    lot_size: int | None = None
    tick: Decimal | None = None
    option_type: str = ""


def judge(shape: Shape) -> Ruling:
    """Apply every rule that does not need the strike or the id."""
    try:
        return _ruled(shape)
    except RowError as rejection:
        return Ruling(reason=rejection.code)


def _ruled(shape: Shape) -> Ruling:
    if shape.is_test:
        raise RowError("TEST_SYMBOL")
    segment = SEGMENTS.get((shape.exchange, shape.segment_letter))
    if segment is None:
        raise RowError("UNKNOWN_SEGMENT")
    kind = kind_of(shape.instrument_name)
    lot_size, tick = read_lot(shape.lot_size), read_tick(shape.tick)
    if kind == "cash":
        return Ruling("", segment, "", None, lot_size, tick, "")
    expiry = read_date(shape.expiry)
    if expiry is None:
        raise RowError("MISSING_EXPIRY")
    return Ruling(
        "", segment, read_underlying(shape), expiry, lot_size, tick, read_option_type(kind, shape.option_type)
    )


def kind_of(instrument_name: str) -> str:
    """`cash`, `future` or `option`."""
    if instrument_name in ("EQUITY", "INDEX"):
        return "cash"
    kind = {"FUT": "future", "OPT": "option"}.get(instrument_name[:3])
    if kind is None or len(instrument_name) > 20:
        raise RowError("UNKNOWN_INSTRUMENT")
    return kind


_NUMBER = re.compile(r"-?\d{1,12}(\.\d{1,10})?", re.ASCII)
_MONTH = re.compile(r"\d{0,2}(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)\d{4}", re.ASCII | re.IGNORECASE)
_ISO_DAY = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})", re.ASCII)
_INDIAN_DAY = re.compile(r"(\d{1,2})([-/])(\d{1,2})\2(\d{4}|\d{2})", re.ASCII)
_CLOCK = re.compile(r"\d{1,2}:\d{2}(:\d{2})?(\.0+)?", re.ASCII)


def read_number(text: str, code: str) -> Decimal:
    """A finite decimal number; `nan`, `inf`, exponents and thousands commas are not numbers here."""
    if not _NUMBER.fullmatch(text):
        raise RowError(code)
    return Decimal(text)


def read_lot(text: str) -> int:
    """Units per lot; there is no default lot."""
    if not text:
        raise RowError("MISSING_LOT")
    lot = read_number(text, "BAD_LOT")
    if lot != int(lot) or not 1 <= lot <= LARGEST_LOT:
        raise RowError("BAD_LOT")
    return int(lot)


def read_tick(text: str) -> Decimal:
    """Smallest price step, in paise."""
    tick = read_number(text, "BAD_TICK").quantize(Decimal("0.0001"))
    if not 0 < tick <= LARGEST_TICK:
        raise RowError("BAD_TICK")
    return tick


def read_date(text: str) -> date | None:
    """The day in any of the forms seen; None for nothing and for Dhan's 0001-01-01; the time is artificial."""
    day_text, _, clock = text.strip().partition(" ")
    if day_text in ("", "NA"):
        return None
    if clock and not _CLOCK.fullmatch(clock.strip()):
        raise RowError("BAD_DATE")
    year, month, day = _day_parts(day_text)
    if year == 1:
        return None
    try:
        found = date(year, month, day)
    except ValueError as error:
        raise RowError("BAD_DATE") from error
    if not 1990 <= found.year <= 2100:
        raise RowError("BAD_DATE")
    return found


def _day_parts(text: str) -> tuple[int, int, int]:
    """Year, month, day from 2026-02-24, or from 24-02-2026 and 24/02/26 as spreadsheets write them."""
    if iso := _ISO_DAY.fullmatch(text):
        return int(iso[1]), int(iso[2]), int(iso[3])
    if indian := _INDIAN_DAY.fullmatch(text):
        return int(indian[4]) + (2000 if len(indian[4]) == 2 else 0), int(indian[3]), int(indian[1])
    raise RowError("BAD_DATE")


def read_underlying(shape: Shape) -> str:
    """What a derivative is written on: the part of its symbol before the month, hyphens and ampersands included."""
    if not shape.stem or len(shape.stem) > 40 or (shape.month and not _MONTH.fullmatch(shape.month)):
        raise RowError("BAD_SYMBOL")
    return shape.stem


def read_option_type(kind: str, text: str) -> str:
    """CE or PE for an option, XX for every future."""
    if kind == "future":
        return "XX"
    if text not in ("CE", "PE"):
        raise RowError("MISSING_TYPE")
    return text


def read_strike(kind: str, text: str) -> Decimal | None:
    """Rupees; None for a future, whose marker is -0.01 or 0."""
    if kind == "cash" or (kind == "future" and not text):
        return None
    if not text:
        raise RowError("MISSING_STRIKE")
    strike = read_number(text, "BAD_STRIKE")
    if kind == "future" and strike in (0, FUTURE_STRIKE):
        return None
    if kind == "future" or not 0 < strike <= LARGEST_STRIKE:
        raise RowError("BAD_STRIKE")
    return strike.quantize(Decimal("0.00001"))


# --- the whole file --------------------------------------------------------------------------------------------------


class Listing(NamedTuple):
    """How many usable derivative rows a file has of one kind and expiry."""

    segment: str
    instrument_name: str
    expiry: date
    rows: int


def infer_date(listings: Iterable[Listing]) -> date | None:
    """The day up to which the file is certainly about: its earliest expiry that is still listed.

    A master lists a contract until it expires, so the earliest NSE index option expiry is an upper bound of the day it
    was made, less than a week off, and never falls from one file to the next. Where there are no NSE index options the
    NSE index futures, then the NSE stock contracts, then the BSE contracts say it. Currency and commodity rows never
    do: Dhan leaves them in the file for a year after they expire. Expiries with under 1 % of the rows are leftovers.
    None if nothing in the file is dated: an equity list does not say its day.
    """
    rows = list(listings)
    for segment, instruments in _EVIDENCE:
        counts: dict[date, int] = {}
        for row in rows:
            if row.segment == segment and row.instrument_name in instruments:
                counts[row.expiry] = counts.get(row.expiry, 0) + row.rows
        if counts:
            thin = THIN_EXPIRY_SHARE * sum(counts.values())
            return min(day for day, count in counts.items() if count >= thin)
    return None


_STOCKS = ("OPTSTK", "FUTSTK")
_EVIDENCE = (
    ("NSE_FNO", ("OPTIDX",)),
    ("NSE_FNO", ("FUTIDX",)),
    ("NSE_FNO", _STOCKS),
    ("BSE_FNO", ("OPTIDX", "FUTIDX", *_STOCKS)),
)


def weigh(*, rows: int, rejected: Mapping[str, int], previous_rows: int, fewest_rows: int, allow_shrink: bool) -> None:
    """Refuse a file that is too small or too dirty to replace the last one."""
    harmless = rejected.get("TEST_SYMBOL", 0) + rejected.get("EXPIRED", 0)
    bad = sum(rejected.values()) - harmless
    if rows and bad > BAD_ROWS_SHARE * rows:
        worst = ", ".join(
            f"{code} {count:,}" for code, count in sorted(rejected.items(), key=lambda item: -item[1])[:3]
        )
        refuse("TOO_MANY_BAD_ROWS", f"{bad:,} of {rows:,} rows are unusable ({worst}).")
    if allow_shrink:
        return
    if rows < fewest_rows:
        refuse("TOO_FEW_ROWS", f"The master has {rows:,} rows, fewer than {fewest_rows:,}.", PARTIAL)
    if rows < SMALLEST_SHARE * previous_rows:
        refuse("SHRUNK", f"The master has {rows:,} rows, the last one had {previous_rows:,}.", PARTIAL)


PARTIAL = "Fetch it again; if a partial file is meant, import it with --allow-shrink."
