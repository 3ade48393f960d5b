"""Lot sizes of index derivatives, by contract expiry and by the day one asks.

A new lot reaches a contract in one of two ways: contracts listed with it from the start (known by their expiry date),
and contracts already listed, which change over after one announced session. Stock lots stand in the instrument master.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType

from market.errors import Reason, UnknownDay, UnknownInstrument
from market.rulebook.dated import plain_date

COVERED_FROM = date(2024, 1, 1)
_QUARTERLY_MONTHS = frozenset({3, 6, 9, 12})


@dataclass(frozen=True, slots=True)
class LotRule:
    """One lot size: contracts expiring from `first_expiry` carry it, `lot` None when sources disagree.

    `kept_old` are later expiries that kept the previous lot to their end. Contracts listed before the change (all, or
    only the long-dated ones of the quarterly cycle) keep the previous lot up to and including `last_old_session`.
    """

    first_expiry: date
    lot: int | None
    source: str
    kept_old: frozenset[date] = frozenset()
    last_old_session: date | None = None
    switched_all: bool = False

    def governs(self, expiry: date, as_of: date) -> bool:
        if expiry < self.first_expiry or expiry in self.kept_old:
            return False
        return not self._still_old(expiry, as_of)

    def _still_old(self, expiry: date, as_of: date) -> bool:
        if self.last_old_session is None or as_of > self.last_old_session or expiry <= self.last_old_session:
            return False
        return self.switched_all or expiry.month in _QUARTERLY_MONTHS


_BHAVCOPY = "NSE F&O bhavcopies (data section B)"
_FAOP61415 = "NSE/FAOP/61415 of 2 Apr 2024, " + _BHAVCOPY
_FAOP64625 = "NSE/FAOP/64625 of 18 Oct 2024, dhan.md 13.3"
_MARCH_2025 = "dhan.md 13.3 (Jul 2025), " + _BHAVCOPY
_FAOP70616 = "NSE/FAOP/70616 of 3 Oct 2025, dhan.md 13.3"
_BSE_2024 = "BSE notice of October 2024, dhan.md 13.3; first expiry derived"
_START = date(2024, 1, 1)
_LONG_2025 = date(2025, 12, 30)

INDEX_LOTS: Mapping[str, tuple[LotRule, ...]] = MappingProxyType(
    {
        "NIFTY": (
            LotRule(_START, 50, "NSE/FAOP/47854"),
            LotRule(date(2024, 5, 2), 25, _FAOP61415, last_old_session=date(2024, 4, 25), switched_all=True),
            LotRule(
                date(2025, 1, 2),
                75,
                _FAOP64625 + "; the January 2025 monthly kept 25",
                kept_old=frozenset({date(2025, 1, 30)}),
                last_old_session=date(2024, 12, 26),
            ),
            LotRule(date(2026, 1, 6), 65, _FAOP70616, last_old_session=_LONG_2025),
        ),
        "BANKNIFTY": (
            LotRule(_START, 15, _BHAVCOPY),
            LotRule(date(2025, 2, 26), 30, _FAOP64625, last_old_session=date(2024, 12, 24)),
            # The session on which listed quarterlies took 35 was not found; the first future with it is the evidence.
            LotRule(date(2025, 7, 31), 35, _MARCH_2025, last_old_session=date(2025, 6, 26)),
            LotRule(date(2026, 1, 27), 30, _FAOP70616, last_old_session=_LONG_2025),
        ),
        "FINNIFTY": (
            LotRule(_START, 40, _BHAVCOPY),
            LotRule(date(2024, 7, 2), 25, _FAOP61415 + "; first weekly derived from the first monthly of 30 Jul 2024"),
            LotRule(date(2025, 2, 25), 65, _FAOP64625),
            LotRule(date(2026, 1, 27), 60, _FAOP70616),
        ),
        "MIDCPNIFTY": (
            LotRule(_START, 75, _BHAVCOPY),
            LotRule(date(2024, 7, 1), 50, _FAOP61415 + "; first weekly derived from the first monthly of 29 Jul 2024"),
            LotRule(date(2025, 2, 24), 120, _FAOP64625),
            LotRule(date(2025, 7, 31), 140, _MARCH_2025),
            LotRule(date(2026, 1, 27), 120, _FAOP70616),
        ),
        "NIFTYNXT50": (
            LotRule(date(2024, 5, 31), 10, _BHAVCOPY),
            LotRule(date(2025, 2, 27), 25, _FAOP64625),
        ),
        "NIFTYFPI": (LotRule(date(2026, 8, 12), 1100, "dhan.md 13.3: new on 12 Aug 2026"),),
        "SENSEX": (
            LotRule(_START, 10, "BSE relaunch of 15 May 2023, dhan.md 13.3"),
            LotRule(
                date(2025, 1, 7),
                20,
                "BSE notice of October 2024: first weekly after 3 Jan 2025; the January 2025 monthly kept 10",
                kept_old=frozenset({date(2025, 1, 28), date(2025, 1, 31)}),
                last_old_session=date(2024, 12, 27),
            ),
        ),
        "BANKEX": (
            LotRule(_START, 15, "BSE relaunch of 15 May 2023, dhan.md 13.3"),
            LotRule(date(2025, 2, 24), 30, _BSE_2024),
        ),
        "SENSEX50": (
            LotRule(_START, 25, "dhan.md 13.3"),
            LotRule(date(2025, 2, 24), 60, _BSE_2024),
            LotRule(date(2025, 7, 1), None, "dhan.md 13.3 gives 60/75 for July 2025 without the expiry of the change"),
            LotRule(date(2026, 1, 1), 75, "dhan.md 13.3; Dhan master of February 2026"),
        ),
    }
)


def lot_size(underlying: str, expiry: date, *, as_of: date) -> int:
    """Return the lot of an index contract in units of the underlying.

    Parameters
    ----------
    underlying : str
        Exact index symbol; stock lots come from the instrument master, never from here.
    expiry : date
        The contract's expiry date.
    as_of : date
        The day asked about: a long-dated contract changes its lot while it is listed.

    Raises
    ------
    UnknownInstrument
        No lot of this contract is known. There is no default lot size.
    UnknownDay
        `as_of` is before the rulebook begins.

    Notes
    -----
    Source: dhan.md section 13.3 and the circular named at each entry of `INDEX_LOTS`.
    """
    if plain_date(as_of) < COVERED_FROM:
        raise UnknownDay(Reason("DAY_NOT_COVERED", f"Lot sizes are known from {COVERED_FROM:%d %b %Y}."))
    plain_date(expiry)
    for rule in reversed(INDEX_LOTS.get(underlying, ())):
        if rule.governs(expiry, as_of):
            if rule.lot is None:
                raise _no_lot(underlying, expiry, rule.source)
            return rule.lot
    raise _no_lot(underlying, expiry, "the rulebook has no entry")


def _no_lot(underlying: str, expiry: date, why: str) -> UnknownInstrument:
    return UnknownInstrument(
        Reason(
            "LOT_UNKNOWN",
            f"No lot size of {underlying} expiring {expiry:%d %b %Y} is known: {why}.",
            "Take it from the instrument master of that day.",
        )
    )
