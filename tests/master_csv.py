"""Small instrument masters for tests, written the way Dhan writes them."""

from datetime import date

from market.master import COMPACT

HEADER = ",".join(COMPACT.values())
DETAILED_HEADER = (
    "EXCH_ID,SEGMENT,SECURITY_ID,ISIN,INSTRUMENT,UNDERLYING_SECURITY_ID,UNDERLYING_SYMBOL,SYMBOL_NAME,DISPLAY_NAME,"
    "INSTRUMENT_TYPE,SERIES,LOT_SIZE,SM_EXPIRY_DATE,STRIKE_PRICE,OPTION_TYPE,TICK_SIZE,EXPIRY_FLAG,BUY_SELL_INDICATOR,"
    "SM_UPPER_LIMIT,SM_LOWER_LIMIT,SM_FREEZE_QTY,"
)
FEB_10, FEB_24, MAR_30 = date(2026, 2, 10), date(2026, 2, 24), date(2026, 3, 30)


def line(**given: str) -> str:
    """One row, from our column names; what is not given is empty."""
    return ",".join(given.get(name, "") for name in COMPACT)


def option(
    security_id: int | str,
    *,
    underlying: str = "NIFTY",
    expiry: date = FEB_24,
    strike: str = "25000.00000",
    option_type: str = "CE",
    exchange: str = "NSE",
    instrument: str = "OPTIDX",
    lot: str = "65.0",
    tick: str = "5.0000",
    **given: str,
) -> str:
    """An index option of NSE unless told otherwise."""
    right = "CALL" if option_type == "CE" else "PUT"
    short = strike.rstrip("0").rstrip(".")
    row = {
        "exchange": exchange,
        "segment_letter": "D",
        "security_id": str(security_id),
        "instrument_name": instrument,
        "expiry_code": "0",
        "trading_symbol": f"{underlying}-{expiry:%b%Y}-{short}-{option_type}",
        "lot_size": lot,
        "custom_symbol": f"{underlying} {expiry:%d %b} {short} {right}".upper(),
        "expiry": f"{expiry} 14:30:00",
        "strike": strike,
        "option_type": option_type,
        "tick": tick,
        "expiry_flag": "M",
        "exchange_instrument_type": "OP",
    }
    return line(**{**row, **given})


def future(security_id: int | str, *, underlying: str = "NIFTY", expiry: date = FEB_24, **given: str) -> str:
    """An index future of NSE."""
    row = {
        "exchange": "NSE",
        "segment_letter": "D",
        "security_id": str(security_id),
        "instrument_name": "FUTIDX",
        "trading_symbol": f"{underlying}-{expiry:%b%Y}-FUT",
        "lot_size": "65.0",
        "custom_symbol": f"{underlying} {expiry:%b} FUT".upper(),
        "expiry": f"{expiry} 14:30:00",
        "strike": "-0.01000",
        "option_type": "XX",
        "tick": "10.0000",
        "expiry_flag": "M",
    }
    return line(**{**row, **given})


def share(security_id: int | str, symbol: str, *, name: str = "", **given: str) -> str:
    """A share of NSE."""
    row = {
        "exchange": "NSE",
        "segment_letter": "E",
        "security_id": str(security_id),
        "instrument_name": "EQUITY",
        "trading_symbol": symbol,
        "lot_size": "1.0",
        "custom_symbol": symbol.title(),
        "tick": "5.0000",
        "expiry_flag": "NA",
        "exchange_instrument_type": "ES",
        "series": "EQ",
        "symbol_name": name or f"{symbol} LIMITED",
    }
    return line(**{**row, **given})


def index(security_id: int | str, symbol: str, *, custom: str, exchange: str = "NSE", **given: str) -> str:
    """An index value, with the date and type Dhan gives it."""
    row = {
        "exchange": exchange,
        "segment_letter": "I",
        "security_id": str(security_id),
        "instrument_name": "INDEX",
        "trading_symbol": symbol,
        "lot_size": "1.0",
        "custom_symbol": custom,
        "expiry": "0001-01-01",
        "option_type": "XX",
        "tick": "0.0500",
        "exchange_instrument_type": "INDEX",
        "series": "X",
        "symbol_name": symbol,
    }
    return line(**{**row, **given})


def market_rows() -> list[str]:
    """Two indices, two shares, their options and one future: 12 rows, nothing wrong with them."""
    return [
        index(13, "NIFTY", custom="Nifty 50"),
        index(51, "SENSEX", custom="Sensex", exchange="BSE"),
        share(2885, "RELIANCE", name="RELIANCE INDUSTRIES LTD"),
        share(16669, "BAJAJ-AUTO"),
        future(49225),
        option(40001, expiry=FEB_10, expiry_flag="W"),
        option(40002),
        option(40003, option_type="PE"),
        option(40004, strike="25050.00000"),
        option(40005, underlying="RELIANCE", instrument="OPTSTK", strike="1400.00000", lot="500.0"),
        option(40006, underlying="BAJAJ-AUTO", instrument="OPTSTK", strike="9000.00000", lot="75.0"),
        option(850001, underlying="SENSEX", exchange="BSE", strike="80000.00000", lot="20.0", expiry=date(2026, 2, 26)),
    ]


def master(rows: list[str] | None = None, *, header: str = HEADER) -> bytes:
    """The bytes of a file."""
    return "\n".join([header, *(market_rows() if rows is None else rows), ""]).encode()
