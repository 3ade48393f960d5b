"""Stops that rest at the broker for strategies that ask for them (`strategy_exit_levels.resident_stop_multiple`).

They are for the hours when this process is not there; while it is, our own exit rules act first. A stop is written
ahead like an order and never sent twice. No exit run is opened beside one: it waits until the stop is gone, else both
would buy the short leg back.
"""

import hashlib
import hmac
import logging
from collections.abc import Sequence
from decimal import Decimal

from django.db import transaction
from django.db.models import Exists, OuterRef, Q

from allocation.models import Account
from execution.errors import (
    AuthExpired,
    BrokerError,
    ExecutionDenied,
    Fenced,
    LostRace,
    NotSent,
    OrderRefused,
    RateLimited,
)
from execution.lifecycle import StrategyEvent
from execution.models import AlertLevel, Position, ResidentStop, RunPurpose, StopStage
from execution.models.stops import IN_THE_WAY, STANDING
from execution.ports import ClearedOrder
from execution.resting import Stops, stop_prices
from execution.services.intended import from_json
from execution.services.leadership import Lease
from execution.services.listing import ListedLeg
from execution.services.preparation import Desk, request_for
from execution.services.standing import require_lets
from execution.services.stop_fills import entry_of, listed_leg
from execution.services.stop_rows import OURS_WATCHES, StopRows
from execution.services.stop_watch import Pace, StopWatch
from execution.services.transitions import move_strategy
from market.contract import Side
from market.errors import OptionsError, Reason
from strategies.models import OptionStrategy, StrategyExitLevels

logger = logging.getLogger(__name__)

EVERY = 1.0  # seconds between two turns


class StopKeeper:
    """Wants, places, watches and takes away the stops of one account; its leader gives it turns."""

    def __init__(self, *, desk: Desk, lease: Lease, pace: Pace, stops: Stops | None, key: bytes) -> None:
        self._desk, self._pace, self._stops, self._key = desk, pace, stops, key
        self._account, self._clock = desk.account, desk.clock
        self._rows = StopRows(desk.account, lease)
        self._watch = (
            None if stops is None else StopWatch(rows=self._rows, desk=desk, lease=lease, pace=pace, stops=stops)
        )
        self._due = float("-inf")

    def turn(self, *, at_once: bool = False) -> bool:
        """One pass, at most one a second unless `at_once`; True when something moved."""
        now = self._clock.elapsed()
        if now < self._due and not at_once:
            return False
        self._due = now + EVERY
        try:
            return self._work()
        except LostRace as race:
            logger.info("a stop was moved by somebody else: %s", race.reason)
            return True

    def _work(self) -> bool:
        moved = [self._write_down(levels) for levels in _asking(self._account)]
        moved += [self._place(stop) for stop in self._rows.all().filter(state=StopStage.WANTED)]
        moved += [self._watch is not None and self._watch.look_when_due(), self._leave()]
        return any(moved)

    def under_way(self) -> bool:
        """Whether something of it will move by itself soon; what waits for a person does not."""
        moving = Q(state__in=[StopStage.PLACING, StopStage.CANCELLING]) | Q(state=StopStage.TRIGGERED, reason_code="")
        return self._rows.all().filter(moving).exists()

    def _write_down(self, levels: StrategyExitLevels) -> bool:
        """One row for each short leg that is held; with the reason where there can be no stop."""
        strategy, times = levels.strategy, levels.resident_stop_multiple
        entry = entry_of(strategy.pk, self._account.pk)
        if entry is None or times is None:
            return False
        held = Position.objects.filter(strategy=strategy, account=self._account, quantity__lt=0)
        shorts = {row.security_id: row for row in held}
        made = []
        with transaction.atomic():
            self._rows.lead()
            for listed in from_json(entry.intended):
                short = shorts.pop(listed.security_id, None) if listed.leg.side is Side.SELL else None
                if short is not None:
                    made.append(self._wanted(strategy, listed, short, times))
        return bool(made)

    def _wanted(self, strategy: OptionStrategy, listed: ListedLeg, short: Position, times: Decimal) -> ResidentStop:
        units = -short.quantity
        trigger, limit = stop_prices(sold_at=max(short.cash / units, listed.tick), times=times, tick=listed.tick)
        number = ResidentStop.objects.filter(leg_id=listed.row_id).count() + 1
        stop: ResidentStop = ResidentStop.objects.create(
            account=self._account,
            strategy=strategy,
            leg_id=listed.row_id,
            quantity=units,
            trigger_price=trigger,
            limit_price=limit,
            segment=listed.segment,
            security_id=listed.security_id,
            correlation_id=self._name(listed.row_id, number),
            asked_by="strategy",
        )
        logger.info("stop wanted: %s", stop)
        impossible = self._impossible(listed, units)
        if impossible is not None:
            self._rows.fail(stop, impossible, AlertLevel.INFO)
        return stop

    def _impossible(self, listed: ListedLeg, units: int) -> Reason | None:
        if self._stops is None:
            name = self._desk.broker.name
            return Reason("NO_RESIDENT_STOPS", f"The broker '{name}' holds no stops.", OURS_WATCHES)
        if units > listed.leg.order_limit:
            sentence = f"{units} units of {listed.symbol} are more than one order may hold ({listed.leg.order_limit})."
            return Reason("STOP_TOO_LARGE", sentence, OURS_WATCHES)
        return None

    def _name(self, leg_id: int, number: int) -> str:
        """Unlike the names of orders, so that none is taken for one; signed like them."""
        plain = f"S{leg_id:x}-{number:x}"
        return f"{plain}-{hmac.new(self._key, plain.encode(), hashlib.sha256).hexdigest()[:6]}"

    def _place(self, stop: ResidentStop) -> bool:
        """Send one stop once; whatever comes of it but a plain yes is for the broker's list to tell."""
        if self._stops is None or not self._reachable(stop) or self._pace(False):
            return False
        cleared = self._cleared(stop)
        if cleared is None:
            return False
        try:
            placed = self._stops.place_protective_stop(cleared, trigger_price=stop.trigger_price)
        except NotSent as error:
            logger.info("stop %s was not sent: %s", stop.correlation_id, error.reason)
            return self._rows.move(stop, StopStage.WANTED, placed_at=None)
        except BrokerError as error:
            logger.warning("stop %s: %s", stop.correlation_id, error.reason)
            return self._rows.note(stop, reason_code=_refusal(error), note=error.reason.sentence)
        return self._rows.rests(stop, placed.order_id)

    def _reachable(self, stop: ResidentStop) -> bool:
        """A stop whose trigger has passed already would wait for the way back."""
        try:
            ask = self._desk.market.touch(listed_leg(stop).leg.contract, as_of=self._clock.now()).ask
        except OptionsError as error:
            logger.info("stop %s waits for a price: %s", stop.correlation_id, error.reason)
            return False
        if ask >= stop.trigger_price:
            sentence = f"The price of {ask} has reached the trigger {stop.trigger_price} already."
            self._rows.fail(stop, Reason("STOP_PASSED", sentence, OURS_WATCHES), AlertLevel.WARNING)
            return False
        return True

    def _cleared(self, stop: ResidentStop) -> ClearedOrder | None:
        """Commit PLACING: from then on the stop may be at the broker. None when nothing may be sent."""
        try:
            with transaction.atomic():
                self._rows.lead()
                require_lets(self._account.pk, RunPurpose.EXIT)
                strategy = OptionStrategy.objects.select_for_update().get(pk=stop.strategy_id)
                stop.refresh_from_db()
                if stop.exit_purpose or (strategy.execution_status, strategy.execution_detail) != ("executed", ""):
                    self._rows.write(stop, StopStage.CANCELLED, reason_code="LEAVING")
                    return None
                self._rows.write(stop, StopStage.PLACING, placed_at=self._clock.now())
        except (Fenced, LostRace):
            raise
        except ExecutionDenied as denied:
            logger.info("stop %s waits: %s", stop.correlation_id, denied.reason)
            return None
        request = request_for(
            listed_leg(stop), stop.correlation_id, side=Side.BUY, quantity=stop.quantity, limit=stop.limit_price
        )
        return ClearedOrder(request, self._clock.elapsed())

    def _leave(self) -> bool:
        """Open the exits whose stops are gone."""
        blocked = self._rows.all().filter(strategy=OuterRef("strategy"), state__in=IN_THE_WAY)
        free = self._rows.all().exclude(exit_purpose="").exclude(Exists(blocked))
        waiting = list(free.order_by("strategy_id").values_list("strategy_id", flat=True).distinct())
        for strategy_id in waiting:
            self._open_exit(strategy_id)
        return bool(waiting)

    def _open_exit(self, strategy_id: int) -> None:
        from execution.services.runs import open_exit  # runs are led with stops at hand

        rows = self._rows.all().filter(strategy_id=strategy_id).exclude(exit_purpose="")
        with transaction.atomic():
            self._rows.lead()
            strategy = OptionStrategy.objects.select_for_update().get(pk=strategy_id)
            asked = max(rows, key=lambda row: row.exit_purpose)  # a flatten before an exit
            rows.update(exit_purpose="")
            reason = Reason(asked.exit_code, asked.exit_text)
            held = Position.objects.filter(strategy=strategy, account=self._account).exclude(quantity=0)
            if held.exists():
                open_exit(strategy, reason, self._desk, asked.exit_purpose)
            elif (strategy.execution_status, strategy.execution_detail) == ("executed", ""):
                move_strategy(strategy, StrategyEvent.CLOSE, note=f"Closing: {reason}")
                move_strategy(strategy, StrategyEvent.CLOSED, note=f"Closed ({reason.code}): by the broker's stop.")


def _asking(account: Account) -> Sequence[StrategyExitLevels]:
    """Of open strategies without a stop, without one that failed, and without an exit that waits (one query)."""
    rows = ResidentStop.objects.filter(account=account, strategy=OuterRef("strategy"))
    has_one = Exists(rows.filter(Q(state__in=[*STANDING, StopStage.FAILED]) | ~Q(exit_purpose="")))
    asking = StrategyExitLevels.objects.filter(resident_stop_multiple__isnull=False).exclude(has_one)
    is_open = {"strategy__execution_status": "executed", "strategy__execution_detail": ""}
    return list(asking.filter(**is_open).select_related("strategy").order_by("strategy_id"))


def _refusal(error: BrokerError) -> str:
    """The code of a plain no; anything else leaves open what became of the request."""
    return error.reason.code[:40] if isinstance(error, OrderRefused | RateLimited | AuthExpired) else ""
