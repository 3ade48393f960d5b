"""The kill switch of an account: latched in PostgreSQL, needs neither web nor Redis, and fails towards stopping.

An account without a row was never stopped and is ACTIVE; rows are never deleted (a trigger sees to that), so a missing
one cannot be a lost halt. A file `HALT` in the state directory makes every account of this machine stricter, never
freer: empty it means HALTED, holding the word REDUCE_ONLY it means that.
"""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.db.models.functions import Now

from allocation.models import Account
from execution.errors import ExecutionDenied
from execution.models import ReconcileReport, RunPurpose, TradingState
from execution.models import Standing as State
from execution.services.alerts import require_none_critical
from execution.services.leadership import IDLE_LIMIT
from execution.services.prepared import prepared_cursor
from market.errors import Reason

logger = logging.getLogger(__name__)

COOL_OFF = timedelta(seconds=60)
SENTINEL = "HALT"
FLATTEN = "FLATTEN"  # the reason code of a halt under which everything open is taken back
UNREADABLE = "STANDING_UNREADABLE"
SYSTEM = "system"  # actors that are no persons: "system" and "system:..."
_STRICTNESS = list(State.values)
# What each purpose asks for at least; cancels ask nobody.
_ALLOWED = {
    RunPurpose.ENTRY: (State.ACTIVE,),
    RunPurpose.EXIT: (State.ACTIVE, State.REDUCE_ONLY),
    RunPurpose.FLATTEN: (State.ACTIVE, State.REDUCE_ONLY, State.HALTED),
}


@dataclass(frozen=True, slots=True)
class Standing:
    """What an account may do now, and why."""

    state: State
    reason: Reason | None = None
    actor: str = ""
    changed_at: datetime | None = None
    automatic: bool = False

    @property
    def flattens(self) -> bool:
        """Whether the account was halted to have everything taken back: what is on its way out goes on."""
        return self.reason is not None and self.reason.code == FLATTEN

    @property
    def is_unreadable(self) -> bool:
        """Whether this is what is assumed where the database does not say."""
        return self.reason is not None and self.reason.code == UNREADABLE

    def lets(self, purpose: RunPurpose | str) -> bool:
        """Whether orders of a run with this purpose may be sent; a halt that flattens lets everything out."""
        asked = RunPurpose(purpose)
        return (self.flattens and asked is RunPurpose.EXIT) or self.state in _ALLOWED[asked]


def standing(account_id: int, *, hold: bool = False) -> Standing:
    """Read what an account may do; unreadable means HALTED. The file can only make it stricter (one query).

    `hold` share-locks the row until the caller's transaction ends: a halt then waits for that clearance, and every
    later one sees the halt.
    """
    return _stricter(_stored(account_id, hold=hold), _of_file())


def standing_and_alarm(account_id: int) -> tuple[Standing, bool]:
    """The same, and whether a CRITICAL alert waits for a person, which it does when that cannot be read (one query)."""
    try:
        with prepared_cursor() as cursor:
            cursor.execute(_STATE_AND_ALARM, [account_id, account_id])
            alarmed, *row = cursor.fetchone()
    except DatabaseError as error:
        logger.exception("the trading state of account %s cannot be read", account_id)
        return _unreadable(_not_read(account_id, error)), True
    found = Standing(State.ACTIVE) if row[0] is None else _of_row(*row)
    return _stricter(found, _of_file()), alarmed


def standings() -> dict[int, Standing]:
    """The same of every account that has a row, for a page; one that has none is as the file says (key 0)."""
    of_file = _of_file()
    rows = TradingState.objects.values_list("account_id", *_COLUMNS)
    found = {account_id: _stricter(_of_row(*row), of_file) for account_id, *row in rows}
    return {0: of_file} | found


def require_lets(account_id: int, purpose: RunPurpose | str) -> Standing:
    """Inside the transaction that clears an order: raise ExecutionDenied HALTED or REDUCE_ONLY unless allowed."""
    found = standing(account_id, hold=True)
    if not found.lets(purpose):
        why = f" {found.reason.code}: {found.reason.sentence}" if found.reason else ""
        sentence = f"Account {account_id} is {found.state}: no {RunPurpose(purpose).value} is sent.{why}"
        raise ExecutionDenied(Reason(found.state.value, sentence, "See manage.py kill_switch status."))
    return found


def halt(account: Account, *, reason: Reason, actor: str) -> Standing:
    """Stop everything but cancels and a flatten."""
    return _tighten(account, State.HALTED, reason, actor)


def reduce_only(account: Account, *, reason: Reason, actor: str) -> Standing:
    """Stop entries, at least: an account that is halted stays so."""
    return _tighten(account, State.REDUCE_ONLY, reason, actor)


def release(account: Account, *, reason: Reason, actor: str) -> Standing:
    """Let an account trade again; raise ExecutionDenied unless a person asks, after a pause, with books that agree."""
    _require_person(actor)
    with transaction.atomic():
        row = _locked(account)
        if row.state == State.ACTIVE:
            return standing(account.pk)
        _require_cool(row)
        _require_clean(row)
        require_none_critical(account.pk)
        _write(row, State.ACTIVE, reason, actor)
    return standing(account.pk)


def _tighten(account: Account, state: State, reason: Reason, actor: str) -> Standing:
    """Move to a stricter state; a repeated trip keeps the first reason but starts the pause anew."""
    with transaction.atomic():
        row = _locked(account)
        if _STRICTNESS.index(row.state) >= _STRICTNESS.index(state) and reason.code != FLATTEN:
            TradingState.objects.filter(pk=row.pk).update(changed_at=Now())
        else:
            _write(row, state, reason, actor)
    return standing(account.pk)


def _locked(account: Account) -> TradingState:
    _begin(account.pk)
    return TradingState.objects.select_for_update().get(account=account)


def _begin(account_id: int) -> None:
    """Write the first row of an account, ACTIVE, unless it has one."""
    with connection.cursor() as cursor:
        cursor.execute(_FIRST, [account_id])


def _write(row: TradingState, state: State, reason: Reason, actor: str) -> None:
    text = f"{reason.sentence} {reason.remedy}".strip()
    TradingState.objects.filter(pk=row.pk).update(
        state=state, reason_code=reason.code[:40], reason_text=text, actor=actor[:80], changed_at=Now(),
        automatic=not _is_person(actor),
    )  # fmt: skip
    logger.warning("account %s %s -> %s by %s: %s", row.account_id, row.state, state, actor, reason)


def _stored(account_id: int, *, hold: bool) -> Standing:
    if hold and not connection.in_atomic_block:
        raise transaction.TransactionManagementError("a standing is held only inside a transaction")
    try:
        with prepared_cursor() as cursor:
            if hold:
                cursor.execute(_STATE_HELD, [IDLE_LIMIT, account_id])
            else:
                cursor.execute(_STATE, [account_id])
            row = cursor.fetchone()
            if hold and row is None:  # nothing to hold: the first halt of an account waits like every other
                _begin(account_id)
                cursor.execute(_STATE_HELD, [IDLE_LIMIT, account_id])
                row = cursor.fetchone()
    except DatabaseError as error:
        logger.exception("the trading state of account %s cannot be read", account_id)
        return _unreadable(_not_read(account_id, error))
    return Standing(State.ACTIVE) if row is None else _of_row(*row[: len(_COLUMNS)])


# Plain SQL, since every order asks. Readers of a held row do not wait for each other, a change waits for them all.
_COLUMNS = ("state", "reason_code", "reason_text", "actor", "changed_at", "automatic")
_STATE = f"SELECT {', '.join(_COLUMNS)} FROM trading_states WHERE account_id = %s"  # noqa: S608 - the words above
# A process that freezes with the row held must not keep a halt waiting: the server ends its transaction.
_STATE_HELD = (
    f"SELECT {', '.join(_COLUMNS)}, set_config('idle_in_transaction_session_timeout', %s, true)"  # noqa: S608
    " FROM trading_states WHERE account_id = %s FOR SHARE"
)
_FIRST = (
    "INSERT INTO trading_states (account_id, state, reason_code, reason_text, actor, changed_at, automatic)"
    " VALUES (%s, 'ACTIVE', '', '', '', now(), false) ON CONFLICT (account_id) DO NOTHING"
)
_STATE_AND_ALARM = (
    "SELECT EXISTS (SELECT 1 FROM alerts WHERE account_id = %s AND level = 'CRITICAL' AND acknowledged_at IS NULL),"  # noqa: S608
    f" {', '.join(_COLUMNS)} FROM (SELECT 1) AS one LEFT JOIN trading_states ON account_id = %s"
)


def _of_row(state: str, code: str, text: str, actor: str, changed_at: datetime, automatic: bool) -> Standing:
    return Standing(State(state), Reason(code, text) if code else None, actor, changed_at, automatic)


def _stricter(one: Standing, other: Standing) -> Standing:
    return max(one, other, key=lambda found: _STRICTNESS.index(found.state))


def _of_file() -> Standing:
    path = Path(settings.STATE_DIR) / SENTINEL
    try:
        word = path.read_text(encoding="utf-8", errors="replace").strip()
    except FileNotFoundError:
        return Standing(State.HALTED, _sentinel(path)) if path.is_symlink() else Standing(State.ACTIVE)
    except OSError as error:
        return _unreadable(f"{path} cannot be read: {type(error).__name__}.")
    return Standing(State.REDUCE_ONLY if word == State.REDUCE_ONLY else State.HALTED, _sentinel(path))


def _sentinel(path: Path) -> Reason:
    return Reason("SENTINEL_FILE", f"The file {path} exists.", "Remove it when trading may go on.")


def _not_read(account_id: int, error: DatabaseError) -> str:
    return f"The trading state of account {account_id} cannot be read: {type(error).__name__}."


def _unreadable(sentence: str) -> Standing:
    return Standing(State.HALTED, Reason(UNREADABLE, sentence, "Nothing is sent until it can be read."))


def _is_person(actor: str) -> bool:
    return bool(actor.strip()) and actor.split(":", maxsplit=1)[0] != SYSTEM


def _require_person(actor: str) -> None:
    if not _is_person(actor):
        sentence = "Only a named person may let an account trade again."
        raise ExecutionDenied(Reason("NO_PERSON", sentence, "Run: manage.py kill_switch release."))


def _require_cool(row: TradingState) -> None:
    """By the database's clock, which wrote the moment."""
    if TradingState.objects.filter(pk=row.pk, changed_at__gt=Now() - COOL_OFF).exists():
        sentence = f"Account {row.account} was stopped less than {COOL_OFF.seconds} s ago."
        raise ExecutionDenied(Reason("COOLING_OFF", sentence, "Look at what happened, then try again."))


def _doubts(report: ReconcileReport) -> str:
    """What the newest comparison left open, in its own words: a difference, or only positions that still move."""
    first = report.findings[0]["sentence"] if report.findings else "The reason was not kept."
    return f"was not found equal to the broker's. {first}"


def _require_clean(row: TradingState) -> None:
    report = ReconcileReport.objects.filter(account_id=row.account_id, at__gt=row.changed_at).first()
    if report is None or not report.is_equal:
        found = "has not been compared with the broker since the stop." if report is None else _doubts(report)
        sentence = f"The ledger of account {row.account} {found}"
        raise ExecutionDenied(Reason("NOT_RECONCILED", sentence, "Let the trader reconcile, settle what it found."))
