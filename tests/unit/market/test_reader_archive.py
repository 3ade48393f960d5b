"""Garbage in, a reason out: whatever the bytes are, never a traceback and never a plausible number."""

import gzip
import io
import lzma
import tarfile
import zipfile
from pathlib import Path

import pytest

from market.errors import BadChain
from market.readers import batches, readings
from market.readers.archive import Member, members

HEADER = b"Stock,Expiry,Strike,CE_LTP,CE_OI,PE_LTP,PE_OI,timestamp,Stock_LTP,Max_Pain\n"
ROW = b"ACME,2026-02-24,100.0,5.5,100.0,4.5,200.0,2026-01-30 17:26,101.5,1\n"
GOOD = HEADER + ROW


def tar_of(*files: tuple[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, data in files:
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


def zip_of(*files: tuple[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files:
            archive.writestr(name, data)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.csv", GOOD),
        ("a.csv.gz", gzip.compress(GOOD)),
        ("a.csv.xz", lzma.compress(GOOD)),
        ("a.zip", zip_of(("a.csv", GOOD))),
        ("a.tar", tar_of(("a.csv", GOOD))),
        ("a.tar.xz", lzma.compress(tar_of(("a.csv", GOOD)))),
        ("a.tar.gz", gzip.compress(tar_of(("a.csv", GOOD)))),
        ("lies.parquet", gzip.compress(GOOD)),
    ],
)
def test_the_form_is_told_by_the_content(tmp_path: Path, name: str, data: bytes) -> None:
    (tmp_path / name).write_bytes(data)

    found = members(tmp_path / name)

    assert [member.data for member in found] == [GOOD]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "EMPTY"),
        (b" \n\n", "EMPTY"),
        (b"<!DOCTYPE html><html>Access Denied</html>", "HTML"),
        (b"\xef\xbb\xbf  <html></html>", "HTML"),
        (GOOD.decode().encode("utf-16"), "UTF16"),
        (GOOD.decode().encode("utf-16-le"), "NUL_BYTES"),
        (GOOD.replace(b"100.0", b"1\x000.0"), "NUL_BYTES"),
        (b"\xff\xd8\xff\xe0 a picture", "NOT_UTF8"),
        (GOOD + b"x" * 70_000 + b"\n", "HUGE_LINE"),
        (b"date,symbol,close\n2026-01-30,ACME,1\n", "WRONG_COLUMNS"),
        (GOOD.replace(b"PE_OI", b"CE_OI"), "WRONG_COLUMNS"),
        (GOOD.replace(b"Stock_LTP", b"Other"), "WRONG_COLUMNS"),
        (b'"' + b"unclosed\n" * 20_000, "BAD_CSV"),
        (HEADER, "NO_ROWS"),
        (HEADER + ROW[:20], "NO_ROWS"),
        (b"{", "NAME_WITHOUT_TIME"),
        (b"PAR1 not really", "TRUNCATED"),
    ],
)
def test_a_bad_member_is_refused_with_its_reason(tmp_path: Path, data: bytes, code: str) -> None:
    path = tmp_path / "member.csv"
    path.write_bytes(data)

    (reading,) = [reading for batch in batches(path) for reading in readings(batch)]

    assert reading.chains == ()
    assert [reason.code for reason in reading.refusals] == [code]


@pytest.mark.parametrize(
    "data",
    [
        gzip.compress(GOOD)[:-9],
        lzma.compress(GOOD)[:-9],
        lzma.compress(tar_of(("a.csv", GOOD)))[:120],
        gzip.compress(tar_of(("a.csv", GOOD))[:600]),
        zip_of(("a.csv", GOOD))[:-30],
        b"\x1f\x8b garbage",
        b"\xfd7zXZ\x00 garbage",
        b"PK\x03\x04 garbage",
    ],
)
def test_a_cut_archive_is_refused_whole(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "cut").write_bytes(data)

    with pytest.raises(BadChain) as refusal:
        batches(tmp_path / "cut")

    assert refusal.value.reason.code == "TRUNCATED"


def test_a_decompression_bomb_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bomb.gz").write_bytes(gzip.compress(b"0" * 5_000_000))
    (tmp_path / "bomb.zip").write_bytes(zip_of(("a", b"0" * 5_000_000)))

    for name in ("bomb.gz", "bomb.zip"):
        with pytest.raises(BadChain) as refusal:
            members(tmp_path / name, cap=1_000_000)
        assert refusal.value.reason.code == "TOO_LARGE"


@pytest.mark.parametrize(("name", "code"), [("absent.csv", "FILE_NOT_FOUND"), ("", "FILE_UNREADABLE")])
def test_a_path_that_is_no_file_is_said(tmp_path: Path, name: str, code: str) -> None:
    with pytest.raises(BadChain) as refusal:
        members(tmp_path / name)

    assert refusal.value.reason.code == code


def test_an_archive_without_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "none.zip").write_bytes(zip_of(("folder/", b"")))

    with pytest.raises(BadChain) as refusal:
        members(tmp_path / "none.zip")

    assert refusal.value.reason.code in ("EMPTY", "TRUNCATED")


def test_links_and_escaping_names_touch_nothing_on_disk(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        link = tarfile.TarInfo("link.csv")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
        entry = tarfile.TarInfo("../../escape.csv")
        entry.size = len(GOOD)
        archive.addfile(entry, io.BytesIO(GOOD))
    (tmp_path / "a.tar").write_bytes(buffer.getvalue())

    found = members(tmp_path / "a.tar")

    assert found == [Member("../../escape.csv", GOOD)]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tar"]


def test_a_bad_member_does_not_lose_the_good_one(tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(tar_of(("bad.csv", b"<html>"), ("good.csv", GOOD), ("empty.csv", b"")))

    found = [reading for batch in batches(tmp_path / "a.tar") for reading in readings(batch)]

    assert [[reason.code for reason in reading.refusals] for reading in found] == [["HTML"], [], ["EMPTY"]]
    assert [len(reading.chains) for reading in found] == [0, 1, 0]
