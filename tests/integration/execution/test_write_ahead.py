"""What is written before, during and after a call to the broker, and what a crash or silence leaves behind."""

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, connections

from execution.basket.values import Basket
from execution.errors import AuthExpired, ExecutionDenied, NotSent, OutcomeUnknown, RateLimited
from execution.lifecycle import ORDER_TABLE, IllegalTransition, OrderEvent, OrderState, advance
from execution.models import Alert, ExecutionRun, LegOrder, PaperOrder, Trade
from execution.ports import BrokerOrder, OrderRequest, OrderStatus
from execution.services.leadership import lead
from execution.services.ledger import DatabaseLedger
from execution.services.preparation import Desk
from execution.services.runs import open_entry
from execution.services.standing import standing
from execution.services.trading import Trading, trading
from strategies.models import OptionStrategy
from tests.elsewhere import Elsewhere
from tests.integration.execution.conftest import NOON
from tests.integration.execution.desks import (
    SAID,
    PowerCut,
    answering,
    at,
    cut,
    execute,
    run_queue,
    watched,
    work_for,
)

Make = Callable[..., OptionStrategy]

committing = pytest.mark.django_db(transaction=True, serialized_rollback=True)


def in_another_session(sql: str) -> list[Any]:
    """What the database shows to somebody else right now: only what is committed."""
    rows: list[Any] = []

    def look() -> None:
        with connection.cursor() as cursor:
            cursor.execute(sql)
            rows.extend(cursor.fetchall())
        connections.close_all()

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    return rows


@committing
def test_fm_C1_C14_sending_is_committed_before_the_call_and_no_transaction_is_open(
    desk: Desk, make_strategy: Make
) -> None:
    make_strategy()
    seen: list[Any] = []

    def look(order: OrderRequest) -> None:
        rows = in_another_session(f"SELECT state FROM leg_orders WHERE correlation_id = '{order.correlation_id}'")
        seen.append((rows, connection.in_atomic_block))

    desk, _ = watched(desk, before=look)
    run_queue(desk)

    assert seen == [([("sending",)], False), ([("sending",)], False)]


def test_a_refusal_for_pace_is_tried_again_under_a_new_name(desk: Desk, make_strategy: Make) -> None:
    make_strategy()
    desk = answering(desk, RateLimited(SAID))

    (result,) = run_queue(desk)

    bought = LegOrder.objects.filter(side="BUY").values_list("attempt", "state", "reason_code", "intended_at")
    assert result.state == "complete"
    assert list(bought) == [
        (1, "refused", "RATE_LIMITED", NOON),
        (2, "filled", "", NOON + timedelta(seconds=2)),
    ]


def test_fm_A14_a_dead_token_ends_the_basket_and_calls_a_person(desk: Desk, make_strategy: Make) -> None:
    strategy = make_strategy()
    desk, spy = watched(desk, before=_raise(AuthExpired(SAID)))

    (result,) = run_queue(desk)

    strategy.refresh_from_db()
    assert (result.state, result.reason.code, strategy.execution_status) == ("failed_flat", "CRITICAL_ALERT", "failed")
    assert len(spy.placed) == 1
    assert list(Alert.objects.values_list("level", "code")) == [("CRITICAL", "SAID")]
    assert standing(desk.account.pk).state == "REDUCE_ONLY"


def test_what_provably_never_left_is_tried_again_under_a_new_name(desk: Desk, make_strategy: Make) -> None:
    make_strategy()
    desk = answering(desk, NotSent(SAID))

    (result,) = run_queue(desk)

    assert result.state == "complete"
    assert list(LegOrder.objects.filter(side="BUY").values_list("attempt", "state")) == [
        (1, "not_placed"),
        (2, "filled"),
    ]
    assert len({order.correlation_id for order in desk.broker.placed}) == 3


def test_fm_A2_a_lost_answer_is_found_by_its_name_and_not_sent_again(desk: Desk, make_strategy: Make) -> None:
    strategy = make_strategy()
    desk, spy = watched(desk, after=_raise(OutcomeUnknown(SAID)))

    (result,) = run_queue(desk)

    strategy.refresh_from_db()
    assert (result.state, strategy.execution_status) == ("complete", "executed")
    assert (len(spy.placed), PaperOrder.objects.count()) == (2, 2)


def test_fm_A1_an_order_that_nobody_knows_is_given_up_after_its_quarantine_and_never_resent(
    desk: Desk, make_strategy: Make
) -> None:
    strategy = make_strategy()
    desk, spy = watched(desk, before=_raise(OutcomeUnknown(SAID)))

    (early,) = work_for(30, desk, strategy_id=strategy.pk)
    unsure = LegOrder.objects.get().state
    (result,) = run_queue(desk)
    again = run_queue(desk)

    strategy.refresh_from_db()
    order = LegOrder.objects.get()
    assert (early.state, unsure) == ("settling", "unknown")
    assert (result.state, result.reason.code, order.state) == ("failed_flat", "PHASE_TIMEOUT", "not_placed")
    assert order.settled_at - order.sent_at > timedelta(seconds=30)
    assert order.misses == 3
    assert strategy.execution_status == "failed"
    assert (again, len(spy.placed)) == ([], 1)


@pytest.mark.slow
def test_fm_A13_books_that_cannot_be_read_leave_the_order_unknown_and_call_a_person(
    desk: Desk, make_strategy: Make
) -> None:
    strategy = make_strategy()
    desk, spy = watched(desk, before=_raise(OutcomeUnknown(SAID)), deaf=True)

    (result,) = run_queue(desk)

    strategy.refresh_from_db()
    assert (result.state, LegOrder.objects.get().state) == ("settling", "unknown")
    assert (strategy.execution_status, strategy.execution_detail) == ("executing", "attention")
    assert Alert.objects.filter(code="OUTCOME_UNKNOWN", level="CRITICAL").count() == 1
    assert (len(spy.placed), PaperOrder.objects.count()) == (1, 0)


def _raise(error: Exception) -> Callable[..., None]:
    def act(*_: Any) -> None:
        raise error

    return act


def overfilled(order: BrokerOrder) -> BrokerOrder:
    return replace(order, filled_quantity=order.quantity + 1)


def half(order: BrokerOrder) -> BrokerOrder:
    return replace(order, filled_quantity=250)


def travelling(order: BrokerOrder) -> BrokerOrder:
    return replace(order, status=OrderStatus.TRANSIT, filled_quantity=0, average_price=None)


def missing(order: BrokerOrder) -> None:
    return None


@pytest.mark.parametrize(
    ("lie", "state", "order_state"),
    [
        (missing, "settling", "pending_cancel"),
        (overfilled, "attention", "pending_cancel"),
        (half, "settling", "pending_cancel"),
        (travelling, "settling", "pending_cancel"),
    ],
    ids=["not found", "overfill", "books differ", "in transit"],
)
def test_books_that_do_not_tell_the_end_are_not_believed(
    desk: Desk, make_strategy: Make, lie: Any, state: str, order_state: str
) -> None:
    strategy = make_strategy()
    desk, spy = watched(desk, lie=lie)

    (result,) = work_for(30, desk, strategy_id=strategy.pk)

    strategy.refresh_from_db()
    assert (result.state, strategy.execution_status) == (state, "executing")
    assert LegOrder.objects.get().state == order_state
    assert not Trade.objects.exists()
    assert len(spy.placed) == 1


def test_fm_C3_a_crash_while_sending_is_looked_up_and_the_basket_goes_on_at_the_next_start(
    desk: Desk, make_strategy: Make
) -> None:
    strategy = make_strategy()
    broken, _ = watched(desk, after=cut)
    with pytest.raises(PowerCut):
        run_queue(broken)
    left = (ExecutionRun.objects.get().state, LegOrder.objects.get().state)

    (result,) = run_queue(desk)

    strategy.refresh_from_db()
    assert left == ("buying", "sending")
    assert (result.state, strategy.execution_status) == ("complete", "executed")
    assert list(PaperOrder.objects.values_list("side", "filled_quantity")) == [("BUY", 500), ("SELL", 500)]


def test_a_crash_while_sending_long_ago_is_taken_back_at_the_next_start(desk: Desk, make_strategy: Make) -> None:
    strategy = make_strategy()
    broken, _ = watched(desk, after=cut)
    with pytest.raises(PowerCut):
        run_queue(broken)
    desk.clock.sleep(120)

    (result,) = run_queue(desk)

    strategy.refresh_from_db()
    assert (result.state, result.reason.code, strategy.execution_status) == ("flat", "PHASE_TIMEOUT", "failed")
    assert list(PaperOrder.objects.values_list("side", "filled_quantity")) == [("BUY", 500), ("SELL", 500)]


class NextDay:
    """The broker a day later: its books are empty."""

    def __init__(self, broker: Any) -> None:
        self._broker = broker
        self.name, self.mode = broker.name, broker.mode

    def orders(self) -> list[BrokerOrder]:
        return []

    def order_by_correlation(self, name: str) -> None:
        return None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._broker, name)


@pytest.mark.parametrize(("lie", "state"), [(travelling, "acked"), (missing, "unknown")])
def test_how_an_order_of_another_day_ended_is_not_guessed_and_the_books_are_read_on(
    desk: Desk, make_strategy: Make, lie: Any, state: str
) -> None:
    strategy = make_strategy()
    after = _raise(OutcomeUnknown(SAID)) if lie is missing else None
    work_for(1, watched(desk, after=after, lie=lie)[0], strategy_id=strategy.pk)
    assert list(LegOrder.objects.values_list("state", flat=True)) == [state]
    later = at(desk, NOON + timedelta(days=3))

    with trading(replace(later, broker=NextDay(later.broker))) as leader:
        leader.until_quiet(60)
        agrees = leader.reconcile()

    assert agrees
    assert not LegOrder.objects.filter(state="not_placed").exists()
    assert list(Alert.objects.filter(code="LEFT_OPEN").values_list("level", flat=True)) == ["CRITICAL"]
    assert standing(desk.account.pk).state == "REDUCE_ONLY"


def test_a_crash_after_the_last_fill_is_still_executed(desk: Desk, make_strategy: Make) -> None:
    strategy = make_strategy()
    broken, _ = watched(desk, after=lambda order: cut() if order.side == "SELL" else None)
    with pytest.raises(PowerCut):
        run_queue(broken)

    (result,) = run_queue(desk)

    strategy.refresh_from_db()
    assert (result.state, strategy.execution_status) == ("complete", "executed")
    assert PaperOrder.objects.count() == 2


class CutLedger:
    """The books of a leader, where the power goes before one of their transactions or after it."""

    def __init__(self, ledger: DatabaseLedger, *, method: str, after: bool, count: int = 1) -> None:
        self._ledger, self._method, self._after, self._left = ledger, method, after, count

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._ledger, name)
        return self._cut(found) if name == self._method else found

    def _cut(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            self._left -= 1
            if self._left == 0 and not self._after:
                raise PowerCut
            answer = real(*args, **options)
            if self._left == 0:
                raise PowerCut
            return answer

        return call


def cut_books(leader: Trading, **how: Any) -> None:
    """Give the leader's executor books that fail it."""
    leader._executor._ledger = CutLedger(leader.ledger, **how)  # type: ignore[assignment]


def test_fm_C2_an_intent_that_was_never_sent_is_void_after_a_crash(desk: Desk, make_strategy: Make) -> None:
    strategy = make_strategy()
    with pytest.raises(PowerCut), trading(desk) as leader:
        open_entry(strategy.pk, desk)
        leader.reconcile()
        cut_books(leader, method="clear", after=False)
        leader.until_quiet()
    left = list(LegOrder.objects.values_list("state", flat=True))

    (result,) = run_queue(desk)

    assert left == ["intent"]
    assert result.state == "complete"
    assert list(LegOrder.objects.values_list("side", "attempt", "state")) == [
        ("BUY", 1, "void"),
        ("BUY", 2, "filled"),
        ("SELL", 1, "filled"),
    ]
    assert PaperOrder.objects.count() == 2


def test_what_was_cleared_and_not_sent_is_given_up_after_its_quarantine_and_not_sent_then(
    desk: Desk, make_strategy: Make
) -> None:
    strategy = make_strategy()
    with pytest.raises(PowerCut), trading(desk) as leader:
        open_entry(strategy.pk, desk)
        leader.reconcile()
        cut_books(leader, method="clear", after=True)
        leader.until_quiet()
    left = LegOrder.objects.get().state

    (result,) = run_queue(desk)

    assert left == "sending"
    assert (result.state, LegOrder.objects.get().state) == ("failed_flat", "not_placed")
    assert not PaperOrder.objects.exists()


@pytest.mark.parametrize("number", range(1, 11))
@pytest.mark.parametrize("after", [False, True])
def test_fm_F16_after_a_crash_at_any_write_the_basket_is_whole_or_nothing(
    desk: Desk, make_strategy: Make, number: int, after: bool
) -> None:
    strategy = make_strategy()
    with pytest.raises(PowerCut), trading(desk) as leader:
        open_entry(strategy.pk, desk)
        leader.reconcile()
        cut_books(leader, method="commit", after=after, count=number)
        leader.until_quiet()

    (result,) = run_queue(desk)

    filled = list(PaperOrder.objects.order_by("id").values_list("side", "filled_quantity"))
    assert (result.state, filled) == ("complete", [("BUY", 500), ("SELL", 500)])
    assert Trade.objects.count() == 2


def test_a_crash_before_the_gate_is_as_if_it_had_not_begun(desk: Desk, make_strategy: Make) -> None:
    strategy = make_strategy()
    with trading(desk):
        open_entry(strategy.pk, desk)

    (result,) = run_queue(desk)

    strategy.refresh_from_db()
    assert (result.state, strategy.execution_status) == ("complete", "executed")


def test_a_crash_between_gate_and_books_leaves_no_run_without_its_strategy(desk: Desk, make_strategy: Make) -> None:
    strategy = make_strategy(("SELL", 1050, "CE", 1))
    with trading(desk):
        open_entry(strategy.pk, desk)

    (result,) = run_queue(desk)

    strategy.refresh_from_db()
    assert (result.state, result.reason.code, strategy.execution_status) == ("denied", "NAKED_SHORT", "failed")
    assert not LegOrder.objects.exists()


@pytest.mark.parametrize("state", [state for state in OrderState if state is not OrderState.INTENT])
def test_an_order_that_was_sent_cannot_be_sent_again(state: OrderState) -> None:
    with pytest.raises(IllegalTransition):
        advance(ORDER_TABLE, state, OrderEvent.SEND)


def test_a_stale_view_of_a_run_writes_nothing(desk: Desk, make_strategy: Make) -> None:
    strategy = make_strategy()
    with trading(desk) as leader:
        run = open_entry(strategy.pk, desk)
        before: Basket = leader.ledger.basket(run.pk)
        leader.turn()
        version = ExecutionRun.objects.get().version

        refusal = _refused(lambda: leader.ledger.commit(before, replace(before, phase_at=NOON)))

    assert refusal == "LOST_RACE"
    assert ExecutionRun.objects.get().version == version


def test_fm_C5_a_leader_that_is_over_writes_nothing(desk: Desk, make_strategy: Make) -> None:
    strategy = make_strategy()
    with trading(desk) as leader:
        run = open_entry(strategy.pk, desk)
        basket = leader.ledger.basket(run.pk)

    refusal = _refused(lambda: leader.ledger.commit(basket, replace(basket, phase_at=NOON)))

    assert refusal == "FENCED"
    assert ExecutionRun.objects.get().version == 0


def _refused(call: Callable[[], object]) -> str:
    with pytest.raises(ExecutionDenied) as refused:
        call()
    return refused.value.reason.code


@committing
def test_while_somebody_leads_a_run_is_not_taken_over(desk: Desk, make_strategy: Make, elsewhere: Any) -> None:
    strategy = make_strategy()
    with trading(desk):
        open_entry(strategy.pk, desk)

    with elsewhere(desk.account):
        refusal = _refused(lambda: run_queue(desk))

    assert (refusal, ExecutionRun.objects.get().state) == ("NOT_LEADER", "created")


@committing
def test_fm_C6_C7_two_executors_on_one_row_execute_it_once(desk: Desk, make_strategy: Make) -> None:
    strategy = make_strategy()
    gate, results, refusals = threading.Barrier(2), [], []

    def work() -> None:
        gate.wait()
        try:
            results.append(execute(strategy.pk, desk))
        except ExecutionDenied as denied:
            refusals.append(denied.reason.code)
        connections.close_all()

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    done = [result for result in results if result is not None]
    assert [result.state for result in done] == ["complete"]
    assert refusals in ([], ["NOT_LEADER"])
    assert (ExecutionRun.objects.count(), PaperOrder.objects.count()) == (1, 2)


@pytest.fixture
def elsewhere() -> Callable[..., AbstractContextManager[None]]:
    return lambda account: Elsewhere(lead(account.pk, owner="elsewhere"))
