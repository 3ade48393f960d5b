import csv
import gzip
from datetime import date, datetime
from pathlib import Path

import pytest

from market.errors import UnknownDay, UnknownInstrument
from market.rulebook import lot_size
from market.rulebook.lots import INDEX_LOTS


@pytest.mark.parametrize(
    ("underlying", "lots"),
    [
        ("NIFTY", (25, 75, 75, 65)),
        ("BANKNIFTY", (15, 30, 35, 30)),
        ("FINNIFTY", (25, 65, 65, 60)),
        ("MIDCPNIFTY", (50, 120, 140, 120)),
        ("NIFTYNXT50", (10, 25, 25, 25)),
        ("SENSEX", (10, 20, 20, 20)),
        ("BANKEX", (15, 30, 30, 30)),
    ],
)
def test_the_table_of_the_reference(underlying: str, lots: tuple[int, ...]) -> None:
    expiries = [date(2024, 10, 31), date(2025, 3, 27), date(2025, 7, 31), date(2026, 1, 29)]

    found = tuple(lot_size(underlying, expiry, as_of=expiry.replace(day=1)) for expiry in expiries)

    assert found == lots


@pytest.mark.parametrize(
    ("expiry", "as_of", "lot"),
    [
        (date(2024, 4, 25), date(2024, 4, 25), 50),
        (date(2024, 5, 30), date(2024, 4, 25), 50),
        (date(2024, 5, 30), date(2024, 4, 26), 25),
        (date(2024, 12, 26), date(2024, 12, 20), 25),
        (date(2025, 1, 2), date(2024, 12, 20), 75),
        (date(2025, 1, 30), date(2025, 1, 30), 25),
        (date(2025, 2, 27), date(2024, 11, 29), 75),
        (date(2025, 3, 27), date(2024, 12, 26), 25),
        (date(2025, 3, 27), date(2024, 12, 27), 75),
        (date(2025, 12, 30), date(2025, 12, 30), 75),
        (date(2026, 1, 6), date(2025, 12, 30), 65),
        (date(2026, 6, 30), date(2025, 12, 30), 75),
        (date(2026, 6, 30), date(2025, 12, 31), 65),
        (date(2030, 12, 31), date(2026, 2, 9), 65),
    ],
)
def test_fm_D1_nifty_lot_follows_the_contract(expiry: date, as_of: date, lot: int) -> None:
    assert lot_size("NIFTY", expiry, as_of=as_of) == lot


def test_sensex_january_2025_monthly_kept_its_lot() -> None:
    assert lot_size("SENSEX", date(2025, 1, 21), as_of=date(2025, 1, 20)) == 20
    assert lot_size("SENSEX", date(2025, 1, 28), as_of=date(2025, 1, 20)) == 10


def test_new_index_has_a_lot_only_from_its_start() -> None:
    assert lot_size("NIFTYFPI", date(2026, 8, 25), as_of=date(2026, 8, 12)) == 1100
    with pytest.raises(UnknownInstrument):
        lot_size("NIFTYFPI", date(2026, 7, 28), as_of=date(2026, 7, 1))


@pytest.mark.parametrize("underlying", ["RELIANCE", "nifty", "NIFTY50", ""])
def test_fm_D1_no_default_lot_size(underlying: str) -> None:
    with pytest.raises(UnknownInstrument, match="LOT_UNKNOWN"):
        lot_size(underlying, date(2026, 2, 24), as_of=date(2026, 1, 30))


def test_disagreeing_sources_give_no_lot() -> None:
    assert lot_size("SENSEX50", date(2026, 2, 26), as_of=date(2026, 2, 9)) == 75
    with pytest.raises(UnknownInstrument, match="60/75"):
        lot_size("SENSEX50", date(2025, 8, 26), as_of=date(2025, 8, 1))


def test_before_2024_nothing_is_known() -> None:
    with pytest.raises(UnknownDay):
        lot_size("NIFTY", date(2024, 1, 25), as_of=date(2023, 12, 29))


def test_rules_are_in_order_and_sourced() -> None:
    for rules in INDEX_LOTS.values():
        starts = [rule.first_expiry for rule in rules]
        assert starts == sorted(set(starts))
        assert all(rule.source for rule in rules)


@pytest.mark.realdata
def test_lots_equal_those_stated_in_the_bhavcopies(shared_data: Path) -> None:
    path = shared_data / "B_bhavcopy_fo/nse_index_futures_from_fo_bhavcopy.csv.gz"
    with gzip.open(path, "rt", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["date"] >= "2024" and row["stated_lot"]]

    wrong = [row for row in rows if float(row["stated_lot"]) != _lot_of(row)]

    assert len(rows) > 5_000
    assert wrong == []


@pytest.mark.realdata
def test_lots_agree_with_turnover_before_lots_were_stated(shared_data: Path) -> None:
    path = shared_data / "B_bhavcopy_fo/nse_index_futures_from_fo_bhavcopy.csv.gz"
    with gzip.open(path, "rt", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["date"] >= "2024" and not row["stated_lot"]]

    traded = [row for row in rows if row["implied_lot"]]

    assert len(traded) > 1_500
    assert [row for row in traded if float(row["implied_lot"]) != pytest.approx(_lot_of(row), rel=0.05)] == []


def _lot_of(row: dict[str, str]) -> int:
    form = "%Y-%m-%d %z" if row["expiry"][4] == "-" else "%d-%b-%Y %z"
    expiry = datetime.strptime(f"{row['expiry']} +0530", form).date()
    return lot_size(row["symbol"], expiry, as_of=date.fromisoformat(row["date"]))


@pytest.mark.realdata
def test_lots_equal_those_of_the_dhan_master(shared_data: Path) -> None:
    path = shared_data / "A_instruments/api-scrip-master_2026-02.csv.gz"
    with gzip.open(path, "rt", newline="") as file:
        found = {
            (row["SEM_TRADING_SYMBOL"].split("-")[0], row["SEM_EXPIRY_DATE"][:10], float(row["SEM_LOT_UNITS"]))
            for row in csv.DictReader(file)
            if row["SEM_INSTRUMENT_NAME"] == "OPTIDX" and row["SEM_EXM_EXCH_ID"] in ("NSE", "BSE")
        }

    live = [(name, date.fromisoformat(day), lot) for name, day, lot in found if day >= "2026-02-10"]

    assert len(live) > 50
    assert [row for row in live if lot_size(row[0], row[1], as_of=date(2026, 2, 9)) != row[2]] == []
