"""Everything of an account goes: shorts first, flat twice by two books, and only then the broker's switch."""

from collections.abc import Callable
from typing import Any

import pytest

from execution.models import ExecutionRun, LegOrder, Position
from execution.services.flatten import flatten_account
from execution.services.preparation import Desk
from execution.services.runs import open_exit
from execution.services.standing import standing
from market.errors import Reason
from strategies.models import OptionStrategy
from tests.integration.execution.desks import PowerCut, answering, run_queue

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)
WHY = Reason("BY_HAND", "The test says so.")


def test_what_is_short_is_bought_back_before_any_long_is_sold(
    desk: Desk, make_strategy: Callable[..., OptionStrategy]
) -> None:
    make_strategy(("BUY", 1000, "CE", 1))
    make_strategy()
    run_queue(desk)

    report = flatten_account(desk.account, WHY, desk=desk)

    assert (report.flat, report.problems) == (True, ())
    sent = LegOrder.objects.filter(run__purpose="flatten").order_by("intended_at", "id").values_list("side", flat=True)
    assert list(sent) == ["BUY", "SELL", "SELL"]
    assert not Position.objects.exclude(quantity=0).exists()


def test_a_flatten_halts_first_and_stays_halted(desk: Desk, make_strategy: Callable[..., OptionStrategy]) -> None:
    make_strategy()
    run_queue(desk)

    flatten_account(desk.account, WHY, desk=desk)

    found = standing(desk.account.pk)
    assert (found.state, found.reason.code if found.reason else "") == ("HALTED", "FLATTEN")
    assert ExecutionRun.objects.get(purpose="flatten").state == "complete"


def test_an_entry_under_way_is_taken_back_by_a_flatten(
    desk: Desk, make_strategy: Callable[..., OptionStrategy]
) -> None:
    make_strategy()
    with pytest.raises(PowerCut):
        run_queue(answering(desk, None, PowerCut()))

    report = flatten_account(desk.account, WHY, desk=desk)

    assert (report.flat, ExecutionRun.objects.get().state) == (True, "flat")
    assert not Position.objects.exclude(quantity=0).exists()


def test_an_exit_under_way_goes_on_during_a_flatten(desk: Desk, make_strategy: Callable[..., OptionStrategy]) -> None:
    strategy = make_strategy()
    run_queue(desk)
    open_exit(strategy, WHY, desk)

    report = flatten_account(desk.account, WHY, desk=desk)

    assert (report.flat, report.runs) == (True, ())
    assert ExecutionRun.objects.get(purpose="exit").state == "complete"


def test_an_account_that_holds_nothing_is_flat_at_once(desk: Desk) -> None:
    report = flatten_account(desk.account, WHY, desk=desk)

    assert (report.flat, report.runs, report.switched_off) == (True, (), False)


def test_the_brokers_own_switch_is_asked_last_and_its_refusal_is_told(desk: Desk, make_strategy: Any) -> None:
    make_strategy()
    run_queue(desk)

    report = flatten_account(desk.account, WHY, desk=desk, switch_off=True)

    assert report.flat
    assert report.switched_off or [one.code for one in report.problems]
