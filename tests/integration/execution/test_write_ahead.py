"""What is written before, during and after a call to the broker, and what a crash or silence leaves behind."""

import threading
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from django.db import connection, connections

from execution.basket import Slice
from execution.errors import AuthExpired, NotSent, OutcomeUnknown, RateLimited
from execution.lifecycle import IllegalTransition, OrderEvent
from execution.limit_price import ENTRY_PRICES as RULES
from execution.models import ExecutionRun, LegOrder, PaperOrder, Trade
from execution.ports import BrokerOrder, OrderRequest, OrderStatus, Placed
from execution.services.orders import move, send, write_intent
from execution.services.preparation import Desk, plan_order, prepare_entry
from execution.services.runs import execute_queue, execute_strategy
from execution.services.transitions import owning
from market.errors import Reason
from strategies.models import OptionStrategy
from tests.elsewhere import Elsewhere

SAID = Reason("SAID", "The broker said so.")


class Spy:
    """Passes everything to the paper broker; a script may act before or after each place()."""

    def __init__(self, broker: Any, *, before: Any = None, after: Any = None, found: Any = None) -> None:
        self._broker, self._before, self._after, self._found = broker, before, after, found
        self.name, self.mode = broker.name, broker.mode
        self.placed: list[OrderRequest] = []

    def place(self, order: OrderRequest, *, now: datetime) -> Placed:
        self.placed.append(order)
        if self._before:
            self._before(order)
        answer = self._broker.place(order, now=now)
        if self._after:
            self._after(order)
        return answer

    def order_by_correlation(self, name: str, *, now: datetime) -> BrokerOrder | None:
        real = self._broker.order_by_correlation(name, now=now)
        return self._found(real) if self._found else real

    def __getattr__(self, name: str) -> Any:
        return getattr(self._broker, name)


class PowerCut(BaseException):
    """Nothing in our code may catch this."""


def with_broker(desk: Desk, broker: Any) -> Desk:
    return Desk(broker, desk.market, desk.account, desk.as_of)


def run_queue(desk: Desk) -> list[Any]:
    return execute_queue(as_of=desk.as_of, broker=desk.broker, market=desk.market, account=desk.account)


def cut(*_: Any) -> None:
    raise PowerCut


def raising(error: type[Exception]) -> Callable[..., None]:
    def act(*_: Any) -> None:
        raise error(SAID)

    return act


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


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_sending_is_committed_before_the_call_and_no_transaction_is_open(
    desk: Desk, make_strategy: Callable[..., OptionStrategy]
) -> None:
    make_strategy()
    seen: list[Any] = []

    def look(order: OrderRequest) -> None:
        rows = in_another_session(f"SELECT state FROM leg_orders WHERE correlation_id = '{order.correlation_id}'")
        seen.append((rows, connection.in_atomic_block))

    run_queue(with_broker(desk, Spy(desk.broker, before=look)))

    assert seen == [([("sending",)], False), ([("sending",)], False)]


@pytest.mark.parametrize("error", [RateLimited, AuthExpired])
def test_a_definite_no_ends_the_basket(
    desk: Desk, make_strategy: Callable[..., OptionStrategy], error: type[Exception]
) -> None:
    spy = Spy(desk.broker, before=raising(error))
    strategy = make_strategy()

    (result,) = run_queue(with_broker(desk, spy))

    strategy.refresh_from_db()
    assert (result.state, result.reason.code, strategy.execution_status) == ("failed_flat", "SAID", "failed")
    assert len(spy.placed) == 1


def test_what_provably_never_left_is_tried_again_under_a_new_name(
    desk: Desk, make_strategy: Callable[..., OptionStrategy]
) -> None:
    errors = iter([NotSent(SAID)])

    def fail_once(order: OrderRequest) -> None:
        for error in errors:
            raise error

    spy = Spy(desk.broker, before=fail_once)
    make_strategy()

    (result,) = run_queue(with_broker(desk, spy))

    assert result.state == "complete"
    assert list(LegOrder.objects.filter(side="BUY").values_list("attempt", "state")) == [
        (1, "not_placed"),
        (2, "filled"),
    ]
    assert len({order.correlation_id for order in spy.placed}) == 3


def test_a_lost_answer_is_found_by_its_name_and_not_sent_again(
    desk: Desk, make_strategy: Callable[..., OptionStrategy]
) -> None:
    spy = Spy(desk.broker, after=raising(OutcomeUnknown))
    strategy = make_strategy()

    (result,) = run_queue(with_broker(desk, spy))

    strategy.refresh_from_db()
    assert (result.state, strategy.execution_status) == ("complete", "executed")
    assert (len(spy.placed), PaperOrder.objects.count()) == (2, 2)


def test_an_outcome_that_stays_unknown_stops_everything_and_is_never_resent(
    desk: Desk, make_strategy: Callable[..., OptionStrategy]
) -> None:
    spy = Spy(desk.broker, before=raising(OutcomeUnknown))
    strategy = make_strategy()

    (result,) = run_queue(with_broker(desk, spy))
    again = run_queue(with_broker(desk, spy))

    strategy.refresh_from_db()
    assert (result.state, result.reason.code) == ("attention", "OUTCOME_UNKNOWN")
    assert (strategy.execution_status, strategy.execution_detail) == ("executing", "attention")
    assert again == []
    assert len(spy.placed) == 1
    assert LegOrder.objects.get().state == "unknown"


@pytest.mark.parametrize(
    "lie",
    [
        lambda real: None,
        lambda real: BrokerOrder(real.order_id, real.correlation_id, OrderStatus.TRADED, 500, 501, real.average_price),
        lambda real: BrokerOrder(real.order_id, real.correlation_id, OrderStatus.TRADED, 500, 250, real.average_price),
        lambda real: BrokerOrder(real.order_id, real.correlation_id, OrderStatus.TRANSIT, 500, 0),
    ],
    ids=["not found", "overfill", "books differ", "in transit"],
)
def test_books_that_do_not_tell_the_end_are_not_believed(
    desk: Desk, make_strategy: Callable[..., OptionStrategy], lie: Any
) -> None:
    strategy = make_strategy()

    (result,) = run_queue(with_broker(desk, Spy(desk.broker, found=lie)))

    strategy.refresh_from_db()
    assert (result.state, strategy.execution_status) == ("attention", "executing")
    assert LegOrder.objects.get().state == "acked"
    assert not Trade.objects.exists()


def test_a_crash_while_sending_is_looked_up_and_taken_back_at_the_next_start(
    desk: Desk, make_strategy: Callable[..., OptionStrategy]
) -> None:
    strategy = make_strategy()
    with pytest.raises(PowerCut):
        run_queue(with_broker(desk, Spy(desk.broker, after=cut)))
    left = (ExecutionRun.objects.get().state, LegOrder.objects.get().state)

    (result,) = run_queue(desk)

    strategy.refresh_from_db()
    assert left == ("buying", "sending")
    assert (result.state, result.reason.code, strategy.execution_status) == ("flat", "INTERRUPTED", "failed")
    assert list(PaperOrder.objects.values_list("side", "filled_quantity")) == [("BUY", 500), ("SELL", 500)]


def test_a_crash_after_the_last_fill_is_still_executed(
    desk: Desk, make_strategy: Callable[..., OptionStrategy]
) -> None:
    strategy = make_strategy()
    spy = Spy(desk.broker, after=lambda order: cut() if order.side == "SELL" else None)
    with pytest.raises(PowerCut):
        run_queue(with_broker(desk, spy))

    (result,) = run_queue(desk)

    strategy.refresh_from_db()
    assert (result.state, strategy.execution_status) == ("complete", "executed")
    assert PaperOrder.objects.count() == 2


def test_an_intent_that_was_never_sent_is_void_after_a_crash(
    desk: Desk, make_strategy: Callable[..., OptionStrategy]
) -> None:
    strategy = make_strategy()
    OptionStrategy.objects.claim(strategy.pk)
    run = ExecutionRun.objects.create(
        strategy=strategy, account=desk.account, broker="paper", state="buying", as_of=desk.as_of
    )
    plan = prepare_entry(strategy, desk)
    first: Slice = plan.orders[0].piece
    order = write_intent(run, plan_order(plan.orders[0].listed, first, desk, attempt=1, rules=RULES), desk)

    (result,) = run_queue(desk)

    order.refresh_from_db()
    assert (order.state, result.state, result.reason.code) == ("void", "failed_flat", "INTERRUPTED")
    assert not PaperOrder.objects.exists()


def test_a_crash_before_the_gate_is_denied(desk: Desk, make_strategy: Callable[..., OptionStrategy]) -> None:
    strategy = make_strategy()
    OptionStrategy.objects.claim(strategy.pk)
    ExecutionRun.objects.create(strategy=strategy, account=desk.account, broker="paper", as_of=desk.as_of)

    (result,) = run_queue(desk)

    strategy.refresh_from_db()
    assert (result.state, result.reason.code, strategy.execution_status) == ("denied", "INTERRUPTED", "failed")


def test_an_order_that_was_sent_cannot_be_sent_again(desk: Desk, make_strategy: Callable[..., OptionStrategy]) -> None:
    strategy = make_strategy()
    run = ExecutionRun.objects.create(strategy=strategy, account=desk.account, broker="paper", as_of=desk.as_of)
    planned = prepare_entry(strategy, desk).orders[0]
    order = write_intent(run, planned, desk)
    send(order, planned, desk)

    with pytest.raises(IllegalTransition):
        send(order, planned, desk)
    with pytest.raises(IllegalTransition):
        move(order, OrderEvent.SEND)

    assert PaperOrder.objects.count() == 1


def test_a_run_with_a_living_owner_is_not_taken_over(
    transactional_db: None,
    django_db_serialized_rollback: None,
    desk: Desk,
    make_strategy: Callable[..., OptionStrategy],
) -> None:
    strategy = make_strategy()
    OptionStrategy.objects.claim(strategy.pk)
    run = ExecutionRun.objects.create(strategy=strategy, account=desk.account, broker="paper", as_of=desk.as_of)
    with Elsewhere(owning(strategy.pk)):
        taken = run_queue(desk)

    run.refresh_from_db()
    assert (taken, run.state) == ([], "created")


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_two_executors_on_one_row_execute_it_once(desk: Desk, make_strategy: Callable[..., OptionStrategy]) -> None:
    strategy = make_strategy()
    gate, results = threading.Barrier(2), []

    def work() -> None:
        gate.wait()
        results.append(execute_strategy(strategy.pk, desk=desk))
        connections.close_all()

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    done = [result for result in results if result is not None]
    assert [result.state for result in done] == ["complete"]
    assert (ExecutionRun.objects.count(), PaperOrder.objects.count()) == (1, 2)
