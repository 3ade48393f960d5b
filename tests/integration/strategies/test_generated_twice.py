"""The same snapshot generated twice, from an empty ledger each time, gives the same rows byte for byte."""

import json
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from django.db import models

from market.calendar import IST
from market.models import MarketView
from market.services.chains import store_chain
from market.sources import build_source
from strategies.models import (
    GenerationRun,
    OptionStrategy,
    StrategyExitLevels,
    StrategyExitRow,
    StrategyLeg,
    StrategyParameters,
    SymbolResult,
)
from strategies.services.generation import generate, start_run
from tests.factories import list_chain, record_past

pytestmark = pytest.mark.django_db

AS_OF = datetime(2026, 1, 30, 12, 0, tzinfo=IST)
SYMBOLS = ["INFY", "TCS"]
OF_A_STRATEGY = (StrategyLeg, StrategyParameters, StrategyExitLevels, StrategyExitRow)
# What says when, in which run and under which number a row was written, and not what it holds.
OF_THE_RUN = {"id", "run", "strategy", "market_view", "created_at", "started_at", "finished_at", "seconds"}
OF_THE_RUN |= {"strategy_ids", "changed_by"}


@pytest.fixture(scope="session")
def captured():
    """One minute of two shares of the simulated market."""
    market = build_source("simulated")
    return {symbol: market.chain(symbol, as_of=AS_OF) for symbol in SYMBOLS}


@pytest.fixture
def chains(captured):
    for chain in captured.values():
        list_chain(chain, lot_size=400)
        store_chain(chain)
        record_past(chain.underlying, until=AS_OF.date() - timedelta(days=1), volatility=0.12)
    return captured


def written(model: type[models.Model], *, by: str = "") -> list[bytes]:
    """Every row's own columns, found from the model so that a new column is compared too, in the order of its bytes."""
    names = [field.attname for field in model._meta.concrete_fields if field.name not in OF_THE_RUN]
    rows = model.objects.values_list(*([by] if by else []), *names)
    return sorted(json.dumps(row, default=str).encode() for row in rows)


def ledger() -> dict[str, list[bytes]]:
    found = {model.__name__: written(model, by="strategy__content_hash") for model in OF_A_STRATEGY}
    return found | {model.__name__: written(model) for model in (OptionStrategy, SymbolResult, GenerationRun)}


def emptied() -> None:
    OptionStrategy.objects.all().delete()
    GenerationRun.objects.all().delete()
    MarketView.objects.all().delete()
    assert not any(ledger().values())


def test_a_second_run_from_nothing_writes_the_same_bytes(chains):
    first = generate(start_run(as_of=AS_OF, symbols=SYMBOLS, risk="aggressive"))
    before, hash_before = ledger(), first.content_hash
    emptied()

    again = generate(start_run(as_of=AS_OF, symbols=SYMBOLS, risk="aggressive"))

    assert len(before["OptionStrategy"]) >= 20
    assert {name for name, rows in before.items() if not rows} == set()
    assert ledger() == before
    assert again.content_hash == hash_before
    assert len(hash_before) == 64


def test_the_order_of_the_symbols_changes_nothing(chains):
    first = generate(start_run(as_of=AS_OF, symbols=SYMBOLS))
    before, hash_before = ledger(), first.content_hash
    emptied()

    again = generate(start_run(as_of=AS_OF, symbols=SYMBOLS[::-1]))

    assert ledger() == before
    assert again.content_hash == hash_before


def test_one_paisa_in_one_quote_is_another_ledger_and_another_hash(chains):
    first = generate(start_run(as_of=AS_OF, symbols=SYMBOLS))
    before, hash_before = ledger(), first.content_hash
    emptied()
    chain = chains["TCS"]
    quotes = [replace(quote, ask=quote.ask + 0.05) if quote.ask and quote.bid else quote for quote in chain.quotes]
    store_chain(replace(chain, quotes=tuple(quotes)), replace=True)

    again = generate(start_run(as_of=AS_OF, symbols=SYMBOLS))

    assert ledger()["OptionStrategy"] != before["OptionStrategy"]
    assert again.content_hash != hash_before


def test_another_appetite_is_another_hash(chains):
    hashes = [generate(start_run(as_of=AS_OF, risk=risk)).content_hash for risk in ("moderate", "aggressive")]

    assert len(set(hashes)) == 2
