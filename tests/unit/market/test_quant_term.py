"""Volatility across expiries."""

import math
from datetime import date

import numpy as np
import pytest

from market.errors import InvalidInput
from market.quant.smile import fit_smile, flat_smile
from market.quant.term import mixed_maturities, term_structure

SESSION = date(2026, 1, 30)


def flat(days, volatility, forward=100.0):
    return flat_smile(forward=forward, years=days / 365, volatility=volatility)


def test_total_variance_is_linear_between_expiries():
    term = term_structure([flat(20, 0.20), flat(50, 0.30)])

    level = float(term.total_variance(0.0, 30 / 365))

    near, far = 0.04 * 20 / 365, 0.09 * 50 / 365
    assert level == pytest.approx(near + (far - near) / 3)
    assert term.constant_maturity().volatility == pytest.approx(math.sqrt(level * 365 / 30))
    assert (term.constant_maturity().days, term.constant_maturity().interpolated) == (30.0, True)


@pytest.mark.parametrize(("days", "volatility"), [(5, 0.20), (20, 0.20), (50, 0.30), (400, 0.30)])
def test_outside_and_at_the_expiries_the_volatility_is_that_of_the_nearest(days, volatility):
    term = term_structure([flat(20, 0.20), flat(50, 0.30)])

    assert float(term.volatility(100.0, days / 365)) == pytest.approx(volatility)


def test_a_single_expiry_answers_with_its_own_days():
    maturity = term_structure([flat(11, 0.25)]).constant_maturity()

    assert (maturity.volatility, maturity.interpolated) == (0.25, False)
    assert maturity.days == pytest.approx(11.0)


def test_a_strike_is_read_at_its_own_distance_from_the_forward_of_that_time():
    strikes = np.linspace(70, 140, 30)
    smiles = [
        fit_smile(
            forward=forward, years=days / 365, strikes=strikes, volatilities=0.2 + 0.1 * np.log(strikes / forward) ** 2
        )
        for days, forward in ((20, 100.0), (60, 102.0))
    ]
    term = term_structure(smiles)

    forward = term.forward(40 / 365)
    near, far = (float(smile.shape.variance(np.log([110.0 / forward]))[0][0]) for smile in smiles)
    assert forward == pytest.approx(math.sqrt(100.0 * 102.0))
    assert float(term.volatility(110.0, 40 / 365)) == pytest.approx(math.sqrt(0.5 * (near + far) * 365 / 40))
    assert term.fit_error(40 / 365) == max(smile.rmse for smile in smiles)
    assert term.fit_error(10 / 365) == smiles[0].rmse


def test_a_later_expiry_worth_less_is_flagged_with_its_amount():
    term = term_structure([flat(20, 0.40), flat(50, 0.20), flat(80, 0.21)])

    assert [flag.code for flag in term.flags] == ["CALENDAR_ARBITRAGE"]
    needed = 100 * (0.40 * math.sqrt(20 / 50) - 0.20)
    assert f"{needed:.1f} volatility points" in term.flags[0].sentence


def test_a_rising_or_gently_falling_term_structure_is_clean():
    assert term_structure([flat(20, 0.30), flat(50, 0.25), flat(80, 0.24)]).flags == ()


@pytest.mark.parametrize(
    ("smiles", "code"), [([], "NO_EXPIRIES"), ([flat(20, 0.2), flat(20, 0.2)], "YEARS_NOT_RISING")]
)
def test_expiries_must_rise(smiles, code):
    with pytest.raises(InvalidInput) as refusal:
        term_structure(smiles)

    assert refusal.value.reason.code == code


@pytest.mark.parametrize(("strike", "years"), [(0.0, 0.1), (math.nan, 0.1), (100.0, 0.0), (100.0, math.nan)])
def test_it_is_read_at_positive_strikes_and_times_only(strike, years):
    with pytest.raises(InvalidInput):
        term_structure([flat(20, 0.2)]).volatility(strike, years)


@pytest.mark.parametrize("days", [[], [30.0], [30.0] * 60, [23.0, 37.0, 30.0]])
def test_maturities_within_a_week_of_the_current_one_compare(days):
    assert mixed_maturities(days, session=SESSION) is None


def test_maturities_further_away_do_not():
    reason = mixed_maturities([30.0, 22.9, 4.0, 30.0], session=SESSION)

    assert reason.code == "MIXED_MATURITIES"
    assert "volatility of 30 Jan 2026 is that of 30 days; 2 of 4 sessions" in reason.sentence
    assert "at 4 to 23 days" in reason.sentence


def test_the_current_maturity_is_the_one_that_counts():
    assert "60 of 61 sessions" in mixed_maturities([30.0] * 60 + [12.0], session=SESSION).sentence
