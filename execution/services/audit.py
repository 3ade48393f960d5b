"""The audit chain from outside: add what no table shows, verify all of it, keep its head elsewhere."""

import fcntl
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson
from django.db import connection, transaction

from execution.audit_chain import Anchor, Entry, Fault, faults
from execution.models import AuditEntry
from market.calendar import IST
from market.errors import OptionsError, Reason

BATCH = 10_000
MOST_DETAIL = 8_192  # bytes: a digest and a few words, never a body
MOST_FAULTS = 200  # a verification that found so many has found enough

_WORD = re.compile(r"[a-z][a-z0-9_]{0,39}")
_LINE = re.compile(r"(?P<taken>\S+) (?P<seq>\d{1,18}) (?P<hash>[0-9a-f]{64})")
_ENTRIES = (
    "SELECT seq, (extract(epoch FROM at) * 1000000)::bigint, actor, subject_kind, subject_id, event, before, after,"
    " detail::text, prev_hash, hash FROM audit_entries ORDER BY seq"
)
# Each fires ALWAYS (tgenabled 'A'), whatever session_replication_role says.
_GUARDS = (
    *("audit_entries_append_only_row", "audit_entries_append_only", "audit_entries_chained_only"),
    *("audit_head_chained_only", "audit_head_kept", "audit_ring", "audit_chain"),
)


class AuditError(OptionsError):
    """The audit chain, or the file of its heads, is not what it should be."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What an entry is about: a kind (`order`, `login`, `export`) and which one."""

    kind: str
    id: str


@dataclass(frozen=True, slots=True)
class Verification:
    """What a verification saw."""

    entries: int
    head: Anchor
    faults: Sequence[Fault]

    @property
    def is_sound(self) -> bool:
        """True when every entry is as it was written."""
        return not self.faults


def record(
    event: str,
    subject: Subject,
    detail: Mapping[str, Any] | None = None,
    *,
    before: str | None = None,
    after: str | None = None,
) -> None:
    """Add what is no table's change; it joins the chain when the transaction commits.

    Bodies and tokens have no place here: give `digest(body)`.
    """
    if not (_WORD.fullmatch(event) and _WORD.fullmatch(subject.kind)):
        raise ValueError(f"'{event}' of '{subject.kind}': an event and a kind are words in small letters")
    text = orjson.dumps(_storable(dict(detail or {})), default=str)
    if len(text) > MOST_DETAIL:
        raise ValueError(f"the detail of '{event}' has {len(text)} bytes, at most {MOST_DETAIL} are kept")
    values = [event, subject.kind, *(_storable(value) for value in (subject.id, before, after)), text.decode()]
    with connection.cursor() as cursor:
        cursor.execute("SELECT audit_record(%s, %s, %s, %s, %s, %s::jsonb)", values)


def digest(body: bytes) -> str:
    """Name a request or an answer by its SHA-256, so that its text can be proved later and is not kept here."""
    return sha256(body).hexdigest()


def verify(anchors: Sequence[Anchor] = ()) -> Verification:
    """Read the whole chain in batches and compare it with its own head and with the heads kept elsewhere."""
    before = head()
    found: list[Fault] = [*_guards_off(), *_left_waiting()]
    seen = _Counted(_entries())
    for fault in faults(seen, [before, *anchors]):
        found.append(fault)
        if len(found) >= MOST_FAULTS:
            break
    else:
        found.extend(_beyond_the_head(seen.last, head()))
    return Verification(seen.last, before, found)


def head() -> Anchor:
    """The chain's newest entry, as the database keeps it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT seq, hash FROM audit_head")
        row = cursor.fetchone()
    if row is None:
        raise AuditError(Reason("AUDIT_HEAD_GONE", "The table audit_head is empty.", "Call for help: it was removed."))
    return Anchor(row[0], row[1], "the database")


def export_head(path: Path, *, now: datetime) -> Anchor:
    """Append the head to a file outside the database, unless it contradicts the last one kept there, or is that one.

    One line: time, seq, hash. One process at a time writes it, and it is on disk when this returns.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        kept = _read(path, file.read())
        current = head()
        if kept:
            _require_continuation(kept[-1], current)
            if (kept[-1].seq, kept[-1].hash) == (current.seq, current.hash):
                return kept[-1]
        taken = now.astimezone(IST).isoformat(timespec="seconds")
        file.write(f"{taken} {current.seq} {current.hash}\n".encode())
        file.flush()
        os.fsync(file.fileno())
    return Anchor(current.seq, current.hash, taken)


def read_heads(path: Path) -> list[Anchor]:
    """The heads kept in a file, oldest first."""
    try:
        return _read(path, path.read_bytes())
    except OSError as error:
        sentence = f"{path} cannot be read: {error.strerror}."
        raise AuditError(Reason("AUDIT_HEAD_FILE", sentence, "Name the file that export-head writes.")) from error


def entries_of(subject: Subject | None, *, limit: int) -> list[AuditEntry]:
    """The newest entries, of everything or of one subject, oldest first."""
    rows = AuditEntry.objects.order_by("-seq")
    if subject is not None:
        rows = rows.filter(subject_kind=subject.kind, subject_id=subject.id)
    return list(rows[:limit])[::-1]


class _Counted:
    """Passes entries on and remembers the last seq."""

    def __init__(self, entries: Iterator[Entry]) -> None:
        self._entries = entries
        self.last = 0

    def __iter__(self) -> Iterator[Entry]:
        for entry in self._entries:
            self.last = entry.seq
            yield entry


def _entries() -> Iterator[Entry]:
    """Every entry in one snapshot, a batch at a time; the next batch is fetched while this one is hashed."""
    with (
        transaction.atomic(),
        closing(connection.chunked_cursor()) as cursor,
        ThreadPoolExecutor(max_workers=1) as ahead,
    ):
        cursor.execute(_ENTRIES)
        coming = ahead.submit(cursor.fetchmany, BATCH)
        while batch := coming.result():
            coming = ahead.submit(cursor.fetchmany, BATCH)
            yield from map(Entry._make, batch)


def _guards_off() -> Iterator[Fault]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT name FROM unnest(%s::text[]) WITH ORDINALITY AS guard (name, place) WHERE NOT EXISTS"
            " (SELECT FROM pg_trigger WHERE tgname = name AND tgenabled = 'A') ORDER BY place",
            [list(_GUARDS)],
        )
        for (name,) in cursor.fetchall():
            yield Fault(0, "GUARD_OFF", f"The trigger {name} is switched off or gone.")


def _left_waiting() -> Iterator[Fault]:
    """What committed without being chained; entries of running transactions are not visible here."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM audit_pending")
        (number,) = cursor.fetchone()
    if number and not connection.in_atomic_block:
        yield Fault(0, "UNCHAINED", f"{number} entries were committed past the chain.")


def _beyond_the_head(last: int, after: Anchor) -> Iterator[Fault]:
    if last > after.seq:
        yield Fault(after.seq + 1, "INSERTED", f"Entries {after.seq + 1} to {last} stand after the chain's head.")


def _require_continuation(kept: Anchor, current: Anchor) -> None:
    """What was the head must still stand there; cheap, and found within minutes."""
    if kept.seq:
        stored = AuditEntry.objects.filter(pk=kept.seq).values_list("hash", flat=True).first()
        if stored != kept.hash or current.seq < kept.seq:
            sentence = f"Entry {kept.seq} is not what was exported at {kept.taken}."
            raise AuditError(Reason("AUDIT_REWRITTEN", sentence, "Run: python manage.py audit verify --head FILE"))


def _read(path: Path, content: bytes) -> list[Anchor]:
    lines = content.decode("utf-8", "replace").splitlines()
    found = [_LINE.fullmatch(line) for line in lines]
    for number, match in enumerate(found, start=1):
        if match is None:
            sentence = f"Line {number} of {path} is no head of the chain."
            raise AuditError(Reason("AUDIT_HEAD_FILE", sentence, "A line is: time, seq, hash."))
    return [Anchor(int(match["seq"]), match["hash"], match["taken"]) for match in found if match]


def _storable(value: Any) -> Any:
    """Text that PostgreSQL can keep: no NUL, no half of a surrogate pair."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode().replace("\0", "\ufffd")
    if isinstance(value, Mapping):
        return {_storable(str(name)): _storable(item) for name, item in value.items()}
    return [_storable(item) for item in value] if isinstance(value, list | tuple) else value
