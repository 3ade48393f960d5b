"""What a broker's list of stops and its order book say together."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from execution.ports import BrokerOrder, OrderStatus
from execution.resting import Finding, ProtectiveStop, StopState, Terms, finding, on_the_list, order_of, stop_prices
from market.contract import Side

NOW = datetime(2026, 1, 30, 6, 30, tzinfo=UTC)
TERMS = Terms("S1-1-abcdef", "", "NSE_FNO", "11", 500, Decimal("59.85"), Decimal("65.85"), NOW)
ROW = ProtectiveStop(
    "51", "", StopState.WAITING, "NSE_FNO", "11", Side.BUY, 500, Decimal("59.85"), Decimal("65.85")
)  # fmt: skip
ORDER = BrokerOrder(
    "9", "", OrderStatus.TRADED, 500, 500, Decimal(61), "", "NSE_FNO", "11", Side.BUY, Decimal("65.85"),
    NOW + timedelta(minutes=1),
)  # fmt: skip


@pytest.mark.parametrize(
    ("row", "order", "found"),
    [
        (ROW, None, Finding.RESTS),
        (replace(ROW, state=StopState.TRIGGERED), None, Finding.SENT_ON),
        (replace(ROW, state=StopState.ENDED), None, Finding.OVER),
        (None, None, Finding.OVER),
        (ROW, ORDER, Finding.FIRED),
        (None, ORDER, Finding.FIRED),
    ],
)
def test_the_book_counts_more_than_the_list(row, order, found):
    assert finding(row, order) is found


@pytest.mark.parametrize(
    "other",
    [
        {"segment": "BSE_FNO"},
        {"security_id": "12"},
        {"side": Side.SELL},
        {"quantity": 1_000},
        {"trigger_price": Decimal("59.90")},
        {"limit_price": None},
        {"correlation_id": "S2-1-abcdef"},
    ],
)
def test_a_stop_without_an_id_is_the_unclaimed_row_on_equal_terms(other):
    assert on_the_list(TERMS, [replace(ROW, **other), ROW], ()) is ROW
    assert on_the_list(TERMS, [replace(ROW, **other)], ()) is None
    assert on_the_list(TERMS, [ROW], {"51"}) is None


def test_its_name_and_its_id_go_before_its_terms():
    named, known = replace(ROW, order_id="52", correlation_id=TERMS.correlation_id), replace(TERMS, order_id="53")

    assert on_the_list(TERMS, [ROW, named], ()) is named
    assert on_the_list(known, [ROW, named], ()) is None
    assert on_the_list(replace(TERMS, order_id="52"), [ROW, named], {"52"}) is named


def test_of_two_alike_the_one_that_waits_is_ours():
    over = replace(ROW, order_id="50", state=StopState.ENDED)

    assert on_the_list(TERMS, [over, ROW], ()) is ROW


def test_an_order_of_our_name_or_of_the_stops_own_id_is_what_it_sent():
    named, same = replace(ORDER, correlation_id=TERMS.correlation_id), replace(ORDER, order_id="51")

    assert order_of(TERMS, ROW, [ORDER, named], (), guess=False) is named
    assert order_of(replace(TERMS, order_id="51"), ROW, [same], (), guess=False) is same


def test_a_nameless_order_is_taken_for_it_only_when_nothing_speaks_against_it():
    def guessed(*orders: BrokerOrder, row: ProtectiveStop | None = None, known: tuple[str, ...] = ()) -> object:
        return order_of(TERMS, row, orders, known, guess=True)

    assert guessed(ORDER) is ORDER
    assert guessed(ORDER, row=replace(ROW, state=StopState.ENDED)) is ORDER
    assert guessed(ORDER, row=ROW) is None
    assert guessed(ORDER, known=("9",)) is None
    assert guessed(ORDER, replace(ORDER, order_id="10")) is None
    assert guessed(replace(ORDER, correlation_id="somebody")) is None
    assert guessed(replace(ORDER, placed_at=NOW - timedelta(seconds=1))) is None
    assert guessed(replace(ORDER, side=Side.SELL)) is None
    assert guessed(replace(ORDER, quantity=501)) is None
    assert order_of(TERMS, None, [ORDER], (), guess=False) is None


@pytest.mark.parametrize(
    ("sold_at", "times", "trigger", "limit"),
    [("19.95", "3", "59.85", "65.85"), ("0.05", "1.05", "0.10", "0.15"), ("100", "2.5", "250.00", "275.00")],
)
def test_prices_stand_on_the_tick_and_the_limit_beyond_the_trigger(sold_at, times, trigger, limit):
    prices = stop_prices(sold_at=Decimal(sold_at), times=Decimal(times), tick=Decimal("0.05"))

    assert prices == (Decimal(trigger), Decimal(limit))
