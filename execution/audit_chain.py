"""The audit chain as arithmetic: what an entry hashes to, and where a chain is broken."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import NamedTuple

GENESIS = "0" * 64  # the link of entry 1
# Control characters, which are blanked before an entry is written: as the number of fields is fixed, a forged one
# in some field can never give the text of another entry.
_BETWEEN, _NULL = "\x1f", "\x1e"


class Entry(NamedTuple):
    """One row as stored: `at` in microseconds since 1970, `detail` as PostgreSQL prints the jsonb."""

    seq: int
    at: int
    actor: str
    subject_kind: str
    subject_id: str
    event: str
    before: str | None
    after: str | None
    detail: str
    prev_hash: str
    hash: str


@dataclass(frozen=True, slots=True)
class Anchor:
    """A chain's head as it once was: the hash that stood at a seq."""

    seq: int
    hash: str
    taken: str  # when and where, for people


@dataclass(frozen=True, slots=True)
class Fault:
    """One place where the chain is not what was written."""

    seq: int
    code: str
    sentence: str


def canonical(entry: Entry) -> str:
    """Return the text that is hashed: the fields but the hash, joined by a sign that no field holds.

    The SQL function `audit_canonical` writes the same; a property test compares the two.
    """
    seq, at, actor, kind, subject, event, before, after, detail, link, _ = entry
    return _BETWEEN.join(
        (
            *(str(seq), str(at), actor, kind, subject, event),
            *(_NULL if before is None else before, _NULL if after is None else after),
            *(detail, link),
        )
    )


def entry_hash(entry: Entry) -> str:
    """Return the hash that the entry must carry."""
    return sha256(canonical(entry).encode()).hexdigest()


def faults(entries: Iterable[Entry], anchors: Iterable[Anchor] = ()) -> Iterator[Fault]:
    """Walk a chain from entry 1 in the order of seq and name every entry that is not as it was written.

    A chain whose tail was cut, or rewritten to its end with fresh hashes, is sound in itself:
    only anchors kept elsewhere show it.
    """
    kept = _by_seq(anchors)
    last, good = 0, 0  # the entry before, and the last one that an anchor confirmed
    link: str | None = GENESIS  # what the next entry must hold; None after one that is known to be wrong
    for entry in entries:
        seq, true = entry.seq, entry_hash(entry)
        if seq != last + 1:
            yield _out_of_step(last, seq)
            link = None
        if entry.hash != true:
            yield Fault(seq, "EDITED", f"Entry {seq} is not what its hash was made from.")
        elif link is not None and entry.prev_hash != link:
            yield _replaced(seq - 1)
        if seq in kept:
            yield from _rewritten(entry, kept.pop(seq), good)
            good = seq
        last, link = seq, true if entry.hash == true else None
    yield from _cut(last, kept)


def _by_seq(anchors: Iterable[Anchor]) -> dict[int, list[Anchor]]:
    kept: dict[int, list[Anchor]] = {}
    for anchor in anchors:
        if anchor.seq:  # the head of an empty chain says nothing
            kept.setdefault(anchor.seq, []).append(anchor)
    return kept


def _out_of_step(last: int, seq: int) -> Fault:
    if seq <= last:
        return Fault(seq, "INSERTED", f"Entry {seq} stands there without a place in the chain.")
    missing = f"Entry {last + 1} is" if seq == last + 2 else f"Entries {last + 1} to {seq - 1} are"
    return Fault(last + 1, "MISSING", f"{missing} missing.")


def _replaced(seq: int) -> Fault:
    if seq == 0:
        return Fault(1, "REPLACED", "Entry 1 does not begin the chain.")
    return Fault(seq, "REPLACED", f"Entry {seq} is not the one that entry {seq + 1} was linked to.")


def _rewritten(entry: Entry, anchors: Iterable[Anchor], good: int) -> Iterator[Fault]:
    for anchor in anchors:
        if anchor.hash != entry.hash:
            span = f"{good + 1} to {entry.seq}" if good + 1 < entry.seq else str(entry.seq)
            sentence = f"Entry {entry.seq} is not the head known from {anchor.taken}; rewritten somewhere in {span}."
            yield Fault(entry.seq, "REWRITTEN", sentence)
            return


def _cut(last: int, kept: Mapping[int, list[Anchor]]) -> Iterator[Fault]:
    beyond = [seq for seq in kept if seq > last]
    if beyond:
        end = max(beyond)
        missing = f"Entry {end} is" if end == last + 1 else f"Entries {last + 1} to {end} are"
        yield Fault(last + 1, "CUT", f"{missing} missing at the end; the head is known from {kept[end][0].taken}.")
