"""The database itself: no order beyond what its run set out to do, and that never changes."""

from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from execution.models import ExecutionRun, LegOrder
from execution.services.preparation import Desk
from execution.services.runs import open_entry
from strategies.models import OptionStrategy


@pytest.fixture
def run(desk: Desk, make_strategy: Any) -> ExecutionRun:
    opened = open_entry(make_strategy().pk, desk)
    assert opened is not None
    return opened


def order(run: ExecutionRun, *, leg: int, side: str, quantity: int, attempt: int = 1) -> LegOrder:
    row = run.strategy.legs.get(leg_number=leg)
    return LegOrder.objects.create(
        run=run, leg=row, side=side, segment="NSE_FNO", security_id="10", symbol="ACME", quantity=quantity,
        limit_price=10, attempt=attempt, slice_number=attempt, correlation_id=f"test-{run.pk}-{leg}-{attempt}",
    )  # fmt: skip


def refused(run: ExecutionRun, **fields: Any) -> str:
    before = LegOrder.objects.count()
    with pytest.raises(IntegrityError, match="may still be sent") as error, transaction.atomic():
        order(run, **fields)
    assert LegOrder.objects.count() == before
    return str(error.value)


def filled(row: LegOrder, units: int) -> None:
    for state in ("sending", "acked", "filled"):
        LegOrder.objects.filter(pk=row.pk).update(state=state, filled_quantity=units if state == "filled" else 0)


def test_an_order_may_take_all_that_was_meant_and_no_more(run: ExecutionRun) -> None:
    order(run, leg=2, side="BUY", quantity=500)

    assert "only 0 may still be sent" in refused(run, leg=2, side="BUY", quantity=500, attempt=2)


def test_fm_B7_what_has_filled_is_not_bought_again(run: ExecutionRun) -> None:
    filled(order(run, leg=2, side="BUY", quantity=500), 500)

    assert "only 0 may still be sent" in refused(run, leg=2, side="BUY", quantity=500, attempt=2)


def test_nothing_is_taken_back_beyond_what_has_filled(run: ExecutionRun) -> None:
    assert "only 0 may still be sent" in refused(run, leg=2, side="SELL", quantity=500)

    filled(order(run, leg=2, side="BUY", quantity=500), 500)
    order(run, leg=2, side="SELL", quantity=500, attempt=2)


def test_a_leg_of_another_strategy_is_none_of_this_run(run: ExecutionRun, make_strategy: Any) -> None:
    other: OptionStrategy = make_strategy()

    with pytest.raises(IntegrityError, match="was not to trade leg"), transaction.atomic():
        LegOrder.objects.create(
            run=run, leg=other.legs.first(), side="BUY", segment="NSE_FNO", security_id="10", symbol="ACME",
            quantity=500, limit_price=10, correlation_id="test-other",
        )  # fmt: skip


@pytest.mark.parametrize("column", ["intended = '[]'", "opening = '{\"1\": 5}'", "plan_hash = 'x'", "purpose = 'exit'"])
def test_fm_F4_what_a_run_set_out_to_do_never_changes(run: ExecutionRun, column: str) -> None:
    with (
        pytest.raises(IntegrityError, match="may not change|never changes"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(f"UPDATE execution_runs SET {column} WHERE id = %s", [run.pk])
