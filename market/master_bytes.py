"""The bytes of an instrument master before anyone reads them: unpacked, cleaned, or refused whole."""

import zlib
from collections.abc import Iterable, Iterator

from market.errors import BadMaster, Reason
from market.master import KEPT, refuse

LONGEST_LINE = 4_096
LARGEST_FILE = 1_000_000_000


def unpacked(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Undo gzip where the bytes say so, whatever the file is called."""
    source = iter(chunks)
    head = b""
    while len(head) < 2 and (chunk := next(source, b"")):
        head += chunk
    if not head.startswith(b"\x1f\x8b"):
        yield from _chained(head, source)
        return
    yield from _gunzipped(_chained(head, source))


def _chained(head: bytes, rest: Iterable[bytes]) -> Iterator[bytes]:
    if head:
        yield head
    yield from rest


def _gunzipped(chunks: Iterable[bytes]) -> Iterator[bytes]:
    unzip = zlib.decompressobj(wbits=31)
    try:
        for chunk in chunks:
            if unzip.eof:
                if not chunk.strip(b"\0"):
                    continue
                refuse("GZIP_BROKEN", "Something follows the end of the compressed master.")
            yield from _inflated(unzip, chunk)
    except zlib.error as error:
        raise BadMaster(Reason("GZIP_BROKEN", f"The compressed master cannot be read: {error}.", KEPT)) from error
    if not unzip.eof:
        refuse("TRUNCATED", "The compressed master ends before its end.")


def _inflated(unzip: "zlib._Decompress", chunk: bytes) -> Iterator[bytes]:
    """At most one megabyte at a time, so that a bomb meets the size limit before it meets the memory."""
    while chunk and not unzip.eof:
        if part := unzip.decompress(chunk, 1 << 20):
            yield part
        chunk = unzip.unconsumed_tail
    if unzip.unused_data.strip(b"\0"):
        refuse("GZIP_BROKEN", "Something follows the end of the compressed master.")


def cleaned(chunks: Iterable[bytes], *, largest: int = LARGEST_FILE) -> Iterator[bytes]:
    """The text of a master without its byte order mark and trailing blank lines; raises BadMaster for garbage."""
    total, since_newline, held = 0, 0, b""
    started = False
    for piece in unpacked(chunks):
        chunk = piece if started else _opened(piece)
        started = True
        total += len(chunk)
        if total > largest:
            refuse("TOO_LARGE", f"The master is larger than {largest:,} bytes.")
        if b"\0" in chunk:
            refuse("NUL_BYTES", "The master holds NUL bytes.")
        since_newline = _longest_run(chunk, since_newline)
        text = held + chunk
        kept = text.rstrip(b"\r\n")
        held = text[len(kept) :]
        if len(held) > LONGEST_LINE:
            refuse("NOT_CSV", "The master is full of blank lines.")
        if kept:
            yield kept
    if total == 0:
        refuse("EMPTY", "The master is empty.")


def _opened(chunk: bytes) -> bytes:
    """The first bytes say what kind of thing this is."""
    if chunk.startswith((b"\xff\xfe", b"\xfe\xff")) or chunk[:2].count(0) == 1:
        refuse("UTF16", "The master is written in UTF-16.", "Save it as UTF-8 CSV, or fetch it again from Dhan.")
    chunk = chunk.removeprefix(b"\xef\xbb\xbf")
    if chunk.lstrip()[:1] in (b"<", b"{", b"[", b"%") or chunk.startswith(b"PK\x03\x04"):
        refuse("NOT_CSV", "This is not a CSV file; it looks like a web page or another document.")
    return chunk


def _longest_run(chunk: bytes, since_newline: int) -> int:
    """Refuse a line over the limit; return how many bytes the last, open line has so far."""
    position = -since_newline
    while len(chunk) - position > LONGEST_LINE:
        newline = chunk.rfind(b"\n", max(position, 0), position + LONGEST_LINE + 1)
        if newline < 0:
            refuse("LONG_LINE", f"A line of the master is longer than {LONGEST_LINE:,} bytes.")
        position = newline + 1
    last = chunk.rfind(b"\n")
    return len(chunk) - last - 1 if last >= 0 else since_newline + len(chunk)
