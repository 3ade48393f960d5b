"""What was ours and is flat is compared with the broker too; what was never ours is somebody else's."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from execution.models import Alert, ReconcileReport
from execution.ports import BrokerPosition
from execution.services.preparation import Desk
from execution.services.standing import standing
from execution.services.trading import trading
from tests.integration.execution.conftest import EXPIRY, LOT, MakeStrategy
from tests.integration.execution.desks import at, monitor, run_queue
from tests.integration.execution.test_leaving import LEAVE

OURS, NEVER_OURS = "10", "22"  # the call at 1000; the put at 1100


@pytest.fixture(autouse=True)
def state_dir(settings: Any, tmp_path: Path) -> None:
    settings.STATE_DIR = tmp_path


class Holding:
    """The broker of an account in which somebody also holds this."""

    def __init__(self, broker: Any, security_id: str) -> None:
        self._broker, self._security_id = broker, security_id
        self.name, self.mode = broker.name, broker.mode

    def positions(self) -> list[BrokerPosition]:
        return [*self._broker.positions(), BrokerPosition("NSE_FNO", self._security_id, "MARGIN", LOT)]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._broker, name)


@pytest.fixture
def flat(desk: Desk, make_strategy: MakeStrategy) -> Desk:
    """A spread was opened and closed again."""
    make_strategy(levels=LEAVE)
    run_queue(desk)
    desk.clock.sleep(60)
    monitor(desk)
    return desk


def compared_twice(desk: Desk) -> list[bool]:
    with trading(desk) as leader:
        desk.clock.sleep(60)
        first = leader.reconcile()
        desk.clock.sleep(5)
        return [first, leader.reconcile()]


def test_what_somebody_opened_again_by_hand_is_found(flat: Desk) -> None:
    assert compared_twice(replace(flat, broker=Holding(flat.broker, OURS))) == [False, False]

    report = ReconcileReport.objects.latest("pk")
    (finding,) = report.findings
    assert (report.clean, finding["code"]) == (False, "POSITION_DIFFERS")
    assert finding["sentence"] == "Our trades add up to 0 units of NSE_FNO 10, the broker shows 500."
    alert = Alert.objects.get(code="POSITION_DIFFERS")
    assert (alert.level, alert.remedy.startswith("Somebody opened it by hand: close it at the broker")) == (
        "CRITICAL",
        True,
    )
    assert standing(flat.account.pk).state == "REDUCE_ONLY"


@pytest.mark.parametrize("security_id", [NEVER_OURS, ""])
def test_what_was_never_ours_is_left_alone(flat: Desk, security_id: str) -> None:
    agrees = compared_twice(replace(flat, broker=Holding(flat.broker, security_id)))

    assert agrees == [True, True]
    assert not Alert.objects.filter(code="POSITION_DIFFERS").exists()


def test_what_is_flat_and_expired_is_compared_no_more(flat: Desk) -> None:
    over = at(flat, flat.as_of + (EXPIRY - flat.day) + timedelta(days=1))

    assert compared_twice(replace(over, broker=Holding(over.broker, OURS))) == [True, True]


def test_a_difference_that_one_read_shows_stops_what_begins_and_calls_nobody(flat: Desk) -> None:
    with trading(replace(flat, broker=Holding(flat.broker, OURS))) as leader:
        leader.desk.clock.sleep(60)
        agrees, why = leader.reconcile(), leader.not_now()

    report = ReconcileReport.objects.latest("pk")
    assert (agrees, report.clean, report.is_equal) == (False, False, False)
    assert [finding["code"] for finding in report.findings] == ["POSITIONS_READ_ONCE"]
    assert why is not None and why.code == "BOOKS_DIFFER"
    assert not Alert.objects.exists()


def test_what_differs_while_orders_are_under_way_is_no_evidence_for_a_person(flat: Desk) -> None:
    with trading(replace(flat, broker=Holding(flat.broker, OURS))) as leader:
        agrees = leader.reconcile()  # a moment after our own last order

    report = ReconcileReport.objects.latest("pk")
    assert (agrees, report.clean, report.is_equal) == (True, True, False)
    assert [finding["code"] for finding in report.findings] == ["POSITIONS_MOVE"]
