"""One suite for every broker: what the rest of the system may rely on, whichever adapter is behind the port.

The recorded answers are written anew by: RECORD_PAYLOADS=1 pytest tests/contract/execution/test_broker_contract.py -n 0
"""

import time
from decimal import Decimal

import pytest

from execution.errors import NotSent, OrderRefused, OutcomeUnknown
from execution.ports import BrokerPosition, BrokerTrade, ClearedOrder, OrderStatus, Validity
from execution.simulator.faults import Fault
from market.contract import Side
from tests.contract.execution.desks import LOT, SECURITY, SEGMENT, SHORT, desk_for


@pytest.fixture(params=["paper", "simulator", "recorded"])
def desk(request):
    """The same desk over each of the three adapters."""
    with desk_for(request.param, named(request)) as made:
        yield made


@pytest.fixture(params=["simulator", "recorded"])
def wired(request):
    """The two adapters that have a wire."""
    with desk_for(request.param, named(request)) as made:
        yield made


def named(request):
    """One file of answers per test and case: the adapter's own word is left out of the name."""
    case = request.node.name.partition("[")[2].rstrip("]").replace(request.param, "").strip("-")
    return "-".join(part for part in (request.node.originalname, case) if part)


def fills_of(trades: list[BrokerTrade]) -> tuple[int, Decimal]:
    return sum(trade.quantity for trade in trades), sum((trade.quantity * trade.price for trade in trades), Decimal(0))


def test_a_marketable_order_fills_at_the_touch_or_better(desk):
    desk.market.quote("99.90", "100.10")

    placed = desk.place("P1-fill", quantity=2 * LOT)
    order = desk.settled(placed.order_id)

    assert (order.status, order.quantity, order.filled_quantity) == (OrderStatus.TRADED, 2 * LOT, 2 * LOT)
    assert order.average_price == Decimal("100.10")
    assert (order.correlation_id, order.side, order.segment) == ("P1-fill", Side.BUY, SEGMENT)
    assert (order.security_id, order.limit_price) == (SECURITY, Decimal("100.10"))
    assert order.placed_at is not None
    assert order.placed_at.tzinfo is not None


def test_a_sale_is_the_mirror_of_a_purchase(desk):
    desk.market.quote("99.90", "100.10")
    desk.settled(desk.place("P1-buy").order_id)

    sold = desk.settled(desk.place("P1-sell", side=Side.SELL, limit_price="99.90").order_id)

    assert (sold.status, sold.side, sold.average_price) == (OrderStatus.TRADED, Side.SELL, Decimal("99.90"))
    assert desk.broker.positions() == []


def test_an_ioc_order_takes_what_is_there_and_the_rest_is_cancelled(desk):
    desk.market.quote("99.90", "100.10", depth=LOT)

    order = desk.settled(desk.place("P1-part", quantity=3 * LOT).order_id)

    assert (order.status, order.filled_quantity, order.average_price) == (
        OrderStatus.CANCELLED,
        LOT,
        Decimal("100.10"),
    )
    assert fills_of(desk.broker.trades(order.order_id)) == (LOT, LOT * Decimal("100.10"))


def test_an_ioc_order_that_reaches_nobody_is_cancelled_whole(desk):
    desk.market.quote("99.90", "100.10")

    order = desk.settled(desk.place("P1-far", limit_price="95.00").order_id)

    assert (order.status, order.filled_quantity, order.average_price) == (OrderStatus.CANCELLED, 0, None)
    assert list(desk.broker.trades(order.order_id)) == []
    assert list(desk.broker.positions()) == []


@pytest.mark.parametrize(
    ("terms", "code"), [({"quantity": LOT - 1}, "LOT"), ({"limit_price": "100.12"}, "TICK")], ids=["lot", "tick"]
)
def test_what_is_not_listed_so_is_refused_and_nothing_happens(desk, terms, code):
    desk.market.quote("99.90", "100.10")

    with pytest.raises(OrderRefused) as caught:
        desk.place("P1-bad", **terms)

    assert caught.value.reason.code == code
    assert desk.broker.order_by_correlation("P1-bad") is None
    assert list(desk.broker.orders()) == []


def test_fm_A9_two_orders_of_one_name_are_both_in_the_book(desk):
    desk.market.quote("99.90", "100.10")

    ids = {desk.place("P1-twice").order_id, desk.place("P1-twice").order_id}
    for order_id in ids:
        desk.settled(order_id)

    named = [order for order in desk.broker.orders() if order.correlation_id == "P1-twice"]
    assert {order.order_id for order in named} == ids
    assert fills_of(desk.broker.trades())[0] == sum(order.filled_quantity for order in named) == 2 * LOT


def test_an_order_is_found_by_its_name_and_another_name_is_none(desk):
    desk.market.quote("99.90", "100.10")
    placed = desk.place("P1-named")
    desk.settled(placed.order_id)

    found = desk.broker.order_by_correlation("P1-named")

    assert (found.order_id, found.status) == (placed.order_id, OrderStatus.TRADED)
    assert desk.broker.order_by_correlation("P1-nobody") is None


def test_fm_A16_a_resting_order_is_cancelled_and_a_finished_one_is_not(desk):
    desk.market.quote("99.90", "100.10")
    placed = desk.place("P1-rest", limit_price="95.00", validity=Validity.DAY)
    desk.wait_for(placed.order_id, lambda order: order.status is OrderStatus.PENDING)

    desk.broker.cancel(placed.order_id)

    assert desk.settled(placed.order_id).status is OrderStatus.CANCELLED
    with pytest.raises(OrderRefused):
        desk.broker.cancel(placed.order_id)


def test_trades_sum_to_what_was_filled(desk):
    desk.market.quote("99.90", "100.10", depth=2 * LOT)
    orders = [desk.settled(desk.place(f"P1-sum{number}", quantity=LOT).order_id) for number in (1, 2)]

    for order in orders:
        assert fills_of(desk.broker.trades(order.order_id)) == (LOT, LOT * order.average_price)
    everything = list(desk.broker.trades())
    assert fills_of(everything)[0] == 2 * LOT
    assert len({(trade.order_id, trade.trade_number) for trade in everything}) == len(everything)
    assert all(trade.traded_at.tzinfo is not None for trade in everything)


def test_what_is_held_and_what_may_be_spent_follow_the_fills(desk):
    desk.market.quote("99.90", "100.10")
    before = desk.broker.funds().available
    assert list(desk.broker.positions()) == []

    desk.settled(desk.place("P1-hold", quantity=2 * LOT).order_id)

    assert list(desk.broker.positions()) == [BrokerPosition(SEGMENT, SECURITY, "MARGIN", 2 * LOT)]
    assert before - desk.broker.funds().available == 2 * LOT * Decimal("100.10")


def test_a_purchase_needs_its_premium_and_nothing_needs_nothing(desk):
    desk.market.quote("99.90", "100.10")

    assert desk.broker.margin([]).total == 0
    assert desk.broker.margin([desk.request("P1-need")]).total >= LOT * Decimal("100.10")
    short = desk.broker.margin([desk.request("P1-short", side=Side.SELL, limit_price="99.90")]).total
    assert short > 10 * LOT * Decimal("100.10")


def test_fm_C5_a_stale_clearance_sends_nothing(desk):
    desk.market.quote("99.90", "100.10")
    order = ClearedOrder(desk.request("P1-stale"), desk.clock.elapsed() - 2.1)

    with pytest.raises(NotSent) as caught:
        desk.broker.place(order)

    assert caught.value.reason.code == "SEND_DEADLINE"
    assert desk.sent in (None, [])
    assert list(desk.broker.orders()) == []


def test_the_broker_s_kill_switch_needs_a_flat_account(desk):
    desk.market.quote("99.90", "100.10")
    desk.settled(desk.place("P1-open").order_id)
    with pytest.raises(OrderRefused):
        desk.broker.switch_off()
    desk.settled(desk.place("P1-shut", side=Side.SELL, limit_price="99.90").order_id)

    desk.broker.switch_off()

    desk.clock.sleep(0.1)
    with pytest.raises(OrderRefused):
        desk.place("P1-after")


# --- only where there is a wire ---------------------------------------------------------------------------------


def test_fm_A7_every_attempt_is_one_request(wired):
    wired.market.quote("99.90", "100.10")

    wired.place("P1-once")

    assert wired.sent == [("POST", "/orders")]
    if wired.simulator is not None:
        requests = wired.simulator.venue.requests
        assert [(method, path) for _, method, path, _ in requests] == [("POST", "/v2/orders")]


def test_fm_A2_an_order_whose_answer_was_lost_is_found_by_its_name(wired):
    wired.market.quote("99.90", "100.10")
    wired.goes_wrong(Fault.ACCEPT_THEN_CLOSE)

    with pytest.raises(OutcomeUnknown):
        wired.place("P1-lost")

    found = wired.broker.order_by_correlation("P1-lost")
    assert found is not None
    order = wired.settled(found.order_id)
    assert (order.status, order.filled_quantity) == (OrderStatus.TRADED, LOT)
    assert [one.order_id for one in wired.broker.orders()] == [order.order_id]
    assert wired.sent.count(("POST", "/orders")) == 1


def test_fm_A1_an_order_that_never_arrived_is_unknown_and_then_nowhere(wired):
    wired.market.quote("99.90", "100.10")
    wired.goes_wrong(Fault.DROP_REQUEST)

    with pytest.raises(OutcomeUnknown):
        wired.place("P1-gone")

    assert wired.broker.order_by_correlation("P1-gone") is None
    assert list(wired.broker.orders()) == []


def test_fm_A8_an_answer_that_drips_is_cut_at_the_deadline(wired):
    wired.market.quote("99.90", "100.10")
    wired.goes_wrong(Fault.SLOW_DRIP, seconds=20.0)
    started = time.monotonic()

    with pytest.raises(OutcomeUnknown):
        wired.place("P1-drip")

    assert time.monotonic() - started <= SHORT.write_seconds + 0.5
    assert wired.broker.order_by_correlation("P1-drip").correlation_id == "P1-drip"


def test_fm_A4_a_server_error_is_unknown_and_the_order_may_exist(wired):
    wired.market.quote("99.90", "100.10")
    wired.goes_wrong(Fault.SERVER_ERROR_AFTER)

    with pytest.raises(OutcomeUnknown):
        wired.place("P1-five")

    assert wired.broker.order_by_correlation("P1-five") is not None


def test_fm_A7_a_redirect_is_unknown_and_not_followed(wired):
    wired.market.quote("99.90", "100.10")
    wired.goes_wrong(Fault.REDIRECT)

    with pytest.raises(OutcomeUnknown):
        wired.place("P1-turn")

    assert wired.sent == [("POST", "/orders")]
    assert list(wired.broker.orders()) == []
