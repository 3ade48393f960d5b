"""Books that take no more writes, and books older than the broker's: nothing is sent, nothing opens."""

from decimal import Decimal

import pytest
from django.db import OperationalError, connection

from execution.models import Alert, ExternalOrder, LegOrder, PaperOrder
from execution.naming import OrderNames, OrderPlace
from execution.ports import ClearedOrder, OrderRequest
from execution.services.preparation import Desk
from execution.services.standing import standing
from execution.services.trading import _names_key, trading
from market.contract import Side
from tests.integration.execution.conftest import LOT, MakeStrategy, option
from tests.integration.execution.desks import run_queue, watched

FULL = """
CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE 'No space left on device' USING ERRCODE = 'disk_full'; END $$;
CREATE TRIGGER full_disk BEFORE INSERT ON leg_orders FOR EACH ROW EXECUTE FUNCTION full_disk()
"""


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_fm_C16_without_an_intent_on_disk_nothing_is_sent(desk: Desk, make_strategy: MakeStrategy) -> None:
    strategy = make_strategy()
    desk, spy = watched(desk)
    with connection.cursor() as cursor:
        cursor.execute(FULL)
    try:
        with pytest.raises(OperationalError, match="No space left"):
            run_queue(desk)
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP TRIGGER full_disk ON leg_orders; DROP FUNCTION full_disk()")

    strategy.refresh_from_db()
    assert (spy.placed, LegOrder.objects.count(), PaperOrder.objects.count()) == ([], 0, 0)
    assert strategy.execution_status == "executing"
    (result,) = run_queue(desk)
    assert (result.state, PaperOrder.objects.count()) == ("complete", 2)


def test_fm_C17_an_order_of_ours_that_our_books_have_lost_stops_entries(
    desk: Desk, make_strategy: MakeStrategy
) -> None:
    lost = OrderNames(_names_key()).name(OrderPlace("paper", 4_711, 1, 1))
    request = OrderRequest(lost, "NSE_FNO", "11", option(1050), Side.BUY, LOT, Decimal("20.05"), Decimal("0.05"), LOT)
    desk.broker.place(ClearedOrder(request, desk.clock.elapsed()))
    desk.clock.sleep(5.0)
    strategy = make_strategy()

    with trading(desk) as leader:
        leader.reconcile()
    results = run_queue(desk)

    strategy.refresh_from_db()
    assert ExternalOrder.objects.values_list("correlation_id", "own_tag").get() == (lost, True)
    assert Alert.objects.values_list("level", "code").get() == ("CRITICAL", "UNTRACEABLE")
    assert standing(desk.account.pk).state == "REDUCE_ONLY"
    assert [result for result in results if result.state == "complete"] == []
    assert not LegOrder.objects.exists()
