"""The rows of stops that rest at the broker: who may write them, and how an exit asks for their removal."""

import logging

from django.db import transaction
from django.db.models import QuerySet

from allocation.models import Account
from execution.errors import ExecutionDenied, LostRace
from execution.models import AlertLevel, ResidentStop, RunPurpose, StopStage
from execution.models.stops import IN_THE_WAY
from execution.services.alerts import raise_alert
from execution.services.leadership import Lease, assert_epoch
from market.errors import Reason
from strategies.models import OptionStrategy

logger = logging.getLogger(__name__)

FIRED, UNSEEN, UNCLEAR = "RESIDENT_STOP", "STOP_UNSEEN", "STOP_UNCLEAR"
OURS_WATCHES = "Our own exit rules watch it as before."


def stand_aside(strategy: OptionStrategy, account: Account, reason: Reason, purpose: str) -> bool:
    """Have the stops of a strategy taken away before an exit of it; True while that exit has to wait.

    In the transaction that holds the strategy's row: no stop is sent meanwhile. The exit is opened once they are gone.
    """
    rows = ResidentStop.objects.filter(strategy=strategy, account=account)
    rows.filter(state=StopStage.WANTED).update(state=StopStage.CANCELLED, reason_code="LEAVING")
    standing = rows.filter(state__in=IN_THE_WAY)
    standing.filter(state=StopStage.PLACED).update(state=StopStage.CANCELLING, misses=0, looked_at=None)
    standing.filter(exit_purpose__in=["", RunPurpose.EXIT]).exclude(exit_purpose=purpose).update(
        exit_purpose=purpose, exit_code=reason.code[:40], exit_text=reason.sentence
    )
    return standing.exists()


def fired(strategy: OptionStrategy, account: Account) -> Reason | None:
    """Why a strategy of which a stop was sent on is left, whatever its other rules say."""
    row = ResidentStop.objects.filter(strategy=strategy, account=account, state=StopStage.DONE).first()
    return None if row is None else Reason(FIRED, f"The broker's stop at {row.trigger_price} was sent on.")


def settle_by_hand(stop_id: int, *, actor: str) -> None:
    """Say that a stop of which nobody knows what it did is over; its exit is opened then. A named person compared."""
    rows = ResidentStop.objects.filter(pk=stop_id, state=StopStage.TRIGGERED, reason_code=UNCLEAR)
    if rows.update(state=StopStage.CANCELLED, note=f"Settled by {actor}."[:200]) != 1:
        sentence = f"Stop {stop_id} does not wait for a person."
        raise ExecutionDenied(Reason("NOTHING_TO_SETTLE", sentence))
    logger.warning("stop %s settled by %s", stop_id, actor)


class StopRows:
    """The stops of one account, written by its leader only; every change is one conditional update."""

    def __init__(self, account: Account, lease: Lease) -> None:
        self._account, self._lease = account, lease

    def all(self) -> QuerySet[ResidentStop]:
        """In the order of asking."""
        return ResidentStop.objects.filter(account=self._account).order_by("pk")

    def lead(self) -> None:
        """Inside a transaction: raise Fenced unless this process leads."""
        assert_epoch(self._account.pk, self._lease.epoch)

    def move(self, stop: ResidentStop, state: StopStage, **changes: object) -> bool:
        """The same in a transaction of its own; True, for something moved."""
        with transaction.atomic():
            self.lead()
            self.write(stop, state, **changes)
        return True

    def write(self, stop: ResidentStop, state: StopStage, **changes: object) -> None:
        """One conditional update; the exit that was asked for meanwhile stays."""
        rows = ResidentStop.objects.filter(pk=stop.pk, state=stop.state)
        if rows.update(state=state, **changes) != 1:
            raise LostRace(Reason("LOST_RACE", f"Stop {stop.pk} was changed by somebody else."))
        logger.info("stop %s %s -> %s", stop.correlation_id, stop.state, state)
        stop.refresh_from_db()

    def rests(self, stop: ResidentStop, order_id: str) -> bool:
        """It is at the broker; an exit that was asked for meanwhile has it taken away again."""
        with transaction.atomic():
            self.lead()
            self.write(stop, StopStage.PLACED, broker_order_id=order_id, reason_code="", note="", misses=0)
            if stop.exit_purpose:
                self.write(stop, StopStage.CANCELLING)
        return True

    def note(self, stop: ResidentStop, **changes: object) -> bool:
        """Remember something without moving on."""
        return self.move(stop, StopStage(stop.state), **changes)

    def fail(self, stop: ResidentStop, reason: Reason, level: AlertLevel) -> bool:
        """Without a stop at the broker; a person is told, what asked for it is not stopped by it."""
        with transaction.atomic():
            self.lead()
            self.write(stop, StopStage.FAILED, reason_code=reason.code[:40], note=reason.sentence)
            self.alert(stop, reason, level)
        return True

    def alert(self, stop: ResidentStop, reason: Reason, level: AlertLevel) -> None:
        """Tell a person."""
        sentence = f"Strategy {stop.strategy_id}: {reason.sentence}"
        raise_alert(self._account, level, reason.code, sentence, reason.remedy, about=f"stop {stop.pk}")
