"""Lead an account for a while: claim what is marked, drive what is open, until it is quiet or somebody else leads."""

import hashlib
import logging
import os
import socket
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import timedelta

from django.conf import settings

from execution.clock import SteppedClock
from execution.errors import ExecutionDenied
from execution.evidence import Watch
from execution.executor import Executor
from execution.lifecycle import RunState
from execution.models import ExecutionRun
from execution.naming import OrderNames
from execution.services.access import current_credential, stops_at
from execution.services.checks.counting import unknown_orders
from execution.services.gate import Health, armed_for
from execution.services.leadership import Lease, lead, renew
from execution.services.ledger import DatabaseLedger, Pace
from execution.services.outcomes import RunResult, result_of
from execution.services.pace import take_call
from execution.services.planning import DeskOfRun
from execution.services.preparation import Desk
from execution.services.resident_stops import StopKeeper
from market.errors import Reason

logger = logging.getLogger(__name__)

PASS_SECONDS = 0.5  # between two passes that moved nothing
LONGEST_SECONDS = 90.0  # of process time that one command waits for its runs; open ones are taken up again later
RENEW_SECONDS = 2.0
RECONCILE_SECONDS = 30.0
RECONCILE_AGAIN_SECONDS = 5.0


class Trading:
    """The leader of one account at work."""

    def __init__(self, desk: Desk, lease: Lease) -> None:
        self.desk, self._lease = desk, lease
        self._began = self._renewed = time.monotonic()
        self._reconciled: float | None = None
        self.agrees = False  # with the broker's books, at the last comparison
        key = _names_key()
        names = OrderNames(key)
        self.ledger = DatabaseLedger(
            account=desk.account,
            clock=desk.clock,
            lease=lease,
            pace=_pace_for(desk),
            code_version=settings.CODE_VERSION,
        )
        judge = DeskOfRun(desk, self.ledger.listed, self._health, self.ledger.positions)
        self.ledger.last_gate = judge.last_gate
        self._executor = Executor(ledger=self.ledger, broker=desk.broker, clock=desk.clock, desk=judge, names=names)
        self._watch = Watch(
            ledger=self.ledger, broker=desk.broker, clock=desk.clock, executor=self._executor, names=names
        )
        pace, stops = _pace_for(desk), stops_at(desk.broker)
        self.stops = StopKeeper(desk=desk, lease=lease, pace=pace, stops=stops, key=key)

    @property
    def leads_for(self) -> timedelta:
        """Since when this process leads."""
        return timedelta(seconds=time.monotonic() - self._began)

    def turn(self) -> bool:
        """One pass over everything open; True when something moved."""
        self.keep()
        self._watch.look()
        kept = self.stops.turn()
        return self._executor.turn() or kept

    def keep(self) -> None:
        """Renew the lease when it is time; raises Fenced when somebody else leads."""
        if time.monotonic() - self._renewed < RENEW_SECONDS:
            return
        renew(self._lease)
        self._renewed = time.monotonic()

    def reconcile(self) -> bool:
        """Compare the broker's books with ours; True when they were read and agree."""
        self._reconciled, self.agrees = time.monotonic(), self._watch.reconcile()
        return self.agrees

    def reconcile_when_due(self) -> None:
        """The same, every half minute; sooner while they do not agree."""
        now, pause = time.monotonic(), RECONCILE_SECONDS if self.agrees else RECONCILE_AGAIN_SECONDS
        if self._reconciled is None or now - self._reconciled >= pause:
            self.reconcile()

    def _health(self) -> Health:
        """What the checks ask about the broker, as this leader last saw it."""
        return Health(
            answers=self._watch.read_failed is None,
            token_expires_at=current_credential().expires_at if self.desk.broker.mode == "live" else None,
            armed_today=armed_for(self.desk),
        )

    def not_now(self) -> Reason | None:
        """Why nothing is begun at this moment: what waits in the queue waits on, and does not fail on it."""
        unread = self._watch.read_failed
        if unread is not None:
            return unread
        if not self.agrees:
            return Reason("BOOKS_DIFFER", "The broker's books differ from ours.", "See manage.py attention.")
        if unknown_orders(self.desk.account):
            return Reason("ORDERS_UNKNOWN", "The outcome of an order is not known yet.", "It is being looked up.")
        return None

    def require_agreement(self) -> None:
        """Refuse to begin anything while the broker's books cannot be read or differ from ours."""
        self.reconcile_when_due()
        why = self.not_now()
        if why is not None:
            sentence = f"Nothing is begun before the books agree. {why.sentence}"
            raise ExecutionDenied(Reason("BROKER_HEALTH", sentence, why.remedy or "See manage.py attention."))

    def until_quiet(self, longest: float = LONGEST_SECONDS) -> None:
        """Drive what is open until nothing is, or nothing can be done about it for now."""
        began = self.desk.clock.elapsed()
        while self.desk.clock.elapsed() - began <= longest:
            if self.turn():
                continue
            if not (self.movable() or self.stops.turn(at_once=True) or self.stops.under_way()):
                return
            self.desk.clock.sleep(PASS_SECONDS)

    def drive(self, runs: Collection[int]) -> list[RunResult]:
        """Drive until quiet and say what became of these runs."""
        self.until_quiet()
        return [result_of(run) for run in runs]

    def movable(self) -> list[int]:
        """Open runs that do not wait for a person."""
        waiting = ExecutionRun.objects.filter(pk__in=self.ledger.open_runs(), state=RunState.ATTENTION)
        for_a_person = set(waiting.values_list("pk", flat=True))
        return [run for run in self.ledger.open_runs() if run not in for_a_person]


@contextmanager
def trading(desk: Desk) -> Iterator[Trading]:
    """Lead the desk's account; refused with NOT_LEADER while another process does."""
    owner = f"{socket.gethostname()}:{os.getpid()}"
    with lead(desk.account.pk, owner=owner, code_version=settings.CODE_VERSION) as lease:
        yield Trading(desk, lease)


def _names_key() -> bytes:
    """Derived, so that the name of an order tells nothing about the secret."""
    return hashlib.sha256(b"optionsv4 order names " + settings.SECRET_KEY.encode()).digest()


def _pace_for(desk: Desk) -> Pace:
    """A replayed moment has no wire and no allowance to share; everything else shares the account's."""
    if isinstance(desk.clock, SteppedClock):
        return lambda urgent: 0.0
    return lambda urgent: take_call(desk.account.pk, urgent=urgent)
