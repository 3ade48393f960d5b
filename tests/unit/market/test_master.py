"""What a master's bytes, header, shapes and size must look like."""

import gzip
from datetime import date
from decimal import Decimal

import pytest

from market import master
from market.errors import BadMaster
from market.master import Listing, RowError, Shape, infer_date, judge, read_layout, read_strike, weigh
from market.master_bytes import cleaned
from tests.master_csv import DETAILED_HEADER, HEADER

OPTION = Shape("NSE", "D", "OPTIDX", "NIFTY", "Feb2026", "2026-02-24 14:30:00", "65.0", "5.0000", "CE", False)


def reason_of(chunks: list[bytes], **limits: int) -> str:
    with pytest.raises(BadMaster) as refusal:
        list(cleaned(chunks, **limits))
    assert refusal.value.reason.sentence
    assert refusal.value.reason.remedy
    return refusal.value.reason.code


# --- bytes


def test_plain_and_compressed_bytes_read_the_same():
    text = b"\xef\xbb\xbfa,b\r\n1,2\r\n\r\n"
    packed = gzip.compress(text)

    assert b"".join(cleaned([text])) == b"a,b\r\n1,2"
    assert b"".join(cleaned([packed[:1], packed[1:9], packed[9:]])) == b"a,b\r\n1,2"


def test_blank_lines_inside_stay_and_only_the_last_ones_go():
    assert b"".join(cleaned([b"a\n\n", b"\nb\n", b"\n"])) == b"a\n\n\nb"


@pytest.mark.parametrize(
    ("chunks", "code"),
    [
        ([], "EMPTY"),
        ([b""], "EMPTY"),
        ([b"<!DOCTYPE html><html>"], "NOT_CSV"),
        ([b"  \n<html>"], "NOT_CSV"),
        ([b'{"error": "denied"}'], "NOT_CSV"),
        ([b"PK\x03\x04rest"], "NOT_CSV"),
        ([b"a,b\n" * 10, b"1,\0\n"], "NUL_BYTES"),
        (["a,b\n".encode("utf-16")], "UTF16"),
        (["a,b\n".encode("utf-16-le")], "UTF16"),
        ([b"a,b\n", b"x" * 5_000], "LONG_LINE"),
        ([b"a,b\n" + b"x" * 3_000, b"x" * 3_000 + b"\n"], "LONG_LINE"),
        ([b"\x1f\x8b" + b"garbage" * 20], "GZIP_BROKEN"),
        ([gzip.compress(b"a,b\n" * 500)[:-9]], "TRUNCATED"),
        ([gzip.compress(b"a,b\n") + b"tail"], "GZIP_BROKEN"),
        ([b"a" + b"\n" * 6_000], "NOT_CSV"),
    ],
)
def test_garbage_is_refused(chunks: list[bytes], code: str):
    assert reason_of(chunks) == code


def test_fm_D9_a_bomb_meets_the_size_limit():
    assert reason_of([gzip.compress(b"a,b\n" * 1_000_000)], largest=1_000_000) == "TOO_LARGE"


@pytest.mark.parametrize("size", [1, 7, 4_096, 10_000])
def test_the_longest_allowed_line_passes_however_it_is_cut(size: int):
    text = b"h\n" + b"x" * 4_096 + b"\n" + b"y" * 4_096 + b"\nz"

    assert b"".join(cleaned([text[at : at + size] for at in range(0, len(text), size)])) == text


# --- header


def test_columns_are_found_by_name_in_any_order():
    names = HEADER.split(",")
    layout = read_layout(",".join(reversed(names)), ",".join("x" * 16))

    assert layout.form == "compact"
    assert layout.columns[-1] == "exchange"
    assert layout.columns[0] == "symbol_name"


def test_the_detailed_form_keeps_what_nobody_reads_in_place():
    layout = read_layout(DETAILED_HEADER, ",".join("x" * 21) + ",")

    assert layout.form == "detailed"
    assert layout.columns[5] is None
    assert layout.columns[-1] is None
    assert layout.has("freeze_quantity")
    assert not layout.has("expiry_code")


@pytest.mark.parametrize(
    ("header", "row", "width"),
    [(HEADER + ",", "x," * 15 + "x", 16), (HEADER, "x," * 16, 17), (HEADER + ",", "x," * 16, 17)],
)
def test_header_and_rows_may_disagree_about_a_trailing_comma(header: str, row: str, width: int):
    assert len(read_layout(header, row).columns) == width


def test_missing_columns_are_named():
    header = HEADER.replace("SEM_LOT_UNITS", "LOTS").replace("SEM_TICK_SIZE", "TICK")

    with pytest.raises(BadMaster) as refusal:
        read_layout(header, "")

    assert refusal.value.reason.code == "WRONG_COLUMNS"
    assert refusal.value.reason.sentence == "The master lacks SEM_LOT_UNITS, SEM_TICK_SIZE."


@pytest.mark.parametrize(
    ("header", "code"),
    [("Name,Price,Volume", "NOT_CSV"), (HEADER + ",SEM_SEGMENT", "WRONG_COLUMNS"), ("", "NOT_CSV")],
)
def test_another_header_is_refused(header: str, code: str):
    with pytest.raises(BadMaster) as refusal:
        read_layout(header, "")

    assert refusal.value.reason.code == code


# --- shapes


def test_a_good_option_is_read():
    ruling = judge(OPTION)

    assert ruling == ("", "NSE_FNO", "NIFTY", date(2026, 2, 24), 65, Decimal("5.0000"), "CE")


def test_a_future_is_marked_xx_whatever_the_file_says():
    shape = OPTION._replace(exchange="BSE", instrument_name="FUTSTK", stem="M&M", option_type="")

    assert judge(shape)[:4] == ("", "BSE_FNO", "M&M", date(2026, 2, 24))
    assert judge(shape).option_type == "XX"


def test_an_index_has_no_expiry_and_no_type():
    shape = Shape("NSE", "I", "INDEX", "", "", "0001-01-01", "1.0", "0.0500", "XX", False)

    assert judge(shape) == ("", "IDX_I", "", None, 1, Decimal("0.0500"), "")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"is_test": True}, "TEST_SYMBOL"),
        ({"segment_letter": "Q"}, "UNKNOWN_SEGMENT"),
        ({"instrument_name": "WARRANT"}, "UNKNOWN_INSTRUMENT"),
        ({"lot_size": ""}, "MISSING_LOT"),
        ({"lot_size": "0"}, "BAD_LOT"),
        ({"lot_size": "0.0"}, "BAD_LOT"),
        ({"lot_size": "65.5"}, "BAD_LOT"),
        ({"lot_size": "-65"}, "BAD_LOT"),
        ({"lot_size": "nan"}, "BAD_LOT"),
        ({"lot_size": "inf"}, "BAD_LOT"),
        ({"lot_size": "1e2"}, "BAD_LOT"),
        ({"lot_size": "100000001"}, "BAD_LOT"),
        ({"tick": ""}, "BAD_TICK"),
        ({"tick": "0.0000"}, "BAD_TICK"),
        ({"tick": "-5"}, "BAD_TICK"),
        ({"tick": "NaN"}, "BAD_TICK"),
        ({"tick": "0.00001"}, "BAD_TICK"),
        ({"expiry": ""}, "MISSING_EXPIRY"),
        ({"expiry": "0001-01-01"}, "MISSING_EXPIRY"),
        ({"expiry": "2026-02-30"}, "BAD_DATE"),
        ({"expiry": "soon"}, "BAD_DATE"),
        ({"expiry": "2026-02-24 noon"}, "BAD_DATE"),
        ({"expiry": "1926-02-24"}, "BAD_DATE"),
        ({"option_type": ""}, "MISSING_TYPE"),
        ({"option_type": "XX"}, "MISSING_TYPE"),
        ({"stem": ""}, "BAD_SYMBOL"),
        ({"month": "2026"}, "BAD_SYMBOL"),
    ],
)
def test_a_bad_shape_is_rejected_with_its_reason(changes: dict[str, object], code: str):
    ruling = judge(OPTION._replace(**changes))

    assert ruling.reason == code
    assert ruling.lot_size is None


@pytest.mark.parametrize(
    "text", ["2026-02-24", "2026-02-24 14:30:00", "24-02-2026 14:30", "24/02/26", "24/02/2026", " 2026-02-24 "]
)
def test_every_written_form_of_a_day_is_read(text: str):
    assert master.read_date(text) == date(2026, 2, 24)


@pytest.mark.parametrize(
    ("kind", "text", "strike"),
    [
        ("option", "25000.00000", Decimal("25000.00000")),
        ("option", "83.9", Decimal("83.90000")),
        ("future", "-0.01000", None),
        ("future", "-0.01", None),
        ("future", "0.00000", None),
        ("future", "", None),
        ("cash", "7.00000", None),
    ],
)
def test_strikes_are_rupees_and_futures_have_none(kind: str, text: str, strike: Decimal | None):
    assert read_strike(kind, text) == strike


@pytest.mark.parametrize(
    ("kind", "text", "code"),
    [
        ("option", "", "MISSING_STRIKE"),
        ("option", "0", "BAD_STRIKE"),
        ("option", "-0.01000", "BAD_STRIKE"),
        ("option", "nan", "BAD_STRIKE"),
        ("option", "inf", "BAD_STRIKE"),
        ("option", "10000000.01", "BAD_STRIKE"),
        ("future", "-25000", "BAD_STRIKE"),
        ("future", "25000", "BAD_STRIKE"),
    ],
)
def test_a_bad_strike_is_rejected_with_its_reason(kind: str, text: str, code: str):
    with pytest.raises(RowError) as rejection:
        read_strike(kind, text)

    assert rejection.value.code == code


# --- the day of a file


def test_the_front_nse_index_option_dates_the_file():
    listings = [
        Listing("NSE_CURRENCY", "OPTCUR", date(2025, 7, 18), 5_000),
        Listing("BSE_FNO", "OPTIDX", date(2026, 2, 5), 400),
        Listing("NSE_FNO", "FUTIDX", date(2026, 2, 3), 5),
        Listing("NSE_FNO", "OPTIDX", date(2026, 2, 24), 1_000),
        Listing("NSE_FNO", "OPTIDX", date(2026, 2, 10), 400),
    ]

    assert infer_date(listings) == date(2026, 2, 10)


def test_leftovers_of_an_expired_week_do_not_date_the_file():
    listings = [
        Listing("NSE_FNO", "OPTIDX", date(2026, 2, 3), 9),
        Listing("NSE_FNO", "OPTIDX", date(2026, 2, 10), 991),
    ]

    assert infer_date(listings) == date(2026, 2, 10)


def test_weaker_evidence_dates_a_partial_file():
    stocks = [
        Listing("NSE_FNO", "FUTSTK", date(2025, 7, 31), 200),
        Listing("NSE_FNO", "FUTSTK", date(2025, 8, 28), 200),
    ]
    indices = [Listing("NSE_FNO", "FUTIDX", date(2025, 8, 5), 5)]

    assert infer_date(stocks) == date(2025, 7, 31)
    assert infer_date(stocks + indices) == date(2025, 8, 5)
    assert infer_date([Listing("BSE_FNO", "OPTSTK", date(2026, 2, 26), 3)]) == date(2026, 2, 26)


def test_a_file_without_index_or_stock_contracts_has_no_day():
    assert infer_date([Listing("MCX_COMM", "FUTCOM", date(2026, 2, 18), 10)]) is None
    assert infer_date([]) is None


# --- the size of a file


def verdict(*, rows: int = 1_000, previous: int = 0, shrink: bool = False, **rejected: int) -> str:
    try:
        weigh(rows=rows, rejected=rejected, previous_rows=previous, fewest_rows=500, allow_shrink=shrink)
    except BadMaster as refusal:
        return refusal.reason.code
    return ""


def test_size_and_dirt_decide():
    assert verdict() == ""
    assert verdict(rows=499) == "TOO_FEW_ROWS"
    assert verdict(rows=500) == ""
    assert verdict(rows=999, previous=2_000) == "SHRUNK"
    assert verdict(rows=1_000, previous=2_000) == ""
    assert verdict(rows=499, previous=2_000, shrink=True) == ""
    assert verdict(BAD_LOT=20) == ""
    assert verdict(BAD_LOT=20, BAD_TICK=1) == "TOO_MANY_BAD_ROWS"
    assert verdict(BAD_LOT=21, shrink=True) == "TOO_MANY_BAD_ROWS"
    assert verdict(EXPIRED=400, TEST_SYMBOL=400) == ""
