"""Whatever is asked of the simulated exchange, its books agree with its journal."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from random import Random

from hypothesis import example, given, settings
from hypothesis import strategies as st

from execution.ports import OrderStatus
from execution.simulator.book import Happening, Listing, Refused, Ticket
from execution.simulator.exchange import Exchange, Terms
from execution.simulator.faults import STORM, Fault, FaultPlan
from market.calendar import IST
from market.contract import Contract, OptionType, Side
from market.ports import Touch

START = datetime(2026, 11, 20, 10, 0, tzinfo=IST)
LOT = 65
LISTINGS = {
    ("NSE_FNO", str(number)): Listing(
        "NSE_FNO",
        str(number),
        "NIFTY-Nov2026",
        "OPTIDX",
        LOT,
        Decimal("0.05"),
        Contract("NIFTY", date(2026, 11, 23), 25_000.0 + 100 * number, OptionType.CALL),
        freeze_quantity=1755,
    )
    for number in range(3)
}
RANKS = (OrderStatus.TRANSIT, OrderStatus.PENDING, OrderStatus.PART_TRADED)


def touch(segment: str, security_id: str, now: datetime) -> Touch:
    """Prices that swing by the second, with little depth."""
    middle = Decimal(100 + int(now.timestamp()) % 7)
    at = now.replace(microsecond=0)
    return Touch(middle - 1, middle + 1, LOT * (1 + int(now.timestamp()) % 3), LOT * 2, at)


steps = st.lists(
    st.tuples(
        st.sampled_from(["submit", "modify", "cancel", "wait", "square_off"]),
        st.integers(0, 2),  # which contract, or which order
        st.sampled_from(list(Side)),
        st.integers(1, 6),  # lots
        st.integers(95, 112),  # rupees
        st.sampled_from(["IOC", "DAY"]),
    ),
    max_size=40,
)


def run(seed: int, script: list[tuple[str, int, Side, int, int, str]]) -> Exchange:
    """Play a script under a storm of fates."""
    rates = {fault: rate for fault, rate in STORM.items() if fault is not Fault.OVERFILL}
    exchange = Exchange(listings=LISTINGS, touch=touch, rng=Random(seed), opening_balance=Decimal(2_000_000))
    plan, now = FaultPlan(seed, rates), START
    for place, (what, which, side, lots, rupees, validity) in enumerate(script):
        now += timedelta(seconds=0.3)
        ticket = Ticket("NSE_FNO", str(which), side, lots * LOT, Decimal(rupees), f"C{place}", validity=validity)
        orders = exchange.every_order()
        try:
            if what == "submit":
                exchange.submit(ticket, now, plan.fate())
            elif what == "modify" and orders:
                exchange.modify(
                    orders[-1 - which % len(orders)].order_id, Terms(lots * LOT, Decimal(rupees), "LIMIT"), now
                )
            elif what == "cancel" and orders:
                exchange.cancel(orders[-1 - which % len(orders)].order_id, now)
            elif what == "square_off":
                exchange.square_off(now)
        except Refused:
            pass
    exchange.advance(now + timedelta(seconds=30))
    return exchange


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 10_000), steps)
def test_books_agree_with_the_journal(seed: int, script: list[tuple[str, int, Side, int, int, str]]) -> None:
    exchange = run(seed, script)
    fills = [entry for entry in exchange.journal if entry.kind is Happening.TRADED]

    for order in exchange.every_order():
        mine = [entry for entry in fills if entry.order_id == order.order_id]
        assert order.filled == sum(entry.units for entry in mine) <= order.quantity
        assert order.filled + order.remaining == order.quantity
        assert order.value == sum(entry.units * (entry.price or 0) for entry in mine)
        assert (order.status is OrderStatus.TRADED) == (order.filled == order.quantity)
        assert order.is_live == (order.status in RANKS)
    assert exchange.funds(START).cash == -sum(
        entry.side.sign * entry.units * (entry.price or 0) for entry in fills if entry.side
    )
    for held in exchange.positions(START):
        mine = [entry for entry in fills if entry.security_id == held.listing.security_id]
        assert held.net_quantity == sum(entry.side.sign * entry.units for entry in mine if entry.side)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), steps)
def test_the_journal_only_moves_forward_and_ends_once(
    seed: int, script: list[tuple[str, int, Side, int, int, str]]
) -> None:
    journal = run(seed, script).journal

    assert [entry.number for entry in journal] == list(range(len(journal)))
    assert all(before.at <= after.at for before, after in pairwise(journal))
    for order_id in {entry.order_id for entry in journal if entry.order_id}:
        mine = [entry for entry in journal if entry.order_id == order_id]
        filled = [entry.filled for entry in mine]
        assert filled == sorted(filled)
        ended = [place for place, entry in enumerate(mine) if entry.status is not None and entry.status.is_final]
        assert ended in ([], [len(mine) - 1])


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), steps)
def test_a_seed_repeats_itself(seed: int, script: list[tuple[str, int, Side, int, int, str]]) -> None:
    assert run(seed, script).journal == run(seed, script).journal


THIRDS = [
    *[("submit", 0, Side.BUY, 1, 95, "IOC")] * 3,
    ("submit", 0, Side.BUY, 4, 95, "DAY"),
    *[("modify", 0, Side.BUY, 1, 95, "DAY")] * 3,
    ("modify", 0, Side.BUY, 3, 104, "DAY"),
]


@settings(max_examples=60, deadline=None)
@example(0, THIRDS)  # a third of the order is left, and a third of the amount has no last decimal place
@given(st.integers(0, 10_000), steps)
def test_nothing_is_reserved_once_nothing_is_live(
    seed: int, script: list[tuple[str, int, Side, int, int, str]]
) -> None:
    exchange = run(seed, script)
    later = START + timedelta(hours=6)

    exchange.advance(later)

    assert [order for order in exchange.every_order() if order.is_live] == []
    account = exchange.funds(later)
    shorts = any(held.net_quantity < 0 for held in exchange.positions(later))
    assert account.blocked > 0 if shorts else account.blocked == 0
