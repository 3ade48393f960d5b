"""Bhavcopies in the database."""

import io
import json
import tarfile
from datetime import date
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command

from market.models import ContractBar, DailyBar, FileImport

pytestmark = pytest.mark.django_db

OLD = (
    "INSTRUMENT,SYMBOL,EXPIRY_DT,STRIKE_PR,OPTION_TYP,OPEN,HIGH,LOW,CLOSE,SETTLE_PR,CONTRACTS,VAL_INLAKH,OPEN_INT,"
    "CHG_IN_OI,TIMESTAMP,\n"
    "FUTIDX,BANKNIFTY,25-Mar-2021,0,XX,34579.8,34820,33668.55,33888.25,33888.25,240381,2059559.31,1503375,102975,"
    "18-MAR-2021,\n"
    "OPTSTK,AARTIIND,25-Mar-2021,880,CE,0,0,0,371.15,361.4,0,0,0,0,18-MAR-2021,\n"
)
CASH = (
    "SYMBOL,SERIES,DATE1,PREV_CLOSE,OPEN_PRICE,HIGH_PRICE,LOW_PRICE,LAST_PRICE,CLOSE_PRICE,AVG_PRICE,TTL_TRD_QNTY,"
    "TURNOVER_LACS,NO_OF_TRADES,DELIV_QTY,DELIV_PER\n"
    "360ONE, EQ, 27-Jan-2026,1112.3,1108.0,1125.0,1100.3,1111.0,1113.7,1111.77,2585701,28747.13,39388, 1972349, 76.28\n"
)
UDIFF = (
    "TradDt,FinInstrmTp,TckrSymb,XpryDt,StrkPric,OptnTp,NewBrdLotQty,Src,OpnPric,HghPric,LwPric,ClsPric,SttlmPric,"
    "TtlTradgVol,OpnIntrst,ChngInOpnIntrst,UndrlygPric\n"
)
OPTION = "2025-08-14,IDO,NIFTY,2025-08-28,23150,PE,75,NSE,10.5,10.5,7.5,8.7,8.7,324,27150,4800,24631.3\n"
CONVERTED = (
    "SYMBOL,EXPIRY_DT,STRIKE_PR,OPTION_TYP,SETTLE_PR,OPEN_INT,CHG_IN_OI,VOLUME,TRADE_DATE,UNDERLYING_PRICE,HIGH_PRICE,"
    "LOW_PRICE,OPEN_PRICE,CLOSE_PRICE,LAST_PRICE\n"
    "NIFTY,28-08-2025,23150.0,PE,8.7,27150,4800,324,14-08-2025,24631.3,10.5,7.5,10.5,8.7,8.2\n"
)


def run(*paths: Path) -> tuple[int, dict[str, object]]:
    out = StringIO()
    code: int | str | None = 0
    try:
        call_command("import_bhavcopy", *map(str, paths), "--json", stdout=out)
    except SystemExit as stop:
        code = stop.code
    return int(code or 0), json.loads(out.getvalue())["files"][0]


def written(tmp_path: Path, text: str) -> Path:
    (tmp_path / "bhav.csv").write_text(text)
    return tmp_path / "bhav.csv"


def test_contracts_land_and_what_did_not_trade_has_no_price(tmp_path: Path) -> None:
    code, report = run(written(tmp_path, OLD))

    assert (code, report["contracts"], report["inserted"]) == (0, 2, 2)
    quiet = ContractBar.objects.get(underlying="AARTIIND")
    assert (quiet.open, quiet.high, quiet.low, quiet.close) == (None, None, None, None)
    assert (float(quiet.settlement), quiet.strike, quiet.option_type) == (361.4, 880, "CE")
    future = ContractBar.objects.get(underlying="BANKNIFTY")
    assert (future.strike, future.option_type, float(future.close)) == (None, "XX", 33888.25)
    assert (future.volume, future.lot_size, future.day) == (240381, None, date(2021, 3, 18))
    record = FileImport.objects.get()
    assert (record.kind, record.status, record.published_on) == ("bhavcopy_fo", "accepted", date(2021, 3, 18))


def test_importing_again_changes_nothing_futures_included(tmp_path: Path) -> None:
    path = written(tmp_path, OLD)
    run(path)

    code, report = run(path)

    assert (code, report["status"], report["inserted"], report["updated"]) == (0, "unchanged", 0, 0)
    assert ContractBar.objects.count() == 2


def test_a_correction_lands(tmp_path: Path) -> None:
    run(written(tmp_path, OLD))

    _, report = run(written(tmp_path, OLD.replace("33888.25,33888.25", "33888.25,33900")))

    assert (report["status"], report["inserted"], report["updated"]) == ("accepted", 0, 1)
    assert float(ContractBar.objects.get(underlying="BANKNIFTY").settlement) == 33900


def test_a_file_without_spots_leaves_the_stored_ones(tmp_path: Path) -> None:
    run(written(tmp_path, UDIFF + OPTION))

    code, report = run(written(tmp_path, UDIFF + OPTION.replace("24631.3", "0")))

    assert (code, report["code"]) == (1, "NO_ROWS")
    assert "ZERO_SPOT 1" in str(report["sentence"])
    assert float(ContractBar.objects.get().underlying_price) == 24631.3


def test_what_a_later_file_does_not_say_stays_as_it_was(tmp_path: Path) -> None:
    run(written(tmp_path, UDIFF + OPTION))
    silent = OPTION.replace("10.5,10.5,7.5,8.7,8.7,324,27150,4800,24631.3", "0,0,0,0,0,0,27225,0,")

    _, report = run(written(tmp_path, UDIFF + silent))

    bar = ContractBar.objects.get()
    prices = (bar.open, bar.high, bar.low, bar.close, bar.settlement, bar.underlying_price)
    assert tuple(map(float, prices)) == (10.5, 10.5, 7.5, 8.7, 8.7, 24631.3)
    assert (report["updated"], bar.open_interest, bar.lot_size) == (1, 27225, 75)


def test_a_form_without_lots_is_counted_in_units_where_the_lot_is_known(tmp_path: Path) -> None:
    run(written(tmp_path, UDIFF + OPTION))

    code, report = run(written(tmp_path, CONVERTED))

    assert (code, report["status"]) == (0, "unchanged")
    bar = ContractBar.objects.get()
    assert (bar.volume, bar.lot_size) == (324 * 75, 75)


def test_a_lot_learnt_later_turns_contracts_into_units(tmp_path: Path) -> None:
    run(written(tmp_path, CONVERTED))

    _, report = run(written(tmp_path, UDIFF + OPTION))

    bar = ContractBar.objects.get()
    assert (report["updated"], bar.volume, bar.lot_size) == (1, 324 * 75, 75)


def test_an_unknown_delivery_does_not_hide_a_known_one(tmp_path: Path) -> None:
    run(written(tmp_path, CASH))

    _, report = run(written(tmp_path, CASH.replace(" 1972349, 76.28", " -, -").replace(",1111.0,", ",0,")))

    bar = DailyBar.objects.get()
    assert (report["status"], bar.delivered, bar.last_price) == ("unchanged", 1972349, 1111)


def test_shares_land(tmp_path: Path) -> None:
    code, report = run(written(tmp_path, CASH))

    assert (code, report["shares"]) == (0, 1)
    bar = DailyBar.objects.get()
    assert (bar.exchange, bar.symbol, bar.series, bar.day) == ("NSE", "360ONE", "EQ", date(2026, 1, 27))
    prices = (bar.open, bar.high, bar.low, bar.close, bar.last_price, bar.previous_close)
    assert tuple(map(float, prices)) == (1108.0, 1125.0, 1100.3, 1113.7, 1111.0, 1112.3)
    assert (bar.volume, bar.delivered) == (2585701, 1972349)
    assert FileImport.objects.get().kind == "bhavcopy_cash"


def test_a_bad_member_does_not_lose_the_good_one(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "days.tar", "w") as archive:
        for name, text in (("bad.csv", "<html>"), ("good.csv", CASH)):
            entry = tarfile.TarInfo(name)
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text.encode()))

    code, report = run(tmp_path / "days.tar")

    assert (code, report["shares"], report["refused"]) == (0, 1, {"HTML": 1})
    assert FileImport.objects.get().rejected == {"file:HTML": 1}


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("<html>", "HTML"),
        ("", "EMPTY"),
        ("a,b\n1,2\n", "WRONG_COLUMNS"),
        (OLD.splitlines()[0], "NO_ROWS"),
        (OLD.replace("18-MAR-2021", "20-MAR-2021"), "OUT_OF_SESSION"),
        (OLD.replace("18-MAR-2021", "19-MAR-2021", 1), "MIXED_DATES"),
        (OLD.replace("240381", "nan"), "TOO_MANY_BAD_ROWS"),
    ],
)
def test_a_bad_file_is_refused_and_nothing_stored_is_lost(tmp_path: Path, text: str, code: str) -> None:
    run(written(tmp_path, OLD))

    status, report = run(written(tmp_path, text))

    assert (status, report["code"]) == (1, code)
    assert ContractBar.objects.count() == 2
    assert FileImport.objects.latest("id").reason_code == code


def test_a_file_that_does_not_exist_is_said(tmp_path: Path) -> None:
    code, report = run(tmp_path / "absent.csv")

    assert (code, report["code"]) == (1, "FILE_NOT_FOUND")


@pytest.mark.realdata
def test_a_real_bhavcopy_of_each_kind_lands(shared_data: Path) -> None:
    run(shared_data / "B_bhavcopy_fo" / "BhavCopy_NSE_FO_20260813_NIFTY-subset.csv.gz")
    run(shared_data / "B_bhavcopy_cash" / "sec_bhavdata_full_2026-01-27_to_2026-01-30.tar.xz")

    assert ContractBar.objects.filter(underlying="NIFTY", day=date(2026, 8, 13)).count() == 1717
    assert set(ContractBar.objects.filter(underlying="NIFTY").values_list("lot_size", flat=True)) == {65}
    assert DailyBar.objects.values("day").distinct().count() == 4
