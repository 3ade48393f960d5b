"""The instrument master in the database: what a good file changes, and that a bad one changes nothing."""

import gzip
import io
import json
import os
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from market.contract import Contract, OptionType
from market.errors import BadMaster
from market.models import FileImport, Instrument, LotSize, Underlying, WatchlistItem
from market.services.instruments import current_master, import_scrip_master, master_status
from market.services.master_origin import Download
from market.services.resolve import resolve
from tests.master_csv import (
    DETAILED_HEADER,
    FEB_10,
    FEB_24,
    HEADER,
    MAR_30,
    future,
    index,
    market_rows,
    master,
    option,
    share,
)

pytestmark = pytest.mark.django_db


def take(content: bytes | list[str] | None = None, **options: Any) -> FileImport:
    """Import this content, with a floor that small files pass."""
    data = content if isinstance(content, bytes) else master(content)
    given = {"source": "dhan", "file_name": "master.csv", "fewest_rows": 1, **options}
    return import_scrip_master(io.BytesIO(data), **given)


def refusal_of(content: bytes | list[str] | None = None, **options: Any) -> str:
    with pytest.raises(BadMaster) as refusal:
        take(content, **options)
    return refusal.value.reason.code


def counts(attempt: FileImport) -> tuple[str, int, int, int]:
    return attempt.status, attempt.inserted, attempt.updated, attempt.deactivated


def stored(security_id: int) -> list[tuple[bool, str]]:
    rows = Instrument.objects.filter(security_id=str(security_id)).order_by("id")
    return list(rows.values_list("active", "inactive_reason"))


def replaced(old: str, new: str) -> list[str]:
    return [row.replace(old, new) for row in market_rows()]


# --- a good file


def test_a_good_file_lands_whole():
    attempt = take()

    assert counts(attempt) == ("accepted", 12, 0, 0)
    assert attempt.row_count == 12
    assert attempt.rejected == {}
    assert attempt.published_on == FEB_10
    assert len(attempt.sha256) == 64
    assert current_master() == attempt
    row = Instrument.objects.get(security_id="40002")
    assert (row.segment, row.underlying, row.expiry, row.strike) == ("NSE_FNO", "NIFTY", FEB_24, Decimal(25000))
    assert (row.option_type, row.lot_size, row.tick_size, row.expiry_code) == ("CE", 65, Decimal("0.05"), 0)
    assert (row.trading_symbol, row.custom_symbol) == ("NIFTY-Feb2026-25000-CE", "NIFTY 24 FEB 25000 CALL")
    assert (row.first_import, row.last_import, row.active) == (attempt, attempt, True)


def test_futures_shares_and_indices_are_named_and_have_no_strike():
    take()

    rows = Instrument.objects.filter(security_id__in=["49225", "16669", "51"]).order_by("security_id")
    assert list(rows.values_list("segment", "underlying", "expiry", "strike", "option_type")) == [
        ("NSE_EQ", "BAJAJ-AUTO", None, None, ""),
        ("NSE_FNO", "NIFTY", FEB_24, None, "XX"),
        ("IDX_I", "SENSEX", None, None, ""),
    ]


@pytest.mark.parametrize("underlying", ["BAJAJ-AUTO", "M&M", "NIFTYNXT50", "360ONE", "NIFTY"])
@pytest.mark.parametrize("day", ["Feb2026", "24Feb2026"])
def test_the_underlying_is_what_stands_before_the_month(underlying: str, day: str):
    take(
        [option(1, underlying=underlying, trading_symbol=f"{underlying}-{day}-82.5-CE"), option(2, underlying="OTHER")]
    )

    assert Instrument.objects.get(security_id="1").underlying == underlying


def test_a_detailed_file_names_its_underlying_and_its_limits():
    rows = [
        "NSE,D,35084,NA,OPTIDX,26000,NIFTY,NIFTY-Sep2026-29150-CE,NIFTY 29 SEP 29150 CALL,OP,NA,65.0,2026-09-29,"
        "29150.00000,CE,5.0000,M,A,20.1000,0.0500,1756,",
        "NSE,E,2885,INE002A01018,EQUITY,,RELIANCE,RELIANCE INDUSTRIES LTD,Reliance,ES,EQ,1,,,,10,NA,A,0,0,0,",
    ]

    attempt = take(master(rows, header=DETAILED_HEADER))

    assert attempt.published_on == date(2026, 9, 29)
    call, equity = Instrument.objects.order_by("-security_id")
    assert (call.trading_symbol, call.underlying, call.freeze_quantity) == ("NIFTY-Sep2026-29150-CE", "NIFTY", 1755)
    assert (call.lower_limit, call.upper_limit) == (Decimal("0.05"), Decimal("20.1"))
    assert (equity.trading_symbol, equity.symbol_name) == ("RELIANCE", "RELIANCE INDUSTRIES LTD")
    assert (equity.isin, equity.upper_limit) == ("INE002A01018", None)


def test_a_compact_file_says_nothing_about_what_it_lacks():
    rows = [
        "NSE,D,40002,NA,OPTIDX,26000,NIFTY,NIFTY-Feb2026-25000-CE,X,OP,NA,65.0,2026-02-24,25000,CE,5,M,A,20,1,1756,"
    ]
    take(master(rows, header=DETAILED_HEADER))

    attempt = take([option(40002)])

    assert counts(attempt) == ("accepted", 0, 1, 0)
    row = Instrument.objects.get()
    assert (row.freeze_quantity, row.custom_symbol) == (1755, "NIFTY 24 FEB 25000 CALL")


def test_a_spreadsheet_copy_reads_the_same():
    text = master(replaced("2026-02-24 14:30:00", "24-02-2026 14:30")).replace(b"\n", b"\r\n")

    take(b"\xef\xbb\xbf" + text + b"\r\n")

    assert Instrument.objects.get(security_id="40002").expiry == FEB_24
    assert Instrument.objects.get(security_id="40001").expiry == FEB_10


def test_a_compressed_file_is_read_by_path(tmp_path: Path):
    path = tmp_path / "master.csv.gz"
    path.write_bytes(gzip.compress(master()))

    attempt = import_scrip_master(path, source="dhan", fewest_rows=1)

    assert (attempt.file_name, attempt.inserted) == ("master.csv.gz", 12)


# --- rows


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        (option(1, lot=""), "MISSING_LOT"),
        (option(1, lot="0.0"), "BAD_LOT"),
        (option(1, lot="65.5"), "BAD_LOT"),
        (option(1, lot="nan"), "BAD_LOT"),
        (option(1, tick="0.0000"), "BAD_TICK"),
        (option(1, strike="0.1", trading_symbol="NIFTY-Feb2026-0-CE").replace(",0.1,", ",,"), "MISSING_STRIKE"),
        (option(1, strike="nan"), "BAD_STRIKE"),
        (option(1, strike="-0.01000", trading_symbol="NIFTY-Feb2026-1-CE"), "BAD_STRIKE"),
        (future(1, strike="-5.0"), "BAD_STRIKE"),
        (option(1).replace(",CE,", ",,"), "MISSING_TYPE"),
        (option(1).replace("2026-02-24 14:30:00", "0001-01-01"), "MISSING_EXPIRY"),
        (option(1).replace("2026-02-24 14:30:00", "31-02-2026"), "BAD_DATE"),
        (option(1, underlying="011NSETEST"), "TEST_SYMBOL"),
        (share(1, "181NSETEST"), "TEST_SYMBOL"),
        (option(1, expiry=date(2026, 2, 3), instrument="OPTSTK", underlying="RELIANCE"), "EXPIRED"),
        (option(1, instrument="OPTSTK", underlying="NOSUCHSHARE"), "UNKNOWN_UNDERLYING"),
        (option("1.5E+06"), "BAD_ID"),
        (option(""), "BAD_ID"),
        (option(1, trading_symbol="NIFTY 24 FEB"), "BAD_SYMBOL"),
        (option(1, segment_letter="Z"), "UNKNOWN_SEGMENT"),
    ],
)
def test_a_bad_row_is_counted_and_left_out(bad: str, code: str):
    good = [option(50_000 + number, strike=f"{20_000 + number}") for number in range(50)]

    attempt = take([*market_rows(), *good, bad])

    assert attempt.rejected == {code: 1}
    assert counts(attempt) == ("accepted", 62, 0, 0)
    assert attempt.row_count == 63
    assert not Instrument.objects.filter(security_id="1").exists()


# --- the second file


def test_the_same_file_is_recognised_at_once():
    first = take()

    second = take()

    assert counts(second) == ("unchanged", 0, 0, 0)
    assert (second.row_count, second.published_on, second.sha256) == (12, FEB_10, first.sha256)
    assert Instrument.objects.filter(last_import=first).count() == 12
    assert current_master() == second


def test_the_same_file_compared_row_by_row_changes_nothing():
    first = take()

    second = take(recognise_unchanged=False)

    assert counts(second) == ("unchanged", 0, 0, 0)
    assert Instrument.objects.filter(last_import=first).count() == 12
    assert LotSize.objects.exclude(source=first).count() == 0


def test_a_correction_lands_in_the_same_row():
    take()
    before = Instrument.objects.get(security_id="40002").pk

    attempt = take([row.replace("65.0", "75.0") for row in market_rows()])

    assert counts(attempt) == ("accepted", 0, 5, 0)
    row = Instrument.objects.get(security_id="40002")
    assert (row.pk, row.lot_size, row.last_import) == (before, 75, attempt)


def test_missing_new_and_expired_rows_are_told_apart():
    take()
    rows = [row for row in market_rows() if ",40001," not in row and ",40004," not in row]

    attempt = take([*rows, option(40010, expiry=MAR_30)], as_of=date(2026, 2, 11))

    assert counts(attempt) == ("accepted", 1, 0, 2)
    assert stored(40001) == [(False, "expired")]
    assert stored(40004) == [(False, "missing")]
    assert stored(40010) == [(True, "")]


def test_an_expired_contract_goes_even_while_the_file_still_lists_it():
    take()

    attempt = take(as_of=date(2026, 2, 11))

    assert counts(attempt) == ("accepted", 0, 0, 1)
    assert attempt.rejected == {"EXPIRED": 1}
    assert stored(40001) == [(False, "expired")]


def test_a_row_that_turns_bad_is_withdrawn():
    good = [option(50_000 + number, strike=f"{20_000 + number}") for number in range(50)]
    take([*market_rows(), *good])

    take([*[row for row in market_rows() if ",40004," not in row], *good, option(40004, strike="25050", lot="0")])

    assert stored(40004) == [(False, "rejected")]


def test_fm_D4_a_reused_id_makes_a_new_row_and_keeps_the_old_terms():
    take()
    reused = option(40004, strike="25100.00000")

    attempt = take([reused if ",40004," in row else row for row in market_rows()])

    assert counts(attempt) == ("accepted", 1, 0, 1)
    old, new = Instrument.objects.filter(security_id="40004").order_by("id")
    assert (old.strike, old.active, old.inactive_reason) == (Decimal(25050), False, "reused")
    assert (new.strike, new.active) == (Decimal(25100), True)


def test_a_contract_that_comes_back_is_the_same_row():
    take()
    first = Instrument.objects.get(security_id="40004").pk
    take([row for row in market_rows() if ",40004," not in row])

    attempt = take()

    assert counts(attempt) == ("accepted", 0, 1, 0)
    row = Instrument.objects.get(security_id="40004")
    assert (row.pk, row.active, row.inactive_reason) == (first, True, "")


def test_a_partial_file_leaves_alone_what_it_does_not_cover():
    take()

    shares = take([share(2885, "RELIANCE", name="Renamed")], allow_shrink=True)
    futures = take([future(49300, expiry=MAR_30)], allow_shrink=True, as_of=FEB_10)

    assert counts(shares) == ("accepted", 0, 1, 1)
    assert counts(futures) == ("accepted", 1, 0, 1)
    assert stored(16669) == [(False, "missing")]
    assert stored(49225) == [(False, "missing")]
    assert Instrument.objects.active().options().count() == 7
    assert Underlying.objects.tradable().count() == 4


# --- what follows


def test_lot_sizes_are_appended_when_they_change():
    first = take()
    second = take([row.replace("65.0", "75.0") for row in market_rows()], as_of=date(2026, 2, 10))
    third = take([row.replace("65.0", "75.0") for row in market_rows()], recognise_unchanged=False)

    history = LotSize.objects.filter(underlying="NIFTY", expiry=FEB_24).order_by("id")
    assert list(history.values_list("exchange", "lot_size", "effective_from", "source")) == [
        ("NSE", 65, FEB_10, first.pk),
        ("NSE", 75, FEB_10, second.pk),
    ]
    assert not LotSize.objects.filter(source=third).exists()
    assert LotSize.objects.count() == 7


def test_what_has_options_becomes_an_underlying_and_keeps_its_industry():
    Underlying.objects.create(symbol="RELIANCE", industry="Oil", sector="Energy", fno_stock="no", lot_size=None)
    Underlying.objects.create(symbol="GONE", fno_stock="yes", lot_size=10)

    take()

    rows = Underlying.objects.values_list("symbol", "name", "kind", "exchange", "industry", "fno_stock", "lot_size")
    assert list(rows) == [
        ("BAJAJ-AUTO", "BAJAJ-AUTO LIMITED", "stock", "NSE", "", "yes", 75),
        ("GONE", "", "stock", "NSE", "", "no", None),
        ("NIFTY", "Nifty 50", "index", "NSE", "", "yes", 65),
        ("RELIANCE", "RELIANCE INDUSTRIES LTD", "stock", "NSE", "Oil", "yes", 500),
        ("SENSEX", "Sensex", "index", "BSE", "", "yes", 20),
    ]


def test_the_lot_of_an_underlying_is_that_of_the_nearest_expiry_on_nse():
    early = option(7, underlying="RELIANCE", exchange="BSE", instrument="OPTSTK", lot="505.0", expiry=FEB_10)
    bse_share = share(500325, "RELIANCE", exchange="BSE", series="A")
    later = option(8, underlying="RELIANCE", instrument="OPTSTK", lot="550.0", expiry=MAR_30)

    take([*market_rows(), early, later, bse_share])

    assert Underlying.objects.get(symbol="RELIANCE").lot_size == 500


def test_watchlist_items_follow_their_instrument():
    nifty = WatchlistItem.objects.get(segment="IDX_I", security_id="13")
    option_item = WatchlistItem.objects.create(segment="NSE_FNO", security_id="40004", kind="derivative")

    take()
    nifty.refresh_from_db()
    option_item.refresh_from_db()
    assert nifty.watchable == Instrument.objects.get(security_id="13")
    assert option_item.watchable == Instrument.objects.get(security_id="40004")

    take([row for row in market_rows() if ",40004," not in row])
    option_item.refresh_from_db()
    assert option_item.watchable is None


# --- refusals


GARBAGE = {
    "truncated": (master()[:-30], "TRUNCATED"),
    "fields": (master([*market_rows()[:5], "NSE,D,1", *market_rows()[5:]]), "WRONG_FIELDS"),
    "blank line inside": (master([*market_rows()[:5], "", *market_rows()[5:]]), "WRONG_FIELDS"),
    "open quote": (master([*market_rows(), '"' + option(1)]), "TRUNCATED"),
    "html": (b"<!DOCTYPE html><html><body>Forbidden</body></html>", "NOT_CSV"),
    "json": (b'{"errorCode": "DH-904"}', "NOT_CSV"),
    "another csv": (b"Date,Open,High\n2026-01-01,1,2\n", "NOT_CSV"),
    "nul": (master().replace(b"RELIANCE", b"RELI\0NCE", 1), "NUL_BYTES"),
    "utf-16": (master().decode().encode("utf-16"), "UTF16"),
    "latin-1": (master().replace(b"Nifty 50", b"Nifty \xe9 50"), "NOT_UTF8"),
    "latin-1 header": (b"\xe9" + master(), "NOT_UTF8"),
    "huge line": (master([*market_rows(), share(1, "A" * 5_000)]), "LONG_LINE"),
    "wrong columns": (master(header=HEADER.replace("SEM_STRIKE_PRICE", "STRIKE")), "WRONG_COLUMNS"),
    "nan strike": (master(replaced("25000.00000", "NaN")), "TOO_MANY_BAD_ROWS"),
    "nan lot": (master(replaced("65.0", "nan")), "TOO_MANY_BAD_ROWS"),
    "inf tick": (master(replaced("5.0000", "inf")), "TOO_MANY_BAD_ROWS"),
    "empty": (b"", "EMPTY"),
    "header only": (master([]), "EMPTY"),
    "gzip cut": (gzip.compress(master())[:-20], "TRUNCATED"),
    "gzip garbage": (b"\x1f\x8b\x08" + b"\xff" * 200, "GZIP_BROKEN"),
    "duplicate": (master([*market_rows(), option(40002)]), "DUPLICATE_ID"),
    "duplicate id": (master([*market_rows(), option(40002, strike="26000")]), "DUPLICATE_ID"),
    "half the rows": (master(market_rows()[:5]), "SHRUNK"),
    "no derivatives": (master(market_rows()[:4] + [share(n, f"S{n}") for n in range(9)]), "NO_LIVE_DERIVATIVES"),
}


@pytest.mark.parametrize("name", GARBAGE)
def test_fm_D8_garbage_is_refused_whole_and_nothing_is_lost(name: str):
    content, code = GARBAGE[name]
    good = take()
    before = list(Instrument.objects.order_by("id").values())

    assert refusal_of(content) == code

    assert list(Instrument.objects.order_by("id").values()) == before
    assert LotSize.objects.exclude(source=good).count() == 0
    attempt = FileImport.objects.masters().first()
    assert attempt is not None
    assert (attempt.status, attempt.reason_code, attempt.inserted) == ("refused", code, 0)
    assert attempt.reason_text
    with pytest.raises(BadMaster) as stale:
        current_master()
    assert stale.value.reason.code == "MASTER_STALE"
    assert code in stale.value.reason.sentence
    status = master_status()
    assert (status.current, status.refused, status.stale) == (good, attempt, True)


def test_a_good_file_ends_the_staleness():
    take()
    refusal_of(b"<html>")

    again = take()

    assert again.status == "unchanged"
    assert current_master(source="dhan") == again
    assert not master_status().stale


def test_without_any_master_there_is_none_to_use():
    with pytest.raises(BadMaster) as refusal:
        current_master()

    assert refusal.value.reason.code == "NO_MASTER"
    assert master_status().current is None


def test_another_source_does_not_make_this_one_stale():
    good = take()
    refusal_of(b"<html>", source="simulated")

    assert current_master(source="dhan") == good
    with pytest.raises(BadMaster):
        current_master()


def test_a_file_below_the_floor_is_refused_unless_allowed():
    assert refusal_of(fewest_rows=500) == "TOO_FEW_ROWS"
    assert Instrument.objects.count() == 0

    assert take(fewest_rows=500, allow_shrink=True).inserted == 12


def test_an_older_master_needs_a_flag():
    take(as_of=date(2026, 2, 9))

    assert refusal_of(as_of=date(2026, 2, 6)) == "OLDER"
    assert take(as_of=date(2026, 2, 6), allow_older=True).status == "unchanged"
    assert take(as_of=date(2026, 2, 6), source="other", recognise_unchanged=False).published_on == date(2026, 2, 6)


def test_a_file_whose_contracts_have_all_expired_is_refused():
    assert refusal_of(as_of=date(2026, 4, 1), allow_shrink=True) == "NO_LIVE_DERIVATIVES"


@pytest.mark.parametrize(("name", "code"), [("none.csv", "FILE_NOT_FOUND"), ("", "UNREADABLE")])
def test_a_path_that_cannot_be_opened_says_nothing_about_the_master(tmp_path: Path, name: str, code: str):
    good = take()

    with pytest.raises(BadMaster) as refusal:
        import_scrip_master(tmp_path / name, source="dhan")

    assert refusal.value.reason.code == code
    assert list(FileImport.objects.all()) == [good]
    assert current_master() == good


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_path_without_permission_says_nothing_about_the_master(tmp_path: Path):
    (tmp_path / "master.csv").write_bytes(master())
    (tmp_path / "master.csv").chmod(0)

    with pytest.raises(BadMaster) as refusal:
        import_scrip_master(tmp_path / "master.csv", source="dhan")

    assert (refusal.value.reason.code, FileImport.objects.count()) == ("UNREADABLE", 0)


def test_a_file_that_opens_and_then_fails_is_recorded():
    good = take()

    with pytest.raises(BadMaster) as refusal:
        import_scrip_master("/proc/self/mem", source="dhan")

    assert refusal.value.reason.code == "UNREADABLE"
    assert master_status().current == good
    assert master_status().stale


# --- a download


def fetched(answer: httpx.Response, **limits: int) -> FileImport:
    client = httpx.Client(transport=httpx.MockTransport(lambda request: answer))
    stream = Download("https://images.example/master.csv", client=client, **limits)
    return import_scrip_master(stream, source="dhan", file_name="master.csv", fewest_rows=1)


def test_a_download_is_imported():
    assert fetched(httpx.Response(200, content=master())).inserted == 12


@pytest.mark.parametrize(
    ("answer", "limits", "code"),
    [
        (httpx.Response(503), {}, "DOWNLOAD_FAILED"),
        (httpx.Response(200, html="<html>blocked</html>"), {}, "NOT_CSV"),
        (httpx.Response(200, content=master()), {"largest": 100}, "TOO_LARGE"),
    ],
)
def test_fm_D8_a_bad_download_is_refused_and_recorded(answer: httpx.Response, limits: dict[str, int], code: str):
    with pytest.raises(BadMaster) as refusal:
        fetched(answer, **limits)

    assert refusal.value.reason.code == code
    assert FileImport.objects.get().reason_code == code


def test_nobody_answering_is_refused():
    with pytest.raises(BadMaster) as refusal:
        import_scrip_master(Download("http://127.0.0.1:9/master.csv"), source="dhan", file_name="master.csv")

    assert refusal.value.reason.code == "DOWNLOAD_FAILED"


# --- the command


def test_the_command_prints_what_it_did(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = tmp_path / "master.csv"
    path.write_bytes(master([*market_rows(), option(1, underlying="011NSETEST")]))

    call_command("import_scrip_master", "--file", str(path), "--allow-shrink", "--json")

    printed = json.loads(capsys.readouterr().out)
    assert (printed["status"], printed["rows"], printed["inserted"], printed["underlyings"]) == ("accepted", 13, 12, 4)
    assert (printed["published_on"], printed["rejected"]) == ("2026-02-10", {"TEST_SYMBOL": 1})
    call_command("import_scrip_master", "--file", str(path), "--as-of", "2026-02-11T09:00", "--allow-shrink")
    assert "rejected EXPIRED" in capsys.readouterr().out


def test_the_command_says_why_it_refuses(tmp_path: Path):
    path = tmp_path / "master.csv"
    path.write_bytes(b"<html>")

    with pytest.raises(CommandError, match="not a CSV file.*NOT_CSV") as refusal:
        call_command("import_scrip_master", "--file", str(path))

    assert refusal.value.returncode == 1


@pytest.mark.parametrize(("given", "code"), [("/nope", "FILE_NOT_FOUND"), ("", "UNREADABLE")])
def test_the_command_takes_a_wrong_path_as_wrong_usage_of_it(given: str, code: str):
    good = take()

    with pytest.raises(CommandError, match=f"cannot be opened.*{code}") as refusal:
        call_command("import_scrip_master", "--file", given)

    assert refusal.value.returncode == 1
    assert current_master() == good


# --- the recorded masters

ALLOWED = {"allow_shrink": True, "allow_older": True}


@pytest.mark.realdata
@pytest.mark.timeout(120)
def test_the_whole_master_of_february_2026(shared_data: Path):
    path = shared_data / "A_instruments" / "api-scrip-master_2026-02.csv.gz"

    first = import_scrip_master(path, source="dhan")
    second = import_scrip_master(path, source="dhan", recognise_unchanged=False)

    assert counts(first) == ("accepted", 250_632, 0, 0)
    assert (first.row_count, first.published_on) == (273_027, FEB_10)
    assert first.rejected == {"BAD_LOT": 1, "BAD_TICK": 1, "EXPIRED": 22_352, "TEST_SYMBOL": 41}
    assert counts(second) == ("unchanged", 0, 0, 0)
    assert Instrument.objects.active().count() == 250_632
    nse = Instrument.objects.active().options().filter(segment="NSE_FNO")
    assert nse.filter(instrument_name="OPTSTK").values("underlying").distinct().count() == 207
    assert Underlying.objects.tradable().filter(exchange="NSE").count() == 212
    nifty = resolve(Contract("NIFTY", FEB_24, 25_000.0, OptionType.CALL), as_of=date(2026, 1, 30))
    assert (nifty.lot_size, nifty.tick_size) == (65, Decimal("0.05"))
    reliance = resolve(Contract("RELIANCE", FEB_24, 1_400.0, OptionType.PUT), as_of=date(2026, 1, 30))
    assert (reliance.segment, reliance.trading_symbol) == ("NSE_FNO", "RELIANCE-Feb2026-1400-PE")
    share_row = resolve(Contract("RELIANCE"), as_of=date(2026, 1, 30))
    assert (share_row.security_id, share_row.segment) == ("2885", "NSE_EQ")
    assert LotSize.objects.filter(underlying="NIFTY", expiry=FEB_24).get().lot_size == 65
    watched = WatchlistItem.objects.filter(segment="IDX_I").values_list("security_id", "watchable__underlying")
    assert sorted(watched) == [("13", "NIFTY"), ("25", "BANKNIFTY"), ("51", "SENSEX")]


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("name", "rows", "inserted", "published_on", "rejected"),
    [
        ("api-scrip-master_nse-eq_2025-08.csv.gz", 8_326, 8_304, None, {"TEST_SYMBOL": 22}),
        ("dhan_master_nse-futures_2026-01.csv.gz", 755, 754, date(2026, 1, 27), {"BAD_TICK": 1}),
        (
            *("api-scrip-master-detailed_nse-eq-idx_2026-04.csv.gz", 9_469, 9_446, None),
            {"BAD_TICK": 1, "TEST_SYMBOL": 22},
        ),
        ("api-scrip-master-detailed_nse-futstk_2025-07.csv.gz", 662, 644, date(2025, 7, 31), {"TEST_SYMBOL": 18}),
    ],
)
def test_the_recorded_partial_masters(
    shared_data: Path, name: str, rows: int, inserted: int, published_on: date | None, rejected: dict[str, int]
):
    attempt = import_scrip_master(shared_data / "A_instruments" / name, source="dhan", **ALLOWED)

    assert (attempt.row_count, attempt.inserted, attempt.published_on) == (rows, inserted, published_on)
    assert attempt.rejected == rejected


def test_an_index_of_the_file_is_found_for_the_watchlist_seed():
    take([*market_rows(), index(25, "BANKNIFTY", custom="Nifty Bank")])

    seeded = WatchlistItem.objects.filter(segment="IDX_I", watchable__isnull=False)
    assert sorted(seeded.values_list("watchable__underlying", flat=True)) == ["BANKNIFTY", "NIFTY", "SENSEX"]


def test_the_command_takes_the_simulated_market_at_its_word(settings: Any, capsys: pytest.CaptureFixture[str]):
    settings.MARKET_SOURCE = "simulated"

    call_command("import_scrip_master", "--as-of", "2026-10-28T09:00", "--json")

    printed = json.loads(capsys.readouterr().out)
    assert (printed["status"], printed["source"], printed["published_on"]) == ("accepted", "simulated", "2026-10-28")
    assert set(printed["rejected"]) <= {"TEST_SYMBOL"}
    assert printed["underlyings"] == 53
