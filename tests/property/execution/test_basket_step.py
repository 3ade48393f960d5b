"""Whatever happens to a basket, `step` stays within its tables, repeats itself exactly, and sells nothing uncovered."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from execution.basket.messages import (
    Accepted,
    Check,
    Checked,
    Command,
    Event,
    Lost,
    Missed,
    NeverLeft,
    Offered,
    Price,
    Refused,
    Repeat,
    Seen,
    Send,
    Sending,
    Tick,
    Unpriced,
    Voided,
)
from execution.basket.step import step
from execution.basket.values import Attempt, Basket, Permit, Purpose
from execution.cover import uncovered_short
from execution.legs import Slice
from execution.lifecycle import ENDED_ORDERS, ORDER_TABLE, RUN_TABLE, IllegalTransition, OrderState, RunState
from execution.ports import BrokerOrder, OrderStatus
from market.contract import Side
from market.errors import Reason
from tests.unit.execution.basket.making import LOT, T0, make_basket, make_exit

ORDER_PAIRS = {(start, end) for (start, _), end in ORDER_TABLE.items()}
RUN_PAIRS = {(start, end) for (start, _), end in RUN_TABLE.items()}
WHY = Reason("TEST", "The test says so.")
STATUSES = st.sampled_from(list(OrderStatus))

# What the next thing is, how long after the last one, and numbers to make it from.
Draw = tuple[str, float, int, OrderStatus, bool]
KINDS = ("tick", "tick", "tick", "answer", "book", "book", "miss", "stop")
draws = st.lists(
    st.tuples(
        st.sampled_from(KINDS), st.floats(0.0, 15.0), st.integers(0, 7), STATUSES, st.booleans()
    ),
    max_size=60,
)  # fmt: skip


def starts() -> st.SearchStrategy[Basket]:
    """An entry, an exit or a flatten of the spread, before anything has happened."""
    return st.sampled_from(
        [
            make_basket(RunState.CREATED),
            make_basket(RunState.CREATED, plan_loss=Decimal(30_000)),
            make_exit(RunState.CREATED),
            make_exit(RunState.CREATED, purpose=Purpose.FLATTEN),
        ]
    )


class Story:
    """Plays draws against a basket as an executor would, and keeps every step it took."""

    def __init__(self, basket: Basket) -> None:
        self.basket, self.now = basket, T0
        self.steps: list[tuple[Basket, Event, Basket, tuple[Command, ...]]] = []
        self._permit = Permit()

    def play(self, drawn: list[Draw]) -> None:
        """Everything, in order."""
        for kind, seconds, number, status, yes in drawn:
            self.now += timedelta(seconds=seconds)
            event = self._event(kind, number, status, yes)
            if event is not None:
                self.take(event)

    def take(self, event: Event) -> None:
        """One step, and what follows from it."""
        before = self.basket
        self.basket, commands = step(before, event, self.now)
        self.steps.append((before, event, self.basket, commands))
        for command in commands:
            self._obey(command)

    def _obey(self, command: Command) -> None:
        if isinstance(command, Repeat):
            self.take(command.event)
        elif isinstance(command, Price):
            name = f"P-{command.piece.leg.number}-{command.number}"
            self.take(Offered(command, name, Decimal("10.05")))
        elif isinstance(command, Send):
            self.take(Sending(command.correlation_id))
        elif isinstance(command, Check):
            self.take(Checked())

    def _event(self, kind: str, number: int, status: OrderStatus, yes: bool) -> Event | None:
        if kind == "stop":
            self._permit = Permit() if yes else Permit(WHY, WHY if number % 2 else None)
            return None
        if kind == "tick" or not self.basket.attempts:
            return Tick(self._permit)
        attempt = self.basket.attempts[-1 - number % len(self.basket.attempts)]
        name = attempt.correlation_id
        if kind == "miss":
            return Missed(name)
        if kind == "answer":
            answers = (
                Accepted(name, f"B{name}"),
                Refused(name, WHY),
                NeverLeft(name, WHY),
                Lost(name, WHY),
                Voided(name, WHY),
            )
            return answers[number % len(answers)]
        return self._seen(attempt, number, status, yes)

    def _seen(self, attempt: Attempt, number: int, status: OrderStatus, yes: bool) -> Event | None:
        if attempt.sent_at is None:
            return None
        units = attempt.quantity if status is OrderStatus.TRADED else number % 3 * LOT
        if status in {OrderStatus.TRANSIT, OrderStatus.PENDING, OrderStatus.REJECTED}:
            units = 0
        twin = "twin" if number == 7 else ""
        order = BrokerOrder(f"B{attempt.correlation_id}{twin}", attempt.correlation_id, status, attempt.quantity, units)
        traded = units if yes else max(units - LOT, 0)
        return Seen(attempt.correlation_id, order, traded, Decimal(10) * traded)


@settings(max_examples=200, deadline=None)
@given(basket=starts(), drawn=draws)
def test_fm_B3_every_step_stays_within_the_tables(basket: Basket, drawn: list[Draw]) -> None:
    story = Story(basket)

    story.play(drawn)

    for before, event, after, _ in story.steps:
        moved = int(before.state is not after.state)
        assert not moved or (before.state, after.state) in RUN_PAIRS
        old = {one.correlation_id: one for one in before.attempts}
        for attempt in after.attempts:
            was = old.get(attempt.correlation_id, attempt)
            assert was.state is attempt.state or (was.state, attempt.state) in ORDER_PAIRS
            assert was.filled <= attempt.filled <= attempt.quantity
            moved += was.state is not attempt.state
        assert moved <= (2 if isinstance(event, Seen) else 1)


@st.composite
def stray_events(draw: st.DrawFn, basket: Basket) -> Event:
    """Any event at all, meant for any attempt, whether or not this is its moment."""
    names = [attempt.correlation_id for attempt in basket.attempts]
    if not names or draw(st.integers(0, 5)) == 0:
        return draw(st.sampled_from([Tick(), Tick(Permit(WHY, WHY, WHY)), Checked(), Checked(WHY), Unpriced(WHY)]))
    attempt = basket.attempt(draw(st.sampled_from(names)))
    name, units = attempt.correlation_id, draw(st.integers(0, 3)) * LOT
    order = BrokerOrder(draw(st.sampled_from(["", "B1", "B2"])), name, draw(STATUSES), attempt.quantity, units)
    traded = draw(st.integers(0, 3)) * LOT
    price = Price(Slice(basket.leg(attempt.leg), 1, attempt.side, attempt.quantity), attempt.phase, 1, 1, leaving=False)
    return draw(
        st.sampled_from(
            [
                Offered(price, f"{name}-{len(names)}", Decimal("10.05")),
                Sending(name),
                Voided(name, WHY),
                Accepted(name, "B1"),
                Refused(name, WHY),
                NeverLeft(name, WHY),
                Lost(name, WHY),
                Missed(name),
                Seen(name, order, traded, Decimal(10) * traded),
                Seen(name, order, units, Decimal(10) * units),
            ]
        )
    )


@settings(max_examples=300, deadline=None)
@given(basket=starts(), drawn=draws, data=st.data())
def test_fm_A19_B3_B5_C5_any_event_at_any_moment_is_taken_or_refused_as_documented(
    basket: Basket, drawn: list[Draw], data: st.DataObject
) -> None:
    story = Story(basket)
    story.play(drawn[:20])
    before, now = story.basket, story.now

    for _ in range(data.draw(st.integers(1, 6))):
        event = data.draw(stray_events(before))
        now += timedelta(seconds=data.draw(st.floats(0.0, 40.0)))
        try:
            after, _ = step(before, event, now)
        except IllegalTransition:
            assert isinstance(event, Sending | Checked | Unpriced)
            continue
        assert step(before, event, now)[0] == after
        assert after.state is before.state or (before.state, after.state) in RUN_PAIRS
        assert all(one.filled <= one.quantity for one in after.attempts)
        before = after


@settings(max_examples=200, deadline=None)
@given(basket=starts(), drawn=draws)
def test_fm_A3_B3_what_has_ended_stays_so_unless_the_broker_shows_otherwise(basket: Basket, drawn: list[Draw]) -> None:
    story = Story(basket)

    story.play(drawn)

    for before, event, after, commands in story.steps:
        if before.has_ended:
            assert isinstance(event, Seen) or (after, commands) == (before, ())
            assert after.state is before.state or after.state is RunState.ATTENTION
            assert not any(isinstance(command, Price | Send | Check) for command in commands)
        for was in before.attempts:
            if was.state in ENDED_ORDERS:
                now = after.attempt(was.correlation_id)
                assert now.state is was.state or (isinstance(event, Seen) and was.state is OrderState.NOT_PLACED)
                assert now.filled >= was.filled


@settings(max_examples=100, deadline=None)
@given(basket=starts(), drawn=draws)
def test_the_same_story_is_told_twice(basket: Basket, drawn: list[Draw]) -> None:
    first, second = Story(basket), Story(basket)

    first.play(drawn)
    second.play(drawn)

    assert first.steps == second.steps


@settings(max_examples=200, deadline=None)
@given(basket=starts(), drawn=draws)
def test_fm_A16_there_is_one_live_attempt_per_leg(basket: Basket, drawn: list[Draw]) -> None:
    story = Story(basket)

    story.play(drawn)

    for _, _, after, _ in story.steps:
        live = [attempt.leg for attempt in after.attempts if attempt.state not in ENDED_ORDERS]
        assert len(live) == len(set(live))


@settings(max_examples=200, deadline=None)
@given(basket=starts(), drawn=draws)
def test_fm_E1_E2_no_sale_goes_beyond_its_cover(basket: Basket, drawn: list[Draw]) -> None:
    story = Story(basket)

    story.play(drawn)

    for before, event, after, _ in story.steps:
        if isinstance(event, Sending) and after.attempt(event.correlation_id).side is Side.SELL:
            assert uncovered_short(_if_every_sale_fills(after)) is None, before


@settings(max_examples=200, deadline=None)
@given(basket=starts(), drawn=draws)
def test_fm_B7_no_leg_is_asked_for_more_than_was_meant(basket: Basket, drawn: list[Draw]) -> None:
    story = Story(basket)

    story.play(drawn)

    for _, event, after, _ in story.steps:
        if isinstance(event, Sending):
            attempt = after.attempt(event.correlation_id)
            leg, held = after.leg(attempt.leg), after.held.get(attempt.leg, 0)
            units = held + attempt.side.sign * attempt.quantity
            assert 0 <= units * leg.side.sign <= leg.quantity


def _if_every_sale_fills(basket: Basket) -> dict[object, int]:
    totals: dict[object, int] = dict(basket.opening)
    for attempt in basket.attempts:
        units = attempt.filled
        if attempt.side is Side.SELL and attempt.state not in ENDED_ORDERS:
            units = attempt.quantity
        contract = basket.leg(attempt.leg).contract
        totals[contract] = totals.get(contract, 0) + attempt.side.sign * units
    return {contract: units for contract, units in totals.items() if units}


def test_a_story_without_trouble_ends_complete() -> None:
    story = Story(replace(make_basket(RunState.CREATED)))

    for _ in range(2):
        story.play([("tick", 1.0, 0, OrderStatus.TRADED, True)])
        story.play([("answer", 0.1, 0, OrderStatus.TRADED, True), ("book", 0.1, 0, OrderStatus.TRADED, True)])
    story.play([("tick", 1.0, 0, OrderStatus.TRADED, True)])

    assert story.basket.state is RunState.COMPLETE
