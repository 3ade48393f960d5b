"""Whether a short is covered, and the most a position can lose at its expiry."""

from datetime import date
from decimal import Decimal

import pytest

from execution.cover import after, positions, uncovered_short, worst_at_expiry
from execution.legs import BasketLeg, Slice
from market.contract import Contract, OptionType, Side

NEAR, FAR = date(2026, 2, 24), date(2026, 3, 30)
SHARE = Contract("ACME")


def option(strike: float, option_type: OptionType = OptionType.CALL, expiry: date = NEAR) -> Contract:
    return Contract("ACME", expiry, strike, option_type)


def leg(number: int, side: Side, contract: Contract, lots: int = 1, *, lot: int = 65, limit: int = 1755) -> BasketLeg:
    return BasketLeg(number, contract, side, lots * lot, lot, limit)


SHORT, LONG = leg(1, Side.SELL, option(1050), 2), leg(2, Side.BUY, option(1000), 2)
PUT = OptionType.PUT


@pytest.mark.parametrize(
    ("position", "covered"),
    [
        ({option(1050): -65, option(1000): 65}, True),
        ({option(1050): -65, option(1100): 65}, True),
        ({option(1050): -66, option(1000): 65}, False),
        ({option(1050): -65, option(1000, PUT): 65}, False),
        ({option(1050): -65}, False),
        ({option(1050): -65, SHARE: 65}, True),
        ({option(1050): -65, SHARE: 64}, False),
        ({option(1050, PUT): -65, SHARE: 65}, False),
        ({option(950, PUT): -65, option(900, PUT): 65}, True),
        ({option(1050, expiry=NEAR): -65, option(1050, expiry=FAR): 65}, True),
        ({option(1050, expiry=FAR): -65, option(1050, expiry=NEAR): 65}, False),
        ({option(1050, expiry=FAR): -65, option(1050, expiry=NEAR): 65, option(1000, expiry=FAR): 65}, True),
        ({SHARE: -1}, False),
        ({option(1050): -65, Contract("OTHER", NEAR, 1050, OptionType.CALL): 65}, False),
        ({option(1050): 65, option(1000): 0}, True),
        ({}, True),
    ],
)
def test_a_short_needs_cover_of_its_own_kind_that_lives_as_long(position: dict[Contract, int], covered: bool) -> None:
    reason = uncovered_short(position)

    assert (reason is None) is covered
    assert reason is None or reason.code == "NAKED_SHORT"


def test_cash_covers_puts_only_and_a_permission_covers_everything() -> None:
    put, call = {option(950, PUT): -65}, {option(1050): -65}

    assert uncovered_short(put, cash_secured=True) is None
    assert uncovered_short(call, cash_secured=True) is not None
    assert uncovered_short(call, allow_naked=True) is None
    assert uncovered_short({SHARE: -1}, allow_naked=True) is None


def test_two_legs_in_one_contract_add_up() -> None:
    twice = [leg(1, Side.BUY, option(1000)), leg(2, Side.BUY, option(1000))]

    assert positions(twice, {1: 65, 2: 65}) == {option(1000): 130}


def test_a_position_after_an_order_holds_what_it_would_fill() -> None:
    position = {option(1000): 65}

    assert after(position, Slice(SHORT, 1, Side.SELL, 130)) == {option(1000): 65, option(1050): -130}
    assert after(position, Slice(LONG, 1, Side.SELL, 65)) == {option(1000): 0}
    assert position == {option(1000): 65}


# Sixty-five of each: a spread loses its width less what it brought, a bare long what it cost, a bare put its strike.
@pytest.mark.parametrize(
    ("position", "cash", "worst"),
    [
        ({option(1000): 65, option(1050): -65}, "-1300", "1300"),
        ({option(1000): -65, option(1050): 65}, "1300", "1950"),
        ({option(1000): 65}, "-2600", "2600"),
        ({option(1000, PUT): -65}, "2600", "62400"),
        ({option(1000, PUT): -65, option(950, PUT): 65}, "1000", "2250"),
        ({SHARE: 65, option(1050): -65}, "-63700", "63700"),
        ({option(1000): 65, option(1050): -65, option(950, PUT): 65}, "-1300", "1300"),
        ({option(1000): 65}, "100", "0"),
        ({}, "-70", "70"),
        ({option(1000): 0}, "0", "0"),
    ],
)
def test_the_worst_at_expiry_lies_at_a_strike_or_at_zero(position: dict[Contract, int], cash: str, worst: str) -> None:
    assert worst_at_expiry(position, Decimal(cash)) == Decimal(worst)


@pytest.mark.parametrize(
    "position",
    [
        {option(1050): -65},
        {option(1050): -130, option(1000): 65},
        {SHARE: -65},
        {option(1050): -65, option(1050, expiry=FAR): 65},
    ],
)
def test_what_is_unlimited_or_has_two_expiries_has_no_worst(position: dict[Contract, int]) -> None:
    assert worst_at_expiry(position, Decimal(1000)) is None
