"""The set-wise half of a master import: stage the bytes, rule on the shapes, compare, swap.

Everything runs in the caller's transaction and works on whole sets; a file of 270,000 rows costs a handful of hash
joins. Python sees the 5,000 shapes and as many strikes, never the rows.
"""

# ruff: noqa: S608 -- every name put into SQL here is a constant of this file, of master.py or of the model.

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, NoReturn

import psycopg
from django.db import connection

from market.master import Layout, RowError, Ruling, Shape, read_strike, refuse
from market.models import Instrument

_LOCK = 0x4D53_5452  # one import at a time, whoever starts it
_TABLES = ("master_raw", "master_rulings", "master_strikes", "master_rows", "master_diff")
_FNO = "('NSE_FNO', 'BSE_FNO')"
_KEY = ("exchange", "segment_letter", "security_id")
_SHAPE = Shape._fields


@dataclass(frozen=True, slots=True)
class Swap:
    """What a swap changed."""

    inserted: int
    updated: int
    deactivated: int

    @property
    def nothing(self) -> bool:
        """True if the stored rows already said all this."""
        return not (self.inserted or self.updated or self.deactivated)


def begin() -> None:
    """Wait for any other import, then clear the workbench."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        cursor.execute("SET LOCAL work_mem = '128MB'")
        # Hash joins throughout: shape columns depend on each other, the planner expects one row and would sort or loop.
        cursor.execute("SET LOCAL enable_mergejoin = off")
        cursor.execute("SET LOCAL enable_nestloop = off")
        cursor.execute("SET LOCAL default_statistics_target = 10")
        cursor.execute("SET LOCAL jit = off")
    clear()


def clear() -> None:
    """Drop the staging tables; within an outer transaction they would outlive the import."""
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE IF EXISTS {', '.join(f'pg_temp.{name}' for name in _TABLES)}")


def stage(layout: Layout, chunks: Iterable[bytes], *, lines: int) -> int:
    """COPY the raw bytes into a temporary table of text; a wrong number of fields anywhere refuses the file."""
    columns = [name or f"unread_{number}" for number, name in enumerate(layout.columns)]
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE TEMP TABLE master_raw ({', '.join(f'{name} text' for name in columns)}) ON COMMIT DROP")
        try:
            with cursor.copy(r"COPY master_raw FROM STDIN (FORMAT csv, NULL '\N')") as copy:
                for chunk in chunks:
                    copy.write(chunk)
        except psycopg.errors.CharacterNotInRepertoire:
            refuse("NOT_UTF8", "The master holds bytes that are not UTF-8.")
        except psycopg.errors.DataError as error:
            _refuse_line(error, lines)
        rows: int = cursor.rowcount
        cursor.execute("ANALYZE master_raw")
    return rows


def _refuse_line(error: psycopg.errors.DataError, lines: int) -> NoReturn:
    context = error.diag.context or ""
    numbers = [int(word) for word in context.replace(",", " ").replace(":", " ").split() if word.isdigit()]
    line = numbers[0] + 1 if numbers else 0
    if line >= lines:
        refuse("TRUNCATED", "The last line of the master is incomplete.")
    refuse("WRONG_FIELDS", f"Line {line} of the master has the wrong number of fields.")


# --- rules -----------------------------------------------------------------------------------------------------------


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
    return _count(f"SELECT count(*) FROM master_rows WHERE reason = '' AND segment IN {_FNO}")


def duplicates() -> list[str]:
    """Some of the identities that usable rows share."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT exchange, segment_letter, security_id FROM master_rows WHERE reason = ''"
            " GROUP BY 1, 2, 3 HAVING count(*) > 1 ORDER BY 1, 2, 3 LIMIT 3"
        )
        return [" ".join(row) for row in cursor.fetchall()]


# --- swap ------------------------------------------------------------------------------------------------------------

# What a contract is. A row that keeps its id but differs here is another contract: it never changes in place.
_IDENTITY = ("instrument_name", "underlying", "expiry", "strike", "option_type")
_FACTS = (
    "trading_symbol",
    "lot_size",
    "custom_symbol",
    "tick_paise",
    "expiry_flag",
    "series",
    "symbol_name",
    "segment",
)
# A form of the file that lacks one of these says nothing about it, so what is stored stays.
_SOMETIMES = ("expiry_code", "exchange_instrument_type", "isin", "freeze_quantity", "lower_limit", "upper_limit")


def _columns() -> dict[str, str]:
    """Our names and the table's."""
    return {field.name: str(field.column) for field in Instrument._meta.concrete_fields}


def swap(layout: Layout, *, published_on: date | None, attempt_id: int) -> Swap:
    """Make the active rows those of the file, within what the file covers; identities never change in place."""
    column = _columns()
    facts = [*_FACTS, *(name for name in _SOMETIMES if layout.has(name))]
    given = {"attempt": attempt_id, "published_on": published_on}
    with connection.cursor() as cursor:
        cursor.execute(_difference(column, facts), given)
        cursor.execute(
            "UPDATE api_scrip_master t SET active = false, inactive_reason = d.verdict, last_import_id = %(attempt)s"
            " FROM master_diff d WHERE d.id = t.id AND d.verdict IN ('reused', 'missing', 'expired', 'rejected')",
            given,
        )
        deactivated = cursor.rowcount
        changes = ", ".join(f"{column[name]} = n.{name}" for name in facts)
        cursor.execute(
            f"UPDATE api_scrip_master t SET {changes}, active = true, inactive_reason = '',"
            " last_import_id = %(attempt)s FROM master_diff d JOIN master_rows n USING (number)"
            " WHERE d.id = t.id AND d.verdict IN ('changed', 'back')",
            given,
        )
        updated = cursor.rowcount
        cursor.execute(_insertion(column), given)
        return Swap(inserted=cursor.rowcount, updated=updated, deactivated=deactivated)


def _difference(column: Mapping[str, str], facts: Iterable[str]) -> str:
    """Only the rows something has to be done about; a file that says nothing new gives none."""

    def differs(names: Iterable[str]) -> str:
        pairs = [(f"t.{column[name]}", f"n.{name}") for name in names]
        stored, read = (", ".join(pair[side] for pair in pairs) for side in (0, 1))
        return f"({stored}) IS DISTINCT FROM ({read})"

    key = " AND ".join(f"t.{column[name]} = n.{name}" for name in _KEY)
    kind = "exchange, segment_letter, instrument_name"
    return f"""
        CREATE TEMP TABLE master_diff ON COMMIT DROP AS
        WITH covered AS (SELECT DISTINCT {kind} FROM master_rows),
        compared AS (
            SELECT t.id, n.number,
                CASE WHEN t.id IS NULL THEN 'new'
                     WHEN n.number IS NULL THEN
                        CASE WHEN t.{column["expiry"]} < %(published_on)s::date THEN 'expired'
                             WHEN (t.{column["exchange"]}, t.{column["segment_letter"]}, t.{column["instrument_name"]})
                                  IN (SELECT {kind} FROM covered) THEN 'missing'
                             ELSE 'same' END
                     WHEN {differs(_IDENTITY)} THEN 'reused'
                     WHEN {differs(facts)} THEN 'changed'
                     ELSE 'same' END AS verdict
            FROM (SELECT * FROM api_scrip_master WHERE active) t
            FULL JOIN (SELECT * FROM master_rows WHERE reason = '') n ON {key}
        ), stirred AS (SELECT * FROM compared WHERE verdict <> 'same'),
        refused AS (
            SELECT t.id FROM stirred s JOIN api_scrip_master t ON t.id = s.id AND s.verdict = 'missing'
            JOIN master_rows n ON {key}
        ), reborn AS (
            SELECT n.number, max(t.id) AS id FROM stirred s JOIN master_rows n ON n.number = s.number
            JOIN api_scrip_master t ON NOT t.active AND {key} AND NOT {differs(_IDENTITY)}
            WHERE s.verdict IN ('new', 'reused') GROUP BY 1
        )
        SELECT id, NULL::bigint AS number,
            CASE WHEN id IN (SELECT id FROM refused) THEN 'rejected' ELSE verdict END AS verdict
        FROM stirred WHERE verdict IN ('missing', 'expired', 'reused')
        UNION ALL SELECT id, number, 'changed' FROM stirred WHERE verdict = 'changed'
        UNION ALL SELECT id, number, 'back' FROM reborn
        UNION ALL SELECT NULL, s.number, 'new' FROM stirred s
            WHERE s.verdict IN ('new', 'reused') AND s.number NOT IN (SELECT number FROM reborn)
    """


def _insertion(column: Mapping[str, str]) -> str:
    names = [*_KEY, *_IDENTITY, *_FACTS, *_SOMETIMES]
    return f"""
        INSERT INTO api_scrip_master ({", ".join(column[name] for name in names)},
            active, inactive_reason, first_import_id, last_import_id)
        SELECT {", ".join(f"n.{name}" for name in names)}, true, '', %(attempt)s, %(attempt)s
        FROM master_diff d JOIN master_rows n USING (number) WHERE d.verdict = 'new'
    """


# --- what follows from the rows --------------------------------------------------------------------------------------


def keep_lots(*, published_on: date, attempt_id: int) -> int:
    """Append the lots that differ from the last one known for the same expiry."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            INSERT INTO lot_size_history (exchange, underlying, expiry, lot_size, effective_from, source_id)
            SELECT n.exchange, n.underlying, n.expiry, n.lot_size, %(day)s, %(attempt)s
            FROM (SELECT exchange, underlying, expiry, mode() WITHIN GROUP (ORDER BY lot_size) AS lot_size
                  FROM master_rows WHERE reason = '' AND segment IN {_FNO} GROUP BY 1, 2, 3) n
            LEFT JOIN (SELECT DISTINCT ON (exchange, underlying, expiry) exchange, underlying, expiry, lot_size
                  FROM lot_size_history WHERE effective_from <= %(day)s
                  ORDER BY exchange, underlying, expiry, effective_from DESC, id DESC) h
                  USING (exchange, underlying, expiry)
            WHERE h.lot_size IS DISTINCT FROM n.lot_size
            ON CONFLICT DO NOTHING
            """,
            {"day": published_on, "attempt": attempt_id},
        )
        return int(cursor.rowcount)


def keep_underlyings() -> int:
    """Upsert what has listed options now; what no longer has is marked, never deleted."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH listed AS (
                SELECT underlying, sem_instrument_name AS instrument_name, sem_exm_exch_id AS exchange,
                       sem_expiry_date AS expiry,
                       mode() WITHIN GROUP (ORDER BY sem_lot_units) AS lot_size
                FROM api_scrip_master
                WHERE active AND segment IN {_FNO} AND sem_instrument_name IN ('OPTIDX', 'OPTSTK')
                GROUP BY 1, 2, 3, 4
            ), nearest AS (
                SELECT DISTINCT ON (underlying) * FROM listed ORDER BY underlying, exchange = 'NSE' DESC, expiry
            ), named AS (
                SELECT DISTINCT ON (n.underlying) n.*,
                       CASE i.sem_instrument_name WHEN 'INDEX' THEN i.sem_custom_symbol ELSE i.sm_symbol_name END
                            AS name
                FROM nearest n LEFT JOIN api_scrip_master i
                  ON i.active AND i.sem_exm_exch_id = n.exchange AND i.sem_trading_symbol = n.underlying
                 AND i.sem_instrument_name = CASE n.instrument_name WHEN 'OPTIDX' THEN 'INDEX' ELSE 'EQUITY' END
                ORDER BY n.underlying, i.sem_series = 'EQ' DESC NULLS LAST
            )
            INSERT INTO stock_data AS s
                (symbol, name, kind, exchange, industry, sector, fno_stock, lot_size, updated_at)
            SELECT underlying, coalesce(name, ''), CASE instrument_name WHEN 'OPTIDX' THEN 'index' ELSE 'stock' END,
                   exchange, '', '', 'yes', lot_size, now()
            FROM named
            ON CONFLICT (symbol) DO UPDATE SET kind = excluded.kind, exchange = excluded.exchange, fno_stock = 'yes',
                lot_size = excluded.lot_size, updated_at = now(),
                name = CASE WHEN s.name = '' THEN excluded.name ELSE s.name END
            WHERE (s.kind, s.exchange, s.fno_stock, s.lot_size) IS DISTINCT FROM
                  (excluded.kind, excluded.exchange, 'yes', excluded.lot_size)
               OR (s.name = '' AND excluded.name <> '')
            """
        )
        upserted: int = cursor.rowcount
        cursor.execute(
            f"""
            UPDATE stock_data SET fno_stock = 'no', lot_size = NULL, updated_at = now()
            WHERE fno_stock = 'yes'
              AND CASE kind WHEN 'index' THEN 'OPTIDX' ELSE 'OPTSTK' END IN
                  (SELECT instrument_name FROM master_rows WHERE reason = '' AND segment IN {_FNO})
              AND symbol NOT IN (SELECT underlying FROM api_scrip_master WHERE active AND segment IN {_FNO}
                                 AND sem_instrument_name IN ('OPTIDX', 'OPTSTK'))
            """
        )
        return upserted + int(cursor.rowcount)


def link_watchlist() -> int:
    """Point every watchlist item at the active instrument of its segment and id, or at none."""
    return _count(
        """
        WITH linked AS (
            UPDATE watchlist_items w SET watchable_id = i.id
            FROM watchlist_items o LEFT JOIN api_scrip_master i
              ON i.active AND i.segment = o.segment AND i.sem_smst_security_id = o.security_id
            WHERE o.id = w.id AND w.watchable_id IS DISTINCT FROM i.id
            RETURNING 1
        ) SELECT count(*) FROM linked
        """
    )


def _count(query: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(query)
        return int(cursor.fetchone()[0])
