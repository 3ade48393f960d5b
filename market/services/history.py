"""Keeps daily histories in daily_bars; importing again changes nothing."""

import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from django.db import transaction

from market.errors import BadChain, Reason
from market.models import FileImport
from market.readers.archive import members
from market.readers.history import History, read_history
from market.services.bhavcopy import upsert_bars
from market.services.chains import digest, refuse

logger = logging.getLogger(__name__)

Progress = Callable[[int, int], None]


@dataclass(slots=True)
class HistoryImport:
    """One file's import: its row, and what came of the rows in it."""

    record: FileImport
    members: int = 0
    sessions: int = 0
    inserted: int = 0
    updated: int = 0
    symbols: set[str] = field(default_factory=set)
    refused: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)
    sentences: dict[str, str] = field(default_factory=dict)


def import_history_file(path: Path, *, progress: Progress = lambda done, total: None) -> HistoryImport:
    """Store every daily history of a file, one transaction per member; a bad member does not lose the others."""
    record = FileImport(kind=FileImport.Kind.BHAVCOPY_CASH, source="nse", file_name=path.name[:255])
    try:
        record.sha256 = digest(path)
        found = members(path)
    except BadChain as refusal:
        refuse(record, refusal.reason)
        raise
    result = HistoryImport(record, members=len(found))
    for done, member in enumerate(found, start=1):
        try:
            _store(read_history(member), result)
        except BadChain as refusal:
            result.refused[refusal.reason.code] += 1
            result.sentences.setdefault(refusal.reason.code, refusal.reason.sentence)
        progress(done, len(found))
    _finish(result)
    return result


def _store(history: History, result: HistoryImport) -> None:
    with transaction.atomic():
        inserted, updated = upsert_bars(history.shares)
    result.inserted += inserted
    result.updated += updated
    result.sessions += len(history.shares)
    result.symbols.update(share.symbol for share in history.shares)
    result.rejected.update(history.rejected)
    newest = max(share.day for share in history.shares)
    result.record.published_on = max(result.record.published_on or newest, newest)


def _finish(result: HistoryImport) -> None:
    record = result.record
    record.rejected = {**result.rejected, **{f"file:{code}": number for code, number in result.refused.items()}}
    if not result.sessions:
        code, _ = result.refused.most_common(1)[0]
        refuse(record, Reason(code, result.sentences[code]))
        return
    changed = result.inserted + result.updated
    record.status = FileImport.Status.ACCEPTED if changed else FileImport.Status.UNCHANGED
    record.row_count, record.inserted, record.updated = result.sessions, result.inserted, result.updated
    record.save()
    logger.info("History of %s imported: %d sessions, %d new", record.file_name, result.sessions, result.inserted)
