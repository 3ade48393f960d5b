"""Every write to the broker leaves the hashes of what was asked and answered in the audit chain."""

import json
from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import Any

import pytest
from django.db import connection

from execution.brokers.dhan.broker import SimulatorBroker
from execution.errors import OrderRefused, OutcomeUnknown
from execution.models import AuditEntry
from execution.services.access import build_dhan_broker, build_simulator_broker
from execution.services.audit import head, verify
from execution.services.exchanges import keep_exchange
from execution.simulator.book import Listing
from execution.simulator.faults import Call, Fault, Scripted
from execution.simulator.serving import RunningClock, RunningSimulator, running_simulator
from execution.simulator.venue import build_venue
from tests.contract.execution.desks import CALL, LOT, NOW, SECURITY, SEGMENT, TICK, Desk, OneTouchMarket
from tests.factories import AccountFactory

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)


@pytest.fixture
def simulator() -> Iterator[RunningSimulator]:
    listing = Listing(SEGMENT, SECURITY, "NIFTY-Mar2026-25000-CE", "OPTIDX", LOT, TICK, CALL)
    market = OneTouchMarket()
    market.quote("99.95", "100.05")
    venue = build_venue(market, RunningClock(NOW), master=b"", listings={(SEGMENT, SECURITY): listing})
    with running_simulator(venue) as running:
        yield running


@pytest.fixture
def desk(simulator: RunningSimulator, settings: Any) -> Desk:
    """The broker as production builds it, pointed at the simulator."""
    settings.DHAN_BASE_URL = simulator.addresses.base
    settings.DHAN_CLIENT_ID = simulator.venue.client_id
    settings.DHAN_ACCESS_TOKEN = simulator.venue.access.token
    clock = RunningClock(NOW)
    broker = build_simulator_broker(account=AccountFactory(), market=None, clock=clock)  # type: ignore[arg-type]
    assert isinstance(broker, SimulatorBroker)
    return Desk(broker, clock, OneTouchMarket())


Kept = Callable[[], list[tuple[str, dict[str, Any]]]]


@pytest.fixture
def kept(db: None) -> Kept:
    """The exchanges since this test began: the chain itself is never emptied."""
    began = head().seq

    def read() -> list[tuple[str, dict[str, Any]]]:
        rows = AuditEntry.objects.filter(event="exchange", subject_kind="request", seq__gt=began).order_by("seq")
        return [(row.subject_id, row.detail) for row in rows]

    return read


@pytest.fixture
def hide_audit() -> Iterator[None]:
    """The chain's function is away, as after a broken restore."""
    with connection.cursor() as cursor:
        cursor.execute("ALTER FUNCTION audit_record RENAME TO audit_record_away")
    yield
    with connection.cursor() as cursor:
        cursor.execute("ALTER FUNCTION audit_record_away RENAME TO audit_record")


def test_fm_F15_an_order_leaves_the_hashes_of_its_request_and_its_answer(desk: Desk, kept: Kept) -> None:
    placed = desk.place("P-kept-1")

    ((name, detail),) = kept()
    answer = json.dumps({"orderId": placed.order_id, "orderStatus": "TRANSIT"}).encode()
    assert (name, detail["method"], detail["endpoint"], detail["status"]) == ("P-kept-1", "POST", "/orders", 200)
    assert detail["answer"] in {sha256(answer).hexdigest(), sha256(answer.replace(b" ", b"")).hexdigest()}
    assert len(detail["request"]) == 64 and detail["request"] != detail["answer"]
    assert verify().is_sound


def test_a_refusal_is_kept_and_a_lost_answer_says_so(desk: Desk, simulator: RunningSimulator, kept: Kept) -> None:
    simulator.plan.add(Scripted(Fault.DH_905, Call.PLACE))
    with pytest.raises(OrderRefused):
        desk.place("P-kept-2")
    simulator.plan.add(Scripted(Fault.ACCEPT_THEN_CLOSE, Call.PLACE))
    with pytest.raises(OutcomeUnknown):
        desk.place("P-kept-3")

    told = [(name, detail["answer"] is not None, detail["failure"][:7]) for name, detail in kept()]
    assert told == [("P-kept-2", True, ""), ("P-kept-3", False, "cut off")]


def test_reads_leave_nothing(desk: Desk, kept: Kept) -> None:
    desk.broker.orders()
    desk.broker.positions()

    assert kept() == []


def test_the_answer_stands_where_it_cannot_be_written_down(desk: Desk, hide_audit: None) -> None:
    placed = desk.place("P-kept-4")

    assert placed.order_id


def test_the_live_broker_is_built_with_the_same_record(settings: Any) -> None:
    settings.TRADING_MODE, settings.DHAN_BASE_URL = "live", "https://api.dhan.co/v2"

    live = build_dhan_broker(account=AccountFactory(), market=None, clock=RunningClock(NOW))  # type: ignore[arg-type]

    assert live._recorded is keep_exchange
