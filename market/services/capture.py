"""Capture chains from the market source into the database."""

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import date, datetime

from django.db.models import Count

from market.errors import OptionsError, Reason
from market.models import Instrument, Underlying, WatchlistItem
from market.ports import MarketSource, UnderlyingFact
from market.request_plan import Plan, plans
from market.services.chains import store_chain
from market.services.daily_bars import WEATHER, record_daily_bars
from market.services.load import home_exchanges
from market.services.volatility import record_iv

logger = logging.getLogger(__name__)


def capture_chains(
    source: MarketSource,
    symbols: Sequence[str],
    *,
    as_of: datetime,
    progress: Callable[[int], None] = lambda done: None,
) -> dict[str, Reason | None]:
    """Store the chain of every symbol as of one moment, what the source knows of its underlyings, and the session's IV.

    None means stored, else why not, and the rest goes on.
    """
    record_underlyings(source.underlyings())
    # A symbol without a past is captured all the same.
    record_daily_bars(source, list(dict.fromkeys([*symbols, *WEATHER])), as_of=as_of)
    outcome: dict[str, Reason | None] = {}
    for done, symbol in enumerate(symbols, start=1):
        try:
            store_chain(source.chain(symbol, as_of=as_of))
            outcome[symbol] = None
        except OptionsError as error:
            outcome[symbol] = error.reason
        progress(done)
    unread = [reason for reason in record_iv(_stored(outcome), as_of).values() if reason is not None]
    if unread:
        logger.warning("Chains captured whose volatility could not be read: %d, first %s", len(unread), unread[0].code)
    return outcome


def _stored(outcome: dict[str, Reason | None]) -> list[str]:
    return [symbol for symbol, reason in outcome.items() if reason is None]


def record_underlyings(facts: Sequence[UnderlyingFact]) -> int:
    """Store what a source knows of its underlyings that the master does not; what it does not know stays as it is."""
    held = {row.symbol: row for row in Underlying.objects.filter(symbol__in=[fact.symbol for fact in facts])}
    rows = [
        Underlying(
            symbol=fact.symbol,
            name=fact.name or known.name,
            kind=fact.kind,
            exchange=fact.exchange,
            industry=fact.industry or known.industry,
            sector=fact.sector or known.sector,
            market_cap=known.market_cap if fact.market_cap is None else round(fact.market_cap),
        )
        for fact in facts
        for known in [held.get(fact.symbol, Underlying())]
    ]
    told = ["name", "kind", "exchange", "industry", "sector", "market_cap", "updated_at"]
    Underlying.objects.bulk_create(rows, update_conflicts=True, unique_fields=["symbol"], update_fields=told)
    return len(rows)


def contract_counts(symbols: Sequence[str], *, as_of: date, expiries: int) -> dict[tuple[str, object], int]:
    """How many option contracts the master lists for the nearest expiries of these underlyings (two queries)."""
    homes = home_exchanges(symbols)
    rows = (
        Instrument.objects.active()
        .options()
        .filter(underlying__in=symbols, expiry__gte=as_of)
        .values_list("underlying", "expiry", "exchange")
        .annotate(contracts=Count("pk"))
        .order_by("underlying", "expiry", "exchange")
    )
    taken: Counter[str] = Counter()
    counts: dict[tuple[str, object], int] = {}
    for underlying, expiry, exchange, contracts in rows:
        if homes.get(underlying, exchange) == exchange and taken[underlying] < expiries:
            counts[underlying, expiry] = contracts
            taken[underlying] += 1
    return counts


def planned(symbols: Sequence[str], *, as_of: date, expiries: int, strikes: int | None = None) -> list[Plan]:
    """The ways to capture these chains from Dhan, the quickest first; only so many strikes of each where asked."""
    counts = contract_counts(symbols, as_of=as_of, expiries=expiries)
    if strikes is not None:
        counts = {chain: min(count, 2 * strikes) for chain, count in counts.items()}  # a call and a put each
    return plans(counts)


def capturable(*, first: int | None = None, watched: bool = False) -> list[str]:
    """Tradable underlyings by name: only those on the watchlist, or only the first few, where asked."""
    rows = Underlying.objects.all().tradable()
    if watched:
        items = WatchlistItem.objects.active()
        names = {*items.values_list("watchable__underlying", flat=True), *items.values_list("label", flat=True)}
        rows = rows.filter(symbol__in=[name for name in names if name])
    symbols = list(rows.order_by("symbol").values_list("symbol", flat=True))
    return symbols if first is None else symbols[:first]
