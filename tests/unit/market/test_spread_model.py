"""Half spreads modelled from recorded books."""

import math

import numpy as np
import pytest

from market.errors import InvalidInput
from market.spread_model import (
    FITTED,
    SpreadCoefficients,
    fit,
    half_spread,
    modelled,
    modelled_touches,
    plain_half_spread,
    regressors,
    touches,
)

TERMS = {
    "premium": [20.0],
    "strike": [1_050.0],
    "forward": 1_000.0,
    "days": 20,
    "is_call": [True],
    "open_interest": [100_000.0],
    "volume": [50_000.0],
    "is_index": False,
}


def half(**changes):
    return float(half_spread(**(TERMS | changes))[0])


def test_the_formula_is_the_sum_of_its_regressors():
    away = math.log(1.05) / math.sqrt(20.5 / 365)
    logarithm = (
        FITTED.intercept
        + FITTED.log_premium * math.log(20)
        + FITTED.log_premium_squared * math.log(20) ** 2
        + FITTED.out_of_money * away
        + FITTED.log_days * math.log(21)
        + FITTED.log_interest * math.log1p(2_000_000)
        + FITTED.log_turnover * math.log1p(1_000_000)
    )

    assert half() == pytest.approx(math.exp(logarithm), rel=1e-12)


@pytest.mark.parametrize(
    ("changes", "wider"),
    [
        ({"premium": [60.0]}, True),
        ({"volume": [5_000.0]}, True),
        ({"open_interest": [1_000.0]}, True),
        ({"is_index": True}, False),
        ({"volume": [5_000_000.0]}, False),
    ],
)
def test_what_trades_less_or_costs_more_is_wider(changes, wider):
    assert (half(**changes) > half()) is wider


def test_without_volume_other_coefficients_answer_and_without_either_the_plain_rule():
    unknown = half(volume=[math.nan])

    assert unknown > 0.0
    assert unknown != half()
    assert half(volume=[math.nan], open_interest=[math.nan]) == pytest.approx(0.05 + 0.015 * 20)


def test_a_modelled_spread_is_never_wider_than_half_of_the_price():
    assert half(premium=[1.0], volume=[1.0], open_interest=[1.0]) <= 0.25 * 1.0 + 0.05


@pytest.mark.parametrize("change", [{"premium": [0.0]}, {"premium": [math.nan]}, {"strike": [-1.0]}, {"forward": 0.0}])
def test_prices_must_be_positive(change):
    with pytest.raises(InvalidInput) as refusal:
        half(**change)

    assert refusal.value.reason.code == "NOT_POSITIVE"


def test_planted_coefficients_come_back_though_a_tenth_of_the_books_are_absurd():
    random = np.random.default_rng(5)
    count = 4_000
    design = regressors(
        premium=np.exp(random.uniform(0, 6, count)),
        strike=random.uniform(800, 1_200, count),
        forward=1_000.0,
        days=12,
        is_call=random.random(count) < 0.5,
        open_interest=np.exp(random.uniform(3, 14, count)),
        is_index=False,
        volume=np.exp(random.uniform(3, 14, count)),
    )
    design[:, 5] = random.uniform(0, 4, count)
    design[:, 7] = random.random(count) < 0.5
    planted = SpreadCoefficients(0.5, 0.6, 0.03, -0.1, 0.2, -0.15, -0.2, -0.4, -0.1)
    seen = modelled(planted, design) * np.exp(0.1 * random.normal(size=count))
    seen[:400] *= 50.0

    found = fit(design, seen, np.ones(count))

    assert found.vector() == pytest.approx(planted.vector(), abs=0.06)


def test_touches_are_on_tick_and_never_inside_the_modelled_spread():
    bids, asks = touches(np.array([40.0, 1.0, 0.05]), plain_half_spread([40.0, 1.0, 0.05]), 0.05)

    assert bids[:2].tolist() == [39.35, 0.9]
    assert asks.tolist() == [40.65, 1.1, 0.15]
    assert math.isnan(bids[2])


def test_what_did_not_trade_has_no_touch():
    terms = TERMS | {"strike": [1_050.0] * 4, "is_call": [True] * 4, "open_interest": [1e5] * 4}
    del terms["premium"]
    bids, asks = modelled_touches(
        **(terms | {"volume": [0.0, 5.0, 5.0, math.nan]}), last_price=[20.0, math.nan, 0.0, 20.0], tick_size=0.05
    )

    assert np.isnan(bids).tolist() == np.isnan(asks).tolist() == [True, True, True, False]


@pytest.mark.realdata
@pytest.mark.slow
def test_on_books_it_was_not_fitted_on_it_errs_less_than_the_plain_rule(shared_data):
    from bench.chains import BOOKS, _book, _error, _sampled

    _, name, _ = BOOKS[2]  # the indices of 2025, six years after those of the fit
    parts = [part for chain in _sampled(shared_data / "C_option_chains" / name, 60) for part in _book(chain)]
    design, seen = np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])
    every = np.ones(seen.size, dtype=np.bool_)

    new, plain = (
        _error(modelled(FITTED, design), seen, every),
        _error(plain_half_spread(np.exp(design[:, 1])), seen, every),
    )

    assert new < 0.5
    assert new < 0.4 * plain
