"""When a recorded chain counts: inside the session its own time, after the close the closing minute, else never."""

from datetime import date, datetime, time

from market.calendar import IST, closing_minute, session_on
from market.errors import BadChain
from market.readers import year_2019
from market.readers.archive import bad

_BSE = frozenset({"SENSEX", "BANKEX", "SENSEX50"})


def session_stamp(taken_at: datetime, *, symbol: str) -> datetime:
    """The moment a chain collected at `taken_at` is valid for (IST).

    A chain collected after the close is stamped inside the closing minute of its session, so that a run
    `--as-of` that minute finds it. Raises BadChain OUT_OF_SESSION before the open and on closed days.
    """
    local = taken_at.astimezone(IST)
    opens, closes, last = _hours(local.date(), symbol)
    if local < opens:
        raise _outside(local, f"before the open of {opens:%H:%M}")
    return local if local < closes else last


def _hours(day: date, symbol: str) -> tuple[datetime, datetime, datetime]:
    if day.year == 2019:
        return _hours_2019(day)
    exchange = "BSE" if symbol in _BSE else "NSE"
    session = session_on(day, exchange=exchange)
    if session is None:
        raise _outside(day, "a day without a session")
    return session.opens, session.closes, closing_minute(day, exchange=exchange)


def _hours_2019(day: date) -> tuple[datetime, datetime, datetime]:
    if not year_2019.is_open(day):
        raise _outside(day, "a day without a session, or on which the page stood still")

    def at(clock: time) -> datetime:
        return datetime.combine(day, clock, tzinfo=IST)

    return at(year_2019.OPENS), at(year_2019.CLOSES), at(year_2019.CLOSING_MINUTE)


def _outside(moment: date, why: str) -> BadChain:
    shown = f"{moment:%Y-%m-%d %H:%M}" if isinstance(moment, datetime) else f"{moment}"
    return bad("OUT_OF_SESSION", f"{shown} is {why}; what was collected then is a copy of old quotes.")
