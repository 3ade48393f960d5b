"""Trading days of the Indian equity-derivatives segment (NSE and BSE keep the same days), 2024 to 2026."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, time
from types import MappingProxyType

from market.rulebook.dated import Dated, Timeline

EXCHANGES = frozenset({"NSE", "BSE"})

_YEARS = (2024, 2025, 2026)


def covered_years() -> tuple[int, ...]:
    """Return the calendar years whose holidays and sessions are known."""
    return _YEARS


@dataclass(frozen=True, slots=True)
class Hours:
    """Continuous trading of one day, IST; `pauses` are the spans inside it without trading."""

    opens: time
    closes: time
    pauses: tuple[tuple[time, time], ...] = ()


@dataclass(frozen=True, slots=True)
class SpecialDay:
    """A session that the ordinary week does not hold, or holds at other hours; None means the ordinary hours."""

    kind: str
    name: str
    hours: Hours | None
    source: str


NORMAL_HOURS: Timeline[Hours] = Timeline(
    "trading hours",
    (
        Dated(date(2024, 1, 1), Hours(time(9, 15), time(15, 30)), "dhan.md 13.1"),
        Dated(
            date(2026, 8, 3),
            Hours(time(9, 15), time(15, 40)),
            "NSE/FAOP/74467 of 29 May 2026; BSE the same day (dhan.md 13.1)",
        ),
    ),
)

_HOLIDAYS_2024 = {
    date(2024, 1, 22): "Ram temple consecration, Maharashtra public holiday",  # notified 19 Jan; no bhavcopy
    date(2024, 1, 26): "Republic Day",
    date(2024, 3, 8): "Mahashivratri",
    date(2024, 3, 25): "Holi",
    date(2024, 3, 29): "Good Friday",
    date(2024, 4, 11): "Id-Ul-Fitr",
    date(2024, 4, 17): "Ram Navami",
    date(2024, 5, 1): "Maharashtra Day",
    date(2024, 5, 20): "Parliamentary elections in Mumbai",  # notified 8 Apr, amends NSE/CMTR/59722; no bhavcopy
    date(2024, 6, 17): "Bakri Id",
    date(2024, 7, 17): "Muharram",
    date(2024, 8, 15): "Independence Day",
    date(2024, 10, 2): "Mahatma Gandhi Jayanti",
    date(2024, 11, 1): "Diwali Laxmi Pujan",
    date(2024, 11, 15): "Guru Nanak Jayanti",
    date(2024, 11, 20): "Maharashtra assembly election",
    date(2024, 12, 25): "Christmas",
}
_HOLIDAYS_2025 = {
    date(2025, 2, 26): "Mahashivratri",
    date(2025, 3, 14): "Holi",
    date(2025, 3, 31): "Id-Ul-Fitr",
    date(2025, 4, 10): "Mahavir Jayanti",
    date(2025, 4, 14): "Dr. Ambedkar Jayanti",
    date(2025, 4, 18): "Good Friday",
    date(2025, 5, 1): "Maharashtra Day",
    date(2025, 8, 15): "Independence Day",
    date(2025, 8, 27): "Ganesh Chaturthi",
    date(2025, 10, 2): "Mahatma Gandhi Jayanti and Dussehra",
    date(2025, 10, 21): "Diwali Laxmi Pujan",
    date(2025, 10, 22): "Diwali Balipratipada",
    date(2025, 11, 5): "Guru Nanak Jayanti",
    date(2025, 12, 25): "Christmas",
}
_HOLIDAYS_2026 = {
    date(2026, 1, 15): "Maharashtra municipal elections",  # added late: absent from the published list
    date(2026, 1, 26): "Republic Day",
    date(2026, 3, 3): "Holi",
    date(2026, 3, 26): "Ram Navami",
    date(2026, 3, 31): "Mahavir Jayanti",
    date(2026, 4, 3): "Good Friday",
    date(2026, 4, 14): "Dr. Ambedkar Jayanti",
    date(2026, 5, 1): "Maharashtra Day",
    date(2026, 5, 28): "Bakri Id",
    date(2026, 6, 26): "Muharram",
    date(2026, 9, 14): "Ganesh Chaturthi",
    date(2026, 10, 2): "Mahatma Gandhi Jayanti",
    date(2026, 10, 20): "Dussehra",
    date(2026, 11, 10): "Diwali Balipratipada",
    date(2026, 11, 24): "Guru Nanak Jayanti",
    date(2026, 12, 25): "Christmas",
}

# Sources: dhan.md 16 (2025, 2026); NSE trading-holiday list in data section E (2024), completed by the two days of
# 2024 on which no exchange printed a price (F&O bhavcopies, India VIX and NIFTY all lack them).
HOLIDAYS: Mapping[date, str] = MappingProxyType(_HOLIDAYS_2024 | _HOLIDAYS_2025 | _HOLIDAYS_2026)

_DISASTER_RECOVERY_DRILL = Hours(time(9, 15), time(12, 30), pauses=((time(10, 0), time(11, 30)),))

SPECIAL_DAYS: Mapping[date, SpecialDay] = MappingProxyType(
    {
        date(2024, 1, 20): SpecialDay(
            "special",
            "Saturday session before the holiday of 22 January 2024",
            None,
            "NSE and BSE notices of 19 Jan 2024: regular timings in equity derivatives; replaced the announced drill",
        ),
        date(2024, 3, 2): SpecialDay(
            "special",
            "Disaster-recovery drill on Saturday 2 March 2024",
            _DISASTER_RECOVERY_DRILL,
            "NSE notice of 14 Feb 2024; minute data hold 09:15-09:59 and 11:30-12:29",
        ),
        date(2024, 5, 18): SpecialDay(
            "special",
            "Disaster-recovery drill on Saturday 18 May 2024",
            _DISASTER_RECOVERY_DRILL,
            "NSE notice of 7 May 2024; minute data hold 09:15-09:59 and 11:30-12:29",
        ),
        date(2024, 11, 1): SpecialDay(
            "muhurat", "Diwali muhurat session", Hours(time(18, 0), time(19, 0)), "NSE notice, October 2024"
        ),
        date(2025, 2, 1): SpecialDay("special", "Union Budget session on a Saturday", None, "dhan.md 16"),
        date(2025, 10, 21): SpecialDay(
            "muhurat", "Diwali muhurat session", Hours(time(13, 45), time(14, 45)), "dhan.md 16"
        ),
        date(2026, 2, 1): SpecialDay("special", "Union Budget session on a Sunday", None, "dhan.md 16"),
    }
)

# Sessions that are announced but whose hours were not found: closed, and the reason says so.
UNKNOWN_HOURS: Mapping[date, str] = MappingProxyType(
    {date(2026, 11, 8): "a Diwali muhurat session whose hours this rulebook does not know (dhan.md 16)"}
)
