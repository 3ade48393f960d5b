"""A bad day ends by itself: entries stop, then everything goes, and a person must say when it goes on."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from execution.errors import ExecutionDenied
from execution.models import Alert, ExecutionRun, Position, RiskLimits
from execution.services.breakers import trip_breakers
from execution.services.preparation import Desk
from execution.services.standing import standing
from execution.services.trader import one_pass
from execution.services.trading import trading
from strategies.models import OptionStrategy
from tests.integration.execution.conftest import WIDE, option
from tests.integration.execution.desks import monitor, run_queue

LOT = 500
pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)
Make = Callable[..., OptionStrategy]


def limit_loss(desk: Desk, rupees: int) -> None:
    RiskLimits.objects.create(account=desk.account, changed_by="test", **WIDE, daily_loss=Decimal(rupees))


def fall(scripted: Any, desk: Desk, long: tuple[str, str]) -> None:
    """The bought call loses, the sold one stays where it was."""
    scripted.quote(option(1000), *long, at=desk.as_of)
    scripted.quote(option(1050), "19.95", "20.05", at=desk.as_of)


@pytest.fixture
def opened(desk: Desk, make_strategy: Make) -> OptionStrategy:
    """A call spread: bought at 40.05, sold at 19.95."""
    strategy = make_strategy()
    run_queue(desk)
    return strategy


def test_the_loss_limit_of_the_day_stops_entries_and_leaves_positions_alone(
    desk: Desk, scripted: Any, opened: OptionStrategy, later: Any
) -> None:
    limit_loss(desk, 2_000)  # 4.05 a unit down on 500 units, and charges
    desk = later(desk, timedelta(minutes=5))
    fall(scripted, desk, ("36.00", "36.10"))

    monitor(desk)
    monitor(desk)

    found = standing(desk.account.pk)
    assert (found.state, found.reason.code if found.reason else "", found.automatic) == (
        "REDUCE_ONLY",
        "DAILY_LOSS",
        True,
    )
    assert Alert.objects.get().code == "DAILY_LOSS"
    assert not ExecutionRun.objects.exclude(purpose="entry").exists()


def test_a_state_directory_that_nobody_has_made_stops_nothing(desk: Desk, settings: Any, tmp_path: Path) -> None:
    settings.STATE_DIR = tmp_path / "not" / "made"

    monitor(desk)

    assert standing(desk.account.pk).state == "ACTIVE"


def test_half_as_much_again_closes_everything(desk: Desk, scripted: Any, opened: OptionStrategy, later: Any) -> None:
    limit_loss(desk, 1_400)
    desk = later(desk, timedelta(minutes=5))
    fall(scripted, desk, ("36.00", "36.10"))

    monitor(desk)

    found = standing(desk.account.pk)
    assert (found.state, found.reason.code if found.reason else "") == ("HALTED", "FLATTEN")
    assert ExecutionRun.objects.get(purpose="flatten").state == "complete"
    assert not Position.objects.exclude(quantity=0).exists()


def test_a_loss_below_the_limit_changes_nothing(desk: Desk, scripted: Any, opened: OptionStrategy, later: Any) -> None:
    limit_loss(desk, 10_000)
    desk = later(desk, timedelta(minutes=5))
    fall(scripted, desk, ("36.00", "36.10"))

    monitor(desk)

    assert standing(desk.account.pk).state == "ACTIVE"


def test_the_trader_trips_too(desk: Desk, scripted: Any, opened: OptionStrategy, later: Any) -> None:
    limit_loss(desk, 2_000)
    desk = later(desk, timedelta(minutes=5))
    fall(scripted, desk, ("36.00", "36.10"))

    with trading(desk) as leader:
        trips = trip_breakers(leader)

    assert [trip.reason.code for trip in trips] == ["DAILY_LOSS"]


def test_three_losing_exits_rest_the_queue_and_burn_nothing_of_it(
    desk: Desk, scripted: Any, make_strategy: Make, later: Any
) -> None:
    for minute in range(3):
        make_strategy(levels={"stop_loss": 1})
        run_queue(desk)
        desk = later(desk, timedelta(minutes=2 + minute))
        fall(scripted, desk, ("39.00", "39.10"))
        monitor(desk)
        scripted.quote(option(1000), "39.95", "40.05", at=desk.as_of)
    waiting = make_strategy()

    with pytest.raises(ExecutionDenied, match="LOSING_STREAK"):
        run_queue(desk)
    with trading(desk) as leader:
        one_pass(leader)

    waiting.refresh_from_db()
    assert waiting.execution_status == "marked"
    assert Alert.objects.get(code="LOSING_STREAK").level == "WARNING"
