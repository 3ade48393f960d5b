"""Cutting a basket into orders: their order, their slices, what is missing."""

from datetime import date

import pytest

from execution.legs import BasketLeg, Phase, is_complete, is_flat, order_limit, outstanding
from market.contract import Contract, OptionType, Side
from market.errors import InvalidInput

NEAR = date(2026, 2, 24)


def option(strike: float) -> Contract:
    return Contract("ACME", NEAR, strike, OptionType.CALL)


def leg(number: int, side: Side, contract: Contract, lots: int = 1, *, lot: int = 65, limit: int = 1755) -> BasketLeg:
    return BasketLeg(number, contract, side, lots * lot, lot, limit)


SHORT, LONG = leg(1, Side.SELL, option(1050), 2), leg(2, Side.BUY, option(1000), 2)


def sent(phase: Phase, held: dict[int, int], *legs: BasketLeg) -> list[tuple[int, str, int]]:
    return [(piece.leg.number, str(piece.side), piece.quantity) for piece in outstanding(phase, legs, held)]


def test_buying_and_selling_take_the_legs_of_their_side_whatever_their_order() -> None:
    assert sent(Phase.BUYING, {}, SHORT, LONG) == [(2, "BUY", 130)]
    assert sent(Phase.SELLING, {}, SHORT, LONG) == [(1, "SELL", 130)]


def test_only_what_is_missing_is_sent_again() -> None:
    assert sent(Phase.BUYING, {2: 65}, SHORT, LONG) == [(2, "BUY", 65)]
    assert sent(Phase.BUYING, {2: 130}, SHORT, LONG) == []


def test_unwinding_buys_shorts_back_before_it_sells_longs() -> None:
    assert sent(Phase.UNWINDING, {1: -65, 2: 130}, LONG, SHORT) == [(1, "BUY", 65), (2, "SELL", 130)]
    assert sent(Phase.UNWINDING, {1: 0, 2: 0}, LONG, SHORT) == []


def test_fm_A18_slices_are_whole_lots_within_the_limit() -> None:
    # NIFTY: freeze 1800, lot 65 -> 1755 per order
    many = leg(1, Side.BUY, option(1000), 60)

    pieces = outstanding(Phase.BUYING, [many], {})

    assert [(piece.number, piece.quantity) for piece in pieces] == [(1, 1755), (2, 1755), (3, 390)]


@pytest.mark.parametrize(("held", "complete", "flat"), [({}, False, True), ({1: -130, 2: 130}, True, False)])
def test_complete_and_flat(held: dict[int, int], complete: bool, flat: bool) -> None:
    assert (is_complete([SHORT, LONG], held), is_flat(held)) == (complete, flat)


@pytest.mark.parametrize("held", [{1: -195}, {1: 65}, {2: 131}, {2: -1}])
def test_more_than_intended_or_the_wrong_side_is_an_error_not_a_number(held: dict[int, int]) -> None:
    with pytest.raises(InvalidInput, match="OVERFILL"):
        is_complete([SHORT, LONG], held)


@pytest.mark.parametrize(
    ("quantity", "lot", "limit", "code"), [(64, 65, 1755, "LOT"), (65, 65, 64, "FREEZE"), (0, 65, 65, "LOT")]
)
def test_fm_D5_a_leg_that_cannot_be_traded_is_refused(quantity: int, lot: int, limit: int, code: str) -> None:
    with pytest.raises(InvalidInput, match=code):
        BasketLeg(1, option(1000), Side.BUY, quantity, lot, limit)


@pytest.mark.parametrize(
    ("lot", "freeze", "limit"),
    [(65, 1800, 1755), (65, 1756, 1755), (30, 600, 600), (65, None, 1300), (500, 499, 0)],
)
def test_the_order_limit_is_whole_lots_within_the_freeze_quantity(lot: int, freeze: int | None, limit: int) -> None:
    assert order_limit(lot_size=lot, freeze_quantity=freeze) == limit
