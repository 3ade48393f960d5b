"""The real, unmodified dhanhq 2.3.0 REST classes against the simulated broker (dhan.md sections 3, 4, 8, 10, 11)."""

import time
import warnings
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from dhanhq import DhanContext, DhanLogin, dhanhq

from execution.simulator.access import totp
from execution.simulator.book import Happening, Listing, Ticket
from execution.simulator.faults import Call, Fault, Scripted
from execution.simulator.serving import RunningSimulator
from market.contract import Side

EXPIRY = "2026-11-23"
ORDER_KEYS = set(
    "dhanClientId orderId exchangeOrderId correlationId orderStatus transactionType exchangeSegment productType"  # noqa: SIM905
    " orderType validity tradingSymbol securityId quantity disclosedQuantity price triggerPrice afterMarketOrder"
    " boProfitValue boStopLossValue legName createTime updateTime exchangeTime drvExpiryDate drvOptionType"
    " drvStrikePrice omsErrorCode omsErrorDescription algoId remainingQuantity averageTradedPrice filledQty".split()
)


def place(api: dhanhq, option: Listing, **changes: Any) -> dict[str, Any]:
    """Buy one lot well inside the protected range, unless told otherwise."""
    asked = {
        "security_id": option.security_id,
        "exchange_segment": api.NSE_FNO,
        "transaction_type": api.BUY,
        "quantity": option.lot_size,
        "order_type": api.LIMIT,
        "product_type": api.MARGIN,
        "price": 180.0,
        "validity": "IOC",
        "tag": "LEG-1",
    }
    return api.place_order(**(asked | changes))


def ask(simulator: RunningSimulator, option: Listing) -> Decimal:
    """What the contract is offered at."""
    touch = simulator.call(lambda: simulator.exchange.touch(option, simulator.venue.now()))
    assert touch is not None
    return touch.ask


def settled(api: dhanhq, order_id: str) -> dict[str, Any]:
    """The order once nothing more can happen to it."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        row = api.get_order_by_id(order_id)["data"]
        if row["orderStatus"] not in {"TRANSIT", "PENDING"}:
            return row
        time.sleep(0.02)
    raise AssertionError("The order did not settle.")


def resting(api: dhanhq, option: Listing, **changes: Any) -> str:
    """Place a DAY order under the bid and wait until it rests."""
    order_id = place(api, option, price=130.0, validity="DAY", **changes)["data"]["orderId"]
    deadline = time.monotonic() + 5
    while api.get_order_by_id(order_id)["data"]["orderStatus"] != "PENDING":
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return str(order_id)


# --- orders ----------------------------------------------------------------------------------------------------------


def test_an_accepted_order_is_in_transit_and_trades_later_with_every_field(
    simulator: RunningSimulator, api: dhanhq, call_option: Listing
) -> None:
    offered = ask(simulator, call_option)

    answer = place(api, call_option)

    assert answer["status"] == "success"
    assert answer["remarks"] == ""
    assert answer["data"] == {"orderId": answer["data"]["orderId"], "orderStatus": "TRANSIT"}
    row = settled(api, answer["data"]["orderId"])
    assert row.keys() == ORDER_KEYS
    assert row["orderStatus"] == "TRADED"
    assert (row["filledQty"], row["remainingQuantity"], row["quantity"]) == (65, 0, 65)
    assert row["averageTradedPrice"] == float(offered)
    assert row["correlationId"] == "LEG-1"
    assert (row["drvOptionType"], row["drvStrikePrice"], row["drvExpiryDate"]) == ("CALL", 25950.0, EXPIRY)
    assert row["createTime"].startswith("2026-11-20 10:00:")


def test_order_list_and_lookup_by_correlation_id_show_the_same_row(api: dhanhq, call_option: Listing) -> None:
    assert api.get_order_list() == {"status": "success", "remarks": "", "data": []}

    order_id = place(api, call_option, tag="A B-1_2")["data"]["orderId"]  # the space travels percent-encoded

    row = settled(api, order_id)
    assert api.get_order_list()["data"] == [row]
    assert api.get_order_by_correlationID("A B-1_2")["data"] == row


def test_an_unknown_order_is_a_failure_with_a_dict_of_remarks(api: dhanhq) -> None:
    answer = api.get_order_by_correlationID("NOBODY")

    assert answer["status"] == "failure"
    assert answer["remarks"] == {
        "error_code": "DH-906",
        "error_type": "Order_Error",
        "error_message": "Order does not exist",
    }
    assert answer["data"] == ""


def test_fm_A9_two_orders_of_one_correlation_id_are_both_taken(
    simulator: RunningSimulator, api: dhanhq, call_option: Listing
) -> None:
    first, second = place(api, call_option)["data"]["orderId"], place(api, call_option)["data"]["orderId"]

    settled(api, first), settled(api, second)

    assert [row["orderId"] for row in api.get_order_list()["data"]] == [first, second]
    assert api.get_order_by_correlationID("LEG-1")["data"]["orderId"] == first


def test_fm_A10_a_correlation_id_of_26_characters_is_refused_without_a_field_name(
    api: dhanhq, call_option: Listing
) -> None:
    taken, refused = place(api, call_option, tag="x" * 25), place(api, call_option, tag="x" * 26)

    assert taken["status"] == "success"
    assert refused["remarks"]["error_code"] == "DH-905"
    assert refused["remarks"]["error_message"] == "Missing required fields, bad values for parameters etc."
    assert len(api.get_order_list()["data"]) == 1


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"quantity": 64}, "not a multiple of lot size 65"),
        ({"quantity": 1820}, "exceeds quantity freeze 1755"),
        ({"price": 160.03}, "not a multiple of tick size 0.0500"),
        ({"price": 400.0}, "beyond LPP limit"),
        ({"quantity": 1755, "transaction_type": "SELL", "price": 130.0, "product_type": "INTRADAY"}, ""),
    ],
)
def test_what_the_exchange_rejects_is_accepted_first(
    api: dhanhq, call_option: Listing, changes: dict[str, Any], words: str
) -> None:
    answer = place(api, call_option, **changes)

    assert answer["status"] == "success"
    row = settled(api, answer["data"]["orderId"])
    assert words in (row["omsErrorDescription"] or "")
    assert (row["orderStatus"] == "REJECTED") == bool(words)
    assert row["filledQty"] == 0 or not words


def test_an_order_beyond_the_money_is_rejected_by_the_risk_desk(
    simulator: RunningSimulator, api: dhanhq, call_option: Listing
) -> None:
    simulator.exchange.ledger.opening = Decimal(5_000)

    row = settled(api, place(api, call_option)["data"]["orderId"])

    assert row["orderStatus"] == "REJECTED"
    assert row["omsErrorCode"] == "RMS"
    assert "Required:11700.00, Available:5000.00 due to insufficient funds" in row["omsErrorDescription"]
    assert api.get_trade_book()["data"] == []


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"security_id": "1"}, "DH-905"),
        ({"product_type": "CNC"}, "DH-905"),
        ({"quantity": 0}, "DH-905"),
        ({"order_type": "STOP_LOSS"}, "DH-905"),
        ({"order_type": "STOP_LOSS_MARKET", "trigger_price": 190.0}, "DH-906"),
    ],
)
def test_what_the_front_door_refuses_never_becomes_an_order(
    simulator: RunningSimulator, api: dhanhq, call_option: Listing, changes: dict[str, Any], code: str
) -> None:
    answer = place(api, call_option, **changes)

    assert answer["status"] == "failure"
    assert answer["remarks"]["error_code"] == code
    assert simulator.exchange.every_order() == []


def test_a_market_order_comes_back_as_a_protected_limit(
    simulator: RunningSimulator, api: dhanhq, call_option: Listing
) -> None:
    offered = ask(simulator, call_option)

    row = settled(api, place(api, call_option, order_type="MARKET", price=0)["data"]["orderId"])

    assert row["orderType"] == "LIMIT"
    assert float(offered) < row["price"] <= float(offered) * 1.03
    assert row["averageTradedPrice"] == float(offered)


def test_slicing_answers_with_an_array_of_orders_under_the_freeze_quantity(api: dhanhq, call_option: Listing) -> None:
    answer = api.place_slice_order(
        call_option.security_id, api.NSE_FNO, api.BUY, 3575, api.LIMIT, api.MARGIN, 130.0, validity="DAY", tag="S"
    )

    assert [item["orderStatus"] for item in answer["data"]] == ["TRANSIT"] * 3
    assert [row["quantity"] for row in api.get_order_list()["data"]] == [1755, 1755, 65]


def test_modify_takes_the_total_quantity_and_25_changes_at_most(api: dhanhq, call_option: Listing) -> None:
    order_id = resting(api, call_option, quantity=130)

    for step in range(25):
        answer = api.modify_order(order_id, api.LIMIT, "ENTRY_LEG", 130, 131.0 + step / 20, 0, 0, "DAY")
        assert answer["data"] == {"orderId": order_id, "orderStatus": "TRANSIT"}
    refused = api.modify_order(order_id, api.LIMIT, "ENTRY_LEG", 130, 140.0, 0, 0, "DAY")

    assert refused["remarks"]["error_code"] == "DH-906"
    time.sleep(0.3)
    row = api.get_order_by_id(order_id)["data"]
    assert (row["quantity"], row["price"], row["orderStatus"]) == (130, 132.2, "PENDING")


def test_cancel_says_cancelled_before_it_is_and_refuses_what_has_ended(api: dhanhq, call_option: Listing) -> None:
    order_id = resting(api, call_option)

    answer = api.cancel_order(order_id)

    assert answer["data"] == {"orderId": order_id, "orderStatus": "CANCELLED"}
    assert settled(api, order_id)["orderStatus"] == "CANCELLED"
    again = api.cancel_order(order_id)
    assert again["remarks"]["error_code"] == "DH-906"
    assert again["remarks"]["error_message"] == "Nothing to Cancel . "


def test_the_trade_book_works_with_its_trailing_slash_and_by_order(api: dhanhq, call_option: Listing) -> None:
    order_id = place(api, call_option)["data"]["orderId"]
    row = settled(api, order_id)

    trades = api.get_trade_book()["data"]

    assert [(trade["orderId"], trade["tradedQuantity"]) for trade in trades] == [(order_id, 65)]
    assert trades[0]["tradedPrice"] == row["averageTradedPrice"]
    assert api.get_trade_book(order_id)["data"] == trades


# --- orders that wait ------------------------------------------------------------------------------------------------


def test_super_orders_carry_their_legs_and_a_stop_modified_without_its_trail_loses_it(
    api: dhanhq, call_option: Listing
) -> None:
    placed = api.place_super_order(
        call_option.security_id, api.NSE_FNO, api.BUY, 65, api.LIMIT, api.MARGIN, 130.0, 160.0, 110.0, 5.0, tag="SUP"
    )
    order_id = placed["data"]["orderId"]

    api.modify_super_order(order_id, api.LIMIT, "STOP_LOSS_LEG", stopLossPrice=112.0)

    (row,) = api.get_super_order_list()["data"]
    assert (row["orderId"], row["legName"], row["correlationId"]) == (order_id, "ENTRY_LEG", "SUP")
    legs = {leg["legName"]: leg for leg in row["legDetails"]}
    assert (legs["STOP_LOSS_LEG"]["price"], legs["STOP_LOSS_LEG"]["trailingJump"]) == (112.0, 0.0)
    assert (legs["TARGET_LEG"]["price"], legs["TARGET_LEG"]["totalQuatity"]) == (160.0, 65)
    api.modify_super_order(order_id, api.LIMIT, "TARGET_LEG", targetPrice=170.0)
    assert api.cancel_super_order(order_id, "ENTRY_LEG")["data"]["orderStatus"] == "CANCELLED"
    assert settled(api, order_id)["orderStatus"] == "CANCELLED"


def test_the_target_of_a_super_order_sells_what_the_entry_bought(
    simulator: RunningSimulator, api: dhanhq, call_option: Listing
) -> None:
    offered = float(ask(simulator, call_option))
    placed = api.place_super_order(
        call_option.security_id, api.NSE_FNO, api.BUY, 65, api.LIMIT, api.MARGIN, offered, offered + 0.05, 100.0, 5.0
    )
    settled(api, placed["data"]["orderId"])

    api.modify_super_order(placed["data"]["orderId"], api.LIMIT, "TARGET_LEG", targetPrice=100.0)

    deadline = time.monotonic() + 5
    while api.get_positions()["data"][0]["positionType"] != "CLOSED":
        assert time.monotonic() < deadline
        time.sleep(0.02)
    (row,) = api.get_super_order_list()["data"]
    assert row["orderStatus"] == "CLOSED"
    assert {leg["legName"]: leg["orderStatus"] for leg in row["legDetails"]} == {
        "TARGET_LEG": "TRIGGERED",
        "STOP_LOSS_LEG": "CANCELLED",
    }


def test_forever_orders_are_confirmed_listed_changed_and_cancelled(
    simulator: RunningSimulator, api: dhanhq, call_option: Listing
) -> None:
    placed = api.place_forever(
        call_option.security_id, api.NSE_FNO, api.SELL, api.MARGIN, api.LIMIT, 65, 400.0, 410.0, order_flag="OCO",
        price1=50.0, trigger_Price1=55.0, quantity1=65, tag="GTT",
    )  # fmt: skip
    order_id = placed["data"]["orderId"]
    assert placed["data"]["orderStatus"] == "PENDING"

    api.modify_forever(order_id, "OCO", api.LIMIT, "STOP_LOSS_LEG", 65, 40.0, 45.0, 0, "DAY")

    rows = api.get_forever()["data"]
    assert [(row["legName"], row["triggerPrice"], row["price"]) for row in rows] == [
        ("TARGET_LEG", 410.0, 400.0),
        ("STOP_LOSS_LEG", 45.0, 40.0),
    ]
    assert {(row["orderStatus"], row["orderType"]) for row in rows} == {("CONFIRM", "OCO")}
    assert api.dhan_http.get("/forever/all")["data"] == rows  # the documents name both paths
    assert api.cancel_forever(order_id)["data"]["orderStatus"] == "CANCELLED"
    assert simulator.exchange.every_order() == []


def test_conditional_orders_speak_utc_and_fire_on_a_price(api: dhanhq, call_option: Listing) -> None:
    condition = {
        "comparisonType": "PRICE_WITH_VALUE",
        "exchangeSegment": "IDX_I",
        "securityId": "13",
        "operator": "LESS_THAN",
        "comparingValue": 1,
        "frequency": "ONCE",
    }
    order = {
        "transactionType": "BUY",
        "exchangeSegment": "NSE_FNO",
        "productType": "MARGIN",
        "orderType": "LIMIT",
        "securityId": call_option.security_id,
        "quantity": 65,
        "validity": "DAY",
        "price": "180",
        "discQuantity": "0",
        "triggerPrice": "0",
    }
    placed = api.place_conditional_order(condition, [order])
    alert_id = placed["data"]["alertId"]
    assert placed["data"] == {"alertId": alert_id, "alertStatus": "ACTIVE"}
    assert api.get_conditional_order(alert_id)["data"]["createdTime"].endswith("Z")

    api.modify_conditional_order(alert_id, condition | {"operator": "GREATER_THAN"}, [order])

    deadline = time.monotonic() + 5
    while api.get_conditional_orders()["data"][0]["alertStatus"] != "TRIGGERED":
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert [row["securityId"] for row in api.get_order_list()["data"]] == [call_option.security_id]
    assert api.cancel_conditional_order(alert_id)["data"]["alertStatus"] == "CANCELLED"


def test_a_batch_answers_by_sequence(api: dhanhq, call_option: Listing) -> None:
    row = {
        "transactionType": "BUY",
        "exchangeSegment": "NSE_FNO",
        "productType": "MARGIN",
        "orderType": "LIMIT",
        "validity": "IOC",
        "securityId": call_option.security_id,
        "quantity": 65,
        "price": 180.0,
    }

    answer = api.dhan_http.post("/alerts/multi/orders", {"orders": [row | {"sequence": "1"}, row | {"sequence": "2"}]})

    assert [item["sequence"] for item in answer["data"]["orders"]] == ["1", "2"]


# --- portfolio -------------------------------------------------------------------------------------------------------


def test_positions_are_units_signed_only_in_net_quantity(api: dhanhq, call_option: Listing) -> None:
    row = settled(api, place(api, call_option, transaction_type="SELL", price=130.0)["data"]["orderId"])

    (position,) = api.get_positions()["data"]

    assert (position["positionType"], position["netQty"], position["sellQty"], position["buyQty"]) == (
        "SHORT",
        -65,
        65,
        0,
    )
    assert position["sellAvg"] == position["costPrice"] == row["averageTradedPrice"]
    assert position["drvExpiryDate"] == EXPIRY


def test_a_conversion_that_succeeds_looks_like_a_failure(
    simulator: RunningSimulator, api: dhanhq, call_option: Listing
) -> None:
    settled(api, place(api, call_option)["data"]["orderId"])

    answer = api.convert_position("MARGIN", "NSE_FNO", "LONG", call_option.security_id, 65, "INTRADAY")

    assert answer == {"status": "failure", "remarks": "Expecting value: line 1 column 1 (char 0)", "data": ""}
    rows = {row["productType"]: row["netQty"] for row in api.get_positions()["data"]}
    assert rows == {"MARGIN": 0, "INTRADAY": 65}


def test_exit_all_closes_positions_and_cancels_open_orders(api: dhanhq, call_option: Listing) -> None:
    settled(api, place(api, call_option)["data"]["orderId"])
    left = resting(api, call_option)

    answer = api.exit_all_positions()

    assert answer["data"] == {"status": "SUCCESS", "message": "All orders and positions exited successfully"}
    assert api.get_order_by_id(left)["data"]["orderStatus"] == "CANCELLED"
    deadline = time.monotonic() + 5
    while api.get_positions()["data"][0]["netQty"]:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_an_account_without_holdings_answers_with_an_error(simulator: RunningSimulator, api: dhanhq) -> None:
    answer = api.get_holdings()

    assert answer["remarks"]["error_code"] == "DH-1111"
    simulator.venue.switches.empty_holdings_error = False
    assert api.get_holdings()["data"] == []


def test_funds_carry_the_misspelled_names_of_the_wire(api: dhanhq, call_option: Listing) -> None:
    row = settled(api, place(api, call_option)["data"]["orderId"])

    funds = api.get_fund_limits()["data"]

    assert funds["availabelBalance"] == pytest.approx(10_000_000 - 65 * row["averageTradedPrice"])
    assert {"sodLimit", "collateralAmount", "receiveableAmount", "utilizedAmount"} < funds.keys()


def test_margin_of_one_order_has_a_textual_leverage(api: dhanhq, call_option: Listing) -> None:
    answer = api.margin_calculator(call_option.security_id, "NSE_FNO", "SELL", 65, "MARGIN", 160.0)["data"]

    assert answer["totalMargin"] == pytest.approx(65 * 25950 * (0.093 + 0.02))
    assert isinstance(answer["leverage"], str)
    assert answer["availableBalance"] == 10_000_000.0


def test_margin_of_a_spread_shows_its_hedge_benefit_in_both_spellings(
    simulator: RunningSimulator, api: dhanhq, call_option: Listing
) -> None:
    wing = next(
        one for one in simulator.venue.listings.values()
        if one.contract.strike == 26050 and one.contract.underlying == "NIFTY" and one.expiry == call_option.expiry
        and one.contract.option_type is call_option.contract.option_type
    )  # fmt: skip
    shared = {"exchangeSegment": "NSE_FNO", "quantity": 65, "productType": "MARGIN", "triggerPrice": 0}
    legs = [
        shared | {"transactionType": "SELL", "securityId": call_option.security_id, "price": 160.0},
        shared | {"transactionType": "BUY", "securityId": wing.security_id, "price": 100.0},
    ]

    answer = api.margin_calculator_multi(legs)["data"]

    assert answer == api.dhan_http.post("/margincalculator/multi", {"includeOrders": False, "scripts": legs})["data"]
    assert answer["total_margin"] == f"{65 * 25950 * 0.02 + 65 * 100 + 65 * 100:.2f}"
    assert float(answer["hedge_benefit"]) == pytest.approx(65 * 25950 * 0.093 - 65 * 100, abs=0.01)


def test_the_kill_switch_is_refused_until_flat_and_then_stops_orders(api: dhanhq, call_option: Listing) -> None:
    left = resting(api, call_option)
    refused = api.kill_switch("activate")
    assert refused["remarks"]["error_code"] == "DH-906"
    api.cancel_order(left)
    settled(api, left)

    answer = api.kill_switch("activate")

    assert answer["data"]["killSwitchStatus"] == "Kill Switch has been successfully activated"
    assert api.status_kill_switch()["data"]["killSwitchStatus"] == "ACTIVATE"
    assert place(api, call_option)["status"] == "failure"
    assert api.kill_switch("deactivate")["status"] == "success"
    assert place(api, call_option)["status"] == "success"


def test_the_pnl_exit_is_set_shown_and_stopped(api: dhanhq) -> None:
    assert api.set_pnl_exit(1500.0, 500.0, ["INTRADAY"])["data"]["pnlExitStatus"] == "ACTIVE"

    assert api.get_pnl_exit()["data"] == {
        "pnlExitStatus": "ACTIVE",
        "profit": "1500.00",
        "loss": "500.00",
        "productType": ["INTRADAY"],
        "enable_kill_switch": False,
    }
    assert api.stop_pnl_exit()["data"]["pnlExitStatus"] == "DISABLED"


def test_edis_answers_and_its_pin_raises_inside_the_package(api: dhanhq) -> None:
    with pytest.raises(TypeError):
        api.generate_tpin()  # 202 without a body (dhan.md 3.3)

    assert api.edis_inquiry("ALL")["data"]["status"] == "SUCCESS"


def test_ledger_amounts_are_text_and_other_days_are_empty(api: dhanhq) -> None:
    rows = api.ledger_report("2026-11-01", "2026-11-30")["data"]

    assert {"narration", "voucherdate", "debit", "credit", "runbal"} <= rows[0].keys()
    assert rows[0]["runbal"] == "10000000.00"
    assert api.ledger_report("2026-10-01", "2026-10-31")["data"] == []


def test_trade_history_says_na_and_ends_with_an_empty_page(api: dhanhq, call_option: Listing) -> None:
    settled(api, place(api, call_option)["data"]["orderId"])

    (row,) = api.get_trade_history("2026-11-20", "2026-11-20", 0)["data"]

    assert (row["createTime"], row["drvOptionType"], row["tradingSymbol"]) == ("NA", "NA", None)
    assert api.get_trade_history("2026-11-20", "2026-11-20", 1)["data"] == []


# --- market data -----------------------------------------------------------------------------------------------------


def test_quotes_are_nested_twice_and_keyed_by_text(api: dhanhq, call_option: Listing) -> None:
    wanted = {"NSE_FNO": [int(call_option.security_id), 99_999_999], "IDX_I": [13]}

    prices, days, quotes = (call(wanted)["data"]["data"] for call in (api.ticker_data, api.ohlc_data, api.quote_data))

    assert prices["NSE_FNO"].keys() == {call_option.security_id}  # unknown ids are absent
    assert 25_000 < prices["IDX_I"]["13"]["last_price"] < 27_000
    assert days["IDX_I"]["13"]["ohlc"].keys() == {"open", "close", "high", "low"}
    quote = quotes["NSE_FNO"][call_option.security_id]
    assert len(quote["depth"]["buy"]) == len(quote["depth"]["sell"]) == 5
    assert quote["depth"]["buy"][0]["price"] < quote["depth"]["sell"][0]["price"]
    assert quote["oi"] > 0


def test_the_chain_has_strikes_with_six_decimals_and_ids_that_can_be_traded(
    simulator: RunningSimulator, api: dhanhq, call_option: Listing
) -> None:
    assert api.expiry_list(13, "IDX_I")["data"]["data"][0] == EXPIRY

    chain = api.option_chain(13, "IDX_I", EXPIRY)["data"]["data"]

    side = chain["oc"]["25950.000000"]["ce"]
    assert str(side["security_id"]) == call_option.security_id
    assert side["top_bid_price"] < side["top_ask_price"]
    assert 0 < side["greeks"]["delta"] < 1
    assert 5 < side["implied_volatility"] < 60  # in per cent


def test_candles_are_columns_with_true_utc_stamps(api: dhanhq, call_option: Listing) -> None:
    minutes = api.intraday_minute_data(
        call_option.security_id, "NSE_FNO", "OPTIDX", "2026-11-20 09:15:00", "2026-11-20 09:45:00", interval=5
    )["data"]
    days = api.historical_daily_data("13", "IDX_I", "INDEX", "2026-11-16", "2026-11-20")["data"]

    assert minutes["timestamp"][0] == int(datetime(2026, 11, 20, 3, 45, tzinfo=UTC).timestamp())
    assert len(minutes["open"]) == len(minutes["close"]) == 6
    assert [datetime.fromtimestamp(stamp, UTC).strftime("%d %H:%M") for stamp in days["timestamp"]] == [
        f"{day} 18:30" for day in (15, 16, 17, 18)
    ]  # midnight in India, and the last day is exclusive


def test_rolling_options_fill_one_side_and_leave_the_other_null(api: dhanhq) -> None:
    answer = api.expired_options_data(
        13, "NSE_FNO", "OPTIDX", "WEEK", 1, "ATM+1", "CALL", ["close", "strike", "spot"], "2026-11-19", "2026-11-20", 60
    )["data"]["data"]

    assert answer["pe"] is None
    assert len(answer["ce"]["strike"]) == len(answer["ce"]["timestamp"]) == 7
    assert answer["ce"]["iv"] == []
    assert all(
        0 < strike - spot <= 100 for strike, spot in zip(answer["ce"]["strike"], answer["ce"]["spot"], strict=True)
    )


def test_the_security_list_is_the_market_sources_master(
    simulator: RunningSimulator, tmp_path: Path, call_option: Listing
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pandas' mixed types, as on the real file
        compact = dhanhq.fetch_security_list("compact", str(tmp_path / "compact.csv"))
        detailed = dhanhq.fetch_security_list("detailed", str(tmp_path / "detailed.csv"))

    row = compact[compact["SEM_SMST_SECURITY_ID"] == int(call_option.security_id)].iloc[0]
    assert (row["SEM_CUSTOM_SYMBOL"], row["SEM_TICK_SIZE"]) == ("NIFTY 23 NOV 25950 CALL", 5.0)
    row = detailed[detailed["SECURITY_ID"] == int(call_option.security_id)].iloc[0]
    assert (row["UNDERLYING_SECURITY_ID"], row["SM_FREEZE_QTY"], row["UNDERLYING_SYMBOL"]) == (26000, 1756, "NIFTY")


# --- tokens, addresses, limits ---------------------------------------------------------------------------------------


def test_a_dead_token_looks_different_on_each_kind_of_path(
    simulator: RunningSimulator, api: dhanhq, call_option: Listing
) -> None:
    simulator.call(lambda: simulator.venue.access.expire(simulator.venue.now()))

    write, read, data = place(api, call_option), api.get_order_list(), api.ticker_data({"IDX_I": [13]})

    assert (write["remarks"]["error_code"], write["remarks"]["error_message"]) == ("DH-906", "Invalid Token")
    assert read["remarks"]["error_code"] == "DH-901"
    assert data["remarks"] == {"error_code": None, "error_type": None, "error_message": None}  # its text is lost
    assert simulator.exchange.every_order() == []


def test_pin_and_totp_make_a_token_that_kills_the_old_one(
    simulator: RunningSimulator, api: dhanhq, context: DhanContext
) -> None:
    access, login = simulator.venue.access, DhanLogin(simulator.venue.client_id)
    wrong = login.generate_token(access.pin, "000000")
    assert wrong == {"status": "error", "message": "Invalid TOTP"}  # and that with status 200

    made = login.generate_token(access.pin, totp(access.totp_secret, simulator.venue.now()))

    assert made["expiryTime"].startswith("2026-11-21T10:00:")
    assert api.get_order_list()["remarks"]["error_code"] == "DH-901"
    fresh = dhanhq(DhanContext(simulator.venue.client_id, made["accessToken"]))
    assert fresh.get_order_list()["data"] == []
    fresh.dhan_http.session.close()
    again = login.generate_token(access.pin, totp(access.totp_secret, simulator.venue.now()))
    assert again["message"] == "Token can be generated once every 2 minutes"


def test_renewing_a_live_token_replaces_it_and_a_dead_one_cannot_be_renewed(simulator: RunningSimulator) -> None:
    login, old = DhanLogin(simulator.venue.client_id), simulator.venue.access.token

    renewed = login.renew_token(old)

    assert renewed["accessToken"] == simulator.venue.access.token != old
    assert login.user_profile(renewed["accessToken"])["tokenValidity"].startswith("21/11/2026 10:0")
    with pytest.raises(Exception, match="DH-901"):
        login.user_profile(old)


def test_addresses_are_set_once_in_seven_days(simulator: RunningSimulator) -> None:
    login, token = DhanLogin(simulator.venue.client_id), simulator.venue.access.token

    saved = login.set_ip(token, "10.0.0.1", "PRIMARY")

    assert saved["data"] == {"message": "IP saved successfully", "status": "SUCCESS"}
    assert login.modify_ip(token, "10.0.0.2", "PRIMARY")["status"] == "failure"
    assert login.get_ip(token)["data"]["primaryIP"] == "10.0.0.1"


def test_fm_A15_a_foreign_address_may_read_and_may_not_trade(
    simulator: RunningSimulator, api: dhanhq, call_option: Listing
) -> None:
    simulator.venue.access.address_allowed = False

    refused, read = place(api, call_option), api.get_order_list()

    assert refused["remarks"]["error_code"] == "DH-905"
    assert "Invalid IP" in refused["remarks"]["error_message"]
    assert read["data"] == []


def test_fm_A5_the_eleventh_order_in_a_second_is_refused_in_the_trading_shape(
    simulator: RunningSimulator, api: dhanhq, call_option: Listing
) -> None:
    simulator.venue.limits.active = True

    answers = [place(api, call_option, tag=f"N{number}") for number in range(11)]

    assert [answer["status"] for answer in answers] == ["success"] * 10 + ["failure"]
    assert answers[-1]["remarks"]["error_code"] == "DH-904"
    assert len(simulator.exchange.every_order()) == 10


def test_a_second_quote_in_a_second_is_refused_in_the_data_shape(simulator: RunningSimulator, api: dhanhq) -> None:
    simulator.venue.limits.active = True

    first, second = api.ticker_data({"IDX_I": [13]}), api.quote_data({"IDX_I": [13]})

    assert first["status"] == "success"
    assert second["remarks"] == {"error_code": None, "error_type": None, "error_message": None}


# --- faults ----------------------------------------------------------------------------------------------------------


def script(simulator: RunningSimulator, fault: Fault, call: Call, seconds: float | None = None) -> None:
    """The next call of that kind meets the fault."""
    simulator.call(lambda: simulator.plan.add(Scripted(fault, call, 1, seconds)))


@pytest.mark.parametrize(
    ("fault", "orders", "status"),
    [
        (Fault.DROP_REQUEST, 0, "failure"),
        (Fault.ACCEPT_THEN_CLOSE, 1, "failure"),
        (Fault.DUPLICATE_ACCEPT, 2, "success"),
        (Fault.SERVER_ERROR_BEFORE, 0, "failure"),
        (Fault.SERVER_ERROR_AFTER, 1, "failure"),
        (Fault.NOT_JSON, 1, "failure"),
        (Fault.NO_ORDER_ID, 1, "success"),
        (Fault.ERROR_IN_OK, 0, "success"),
        (Fault.TOO_MANY_REQUESTS, 0, "failure"),
        (Fault.INVALID_IP, 0, "failure"),
        (Fault.DH_908, 0, "failure"),
    ],
)
def test_fm_A1_A2_A4_A9_what_an_answer_says_is_not_what_happened(
    simulator: RunningSimulator, api: dhanhq, call_option: Listing, fault: Fault, orders: int, status: str
) -> None:
    script(simulator, fault, Call.PLACE)

    answer = place(api, call_option)

    assert answer["status"] == status
    assert not (answer["data"] or {}).get("orderId") or fault is Fault.DUPLICATE_ACCEPT
    assert len(simulator.exchange.every_order()) == orders


def test_fm_A3_a_late_request_arrives_after_the_client_gave_up(
    simulator: RunningSimulator, api: dhanhq, call_option: Listing
) -> None:
    script(simulator, Fault.LATE_ARRIVAL, Call.PLACE, seconds=0.4)

    answer = place(api, call_option)

    assert answer["status"] == "failure"
    assert api.get_order_by_correlationID("LEG-1")["status"] == "failure"
    time.sleep(0.8)
    assert api.get_order_by_correlationID("LEG-1")["data"]["orderStatus"] == "TRADED"


def test_fm_A8_a_dripping_answer_outlives_a_socket_timeout(
    simulator: RunningSimulator, api: dhanhq, call_option: Listing
) -> None:
    script(simulator, Fault.SLOW_DRIP, Call.PLACE, seconds=2.0)
    api.dhan_http.timeout = 1.5  # between bytes, not in all
    began = time.monotonic()

    answer = place(api, call_option)

    assert answer["status"] == "success"
    assert time.monotonic() - began > 1.9


def test_fm_A12_A13_reads_lag_fail_and_are_cut(simulator: RunningSimulator, api: dhanhq, call_option: Listing) -> None:
    for number in range(4):
        settled(api, place(api, call_option, tag=f"N{number}")["data"]["orderId"])
    script(simulator, Fault.TRUNCATED_BOOK, Call.BOOK)
    assert len(api.get_order_list()["data"]) == 2
    script(simulator, Fault.STALE_BOOK, Call.BOOK, seconds=3600.0)
    assert api.get_order_list()["data"] == []
    script(simulator, Fault.LOOKUP_ERROR, Call.BOOK)
    assert api.get_order_list()["status"] == "failure"
    script(simulator, Fault.LOOKUP_MISSES, Call.LOOKUP)
    assert api.get_order_by_correlationID("N1")["status"] == "failure"
    script(simulator, Fault.WRONG_CASING, Call.BOOK)
    assert {row["orderStatus"] for row in api.get_order_list()["data"]} == {"Traded"}
    script(simulator, Fault.LOOKUP_LAG, Call.FATE, seconds=0.5)
    place(api, call_option, tag="LAG")

    hidden = api.get_order_by_correlationID("LAG")

    assert hidden["status"] == "failure"
    time.sleep(0.6)
    assert api.get_order_by_correlationID("LAG")["status"] == "success"


def test_fm_A16_a_cancel_can_be_lost_or_lose_against_a_fill(
    simulator: RunningSimulator, api: dhanhq, call_option: Listing
) -> None:
    lost, filled = resting(api, call_option), resting(api, call_option)
    script(simulator, Fault.CANCEL_LOST, Call.CANCEL)
    assert api.cancel_order(lost)["data"]["orderStatus"] == "CANCELLED"
    script(simulator, Fault.FILL_ON_CANCEL, Call.CANCEL)
    assert api.cancel_order(filled)["data"]["orderStatus"] == "CANCELLED"

    row = settled(api, filled)

    assert (row["orderStatus"], row["filledQty"]) == ("TRADED", 65)
    assert api.get_order_by_id(lost)["data"]["orderStatus"] == "PENDING"


def test_faults_are_switched_and_the_journal_is_read_over_http(
    simulator: RunningSimulator, api: dhanhq, call_option: Listing
) -> None:
    http = api.dhan_http
    http.base_url = simulator.addresses.console
    set_up = http.post("/faults", {"script": [{"fault": "REJECT_LEG", "nth": 2}], "switches": {"pascal_updates": True}})
    assert [line["nth"] for line in set_up["data"]["script"]] == [2]
    assert set_up["data"]["switches"]["pascal_updates"] is True
    http.base_url = simulator.addresses.base
    statuses = [settled(api, place(api, call_option, tag=tag)["data"]["orderId"])["orderStatus"] for tag in ("A", "B")]
    assert statuses == ["TRADED", "REJECTED"]
    http.base_url = simulator.addresses.console

    journal = http.get("/journal")["data"]

    assert [entry["kind"] for entry in journal if entry["correlation_id"] == "B"] == ["SUBMITTED", "REJECTED"]
    assert http.post("/faults", {"rates": {"NO_SUCH": 1}})["status"] == "failure"
    http.post("/act/foreign-order", {})
    assert simulator.exchange.every_order()[-1].ticket.source == "N"


def test_fm_A14_a_token_can_die_between_two_orders(
    simulator: RunningSimulator, api: dhanhq, call_option: Listing
) -> None:
    simulator.call(lambda: simulator.plan.add(Scripted(Fault.TOKEN_EXPIRED, Call.SESSION, 2)))

    first, second = place(api, call_option, tag="A"), place(api, call_option, tag="B")

    assert first["status"] == "success"
    assert second["remarks"]["error_message"] == "Invalid Token"
    assert [order.correlation_id for order in simulator.exchange.every_order()] == ["A"]


def test_fm_B6_an_order_by_hand_has_no_correlation_id(
    simulator: RunningSimulator, api: dhanhq, call_option: Listing
) -> None:
    ticket = Ticket("NSE_FNO", call_option.security_id, Side.BUY, 65, Decimal(180), source="N")

    simulator.call(lambda: simulator.exchange.submit(ticket, simulator.venue.now()))

    (row,) = api.get_order_list()["data"]
    assert row["correlationId"] is None
    assert simulator.exchange.journal[0].kind is Happening.SUBMITTED
