"""The instrument master: take a new one in whole or not at all, and say which is in force."""

import hashlib
import logging
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import IO

from django.db import transaction

from market.errors import BadMaster, Reason
from market.master import (
    FEWEST_ROWS,
    KEPT,
    PARTIAL,
    Layout,
    Listing,
    Ruling,
    Shape,
    infer_date,
    judge,
    read_layout,
    refuse,
    weigh,
)
from market.master_bytes import LONGEST_LINE, cleaned
from market.models import FileImport, Instrument
from market.services import master_swap
from market.services.master_origin import Readable

logger = logging.getLogger(__name__)

Progress = Callable[..., None]
_CHUNK = 1 << 18
_STEPS = ("reading", "staging", "judging", "comparing", "storing", "linking")


@dataclass(frozen=True, slots=True)
class MasterStatus:
    """Which master is in force, and whether a newer attempt failed."""

    current: FileImport | None
    refused: FileImport | None
    active_instruments: int

    @property
    def stale(self) -> bool:
        """True if what is stored must not be traded on without a look."""
        return self.current is None or self.refused is not None


@dataclass(frozen=True, slots=True)
class _Options:
    source: str
    as_of: date | None
    allow_shrink: bool
    allow_older: bool
    recognise_unchanged: bool
    fewest_rows: int
    step: Callable[[int], None]


@dataclass(frozen=True, slots=True)
class _Spooled:
    """A cleaned master on disk."""

    file: IO[bytes]
    sha256: str
    lines: int


def import_scrip_master(
    path_or_stream: str | Path | Readable,
    *,
    source: str,
    file_name: str = "",
    as_of: date | None = None,
    progress: Progress | None = None,
    allow_shrink: bool = False,
    allow_older: bool = False,
    recognise_unchanged: bool = True,
    fewest_rows: int = FEWEST_ROWS,
) -> FileImport:
    """Make a master the one in force, in one transaction; a file that must not be used is recorded and refused.

    A path that cannot be opened is refused without a record: it says nothing about the master in force.
    `as_of` is the day the file is of; without it the day is read from the file (`master.infer_date`).
    """
    options = _Options(source, as_of, allow_shrink, allow_older, recognise_unchanged, fewest_rows, _stepper(progress))
    attempt = FileImport(kind=FileImport.Kind.MASTER, source=source, file_name=file_name or _name_of(path_or_stream))
    with _opened(path_or_stream) as stream, tempfile.TemporaryFile() as file:
        try:
            options.step(0)
            spooled = _spool(stream, file)
            attempt.sha256 = spooled.sha256
            with transaction.atomic():
                _take(attempt, spooled, options)
        except BadMaster as refusal:
            _record_refusal(attempt, refusal)
            raise
    options.step(len(_STEPS))
    logger.info(
        "master %s from %s: %s, %d rows, %d inserted, %d updated, %d deactivated",
        *(attempt.file_name, source, attempt.status, attempt.row_count),
        *(attempt.inserted, attempt.updated, attempt.deactivated),
    )
    return attempt


def _name_of(path_or_stream: str | Path | Readable) -> str:
    if isinstance(path_or_stream, str | Path):
        return Path(path_or_stream).name
    return Path(str(getattr(path_or_stream, "name", "stream"))).name


def _opened(path_or_stream: str | Path | Readable) -> AbstractContextManager[Readable]:
    if not isinstance(path_or_stream, str | Path):
        return nullcontext(path_or_stream)
    path = Path(path_or_stream)
    try:
        return path.open("rb")
    except OSError as error:
        code = "FILE_NOT_FOUND" if isinstance(error, FileNotFoundError) else "UNREADABLE"
        sentence = f"The master {path} cannot be opened: {error.strerror}."
        raise BadMaster(Reason(code, sentence, "Give the path of an existing file.")) from error


def _stepper(progress: Progress | None) -> Callable[[int], None]:
    def step(done: int) -> None:
        if progress is not None:
            progress(done, total=len(_STEPS), label=_STEPS[min(done, len(_STEPS) - 1)])

    return step


def _record_refusal(attempt: FileImport, refusal: BadMaster) -> None:
    attempt.pk = None
    attempt.status = FileImport.Status.REFUSED
    attempt.reason_code = refusal.reason.code
    attempt.reason_text = f"{refusal.reason.sentence} {refusal.reason.remedy}".strip()
    attempt.inserted = attempt.updated = attempt.deactivated = 0
    attempt.save(force_insert=True)
    logger.error("master %s from %s refused: %s", attempt.file_name, attempt.source, refusal.reason.code)


def _spool(stream: Readable, file: IO[bytes]) -> _Spooled:
    """Write the cleaned text to disk while hashing it: nothing reaches the database before the last byte is seen."""
    digest, newlines = hashlib.sha256(), 0
    for chunk in cleaned(_chunks(stream)):
        digest.update(chunk)
        newlines += chunk.count(b"\n")
        file.write(chunk)
    file.seek(0)
    return _Spooled(file, digest.hexdigest(), newlines + 1)


def _chunks(stream: Readable) -> Iterator[bytes]:
    try:
        yield from iter(lambda: stream.read(_CHUNK), b"")
    except OSError as error:
        raise BadMaster(Reason("UNREADABLE", f"The master cannot be read: {error.strerror}.", KEPT)) from error


def _take(attempt: FileImport, spooled: _Spooled, options: _Options) -> None:
    master_swap.begin()
    if _already_in_force(attempt, options):
        return
    options.step(1)
    layout = _layout(spooled.file)
    attempt.row_count = master_swap.stage(layout, iter(lambda: spooled.file.read(_CHUNK), b""), lines=spooled.lines)
    options.step(2)
    _judge(attempt, layout, options)
    attempt.status = FileImport.Status.ACCEPTED
    attempt.save()
    options.step(3)
    _swap(attempt, layout, options)
    attempt.save()
    master_swap.clear()


def _already_in_force(attempt: FileImport, options: _Options) -> bool:
    """Recognise the file in force by its hash, unless another day is claimed for it."""
    current = FileImport.objects.masters().usable().first()
    if current is None or not options.recognise_unchanged:
        return False
    same_day = options.as_of is None or options.as_of == current.published_on
    if not same_day or (current.source, current.sha256) != (attempt.source, attempt.sha256):
        return False
    attempt.status = FileImport.Status.UNCHANGED
    attempt.published_on = current.published_on
    attempt.row_count, attempt.rejected = current.row_count, current.rejected
    attempt.save()
    return True


def _layout(file: IO[bytes]) -> Layout:
    try:
        header, first_row = (file.readline(LONGEST_LINE + 1).decode() for _ in range(2))
    except UnicodeDecodeError as error:
        raise BadMaster(Reason("NOT_UTF8", "The master holds bytes that are not UTF-8.", KEPT)) from error
    layout = read_layout(header, first_row)
    if not first_row:
        refuse("EMPTY", "The master has a header and no rows.")
    file.seek(len(header.encode()))
    return layout


def _judge(attempt: FileImport, layout: Layout, options: _Options) -> None:
    """Rule on every shape, date the file, and refuse it whole where it must not replace what is stored."""
    counted = master_swap.shapes(layout)
    rulings = {shape: judge(shape) for shape, _ in counted}
    shares = master_swap.listed_shares(layout, {shape.stem for shape in rulings if shape.stem})
    rulings = {shape: _unless_unlisted(shape, ruling, shares) for shape, ruling in rulings.items()}
    attempt.published_on = options.as_of or infer_date(_listings(counted, rulings))
    rulings = {shape: _unless_expired(ruling, attempt.published_on) for shape, ruling in rulings.items()}
    attempt.rejected = master_swap.rule(layout, rulings)
    weigh(
        rows=attempt.row_count,
        rejected=attempt.rejected,
        previous_rows=_previous_rows(options.source),
        fewest_rows=options.fewest_rows,
        allow_shrink=options.allow_shrink,
    )
    _refuse_duplicates()
    _refuse_without_derivatives(rulings.values(), options)
    _refuse_older(attempt, options)


def _unless_unlisted(shape: Shape, ruling: Ruling, shares: dict[str, set[str]]) -> Ruling:
    """A stock contract whose share the same file does not list has a misread underlying."""
    known = shares.get(shape.exchange)
    if ruling.reason or known is None or shape.instrument_name not in ("FUTSTK", "OPTSTK") or shape.stem in known:
        return ruling
    return Ruling(reason="UNKNOWN_UNDERLYING")


def _unless_expired(ruling: Ruling, day: date | None) -> Ruling:
    if ruling.reason or day is None or ruling.expiry is None or ruling.expiry >= day:
        return ruling
    return ruling._replace(reason="EXPIRED")


def _listings(counted: Iterable[tuple[Shape, int]], rulings: dict[Shape, Ruling]) -> Iterator[Listing]:
    for shape, rows in counted:
        ruling = rulings[shape]
        if ruling.expiry is not None and not ruling.reason:
            yield Listing(ruling.segment, shape.instrument_name, ruling.expiry, rows)


def _previous_rows(source: str) -> int:
    previous = FileImport.objects.masters().usable().filter(source=source).first()
    return previous.row_count if previous else 0


def _refuse_duplicates() -> None:
    if shared := master_swap.duplicates():
        refuse("DUPLICATE_ID", f"Several rows of the master share an id: {', '.join(shared)}.")


def _refuse_without_derivatives(rulings: Iterable[Ruling], options: _Options) -> None:
    if master_swap.count_derivatives():
        return
    if any(ruling.segment in ("NSE_FNO", "BSE_FNO") for ruling in rulings):
        refuse("NO_LIVE_DERIVATIVES", "No index or stock derivative in the master is usable and unexpired.")
    if not options.allow_shrink:
        refuse("NO_LIVE_DERIVATIVES", "The master lists no index or stock derivatives.", PARTIAL)


def _refuse_older(attempt: FileImport, options: _Options) -> None:
    dated = FileImport.objects.masters().usable().filter(source=options.source, published_on__isnull=False).first()
    if options.allow_older or dated is None or dated.published_on is None or attempt.published_on is None:
        return
    if attempt.published_on < dated.published_on:
        refuse(
            "OLDER",
            f"The master is of {attempt.published_on}, the one in force of {dated.published_on}.",
            "Fetch today's file; to go back on purpose, import it with --allow-older.",
        )


def _swap(attempt: FileImport, layout: Layout, options: _Options) -> None:
    done = master_swap.swap(layout, published_on=attempt.published_on, attempt_id=attempt.pk)
    options.step(4)
    attempt.inserted, attempt.updated, attempt.deactivated = done.inserted, done.updated, done.deactivated
    if done.nothing:
        attempt.status = FileImport.Status.UNCHANGED
    else:
        _follow(attempt)
    options.step(5)
    master_swap.link_watchlist()


def _follow(attempt: FileImport) -> None:
    """What follows from changed instruments: lot history and the symbol master."""
    if attempt.published_on is not None:
        master_swap.keep_lots(published_on=attempt.published_on, attempt_id=attempt.pk)
    master_swap.keep_underlyings()


# --- which master is in force ----------------------------------------------------------------------------------------


def current_master(*, source: str | None = None) -> FileImport:
    """The newest usable master; raises BadMaster where there is none, or where a later attempt was refused."""
    current, refused = _in_force(source)
    remedy = "Run manage.py import_scrip_master"
    if current is None:
        raise BadMaster(Reason("NO_MASTER", "No instrument master has been imported yet.", f"{remedy}."))
    if refused is not None:
        day = current.published_on or "an unknown day"
        sentence = f"The instrument master of {day} is stale: a later one was refused ({refused.reason_code})."
        raise BadMaster(Reason("MASTER_STALE", sentence, f"{remedy} with a good file."))
    return current


def master_status(*, source: str | None = None) -> MasterStatus:
    """What pages and the doctor show; never raises."""
    return MasterStatus(*_in_force(source), Instrument.objects.active().count())


def _in_force(source: str | None) -> tuple[FileImport | None, FileImport | None]:
    """The newest usable master, and a later attempt that was refused (one query, two after a bad attempt)."""
    attempts = FileImport.objects.masters()
    if source is not None:
        attempts = attempts.filter(source=source)
    newest = attempts.first()
    if newest is None or newest.status != FileImport.Status.REFUSED:
        return newest, None
    return attempts.usable().first(), newest
