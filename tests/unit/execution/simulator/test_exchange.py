"""The order engine of the simulated exchange: states, matching, refusals and money."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

import pytest

from execution.ports import OrderStatus
from execution.simulator.book import Fate, Happening, Listing, Order, Refused, Rules, Ticket
from execution.simulator.exchange import Exchange, Terms
from market.calendar import IST
from market.contract import Contract, OptionType, Side
from market.ports import Touch

NOW = datetime(2026, 11, 20, 10, 0, tzinfo=IST)
LATER = timedelta(seconds=1)
KEY = ("NSE_FNO", "44430")
WING = ("NSE_FNO", "44432")


def listing(security_id: str, strike: float) -> Listing:
    """A NIFTY call of Monday."""
    contract = Contract("NIFTY", date(2026, 11, 23), strike, OptionType.CALL)
    return Listing(
        "NSE_FNO", security_id, "NIFTY-Nov2026", "OPTIDX", 65, Decimal("0.05"), contract, freeze_quantity=1755
    )


class Quotes:
    """A touch that tests move by hand."""

    def __init__(self) -> None:
        self.now: Touch | None = None
        self.show("100.00", "100.50", NOW)

    def show(self, bid: str, ask: str, at: datetime, quantity: int = 6500) -> None:
        """Quote anew."""
        self.now = Touch(Decimal(bid), Decimal(ask), quantity, quantity, at)

    def __call__(self, segment: str, security_id: str, now: datetime) -> Touch | None:
        """The exchange asks."""
        return self.now


@pytest.fixture
def quotes() -> Quotes:
    """100.00 at 100.50, a hundred lots either side."""
    return Quotes()


def make(quotes: Quotes, balance: int = 10_000_000, **rules: Any) -> Exchange:
    """An exchange that lists a call and its wing."""
    listings = {KEY: listing("44430", 25_800.0), WING: listing("44432", 25_900.0)}
    return Exchange(
        listings=listings, touch=quotes, rng=Random(1), rules=Rules(**rules), opening_balance=Decimal(balance)
    )


def ticket(side: Side = Side.BUY, price: str = "101", quantity: int = 65, **changes: Any) -> Ticket:
    """One lot that crosses the touch, unless told otherwise."""
    asked = {"correlation_id": "A", "validity": "IOC"} | changes
    return Ticket("NSE_FNO", asked.pop("security_id", "44430"), side, quantity, Decimal(price), **asked)


def kinds(exchange: Exchange, order: Order) -> list[str]:
    """The order's life in the journal."""
    return [entry.kind for entry in exchange.journal if entry.order_id == order.order_id]


def test_an_order_travels_rests_and_trades_at_the_touch(quotes: Quotes) -> None:
    exchange = make(quotes)

    order = exchange.submit(ticket(), NOW)

    assert order.status is OrderStatus.TRANSIT
    exchange.advance(NOW + LATER)
    assert kinds(exchange, order) == ["SUBMITTED", "CONFIRMED", "TRADED"]
    assert (order.status, order.filled, order.remaining, order.average_price) == (
        OrderStatus.TRADED,
        65,
        0,
        Decimal("100.50"),
    )
    assert exchange.funds(NOW).cash == Decimal("-6532.50")
    assert [(trade.order_id, trade.units) for trade in exchange.trade_book(NOW)] == [(order.order_id, 65)]


def test_the_shown_depth_limits_what_fills_and_is_used_up_until_a_new_quote(quotes: Quotes) -> None:
    exchange = make(quotes)
    quotes.show("100.00", "100.50", NOW, quantity=150)

    first, second = exchange.submit(ticket(quantity=195), NOW), exchange.submit(ticket(validity="DAY"), NOW)
    exchange.advance(NOW + LATER)

    assert (first.status, first.filled) == (OrderStatus.CANCELLED, 130)
    assert (second.status, second.filled) == (OrderStatus.PENDING, 0)
    quotes.show("100.00", "100.50", NOW + LATER, quantity=65)
    exchange.advance(NOW + 2 * LATER)
    assert second.status is OrderStatus.TRADED


def test_a_resting_order_trades_when_the_touch_comes_to_it(quotes: Quotes) -> None:
    exchange = make(quotes)
    order = exchange.submit(ticket(price="99", validity="DAY"), NOW)
    exchange.advance(NOW + LATER)
    assert order.status is OrderStatus.PENDING

    quotes.show("98.00", "98.50", NOW + LATER)
    exchange.advance(NOW + 2 * LATER)

    assert (order.status, order.average_price) == (OrderStatus.TRADED, Decimal("98.50"))


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (ticket(quantity=66), "lot size"),
        (ticket(quantity=1820), "freeze"),
        (ticket(price="100.52"), "tick size"),
        (ticket(price="141"), "LPP"),
        (ticket(Side.SELL, price="59"), "LPP"),
    ],
)
def test_the_exchange_rejects_later(quotes: Quotes, asked: Ticket, words: str) -> None:
    exchange = make(quotes)

    order = exchange.submit(asked, NOW)
    exchange.advance(NOW + LATER)

    assert kinds(exchange, order) == ["SUBMITTED", "REJECTED"]
    assert words in order.error_text
    assert exchange.every_trade() == []


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        (ticket(security_id="1"), "DH-905"),
        (ticket(quantity=0), "DH-905"),
        (ticket(price="0"), "DH-905"),
        (ticket(correlation_id="x" * 26), "DH-905"),
        (ticket(correlation_id="a/b"), "DH-905"),
        (ticket(product="CNC"), "DH-905"),
        (ticket(order_type="STOP_LOSS_MARKET", trigger_price=Decimal(90)), "DH-906"),
    ],
)
def test_the_front_door_refuses_and_only_the_journal_knows(quotes: Quotes, asked: Ticket, code: str) -> None:
    exchange = make(quotes)

    with pytest.raises(Refused) as refused:
        exchange.submit(asked, NOW)

    assert refused.value.code == code
    assert exchange.order_book(NOW) == []
    assert [entry.kind for entry in exchange.journal] == [Happening.REFUSED]


def test_outside_the_session_orders_are_rejected_and_meant_for_the_morning_they_wait(quotes: Quotes) -> None:
    exchange, night = make(quotes), NOW.replace(hour=20)
    rejected = exchange.submit(ticket(validity="DAY"), night)
    waiting = exchange.submit(ticket(validity="DAY", after_market=True), night)
    exchange.advance(night + LATER)

    assert (rejected.status, waiting.status) == (OrderStatus.REJECTED, OrderStatus.PENDING)
    assert "Market is Closed!" in rejected.error_text
    exchange.advance(datetime(2026, 11, 23, 9, 16, tzinfo=IST))
    assert waiting.status is OrderStatus.TRADED


def test_day_orders_expire_at_the_close_and_the_book_is_empty_the_next_day(quotes: Quotes) -> None:
    exchange = make(quotes)
    order = exchange.submit(ticket(price="90", validity="DAY"), NOW)
    exchange.submit(ticket(), NOW)
    exchange.advance(NOW + LATER)

    exchange.advance(NOW.replace(hour=15, minute=45))

    assert order.status is OrderStatus.EXPIRED
    monday = datetime(2026, 11, 23, 9, 0, tzinfo=IST)
    assert exchange.order_book(monday) == []
    assert [(held.carried, held.net_quantity) for held in exchange.positions(monday)] == [(65, 65)]
    tuesday = datetime(2026, 11, 24, 9, 0, tzinfo=IST)
    assert exchange.positions(tuesday) == []  # the contract is gone


def test_a_premium_that_is_not_there_is_rejected_and_a_resting_order_reserves_its_own(quotes: Quotes) -> None:
    exchange = make(quotes, balance=10_000)
    exchange.submit(ticket(price="90", validity="DAY"), NOW)
    exchange.advance(NOW + LATER)
    assert exchange.funds(NOW).available == Decimal(10_000) - 65 * 90

    second = exchange.submit(ticket(price="90", validity="DAY"), NOW + LATER)
    exchange.advance(NOW + 2 * LATER)

    assert "insufficient funds" in second.error_text
    assert exchange.funds(NOW).available == Decimal(4_150)


def test_a_covered_short_blocks_less_than_a_naked_one(quotes: Quotes) -> None:
    exchange = make(quotes)
    short = ticket(Side.SELL, price="100")
    naked = exchange.margin_for([short], NOW)
    exchange.submit(ticket(security_id="44432"), NOW)
    exchange.advance(NOW + LATER)

    covered = exchange.margin_for([short], NOW + LATER)

    assert naked == Decimal("25800.0") * 65 * Decimal("0.113")
    assert covered == 65 * (Decimal("25800.0") * Decimal("0.02") + 100)


def test_a_modification_gives_the_total_quantity_and_is_capped_at_25(quotes: Quotes) -> None:
    exchange = make(quotes)
    order = exchange.submit(ticket(price="90", quantity=130, validity="DAY"), NOW)
    exchange.advance(NOW + LATER)

    for step in range(25):
        exchange.modify(order.order_id, Terms(195, Decimal(91) + step, "LIMIT"), NOW + LATER)
    with pytest.raises(Refused):
        exchange.modify(order.order_id, Terms(195, Decimal(90), "LIMIT"), NOW + LATER)

    exchange.advance(NOW + 2 * LATER)
    assert (order.quantity, order.filled, order.status) == (195, 195, OrderStatus.TRADED)


def test_fm_A17_a_broker_that_reads_the_quantity_as_pending_grows_the_order(quotes: Quotes) -> None:
    exchange = make(quotes, modify_quantity="pending")
    quotes.show("100.00", "100.50", NOW, quantity=65)
    order = exchange.submit(ticket(quantity=130, validity="DAY"), NOW)
    exchange.advance(NOW + LATER)

    exchange.modify(order.order_id, Terms(130, Decimal(101), "LIMIT"), NOW + LATER)
    exchange.advance(NOW + 2 * LATER)

    assert (order.filled, order.quantity) == (65, 195)


def test_an_illegal_modification_leaves_the_order_as_it_was(quotes: Quotes) -> None:
    exchange = make(quotes)
    order = exchange.submit(ticket(price="90", validity="DAY"), NOW)
    exchange.advance(NOW + LATER)

    exchange.modify(order.order_id, Terms(65, Decimal("90.03"), "LIMIT"), NOW + LATER)
    exchange.advance(NOW + 2 * LATER)

    assert (order.price, order.status) == (Decimal(90), OrderStatus.PENDING)
    assert kinds(exchange, order)[-1] == "MODIFY_FAILED"


def test_fm_A16_a_cancel_takes_time_can_be_lost_and_can_lose(quotes: Quotes) -> None:
    exchange = make(quotes)
    plain, lost, filled = (exchange.submit(ticket(price="90", validity="DAY"), NOW) for _ in range(3))
    exchange.advance(NOW + LATER)

    exchange.cancel(plain.order_id, NOW + LATER)
    exchange.cancel(lost.order_id, NOW + LATER, lost=True)
    exchange.cancel(filled.order_id, NOW + LATER, fills=True)

    assert plain.status is OrderStatus.PENDING
    exchange.advance(NOW + 2 * LATER)
    assert (plain.status, lost.status, filled.status) == (
        OrderStatus.CANCELLED,
        OrderStatus.PENDING,
        OrderStatus.TRADED,
    )
    with pytest.raises(Refused, match="Nothing to Cancel"):
        exchange.cancel(plain.order_id, NOW + 2 * LATER)


def test_requests_about_one_order_never_overtake_each_other(quotes: Quotes) -> None:
    exchange = make(quotes, answer_seconds=(0.0, 5.0))
    order = exchange.submit(ticket(price="80", validity="DAY"), NOW)
    exchange.advance(NOW + LATER)

    for price in range(81, 95):
        exchange.modify(order.order_id, Terms(65, Decimal(price), "LIMIT"), NOW + LATER)
    exchange.advance(NOW + timedelta(seconds=30))

    assert order.price == Decimal(94)


@pytest.mark.parametrize(
    ("fate", "status", "filled"),
    [
        (Fate(reject="no"), OrderStatus.REJECTED, 0),
        (Fate(share=0.0), OrderStatus.CANCELLED, 0),
        (Fate(share=0.5), OrderStatus.CANCELLED, 65),
        (Fate(stays_in_transit=True), OrderStatus.TRANSIT, 0),
        (Fate(overfill_lots=1), OrderStatus.TRADED, 195),
    ],
)
def test_fm_B7_an_orders_fate_is_what_becomes_of_it(
    quotes: Quotes, fate: Fate, status: OrderStatus, filled: int
) -> None:
    exchange = make(quotes)

    order = exchange.submit(ticket(quantity=130), NOW, fate)
    exchange.advance(NOW + LATER)

    assert (order.status, order.filled) == (status, filled)
    assert sum(trade.units for trade in exchange.every_trade()) == filled


def test_fm_A12_a_hidden_order_shows_up_in_book_and_lookup_together(quotes: Quotes) -> None:
    exchange = make(quotes)
    order = exchange.submit(ticket(), NOW, Fate(hidden_seconds=5.0))

    soon, late = NOW + LATER, NOW + timedelta(seconds=6)

    assert (exchange.order_by_correlation("A", soon), exchange.order_book(soon)) == (None, [])
    assert (exchange.order_by_correlation("A", late), exchange.order_book(late)) == (order, [order])


def test_fm_A9_a_correlation_id_may_stand_twice_unless_the_rules_say_otherwise(quotes: Quotes) -> None:
    usual, strict = make(quotes), make(quotes, duplicates_refused=True)

    first, second = usual.submit(ticket(), NOW), usual.submit(ticket(), NOW)
    strict.submit(ticket(), NOW)
    with pytest.raises(Refused):
        strict.submit(ticket(), NOW)

    assert [order.order_id for order in usual.order_book(NOW)] == [first.order_id, second.order_id]
    assert usual.order_by_correlation("A", NOW) is first
    assert len(strict.every_order()) == 1


def test_fm_A13_a_stale_book_is_the_book_of_then(quotes: Quotes) -> None:
    exchange = make(quotes)
    exchange.submit(ticket(price="90", validity="DAY"), NOW)
    exchange.submit(ticket(), NOW + timedelta(seconds=5))

    now = NOW + timedelta(seconds=10)

    assert [order.status for order in exchange.order_book(now)] == [OrderStatus.PENDING, OrderStatus.TRADED]
    assert [order.status for order in exchange.order_book(now, stale_seconds=6)] == [OrderStatus.PENDING]
    assert [order.status for order in exchange.order_book(now, stale_seconds=10)] == [OrderStatus.TRANSIT]


def test_the_kill_switch_needs_an_empty_account_and_ends_with_the_day(quotes: Quotes) -> None:
    exchange = make(quotes)
    exchange.submit(ticket(), NOW)
    exchange.advance(NOW + LATER)
    with pytest.raises(Refused):
        exchange.switch(NOW + LATER, on=True)

    exchange.exit_all(NOW + LATER)
    exchange.advance(NOW + 2 * LATER)
    exchange.switch(NOW + 2 * LATER, on=True)

    with pytest.raises(Refused, match="Kill Switch"):
        exchange.submit(ticket(), NOW + 2 * LATER)
    assert exchange.submit(ticket(), NOW + timedelta(days=3)).status is OrderStatus.TRANSIT


def test_a_square_off_is_the_brokers_and_closes_everything(quotes: Quotes) -> None:
    exchange = make(quotes)
    exchange.submit(ticket(quantity=1755), NOW), exchange.submit(ticket(quantity=1755), NOW)
    exchange.advance(NOW + LATER)

    exchange.square_off(NOW + LATER)
    exchange.advance(NOW + 2 * LATER)

    closing = [order for order in exchange.every_order() if order.ticket.source == "R"]
    assert [order.quantity for order in closing] == [1755, 1755]  # in orders the exchange takes
    assert [held.net_quantity for held in exchange.positions(NOW)] == [0]


def test_a_stop_waits_for_its_trigger(quotes: Quotes) -> None:
    exchange = make(quotes)
    stop = ticket(price="110", order_type="STOP_LOSS", trigger_price=Decimal(105), validity="DAY")
    order = exchange.submit(stop, NOW)
    exchange.advance(NOW + LATER)
    assert order.status is OrderStatus.PENDING

    quotes.show("104.50", "105.50", NOW + LATER)
    exchange.advance(NOW + 2 * LATER)

    assert kinds(exchange, order) == ["SUBMITTED", "CONFIRMED", "TRIGGERED", "TRADED"]


def test_time_never_goes_back(quotes: Quotes) -> None:
    exchange = make(quotes)
    exchange.advance(NOW + LATER)

    order = exchange.submit(ticket(), NOW)

    assert order.created_at == NOW + LATER
