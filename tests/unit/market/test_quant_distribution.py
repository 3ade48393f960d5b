import math

import numpy as np
import pytest
from scipy.stats import lognorm

from market.errors import InvalidInput
from market.quant import black
from market.quant.distribution import lognormal_distribution, terminal_distribution
from market.quant.smile import Smile, SviShape, fit_smile, flat_smile

FORWARD, YEARS, VOLATILITY = 22_000.0, 30 / 365, 0.16
DEVIATION = VOLATILITY * math.sqrt(YEARS)


def skewed():
    """The distribution and the smile of a skewed index chain."""
    scores = np.linspace(-5.0, 4.0, 61)
    volatilities = VOLATILITY * np.sqrt(1.0 + 0.25 * (-0.5 * scores + np.hypot(scores, 1.0) - 1.0))
    strikes = FORWARD * np.exp(scores * DEVIATION)
    smile = fit_smile(forward=FORWARD, years=YEARS, strikes=strikes, volatilities=volatilities)
    return terminal_distribution(smile), smile


def test_a_flat_smile_implies_the_lognormal_distribution():
    found = lognormal_distribution(FORWARD, YEARS, VOLATILITY)
    exact = lognorm(DEVIATION, scale=FORWARD * math.exp(-0.5 * DEVIATION**2))
    levels = FORWARD * np.exp(DEVIATION * np.linspace(-5.0, 5.0, 101))
    shares = np.linspace(0.001, 0.999, 99)

    assert found.cdf(levels) == pytest.approx(exact.cdf(levels), abs=3e-6)
    assert found.quantile(shares) == pytest.approx(exact.ppf(shares), rel=1e-5)
    assert np.interp(levels, found.grid, found.density) == pytest.approx(exact.pdf(levels), rel=1e-3)


def test_the_mean_is_the_forward():
    found, smile = skewed()

    assert found.mean == pytest.approx(smile.forward, rel=1e-12)
    assert float(found.expectation_of_call(0.0)) == pytest.approx(smile.forward, rel=1e-9)


def test_density_is_nowhere_negative_and_the_cdf_climbs_from_zero_to_one():
    found, _ = skewed()

    assert (found.density >= 0.0).all()
    assert (np.diff(found.cumulative) >= 0.0).all()
    assert (float(found.cdf(-math.inf)), float(found.cdf(0.0)), float(found.cdf(math.inf))) == (0.0, 0.0, 1.0)
    assert np.trapezoid(found.density, found.grid) == pytest.approx(1.0, abs=1e-5)


def test_expectation_of_call_is_the_smiles_own_price():
    found, smile = skewed()
    strikes = np.linspace(18_000.0, 26_000.0, 81)

    assert found.expectation_of_call(strikes) == pytest.approx(smile.prices(strikes, True), abs=2e-6 * FORWARD)
    assert float(found.expectation_of_call(1e9)) == 0.0


def test_the_skew_fattens_the_left_tail():
    found, smile = skewed()
    plain = lognormal_distribution(FORWARD, YEARS, smile.atm_volatility)

    assert float(found.cdf(19_000.0)) > 2.0 * float(plain.cdf(19_000.0))


def test_probabilities_of_a_partition_sum_to_one():
    found, _ = skewed()
    edges = np.array([-math.inf, 20_000.0, 21_500.0, 22_000.0, 23_456.7, math.inf])

    parts = found.probability_between(edges[:-1], edges[1:])

    assert float(parts.sum()) == pytest.approx(1.0, abs=1e-15)
    assert (parts > 0.0).all()
    assert float(found.probability_between(23_000.0, 21_000.0)) == 0.0


def test_quantile_undoes_the_cdf():
    found, _ = skewed()
    shares = np.linspace(0.0, 1.0, 101)

    assert found.cdf(found.quantile(shares)) == pytest.approx(shares, abs=1e-12)


def test_heavy_tails_and_long_expiries_keep_their_mean_too():
    for volatility, years in ((0.05, 15 / 525_600), (0.9, 1.0), (1.5, 2.0)):
        found = lognormal_distribution(100.0, years, volatility)
        assert found.mean == pytest.approx(100.0, rel=1e-9)
        call = black.price(forward=100.0, strike=110.0, years=years, volatility=volatility, is_call=True)
        assert float(found.expectation_of_call(110.0)) == pytest.approx(float(call), abs=5e-3)


def test_wings_of_a_hundred_deviations_cost_no_precision_at_the_money():
    """NIFTY's week of 9 September 2025 as fitted: its grid reaches 88 deviations, nearly all of it empty."""
    shape = SviShape(level=-0.0083, slope=0.0445, tilt=-0.008, centre=0.0076, width=0.193)
    variance = float(shape.variance(np.zeros(1))[0][0])
    smile = Smile(24_600.0, 0.0305, math.sqrt(variance / 0.0305), 0.0, 0.0, "fitted", np.zeros(0, dtype=bool), shape)
    strikes = smile.forward * np.exp(math.sqrt(variance) * np.linspace(-3.0, 3.0, 61))
    up, down = strikes * 1.00005, strikes * 0.99995
    below = 1.0 + (smile.prices(up, True) - smile.prices(down, True)) / (up - down)

    found = terminal_distribution(smile)

    assert found.grid[-1] > smile.forward * math.exp(80.0 * math.sqrt(variance))
    assert found.cdf(strikes) == pytest.approx(below, abs=1e-5)
    assert found.expectation_of_call(strikes) == pytest.approx(smile.prices(strikes, True), abs=5e-7 * smile.forward)


def test_scalars_in_scalars_out():
    found, _ = skewed()

    assert isinstance(found.cdf(22_000.0), float)
    assert isinstance(found.probability_between(21_000.0, math.inf), float)
    assert isinstance(found.expectation_of_call(22_000.0), float)
    assert isinstance(found.quantile(0.5), float)


def test_garbage_is_refused():
    found, smile = skewed()

    for call in (
        lambda: found.cdf(math.nan),
        lambda: found.probability_between(math.nan, 1.0),
        lambda: found.expectation_of_call(math.inf),
        lambda: found.quantile(1.1),
        lambda: found.quantile(math.nan),
        lambda: terminal_distribution(smile, points=10),
        lambda: lognormal_distribution(100.0, 0.0, 0.2),
        lambda: flat_smile(forward=-1.0, years=0.1, volatility=0.2),
    ):
        with pytest.raises(InvalidInput):
            call()
