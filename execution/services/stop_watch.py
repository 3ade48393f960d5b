"""Watch the stops that rest at the broker: found, fired, gone; two clean looks count, one does not."""

import logging
from collections.abc import Callable, Sequence
from datetime import timedelta

from django.db import transaction
from django.db.models import Q

from execution.basket.values import TIMING, since
from execution.errors import BrokerError
from execution.models import AlertLevel, LegOrder, Position, ResidentStop, RunPurpose, StopStage
from execution.models.stops import IN_THE_WAY
from execution.ports import BrokerOrder
from execution.resting import (
    ENOUGH_MISSES,
    TWO_LISTS_APART,
    Finding,
    ProtectiveStop,
    Stops,
    Terms,
    finding,
    on_the_list,
    order_of,
)
from execution.services.leadership import Lease
from execution.services.preparation import Desk
from execution.services.stop_fills import keep_fill
from execution.services.stop_rows import FIRED, OURS_WATCHES, UNCLEAR, UNSEEN, StopRows, stand_aside
from market.errors import Reason
from strategies.models import OptionStrategy

logger = logging.getLogger(__name__)

LOOK_EVERY = 30.0  # seconds between two looks at stops that just rest
REST = 10.0  # that the order of a stop may stand in the market before the exit takes over
CANCEL_AGAIN = 5.0
LATE = timedelta(days=1)  # what our books have given up or taken away is looked for so long
SETTLED = (StopStage.CANCELLED, StopStage.FAILED)

Pace = Callable[[bool], float]


class StopWatch:
    """Looks at the broker's list of stops and its order book, and moves our rows by what both say."""

    def __init__(self, *, rows: StopRows, desk: Desk, lease: Lease, pace: Pace, stops: Stops) -> None:
        self._rows, self._desk, self._lease, self._pace, self._stops = rows, desk, lease, pace, stops
        self._account, self._clock = desk.account, desk.clock
        self._looked = float("-inf")
        self._cancelled: dict[str, float] = {}

    def look_when_due(self) -> bool:
        """Soon again where something is to be found out, seldom where stops just rest; True when one moved."""
        late = Q(state__in=SETTLED, placed_at__gt=self._clock.now() - LATE)
        stops = list(self._rows.all().filter(Q(state__in=IN_THE_WAY) | late))
        placed = [stop for stop in stops if stop.state == StopStage.PLACED and not stop.misses]
        resting = all(stop.state in SETTLED or stop in placed for stop in stops)
        now = self._clock.elapsed()
        if not stops or now - self._looked < (LOOK_EVERY if resting else TWO_LISTS_APART):
            return False
        self._looked = now
        return self._look(stops)

    def _look(self, stops: Sequence[ResidentStop]) -> bool:
        """Read list and book, in this order: what leaves the list in between is in the book."""
        try:
            listed, book = self._stops.protective_stops(), self._desk.broker.orders()
        except BrokerError as error:
            logger.warning("the broker's stops could not be read: %s", error.reason)
            return False
        claimed = set(self._rows.all().exclude(broker_order_id="").values_list("broker_order_id", flat=True))
        orders = LegOrder.objects.filter(run__account=self._account, broker_order_id__in=[one.order_id for one in book])
        known = set(orders.values_list("broker_order_id", flat=True))
        moved = False
        for stop in stops:
            terms = _terms(stop)
            row = on_the_list(terms, listed, claimed)
            order = order_of(terms, row, book, known, guess=stop.state not in SETTLED)
            moved |= (self._zombie if stop.state in SETTLED else self._judge)(stop, row, order)
        return moved

    def _judge(self, stop: ResidentStop, row: ProtectiveStop | None, order: BrokerOrder | None) -> bool:
        found = finding(row, order)
        if order is not None:
            return self._fired(stop, order)
        if found is Finding.SENT_ON or stop.state == StopStage.TRIGGERED:
            return self._unclear(stop)
        return self._rests(stop, row) if row is not None and found is Finding.RESTS else self._over(stop)

    def _zombie(self, stop: ResidentStop, row: ProtectiveStop | None, order: BrokerOrder | None) -> bool:
        """Over by our books, and there all the same: kept where it is still wanted, else taken away."""
        if order is not None and (order.filled_quantity or not order.status.is_final):
            if not self._needed(stop):
                sentence = (
                    f"Order {order.order_id} of a stop that was over buys {stop.quantity} units nobody is short of."
                )
                late = Reason(
                    "STOP_LATE", sentence, "Compare the positions with the broker's and sell what is too much."
                )
                self._rows.alert(stop, late, AlertLevel.CRITICAL)
            return self._fired(stop, order)
        if row is None or finding(row, order) is not Finding.RESTS:
            return False
        if stop.state == StopStage.FAILED and self._needed(stop):
            return self._rows.rests(stop, row.order_id)
        self._cancel(row.order_id, lambda: self._stops.cancel_protective_stop(row.order_id))
        return False

    def _rests(self, stop: ResidentStop, row: ProtectiveStop) -> bool:
        if stop.state == StopStage.PLACING:
            return self._rows.rests(stop, row.order_id)
        if stop.state == StopStage.CANCELLING:
            self._cancel(row.order_id, lambda: self._stops.cancel_protective_stop(row.order_id))
        elif stop.state == StopStage.PLACED and not self._needed(stop):
            return self._rows.move(stop, StopStage.CANCELLING, misses=0)
        return bool(stop.misses) and self._rows.note(stop, misses=0)

    def _over(self, stop: ResidentStop) -> bool:
        """Not on the list and nothing in the book: true when two looks some seconds apart agree."""
        if 0 < since(stop.looked_at, self._clock.now()) < TWO_LISTS_APART:
            return False
        self._rows.note(stop, misses=stop.misses + 1, looked_at=self._clock.now())
        if stop.misses < ENOUGH_MISSES:
            return False
        if stop.state == StopStage.CANCELLING or (stop.state == StopStage.PLACED and not self._needed(stop)):
            return self._rows.move(stop, StopStage.CANCELLED)
        if stop.state == StopStage.PLACING:
            return self._given_up(stop)
        sentence = f"The stop {stop.broker_order_id} is not at the broker any more."
        return self._rows.fail(stop, Reason("STOP_GONE", sentence, OURS_WATCHES), AlertLevel.WARNING)

    def _given_up(self, stop: ResidentStop) -> bool:
        """Refused, or past the time in which a request can still arrive."""
        if stop.reason_code not in ("", UNSEEN):
            return self._rows.fail(stop, Reason(stop.reason_code, stop.note, OURS_WATCHES), AlertLevel.WARNING)
        if since(stop.placed_at, self._clock.now()) <= TIMING.quarantine:
            return False
        sentence = f"The stop {stop.correlation_id} never reached the broker."
        return self._rows.fail(stop, Reason(UNSEEN, sentence, OURS_WATCHES), AlertLevel.WARNING)

    def _unclear(self, stop: ResidentStop) -> bool:
        """It fired, and the book shows no order of it: a person looks if that lasts."""
        if stop.state != StopStage.TRIGGERED:
            return self._trigger(stop)
        if not stop.reason_code and since(stop.ended_at, self._clock.now()) > TIMING.quarantine:
            sentence = f"The broker says that stop {stop.broker_order_id} fired, its order book shows nothing of it."
            said = Reason(UNCLEAR, sentence, "Compare the positions with the broker's, then settle the stop by hand.")
            self._rows.alert(stop, said, AlertLevel.CRITICAL)
            return self._rows.note(stop, reason_code=said.code, note=said.sentence)
        return False

    def _fired(self, stop: ResidentStop, order: BrokerOrder) -> bool:
        moved = stop.state != StopStage.TRIGGERED and self._trigger(stop)
        if order.status.is_final:
            return self._account_for(stop, order) or moved
        if since(stop.ended_at, self._clock.now()) > REST:
            self._cancel(order.order_id, lambda: self._desk.broker.cancel(order.order_id))
        return moved

    def _trigger(self, stop: ResidentStop) -> bool:
        """From here on the rest of the strategy has to leave; its other stops are taken away."""
        reason = Reason(FIRED, f"The broker's stop at {stop.trigger_price} was sent on.")
        with transaction.atomic():
            self._rows.lead()
            strategy = OptionStrategy.objects.select_for_update().get(pk=stop.strategy_id)
            self._rows.write(stop, StopStage.TRIGGERED, ended_at=self._clock.now(), reason_code="", note="")
            stand_aside(strategy, self._account, reason, RunPurpose.EXIT)
        logger.warning("stop %s of strategy %s was sent on by the broker", stop.correlation_id, stop.strategy_id)
        stop.refresh_from_db()
        return True

    def _account_for(self, stop: ResidentStop, order: BrokerOrder) -> bool:
        """Take its fills into our books once order and trades agree."""
        if not order.filled_quantity:
            return self._rows.move(stop, StopStage.CANCELLED, note="Its order ended without a fill.")
        try:
            trades = self._desk.broker.trades(order.order_id)
        except BrokerError as error:
            logger.warning("the trades of stop %s could not be read: %s", stop.correlation_id, error.reason)
            return False
        if sum(trade.quantity for trade in trades) != order.filled_quantity:
            return False
        with transaction.atomic():
            self._rows.lead()
            now, name = self._clock.now(), self._desk.broker.name
            run = keep_fill(stop, order, trades, now=now, epoch=self._lease.epoch, broker=name)
            self._rows.write(stop, StopStage.DONE, note=f"Run {run.pk}, order {order.order_id}.")
        return True

    def _cancel(self, order_id: str, ask: Callable[[], None]) -> None:
        """Ask for the end of something, not more often than every few seconds."""
        last = self._cancelled.get(order_id, float("-inf"))
        if self._clock.elapsed() - last < CANCEL_AGAIN or self._pace(True):
            return
        self._cancelled[order_id] = self._clock.elapsed()
        try:
            ask()
        except BrokerError as error:
            logger.warning("the cancel of %s came to nothing certain: %s", order_id, error.reason)

    def _needed(self, stop: ResidentStop) -> bool:
        """Whether the short leg is still held by an open strategy."""
        held = Position.objects.filter(strategy_id=stop.strategy_id, account=self._account, quantity__lt=0)
        is_open = OptionStrategy.objects.open().filter(pk=stop.strategy_id, execution_detail="")
        return held.filter(security_id=stop.security_id).exists() and is_open.exists()


def _terms(stop: ResidentStop) -> Terms:
    return Terms(
        correlation_id=stop.correlation_id,
        order_id=stop.broker_order_id,
        segment=stop.segment,
        security_id=stop.security_id,
        quantity=stop.quantity,
        trigger_price=stop.trigger_price,
        limit_price=stop.limit_price,
        asked_at=stop.placed_at,
    )
