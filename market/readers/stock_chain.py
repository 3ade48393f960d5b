"""CSV chains with calls and puts side by side: `Stock,Expiry,Strike,CE_LTP,CE_OI,...` (stocks) or `Symbol,...,Spot`.

Four column orders are known, columns are found by name. A price of 0 means never traded; open interest and
volume of 0 are true zeros, in units. Index rows carry a spot of 0: the form has no index value then.
"""

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from functools import lru_cache

from market.calendar import IST
from market.contract import OptionType
from market.ports import CapturedChain, CapturedQuote
from market.readers.rows import INDEX_SYMBOLS, RowFault, Table, day, number, positive, symbol_of, whole

SLUG = "stock_chain"
_STAMPS = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%d-%m-%Y %H:%M:%S", "%d-%m-%Y %H:%M")


@dataclass(slots=True)
class _Draft:
    """One symbol's rows so far; its time is that of its latest row, so nothing is known too early."""

    taken_at: datetime
    spot: float | None
    quotes: list[CapturedQuote] = field(default_factory=list)
    stamps: list[datetime] = field(default_factory=list)  # of the quotes


def recognises(columns: tuple[str, ...]) -> bool:
    """Whether the header is of this form."""
    return {"Expiry", "Strike", "CE_LTP", "PE_LTP"} <= set(columns)


def slug(name: str) -> str:
    """The source a member is stored under, whatever its name."""
    return SLUG


def read(table: Table, *, source: str) -> tuple[list[CapturedChain], Counter[str]]:
    """One chain per symbol of the member, and the rows rejected by code."""
    columns = _Columns(table)
    drafts: dict[str, _Draft] = {}
    rejected: Counter[str] = Counter()
    for row in table:
        try:
            columns.add(row, drafts, rejected)
        except RowFault as fault:
            rejected[fault.code] += 1
    return [_chain(symbol, draft, source) for symbol, draft in drafts.items()], rejected + table.rejected


def _chain(symbol: str, draft: _Draft, source: str) -> CapturedChain:
    is_index = symbol in INDEX_SYMBOLS
    spot = None if is_index and not draft.spot else draft.spot
    return CapturedChain(symbol, draft.taken_at, source, spot, _own_times(draft), is_index)


def _own_times(draft: _Draft) -> tuple[CapturedQuote, ...]:
    """The quotes, those of an earlier row than the latest with its time."""
    if min(draft.stamps, default=draft.taken_at) == draft.taken_at:
        return tuple(draft.quotes)
    return tuple(
        quote if stamp == draft.taken_at else replace(quote, quoted_at=stamp)
        for quote, stamp in zip(draft.quotes, draft.stamps, strict=True)
    )


class _Columns:
    """Where each fact stands in this member's rows."""

    def __init__(self, table: Table) -> None:
        self.symbol = table.where("Stock" if "Stock" in table.columns else "Symbol")
        self.spot = table.where("Stock_LTP" if "Stock_LTP" in table.columns else "Spot")
        self.expiry, self.strike, self.stamp = (table.where(name) for name in ("Expiry", "Strike", "timestamp"))
        self.sides = tuple(
            (option_type, table.where(f"{code}_LTP"), table.where(f"{code}_OI"), table.where_if(f"{code}_Volume"))
            for option_type in OptionType
            for code in [option_type.code]
        )

    def add(self, row: list[str], drafts: dict[str, _Draft], rejected: Counter[str]) -> None:
        """Put a row's call and put to its symbol; a bad side costs that side only."""
        symbol, expiry, stamp = symbol_of(row[self.symbol]), day(row[self.expiry]), _stamp(row[self.stamp])
        strike, spot = number(row[self.strike]), number(row[self.spot])
        if strike is None:
            raise RowFault("BAD_STRIKE")
        draft = drafts.setdefault(symbol, _Draft(stamp, spot))
        draft.taken_at, draft.spot = max(draft.taken_at, stamp), spot
        for side in self.sides:
            try:
                draft.quotes.append(self._quote(row, expiry, strike, side))
                draft.stamps.append(stamp)
            except RowFault as fault:
                rejected[fault.code] += 1

    def _quote(
        self, row: list[str], expiry: date, strike: float, side: tuple[OptionType, int, int, int | None]
    ) -> CapturedQuote:
        option_type, last, interest, volume = side
        return CapturedQuote(
            expiry,
            strike,
            option_type,
            last_price=positive(row[last]),
            open_interest=whole(row[interest]),
            volume=None if volume is None else whole(row[volume]),
        )


@lru_cache(maxsize=1024)
def _stamp(text: str) -> datetime:
    for form in _STAMPS:
        try:
            return datetime.strptime(text.strip(), form).replace(tzinfo=IST)
        except ValueError:
            continue
    raise RowFault("BAD_DATE")
