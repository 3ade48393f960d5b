"""Turns the recorded archives into orders for trials: chains, settled prices, lots, and what must be left out."""

import csv
import hashlib
import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from itertools import count
from pathlib import Path

from market.calendar import is_covered, session_on
from market.errors import OptionsError, Reason
from market.ports import CapturedChain
from market.readers import batches, readings
from market.readers.archive import Member, members
from market.readers.bhavcopy import ShareDay
from market.readers.bhavcopy import read as read_bhavcopy
from market.readers.history import read_history
from market.rulebook.charges import option_charge_rates
from strategies.settlement import Session, adjusted, settlement_price
from strategies.trials import Order

STOCKS_2026, INDEX_2019, STOCKS_2019, TERMS_2019 = "stocks-2026", "index-2019", "stocks-2019", "terms-2019"
ARCHIVES = (INDEX_2019, STOCKS_2019, TERMS_2019, STOCKS_2026)
CHAINS = {
    STOCKS_2026: "C_option_chains/stock_option_chain_eod_2025-12-23_to_2026-01-23.tar.xz",
    INDEX_2019: "C_option_chains/nse_option_chain_2019_near_expiry_NIFTY_BANKNIFTY.tar.xz",
    STOCKS_2019: "C_option_chains/nse_option_chain_2019_stocks.tar.xz",
}
TERMS = (
    "C_option_chains/nse_option_chain_2019_all_expiries_NIFTY.tar.xz",
    "C_option_chains/nse_option_chain_2019_all_expiries_BANKNIFTY.tar.xz",
)
CASH = (
    "B_bhavcopy_cash/sec_bhavdata_full_2025-11-03_to_2026-01-23.tar.xz",
    "B_bhavcopy_cash/sec_bhavdata_full_2026-01-27_to_2026-01-30.tar.xz",
)
INDICES = (
    "D_index/daily_NIFTY50*",
    "D_index/daily_NIFTY_BANK*",
    "D_index/daily_NIFTY_FIN_SERVICE*",
)
LOTS = "E_reference/fno_stock_lot_size_2026-02.csv"
FIRST_DAY = date(2025, 12, 23)  # of the recorded sessions of 2025-2026
LOTS_SINCE = date(2026, 1, 1)  # lots changed after the expiry of 30 December 2025 (data/README.md section C)
COVERED_SINCE = date(2024, 1, 1)
CLOSES = time(15, 30)
_PAGE = re.compile(r"(?P<symbol>[A-Z0-9&-]+)_(?P<stamp>\d\d-\d\d-\d{4}_\d\d[:-]\d\d)\.csv$")

Sessions = dict[str, dict[date, Session]]
Page = list[Member]
"""What was collected at one moment: a member for each expiry."""
Pages = Mapping[tuple[str, date], dict[datetime, Page]]


@dataclass(slots=True)
class Orders:
    """What can be tried, and the chains that cannot, counted by reason code."""

    ready: list[Order] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    chains: int = 0


def orders_of(archive: str, data: Path, *, symbols: int | None = None) -> Orders:
    """Read one archive whole; `symbols` keeps only that many underlyings, in alphabetical order."""
    if archive == STOCKS_2026:
        return _of_2026(data, symbols)
    if archive == TERMS_2019:
        return _terms_of_2019(data, symbols)
    return _of_2019(archive, data, symbols)


# --- end-of-day chains of 2025-12 and 2026-01 ------------------------------------------------------------------------


def _of_2026(data: Path, symbols: int | None) -> Orders:
    orders = Orders()
    chains = list(_captured(batches(data / CHAINS[STOCKS_2026]), orders.left_out))
    chains = _some(chains, symbols)
    lots, sessions = _lots(data / LOTS), _sessions(data, {chain.underlying for chain in chains})
    ladders = _last_ladders(chains)
    for chain in chains:
        expiry = _expiry(chain)
        lot = lots.get(chain.underlying) if expiry >= LOTS_SINCE else None
        settled = _settled(chain, sessions)
        if isinstance(settled, float) and adjusted(_ladder(chain, expiry), ladders[chain.underlying, expiry]):
            settled = Reason("CORPORATE_ACTION", f"The strikes of {chain.underlying} were replaced.")
        _put(orders, STOCKS_2026, chain, settled, lot)
    return orders


def _captured(groups: Iterable[Iterable[Member]], left_out: Counter[str]) -> Iterator[CapturedChain]:
    for group in groups:
        for reading in readings(list(group)):
            left_out.update(reason.code for reason in reading.refusals)
            yield from reading.chains


def _some(chains: list[CapturedChain], symbols: int | None) -> list[CapturedChain]:
    kept = set(sorted({chain.underlying for chain in chains})[:symbols])
    return [chain for chain in chains if chain.underlying in kept]


def _expiry(chain: CapturedChain) -> date:
    return min(quote.expiry for quote in chain.quotes)


def _ladder(chain: CapturedChain, expiry: date) -> set[float]:
    return {quote.strike for quote in chain.quotes if quote.expiry == expiry}


def _last_ladders(chains: Iterable[CapturedChain]) -> dict[tuple[str, date], set[float]]:
    latest: dict[tuple[str, date], set[float]] = {}
    for chain in sorted(chains, key=lambda chain: chain.taken_at):
        expiry = _expiry(chain)
        latest[chain.underlying, expiry] = _ladder(chain, expiry)
    return latest


def _settled(chain: CapturedChain, sessions: Sessions) -> float | Reason:
    return settlement_price(
        underlying=chain.underlying,
        spot=chain.spot,
        taken_on=chain.taken_at.date(),
        expiry=_expiry(chain),
        sessions=sessions.get(chain.underlying, {}),
    )


def _put(
    orders: Orders,
    archive: str,
    chain: CapturedChain,
    settled: float | Reason,
    lot: int | None,
    *,
    closing: CapturedChain | None = None,
) -> None:
    orders.chains += 1
    if isinstance(settled, Reason):
        orders.left_out[settled.code] += 1
        return
    taken_on, shift = chain.taken_at.date(), _to_known_days(chain)
    rates = None if lot is None else option_charge_rates(as_of=taken_on)
    moved = None if closing is None else _moved(closing, shift)
    orders.ready.append(Order(archive, _moved(chain, shift), taken_on, _expiry(chain), settled, lot, rates, moved))


def _to_known_days(chain: CapturedChain) -> timedelta:
    """How many whole weeks to move a chain of 2019 by, so that its days are sessions which the calendar covers.

    No time to expiry changes: it is counted ACT/365 to the close, and sessions closed at 15:30 in both years.
    """
    days = {chain.taken_at.date(), *(quote.expiry for quote in chain.quotes)}
    if all(map(is_covered, days)):
        return timedelta(0)
    shifts = (timedelta(weeks=weeks) for weeks in count(math.ceil((COVERED_SINCE - min(days)).days / 7)))
    return next(each for each in shifts if all(_is_usual(day + each) for day in days))


def _is_usual(day: date) -> bool:
    session = session_on(day)
    return session is not None and session.closes.time() == CLOSES


def _moved(chain: CapturedChain, shift: timedelta) -> CapturedChain:
    if not shift:
        return chain
    quotes = tuple(replace(quote, expiry=quote.expiry + shift) for quote in chain.quotes)
    return replace(chain, taken_at=chain.taken_at + shift, quotes=quotes)


def _sessions(data: Path, symbols: set[str]) -> Sessions:
    """Read the recorded days of shares and indices; cash bhavcopies are told by the day in their name."""
    found: Sessions = defaultdict(dict)
    for name in CASH:
        for member in members(data / name):
            if member.name.removesuffix(".csv") >= FIRST_DAY.isoformat():
                _add(found, read_bhavcopy(member).shares, symbols)
    for pattern in INDICES:
        for path in sorted(data.glob(pattern)):
            for member in members(path):
                _add(found, read_history(member).shares, symbols)
    return found


def _add(found: Sessions, days: Iterable[ShareDay], symbols: set[str]) -> None:
    for share in days:
        if share.symbol in symbols and share.day >= FIRST_DAY:
            found[share.symbol][share.day] = Session(share.day, share.open, share.close)


def _lots(path: Path) -> dict[str, int]:
    with path.open(encoding="utf-8") as lines:
        return {row["Stock"].strip(): int(row["Lot_Size"]) for row in csv.DictReader(lines)}


# --- pages of 2019 ---------------------------------------------------------------------------------------------------


def _of_2019(archive: str, data: Path, symbols: int | None) -> Orders:
    """Take the last page inside each session as the chain, and the last page of the day as its close."""
    orders = Orders()
    pages = _some_pages(_pages(data / CHAINS[archive]), symbols)
    sessions = _closes(pages)
    for chain in _chains_of(pages, orders.left_out).values():
        _put(orders, archive, chain, _settled(chain, sessions), None)
    return orders


def _terms_of_2019(data: Path, symbols: int | None) -> Orders:
    """Take pages of every expiry, and for each the chain of its front expiry's day, which prices what lives on."""
    orders = Orders()
    pages = _some_pages({key: page for name in TERMS for key, page in _pages(data / name).items()}, symbols)
    sessions = _closes(_pages(data / CHAINS[INDEX_2019]))
    chains = _chains_of(pages, orders.left_out)
    for chain in chains.values():
        closing = _closing(chain, pages, chains)
        settled = _settled(chain, sessions)
        if closing is None and not isinstance(settled, Reason):
            settled = Reason("NO_CLOSING_CHAIN", f"No chain of {chain.underlying} is recorded on {_expiry(chain)}.")
        _put(orders, TERMS_2019, chain, settled, None, closing=closing)
    return orders


def _closing(
    chain: CapturedChain, pages: Pages, chains: Mapping[tuple[str, date], CapturedChain]
) -> CapturedChain | None:
    """Return the last page of the front expiry's day that quotes the next expiry, where that day was read at all.

    The page with the most expiries, which that day's own candidates are built on, may be hours older.
    """
    front, *later = sorted({quote.expiry for quote in chain.quotes})
    day = chain.underlying, front
    if day not in chains:
        return None
    inside = sorted((stamp for stamp in pages[day] if stamp.time() < CLOSES), reverse=True)
    found = (_one(pages[day][stamp], Counter()) for stamp in inside)
    needed = set(later[:1])
    quoting = (each for each in found if each is not None and needed <= {quote.expiry for quote in each.quotes})
    return next(quoting, chains[day])


def _some_pages(pages: Pages, symbols: int | None) -> Pages:
    kept = set(sorted({symbol for symbol, _ in pages})[:symbols])
    return {key: pages[key] for key in sorted(pages) if key[0] in kept}


def _closes(pages: Pages) -> Sessions:
    """Read the last page of each day, where there is one after the close, as the day's price."""
    sessions: Sessions = defaultdict(dict)
    for (symbol, day), stamped in pages.items():
        close = _last(stamped, after=CLOSES)
        if close is not None and (last := _one(close, Counter())) is not None and last.spot is not None:
            sessions[symbol][day] = Session(day, last.spot, last.spot)
    return sessions


def _chains_of(pages: Pages, left_out: Counter[str]) -> dict[tuple[str, date], CapturedChain]:
    """Read the last page inside each session."""
    found: dict[tuple[str, date], CapturedChain] = {}
    seen: set[bytes] = set()
    for key, stamped in pages.items():
        page = _last(stamped, before=CLOSES)
        if page is not None and (chain := _fresh(page, seen, left_out)) is not None:
            found[key] = chain
    return found


def _pages(path: Path) -> Pages:
    pages: dict[tuple[str, date], dict[datetime, Page]] = defaultdict(lambda: defaultdict(list))
    for member in members(path):
        match = _PAGE.search(member.name)
        if match is not None:
            stamp = datetime.strptime(match["stamp"].replace("-", ":", -1), "%d:%m:%Y_%H:%M")  # noqa: DTZ007
            pages[match["symbol"], stamp.date()][stamp].append(member)
    return pages


def _last(stamped: Mapping[datetime, Page], *, before: time = time.max, after: time = time.min) -> Page | None:
    """Return the last page between two clock times of those with the most expiries."""
    inside = {stamp: page for stamp, page in stamped.items() if after <= stamp.time() < before}
    return inside[max(inside, key=lambda stamp: (len(inside[stamp]), stamp))] if inside else None


def _one(page: Page, left_out: Counter[str]) -> CapturedChain | None:
    """Read one page; closed and frozen days are refused by the reader."""
    try:
        return next(_captured([page], left_out), None)
    except OptionsError as refusal:
        left_out[refusal.reason.code] += 1
        return None


def _fresh(page: Page, seen: set[bytes], left_out: Counter[str]) -> CapturedChain | None:
    """Read a page unless the same bytes came before: the collector stored copies of old pages."""
    digest = hashlib.sha256(b"".join(member.data for member in page)).digest()
    if digest in seen:
        left_out["COPY"] += 1
        return None
    seen.add(digest)
    return _one(page, left_out)
