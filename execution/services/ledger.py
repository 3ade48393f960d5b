"""The executor's books in PostgreSQL: one account, one leader, every method one transaction."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal

from django.db import transaction
from django.db.models import Case, F, IntegerField, Q, Sum, Value, When
from django.db.models.functions import Now
from django.utils import timezone

from allocation.models import Account
from execution.basket.messages import CallPerson
from execution.basket.values import Attempt, Basket, Permit, Purpose
from execution.errors import ExecutionDenied, LostRace
from execution.ledger import KnownOrder
from execution.legs import Phase
from execution.lifecycle import ENDED_ORDERS, ENDED_RUNS, OrderState, RunState
from execution.models import AlertLevel, ExecutionRun, ExternalOrder, LegOrder, ReconcileReport, Trade
from execution.ports import BrokerOrder, BrokerTrade, ClearedOrder, Clock, OrderRequest
from execution.services.alerts import is_raised, lately_acknowledged, raise_alert, require_none_critical
from execution.services.announce import order_changed
from execution.services.fills import keep_trades
from execution.services.intended import from_json
from execution.services.leadership import Lease, assert_epoch
from execution.services.listing import ListedLeg
from execution.services.outcomes import alarm_strategy, follow
from execution.services.preparation import cover_of
from execution.services.standing import SYSTEM, Standing, reduce_only, require_lets, standing
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

    def __init__(self, *, account: Account, clock: Clock, lease: Lease, pace: Pace, code_version: str = "") -> None:
        self._account, self._clock, self._lease, self._pace = account, clock, lease, pace
        self._code_version = code_version
        self.last_gate: LastGate = _shut
        self._loaded: dict[int, _Loaded] = {}

    def open_runs(self) -> Sequence[int]:
        """Runs that have something to do: what reduces risk before what adds it, then by age."""
        adding = Q(purpose=ExecutionRun.Purpose.ENTRY) & ~Q(state=RunState.UNWINDING)
        rows = ExecutionRun.objects.open().filter(account=self._account, as_of__lte=self._clock.now())
        rank = Case(When(adding, then=Value(1)), default=Value(0), output_field=IntegerField())
        return list(rows.order_by(rank, "id").values_list("pk", flat=True))

    def basket(self, run: int) -> Basket:
        """The run as committed."""
        row = ExecutionRun.objects.select_related("strategy").get(pk=run)
        legs = self._legs(row)
        orders = LegOrder.objects.filter(run=row).select_related("leg").order_by("id")
        at_risk = row.strategy.max_loss
        return Basket(
            run=row.pk,
            purpose=Purpose(row.purpose),
            legs=tuple(listed.leg for listed in legs.values()),
            state=RunState(row.state),
            started_at=row.as_of,
            phase_at=row.phase_started_at or row.as_of,
            opening={legs[int(number)].leg.contract: units for number, units in row.opening.items()},
            attempts=tuple(_attempt(order) for order in orders),
            reason=Reason(row.reason_code, row.reason_text) if row.reason_code else None,
            plan_loss=None if at_risk is None else at_risk * row.strategy.sets,
            version=row.version,
            **cover_of(row.strategy, self._account),
        )

    def commit(self, before: Basket, after: Basket, trades: Sequence[BrokerTrade] = ()) -> Basket:
        """Write what changed, with its trades; the triggers write the audit rows in the same transaction."""
        with transaction.atomic():
            self._lead()
            self._write(before, after, trades)
        return replace(after, version=before.version + 1)

    def clear(self, before: Basket, after: Basket, correlation_id: str) -> ClearedOrder:
        """Pass the last gate and commit SENDING: from then on the order may be at the broker.

        The clearance is as old as the question: who stood still during the commit sends nothing any more.
        """
        cleared_at = self._clock.elapsed()
        attempt = after.attempt(correlation_id)
        request = self._request(after, attempt)
        with transaction.atomic():
            self._lead()
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
        found = standing(self._account.pk)
        return Permit(
            opening=self._opening_forbidden() or _not_let(found.lets("entry"), found.state, found.reason),
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
        if run not in self._loaded:
            self._legs(ExecutionRun.objects.select_related("strategy").get(pk=run))
        return self._loaded[run].legs[leg]

    def _lead(self) -> None:
        assert_epoch(self._account.pk, self._lease.epoch)

    def _legs(self, row: ExecutionRun) -> dict[int, ListedLeg]:
        if row.pk not in self._loaded:
            self._loaded[row.pk] = _Loaded(row, {one.leg.number: one for one in from_json(row.intended)})
        return self._loaded[row.pk].legs

    def _write(self, before: Basket, after: Basket, trades: Sequence[BrokerTrade]) -> None:
        self._write_run(before, after)
        known = {attempt.correlation_id: attempt for attempt in before.attempts}
        for attempt in after.attempts:
            was = known.get(attempt.correlation_id)
            if was is None:
                self._insert(before.run, attempt)
            elif was is not attempt:
                self._update(before.run, was, attempt, trades)
        if after.state is not before.state:
            row = ExecutionRun.objects.select_related("strategy").get(pk=before.run)
            follow(row, after.reason, self._clock.now())

    def _write_run(self, before: Basket, after: Basket) -> None:
        changes: dict[str, object] = {
            "version": before.version + 1,
            "epoch": self._lease.epoch,
            "code_version": self._code_version,
            "state": after.state.value,
            "phase_started_at": after.phase_at,
        }
        if after.reason is not None:
            changes |= {"reason_code": after.reason.code[:40], "reason_text": _text(after.reason)}
        if after.has_ended and not before.has_ended:
            changes["finished_at"] = timezone.now()
        rows = ExecutionRun.objects.filter(pk=before.run, version=before.version, state=before.state.value)
        if rows.update(**changes) != 1:
            raise LostRace(Reason("LOST_RACE", f"Run {before.run} was changed by somebody else."))
        if after.state is not before.state:
            logger.info("run %s %s -> %s %s", before.run, before.state, after.state, after.reason or "")

    def _insert(self, run: int, attempt: Attempt) -> None:
        """An intent is milliseconds old when it is followed by what the pages are told of."""
        listed = self.listed(run, attempt.leg)
        order = LegOrder.objects.create(
            run_id=run,
            leg_id=listed.row_id,
            phase=attempt.phase.value,
            slice_number=attempt.number,
            attempt=attempt.number,
            side=attempt.side.value,
            segment=listed.segment,
            security_id=listed.security_id,
            symbol=listed.symbol,
            quantity=attempt.quantity,
            limit_price=attempt.limit,
            correlation_id=attempt.correlation_id,
            intended_at=attempt.intended_at,
        )
        logger.info("order %s intent: %s", attempt.correlation_id, order)

    def _update(self, run: int, was: Attempt, now: Attempt, trades: Sequence[BrokerTrade]) -> None:
        changes: dict[str, object] = {
            "state": now.state.value,
            "filled_quantity": now.filled,
            "average_price": round(now.value / now.filled, 4) if now.filled else None,
            "broker_order_id": now.order_id,
            "sent_at": now.sent_at,
            "misses": now.misses,
            "looked_at": now.looked_at,
        }
        if now.reason is not None:
            changes |= {"reason_code": now.reason.code[:40], "reason_text": _text(now.reason)}
        if not now.is_live and was.is_live:
            changes["settled_at"] = self._clock.now()
        rows = LegOrder.objects.filter(correlation_id=now.correlation_id, state=was.state.value)
        if rows.update(**changes) != 1:
            raise LostRace(Reason("LOST_RACE", f"Order {now.correlation_id} was changed by somebody else."))
        logger.info("order %s %s -> %s %s", now.correlation_id, was.state, now.state, now.reason or "")
        if now.state is OrderState.SENDING:
            return  # the wire comes next; pages hear what the broker says
        order = LegOrder.objects.select_related("leg").get(correlation_id=now.correlation_id)
        if now.filled > was.filled:
            listed = self.listed(run, now.leg)
            keep_trades(order, trades, listed, self._loaded[run].row, self._today())
        order_changed(order)

    def _request(self, basket: Basket, attempt: Attempt) -> OrderRequest:
        listed = self.listed(basket.run, attempt.leg)
        return OrderRequest(
            correlation_id=attempt.correlation_id,
            segment=listed.segment,
            security_id=listed.security_id,
            contract=listed.leg.contract,
            side=attempt.side,
            quantity=attempt.quantity,
            limit_price=attempt.limit,
            tick_size=listed.tick,
            lot_size=listed.unit_lot,
            product=listed.product,
        )

    def _opening_forbidden(self) -> Reason | None:
        try:
            require_none_critical(self._account.pk)
        except ExecutionDenied as denied:
            return denied.reason
        return None

    def _today(self) -> date:
        return self._clock.now().astimezone(IST).date()


def _attempt(order: LegOrder) -> Attempt:
    return Attempt(
        correlation_id=order.correlation_id,
        leg=order.leg.leg_number,
        number=order.attempt,
        phase=Phase(order.phase),
        side=Side(order.side),
        quantity=order.quantity,
        limit=order.limit_price,
        intended_at=order.intended_at,
        state=OrderState(order.state),
        sent_at=order.sent_at,
        order_id=order.broker_order_id,
        filled=order.filled_quantity,
        value=(order.average_price or Decimal(0)) * order.filled_quantity,
        misses=order.misses,
        looked_at=order.looked_at,
        reason=Reason(order.reason_code, order.reason_text) if order.reason_code else None,
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


def _text(reason: Reason) -> str:
    return f"{reason.sentence} {reason.remedy}".strip()
