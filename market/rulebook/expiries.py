"""The weekday on which index and stock derivatives expire, by the expiry date it governs."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType

from market.rulebook.dated import Dated, Timeline, plain_date

MONDAY, TUESDAY, WEDNESDAY, THURSDAY, FRIDAY = range(5)

_START = date(2024, 1, 1)
_ONE_WEEKLY = date(2024, 11, 20)
# F&O bhavcopies: the September 2025 contracts of side indices were new on 27 June and already Tuesdays; those of NIFTY
# and BANKNIFTY were listed as quarterlies long before and moved after 31 July. BSE is taken to have moved likewise.
_NEW_SEPTEMBER_CONTRACTS = date(2025, 6, 27)
_LISTED_CONTRACTS_MOVED = date(2025, 8, 1)
_SEBI_OCT_2024 = (
    "SEBI/HO/MRD/TPD-1/P/CIR/2024/132 of 1 Oct 2024: one weekly per exchange from 20 Nov 2024 (dhan.md 13.2)"
)
_NSE_NOV_2024 = "NSE notice of 29 Nov 2024: last Thursday from 1 Jan 2025; contracts moved after that session"
_BSE_NOV_2024 = "BSE notice of 28 Nov 2024: Tuesday; the SENSEX weekly of 3 Jan 2025 kept its Friday"
_SEBI_MAY_2025 = "SEBI of 26 May 2025: NSE Tuesday, BSE Thursday from 1 Sep 2025 (dhan.md 13.2)"


@dataclass(frozen=True, slots=True)
class ExpiryRule:
    """Weekdays (Monday is 0) of weekly and last-of-month expiries; `listed_from` is when listed contracts follow it."""

    exchange: str
    weekly: int | None
    monthly: int
    listed_from: date


def _rule(
    expiries_from: date, exchange: str, weekdays: tuple[int | None, int], listed_from: date, source: str
) -> Dated[ExpiryRule]:
    weekly, monthly = weekdays
    return Dated(expiries_from, ExpiryRule(exchange, weekly, monthly, listed_from), source)


def _nse_2025(*, tuesdays_listed_from: date) -> tuple[Dated[ExpiryRule], ...]:
    return (
        _rule(date(2025, 1, 1), "NSE", (None, THURSDAY), date(2025, 1, 2), _NSE_NOV_2024),
        _rule(date(2025, 9, 1), "NSE", (None, TUESDAY), tuesdays_listed_from, _SEBI_MAY_2025),
    )


def _bse_2025(*, weekly: tuple[int | None, int | None]) -> tuple[Dated[ExpiryRule], ...]:
    before, after = weekly
    return (
        _rule(date(2025, 1, 4), "BSE", (before, TUESDAY), date(2025, 1, 1), _BSE_NOV_2024),
        _rule(date(2025, 9, 1), "BSE", (after, THURSDAY), _LISTED_CONTRACTS_MOVED, _SEBI_MAY_2025),
    )


def _nse_side_index(weekly: int | None, monthly: int) -> tuple[Dated[ExpiryRule], ...]:
    start = _rule(
        _START, "NSE", (weekly, monthly), _START, "NSE contract specification of 2023; F&O bhavcopies of 2024"
    )
    end_weekly = _rule(_ONE_WEEKLY, "NSE", (None, monthly), date(2024, 10, 1), _SEBI_OCT_2024)
    return (start, end_weekly, *_nse_2025(tuesdays_listed_from=_NEW_SEPTEMBER_CONTRACTS))


_BANKNIFTY = (
    _rule(_START, "NSE", (WEDNESDAY, THURSDAY), _START, "NSE notice of 12 Jul 2023; bhavcopies of Jan and Feb 2024"),
    _rule(date(2024, 3, 1), "NSE", (WEDNESDAY, WEDNESDAY), date(2024, 3, 1), "F&O bhavcopies from 1 Mar 2024"),
    _rule(_ONE_WEEKLY, "NSE", (None, WEDNESDAY), date(2024, 10, 1), _SEBI_OCT_2024),
    *_nse_2025(tuesdays_listed_from=_LISTED_CONTRACTS_MOVED),
)
_NIFTY = (
    _rule(_START, "NSE", (THURSDAY, THURSDAY), _START, "dhan.md 13.2; actual expiry calendar, data section E"),
    _rule(date(2025, 9, 1), "NSE", (TUESDAY, TUESDAY), _LISTED_CONTRACTS_MOVED, _SEBI_MAY_2025),
)
_NSE_STOCK = (
    _rule(_START, "NSE", (None, THURSDAY), _START, "dhan.md 13.2"),
    _rule(date(2025, 9, 1), "NSE", (None, TUESDAY), _NEW_SEPTEMBER_CONTRACTS, _SEBI_MAY_2025),
)
_SENSEX = (
    _rule(_START, "BSE", (FRIDAY, FRIDAY), _START, "dhan.md 13.2; BSE relaunch of 15 May 2023"),
    *_bse_2025(weekly=(TUESDAY, THURSDAY)),
)
_BANKEX = (
    _rule(_START, "BSE", (MONDAY, MONDAY), _START, "BSE: BANKEX on Mondays since October 2023"),
    _rule(_ONE_WEEKLY, "BSE", (None, MONDAY), date(2024, 10, 1), _SEBI_OCT_2024),
    *_bse_2025(weekly=(None, None)),
)
_SENSEX50 = (
    _rule(_START, "BSE", (None, THURSDAY), _START, "BSE notice of 28 Nov 2024 names the last Thursday as the old day"),
    *_bse_2025(weekly=(None, None)),
)

INDEX_EXPIRY: Mapping[str, Timeline[ExpiryRule]] = MappingProxyType(
    {
        name: Timeline(f"the expiry day of {name}", entries)
        for name, entries in {
            "NIFTY": _NIFTY,
            "BANKNIFTY": _BANKNIFTY,
            "FINNIFTY": _nse_side_index(TUESDAY, TUESDAY),
            "MIDCPNIFTY": _nse_side_index(MONDAY, MONDAY),
            "NIFTYNXT50": (
                _rule(date(2024, 4, 24), "NSE", (None, FRIDAY), date(2024, 4, 24), "F&O bhavcopies from 24 Apr 2024"),
                *_nse_2025(tuesdays_listed_from=_NEW_SEPTEMBER_CONTRACTS),
            ),
            "NIFTYFPI": (
                _rule(date(2026, 8, 12), "NSE", (None, TUESDAY), date(2026, 8, 12), "dhan.md 13.2: new on 12 Aug 2026"),
            ),
            "SENSEX": _SENSEX,
            "BANKEX": _BANKEX,
            "SENSEX50": _SENSEX50,
        }.items()
    }
)
STOCK_EXPIRY: Timeline[ExpiryRule] = Timeline("the expiry day of NSE stock derivatives", _NSE_STOCK)


def expiry_rule(underlying: str, *, as_of: date, known_on: date | None = None) -> ExpiryRule:
    """Return the rule for contracts expiring on `as_of`, as listed contracts showed it on `known_on`.

    A name that is no index of this rulebook is an NSE stock: stocks share one monthly rule.

    Raises
    ------
    UnknownDay
        Before the first rule.
    """
    timeline = INDEX_EXPIRY.get(underlying, STOCK_EXPIRY)
    seen_on = plain_date(known_on or as_of)
    for entry in reversed(timeline.entries):
        if entry.effective_from <= plain_date(as_of) and entry.value.listed_from <= seen_on:
            return entry.value
    raise timeline.unknown(min(as_of, seen_on))
