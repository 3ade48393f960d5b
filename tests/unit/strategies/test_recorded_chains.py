"""The catalogue on recorded end-of-day chains of 30 January 2026."""

import math
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from market.assembly import assemble
from market.chain import Chain
from market.quant.distribution import rescaled
from market.readers import batches, readings
from market.rulebook.charges import option_charge_rates
from strategies.build import build
from strategies.catalog import CATALOGUE
from strategies.errors import NotConstructible
from strategies.exits import exit_levels
from strategies.horizon import distribution_at
from strategies.score import facts_of, gates
from tests.single import batch_of, evaluate, measured

ARCHIVE = "C_option_chains/stock_option_chain_eod_2026-01-28_to_2026-01-30.tar.xz"
SYMBOLS = {"RELIANCE", "TCS", "HDFCBANK", "INFY", "SBIN", "DIXON", "MCX", "ITC", "BOSCHLTD", "IDEA"}
RATES = option_charge_rates(exchange="NSE", as_of=date(2026, 1, 30))
KNOWN_REFUSALS = {
    "NOT_ENOUGH_EXPIRIES",
    "NO_USABLE_STRIKE",
    "STRIKES_COLLAPSE",
    "WRONG_CREDIT_SIGN",
    "LOSS_ABOVE",
    "LOSS_BELOW",
    "TOO_THIN",
    "TOO_WIDE",
    "TOO_CHEAP",
}


def recorded(shared_data: Path) -> Iterator[Chain]:
    for batch in batches(shared_data / ARCHIVE):
        for reading in readings(batch):
            for captured in reading.chains:
                if captured.underlying in SYMBOLS and captured.taken_at.date() == date(2026, 1, 30):
                    lots = {quote.expiry: 500 for quote in captured.quotes}
                    yield assemble(captured, lot_sizes=lots, tick_size=0.05)


@pytest.mark.realdata
def test_every_recorded_symbol_has_a_recommendable_strategy_and_every_refusal_a_known_reason(shared_data: Path):
    chains = list(recorded(shared_data))
    assert {chain.underlying for chain in chains} == SYMBOLS

    counts = {}
    for chain in chains:
        recommended = 0
        for structure in CATALOGUE:
            try:
                candidate = build(structure, chain)
            except NotConstructible as refusal:
                assert refusal.reason.code in KNOWN_REFUSALS
                continue
            front = next(expiry for expiry in chain.expiries if expiry.expiry == candidate.expiry)
            calmer = rescaled(distribution_at(front), 0.6)  # somebody who expects less than the options cost
            evaluation = evaluate(candidate, chain, rates=RATES, forecast=calmer)
            _, measures = measured(candidate, chain, rates=RATES, forecast=calmer)
            refused = gates(facts_of(batch_of(candidate, chain), measures), "moderate")
            if not any(flags[0] for flags in refused.values()):
                recommended += 1
                assert evaluation.max_profit > evaluation.charges
                assert 0.0 < exit_levels(structure, evaluation).stop_loss < math.inf
        counts[chain.underlying] = recommended
    assert sum(count >= 5 for count in counts.values()) >= 8, counts  # a share of ₹11 cannot pay its ticks
