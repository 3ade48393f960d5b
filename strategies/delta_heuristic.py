"""The probability of profit that users have today: formulas on leg deltas, kept only to be compared with.

Source: options-v4.md sections 1.2 and 5. None of them knows a distribution, a break-even or the time to expiry.
"""

import numpy as np

from market.chain import Floats
from strategies.batch import Batch
from strategies.table import CALL, PUT

_CONSTANT = {
    "long-straddle": 0.35,
    "short-straddle": 0.65,
    "call-ratio-spread": 0.40,
    "put-ratio-spread": 0.40,
}
_LONG = ("long-call", "long-put")
_SHORT = ("short-call", "short-put")
_CREDIT = ("bear-call-spread", "bull-put-spread", "cash-secured-put", "covered-call")


def delta_probability(batch: Batch) -> Floats:
    """Return what the documents' formulas report for each candidate, a fraction; shape (n,)."""
    delta = batch.table.delta[batch.rows]
    total: Floats = np.clip(0.5 + 0.3 * (batch.units * delta).sum(axis=1), 0.2, 0.8)  # the ranker's default
    for place, structure in enumerate(batch.structures):
        chosen = batch.which == place
        formula = _formula(structure.slug, batch.take(chosen))
        if formula is not None:
            total[chosen] = formula
    return total


def _formula(slug: str, batch: Batch) -> Floats | float | None:
    if slug in _CONSTANT:
        return _CONSTANT[slug]
    if slug in _LONG:
        return 0.92 * _of(batch, bought=True)
    if slug in _SHORT:
        return np.asarray(np.clip(1.0 - _of(batch, bought=False), 0.45, 0.85))
    if slug in _CREDIT:
        return 1.0 - _of(batch, bought=False)
    return _spread(slug, batch)


def _spread(slug: str, batch: Batch) -> Floats | None:
    if slug == "bull-call-spread":
        return 1.0 - _of(batch, bought=True)
    if slug == "bear-put-spread":
        return np.minimum(0.7, 0.8 * (1.0 - _of(batch, bought=False)))
    if slug == "iron-condor":
        calls, puts = _of(batch, bought=False, kind=CALL), _of(batch, bought=False, kind=PUT)
        return 0.9 * (1.0 - calls) * (1.0 - puts)
    return None


def _of(batch: Batch, *, bought: bool, kind: int | None = None) -> Floats:
    """Return the size of the delta of the one option bought, or sold; shape (n,)."""
    kinds = batch.table.kind[batch.rows]
    side = (batch.units > 0.0) if bought else (batch.units < 0.0)
    chosen = side & ((kinds == kind) if kind is not None else (kinds != 0))
    return np.asarray(np.where(chosen, np.abs(batch.table.delta[batch.rows]), 0.0).sum(axis=1))
