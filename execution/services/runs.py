"""Execute what is marked: claim a row and drive it; resume what a dead process left."""

import logging
from collections.abc import Callable
from datetime import datetime
from functools import partial

from django.db import transaction
from django.db.models import Exists, OuterRef

from allocation.models import Account, Allocation
from execution.errors import ExecutionDenied
from execution.lifecycle import RunState, StrategyEvent
from execution.models import ExecutionRun
from execution.ports import Broker
from execution.services.driving import RunResult, begin, result_of, take_up
from execution.services.preparation import BasketPreview, Desk, prepare_entry, prepare_exit
from execution.services.transitions import move_strategy, owning, sending_for
from market.calendar import closed_reason
from market.errors import OptionsError, Reason
from market.ports import MarketSource
from strategies.errors import StrategyError
from strategies.models import OptionStrategy
from strategies.querysets import StrategyQuerySet

logger = logging.getLogger(__name__)

Progress = Callable[[int, int], None]


def preview(strategy: OptionStrategy, *, desk: Desk) -> BasketPreview:
    """What executing this strategy now would send, and what stands against it; changes nothing."""
    return prepare_entry(strategy, desk)


def preview_queue(*, desk: Desk, strategy_id: int | None = None, limit: int | None = None) -> list[BasketPreview]:
    """The same for the whole queue, in the order of execution."""
    return [preview(strategy, desk=desk) for strategy in _queue(desk.as_of, strategy_id, desk.account)[:limit]]


def execute_queue(
    *,
    as_of: datetime,
    broker: Broker,
    market: MarketSource,
    account: Account,
    strategy_id: int | None = None,
    limit: int | None = None,
    progress: Progress | None = None,
) -> list[RunResult]:
    """Finish what a crash left, then execute the queue in order; a closed market refuses before anything is claimed."""
    desk = Desk(broker, market, account, as_of)
    require_open(desk.as_of)
    with sending_for(account):
        return _work_off(desk, strategy_id, limit, progress)


def execute_strategy(strategy_id: int, *, desk: Desk) -> RunResult | None:
    """Execute one queued strategy; None when somebody else has it, or it is not in the queue at this moment."""
    with owning(strategy_id) as owned:
        run = _claim(strategy_id, desk) if owned else None
        if run is None:
            logger.info("strategy %s not claimed: taken or not queued", strategy_id)
            return None
        plan = prepare_entry(run.strategy, desk)
        return begin(run, plan, desk)


def execute_exit(strategy: OptionStrategy, reason: Reason, *, desk: Desk) -> RunResult | None:
    """Close an executed strategy by an ordinary basket in reverse; None when somebody else is on it."""
    with owning(strategy.pk) as owned:
        run = _open_exit(strategy, reason, desk) if owned else None
        if run is None:
            return None
        return begin(run, prepare_exit(run.strategy, desk, {}), desk)


def resume_runs(desk: Desk) -> list[RunResult]:
    """Take over runs whose process died, and go on with unfinished unwinds and exits; living owners keep theirs."""
    waiting = ExecutionRun.objects.open().filter(account=desk.account, as_of__lte=desk.as_of)
    waiting = waiting.exclude(state=RunState.ATTENTION).order_by("id")
    rows = list(waiting.values_list("pk", "strategy_id"))
    found = (or_stopped(strategy_id, partial(_resume, pk, strategy_id, desk)) for pk, strategy_id in rows)
    return [result for result in found if result is not None]


def or_stopped(strategy_id: int, act: Callable[[], RunResult | None]) -> RunResult | None:
    """What one strategy's turn came to; an error ends this turn only, never that of the strategies behind it."""
    try:
        return act()
    except OptionsError as error:
        logger.exception("strategy %s cannot go on: %s", strategy_id, error.reason)
        run = ExecutionRun.objects.select_related("strategy").open().filter(strategy_id=strategy_id).first()
        return None if run is None else result_of(run, error.reason)


def require_open(as_of: datetime) -> None:
    """Refuse everything while the market is closed, saying when it opens."""
    closed = closed_reason(as_of)
    if closed is not None:
        raise ExecutionDenied(closed)


def left_out(as_of: datetime) -> list[int]:
    """Marked strategies that did not exist yet at this moment, in the order of the queue."""
    return list(OptionStrategy.objects.queued().filter(generated_on__gt=as_of).values_list("pk", flat=True))


def _work_off(desk: Desk, strategy_id: int | None, limit: int | None, progress: Progress | None) -> list[RunResult]:
    results = resume_runs(desk)
    waiting = list(_queue(desk.as_of, strategy_id, desk.account).values_list("pk", flat=True)[:limit])
    for done, pk in enumerate(waiting, start=1):
        result = or_stopped(pk, partial(execute_strategy, pk, desk=desk))
        if result is not None:
            results.append(result)
        if progress is not None:
            progress(done, len(waiting))
    return results


def _queue(as_of: datetime, strategy_id: int | None, account: Account | None = None) -> StrategyQuerySet:
    """The queue at this moment; of one account, what its allocator took or a person marked."""
    rows: StrategyQuerySet = OptionStrategy.objects.queued().known_by(as_of)
    rows = rows if account is None else _executable_by(account, rows)
    return rows if strategy_id is None else rows.filter(pk=strategy_id)


def _executable_by(account: Account, rows: StrategyQuerySet) -> StrategyQuerySet:
    """Without what only another account's allocator took: the rule by which `blocked_by` counts it there."""
    taken = Allocation.objects.filter(strategy=OuterRef("pk"), marked=True)
    return rows.filter(Exists(taken.filter(run__account=account)) | ~Exists(taken))


def _claim(strategy_id: int, desk: Desk) -> ExecutionRun | None:
    """Move the row to executing and open its run in one transaction, so that neither exists without the other."""
    with transaction.atomic():
        if not _executable_by(desk.account, OptionStrategy.objects.known_by(desk.as_of)).claim(strategy_id):
            return None
        strategy = OptionStrategy.objects.get(pk=strategy_id)
        return _new_run(strategy, ExecutionRun.Purpose.ENTRY, desk)


def _open_exit(strategy: OptionStrategy, reason: Reason, desk: Desk) -> ExecutionRun | None:
    with transaction.atomic():
        strategy.refresh_from_db()
        if (strategy.execution_status, strategy.execution_detail) != ("executed", ""):
            return None
        move_strategy(strategy, StrategyEvent.CLOSE, note=f"Closing: {reason}")
        return _new_run(strategy, ExecutionRun.Purpose.EXIT, desk, reason)


def _new_run(strategy: OptionStrategy, purpose: str, desk: Desk, why: Reason | None = None) -> ExecutionRun:
    run: ExecutionRun = ExecutionRun.objects.create(
        strategy=strategy,
        account=desk.account,
        broker=desk.broker.name,
        purpose=purpose,
        as_of=desk.as_of,
        reason_code=why.code if why else "",
        reason_text=why.sentence if why else "",
    )
    logger.info("run %s opened: %s of %s for %s", run.pk, purpose, strategy, desk.account)
    return run


def _resume(run_id: int, strategy_id: int, desk: Desk) -> RunResult | None:
    with owning(strategy_id) as owned:
        run = ExecutionRun.objects.select_related("strategy").open().filter(pk=run_id).first()
        if not owned or run is None or run.state == RunState.ATTENTION:
            return None
        logger.warning("run %s resumed in %s", run.pk, run.state)
        return take_up(run, desk)


def require_queued(strategy_id: int, as_of: datetime, account: Account | None = None) -> None:
    """Say why one strategy is not in the queue at this moment, of this account if one is named; pass when it is."""
    if _queue(as_of, strategy_id, account).exists():
        return
    if account is not None and _queue(as_of, strategy_id).exists():
        sentence = f"Strategy {strategy_id} was taken by the allocation of another account, not by {account}."
        raise StrategyError(Reason("OTHER_ACCOUNT", sentence, "Execute it with --account."))
    row = OptionStrategy.objects.filter(pk=strategy_id).first()
    if row is None:
        raise StrategyError(Reason("UNKNOWN_STRATEGY", f"There is no strategy {strategy_id}."))
    if row.generated_on > as_of:
        sentence = f"Strategy {strategy_id} was generated at {row.generated_on}, after {as_of}."
        raise StrategyError(Reason("GENERATED_LATER", sentence, "Choose a later --as-of."))
    sentence = f"Strategy {strategy_id} is '{row.execution_status}' with priority {row.execution_priority}, not queued."
    raise StrategyError(Reason("NOT_QUEUED", sentence, f"Mark it: manage.py mark_for_execution mark {strategy_id}."))
