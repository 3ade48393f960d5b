"""The executor's books in PostgreSQL: one account, one leader, every method one transaction."""

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import date
from typing import ClassVar

from django.db import transaction
from django.db.models import Case, F, IntegerField, Q, Sum, Value, When
from django.db.models.functions import Now

from allocation.models import Account
from execution.basket.messages import CallPerson
from execution.basket.values import Attempt, Basket, Permit, Purpose
from execution.errors import ExecutionDenied
from execution.ledger import KnownOrder, left_ended
from execution.lifecycle import ENDED_ORDERS, ENDED_RUNS, OrderState, RunState
from execution.models import AlertLevel, ExecutionRun, ExternalOrder, LegOrder, ReconcileReport, Trade
from execution.ports import BrokerOrder, BrokerTrade, ClearedOrder, Clock
from execution.services.alerts import is_raised, lately_acknowledged, raise_alert, require_none_critical
from execution.services.announce import order_changed
from execution.services.fills import keep_trades
from execution.services.intended import from_json
from execution.services.leadership import Lease
from execution.services.listing import ListedLeg
from execution.services.order_rows import OrderChange, Writer, read_run, write_run
from execution.services.outcomes import alarm_strategy, follow
from execution.services.preparation import cover_of, request_for
from execution.services.standing import SYSTEM, Standing, reduce_only, require_lets, standing_and_alarm
from market.calendar import IST, closed_reason
from market.contract import Side
from market.errors import Reason

logger = logging.getLogger(__name__)

Pace = Callable[[bool], float]
LastGate = Callable[[Basket, Attempt, Standing], Reason | None]


@dataclass(frozen=True, slots=True)
class _Loaded:
    """A run with what never changes about it."""

    row: ExecutionRun
    legs: dict[int, ListedLeg]


class DatabaseLedger:
    """execution.ledger.Ledger on PostgreSQL; `pace` grants calls, `lease` is the right to write."""

    led: ClassVar[bool] = True  # whether each write asks for the lease

    def __init__(self, *, account: Account, clock: Clock, lease: Lease, pace: Pace, code_version: str = "") -> None:
        self._account, self._clock, self._lease, self._pace = account, clock, lease, pace
        self._writer = Writer(lease.epoch, code_version, leads=account.pk if self.led else None)
        self.last_gate: LastGate = _shut
        self._loaded: dict[int, _Loaded] = {}

    def open_runs(self) -> Sequence[int]:
        """Runs that have something to do: what reduces risk before what adds it, then by age."""
        adding = Q(purpose=ExecutionRun.Purpose.ENTRY) & ~Q(state=RunState.UNWINDING)
        rows = ExecutionRun.objects.open().filter(account=self._account, as_of__lte=self._clock.now())
        rank = Case(When(adding, then=Value(1)), default=Value(0), output_field=IntegerField())
        return list(rows.order_by(rank, "id").values_list("pk", flat=True))

    def basket(self, run: int) -> Basket:
        """The run as committed (one query, and one more for a run not seen before)."""
        found = read_run(run)
        if found is None:
            raise ExecutionRun.DoesNotExist(f"There is no run {run}.")
        row, attempts = found
        legs = self._legs(run)
        return Basket(
            run=run,
            purpose=Purpose(row.purpose),
            legs=tuple(listed.leg for listed in legs.values()),
            state=RunState(row.state),
            started_at=row.as_of,
            phase_at=row.phase_started_at or row.as_of,
            opening={legs[int(number)].leg.contract: units for number, units in row.opening.items()},
            attempts=attempts,
            reason=Reason(row.reason_code, row.reason_text) if row.reason_code else None,
            plan_loss=None if row.max_loss is None else row.max_loss * row.sets,
            version=row.version,
            **cover_of(row.structure, self._account),
        )

    def commit(self, before: Basket, after: Basket, trades: Sequence[BrokerTrade] = ()) -> Basket:
        """Write what changed, with its trades; the triggers write the audit rows in the same transaction."""
        lazily = _only_intends(before, after)
        with nullcontext() if _is_one_statement(before, after) else transaction.atomic():
            after = self._beside_another(before, after)
            self._write(before, after, trades, lazily=lazily)
        return replace(after, version=before.version + 1)

    def _beside_another(self, before: Basket, after: Basket) -> Basket:
        """Leave an ended run ended while another of its strategy is open: the fill is booked, a person is called."""
        if not before.has_ended or after.has_ended:
            return after
        strategy = ExecutionRun.objects.filter(pk=before.run).values("strategy_id")
        if not ExecutionRun.objects.open().filter(strategy_id__in=strategy).exclude(pk=before.run).exists():
            return after
        return left_ended(before, after)

    def clear(self, before: Basket, after: Basket, correlation_id: str) -> ClearedOrder:
        """Pass the last gate and commit SENDING: from then on the order may be at the broker.

        The clearance is as old as the question: who stood still during the commit sends nothing any more.
        """
        cleared_at = self._clock.elapsed()
        attempt = after.attempt(correlation_id)
        request = request_for(
            self.listed(after.run, attempt.leg),
            correlation_id,
            side=attempt.side,
            quantity=attempt.quantity,
            limit=attempt.limit,
        )
        with transaction.atomic():
            found = require_lets(self._account.pk, _acts_as(after))
            refusal = self.last_gate(after, attempt, found)
            if refusal is not None:
                raise ExecutionDenied(refusal)
            self._write(before, after, ())
        return ClearedOrder(request, cleared_at)

    def permit(self) -> Permit:
        """What may be sent now; a standing that cannot be read halts."""
        closed = closed_reason(self._clock.now())
        if closed is not None:
            return Permit(closed, closed, closed)
        found, alarmed = standing_and_alarm(self._account.pk)
        return Permit(
            opening=self._alarm(alarmed and not found.is_unreadable)
            or _not_let(found.lets("entry"), found.state, found.reason),
            reducing=_not_let(found.lets("exit"), found.state, found.reason),
        )

    def pace(self, *, urgent: bool) -> float:
        """Take one call from the broker's allowance."""
        return self._pace(urgent)

    def known_orders(self) -> Mapping[str, KnownOrder]:
        """Orders sent on this market day up to now, and every live one."""
        now = self._clock.now()
        midnight = now.astimezone(IST).replace(hour=0, minute=0, second=0, microsecond=0)
        rows = LegOrder.objects.filter(run__account=self._account).filter(
            Q(sent_at__range=(midnight, now)) | ~Q(state__in=sorted(ENDED_ORDERS))
        )
        names = ("correlation_id", "run_id", "state", "broker_order_id", "filled_quantity", "sent_at")
        found = (
            KnownOrder(name, run, OrderState(state), *rest) for name, run, state, *rest in rows.values_list(*names)
        )
        return {order.correlation_id: order for order in found}

    def keep_external(self, order: BrokerOrder, *, own_tag: bool) -> None:
        """Remember an order that no attempt of ours explains."""
        seen = {"filled_quantity": order.filled_quantity, "status": order.status.value, "last_seen_at": Now()}
        first = {
            "correlation_id": order.correlation_id[:40],
            "own_tag": own_tag,
            "segment": order.segment,
            "security_id": order.security_id,
            "side": order.side.value if order.side else "",
            "quantity": order.quantity,
        }
        ExternalOrder.objects.update_or_create(
            account=self._account, broker_order_id=order.order_id, defaults=seen, create_defaults=first | seen
        )

    def positions(self) -> Mapping[tuple[str, str], int]:
        """Signed units of options by our trades; shares leave the broker's positions overnight for its holdings."""
        trades = Trade.objects.filter(account=self._account, timestamp__lte=self._clock.now(), leg_order__isnull=False)
        alive = trades.filter(expiry__gte=self._today())
        signed = Sum(Case(When(action=Side.BUY.value, then=F("quantity")), default=-F("quantity")))
        rows = alive.values_list("leg_order__segment", "security_id").annotate(units=signed).order_by()
        return {(segment, security_id): units for segment, security_id, units in rows if units}

    def call_person(self, run: int | None, call: CallPerson) -> None:
        """Raise an alert once; a critical one leaves only reductions until a person has seen it."""
        row = None if run is None else ExecutionRun.objects.select_related("strategy").get(pk=run)
        level = AlertLevel.CRITICAL if call.critical else AlertLevel.WARNING
        if is_raised(self._account, call.reason.code, row) or lately_acknowledged(self._account, call.reason.code, row):
            return
        with transaction.atomic():
            raise_alert(self._account, level, call.reason.code, call.reason.sentence, call.reason.remedy, row)
            if row is not None and row.state not in ENDED_RUNS:
                alarm_strategy(row, call.reason)
            if call.critical:
                reduce_only(self._account, reason=call.reason, actor=SYSTEM)

    def keep_report(self, *, clean: bool, findings: Sequence[Reason], seen: Mapping[str, int]) -> None:
        """Keep what a reconciliation found."""
        ReconcileReport.objects.create(
            account=self._account,
            clean=clean,
            epoch=self._lease.epoch,
            findings=[{"code": one.code, "sentence": one.sentence} for one in findings],
            **{f"{what}_seen": number for what, number in seen.items()},
        )

    def listed(self, run: int, leg: int) -> ListedLeg:
        """The instrument a leg of a run was resolved to."""
        return self._legs(run)[leg]

    def traded_contracts(self) -> Collection[tuple[str, str]]:
        """Options alive that any trade of ours names, held or flat."""
        trades = Trade.objects.filter(account=self._account, timestamp__lte=self._clock.now(), leg_order__isnull=False)
        alive = trades.filter(expiry__gte=self._today())
        return set(alive.values_list("leg_order__segment", "security_id").order_by().distinct())

    def _legs(self, run: int) -> dict[int, ListedLeg]:
        if run not in self._loaded:
            row = ExecutionRun.objects.get(pk=run)
            self._loaded[run] = _Loaded(row, {one.leg.number: one for one in from_json(row.intended)})
        return self._loaded[run].legs

    def _write(self, before: Basket, after: Basket, trades: Sequence[BrokerTrade], *, lazily: bool = False) -> None:
        changes = self._changes(before, after)
        rows = write_run(before, after, changes, self._writer, lazily=lazily)
        for row_id, change in zip(rows, changes, strict=True):
            self._tell(before.run, row_id, change, trades)
        if after.state is not before.state:
            logger.info("run %s %s -> %s %s", before.run, before.state, after.state, after.reason or "")
            if after.has_ended or after.state is RunState.ATTENTION:
                row = ExecutionRun.objects.select_related("strategy").get(pk=before.run)
                follow(row, after.reason, self._clock.now())

    def _changes(self, before: Basket, after: Basket) -> list[OrderChange]:
        known = {attempt.correlation_id: attempt for attempt in before.attempts}
        found = []
        for now in after.attempts:
            was = known.get(now.correlation_id)
            if was is not now:
                ends = was is not None and was.is_live and not now.is_live
                settled_at = self._clock.now() if ends else None
                found.append(OrderChange(was, now, self.listed(before.run, now.leg), settled_at))
        return found

    def _tell(self, run: int, row_id: int, change: OrderChange, trades: Sequence[BrokerTrade]) -> None:
        """Keep its fills and tell the pages; what is about to be sent is followed by what the broker says of it."""
        was, now, listed = change.was, change.now, change.listed
        name, state = now.correlation_id, "" if was is None else was.state
        logger.info("order %s %s -> %s %s", name, state, now.state, now.reason or "")
        if was is None or now.state is OrderState.SENDING:
            return
        order = _row_of(row_id, run, now, listed)
        if now.filled > was.filled:
            keep_trades(order, trades, listed, self._loaded[run].row, self._today())
        order_changed(order)

    def _alarm(self, alarmed: bool) -> Reason | None:
        if not alarmed:
            return None
        try:
            require_none_critical(self._account.pk)
        except ExecutionDenied as denied:
            return denied.reason
        return None

    def _today(self) -> date:
        return self._clock.now().astimezone(IST).date()


def _only_intends(before: Basket, after: Basket) -> bool:
    """Whether nothing but intents is new: SENDING takes them to the disk, and without it nothing was sent."""
    already = len(before.attempts)
    made = after.attempts[already:]
    same = replace(after, attempts=after.attempts[:already]) == before
    return same and all(one.state is OrderState.INTENT for one in made)


def _is_one_statement(before: Basket, after: Basket) -> bool:
    """Whether the run and at most one order move, and nothing follows from it: the statement is its transaction."""
    known = {attempt.correlation_id: attempt for attempt in before.attempts}
    changed = [(known.get(now.correlation_id), now) for now in after.attempts]
    changed = [(was, now) for was, now in changed if was is not now]
    filled = any(now.filled > (0 if was is None else was.filled) for was, now in changed)
    stays = after.state is before.state or not (after.has_ended or after.state is RunState.ATTENTION)
    return len(changed) <= 1 and not filled and stays and not before.has_ended


def _row_of(row_id: int, run: int, now: Attempt, listed: ListedLeg) -> LegOrder:
    """The row that was just written, as far as fills and pages ask."""
    return LegOrder(
        pk=row_id,
        run_id=run,
        leg_id=listed.row_id,
        side=now.side.value,
        security_id=listed.security_id,
        symbol=listed.symbol,
        quantity=now.quantity,
        filled_quantity=now.filled,
        state=now.state,
    )


def _shut(basket: Basket, attempt: Attempt, found: Standing) -> Reason | None:
    return Reason("NO_GATE", "Nobody checks what is sent.", "Name a last gate before trading.")


def _acts_as(basket: Basket) -> str:
    """As what the kill switch judges an order: taking an entry back is an exit."""
    if basket.purpose is Purpose.FLATTEN:
        return Purpose.FLATTEN.value
    return Purpose.ENTRY.value if basket.opens else Purpose.EXIT.value


def _not_let(allowed: bool, state: str, reason: Reason | None) -> Reason | None:
    if allowed:
        return None
    why = f" {reason.code}: {reason.sentence}" if reason else ""
    return Reason(str(state), f"The account is {state}.{why}", "See manage.py kill_switch status.")
