"""Drive one run: buy, then sell, then finish by what is really filled, or take it back."""

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db import transaction
from django.db.models import F, Sum

from execution.basket import BasketLeg, Phase, Slice, is_complete, is_flat, outstanding
from execution.lifecycle import OrderState, RunEvent, RunState, StrategyEvent
from execution.limit_price import EXIT_PRICES, PriceRules
from execution.models import ExecutionRun, LegOrder, Trade
from execution.services.orders import held, is_ended, send, void_or_ask, write_intent
from execution.services.preparation import (
    BasketPreview,
    Desk,
    plan_order,
    prepare_exit,
    prepare_unwind,
    prices_for,
    sale_would_uncover,
)
from execution.services.transitions import move_run, move_strategy
from market.errors import OptionsError, Reason

logger = logging.getLogger(__name__)

MAX_ATTEMPTS = 3
_NO = {OrderState.REFUSED, OrderState.REJECTED}


@dataclass(frozen=True, slots=True)
class RunResult:
    """What became of one strategy; `net` is rupees received minus paid after charges, None when nothing traded."""

    strategy_id: int
    title: str
    purpose: str
    run_id: int | None
    state: str
    status: str
    reason: Reason | None
    fills: int
    net: Decimal | None

    @property
    def succeeded(self) -> bool:
        """Every leg filled."""
        return self.state == RunState.COMPLETE


def begin(run: ExecutionRun, plan: BasketPreview, desk: Desk) -> RunResult:
    """Pass the gate or be denied, then go."""
    move_run(run, RunEvent.CHECK)
    if plan.denials:
        return _deny(run, plan.denials[0])
    move_run(run, RunEvent.PASS)
    return _drive(run, plan, desk)


def take_up(run: ExecutionRun, desk: Desk) -> RunResult | None:
    """Go on from the committed state; what was being sent is looked up first."""
    if run.state == RunState.CREATED:
        move_run(run, RunEvent.CHECK)
    if run.state == RunState.PRECHECK:
        return _deny(run, Reason("INTERRUPTED", "The program stopped before anything was sent."))
    plan = prepare_unwind(run.strategy, desk) if _is_entry(run) else prepare_exit(run.strategy, desk, held(run))
    if not plan.legs:
        logger.error("run %s cannot go on: %s", run.pk, plan.denials)
        return None
    for order in run.orders.live().select_related("run", "leg"):
        void_or_ask(order, plan.listed[order.leg.leg_number], desk)
    if run.orders.live().exists():
        # What is missing is cut into slices anew, so an order whose end is unknown could be sent again by another name.
        return _alarm(run, None)
    if run.state == RunState.UNWINDING:
        return _unwind(run, plan, desk, None)
    if run.state == RunState.SETTLING and not _is_entry(run):
        move_run(run, RunEvent.RESUME)
        return _drive(run, plan, desk)
    return _settle(run, plan, desk, Reason("INTERRUPTED", "The program stopped half-way."))


def result_of(run: ExecutionRun, reason: Reason | None) -> RunResult:
    """What became of a run, as it stands now."""
    strategy = run.strategy
    return RunResult(
        strategy_id=strategy.pk,
        title=f"{strategy.stock_name} {strategy.strategy_name}",
        purpose=run.purpose,
        run_id=run.pk,
        state=str(run.state),
        status=strategy.execution_status,
        reason=reason,
        fills=run.orders.filter(filled_quantity__gt=0).count(),
        net=_net(run),
    )


def _deny(run: ExecutionRun, reason: Reason) -> RunResult:
    """Nothing was sent: an entry has failed, an exit leaves the strategy as it was."""
    with transaction.atomic():
        move_run(run, RunEvent.DENY, reason)
        _give_up(run, reason)
    return result_of(run, reason)


def _drive(run: ExecutionRun, plan: BasketPreview, desk: Desk) -> RunResult:
    """Buys first, then sells; the first thing that goes wrong ends the sending."""
    obstacle = _work(run, plan, Phase.BUYING, desk) or _work(run, plan, Phase.SELLING, desk)
    return _settle(run, plan, desk, obstacle)


def _work(run: ExecutionRun, plan: BasketPreview, phase: Phase, desk: Desk) -> Reason | None:
    """Send what this phase needs, again for what did not fill, and say what stopped it."""
    legs = _legs(plan)
    if not outstanding(phase, legs, held(run)):
        return None
    _enter_phase(run, phase)
    for attempt in range(1, MAX_ATTEMPTS + 1):
        for piece in outstanding(phase, legs, held(run)):
            obstacle = _try(run, plan, piece, desk, attempt=attempt, rules=prices_for(run.purpose))
            if obstacle is not None:
                return obstacle
    return _not_filled(outstanding(phase, legs, held(run)))


def _enter_phase(run: ExecutionRun, phase: Phase) -> None:
    wanted, event = (RunState.BUYING, RunEvent.BUY) if phase is Phase.BUYING else (RunState.SELLING, RunEvent.SELL)
    if run.state != wanted:
        move_run(run, event)


def _try(
    run: ExecutionRun, plan: BasketPreview, piece: Slice, desk: Desk, *, attempt: int, rules: PriceRules
) -> Reason | None:
    """Send one order; a reason means that the basket cannot go on, a partial fill is none."""
    uncovered = sale_would_uncover(plan, held(run), piece, desk.account)
    if uncovered is not None:
        return uncovered
    try:
        planned = plan_order(plan.listed[piece.leg.number], piece, desk, attempt=attempt, rules=rules)
        order = write_intent(run, planned, desk)
    except OptionsError as error:
        return error.reason
    send(order, planned, desk)
    return _obstacle(order)


def _obstacle(order: LegOrder) -> Reason | None:
    if not is_ended(order):
        sentence = f"The broker has not told the end of order {order.correlation_id} ({order.state})."
        return Reason("OUTCOME_UNKNOWN", sentence, "Look it up in the broker's order book; it is never sent again.")
    if OrderState(order.state) in _NO:
        return Reason(order.reason_code or "REJECTED", f"{order.symbol}: {order.reason_text}")
    return None


def _not_filled(missing: Sequence[Slice]) -> Reason | None:
    if not missing:
        return None
    words = ", ".join(f"{piece.side} {piece.quantity} {piece.leg.contract}" for piece in missing)
    return Reason("PARTIAL_FILL", f"Not filled after {MAX_ATTEMPTS} attempts: {words}.")


def _settle(run: ExecutionRun, plan: BasketPreview, desk: Desk, obstacle: Reason | None) -> RunResult:
    """Decide by what is really filled: done, nothing happened, or take it back."""
    if run.orders.live().exists():
        return _alarm(run, obstacle)
    filled = held(run)
    if is_complete(_legs(plan), filled):
        return _complete(run)
    if run.state != RunState.SETTLING:
        # An exit keeps the rule it leaves by as its reason; a late fill is not why it left.
        move_run(run, RunEvent.SETTLE, obstacle if _is_entry(run) else None)
    if is_flat(filled):
        return _abandon(run, obstacle)
    if run.purpose == ExecutionRun.Purpose.EXIT:
        return result_of(run, obstacle)
    move_run(run, RunEvent.UNWIND, obstacle)
    return _unwind(run, plan, desk, obstacle)


def _unwind(run: ExecutionRun, plan: BasketPreview, desk: Desk, obstacle: Reason | None) -> RunResult:
    """Buy back shorts, then sell longs; what cannot be taken back now is tried again at the next pass."""
    legs = _legs(plan)
    for attempt in range(1, MAX_ATTEMPTS + 1):
        for piece in outstanding(Phase.UNWINDING, legs, held(run)):
            trouble = _try(run, plan, piece, desk, attempt=attempt, rules=EXIT_PRICES)
            if trouble is not None:
                logger.error("run %s cannot unwind %s: %s", run.pk, piece.leg.contract, trouble)
            if run.orders.live().exists():
                return _alarm(run, trouble)
    if is_flat(held(run)):
        return _flatten(run, obstacle)
    return _stay_in_attention(run, obstacle)


def _complete(run: ExecutionRun) -> RunResult:
    entry = run.purpose == ExecutionRun.Purpose.ENTRY
    with transaction.atomic():
        move_run(run, RunEvent.COMPLETE)
        if entry:
            _leave(run, StrategyEvent.FILL, f"Execution Details: {_details(run)}", executed_at=run.as_of)
        else:
            _leave(run, StrategyEvent.CLOSED, f"Closed ({run.reason_code}): {_details(run)}")
    return result_of(run, None)


def _abandon(run: ExecutionRun, obstacle: Reason | None) -> RunResult:
    reason = obstacle or Reason("INTERRUPTED", "The program stopped before anything was filled.")
    with transaction.atomic():
        move_run(run, RunEvent.ABANDON, reason)
        _give_up(run, reason)
    return result_of(run, reason)


def _flatten(run: ExecutionRun, obstacle: Reason | None) -> RunResult:
    reason = obstacle or Reason(run.reason_code or "INTERRUPTED", run.reason_text)
    with transaction.atomic():
        move_run(run, RunEvent.FLATTEN, reason)
        _leave(run, StrategyEvent.FAIL, f"Error: {reason} Everything filled was taken back: {_details(run)}")
    return result_of(run, reason)


def _alarm(run: ExecutionRun, obstacle: Reason | None) -> RunResult:
    """An order whose end we do not know: stop, hold everything, call a person."""
    reason = obstacle or Reason("OUTCOME_UNKNOWN", "An order of this run has not ended.")
    with transaction.atomic():
        move_run(run, RunEvent.ALARM, reason)
        if run.purpose == ExecutionRun.Purpose.ENTRY:
            _leave(run, StrategyEvent.ALARM, f"Needs attention: {reason}")
    logger.error("run %s needs attention: %s", run.pk, reason)
    return result_of(run, reason)


def _stay_in_attention(run: ExecutionRun, obstacle: Reason | None) -> RunResult:
    """Still holding something after an unwind: the run stays open and is resumed at the next pass."""
    reason = Reason("UNWIND_INCOMPLETE", f"Still held: {held(run)}. First trouble: {obstacle or run.reason_text}")
    run.strategy.refresh_from_db()
    if run.strategy.execution_detail != "attention":
        _leave(run, StrategyEvent.ALARM, f"Needs attention: {reason}")
    logger.error("run %s %s", run.pk, reason)
    return result_of(run, reason)


def _give_up(run: ExecutionRun, reason: Reason) -> None:
    """Nothing is held because of this run: say so on the strategy."""
    if run.purpose == ExecutionRun.Purpose.ENTRY:
        _leave(run, StrategyEvent.FAIL, f"Error: {reason}")
    else:
        _leave(run, StrategyEvent.HOLD, f"Exit not possible: {reason}")


def _leave(run: ExecutionRun, event: StrategyEvent, note: str, executed_at: datetime | None = None) -> None:
    run.strategy.refresh_from_db()
    move_strategy(run.strategy, event, note=note, executed_at=executed_at)


def _is_entry(run: ExecutionRun) -> bool:
    return run.purpose == ExecutionRun.Purpose.ENTRY


def _legs(plan: BasketPreview) -> list[BasketLeg]:
    return [listed.leg for listed in plan.legs]


def _details(run: ExecutionRun) -> str:
    """The fills as JSON, for the column people read."""
    trades = Trade.objects.filter(leg_order__run=run).order_by("id")
    fills = [
        {
            "order_id": t.order_id,
            "symbol": t.symbol,
            "action": t.action,
            "quantity": t.quantity,
            "price": float(t.price),
        }
        for t in trades
    ]
    net = _net(run)
    return json.dumps({"run": run.pk, "net": None if net is None else float(net), "fills": fills})


def _net(run: ExecutionRun) -> Decimal | None:
    """Rupees received minus paid by this run, after charges."""
    trades = Trade.objects.filter(leg_order__run=run)
    if not trades.exists():
        return None
    value = trades.values_list("action").annotate(value=Sum(F("price") * F("quantity"))).order_by()
    by_side: dict[str, Decimal] = dict(value)
    charges: Decimal = trades.aggregate(total=Sum("charges"))["total"]
    return by_side.get("SELL", Decimal(0)) - by_side.get("BUY", Decimal(0)) - charges
