"""What migration 0004 lets into the tables, and what it refuses."""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from django.db import IntegrityError, connection, transaction

from allocation.models import Account
from execution.models import ExecutionRun, ExternalOrder, LegOrder, Position, Trade
from strategies.models import OptionStrategy

NOW = datetime(2026, 1, 30, 6, 30, tzinfo=UTC)


def make_run(strategy: OptionStrategy, account: Account, purpose: str = "entry") -> ExecutionRun:
    return ExecutionRun.objects.create(strategy=strategy, account=account, broker="paper", purpose=purpose, as_of=NOW)


def make_order(run: ExecutionRun, *, attempt: int, slice_number: int = 1) -> LegOrder:
    return LegOrder.objects.create(
        run=run, leg=run.strategy.legs.first(), attempt=attempt, slice_number=slice_number, side="BUY",
        segment="NSE_FNO", security_id="10", symbol="ACME", quantity=500, limit_price=Decimal(40),
        correlation_id=f"P{run.pk}-{attempt}-{slice_number}",
    )  # fmt: skip


def walk(row: ExecutionRun | LegOrder, *states: str) -> None:
    """Through the states one by one, as the guard demands."""
    for state in states:
        type(row).objects.filter(pk=row.pk).update(state=state)


def make_trade(strategy: OptionStrategy, account: Account | None, number: str, quantity: int = 500) -> Trade:
    return Trade.objects.create(
        strategy=strategy, account=account, order_id=number, security_id="10", symbol="ACME", action="BUY",
        quantity=quantity, price=Decimal(40), charges=Decimal("1.5"), order_status="TRADED", purpose="flatten",
        timestamp=NOW,
    )  # fmt: skip


@pytest.mark.parametrize("purpose", ["entry", "exit", "flatten"])
def test_fm_E6_one_open_run_per_strategy_whatever_its_purpose(account: Account, make_strategy: Callable, purpose: str):
    strategy = make_strategy()
    walk(make_run(strategy, account, "exit"), "precheck", "attention")

    with pytest.raises(IntegrityError, match="execution_runs_one_open"), transaction.atomic():
        make_run(strategy, account, purpose)

    assert ExecutionRun.objects.count() == 1


def test_a_run_may_follow_one_that_ended(account: Account, make_strategy: Callable) -> None:
    strategy = make_strategy()
    walk(make_run(strategy, account), "precheck", "denied")

    run = make_run(strategy, account, "flatten")

    assert (run.version, run.epoch, run.opening, run.intended, run.plan_hash) == (0, 0, {}, [], "")


def test_one_live_attempt_per_leg_though_it_is_another_slice(account: Account, make_strategy: Callable) -> None:
    run = make_run(make_strategy(), account)
    make_order(run, attempt=1, slice_number=1)

    with pytest.raises(IntegrityError, match="leg_orders_one_live_attempt"), transaction.atomic():
        make_order(run, attempt=2, slice_number=2)

    assert LegOrder.objects.count() == 1


def test_an_attempt_number_is_used_once_per_leg(account: Account, make_strategy: Callable) -> None:
    run = make_run(make_strategy(), account)
    walk(make_order(run, attempt=1, slice_number=1), "void")

    with pytest.raises(IntegrityError, match="leg_orders_attempt_once"), transaction.atomic():
        make_order(run, attempt=1, slice_number=2)

    make_order(run, attempt=2, slice_number=2)
    assert LegOrder.objects.count() == 2


def test_one_strategy_on_two_accounts_is_two_positions(account: Account, make_strategy: Callable) -> None:
    other, strategy = Account.objects.create(name="other", capital=1_000_000), make_strategy()
    make_trade(strategy, account, "1")
    make_trade(strategy, account, "2")
    make_trade(strategy, other, "3", quantity=1_500)
    make_trade(strategy, None, "4", quantity=100)

    held = {row.id: (row.account_id, row.quantity, row.cash, row.charges) for row in Position.objects.all()}

    assert held == {
        f"{strategy.pk}-{account.pk}-10": (account.pk, 1_000, Decimal(-40_000), Decimal(3)),
        f"{strategy.pk}-{other.pk}-10": (other.pk, 1_500, Decimal(-60_000), Decimal("1.5")),
        f"{strategy.pk}-none-10": (None, 100, Decimal(-4_000), Decimal("1.5")),
    }


def test_the_desk_still_reads_what_is_held(account: Account) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL ROLE options_desk")
        cursor.execute("SELECT count(*) FROM v_positions")

        assert cursor.fetchone() == (0,)


def test_an_order_that_is_not_ours_is_kept_once_per_account(account: Account) -> None:
    other = Account.objects.create(name="other", capital=1_000_000)
    values = {"broker_order_id": "77", "quantity": 50, "side": "BUY", "status": "TRADED"}
    ExternalOrder.objects.create(account=account, **values)
    ExternalOrder.objects.create(account=other, **values)

    with pytest.raises(IntegrityError, match="external_orders_once"), transaction.atomic():
        ExternalOrder.objects.create(account=account, **values)
