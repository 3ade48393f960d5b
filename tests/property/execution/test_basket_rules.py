"""What holds for every basket, at every moment, however it fills."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from execution.cover import after, positions, uncovered_short
from execution.errors import ExecutionDenied
from execution.legs import BasketLeg, Phase, is_complete, is_flat, outstanding
from execution.lifecycle import (
    ORDER_TABLE,
    RUN_TABLE,
    STRATEGY_TABLE,
    IllegalTransition,
    OrderEvent,
    OrderState,
    RunEvent,
    RunState,
    StrategyEvent,
    StrategyState,
    advance,
)
from execution.limit_price import ENTRY_PRICES, EXIT_PRICES, limit_price
from execution.naming import CORRELATION, OrderNames, OrderPlace
from market.calendar import IST
from market.contract import Contract, OptionType, Side
from market.ports import Touch
from market.quant.ticks import is_on_tick

NOW = datetime(2026, 1, 30, 12, 0, tzinfo=IST)
TICK = Decimal("0.05")


@st.composite
def contracts(draw: st.DrawFn) -> Contract:
    if draw(st.integers(0, 7)) == 0:
        return Contract("ACME")
    expiry = draw(st.sampled_from([date(2026, 2, 24), date(2026, 3, 30)]))
    return Contract("ACME", expiry, draw(st.sampled_from([900.0, 1000.0, 1100.0])), draw(st.sampled_from(OptionType)))


@st.composite
def baskets(draw: st.DrawFn) -> list[BasketLeg]:
    lot = draw(st.integers(1, 700))
    terms = draw(st.lists(st.tuples(contracts(), st.sampled_from(Side), st.integers(1, 9)), min_size=1, max_size=5))
    limit = lot * draw(st.integers(1, 5)) + draw(st.integers(0, lot - 1))
    return [
        BasketLeg(number, contract, side, lots * lot, lot, limit)
        for number, (contract, side, lots) in enumerate(terms, 1)
    ]


def fill(data: st.DataObject, legs: list[BasketLeg], held: dict[int, int], phase: Phase, *, guarded: bool) -> None:
    """Send every order of a phase once, each filling any part of it; a guarded sale is sent only when it is covered."""
    for piece in outstanding(phase, legs, held):
        if guarded and piece.side is Side.SELL and uncovered_short(after(positions(legs, held), piece)):
            continue
        filled = data.draw(st.integers(0, piece.quantity), label=f"fill of {piece.quantity}")
        held[piece.leg.number] = held.get(piece.leg.number, 0) + piece.side.sign * filled
        assert uncovered_short(positions(legs, held)) is None


@given(baskets(), st.data())
def test_no_short_is_ever_above_its_filled_cover(legs: list[BasketLeg], data: st.DataObject) -> None:
    held: dict[int, int] = {}

    for phase in (Phase.BUYING, Phase.BUYING, Phase.SELLING, Phase.SELLING, Phase.UNWINDING, Phase.UNWINDING):
        fill(data, legs, held, phase, guarded=True)


@given(baskets())
def test_a_covered_basket_that_fills_needs_no_guard_at_any_moment(legs: list[BasketLeg]) -> None:
    whole = {leg.number: leg.side.sign * leg.quantity for leg in legs}
    assume(uncovered_short(positions(legs, whole)) is None)
    held: dict[int, int] = {}

    for phase in (Phase.BUYING, Phase.SELLING):
        for piece in outstanding(phase, legs, held):
            held[piece.leg.number] = held.get(piece.leg.number, 0) + piece.side.sign * piece.quantity
            assert uncovered_short(positions(legs, held)) is None

    assert is_complete(legs, held)


@given(baskets(), st.data())
def test_slices_are_whole_lots_within_the_limit_and_add_up(legs: list[BasketLeg], data: st.DataObject) -> None:
    held = {leg.number: leg.side.sign * data.draw(st.integers(0, leg.quantity)) for leg in legs}

    pieces = [piece for phase in (Phase.BUYING, Phase.SELLING) for piece in outstanding(phase, legs, held)]

    for leg in legs:
        mine = [piece for piece in pieces if piece.leg.number == leg.number]
        assert sum(piece.quantity for piece in mine) == leg.quantity - abs(held[leg.number])
        assert [piece.number for piece in mine] == list(range(1, len(mine) + 1))
        assert all(0 < piece.quantity <= leg.order_limit and piece.side is leg.side for piece in mine)
        assert all(piece.quantity % leg.lot_size == 0 for piece in mine[:-1])


@given(baskets(), st.data())
def test_a_full_unwind_is_flat_and_never_turns_a_position(legs: list[BasketLeg], data: st.DataObject) -> None:
    held = {leg.number: leg.side.sign * data.draw(st.integers(0, leg.quantity)) for leg in legs}

    pieces = outstanding(Phase.UNWINDING, legs, held)
    for piece in pieces:
        held[piece.leg.number] += piece.side.sign * piece.quantity
        assert held[piece.leg.number] * piece.leg.side.sign >= 0

    assert is_flat(held)
    sides = [piece.side for piece in pieces]
    assert sides == sorted(sides, key=lambda side: side is Side.SELL)


PLACES = st.builds(
    OrderPlace,
    mode=st.sampled_from(["paper", "live"]),
    run=st.integers(1, 36**9 - 1),
    leg=st.integers(1, 36**2 - 1),
    attempt=st.integers(1, 36**2 - 1),
)


@given(st.lists(PLACES, unique=True, min_size=2, max_size=20), st.binary(min_size=1, max_size=40))
def test_fm_A10_names_are_legal_different_read_back_and_the_same_every_time(
    places: list[OrderPlace], key: bytes
) -> None:
    names = [OrderNames(key).name(place) for place in places]

    assert all(CORRELATION.fullmatch(name) for name in names)
    assert len(set(names)) == len(places)
    assert [OrderNames(key).name(place) for place in places] == names
    assert [OrderNames(key).read(name) for name in names] == places


@given(PLACES, st.binary(min_size=1, max_size=40), st.integers(0, 20), st.sampled_from("0123456789abcPLz-"))
def test_a_name_with_one_character_changed_is_not_ours(place: OrderPlace, key: bytes, at: int, other: str) -> None:
    name = OrderNames(key).name(place)
    assume(name[at] != other)

    assert OrderNames(key).read(name[:at] + other + name[at + 1 :]) is None


MACHINES = st.sampled_from(
    [
        (ORDER_TABLE, OrderState.INTENT, OrderEvent),
        (RUN_TABLE, RunState.CREATED, RunEvent),
        (STRATEGY_TABLE, StrategyState.PENDING, StrategyEvent),
    ]
)


@given(MACHINES, st.data())
def test_a_machine_never_leaves_its_table(machine: Any, data: st.DataObject) -> None:
    table, state, events = machine
    for event in data.draw(st.lists(st.sampled_from(list(events)), max_size=30)):
        try:
            after_it = advance(table, state, event)
        except IllegalTransition:
            assert (state, event) not in table
            continue
        assert table[state, event] == after_it
        state = after_it


PRICES = st.integers(1, 40_000).map(lambda ticks: ticks * TICK)


@given(PRICES, st.integers(0, 200), st.sampled_from(Side), st.integers(1, 6), st.booleans())
def test_fm_D6_a_limit_is_on_tick_reaches_the_touch_and_stays_in_the_collar(
    bid: Decimal, spread: int, side: Side, attempt: int, leaving: bool
) -> None:
    touch, rules = Touch(bid, bid + spread * TICK, 1, 1, NOW), EXIT_PRICES if leaving else ENTRY_PRICES
    try:
        limit = limit_price(side=side, touch=touch, tick=TICK, attempt=attempt, rules=rules, banded=True)
    except ExecutionDenied:
        return

    mid = (touch.bid + touch.ask) / 2
    reach = max(mid * rules.collar, TICK * rules.collar_ticks)
    assert limit > 0
    assert is_on_tick(limit, TICK)
    assert limit >= touch.ask if side is Side.BUY else limit <= touch.bid
    assert abs(limit - mid) <= reach
