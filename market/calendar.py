"""When the equity-derivatives segment trades, and how far an expiry is away. Pure: the moment is always given."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from itertools import groupby, islice
from typing import Literal
from zoneinfo import ZoneInfo

from market.errors import InvalidInput, Reason, UnknownDay
from market.rulebook.dated import plain_date
from market.rulebook.days import EXCHANGES, HOLIDAYS, NORMAL_HOURS, SPECIAL_DAYS, UNKNOWN_HOURS, Hours, covered_years
from market.rulebook.expiries import ExpiryRule, expiry_rule

IST = ZoneInfo("Asia/Kolkata")

_SATURDAY = 5
_DAY = timedelta(days=1)
_SECONDS_PER_YEAR = 365 * 86_400
_FIRST_DAY = date(min(covered_years()), 1, 1)
_LAST_DAY = date(max(covered_years()), 12, 31)


@dataclass(frozen=True)
class Session:
    """One day's continuous trading, aware IST datetimes; `kind` is normal, special or muhurat.

    `pauses` are spans inside the session without trading (the two-part drills of 2024).
    """

    day: date
    opens: datetime
    closes: datetime
    kind: str
    pauses: tuple[tuple[datetime, datetime], ...] = ()

    @property
    def full(self) -> bool:
        """Whether an expiry may fall on this day."""
        return self.kind != "muhurat" and not self.pauses

    def trading_at(self, at: datetime) -> bool:
        return self.opens <= at < self.closes and not any(start <= at < end for start, end in self.pauses)


def is_covered(day: date) -> bool:
    """Tell whether the rulebook knows this day at all."""
    return _FIRST_DAY <= plain_date(day) <= _LAST_DAY


@lru_cache(maxsize=4096)
def session_on(day: date, *, exchange: str = "NSE") -> Session | None:
    """Return the session of a day, or None when the market is closed; an unknown day is closed."""
    if exchange not in EXCHANGES:
        raise InvalidInput(Reason("BAD_EXCHANGE", f"The calendar knows NSE and BSE, not {exchange!r}."))
    if not is_covered(day):
        return None
    special = SPECIAL_DAYS.get(day)
    if special is not None:
        return _session(day, special.hours or NORMAL_HOURS.at(day), special.kind)
    if day.weekday() >= _SATURDAY or day in HOLIDAYS:
        return None
    return _session(day, NORMAL_HOURS.at(day), "normal")


def closed_reason(at: datetime, *, exchange: str = "NSE") -> Reason | None:
    """Return why the market is closed and when it opens next, or None when it is open."""
    moment = _ist(at)
    session = session_on(moment.date(), exchange=exchange)
    if session is None:
        return Reason("MARKET_CLOSED", _why_no_session(moment.date()), _next_open(moment, exchange))
    if session.trading_at(moment):
        return None
    return Reason("MARKET_CLOSED", _why_outside(session, moment), _next_open(moment, exchange))


def next_session(day: date, *, exchange: str = "NSE") -> Session:
    """Return the first session after `day`; raise UnknownDay when the covered years hold none."""
    return _nearest(max(plain_date(day), _FIRST_DAY - _DAY), _DAY, exchange)


def previous_session(day: date, *, exchange: str = "NSE") -> Session:
    """Return the last session before `day`; raise UnknownDay when the covered years hold none."""
    return _nearest(min(plain_date(day), _LAST_DAY + _DAY), -_DAY, exchange)


def sessions_between(start: date, end: date, *, exchange: str = "NSE") -> list[Session]:
    """Return the sessions from `start` to `end`, both included; raise UnknownDay when either is not covered."""
    for day in (start, end):
        if not is_covered(day):
            raise _not_covered(day)
    found = (session_on(day, exchange=exchange) for day in _days(start, end))
    return [session for session in found if session is not None]


def expiry_moment(expiry: date, *, exchange: str = "NSE") -> datetime:
    """Return the close of the expiry day, IST; raise UnknownDay when it has no session."""
    session = session_on(expiry, exchange=exchange)
    if session is None:
        raise UnknownDay(
            Reason(
                "EXPIRY_NOT_A_SESSION",
                f"{expiry:%d %b %Y} cannot be an expiry: {_why_no_session(expiry)}",
                "Check the expiry against the instrument master, or extend market/rulebook/days.py.",
            )
        )
    return session.closes


def years_to(expiry: date, as_of: datetime, *, exchange: str = "NSE") -> float:
    """Return the time to expiry in years of 365 days, counted in seconds to the close of the expiry day.

    Parameters
    ----------
    expiry : date
    as_of : datetime
        Aware.
    exchange : {"NSE", "BSE"}

    Returns
    -------
    float
        Years, always positive.

    Raises
    ------
    InvalidInput
        `as_of` is naive, or the expiry has passed.
    UnknownDay
        The expiry is no session of the covered years.

    Notes
    -----
    Source: ACT/365 fixed; the close moved from 15:30 to 15:40 on 3 August 2026 (dhan.md section 13.1).
    """
    left = (expiry_moment(expiry, exchange=exchange) - _ist(as_of)).total_seconds()
    if left <= 0:
        raise InvalidInput(Reason("EXPIRED", f"The expiry {expiry:%d %b %Y} has passed at {as_of.isoformat()}."))
    return left / _SECONDS_PER_YEAR


def closing_minute(day: date, *, exchange: str = "NSE") -> datetime:
    """Return the start of the last trading minute: the stamp of an end-of-day quote."""
    return expiry_moment(day, exchange=exchange) - timedelta(seconds=60)


def next_expiries(underlying: str, as_of: date, count: int, *, cycle: Literal["all", "monthly"] = "all") -> list[date]:
    """Return the next expiries by rule, `as_of` itself included, as listed contracts would show them on that day.

    Parameters
    ----------
    underlying : str
        Index symbol; any other name is an NSE stock.
    as_of : date
    count : int
        How many, at least one. Fewer come back when the covered years end first.
    cycle : {"all", "monthly"}
        Weekly and monthly together, or the monthly ones only.

    Returns
    -------
    list of date
        Ascending, never empty.

    Raises
    ------
    UnknownDay
        No expiry after `as_of` is known.
    InvalidInput
        `count` below one.

    Notes
    -----
    Source: dhan.md section 13.2. A holiday moves an expiry to the previous full session; holidays added later than
    `as_of` are already known here, so this is a cross-check: the instrument master decides.
    """
    if count < 1:
        raise InvalidInput(Reason("BAD_COUNT", f"At least one expiry must be asked for, not {count}."))
    if not is_covered(as_of):
        raise _not_covered(as_of)
    # Holidays move expiries backward only and never past one another, so the first `count` in order are the answer.
    coming = (day for day, _ in groupby(_moved(underlying, as_of, cycle)) if day >= as_of)
    found = list(islice(coming, count))
    if not found:
        raise _not_covered(_LAST_DAY + _DAY)
    return found


def _moved(underlying: str, as_of: date, cycle: str) -> Iterator[date]:
    for day in _days(as_of, _LAST_DAY):
        rule = expiry_rule(underlying, as_of=day, known_on=as_of)
        if _is_monthly(day, underlying, as_of) or (cycle == "all" and _is_weekly(day, rule, underlying, as_of)):
            yield _last_full_session(day, rule.exchange)


def _is_weekly(day: date, rule: ExpiryRule, underlying: str, known_on: date) -> bool:
    """A week that holds the monthly expiry has no weekly one."""
    if day.weekday() != rule.weekly:
        return False
    monday = day - timedelta(days=day.weekday())
    return not any(_is_monthly(monday + timedelta(days=n), underlying, known_on) for n in range(5))


def _is_monthly(day: date, underlying: str, known_on: date) -> bool:
    if (day + timedelta(days=7)).month == day.month:
        return False
    month_end = (day.replace(day=28) + timedelta(days=4)).replace(day=1) - _DAY
    return day.weekday() == expiry_rule(underlying, as_of=month_end, known_on=known_on).monthly


def _last_full_session(day: date, exchange: str) -> date:
    session = session_on(day, exchange=exchange)
    while session is None or not session.full:
        session = previous_session(day, exchange=exchange)
        day = session.day
    return day


def _session(day: date, hours: Hours, kind: str) -> Session:
    def moment(at: time) -> datetime:
        return datetime.combine(day, at, tzinfo=IST)

    pauses = tuple((moment(start), moment(end)) for start, end in hours.pauses)
    return Session(day, moment(hours.opens), moment(hours.closes), kind, pauses)


def _nearest(day: date, step: timedelta, exchange: str) -> Session:
    day += step
    while is_covered(day):
        session = session_on(day, exchange=exchange)
        if session is not None:
            return session
        day += step
    raise _not_covered(day)


def _days(start: date, end: date) -> Iterator[date]:
    return (start + timedelta(days=offset) for offset in range((end - start).days + 1))


def _ist(at: datetime) -> datetime:
    if at.tzinfo is None or at.utcoffset() is None:
        raise InvalidInput(Reason("NAIVE_DATETIME", f"The moment {at.isoformat()} has no time zone.", "Give IST."))
    return at.astimezone(IST)


def _why_no_session(day: date) -> str:
    if not is_covered(day):
        return f"The calendar does not cover {day:%d %b %Y}, and an unknown day is closed."
    if day in UNKNOWN_HOURS:
        return f"{day:%A %d %b %Y} holds {UNKNOWN_HOURS[day]}, so it counts as closed."
    if day in HOLIDAYS:
        return f"{day:%A %d %b %Y} is a trading holiday: {HOLIDAYS[day]}."
    return f"{day:%A %d %b %Y} is a weekend."


def _why_outside(session: Session, at: datetime) -> str:
    if at < session.opens:
        return f"The market opens at {session.opens:%H:%M} IST on {session.day:%d %b %Y}; it is {at:%H:%M}."
    if at >= session.closes:
        return f"The market closed at {session.closes:%H:%M} IST on {session.day:%d %b %Y}; it is {at:%H:%M}."
    return f"The session of {session.day:%d %b %Y} pauses at {at:%H:%M} IST."


def _next_open(at: datetime, exchange: str) -> str:
    today = session_on(at.date(), exchange=exchange)
    later = [] if today is None else [today.opens, *(end for _, end in today.pauses)]
    opens = next((moment for moment in later if moment > at), None)
    if opens is None:
        try:
            opens = next_session(at.date(), exchange=exchange).opens
        except UnknownDay:
            return "No later session is known: extend market/rulebook/days.py with the exchange's list."
    return f"The next session opens on {opens:%A %d %b %Y at %H:%M} IST."


def _not_covered(day: date) -> UnknownDay:
    return UnknownDay(
        Reason(
            "DAY_NOT_COVERED",
            f"The calendar covers {_FIRST_DAY:%d %b %Y} to {_LAST_DAY:%d %b %Y}; {day:%d %b %Y} is outside.",
            "Extend market/rulebook/days.py with the exchange's list.",
        )
    )
