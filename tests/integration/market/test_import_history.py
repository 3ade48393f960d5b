"""Daily histories in the database, and the closed candles read back."""

import gzip
import json
from datetime import date, datetime
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command

from market.calendar import IST
from market.models import DailyBar, FileImport
from market.services.candles import closed_candles, last_closed_day, sessions_late

pytestmark = pytest.mark.django_db

HEAD = "Date,Open,High,Low,Close,Adjusted Close,Volume\n"
ROWS = "".join(f"2026-01-{day},100,{101 + day},99,{100 + day},{100 + day},{day}\n" for day in (27, 28, 29, 30))


def run(*paths: Path) -> tuple[int, list[dict[str, object]]]:
    out = StringIO()
    code: int | str | None = 0
    try:
        call_command("import_history", *map(str, paths), "--json", stdout=out)
    except SystemExit as stop:
        code = stop.code
    return int(code or 0), json.loads(out.getvalue())["files"]


def written(tmp_path: Path, text: str = HEAD + ROWS, name: str = "daily_NIFTY50.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return path


def test_sessions_land_and_importing_again_changes_nothing(tmp_path):
    path = written(tmp_path, name="daily_NIFTY50.csv.gz")
    code, (report,) = run(path)

    again, (second,) = run(path)

    assert (code, report["sessions"], report["inserted"]) == (0, 4, 4)
    assert (again, second["status"], second["inserted"], second["updated"]) == (0, "unchanged", 0, 0)
    bar = DailyBar.objects.get(day=date(2026, 1, 30))
    assert (bar.symbol, bar.series, float(bar.close), bar.volume) == ("NIFTY", "IDX", 130.0, 30)
    assert FileImport.objects.last().published_on == date(2026, 1, 30)


def test_a_bad_file_is_refused_and_the_next_one_still_lands(tmp_path):
    good = written(tmp_path)

    code, reports = run(written(tmp_path, name="daily_MOON.csv"), tmp_path / "nowhere.csv", good)

    assert code == 1
    assert [next(iter(report["refused"]), None) for report in reports] == ["UNKNOWN_INDEX", "FILE_NOT_FOUND", None]
    assert DailyBar.objects.count() == 4
    assert FileImport.objects.filter(status="refused").count() == 2


def test_the_unfinished_candle_is_never_read(tmp_path):
    run(written(tmp_path))

    during = closed_candles(["NIFTY"], as_of=datetime(2026, 1, 30, 15, 29, tzinfo=IST))
    after = closed_candles(["NIFTY"], as_of=datetime(2026, 1, 30, 15, 30, tzinfo=IST))

    assert during["NIFTY"].days[-1].astype(object) == date(2026, 1, 29)
    assert after["NIFTY"].days[-1].astype(object) == date(2026, 1, 30)
    assert after["NIFTY"].closes.tolist() == [127.0, 128.0, 129.0, 130.0]
    assert after["NIFTY"].volumes.tolist() == [27.0, 28.0, 29.0, 30.0]


def test_many_symbols_are_one_query_and_a_symbol_without_candles_is_absent(tmp_path, django_assert_num_queries):
    run(written(tmp_path), written(tmp_path, name="daily_SENSEX.csv"))

    with django_assert_num_queries(1):
        found = closed_candles(["NIFTY", "SENSEX", "ACME"], as_of=datetime(2026, 1, 30, 23, 59, tzinfo=IST))

    assert sorted(found) == ["NIFTY", "SENSEX"]


@pytest.mark.parametrize(
    ("moment", "day"),
    [
        (datetime(2026, 1, 30, 9, 15, tzinfo=IST), date(2026, 1, 29)),
        (datetime(2026, 1, 30, 16, 0, tzinfo=IST), date(2026, 1, 30)),
        (datetime(2019, 8, 23, 15, 0, tzinfo=IST), date(2019, 8, 22)),  # years the rulebook does not cover
        (datetime(2019, 8, 23, 15, 30, tzinfo=IST), date(2019, 8, 23)),
    ],
)
def test_a_day_is_closed_at_its_close(moment, day):
    assert last_closed_day(moment) == day


def test_lateness_counts_sessions_not_days():
    monday = datetime(2026, 1, 19, 16, 0, tzinfo=IST)

    assert sessions_late(date(2026, 1, 19), as_of=monday) == 0
    assert sessions_late(date(2026, 1, 16), as_of=monday) == 1
    assert sessions_late(date(2026, 1, 14), as_of=monday) == 2  # the 15th was a holiday
    assert sessions_late(date(2019, 8, 16), as_of=datetime(2019, 8, 19, 16, 0, tzinfo=IST)) == 1
