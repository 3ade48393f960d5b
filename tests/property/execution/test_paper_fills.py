"""What holds on the paper exchange whatever the market does and whatever is asked."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from execution.brokers.paper import PaperBroker
from execution.brokers.paper_matching import PaperHabits
from execution.clock import SteppedClock
from execution.errors import OrderRefused
from execution.paper_book import MemoryBook
from execution.ports import BrokerOrder, ClearedOrder, OrderRequest, OrderStatus, Validity
from market.calendar import IST
from market.contract import Contract, OptionType, Side
from market.ports import Touch

NOW = datetime(2026, 1, 30, 12, 0, tzinfo=IST)
TICK = Decimal("0.05")
LOT = 50
CONTRACT = Contract("ACME", date(2026, 2, 24), 1000, OptionType.CALL)
# How far an order may come in its life; a row never goes back.
RANK = {
    OrderStatus.TRANSIT: 0,
    OrderStatus.PENDING: 1,
    OrderStatus.PART_TRADED: 2,
    OrderStatus.TRADED: 3,
    OrderStatus.CANCELLED: 3,
    OrderStatus.REJECTED: 3,
    OrderStatus.EXPIRED: 3,
}


@dataclass
class Walk:
    """A touch per second of the clock, the last one for ever."""

    touches: list[Touch]
    name: str = "walk"

    def touch(self, contract: Contract, *, as_of: datetime) -> Touch:
        known = [touch for touch in self.touches if touch.quoted_at <= as_of]
        return known[-1]


@st.composite
def walks(draw: st.DrawFn) -> list[Touch]:
    bids = draw(st.lists(st.integers(400, 440), min_size=6, max_size=6))
    found = []
    for second, ticks in enumerate(bids):
        spread, depth = draw(st.integers(0, 8)), draw(st.integers(0, 400))
        at = NOW.replace(second=second)
        found.append(Touch(ticks * TICK, (ticks + spread) * TICK, depth, depth, at))
    return found


@dataclass(frozen=True)
class Wish:
    """An order to place, perhaps a cancel to try afterwards, and how long to wait then."""

    side: Side
    lots: int
    ticks: int
    validity: Validity
    then: str
    wait: float


WISHES = st.lists(
    st.builds(
        Wish,
        side=st.sampled_from(Side),
        lots=st.integers(1, 6),
        ticks=st.integers(380, 460),
        validity=st.sampled_from(Validity),
        then=st.sampled_from(["nothing", "cancel"]),
        wait=st.sampled_from([0.0, 0.1, 0.25, 0.6, 1.3]),
    ),
    max_size=8,
)
HABITS = st.builds(
    PaperHabits,
    seed=st.integers(0, 9),
    jitter=st.sampled_from([0.0, 0.8]),
    partial_share=st.sampled_from([0.0, 0.5]),
    reject_share=st.sampled_from([0.0, 0.2]),
    shown_share=st.sampled_from([Decimal(1), Decimal("0.5")]),
)


def request(name: str, wish: Wish) -> OrderRequest:
    limit = wish.ticks * TICK
    return OrderRequest(name, "NSE_FNO", "1", CONTRACT, wish.side, wish.lots * LOT, limit, TICK, LOT,
                        validity=wish.validity)  # fmt: skip


def play(touches: list[Touch], wishes: list[Wish], habits: PaperHabits) -> tuple[PaperBroker, list[list[BrokerOrder]]]:
    """Place every wish and look at the book after every step."""
    clock, book = SteppedClock(NOW), MemoryBook()
    market: Any = Walk(touches)
    broker = PaperBroker(market=market, book=book, capital=Decimal(10**9), clock=clock, habits=habits)
    looks = []
    for number, wish in enumerate(wishes):
        asked = request(f"P-{number}", wish)
        placed = broker.place(ClearedOrder(asked, clock.elapsed()))
        try:
            if wish.then == "cancel":
                broker.cancel(placed.order_id)
        except OrderRefused as refused:
            assert refused.reason.code == "ORDER_ENDED"
        clock.sleep(wish.wait)
        looks.append(list(broker.orders()))
    clock.sleep(3)
    looks.append(list(broker.orders()))
    return broker, looks


@given(walks(), WISHES, HABITS)
def test_fm_E15_paper_never_fills_better_than_the_touch_nor_more_than_it_shows(
    touches: list[Touch], wishes: list[Wish], habits: PaperHabits
) -> None:
    broker, looks = play(touches, wishes, habits)

    orders = {order.order_id: order for order in looks[-1]}
    taken: dict[tuple[datetime, Side], int] = {}
    for trade in broker.trades():
        order = orders[trade.order_id]
        assert order.side is not None
        assert order.limit_price is not None
        touch = Walk(touches).touch(CONTRACT, as_of=trade.traded_at)
        assert trade.price == (touch.ask if order.side is Side.BUY else touch.bid)
        assert order.side.sign * (order.limit_price - trade.price) >= 0
        assert trade.quantity % LOT == 0
        key = (touch.quoted_at, order.side)
        taken[key] = taken.get(key, 0) + trade.quantity
    depth = {touch.quoted_at: touch.ask_quantity for touch in touches}
    assert all(units <= depth[at] for (at, _), units in taken.items())


@given(walks(), WISHES, HABITS)
def test_fm_B7_rows_never_move_back_and_never_fill_more_than_was_asked(
    touches: list[Touch], wishes: list[Wish], habits: PaperHabits
) -> None:
    _, looks = play(touches, wishes, habits)

    for earlier, later in pairwise(looks):
        now = {order.order_id: order for order in later}
        for before in earlier:
            after = now[before.order_id]
            assert RANK[after.status] >= RANK[before.status]
            assert before.filled_quantity <= after.filled_quantity <= after.quantity
            assert not before.status.is_final or after == before
    for number, order in enumerate(looks[-1]):
        assert wishes[number].validity is Validity.DAY or order.status.is_final


@given(walks(), WISHES, HABITS)
def test_books_agree_and_the_same_seed_gives_the_same_outcome(
    touches: list[Touch], wishes: list[Wish], habits: PaperHabits
) -> None:
    broker, looks = play(touches, wishes, habits)
    _, again = play(touches, wishes, habits)

    traded: dict[str, int] = {}
    for trade in broker.trades():
        traded[trade.order_id] = traded.get(trade.order_id, 0) + trade.quantity
    cash = sum(-_sign(broker, trade.order_id) * trade.quantity * trade.price for trade in broker.trades())
    reserved = sum(
        (order.quantity - order.filled_quantity) * order.limit_price
        for order in broker.orders()
        if order.side is Side.BUY and not order.status.is_final
    )
    assert looks == again
    assert {order.order_id: order.filled_quantity for order in looks[-1] if order.filled_quantity} == traded
    assert broker.funds().available == 10**9 + cash - reserved
    net = sum(_sign(broker, order_id) * units for order_id, units in traded.items())
    assert sum(held.net_quantity for held in broker.positions()) == net


def _sign(broker: PaperBroker, order_id: str) -> int:
    side = next(order.side for order in broker.orders() if order.order_id == order_id)
    assert side is not None
    return side.sign
