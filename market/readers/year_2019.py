"""Sessions and expiries of April to December 2019, the year of the recorded NSE pages; the rulebook begins in 2024.

Holidays: NSE's list for 2019 with the election closures of 29 April and 21 October; the closed days of April
to June are confirmed by data/README.md section C (the collector stored copies of the session before).
Expiries: Thursday every week for NIFTY (weeklies began on 11 February 2019) and BANKNIFTY, the last Thursday
of the month for stocks; the session before where Thursday is a holiday.
"""

from datetime import date, time, timedelta

from market.readers.archive import bad

OPENS, CLOSES, CLOSING_MINUTE = time(9, 15), time(15, 30), time(15, 29)
WEEKLY = ("NIFTY", "BANKNIFTY")
HOLIDAYS = frozenset(
    date(2019, month, day)
    for month, day in (
        *((3, 4), (3, 21), (4, 17), (4, 19), (4, 29), (5, 1), (6, 5), (8, 12), (8, 15), (9, 2), (9, 10)),
        *((10, 2), (10, 8), (10, 21), (10, 28), (11, 12), (12, 25)),
    )
)
FROZEN = frozenset({date(2019, 7, 9)})  # data/README.md section C: the page stood still all day
_FIRST_WEEKLY = date(2019, 2, 11)
_THURSDAY = 3


def is_open(day: date) -> bool:
    """Whether NSE traded, and the collector saw it."""
    return day.weekday() <= 4 and day not in HOLIDAYS and day not in FROZEN


def nearest_expiry(symbol: str, day: date) -> date:
    """The expiry that NSE's page shows by default on `day`; refused outside the period these rules hold."""
    if day.year != _FIRST_WEEKLY.year or day < _FIRST_WEEKLY:
        raise bad("UNKNOWN_EXPIRY", f"The page of {symbol} names no expiry and {day} is outside 2019.")
    thursday = day + timedelta(days=(_THURSDAY - day.weekday()) % 7)
    while symbol not in WEEKLY and (thursday + timedelta(days=7)).month == thursday.month:
        thursday += timedelta(days=7)
    expiry = _session_before(thursday)
    return expiry if expiry >= day else nearest_expiry(symbol, thursday + timedelta(days=1))


def _session_before(thursday: date) -> date:
    expiry = thursday
    while expiry in HOLIDAYS:
        expiry -= timedelta(days=1)
    return expiry
