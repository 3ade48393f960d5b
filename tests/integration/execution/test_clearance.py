"""How old a clearance is when it leaves the books."""

from collections.abc import Callable

import pytest

from execution.basket.values import Attempt, Basket
from execution.lifecycle import OrderState
from execution.models import LegOrder, PaperOrder
from execution.ports import SEND_DEADLINE_SECONDS
from execution.services.preparation import Desk
from execution.services.runs import open_entry
from execution.services.standing import Standing
from execution.services.trading import trading
from market.errors import Reason
from strategies.models import OptionStrategy

Make = Callable[..., OptionStrategy]

pytestmark = pytest.mark.django_db


def test_fm_C5_who_stands_still_while_sending_is_committed_sends_nothing(desk: Desk, make_strategy: Make) -> None:
    strategy = make_strategy()
    seen: list[str] = []
    with trading(desk) as leader:
        open_entry(strategy.pk, desk)
        leader.reconcile()
        gate = leader.ledger.last_gate

        def slow_once(basket: Basket, attempt: Attempt, found: Standing) -> Reason | None:
            if not seen:
                desk.clock.sleep(SEND_DEADLINE_SECONDS + 1.0)
            seen.append(attempt.correlation_id)
            return gate(basket, attempt, found)

        leader.ledger.last_gate = slow_once
        leader.until_quiet()

    first = LegOrder.objects.get(correlation_id=seen[0])
    assert (first.state, first.reason_code) == (OrderState.NOT_PLACED, "SEND_DEADLINE")
    assert not PaperOrder.objects.filter(correlation_id=seen[0]).exists()
