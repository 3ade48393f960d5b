import csv
import gzip
import re
import tarfile
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from market.calendar import (
    IST,
    closed_reason,
    closing_minute,
    expiry_moment,
    is_covered,
    next_expiries,
    next_session,
    previous_session,
    session_on,
    sessions_between,
    years_to,
)
from market.errors import InvalidInput, UnknownDay
from market.rulebook.days import HOLIDAYS, SPECIAL_DAYS


def ist(year: int, month: int, day: int, hour: int = 0, minute: int = 0, second: int = 0) -> datetime:
    return datetime(year, month, day, hour, minute, second, tzinfo=IST)


@pytest.mark.parametrize(
    ("day", "opens", "closes", "kind"),
    [
        (date(2024, 1, 1), "09:15", "15:30", "normal"),
        (date(2024, 1, 20), "09:15", "15:30", "special"),
        (date(2024, 3, 2), "09:15", "12:30", "special"),
        (date(2024, 5, 18), "09:15", "12:30", "special"),
        (date(2024, 11, 1), "18:00", "19:00", "muhurat"),
        (date(2025, 2, 1), "09:15", "15:30", "special"),
        (date(2025, 10, 21), "13:45", "14:45", "muhurat"),
        (date(2026, 2, 1), "09:15", "15:30", "special"),
        (date(2026, 7, 31), "09:15", "15:30", "normal"),
        (date(2026, 8, 3), "09:15", "15:40", "normal"),
        (date(2026, 12, 31), "09:15", "15:40", "normal"),
    ],
)
@pytest.mark.parametrize("exchange", ["NSE", "BSE"])
def test_session_hours(day: date, opens: str, closes: str, kind: str, exchange: str) -> None:
    session = session_on(day, exchange=exchange)

    assert session is not None
    assert (f"{session.opens:%H:%M}", f"{session.closes:%H:%M}", session.kind) == (opens, closes, kind)
    assert session.opens.tzinfo is IST
    assert session.opens.date() == session.closes.date() == session.day == day


@pytest.mark.parametrize(
    "day",
    [
        date(2024, 1, 22),
        date(2024, 5, 20),
        date(2024, 11, 20),
        date(2025, 10, 22),
        date(2026, 1, 15),
        date(2026, 11, 24),
        date(2026, 1, 31),
        date(2026, 11, 8),
        date(2023, 12, 29),
        date(2027, 1, 1),
    ],
)
def test_closed_days_have_no_session(day: date) -> None:
    assert session_on(day) is None


def test_only_the_three_years_are_covered() -> None:
    assert [is_covered(date(2024, 1, 1)), is_covered(date(2026, 12, 31))] == [True, True]
    assert [is_covered(date(2023, 12, 31)), is_covered(date(2027, 1, 1))] == [False, False]


@pytest.mark.parametrize(("year", "holidays", "sessions"), [(2024, 17, 249), (2025, 14, 249), (2026, 16, 246)])
def test_number_of_sessions_per_year(year: int, holidays: int, sessions: int) -> None:
    found = sessions_between(date(year, 1, 1), date(year, 12, 31))

    assert sum(day.year == year for day in HOLIDAYS) == holidays
    assert len(found) == sessions


def test_every_holiday_is_a_weekday() -> None:
    assert [day for day in HOLIDAYS if day.weekday() >= 5] == []


def test_special_days_are_days_the_ordinary_week_does_not_hold() -> None:
    assert [day for day in SPECIAL_DAYS if day.weekday() < 5 and day not in HOLIDAYS] == []


@pytest.mark.parametrize(
    ("at", "is_open"),
    [
        (ist(2026, 1, 30, 9, 14, 59), False),
        (ist(2026, 1, 30, 9, 15), True),
        (ist(2026, 1, 30, 15, 29, 59), True),
        (ist(2026, 1, 30, 15, 30), False),
        (ist(2026, 8, 3, 15, 39, 59), True),
        (ist(2026, 8, 3, 15, 40), False),
        (ist(2024, 3, 2, 9, 59, 59), True),
        (ist(2024, 3, 2, 10, 0), False),
        (ist(2024, 3, 2, 11, 30), True),
        (ist(2024, 3, 2, 12, 30), False),
        (datetime(2026, 1, 30, 3, 45, tzinfo=UTC), True),
        (datetime(2026, 1, 30, 10, 0, tzinfo=UTC), False),
        (ist(2026, 1, 31, 11, 0), False),
    ],
)
def test_the_edges_of_a_session(at: datetime, is_open: bool) -> None:
    assert (closed_reason(at) is None) is is_open


@pytest.mark.parametrize(
    ("at", "sentence", "remedy"),
    [
        (ist(2026, 1, 26, 11, 0), "is a trading holiday: Republic Day.", "Tuesday 27 Jan 2026 at 09:15 IST."),
        (ist(2026, 1, 31, 11, 0), "Saturday 31 Jan 2026 is a weekend.", "Sunday 01 Feb 2026 at 09:15 IST."),
        (ist(2026, 1, 30, 8, 0), "The market opens at 09:15 IST", "Friday 30 Jan 2026 at 09:15 IST."),
        (ist(2026, 1, 30, 16, 0), "The market closed at 15:30 IST", "Sunday 01 Feb 2026 at 09:15 IST."),
        (ist(2024, 5, 18, 10, 30), "pauses at 10:30 IST", "Saturday 18 May 2024 at 11:30 IST."),
        (ist(2026, 11, 8, 18, 0), "hours this rulebook does not know", "Monday 09 Nov 2026 at 09:15 IST."),
        (ist(2027, 1, 4, 11, 0), "does not cover 04 Jan 2027", "No later session is known"),
        (ist(2023, 12, 29, 11, 0), "does not cover 29 Dec 2023", "Monday 01 Jan 2024 at 09:15 IST."),
        (ist(2024, 11, 1, 11, 0), "The market opens at 18:00 IST", "Friday 01 Nov 2024 at 18:00 IST."),
    ],
)
def test_closed_reason_names_the_cause_and_the_next_open(at: datetime, sentence: str, remedy: str) -> None:
    reason = closed_reason(at)

    assert reason is not None
    assert reason.code == "MARKET_CLOSED"
    assert sentence in reason.sentence
    assert remedy in reason.remedy


def test_neighbouring_sessions_step_over_weekends_and_holidays() -> None:
    assert next_session(date(2026, 1, 30)).day == date(2026, 2, 1)
    assert previous_session(date(2026, 1, 27)).day == date(2026, 1, 23)
    assert next_session(date(2020, 1, 1)).day == date(2024, 1, 1)
    assert previous_session(date(2030, 1, 1)).day == date(2026, 12, 31)


def test_no_session_is_invented_outside_the_covered_years() -> None:
    with pytest.raises(UnknownDay):
        next_session(date(2026, 12, 31))
    with pytest.raises(UnknownDay):
        previous_session(date(2024, 1, 1))
    with pytest.raises(UnknownDay):
        sessions_between(date(2026, 12, 1), date(2027, 1, 31))


def test_sessions_between_includes_both_ends() -> None:
    found = sessions_between(date(2026, 1, 23), date(2026, 1, 28))

    assert [session.day.day for session in found] == [23, 27, 28]


def test_expiry_moment_is_the_close_of_a_session() -> None:
    assert expiry_moment(date(2026, 2, 24)) == ist(2026, 2, 24, 15, 30)
    assert expiry_moment(date(2026, 8, 4)) == ist(2026, 8, 4, 15, 40)
    with pytest.raises(UnknownDay, match="EXPIRY_NOT_A_SESSION"):
        expiry_moment(date(2026, 3, 31))


def test_years_to_counts_seconds_to_the_close() -> None:
    assert years_to(date(2026, 2, 24), ist(2026, 1, 30, 15, 30)) == 25 / 365
    assert years_to(date(2026, 2, 24), ist(2026, 2, 24, 15, 15)) == 900 / (365 * 86_400)
    assert years_to(date(2026, 2, 24), datetime(2026, 2, 24, 9, 45, tzinfo=UTC)) == 900 / (365 * 86_400)


@pytest.mark.parametrize("at", [ist(2026, 2, 24, 15, 30), ist(2026, 2, 25)])
def test_years_to_a_past_expiry_is_refused(at: datetime) -> None:
    with pytest.raises(InvalidInput, match="EXPIRED"):
        years_to(date(2026, 2, 24), at)


def test_closing_minute_is_sixty_seconds_before_the_close() -> None:
    assert closing_minute(date(2026, 1, 30)) == ist(2026, 1, 30, 15, 29)
    assert closing_minute(date(2026, 8, 3)) == ist(2026, 8, 3, 15, 39)


def test_a_naive_moment_is_refused() -> None:
    naive = ist(2026, 1, 30, 11).replace(tzinfo=None)

    for ask in (closed_reason, lambda at: years_to(date(2026, 2, 24), at)):
        with pytest.raises(InvalidInput, match="NAIVE_DATETIME"):
            ask(naive)


def test_a_datetime_is_not_taken_for_a_date() -> None:
    with pytest.raises(InvalidInput, match="NOT_A_DATE"):
        session_on(ist(2026, 1, 26, 11))


def test_an_unknown_exchange_is_refused() -> None:
    with pytest.raises(InvalidInput, match="BAD_EXCHANGE"):
        session_on(date(2026, 1, 30), exchange="MCX")


# dhan.md 13.2: shifts and monthlies of 2026
NIFTY_SHIFTS_2026 = [(3, 2), (3, 30), (4, 13), (10, 19), (11, 9), (11, 23)]
SENSEX_SHIFTS_2026 = [(1, 14), (3, 25), (5, 27)]
NSE_MONTHLY_2026 = [27, 24, 30, 28, 26, 30, 28, 25, 29, 27, 23, 29]
BSE_MONTHLY_2026 = [29, 26, 25, 30, 27, 25, 30, 27, 24, 29, 26, 31]


@pytest.mark.parametrize(
    ("underlying", "weekday", "shifts"), [("NIFTY", 1, NIFTY_SHIFTS_2026), ("SENSEX", 3, SENSEX_SHIFTS_2026)]
)
def test_weekly_expiries_of_2026(underlying: str, weekday: int, shifts: list[tuple[int, int]]) -> None:
    found = next_expiries(underlying, date(2026, 1, 1), 60)

    assert [(day.month, day.day) for day in found if day.weekday() != weekday] == shifts
    assert len(found) == (52 if underlying == "NIFTY" else 53)


@pytest.mark.parametrize(
    ("underlying", "days"),
    [
        ("NIFTY", NSE_MONTHLY_2026),
        ("BANKNIFTY", NSE_MONTHLY_2026),
        ("RELIANCE", NSE_MONTHLY_2026),
        ("SENSEX", BSE_MONTHLY_2026),
        ("BANKEX", BSE_MONTHLY_2026),
    ],
)
def test_monthly_expiries_of_2026(underlying: str, days: list[int]) -> None:
    expected = [date(2026, month, day) for month, day in enumerate(days, start=1)]

    assert next_expiries(underlying, date(2026, 1, 1), 12, cycle="monthly") == expected


def test_only_nifty_and_sensex_have_weeklies_in_2026() -> None:
    assert next_expiries("BANKNIFTY", date(2026, 1, 1), 2) == [date(2026, 1, 27), date(2026, 2, 24)]
    assert next_expiries("NIFTY", date(2026, 1, 1), 2) == [date(2026, 1, 6), date(2026, 1, 13)]


def test_expiries_that_moved_before_special_sessions_of_2024() -> None:
    assert next_expiries("MIDCPNIFTY", date(2024, 1, 16), 1) == [date(2024, 1, 20)]
    assert next_expiries("BANKEX", date(2024, 1, 16), 1) == [date(2024, 1, 20)]
    assert next_expiries("MIDCPNIFTY", date(2024, 5, 14), 1) == [date(2024, 5, 17)]
    assert next_expiries("SENSEX", date(2024, 10, 28), 1) == [date(2024, 10, 31)]


def test_banknifty_has_no_weekly_in_the_week_of_its_monthly() -> None:
    assert next_expiries("BANKNIFTY", date(2024, 1, 18), 2) == [date(2024, 1, 25), date(2024, 1, 31)]


def test_sensex_passes_from_friday_to_tuesday_to_thursday() -> None:
    assert next_expiries("SENSEX", date(2025, 1, 1), 3) == [date(2025, 1, 3), date(2025, 1, 7), date(2025, 1, 14)]
    assert next_expiries("SENSEX", date(2025, 8, 20), 2) == [date(2025, 8, 26), date(2025, 9, 4)]


def test_expiries_are_shown_as_they_were_listed_before_the_day_changed() -> None:
    assert next_expiries("NIFTY", date(2025, 7, 31), 3, cycle="monthly")[2] == date(2025, 9, 25)
    assert next_expiries("NIFTY", date(2025, 8, 1), 3, cycle="monthly")[1] == date(2025, 9, 30)
    assert next_expiries("RELIANCE", date(2025, 6, 27), 3)[2] == date(2025, 9, 30)
    assert next_expiries("SENSEX", date(2024, 12, 31), 2) == [date(2025, 1, 3), date(2025, 1, 10)]


def test_expiry_day_itself_is_still_the_next_expiry() -> None:
    assert next_expiries("NIFTY", date(2026, 3, 30), 2) == [date(2026, 3, 30), date(2026, 4, 7)]


def test_expiries_end_with_the_covered_years() -> None:
    assert next_expiries("RELIANCE", date(2026, 12, 1), 3) == [date(2026, 12, 29)]
    with pytest.raises(UnknownDay):
        next_expiries("RELIANCE", date(2026, 12, 30), 1)
    with pytest.raises(UnknownDay):
        next_expiries("RELIANCE", date(2027, 1, 1), 1)
    with pytest.raises(InvalidInput):
        next_expiries("RELIANCE", date(2026, 1, 1), 0)


def read(path: Path) -> list[dict[str, str]]:
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    return [{key.strip(): value for key, value in row.items()} for row in rows]


def dates_in_members(path: Path) -> set[date]:
    with tarfile.open(path) as tar:
        names = tar.getnames()
    found = (re.search(r"(\d{4})-?(\d{2})-?(\d{2})", name) for name in names)
    return {date(*map(int, match.groups())) for match in found if match}


def sessions_of(start: date, end: date) -> set[date]:
    return {session.day for session in sessions_between(start, end)}


@pytest.mark.realdata
def test_calendar_equals_the_cash_bhavcopies(shared_data: Path) -> None:
    folder = shared_data / "B_bhavcopy_cash"

    winter = dates_in_members(folder / "sec_bhavdata_full_2025-11-03_to_2026-01-23.tar.xz")
    matched = dates_in_members(folder / "sec_bhavdata_full_2026-01-27_to_2026-01-30.tar.xz")

    assert len(winter) == 57
    assert winter == sessions_of(date(2025, 11, 3), date(2026, 1, 23))
    assert matched == sessions_of(date(2026, 1, 27), date(2026, 1, 30))


@pytest.mark.realdata
def test_calendar_equals_the_days_of_the_indices(shared_data: Path) -> None:
    last = date(2026, 1, 23)
    nifty = {date.fromisoformat(row["Date"]) for row in read(shared_data / "D_index/daily_NIFTY50.csv.gz")}
    vix_rows = read(shared_data / "D_index/india_vix_daily.csv.gz")
    vix = {datetime.strptime(f"{row['Date'].strip()} +0530", "%d-%b-%Y %z").date() for row in vix_rows}
    drills = {date(2024, 3, 2), date(2024, 5, 18)}

    expected = sessions_of(date(2024, 1, 1), last)

    # Yahoo has no bar for the weekend sessions of 2024; NSE's VIX file lacks only the drill of 2 March 2024.
    assert expected - {day for day in vix if day.year >= 2024} == {date(2024, 3, 2)}
    assert {day for day in vix if day.year >= 2024} <= expected
    assert expected - nifty == drills | {date(2024, 1, 20)}
    assert {day for day in nifty if day.year >= 2024} <= expected


@pytest.mark.realdata
def test_minute_bars_of_2024_lie_inside_the_sessions(shared_data: Path) -> None:
    minutes: dict[date, set[str]] = defaultdict(set)
    for row in read(shared_data / "D_index/NIFTY_1min_2024.csv.gz"):
        minutes[date(int(row["Date"][:4]), int(row["Date"][4:6]), int(row["Date"][6:]))].add(row["Time"])

    not_collected = {date(2024, 2, 1), date(2024, 3, 4), date(2024, 4, 5), date(2024, 5, 7)}
    assert set(minutes) | not_collected == sessions_of(date(2024, 1, 1), date(2024, 6, 28))
    for day, stamps in minutes.items():
        session = session_on(day)
        assert session is not None
        inside = set()
        at = session.opens
        while at < session.closes:
            if session.trading_at(at):
                inside.add(f"{at:%H:%M}")
            at += timedelta(minutes=1)
        # The collector went on recording frozen values after the close of 20 January 2024.
        assert stamps == inside or (day == date(2024, 1, 20) and inside < stamps)


@pytest.mark.realdata
def test_listed_index_futures_have_the_expiries_of_the_rule(shared_data: Path) -> None:
    listed: dict[tuple[str, date], set[date]] = defaultdict(set)
    for row in read(shared_data / "B_bhavcopy_fo/nse_index_futures_from_fo_bhavcopy.csv.gz"):
        if row["date"] >= "2024":
            text = row["expiry"]
            form = "%Y-%m-%d %z" if text[4] == "-" else "%d-%b-%Y %z"
            expiry = datetime.strptime(f"{text} +0530", form).date()
            listed[row["symbol"], date.fromisoformat(row["date"])].add(expiry)

    differing = {
        key: sorted(found)
        for key, found in listed.items()
        if sorted(found) != next_expiries(key[0], key[1], len(found), cycle="monthly")
    }

    # Contracts of 2025 were listed on days that the later holiday list closed, until the day changed on 2 January;
    # NIFTYNXT50 began on 24 April 2024 without an April contract.
    listed_on_a_holiday = {
        key
        for key, found in differing.items()
        if {date(2025, 2, 26), date(2025, 3, 31)} & set(found) and key[1] <= date(2025, 1, 1)
    }
    first_days = {("NIFTYNXT50", date(2024, 4, day)) for day in (24, 25, 26)}
    assert len(listed) > 2_400
    assert set(differing) == listed_on_a_holiday | first_days
    assert len(listed_on_a_holiday) == 26


@pytest.mark.realdata
def test_nifty_expiries_equal_the_actual_calendar(shared_data: Path) -> None:
    pandas = pytest.importorskip("pandas")
    table = pandas.read_parquet(shared_data / "E_reference/nse_actual_expiry_calendar.parquet")
    actual = {date.fromisoformat(str(day)[:10]) for day in table["actual_expiry_date"]}
    checked = [day for day in sorted(actual) if date(2024, 1, 1) <= day <= date(2026, 8, 25)]

    # Asked on the day before, as an earlier day would show contracts that were moved later.
    found = [next_expiries("NIFTY", previous_session(day).day, 2) for day in checked if day > date(2024, 1, 4)]

    assert len(found) > 135
    assert [day for day, pair in zip(checked[1:], found, strict=True) if day not in pair] == []
