"""The paper exchange's books in PostgreSQL: one purse per account, one market for all, and nothing forgotten."""

import threading
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connections

from allocation.models import Account
from execution.brokers.paper import PaperBroker
from execution.brokers.paper_matching import PaperHabits
from execution.clock import SteppedClock
from execution.errors import OrderRefused
from execution.models import PaperFill, PaperOrder, PaperSwitch
from execution.paper_book import BookedOrder, Fill, HeldUnits
from execution.ports import ClearedOrder, OrderRequest, OrderStatus, Validity
from execution.services.paper_ledger import DatabaseBook, build_paper_broker
from market.contract import Contract, OptionType, Side
from market.ports import Touch

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 1, 30, 5, 0, tzinfo=UTC)
ACME = Contract("ACME", date(2026, 2, 24), 1000.0, OptionType.CALL)


class OneTouch:
    """The same touch for every question."""

    name = "one touch"

    def __init__(self, depth: int = 100) -> None:
        self.depth = depth

    def touch(self, contract: Contract, *, as_of: datetime) -> Touch:
        return Touch(Decimal("9.95"), Decimal("10.05"), self.depth, self.depth, NOW)


def account(name: str = "one") -> Account:
    return Account.objects.create(name=name, capital=1_000_000)


def request(name: str = "a", side: Side = Side.BUY, **more: Any) -> OrderRequest:
    limit = Decimal("10.05") if side is Side.BUY else Decimal("9.95")
    return OrderRequest(name, "NSE_FNO", "77", ACME, side, 100, limit, Decimal("0.05"), 50, **more)


def booked(name: str = "a", **more: Any) -> BookedOrder:
    return BookedOrder(f"PAPER-{name}", request(name), OrderStatus.TRANSIT, NOW, NOW, NOW, **more)


def filled(order: BookedOrder, units: int = 100) -> BookedOrder:
    fills = (*order.fills, Fill(len(order.fills) + 1, units, Decimal(10), NOW))
    return replace(order, status=OrderStatus.TRADED, matched=True, fills=fills)


def broker_of(owner: Account, *, depth: int = 100, **habits: Any) -> tuple[PaperBroker, SteppedClock]:
    clock, market = SteppedClock(NOW), OneTouch(depth)
    built = build_paper_broker(account=owner, market=market, clock=clock, habits=PaperHabits(**habits))  # type: ignore[arg-type]
    return built, clock


def test_cash_and_orders_belong_to_their_account_and_depth_to_all() -> None:
    first, second = DatabaseBook(account("one")), DatabaseBook(account("two"))

    order = first.record(booked())
    first.move(order, filled(order))

    assert (first.cash(), second.cash()) == (Decimal(-1000), Decimal(0))
    assert (list(second.named("a")), list(second.between(NOW, NOW)), list(second.live())) == ([], [], [])
    assert (list(second.held(on=NOW.date())), second.get("PAPER-a")) == ([], None)
    assert second.taken("77", Side.BUY, since=NOW, until=NOW) == 100
    assert second.taken("77", Side.SELL, since=NOW, until=NOW) == 0


def test_what_is_stored_is_what_comes_back() -> None:
    book = DatabaseBook(account())
    order = book.record(booked(cancel_at=NOW + timedelta(seconds=1)))

    part = book.move(order, replace(filled(order, 50), status=OrderStatus.PART_TRADED, reason="half"))
    whole = book.move(part, filled(part, 50))

    assert book.get("PAPER-a") == whole
    assert (whole.revision, whole.filled_quantity, whole.average_price) == (2, 100, Decimal(10))
    assert list(PaperFill.objects.values_list("number", "quantity")) == [(1, 50), (2, 50)]
    assert list(book.held(on=date(2026, 2, 24))) == [HeldUnits("NSE_FNO", "77", "MARGIN", ACME, 100)]
    assert list(book.held(on=date(2026, 2, 25))) == []


def test_a_row_is_moved_once_from_what_it_was() -> None:
    book = DatabaseBook(account())
    order = book.record(booked())
    cancelled = book.move(order, replace(order, status=OrderStatus.CANCELLED))

    late = book.move(order, filled(order))

    assert late == cancelled == book.get("PAPER-a")
    assert not PaperFill.objects.exists()


def test_recording_the_same_order_again_returns_the_first() -> None:
    book = DatabaseBook(account())
    order = book.record(booked())
    moved = book.move(order, filled(order))

    assert book.record(booked()) == moved
    assert PaperOrder.objects.count() == 1


def test_an_order_goes_its_way_though_every_read_is_another_process() -> None:
    owner = account()
    broker, clock = broker_of(owner)
    states = []

    broker.place(ClearedOrder(request(), clock.elapsed()))
    for _ in range(4):
        reader, elsewhere = broker_of(owner)
        elsewhere.sleep(clock.elapsed())
        found = reader.order_by_correlation("a")
        assert found is not None
        states.append(found.status.value)
        clock.sleep(0.25)

    assert states == ["TRANSIT", "PENDING", "TRADED", "TRADED"]
    assert PaperOrder.objects.get().average_price == Decimal("10.05")
    assert broker.funds().available == Decimal(1_000_000) - 1005


def test_by_habit_two_orders_of_one_name_are_booked() -> None:
    broker, clock = broker_of(account(), accepts_twice=True)

    for _ in range(2):
        broker.place(ClearedOrder(request(), clock.elapsed()))

    assert list(PaperOrder.objects.values_list("correlation_id", "order_id")) == [("a", "PAPER-a"), ("a", "PAPER-a.2")]


def test_two_accounts_share_one_touch() -> None:
    (first, clock), (second, other_clock) = broker_of(account("one")), broker_of(account("two"))
    first.place(ClearedOrder(request("a"), 0.0))
    second.place(ClearedOrder(request("b"), 0.0))
    clock.sleep(1)
    other_clock.sleep(1)

    units = [order.filled_quantity for broker in (first, second) for order in broker.orders()]

    assert units == [100, 0]


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_processes_that_look_at_once_fill_an_order_once_and_a_touch_no_further_than_it_shows() -> None:
    owners = [account("one"), account("two")]
    for owner in owners:
        broker, _ = broker_of(owner)
        broker.place(ClearedOrder(request(f"of-{owner.name}"), 0.0))
    start = threading.Barrier(6)

    def look(owner: Account) -> None:
        reader, clock = broker_of(owner)
        clock.sleep(1)
        start.wait()
        reader.orders()
        connections.close_all()

    threads = [threading.Thread(target=look, args=(owner,)) for owner in owners * 3]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert list(PaperFill.objects.values_list("quantity", "price")) == [(100, Decimal("10.05"))]
    assert sorted(PaperOrder.objects.values_list("status", flat=True)) == ["CANCELLED", "TRADED"]


def test_switching_off_is_of_one_account_and_outlives_the_process() -> None:
    owner, other = account("one"), account("two")
    broker_of(owner)[0].switch_off()

    with pytest.raises(OrderRefused, match="SWITCHED_OFF"):
        broker_of(owner)[0].place(ClearedOrder(request(), 0.0))

    assert not PaperOrder.objects.exists()
    assert list(PaperSwitch.objects.values_list("account__name", "day")) == [("one", date(2026, 1, 30))]
    assert broker_of(other)[0].place(ClearedOrder(request(), 0.0)).status is OrderStatus.TRANSIT


def test_reading_a_settled_book_costs_a_fixed_number_of_queries(django_assert_num_queries: Any) -> None:
    broker, clock = broker_of(account(), depth=10_000)
    for number in range(5):
        broker.place(ClearedOrder(request(f"o-{number}", validity=Validity.DAY), clock.elapsed()))
    clock.sleep(1)
    broker.orders()

    with django_assert_num_queries(3):  # what lives, the day's orders, their fills
        assert len(broker.orders()) == 5
