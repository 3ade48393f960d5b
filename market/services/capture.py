"""Capture chains from the market source into the database."""

from collections.abc import Callable, Sequence
from datetime import datetime

from market.errors import OptionsError, Reason
from market.models import Underlying
from market.ports import MarketSource, UnderlyingFact
from market.services.chains import store_chain


def capture_chains(
    source: MarketSource,
    symbols: Sequence[str],
    *,
    as_of: datetime,
    progress: Callable[[int], None] = lambda done: None,
) -> dict[str, Reason | None]:
    """Store the chain of every symbol as of one moment, and what the source knows of its underlyings.

    None means stored, else why not, and the rest goes on.
    """
    record_underlyings(source.underlyings())
    outcome: dict[str, Reason | None] = {}
    for done, symbol in enumerate(symbols, start=1):
        try:
            store_chain(source.chain(symbol, as_of=as_of))
            outcome[symbol] = None
        except OptionsError as error:
            outcome[symbol] = error.reason
        progress(done)
    return outcome


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
