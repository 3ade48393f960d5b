"""The paper exchange: the states, silences and refusals of a real one, on a clock that moves when told."""

from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from execution.brokers.paper import PaperBroker
from execution.brokers.paper_matching import PaperHabits
from execution.clock import SteppedClock
from execution.errors import NotSent, OrderRefused
from execution.paper_book import MemoryBook
from execution.ports import BrokerOrder, ClearedOrder, OrderRequest, OrderStatus, Placed, Product, Validity
from market.calendar import IST
from market.contract import Contract, OptionType, Side
from market.errors import Illiquid, Reason
from market.ports import CapturedChain, Touch, UnderlyingFact

NOW = datetime(2026, 2, 27, 12, 0, tzinfo=IST)
EXPIRY = date(2026, 3, 24)
NIFTY = Contract("NIFTY", EXPIRY, 25_000, OptionType.CALL)
PRICE, BID, DAY = Decimal("100.10"), Decimal("99.90"), Validity.DAY


class OneTouch:
    """The touch last written, for every contract; the newest one not later than the moment asked for."""

    name = "one touch"

    def __init__(self, *touches: Touch, spot: float | None = None) -> None:
        self.touches, self.spot = list(touches), spot

    def touch(self, contract: Contract, *, as_of: datetime) -> Touch:
        known = [touch for touch in self.touches if touch.quoted_at <= as_of] or self.touches[-1:]
        if not known:
            raise Illiquid(Reason("NO_TOUCH", f"{contract} has no touch."))
        return known[-1]

    def underlyings(self) -> list[UnderlyingFact]:
        return [UnderlyingFact("NIFTY", "Nifty 50", "index", "NSE", "", "")]

    def chain(self, underlying: str, *, as_of: datetime) -> CapturedChain:
        return CapturedChain(underlying, as_of, self.name, self.spot, (), is_index=True)

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(name)


class Floor:
    """A paper exchange with its market, its clock and its book."""

    def __init__(
        self,
        *touches: Touch,
        capital: int = 1_000_000,
        spot: float | None = None,
        start: datetime = NOW,
        book: MemoryBook | None = None,
        **habits: Any,
    ) -> None:
        self.market, self.clock = OneTouch(*touches, spot=spot), SteppedClock(start)
        self.book = book or MemoryBook()
        self.broker = PaperBroker(
            market=self.market,  # type: ignore[arg-type]
            book=self.book,
            capital=Decimal(capital),
            clock=self.clock,
            habits=PaperHabits(**habits),
        )

    def place(self, request: OrderRequest) -> Placed:
        return self.broker.place(ClearedOrder(request, self.clock.elapsed()))

    def after(self, seconds: float, name: str = "P-1") -> BrokerOrder:
        self.clock.sleep(seconds)
        found = self.broker.order_by_correlation(name)
        assert found is not None
        return found

    def quote(self, bid: str, ask: str, depth: int = 650) -> None:
        self.market.touches.append(touch(bid, ask, depth, self.clock.now()))


def touch(bid: str = "99.90", ask: str = "100.10", depth: int = 650, at: datetime = NOW) -> Touch:
    return Touch(Decimal(bid), Decimal(ask), depth, depth, at)


def order(
    name: str = "P-1", side: Side = Side.BUY, quantity: int = 65, limit: str = "100.10", **more: Any
) -> OrderRequest:
    return OrderRequest(name, "NSE_FNO", "4711", NIFTY, side, quantity, Decimal(limit), Decimal("0.05"), 65, **more)


def stands(found: BrokerOrder) -> tuple[str, int, Decimal | None]:
    return (found.status.value, found.filled_quantity, found.average_price)


def outcome(floor: Floor, request: OrderRequest) -> tuple[str, int, Decimal | None]:
    floor.place(request)
    return stands(floor.after(1, request.correlation_id))


def trace(floor: Floor, name: str = "P-1", steps: int = 8, seconds: float = 0.1) -> list[str]:
    return [floor.after(0 if step == 0 else seconds, name).status.value for step in range(steps)]


def test_an_order_is_in_transit_then_pending_then_traded() -> None:
    floor = Floor(touch())

    answer = floor.place(order())

    assert answer == Placed("PAPER-P-1", OrderStatus.TRANSIT)
    assert trace(floor) == ["TRANSIT"] * 2 + ["PENDING"] * 3 + ["TRADED"] * 3


def test_the_latencies_are_the_habits() -> None:
    floor = Floor(touch(), acknowledgement_seconds=1.0, fill_seconds=2.0)
    floor.place(order())

    assert trace(floor, steps=5, seconds=1) == ["TRANSIT", "PENDING", "PENDING", "TRADED", "TRADED"]


def test_a_late_first_look_finds_what_the_moments_in_between_decided() -> None:
    floor = Floor(touch())
    floor.place(order())
    floor.clock.sleep(5)
    floor.quote("104.90", "105.00")

    found = floor.after(5)

    assert stands(found) == ("TRADED", 65, PRICE)
    assert floor.broker.trades("PAPER-P-1")[0].traded_at == NOW + timedelta(seconds=0.5)


def test_the_book_row_says_what_was_asked() -> None:
    floor = Floor(touch())
    floor.place(order())

    assert floor.after(1) == BrokerOrder(
        "PAPER-P-1",
        "P-1",
        OrderStatus.TRADED,
        65,
        65,
        PRICE,
        segment="NSE_FNO",
        security_id="4711",
        side=Side.BUY,
        limit_price=PRICE,
        placed_at=NOW,
    )


@pytest.mark.parametrize(
    ("side", "limit", "price"),
    [
        (Side.BUY, "100.10", "100.10"),
        (Side.BUY, "105.00", "100.10"),
        (Side.SELL, "99.90", "99.90"),
        (Side.SELL, "95.00", "99.90"),
    ],
)
def test_fm_E15_a_marketable_limit_trades_at_the_opposite_touch(side: Side, limit: str, price: str) -> None:
    assert outcome(Floor(touch()), order(side=side, limit=limit)) == ("TRADED", 65, Decimal(price))


@pytest.mark.parametrize(("side", "limit"), [(Side.BUY, "100.05"), (Side.SELL, "99.95")])
def test_a_limit_that_does_not_reach_the_touch_trades_nothing(side: Side, limit: str) -> None:
    floor = Floor(touch())

    assert outcome(floor, order(side=side, limit=limit)) == ("CANCELLED", 0, None)
    assert floor.broker.positions() == []
    assert floor.broker.trades() == []


def test_fm_E15_no_more_than_the_touch_shows_is_filled_and_the_rest_of_an_ioc_cancelled() -> None:
    floor = Floor(touch(depth=130))

    assert outcome(floor, order(quantity=195)) == ("CANCELLED", 130, PRICE)
    assert floor.after(0).reason.startswith("THIN_TOUCH: ")


def test_fm_E15_others_take_their_share_of_what_is_shown() -> None:
    assert outcome(Floor(touch(depth=260), shown_share=Decimal("0.5")), order(quantity=260)) == (
        "CANCELLED",
        130,
        PRICE,
    )


def test_fm_E15_one_quote_is_not_hit_twice_and_a_newer_one_can_be() -> None:
    floor = Floor(touch(depth=130))

    first, second = outcome(floor, order("P-1", quantity=130)), outcome(floor, order("P-2"))
    floor.quote("99.90", "100.10", depth=130)
    third = outcome(floor, order("P-3"))

    assert (first[1], second[1], third[1]) == (130, 0, 65)


def test_two_orders_of_one_moment_are_matched_in_the_order_of_arrival() -> None:
    floor = Floor(touch(depth=65))
    floor.place(order("P-1"))
    floor.clock.sleep(0.1)
    floor.place(order("P-2"))

    second, first = floor.after(1, "P-2"), floor.after(0, "P-1")

    assert (first.filled_quantity, second.filled_quantity) == (65, 0)


def test_a_day_order_rests_and_fills_when_the_touch_reaches_it() -> None:
    floor = Floor(touch())
    floor.place(order(limit="99.00", validity=DAY))

    before = stands(floor.after(60))
    floor.quote("98.80", "99.00")
    after = stands(floor.after(60))

    assert (before, after) == (("PENDING", 0, None), ("TRADED", 65, Decimal("99.00")))


def test_a_day_order_fills_in_parts_each_a_trade_of_its_own() -> None:
    floor = Floor(touch(depth=65))
    floor.place(order(quantity=130, limit="101.00", validity=DAY))

    part, again = stands(floor.after(1)), stands(floor.after(60))
    floor.quote("100.40", "100.50", depth=65)
    done = stands(floor.after(1))

    assert part == again == ("PART_TRADED", 65, PRICE)
    assert done == ("TRADED", 130, Decimal("100.30"))
    assert [(trade.trade_number, trade.quantity, trade.price) for trade in floor.broker.trades()] == [
        ("1", 65, PRICE),
        ("2", 65, Decimal("100.50")),
    ]


def test_a_share_of_matches_gives_only_a_part() -> None:
    parts = {
        outcome(Floor(touch(), partial_share=1.0, seed=seed), order(quantity=650, limit="100.10"))[1]
        for seed in range(20)
    }

    assert len(parts) > 5
    assert max(parts) < 650
    assert all(units % 65 == 0 for units in parts)


def test_a_day_order_expires_with_the_session_and_keeps_its_part() -> None:
    floor = Floor(touch(depth=65))
    floor.place(order(quantity=130, validity=DAY))

    found = floor.after(4 * 3600)

    assert stands(found) == ("EXPIRED", 65, PRICE)


def test_an_order_that_arrives_after_the_close_is_rejected() -> None:
    floor = Floor(touch(), start=NOW.replace(hour=15, minute=29, second=59, microsecond=900_000))

    assert outcome(floor, order()) == ("REJECTED", 0, None)
    assert floor.after(0).reason.startswith("MARKET_CLOSED: ")


def test_a_day_order_meets_no_touch_of_after_the_close() -> None:
    floor = Floor(touch())
    floor.place(order(limit="99.00", validity=DAY))
    floor.after(1)

    floor.clock.sleep(4 * 3600)
    floor.quote("98.80", "98.90")

    assert stands(floor.after(1)) == ("EXPIRED", 0, None)


def test_fm_A16_a_cancel_ends_a_resting_order_only_after_it_has_travelled() -> None:
    floor = Floor(touch())
    floor.place(order(limit="99.00", validity=DAY))
    floor.after(1)

    floor.broker.cancel("PAPER-P-1")
    floor.broker.cancel("PAPER-P-1")

    assert trace(floor, steps=4) == ["PENDING", "PENDING", "CANCELLED", "CANCELLED"]


def test_fm_A16_a_cancel_that_arrives_before_the_match_leaves_nothing_filled() -> None:
    floor = Floor(touch(), fill_seconds=1.0)
    floor.place(order())
    floor.after(0.5)

    floor.broker.cancel("PAPER-P-1")

    assert stands(floor.after(5)) == ("CANCELLED", 0, None)
    assert floor.broker.funds().available == 1_000_000


def test_fm_A16_a_fill_that_comes_before_the_cancel_wins() -> None:
    floor = Floor(touch())
    floor.place(order())
    floor.after(0.4)

    floor.broker.cancel("PAPER-P-1")

    assert stands(floor.after(5)) == ("TRADED", 65, PRICE)


def test_fm_A16_a_touch_that_reaches_the_order_while_the_cancel_travels_wins() -> None:
    floor = Floor(touch())
    floor.place(order(limit="99.00", validity=DAY))
    floor.after(1)
    floor.broker.cancel("PAPER-P-1")
    floor.quote("98.80", "99.00")

    assert stands(floor.after(5)) == ("TRADED", 65, Decimal("99.00"))


def test_fm_A16_a_cancel_of_a_part_filled_order_keeps_the_part() -> None:
    floor = Floor(touch(depth=65))
    floor.place(order(quantity=130, validity=DAY))
    floor.after(1)

    floor.broker.cancel("PAPER-P-1")

    assert stands(floor.after(1)) == ("CANCELLED", 65, PRICE)


def test_an_order_that_has_ended_cannot_be_cancelled() -> None:
    floor = Floor(touch())
    floor.place(order())
    before = floor.after(1)

    with pytest.raises(OrderRefused, match="ORDER_ENDED"):
        floor.broker.cancel("PAPER-P-1")

    assert floor.after(60) == before


def test_the_same_name_again_is_the_same_order() -> None:
    floor = Floor(touch())
    floor.place(order())
    floor.clock.sleep(1)

    again = floor.place(order())

    assert again == Placed("PAPER-P-1", OrderStatus.TRADED)
    assert len(floor.broker.orders()) == 1
    assert len(floor.broker.trades()) == 1


def test_by_habit_the_same_name_is_taken_twice_as_dhan_does() -> None:
    floor = Floor(touch(), accepts_twice=True)

    ids = [floor.place(order()).order_id for _ in range(2)]
    floor.clock.sleep(1)

    assert ids == ["PAPER-P-1", "PAPER-P-1.2"]
    assert [(one.correlation_id, one.filled_quantity) for one in floor.broker.orders()] == [("P-1", 65), ("P-1", 65)]
    assert floor.broker.positions()[0].net_quantity == 130


def test_an_order_cleared_too_long_ago_is_not_sent() -> None:
    floor = Floor(touch())
    cleared = ClearedOrder(order(), floor.clock.elapsed())
    floor.clock.sleep(2.5)

    with pytest.raises(NotSent, match="SEND_DEADLINE"):
        floor.broker.place(cleared)

    assert floor.broker.orders() == []


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"correlation_id": "P 1"}, "CORRELATION"),
        ({"correlation_id": "x" * 26}, "CORRELATION"),
        ({"quantity": 64}, "LOT"),
        ({"quantity": 0}, "LOT"),
        ({"quantity": -65}, "LOT"),
        ({"limit_price": Decimal("100.12")}, "TICK"),
        ({"limit_price": Decimal(0)}, "TICK"),
        ({"limit_price": Decimal("NaN")}, "TICK"),
        ({"limit_price": Decimal("Infinity")}, "TICK"),
        ({"contract": replace(NIFTY, expiry=date(2026, 2, 24))}, "EXPIRED"),
    ],
)
def test_a_malformed_order_is_refused_at_once_and_not_booked(changes: dict[str, Any], code: str) -> None:
    floor = Floor(touch())

    with pytest.raises(OrderRefused, match=code):
        floor.place(replace(order(), **changes))

    assert floor.broker.orders() == []


@pytest.mark.parametrize("hour", [9, 16])
def test_a_closed_market_is_refused(hour: int) -> None:
    floor = Floor(touch(), start=NOW.replace(hour=hour))

    with pytest.raises(OrderRefused, match="MARKET_CLOSED"):
        floor.place(order())

    assert floor.broker.orders() == []


@pytest.mark.parametrize(
    ("floor", "request_", "code"),
    [
        (Floor(), order(), "NO_TOUCH"),
        (Floor(touch(at=NOW + timedelta(hours=1))), order(), "QUOTE_LATER"),
        (Floor(touch()), order(limit="141.00"), "PRICE_BAND"),
        (Floor(touch()), order(quantity=1820), "FREEZE"),
        (Floor(touch(), capital=6_000), order(), "FUNDS"),
        (Floor(touch(), reject_share=1.0), order(), "EXCHANGE_SAID_NO"),
        (Floor(touch(), checks_margin=True), order(side=Side.SELL, limit="99.90"), "MARGIN_UNKNOWN"),
        (Floor(touch(), checks_margin=True, spot=25_000.0, capital=100_000), order(side=Side.SELL), "MARGIN"),
    ],
)
def test_the_exchange_rejects_late_with_its_reason(floor: Floor, request_: OrderRequest, code: str) -> None:
    placed = floor.place(request_)

    states = trace(floor, steps=5)

    found = floor.after(0)
    assert placed.status is OrderStatus.TRANSIT
    assert states == ["TRANSIT", "TRANSIT", "REJECTED", "REJECTED", "REJECTED"]
    assert found.reason.startswith(f"{code}: ")
    assert (found.filled_quantity, found.average_price) == (0, None)
    assert floor.broker.positions() == []


def test_a_source_without_history_gives_its_newest_quote_and_the_fill_is_not_older() -> None:
    floor = Floor()
    floor.place(order())
    floor.clock.sleep(2)
    floor.quote("99.90", "100.10")

    assert stands(floor.after(1)) == ("TRADED", 65, PRICE)
    assert floor.broker.trades()[0].traded_at == NOW + timedelta(seconds=2)


def test_funds_follow_the_fills_and_what_rests() -> None:
    floor = Floor(touch(), capital=20_000)
    outcome(floor, order("P-1"))
    outcome(floor, order("P-2", side=Side.SELL, limit="99.90"))
    after_both = floor.broker.funds().available
    outcome(floor, order("P-3", limit="99.00", validity=DAY))

    assert after_both == 20_000 - 65 * (PRICE - BID)
    assert floor.broker.funds().available == after_both - 65 * 99


def test_two_resting_buys_cannot_spend_the_same_rupees() -> None:
    floor = Floor(touch(), capital=10_000)
    first = outcome(floor, order("P-1", limit="99.00", validity=DAY))
    second = outcome(floor, order("P-2", limit="99.00", validity=DAY))

    assert (first[0], second[0]) == ("PENDING", "REJECTED")


def test_an_unknown_order_is_refused_not_empty() -> None:
    broker = Floor(touch()).broker

    for ask in (broker.trades, broker.cancel):
        with pytest.raises(OrderRefused, match="UNKNOWN_ORDER"):
            ask("nothing")
    assert broker.order_by_correlation("nothing") is None


def test_the_order_book_and_the_trade_book_are_of_one_day() -> None:
    floor = Floor(touch())
    floor.place(order())

    floor.clock.sleep(2 * 3600)
    today = (len(floor.broker.orders()), len(floor.broker.trades()))
    floor.clock.sleep(22 * 3600)

    assert today == (1, 1)
    assert (floor.broker.orders(), floor.broker.trades()) == ([], [])
    assert floor.after(0).status is OrderStatus.TRADED


def test_positions_are_the_net_of_all_fills_until_the_contract_expires() -> None:
    floor = Floor(touch())
    outcome(floor, order("P-1", quantity=130))
    outcome(floor, order("P-2", side=Side.SELL, limit="99.90"))

    (held,) = floor.broker.positions()
    floor.clock.sleep(30 * 86_400)

    assert (held.segment, held.security_id, held.product, held.net_quantity) == ("NSE_FNO", "4711", "MARGIN", 65)
    assert floor.broker.positions() == []


def test_switching_off_needs_a_flat_account_with_nothing_pending() -> None:
    floor = Floor(touch())
    floor.place(order("P-1", limit="99.00", validity=DAY))
    with pytest.raises(OrderRefused, match="NOT_FLAT"):
        floor.broker.switch_off()
    floor.broker.cancel("PAPER-P-1")
    outcome(floor, order("P-2"))
    with pytest.raises(OrderRefused, match="NOT_FLAT"):
        floor.broker.switch_off()

    assert outcome(floor, order("P-3", side=Side.SELL, limit="99.90"))[0] == "TRADED"


def test_after_switching_off_orders_are_refused_until_the_next_day() -> None:
    floor = Floor(touch())
    floor.broker.switch_off()

    with pytest.raises(OrderRefused, match="SWITCHED_OFF"):
        floor.place(order())

    assert floor.broker.orders() == []
    monday = Floor(touch(), start=NOW + timedelta(days=3), book=floor.book)
    assert outcome(monday, order())[0] == "TRADED"


def test_margin_of_a_bought_option_is_its_premium() -> None:
    assert Floor(touch()).broker.margin([order()]).total == 65 * PRICE


def test_margin_of_a_short_is_scan_and_exposure_on_its_spot() -> None:
    need = Floor(touch(), spot=25_000.0).broker.margin([order(side=Side.SELL)])

    assert need.total == Decimal("183625.00")  # (9.3 % + 2 %) of 65 x 25,000


def test_a_filled_cover_leaves_the_width_and_the_exposure_of_the_short() -> None:
    floor = Floor(touch(), spot=25_000.0)
    wing = replace(NIFTY, strike=25_200.0)
    outcome(floor, replace(order(), contract=wing, security_id="4712"))

    need = floor.broker.margin([order(side=Side.SELL)])

    assert need.total == Decimal(65 * 200 + 32_500)


def test_a_cover_that_expires_before_the_short_covers_nothing() -> None:
    floor = Floor(touch(), spot=25_000.0)
    wing = replace(NIFTY, strike=25_200.0, expiry=date(2026, 3, 10))

    naked, with_early_wing = (
        floor.broker.margin([order(side=Side.SELL)]),
        floor.broker.margin([order(side=Side.SELL), replace(order(), contract=wing, limit_price=Decimal("10.00"))]),
    )

    assert naked.total == Decimal("183625.00")
    assert with_early_wing.total == naked.total + 650


def test_buying_a_short_back_blocks_no_more_than_its_price() -> None:
    floor = Floor(touch(), spot=25_000.0, checks_margin=True)
    outcome(floor, order("P-1", side=Side.SELL, limit="99.90"))

    assert floor.broker.margin([order("P-2")]).total == 65 * PRICE
    assert floor.broker.funds().available == 1_000_000 + 65 * BID - Decimal("183625.00")


def test_margin_without_a_spot_raises_and_is_never_zero() -> None:
    with pytest.raises(OrderRefused, match="MARGIN_UNKNOWN"):
        Floor(touch(), spot=None).broker.margin([order(side=Side.SELL)])


def test_shares_are_held_as_delivery() -> None:
    floor = Floor(touch())
    share = replace(order(), contract=Contract("NIFTY"), segment="NSE_EQ", product=Product.CNC)

    outcome(floor, share)

    assert [(one.segment, one.product) for one in floor.broker.positions()] == [("NSE_EQ", "CNC")]


def test_the_same_seed_gives_the_same_day_and_another_seed_another() -> None:
    def day(seed: int) -> list[Any]:
        floor = Floor(touch(), seed=seed, jitter=0.9, partial_share=0.5, reject_share=0.2)
        for number in range(20):
            floor.place(order(f"P-{number}", quantity=130))
            floor.clock.sleep(1)
            floor.quote("99.90", "100.10")
        return [*floor.broker.orders(), *floor.broker.trades()]

    assert day(7) == day(7)
    assert day(7) != day(8)


def test_fm_E15_looking_again_at_the_same_moment_fills_no_more() -> None:
    floor = Floor(touch(), partial_share=1.0, seed=3)
    floor.place(order(quantity=650, limit="100.10", validity=Validity.DAY))
    first = floor.after(0.6)

    assert 0 < first.filled_quantity < 650
    assert [floor.after(0.0) for _ in range(20)] == [first] * 20
