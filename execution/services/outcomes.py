"""What a run came to, for people, and what follows from it for the strategy."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from execution.lifecycle import RunState, StrategyEvent, StrategyState
from execution.models import AlertLevel, ExecutionRun, Trade
from execution.services.alerts import tell_once
from execution.services.transitions import move_strategy, state_of
from market.contract import Side
from market.errors import Reason

# Where a strategy is after an event; from there the same event says nothing new.
_LEADS_TO = {
    StrategyEvent.FILL: StrategyState.EXECUTED,
    StrategyEvent.FAIL: StrategyState.FAILED,
    StrategyEvent.HOLD: StrategyState.EXECUTED,
    StrategyEvent.CLOSED: StrategyState.CLOSED,
}
_ENDS_WITH_NOTHING = frozenset({StrategyEvent.FAIL, StrategyEvent.CLOSED})


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


def result_of(run_id: int) -> RunResult:
    """What became of a run, as it stands now; the reason of a basket that filled is no obstacle and left out."""
    run = ExecutionRun.objects.select_related("strategy").get(pk=run_id)
    strategy = run.strategy
    told = run.reason_code and run.state != RunState.COMPLETE
    return RunResult(
        strategy_id=strategy.pk,
        title=f"{strategy.stock_name} {strategy.strategy_name}",
        purpose=run.purpose,
        run_id=run.pk,
        state=str(run.state),
        status=strategy.execution_status,
        reason=Reason(run.reason_code, run.reason_text) if told else None,
        fills=run.orders.filter(filled_quantity__gt=0).count(),
        net=_net(_trades(run)),
    )


def follow(run: ExecutionRun, reason: Reason | None, at: datetime) -> None:
    """Move the strategy to where its run has gone; in the transaction that moved the run."""
    entry = run.purpose == ExecutionRun.Purpose.ENTRY
    event, note = (_after_entry if entry else _after_exit)(run, reason)
    if event is None:
        return
    strategy = run.strategy
    strategy.refresh_from_db()
    if event is StrategyEvent.ALARM and state_of(strategy) is not StrategyState.EXECUTING:
        return  # alarmed already, or ended before an order was found late: the alert tells it
    if _is_told_already(event, state_of(strategy)):
        return
    if event in _ENDS_WITH_NOTHING and state_of(strategy) is StrategyState.EXECUTED:
        # It was open and was taken back after all, or an exit that was given up came to its end late.
        move_strategy(strategy, StrategyEvent.CLOSE)
        event = StrategyEvent.CLOSED
    filled = event is StrategyEvent.FILL
    move_strategy(strategy, event, note=note, executed_at=at if filled else None)


def _is_told_already(event: StrategyEvent, state: StrategyState) -> bool:
    """Whether a run that was opened again by a late order has come to what its strategy was before."""
    over = event is StrategyEvent.FAIL and state is StrategyState.CLOSED
    return over or _LEADS_TO.get(event) is state


def alarm_strategy(run: ExecutionRun, reason: Reason) -> None:
    """A run that cannot get out of what it holds needs a person, though it goes on trying."""
    run.strategy.refresh_from_db()
    if state_of(run.strategy) is StrategyState.EXECUTING:
        move_strategy(run.strategy, StrategyEvent.ALARM, note=f"Needs attention: {reason}")


def _after_entry(run: ExecutionRun, reason: Reason | None) -> tuple[StrategyEvent | None, str]:
    match RunState(run.state):
        case RunState.COMPLETE:
            return StrategyEvent.FILL, f"Execution Details: {_details(run)}"
        case RunState.DENIED | RunState.FAILED_FLAT:
            return StrategyEvent.FAIL, f"Error: {reason or 'nothing was filled'}"
        case RunState.FLAT:
            return StrategyEvent.FAIL, f"Error: {reason} Everything filled was taken back: {_details(run)}"
        case RunState.ATTENTION:
            return StrategyEvent.ALARM, f"Needs attention: {reason}"
    return None, ""


def _after_exit(run: ExecutionRun, reason: Reason | None) -> tuple[StrategyEvent | None, str]:
    match RunState(run.state):
        case RunState.COMPLETE:
            return StrategyEvent.CLOSED, f"Closed ({run.reason_code}): {_details(run)}"
        case RunState.DENIED | RunState.FAILED_FLAT | RunState.FLAT:
            said = reason or Reason("NOTHING_FILLED", "Nothing of it was filled.")
            sentence = f"Strategy {run.strategy_id} could not be left: {said.sentence}"
            level = AlertLevel.CRITICAL if run.state == RunState.DENIED else AlertLevel.WARNING
            tell_once(run.account, level, Reason("EXIT_DENIED", sentence, said.remedy))
            return StrategyEvent.HOLD, f"Exit not possible: {reason}"
    return None, ""


def _details(run: ExecutionRun) -> str:
    """The fills as JSON, for the column people read."""
    trades = _trades(run)
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
    net = _net(trades)
    return json.dumps({"run": run.pk, "net": None if net is None else float(net), "fills": fills})


def _trades(run: ExecutionRun) -> list[Trade]:
    return list(Trade.objects.filter(leg_order__run=run).order_by("id"))


def _net(trades: Sequence[Trade]) -> Decimal | None:
    """Rupees received minus paid after charges; None when nothing traded."""
    if not trades:
        return None
    return sum((-Side(one.action).sign * one.price * one.quantity - one.charges for one in trades), Decimal(0))
