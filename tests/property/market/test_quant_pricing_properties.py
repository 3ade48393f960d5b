import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from market.quant import black
from market.quant.implied import implied_volatility

FIELDS = ("price", "delta", "gamma", "theta", "vega", "rho")

forwards = st.floats(0.01, 1e6)
moneyness = st.floats(-1.0, 1.0)  # ln(strike/forward)
years = st.one_of(st.just(0.0), st.floats(1e-6, 10.0))
volatilities = st.one_of(st.just(0.0), st.floats(1e-4, 5.0))
discounts = st.floats(0.3, 1.1)
books = st.fixed_dictionaries(
    {"forward": forwards, "moneyness": moneyness, "years": years, "volatility": volatilities, "discount": discounts}
)


def terms_of(book):
    terms = dict(book)
    return terms | {"strike": terms["forward"] * float(np.exp(terms.pop("moneyness")))}


def both(book):
    terms = terms_of(book)
    terms.pop("moneyness", None)
    return terms, *(float(black.price(**terms, is_call=side)) for side in (True, False))


@settings(max_examples=100, deadline=None)
@given(books)
def test_put_call_parity(book):
    terms, call, put = both(book)

    parity = terms["discount"] * (terms["forward"] - terms["strike"])
    assert call - put == pytest.approx(parity, abs=1e-14 * max(terms["forward"], terms["strike"]))


@settings(max_examples=100, deadline=None)
@given(books)
def test_price_lies_between_intrinsic_value_and_its_bound(book):
    terms, call, put = both(book)
    forward, strike, discount = terms["forward"], terms["strike"], terms["discount"]
    slack = 1e-14 * discount * max(forward, strike)

    assert discount * max(forward - strike, 0.0) - slack <= call <= discount * forward + slack
    assert discount * max(strike - forward, 0.0) - slack <= put <= discount * strike + slack


@settings(max_examples=100, deadline=None)
@given(books, st.floats(1.0, 2.0))
def test_price_rises_with_volatility_and_time_and_falls_with_a_calls_strike(book, factor):
    terms, call, _ = both(book)
    slack = 1e-13 * max(terms["forward"], terms["strike"])

    assert float(black.price(**terms | {"volatility": terms["volatility"] * factor}, is_call=True)) >= call - slack
    assert float(black.price(**terms | {"years": terms["years"] * factor}, is_call=True)) >= call - slack
    assert float(black.price(**terms | {"strike": terms["strike"] * factor}, is_call=True)) <= call + slack


@settings(max_examples=100, deadline=None)
@given(
    st.floats(1e-12, 1e15),
    st.floats(0.0, 1e15),
    st.floats(0.0, 1e4),
    st.floats(0.0, 1e6),
    st.booleans(),
    st.floats(1e-12, 1e12),
    st.floats(1e-12, 1e15),
    st.floats(-1e3, 1e3),
)
def test_nothing_inside_the_domain_gives_nan_or_infinity(forward, strike, time, volatility, is_call, discount, spot, r):
    greeks = black.greeks(
        forward=forward,
        strike=strike,
        years=time,
        volatility=volatility,
        is_call=is_call,
        discount=discount,
        spot=spot,
        rate=r,
    )

    assert all(np.isfinite(getattr(greeks, field)).all() for field in FIELDS)
    assert greeks.price >= 0.0
    assert greeks.gamma >= 0.0
    assert greeks.vega >= 0.0


@settings(max_examples=100, deadline=None)
@given(
    st.floats(1.0, 1e5),
    st.floats(0.0, 29.0),
    st.floats(15 / 525_600, 2.0),
    st.floats(0.02, 1.0),
    st.booleans(),
)
def test_implied_volatility_undoes_the_price_however_far_out_of_the_money(
    forward, deviations, time, volatility, is_call
):
    side = 1.0 if is_call else -1.0
    strike = forward * float(np.exp(side * deviations * volatility * np.sqrt(time)))
    assume(strike < 1e15)
    terms = {"forward": forward, "strike": strike, "years": time, "is_call": is_call}
    price = black.price(**terms, volatility=volatility)
    assume(float(price) / np.sqrt(forward * strike) > 1e-300)

    found = implied_volatility(price=price, **terms)

    assert float(found) == pytest.approx(volatility, rel=1e-11)


@settings(max_examples=100, deadline=None)
@given(st.floats(-10.0, 200.0), st.floats(1.0, 200.0), st.booleans())
@example(5e-324, 1.0, False)
def test_any_price_is_either_reproduced_or_marked(price, strike, is_call):
    terms = {"forward": 100.0, "strike": strike, "years": 0.25, "is_call": is_call}

    found = float(implied_volatility(price=price, **terms))

    intrinsic = max(100.0 - strike if is_call else strike - 100.0, 0.0)
    bound = 100.0 if is_call else strike
    if np.isnan(found):
        assert price < intrinsic or price >= bound * (1.0 - 1e-15)
    else:
        assert float(black.price(**terms, volatility=found)) == pytest.approx(price, rel=1e-12, abs=1e-12)
