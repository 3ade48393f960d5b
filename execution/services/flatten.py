"""Everything of an account must go: halt, settle, cancel, buy back shorts, sell longs, be flat twice, switch off.

Rows say what is to be done; whoever leads the account does it. Without a leader this process leads.
"""

import getpass
import logging
from dataclasses import dataclass

from django.db.models import Exists, OuterRef

from allocation.models import Account
from execution.errors import BrokerError, ExecutionDenied
from execution.lifecycle import RunState
from execution.models import ExecutionRun, LegOrder, Position, RunPurpose
from execution.ports import Clock
from execution.services.attention import settle
from execution.services.desk import open_desk
from execution.services.preparation import Desk
from execution.services.runs import open_exit
from execution.services.standing import FLATTEN, halt
from execution.services.trading import Trading, trading
from market.errors import OptionsError, Reason
from strategies.models import OptionStrategy

logger = logging.getLogger(__name__)

LONGEST_SECONDS = 300.0
LOOK_SECONDS = 0.5
BETWEEN_TWO_LOOKS = 3.0


@dataclass(frozen=True, slots=True)
class FlattenReport:
    """What a flatten came to; `problems` say what it could not do."""

    flat: bool
    runs: tuple[int, ...]
    switched_off: bool
    problems: tuple[Reason, ...]


def flatten_account(
    account: Account, reason: Reason, *, desk: Desk | None = None, switch_off: bool = False
) -> FlattenReport:
    """Close what the strategies of an account hold, and nothing else; `switch_off` then engages the broker's switch."""
    halt(account, reason=Reason(FLATTEN, reason.sentence), actor=f"cli:{getpass.getuser()}")
    desk = desk or open_desk(account_name=account.name)
    runs, problems = order_flatten(desk, reason)
    try:
        with trading(desk) as leader:
            leader.until_quiet(LONGEST_SECONDS)
            flat = _flat_twice(leader)
    except ExecutionDenied as denied:
        if denied.reason.code != "NOT_LEADER":
            raise
        flat = _wait_for_the_leader(account, desk.clock)
    switched_off = flat and switch_off and _switch_off(desk, problems)
    return FlattenReport(flat, tuple(runs), switched_off, tuple(problems))


def order_flatten(desk: Desk, reason: Reason) -> tuple[list[int], list[Reason]]:
    """Write down what must go: entries under way are taken back, what is held is closed by baskets of their own."""
    why, opened, problems = Reason(FLATTEN, reason.sentence), list[int](), list[Reason]()
    stuck = ExecutionRun.objects.filter(account=desk.account, state=RunState.ATTENTION, purpose=RunPurpose.ENTRY)
    for run in stuck:
        try:
            settle(run.pk, outcome="unwind", reason=reason.sentence, actor=getpass.getuser())
        except OptionsError as error:
            problems.append(error.reason)
    held = Position.objects.filter(account=desk.account).exclude(quantity=0)
    open_ones = OptionStrategy.objects.open().filter(pk__in=held.values("strategy_id"), execution_detail="")
    short = Exists(held.filter(strategy=OuterRef("pk"), quantity__lt=0))
    for strategy in open_ones.order_by(short.desc(), "id"):  # what is short goes first: runs move in this order
        made = open_exit(strategy, why, desk, RunPurpose.FLATTEN)
        opened += [] if made is None else [made.pk]
    return opened, problems


def is_flat(account: Account) -> bool:
    """Whether nothing is held or under way by our books."""
    held = Position.objects.filter(account=account).exclude(quantity=0)
    runs = ExecutionRun.objects.open().filter(account=account)
    return not (held.exists() or runs.exists() or LegOrder.objects.live().filter(run__account=account).exists())


def _flat_twice(leader: Trading) -> bool:
    """Two looks some seconds apart, each at the broker's books as well as ours."""
    for last in (False, True):
        if not (leader.reconcile() and is_flat(leader.desk.account)):
            return False
        if not last:
            leader.desk.clock.sleep(BETWEEN_TWO_LOOKS)
            leader.keep()
    return True


def _wait_for_the_leader(account: Account, clock: Clock) -> bool:
    """Another process leads: it finds the rows by itself."""
    began = clock.elapsed()
    while clock.elapsed() - began < LONGEST_SECONDS:
        if is_flat(account):
            clock.sleep(BETWEEN_TWO_LOOKS)
            return is_flat(account)
        clock.sleep(LOOK_SECONDS)
    return False


def _switch_off(desk: Desk, problems: list[Reason]) -> bool:
    try:
        desk.broker.switch_off()
    except BrokerError as error:
        logger.warning("the broker's own switch was not engaged: %s", error.reason)
        problems.append(error.reason)
        return False
    return True
