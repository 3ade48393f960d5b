"""What one order costs on its way: statements, waits for the disk, reads of the broker's positions."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from django.db import connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext

from allocation.models import Account
from execution.basket.values import Basket
from execution.errors import Fenced, LostRace
from execution.lifecycle import OrderState
from execution.models import LegOrder, Trade, TraderLease
from execution.ports import BrokerPosition, BrokerTrade
from execution.services.fills import keep_trades
from execution.services.intended import from_json
from execution.services.order_rows import write_run
from execution.services.pace import take_call
from execution.services.preparation import Desk, order_charges
from execution.services.runs import execute_exit, open_entry
from execution.services.trading import trading
from market.contract import Side
from market.errors import Reason
from strategies.models import OptionStrategy
from tests.integration.execution.desks import run_queue

Make = Callable[..., OptionStrategy]

committing = pytest.mark.django_db(transaction=True, serialized_rollback=True)


@contextmanager
def a_server_that_waits() -> Iterator[None]:
    """The one of the tests is a throw-away and waits for nothing."""
    with connection.cursor() as cursor:
        cursor.execute("SET synchronous_commit = on")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("RESET synchronous_commit")


_WATCH = """
CREATE TABLE written (id serial, state text, waits text);
CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO written (state, waits) VALUES (NEW.state, current_setting('synchronous_commit'));
    RETURN NULL;
END $$;
CREATE TRIGGER look AFTER INSERT OR UPDATE ON leg_orders FOR EACH ROW EXECUTE FUNCTION look();
"""


@contextmanager
def waits_for_the_disk() -> Iterator[Callable[[], Sequence[tuple[str, str]]]]:
    """Which state an order was written in, and whether that commit waits for the disk, as its row sees it."""
    with connection.cursor() as cursor:
        cursor.execute(_WATCH)
    try:
        yield _written
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP TRIGGER look ON leg_orders; DROP FUNCTION look; DROP TABLE written")


def _written() -> Sequence[tuple[str, str]]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT state, waits FROM written ORDER BY id")
        found: Sequence[tuple[str, str]] = cursor.fetchall()
    return found


@committing
def test_fm_C1_an_intent_goes_to_the_disk_with_the_commit_that_comes_before_the_wire(
    desk: Desk, make_strategy: Make
) -> None:
    make_strategy()

    with a_server_that_waits(), waits_for_the_disk() as written:
        run_queue(desk)
        seen = written()

    one_order = [("intent", "off"), ("sending", "on"), ("acked", "on"), ("filled", "on")]
    assert seen == one_order * 2


@committing
@pytest.mark.parametrize(("urgent", "kept"), [(False, "off"), (True, "on")])
def test_only_a_call_that_something_is_committed_after_need_not_wait_for_the_disk(urgent: bool, kept: str) -> None:
    account = Account.objects.create(name="paced", capital=1)
    seen: list[str] = []

    def look(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.startswith("INSERT INTO order_calls"):
            seen.append(connection.connection.execute("SHOW synchronous_commit").fetchone()[0])
        return execute(sql, params, many, context)

    with a_server_that_waits(), connection.execute_wrapper(look):
        assert take_call(account.pk, urgent=urgent) == 0.0

    assert seen == [kept]


@committing
def test_a_call_is_taken_in_two_statements() -> None:
    account = Account.objects.create(name="paced", capital=1)
    take_call(account.pk, urgent=False)

    with CaptureQueriesContext(connection) as asked:
        wait = take_call(account.pk, urgent=False)

    statements = [one["sql"] for one in asked if one["sql"] not in {"BEGIN", "COMMIT"}]
    assert wait > 0.0
    assert len(statements) == 1


@pytest.mark.django_db
def test_an_order_costs_one_statement_to_intend_and_four_to_send(desk: Desk, make_strategy: Make) -> None:
    strategy = make_strategy()
    counted: list[tuple[str, int]] = []
    with trading(desk) as leader:
        open_entry(strategy.pk, desk)
        leader.reconcile()
        _count(leader.ledger, "commit", counted)
        _count(leader.ledger, "clear", counted)
        leader.until_quiet()

    # The first order of an account also makes the row of its kill switch.
    assert [number for name, number in counted if name == "clear"] == [6, 4]
    assert [number for name, number in counted if name == "intent"] == [1, 1]


def _count(ledger: Any, name: str, counted: list[tuple[str, int]]) -> None:
    inner = getattr(ledger, name)

    def counting(before: Basket, after: Basket, *given: Any) -> Any:
        made = len(after.attempts) > len(before.attempts)
        with CaptureQueriesContext(connection) as asked:
            found = inner(before, after, *given)
        # Of a statement whose plan is kept the log has no words.
        statements = [one["sql"] for one in asked if "SAVEPOINT" not in (one["sql"] or "")]
        counted.append(("intent" if made else name, len(statements)))
        return found

    setattr(ledger, name, counting)


@pytest.mark.django_db
def test_the_charges_of_an_order_grow_with_its_fills_on_its_first_fill(desk: Desk, make_strategy: Make) -> None:
    make_strategy()
    run_queue(desk)
    order = LegOrder.objects.select_related("run").order_by("id")[0]
    listed = next(one for one in from_json(order.run.intended) if one.row_id == order.leg_id)
    old = Trade.objects.get(leg_order=order)
    first = BrokerTrade("later", "1", 200, old.price, old.timestamp)
    second = BrokerTrade("later", "2", 300, old.price, old.timestamp)

    keep_trades(order, [first], listed, order.run, desk.day)
    keep_trades(order, [first, second], listed, order.run, desk.day)
    keep_trades(order, [first, second], listed, order.run, desk.day)

    whole = order_charges(listed, side=Side(order.side), price=old.price, quantity=500, day=desk.day)
    kept = Trade.objects.filter(order_id="later").order_by("id")
    assert [(row.quantity, row.charges) for row in kept] == [(200, whole), (300, 0)]
    assert {row.strike for row in kept} == {order.leg.strike}


class Shown:
    """A broker that counts how often it is asked what it holds, and may show less than that."""

    def __init__(self, inner: Any) -> None:
        self._inner, self.asked, self.less = inner, 0, 0

    def positions(self) -> Sequence[BrokerPosition]:
        self.asked += 1
        rows = self._inner.positions()
        return [replace(row, net_quantity=row.net_quantity - self.less) for row in rows]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


@pytest.mark.django_db
def test_positions_are_asked_anew_after_a_fill_of_ours(desk: Desk, make_strategy: Make) -> None:
    strategy = make_strategy()
    run_queue(desk)
    strategy.refresh_from_db()
    broker = Shown(desk.broker)
    desk = replace(desk, broker=broker)

    with trading(desk) as leader:
        leader.reconcile()
        before = broker.asked
        result = execute_exit(strategy, Reason("TEST", "The test closes it."), leader=leader)

    assert result is not None
    assert result.state == "complete"
    assert broker.asked - before == 2  # two legs, a fill between them


@pytest.mark.django_db
def test_what_somebody_sold_by_hand_is_not_closed_again(desk: Desk, make_strategy: Make) -> None:
    strategy = make_strategy()
    run_queue(desk)
    strategy.refresh_from_db()
    broker = Shown(desk.broker)
    desk = replace(desk, broker=broker)
    with trading(desk) as leader:
        leader.reconcile()
        broker.less = -500  # the short was bought back by hand

        execute_exit(strategy, Reason("TEST", "The test closes it."), leader=leader)

    assert not LegOrder.objects.filter(run__purpose="exit", side="BUY").exists()


@pytest.mark.django_db
def test_a_run_does_not_move_without_the_order_that_moves_with_it(desk: Desk, make_strategy: Make) -> None:
    strategy = make_strategy()
    with trading(desk) as leader:
        leader.reconcile()
        run = open_entry(strategy.pk, desk)
        leader.until_quiet()
        assert run is not None
        before = leader.ledger.basket(run.pk)
        read = replace(before, attempts=(replace(before.attempts[0], state=OrderState.UNKNOWN), *before.attempts[1:]))
        moved = replace(read, attempts=(replace(read.attempts[0], misses=1), *read.attempts[1:]))

        with pytest.raises(LostRace):
            write_run(read, moved, leader.ledger._changes(read, moved), leader.ledger._writer)

        assert leader.ledger.basket(run.pk) == before


@pytest.mark.django_db
@pytest.mark.parametrize("what", ["intent", "clear"])
def test_fm_C5_a_leader_that_is_over_neither_intends_nor_clears(desk: Desk, make_strategy: Make, what: str) -> None:
    strategy = make_strategy()
    with trading(desk) as leader:
        leader.reconcile()
        open_entry(strategy.pk, desk)
        inner = leader.ledger.commit if what == "intent" else leader.ledger.clear

        def late(before: Basket, after: Basket, *given: Any) -> Any:
            if what == "clear" or len(after.attempts) > len(before.attempts):
                TraderLease.objects.update(epoch=F("epoch") + 1)  # somebody else leads by now
            return inner(before, after, *given)

        setattr(leader.ledger, "commit" if what == "intent" else "clear", late)
        with pytest.raises(Fenced):
            leader.turn()
            leader.turn()

    states = list(LegOrder.objects.values_list("state", flat=True))
    assert states == ([] if what == "intent" else ["intent"])
