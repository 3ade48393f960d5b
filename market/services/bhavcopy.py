"""Keeps bhavcopies: contracts to contract_bars, shares to daily_bars; importing again changes nothing.

What a file does not say never replaces what is stored.
"""

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass, field, fields
from datetime import date
from pathlib import Path
from typing import Any

from django.db import connection, transaction

from market.errors import BadChain, Reason
from market.models import FileImport
from market.readers.archive import members
from market.readers.bhavcopy import Bhavcopy, ContractDay, ShareDay, read
from market.services.chains import digest, refuse

logger = logging.getLogger(__name__)

_TABLES: dict[type, tuple[str, tuple[str, ...]]] = {
    ContractDay: (
        "contract_bars",
        ("exchange", "underlying", "instrument_name", "expiry", "strike", "option_type", "day"),
    ),
    ShareDay: ("daily_bars", ("exchange", "symbol", "series", "day")),
}
# A form without lots states volume in contracts: where the lot is stored, it becomes units like the volume it replaces.
_UNITS = 'excluded."volume" * CASE WHEN excluded."lot_size" IS NULL THEN COALESCE(held."lot_size", 1) ELSE 1 END'
Progress = Callable[[int, int], None]


@dataclass(slots=True)
class BhavcopyImport:
    """One file's import: its row, and what came of the rows in it."""

    record: FileImport
    members: int = 0
    contracts: int = 0
    shares: int = 0
    inserted: int = 0
    updated: int = 0
    days: set[date] = field(default_factory=set)
    refused: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)
    sentences: dict[str, str] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """Rows that are in the database now."""
        return self.contracts + self.shares


def import_bhavcopy_file(path: Path, *, progress: Progress = lambda done, total: None) -> BhavcopyImport:
    """Store every bhavcopy of a file, one transaction per member; a bad member does not lose the others."""
    record = FileImport(kind=FileImport.Kind.BHAVCOPY_FO, source="nse", file_name=path.name[:255])
    try:
        record.sha256 = digest(path)
        found = members(path)
    except BadChain as refusal:
        refuse(record, refusal.reason)
        raise
    result = BhavcopyImport(record, members=len(found))
    for done, member in enumerate(found, start=1):
        try:
            _store(read(member), result)
        except BadChain as refusal:
            result.refused[refusal.reason.code] += 1
            result.sentences.setdefault(refusal.reason.code, refusal.reason.sentence)
        progress(done, len(found))
    _finish(result)
    return result


def _store(bhavcopy: Bhavcopy, result: BhavcopyImport) -> None:
    with transaction.atomic():
        for rows in (bhavcopy.contracts, bhavcopy.shares):
            inserted, updated = upsert_bars(rows) if rows else (0, 0)
            result.inserted += inserted
            result.updated += updated
    result.contracts += len(bhavcopy.contracts)
    result.shares += len(bhavcopy.shares)
    result.days.update(contract.day for contract in bhavcopy.contracts)
    result.days.update(share.day for share in bhavcopy.shares)
    result.rejected.update(bhavcopy.rejected)


def upsert_bars(rows: Sequence[ContractDay] | Sequence[ShareDay]) -> tuple[int, int]:
    """COPY to a staging table, then insert or correct; rows that say the same are not written. (inserted, updated)"""
    table, key = _TABLES[type(rows[0])]
    columns = [column.name for column in fields(rows[0])]
    facts = [column for column in columns if column not in key]
    merged = ", ".join(_merged(column, columns) for column in facts)
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS staged_bars")
        cursor.execute(
            f"CREATE TEMP TABLE staged_bars ON COMMIT DROP AS SELECT {_names(columns)} FROM {table} WITH NO DATA"  # noqa: S608
        )
        with cursor.copy(f"COPY staged_bars ({_names(columns)}) FROM STDIN") as copy:
            copy.write("".join(map(_line, rows)))
        cursor.execute(
            f"INSERT INTO {table} AS held ({_names(columns)}) SELECT {_names(columns)} FROM staged_bars"  # noqa: S608
            f" ON CONFLICT ({_names(key)}) DO UPDATE SET ({_names(facts)}) = ROW({merged})"
            f" WHERE ROW({_names(facts, 'held.')}) IS DISTINCT FROM ROW({merged})"
            " RETURNING xmax = 0"  # a row that was not there before has no deleting transaction
        )
        written = [new for (new,) in cursor.fetchall()]
    return sum(written), len(written) - sum(written)


def _names(columns: Sequence[str], prefix: str = "") -> str:
    return ", ".join(f'{prefix}"{column}"' for column in columns)


def _merged(column: str, columns: Sequence[str]) -> str:
    if column == "volume" and "lot_size" in columns:
        return _UNITS
    return f'COALESCE(excluded."{column}", held."{column}")'


def _line(row: Any) -> str:
    return "\t".join(["\\N" if value is None else str(value) for value in astuple(row)]) + "\n"


def _finish(result: BhavcopyImport) -> None:
    record = result.record
    record.rejected = {**result.rejected, **{f"file:{code}": number for code, number in result.refused.items()}}
    if not result.rows:
        code, _ = result.refused.most_common(1)[0]
        refuse(record, Reason(code, result.sentences[code]))
        return
    if result.shares:
        record.kind = FileImport.Kind.BHAVCOPY_CASH
    record.published_on = max(result.days)
    changed = result.inserted + result.updated
    record.status = FileImport.Status.ACCEPTED if changed else FileImport.Status.UNCHANGED
    record.row_count, record.inserted, record.updated = result.rows, result.inserted, result.updated
    record.save()
    logger.info("Bhavcopies of %s imported: %d rows, %d new", record.file_name, result.rows, result.inserted)
