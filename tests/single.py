"""Production's batch asked about one candidate: the way tests that look at one structure read it."""

import numpy as np

from market.chain import Chain
from market.contract import Contract
from market.quant.distribution import Distribution
from market.rulebook.charges import ChargeRates
from strategies.batch import Batch, join
from strategies.build import Candidate
from strategies.evaluate import Evaluation, evaluations
from strategies.measure import Measures, measure
from strategies.score import Facts, facts_of
from strategies.table import contract_table


def batch_of(candidate: Candidate, chain: Chain) -> Batch:
    """Return a batch of one; KeyError where a leg is not a contract of the chain."""
    table = contract_table(chain)
    place: dict[Contract, int] = {contract: row for row, contract in enumerate(table.contracts)}
    rows = np.array([[place[leg.contract] for leg in candidate.legs]])
    front = [expiry.expiry for expiry in chain.expiries].index(candidate.expiry)
    return join(table, [(candidate.structure, front, rows)])


def measured(
    candidate: Candidate,
    chain: Chain,
    *,
    rates: ChargeRates,
    forecast: Distribution | None = None,
    risk_free: float = 0.0,
    cells: int = 20_000,
) -> tuple[Batch, Measures]:
    """Measure one candidate, tails on more cells than production takes."""
    batch = batch_of(candidate, chain)
    forecasts = {} if forecast is None else {int(batch.front[0]): forecast}
    return batch, measure(batch, rates=rates, forecasts=forecasts, cells=cells, risk_free=risk_free)


def evaluate(
    candidate: Candidate,
    chain: Chain,
    *,
    rates: ChargeRates,
    forecast: Distribution | None = None,
    risk_free: float = 0.0,
) -> Evaluation:
    """Return the evaluation of one candidate."""
    return evaluations(*measured(candidate, chain, rates=rates, forecast=forecast, risk_free=risk_free))[0]


def facts(candidate: Candidate, chain: Chain, *, rates: ChargeRates) -> Facts:
    """Return what one candidate is ranked by."""
    return facts_of(*measured(candidate, chain, rates=rates))
