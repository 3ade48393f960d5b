"""What a person books by hand: how an order ended that nobody read, and a trade made outside."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.models import F

from allocation.models import Account
from execution.basket.messages import Seen
from execution.errors import ExecutionDenied, LostRace, OrderRefused, OutcomeUnknown
from execution.models import (
    Alert,
    AuditEntry,
    ExecutionRun,
    ExternalOrder,
    LegOrder,
    Position,
    ResidentStop,
    StopStage,
    Trade,
    TradingState,
)
from execution.overview import overview
from execution.ports import BrokerOrder, BrokerPosition, BrokerTrade, OrderStatus
from execution.services.attention import settle
from execution.services.booking import OrderEnd, book_order
from execution.services.hand_trades import HandTrade, book_trade
from execution.services.preparation import Desk
from execution.services.runs import open_exit
from execution.services.standing import standing
from execution.services.trading import trading
from market.calendar import IST
from market.contract import Side
from strategies.models import OptionStrategy
from tests.factories import walk
from tests.integration.execution.conftest import LOT, NOON
from tests.integration.execution.desks import SAID, answering, at, monitor, run_queue, watched, work_for
from tests.integration.execution.test_leaving import LEAVE, SoldByHand, option
from tests.integration.execution.test_write_ahead import NextDay as EmptyBooks
from tests.integration.execution.test_write_ahead import missing, travelling

Make = Callable[..., OptionStrategy]

LATER = NOON + timedelta(minutes=4)
NOW = NOON + timedelta(days=3)
WORDS = "sold in the broker's app"
WHO: dict[str, Any] = {"actor": "cli:anna", "words": WORDS, "now": NOW}
SHORT, LONG = 1, 2  # legs of the spread


@pytest.fixture(autouse=True)
def state_dir(settings: Any, tmp_path: Path) -> None:
    settings.STATE_DIR = tmp_path


def run(*arguments: str) -> tuple[int, str]:
    """Exit code and output, as a shell would see them."""
    out, err = StringIO(), StringIO()
    try:
        call_command(*arguments, stdout=out, stderr=err)
    except CommandError as error:
        return error.returncode, str(error)
    except SystemExit as leaving:
        return int(leaving.code or 0), out.getvalue()
    return 0, out.getvalue()


def held() -> dict[Decimal | None, int]:
    return dict(Position.objects.exclude(quantity=0).values_list("strike", "quantity"))


def books() -> dict[str, Any]:
    """Everything a booking writes."""
    return {
        "trades": list(Trade.objects.order_by("pk").values()),
        "orders": list(LegOrder.objects.order_by("pk").values()),
        "runs": list(ExecutionRun.objects.order_by("pk").values()),
        "strategies": list(OptionStrategy.objects.order_by("pk").values()),
        "stops": list(ResidentStop.objects.order_by("pk").values()),
        "audit": AuditEntry.objects.count(),
    }


def refused(call: Callable[[], Any]) -> str:
    """The code of the refusal; nothing may have changed."""
    before = books()
    with pytest.raises(ExecutionDenied) as denied:
        call()
    assert books() == before
    return denied.value.reason.code


@pytest.fixture
def opened(desk: Desk, make_strategy: Make) -> OptionStrategy:
    """A spread of one lot that is held and leaves at the next look."""
    strategy = make_strategy(levels=LEAVE)
    run_queue(desk)
    strategy.refresh_from_db()
    assert strategy.execution_status == "executed"
    return strategy


@pytest.fixture
def stuck(desk: Desk, opened: OptionStrategy, later: Any) -> Desk:
    """Its long was sold by hand: the exit bought the short back and stands before the other leg (HELD_LESS)."""
    desk = later(desk, timedelta(minutes=5))
    desk = replace(desk, broker=SoldByHand(desk.broker, LOT))
    monitor(desk)
    assert held() == {Decimal(1000): LOT}
    return desk


def hand(strategy: OptionStrategy, **fields: Any) -> HandTrade:
    usual = {"leg": LONG, "side": Side.SELL, "units": LOT, "price": Decimal("39.95"), "at": LATER}
    return HandTrade(strategy.pk, **(usual | fields))


def booked(trade: HandTrade, account: Account, **fields: Any) -> Any:
    return book_trade(trade, account, **(WHO | {"execute": True} | fields))


def last_word() -> AuditEntry:
    """The chain outlives the tests before this one."""
    found: AuditEntry = AuditEntry.objects.filter(event="booked_by_hand").order_by("seq").reverse()[0]
    return found


def typed(strategy: OptionStrategy, *more: str) -> tuple[int, str]:
    at_moment = LATER.astimezone(IST).isoformat()
    words = ("--side", "sell", "--units", str(LOT), "--price", "39.95", "--at", at_moment, "--reason", WORDS)
    return run("attention", "book-trade", "--strategy", str(strategy.pk), "--leg", "2", *words, *more)


def in_the_past(account: Account, **ago: int) -> None:
    TradingState.objects.filter(account=account).update(changed_at=F("changed_at") - timedelta(**ago))


# --- a trade made by hand --------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_fm_E8_a_hand_trade_is_booked_and_the_account_trades_again(stuck: Desk, opened: OptionStrategy) -> None:
    with trading(stuck) as leader:
        leader.reconcile()
        stuck.clock.sleep(5)
        before = leader.reconcile()
    stopped = standing(stuck.account.pk)

    code, output = typed(opened, "--execute", "--json")
    with trading(stuck) as leader:
        leader.until_quiet(5)
        stuck.clock.sleep(60)
        after = leader.reconcile()
    for alert in Alert.objects.filter(acknowledged_at=None):
        run("attention", "acknowledge", str(alert.pk))
    in_the_past(stuck.account, seconds=61)
    released = run("kill_switch", "release", "--account", stuck.account.name, "--reason", "booked")

    opened.refresh_from_db()
    assert (before, stopped.state) == (False, "REDUCE_ONLY")
    left = ExecutionRun.objects.get(purpose="exit")
    assert (code, json.loads(output)["then"]) == (0, f"Run {left.pk} ends as complete.")
    assert (after, held()) == (True, {})
    assert (opened.execution_status, opened.execution_detail) == ("executed", "closed")
    assert released[0] == 0
    assert standing(stuck.account.pk).state == "ACTIVE"


def test_what_is_only_shown_is_not_booked(stuck: Desk, opened: OptionStrategy) -> None:
    before = books()

    code, output = typed(opened)

    assert code == 0
    assert "Nothing was booked; add --execute to book it." in output
    assert books() == before


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_a_hand_trade_bears_its_mark_its_reason_and_its_author(stuck: Desk, opened: OptionStrategy) -> None:
    done = booked(hand(opened, order_id="771"), stuck.account)

    trade = Trade.objects.get(order_id="771")
    order = trade.leg_order
    assert (trade.order_type, trade.order_status, trade.purpose, trade.timestamp) == (
        "BY_HAND",
        "TRADED",
        "exit",
        LATER,
    )
    assert (trade.quantity, trade.price, trade.action, trade.charges > 0) == (LOT, Decimal("39.95"), "SELL", True)
    assert (order.correlation_id, order.reason_code, order.reason_text) == (
        done.name, "BOOKED_BY_HAND", f"cli:anna: {WORDS}",
    )  # fmt: skip
    word = last_word()
    assert (word.subject_kind, word.subject_id, word.actor) == ("trade", done.name, "cli:anna")
    assert word.detail == {"units": LOT, "price": "39.95", "said": f"cli:anna: {WORDS}"}
    written = AuditEntry.objects.filter(subject_kind="trade", subject_id=str(trade.pk), event="created")
    assert list(written.values_list("actor", flat=True)) == ["cli:anna"]


def test_the_same_trade_typed_again_is_booked_already(stuck: Desk, opened: OptionStrategy) -> None:
    first = booked(hand(opened), stuck.account)
    before = books()

    again = booked(hand(opened, price=Decimal("39.950")), stuck.account)

    assert (again.already, again.done, again.name) == (True, False, first.name)
    assert books() == before


def test_part_of_a_leg_is_booked_and_the_exit_sells_the_rest(
    desk: Desk, make_strategy: Make, later: Any, account: Account
) -> None:
    strategy = make_strategy(sets=2, levels=LEAVE)
    run_queue(desk)
    broken = replace(later(desk, timedelta(minutes=5)), broker=SoldByHand(desk.broker, LOT))
    monitor(broken)

    done = booked(hand(strategy), account)
    left = held()
    monitor(broken)

    strategy.refresh_from_db()
    assert done.then.startswith(f"Run {done.run_id} goes on from ")
    assert left == {Decimal(1000): LOT}
    assert (strategy.execution_detail, held()) == ("closed", {})
    sold = LegOrder.objects.filter(run__purpose="exit", side="SELL").values_list("correlation_id", "filled_quantity")
    assert [(name[:5] == "HAND-", units) for name, units in sold] == [(True, LOT), (False, LOT)]


def test_without_an_exit_a_leg_is_booked_and_the_strategy_stays_open(opened: OptionStrategy, account: Account) -> None:
    done = booked(hand(opened, leg=SHORT, side=Side.BUY, price=Decimal("20.05")), account)

    opened.refresh_from_db()
    assert (opened.execution_status, opened.execution_detail, held()) == ("executed", "", {Decimal(1000): LOT})
    made = ExecutionRun.objects.get(pk=done.run_id)
    assert (made.purpose, made.state, made.reason_code, made.broker) == ("exit", "complete", "BOOKED_BY_HAND", "paper")
    assert done.then == f"Strategy {opened.pk} stays open."


def test_a_strategy_that_is_flat_after_it_is_closed_and_the_page_follows(
    opened: OptionStrategy, account: Account
) -> None:
    booked(hand(opened, leg=SHORT, side=Side.BUY, price=Decimal("20.05")), account)

    booked(hand(opened), account)

    opened.refresh_from_db()
    page = overview(NOW)
    assert (opened.execution_status, opened.execution_detail, held()) == ("executed", "closed", {})
    assert opened.execution_notes.startswith("Closed (BOOKED_BY_HAND): ")
    assert page.positions == []
    assert [trade.order_type for trade in page.trades][:2] == ["BY_HAND", "BY_HAND"]


def test_what_was_closed_and_opened_again_by_hand_is_held_again_and_can_be_left(
    desk: Desk, opened: OptionStrategy, account: Account, later: Any
) -> None:
    booked(hand(opened), account)
    booked(hand(opened, side=Side.BUY, price=Decimal("40.05"), at=LATER + timedelta(minutes=1)), account)

    monitor(later(desk, timedelta(minutes=6)))

    opened.refresh_from_db()
    assert (opened.execution_detail, held()) == ("closed", {})


def test_a_hand_trade_ends_an_unwind_that_found_nobody(desk: Desk, scripted: Any, make_strategy: Make) -> None:
    strategy = make_strategy()
    no = OrderRefused(SAID)
    work_for(15, answering(desk, None, *[no] * 30), strategy_id=strategy.pk)
    entry = ExecutionRun.objects.get()
    assert held() == {Decimal(1000): LOT}

    done = booked(hand(strategy, at=NOON + timedelta(minutes=1)), desk.account)

    entry.refresh_from_db()
    strategy.refresh_from_db()
    assert (held(), done.run_id) == ({}, entry.pk)
    assert (entry.state in {"flat", "failed_flat"}, strategy.execution_status) == (True, "failed")


def test_a_stop_at_the_broker_goes_when_its_short_was_bought_back_by_hand(
    opened: OptionStrategy, account: Account
) -> None:
    stop = resting(opened, account, StopStage.PLACED)

    booked(hand(opened, leg=SHORT, side=Side.BUY, price=Decimal("20.05")), account)

    stop.refresh_from_db()
    assert (stop.state, stop.exit_purpose) == (StopStage.CANCELLING, "")


def test_a_stop_on_its_way_may_be_what_was_traded(opened: OptionStrategy, account: Account) -> None:
    resting(opened, account, StopStage.TRIGGERED)

    code = refused(lambda: booked(hand(opened, leg=SHORT, side=Side.BUY, price=Decimal("20.05")), account))

    assert code == "STOP_UNDER_WAY"


def resting(strategy: OptionStrategy, account: Account, state: StopStage) -> ResidentStop:
    stop: ResidentStop = ResidentStop.objects.create(
        account=account, strategy=strategy, leg=strategy.legs.get(leg_number=SHORT), quantity=LOT, state=state,
        trigger_price=Decimal(40), limit_price=Decimal(44), segment="NSE_FNO", security_id="11",
        correlation_id="S1", asked_by="strategy", placed_at=NOON,
    )  # fmt: skip
    return stop


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"units": 2 * LOT}, "MORE_THAN_HELD"),
        ({"side": Side.BUY}, "MORE_THAN_PLANNED"),
        ({"units": LOT + 1}, "LOT"),
        ({"units": 0}, "LOT"),
        ({"leg": 3}, "NO_SUCH_LEG"),
        ({"price": Decimal(0)}, "PRICE"),
        ({"price": Decimal("NaN")}, "PRICE"),
        ({"price": Decimal("39.12345")}, "PRICE"),
        ({"price": Decimal("1e30")}, "PRICE"),
        ({"at": NOW + timedelta(seconds=1)}, "MOMENT"),
        ({"at": NOON - timedelta(hours=1)}, "MOMENT"),
        ({"at": datetime(2026, 1, 31, 12, 0, tzinfo=IST)}, "MOMENT"),
        ({"order_id": "x" * 41}, "ORDER_ID"),
        ({"order_id": "7 7"}, "ORDER_ID"),
    ],
)
def test_what_cannot_have_been_traded_is_refused(
    opened: OptionStrategy, account: Account, fields: dict[str, Any], code: str
) -> None:
    assert refused(lambda: booked(hand(opened, **fields), account)) == code


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"units": 2 * LOT}, "MORE_THAN_HELD"),
        ({"side": Side.BUY}, "RUN_UNDER_WAY"),
        ({"leg": SHORT, "side": Side.BUY}, "MORE_THAN_HELD"),
    ],
)
def test_what_an_exit_does_not_close_is_refused(
    stuck: Desk, opened: OptionStrategy, fields: dict[str, Any], code: str
) -> None:
    assert refused(lambda: booked(hand(opened, **fields), stuck.account)) == code


def test_more_than_the_leg_was_meant_to_hold_is_refused(opened: OptionStrategy, account: Account) -> None:
    short = hand(opened, leg=SHORT, side=Side.SELL)

    assert refused(lambda: booked(short, account)) == "MORE_THAN_PLANNED"


@pytest.mark.parametrize(("who", "code"), [({"actor": " "}, "NO_PERSON"), ({"words": " "}, "NO_REASON")])
def test_a_booking_has_an_author_and_a_reason(
    opened: OptionStrategy, account: Account, who: dict[str, str], code: str
) -> None:
    assert refused(lambda: booked(hand(opened), account, **who)) == code


def test_a_strategy_that_holds_nothing_takes_no_trade(make_strategy: Make, account: Account) -> None:
    strategy = make_strategy()

    assert refused(lambda: booked(hand(strategy), account)) == "NOT_HELD"
    assert refused(lambda: booked(replace(hand(strategy), strategy_id=987), account)) == "UNKNOWN_STRATEGY"


def test_a_trade_of_another_order_is_refused_and_the_right_one_is_noted(
    opened: OptionStrategy, account: Account
) -> None:
    ExternalOrder.objects.create(
        account=account, broker_order_id="77", security_id="10", side="SELL", quantity=LOT, filled_quantity=LOT,
        status="TRADED",
    )  # fmt: skip
    other = hand(opened, leg=SHORT, side=Side.BUY, order_id="77")

    code = refused(lambda: booked(other, account))
    done = booked(hand(opened, order_id="77"), account)

    assert code == "OTHER_ORDER"
    assert ExternalOrder.objects.get().note == f"Booked to strategy {opened.pk} as {done.name}."


def test_a_run_that_has_not_begun_takes_no_trade(opened: OptionStrategy, desk: Desk) -> None:
    open_exit(opened, SAID, desk)

    assert refused(lambda: booked(hand(opened), desk.account)) == "RUN_UNDER_WAY"


def test_a_leg_with_an_order_under_way_takes_no_trade(desk: Desk, opened: OptionStrategy, later: Any) -> None:
    broken = answering(later(desk, timedelta(minutes=5)), None, OutcomeUnknown(SAID))
    with trading(broken) as leader:
        leader.reconcile()
        open_exit(opened, SAID, broken)
        leader.until_quiet(4)
    assert LegOrder.objects.get(state="unknown").side == "SELL"

    assert refused(lambda: booked(hand(opened), desk.account)) == "LIVE_ORDER"


@pytest.mark.parametrize(
    "words",
    [
        ("book-trade",),
        ("book-order", "P1", "--reason", "seen"),
        ("book-order", "P1", "--filled", "0"),
        ("acknowledge", "one"),
    ],
)
def test_a_booking_without_its_words_is_wrong_usage(account: Account, words: tuple[str, ...]) -> None:
    assert run("attention", *words)[0] == 2


# --- how an order ended ----------------------------------------------------------------------------------------------


@pytest.fixture
def left_open(desk: Desk, make_strategy: Make, request: pytest.FixtureRequest) -> LegOrder:
    """The first order of an entry, whose end nobody read; it is three days later."""
    lie = getattr(request, "param", travelling)
    strategy = make_strategy()
    script: dict[str, Any] = {"lie": lie}
    if lie is missing:
        script["after"] = lose
    work_for(1, watched(desk, **script)[0], strategy_id=strategy.pk)
    next_day(desk)
    order: LegOrder = LegOrder.objects.get()
    assert Alert.objects.filter(code="LEFT_OPEN").exists()
    return order


def lose(_: Any) -> None:
    raise OutcomeUnknown(SAID)


def next_day(desk: Desk) -> Desk:
    later = at(desk, NOW)
    later = replace(later, broker=EmptyBooks(later.broker))
    with trading(later) as leader:
        leader.until_quiet(60)
        leader.reconcile()
    return later


def ended(order: LegOrder, filled: int, price: str | None = None, **fields: Any) -> Any:
    end = OrderEnd(order.correlation_id, filled, None if price is None else Decimal(price), fields.pop("order_id", ""))
    return book_order(end, **(WHO | {"now": NOW, "execute": True} | fields))


@pytest.mark.parametrize("left_open", [travelling, missing], indirect=True)
@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_an_order_that_ended_with_nothing_ends_its_run_and_its_strategy(left_open: LegOrder) -> None:
    done = ended(left_open, 0)

    left_open.refresh_from_db()
    strategy = left_open.run.strategy
    run_of = ExecutionRun.objects.get()
    strategy.refresh_from_db()
    assert (left_open.state, left_open.reason_code, left_open.reason_text) == (
        "cancelled", "BOOKED_BY_HAND", f"cli:anna: {WORDS}",
    )  # fmt: skip
    assert (run_of.state, strategy.execution_status, Trade.objects.count()) == ("failed_flat", "failed", 0)
    assert done.then == f"Run {run_of.pk} ends as failed_flat."
    assert last_word().subject_id == left_open.correlation_id


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_an_order_that_filled_is_booked_and_taken_back_and_the_account_is_released(
    desk: Desk, scripted: Any, left_open: LegOrder
) -> None:
    tomorrow = at(desk, NOW + timedelta(minutes=5))
    scripted.quote(option(1000), "39.95", "40.05", at=tomorrow.as_of)
    name = left_open.correlation_id
    code, output = run("attention", "book-order", name, "--filled", str(LOT), "--price", "40.05",
                       "--reason", "order history", "--execute", "--json")  # fmt: skip
    between = held()
    with trading(tomorrow) as leader:
        leader.until_quiet(60)
        tomorrow.clock.sleep(60)
        agrees = leader.reconcile()
    for alert in Alert.objects.filter(acknowledged_at=None):
        run("attention", "acknowledge", str(alert.pk))
    in_the_past(desk.account, seconds=61)
    released = run("kill_switch", "release", "--account", desk.account.name, "--reason", "booked")

    run_of = ExecutionRun.objects.get()
    trade = Trade.objects.get(action="BUY")
    assert (code, json.loads(output)["done"], between) == (0, True, {Decimal(1000): LOT})
    assert (trade.order_type, trade.price, trade.order_id) == ("BY_HAND", Decimal("40.05"), left_open.broker_order_id)
    assert (run_of.state, run_of.strategy.execution_status, held()) == ("flat", "failed", {})
    assert agrees
    assert (released[0], standing(desk.account.pk).state) == (0, "ACTIVE")


def test_an_order_is_only_shown_without_execute(left_open: LegOrder) -> None:
    before = books()

    shown = ended(left_open, LOT, "40.05", execute=False)

    assert (shown.done, shown.already) == (False, False)
    assert books() == before


@pytest.mark.parametrize(("filled", "price"), [(0, None), (LOT, "40.05")])
def test_the_same_end_typed_again_is_booked_already(left_open: LegOrder, filled: int, price: str | None) -> None:
    ended(left_open, filled, price)
    before = books()

    again = ended(left_open, filled, price)

    assert (again.already, again.then) == (True, "It is booked already.")
    assert books() == before


@pytest.mark.parametrize(
    ("filled", "price", "more", "code"),
    [
        (LOT + 1, "40.05", {}, "UNITS"),
        (2 * LOT, "40.05", {}, "UNITS"),
        (LOT - 1, "40.05", {}, "LOT"),
        (LOT, None, {}, "PRICE"),
        (0, "40.05", {}, "PRICE"),
        (LOT, "0", {}, "PRICE"),
        (LOT, "-1", {}, "PRICE"),
        (LOT, "40.05", {"order_id": "other"}, "OTHER_ORDER"),
        (LOT, "40.05", {"now": NOON + timedelta(hours=1)}, "ORDER_OF_TODAY"),
        (LOT, "40.05", {"actor": ""}, "NO_PERSON"),
        (LOT, "40.05", {"words": ""}, "NO_REASON"),
    ],
)
def test_an_end_that_cannot_be_is_refused(
    left_open: LegOrder, filled: int, price: str | None, more: dict[str, Any], code: str
) -> None:
    assert refused(lambda: ended(left_open, filled, price, **more)) == code


def test_another_end_than_the_booked_one_is_refused(left_open: LegOrder) -> None:
    ended(left_open, 0)

    assert refused(lambda: ended(left_open, LOT, "40.05")) == "ORDER_ENDED"


def test_an_order_that_was_read_needs_nobody(desk: Desk, opened: OptionStrategy) -> None:
    order = LegOrder.objects.first()
    assert order is not None

    assert refused(lambda: ended(order, 0)) == "ORDER_ENDED"
    assert refused(lambda: ended(LegOrder(correlation_id="nobody"), 0)) == "UNKNOWN_ORDER"


def test_the_rest_of_a_half_read_order_makes_the_average_true(desk: Desk, make_strategy: Make) -> None:
    """One lot of two was seen at 40.05; the broker's history says two at 40.15 on average."""
    strategy = make_strategy(sets=2)
    work_for(1, watched(desk, lie=travelling)[0], strategy_id=strategy.pk)
    LegOrder.objects.update(state="part", filled_quantity=LOT, average_price=Decimal("40.05"))
    order = LegOrder.objects.get()
    Trade.objects.create(
        strategy=strategy, account=desk.account, leg_order=order, order_id=order.broker_order_id, trade_number="1",
        security_id=order.security_id, symbol=order.symbol, action="BUY", option_type="CE", strike=1000,
        expiry=strategy.expiry, quantity=LOT, price=Decimal("40.05"), order_status="TRADED", timestamp=NOON,
    )  # fmt: skip

    ended(order, 2 * LOT, "40.15")

    order.refresh_from_db()
    rows = Trade.objects.filter(leg_order=order).order_by("pk").values_list("quantity", "price", "order_type")
    assert list(rows) == [(LOT, Decimal("40.05"), "LIMIT"), (LOT, Decimal("40.25"), "BY_HAND")]
    assert (order.state, order.average_price) == ("filled", Decimal("40.15"))
    assert refused(lambda: ended(order, LOT, "40.05")) == "ORDER_ENDED"


@pytest.fixture
def given_up(desk: Desk, make_strategy: Make) -> LegOrder:
    """An order that nobody found on its day: its run ended with nothing, its strategy failed."""
    strategy = make_strategy()
    work_for(120, watched(desk, lie=missing, after=lose)[0], strategy_id=strategy.pk)
    order: LegOrder = LegOrder.objects.get()
    assert (order.state, order.run.state, order.run.strategy.execution_status) == (
        "not_placed",
        "failed_flat",
        "failed",
    )
    return order


class Showing(SoldByHand):
    """A broker that shows so many units of the long, whatever its own book says."""

    def positions(self) -> list[BrokerPosition]:
        security = LegOrder.objects.filter(side="BUY").values_list("security_id", flat=True)[0]
        return [BrokerPosition("NSE_FNO", security, "MARGIN", self._sold)]


def test_an_order_that_was_given_up_and_did_fill_brings_its_run_to_a_person(given_up: LegOrder) -> None:
    done = ended(given_up, LOT, "40.05", order_id="771")

    given_up.refresh_from_db()
    assert (given_up.state, given_up.broker_order_id, held()) == ("filled", "771", {Decimal(1000): LOT})
    assert ExecutionRun.objects.get().state == "attention"
    assert list(Alert.objects.values_list("code", "level")) == [("FOUND_LATE", "CRITICAL")]
    assert done.then.startswith(f"Run {done.run_id} waits in attention: manage.py attention settle {done.run_id}")


def test_what_was_given_up_and_did_fill_is_taken_back_when_a_person_says_so(
    desk: Desk, scripted: Any, given_up: LegOrder
) -> None:
    ended(given_up, LOT, "40.05", order_id="771")
    tomorrow = at(desk, NOW + timedelta(minutes=5))
    scripted.quote(option(1000), "39.95", "40.05", at=tomorrow.as_of)

    settle(given_up.run_id, outcome="unwind", reason="not meant", actor="cli:anna")
    with trading(replace(tomorrow, broker=Showing(tomorrow.broker, LOT))) as leader:
        leader.until_quiet(60)

    found = ExecutionRun.objects.select_related("strategy").get()
    assert (found.state, found.strategy.execution_status, held()) == ("flat", "failed", {})


def test_fm_E8_what_somebody_sold_since_is_not_sold_again_when_a_person_has_an_old_entry_taken_back(
    desk: Desk, scripted: Any, given_up: LegOrder
) -> None:
    ended(given_up, LOT, "40.05", order_id="771")
    tomorrow = at(desk, NOW + timedelta(minutes=5))
    scripted.quote(option(1000), "39.95", "40.05", at=tomorrow.as_of)

    settle(given_up.run_id, outcome="unwind", reason="not meant", actor="cli:anna")
    with trading(replace(tomorrow, broker=Showing(tomorrow.broker, 0))) as leader:
        leader.until_quiet(60)

    assert not LegOrder.objects.filter(side="SELL").exists()
    assert held() == {Decimal(1000): LOT}
    assert set(Alert.objects.values_list("code", flat=True)) == {"FOUND_LATE", "STILL_HELD"}


def test_nothing_is_left_to_say_of_what_was_given_up_with_nothing(given_up: LegOrder) -> None:
    assert refused(lambda: ended(given_up, 0)) == "ORDER_ENDED"


@pytest.mark.parametrize(("outcome", "ends"), [("complete", ("complete", "")), ("unwind", ("flat", "closed"))])
def test_an_entry_that_a_late_order_opened_again_can_be_settled(
    desk: Desk, opened: OptionStrategy, outcome: str, ends: tuple[str, str]
) -> None:
    entry = walk(ExecutionRun.objects.get(), "attention")
    desk.clock.sleep(60)
    with trading(desk) as leader:
        leader.reconcile()

    settle(entry.pk, outcome=outcome, reason="compared", actor="cli:anna")
    with trading(desk) as leader:
        leader.until_quiet(30)

    entry.refresh_from_db()
    opened.refresh_from_db()
    assert (entry.state, opened.execution_detail, opened.execution_status) == (*ends, "executed")
    assert bool(held()) == (outcome == "complete")


# --- what a review found ---------------------------------------------------------------------------------------------


def never_placed(run: ExecutionRun, leg: Any, name: str, attempt: int = 1) -> LegOrder:
    """An order of a run that was given up after its quarantine."""
    security = next(row["security_id"] for row in run.intended if row["row"] == leg.pk)
    row = LegOrder.objects.create(
        run=run, leg=leg, side="BUY", segment="NSE_FNO", security_id=security, symbol="x", quantity=LOT,
        limit_price=Decimal(40), correlation_id=name, intended_at=NOON, attempt=attempt, slice_number=1,
        phase="buying",
    )  # fmt: skip
    LegOrder.objects.filter(pk=row.pk).update(state="sending", sent_at=NOON)
    return walk(row, "unknown", "not_placed")


def test_fm_A3_a_late_fill_of_an_ended_exit_does_not_stop_the_trader_while_another_exit_is_open(
    opened: OptionStrategy, desk: Desk
):
    first = open_exit(opened, SAID, desk)
    walk(first, "precheck", "ready", "buying")
    order = never_placed(first, opened.legs.get(leg_number=SHORT), "Z1")
    walk(first, "settling", "failed_flat")
    OptionStrategy.objects.filter(pk=opened.pk).update(execution_detail="")
    opened.refresh_from_db()
    second = open_exit(opened, SAID, desk)
    told = BrokerOrder(
        order_id="555", correlation_id="Z1", status=OrderStatus.TRADED, quantity=LOT, filled_quantity=LOT
    )

    with trading(desk) as leader:
        seen = Seen("Z1", told, LOT, Decimal(40 * LOT))
        leader._executor.apply(first.pk, seen, [BrokerTrade("555", "1", LOT, Decimal(40), NOON)])

    first.refresh_from_db()
    order.refresh_from_db()
    assert (first.state, second.state, order.filled_quantity) == ("failed_flat", "created", LOT)
    assert Trade.objects.filter(leg_order=order).count() == 1
    assert Alert.objects.filter(code="FOUND_LATE").exists()


def test_one_order_of_the_broker_is_booked_once(make_strategy: Make, desk: Desk, account: Account):
    strategy = make_strategy(sets=2, levels=LEAVE)
    run_queue(desk)
    security = LegOrder.objects.filter(side="BUY").values_list("security_id", flat=True)[0]
    ExternalOrder.objects.create(
        account=account, broker_order_id="77", security_id=security, side="SELL", quantity=LOT, filled_quantity=LOT,
        status="TRADED",
    )  # fmt: skip
    booked(hand(strategy, order_id="77"), account)

    again = hand(strategy, order_id="77", at=LATER + timedelta(minutes=1))

    assert refused(lambda: booked(again, account)) == "BOOKED_ALREADY"


def test_an_order_of_ours_is_no_trade_by_hand(opened: OptionStrategy, account: Account):
    ours = LegOrder.objects.filter(side="BUY").values_list("broker_order_id", flat=True)[0]

    assert refused(lambda: booked(hand(opened, order_id=ours), account)) == "OUR_ORDER"


@pytest.fixture
def given_up_exit(opened: OptionStrategy, desk: Desk) -> ExecutionRun:
    """An exit that ended with nothing: neither of its orders for the short was found."""
    run = open_exit(opened, SAID, desk)
    walk(run, "precheck", "ready", "buying")
    short = opened.legs.get(leg_number=SHORT)
    never_placed(run, short, "Z1")
    never_placed(run, short, "Z2", attempt=2)
    walk(run, "settling", "failed_flat")
    OptionStrategy.objects.filter(pk=opened.pk).update(execution_detail="")
    return run


@pytest.fixture
def reopened(given_up_exit: ExecutionRun, desk: Desk) -> ExecutionRun:
    """One of them had filled after all: the short is bought back."""
    run = given_up_exit
    found_late(desk, run, "Z1")
    run.refresh_from_db()
    assert (run.state, held()) == ("attention", {Decimal(1000): LOT})
    return run


def found_late(desk: Desk, run: ExecutionRun, name: str, order_id: str = "555") -> None:
    told = BrokerOrder(
        order_id=order_id, correlation_id=name, status=OrderStatus.TRADED, quantity=LOT, filled_quantity=LOT
    )
    with trading(desk) as leader:
        seen = Seen(name, told, LOT, Decimal(40 * LOT))
        leader._executor.apply(run.pk, seen, [BrokerTrade(order_id, "1", LOT, Decimal(40), NOON)])


class AsBooked(EmptyBooks):
    """A broker that holds what our books hold."""

    def positions(self) -> list[BrokerPosition]:
        rows = Position.objects.exclude(quantity=0)
        return [BrokerPosition("NSE_FNO", row.security_id, "MARGIN", row.quantity) for row in rows]


def compared(desk: Desk) -> None:
    """A few days later the trader finds the broker's books equal to ours."""
    later = at(desk, NOW)
    with trading(replace(later, broker=AsBooked(later.broker))) as leader:
        assert leader.reconcile()


def chain_audit() -> None:
    """Do what a commit does: ordinary tests never commit."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")


def settled(run: ExecutionRun, outcome: str) -> tuple[str, str]:
    settle(run.pk, outcome=outcome, reason="compared", actor="cli:anna")
    run.refresh_from_db()
    run.strategy.refresh_from_db()
    return run.state, run.strategy.execution_detail


def test_fm_A3_an_exit_that_was_found_late_and_finished_by_hand_closes_its_strategy(
    reopened: ExecutionRun, desk: Desk, account: Account
):
    booked(hand(reopened.strategy), account)
    compared(desk)

    assert (settled(reopened, "complete"), held()) == (("complete", "closed"), {})


def test_fm_A3_an_exit_that_was_found_late_is_settled_as_flat_and_the_next_one_sells_the_rest(
    reopened: ExecutionRun, desk: Desk
):
    compared(desk)

    assert settled(reopened, "flat") == ("flat", "")
    rest = open_exit(reopened.strategy, SAID, desk)
    assert [(leg["side"], leg["quantity"]) for leg in rest.intended] == [("SELL", LOT)]


@pytest.fixture
def overshot(reopened: ExecutionRun, desk: Desk, account: Account) -> ExecutionRun:
    """Its strategy was closed, and then the second order for the short was found to have filled as well."""
    booked(hand(reopened.strategy), account)
    compared(desk)
    settled(reopened, "complete")
    found_late(desk, reopened, "Z2", order_id="556")
    reopened.refresh_from_db()
    assert (reopened.state, held()) == ("attention", {Decimal(1050): LOT})
    return reopened


def test_fm_A3_what_an_exit_bought_too_much_is_sold_by_hand_booked_and_settled(
    overshot: ExecutionRun, desk: Desk, account: Account
):
    sold = hand(overshot.strategy, leg=SHORT, at=LATER + timedelta(minutes=9))
    again = hand(overshot.strategy, leg=SHORT, at=LATER + timedelta(minutes=10))

    booked(sold, account)

    assert held() == {}
    assert refused(lambda: booked(again, account)) == "RUN_UNDER_WAY"  # it would open the short again
    compared(desk)
    assert settled(overshot, "complete") == ("complete", "closed")


def test_an_exit_is_not_left_as_flat_when_nothing_is_left_to_close(overshot: ExecutionRun, desk: Desk):
    compared(desk)

    assert refused(lambda: settled(overshot, "flat")) == "NOT_TRUE"


def test_an_entry_that_failed_is_not_complete_after_all(desk: Desk, given_up: LegOrder, account: Account):
    """Its strategy has ended as failed: what was found of it is taken back, or closed by hand and booked."""
    ended(given_up, LOT, "40.05", order_id="771")
    strategy = OptionStrategy.objects.get()
    booked(hand(strategy, leg=SHORT, price=Decimal("30.05")), account)
    assert held() == {Decimal(1000): LOT, Decimal(1050): -LOT}
    compared(desk)

    assert refused(lambda: settled(given_up.run, "complete")) == "NOT_TRUE"


def test_a_comparison_older_than_a_booking_settles_nothing(reopened: ExecutionRun, desk: Desk, account: Account):
    compared(desk)
    booked(hand(reopened.strategy), account)
    chain_audit()

    assert refused(lambda: settled(reopened, "complete")) == "NOT_RECONCILED"

    compared(desk)
    assert settled(reopened, "complete") == ("complete", "closed")


def test_a_leader_that_read_a_run_before_a_booking_loses_the_race_and_reads_anew(
    opened: OptionStrategy, desk: Desk, account: Account
):
    run = open_exit(opened, SAID, desk)
    walk(run, "precheck", "ready", "buying")

    with trading(desk) as leader:
        before = leader.ledger.basket(run.pk)
        booked(hand(opened), account)
        with pytest.raises(LostRace):
            leader.ledger.commit(before, replace(before, phase_at=LATER))

        found = leader.ledger.basket(run.pk)
    assert (found.version, [(one.side, one.filled) for one in found.attempts]) == (
        before.version + 4,
        [(Side.SELL, LOT)],
    )
    assert found.phase_at == before.phase_at


def test_fm_E8_what_a_person_has_taken_back_asks_what_is_held_even_minutes_after_the_entry(
    desk: Desk, scripted: Any, given_up: LegOrder
):
    run = given_up.run
    found_late(desk, run, given_up.correlation_id, order_id="771")
    soon = at(desk, run.as_of + timedelta(minutes=4))
    scripted.quote(option(1000), "39.95", "40.05", at=soon.as_of)

    settle(run.pk, outcome="unwind", reason="sold in the app", actor="cli:anna")
    with trading(replace(soon, broker=Showing(soon.broker, 0))) as leader:
        leader.until_quiet(60)

    assert not LegOrder.objects.filter(side="SELL").exists()
    assert held() == {Decimal(1000): LOT}


def test_a_comparison_older_than_a_second_late_fill_settles_nothing(reopened: ExecutionRun, desk: Desk):
    compared(desk)
    found_late(desk, reopened, "Z2", order_id="556")
    chain_audit()

    assert refused(lambda: settled(reopened, "flat")) == "NOT_RECONCILED"


def test_what_an_exit_bought_too_much_may_be_sold_in_two_trades(
    given_up_exit: ExecutionRun, desk: Desk, account: Account
):
    short = given_up_exit.strategy.legs.get(leg_number=SHORT)
    third = never_placed_beside(given_up_exit, short)
    for name, order_id in (("Z1", "555"), ("Z2", "556"), (third, "557")):
        found_late(desk, given_up_exit, name, order_id=order_id)
    assert held()[Decimal(1050)] == 2 * LOT

    for minutes in (9, 10):
        booked(hand(given_up_exit.strategy, leg=SHORT, at=LATER + timedelta(minutes=minutes)), account)

    assert held() == {Decimal(1000): LOT}


def never_placed_beside(run: ExecutionRun, leg: Any) -> str:
    """A third order of the same leg, given up before the run ended."""
    with connection.cursor() as cursor:  # the run has ended since: the guard of its intention looks at open ones
        cursor.execute("SET LOCAL session_replication_role = replica")
        never_placed(run, leg, "Z3", attempt=3)
        cursor.execute("SET LOCAL session_replication_role = origin")
    return "Z3"
