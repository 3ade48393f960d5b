import csv
import json
import math
import warnings
from pathlib import Path

import numpy as np
import pytest

from market.errors import InvalidInput
from market.quant import black

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    import QuantLib as ql  # noqa: N813
    import vollib.black as scalar
    import vollib.black.greeks.analytical as scalar_greeks

# E. G. Haug, "The Complete Guide to Option Pricing Formulas" (1998): page, option, value printed with 4 places.
HAUG_VALUES = [
    # page, is_call, strike, spot, dividend yield, rate, years, volatility, value
    ("2-8", True, 65.0, 60.0, 0.00, 0.08, 0.25, 0.30, 2.1334),
    ("2-8", False, 95.0, 100.0, 0.05, 0.10, 0.50, 0.20, 2.4648),
    ("2-8", False, 19.0, 19.0, 0.10, 0.10, 0.75, 0.28, 1.7011),
    ("2-8", True, 1.60, 1.56, 0.08, 0.06, 0.50, 0.12, 0.0291),
    ("24", True, 100.0, 90.0, 0.10, 0.10, 0.10, 0.15, 0.0205),
    ("24", False, 100.0, 110.0, 0.10, 0.10, 0.50, 0.35, 5.7963),
    ("27", True, 40.0, 42.0, 0.08, 0.04, 0.75, 0.35, 5.0975),
]
# The same book, pp. 11-16.
HAUG_GREEKS = [
    # greek, is_call, strike, spot, dividend yield, rate, years, volatility, value
    ("delta", True, 100.0, 105.0, 0.10, 0.10, 0.5, 0.36, 0.5946),
    ("delta", False, 100.0, 105.0, 0.10, 0.10, 0.5, 0.36, -0.3566),
    ("gamma", True, 60.0, 55.0, 0.0, 0.10, 0.75, 0.30, 0.0278),
    ("vega", False, 60.0, 55.0, 0.0, 0.10, 0.75, 0.30, 18.9358),
    ("theta", False, 405.0, 430.0, 0.05, 0.07, 1 / 12, 0.20, -0.0855),
    ("rho", True, 75.0, 72.0, 0.0, 0.09, 1.0, 0.19, 38.7325),
]
FIELDS = ("price", "delta", "gamma", "theta", "vega", "rho")


def on_spot(is_call, strike, spot, dividend, rate, years, volatility):
    spot, rate, years = (np.asarray(value, dtype=float) for value in (spot, rate, years))
    return {
        "forward": spot * np.exp((rate - dividend) * years),
        "strike": strike,
        "years": years,
        "volatility": volatility,
        "is_call": is_call,
        "discount": np.exp(-rate * years),
        "spot": spot,
        "rate": rate,
    }


def grid():
    """Forwards of 100 against strikes of 60 to 160, a day to two years, 5 to 120 % volatility, calls and puts."""
    axes = np.meshgrid(np.linspace(60.0, 160.0, 9), [1 / 365, 0.1, 2.0], [0.05, 0.2, 1.2], [True, False])
    strike, years, volatility, is_call = (axis.ravel() for axis in axes)
    return {"forward": 100.0, "strike": strike, "years": years, "volatility": volatility, "is_call": is_call == 1}


@pytest.mark.parametrize("row", HAUG_VALUES, ids=lambda row: f"p{row[0]}-K{row[2]}")
def test_price_reproduces_the_textbook(row):
    greeks = black.greeks(**on_spot(*row[1:8]))

    assert float(greeks.price) == pytest.approx(row[8], abs=6e-5)


@pytest.mark.parametrize("row", HAUG_GREEKS, ids=lambda row: row[0])
def test_greeks_reproduce_the_textbook(row):
    greeks = black.greeks(**on_spot(*row[1:8]))

    assert float(getattr(greeks, row[0])) == pytest.approx(row[8], abs=6e-5)


def test_price_and_greeks_agree_with_quantlib_on_a_grid():
    book, rate, spot = grid(), 0.06, 98.0
    discount = np.exp(-rate * book["years"])

    greeks = black.greeks(**book, discount=discount, spot=spot, rate=rate)

    for i in range(book["strike"].size):
        years, volatility = float(book["years"][i]), float(book["volatility"][i])
        option = ql.Option.Call if book["is_call"][i] else ql.Option.Put
        payoff = ql.PlainVanillaPayoff(option, float(book["strike"][i]))
        oracle = ql.BlackCalculator(payoff, 100.0, volatility * math.sqrt(years), float(discount[i]))
        found = [float(getattr(greeks, field)[i]) for field in FIELDS]
        expected = [
            oracle.value(),
            oracle.delta(spot),
            oracle.gamma(spot),
            oracle.theta(spot, years) / 365.0,
            oracle.vega(years),
            oracle.rho(years),
        ]
        assert found == pytest.approx(expected, rel=1e-9, abs=1e-10)


def test_forward_greeks_agree_with_vollib_on_a_grid():
    book, rate = grid(), 0.06

    greeks = black.greeks(**book, discount=np.exp(-rate * book["years"]), rate=rate)

    for i in range(book["strike"].size):
        flag = "c" if book["is_call"][i] else "p"
        terms = (flag, 100.0, *(float(book[name][i]) for name in ("strike", "years")), rate, book["volatility"][i])
        assert greeks.price[i] == pytest.approx(scalar.black(*terms), rel=1e-11, abs=1e-13)
        assert greeks.delta[i] == pytest.approx(scalar_greeks.delta(*terms), abs=1e-12)
        assert greeks.gamma[i] == pytest.approx(scalar_greeks.gamma(*terms), abs=1e-12)
        assert greeks.vega[i] / 100.0 == pytest.approx(scalar_greeks.vega(*terms), abs=1e-12)
        assert greeks.theta[i] == pytest.approx(scalar_greeks.theta(*terms), abs=1e-11)
        assert greeks.rho[i] / 100.0 == pytest.approx(scalar_greeks.rho(*terms), abs=1e-12)


def test_greeks_on_spot_are_the_slopes_of_the_price():
    case = {"is_call": np.array([True, False]), "strike": 101.0, "dividend": 0.02, "volatility": 0.25}
    spot, rate, years, step = 100.0, 0.07, 0.4, 1e-4

    def value(**moved):
        terms = {"spot": spot, "rate": rate, "years": years} | case | moved
        return black.greeks(**on_spot(**terms)).price

    def slope(name, at, size=step):
        return (value(**{name: at + size}) - value(**{name: at - size})) / (2.0 * size)

    greeks = black.greeks(**on_spot(spot=spot, rate=rate, years=years, **case))

    assert greeks.delta == pytest.approx(slope("spot", spot), rel=1e-7)
    assert greeks.gamma == pytest.approx((value(spot=101.0) - 2 * value() + value(spot=99.0)), rel=1e-3)
    assert greeks.vega == pytest.approx(slope("volatility", 0.25), rel=1e-7)
    assert greeks.rho == pytest.approx(slope("rate", rate), rel=1e-7)
    assert greeks.theta == pytest.approx(-slope("years", years) / 365.0, rel=1e-7)


def test_greeks_without_spot_hold_the_forward():
    book = {"forward": 100.0, "strike": 104.0, "years": 0.4, "volatility": 0.25, "is_call": False, "discount": 0.97}

    greeks = black.greeks(**book)

    up, down = (black.price(**book | {"forward": 100.0 + move}) for move in (1e-4, -1e-4))
    assert float(greeks.delta) == pytest.approx(float(up - down) / 2e-4, rel=1e-7)
    assert float(greeks.rho) == pytest.approx(-0.4 * float(greeks.price), rel=1e-14)


@pytest.mark.parametrize("nothing_left", [{"years": 0.0, "volatility": 0.2}, {"years": 0.5, "volatility": 0.0}])
def test_without_variance_an_option_is_its_intrinsic_value(nothing_left):
    greeks = black.greeks(
        forward=100.0,
        strike=np.array([90.0, 100.0, 110.0]),
        is_call=np.array([[True], [False]]),
        discount=0.9,
        **nothing_left,
    )

    assert greeks.price.tolist() == [[9.0, 0.0, 0.0], [0.0, 0.0, 9.0]]
    assert greeks.delta.tolist() == pytest.approx(np.array([[0.9, 0.45, 0.0], [0.0, -0.45, -0.9]]))
    assert greeks.gamma.tolist() == np.zeros((2, 3)).tolist()
    assert all(np.isfinite(getattr(greeks, field)).all() for field in FIELDS)


def test_at_strike_zero_a_call_is_the_forward():
    greeks = black.greeks(
        forward=100.0, strike=0.0, years=1.0, volatility=0.3, is_call=np.array([True, False]), discount=0.9
    )

    assert greeks.price.tolist() == [90.0, 0.0]
    assert greeks.delta.tolist() == [0.9, 0.0]
    assert greeks.rho.tolist() == [-90.0, 0.0]


def test_far_tails_keep_their_digits():
    # QuantLib's own value underflows to rounding noise here; this one is checked by the asymptotic series in z.
    found = float(black.price(forward=1.0, strike=math.exp(-3.0), years=1.0, volatility=0.1, is_call=False))

    centre, half = -30.0, 0.05
    assert 1e-203 < found < 1e-198
    peak = math.exp(-1.5) * math.exp(-0.5 * (centre**2 + half**2)) / math.sqrt(2 * math.pi)

    def mills(d):  # 1/|d| - 1/|d|^3 + 3/|d|^5 - 15/|d|^7 + 105/|d|^9
        return sum(c / abs(d) ** (2 * n + 1) for n, c in enumerate((1, -1, 3, -15, 105, -945, 10395)))

    assert found == pytest.approx(peak * (mills(centre + half) - mills(centre - half)), rel=1e-8)


def test_inputs_broadcast():
    price = black.price(
        forward=100.0, strike=np.ones((3, 1)) * 100.0, years=0.5, volatility=np.full(4, 0.2), is_call=True
    )

    assert price.shape == (3, 4)
    assert black.price(forward=100.0, strike=100.0, years=0.5, volatility=0.2, is_call=True).shape == ()


def test_a_book_longer_than_one_pass_is_priced_like_its_parts():
    strikes = np.linspace(50.0, 150.0, 2 * black.CHUNK + 7)
    terms = {"forward": 100.0, "years": 0.3, "volatility": 0.2, "is_call": True}

    whole = black.price(strike=strikes, **terms)

    assert whole[:: black.CHUNK].tolist() == black.price(strike=strikes[:: black.CHUNK], **terms).tolist()


@pytest.mark.parametrize("bad", [math.nan, math.inf, -1.0, 1e300])
@pytest.mark.parametrize("name", ["forward", "strike", "years", "volatility", "discount", "spot"])
def test_garbage_is_refused_by_name(name, bad):
    good = {"forward": 100.0, "strike": 100.0, "years": 1.0, "volatility": 0.2, "discount": 1.0, "spot": 100.0}

    with pytest.raises(InvalidInput) as refusal:
        black.greeks(**good | {name: np.array([good[name], bad])}, is_call=True)

    assert refusal.value.reason.code == "OUTSIDE_DOMAIN"
    assert name in refusal.value.reason.sentence


@pytest.mark.parametrize("name", ["forward", "discount"])
def test_zero_is_refused_where_a_positive_number_is_needed(name):
    good = {"forward": 100.0, "strike": 100.0, "years": 1.0, "volatility": 0.2, "discount": 1.0}

    with pytest.raises(InvalidInput):
        black.price(**good | {name: 0.0}, is_call=True)


@pytest.mark.parametrize("flags", ["p", 1, [1.0, 0.0]])
def test_only_booleans_say_what_is_a_call(flags):
    with pytest.raises(InvalidInput) as refusal:
        black.price(forward=100.0, strike=100.0, years=1.0, volatility=0.2, is_call=flags)

    assert refusal.value.reason.code == "NOT_BOOLEAN"


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def textbook_terms(row):
    numbers = (float(row[name]) for name in ("strike", "spot", "q", "r", "t", "vol"))
    return on_spot(row["type"] == "Call", *numbers)


@pytest.mark.realdata
def test_whole_textbook_table_of_values(shared_data):
    rows = rows_of(shared_data / "G_pricing_reference" / "textbook_european_values.csv")

    assert len(rows) == 43
    for row in rows:
        assert float(black.greeks(**textbook_terms(row)).price) == pytest.approx(float(row["value"]), abs=6e-5)


@pytest.mark.realdata
def test_whole_textbook_table_of_greeks(shared_data):
    rows = rows_of(shared_data / "G_pricing_reference" / "textbook_european_greeks.csv")
    read = {
        "delta": lambda greeks, _: greeks.delta,
        "gamma": lambda greeks, _: greeks.gamma,
        "vega": lambda greeks, _: greeks.vega,
        "theta": lambda greeks, _: greeks.theta * 365.0,
        "thetaPerDay": lambda greeks, _: greeks.theta,
        "rho": lambda greeks, _: greeks.rho,
        "elasticity": lambda greeks, terms: greeks.delta * terms["spot"] / greeks.price,
        "dividendRho": lambda greeks, terms: -greeks.delta * terms["spot"] * terms["years"],
    }

    assert len(rows) == 11
    for row in rows:
        terms = textbook_terms(row)
        assert float(read[row["measure"]](black.greeks(**terms), terms)) == pytest.approx(float(row["value"]), abs=6e-5)


@pytest.mark.realdata
def test_grid_of_the_vollib_project(shared_data):
    table = json.loads((shared_data / "G_pricing_reference" / "py_vollib_test_data.json").read_text())
    column = dict(zip(table["columns"], np.array(table["data"], dtype=float).T, strict=True))
    terms = (column["K"], column["S"], 0.0, column["R"], column["t"], column["v"])

    call, put = (black.greeks(**on_spot(is_call, *terms)) for is_call in (True, False))

    for greeks, value, side in ((call, "bs_call", "C"), (put, "bs_put", "P")):
        assert greeks.price == pytest.approx(column[value], abs=1e-6)
        assert greeks.delta == pytest.approx(column[f"{side}D"], abs=1e-7)
        assert greeks.gamma == pytest.approx(column[f"{side}G"], abs=1e-7)
        assert greeks.vega == pytest.approx(column[f"{side}V"], abs=1e-6)
        assert greeks.theta * 365.0 == pytest.approx(column[f"{side}T"], abs=1e-6)
        assert greeks.rho == pytest.approx(column[f"{side}R"], abs=1e-6)


@pytest.mark.realdata
def test_recorded_nifty_greeks(shared_data):
    # Model columns of this file: Black-Scholes with rate 10 %, no dividend, ACT/365 (data README, section G).
    parquet = pytest.importorskip("pyarrow.parquet")
    path = shared_data / "G_pricing_reference" / "nifty_gold_sample_2021_2025.parquet"
    rows = [row for row in parquet.read_table(path).to_pylist() if row["bsm_iv_close"] is not None]
    column = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    terms = on_spot(
        column["option_type"] == "CALL",
        column["strike"].astype(float),
        column["independent_nifty_spot"],
        0.0,
        0.1,
        column["t_years_act365"],
        column["bsm_iv_close"].astype(float),
    )

    greeks = black.greeks(**terms)

    assert len(rows) == 396
    assert greeks.price == pytest.approx(column["bsm_price_reconstructed"].astype(float), abs=1e-9)
    assert greeks.delta == pytest.approx(column["bsm_delta"].astype(float), abs=1e-12)
    assert greeks.gamma == pytest.approx(column["bsm_gamma"].astype(float), abs=1e-12)
    assert greeks.theta == pytest.approx(column["bsm_theta_per_day_365"].astype(float), abs=1e-10)
    assert greeks.vega / 100.0 == pytest.approx(column["bsm_vega_per_100"].astype(float), abs=1e-10)
    assert greeks.rho / 100.0 == pytest.approx(column["bsm_rho_per_100"].astype(float), abs=1e-10)
