"""The benchmark over all recorded dates: what it takes, what it lists, and that it sees what should not be there."""

from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest

from bench.structures import Seen, faults, generated, list_instruments, sampled, share_said, without_chain
from market.calendar import IST
from market.models import Instrument, Underlying
from market.services.chains import store_chain
from market.sources import build_source
from strategies.catalog import BY_SLUG
from strategies.models import GenerationRun, StrategyExitLevels, StrategyParameters
from tests.factories import UnderlyingFactory, list_chain, record_past

pytestmark = pytest.mark.django_db

AS_OF = datetime(2026, 1, 30, 12, 0, tzinfo=IST)


@pytest.fixture(scope="session")
def captured():
    """One minute of a share of the simulated market."""
    return build_source("simulated").chain("INFY", as_of=AS_OF)


@pytest.fixture
def infy(captured):
    list_chain(captured, lot_size=400)
    store_chain(captured)
    record_past("INFY", until=AS_OF.date() - timedelta(days=1), volatility=0.12)
    return "INFY"


def test_every_so_many_shares_by_name_are_taken_and_all_indices(captured):
    chains = [replace(captured, underlying=name) for name in ("E", "C", "A", "D", "B")]
    index = replace(captured, underlying="NIFTY", is_index=True)

    kept = sampled([*chains, index], 2)

    assert [chain.underlying for chain in kept] == ["NIFTY", "A", "C", "E"]


def test_every_so_many_of_the_listed_symbols_without_a_chain_are_asked_for(infy):
    for name in ("A", "B", "C"):
        UnderlyingFactory(symbol=name, fno_stock="yes")

    assert without_chain({"INFY"}, 2) == ["A", "C"]


def test_a_date_is_counted_by_symbol_structure_and_row(infy):
    seen = generated(AS_OF, ["INFY", "MISSING"])

    assert (seen.day, seen.symbols, seen.recommended, seen.reasoned) == (AS_OF.date(), 2, 1, 1)
    assert seen.reasons == {"NO_CHAIN": 1}
    assert share_said(seen) == 100.0
    assert seen.rows == seen.kept.total() >= 5
    assert set(seen.kept) <= seen.built <= set(BY_SLUG)
    assert len(seen.built) > len(seen.kept)
    assert (seen.losing, seen.missing) == (0, 0)


def test_silence_about_a_symbol_would_show():
    assert share_said(Seen(AS_OF.date(), symbols=4, recommended=2, reasoned=1)) == 75.0


def spoil(model, **values):
    row = model.objects.first()
    assert row is not None
    model.objects.filter(pk=row.pk).update(**values)


@pytest.mark.parametrize(
    ("model", "values", "counted"),
    [
        (StrategyParameters, {"expected_value": -1}, (1, 0)),
        (StrategyParameters, {"breakevens": []}, (0, 1)),
        (StrategyParameters, {"breakevens": [], "profit_ranges": [[0.0, None]]}, (0, 0)),
        (StrategyParameters, {"margin_required": None}, (0, 1)),
        (StrategyParameters, {"margin_required": 0}, (0, 1)),
        (StrategyExitLevels, {"stop_loss": None}, (0, 1)),
        (StrategyExitLevels, {"time_exit_dte": None}, (0, 1)),
    ],
)
def test_a_row_that_should_not_be_there_is_counted(infy, model, values, counted):
    generated(AS_OF, ["INFY"])

    spoil(model, **values)

    assert faults(GenerationRun.objects.get()) == counted


def test_expiries_the_master_does_not_list_get_a_derived_contract_with_their_lot(captured, infy):
    unlisted = date(2025, 12, 30)
    old = [replace(quote, expiry=unlisted) for quote in captured.quotes[:4]]
    nifty = replace(captured, underlying="NIFTY", is_index=True, quotes=tuple(old))

    list_instruments(date(2025, 12, 23), [replace(captured, quotes=tuple(old)), nifty, captured])

    derived = Instrument.objects.filter(custom_symbol="derived from the chain")
    assert set(derived.values_list("underlying", "expiry", "lot_size")) == {
        ("INFY", unlisted, 400),
        ("NIFTY", unlisted, 75),
    }
    assert Underlying.objects.get(symbol="NIFTY").kind == "index"
