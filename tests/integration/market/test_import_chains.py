"""Chains in the database: stored once, never contradicted, never seen before their time."""

import json
import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, datetime, timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import DataError, IntegrityError, connection

from market.calendar import IST
from market.contract import OptionType
from market.errors import BadChain, StaleQuote
from market.models import ChainSnapshot, FileImport, OptionQuote
from market.ports import CapturedChain, CapturedQuote
from market.services.chains import (
    Wanted,
    import_chain_file,
    store_chain,
    store_chains,
)
from market.services.stored_chains import latest_chain, latest_chains

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 1, 30, 12, 0, tzinfo=IST)
EXPIRY = date(2026, 2, 24)
HEADER = "Stock,Expiry,Strike,CE_LTP,CE_OI,PE_LTP,PE_OI,timestamp,Stock_LTP,Max_Pain\n"
ROW = "ACME,2026-02-24,100.0,5.5,100.0,4.5,200.0,2026-01-30 17:26,101.5,1\n"
OTHER = ROW.replace("ACME", "M&M").replace("2026-01-30", "2026-01-29")


def make_chain(symbol: str = "ACME", *, at: datetime = NOON, last_price: float = 5.5) -> CapturedChain:
    quotes = (
        CapturedQuote(
            EXPIRY, 100.0, OptionType.CALL, last_price=last_price, bid=5.45, ask=5.55, bid_quantity=50, ask_quantity=75,
            volume=1000, open_interest=2000, implied_volatility=0.25,
        ),
        CapturedQuote(EXPIRY, 100.0, OptionType.PUT, open_interest=0),
        CapturedQuote(EXPIRY, 102.5, OptionType.CALL, last_price=4.35),
    )  # fmt: skip
    return CapturedChain(symbol, at, "test", 101.5, quotes)


def written(tmp_path: Path, text: str, name: str = "chains.csv") -> Path:
    (tmp_path / name).write_text(text)
    return tmp_path / name


def run(*arguments: str | Path) -> tuple[int, dict[str, object]]:
    out = StringIO()
    code: int | str | None = 0
    try:
        call_command("import_chains", *map(str, arguments), "--json", stdout=out)
    except SystemExit as stop:
        code = stop.code
    return int(code or 0), json.loads(out.getvalue())["files"][0]


def test_what_is_stored_reads_back_as_it_was() -> None:
    chain = make_chain()

    snapshot = store_chain(chain)

    assert latest_chain("ACME", as_of=NOON) == chain
    assert (snapshot.quote_count, snapshot.spot, snapshot.is_index) == (3, pytest.approx(101.5), False)


def test_a_quote_keeps_its_own_time_and_another_time_is_another_chain() -> None:
    early = NOON - timedelta(minutes=5)
    first, *rest = make_chain().quotes
    chain = replace(make_chain(), quotes=(replace(first, quoted_at=early), *rest))

    store_chain(chain)

    assert latest_chain("ACME", as_of=NOON) == chain
    assert list(OptionQuote.objects.order_by("quoted_at").values_list("quoted_at", flat=True)) == [early, NOON, NOON]
    assert store_chains([chain]).unchanged == 1
    assert store_chains([make_chain()]).refused == {"CONFLICT": 1}


def test_a_quote_later_than_the_moment_is_never_returned() -> None:
    store_chain(make_chain(at=NOON))
    store_chain(make_chain(at=NOON + timedelta(minutes=5), last_price=9.0))

    assert latest_chain("ACME", as_of=NOON + timedelta(minutes=4, seconds=59)).taken_at == NOON
    assert latest_chain("ACME", as_of=NOON + timedelta(minutes=5)).quotes[0].last_price == 9.0
    with pytest.raises(StaleQuote) as stale:
        latest_chain("ACME", as_of=NOON - timedelta(microseconds=1))
    assert stale.value.reason.code == "NO_CHAIN"


def test_many_symbols_take_two_queries(django_assert_num_queries) -> None:  # type: ignore[no-untyped-def]
    store_chains([make_chain("ACME"), make_chain("M&M"), make_chain("LATER", at=NOON + timedelta(hours=1))])

    with django_assert_num_queries(2):
        chains = latest_chains(["ACME", "M&M", "LATER", "NONE"], as_of=NOON)

    assert sorted(chains) == ["ACME", "M&M"]


def test_the_columns_people_query_are_filled() -> None:
    store_chain(make_chain())

    row = OptionQuote.objects.get(option_type="CE", strike=100)

    assert (row.symbol, row.expiry, row.volume, row.open_interest) == ("ACME", EXPIRY, 1000, 2000)
    assert (float(row.bid), float(row.ask), float(row.last_price)) == (5.45, 5.55, 5.5)
    assert (row.quoted_at, row.is_index) == (NOON, False)


def test_the_same_chain_again_changes_nothing() -> None:
    store_chain(make_chain())

    counts = store_chains([replace(make_chain(), quotes=make_chain().quotes[::-1])])

    assert (counts.stored, counts.unchanged, counts.quotes) == (0, 1, 0)
    assert OptionQuote.objects.count() == 3


def test_a_contradicting_chain_is_refused_and_nothing_happens() -> None:
    store_chain(make_chain())

    counts = store_chains([make_chain(last_price=9.0)])

    assert counts.refused == {"CONFLICT": 1}
    assert latest_chain("ACME", as_of=NOON) == make_chain()
    with pytest.raises(BadChain) as refusal:
        store_chain(make_chain(last_price=9.0))
    assert refusal.value.reason.code == "CONFLICT"


def test_replacing_on_purpose_leaves_only_the_new_quotes() -> None:
    first = store_chain(make_chain())
    new = replace(make_chain(last_price=9.0), spot=103.0, quotes=make_chain(last_price=9.0).quotes[:1])

    counts = store_chains([new], replace=True)

    assert (counts.replaced, counts.quotes) == (1, 1)
    assert latest_chain("ACME", as_of=NOON) == new
    assert ChainSnapshot.objects.get().pk == first.pk


def test_two_sources_may_tell_different_stories_of_one_moment() -> None:
    store_chain(make_chain())
    store_chain(replace(make_chain(last_price=9.0), source="other"))

    assert ChainSnapshot.objects.count() == 2


def test_contradictions_within_one_file_are_seen_too() -> None:
    counts = store_chains([make_chain(), make_chain(), make_chain(last_price=9.0)])

    assert (counts.stored, counts.unchanged, counts.refused) == (1, 1, {"CONFLICT": 1})


@pytest.mark.parametrize("bad", [math.nan, math.inf, -1.0])
def test_a_live_chain_passes_the_same_gate(bad: float) -> None:
    chain = make_chain()

    store_chain(replace(chain, quotes=(*chain.quotes[1:], replace(chain.quotes[0], last_price=bad))))

    assert latest_chain("ACME", as_of=NOON).quotes == chain.quotes[1:]
    with pytest.raises(BadChain):
        store_chain(replace(chain, spot=bad, taken_at=NOON + timedelta(minutes=1)))
    assert ChainSnapshot.objects.count() == 1


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_a_batch_that_fails_loses_nothing_stored_before_and_leaves_no_half() -> None:
    store_chain(make_chain())
    broken = replace(make_chain("BROKEN"), source="x" * 40)

    with pytest.raises(DataError):
        store_chains([make_chain("FINE"), broken])

    assert list(ChainSnapshot.objects.values_list("symbol", flat=True)) == ["ACME"]
    assert OptionQuote.objects.count() == 3


def test_the_database_itself_refuses_what_is_no_price() -> None:
    snapshot = store_chain(make_chain())

    with pytest.raises(IntegrityError), connection.cursor() as cursor:
        cursor.execute("UPDATE option_chain_data SET bid = 'NaN' WHERE snapshot_id = %s", [snapshot.pk])


def test_a_file_lands_in_the_closing_minute_and_leaves_a_row_of_its_import(tmp_path: Path) -> None:
    result = import_chain_file(written(tmp_path, HEADER + ROW + OTHER))

    assert latest_chain("ACME", as_of=datetime(2026, 1, 30, 15, 29, tzinfo=IST)).taken_at.hour == 15
    assert latest_chain("M&M", as_of=NOON).taken_at == datetime(2026, 1, 29, 15, 29, tzinfo=IST)
    record = FileImport.objects.get()
    assert record == result.record
    assert (record.kind, record.status, record.inserted, record.row_count) == ("chains", "accepted", 2, 4)
    assert (len(record.sha256), record.reason_code) == (64, "")


def test_importing_again_is_unchanged_and_counts_as_done(tmp_path: Path) -> None:
    path = written(tmp_path, HEADER + ROW)
    run(path)

    code, report = run(path)

    assert (code, report["status"], report["stored"], report["unchanged"]) == (0, "unchanged", 0, 1)
    assert ChainSnapshot.objects.count() == 1


def test_another_content_under_the_same_time_needs_replace(tmp_path: Path) -> None:
    path = written(tmp_path, HEADER + ROW)
    run(path)
    path.write_text(HEADER + ROW.replace("5.5", "7.5"))

    refused, report = run(path)
    replaced, _ = run(path, "--replace")

    assert (refused, report["code"], report["refused"]) == (1, "CONFLICT", {"CONFLICT": 1})
    assert replaced == 0
    assert latest_chain("ACME", as_of=NOON + timedelta(hours=5)).quotes[0].last_price == 7.5


def test_a_conflict_does_not_hide_the_rows_that_were_rejected(tmp_path: Path) -> None:
    path = written(tmp_path, HEADER + ROW + ROW.replace("100.0,5.5", "110.0,3.5"))
    run(path)
    path.write_text(HEADER + ROW + ROW.replace("100.0,5.5", "110.0,nan"))

    code, report = run(path)

    assert (code, report["code"]) == (1, "CONFLICT")
    assert (report["refused"], report["rejected"]) == ({"CONFLICT": 1}, {"NOT_FINITE": 1})
    assert "Chains refused: CONFLICT 1. Rows rejected: NOT_FINITE 1." in str(report["sentence"])
    assert FileImport.objects.latest("id").reason_text == report["sentence"]


def test_a_conflict_beside_chains_that_land_gives_its_sentence(tmp_path: Path) -> None:
    path = written(tmp_path, HEADER + ROW)
    run(path)
    path.write_text(HEADER + ROW.replace("5.5", "7.5") + OTHER)

    _, report = run(path)

    assert (report["stored"], report["refused"]) == (1, {"CONFLICT": 1})
    assert "already stored" in report["reasons"]["CONFLICT"]  # type: ignore[index]


def test_only_what_was_asked_for_lands(tmp_path: Path) -> None:
    path = written(tmp_path, HEADER + ROW + OTHER)

    result = import_chain_file(path, wanted=Wanted(frozenset({"ACME"})))
    code, report = run(path, "--from", "2026-01-29", "--to", "2026-01-29", "--source", "mine")

    assert result.counts.stored == 1
    assert (code, report["stored"]) == (0, 1)
    assert set(ChainSnapshot.objects.values_list("symbol", "source")) == {("ACME", "stock_chain"), ("M&M", "mine")}


def test_asking_for_what_is_not_there_is_a_failure_with_a_sentence(tmp_path: Path) -> None:
    code, report = run(written(tmp_path, HEADER + ROW), "--symbol", "none")

    assert (code, report["code"]) == (1, "NO_MATCH")
    assert "no usable chain of NONE" in str(report["sentence"])


def test_a_symbol_may_be_written_small(tmp_path: Path) -> None:
    code, report = run(written(tmp_path, HEADER + ROW + OTHER), "--symbol", " m&m ")

    assert (code, report["stored"]) == (0, 1)
    assert ChainSnapshot.objects.get().symbol == "M&M"


def test_a_blank_symbol_is_wrong_usage(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="--symbol"):
        run(written(tmp_path, HEADER + ROW), "--symbol", " ")


def test_a_symbol_that_is_not_there_is_said_even_when_another_lands(tmp_path: Path) -> None:
    path = written(tmp_path, HEADER + ROW + OTHER)

    code, report = run(path, "--symbol", "acme", "--symbol", "typo")

    assert (code, report["status"], report["stored"], report["code"]) == (1, "accepted", 1, "NO_MATCH")
    assert "no usable chain of TYPO" in str(report["sentence"])
    assert "ACME" not in str(report["sentence"])
    assert FileImport.objects.get().reason_code == "NO_MATCH"
    assert run(path, "--symbol", "acme")[1]["code"] == ""


def test_a_missing_symbol_is_not_blamed_on_another_ones_refusal(tmp_path: Path) -> None:
    spotless = OTHER.replace(",101.5,", ",0,")

    code, report = run(written(tmp_path, HEADER + ROW + spotless), "--symbol", "none")

    assert (code, report["code"], report["refused"]) == (1, "NO_MATCH", {"ZERO_SPOT": 1})


def test_a_symbol_that_is_there_on_other_days_only_is_told_apart(tmp_path: Path) -> None:
    code, report = run(written(tmp_path, HEADER + ROW), "--symbol", "acme", "--from", "2026-01-31")

    assert (code, report["code"]) == (1, "NO_MATCH")
    assert "symbols and days asked for" in str(report["sentence"])


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ("<html>Access Denied</html>", "HTML"),
        (HEADER + ROW.replace(",101.5,", ",0,"), "ZERO_SPOT"),
        (HEADER + ROW.replace("2026-01-30", "2026-01-31"), "OUT_OF_SESSION"),
        (HEADER + ROW.replace("5.5", "nan").replace("4.5", "-1"), "NO_ROWS"),
        ("", "EMPTY"),
    ],
)
def test_a_bad_file_leaves_a_refused_row_and_what_was_stored(tmp_path: Path, content: str, code: str) -> None:
    store_chain(make_chain())

    status, report = run(written(tmp_path, content))

    assert (status, report["code"], report["status"]) == (1, code, "refused")
    assert report["sentence"]
    record = FileImport.objects.get()
    assert (record.status, record.reason_code) == ("refused", code)
    assert latest_chain("ACME", as_of=NOON) == make_chain()


def test_a_file_that_does_not_exist_is_said_and_kept(tmp_path: Path) -> None:
    code, report = run(tmp_path / "absent.csv")

    assert (code, report["code"]) == (1, "FILE_NOT_FOUND")
    assert FileImport.objects.get().reason_code == "FILE_NOT_FOUND"


def test_rejected_rows_are_counted_by_code(tmp_path: Path) -> None:
    broken = ROW.replace("100.0,5.5", "110.0,-5.5")

    code, report = run(written(tmp_path, HEADER + ROW + broken + "ACME,cut\n"))

    assert (code, report["rejected"]) == (0, {"NEGATIVE_PRICE": 1, "WRONG_WIDTH": 1})
    assert FileImport.objects.get().rejected == {"NEGATIVE_PRICE": 1, "WRONG_WIDTH": 1}


def test_the_table_shows_the_closing_figures(tmp_path: Path) -> None:
    out = StringIO()

    call_command("import_chains", str(written(tmp_path, HEADER + ROW)), stdout=out)

    assert "chains.csv" in out.getvalue()
    assert "Unchanged" in out.getvalue()


@pytest.mark.realdata
def test_the_matched_real_days_are_stored_and_found_at_the_closing_minute(shared_data: Path) -> None:
    path = shared_data / "C_option_chains" / "stock_option_chain_eod_2026-01-28_to_2026-01-30.tar.xz"

    result = import_chain_file(path)

    assert (result.counts.stored, result.counts.quotes) == (618, 49466)
    symbols = list(ChainSnapshot.objects.values_list("symbol", flat=True).distinct())
    found = latest_chains(symbols, as_of=datetime(2026, 1, 30, 15, 29, tzinfo=IST))
    assert len(found) == 206
    assert {chain.taken_at for chain in found.values()} == {datetime(2026, 1, 30, 15, 29, tzinfo=IST)}
    a_second_early = latest_chains(symbols, as_of=datetime(2026, 1, 30, 15, 28, 59, tzinfo=IST))
    assert {chain.taken_at.day for chain in a_second_early.values()} == {29}


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("name", "limit", "stored"),
    [
        ("nse_option_chain_2019_all_expiries_NIFTY.tar.xz", 3, 2),
        ("dhan_v2_optionchain_json.tar.xz", None, 3),
    ],
)
def test_other_real_forms_land(shared_data: Path, name: str, limit: int | None, stored: int) -> None:
    result = import_chain_file(shared_data / "C_option_chains" / name, limit=limit)

    assert result.counts.stored == stored
    assert OptionQuote.objects.count() == result.counts.quotes > 100


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_two_imports_at_once_store_each_chain_once() -> None:
    chains = [make_chain(f"S{number}") for number in range(40)]

    def store(ordered: list[CapturedChain]) -> tuple[int, int]:
        try:
            counts = store_chains(ordered)
            return counts.stored, counts.unchanged
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(store, [chains, chains[::-1]]))

    assert sum(stored for stored, _ in outcomes) == 40
    assert sum(unchanged for _, unchanged in outcomes) == 40
    assert OptionQuote.objects.count() == 120
