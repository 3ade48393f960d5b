"""Small reads of the ledger for the checks: what is open, what was lost, what was refused. None is unknown."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import connection
from django.utils import timezone

from allocation.models import Account
from execution.basket.run_rules import RETRYABLE
from execution.checks import Counts, Limits
from execution.lifecycle import ENDED_ORDERS, ENDED_RUNS, OrderState, RunState
from execution.models import (
    Alert,
    AlertLevel,
    ExecutionRun,
    LegOrder,
    Position,
    ReconcileReport,
    RunPurpose,
    StrategyMark,
    Trade,
)
from execution.services.preparation import allocated_margin
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
# Plain SQL: these three stand between a decision and the wire, where composing a query costs more than running it.
_CALLS = """
SELECT count(*) FILTER (WHERE taken_at > clock_timestamp() - interval '1 second') AS second,
       count(*) FILTER (WHERE taken_at > clock_timestamp() - interval '1 minute') AS minute
FROM (SELECT taken_at FROM order_calls WHERE account_id = %s ORDER BY number DESC LIMIT %s) newest
"""
_WORKING = """
SELECT s.stock_name, d.expiry_date, d.strike_price, d.option_type, o.side
FROM leg_orders o
JOIN execution_runs r ON r.id = o.run_id
JOIN strategy_details d ON d.id = o.leg_id
JOIN strategies s ON s.id = d.strategy_id
WHERE r.account_id = %s AND r.id <> %s AND NOT o.state = ANY(%s)
"""
_HELD = """
SELECT expiry_date, strike_price, option_type, quantity
FROM v_positions WHERE strategy_id = %s AND account_id = %s AND quantity <> 0
"""

_ONE_ORDER = (  # made of the three above and nothing else
    "SELECT (SELECT json_agg(w) FROM (" + _WORKING + ") w), (SELECT json_agg(h) FROM (" + _HELD + ") h), calls.* "  # noqa: S608
    "FROM (" + _CALLS + ") calls"
)


@dataclass(frozen=True, slots=True)
class OneOrder:
    """What is counted for a single order, read at once."""

    working: tuple[tuple[Contract, Side], ...]
    held: Mapping[Contract, int]
    calls: Counts


def one_order(strategy: OptionStrategy, account: Account, *, run_id: int) -> OneOrder:
    """The orders at work in other runs, what the strategy holds, and the calls made (one query)."""
    asked: tuple[Any, ...] = (
        account.pk,
        run_id,
        sorted(ENDED_ORDERS),
        strategy.pk,
        account.pk,
        account.pk,
        CALLS_LOOKED_AT,
    )
    with connection.cursor() as cursor:
        cursor.execute(_ONE_ORDER, asked)
        working, rows, second, minute = cursor.fetchone()
    units: dict[Contract, int] = {}
    for row in rows or ():
        contract = _contract_in(row, strategy.stock_name)
        units[contract] = units.get(contract, 0) + row["quantity"]
    return OneOrder(
        working=tuple((_contract_in(row, row["stock_name"]), Side(row["side"])) for row in working or ()),
        held=units,
        calls=Counts(calls_this_second=second, calls_this_minute=minute),
    )


def counts(strategy: OptionStrategy, account: Account, *, now: datetime, run_id: int | None, limits: Limits) -> Counts:
    """Everything that is counted; the strategy's own basket is not."""
    others = _open_strategies(account, but=strategy)
    on_it = OptionStrategy.objects.filter(pk__in=others, stock_name=strategy.stock_name).count()
    second, minute = calls_made(account)
    return Counts(
        runs_of_strategy=_other_runs(strategy, run_id),
        same_legs_lately=_same_legs(strategy, account, run_id, within=timedelta(seconds=limits.same_legs_seconds)),
        open_strategies=len(others),
        open_on_underlying=on_it,
        lots_on_underlying_today=_lots_today(strategy, account, now),
        strategy_rejects=_rejects_in_a_row(strategy, most=limits.strategy_rejects),
        account_rejects=_rejects_lately(account, now, within=timedelta(minutes=limits.reject_minutes)),
        calls_this_second=second,
        calls_this_minute=minute,
    )


def midnight(now: datetime) -> datetime:
    """The beginning of the IST day."""
    return now.astimezone(IST).replace(hour=0, minute=0, second=0, microsecond=0)


def calls_only(account: Account) -> Counts:
    """What the checks of a single order or an exit count."""
    second, minute = calls_made(account)
    return Counts(calls_this_second=second, calls_this_minute=minute)


def calls_made(account: Account) -> tuple[int, int]:
    """Calls of the last second and minute in the governor's own table (one query)."""
    with connection.cursor() as cursor:
        cursor.execute(_CALLS, [account.pk, CALLS_LOOKED_AT])
        second, minute = cursor.fetchone()
    return second, minute


def working_orders(account: Account, *, but_run: int | None) -> tuple[tuple[Contract, Side], ...]:
    """Contract and side of every attempt of other runs that may still trade."""
    with connection.cursor() as cursor:
        cursor.execute(_WORKING, [account.pk, but_run or 0, sorted(ENDED_ORDERS)])
        return tuple((_contract_of(*terms), Side(side)) for *terms, side in cursor.fetchall())


def held(strategy: OptionStrategy, account: Account) -> Mapping[Contract, int]:
    """Signed units by contract."""
    units: dict[Contract, int] = {}
    with connection.cursor() as cursor:
        cursor.execute(_HELD, [strategy.pk, account.pk])
        for expiry, strike, code, quantity in cursor.fetchall():
            contract = _contract_of(strategy.stock_name, expiry, strike, code)
            units[contract] = units.get(contract, 0) + quantity
    return units


def underlying_at_risk(strategy: OptionStrategy, account: Account) -> Decimal | None:
    """What the other open strategies on this underlying may lose or block; None when that of one is unknown."""
    rows = OptionStrategy.objects.filter(pk__in=_open_strategies(account, but=strategy), stock_name=strategy.stock_name)
    amounts = [_at_stake(row, account) for row in rows]
    return None if None in amounts else sum((one for one in amounts if one is not None), ZERO)


Profit = Callable[[OptionStrategy, Sequence[Position]], Decimal]


def day_result(account: Account, *, start: datetime, now: datetime, profit: Profit) -> Decimal:
    """Rupees made or lost since `start`, open positions at the touch included; raises where one has no price.

    Counted from a strategy's last mark before `start`, or from its opening where nobody marked it since. `profit` is
    asked for what is still open, with its positions (four queries in all).
    """
    moved = OptionStrategy.objects.in_bulk(_moved_since(account, start))
    marks = StrategyMark.objects.filter(strategy__in=moved, as_of__lt=start).order_by("strategy_id", "-as_of")
    before = dict(marks.distinct("strategy_id").values_list("strategy_id", "profit"))
    total = -sum(before.values(), ZERO)
    for strategy_id, rows in _positions_of(account, moved).items():
        if any(row.quantity for row in rows):
            total += profit(moved[strategy_id], rows)
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


def account_greeks(account: Account, *, but: OptionStrategy) -> tuple[Decimal, Decimal] | None:
    """The same over everything else that is open, each at the spot it was computed at; None when one is unknown."""
    delta = vega = ZERO
    others = OptionStrategy.objects.prefetch_related("legs").in_bulk(_open_strategies(account, but=but))
    positions = _positions_of(account, others)
    for strategy_id, strategy in others.items():
        units: dict[Contract, int] = {}
        for row in positions.get(strategy_id, ()):
            contract = _contract_of(strategy.stock_name, row.expiry, row.strike, row.option_type)
            units[contract] = units.get(contract, 0) + row.quantity
        found = greeks_of([(leg, units.get(leg.contract, 0)) for leg in strategy.legs.all()], strategy.spot_price)
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
    return LegOrder.objects.filter(run__account=account, state__in=UNCLEAR).count()


def critical_alerts(account: Account) -> int:
    """CRITICAL alerts that wait for a person."""
    return Alert.objects.filter(account=account, level=AlertLevel.CRITICAL, acknowledged_at=None).count()


def _contract_of(underlying: str, expiry: date | None, strike: Decimal | float | None, code: str | None) -> Contract:
    if code is None or strike is None:
        return Contract(underlying)
    return Contract(underlying, expiry, float(strike), OptionType.from_code(code))


def _open_strategies(account: Account, *, but: OptionStrategy) -> set[int]:
    """What holds something or has an entry under way."""
    holding = Position.objects.filter(account=account).exclude(quantity=0).values_list("strategy_id", flat=True)
    entries = ExecutionRun.objects.open().filter(account=account, purpose=RunPurpose.ENTRY)
    under_way = entries.exclude(state__in=[RunState.CREATED, RunState.PRECHECK]).values_list("strategy_id", flat=True)
    return {*holding, *under_way} - {but.pk}


def _contract_in(row: Mapping[str, Any], underlying: str) -> Contract:
    """The same from JSON."""
    expiry = row["expiry_date"]
    return _contract_of(
        underlying, None if expiry is None else date.fromisoformat(expiry), row["strike_price"], row["option_type"]
    )


def _other_runs(strategy: OptionStrategy, run_id: int | None) -> int:
    rows = ExecutionRun.objects.filter(strategy=strategy, purpose=RunPurpose.ENTRY, state__in=LIVE_OR_COMPLETE)
    return rows.exclude(pk=run_id).count()


def _same_legs(strategy: OptionStrategy, account: Account, run_id: int | None, *, within: timedelta) -> int:
    """Entries of other strategies with the same legs, in the time people live in."""
    recent = ExecutionRun.objects.filter(
        account=account, purpose=RunPurpose.ENTRY, started_at__gt=timezone.now() - within, state__in=LIVE_OR_COMPLETE
    )
    recent = recent.filter(strategy__stock_name=strategy.stock_name).exclude(pk=run_id).exclude(strategy=strategy)
    wanted = _leg_set(strategy)
    return sum(_leg_set(run.strategy) == wanted for run in recent.select_related("strategy"))


def _leg_set(strategy: OptionStrategy) -> Sequence[tuple[object, ...]]:
    rows = strategy.legs.values_list("setup_type", "option_type", "strike", "expiry", "lots")
    return sorted(rows, key=repr)


def _lots_today(strategy: OptionStrategy, account: Account, now: datetime) -> int | None:
    """Lots of options opened on this underlying since midnight; None when a lot is not known."""
    rows = Trade.objects.filter(
        account=account,
        strategy__stock_name=strategy.stock_name,
        purpose=RunPurpose.ENTRY,
        option_type__isnull=False,
        timestamp__gte=midnight(now),
        timestamp__lte=now,
    ).values_list("strategy__lot_size", "quantity")
    lots = 0
    for lot_size, quantity in rows:
        if not lot_size:
            return None
        lots += -(-quantity // lot_size)
    return lots


def _rejects_in_a_row(strategy: OptionStrategy, *, most: int) -> int:
    ended = LegOrder.objects.filter(run__strategy=strategy, state__in=ANSWERED)
    streak = 0
    ended = ended.exclude(reason_code__in=RETRYABLE)  # asked for pace, not refused
    for state in ended.order_by("-id").values_list("state", flat=True)[:most]:
        if state not in REFUSED:
            break
        streak += 1
    return streak


def _rejects_lately(account: Account, now: datetime, *, within: timedelta) -> int:
    """By market moments, as orders are written down: a replayed day counts its own."""
    rows = LegOrder.objects.filter(run__account=account, state__in=REFUSED).exclude(reason_code__in=RETRYABLE)
    return rows.filter(intended_at__gt=now - within, intended_at__lte=now).count()


def _at_stake(strategy: OptionStrategy, account: Account) -> Decimal | None:
    if strategy.unlimited_loss:
        return allocated_margin(strategy, account)
    return None if strategy.max_loss is None else strategy.max_loss * strategy.sets


def _moved_since(account: Account, start: datetime) -> set[int]:
    """Strategies that hold something or traded since; nothing else can have moved the day's result."""
    holding = Position.objects.filter(account=account).exclude(quantity=0).values_list("strategy_id", flat=True)
    traded = Trade.objects.filter(account=account, timestamp__gte=start).values_list("strategy_id", flat=True)
    return {*holding, *traded}


def _positions_of(account: Account, strategies: Collection[int]) -> Mapping[int, Sequence[Position]]:
    """What the trades of these strategies add up to, by strategy; none for one that never traded."""
    found: dict[int, list[Position]] = {}
    for row in Position.objects.filter(account=account, strategy__in=strategies):
        found.setdefault(row.strategy_id, []).append(row)
    return found
