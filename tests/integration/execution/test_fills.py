"""Order ids are a broker's, for one account: another account's fill of the same number is another fill."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from allocation.models import Account
from execution.models import ExecutionRun, LegOrder, Trade
from execution.ports import BrokerTrade
from execution.services.fills import keep_trades
from execution.services.intended import from_json
from execution.services.preparation import Desk
from strategies.models import OptionStrategy
from tests.integration.execution.desks import run_queue

pytestmark = pytest.mark.django_db


def test_the_same_numbers_from_two_exchanges_are_two_fills(
    desk: Desk, make_strategy: Callable[..., OptionStrategy]
) -> None:
    make_strategy()
    run_queue(desk)
    first = Trade.objects.order_by("id")[0]
    order = LegOrder.objects.get(pk=first.leg_order_id)
    run = ExecutionRun.objects.get(pk=order.run_id)
    other = Account.objects.create(name="other", capital=1)
    listed = next(one for one in from_json(run.intended) if one.row_id == order.leg_id)
    trade = BrokerTrade(first.order_id, first.trade_number, first.quantity, first.price, first.timestamp)

    keep_trades(order, [trade], listed, run, desk.day)
    assert Trade.objects.filter(order_id=first.order_id).count() == 1

    run.account = other  # as the run of another account would be
    keep_trades(order, [trade], listed, run, desk.day)

    kept = Trade.objects.filter(order_id=first.order_id).order_by("id")
    assert [row.account_id for row in kept] == [desk.account.pk, other.pk]


def test_a_fill_stands_once_in_an_account(desk: Desk, make_strategy: Any) -> None:
    make_strategy()
    run_queue(desk)
    row = Trade.objects.order_by("id")[0]

    row.pk = None
    with pytest.raises(IntegrityError, match="trades_once_an_account"), transaction.atomic():
        row.save(force_insert=True)
