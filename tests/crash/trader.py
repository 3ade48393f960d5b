"""One trader process: `run_trader`'s own loop on the still market; it dies where it is told to and says how far it is.

Only the edges of the loop are set: whose desk it opens, which exit is due, and pauses short enough that every point is
reached within seconds. Standing by, election, reconciliation, claims and orders are the product's.
"""

import os
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from tests.crash.planted import plant
from tests.crash.points import NAMED, Purpose, Setting

# Shorter than in earnest, so that what happens every half minute happens while the basket is under way.
POLL_SECONDS = 0.1
RENEW_SECONDS = 0.1
RECONCILE_SECONDS = 0.5
# These points lie in a comparison of books: with one at every pass, none can be missed by a basket that is quick.
IN_COMPARISON = ("positions-read.", "report.")


@dataclass(frozen=True, slots=True)
class Job:
    """What a process is to do, where, and where it dies (nowhere if `point` is empty)."""

    database: str
    base_url: str
    client_id: str
    token: str
    clock: Path
    purpose: Purpose
    strategy: int
    point: str = ""
    waits: bool = False  # to be told to go on, once it leads
    recovers: bool = False  # another one died before; the point lies in the recovery
    signal_number: int = 9
    bug: str = ""  # a planted one


def main(job: Job, line: Connection) -> None:
    """Be the process; never returns where the point is reached."""
    use_database(job.database)
    try:
        _Trader(job, line).work()
        line.send(("finished", time.monotonic()))
    except BaseException:  # noqa: BLE001 - the process ends here, and says why
        traceback.print_exc()
        os._exit(1)
    line.close()
    os._exit(0)


def use_database(name: str) -> None:
    """Connect to this database of the throw-away server, without a pool; nobody pushes order updates, all is polled."""
    import django

    django.setup()
    from django.conf import settings
    from django.db import connection

    connection.settings_dict["NAME"] = name
    connection.settings_dict["OPTIONS"].pop("pool", None)
    connection.settings_dict["CONN_HEALTH_CHECKS"] = False
    settings.ORDER_UPDATES = {}


def desk_of(job: Job, on_stage: Callable[[str], None]) -> Any:
    """The desk of the one account, with the Dhan adapter in front of the simulated exchange."""
    from allocation.models import Account
    from execution.brokers.dhan.addresses import PracticeAccess
    from execution.brokers.dhan.broker import SimulatorBroker
    from execution.brokers.dhan.token import Credential
    from execution.brokers.dhan.transport import Wire
    from execution.services.preparation import Desk
    from tests.crash.clock import SharedClock
    from tests.crash.market import StillMarket

    clock, credential = SharedClock(job.clock), Credential(job.client_id, job.token)
    access = PracticeAccess(job.base_url, lambda: credential)
    broker = SimulatorBroker(access, clock=clock, wire=Wire(job.base_url, on_stage=on_stage))
    return Desk(broker, StillMarket(), Account.objects.get(name="paper"), clock)


class _Trader:
    def __init__(self, job: Job, line: Connection) -> None:
        from tests.crash.tripwire import Tripwire

        self._job, self._line = job, line
        self._wire = Tripwire(job.point, self._report, signal_number=job.signal_number)
        self._over = threading.Event()
        self._inherited: list[str] = []
        self._accounted = False

    def work(self) -> None:
        """Lead as soon as nobody else does, then trade until the strategy is where it should be."""
        from execution.services import trader

        self._wrap()
        if self._job.recovers:
            self._wire.arm()
        trader.trade_until(self._over, account_name=None, say=self._say)

    def _say(self, words: str) -> None:
        if words.startswith("Standing by"):
            self._report("standing by")
        elif words.startswith("Trader is leading"):
            self._wire.reach("election.after")
            self._begin()

    def _begin(self) -> None:
        from execution.lifecycle import ENDED_ORDERS
        from execution.models import LegOrder

        live = LegOrder.objects.exclude(state__in=ENDED_ORDERS)
        self._inherited = list(live.values_list("correlation_id", flat=True))
        self._report("leading", time.monotonic())
        if self._job.waits:
            self._line.recv()
        self._arm_from_the_start()

    def _arm_from_the_start(self) -> None:
        job = self._job
        if not job.point or job.recovers:
            return
        point = NAMED[job.point]
        if job.purpose is Purpose.ENTRY and point.setting is Setting.STRAY:
            return  # while such an order is known nothing is claimed, so it comes after the claim
        if job.purpose is Purpose.ENTRY or (job.purpose is Purpose.UNWIND and point.early):
            self._armed()
        elif job.purpose is Purpose.UNWIND:
            self._wire.arm_when_settling()

    def _arm_after_claim(self) -> None:
        job = self._job
        if (
            job.purpose is Purpose.ENTRY
            and not job.recovers
            and job.point
            and NAMED[job.point].setting is Setting.STRAY
        ):
            self._armed()

    def _armed(self) -> None:
        self._wire.arm()
        self._report("armed")

    def _open_due_exits(self, desk: Any) -> None:
        """The one rule of the test: what is held is closed, and again when it could not be."""
        from execution.services import runs
        from market.errors import Reason
        from strategies.models import OptionStrategy

        if self._job.purpose is not Purpose.EXIT:
            return
        strategy = OptionStrategy.objects.get(pk=self._job.strategy)
        if (strategy.execution_status, strategy.execution_detail) != ("executed", ""):
            return
        if self._job.point and not self._job.recovers:
            self._armed()
        runs.open_exit(strategy, Reason("TEST", "The test wants it closed."), desk)

    def _end_when_done(self) -> None:
        from execution.lifecycle import StrategyState as State
        from execution.models import ExecutionRun
        from execution.services.transitions import state_of
        from strategies.models import OptionStrategy

        if ExecutionRun.objects.open().exists():
            return
        state = state_of(OptionStrategy.objects.get(pk=self._job.strategy))
        wanted = {State.CLOSED} if self._job.purpose is Purpose.EXIT else {State.EXECUTED, State.FAILED}
        if state in wanted:
            self._over.set()

    # --- what is wrapped ---------------------------------------------------------------------------------------------

    def _open_desk(self, **_: Any) -> Any:
        desk = desk_of(self._job, self._wire.stage)
        for name, subject in _BROKER.items():
            self._wire.around(desk.broker, name, subject)
        return desk

    def _wrap(self) -> None:
        from django.db import connection

        from execution.services import leadership, runs, trader, trading
        from execution.services.ledger import DatabaseLedger
        from execution.services.planning import DeskOfRun

        plant(self._job.bug)
        wire, account = self._wire, self._account
        wire.around_commit(DatabaseLedger, done=account)
        wire.around(DatabaseLedger, "clear", "sending", done=account)
        for name, subject in {"pace": "pace", "keep_external": "external", "call_person": "alert"}.items():
            wire.around(DatabaseLedger, name, subject)
        wire.around(DatabaseLedger, "keep_report", "report", done=account)
        wire.around(DeskOfRun, "check", "check")
        wire.around(DeskOfRun, "limit", "limit")
        wire.around(leadership, "_elect", "election")
        wire.around(trading, "renew", "renewal")
        wire.around(trader, "open_entry", "claim", done=self._arm_after_claim)
        wire.around(runs, "open_exit", "claim")
        wire.around(trader, "one_pass", "pass", done=self._end_when_done)
        connection.execute_wrappers.append(wire.statement)
        trader.WAKE_KEY = f"trader:wake:{self._job.database}"  # one Redis serves many at a time
        trader.open_desk, trader.open_due_exits = self._open_desk, self._open_due_exits
        trader.MONITOR_EVERY_SECONDS = trader.POLL_SECONDS = trader.BUSY_SECONDS = POLL_SECONDS
        trading.RENEW_SECONDS = RENEW_SECONDS
        trading.RECONCILE_SECONDS = 0.0 if self._job.point.startswith(IN_COMPARISON) else RECONCILE_SECONDS

    def _account(self) -> None:
        """Say it once the books were compared under this epoch and no inherited order is as its sender left it."""
        from execution.lifecycle import OrderState
        from execution.models import LegOrder, ReconcileReport, TraderLease

        if self._accounted or not ReconcileReport.objects.filter(epoch=TraderLease.objects.get().epoch).exists():
            return
        unexplained = LegOrder.objects.filter(
            correlation_id__in=self._inherited, state__in=[OrderState.INTENT, OrderState.SENDING]
        )
        if not unexplained.exists():
            self._accounted = True
            self._report("accounted", time.monotonic())

    def _report(self, *words: object) -> None:
        self._line.send(words)
        if words[0] == "armed":
            self._line.recv()  # until the exchange is set


_BROKER = {
    "place": "place",
    "cancel": "cancel",
    "orders": "orders-read",
    "trades": "trades-read",
    "order_by_correlation": "lookup",
    "positions": "positions-read",
}
