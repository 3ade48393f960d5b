"""Runs and their orders in plain SQL: they stand between a decision and the wire, where composing costs the most.

What an order may become is the triggers' to say; a writer names the version or the state that it read.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from django.db import connection, transaction
from django.utils import timezone

from execution.basket.values import Attempt, Basket
from execution.errors import LostRace
from execution.legs import Phase
from execution.lifecycle import OrderState
from execution.services.leadership import LEADS, assert_epoch, leads_as
from execution.services.listing import ListedLeg
from execution.services.prepared import prepared_cursor
from market.contract import Side
from market.errors import Reason

_ORDER = (
    "d.leg_number, o.correlation_id, o.attempt, o.phase, o.side, o.quantity, o.limit_price, o.intended_at, o.state,"
    " o.sent_at, o.broker_order_id, o.filled_quantity, o.average_price, o.misses, o.looked_at, o.reason_code,"
    " o.reason_text"
)
_READ = f"""
SELECT r.purpose, r.state, r.as_of, r.phase_started_at, r.opening::json, r.reason_code, r.reason_text, r.version,
       s.structure, s.max_loss, s.sets, {_ORDER}
FROM execution_runs r JOIN strategies s ON s.id = r.strategy_id
LEFT JOIN (leg_orders o JOIN strategy_details d ON d.id = o.leg_id) ON o.run_id = r.id
WHERE r.id = %s ORDER BY o.id
"""  # noqa: S608 - the columns above, nobody's input
_MOVE_RUN = """
UPDATE execution_runs SET version = version + 1, epoch = %s, code_version = %s, state = %s, phase_started_at = %s,
       reason_code = coalesce(%s, reason_code), reason_text = coalesce(%s, reason_text),
       finished_at = coalesce(%s, finished_at)
{leading} WHERE id = %s AND version = %s AND state = %s
      AND (%s::text IS NULL OR EXISTS (SELECT 1 FROM leg_orders WHERE correlation_id = %s AND state = %s)) RETURNING id
"""
# The lease is asked in the statement that moves the run; a person who books by hand has none.
_MOVED = f"WITH moved AS ({_MOVE_RUN.format(leading='')})"
_MOVED_BY_LEADER = f"WITH {LEADS}, moved AS ({_MOVE_RUN.format(leading='FROM leads')})"
# The first order is written together with its run, the others after it.
_AFTER_THE_RUN = "WITH moved AS (SELECT %s AS id)"
_ADD_ORDER = """
INSERT INTO leg_orders (run_id, leg_id, phase, slice_number, attempt, side, segment, security_id, symbol, quantity,
       limit_price, correlation_id, intended_at, state, filled_quantity, broker_order_id, reason_code, reason_text,
       misses)
SELECT moved.id, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, 0, '', '', '', 0 FROM moved RETURNING id
"""
_MOVE_ORDER = """
UPDATE leg_orders SET state = %s, filled_quantity = %s, average_price = %s, broker_order_id = %s, sent_at = %s,
       misses = %s, looked_at = %s, reason_code = coalesce(%s, reason_code), reason_text = coalesce(%s, reason_text),
       settled_at = coalesce(%s, settled_at)
FROM moved WHERE run_id = moved.id AND correlation_id = %s AND state = %s RETURNING leg_orders.id
"""


class RunRow(NamedTuple):
    """One run as committed, with what its strategy says of its size."""

    purpose: str
    state: str
    as_of: datetime
    phase_started_at: datetime | None
    opening: Mapping[str, int]
    reason_code: str
    reason_text: str
    version: int
    structure: str
    max_loss: Decimal | None
    sets: int


@dataclass(frozen=True, slots=True)
class Writer:
    """Who writes: every change of a run bears its epoch. The leader of an account writes only while it leads."""

    epoch: int
    code_version: str
    leads: int | None = None  # which account


@dataclass(frozen=True, slots=True)
class OrderChange:
    """One order as it was (None for a new one) and as it is now; `settled_at` where it ends with this."""

    was: Attempt | None
    now: Attempt
    listed: ListedLeg
    settled_at: datetime | None = None


def read_run(run_id: int) -> tuple[RunRow, tuple[Attempt, ...]] | None:
    """A run and its orders in the order of their making (one query)."""
    with prepared_cursor() as cursor:
        cursor.execute(_READ, [run_id])
        rows = cursor.fetchall()
    if not rows:
        return None
    width = len(RunRow._fields)
    return RunRow._make(rows[0][:width]), tuple(_attempt(row[width:]) for row in rows if row[width] is not None)


def write_run(
    before: Basket, after: Basket, changes: Sequence[OrderChange], writer: Writer, *, lazily: bool = False
) -> list[int]:
    """Write a run and its changed orders, one statement for each order, and return the ids of their rows.

    Raises Fenced when the writer leads no more, LostRace when the run or an order is not what was read. `lazily` is as
    in `leads_as`.
    """
    moved, given, ids = *_moved(before, after, changes, writer, lazily=lazily), list[int]()
    with connection.cursor() if writer.leads is None else prepared_cursor() as cursor:
        if not changes:
            cursor.execute(f"{moved} SELECT id FROM moved", given)  # noqa: S608 - the words above
            _written(cursor.fetchone(), f"Run {before.run}", writer)
        for change in changes:
            order, values = _of_order(change)
            cursor.execute(moved + order, [*given, *values])
            what = f"Run {before.run} or order {change.now.correlation_id}"
            ids.append(_written(cursor.fetchone(), what, writer))
            moved, given = _AFTER_THE_RUN, [before.run]
    return ids


def _moved(
    before: Basket, after: Basket, changes: Sequence[OrderChange], writer: Writer, *, lazily: bool
) -> tuple[str, list[Any]]:
    given = _of_run(before, after, writer) + _as_read(changes)
    if writer.leads is None:
        return _MOVED, given
    return _MOVED_BY_LEADER, [*leads_as(writer.leads, writer.epoch, lazily=lazily), *given]


def _as_read(changes: Sequence[OrderChange]) -> list[Any]:
    """The order without which the run does not move either: the statement may be all of the transaction."""
    was = changes[0].was if changes else None
    return [None, None, None] if was is None else [was.correlation_id, was.correlation_id, was.state.value]


def _written(row: Sequence[Any] | None, what: str, writer: Writer) -> int:
    if row is None:
        if writer.leads is not None:
            with transaction.atomic():
                assert_epoch(writer.leads, writer.epoch)
        raise LostRace(Reason("LOST_RACE", f"{what} was changed by somebody else."))
    return int(row[0])


def _of_run(before: Basket, after: Basket, writer: Writer) -> list[Any]:
    return [
        *(writer.epoch, writer.code_version, after.state.value, after.phase_at),
        *_words(after.reason),
        timezone.now() if after.has_ended and not before.has_ended else None,
        *(before.run, before.version, before.state.value),
    ]


def _of_order(change: OrderChange) -> tuple[str, list[Any]]:
    now, listed = change.now, change.listed
    if change.was is None:
        return _ADD_ORDER, [
            *(listed.row_id, now.phase.value, now.number, now.number, now.side.value),
            *(listed.segment, listed.security_id, listed.symbol, now.quantity, now.limit),
            *(now.correlation_id, now.intended_at, now.state.value),
        ]
    average = round(now.value / now.filled, 4) if now.filled else None
    return _MOVE_ORDER, [
        *(now.state.value, now.filled, average, now.order_id, now.sent_at, now.misses, now.looked_at),
        *_words(now.reason),
        *(change.settled_at, now.correlation_id, change.was.state.value),
    ]


def _words(reason: Reason | None) -> tuple[str | None, str | None]:
    """What the columns of a reason take; nothing leaves them as they are."""
    if reason is None:
        return None, None
    return reason.code[:40], f"{reason.sentence} {reason.remedy}".strip()


def _attempt(row: Sequence[Any]) -> Attempt:
    leg, name, number, phase, side, quantity, limit, intended_at, state, *rest = row
    sent_at, order_id, filled, average, misses, looked_at, code, text = rest
    return Attempt(
        correlation_id=name,
        leg=leg,
        number=number,
        phase=Phase(phase),
        side=Side(side),
        quantity=quantity,
        limit=limit,
        intended_at=intended_at,
        state=OrderState(state),
        sent_at=sent_at,
        order_id=order_id,
        filled=filled,
        value=(average or Decimal(0)) * filled,
        misses=misses,
        looked_at=looked_at,
        reason=Reason(code, text) if code else None,
    )
