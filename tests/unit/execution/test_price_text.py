"""Prices on screen."""

from decimal import Decimal

import pytest

from execution.price_text import price_text


@pytest.mark.parametrize(
    ("price", "shown"),
    [
        ("180.1000", "180.10"),
        ("180", "180.00"),
        ("1E+3", "1000.00"),
        ("0.0500", "0.05"),
        ("180.1250", "180.125"),
        ("0.0025", "0.0025"),
        ("-2.5000", "-2.50"),
    ],
)
def test_a_price_has_two_decimals_unless_it_is_no_multiple_of_a_paisa(price: str, shown: str) -> None:
    assert price_text(Decimal(price)) == shown


def test_no_price_is_no_text() -> None:
    assert price_text(None) is None
