"""Small reads of the ledger for the checks: what is open, what was lost, what was refused. None is unknown."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import takewhile
from typing import Any

from django.utils import timezone

from allocation.models import Account
from execution.basket.run_rules import RETRYABLE
from execution.checks import Counts, Limits
from execution.lifecycle import ENDED_ORDERS, ENDED_RUNS, OrderState, RunState
from execution.models import (
    AlertLevel,
    ExecutionRun,
    Position,
    ReconcileReport,
    RunPurpose,
    StrategyMark,
)
from execution.services.checks.open_book import OpenBook, read_book
from execution.services.preparation import gross_margin
from execution.services.prepared import prepared_cursor
from market.calendar import IST
from market.contract import Contract, OptionType, Side
from strategies.models import OptionStrategy, StrategyLeg

ZERO = Decimal(0)
PERCENT = Decimal(100)  # volatility points in 1.00 of volatility
REFUSED = (OrderState.REFUSED.value, OrderState.REJECTED.value)
ANSWERED = (*REFUSED, OrderState.FILLED.value, OrderState.CANCELLED.value, OrderState.EXPIRED.value)
UNCLEAR = (OrderState.UNKNOWN.value,)
LIVE_OR_COMPLETE = sorted({*RunState} - ENDED_RUNS | {RunState.COMPLETE})


CALLS_LOOKED_AT = 251  # one more than Dhan takes in a minute
# Plain SQL: these stand between a decision and the wire, where composing a query costs more than running it.
_CALLS = """
SELECT count(*) FILTER (WHERE taken_at > clock_timestamp() - interval '1 second') AS second,
       count(*) FILTER (WHERE taken_at > clock_timestamp() - interval '1 minute') AS minute
FROM (SELECT taken_at FROM order_calls WHERE account_id = %s ORDER BY number DESC LIMIT %s) newest
"""
_OVER = ", ".join(f"'{state.value}'" for state in sorted(ENDED_ORDERS))  # words, so that a kept plan finds the index
_WORKING = f"""
SELECT s.stock_name, d.expiry_date, d.strike_price, d.option_type, o.side
FROM leg_orders o
JOIN execution_runs r ON r.id = o.run_id
JOIN strategy_details d ON d.id = o.leg_id
JOIN strategies s ON s.id = d.strategy_id
WHERE r.account_id = %s AND r.id <> %s AND NOT o.state IN ({_OVER})
"""  # noqa: S608 - our own states
_HELD = """
SELECT expiry_date, strike_price, option_type, quantity
FROM v_positions WHERE strategy_id = %s AND account_id = %s AND quantity <> 0
"""
_BEFORE_SENDING = (  # made of the three above and nothing else
    "SELECT (SELECT json_agg(w) FROM (" + _WORKING + ") w), (SELECT json_agg(h) FROM (" + _HELD + ") h), calls.* "  # noqa: S608
    "FROM (" + _CALLS + ") calls"
)
# An entry counts these once: other entries of the strategy, orders refused lately, the newest answers to its orders,
# and the lots opened on its underlying today (NULL when a lot is not known).
_COUNTED = """
SELECT (SELECT count(*) FROM execution_runs
        WHERE strategy_id = %(strategy)s AND purpose = 'entry' AND state = ANY(%(standing)s) AND id <> %(run)s),
       (SELECT count(*) FROM leg_orders o JOIN execution_runs r ON r.id = o.run_id
        WHERE r.account_id = %(account)s AND o.state = ANY(%(refused)s) AND NOT o.reason_code = ANY(%(retryable)s)
          AND o.intended_at > %(lately)s AND o.intended_at <= %(now)s),
       ARRAY(SELECT o.state FROM leg_orders o JOIN execution_runs r ON r.id = o.run_id
             WHERE r.strategy_id = %(strategy)s AND o.state = ANY(%(answered)s)
               AND NOT o.reason_code = ANY(%(retryable)s) ORDER BY o.id DESC LIMIT %(most)s),
       (SELECT CASE WHEN NOT coalesce(bool_and(s.lot_size > 0), true) OR count(*) <> count(s.lot_size) THEN NULL
                    ELSE coalesce(sum((t.quantity + s.lot_size - 1) / nullif(s.lot_size, 0)), 0) END
        FROM trades t JOIN strategies s ON s.id = t.strategy_id
        WHERE t.account_id = %(account)s AND s.stock_name = %(underlying)s AND t.purpose = 'entry'
          AND t.option_type IS NOT NULL AND t.timestamp BETWEEN %(midnight)s AND %(now)s)
"""
_UNKNOWN = """
SELECT count(*) FROM leg_orders o JOIN execution_runs r ON r.id = o.run_id WHERE r.account_id = %s AND o.state = ANY(%s)
"""
_CRITICAL = "SELECT count(*) FROM alerts WHERE account_id = %s AND level = %s AND acknowledged_at IS NULL"


@dataclass(frozen=True, slots=True)
class BeforeSending:
    """What is counted before every order, read at once."""

    working: tuple[tuple[Contract, Side], ...]
    held: Mapping[Contract, int]
    calls: Counts


def before_sending(strategy: OptionStrategy, account: Account, *, run_id: int | None) -> BeforeSending:
    """The orders at work in other runs, what the strategy holds, and the calls made (one query)."""
    asked: tuple[Any, ...] = (
        account.pk,
        run_id or 0,
        strategy.pk,
        account.pk,
        account.pk,
        CALLS_LOOKED_AT,
    )
    with prepared_cursor() as cursor:
        cursor.execute(_BEFORE_SENDING, asked)
        working, rows, second, minute = cursor.fetchone()
    units: dict[Contract, int] = {}
    for row in rows or ():
        contract = _contract_in(row, strategy.stock_name)
        units[contract] = units.get(contract, 0) + row["quantity"]
    return BeforeSending(
        working=tuple((_contract_in(row, row["stock_name"]), Side(row["side"])) for row in working or ()),
        held=units,
        calls=Counts(calls_this_second=second, calls_this_minute=minute),
    )


def counts(
    strategy: OptionStrategy,
    account: Account,
    *,
    now: datetime,
    run_id: int | None,
    limits: Limits,
    book: OpenBook,
    calls: Counts,
) -> Counts:
    """Everything that is counted, beside the calls; the strategy's own basket is not.

    Refusals go by market moments, as orders are written down: a replayed day counts its own.
    """
    others = book.others(but=strategy)
    asked: dict[str, Any] = {
        "strategy": strategy.pk,
        "account": account.pk,
        "underlying": strategy.stock_name,
        "run": run_id or 0,
        "standing": LIVE_OR_COMPLETE,
        "refused": list(REFUSED),
        "answered": list(ANSWERED),
        "retryable": sorted(RETRYABLE),  # asked for pace, not refused
        "lately": now - timedelta(minutes=limits.reject_minutes),
        "midnight": midnight(now),
        "now": now,
        "most": limits.strategy_rejects,
    }
    with prepared_cursor() as cursor:
        cursor.execute(_COUNTED, asked)
        other_runs, refused_lately, answers, lots = cursor.fetchone()
    return replace(
        calls,
        runs_of_strategy=other_runs,
        same_legs_lately=_same_legs(strategy, account, run_id, within=timedelta(seconds=limits.same_legs_seconds)),
        open_strategies=len(others),
        open_on_underlying=sum(one.stock_name == strategy.stock_name for one in others),
        lots_on_underlying_today=None if lots is None else int(lots),
        strategy_rejects=sum(1 for _ in takewhile(REFUSED.__contains__, answers)),
        account_rejects=refused_lately,
    )


def midnight(now: datetime) -> datetime:
    """The beginning of the IST day."""
    return now.astimezone(IST).replace(hour=0, minute=0, second=0, microsecond=0)


def underlying_at_risk(strategy: OptionStrategy, account: Account, *, book: OpenBook) -> Decimal | None:
    """What the other open strategies on this underlying may lose or block; None when that of one is unknown."""
    rows = [one for one in book.others(but=strategy) if one.stock_name == strategy.stock_name]
    amounts = [_at_stake(row, account) for row in rows]
    return None if None in amounts else sum((one for one in amounts if one is not None), ZERO)


Profit = Callable[[OptionStrategy, Sequence[Position]], Decimal]


def day_result(
    account: Account, *, start: datetime, now: datetime, profit: Profit, book: OpenBook | None = None
) -> Decimal:
    """Rupees made or lost since `start`, open positions at the touch included; raises where one has no price.

    Counted from a strategy's last mark before `start`, or from its opening where nobody marked it since. `profit` is
    asked for what is still open, with its positions; `book` is what was read of the account since `start`, if it was.
    """
    book = read_book(account, since=start) if book is None else book
    marks = StrategyMark.objects.filter(strategy__in=book.positions, as_of__lt=start).order_by("strategy_id", "-as_of")
    before = dict(marks.distinct("strategy_id").values_list("strategy_id", "profit"))
    total = -sum(before.values(), ZERO)
    for strategy_id, rows in book.positions.items():
        if any(row.quantity for row in rows):
            total += profit(book.strategies[strategy_id], rows)
        else:
            total += sum((row.cash - row.charges for row in rows), ZERO)
    return total


def greeks_of(rows: Iterable[tuple[StrategyLeg, int]], spot: Decimal | None) -> tuple[Decimal, Decimal] | None:
    """Delta as rupees of underlying and vega per point of signed units, from the greeks stored with the legs."""
    delta = vega = ZERO
    for row, units in rows:
        if row.option_type is not None and (row.delta is None or row.vega is None):
            return None
        delta += units * (Decimal(1) if row.delta is None else row.delta)
        vega += units * (ZERO if row.vega is None else row.vega)
    return None if spot is None else (delta * spot, vega / PERCENT)


def account_greeks(strategy: OptionStrategy, *, book: OpenBook) -> tuple[Decimal, Decimal] | None:
    """The same over everything else that is open, each at the spot it was computed at; None when one is unknown."""
    delta = vega = ZERO
    for other in book.others(but=strategy):
        units: dict[Contract, int] = {}
        for row in book.positions.get(other.pk, ()):
            contract = _contract_of(other.stock_name, row.expiry, row.strike, row.option_type)
            units[contract] = units.get(contract, 0) + row.quantity
        found = greeks_of([(leg, units.get(leg.contract, 0)) for leg in other.legs.all()], other.spot_price)
        if found is None:
            return None
        delta, vega = delta + found[0], vega + found[1]
    return delta, vega


def reconciled_ago(account: Account) -> timedelta | None:
    """Since the newest comparison of the books, if that one was clean; None when there is none or it was not."""
    newest = ReconcileReport.objects.filter(account=account).order_by("-id").first()
    return max(timezone.now() - newest.at, timedelta(0)) if newest is not None and newest.clean else None


def unknown_orders(account: Account) -> int:
    """Attempts whose outcome nobody knows."""
    return _number(_UNKNOWN, [account.pk, list(UNCLEAR)])


def critical_alerts(account_id: int) -> int:
    """CRITICAL alerts that wait for a person."""
    return _number(_CRITICAL, [account_id, AlertLevel.CRITICAL.value])


def _number(sql: str, asked: Sequence[Any]) -> int:
    with prepared_cursor() as cursor:
        cursor.execute(sql, asked)
        return int(cursor.fetchone()[0])


def _contract_of(underlying: str, expiry: date | None, strike: Decimal | float | None, code: str | None) -> Contract:
    if code is None or strike is None:
        return Contract(underlying)
    return Contract(underlying, expiry, float(strike), OptionType.from_code(code))


def _contract_in(row: Mapping[str, Any], underlying: str) -> Contract:
    """The same from JSON."""
    expiry = row["expiry_date"]
    return _contract_of(
        underlying, None if expiry is None else date.fromisoformat(expiry), row["strike_price"], row["option_type"]
    )


def _same_legs(strategy: OptionStrategy, account: Account, run_id: int | None, *, within: timedelta) -> int:
    """Entries of other strategies with the same legs, in the time people live in."""
    recent = ExecutionRun.objects.filter(
        account=account, purpose=RunPurpose.ENTRY, started_at__gt=timezone.now() - within, state__in=LIVE_OR_COMPLETE
    )
    recent = recent.filter(strategy__stock_name=strategy.stock_name).exclude(pk=run_id).exclude(strategy=strategy)
    wanted = _leg_set(strategy)
    runs = recent.select_related("strategy").prefetch_related("strategy__legs")
    return sum(_leg_set(run.strategy) == wanted for run in runs)


def _leg_set(strategy: OptionStrategy) -> Sequence[tuple[object, ...]]:
    rows = [(leg.setup_type, leg.option_type, leg.strike, leg.expiry, leg.lots) for leg in strategy.legs.all()]
    return sorted(rows, key=repr)


def _at_stake(strategy: OptionStrategy, account: Account) -> Decimal | None:
    if strategy.unlimited_loss:
        return gross_margin(strategy, account, strategy.legs.all())
    return None if strategy.max_loss is None else strategy.max_loss * strategy.sets
