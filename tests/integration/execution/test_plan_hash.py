"""What a person was shown has a name, and what was resolved at the claim is kept: nothing else is sent."""

import json
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from execution.errors import ExecutionDenied
from execution.models import ExecutionRun, LegOrder, PaperOrder
from execution.services.intended import from_json, to_json
from execution.services.listing import listed_legs
from execution.services.plan_hash import plan_hash
from execution.services.preparation import BasketPreview, Desk, PlannedOrder, prepare_entry
from execution.services.preview import preview_of
from execution.services.runs import open_entry
from execution.services.trading import trading
from market.contract import Contract, Side
from strategies.models import OptionStrategy
from tests.integration.execution.conftest import option
from tests.integration.execution.desks import execute, run_queue

Make = Callable[..., OptionStrategy]


def test_the_legs_of_a_claim_come_back_as_they_were_resolved(desk: Desk, make_strategy: Make) -> None:
    strategy = make_strategy(("SELL", 1050, "CE", 2), ("BUY", 1000, "PE", 1), ("BUY", None, None, 1))
    legs = listed_legs(strategy, desk.as_of)

    assert from_json(json.loads(json.dumps(to_json(legs)))) == legs
    assert [one.leg.contract for one in legs] == [option(1050), option(1000, "PE"), Contract("ACME")]


def test_the_row_of_a_run_holds_the_legs_of_its_claim(desk: Desk, make_strategy: Make) -> None:
    strategy = make_strategy()
    legs = listed_legs(strategy, desk.as_of)

    run_queue(desk)

    assert from_json(ExecutionRun.objects.get().intended) == legs


def _of_first(change: Callable[[PlannedOrder], PlannedOrder]) -> Callable[[BasketPreview], BasketPreview]:
    return lambda plan: replace(plan, orders=(change(plan.orders[0]), *plan.orders[1:]))


CHANGES: dict[str, Callable[[BasketPreview], BasketPreview]] = {
    "limit": _of_first(lambda order: replace(order, limit=order.limit + Decimal("0.05"))),
    "quantity": _of_first(lambda order: replace(order, piece=replace(order.piece, quantity=1000))),
    "side": _of_first(lambda order: replace(order, piece=replace(order.piece, side=Side.SELL))),
    "slice": _of_first(lambda order: replace(order, piece=replace(order.piece, number=2))),
    "security": _of_first(lambda order: replace(order, listed=replace(order.listed, security_id="11"))),
    "segment": _of_first(lambda order: replace(order, listed=replace(order.listed, segment="BSE_FNO"))),
    "order of sending": lambda plan: replace(plan, orders=plan.orders[::-1]),
    "one order fewer": lambda plan: replace(plan, orders=plan.orders[:1]),
    "purpose": lambda plan: replace(plan, purpose="exit"),
}


@pytest.mark.parametrize("name", list(CHANGES))
def test_the_hash_differs_when_anything_that_is_sent_differs(desk: Desk, make_strategy: Make, name: str) -> None:
    plan = prepare_entry(make_strategy(), desk)

    assert plan_hash(CHANGES[name](plan)) != plan_hash(plan)


def test_the_hash_is_the_same_for_the_same_plan_and_another_for_another_strategy(
    desk: Desk, make_strategy: Make
) -> None:
    first, second = make_strategy(), make_strategy()

    assert plan_hash(prepare_entry(first, desk)) == plan_hash(prepare_entry(first, desk))
    assert plan_hash(prepare_entry(first, desk)) != plan_hash(prepare_entry(second, desk))


@pytest.mark.parametrize("change", [{"approved_hash": "other"}, {"sets": 2}])
def test_the_hash_differs_when_the_approval_differs(desk: Desk, make_strategy: Make, change: dict[str, object]) -> None:
    strategy = make_strategy()
    before = plan_hash(prepare_entry(strategy, desk))
    for name, value in change.items():
        setattr(strategy, name, value)

    assert plan_hash(prepare_entry(strategy, desk)) != before


def test_exactly_what_was_shown_is_executed(desk: Desk, make_strategy: Make) -> None:
    strategy = make_strategy()

    result = execute(strategy.pk, desk, expected_hash=preview_of(strategy, desk).hash)

    assert result is not None
    assert result.state == "complete"


def test_when_the_market_moved_since_the_preview_nothing_is_sent(
    desk: Desk, scripted: Any, make_strategy: Make
) -> None:
    strategy = make_strategy()
    shown = preview_of(strategy, desk).hash
    scripted.quote(option(1000), "40.00", "40.10")

    with pytest.raises(ExecutionDenied, match="PLAN_CHANGED"):
        execute(strategy.pk, desk, expected_hash=shown)

    strategy.refresh_from_db()
    assert strategy.execution_status == "marked"
    assert not (LegOrder.objects.exists() or PaperOrder.objects.exists())


def test_when_it_moves_after_the_claim_the_gate_denies(desk: Desk, scripted: Any, make_strategy: Make) -> None:
    strategy = make_strategy()
    shown = preview_of(strategy, desk).hash
    with trading(desk) as leader:
        leader.reconcile()
        run = open_entry(strategy.pk, desk, expected_hash=shown)
        scripted.quote(option(1000), "40.00", "40.10")
        (result,) = leader.drive([run.pk]) if run else ()

    assert (result.state, result.reason.code if result.reason else "") == ("denied", "PLAN_CHANGED")
    assert not (LegOrder.objects.exists() or PaperOrder.objects.exists())
