"""What becomes of an attempt, one test per row of reliability.md 2.4."""

from dataclasses import replace
from decimal import Decimal

import pytest

from execution.basket.messages import (
    Accepted,
    CallPerson,
    Cancel,
    Event,
    Lost,
    Missed,
    NeverLeft,
    Offered,
    Refused,
    Send,
    Sending,
    Tick,
    Voided,
)
from execution.basket.step import step
from execution.basket.values import Basket
from execution.lifecycle import IllegalTransition, OrderState, RunState
from execution.ports import OrderStatus
from market.errors import Reason
from tests.unit.execution.basket.making import (
    LONG,
    LOT,
    QUANTITY,
    T0,
    WHY,
    after,
    make_attempt,
    make_basket,
    make_filled,
    make_seen,
    prices,
    settle,
)

NAME = "P-2-1"
ENDS = [
    (OrderStatus.TRADED, QUANTITY, OrderState.FILLED),
    (OrderStatus.CANCELLED, 0, OrderState.CANCELLED),
    (OrderStatus.CANCELLED, LOT, OrderState.CANCELLED),
    (OrderStatus.REJECTED, 0, OrderState.REJECTED),
    (OrderStatus.EXPIRED, 0, OrderState.EXPIRED),
]


def state_of(basket: Basket) -> OrderState:
    return basket.attempt(NAME).state


def codes(commands: object) -> list[str]:
    return [one.reason.code for one in commands if isinstance(one, CallPerson)]  # type: ignore[attr-defined]


def test_an_offer_becomes_an_intent_and_is_sent() -> None:
    _, (price,) = settle(make_basket(), Tick(), after(1))

    basket, commands = step(make_basket(), Offered(price, NAME, Decimal("10.05")), after(1))

    assert commands == (Send(NAME),)
    assert basket.attempts == (
        make_attempt(state=OrderState.INTENT, intended_at=after(1)),
    )  # fmt: skip


@pytest.mark.parametrize(
    "overtaken",
    [
        make_basket(RunState.SETTLING),
        make_basket(RunState.ATTENTION),
        make_basket(RunState.BUYING, make_attempt(state=OrderState.UNKNOWN)),
        make_basket(RunState.BUYING, make_attempt(state=OrderState.CANCELLED)),
    ],
    ids=["settling", "attention", "another is live", "its number is taken"],
)
def test_an_offer_that_the_basket_has_overtaken_comes_to_nothing(overtaken: Basket) -> None:
    _, (price,) = settle(make_basket(), Tick(), after(1))

    assert step(overtaken, Offered(price, "P-2-9", Decimal("10.05")), after(1)) == (overtaken, ())


def test_fm_C2_an_intent_left_behind_is_void() -> None:
    basket, _ = step(make_basket(RunState.BUYING, make_attempt(state=OrderState.INTENT)), Tick(), after(1))

    assert state_of(basket) is OrderState.VOID


def test_fm_C3_what_was_being_sent_is_unknown_and_nothing_is_sent_beside_it() -> None:
    basket, asked = settle(make_basket(RunState.BUYING, make_attempt(state=OrderState.SENDING)), Tick(), after(3))

    assert state_of(basket) is OrderState.UNKNOWN
    assert asked == []


@pytest.mark.parametrize(
    ("before", "event", "state"),
    [
        (OrderState.INTENT, Sending(NAME), OrderState.SENDING),
        (OrderState.INTENT, Voided(NAME, WHY), OrderState.VOID),
        (OrderState.SENDING, Accepted(NAME, "B2"), OrderState.ACKED),
        (OrderState.SENDING, Refused(NAME, WHY), OrderState.REFUSED),
        (OrderState.SENDING, NeverLeft(NAME, WHY), OrderState.NOT_PLACED),
        (OrderState.SENDING, Lost(NAME, WHY), OrderState.UNKNOWN),
        (OrderState.UNKNOWN, Accepted(NAME, "B2"), OrderState.ACKED),
    ],
    ids=str,
)
def test_an_answer_moves_the_attempt_one_row(before: OrderState, event: Event, state: OrderState) -> None:
    basket, commands = step(make_basket(RunState.BUYING, make_attempt(state=before)), event, after(1))

    assert (state_of(basket), commands) == (state, ())


@pytest.mark.parametrize(
    "event",
    [Accepted(NAME, "B2"), Refused(NAME, WHY), NeverLeft(NAME, WHY), Lost(NAME, WHY), Voided(NAME, WHY)],
    ids=lambda event: type(event).__name__,
)
@pytest.mark.parametrize("state", [OrderState.ACKED, OrderState.NOT_PLACED, OrderState.FILLED, OrderState.PART])
def test_fm_B5_C5_an_answer_that_comes_too_late_changes_nothing(event: Event, state: OrderState) -> None:
    basket = make_basket(RunState.BUYING, make_attempt(state=state))

    assert step(basket, event, after(40)) == (basket, ())


def test_fm_A2_a_refusal_does_not_end_what_is_unknown() -> None:
    basket = make_basket(RunState.BUYING, make_attempt(state=OrderState.UNKNOWN))

    assert step(basket, Refused(NAME, WHY), after(1)) == (basket, ())


def test_only_an_intent_is_sent() -> None:
    with pytest.raises(IllegalTransition):
        step(make_basket(RunState.BUYING, make_attempt(state=OrderState.UNKNOWN)), Sending(NAME), after(1))


@pytest.mark.parametrize("seconds", [0, 29.9, 30.0])
def test_fm_A12_not_found_is_no_evidence_within_the_quarantine(seconds: float) -> None:
    basket = make_basket(RunState.BUYING, make_attempt(state=OrderState.UNKNOWN))

    assert step(basket, Missed(NAME), after(seconds)) == (basket, ())


def test_fm_A1_A12_three_negatives_after_the_quarantine_give_it_up() -> None:
    basket = make_basket(RunState.BUYING, make_attempt(state=OrderState.UNKNOWN))

    states = []
    for seconds in (30.5, 30.5, 32.5, 34.5):  # the second is the first one again
        basket, _ = step(basket, Missed(NAME), after(seconds))
        states.append((state_of(basket), basket.attempt(NAME).misses))

    unknown = OrderState.UNKNOWN
    assert states == [(unknown, 1), (unknown, 1), (unknown, 2), (OrderState.NOT_PLACED, 3)]
    assert basket.attempt(NAME).reason == Reason("NOT_PLACED", "Not in the broker's books 30 s after it was sent.")


def test_fm_A1_a_person_is_called_when_an_order_stays_unknown_for_a_minute() -> None:
    basket = make_basket(RunState.SETTLING, make_attempt(state=OrderState.UNKNOWN))

    _, before = settle(basket, Tick(), after(60))
    _, then = settle(basket, Tick(), after(60.1))

    assert (codes(before), codes(then)) == ([], ["OUTCOME_UNKNOWN"])


@pytest.mark.parametrize(("status", "filled", "state"), ENDS, ids=str)
@pytest.mark.parametrize(
    "before",
    [
        OrderState.ACKED,
        OrderState.WORKING,
        OrderState.PART,
        OrderState.PENDING_CANCEL,
        OrderState.UNKNOWN,
        OrderState.SENDING,
    ],
)
def test_fm_A2_A16_B4_the_book_ends_an_attempt(
    before: OrderState, status: OrderStatus, filled: int, state: OrderState
) -> None:
    attempt = make_attempt(state=before)

    basket, _ = settle(make_basket(RunState.BUYING, attempt), make_seen(attempt, status, filled), after(1))

    ended = basket.attempt(NAME)
    assert (ended.state, ended.filled, ended.order_id) == (state, filled, "B2")
    assert ended.value == Decimal(10) * filled


def test_fm_A16_a_fill_wins_against_a_cancel() -> None:
    attempt = make_attempt(state=OrderState.PENDING_CANCEL)

    basket, commands = step(
        make_basket(RunState.BUYING, attempt), make_seen(attempt, OrderStatus.TRADED, QUANTITY), after(1)
    )

    assert (state_of(basket), commands) == (OrderState.FILLED, ())


def test_fm_B2_the_same_book_twice_is_the_same_as_once() -> None:
    attempt = make_attempt()
    seen = make_seen(attempt, OrderStatus.PART_TRADED, LOT)

    once, _ = step(make_basket(RunState.BUYING, attempt), seen, after(1))
    twice, commands = step(once, seen, after(2))

    assert (once.attempt(NAME).state, once.attempt(NAME).filled) == (OrderState.PART, LOT)
    assert (twice, commands) == (once, ())


def test_fm_A13_B3_an_older_book_takes_nothing_back() -> None:
    basket = make_basket(RunState.BUYING, make_attempt(state=OrderState.PART, filled=LOT, value=Decimal(750)))

    older = make_seen(basket.attempts[0], OrderStatus.PENDING, 0)

    assert step(basket, older, after(1)) == (basket, ())


@pytest.mark.parametrize("traded", [0, LOT])
def test_fm_B4_fills_without_their_trades_are_no_evidence(traded: int) -> None:
    basket = make_basket(RunState.BUYING, make_attempt())

    seen = make_seen(basket.attempts[0], OrderStatus.TRADED, QUANTITY, traded=traded)

    assert step(basket, seen, after(1)) == (basket, ())


def test_fm_E3_a_resting_order_is_ended_after_five_seconds() -> None:
    resting = make_basket(RunState.BUYING, make_attempt(state=OrderState.WORKING))

    kept, nothing = settle(resting, Tick(), after(5))
    ending, asked = settle(resting, Tick(), after(5.1))

    assert (state_of(kept), nothing) == (OrderState.WORKING, [])
    assert (state_of(ending), asked) == (OrderState.PENDING_CANCEL, [Cancel(NAME, "B2")])


def test_fm_E7_a_run_that_settles_ends_its_orders_at_once() -> None:
    basket, asked = settle(make_basket(RunState.SETTLING, make_attempt()), Tick(), after(1))

    assert (state_of(basket), asked) == (OrderState.PENDING_CANCEL, [Cancel(NAME, "B2")])


def test_fm_A16_A17_no_chase_before_the_old_attempt_has_ended() -> None:
    ending = make_attempt(state=OrderState.PENDING_CANCEL)
    ended = replace(ending, state=OrderState.CANCELLED)

    _, waiting = settle(make_basket(RunState.BUYING, ending), Tick(), after(6))
    _, chasing = settle(make_basket(RunState.BUYING, ended), Tick(), after(6))

    assert waiting == [Cancel(NAME, "B2")]
    assert [one[0] for one in prices(chasing)] == [LONG]


@pytest.mark.parametrize("status", [OrderStatus.TRADED, OrderStatus.CANCELLED])
def test_fm_A3_an_order_found_after_it_was_given_up_is_taken_over(status: OrderStatus) -> None:
    given_up = make_attempt(state=OrderState.NOT_PLACED)
    filled = QUANTITY if status is OrderStatus.TRADED else 0

    basket, commands = step(make_basket(RunState.FAILED_FLAT, given_up), make_seen(given_up, status, filled), after(50))

    found = basket.attempt(NAME)
    assert (found.order_id, found.filled, found.state.value) == (
        "B2",
        filled,
        status.value.lower().replace("traded", "filled"),
    )
    assert basket.state is (RunState.ATTENTION if filled else RunState.FAILED_FLAT)
    assert codes(commands) == ["FOUND_LATE"]


@pytest.mark.parametrize("state", [OrderState.NOT_PLACED, OrderState.REFUSED, OrderState.VOID])
def test_fm_A3_A5_a_living_order_that_was_given_up_is_cancelled(state: OrderState) -> None:
    given_up = make_attempt(state=state)

    _, commands = step(make_basket(RunState.FAILED_FLAT, given_up), make_seen(given_up, OrderStatus.PENDING), after(50))

    assert codes(commands) == ["FOUND_LATE"]
    assert commands[-1] == Cancel(NAME, "B2")


def test_fm_A9_an_order_that_stands_twice_stops_the_run() -> None:
    attempt = make_attempt()

    basket, commands = step(
        make_basket(RunState.BUYING, attempt),
        make_seen(attempt, OrderStatus.TRADED, QUANTITY, order_id="B99"),
        after(1),
    )

    assert basket.state is RunState.ATTENTION
    assert basket.attempt(NAME) == attempt
    assert codes(commands) == ["DUPLICATE_ORDER"]


def test_fm_B7_more_filled_than_asked_stops_the_run() -> None:
    attempt = make_attempt()

    basket, commands = step(
        make_basket(RunState.BUYING, attempt), make_seen(attempt, OrderStatus.TRADED, QUANTITY + LOT), after(1)
    )

    assert (basket.state, basket.attempt(NAME).filled) == (RunState.ATTENTION, 0)
    assert codes(commands) == ["OVERFILL"]


def test_fm_A11_a_rejection_keeps_the_words_of_the_broker() -> None:
    attempt = make_attempt()

    words = make_seen(attempt, OrderStatus.REJECTED, reason="RMS: margin exceeds")
    ours = make_seen(attempt, OrderStatus.REJECTED, reason="LOT: not whole lots")
    first, _ = step(make_basket(RunState.BUYING, attempt), words, after(1))
    second, _ = step(make_basket(RunState.BUYING, attempt), ours, after(1))

    assert first.attempt(NAME).reason == Reason("RMS", "margin exceeds")
    assert second.attempt(NAME).reason == Reason("LOT", "not whole lots")


def test_fm_E2_a_sale_is_no_larger_than_its_cover() -> None:
    bought = make_filled(LONG, LOT)

    _, asked = settle(make_basket(RunState.SELLING, bought, phase_at=T0), Tick(), after(3))

    assert [(leg, units) for leg, _, units in prices(asked)] == [(1, LOT)]


def test_fm_A2_nothing_opens_while_another_order_is_unknown() -> None:
    unknown = make_attempt(1, OrderState.UNKNOWN)

    _, asked = settle(make_basket(RunState.BUYING, unknown), Tick(), after(3))

    assert asked == []


@pytest.mark.parametrize(
    ("tries", "seconds", "due"), [(1, 1.9, False), (1, 2.0, True), (12, 9.9, False), (12, 10.0, True)]
)
def test_a_chase_waits_two_seconds_and_ten_after_twelve_tries(tries: int, seconds: float, due: bool) -> None:
    """Only an unwinding tries as often as that; what was tried before it does not count."""
    bought = make_filled(intended_at=after(-1))
    sold = [
        make_attempt(state=OrderState.CANCELLED, correlation_id=f"P-2-{number}", number=number, intended_at=T0)
        for number in range(2, tries + 2)
    ]

    _, asked = settle(make_basket(RunState.UNWINDING, bought, *sold), Tick(), after(seconds))

    assert bool(prices(asked)) is due
