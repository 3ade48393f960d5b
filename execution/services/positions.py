"""Mark what is open at the price of getting out, and leave when a rule says so."""

import logging
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal

from execution.exits import ExitDecision, ExitLevels, PositionMark, decide_exit, expiry_exit
from execution.models import Position, StrategyMark
from execution.services.breakers import trip_breakers
from execution.services.deltas import net_delta
from execution.services.expiry import delivers, tell_expired
from execution.services.marks import profit_at_touch
from execution.services.outcomes import RunResult
from execution.services.preparation import Desk, contract_of
from execution.services.runs import Progress, execute_exit, open_exit, require_open, resume_runs
from execution.services.stop_rows import fired
from execution.services.trading import Trading, trading
from market.errors import OptionsError, Reason
from strategies.models import OptionStrategy, StrategyExitLevels
from strategies.querysets import StrategyQuerySet

logger = logging.getLogger(__name__)

PAISA = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Watched:
    """One open strategy at one moment; `profit` None says that it could not be marked, and `problem` why."""

    strategy_id: int
    title: str
    profit: Decimal | None
    days_to_expiry: int | None
    decision: Reason | None
    problem: Reason | None
    exit_run: RunResult | None = None


@dataclass(frozen=True, slots=True)
class MonitorReport:
    """What one pass saw and did."""

    watched: tuple[Watched, ...]
    resumed: tuple[RunResult, ...]


def monitor_positions(desk: Desk, progress: Progress | None = None) -> MonitorReport:
    """Go on with unfinished runs, mark every open strategy, and close those whose exit rule holds."""
    require_open(desk.as_of)
    with trading(desk) as leader:
        return _look_at_all(leader, progress)


def open_due_exits(desk: Desk) -> None:
    """Mark every open strategy and open the exits that are due; whoever drives the runs drives them."""
    tell_expired(desk)
    for strategy in _open_strategies(desk):
        watched = _watch(strategy, desk)
        if watched.decision is not None:
            open_exit(strategy, watched.decision, desk)


def _look_at_all(leader: Trading, progress: Progress | None) -> MonitorReport:
    leader.reconcile()
    tell_expired(leader.desk)
    resumed = resume_runs(leader)
    waiting = list(_open_strategies(leader.desk))
    watched = []
    for done, strategy in enumerate(waiting, start=1):
        found = _watch(strategy, leader.desk)
        if found.decision is not None:
            found = replace(found, exit_run=execute_exit(strategy, found.decision, leader=leader))
        watched.append(found)
        if progress is not None:
            progress(done, len(waiting))
    if any(trip.flatten for trip in trip_breakers(leader)):
        leader.until_quiet()
    return MonitorReport(tuple(watched), tuple(resumed))


def _open_strategies(desk: Desk) -> StrategyQuerySet:
    """Filled on this account by `as_of` and not being closed already."""
    ids = Position.objects.filter(account=desk.account).exclude(quantity=0).values("strategy_id")
    rows = OptionStrategy.objects.open().filter(pk__in=ids, execution_detail="", executed_at__lte=desk.as_of)
    return rows.select_related("exit_levels").order_by("id")


def _watch(strategy: OptionStrategy, desk: Desk) -> Watched:
    profit, problem = _profit(strategy, desk)
    levels = _levels(strategy)
    expiry = _nearest_expiry(strategy, desk)
    days = None if expiry is None else (expiry - desk.day).days
    mark = PositionMark(profit, days, _delta(strategy, levels, desk))
    decision = decide_exit(levels, mark) or _expiry_decision(strategy, expiry, desk)
    if profit is not None:
        _keep_mark(strategy, desk, profit, decision)
    reason = fired(strategy, desk.account) if decision is None else decision.reason
    return Watched(strategy.pk, _title(strategy), profit, days, reason, problem)


def _title(strategy: OptionStrategy) -> str:
    return f"{strategy.stock_name} {strategy.strategy_name}"


def _profit(strategy: OptionStrategy, desk: Desk) -> tuple[Decimal | None, Reason | None]:
    try:
        return profit_at_touch(strategy, desk), None
    except OptionsError as error:
        logger.warning("strategy %s cannot be marked: %s", strategy.pk, error.reason)
        return None, error.reason


def _delta(strategy: OptionStrategy, levels: ExitLevels, desk: Desk) -> float | None:
    """Asked only where a rule needs it; None when the chain cannot tell, which decides nothing."""
    if levels.delta_threshold is None or strategy.lot_size is None:
        return None
    rows = Position.objects.filter(strategy=strategy, account=desk.account).exclude(quantity=0)
    holdings = [(contract_of(strategy, row), row.quantity) for row in rows]
    try:
        return net_delta(strategy.stock_name, holdings, set_size=strategy.lot_size * strategy.sets, desk=desk)
    except OptionsError as error:
        logger.warning("the delta of strategy %s is unknown: %s", strategy.pk, error.reason)
        return None


def _nearest_expiry(strategy: OptionStrategy, desk: Desk) -> date | None:
    held = Position.objects.filter(strategy=strategy, account=desk.account, expiry__gte=desk.day).exclude(quantity=0)
    nearest: date | None = held.order_by("expiry").values_list("expiry", flat=True).first()
    return nearest


def _expiry_decision(strategy: OptionStrategy, expiry: date | None, desk: Desk) -> ExitDecision | None:
    """What is expired already waits for its settlement price, not for an exit."""
    if expiry is None:
        return None
    try:
        return expiry_exit(expiry, desk.as_of, delivers=delivers(strategy.stock_name))
    except OptionsError as error:
        logger.warning("when strategy %s must be left is not known: %s", strategy.pk, error.reason)
        return None


def _levels(strategy: OptionStrategy) -> ExitLevels:
    """The stored rupee levels are for one set, the position holds all of them; delta is per unit of one set."""
    stored: StrategyExitLevels | None = getattr(strategy, "exit_levels", None)
    if stored is None:
        return ExitLevels()
    return ExitLevels(
        profit_target=_times(stored.profit_target_1, strategy.sets),
        stop_loss=_times(stored.stop_loss, strategy.sets),
        time_exit_dte=stored.time_exit_dte,
        delta_threshold=None if stored.delta_exit_threshold is None else float(stored.delta_exit_threshold),
    )


def _times(amount: Decimal | None, sets: int) -> Decimal | None:
    return None if amount is None else amount * sets


def _keep_mark(strategy: OptionStrategy, desk: Desk, profit: Decimal, decision: ExitDecision | None) -> None:
    reason = None if decision is None else decision.reason
    StrategyMark.objects.update_or_create(
        strategy=strategy,
        as_of=desk.as_of,
        defaults={
            "profit": profit,
            "decision": reason.code if reason else "",
            "note": reason.sentence if reason else "",
        },
    )
