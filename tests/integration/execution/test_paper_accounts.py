"""Two paper accounts keep two purses; the depth of the market is shared."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from allocation.models import Account
from execution.paper_book import BookedOrder
from execution.ports import OrderStatus
from execution.services.paper_ledger import DatabaseBook
from market.contract import Side

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 1, 30, 5, 0, tzinfo=UTC)


def filled(name):
    return BookedOrder(
        order_id=f"PAPER-{name}",
        correlation_id=name,
        segment="NSE_FNO",
        security_id="77",
        side=Side.BUY,
        quantity=100,
        limit_price=Decimal("10.05"),
        status=OrderStatus.TRADED,
        placed_at=NOW,
        filled_quantity=100,
        average_price=Decimal(10),
    )


def test_cash_and_orders_belong_to_their_account_and_depth_to_all():
    first = DatabaseBook(Account.objects.create(name="one", capital=1_000_000))
    second = DatabaseBook(Account.objects.create(name="two", capital=1_000_000))

    first.record(filled("a"))

    assert (first.cash(), second.cash()) == (Decimal(-1000), Decimal(0))
    assert second.find("a") is None
    assert second.between(NOW, NOW) == []
    assert second.taken("77", Side.BUY, since=NOW, until=NOW) == 100
