"""Opens what a file really is, told by its first bytes: plain, gzip, xz, tar inside either, or zip.

Nothing is ever unpacked to disk: members are read in memory under a size cap, so a name such as
`../../etc/passwd` is only a name, and a decompression bomb ends as a refusal.
"""

import gzip
import io
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from market.errors import BadChain, Reason

TOTAL_CAP = 512 * 1024 * 1024  # bytes; the largest real archive holds 55 MiB
MEMBER_CAP = 128 * 1024 * 1024
LINE_CAP = 64 * 1024  # characters; real lines hold under 400
_XZ, _GZIP, _ZIP = b"\xfd7zXZ\x00", b"\x1f\x8b", b"PK\x03\x04"
_WIDE = (b"\xff\xfe", b"\xfe\xff")
_TAR_END = b"\0" * 1024  # POSIX ustar: two zero blocks close an archive


@dataclass(frozen=True, slots=True)
class Member:
    """One file's bytes and the name it came under."""

    name: str
    data: bytes


def bad(code: str, sentence: str, remedy: str = "") -> BadChain:
    """The refusal of a file or member."""
    return BadChain(Reason(code, sentence, remedy))


def members(path: Path, *, cap: int = TOTAL_CAP) -> list[Member]:
    """Every file inside `path`: of an archive its members, else the file itself."""
    try:
        data = _capped(path.open("rb"), path.name, cap)
    except OSError as error:
        code = "FILE_NOT_FOUND" if isinstance(error, FileNotFoundError) else "FILE_UNREADABLE"
        raise bad(code, f"{path} cannot be read: {error.strerror}.", "Check the path.") from error
    found = list(_opened(Member(path.name, data), cap))
    if not found:
        raise bad("EMPTY", f"{path.name} holds no files.")
    return found


def _opened(file: Member, cap: int) -> Iterator[Member]:
    if file.data.startswith(_ZIP):
        return _zipped(file, cap)
    plain = Member(_inner_name(file.name), _decompressed(file, cap))
    if plain.data[257:262] == b"ustar":
        return _tarred(plain)
    return iter([plain])


def _decompressed(file: Member, cap: int) -> bytes:
    try:
        if file.data.startswith(_XZ):
            return _capped(lzma.open(io.BytesIO(file.data)), file.name, cap)
        if file.data.startswith(_GZIP):
            return _capped(gzip.open(io.BytesIO(file.data)), file.name, cap)
    except (EOFError, lzma.LZMAError, gzip.BadGzipFile, zlib.error) as error:
        raise _truncated(file.name) from error
    return file.data


def _capped(stream: BinaryIO | gzip.GzipFile | lzma.LZMAFile, name: str, cap: int) -> bytes:
    with stream:
        data = stream.read(cap + 1)
    if len(data) > cap:
        raise bad("TOO_LARGE", f"{name} holds more than {cap:,} bytes.", "Split it.")
    return data


def _truncated(name: str) -> BadChain:
    return bad("TRUNCATED", f"{name} is cut off or damaged.", "Fetch it again.")


def _tarred(file: Member) -> Iterator[Member]:
    if not file.data.endswith(_TAR_END):
        raise _truncated(file.name)
    try:
        with tarfile.open(fileobj=io.BytesIO(file.data), mode="r:") as archive:
            for entry in archive:
                content = archive.extractfile(entry) if entry.isfile() else None
                if content is not None:
                    yield Member(entry.name, _capped(io.BytesIO(content.read()), entry.name, MEMBER_CAP))
    except tarfile.TarError as error:
        raise _truncated(file.name) from error


def _zipped(file: Member, cap: int) -> Iterator[Member]:
    try:
        with zipfile.ZipFile(io.BytesIO(file.data)) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir()]
            if sum(entry.file_size for entry in entries) > cap:
                raise bad("TOO_LARGE", f"{file.name} holds more than {cap:,} bytes.", "Split it.")
            for entry in entries:
                yield Member(entry.filename, archive.read(entry))
    except (zipfile.BadZipFile, EOFError, zlib.error) as error:
        raise _truncated(file.name) from error
    except (RuntimeError, NotImplementedError) as error:
        raise bad("ENCRYPTED", f"{file.name} is encrypted or packed in an unknown way.") from error


def _inner_name(name: str) -> str:
    for suffix in (".gz", ".xz"):
        name = name.removesuffix(suffix)
    return name


def text_of(member: Member) -> str:
    """The member as text, refused when it is empty, binary, UTF-16, HTML or not UTF-8."""
    data = member.data
    head = data[:512].lstrip(b"\xef\xbb\xbf \t\r\n")
    if not head:
        raise bad("EMPTY", f"{member.name} is empty.", "Fetch it again.")
    if data.startswith(_WIDE):
        raise bad("UTF16", f"{member.name} is UTF-16 text.", "Save it as UTF-8.")
    if b"\0" in data:
        raise bad("NUL_BYTES", f"{member.name} holds NUL bytes.", "Fetch it again.")
    if head.startswith(b"<"):
        raise bad("HTML", f"{member.name} is a web page, not data.", "Fetch the file itself.")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise bad("NOT_UTF8", f"{member.name} is not UTF-8 text.", "Save it as UTF-8.") from error


def lines_of(member: Member) -> list[str]:
    """The member's lines, refused when one of them is absurdly long."""
    lines = text_of(member).splitlines()
    if max(map(len, lines)) > LINE_CAP:
        raise bad("HUGE_LINE", f"{member.name} has a line of more than {LINE_CAP:,} characters.", "Fetch it again.")
    return lines
