"""Several accounts and several programs on one database: each account executes its own marks, one sender at a time."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from allocation.models import Account
from execution.errors import ExecutionDenied
from execution.models import ExecutionRun, PaperOrder, RiskLimits
from execution.services.leadership import lead
from execution.services.paper_ledger import build_paper_broker
from execution.services.positions import monitor_positions
from execution.services.preparation import Desk
from execution.services.runs import execute_queue, preview_queue, require_queued
from execution.services.trading import trading
from strategies.errors import StrategyError
from strategies.models import OptionStrategy
from tests.elsewhere import Elsewhere
from tests.factories import AccountFactory, AllocationFactory, AllocationRunFactory
from tests.integration.execution.conftest import WIDE
from tests.integration.execution.desks import execute

committing = pytest.mark.django_db(transaction=True, serialized_rollback=True)
Make = Callable[..., OptionStrategy]


@pytest.fixture
def other(desk: Desk) -> Desk:
    """The desk of a second account on the same market."""
    account = AccountFactory(name="other", capital=desk.account.capital)
    RiskLimits.objects.create(account=account, changed_by="test", **WIDE)
    broker = build_paper_broker(account=account, market=desk.market, clock=desk.clock)
    return Desk(broker, desk.market, account, desk.clock)


def take(strategy: OptionStrategy, account: Account, *, marked: bool = True) -> None:
    AllocationFactory(run=AllocationRunFactory(account=account), strategy=strategy, marked=marked, margin=None)


def leading(account: Account) -> Elsewhere:
    """Another process leads the account."""
    return Elsewhere(lead(account.pk, owner="elsewhere"))


def test_each_account_executes_its_own_marks_and_those_of_a_person(
    desk: Desk, other: Desk, make_strategy: Make
) -> None:
    ours, theirs, persons = make_strategy(), make_strategy(), make_strategy()
    take(ours, desk.account)
    take(theirs, other.account)
    take(persons, other.account, marked=False)

    executed_here = {result.strategy_id for result in execute_queue(desk)}
    executed_there = {result.strategy_id for result in execute_queue(other)}

    assert executed_here == {ours.pk, persons.pk}
    assert executed_there == {theirs.pk}
    assert set(ExecutionRun.objects.values_list("strategy_id", "account__name", "state")) == {
        (ours.pk, "paper", "complete"),
        (persons.pk, "paper", "complete"),
        (theirs.pk, "other", "complete"),
    }


def test_what_both_accounts_took_is_executed_by_the_first_that_asks(
    desk: Desk, other: Desk, make_strategy: Make
) -> None:
    both = make_strategy()
    take(both, desk.account)
    take(both, other.account)

    assert [result.strategy_id for result in execute_queue(other)] == [both.pk]
    assert execute_queue(desk) == []


def test_the_claim_itself_refuses_the_mark_of_another_account(desk: Desk, other: Desk, make_strategy: Make) -> None:
    theirs = make_strategy()
    take(theirs, other.account)

    refused = execute(theirs.pk, desk)

    theirs.refresh_from_db()
    assert (refused, theirs.execution_status) == (None, "marked")
    assert not ExecutionRun.objects.exists()


def test_the_preview_shows_what_this_account_would_execute(desk: Desk, other: Desk, make_strategy: Make) -> None:
    ours, theirs = make_strategy(), make_strategy()
    take(theirs, other.account)

    assert [one.plan.strategy.pk for one in preview_queue(desk=desk)] == [ours.pk]


def test_asking_for_the_mark_of_another_account_says_whose_it_is(desk: Desk, other: Desk, make_strategy: Make) -> None:
    theirs = make_strategy()
    take(theirs, other.account)

    with pytest.raises(StrategyError) as refused:
        require_queued(theirs.pk, desk.as_of, desk.account)

    assert refused.value.reason.code == "OTHER_ACCOUNT"
    require_queued(theirs.pk, desk.as_of, other.account)


@committing
def test_while_another_process_sends_for_the_account_neither_command_does_anything(
    desk: Desk, make_strategy: Make
) -> None:
    strategy = make_strategy()

    with leading(desk.account):
        with pytest.raises(ExecutionDenied) as queue:
            execute_queue(desk)
        with pytest.raises(ExecutionDenied) as monitor:
            monitor_positions(desk)

    strategy.refresh_from_db()
    assert (queue.value.reason.code, monitor.value.reason.code) == ("NOT_LEADER", "NOT_LEADER")
    assert strategy.execution_status == "marked"
    assert not PaperOrder.objects.exists()
    assert [result.state for result in execute_queue(desk)] == ["complete"]


@committing
def test_another_account_may_send_at_the_same_time(desk: Desk, other: Desk, make_strategy: Make) -> None:
    make_strategy()

    with leading(other.account):
        (result,) = execute_queue(desk)

    assert result.state == "complete"


@committing
@pytest.mark.parametrize("act", [execute_queue, monitor_positions])
def test_the_account_is_free_again_afterwards_also_after_a_refusal(desk: Desk, make_strategy: Make, act: Any) -> None:
    make_strategy(generated_on=desk.as_of + timedelta(hours=1))
    act(desk)
    with pytest.raises(ZeroDivisionError), trading(desk):
        raise ZeroDivisionError

    with leading(desk.account):
        pass
