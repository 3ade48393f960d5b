"""Before expiry everything is left; what is left over after it is settled at the price a person types."""

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.management import call_command

from execution.errors import ExecutionDenied
from execution.models import Alert, ExecutionRun, Position, Trade
from execution.services.expiry import settle_expired
from execution.services.positions import open_due_exits
from execution.services.preparation import Desk
from market.calendar import IST
from market.models import Underlying
from market.rulebook.charges import exercise_stt
from strategies.models import OptionStrategy
from tests.integration.execution.conftest import EXPIRY, NOON, option
from tests.integration.execution.desks import at, run_queue

pytestmark = pytest.mark.django_db
LOT = 500
EVE = datetime(2026, 2, 23, 14, 45, tzinfo=IST)
LAST_DAY = datetime(2026, 2, 24, 14, 45, tzinfo=IST)
AFTER = datetime(2026, 2, 25, 9, 20, tzinfo=IST)


@pytest.fixture
def held(desk: Desk, make_strategy: Callable[..., OptionStrategy]) -> OptionStrategy:
    """A call spread: 500 units long at 1000, 500 short at 1050."""
    strategy = make_strategy()
    run_queue(desk)
    strategy.refresh_from_db()
    assert strategy.execution_status == "executed"
    return strategy


def kind(symbol: str, kind: str) -> None:
    Underlying.objects.update_or_create(symbol=symbol, defaults={"kind": kind})


def look(desk: Desk, scripted: Any, moment: datetime) -> list[str]:
    """One pass of the watch at a moment; the reasons of the exits it opened."""
    desk = at(desk, moment)
    scripted.quote(option(1000), "39.95", "40.05", at=moment)
    scripted.quote(option(1050), "19.95", "20.05", at=moment)
    open_due_exits(desk)
    return list(ExecutionRun.objects.filter(purpose="exit").values_list("reason_code", flat=True))


@pytest.mark.parametrize(("what", "moment"), [("stock", EVE), ("index", LAST_DAY)])
def test_fm_E14_what_delivers_is_left_a_session_before_its_expiry(
    desk: Desk, scripted: Any, held: OptionStrategy, what: str, moment: datetime
) -> None:
    kind("ACME", what)

    assert look(desk, scripted, moment - timedelta(minutes=1)) == []
    assert look(desk, scripted, moment) == ["EXPIRY_EXIT"]


def test_what_expired_is_told_once_and_no_exit_is_tried(desk: Desk, scripted: Any, held: OptionStrategy) -> None:
    assert look(desk, scripted, AFTER) == []
    assert look(desk, scripted, AFTER + timedelta(minutes=1)) == []

    assert Alert.objects.get(code="EXPIRED_HELD").level == "WARNING"


def settle(desk: Desk, strategy: OptionStrategy, price: str, *, delivered: bool = False, now: datetime = AFTER) -> Any:
    return settle_expired(
        desk.account, strategy.pk, settlement=Decimal(price), delivered=delivered, actor="cli:asha", now=now
    )


def test_a_worthless_expiry_closes_the_strategy_at_nothing(desk: Desk, held: OptionStrategy) -> None:
    before = {row.symbol: row.cash for row in Position.objects.all()}

    done = settle(desk, held, "999.95")

    held.refresh_from_db()
    assert [(one.units, one.price, one.charges) for one in done] == [(-LOT, 0, 0), (LOT, 0, 0)]
    assert (held.execution_status, held.execution_detail) == ("executed", "closed")
    assert {row.symbol: row.cash for row in Position.objects.all()} == before
    assert not Position.objects.exclude(quantity=0).exists()


def test_an_index_in_the_money_is_worth_its_intrinsic_value_and_the_holder_pays_tax(
    desk: Desk, held: OptionStrategy
) -> None:
    kind("ACME", "index")

    settle(desk, held, "1060.00")

    trades = Trade.objects.filter(order_status="SETTLED").order_by("strike")
    tax = exercise_stt(intrinsic=Decimal(60), quantity=LOT, as_of=EXPIRY)
    assert tax > 0
    assert [(one.action, one.price, one.charges) for one in trades] == [("SELL", 60, tax), ("BUY", 10, 0)]


def test_shares_that_change_hands_must_be_said(desk: Desk, held: OptionStrategy) -> None:
    kind("ACME", "stock")

    with pytest.raises(ExecutionDenied, match="DELIVERY"):
        settle(desk, held, "1060")
    assert not Trade.objects.filter(order_status="SETTLED").exists()

    assert len(settle(desk, held, "1060", delivered=True)) == 2


@pytest.mark.parametrize(
    ("price", "now", "code"),
    [
        ("NaN", AFTER, "SETTLEMENT_PRICE"),
        ("0", AFTER, "SETTLEMENT_PRICE"),
        ("1e9", AFTER, "SETTLEMENT_PRICE"),
        ("1060", NOON, "NOTHING_EXPIRED"),
    ],
)
def test_nothing_is_booked_on_a_price_that_is_none_or_before_the_expiry(
    desk: Desk, held: OptionStrategy, price: str, now: datetime, code: str
) -> None:
    with pytest.raises(ExecutionDenied, match=code):
        settle(desk, held, price, now=now)

    assert not Trade.objects.filter(order_status="SETTLED").exists()


def test_an_exit_under_way_is_not_settled_over(desk: Desk, scripted: Any, held: OptionStrategy) -> None:
    kind("ACME", "index")
    look(desk, scripted, LAST_DAY)

    with pytest.raises(ExecutionDenied, match="RUN_UNDER_WAY"):
        settle(desk, held, "1060")


def test_a_strategy_that_is_not_there_is_named(desk: Desk) -> None:
    with pytest.raises(ExecutionDenied, match="There is no strategy 999999"):
        settle_expired(
            desk.account, 999_999, settlement=Decimal(50_000), delivered=False, actor="cli:asha", now=AFTER
        )  # fmt: skip


def test_settling_twice_finds_nothing(desk: Desk, held: OptionStrategy) -> None:
    settle(desk, held, "999")

    with pytest.raises(ExecutionDenied, match="NOTHING_EXPIRED"):
        settle(desk, held, "999")


def test_the_command_lists_and_books(desk: Desk, held: OptionStrategy, capsys: Any) -> None:
    call_command("settle_expiry", "--as-of", "2026-02-25T09:20", "--account", desk.account.name)
    assert "Expired and not settled" in capsys.readouterr().out

    call_command(
        "settle_expiry", "--as-of", "2026-02-25T09:20", "--account", desk.account.name,
        "--strategy", str(held.pk), "--settlement", "999",
    )  # fmt: skip

    held.refresh_from_db()
    assert held.execution_detail == "closed"
