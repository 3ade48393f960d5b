import math
import warnings

import numpy as np
import pytest

from market.errors import InvalidInput, NoSolution
from market.quant import black, implied

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    import QuantLib as ql  # noqa: N813
    import vollib.black.implied_volatility as scalar

FIFTEEN_MINUTES = 15 / (60 * 24 * 365)


def round_trip(*, volatility, years, deviations_out, is_call=True):
    """The volatility found from the price of options so many standard deviations out of the money."""
    side = np.where(is_call, 1.0, -1.0)
    strike = 22_000.0 * np.exp(side * deviations_out * volatility * np.sqrt(years))
    book = {"forward": 22_000.0, "strike": strike, "years": years, "is_call": is_call}
    price = black.price(**book, volatility=volatility)
    return price, implied.implied_volatility(price=price, **book)


@pytest.mark.parametrize("is_call", [True, False])
@pytest.mark.parametrize("volatility", [0.03, 0.14, 0.9])
def test_liquid_options_come_back_to_machine_precision(volatility, is_call):
    _, found = round_trip(
        volatility=volatility, years=30 / 365, deviations_out=np.linspace(0.0, 3.0, 61), is_call=is_call
    )

    assert np.median(np.abs(found - volatility)) < 2e-15
    assert found == pytest.approx(np.full(61, volatility), rel=1e-13)


def test_deep_out_of_the_money_down_to_1e_190():
    price, found = round_trip(volatility=0.2, years=0.1, deviations_out=np.linspace(4.0, 29.6, 500))

    assert price.min() < 1e-190
    assert found == pytest.approx(np.full(500, 0.2), rel=1e-14)


def test_fifteen_minutes_to_expiry():
    _, found = round_trip(volatility=0.15, years=FIFTEEN_MINUTES, deviations_out=np.linspace(0.0, 5.0, 500))

    assert found == pytest.approx(np.full(500, 0.15), rel=1e-14)


def test_in_the_money_is_limited_only_by_the_rounding_of_the_price():
    _, found = round_trip(volatility=0.2, years=30 / 365, deviations_out=np.linspace(-4.0, 0.0, 200))

    assert found == pytest.approx(np.full(200, 0.2), abs=1e-9)


def test_volatility_from_a_tenth_of_a_percent_to_five_hundred():
    volatility = np.geomspace(0.001, 5.0, 300)

    _, found = round_trip(volatility=volatility, years=1.0, deviations_out=0.3)

    assert found == pytest.approx(volatility, rel=1e-11)


def test_discounted_prices_are_undone():
    book = {"forward": 100.0, "strike": np.array([80.0, 100.0, 130.0]), "years": 0.5, "is_call": True, "discount": 0.95}

    found = implied.implied_volatility(price=black.price(**book, volatility=0.3), **book)

    assert found == pytest.approx(np.full(3, 0.3), rel=1e-13)


def test_agrees_with_quantlib_and_vollib():
    for strike in (85.0, 97.0, 100.0, 104.0, 120.0):
        for is_call in (True, False):
            price = float(black.price(forward=100.0, strike=strike, years=0.3, volatility=0.22, is_call=is_call)) + 0.01

            found = implied.implied_volatility_of(price=price, forward=100.0, strike=strike, years=0.3, is_call=is_call)

            option = ql.Option.Call if is_call else ql.Option.Put
            deviation = ql.blackFormulaImpliedStdDev(option, strike, 100.0, price, 1.0, 0.0, 0.1, 1e-12)
            assert found == pytest.approx(deviation / math.sqrt(0.3), rel=1e-8)
            oracle = scalar.implied_volatility(price, 100.0, strike, 0.0, 0.3, "c" if is_call else "p")
            assert found == pytest.approx(oracle, rel=1e-12)


def test_options_without_a_solution_are_marked_and_do_not_disturb_the_others():
    found = implied.implied_volatility(
        price=np.array([math.nan, math.inf, -1.0, 4.9, 100.0, 5.0, 0.0, 8.0]),
        forward=100.0,
        strike=np.array([100.0, 100.0, 100.0, 95.0, 100.0, 95.0, 105.0, 95.0]),
        years=1.0,
        is_call=True,
    )

    assert np.isnan(found).tolist() == [True, True, True, True, True, False, False, False]
    assert found[5:7].tolist() == [0.0, 0.0]
    assert found[7] == pytest.approx(
        implied.implied_volatility_of(price=8.0, forward=100.0, strike=95.0, years=1.0, is_call=True), rel=1e-15
    )


def test_intrinsic_value_that_lost_its_last_bit_is_intrinsic_value():
    intrinsic = 24_567.85 - 22_000.05

    found = implied.implied_volatility(
        price=np.nextafter(intrinsic, 0.0), forward=24_567.85, strike=22_000.05, years=0.1, is_call=True
    )

    assert float(found) == 0.0


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"price": math.nan}, "PRICE_ABSENT"),
        ({"years": 0.0}, "EXPIRED"),
        ({"strike": 0.0, "price": 100.0}, "NO_STRIKE"),
        ({"price": 4.9}, "BELOW_INTRINSIC"),
        ({"price": -1.0, "strike": 120.0}, "BELOW_INTRINSIC"),
        ({"price": 100.0}, "ABOVE_BOUND"),
        ({"price": 95.0, "is_call": False}, "ABOVE_BOUND"),
    ],
)
def test_the_scalar_form_says_why_there_is_none(change, code):
    terms = {"price": 8.0, "forward": 100.0, "strike": 95.0, "years": 1.0, "is_call": True}

    with pytest.raises(NoSolution) as refusal:
        implied.implied_volatility_of(**terms | change)

    assert refusal.value.reason.code == code


def test_absurd_prices_are_marked_too():
    found = implied.implied_volatility(
        price=[1e308, 5e-324], forward=100.0, strike=[100.0, 5e-324], years=1.0, is_call=True, discount=1e-12
    )

    assert np.isnan(found).tolist() == [True, True]


def test_garbage_besides_the_price_is_refused():
    with pytest.raises(InvalidInput):
        implied.implied_volatility(price=1.0, forward=math.nan, strike=100.0, years=1.0, is_call=True)


@pytest.mark.realdata
def test_recorded_nifty_volatilities(shared_data):
    # bsm_iv_close of this file: Black-Scholes with rate 10 %, no dividend, ACT/365 (data README, section G).
    parquet = pytest.importorskip("pyarrow.parquet")
    path = shared_data / "G_pricing_reference" / "nifty_gold_sample_2021_2025.parquet"
    rows = [row for row in parquet.read_table(path).to_pylist() if row["bsm_iv_close"] is not None]
    years = np.array([row["t_years_act365"] for row in rows])

    found = implied.implied_volatility(
        price=np.array([row["close"] for row in rows]),
        forward=np.array([row["independent_nifty_spot"] for row in rows]) * np.exp(0.1 * years),
        strike=np.array([float(row["strike"]) for row in rows]),
        years=years,
        is_call=np.array([row["option_type"] == "CALL" for row in rows]),
        discount=np.exp(-0.1 * years),
    )

    assert found == pytest.approx(np.array([row["bsm_iv_close"] for row in rows]), abs=1e-9)
