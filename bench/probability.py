"""Probabilities of profit on recorded chains against ten million terminal prices drawn from the same smiles.

The drawing knows nothing of `Distribution`, `payoff` or `measure`: the distribution comes from finite differences of
Black prices at the smile's volatilities, drawn prices from its inverse, outcomes from the terms of each leg and the
quote it trades at. The volatility that options of a later expiry keep is solved for anew on the same differences.
"""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import ndtr

from market.assembly import assemble
from market.calendar import IST
from market.chain import Chain, ExpiryChain
from market.contract import OptionType
from market.errors import OptionsError
from market.ports import CapturedChain
from market.quant.smile import Smile
from market.readers import batches, readings
from market.rulebook.charges import option_charge_rates
from strategies.batch import Batch, concatenate
from strategies.catalog import CATALOGUE
from strategies.delta_heuristic import delta_probability
from strategies.horizon import LEAST_FORWARD_VOLATILITY
from strategies.measure import measure
from strategies.search import neighbourhood
from strategies.table import CALL, ContractTable, contract_table

DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "C_option_chains"
STOCKS = ("stock_option_chain_eod_2026-01-28_to_2026-01-30.tar.xz", date(2026, 1, 30))
SHARES = ("INFY", "RELIANCE", "TATASTEEL")
INDICES = ("nse_chain_1min_NIFTY_BANKNIFTY_2025-08-27_and_29_am.parquet", ("NIFTY", "BANKNIFTY"))
PATHS = 10_000_000
CHUNK = 20_000  # drawn prices at a time: an outcome stays in the processor's cache
SEED = 20_260_130
STRIKES = 100_001  # of the grid on which prices are differenced
REACH = 100.0  # at-the-money deviations that grid spans to each side; a short expiry has heavy wings
BUMP = 1e-4  # of the strike, for the difference
NOTHING = 1e-9  # rupees per unit: less is rounding and no profit
TICK = 0.05
LOT = 100  # charges per order are spread over it; both sides use the same


Floats = NDArray[np.float64]
Leg = tuple[int, float]  # row of the contract table, signed units
Sample = tuple[Floats, Floats]  # prices and their probabilities
Worth = Callable[[Floats], Floats]
Result = tuple[str, float, str, float]


@dataclass
class Errors:
    """What one group of candidates was said to have, what was counted, and the counting's own error; arrays."""

    said: list[Floats] = field(default_factory=list)
    counted: list[Floats] = field(default_factory=list)
    today: list[Floats] = field(default_factory=list)  # the formulas on deltas that people use today

    def mean(self) -> float:
        """Mean absolute error."""
        return float(np.abs(self._gaps()).mean())

    def largest(self) -> float:
        """Largest absolute error."""
        return float(np.abs(self._gaps()).max())

    def noise(self, paths: int) -> float:
        """Mean standard error of what was counted."""
        share = np.concatenate(self.counted)
        return float(np.sqrt(share * (1.0 - share) / paths).mean())

    def heuristic(self) -> float:
        """Mean absolute error of the formulas on deltas."""
        return float(np.abs(np.concatenate(self.today) - np.concatenate(self.counted)).mean())

    def number(self) -> int:
        """How many candidates."""
        return sum(part.size for part in self.said)

    def _gaps(self) -> Floats:
        return np.concatenate(self.said) - np.concatenate(self.counted)


def run(paths: int = PATHS) -> list[Result]:
    """Return (name, value, unit, target) over all structures that can be built on the chosen chains."""
    if not (DATA / STOCKS[0]).exists():
        return []
    started = time.perf_counter()
    settled, living, costs = Errors(), Errors(), Errors()
    random = np.random.default_rng(SEED)
    for captured in recorded():
        compare(captured, random, paths, settled, living, costs)
    both = Errors(settled.said + living.said, settled.counted + living.counted, settled.today + living.today)
    return [
        (f"probability of profit of {both.number():,} candidates, mean absolute error", both.mean(), "", -0.001),
        ("  largest error", both.largest(), "", 0.0),
        (f"  mean standard error of {paths:,} drawn prices", both.noise(paths), "", 0.0),
        (f"  structures of one expiry ({settled.number():,}), mean", settled.mean(), "", -0.001),
        (f"  structures with a leg that lives on ({living.number():,}), mean", living.mean(), "", -0.001),
        ("  after costs, mean", costs.mean(), "", -0.001),
        ("formulas on deltas, as used today, mean absolute error", both.heuristic(), "", 0.0),
        ("  times ours", both.heuristic() / both.mean(), "×", 100.0),
        ("time", time.perf_counter() - started, "s", 0.0),
    ]


def recorded() -> Iterator[CapturedChain]:
    """Yield the chosen chains: shares without a book at the close, indices of many expiries with one."""
    name, day = STOCKS
    for group in batches(DATA / name):
        for reading in readings(group):
            for chain in reading.chains:
                if chain.taken_at.astimezone(IST).date() == day and chain.underlying in SHARES:
                    yield chain
    name, symbols = INDICES
    last: dict[str, CapturedChain] = {}
    for group in batches(DATA / name):
        for reading in readings(group):
            last |= {chain.underlying: chain for chain in reading.chains}
    yield from (last[symbol] for symbol in symbols)


def compare(
    captured: CapturedChain, random: np.random.Generator, paths: int, settled: Errors, living: Errors, costs: Errors
) -> None:
    """Measure the candidates of one chain, draw, and keep both numbers of each."""
    chain = assemble(captured, lot_sizes={quote.expiry: LOT for quote in captured.quotes}, tick_size=TICK)
    batch = candidates(chain)
    rates = option_charge_rates(exchange="NSE", as_of=captured.taken_at.astimezone(IST).date())
    found, today = measure(batch, rates=rates), delta_probability(batch)
    for front in np.unique(batch.front):
        own = np.flatnonzero(batch.front == front)
        group = batch.take(own)
        counted, after = count(group, found.charges[own], random, paths)
        for errors, chosen in ((settled, group.is_simple), (living, ~group.is_simple)):
            errors.said.append(found.probability_of_profit[own][chosen])
            errors.counted.append(counted[chosen])
            errors.today.append(today[own][chosen])
        costs.said.append(found.probability_after_costs[own])
        costs.counted.append(after)


def candidates(chain: Chain) -> Batch:
    """Every structure as its rules place it, and the furthest choice around on the same front expiry."""
    table, parts = contract_table(chain), []
    for structure in CATALOGUE:
        try:
            found = neighbourhood(structure, chain, table)
        except OptionsError:
            continue
        places = np.flatnonzero(found.front == found.front[0])
        parts.append(found.take(np.unique(places[[0, -1]])))
    return concatenate(parts)


# --- the drawing, which knows only the smile and the terms -----------------------------------------------------------


def count(batch: Batch, charges: Floats, random: np.random.Generator, paths: int) -> tuple[Floats, Floats]:
    """Return the share of drawn outcomes above nothing, and above the charges; shape (n,)."""
    chain = batch.table.chain
    near = chain.expiries[int(batch.front[0])]
    levels, cumulative = inverse(near.smile)
    legs = [_legs(batch, place) for place in range(batch.size)]
    sample = 0.5 * (levels[1:] + levels[:-1]), np.diff(cumulative)
    worths = _valuers(legs, batch.table, near, sample)
    opened = np.array([sum(-units * _price(batch.table, row, units) for row, units in each) for each in legs])
    won, bars = np.zeros((2, batch.size)), (np.full(batch.size, NOTHING), charges + NOTHING)
    for start in range(0, paths, CHUNK):
        drawn = np.interp(random.random(min(CHUNK, paths - start)), cumulative, levels)
        worth = {row: value(drawn) for row, value in worths.items()}
        for place, each in enumerate(legs):
            outcome = _outcome(each, worth, opened[place])
            for which, bar in enumerate(bars):
                won[which, place] += np.count_nonzero(outcome > bar[place])
    return won[0] / paths, won[1] / paths


def _outcome(legs: Sequence[Leg], worth: Mapping[int, Floats], opened: float) -> Floats:
    """Settle legs one by one on top of what was paid or received for them."""
    total = np.full(next(iter(worth.values())).size, opened)
    for row, units in legs:
        if units == 1.0:
            total += worth[row]
        elif units == -1.0:
            total -= worth[row]
        else:
            total += units * worth[row]
    return total


def inverse(smile: Smile) -> tuple[Floats, Floats]:
    """Return levels and the probability of ending below each, from prices half a bump above and below it."""
    width = REACH * smile.atm_volatility * np.sqrt(smile.years)
    levels = smile.forward * np.exp(np.linspace(-width, width, STRIKES))
    up, down = levels * (1.0 + 0.5 * BUMP), levels * (1.0 - 0.5 * BUMP)
    puts = (_black(smile, up, -1) - _black(smile, down, -1)) / (up - down)
    calls = 1.0 + (_black(smile, up, 1) - _black(smile, down, 1)) / (up - down)
    below = np.where(levels < smile.forward, puts, calls)  # whichever is out of the money keeps its digits
    return levels, np.maximum.accumulate(np.clip(below, 0.0, 1.0))


def _black(smile: Smile, strikes: Floats, kind: int) -> Floats:
    spread = smile.volatility(strikes) * np.sqrt(smile.years)
    return _worth(np.asarray(smile.forward), strikes, spread, kind)


def _worth(forward: Floats, strike: Floats, spread: Floats, kind: int) -> Floats:
    """Black's formula, undiscounted, written out once more."""
    d1 = np.log(forward / strike) / spread + 0.5 * spread
    return np.asarray(kind * (forward * ndtr(kind * d1) - strike * ndtr(kind * (d1 - spread))))


def _legs(batch: Batch, place: int) -> list[Leg]:
    rows, units = batch.rows[place], batch.units[place]
    return [(int(row), float(each)) for row, each in zip(rows, units, strict=True) if each]


def _price(table: ContractTable, row: int, units: float) -> float:
    """What the chain's own quote asks of a buyer or gives a seller."""
    chain = table.chain
    if row == table.share:
        return chain.spot
    expiry = chain.expiries[int(table.rank[row])]
    side = expiry.side(OptionType.CALL if table.kind[row] == CALL else OptionType.PUT)
    at = int(np.flatnonzero(expiry.strikes == table.strike[row])[0])
    return float((side.ask if units > 0.0 else side.bid)[at])


def _valuers(
    legs: Sequence[Sequence[Leg]], table: ContractTable, near: ExpiryChain, sample: Sample
) -> dict[int, Worth]:
    return {row: _valuer(table, row, near, sample) for row in sorted({row for each in legs for row, _ in each})}


def _valuer(table: ContractTable, row: int, near: ExpiryChain, sample: Sample) -> Worth:
    """Return the function that says what one contract is worth at drawn prices of the front expiry."""
    if row == table.share:
        return lambda drawn: drawn
    kind, strike = (1 if table.kind[row] == CALL else -1), np.asarray(table.strike[row])
    far = table.chain.expiries[int(table.rank[row])]
    if far.expiry == near.expiry:
        return lambda drawn: np.maximum(kind * (drawn - strike), 0.0)
    growth = far.forward / near.forward
    spread = np.asarray(_surviving(far, near, strike, sample))
    return lambda drawn: _worth(drawn * growth, strike, spread, kind)


def _surviving(far: ExpiryChain, near: ExpiryChain, strike: Floats, sample: Sample) -> float:
    """Return the deviation left after the front expiry at which the mean worth is what the far smile asks today."""
    levels, masses = sample
    forwards = levels * (far.forward / near.forward)
    asked = float(_black(far.smile, strike, 1))

    def gap(spread: float) -> float:
        return float(_worth(forwards, strike, np.asarray(spread), 1) @ masses) - asked

    volatility = float(far.smile.volatility(strike))
    least = LEAST_FORWARD_VOLATILITY * volatility * math.sqrt(far.years - near.years)
    return least if gap(least) >= 0.0 else float(brentq(gap, least, 4.0 * volatility * math.sqrt(far.years)))


if __name__ == "__main__":
    from bench.__main__ import main

    main(["probability"])
