import math
from decimal import Decimal

import numpy as np
import pytest

from market.errors import InvalidInput
from market.quant.ticks import is_on_tick, snap, to_decimal


@pytest.mark.parametrize(
    ("value", "places", "expected"),
    [
        (2.675, 2, "2.68"),
        (0.1 + 0.2, 2, "0.30"),
        (-1.005, 2, "-1.01"),
        (-0.001, 2, "0.00"),
        (22_013.7, 0, "22014"),
        (np.float64(0.05), 4, "0.0500"),
        (1e12, 2, "1000000000000.00"),
    ],
)
def test_to_decimal_rounds_what_a_person_reads(value, places, expected):
    assert str(to_decimal(value, places=places)) == expected


@pytest.mark.parametrize(
    ("value", "places", "code"),
    [
        (math.nan, 2, "NOT_FINITE"),
        (math.inf, 2, "NOT_FINITE"),
        (-math.inf, 2, "NOT_FINITE"),
        (1.1e12, 2, "OUT_OF_BOUNDS"),
        (-1e300, 2, "OUT_OF_BOUNDS"),
        (1.0, -1, "BAD_PLACES"),
        (1.0, 13, "BAD_PLACES"),
    ],
)
def test_to_decimal_refuses_what_is_not_an_amount(value, places, code):
    with pytest.raises(InvalidInput) as refusal:
        to_decimal(value, places=places)

    assert refusal.value.reason.code == code


@pytest.mark.parametrize(
    ("price", "towards", "expected"),
    [
        ("101.07", "down", "101.05"),
        ("101.07", "up", "101.10"),
        ("101.07", "nearest", "101.05"),
        ("101.075", "nearest", "101.10"),
        ("101.05", "up", "101.05"),
        ("-1.07", "down", "-1.10"),
        ("-1.07", "up", "-1.05"),
    ],
)
def test_snap(price, towards, expected):
    assert snap(Decimal(price), Decimal("0.05"), towards=towards) == Decimal(expected)


def test_is_on_tick():
    assert is_on_tick(Decimal("101.05"), Decimal("0.05"))
    assert not is_on_tick(Decimal("101.07"), Decimal("0.05"))


@pytest.mark.parametrize("tick", ["0", "-0.05", "NaN", "Infinity"])
def test_a_tick_is_a_positive_number(tick):
    for call in (lambda: snap(Decimal(1), Decimal(tick), towards="up"), lambda: is_on_tick(Decimal(1), Decimal(tick))):
        with pytest.raises(InvalidInput) as refusal:
            call()
        assert refusal.value.reason.code == "BAD_TICK"


@pytest.mark.parametrize("price", ["NaN", "Infinity", "-Infinity"])
def test_a_price_is_a_finite_number(price):
    tick = Decimal("0.05")
    for call in (lambda p: snap(p, tick, towards="up"), lambda p: is_on_tick(p, tick)):
        with pytest.raises(InvalidInput) as refusal:
            call(Decimal(price))
        assert refusal.value.reason.code == "NOT_FINITE"


def test_an_unknown_direction_is_refused():
    with pytest.raises(InvalidInput) as refusal:
        snap(Decimal(1), Decimal("0.05"), towards="sideways")

    assert refusal.value.reason.code == "BAD_DIRECTION"
