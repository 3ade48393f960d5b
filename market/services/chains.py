"""Keeps captured chains: store them once, refuse what contradicts, read back what was known at a moment."""

import hashlib
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

from django.db import connection, transaction

from market.calendar import IST
from market.errors import BadChain, Reason
from market.models import ChainSnapshot, FileImport, OptionQuote
from market.ports import CapturedChain, CapturedQuote
from market.readers import Reading, batches, readings
from market.readers.gate import sift

logger = logging.getLogger(__name__)

BATCH_QUOTES = 20_000
_COPY = (
    "COPY option_chain_data (snapshot_id, symbol, index, quoted_at, expiry_date, strike_price, option_type, ltp, bid,"
    " ask, bid_quantity, ask_quantity, volume, open_interest, implied_volatility) FROM STDIN"
)
_INSERT = (
    "INSERT INTO chain_snapshots (symbol, taken_at, source, spot, is_index, quote_count, content_hash, created_at)"
    " SELECT *, now() FROM unnest(%s::text[], %s::timestamptz[], %s::text[], %s::numeric[], %s::bool[], %s::int[],"
    " %s::text[]) ON CONFLICT (symbol, taken_at, source) DO NOTHING RETURNING id, symbol, taken_at, source"
)

_CONFLICT = "A different chain is already stored under the same symbol and time."

Key = tuple[str, datetime, str]
Progress = Callable[[int, int], None]


@dataclass(slots=True)
class StoreCounts:
    """What came of storing: snapshots by outcome, quotes written, chains refused and rows rejected by code."""

    stored: int = 0
    unchanged: int = 0
    replaced: int = 0
    quotes: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)

    @property
    def landed(self) -> int:
        """Snapshots that are in the database now, whoever wrote them."""
        return self.stored + self.unchanged + self.replaced

    def add(self, other: "StoreCounts") -> None:
        """Take another batch's counts in."""
        self.stored += other.stored
        self.unchanged += other.unchanged
        self.replaced += other.replaced
        self.quotes += other.quotes
        self.refused.update(other.refused)
        self.rejected.update(other.rejected)


@dataclass(slots=True)
class ChainImport:
    """One file's import: its row, how many members it had, what came of them, and the first sentence per refusal.

    `symbols` are the underlyings of its usable chains, wanted or not; `absent` the wanted ones not among them.
    """

    record: FileImport
    members: int = 0
    counts: StoreCounts = field(default_factory=StoreCounts)
    sentences: dict[str, str] = field(default_factory=dict)
    symbols: set[str] = field(default_factory=set)
    absent: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which chains of a file to keep; empty means all."""

    symbols: frozenset[str] = frozenset()
    first: date | None = None
    last: date | None = None

    def takes(self, chain: CapturedChain) -> bool:
        """Whether this chain was asked for."""
        day = chain.taken_at.astimezone(IST).date()
        if self.symbols and chain.underlying not in self.symbols:
            return False
        return (self.first is None or day >= self.first) and (self.last is None or day <= self.last)


@dataclass(frozen=True, slots=True)
class _Packed:
    """A chain ready for COPY: its lines without snapshot and time, the times of quotes that have their own, a hash."""

    chain: CapturedChain
    lines: tuple[str, ...]
    times: Mapping[int, str]  # by place among the lines
    content_hash: str

    @property
    def key(self) -> Key:
        return (self.chain.underlying, self.chain.taken_at, self.chain.source)


def import_chain_file(
    path: Path,
    *,
    source: str | None = None,
    wanted: Wanted | None = None,
    limit: int | None = None,
    replace: bool = False,
    progress: Progress = lambda done, total: None,
) -> ChainImport:
    """Store every wanted chain of a file; its FileImport row tells the outcome even when the process dies midway."""
    name = path.name[:255]
    record = FileImport(kind=FileImport.Kind.CHAINS, source=source or "recorded", file_name=name)
    try:
        record.sha256 = digest(path)
        groups = batches(path)[:limit]
    except BadChain as refusal:
        refuse(record, refusal.reason)
        raise
    _begin(record)
    chosen = wanted or Wanted()
    result = ChainImport(record, members=sum(len(group) for group in groups))

    def chains() -> Iterator[CapturedChain]:
        for done, group in enumerate(groups, start=1):
            for reading in readings(group, source=source):
                yield from _taken(reading, result, chosen)
            progress(done, len(groups))

    result.counts.add(store_chains(chains(), file_import=record, replace=replace))
    result.absent = tuple(sorted(chosen.symbols - result.symbols))
    _finish(result)
    return result


def store_chains(
    chains: Iterable[CapturedChain], *, file_import: FileImport | None = None, replace: bool = False
) -> StoreCounts:
    """Store chains by COPY, one transaction per batch: what is stored stays stored when a later batch fails.

    A chain already stored (same symbol, time and source) is unchanged when its content is the same, else it is
    refused with CONFLICT, or replaces the old one when `replace` is set. Safe to run at the same time as itself.
    """
    total = StoreCounts()
    for batch, rejected, refused in _batched(chains):
        with transaction.atomic():
            counts = _store_batch(batch, replace=replace)
            if file_import is not None:
                file_import.row_count += counts.quotes
                file_import.inserted += counts.stored
                file_import.updated += counts.replaced
                file_import.save(update_fields=["row_count", "inserted", "updated"])
        counts.rejected.update(rejected)
        counts.refused.update(refused)
        total.add(counts)
    return total


def store_chain(chain: CapturedChain, *, replace: bool = False) -> ChainSnapshot:
    """Store one chain just captured; raises BadChain when it must not be used or contradicts what is stored."""
    clean, rejected = sift(chain, day=_session_day(chain))
    if rejected:
        logger.warning("Chain of %s: quotes rejected %s", chain.underlying, dict(rejected))
    with transaction.atomic():
        counts = _store_batch([_packed(clean)], replace=replace)
    if counts.refused:
        sentence = f"A different chain of {chain.underlying} at {chain.taken_at:%Y-%m-%d %H:%M:%S} is already stored."
        raise BadChain(Reason("CONFLICT", sentence, "Replace it explicitly if the new one is right."))
    key = {"symbol": clean.underlying, "taken_at": clean.taken_at, "source": clean.source}
    return ChainSnapshot.objects.get(**key)


def _taken(reading: Reading, result: ChainImport, wanted: Wanted) -> Iterator[CapturedChain]:
    result.counts.rejected.update(reading.rejected)
    for reason in reading.refusals:
        result.counts.refused[reason.code] += 1
        result.sentences.setdefault(reason.code, reason.sentence)
    result.symbols.update(chain.underlying for chain in reading.chains)
    yield from (chain for chain in reading.chains if wanted.takes(chain))


def digest(path: Path) -> str:
    """The sha256 of a file; empty for a folder or nothing."""
    if not path.is_file():
        return ""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _begin(record: FileImport) -> None:
    record.status = FileImport.Status.REFUSED
    record.reason_code, record.reason_text = "INTERRUPTED", "The import did not finish."
    record.save()


def refuse(record: FileImport, reason: Reason) -> None:
    """Keep the attempt and why nothing of it was taken."""
    record.status = FileImport.Status.REFUSED
    record.reason_code, record.reason_text = reason.code[:40], reason.sentence
    record.save()
    logger.warning("Chains of %s refused: %s", record.file_name, reason.code)


def _finish(result: ChainImport) -> None:
    record, counts = result.record, result.counts
    record.rejected = {**counts.rejected, **{f"chain:{code}": number for code, number in counts.refused.items()}}
    if "CONFLICT" in counts.refused:
        result.sentences.setdefault("CONFLICT", _CONFLICT)
    if not counts.landed:
        refuse(record, _why_nothing(result))
        return
    changed = counts.stored + counts.replaced
    record.status = FileImport.Status.ACCEPTED if changed else FileImport.Status.UNCHANGED
    without = _without(result) if result.absent else None
    record.reason_code, record.reason_text = (without.code, without.sentence) if without else ("", "")
    record.save()
    logger.info("Chains of %s imported: %d stored, %d unchanged", record.file_name, counts.stored, counts.unchanged)


def _why_nothing(result: ChainImport) -> Reason:
    refused = result.counts.refused
    if result.absent and (result.symbols or not refused):
        return _without(result)
    if not refused:
        return Reason("NO_MATCH", f"{result.record.file_name} holds no chain of the symbols and days asked for.")
    code, _ = refused.most_common(1)[0]
    return Reason(code, " ".join([result.sentences[code], *_losses(result.counts)]))


def _without(result: ChainImport) -> Reason:
    sentence = f"{result.record.file_name} holds no usable chain of {', '.join(result.absent)}."
    return Reason("NO_MATCH", " ".join([sentence, *_losses(result.counts)]))


def _losses(counts: StoreCounts) -> Iterator[str]:
    """Everything that did not land, so that no reason hides another."""
    for what, codes in (("Chains refused", counts.refused), ("Rows rejected", counts.rejected)):
        if codes:
            yield f"{what}: {', '.join(f'{code} {number:,}' for code, number in sorted(codes.items()))}."


def _batched(chains: Iterable[CapturedChain]) -> Iterator[tuple[list[_Packed], Counter[str], Counter[str]]]:
    """Packs of at most about BATCH_QUOTES quotes in which no key stands twice; bad chains only counted."""
    batch: dict[Key, _Packed] = {}
    rejected, refused, quotes = Counter[str](), Counter[str](), 0
    for chain in chains:
        try:
            clean, faults = sift(chain, day=_session_day(chain))
        except BadChain as refusal:
            refused[refusal.reason.code] += 1
            continue
        rejected.update(faults)
        packed = _packed(clean)
        if packed.key in batch or quotes >= BATCH_QUOTES:
            yield list(batch.values()), rejected, refused
            batch, rejected, refused, quotes = {}, Counter(), Counter(), 0
        batch[packed.key] = packed
        quotes += len(packed.lines)
    yield list(batch.values()), rejected, refused


def _session_day(chain: CapturedChain) -> date:
    return chain.taken_at.astimezone(IST).date()


def _packed(chain: CapturedChain) -> _Packed:
    lines = tuple(map(_line, chain.quotes))
    head = f"{chain.spot!r}\t{chain.is_index}\n"
    times = {place: quote.quoted_at.isoformat() for place, quote in enumerate(chain.quotes) if quote.quoted_at}
    tail = "".join(f"{place}\t{time}\n" for place, time in times.items())
    digest = hashlib.sha256((head + "".join(lines) + tail).encode()).hexdigest()
    return _Packed(chain, lines, times, digest)


def _line(quote: CapturedQuote) -> str:
    values = (
        *(quote.expiry, quote.strike, quote.option_type.code, quote.last_price, quote.bid, quote.ask),
        *(quote.bid_quantity, quote.ask_quantity, quote.volume, quote.open_interest, quote.implied_volatility),
    )
    return "\t".join(["\\N" if value is None else str(value) for value in values]) + "\n"


def _store_batch(batch: Sequence[_Packed], *, replace: bool) -> StoreCounts:
    counts = StoreCounts()
    fresh = _insert_snapshots(batch)
    rows = [(fresh[packed.key], packed) for packed in batch if packed.key in fresh]
    counts.stored = len(rows)
    known = [packed for packed in batch if packed.key not in fresh]
    held = _held(known)
    for packed in known:
        snapshot = held[packed.key]
        if snapshot.content_hash == packed.content_hash:
            counts.unchanged += 1
        elif not replace:
            counts.refused["CONFLICT"] += 1
        else:
            _overwrite(snapshot, packed)
            rows.append((snapshot.pk, packed))
            counts.replaced += 1
    _copy_quotes(rows)
    counts.quotes = sum(len(packed.lines) for _, packed in rows)
    return counts


def _insert_snapshots(batch: Sequence[_Packed]) -> dict[Key, int]:
    """Ids of the snapshots that were new; a concurrent import of the same chain waits here, then finds it known."""
    if not batch:
        return {}
    ordered = sorted(batch, key=lambda packed: packed.key)  # one order for everyone: no deadlock between imports
    chains = [packed.chain for packed in ordered]
    columns: list[Any] = [
        [chain.underlying for chain in chains],
        [chain.taken_at for chain in chains],
        [chain.source for chain in chains],
        [None if chain.spot is None else str(chain.spot) for chain in chains],
        [chain.is_index for chain in chains],
        [len(packed.lines) for packed in ordered],
        [packed.content_hash for packed in ordered],
    ]
    with connection.cursor() as cursor:
        cursor.execute(_INSERT, columns)
        return {(symbol, taken_at, source): pk for pk, symbol, taken_at, source in cursor.fetchall()}


def _held(known: Sequence[_Packed]) -> dict[Key, ChainSnapshot]:
    if not known:
        return {}
    symbols, moments, sources = (set(values) for values in zip(*(packed.key for packed in known), strict=True))
    found = ChainSnapshot.objects.filter(symbol__in=symbols, taken_at__in=moments, source__in=sources)
    return {(row.symbol, row.taken_at, row.source): row for row in found.order_by("id").select_for_update()}


def _overwrite(snapshot: ChainSnapshot, packed: _Packed) -> None:
    OptionQuote.objects.filter(snapshot=snapshot).delete()
    chain = packed.chain
    values = {"spot": None if chain.spot is None else str(chain.spot), "is_index": chain.is_index}
    ChainSnapshot.objects.filter(pk=snapshot.pk).update(
        **values, quote_count=len(packed.lines), content_hash=packed.content_hash
    )


def _copy_quotes(rows: Sequence[tuple[int, _Packed]]) -> None:
    if not rows:
        return
    with connection.cursor() as cursor, cursor.copy(_COPY) as copy:
        for pk, packed in rows:
            chain, times = packed.chain, packed.times
            head, time = f"{pk}\t{chain.underlying}\t{chain.is_index}\t", chain.taken_at.isoformat()
            copy.write("".join([f"{head}{times.get(place, time)}\t{line}" for place, line in enumerate(packed.lines)]))
