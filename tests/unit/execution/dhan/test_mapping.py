"""Our words into Dhan's and back: closed enums, exact numbers, nothing defaulted."""

import json
from datetime import datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from execution.brokers.dhan.answers import Answer, content
from execution.brokers.dhan.mapping import (
    OrderHint,
    broker_orders,
    broker_positions,
    broker_trades,
    funds,
    margin_list,
    margin_need,
    order_hint,
    place_arguments,
)
from execution.errors import OrderRefused, ReadFailed
from execution.ports import BrokerOrder, BrokerPosition, BrokerTrade, OrderStatus, Validity
from market.calendar import IST
from market.contract import Side
from tests.unit.execution.dhan.orders import make_request, order_row, position_row, trade_row


def through_json(value):
    """What the adapter sees: exact decimals instead of floats."""
    return content(Answer(200, json.dumps(value).encode()))


def test_an_order_becomes_plain_arguments():
    arguments = place_arguments(make_request(side=Side.SELL, quantity=130, validity=Validity.DAY))

    assert arguments == {
        "security_id": "35084",
        "exchange_segment": "NSE_FNO",
        "transaction_type": "SELL",
        "quantity": 130,
        "order_type": "LIMIT",
        "product_type": "MARGIN",
        "price": 101.55,
        "validity": "DAY",
        "tag": "P00000001a01-abcdef",
    }
    assert {type(value) for value in arguments.values()} == {str, int, float}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"correlation_id": "x" * 26}, "CORRELATION"),
        ({"correlation_id": "with space"}, "CORRELATION"),
        ({"correlation_id": ""}, "CORRELATION"),
        ({"segment": "MCX_COMM"}, "SEGMENT"),
        ({"segment": "nse_fno"}, "SEGMENT"),
        ({"security_id": "35084/x"}, "SECURITY_ID"),
        ({"security_id": ""}, "SECURITY_ID"),
        ({"quantity": 64}, "LOT"),
        ({"quantity": 0}, "LOT"),
        ({"quantity": -65}, "LOT"),
        ({"lot_size": 0}, "LOT"),
        ({"limit_price": "101.52"}, "TICK"),
        ({"limit_price": "0"}, "TICK"),
        ({"limit_price": "-5"}, "TICK"),
        ({"limit_price": "NaN"}, "TICK"),
        ({"limit_price": "Infinity"}, "TICK"),
        ({"limit_price": "10000000"}, "TICK"),
    ],
)
def test_fm_A10_A11_what_dhan_would_refuse_without_naming_the_field_is_refused_here(change, code):
    with pytest.raises(OrderRefused) as caught:
        place_arguments(make_request(**change))

    assert caught.value.reason.code == code


@given(st.text(max_size=40))
def test_fm_A10_no_other_correlation_id_passes(text):
    legal = 1 <= len(text) <= 25 and all(c.isascii() and (c.isalnum() or c in "_-") for c in text)
    try:
        place_arguments(make_request(text))
    except OrderRefused:
        assert not legal
    else:
        assert legal


def test_an_order_row_is_read_whole():
    (order,) = broker_orders(through_json([order_row()]))

    assert order == BrokerOrder(
        order_id="112111182198",
        correlation_id="P00000001a01-abcdef",
        status=OrderStatus.TRADED,
        quantity=65,
        filled_quantity=65,
        average_price=Decimal("101.5"),
        reason="",
        segment="NSE_FNO",
        security_id="35084",
        side=Side.BUY,
        limit_price=Decimal("101.55"),
        placed_at=datetime(2026, 11, 23, 10, 31, 2, tzinfo=IST),
    )


def test_a_rejected_order_says_why_and_an_unfilled_one_has_no_price():
    row = order_row(
        orderStatus="Rejected",
        filledQty=0,
        averageTradedPrice=0.0,
        correlationId=None,
        omsErrorDescription="RMS: insufficient funds",
    )
    (order,) = broker_orders(through_json([row]))

    assert (order.status, order.average_price, order.correlation_id) == (OrderStatus.REJECTED, None, "")
    assert order.reason == "RMS: insufficient funds"


@pytest.mark.parametrize("status", list(OrderStatus))
def test_fm_A19_every_status_is_known_in_either_casing(status):
    filled = 65 if status is OrderStatus.TRADED else 0
    for word in (status.value, status.value.title(), status.value.lower()):
        (order,) = broker_orders(through_json([order_row(orderStatus=word, filledQty=filled)]))
        assert order.status is status


@pytest.mark.parametrize("word", ["CONFIRM", "CLOSED", "TRIGGERED", "INACTIVE", "EXECUTED", "", " ", None, 7])
def test_fm_A19_an_unknown_status_fails_the_read(word):
    with pytest.raises(ReadFailed):
        broker_orders(through_json([order_row(), order_row(orderStatus=word)]))


@pytest.mark.parametrize(
    "change",
    [
        {"filledQty": 66},
        {"filledQty": -1},
        {"filledQty": 0.5},
        {"filledQty": None},
        {"filledQty": True},
        {"filledQty": 64},
        {"filledQty": 65, "averageTradedPrice": 0.0},
        {"filledQty": 65, "averageTradedPrice": None},
        {"averageTradedPrice": -1},
        {"averageTradedPrice": 1e9},
        {"averageTradedPrice": "1e999"},
        {"averageTradedPrice": "NaN"},
        {"averageTradedPrice": "Infinity"},
        {"averageTradedPrice": [1]},
        {"quantity": 0},
        {"quantity": "many"},
        {"quantity": 1e300},
        {"orderId": None},
        {"orderId": ""},
        {"securityId": None},
        {"transactionType": "HOLD"},
        {"createTime": "yesterday"},
    ],
)
def test_fm_B7_B14_a_row_nobody_may_act_on_fails_the_read(change):
    with pytest.raises(ReadFailed):
        broker_orders(through_json([order_row(**change)]))


def test_fm_B7_an_overfill_has_a_code_of_its_own():
    with pytest.raises(ReadFailed) as caught:
        broker_orders(through_json([order_row(filledQty=130)]))

    assert caught.value.reason.code == "OVERFILL"


def test_fm_B14_nan_in_the_body_fails_the_read():
    body = json.dumps([order_row()]).replace("101.5,", "NaN,").encode()

    with pytest.raises(ReadFailed):
        content(Answer(200, body))


@pytest.mark.parametrize("value", ["text", 7, [[]], [{}], [order_row(), None], [None]])
def test_fm_A13_what_is_no_list_of_rows_fails_the_read(value):
    with pytest.raises(ReadFailed):
        broker_orders(value)


def test_trades_are_read_from_a_list_or_one_object_and_count_once():
    trade = BrokerTrade("112111182198", "15112345", 65, Decimal("101.5"), datetime(2026, 11, 23, 10, 31, 3, tzinfo=IST))

    assert broker_trades(through_json([trade_row()])) == [trade]
    assert broker_trades(through_json(trade_row())) == [trade]
    assert broker_trades(through_json([trade_row(), trade_row()])) == [trade]
    assert broker_trades([]) == []


@pytest.mark.parametrize(
    "change",
    [
        {"tradedQuantity": 0},
        {"tradedPrice": 0},
        {"tradedPrice": -3},
        {"exchangeTradeId": None},
        {"exchangeTime": None, "createTime": "NA"},
    ],
)
def test_a_trade_that_lacks_something_fails_the_read(change):
    with pytest.raises(ReadFailed):
        broker_trades(through_json([trade_row(**change)]))


def test_positions_keep_their_sign_and_closed_ones_are_left_out():
    value = [position_row(), position_row(securityId="1", netQty=-130), position_row(securityId="2", netQty=0)]

    assert broker_positions(through_json(value)) == [
        BrokerPosition("NSE_FNO", "35084", "MARGIN", 65),
        BrokerPosition("NSE_FNO", "1", "MARGIN", -130),
    ]
    with pytest.raises(ReadFailed):
        broker_positions(through_json([position_row(netQty=None)]))


def test_funds_and_margin_in_every_spelling():
    assert funds(through_json({"availabelBalance": 98440.0})).available == Decimal("98440.0")
    assert funds(through_json({"availabelBalance": -12.5})).available == Decimal("-12.5")
    assert margin_need(through_json({"total_margin": "150234.55", "hedge_benefit": "1"})).total == Decimal("150234.55")
    assert margin_need(through_json({"totalMargin": 2800.0})).total == Decimal("2800.0")


@pytest.mark.parametrize("value", [{}, [], {"availabelBalance": None}, {"availabelBalance": "NaN"}, "x"])
def test_funds_that_are_not_there_are_not_zero(value):
    with pytest.raises(ReadFailed):
        funds(value)


@pytest.mark.parametrize("value", [{}, {"total_margin": "-5"}, {"total_margin": ""}, [], {"totalMargin": True}])
def test_a_margin_that_is_not_there_is_not_zero(value):
    with pytest.raises(ReadFailed):
        margin_need(value)


def test_the_margin_list_speaks_dhan():
    assert margin_list([make_request(side=Side.SELL)]) == [
        {
            "exchangeSegment": "NSE_FNO",
            "transactionType": "SELL",
            "quantity": 65,
            "productType": "MARGIN",
            "securityId": "35084",
            "price": 101.55,
            "triggerPrice": 0.0,
        }
    ]


def test_fm_A19_a_hint_with_both_casings_believes_the_live_one():
    data = {"OrderNo": "1", "orderNo": "2", "Status": "PENDING", "status": "Traded", "tradedQty": 65, "TradedQty": 0}

    assert order_hint(json.dumps({"Data": data, "Type": "order_alert"})) == OrderHint("2", "", OrderStatus.TRADED, 65)


KEYS = st.sampled_from(["Type", "Data", "orderNo", "status", "tradedQty"]) | st.text(max_size=5)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10)
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner), max_leaves=20)


@given(JSON)
def test_fm_B8_no_message_breaks_the_reader(value):
    order_hint(json.dumps(value))
    order_hint(json.dumps({"Type": "order_alert", "Data": value}))


@given(st.binary(max_size=200) | st.text(max_size=200))
def test_fm_B8_no_bytes_break_the_reader(message):
    order_hint(message)
