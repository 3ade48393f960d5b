"""The paper exchange."""

from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from execution.brokers.paper import PaperBroker
from execution.errors import OrderRefused
from execution.paper_book import MemoryBook
from execution.ports import OrderRequest, OrderStatus, Validity
from market.calendar import IST
from market.contract import Contract, OptionType, Side
from market.errors import Illiquid, Reason
from market.ports import Touch

NOW = datetime(2026, 2, 27, 12, 0, tzinfo=IST)
NIFTY = Contract("NIFTY", date(2026, 3, 24), 25_000, OptionType.CALL)


class OneTouch:
    """The same touch for every question."""

    name = "one touch"

    def __init__(self, touch: Touch | None) -> None:
        self.answer = touch

    def touch(self, contract: Contract, *, as_of: datetime) -> Touch:
        if self.answer is None:
            raise Illiquid(Reason("NO_TOUCH", f"{contract} has no touch."))
        return self.answer

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(name)


def touch(bid: str = "99.90", ask: str = "100.10", depth: int = 650, at: datetime = NOW) -> Touch:
    return Touch(Decimal(bid), Decimal(ask), depth, depth, at)


def exchange(answer: Touch | None = None, *, capital: int = 1_000_000, missing: bool = False) -> PaperBroker:
    market = OneTouch(None if missing else answer or touch())
    return PaperBroker(market=market, book=MemoryBook(), capital=Decimal(capital))


def order(
    name: str = "P-1-1-1-1", side: Side = Side.BUY, quantity: int = 65, limit: str = "100.10", **more: Any
) -> OrderRequest:
    return OrderRequest(name, "NSE_FNO", "4711", NIFTY, side, quantity, Decimal(limit), Decimal("0.05"), 65, **more)


def placed(broker: PaperBroker, request: OrderRequest) -> tuple[str, int, Decimal | None]:
    broker.place(request, now=NOW)
    found = broker.order_by_correlation(request.correlation_id, now=NOW)
    assert found is not None
    return (found.status, found.filled_quantity, found.average_price)


@pytest.mark.parametrize(
    ("side", "limit", "price"),
    [
        (Side.BUY, "100.10", "100.10"),
        (Side.BUY, "105.00", "100.10"),
        (Side.SELL, "99.90", "99.90"),
        (Side.SELL, "95.00", "99.90"),
    ],
)
def test_a_marketable_limit_trades_at_the_opposite_touch(side: Side, limit: str, price: str) -> None:
    assert placed(exchange(), order(side=side, limit=limit)) == ("TRADED", 65, Decimal(price))


@pytest.mark.parametrize(("side", "limit"), [(Side.BUY, "100.05"), (Side.SELL, "99.95")])
def test_a_limit_that_does_not_reach_the_touch_trades_nothing(side: Side, limit: str) -> None:
    assert placed(exchange(), order(side=side, limit=limit)) == ("CANCELLED", 0, None)


def test_no_more_than_the_touch_shows_is_filled_and_the_rest_cancelled() -> None:
    assert placed(exchange(touch(depth=130)), order(quantity=195)) == ("CANCELLED", 130, Decimal("100.10"))


def test_one_quote_is_not_hit_twice_and_a_newer_one_can_be() -> None:
    broker = exchange(touch(depth=130))
    first, second = placed(broker, order("P-1-1-1-1", quantity=130)), placed(broker, order("P-1-1-1-2"))
    later = NOW + timedelta(seconds=1)
    broker._market.answer = touch(depth=130, at=later)
    broker.place(order("P-1-1-1-3"), now=later)

    assert (first[1], second[1]) == (130, 0)
    assert broker.order_by_correlation("P-1-1-1-3", now=later).filled_quantity == 65


def test_a_day_order_rests_and_can_be_cancelled() -> None:
    broker = exchange(touch(depth=65))
    part = placed(broker, order("P-1-1-1-1", quantity=130, validity=Validity.DAY))
    rest = placed(broker, order("P-1-1-1-2", limit="90.00", validity=Validity.DAY))

    ended = broker.cancel("PAPER-P-1-1-1-1", now=NOW)

    assert (part, rest) == (("PART_TRADED", 65, Decimal("100.10")), ("PENDING", 0, None))
    assert (ended.status, ended.filled_quantity) == (OrderStatus.CANCELLED, 65)
    assert broker.cancel("PAPER-P-1-1-1-1", now=NOW) == ended


def test_the_same_name_again_is_the_same_order() -> None:
    broker = exchange()
    first = broker.place(order(), now=NOW)

    assert broker.place(order(), now=NOW) == first
    assert len(broker.orders(now=NOW)) == 1
    assert len(broker.trades(first.order_id, now=NOW)) == 1


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"correlation_id": "P 1"}, "CORRELATION"),
        ({"correlation_id": "x" * 26}, "CORRELATION"),
        ({"quantity": 64}, "LOT"),
        ({"quantity": 0}, "LOT"),
        ({"quantity": -65}, "LOT"),
        ({"quantity": 1820}, "FREEZE"),
        ({"limit_price": Decimal("100.12")}, "TICK"),
        ({"limit_price": Decimal(0)}, "TICK"),
        ({"limit_price": Decimal("NaN")}, "TICK"),
        ({"limit_price": Decimal("Infinity")}, "TICK"),
        ({"contract": replace(NIFTY, expiry=date(2026, 2, 24))}, "EXPIRED"),
    ],
)
def test_a_malformed_order_is_refused_and_not_booked(changes: dict[str, Any], code: str) -> None:
    broker = exchange()

    with pytest.raises(OrderRefused, match=code):
        broker.place(replace(order(), **changes), now=NOW)

    assert broker.orders(now=NOW) == []


@pytest.mark.parametrize("hour", [9, 16])
def test_a_closed_market_is_refused(hour: int) -> None:
    with pytest.raises(OrderRefused, match="MARKET_CLOSED"):
        exchange().place(order(), now=NOW.replace(hour=hour, minute=0))


@pytest.mark.parametrize(
    ("broker", "request_", "code"),
    [
        (exchange(missing=True), order(), "NO_TOUCH"),
        (exchange(touch(at=NOW + timedelta(seconds=1))), order(), "QUOTE_LATER"),
        (exchange(), order(limit="141.00"), "PRICE_BAND"),
        (exchange(capital=6_000), order(), "FUNDS"),
    ],
)
def test_the_exchange_rejects_what_it_cannot_take(broker: PaperBroker, request_: OrderRequest, code: str) -> None:
    assert placed(broker, request_) == ("REJECTED", 0, None)
    assert broker.order_by_correlation(request_.correlation_id, now=NOW).reason.startswith(f"{code}: ")


def test_funds_follow_the_fills() -> None:
    broker = exchange(capital=10_000)
    placed(broker, order("P-1-1-1-1"))
    placed(broker, order("P-1-2-1-1", side=Side.SELL, limit="99.90"))

    assert broker.funds(now=NOW).available == Decimal(10_000) - 65 * Decimal("0.20")


def test_an_unknown_order_is_refused_not_empty() -> None:
    with pytest.raises(OrderRefused, match="UNKNOWN_ORDER"):
        exchange().trades("nothing", now=NOW)
    assert exchange().order_by_correlation("nothing", now=NOW) is None


def test_the_order_book_is_of_one_day() -> None:
    broker = exchange()
    placed(broker, order())

    assert len(broker.orders(now=NOW + timedelta(hours=2))) == 1
    assert broker.orders(now=NOW + timedelta(days=1)) == []
