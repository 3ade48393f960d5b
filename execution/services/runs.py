"""Execute what is marked: claim a row, open its run, let the leader drive it."""

import logging
from collections.abc import Callable
from datetime import datetime

from django.db import transaction
from django.db.models import Exists, OuterRef

from allocation.models import Account, Allocation
from execution.errors import ExecutionDenied
from execution.lifecycle import StrategyEvent
from execution.models import ExecutionRun
from execution.services.intended import to_json
from execution.services.listing import ListedLeg, listed_legs
from execution.services.outcomes import RunResult, result_of
from execution.services.pauses import require_no_pause
from execution.services.preparation import Desk, exit_legs
from execution.services.preview import Preview, preview_of
from execution.services.stop_rows import stand_aside
from execution.services.trading import Trading, trading
from execution.services.transitions import move_strategy
from market.calendar import closed_reason
from market.errors import OptionsError, Reason
from strategies.errors import StrategyError
from strategies.models import OptionStrategy
from strategies.querysets import StrategyQuerySet

logger = logging.getLogger(__name__)

Progress = Callable[[int, int], None]


def preview_queue(*, desk: Desk, strategy_id: int | None = None, limit: int | None = None) -> list[Preview]:
    """What executing the queue now would send, in the order of execution, and what stands against it."""
    return [preview_of(strategy, desk) for strategy in _queue(desk.as_of, strategy_id, desk.account)[:limit]]


def execute_queue(
    desk: Desk,
    *,
    strategy_id: int | None = None,
    limit: int | None = None,
    expected_hash: str = "",
    progress: Progress | None = None,
) -> list[RunResult]:
    """Finish what is open, then execute the queue in order; a closed market refuses before anything is claimed."""
    require_open(desk.as_of)
    with trading(desk) as leader:
        leader.reconcile_when_due()  # first: the gate opens nothing on books that were not compared
        results = resume_runs(leader)
        waiting = list(_queue(desk.as_of, strategy_id, desk.account).values_list("pk", flat=True)[:limit])
        for done, pk in enumerate(waiting, start=1):
            leader.require_agreement()
            require_no_pause(desk)
            result = execute_strategy(pk, leader=leader, expected_hash=expected_hash)
            results += [] if result is None else [result]
            if progress is not None:
                progress(done, len(waiting))
    return results


def execute_strategy(strategy_id: int, *, leader: Trading, expected_hash: str = "") -> RunResult | None:
    """Execute one queued strategy; None when it is not in the queue at this moment.

    A plan that is not the one that was shown is refused before the strategy is claimed, and leaves it marked.
    """
    if expected_hash:
        _require_shown(strategy_id, leader.desk, expected_hash)
    run = open_entry(strategy_id, leader.desk, expected_hash=expected_hash)
    return None if run is None else leader.drive([run.pk])[0]


def _require_shown(strategy_id: int, desk: Desk, expected_hash: str) -> None:
    found = preview_of(OptionStrategy.objects.get(pk=strategy_id), desk).hash
    if found != expected_hash:
        sentence = (
            f"The plan of strategy {strategy_id} is now {found[:12]}, not {expected_hash[:12]}; nothing was sent."
        )
        raise ExecutionDenied(Reason("PLAN_CHANGED", sentence, "Preview again and compare; it stays marked."))


def execute_exit(strategy: OptionStrategy, reason: Reason, *, leader: Trading) -> RunResult | None:
    """Close an executed strategy by an ordinary basket in reverse; None when it is being closed already.

    Stops at the broker go first; the exit that the leader opens after that counts as this one.
    """
    before = ExecutionRun.objects.filter(strategy=strategy).order_by("-pk").values_list("pk", flat=True).first() or 0
    open_exit(strategy, reason, leader.desk)
    leader.until_quiet()
    made = ExecutionRun.objects.filter(strategy=strategy, pk__gt=before).order_by("-pk").first()
    return None if made is None else result_of(made.pk)


def resume_runs(leader: Trading) -> list[RunResult]:
    """Go on with what is open, whoever left it and in whatever state: the same code as any other pass."""
    return leader.drive(leader.movable())


def require_open(as_of: datetime) -> None:
    """Refuse everything while the market is closed, saying when it opens."""
    closed = closed_reason(as_of)
    if closed is not None:
        raise ExecutionDenied(closed)


def left_out(as_of: datetime) -> list[int]:
    """Marked strategies that did not exist yet at this moment, in the order of the queue."""
    return list(OptionStrategy.objects.queued().filter(generated_on__gt=as_of).values_list("pk", flat=True))


def _queue(as_of: datetime, strategy_id: int | None, account: Account | None = None) -> StrategyQuerySet:
    """The queue at this moment; of one account, what its allocator took or a person marked."""
    rows: StrategyQuerySet = OptionStrategy.objects.queued().known_by(as_of)
    rows = rows if account is None else _executable_by(account, rows)
    return rows if strategy_id is None else rows.filter(pk=strategy_id)


def _executable_by(account: Account, rows: StrategyQuerySet) -> StrategyQuerySet:
    """Without what only another account's allocator took: the rule by which `blocked_by` counts it there."""
    taken = Allocation.objects.filter(strategy=OuterRef("pk"), marked=True)
    return rows.filter(Exists(taken.filter(run__account=account)) | ~Exists(taken))


def next_queued(desk: Desk) -> int | None:
    """The strategy whose turn it is."""
    first: int | None = _queue(desk.as_of, None, desk.account).values_list("pk", flat=True).first()
    return first


def open_entry(strategy_id: int, desk: Desk, *, expected_hash: str = "") -> ExecutionRun | None:
    """Move the row to executing and open its run in one transaction, so that neither exists without the other."""
    with transaction.atomic():
        if not _executable_by(desk.account, OptionStrategy.objects.known_by(desk.as_of)).claim(strategy_id):
            logger.info("strategy %s not claimed: taken or not queued", strategy_id)
            return None
        strategy = OptionStrategy.objects.get(pk=strategy_id)
        legs = _resolved(strategy, desk)
        return _new_run(strategy, ExecutionRun.Purpose.ENTRY, desk, legs, plan_hash=expected_hash)


def open_exit(
    strategy: OptionStrategy, reason: Reason, desk: Desk, purpose: str = ExecutionRun.Purpose.EXIT
) -> ExecutionRun | None:
    """Move an executed strategy to closing and open the basket that closes what it holds, and only that.

    None while it is being closed already, or while a stop at the broker has to go first.
    """
    with transaction.atomic():
        strategy = OptionStrategy.objects.select_for_update().get(pk=strategy.pk)
        if (strategy.execution_status, strategy.execution_detail) != ("executed", ""):
            return None
        if stand_aside(strategy, desk.account, reason, purpose):
            logger.info("strategy %s leaves once its stops at the broker are gone", strategy.pk)
            return None
        try:
            legs = exit_legs(strategy, desk)
        except OptionsError as error:
            logger.warning("strategy %s cannot be closed: %s", strategy.pk, error.reason)
            legs = []
        move_strategy(strategy, StrategyEvent.CLOSE, note=f"Closing: {reason}")
        opening = {listed.leg.number: -listed.leg.side.sign * listed.leg.quantity for listed in legs}
        return _new_run(
            strategy, purpose, desk, legs, opening=opening, reason_code=reason.code, reason_text=reason.sentence
        )


def _resolved(strategy: OptionStrategy, desk: Desk) -> list[ListedLeg]:
    """Every leg against today's master; none of them when one cannot be: the gate then denies and says why."""
    try:
        return listed_legs(strategy, desk.as_of)
    except OptionsError as error:
        logger.warning("strategy %s cannot be resolved: %s", strategy.pk, error.reason)
        return []


def _new_run(
    strategy: OptionStrategy, purpose: str, desk: Desk, legs: list[ListedLeg], **fields: object
) -> ExecutionRun:
    run: ExecutionRun = ExecutionRun.objects.create(
        strategy=strategy,
        account=desk.account,
        broker=desk.broker.name,
        purpose=purpose,
        as_of=desk.as_of,
        intended=to_json(legs),
        **fields,
    )
    logger.info("run %s opened: %s of %s for %s", run.pk, purpose, strategy, desk.account)
    return run


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
