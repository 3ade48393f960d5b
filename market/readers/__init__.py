"""Reads recorded option chains: the form is told by the content, never by the extension alone.

`batches(path)` opens the file and groups its members by moment; `readings(batch)` turns a group into chains
that passed the gate, and says what was refused and why.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from market.errors import BadChain, Reason
from market.ports import CapturedChain
from market.readers import dhan_chain, nse_page, one_minute, stock_chain
from market.readers.archive import Member, bad, members
from market.readers.gate import sift
from market.readers.rows import Table
from market.readers.stamps import session_stamp

Batch = Sequence[Member]


@dataclass(frozen=True, slots=True)
class Reading:
    """What one member (or one stamp of a larger file) gave: chains to keep, rows rejected, chains refused."""

    name: str
    chains: tuple[CapturedChain, ...] = ()
    rejected: Counter[str] = field(default_factory=Counter)
    refusals: tuple[Reason, ...] = ()


def batches(path: Path) -> list[Batch]:
    """The members of a file; members that hold one moment's expiries in several folders come together.

    Raises BadChain when the file as a whole cannot be read.
    """
    grouped: dict[str, list[Member]] = defaultdict(list)
    for member in members(path):
        grouped[nse_page.moment_key(member.name) or member.name].append(member)
    return list(grouped.values())


def readings(batch: Batch, *, source: str | None = None) -> Iterator[Reading]:
    """The chains of one batch, stamped and sifted; a bad member is a refusal, not an error."""
    drafts: list[CapturedChain] = []
    rejected: Counter[str] = Counter()
    refusals: list[Reason] = []
    for member in batch:
        try:
            if one_minute.recognises(member):
                yield from _minutes(member, source or one_minute.SLUG)
                continue
            chains, faults = _read(member, source)
        except BadChain as refusal:
            refusals.append(refusal.reason)
            continue
        drafts += chains
        rejected += faults
    if drafts or refusals or rejected:
        yield _gated(batch[0].name, _merged(drafts), rejected, refusals)


def _read(member: Member, source: str | None) -> tuple[list[CapturedChain], Counter[str]]:
    if dhan_chain.recognises(member):
        return dhan_chain.read(member, source=source or dhan_chain.SLUG)
    table = Table(member)
    for form in (stock_chain, nse_page):
        if form.recognises(table.columns):
            chains, rejected = form.read(table, source=source or form.slug(member.name))
            if not chains:
                raise bad("NO_ROWS", f"{member.name} holds no usable rows.")
            return chains, rejected
    shown = ", ".join(table.columns[:6])[:120]
    raise bad("WRONG_COLUMNS", f"{member.name} is no known form of option chain; it begins with {shown}.")


def _minutes(member: Member, source: str) -> Iterator[Reading]:
    for chains, rejected in one_minute.read(member, source=source):
        yield _gated(f"{member.name} {chains[0].taken_at:%H:%M:%S}", chains, rejected, [])


def _gated(name: str, chains: Sequence[CapturedChain], rejected: Counter[str], refusals: list[Reason]) -> Reading:
    kept = []
    for chain in chains:
        try:
            stamped = _stamped(chain)
            clean, faults = sift(stamped, day=stamped.taken_at.date())
        except BadChain as refusal:
            refusals = [*refusals, refusal.reason]
            continue
        kept.append(clean)
        rejected = rejected + faults
    return Reading(name, tuple(kept), rejected, tuple(refusals))


def _stamped(chain: CapturedChain) -> CapturedChain:
    """The chain, and each quote that has a time of its own, at the moment of the session they are valid for."""
    taken_at = session_stamp(chain.taken_at, symbol=chain.underlying)
    if not any(quote.quoted_at for quote in chain.quotes):
        return replace(chain, taken_at=taken_at)
    stamps = [session_stamp(quote.quoted_at or chain.taken_at, symbol=chain.underlying) for quote in chain.quotes]
    quotes = tuple(
        replace(quote, quoted_at=None if stamp == taken_at else stamp)
        for quote, stamp in zip(chain.quotes, stamps, strict=True)
    )
    return replace(chain, taken_at=taken_at, quotes=quotes)


def _merged(chains: Sequence[CapturedChain]) -> list[CapturedChain]:
    """One chain per underlying and moment: the expiries of one page belong together."""
    merged: dict[tuple[str, datetime], CapturedChain] = {}
    for chain in chains:
        key = (chain.underlying, chain.taken_at)
        held = merged.get(key)
        merged[key] = chain if held is None else replace(held, quotes=held.quotes + chain.quotes)
    return list(merged.values())
