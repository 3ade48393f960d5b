import math
import time

import numpy as np
import pytest

from market.errors import InvalidInput, NoSolution
from market.quant import black
from market.quant.forward import implied_forward
from market.quant.implied import implied_volatility
from market.quant.smile import STEEPEST_WING, SviShape, butterfly, fit_smile, flat_smile

FORWARD, YEARS, ATM = 22_000.0, 7 / 365, 0.14
UNIT = ATM**2 * YEARS
# A skewed index smile: raw SVI whose at-the-money volatility is close to 14 %.
PLANTED = SviShape(level=0.6 * UNIT, slope=0.35 * math.sqrt(UNIT), tilt=-0.4, centre=0.1 * UNIT**0.5, width=UNIT**0.5)


def planted_volatility(strikes):
    return np.sqrt(PLANTED.variance(np.log(strikes / FORWARD))[0] / YEARS)


def quotes(*, count=61, noise=0.0, stale=0.0, seed=1):
    """Strikes from -4 to +3.5 deviations, their quoted volatilities and which of those are stale."""
    random = np.random.default_rng(seed)
    strikes = FORWARD * np.exp(np.linspace(-4.0, 3.5, count) * math.sqrt(UNIT))
    volatilities = planted_volatility(strikes) * (1.0 + noise * random.normal(size=count))
    wrong = random.permutation(count) < round(stale * count)
    volatilities[wrong] *= np.exp(random.choice([-1, 1], wrong.sum()) * random.uniform(0.2, 0.6, wrong.sum()))
    return strikes, volatilities, wrong


def fitted(strikes, volatilities, **more):
    return fit_smile(forward=FORWARD, years=YEARS, strikes=strikes, volatilities=volatilities, **more)


def test_a_planted_svi_comes_back():
    strikes, volatilities, _ = quotes()

    smile = fitted(strikes, volatilities)

    assert smile.quality == "fitted"
    assert smile.used.all()
    assert smile.volatility(strikes) == pytest.approx(volatilities, rel=2e-3)
    assert smile.rmse < 2e-4


def test_a_planted_flat_volatility_comes_back_flat():
    strikes, volatilities, _ = quotes()

    smile = fitted(strikes, np.full_like(volatilities, 0.2))

    assert smile.volatility(np.geomspace(1.0, 1e6, 50)) == pytest.approx(np.full(50, 0.2), rel=1e-3)
    assert smile.skew == pytest.approx(0.0, abs=1e-3)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize(("count", "stale"), [(41, 0.15), (101, 0.20)])
def test_noise_and_stale_quotes_do_not_move_it(count, stale, seed):
    strikes, volatilities, wrong = quotes(count=count, noise=0.003, stale=stale, seed=seed)

    smile = fitted(strikes, volatilities)

    assert smile.volatility(strikes) == pytest.approx(planted_volatility(strikes), rel=0.015)
    assert smile.atm_volatility == pytest.approx(float(planted_volatility(np.array([FORWARD]))[0]), rel=0.006)
    assert not smile.used[wrong].any()
    assert smile.used[~wrong].mean() > 0.9


def test_atm_volatility_skew_and_rmse_describe_the_curve():
    strikes, volatilities, _ = quotes(noise=0.01)

    smile = fitted(strikes, volatilities)

    near = smile.volatility(FORWARD * np.exp(np.array([-1e-6, 0.0, 1e-6])))
    assert smile.atm_volatility == pytest.approx(float(near[1]), rel=1e-12)
    assert smile.skew == pytest.approx(float(near[2] - near[0]) / 2e-6, rel=1e-5)
    assert smile.skew < 0.0
    misses = smile.volatility(strikes)[smile.used] - volatilities[smile.used]
    assert smile.rmse == pytest.approx(float(np.sqrt(np.mean(misses**2))), rel=1e-12)


def test_readable_at_any_strike_with_wings_within_lees_bound():
    strikes, volatilities, _ = quotes(noise=0.01)
    smile = fitted(strikes, volatilities)
    log_strikes = np.linspace(-18.0, 18.0, 2001)

    variance = smile.total_variance(FORWARD * np.exp(log_strikes))

    assert np.isfinite(variance).all()
    assert (variance > 0.0).all()
    slopes = np.diff(variance) / np.diff(log_strikes)
    assert np.abs(slopes).max() <= STEEPEST_WING
    assert slopes[:50] == pytest.approx(np.full(50, slopes[0]), rel=1e-3)  # linear, not quadratic


@pytest.mark.parametrize("seed", range(6))
def test_no_butterfly_has_a_negative_price_even_after_garbage(seed):
    random = np.random.default_rng(seed)
    strikes = FORWARD * np.exp(np.linspace(-5, 5, 30) * math.sqrt(UNIT))

    smile = fitted(strikes, random.uniform(0.05, 1.5, 30))

    log_strikes = np.linspace(-20.0, 20.0, 4001) * smile.atm_volatility * math.sqrt(YEARS)
    assert butterfly(smile.shape, log_strikes).min() > -1e-3
    calls = smile.prices(np.linspace(18_000.0, 26_000.0, 801), True)
    assert np.diff(calls, 2).min() > -1e-6


def test_prices_are_black_prices_at_the_smiles_volatility():
    smile = flat_smile(forward=FORWARD, years=YEARS, volatility=ATM)
    terms = {"forward": FORWARD, "strike": [21_500.0, 22_500.0], "years": YEARS, "volatility": ATM, "is_call": False}

    assert smile.prices([21_500.0, 22_500.0], False).tolist() == black.price(**terms).tolist()
    assert smile.prices([21_500.0, 22_500.0], False, discount=0.9) == pytest.approx(0.9 * black.price(**terms))


@pytest.mark.parametrize("count", [1, 2, 4])
def test_few_quotes_give_a_flat_smile_at_their_median(count):
    volatilities = np.array([0.12, 0.14, 0.13, 0.9])[:count]

    smile = fitted([21_000.0, 22_000.0, 22_500.0, 23_000.0][:count], volatilities)

    assert smile.quality == "flat"
    assert smile.atm_volatility == pytest.approx(float(np.median(volatilities)))
    assert smile.skew == 0.0
    assert float(smile.volatility(10.0)) == pytest.approx(smile.atm_volatility)


def test_many_quotes_of_four_strikes_are_still_few():
    smile = fitted([21_000.0, 22_000.0, 22_500.0, 23_000.0] * 2, [0.14, 0.13, 0.12, 0.13] * 2)

    assert smile.quality == "flat"


def test_unusable_quotes_are_ignored():
    strikes, volatilities, _ = quotes()
    clean = fitted(strikes, volatilities)
    broken = np.concatenate([volatilities, [math.nan, 0.0, -0.2, math.inf, 11.0, 0.5, 0.5]])
    places = np.concatenate([strikes, [22_000.0] * 5, [0.0, math.nan]])

    smile = fitted(places, broken)

    assert smile.used.tolist() == [True] * strikes.size + [False] * 7
    assert smile.volatility(strikes) == pytest.approx(clean.volatility(strikes), rel=1e-9)


def test_a_weight_of_zero_removes_a_quote():
    strikes, volatilities, _ = quotes(count=21)
    bent = volatilities.copy()
    bent[:4] *= 2.0

    smile = fitted(strikes, bent, weights=np.where(np.arange(21) < 4, 0.0, 1.0))

    assert not smile.used[:4].any()
    assert smile.volatility(strikes[4:]) == pytest.approx(volatilities[4:], rel=3e-3)


def test_no_quote_at_all_is_no_solution():
    for volatilities in ([], [math.nan, 0.0]):
        with pytest.raises(NoSolution) as refusal:
            fitted([22_000.0] * len(volatilities), volatilities)
        assert refusal.value.reason.code == "NO_VOLATILITIES"


@pytest.mark.parametrize(
    "change",
    [
        {"years": 0.0},
        {"forward": 0.0},
        {"forward": math.nan},
        {"volatilities": [0.1]},
        {"weights": [1.0, -1.0]},
        {"weights": [1.0, math.nan]},
    ],
)
def test_malformed_input_is_refused(change):
    good = {"forward": 100.0, "years": 0.1, "strikes": [90.0, 110.0], "volatilities": [0.2, 0.2]}

    with pytest.raises(InvalidInput):
        fit_smile(**good | change)


@pytest.mark.parametrize("strike", [0.0, -1.0, math.nan])
def test_a_smile_is_read_at_positive_strikes_only(strike):
    with pytest.raises(InvalidInput):
        flat_smile(forward=100.0, years=0.1, volatility=0.2).volatility(strike)


def test_a_flat_smile_needs_a_positive_volatility():
    with pytest.raises(InvalidInput):
        flat_smile(forward=100.0, years=0.1, volatility=0.0)


def test_a_smile_takes_milliseconds():
    strikes, volatilities, _ = quotes(noise=0.003, stale=0.1)

    spent = []
    for _ in range(7):
        start = time.process_time()  # not the clock: others may use the machine too
        fitted(strikes, volatilities)
        spent.append(time.process_time() - start)

    assert min(spent) < 0.010  # 1.3 ms on a quiet machine


@pytest.mark.realdata
def test_recorded_nifty_chain(shared_data):
    parquet = pytest.importorskip("pyarrow.parquet")
    path = shared_data / "C_option_chains" / "nse_chain_1min_NIFTY_BANKNIFTY_2025-08-27_and_29_am.parquet"
    snapshot = [("source_file", "=", "NIFTY_20250829_111846.parquet"), ("Expiry_Date", "=", "02-Sep-2025")]
    table = parquet.read_table(path, filters=snapshot)
    column = {name: table.column(name).to_numpy() for name in table.column_names}
    strikes = column["Strike_Price"].astype(float)
    calls = 0.5 * (column["CALLS_Bid_Price"] + column["CALLS_Ask_Price"])
    puts = 0.5 * (column["PUTS_Bid_Price"] + column["PUTS_Ask_Price"])

    fit = implied_forward(strikes=strikes, call_prices=calls, put_prices=puts)
    above = strikes >= fit.forward
    volatilities = implied_volatility(
        price=np.where(above, calls, puts), forward=fit.forward, strike=strikes, years=4.15 / 365, is_call=above
    )
    smile = fit_smile(forward=fit.forward, years=4.15 / 365, strikes=strikes, volatilities=volatilities)

    assert fit.stderr < 1.0
    assert fit.forward == pytest.approx(24_588.6, abs=0.5)
    assert smile.atm_volatility == pytest.approx(0.087, abs=0.002)
    assert smile.rmse < 0.005
    assert smile.used.mean() > 0.9
