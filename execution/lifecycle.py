"""The life of a strategy, a run and a leg order as tables: a pair that is not written here cannot happen."""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import TypeVar

from market.errors import OptionsError, Reason

State = TypeVar("State", bound=StrEnum)
Event = TypeVar("Event", bound=StrEnum)


class IllegalTransition(OptionsError):
    """An event that this state does not know."""


class OrderState(StrEnum):
    """One attempt = one broker order = one correlation id."""

    INTENT = "intent"
    VOID = "void"
    SENDING = "sending"
    ACKED = "acked"
    REFUSED = "refused"
    UNKNOWN = "unknown"
    NOT_PLACED = "not_placed"
    WORKING = "working"
    PART = "part"
    PENDING_CANCEL = "pending_cancel"
    FILLED = "filled"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    EXPIRED = "expired"


class OrderEvent(StrEnum):
    """What can happen to an attempt."""

    VOID = "void"
    SEND = "send"
    ACCEPT = "accept"
    REFUSE = "refuse"
    LOSE = "lose"
    FIND = "find"
    MISS = "miss"
    REST = "rest"
    PART_FILL = "part_fill"
    ASK_CANCEL = "ask_cancel"
    FILL = "fill"
    CANCEL = "cancel"
    REJECT = "reject"
    EXPIRE = "expire"


class RunState(StrEnum):
    """One basket on its way."""

    CREATED = "created"
    PRECHECK = "precheck"
    DENIED = "denied"
    READY = "ready"
    BUYING = "buying"
    SELLING = "selling"
    SETTLING = "settling"
    COMPLETE = "complete"
    UNWINDING = "unwinding"
    FLAT = "flat"
    FAILED_FLAT = "failed_flat"
    ATTENTION = "attention"


class RunEvent(StrEnum):
    """What can happen to a basket."""

    CHECK = "check"
    DENY = "deny"
    PASS = "pass"  # noqa: S105 - not a password
    BUY = "buy"
    SELL = "sell"
    SETTLE = "settle"
    RESUME = "resume"
    COMPLETE = "complete"
    UNWIND = "unwind"
    FLATTEN = "flatten"
    ABANDON = "abandon"
    ALARM = "alarm"
    REOPEN = "reopen"


class StrategyState(StrEnum):
    """What a strategy is, finer than the five words of the database contract."""

    PENDING = "pending"
    PROPOSED = "proposed"
    MARKED = "marked"
    REJECTED = "rejected"
    EXPIRED = "expired"
    EXECUTING = "executing"
    ATTENTION = "attention"
    EXECUTED = "executed"
    FAILED = "failed"
    CLOSING = "closing"
    CLOSED = "closed"


class StrategyEvent(StrEnum):
    """What can happen to a strategy."""

    PROPOSE = "propose"
    MARK = "mark"
    UNMARK = "unmark"
    REJECT = "reject"
    EXPIRE = "expire"
    CLAIM = "claim"
    FILL = "fill"
    FAIL = "fail"
    ALARM = "alarm"
    CLOSE = "close"
    HOLD = "hold"
    CLOSED = "closed"


def _table(rows: Iterable[tuple[Iterable[State], Event, State]]) -> Mapping[tuple[State, Event], State]:
    return MappingProxyType({(start, event): end for starts, event, end in rows for start in starts})


_O, _OE = OrderState, OrderEvent
_AT_EXCHANGE = (_O.ACKED, _O.WORKING, _O.PART)
_ENDING = (*_AT_EXCHANGE, _O.PENDING_CANCEL)

# Nothing leads from UNKNOWN back to SENDING: an order whose fate is unknown is looked up, never sent again.
ORDER_TABLE = _table(
    [
        ([_O.INTENT], _OE.VOID, _O.VOID),
        ([_O.INTENT], _OE.SEND, _O.SENDING),
        ([_O.SENDING], _OE.ACCEPT, _O.ACKED),
        ([_O.SENDING], _OE.REFUSE, _O.REFUSED),
        ([_O.SENDING], _OE.LOSE, _O.UNKNOWN),
        ([_O.SENDING], _OE.MISS, _O.NOT_PLACED),
        ([_O.UNKNOWN, _O.NOT_PLACED], _OE.FIND, _O.ACKED),
        ([_O.UNKNOWN], _OE.MISS, _O.NOT_PLACED),
        ([_O.ACKED], _OE.REST, _O.WORKING),
        (_AT_EXCHANGE, _OE.PART_FILL, _O.PART),
        (_AT_EXCHANGE, _OE.ASK_CANCEL, _O.PENDING_CANCEL),
        # Found late, NOT_PLACED may go straight to its end: another attempt may be live on the leg by then.
        ([*_ENDING, _O.NOT_PLACED], _OE.FILL, _O.FILLED),
        ([*_ENDING, _O.NOT_PLACED], _OE.CANCEL, _O.CANCELLED),
        ([*_ENDING, _O.NOT_PLACED], _OE.REJECT, _O.REJECTED),
        ([*_ENDING, _O.NOT_PLACED], _OE.EXPIRE, _O.EXPIRED),
    ]
)

# Attempts after which a new one may follow; NOT_PLACED can still be found later, which is an alarm, not a retry.
ENDED_ORDERS = frozenset({_O.VOID, _O.REFUSED, _O.NOT_PLACED, _O.FILLED, _O.CANCELLED, _O.REJECTED, _O.EXPIRED})

_R, _RE = RunState, RunEvent
_BEFORE_THE_END = (
    _R.CREATED,
    _R.PRECHECK,
    _R.READY,
    _R.BUYING,
    _R.SELLING,
    _R.SETTLING,
    _R.UNWINDING,
)

RUN_TABLE = _table(
    [
        ([_R.CREATED], _RE.CHECK, _R.PRECHECK),
        ([_R.PRECHECK], _RE.DENY, _R.DENIED),
        ([_R.PRECHECK], _RE.PASS, _R.READY),
        ([_R.READY], _RE.BUY, _R.BUYING),
        ([_R.READY, _R.BUYING], _RE.SELL, _R.SELLING),
        ([_R.READY, _R.BUYING, _R.SELLING], _RE.SETTLE, _R.SETTLING),
        ([_R.SETTLING], _RE.RESUME, _R.BUYING),
        ([_R.BUYING, _R.SELLING, _R.SETTLING, _R.ATTENTION], _RE.COMPLETE, _R.COMPLETE),
        ([_R.SETTLING, _R.ATTENTION], _RE.UNWIND, _R.UNWINDING),
        ([_R.UNWINDING, _R.ATTENTION], _RE.FLATTEN, _R.FLAT),
        ([_R.SETTLING], _RE.ABANDON, _R.FAILED_FLAT),
        (_BEFORE_THE_END, _RE.ALARM, _R.ATTENTION),
        # An order that arrived after we had given it up: what the run claimed is no longer true.
        ([_R.COMPLETE, _R.FLAT, _R.FAILED_FLAT], _RE.REOPEN, _R.ATTENTION),
    ]
)

ENDED_RUNS = frozenset({_R.DENIED, _R.COMPLETE, _R.FLAT, _R.FAILED_FLAT})

_S, _SE = StrategyState, StrategyEvent

STRATEGY_TABLE = _table(
    [
        ([_S.PENDING], _SE.PROPOSE, _S.PROPOSED),
        ([_S.PENDING, _S.PROPOSED], _SE.MARK, _S.MARKED),
        ([_S.MARKED], _SE.UNMARK, _S.PENDING),
        ([_S.PENDING, _S.PROPOSED, _S.MARKED], _SE.REJECT, _S.REJECTED),
        ([_S.PENDING, _S.PROPOSED, _S.MARKED], _SE.EXPIRE, _S.EXPIRED),
        ([_S.MARKED], _SE.CLAIM, _S.EXECUTING),
        ([_S.EXECUTING, _S.ATTENTION], _SE.FILL, _S.EXECUTED),
        ([_S.EXECUTING, _S.ATTENTION], _SE.FAIL, _S.FAILED),
        ([_S.EXECUTING, _S.ATTENTION], _SE.ALARM, _S.ATTENTION),
        ([_S.EXECUTED], _SE.CLOSE, _S.CLOSING),
        ([_S.CLOSING], _SE.HOLD, _S.EXECUTED),
        ([_S.CLOSING], _SE.CLOSED, _S.CLOSED),
    ]
)

# The two columns of the database contract for each state. ATTENTION stays `executing`: something may be held, so
# `failed` would be untrue, and a person must still be able to settle it either way.
PROJECTION: Mapping[StrategyState, tuple[str, str]] = MappingProxyType(
    {
        _S.PENDING: ("pending", ""),
        _S.PROPOSED: ("pending", "proposed"),
        _S.EXPIRED: ("pending", "expired"),
        _S.REJECTED: ("pending", "rejected"),
        _S.MARKED: ("marked", ""),
        _S.EXECUTING: ("executing", ""),
        _S.ATTENTION: ("executing", "attention"),
        _S.EXECUTED: ("executed", ""),
        _S.CLOSING: ("executed", "closing"),
        _S.CLOSED: ("executed", "closed"),
        _S.FAILED: ("failed", ""),
    }
)


def advance(table: Mapping[tuple[State, Event], State], state: State, event: Event) -> State:
    """Return the state that follows; raise IllegalTransition for a pair outside the table."""
    try:
        return table[state, event]
    except KeyError:
        raise IllegalTransition(
            Reason("ILLEGAL_TRANSITION", f"A {type(state).__name__} in '{state}' cannot '{event}'.")
        ) from None
