"""The instrument master as the simulated exchange reads and publishes it (dhan.md section 8). Pure."""

import csv
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal
from io import StringIO

from execution.simulator.book import Listing
from execution.simulator.judging import published_freeze
from market.contract import Contract, OptionType
from market.master import COMPACT, SEGMENTS

Listings = Mapping[tuple[str, str], Listing]

_HUNDRED = Decimal(100)
_DETAILED_HEADER = (
    "EXCH_ID,SEGMENT,SECURITY_ID,ISIN,INSTRUMENT,UNDERLYING_SECURITY_ID,UNDERLYING_SYMBOL,SYMBOL_NAME,DISPLAY_NAME,"
    "INSTRUMENT_TYPE,SERIES,LOT_SIZE,SM_EXPIRY_DATE,STRIKE_PRICE,OPTION_TYPE,TICK_SIZE,EXPIRY_FLAG,BRACKET_FLAG,"
    "COVER_FLAG,ASM_GSM_FLAG,ASM_GSM_CATEGORY,BUY_SELL_INDICATOR,BUY_CO_MIN_MARGIN_PER,BUY_CO_SL_RANGE_MAX_PERC,"
    "BUY_CO_SL_RANGE_MIN_PERC,BUY_BO_MIN_MARGIN_PER,BUY_BO_PROFIT_RANGE_MAX_PERC,BUY_BO_PROFIT_RANGE_MIN_PERC,"
    "MTF_LEVERAGE,SM_UPPER_LIMIT,SM_LOWER_LIMIT,SM_FREEZE_QTY,\n"
)
# The detailed file names an index by the exchange's token, not by Dhan's id (dhan.md trap 23).
_EXCHANGE_TOKENS = {"NIFTY": "26000", "BANKNIFTY": "26009", "FINNIFTY": "26037", "MIDCPNIFTY": "26074"}
_LETTERS = {segment: pair for pair, segment in SEGMENTS.items() if segment != "IDX_I"}


def read_master(text: str, *, day: date) -> dict[tuple[str, str], Listing]:
    """Listings by segment and id from Dhan's compact CSV; rows of other kinds and dead contracts are left out."""
    found = {}
    for row in csv.DictReader(StringIO(text)):
        listing = _listing(row, day)
        if listing is not None and (listing.expiry is None or listing.expiry >= day):
            found[listing.segment, listing.security_id] = listing
    return found


def _listing(row: Mapping[str, str], day: date) -> Listing | None:
    segment = SEGMENTS.get((row[COMPACT["exchange"]], row[COMPACT["segment_letter"]]))
    contract = _contract(row)
    if segment is None or contract is None or "NSETEST" in contract.underlying:
        return None
    lot = int(Decimal(row[COMPACT["lot_size"]]))
    return Listing(
        segment=segment,
        security_id=row[COMPACT["security_id"]],
        trading_symbol=row[COMPACT["trading_symbol"]],
        instrument=row[COMPACT["instrument_name"]],
        lot_size=lot,
        tick_size=Decimal(row[COMPACT["tick"]]) / _HUNDRED,
        contract=contract,
        custom_symbol=row[COMPACT["custom_symbol"]],
        expiry_flag=row[COMPACT["expiry_flag"]],
        freeze_quantity=_freeze(contract, lot, day),
    )


def _contract(row: Mapping[str, str]) -> Contract | None:
    """The terms; the underlying is what stands before the month in the symbol, hyphens included."""
    symbol, kind = row[COMPACT["trading_symbol"]], row[COMPACT["instrument_name"]]
    if kind in ("EQUITY", "INDEX"):
        return Contract(symbol)
    parts = symbol.rsplit("-", 3 if kind.startswith("OPT") else 2)
    stamp = row[COMPACT["expiry"]]
    if len(parts) < 3 or not stamp:
        return None
    expiry = datetime.fromisoformat(stamp).date()
    if not kind.startswith("OPT"):
        return Contract(parts[0], expiry)
    option_type = OptionType.from_code(row[COMPACT["option_type"]])
    return Contract(parts[0], expiry, float(row[COMPACT["strike"]]), option_type)


def _freeze(contract: Contract, lot: int, day: date) -> int | None:
    """The largest multiple of the lot that the exchange takes, where it is published."""
    limit = published_freeze(contract.underlying, day=day) if contract.is_option else None
    return None if limit is None else limit // lot * lot


def detailed_csv(listings: Iterable[Listing]) -> str:
    """The detailed file of these contracts, header with its trailing comma included."""
    return _DETAILED_HEADER + "".join(_detailed_rows(listings))


def _detailed_rows(listings: Iterable[Listing]) -> Iterator[str]:
    for listing in listings:
        contract = listing.contract
        exchange, letter = _LETTERS.get(listing.segment, ("BSE" if contract.underlying == "SENSEX" else "NSE", "I"))
        cells = [exchange, letter, listing.security_id, "NA", listing.instrument]
        cells += [_EXCHANGE_TOKENS.get(contract.underlying, listing.security_id), contract.underlying]
        cells += [listing.trading_symbol, listing.custom_symbol, _kind(listing), "EQ" if letter == "E" else "NA"]
        cells += [f"{listing.lot_size}.0", "" if contract.expiry is None else contract.expiry.isoformat()]
        cells += [f"{_strike(contract):.5f}", _code(contract), f"{listing.tick_size * 100:.4f}", listing.expiry_flag]
        cells += ["N", "N", "N", "NA", "A", "0", "0", "0", "0", "0", "0", "0"]
        cells += [_limit(listing.upper_limit), _limit(listing.lower_limit)]
        cells += ["0" if listing.freeze_quantity is None else str(listing.freeze_quantity + 1)]
        yield ",".join(cells) + ",\n"


def _kind(listing: Listing) -> str:
    return "OP" if listing.is_option else listing.instrument[:3]


def _strike(contract: Contract) -> float:
    """Rupees; futures carry -0.01."""
    return -0.01 if contract.strike is None else contract.strike


def _code(contract: Contract) -> str:
    return "XX" if contract.option_type is None else contract.option_type.code


def _limit(price: Decimal | None) -> str:
    return "0.0000" if price is None else f"{price:.4f}"
