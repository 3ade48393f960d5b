"""The workbench of an import: temporary tables, and the raw bytes in the first of them."""

from collections.abc import Iterable
from typing import NoReturn

import psycopg
from django.db import connection

from market.master import Layout, refuse

_LOCK = 0x4D53_5452  # one import at a time, whoever starts it
_TABLES = ("master_raw", "master_rulings", "master_strikes", "master_rows", "master_diff")
FNO = "('NSE_FNO', 'BSE_FNO')"


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


def count_rows(query: str) -> int:
    """The one number a query gives."""
    with connection.cursor() as cursor:
        cursor.execute(query)
        return int(cursor.fetchone()[0])
