"""What holds for every basket, at every moment, however it fills."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from execution.basket import (
    CORRELATION,
    BasketLeg,
    Phase,
    after,
    correlation_id,
    entry_would_uncover,
    is_complete,
    is_flat,
    outstanding,
    positions,
    uncovered_short,
)
from execution.brokers.paper import PaperBroker
from execution.errors import ExecutionDenied
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
from execution.paper_book import MemoryBook
from execution.ports import OrderRequest, Validity
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
    assume(entry_would_uncover(legs) is None)
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


COUNTERS = st.tuples(st.integers(1, 36**8), st.integers(1, 20), st.integers(1, 999), st.integers(1, 99))


@given(st.lists(COUNTERS, unique=True, min_size=2, max_size=20), st.sampled_from(["paper", "live"]))
def test_names_are_legal_different_and_the_same_every_time(rows: list[tuple[int, int, int, int]], mode: str) -> None:
    def names() -> list[str]:
        return [correlation_id(mode=mode, run=run, leg=leg, piece=piece, attempt=n) for run, leg, piece, n in rows]

    assert all(CORRELATION.fullmatch(name) for name in names())
    assert len(set(names())) == len(rows)
    assert names() == names()


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
def test_a_limit_is_on_tick_reaches_the_touch_and_stays_in_the_collar(
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


class Answer:
    """A market with one touch."""

    name = "answer"

    def __init__(self, touch: Touch) -> None:
        self._touch = touch

    def touch(self, contract: Contract, *, as_of: datetime) -> Touch:
        return self._touch


@given(
    PRICES,
    st.integers(0, 50),
    st.integers(0, 400),
    st.lists(
        st.tuples(st.sampled_from(Side), st.integers(1, 6), st.integers(-60, 60), st.sampled_from(Validity)), max_size=8
    ),
)
def test_paper_never_fills_better_than_the_touch_nor_more_than_it_shows(
    bid: Decimal, spread: int, depth: int, wishes: list[tuple[Side, int, int, Validity]]
) -> None:
    touch = Touch(bid, bid + spread * TICK, depth, depth, NOW)
    broker = PaperBroker(market=Answer(touch), book=MemoryBook(), capital=Decimal(10**9))  # type: ignore[arg-type]
    contract = Contract("ACME", date(2026, 2, 24), 1000, OptionType.CALL)
    filled = {Side.BUY: 0, Side.SELL: 0}
    for number, (side, lots, ticks, validity) in enumerate(wishes, start=1):
        limit = max(bid + ticks * TICK, TICK)
        name = f"P-1-1-1-{number}"
        broker.place(
            OrderRequest(name, "NSE_FNO", "1", contract, side, lots * 50, limit, TICK, 50, validity=validity), now=NOW
        )
        found = broker.order_by_correlation(name, now=NOW)
        assert found is not None
        assert 0 <= found.filled_quantity <= found.quantity
        assert found.filled_quantity % 50 == 0
        if found.filled_quantity:
            assert found.average_price == (touch.ask if side is Side.BUY else touch.bid)
            assert side.sign * (limit - found.average_price) >= 0
        assert validity is Validity.DAY or found.status.is_final
        filled[side] += found.filled_quantity
    assert max(filled.values()) <= depth
