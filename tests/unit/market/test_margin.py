"""What one set blocks, to the rupee; rates of dhan.md section 13.8."""

from datetime import date

import pytest

from market.contract import OptionType, Side
from market.errors import InvalidInput, UnknownDay
from market.margin import MarginLeg, margin_per_set

DAY = date(2026, 1, 30)
CALL, PUT = OptionType.CALL, OptionType.PUT


def leg(side, option_type, premium, quantity=500):
    return MarginLeg(Side(side), option_type, quantity, premium)


def margin(*legs, spot=1000.0, max_loss=None, is_index=False):
    return margin_per_set(legs, spot=spot, max_loss=max_loss, is_index=is_index, as_of=DAY)


def test_a_credit_spread_blocks_its_loss_and_the_exposure_of_its_short():
    # 15,000 + 3.5 % × 1000 × 500
    assert margin(leg("SELL", PUT, 30.0), leg("BUY", PUT, 10.0), max_loss=15_000.0) == pytest.approx(32_500.0)


def test_an_index_condor_blocks_its_loss_and_the_exposure_of_both_shorts():
    legs = [
        leg("SELL", PUT, 90.0, 65),
        leg("BUY", PUT, 50.0, 65),
        leg("SELL", CALL, 80.0, 65),
        leg("BUY", CALL, 45.0, 65),
    ]

    # 8,125 + 2 % × 25,000 × 130
    assert margin(*legs, spot=25_000.0, max_loss=8_125.0, is_index=True) == pytest.approx(73_125.0)


def test_a_naked_short_blocks_price_scan_and_exposure():
    # (14.2 % + 3.5 %) × 1000 × 500
    assert margin(leg("SELL", CALL, 20.0)) == pytest.approx(88_500.0)


def test_a_short_strangle_scans_both_sides():
    assert margin(leg("SELL", CALL, 20.0), leg("SELL", PUT, 20.0)) == pytest.approx(177_000.0)


def test_a_call_ratio_scans_the_uncovered_call_only_and_pays_the_long_one():
    # 14.2 % × 1000 × 500 + 3.5 % × 1000 × 1000 + 40 × 500
    assert margin(leg("BUY", CALL, 40.0), leg("SELL", CALL, 20.0, 1000)) == pytest.approx(126_000.0)


def test_a_bought_put_does_not_cover_a_short_call():
    # (14.2 % + 3.5 %) × 1000 × 500 + 10 × 500
    assert margin(leg("SELL", CALL, 20.0), leg("BUY", PUT, 10.0)) == pytest.approx(93_500.0)


def test_a_loss_without_bound_that_legs_seem_to_cover_is_scanned_all_the_same():
    # (14.2 % + 3.5 %) × 1000 × 500 + 40 × 500
    assert margin(leg("SELL", CALL, 20.0), leg("BUY", CALL, 40.0)) == pytest.approx(108_500.0)


def test_a_covered_call_blocks_the_share_less_the_premium_and_exposure():
    legs = [leg("BUY", None, 1000.0), leg("SELL", CALL, 20.0)]

    assert margin(*legs, max_loss=490_000.0) == pytest.approx(507_500.0)


def test_long_premium_blocks_what_it_cost():
    assert margin(leg("BUY", CALL, 40.0), max_loss=20_000.0) == 20_000.0


NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("legs", "values"),
    [
        ([leg("SELL", CALL, 20.0)], {"spot": NAN}),
        ([leg("SELL", CALL, 20.0)], {"spot": 0.0}),
        ([leg("SELL", CALL, 20.0)], {"spot": INF}),
        ([leg("SELL", CALL, 20.0)], {"max_loss": NAN}),
        ([leg("SELL", CALL, 20.0)], {"max_loss": INF}),
        ([leg("SELL", CALL, 20.0)], {"max_loss": -1.0}),
        ([leg("BUY", CALL, NAN)], {}),
        ([leg("BUY", CALL, -1.0)], {}),
        ([leg("SELL", CALL, 20.0, 0)], {}),
        ([leg("SELL", CALL, 20.0, -500)], {}),
    ],
)
def test_what_is_not_a_positive_number_is_refused(legs, values):
    with pytest.raises(InvalidInput) as refusal:
        margin(*legs, **values)

    assert refusal.value.reason.code == "MARGIN_INPUT"


def test_a_day_without_rates_is_refused():
    with pytest.raises(UnknownDay):
        margin_per_set([leg("SELL", CALL, 20.0)], spot=1000.0, max_loss=None, is_index=False, as_of=date(2020, 1, 1))
