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
    """Store the chain of every symbol as of one moment; None means stored, else why not, and the rest goes on."""
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
    """Store what a source knows of its underlyings that the master does not: industry, sector, market value."""
    rows = [
        Underlying(
            symbol=fact.symbol,
            name=fact.name,
            kind=fact.kind,
            exchange=fact.exchange,
            industry=fact.industry,
            sector=fact.sector,
            market_cap=None if fact.market_cap is None else round(fact.market_cap),
        )
        for fact in facts
    ]
    told = ["name", "kind", "exchange", "industry", "sector", "market_cap", "updated_at"]
    Underlying.objects.bulk_create(rows, update_conflicts=True, unique_fields=["symbol"], update_fields=told)
    return len(rows)
