"""The real `dhanhq` package through our transport, against answers the test writes."""

from decimal import Decimal

import pytest

from execution.brokers.dhan.addresses import LiveAccess, PracticeAccess
from execution.brokers.dhan.broker import DhanBroker, SimulatorBroker
from execution.brokers.dhan.protective import DhanStops, StopState
from execution.brokers.dhan.transport import Wire
from execution.errors import (
    AuthExpired,
    ExecutionDenied,
    NotSent,
    OrderRefused,
    OutcomeUnknown,
    RateLimited,
    ReadFailed,
)
from execution.ports import OrderStatus, Placed
from market.contract import Side
from tests.unit.execution.dhan.orders import (
    WHO,
    HandClock,
    cleared,
    make_request,
    order_row,
    position_row,
    practice_broker,
    trade_row,
)
from tests.unit.execution.dhan.scripted import reply, scripted_server

TAKEN = {"orderId": "112111182198", "orderStatus": "TRANSIT"}
NAME = "P00000001a01-abcdef"


def failed(code, text="words"):
    return {"errorType": "Order_Error", "errorCode": code, "errorMessage": text}


def ask(question, *steps):
    """One question to a broker behind a scripted server: its answer or its error, and what was sent."""
    with scripted_server(*steps) as server:
        result = question(practice_broker(server.url))
    return result, server.seen


def refused(question, error, *steps):
    with scripted_server(*steps) as server, pytest.raises(error) as caught:
        question(practice_broker(server.url))
    return caught.value.reason, server.seen


def test_an_order_goes_out_as_the_package_writes_it():
    placed, (seen,) = ask(lambda broker: broker.place(cleared(make_request())), reply(200, TAKEN))

    assert placed == Placed("112111182198", OrderStatus.TRANSIT)
    assert (seen.method, seen.path) == ("POST", "/v2/orders")
    assert seen.json == {
        "dhanClientId": "1100000001",
        "correlationId": NAME,
        "transactionType": "BUY",
        "exchangeSegment": "NSE_FNO",
        "productType": "MARGIN",
        "orderType": "LIMIT",
        "validity": "IOC",
        "securityId": "35084",
        "quantity": 65,
        "disclosedQuantity": 0,
        "price": 101.55,
        "triggerPrice": 0.0,
        "afterMarketOrder": False,
        "boProfitValue": None,
        "boStopLossValue": None,
    }


def test_an_order_id_is_acceptance_whatever_the_word_beside_it():
    placed, _ = ask(
        lambda broker: broker.place(cleared(make_request())), reply(200, {"orderId": "7", "orderStatus": "MYSTERY"})
    )

    assert placed == Placed("7", OrderStatus.TRANSIT)


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (400, failed("DH-905"), OrderRefused),
        (200, failed("DH-905"), OutcomeUnknown),
        (500, b"<html>", OutcomeUnknown),
        (429, failed("DH-904"), RateLimited),
        (401, failed("DH-901"), AuthExpired),
        (400, failed("DH-906", "Invalid Token"), AuthExpired),
    ],
)
def test_fm_A4_the_adapter_judges_the_raw_answer(status, body, error):
    _, seen = refused(lambda broker: broker.place(cleared(make_request())), error, reply(status, body))

    assert len(seen) == 1


def test_fm_A11_what_cannot_be_right_is_not_sent():
    reason, seen = refused(lambda broker: broker.place(cleared(make_request(quantity=64))), OrderRefused)

    assert (reason.code, seen) == ("LOT", [])


def test_fm_C5_a_stale_clearance_sends_nothing():
    reason, seen = refused(lambda broker: broker.place(cleared(make_request(), at=997.9)), NotSent, reply(200, TAKEN))

    assert (reason.code, seen) == ("SEND_DEADLINE", [])


def test_fm_C5_a_process_that_slept_while_connecting_sends_nothing():
    clock = HandClock()

    def sleep_between(stage):
        if stage == "connected":
            clock.seconds += 3.0

    with scripted_server(reply(200, TAKEN)) as server, pytest.raises(NotSent) as caught:
        practice_broker(server.url, clock, wire=Wire(server.url, on_stage=sleep_between)).place(cleared(make_request()))

    assert (caught.value.reason.code, server.seen) == ("SEND_DEADLINE", [])


def test_fm_A16_a_cancel_is_taken_refused_or_unknown():
    _, (seen,) = ask(lambda broker: broker.cancel("77"), reply(202, {"orderId": "77", "orderStatus": "CANCELLED"}))
    assert (seen.method, seen.path, seen.body) == ("DELETE", "/v2/orders/77", b"")

    refused(lambda broker: broker.cancel("77"), OrderRefused, reply(400, failed("DH-906", "Nothing to Cancel . ")))
    refused(lambda broker: broker.cancel("77"), OutcomeUnknown, reply(504))
    _, seen_none = refused(lambda broker: broker.cancel("7/../8"), OrderRefused)
    assert seen_none == []


@pytest.mark.parametrize("body", [order_row(), [order_row()]])
def test_a_lookup_takes_an_object_or_an_array_of_one(body):
    order, (seen,) = ask(lambda broker: broker.order_by_correlation(NAME), reply(200, body))

    assert (order.order_id, order.status) == ("112111182198", OrderStatus.TRADED)
    assert (seen.method, seen.path) == ("GET", f"/v2/orders/external/{NAME}")


@pytest.mark.parametrize(
    "step", [reply(200, []), reply(404, failed("DH-905", "Order not found")), reply(400, failed("DH-907", "No data"))]
)
def test_fm_A12_a_plain_not_found_is_none(step):
    found, _ = ask(lambda broker: broker.order_by_correlation(NAME), step)

    assert found is None


@pytest.mark.parametrize(
    "step",
    [
        reply(404),
        reply(404, b"<html>not found</html>"),
        reply(200, {}),
        reply(200, b"null"),
        reply(200, [{}]),
        reply(200, [order_row(), order_row(orderId="2")]),
        reply(200, order_row(correlationId="P00000001a01-zzzzzz")),
        reply(200, order_row(correlationId=None)),
        reply(200, failed("DH-905", "Order not found")),
        reply(500, failed("DH-908", "Order not found")),
        reply(302),
    ],
)
def test_fm_A9_A12_A13_everything_else_is_no_evidence(step):
    refused(lambda broker: broker.order_by_correlation(NAME), ReadFailed, step)


def test_fm_A14_a_dead_token_is_not_a_missing_order():
    refused(lambda broker: broker.order_by_correlation(NAME), AuthExpired, reply(401, failed("DH-901", "not found")))


def test_books_are_read_at_their_own_addresses():
    def question(broker):
        return broker.orders(), broker.trades(), broker.trades("112111182198"), broker.positions(), broker.funds()

    steps = [
        reply(200, [order_row()]),
        reply(200, [trade_row()]),
        reply(200, trade_row()),
        reply(200, [position_row()]),
        reply(200, {"availabelBalance": 5.5}),
    ]
    (orders, all_trades, its_trades, positions, funds), seen = ask(question, *steps)

    paths = ["/v2/orders", "/v2/trades/", "/v2/trades/112111182198", "/v2/positions", "/v2/fundlimit"]
    assert [one.path for one in seen] == paths
    assert (len(orders), all_trades, len(positions)) == (1, its_trades, 1)
    assert funds.available == Decimal("5.5")


def test_trades_of_another_order_fail_the_read():
    refused(lambda broker: broker.trades("5"), ReadFailed, reply(200, [trade_row()]))


@pytest.mark.parametrize("method", ["orders", "trades", "positions", "funds"])
@pytest.mark.parametrize(
    "step", [reply(500), reply(200, b""), reply(200, failed("DH-908")), reply(404, failed("DH-1111"))]
)
def test_fm_A13_A20_a_failed_read_is_never_flat(method, step):
    refused(lambda broker: getattr(broker, method)(), ReadFailed, step)


def test_margin_asks_for_all_legs_at_once():
    orders = [make_request(), make_request("P00000001b01-abcdef", side=Side.SELL)]
    need, (seen,) = ask(lambda broker: broker.margin(orders), reply(200, {"total_margin": "41000.50"}))

    assert need.total == Decimal("41000.50")
    assert seen.path == "/v2/margincalculator/multi"
    assert (seen.json["includePosition"], seen.json["includeOrder"]) == (False, False)
    assert [leg["transactionType"] for leg in seen.json["scripList"]] == ["BUY", "SELL"]
    assert practice_broker("http://127.0.0.1:1/v2").margin([]).total == 0


def test_the_kill_switch_is_engaged_when_flat_and_checked():
    steps = [
        reply(200, [position_row(netQty=0)]),
        reply(200, [order_row()]),
        reply(200, {"killSwitchStatus": "Kill Switch has been successfully activated"}),
        reply(200, {"dhanClientId": "1", "killSwitchStatus": "ACTIVATE"}),
    ]
    _, seen = ask(lambda broker: broker.switch_off(), *steps)

    assert [(one.method, one.path) for one in seen][2:] == [
        ("POST", "/v2/killswitch?killSwitchStatus=ACTIVATE"),
        ("GET", "/v2/killswitch"),
    ]


@pytest.mark.parametrize(
    "steps",
    [
        [reply(200, [position_row(netQty=-65)])],
        [reply(200, []), reply(200, [order_row(orderStatus="PENDING", filledQty=0)])],
    ],
)
def test_the_kill_switch_is_not_asked_for_unless_flat(steps):
    reason, seen = refused(lambda broker: broker.switch_off(), OrderRefused, *steps)

    assert reason.code == "NOT_FLAT"
    assert not [one for one in seen if "killswitch" in one.path]


def test_a_kill_switch_that_is_not_seen_on_is_unknown():
    steps = [
        reply(200, []),
        reply(200, []),
        reply(200, {"killSwitchStatus": "ok"}),
        reply(200, {"killSwitchStatus": "DEACTIVATE"}),
    ]

    refused(lambda broker: broker.switch_off(), OutcomeUnknown, *steps)


def test_fm_A21_no_class_takes_the_other_s_right():
    practice = PracticeAccess("http://127.0.0.1:1/v2", lambda: WHO)
    live = LiveAccess("live", "https://api.dhan.co/v2", lambda: WHO)
    for kind, wrong in ((DhanBroker, practice), (SimulatorBroker, live)):
        with pytest.raises(ExecutionDenied):
            kind(wrong, clock=HandClock())
    for build in (
        lambda: LiveAccess("paper", "https://api.dhan.co/v2", lambda: WHO),
        lambda: LiveAccess("", "https://api.dhan.co/v2", lambda: WHO),
        lambda: LiveAccess("live", "http://127.0.0.1:1/v2", lambda: WHO),
        lambda: PracticeAccess("https://api.dhan.co/v2", lambda: WHO),
    ):
        with pytest.raises(ExecutionDenied):
            build()


# --- stops that rest at the broker ------------------------------------------------------------------------------


def test_a_protective_stop_is_a_single_forever_order():
    order = cleared(make_request(side=Side.SELL, limit_price="80.00"))
    placed, (seen,) = ask(
        lambda broker: DhanStops(broker).place_protective_stop(order, trigger_price=Decimal("81.00")),
        reply(200, {"orderId": "5", "orderStatus": "PENDING"}),
    )

    assert placed.order_id == "5"
    assert seen.path == "/v2/forever/orders"
    assert seen.json == {
        "dhanClientId": "1100000001",
        "orderFlag": "SINGLE",
        "transactionType": "SELL",
        "exchangeSegment": "NSE_FNO",
        "productType": "MARGIN",
        "orderType": "LIMIT",
        "validity": "DAY",
        "securityId": "35084",
        "quantity": 65,
        "disclosedQuantity": 0,
        "price": 80.0,
        "triggerPrice": 81.0,
        "price1": 0.0,
        "triggerPrice1": 0.0,
        "quantity1": 0,
        "correlationId": NAME,
    }


@pytest.mark.parametrize(("side", "trigger"), [(Side.SELL, "101.50"), (Side.BUY, "101.60"), (Side.SELL, "101.57")])
def test_a_stop_whose_limit_is_on_the_wrong_side_is_not_sent(side, trigger):
    order = cleared(make_request(side=side))
    _, seen = refused(
        lambda broker: DhanStops(broker).place_protective_stop(order, trigger_price=Decimal(trigger)), OrderRefused
    )

    assert seen == []


def test_fm_C5_a_stop_has_a_send_deadline_too():
    order = cleared(make_request(side=Side.SELL), at=990.0)
    _, seen = refused(
        lambda broker: DhanStops(broker).place_protective_stop(order, trigger_price=Decimal("102.00")), NotSent
    )

    assert seen == []


def test_stops_are_listed_with_a_closed_list_of_states():
    row = order_row(orderStatus="CONFIRM", triggerPrice=81.0, orderType="SINGLE", transactionType="SELL")
    (stop,), _ = ask(lambda broker: DhanStops(broker).protective_stops(), reply(200, [row]))

    assert (stop.state, stop.side, stop.quantity, stop.trigger_price) == (
        StopState.WAITING,
        Side.SELL,
        65,
        Decimal("81.0"),
    )
    refused(
        lambda broker: DhanStops(broker).protective_stops(), ReadFailed, reply(200, [order_row(orderStatus="ASLEEP")])
    )


def test_a_stop_is_cancelled_by_its_id():
    _, (seen,) = ask(lambda broker: DhanStops(broker).cancel_protective_stop("5"), reply(200, {"orderId": "5"}))

    assert (seen.method, seen.path) == ("DELETE", "/v2/forever/orders/5")
