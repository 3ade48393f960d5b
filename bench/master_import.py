"""200,000 rows of instrument master against django-import-export's bulk mode, and the second import of the same."""

import io
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any

import tablib
from django.db import connection, transaction
from import_export.resources import ModelResource

from market.master import COMPACT
from market.models import FileImport, Instrument
from market.services.instruments import import_scrip_master

ROWS = 200_000
SAMPLE = 5_000
EXPIRIES = (date(2026, 2, 24), date(2026, 3, 30), date(2026, 4, 28), date(2026, 5, 26), date(2026, 6, 30))
STRIKES = range(1_000, 3_000, 20)


class BulkResource(ModelResource):
    """import-export's fastest supported way to insert or update by key."""

    class Meta:
        model = Instrument
        use_bulk = True
        batch_size = 1_000
        import_id_fields = ("exchange", "segment_letter", "security_id")


class InsertOnlyResource(BulkResource):
    """The same without looking for the row first: it can only ever insert."""

    class Meta(BulkResource.Meta):
        force_init_instance = True


def run() -> list[tuple[str, float, str, float]]:
    """Time per row, each measurement from an empty table in a transaction that is rolled back."""
    content = _content()
    with _scratch():
        first = _timed(lambda: _take(content))
        again = _timed(lambda: _take(content, recognise_unchanged=False))
        recognised = _timed(lambda: _take(content))
    bulk, insert_only = _library(BulkResource), _library(InsertOnlyResource)
    ours = first / ROWS
    return [
        ("first import of 200,000 rows", ROWS / first, "rows/s", 0.0),
        ("import-export bulk mode", 1 / bulk, "rows/s", 0.0),
        ("first import against import-export bulk mode, per row", bulk / ours, "×", 50.0),
        ("first import against its insert-only bulk mode, per row", insert_only / ours, "×", 0.0),
        ("unchanged re-import, every row compared", first / again, "× as fast", 2.0),
        ("unchanged re-import, recognised by its hash", first / recognised, "× as fast", 2.0),
    ]


def _take(content: bytes, *, recognise_unchanged: bool = True) -> None:
    import_scrip_master(
        io.BytesIO(content),
        source="bench",
        file_name="bench.csv",
        as_of=date(2026, 2, 1),
        recognise_unchanged=recognise_unchanged,
    )


@contextmanager
def _scratch() -> Iterator[None]:
    """An empty master inside a transaction that leaves nothing behind."""
    logging.disable(logging.INFO)
    try:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("TRUNCATE api_scrip_master, lot_size_history, stock_data CASCADE")
            yield
            transaction.set_rollback(True)
    finally:
        logging.disable(logging.NOTSET)


def _timed(work: Callable[[], None]) -> float:
    """Seconds, the foreign keys checked as at a commit."""
    started = time.perf_counter()
    work()
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED")
    return time.perf_counter() - started


def _library(resource: type[ModelResource]) -> float:
    """Seconds per row of import-export on a sample of the same contracts."""
    with _scratch():
        attempt = FileImport.objects.create(kind="master", source="bench", file_name="bench", status="accepted")
        rows = [_fields(number, attempt.pk) for number in range(SAMPLE)]
        data = tablib.Dataset(*[tuple(row.values()) for row in rows], headers=list(rows[0]))
        seconds = _timed(lambda: _import(resource(), data))
        assert Instrument.objects.count() == SAMPLE
    return seconds / SAMPLE


def _import(resource: Any, data: tablib.Dataset) -> None:
    resource.import_data(data, dry_run=False, raise_errors=True, use_transactions=False)


def _terms(number: int) -> tuple[str, date, int, str]:
    rest, right = divmod(number, 2)
    rest, strike = divmod(rest, len(STRIKES))
    underlying, expiry = divmod(rest, len(EXPIRIES))
    return f"STOCK{underlying:03}", EXPIRIES[expiry], STRIKES[strike], "CE" if right == 0 else "PE"


def _content() -> bytes:
    lines = [",".join(COMPACT.values())]
    for number in range(ROWS):
        underlying, expiry, strike, right = _terms(number)
        lines.append(
            f"NSE,D,{100_000 + number},OPTSTK,0,{underlying}-{expiry:%b%Y}-{strike}-{right},500.0,"
            f"{underlying} {expiry:%d %b} {strike} {right},{expiry} 14:30:00,{strike}.00000,{right},5.0000,M,OP,,"
        )
    return "\n".join([*lines, ""]).encode()


def _fields(number: int, attempt_id: int) -> dict[str, Any]:
    underlying, expiry, strike, right = _terms(number)
    return {
        "exchange": "NSE",
        "segment_letter": "D",
        "security_id": str(100_000 + number),
        "instrument_name": "OPTSTK",
        "expiry_code": "0",
        "trading_symbol": f"{underlying}-{expiry:%b%Y}-{strike}-{right}",
        "lot_size": "500",
        "custom_symbol": f"{underlying} {expiry:%d %b} {strike} {right}",
        "expiry": f"{expiry}",
        "strike": f"{strike}.00000",
        "option_type": right,
        "tick_paise": "5.0000",
        "expiry_flag": "M",
        "exchange_instrument_type": "OP",
        "segment": "NSE_FNO",
        "underlying": underlying,
        "active": "1",
        "first_import": str(attempt_id),
        "last_import": str(attempt_id),
    }
