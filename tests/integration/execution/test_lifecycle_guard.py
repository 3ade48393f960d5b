"""The lifecycle tables as PostgreSQL keeps them: raw SQL by the owner obeys them too."""

from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from allocation.models import Account
from execution.lifecycle import ORDER_TABLE, PROJECTION, RUN_TABLE, STRATEGY_TABLE, StrategyState
from execution.models import ExecutionRun, LegOrder
from strategies.models import OptionStrategy
from tests.integration.execution.conftest import NOON, MakeStrategy

Table = Mapping[tuple[Any, Any], StrEnum]
MACHINES: dict[str, tuple[str, Table]] = {
    "order": ("intent", ORDER_TABLE),
    "run": ("created", RUN_TABLE),
    "strategy": ("pending", STRATEGY_TABLE),
}


def pairs_of(machine: str) -> set[tuple[str, str]]:
    first, table = MACHINES[machine]
    return {("", first), *((start.value, end.value) for (start, _), end in table.items())}


def literal(pairs: Iterable[tuple[str, str]]) -> str:
    """The block for TRANSITIONS of migration 0005."""
    found: dict[str, list[str]] = {}
    for start, end in sorted(pairs):
        found.setdefault(start, []).append(end)
    return "\n".join(f'        "{start}": "{" ".join(ends)}",' for start, ends in found.items())


def run_sql(sql: str, *values: object) -> Any:
    """Run one statement in a savepoint of its own; give its first value, if it has any."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql, values)
        return cursor.fetchone()[0] if cursor.description else cursor.rowcount


def refused_update(row: OptionStrategy, words: str, **values: object) -> None:
    with pytest.raises(IntegrityError, match=f"strategy {row.pk} {words}"), transaction.atomic():
        OptionStrategy.objects.filter(pk=row.pk).update(**values)


@pytest.fixture
def make_run(make_strategy: MakeStrategy, account: Account) -> Callable[..., int]:
    def make(state: str = "created") -> int:
        with transaction.atomic():
            run = ExecutionRun.objects.create(
                strategy=make_strategy(), account=account, broker="paper", as_of=NOON, state=state
            )
        return int(run.pk)

    return make


@pytest.fixture
def make_order(make_run: Callable[..., int]) -> Callable[..., int]:
    def make(state: str = "intent") -> int:
        run = ExecutionRun.objects.get(pk=make_run())
        with transaction.atomic():
            order = LegOrder.objects.create(
                run=run, leg=run.strategy.legs.first(), side="BUY", segment="NSE_FNO", security_id="11", symbol="X",
                quantity=500, limit_price=10, state=state, correlation_id="corr-1",
            )  # fmt: skip
        return int(order.pk)

    return make


def walk(table: str, row: int, states: Iterable[str]) -> None:
    for state in states:
        assert run_sql(f"UPDATE {table} SET state = %s WHERE id = %s", state, row) == 1


def path_to(machine: str, goal: str) -> list[str]:
    """The states after birth that lead to the goal, by the table."""
    first, _ = MACHINES[machine]
    ways = {first: list[str]()}
    while goal not in ways:
        for start, end in sorted(pairs_of(machine)):
            if start in ways and end not in ways:
                ways[end] = [*ways[start], end]
    return ways[goal]


@pytest.mark.parametrize("machine", MACHINES)
def test_the_database_holds_the_pairs_of_the_lifecycle_tables(db: None, machine: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT from_state, to_state FROM lifecycle_transitions WHERE machine = %s", [machine])
        held = set(cursor.fetchall())

    expected = pairs_of(machine)

    assert held == expected, f'TRANSITIONS["{machine}"] of migration 0005 must be:\n{literal(expected)}'


def test_the_database_reads_the_state_of_a_strategy_as_the_program_does(db: None) -> None:
    for state in StrategyState:
        status, detail = PROJECTION[state]

        assert run_sql("SELECT strategy_state(%s, %s)", status, detail) == state.value
    assert run_sql("SELECT strategy_state('marked', 'proposed')") == "marked"


@pytest.mark.parametrize("goal", sorted({end for _, end in pairs_of("order")}))
def test_fm_F5_an_order_goes_only_where_its_table_leads(make_order: Callable[..., int], goal: str) -> None:
    order = make_order()
    walk("leg_orders", order, path_to("order", goal))
    legal = {end for start, end in pairs_of("order") if start == goal}
    states = {end for _, end in pairs_of("order")}

    for state in sorted(states - legal - {goal}):
        with pytest.raises(IntegrityError, match=rf"order {order} may not go from '{goal}' to '{state}'"):
            run_sql("UPDATE leg_orders SET state = %s WHERE id = %s", state, order)

    assert run_sql("SELECT state FROM leg_orders WHERE id = %s", order) == goal


@pytest.mark.parametrize("goal", sorted({end for _, end in pairs_of("run")}))
def test_fm_F5_a_run_goes_only_where_its_table_leads(make_run: Callable[..., int], goal: str) -> None:
    run = make_run()
    walk("execution_runs", run, path_to("run", goal))
    legal = {end for start, end in pairs_of("run") if start == goal}
    states = {end for _, end in pairs_of("run")}

    for state in sorted(states - legal - {goal}):
        with pytest.raises(IntegrityError, match=rf"run {run} may not go from '{goal}' to '{state}'"):
            run_sql("UPDATE execution_runs SET state = %s WHERE id = %s", state, run)

    assert run_sql("SELECT state FROM execution_runs WHERE id = %s", run) == goal


def test_a_refused_transition_names_its_constraint_and_the_legal_ones(make_order: Callable[..., int]) -> None:
    order = make_order()

    with pytest.raises(IntegrityError) as refusal:
        run_sql("UPDATE leg_orders SET state = 'filled' WHERE id = %s", order)

    told = refusal.value.__cause__.diag  # type: ignore[union-attr]
    assert (told.constraint_name, told.sqlstate) == ("order_transition", "23514")
    assert told.message_hint == "legal: sending, void"


@pytest.mark.parametrize("state", sorted({end for _, end in pairs_of("order")} - {"intent"}))
def test_fm_F5_an_order_is_born_as_an_intent(make_order: Callable[..., int], state: str) -> None:
    with pytest.raises(IntegrityError, match="order_transition|may not go from ''"):
        make_order(state)

    assert run_sql("SELECT count(*) FROM leg_orders") == 0


def test_fm_F5_a_run_is_born_created(make_run: Callable[..., int]) -> None:
    with pytest.raises(IntegrityError, match="may not go from '' to 'complete'"):
        make_run("complete")

    assert run_sql("SELECT count(*) FROM execution_runs") == 0


@pytest.mark.parametrize(
    "change",
    [
        "correlation_id = 'other'",
        "quantity = 1000",
        "side = 'SELL'",
        "security_id = '12'",
        "attempt = 2",
        "slice_number = 9999",
        "leg_id = leg_id + 1",
        "run_id = run_id + 1",
    ],
)
def test_fm_F5_what_an_order_is_never_changes(make_order: Callable[..., int], change: str) -> None:
    order = make_order()

    with pytest.raises(IntegrityError, match="what an order is never changes"):
        run_sql(f"UPDATE leg_orders SET {change} WHERE id = %s", order)

    assert run_sql("SELECT correlation_id || quantity || side FROM leg_orders WHERE id = %s", order) == "corr-1500BUY"


def test_a_filled_quantity_only_grows(make_order: Callable[..., int]) -> None:
    order = make_order()
    walk("leg_orders", order, ["sending", "acked", "part"])
    run_sql("UPDATE leg_orders SET filled_quantity = 200 WHERE id = %s", order)

    with pytest.raises(IntegrityError, match="a filled quantity only grows"):
        run_sql("UPDATE leg_orders SET filled_quantity = 100 WHERE id = %s", order)

    assert run_sql("SELECT filled_quantity FROM leg_orders WHERE id = %s", order) == 200


@pytest.mark.parametrize("change", ["purpose = 'exit'", "strategy_id = strategy_id + 1", "account_id = account_id + 1"])
def test_what_a_run_is_for_never_changes(make_run: Callable[..., int], change: str) -> None:
    run = make_run()

    with pytest.raises(IntegrityError, match="what a run is for never changes"):
        run_sql(f"UPDATE execution_runs SET {change} WHERE id = %s", run)

    assert run_sql("SELECT purpose FROM execution_runs WHERE id = %s", run) == "entry"


def test_fm_F15_orders_runs_and_trades_are_never_removed(make_order: Callable[..., int]) -> None:
    order = make_order()
    run_sql(
        "INSERT INTO trades (strategy_id, leg_order_id, order_id, security_id, action, quantity, price, order_status,"
        " timestamp) SELECT r.strategy_id, o.id, 'b1', '11', 'BUY', 500, 10, 'TRADED', now()"
        " FROM leg_orders o JOIN execution_runs r ON r.id = o.run_id WHERE o.id = %s",
        order,
    )

    for table in ("trades", "leg_orders", "execution_runs"):
        with pytest.raises(IntegrityError, match="are never removed"):
            run_sql(f"DELETE FROM {table}")

    assert [run_sql(f"SELECT count(*) FROM {table}") for table in ("trades", "leg_orders", "execution_runs")] == [1] * 3


def test_a_strategy_moves_between_its_finer_states_only_by_its_table(make_strategy: MakeStrategy) -> None:
    strategy = make_strategy(marked=False)
    rows = OptionStrategy.objects.filter(pk=strategy.pk)
    rows.update(execution_detail="proposed")
    rows.update(
        execution_status="marked", execution_priority=5, marked_for_execution=True
    )  # plain SQL keeps the detail
    rows.update(execution_status="executing", execution_detail="")
    rows.update(execution_detail="attention")
    rows.update(execution_status="executed", execution_detail="", executed_at=NOON)

    refused_update(strategy, "may not go from 'executed' to 'closed'", execution_detail="closed")
    rows.update(execution_detail="closing")
    rows.update(execution_detail="closed")

    refused_update(strategy, "may not go from 'closed' to 'executed'", execution_detail="")
    assert rows.get().execution_detail == "closed"


@pytest.mark.parametrize("detail", ["rejected", "expired"])
def test_a_rejected_or_expired_strategy_is_not_marked(make_strategy: MakeStrategy, detail: str) -> None:
    strategy = make_strategy(marked=False)
    rows = OptionStrategy.objects.filter(pk=strategy.pk)
    rows.update(execution_detail=detail)

    with pytest.raises(IntegrityError, match=f"may not go from '{detail}' to 'marked'"), transaction.atomic():
        rows.update(execution_status="marked", execution_priority=5, marked_for_execution=True)

    assert rows.get().execution_status == "pending"
