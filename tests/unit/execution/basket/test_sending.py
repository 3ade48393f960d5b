"""What a basket wants sent at a moment: reliability.md 2.7, rules 1 to 3."""

from dataclasses import replace

import pytest

from execution.basket.messages import CallPerson, Cancel, Command, Price
from execution.basket.sending import wanted
from execution.basket.values import ANYTHING, TIMING, Basket, Permit, Purpose
from execution.legs import BasketLeg
from execution.lifecycle import OrderState, RunState
from market.contract import Contract, OptionType, Side
from tests.unit.execution.basket.making import (
    EXPIRY,
    LONG,
    LOT,
    QUANTITY,
    SHORT,
    WHY,
    after,
    make_attempt,
    make_basket,
    make_exit,
    make_filled,
    make_legs,
    prices,
)

HALTED = Permit(WHY, WHY, WHY)
OTHER_SHORT = 3


def asked(basket: Basket, seconds: float = 3.0, permit: Permit = ANYTHING) -> list[Command]:
    return list(wanted(basket, permit, after(seconds), TIMING))


def two_shorts() -> tuple[BasketLeg, ...]:
    """Two sold puts that share one bought one."""
    short, long = make_legs()
    other = Contract("NIFTY", EXPIRY, 23_800.0, OptionType.PUT)
    return short, long, BasketLeg(OTHER_SHORT, other, Side.SELL, QUANTITY, LOT, QUANTITY)


def test_a_leg_above_the_freeze_quantity_goes_out_one_slice_at_a_time() -> None:
    basket = make_basket(legs=make_legs(order_limit=LOT))

    first = asked(basket)
    second = asked(replace(basket, attempts=(make_filled(LONG, LOT, quantity=LOT),)))

    assert prices(first) == [(LONG, Side.BUY, LOT)]
    assert prices(second) == [(LONG, Side.BUY, LOT)]
    assert [one.number for one in (*first, *second) if isinstance(one, Price)] == [1, 2]


@pytest.mark.parametrize("state", [OrderState.INTENT, OrderState.ACKED, OrderState.PART, OrderState.PENDING_CANCEL])
def test_fm_A16_nothing_is_sent_beside_a_live_order_of_the_leg(state: OrderState) -> None:
    assert prices(asked(make_basket(RunState.BUYING, make_attempt(state=state)))) == []


def test_fm_E1_E2_two_sales_never_use_the_same_cover() -> None:
    basket = make_basket(RunState.SELLING, make_filled(LONG, LOT), legs=two_shorts())

    assert prices(asked(basket)) == [(SHORT, Side.SELL, LOT)]


def test_fm_E1_E2_a_live_sale_uses_its_cover_already() -> None:
    selling = make_attempt(SHORT, OrderState.ACKED, quantity=QUANTITY)
    basket = make_basket(RunState.SELLING, make_filled(), selling, legs=two_shorts())

    assert prices(asked(basket)) == []


def test_fm_E2_a_broken_lot_of_cover_covers_whole_lots_only() -> None:
    basket = make_basket(RunState.SELLING, make_filled(LONG, LOT + 10))

    assert prices(asked(basket)) == [(SHORT, Side.SELL, LOT)]


def test_puts_that_are_secured_by_cash_need_no_other_cover() -> None:
    legs = make_legs()[:1]

    assert prices(asked(make_basket(RunState.SELLING, legs=legs))) == []
    assert prices(asked(make_basket(RunState.SELLING, legs=legs, cash_secured=True))) == [(SHORT, Side.SELL, QUANTITY)]


@pytest.mark.parametrize("state", [OrderState.SENDING, OrderState.UNKNOWN])
def test_fm_A2_an_exit_goes_on_with_its_other_legs_while_one_is_unknown(state: OrderState) -> None:
    """An entry adds nothing while it does not know what it has; what reduces risk does not wait for that."""
    doubtful = make_attempt(SHORT, state, side=Side.BUY)
    other = replace(make_legs()[0], number=OTHER_SHORT, side=Side.BUY)
    leaving = make_exit(RunState.BUYING, doubtful)

    assert prices(asked(replace(leaving, legs=(*leaving.legs, other)))) == [(OTHER_SHORT, Side.BUY, QUANTITY)]
    assert prices(asked(make_basket(RunState.BUYING, make_attempt(SHORT, state)))) == []


def test_the_name_counts_all_tries_of_a_leg_and_the_price_those_of_the_phase() -> None:
    bought = make_filled(intended_at=after(-30))
    tried = make_attempt(
        state=OrderState.CANCELLED, side=Side.SELL, number=2, correlation_id="P-2-2", order_id="B9"
    )  # fmt: skip

    (price,) = asked(make_basket(RunState.UNWINDING, bought, tried))

    assert isinstance(price, Price)
    assert (price.number, price.step, price.leaving) == (3, 2, True)


@pytest.mark.parametrize(
    ("purpose", "permit", "sends"),
    [
        (Purpose.ENTRY, Permit(opening=WHY), False),
        (Purpose.EXIT, Permit(opening=WHY), True),
        (Purpose.EXIT, Permit(opening=WHY, reducing=WHY), False),
        (Purpose.FLATTEN, Permit(opening=WHY, reducing=WHY), True),
        (Purpose.FLATTEN, HALTED, False),
    ],
)
def test_fm_E10_E16_a_stop_forbids_by_purpose(purpose: Purpose, permit: Permit, sends: bool) -> None:
    made = make_basket(RunState.BUYING) if purpose is Purpose.ENTRY else make_exit(RunState.BUYING, purpose=purpose)

    assert bool(prices(asked(made, permit=permit))) is sends


def test_fm_E16_cancels_and_calls_pass_in_every_state_of_the_switch() -> None:
    ending = make_attempt(state=OrderState.PENDING_CANCEL)
    unknown = make_attempt(SHORT, OrderState.UNKNOWN)

    found = asked(make_basket(RunState.SETTLING, ending, unknown), 61.0, HALTED)

    assert found[0] == Cancel("P-2-1", "B2")
    assert [one.reason.code for one in found[1:] if isinstance(one, CallPerson)] == ["OUTCOME_UNKNOWN"]


@pytest.mark.parametrize(
    ("basket", "critical"),
    [
        (make_exit(RunState.BUYING), True),
        (make_exit(RunState.SELLING, make_filled(SHORT, side=Side.BUY)), False),
        (make_exit(RunState.SELLING, make_filled(SHORT, side=Side.BUY), purpose=Purpose.FLATTEN), True),
        (make_basket(RunState.UNWINDING, make_filled()), True),
    ],
    ids=["short", "longs on the way out", "longs of a flatten", "an unwinding"],
)
def test_fm_E5_a_way_out_that_takes_a_minute_calls_a_person(basket: Basket, critical: bool) -> None:
    before, then = asked(basket, 60.0), asked(basket, 60.1)

    assert [one for one in before if isinstance(one, CallPerson)] == []
    assert [(one.reason.code, one.critical) for one in then if isinstance(one, CallPerson)] == [
        ("STILL_HELD", critical)
    ]
