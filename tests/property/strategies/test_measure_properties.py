"""The batch equals brute force, whatever contracts stand in its rows."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strategies.batch import Batch
from strategies.catalog import BY_SLUG
from strategies.horizon import distribution_at
from strategies.measure import measure, payoff_lines, profit_mass
from strategies.table import SHARE, contract_table
from tests.builders import NO_CHARGES, make_chain

CHAIN = make_chain(2_200, days=(25,))
TABLE = contract_table(CHAIN)
LEVELS = distribution_at(CHAIN.expiries[0]).quantile((np.arange(20_000) + 0.5) / 20_000)


@st.composite
def batches(draw: st.DrawFn) -> Batch:
    options = np.flatnonzero(TABLE.can_buy & TABLE.can_sell)
    legs, size = draw(st.integers(1, 6)), draw(st.integers(1, 4))
    rows = draw(st.lists(st.sampled_from(options.tolist()), min_size=legs * size, max_size=legs * size))
    units = draw(st.lists(st.sampled_from([-3, -2, -1, 0, 1, 2, 3]), min_size=legs * size, max_size=legs * size))
    zeros = np.zeros(size, dtype=np.int64)
    shaped = np.array(rows).reshape(size, legs), np.array(units, dtype=float).reshape(size, legs)
    return Batch(TABLE, (BY_SLUG["iron-condor"],), zeros, *shaped, zeros)


def outcomes(batch: Batch, levels: np.ndarray) -> np.ndarray:
    total = np.tile(batch.net_premium[:, None], (1, levels.size))
    for place in range(batch.size):
        for row, units in zip(batch.rows[place], batch.units[place], strict=True):
            kind, strike = TABLE.kind[row], TABLE.strike[row]
            total[place] += units * (levels if kind == SHARE else np.maximum(kind * (levels - strike), 0.0))
    return total


@settings(max_examples=60, deadline=None)
@given(batches())
def test_extremes_probability_and_expectation_are_those_of_counted_outcomes(batch: Batch):
    found, profit = measure(batch, rates=NO_CHARGES), outcomes(batch, LEVELS)

    assert (found.max_profit >= profit.max(axis=1) - 1e-6).all()
    assert (found.max_loss >= -profit.min(axis=1) - 1e-6).all()
    assert found.expected_value == pytest.approx(profit.mean(axis=1), abs=0.05)
    near_zero = (np.abs(profit) < 0.02).mean(axis=1)
    assert (np.abs(found.probability_of_profit - (profit > 0).mean(axis=1)) <= near_zero + 2e-4).all()


@settings(max_examples=60, deadline=None)
@given(batches())
def test_a_profit_and_its_opposite_share_the_whole_of_probability(batch: Batch):
    lines = payoff_lines(batch)
    opposite = replace(lines, values=-lines.values, right_slope=-lines.right_slope)

    both = [profit_mass(each, distribution_at(CHAIN.expiries[0])) for each in (lines, opposite)]

    assert (both[0] >= 0.0).all()
    assert (both[0] + both[1] <= 1.0 + 1e-9).all()


@settings(max_examples=40, deadline=None)
@given(batches(), st.floats(-50.0, 50.0))
def test_more_of_every_outcome_never_makes_a_profit_less_likely(batch: Batch, shift: float):
    lines, distribution = payoff_lines(batch), distribution_at(CHAIN.expiries[0])

    moved, still = (profit_mass(lines, distribution, shift=by) for by in (shift, 0.0))

    assert ((moved - still) * np.sign(shift) >= -1e-12).all()
