"""Levels that positions make, against brute force."""

import math

import numpy as np
import pytest

from market.quant import levels
from tests.candles import make_bars, make_interest, random_interest, walk


def test_walls_hold_the_most_open_interest_on_their_side_of_the_spot():
    found = levels.walls(make_interest(101.0))

    assert (found.put_wall, found.call_wall) == (95.0, 105.0)


def test_walls_are_never_inverted_even_when_the_positions_are():
    found = levels.walls(make_interest(100.0, calls=(9, 1, 1, 2, 1), puts=(1, 2, 1, 1, 9)))

    assert (found.put_wall, found.call_wall) == (95.0, 105.0)


def test_among_equal_walls_the_nearest_counts():
    found = levels.walls(make_interest(100.0, calls=(0, 0, 0, 5, 5), puts=(5, 5, 0, 0, 0)))

    assert (found.put_wall, found.call_wall) == (95.0, 105.0)


def test_a_side_without_interest_has_no_walls():
    assert levels.walls(make_interest(100.0, calls=(0, 0, 0, 0, 0))) is None


def test_the_balance_of_walls_is_room_above_less_room_below():
    walls = levels.Walls(put_wall=100.0, call_wall=121.0)

    assert walls.balance(110.0) == pytest.approx(0.0, abs=1e-12)
    assert (walls.balance(100.0), walls.balance(121.0)) == (1.0, -1.0)


@pytest.mark.parametrize("seed", range(20))
def test_max_pain_is_where_a_search_finds_the_least_payout(seed):
    interest = random_interest(seed, 1_000.0)

    def payout(price):
        calls = interest.call_interest * np.maximum(price - interest.strikes, 0)
        return (calls + interest.put_interest * np.maximum(interest.strikes - price, 0)).sum()

    least = min(interest.strikes, key=payout)

    assert levels.max_pain(interest) == pytest.approx(least, rel=1e-12)


def test_max_pain_between_two_equally_bad_strikes_is_their_geometric_mean():
    found = levels.max_pain(make_interest(100.0, (90, 110), calls=(5, 0), puts=(0, 5)))

    assert found == pytest.approx(math.sqrt(90 * 110), rel=1e-12)


def test_without_open_interest_there_is_no_max_pain():
    assert levels.max_pain(make_interest(100.0, calls=(0,) * 5, puts=(np.nan,) * 5)) is None


def test_put_call_balance_is_zero_when_equal_and_unknown_when_one_sided():
    assert levels.put_call_balance(np.array([2.0, 3.0]), np.array([5.0])) == 0.0
    assert levels.put_call_balance(np.array([1.0]), np.array([3.0])) == pytest.approx(math.tanh(math.log(3)))
    assert levels.put_call_balance(np.array([0.0]), np.array([3.0])) is None


def test_dearer_puts_make_a_negative_smirk():
    flat = make_interest(call_volatility=[0.2] * 5, put_volatility=[0.2] * 5)
    dear = make_interest(call_volatility=[0.2] * 5, put_volatility=[0.22] * 5)

    assert levels.smirk(flat) == 0.0
    assert levels.smirk(dear) == pytest.approx(-math.tanh(10 * math.log(1.1)), abs=1e-12)
    assert levels.smirk(make_interest()) is None


def test_the_value_area_holds_seventy_per_cent_around_the_busiest_price():
    bars = make_bars([100.0] * 50 + [120.0] * 10, spread=0.001)

    found = levels.value_area(bars)

    assert found.low < 100.0 < found.high < 105.0
    assert abs(found.point_of_control - 100.0) < 0.5
    assert found.position(found.point_of_control) == 0.0
    assert found.position(120.0) > 0.9


@pytest.mark.parametrize("seed", range(5))
def test_the_value_area_is_the_volume_it_says(seed):
    bars = walk(seed, 60)

    found = levels.value_area(bars)

    low, high = np.log(bars.lows), np.log(bars.highs)
    inside = np.minimum(high, math.log(found.high)) - np.maximum(low, math.log(found.low))
    held = (bars.volumes * np.clip(inside, 0, None) / (high - low)).sum() / bars.volumes.sum()
    assert 0.70 - 1e-6 <= held <= 0.82  # the last step takes a whole bin, or one on each side


def test_nothing_traded_is_no_value_area():
    assert levels.value_area(make_bars([100.0] * 60, volumes=np.zeros(60))) is None
