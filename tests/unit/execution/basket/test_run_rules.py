"""Where a run goes next, one test per rule of reliability.md 2.3 and 2.7."""

from dataclasses import replace
from decimal import Decimal

import pytest

from execution.basket.messages import CallPerson, Check, Checked, Repeat, Tick, Unpriced
from execution.basket.step import step
from execution.basket.values import Permit, Purpose
from execution.lifecycle import OrderState, RunState
from market.contract import Side
from market.errors import Reason
from tests.unit.execution.basket.making import (
    LONG,
    LOT,
    QUANTITY,
    SHORT,
    T0,
    WHY,
    after,
    make_attempt,
    make_basket,
    make_exit,
    make_filled,
    prices,
    settle,
)

NO_OPENING = Tick(Permit(opening=WHY))


def test_a_new_run_asks_the_gate_first() -> None:
    basket, asked = settle(make_basket(RunState.CREATED), Tick(), T0)

    assert basket.state is RunState.PRECHECK
    assert asked == [Check()]


def test_a_step_takes_one_row_of_the_table_and_asks_to_be_repeated() -> None:
    basket, commands = step(make_basket(RunState.CREATED), Tick(), T0)

    assert basket.state is RunState.PRECHECK
    assert commands == (Repeat(Tick()),)


def test_a_reason_from_the_gate_denies() -> None:
    basket, commands = step(make_basket(RunState.PRECHECK), Checked(WHY), after(1))

    assert (basket.state, basket.reason, commands) == (RunState.DENIED, WHY, ())


def test_no_reason_from_the_gate_lets_it_pass() -> None:
    basket, commands = step(make_basket(RunState.PRECHECK), Checked(), after(1))

    assert (basket.state, basket.phase_at, commands) == (RunState.READY, after(1), ())


def test_an_entry_buys_first() -> None:
    basket, asked = settle(make_basket(RunState.READY), Tick(), T0)

    assert basket.state is RunState.BUYING
    assert prices(asked) == [(LONG, Side.BUY, QUANTITY)]


def test_an_entry_sells_when_all_bought_legs_are_filled() -> None:
    basket, asked = settle(make_basket(RunState.BUYING, make_filled()), Tick(), after(3))

    assert basket.state is RunState.SELLING
    assert prices(asked) == [(SHORT, Side.SELL, QUANTITY)]


def test_an_entry_without_purchases_sells_at_once() -> None:
    short = make_basket().legs[:1]

    basket, _ = settle(make_basket(RunState.READY, legs=short, allow_naked=True), Tick(), T0)

    assert basket.state is RunState.SELLING


def test_nothing_is_sold_while_a_purchase_is_open() -> None:
    part = make_attempt(state=OrderState.PART, filled=LOT)

    basket, asked = settle(make_basket(RunState.BUYING, part), Tick(), after(1))

    assert (basket.state, asked) == (RunState.BUYING, [])


def test_complete_when_every_leg_is_filled_and_nothing_is_open() -> None:
    basket, asked = settle(make_basket(RunState.SELLING, make_filled(), make_filled(SHORT)), Tick(), after(3))

    assert (basket.state, asked) == (RunState.COMPLETE, [])


def test_fm_A2_accepted_is_not_filled() -> None:
    basket, _ = settle(make_basket(RunState.SELLING, make_filled(), make_attempt(SHORT)), Tick(), after(1))

    assert basket.state is RunState.SELLING


@pytest.mark.parametrize(
    ("seconds", "state"), [(20.0, RunState.BUYING), (20.1, RunState.FAILED_FLAT)], ids=["in time", "too late"]
)
def test_fm_E3_buying_takes_twenty_seconds_at_most(seconds: float, state: RunState) -> None:
    tried = make_attempt(state=OrderState.CANCELLED, intended_at=after(seconds - 1))

    basket, asked = settle(make_basket(RunState.BUYING, tried), Tick(), after(seconds))

    assert (basket.state, asked) == (state, [])


def test_fm_E1_the_whole_run_takes_a_minute_at_most() -> None:
    basket = make_basket(RunState.SELLING, make_filled(), phase_at=after(55))

    settled, _ = settle(basket, Tick(), after(60.5))

    assert settled.state is RunState.UNWINDING
    assert settled.reason is not None
    assert settled.reason.code == "PHASE_TIMEOUT"


def test_fm_E1_a_refused_purchase_ends_the_entry() -> None:
    refused = make_attempt(state=OrderState.REFUSED, reason=WHY)

    basket, _ = settle(make_basket(RunState.BUYING, refused), Tick(), after(1))

    assert (basket.state, basket.reason) == (RunState.FAILED_FLAT, WHY)


def test_fm_A5_a_refusal_for_pace_does_not_end_it() -> None:
    refused = make_attempt(state=OrderState.REFUSED, reason=Reason("RATE_LIMITED", "Too fast."))

    basket, asked = settle(make_basket(RunState.BUYING, refused), Tick(), after(2))

    assert basket.state is RunState.BUYING
    assert prices(asked) == [(LONG, Side.BUY, QUANTITY)]


def test_fm_E4_a_sale_may_be_rejected_once_for_margin() -> None:
    rejected = make_attempt(SHORT, OrderState.REJECTED, reason=WHY)

    basket, asked = settle(make_basket(RunState.SELLING, make_filled(), rejected), Tick(), after(2))

    assert basket.state is RunState.SELLING
    assert prices(asked) == [(SHORT, Side.SELL, QUANTITY)]


def test_fm_E4_a_second_rejection_unwinds_the_hedge() -> None:
    once = make_attempt(SHORT, OrderState.REJECTED, reason=WHY)
    twice = replace(once, correlation_id="P-1-2", number=2)

    basket, asked = settle(make_basket(RunState.SELLING, make_filled(), once, twice), Tick(), after(2))

    assert basket.state is RunState.UNWINDING
    assert prices(asked) == [(LONG, Side.SELL, QUANTITY)]


def test_fm_A1_an_order_given_up_holds_the_entry_and_takes_it_back() -> None:
    given_up = make_attempt(SHORT, OrderState.NOT_PLACED, reason=Reason("NOT_PLACED", "Not in the books."))

    basket, asked = settle(make_basket(RunState.SELLING, make_filled(), given_up), Tick(), after(19))

    assert basket.state is RunState.UNWINDING
    assert prices(asked) == [(LONG, Side.SELL, QUANTITY)]


def test_fm_A6_an_order_that_never_left_is_tried_again() -> None:
    kept = make_attempt(state=OrderState.NOT_PLACED, reason=Reason("NOT_SENT", "No connection."))

    basket, asked = settle(make_basket(RunState.BUYING, kept), Tick(), after(2))

    assert basket.state is RunState.BUYING
    assert prices(asked) == [(LONG, Side.BUY, QUANTITY)]


@pytest.mark.parametrize(("tries", "state"), [(5, RunState.BUYING), (6, RunState.FAILED_FLAT)])
def test_fm_E3_six_tries_are_enough(tries: int, state: RunState) -> None:
    missed = [
        make_attempt(state=OrderState.CANCELLED, correlation_id=f"P-2-{number}", number=number)
        for number in range(1, tries + 1)
    ]

    basket, _ = settle(make_basket(RunState.BUYING, *missed), Tick(), after(3))

    assert basket.state is state


def test_fm_E7_settling_waits_for_every_open_order() -> None:
    basket, _ = settle(make_basket(RunState.SETTLING, make_attempt(state=OrderState.UNKNOWN)), Tick(), after(25))

    assert basket.state is RunState.SETTLING


def test_settling_is_complete_when_all_filled_after_all() -> None:
    basket, _ = settle(make_basket(RunState.SETTLING, make_filled(), make_filled(SHORT)), Tick(), after(3))

    assert basket.state is RunState.COMPLETE


@pytest.mark.parametrize(
    ("plan", "state"),
    [(Decimal(6_000), RunState.BUYING), (Decimal(5_999), RunState.UNWINDING), (None, RunState.UNWINDING)],
    ids=["a quarter of the plan", "more than a quarter", "no plan known"],
)
def test_longs_alone_get_a_second_window_up_to_a_quarter_of_the_plan(plan: Decimal | None, state: RunState) -> None:
    """150 units at ten rupees are 1,500 at risk."""
    basket = make_basket(
        RunState.SETTLING, make_filled(), plan_loss=plan, reason=Reason("PHASE_TIMEOUT", "Late.")
    )  # fmt: skip

    moved, _ = step(basket, Tick(), after(21))

    assert moved.state is state


@pytest.mark.parametrize(("plan", "state"), [(Decimal(13_750), RunState.BUYING), (Decimal(13_749), RunState.UNWINDING)])
def test_a_covered_part_is_completed_up_to_a_fifth_beyond_the_plan(plan: Decimal, state: RunState) -> None:
    """75 spreads 200 wide, 1,500 paid and nothing received: 75 x 200 + 1,500 at risk."""
    sold = make_filled(SHORT, LOT, value=Decimal(0))
    basket = make_basket(
        RunState.SETTLING, make_filled(), sold, plan_loss=plan, reason=Reason("PARTIAL_FILL", "Half.")
    )  # fmt: skip

    moved, _ = step(basket, Tick(), after(21))

    assert moved.state is state


def test_there_is_no_second_window_after_a_rejection() -> None:
    basket = make_basket(RunState.SETTLING, make_filled(), plan_loss=Decimal(100_000), reason=WHY)

    moved, _ = step(basket, Tick(), after(5))

    assert moved.state is RunState.UNWINDING


def test_fm_E10_E16_a_stop_settles_and_takes_back_what_is_held() -> None:
    basket, asked = settle(make_basket(RunState.SELLING, make_filled()), NO_OPENING, after(3))

    assert (basket.state, basket.reason) == (RunState.UNWINDING, WHY)
    assert prices(asked) == [(LONG, Side.SELL, QUANTITY)]


def test_fm_E16_a_halt_sends_nothing_but_a_flatten() -> None:
    halted = Tick(Permit(WHY, WHY, None))

    unwinding, asked = settle(make_basket(RunState.UNWINDING, make_filled()), halted, after(3))
    leaving, nothing = settle(make_exit(RunState.READY), halted, after(3))
    flattening, wanted = settle(make_exit(RunState.READY, purpose=Purpose.FLATTEN), halted, after(3))

    assert (unwinding.state, asked) == (RunState.UNWINDING, [])
    assert (leaving.state, nothing) == (RunState.FAILED_FLAT, [])
    assert flattening.state is RunState.BUYING
    assert prices(wanted) == [(SHORT, Side.BUY, QUANTITY)]


def test_fm_E16_a_ready_run_that_may_not_open_ends_flat() -> None:
    basket, asked = settle(make_basket(RunState.READY), NO_OPENING, after(1))

    assert (basket.state, basket.reason, asked) == (RunState.FAILED_FLAT, WHY, [])


def test_fm_E1_unwinding_buys_shorts_back_before_it_sells_what_covers_them() -> None:
    held = make_basket(RunState.UNWINDING, make_filled(), make_filled(SHORT))

    _, asked = settle(held, Tick(), after(3))

    assert prices(asked) == [(SHORT, Side.BUY, QUANTITY)]


def test_unwinding_sells_what_covers_nothing_beside_it() -> None:
    held = make_basket(RunState.UNWINDING, make_filled(), make_filled(SHORT, LOT))

    _, asked = settle(held, Tick(), after(3))

    assert prices(asked) == [(SHORT, Side.BUY, LOT), (LONG, Side.SELL, LOT)]


def test_flat_only_when_nothing_is_held_and_nothing_open() -> None:
    back = make_filled(correlation_id="P-2-2", number=2, side=Side.SELL)

    basket, asked = settle(make_basket(RunState.UNWINDING, make_filled(), back), Tick(), after(9))

    assert (basket.state, asked) == (RunState.FLAT, [])


def test_fm_E5_unwinding_goes_on_for_ever_and_calls_a_person_after_a_minute() -> None:
    tried = make_attempt(state=OrderState.CANCELLED, side=Side.SELL, number=2, correlation_id="P-2-2", order_id="B9")
    basket = make_basket(RunState.UNWINDING, make_filled(), tried)

    _, before = settle(basket, Tick(), after(60))
    still, asked = settle(basket, Tick(), after(60.1))

    assert not any(isinstance(command, CallPerson) for command in before)
    assert still.state is RunState.UNWINDING
    assert [one.reason.code for one in asked if isinstance(one, CallPerson)] == ["STILL_HELD"]
    assert prices(asked) == [(LONG, Side.SELL, QUANTITY)]


def test_an_exit_buys_back_first_and_sells_after() -> None:
    buying, first = settle(make_exit(RunState.READY), Tick(), T0)
    bought = make_filled(SHORT, side=Side.BUY)
    selling, then = settle(make_exit(RunState.BUYING, bought), Tick(), after(2))

    assert (buying.state, prices(first)) == (RunState.BUYING, [(SHORT, Side.BUY, QUANTITY)])
    assert (selling.state, prices(then)) == (RunState.SELLING, [(LONG, Side.SELL, QUANTITY)])


def test_fm_E5_an_exit_that_filled_nothing_is_abandoned_and_tried_later_by_a_rule() -> None:
    rejected = make_attempt(SHORT, OrderState.REJECTED, side=Side.BUY, reason=WHY)

    basket, _ = settle(make_exit(RunState.BUYING, rejected), Tick(), after(1))

    assert basket.state is RunState.FAILED_FLAT


def test_fm_E5_an_exit_that_has_begun_goes_on_until_it_is_out() -> None:
    bought = make_filled(SHORT, LOT, side=Side.BUY, reason=None)

    waiting, _ = settle(make_exit(RunState.SETTLING, bought, phase_at=after(20)), Tick(), after(21.9))
    basket, asked = settle(make_exit(RunState.SETTLING, bought, phase_at=after(20)), Tick(), after(22))

    assert waiting.state is RunState.SETTLING
    assert basket.state is RunState.BUYING
    assert prices(asked) == [(SHORT, Side.BUY, LOT)]


def test_a_flatten_is_never_abandoned() -> None:
    basket, _ = settle(make_exit(RunState.SETTLING, purpose=Purpose.FLATTEN), Tick(), after(2))

    assert basket.state is RunState.BUYING


def test_a_missing_price_is_waited_for_and_then_ends_an_entry() -> None:
    waiting, _ = step(make_basket(RunState.BUYING), Unpriced(WHY), after(3.9))
    settled, _ = step(make_basket(RunState.BUYING), Unpriced(WHY), after(4))

    assert waiting.state is RunState.BUYING
    assert (settled.state, settled.reason) == (RunState.SETTLING, WHY)


def test_a_missing_price_does_not_end_an_exit() -> None:
    basket, commands = step(make_exit(RunState.BUYING), Unpriced(WHY), after(10))

    assert (basket.state, commands) == (RunState.BUYING, ())


@pytest.mark.parametrize("state", [RunState.DENIED, RunState.COMPLETE, RunState.FLAT, RunState.FAILED_FLAT])
def test_an_ended_run_wants_nothing(state: RunState) -> None:
    basket = make_basket(state)

    assert step(basket, Tick(), after(100)) == (basket, ())


def test_a_run_in_attention_sends_nothing() -> None:
    basket, asked = settle(make_basket(RunState.ATTENTION, make_filled()), Tick(), after(3))

    assert basket.state is RunState.ATTENTION
    assert prices(asked) == []


def test_fm_B7_a_leg_that_holds_more_than_meant_stops_the_run() -> None:
    twice = make_filled(correlation_id="P-2-2", number=2)

    basket, asked = settle(make_basket(RunState.BUYING, make_filled(), twice), Tick(), after(3))

    assert basket.state is RunState.ATTENTION
    assert [one.reason.code for one in asked if isinstance(one, CallPerson)] == ["OVERFILL"]
