"""What the rows of the file are: one ruling for each distinct shape, joined back to all rows that have it."""

# ruff: noqa: S608 -- every name put into SQL here is a constant of this package, of master.py or of the model.

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from django.db import connection

from market.master import Layout, RowError, Ruling, Shape, read_strike
from market.services.master_swap.staging import FNO, count_rows

_SHAPE = Shape._fields


def _read(layout: Layout) -> dict[str, str]:
    """How to read our columns from the raw table; the detailed form names the underlying, the compact one hides it."""
    read = {name: name for name in layout.columns if name}
    option, future = "left(instrument_name, 3) = 'OPT'", "left(instrument_name, 3) = 'FUT'"
    if layout.form == "detailed":
        read["trading_symbol"] = f"CASE WHEN {option} OR {future} THEN symbol_name ELSE underlying_symbol END"
        read["stem"] = f"CASE WHEN {option} OR {future} THEN underlying_symbol ELSE '' END"
        read["month"] = "''"
    else:
        last, middle, first = (f"split_part(trading_symbol, '-', {place})" for place in (-1, -2, -3))
        tail = f"length({last}) + length({middle}) + 2"
        read["stem"] = (
            f"CASE WHEN {option} THEN left(trading_symbol, -({tail} + length({first}) + 1)) "
            f"WHEN {future} THEN left(trading_symbol, -({tail})) ELSE '' END"
        )
        read["month"] = f"CASE WHEN {option} THEN {first} WHEN {future} THEN {middle} ELSE '' END"
    symbol = read["trading_symbol"]
    read["is_test"] = f"(strpos({symbol}, 'NSETEST') > 0 OR strpos({symbol}, 'BSETEST') > 0)"
    return read


def shapes(layout: Layout) -> list[tuple[Shape, int]]:
    """Every distinct shape and how many rows have it."""
    read = _read(layout)
    numbers = ", ".join(str(number) for number in range(1, len(_SHAPE) + 1))
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {', '.join(read[name] for name in _SHAPE)}, count(*) FROM master_raw GROUP BY {numbers}"
        )
        return [(Shape(*row[:-1]), row[-1]) for row in cursor.fetchall()]


def listed_shares(layout: Layout, stems: Iterable[str]) -> dict[str, set[str]]:
    """Which of these underlyings the file lists as shares, by exchange; no entry where it lists no shares at all."""
    symbol = _read(layout)["trading_symbol"]
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT exchange, array_agg({symbol}) FILTER (WHERE {symbol} = ANY(%s)) FROM master_raw"
            " WHERE instrument_name = 'EQUITY' GROUP BY 1",
            [list(stems)],
        )
        return {exchange: set(symbols or ()) for exchange, symbols in cursor.fetchall()}


def rule(layout: Layout, rulings: Mapping[Shape, Ruling]) -> dict[str, int]:
    """Build the typed rows from the rulings; returns how many rows were rejected, by reason."""
    with connection.cursor() as cursor:
        _store_rulings(cursor, rulings)
        _store_strikes(cursor)
        cursor.execute(_typed_rows(layout))
        cursor.execute("ANALYZE master_rows")
        cursor.execute("SELECT reason, count(*) FROM master_rows WHERE reason <> '' GROUP BY 1 ORDER BY 1")
        return dict(cursor.fetchall())


def _store_rulings(cursor: Any, rulings: Mapping[Shape, Ruling]) -> None:
    columns = [f"shape_{name} {'boolean' if name == 'is_test' else 'text'}" for name in _SHAPE]
    columns += [f"ruled_{name} {_RULED.get(name, 'text')}" for name in Ruling._fields]
    cursor.execute(f"CREATE TEMP TABLE master_rulings ({', '.join(columns)}) ON COMMIT DROP")
    with cursor.copy("COPY master_rulings FROM STDIN") as copy:
        for shape, ruling in rulings.items():
            copy.write_row((*shape, *ruling))
    cursor.execute("ANALYZE master_rulings")


_RULED = {"expiry": "date", "lot_size": "integer", "tick": "numeric"}


def _store_strikes(cursor: Any) -> None:
    cursor.execute(
        "CREATE TEMP TABLE master_strikes (kind text, written text, found numeric, strike_reason text) ON COMMIT DROP"
    )
    cursor.execute(
        "SELECT DISTINCT left(instrument_name, 3), strike FROM master_raw"
        " WHERE left(instrument_name, 3) IN ('FUT', 'OPT')"
    )
    pairs = cursor.fetchall()
    with cursor.copy("COPY master_strikes FROM STDIN") as copy:
        for kind, written in pairs:
            copy.write_row((kind, written, *_strike(kind, written)))
    cursor.execute("ANALYZE master_strikes")


def _strike(kind: str, written: str) -> tuple[Decimal | None, str]:
    try:
        return read_strike("future" if kind == "FUT" else "option", written), ""
    except RowError as rejection:
        return None, rejection.code


_PRICE = "CASE WHEN {0} ~ '^[0-9]{{1,9}}([.][0-9]+)?$' THEN nullif(round({0}::numeric, 4), 0) END"
# dhan.md section 8: SM_FREEZE_QTY is the first refused quantity, one more than the largest allowed.
_FREEZE = "CASE WHEN {0} ~ '^[0-9]{{1,9}}([.]0+)?$' THEN nullif(greatest({0}::numeric::integer - 1, 0), 0) END"
_SMALL = "CASE WHEN {0} ~ '^[0-9]{{1,4}}$' THEN {0}::smallint END"


def _typed_rows(layout: Layout) -> str:
    read = _read(layout)
    symbol = read["trading_symbol"]
    join = " AND ".join(f"shape_{name} = {read[name]}" for name in _SHAPE)

    def extra(name: str, form: str, absent: str) -> str:
        return f"{form.format(name)} AS {name}" if layout.has(name) else f"{absent} AS {name}"

    return f"""
        CREATE TEMP TABLE master_rows ON COMMIT DROP AS
        SELECT row_number() OVER () AS number, exchange, segment_letter, security_id, instrument_name,
            {extra("expiry_code", _SMALL, "NULL::smallint")}, left({symbol}, 80) AS trading_symbol,
            ruled_lot_size AS lot_size, left(custom_symbol, 120) AS custom_symbol, ruled_expiry AS expiry,
            found AS strike, ruled_option_type AS option_type, ruled_tick AS tick_paise,
            left(expiry_flag, 4) AS expiry_flag,
            {extra("exchange_instrument_type", "left({0}, 20)", "''")}, left(series, 10) AS series,
            left(symbol_name, 120) AS symbol_name, ruled_segment AS segment,
            CASE WHEN ruled_underlying = '' THEN left({symbol}, 40) ELSE ruled_underlying END AS underlying,
            {extra("isin", "left({0}, 20)", "''")}, {extra("freeze_quantity", _FREEZE, "NULL::integer")},
            {extra("lower_limit", _PRICE, "NULL::numeric")}, {extra("upper_limit", _PRICE, "NULL::numeric")},
            CASE WHEN ruled_reason <> '' THEN ruled_reason
                 WHEN security_id = '' OR length(security_id) > 20
                      OR translate(security_id, '0123456789', '') <> '' THEN 'BAD_ID'
                 WHEN {symbol} = '' OR length({symbol}) > 80 THEN 'BAD_SYMBOL'
                 ELSE coalesce(strike_reason, '') END AS reason
        FROM master_raw
        JOIN master_rulings ON {join}
        LEFT JOIN master_strikes ON kind = left(instrument_name, 3) AND written = strike
    """


def count_derivatives() -> int:
    """Usable index and stock derivatives in the file."""
    return count_rows(f"SELECT count(*) FROM master_rows WHERE reason = '' AND segment IN {FNO}")


def duplicates() -> list[str]:
    """Some of the identities that usable rows share."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT exchange, segment_letter, security_id FROM master_rows WHERE reason = ''"
            " GROUP BY 1, 2, 3 HAVING count(*) > 1 ORDER BY 1, 2, 3 LIMIT 3"
        )
        return [" ".join(row) for row in cursor.fetchall()]
