"""Textbook payoffs, exact: extremes, break-evens and profit ranges follow from the legs."""

import math

import numpy as np
import pytest

from market.contract import Side
from market.errors import InvalidInput
from strategies.build import build
from strategies.catalog import BY_SLUG
from strategies.spec import Kind
from tests.builders import make_chain, make_fair_chain, make_leg
from tests.reference import Polyline, expiry_payoff, payoff

BUY, SELL = Side.BUY, Side.SELL
CALL, PUT, STOCK = Kind.CALL, Kind.PUT, Kind.STOCK


def line(*legs: tuple[Side, Kind, float | None, float] | tuple[Side, Kind, float | None, float, int]) -> Polyline:
    return expiry_payoff(
        [
            make_leg(side, kind, strike, price=price, ratio=ratio[0] if ratio else 1)
            for side, kind, strike, price, *ratio in legs
        ]
    )


@pytest.mark.parametrize(
    ("payoff_line", "max_profit", "max_loss", "breakevens", "ranges"),
    [
        pytest.param(line((BUY, CALL, 100, 5)), math.inf, 5, (105,), ((105, math.inf),), id="long call"),
        pytest.param(line((BUY, PUT, 100, 5)), 95, 5, (95,), ((0, 95),), id="long put"),
        pytest.param(line((SELL, CALL, 100, 5)), 5, math.inf, (105,), ((0, 105),), id="short call"),
        pytest.param(line((SELL, PUT, 100, 5)), 5, 95, (95,), ((95, math.inf),), id="cash-secured put"),
        pytest.param(
            line((BUY, STOCK, None, 100), (SELL, CALL, 110, 3)),
            13,
            97,
            (97,),
            ((97, math.inf),),
            id="covered call",
        ),
        pytest.param(
            line((BUY, CALL, 100, 6), (SELL, CALL, 110, 2)), 6, 4, (104,), ((104, math.inf),), id="bull call spread"
        ),
        pytest.param(line((SELL, CALL, 100, 6), (BUY, CALL, 110, 2)), 4, 6, (104,), ((0, 104),), id="bear call spread"),
        pytest.param(
            line((SELL, PUT, 90, 3), (BUY, PUT, 80, 1), (SELL, CALL, 110, 4), (BUY, CALL, 120, 2)),
            4,
            6,
            (86, 114),
            ((86, 114),),
            id="iron condor",
        ),
        pytest.param(
            line((BUY, CALL, 90, 12), (SELL, CALL, 100, 5, 2), (BUY, CALL, 110, 1)),
            7,
            3,
            (93, 107),
            ((93, 107),),
            id="butterfly",
        ),
        pytest.param(
            line((BUY, CALL, 100, 4), (BUY, PUT, 100, 6)),
            math.inf,
            10,
            (90, 110),
            ((0, 90), (110, math.inf)),
            id="long straddle",
        ),
        pytest.param(
            line((BUY, CALL, 100, 5), (SELL, CALL, 110, 2, 2)),
            9,
            math.inf,
            (101, 119),
            ((101, 119),),
            id="call ratio 1x2: unlimited, not |net| + 2 widths",
        ),
        pytest.param(
            line((BUY, PUT, 100, 5), (SELL, PUT, 90, 3, 2)), 11, 79, (79,), ((79, math.inf),), id="put ratio 1x2"
        ),
        pytest.param(
            line((SELL, PUT, 95, 4), (SELL, CALL, 105, 4), (BUY, CALL, 110, 2)),
            6,
            89,
            (89,),
            ((89, math.inf),),
            id="jade lizard: credit 6 over a width of 5, no loss above",
        ),
        pytest.param(
            line((BUY, PUT, 100, 5), (SELL, PUT, 95, 4, 2), (BUY, PUT, 80, 1)),
            7,
            8,
            (88,),
            ((88, math.inf),),
            id="broken wing butterfly: credit 2, lower wing 10 wider",
        ),
    ],
)
def test_textbook_payoff(payoff_line, max_profit, max_loss, breakevens, ranges):
    assert payoff_line.max_profit == pytest.approx(max_profit)
    assert payoff_line.max_loss == pytest.approx(max_loss)
    assert payoff_line.breakevens == pytest.approx(breakevens)
    assert [edge for pair in payoff_line.profit_ranges for edge in pair] == pytest.approx(
        [edge for pair in ranges for edge in pair]
    )


def test_the_documents_guaranteed_loser_is_seen_as_one():
    # HINDUNILVR 2260/2300/2340 call fly at 28.0/8.4/32.8: debit 44 on wings of 40, recommended with PoP .80
    loser = line((BUY, CALL, 2260, 28.0), (SELL, CALL, 2300, 8.4, 2), (BUY, CALL, 2340, 32.8))

    assert loser.max_profit == pytest.approx(-4.0)
    assert loser.profit_ranges == ()
    assert loser.breakevens == ()


def test_a_structure_that_cannot_lose_has_no_loss_and_no_breakeven():
    free = line((BUY, CALL, 100, 1), (SELL, CALL, 110, 2))

    assert free.max_loss == 0.0
    assert free.profit_ranges == ((0.0, math.inf),)
    assert free.breakevens == ()


def test_rounding_dust_on_a_flat_section_is_not_profit():
    flat = line((BUY, CALL, 100, 0.1), (BUY, CALL, 120, 0.2), (SELL, CALL, 110, 0.15, 2))

    assert flat.profit_ranges == ((100.0, 120.0),)


def test_values_between_and_beyond_the_kinks():
    straddle = line((BUY, CALL, 100, 4), (BUY, PUT, 100, 6))

    assert straddle.at([0, 50, 100, 130, 1_000]) == pytest.approx([90, 40, -10, 20, 890])


def test_shifting_by_costs_moves_breakevens_inwards():
    condor = line((SELL, PUT, 90, 3), (BUY, PUT, 80, 1), (SELL, CALL, 110, 4), (BUY, CALL, 120, 2))

    assert condor.shifted(-1.0).breakevens == pytest.approx((87, 113))


def test_put_call_parity_leaves_the_payoff_unchanged():
    synthetic = line((BUY, STOCK, None, 100), (BUY, PUT, 105, 8))
    call = line((BUY, CALL, 105, 3))
    levels = np.linspace(0, 300, 601)

    assert synthetic.at(levels) == pytest.approx(call.at(levels))
    assert synthetic.breakevens == pytest.approx(call.breakevens)


def test_a_payoff_that_is_not_a_function_is_refused():
    with pytest.raises(InvalidInput):
        Polyline(np.array([1.0, 2.0]), np.array([0.0, 1.0]), 0.0)
    with pytest.raises(InvalidInput):
        Polyline(np.array([0.0, 2.0]), np.array([0.0, math.nan]), 0.0)


def test_calendar_peaks_at_its_strike_and_loses_at_most_its_debit():
    chain = make_fair_chain(days=(25, 53), skewed=False)
    candidate = build(BY_SLUG["calendar-spread"], chain)
    strike = candidate.legs[0].strike

    calendar = payoff(candidate, chain)

    assert calendar.kinks[np.argmax(calendar.values)] == pytest.approx(strike, rel=0.002)
    assert len(calendar.breakevens) == 2
    assert calendar.breakevens[0] < strike < calendar.breakevens[1]
    assert calendar.max_loss == pytest.approx(-candidate.net_premium, rel=0.01)
    assert calendar.right_slope == 0.0


def test_calendar_value_at_the_strike_is_that_of_the_surviving_call():
    chain = make_fair_chain(days=(25, 53), skewed=False, volatility=0.2)
    candidate = build(BY_SLUG["calendar-spread"], chain)
    strike = candidate.legs[0].strike

    value = float(payoff(candidate, chain).at(strike)) - candidate.net_premium

    # Brenner and Subrahmanyam (1988): an at-the-money forward call is about 0.4 F sigma sqrt(T)
    assert value == pytest.approx(0.4 * strike * 0.2 * math.sqrt(28 / 365), rel=0.01)


@pytest.mark.parametrize("slug", ["calendar-spread", "diagonal-spread"])
def test_breakevens_of_time_spreads_are_roots_of_the_exact_function(slug: str):
    chain = make_chain(days=(25, 53), term_slope=0.1)
    candidate = build(BY_SLUG[slug], chain)

    spread = payoff(candidate, chain)

    assert spread.breakevens
    assert set(spread.breakevens) <= set(spread.kinks.tolist())  # refined on the function, not between grid levels
    assert spread.at(list(spread.breakevens)) == pytest.approx(0.0, abs=1e-4)


def test_diagonal_keeps_the_slope_of_a_covered_rise():
    chain = make_chain(days=(25, 53))

    diagonal = payoff(build(BY_SLUG["diagonal-spread"], chain), chain)

    assert diagonal.right_slope == 0.0
    assert math.isfinite(diagonal.max_profit)
    assert math.isfinite(diagonal.max_loss)


def test_an_inverted_term_structure_still_leaves_the_far_leg_some_volatility():
    chain = make_chain(days=(25, 53), volatility=0.3, term_slope=-1.0, skewed=False)
    candidate = build(BY_SLUG["diagonal-spread"], chain)

    diagonal = payoff(candidate, chain)

    intrinsic = max(0.0, 22_000 - candidate.legs[1].strike)
    assert float(diagonal.at(22_000)) > intrinsic + candidate.net_premium
