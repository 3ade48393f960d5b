"""What expired in our books is settled by a person who types the published settlement price; nothing is assumed."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from django.db import transaction

from allocation.models import Account
from execution.errors import ExecutionDenied
from execution.lifecycle import StrategyEvent, StrategyState
from execution.models import AlertLevel, ExecutionRun, Position, RunPurpose, Trade
from execution.services.alerts import tell_once
from execution.services.preparation import Desk
from execution.services.transitions import move_strategy, state_of
from market.calendar import IST, expiry_moment
from market.contract import OptionType, Side
from market.errors import Reason
from market.models import Underlying
from market.rulebook.charges import exercise_stt
from strategies.models import OptionStrategy

logger = logging.getLogger(__name__)

SETTLED = "SETTLED"
HIGHEST_PRICE = Decimal(10_000_000)


@dataclass(frozen=True, slots=True)
class Settled:
    """One contract taken out of the books: units bought (+) or sold (-) at its intrinsic value, rupees."""

    symbol: str
    units: int
    price: Decimal
    charges: Decimal


def delivers(symbol: str) -> bool:
    """Whether options on it settle in shares; what nobody knows is treated as if they did, the earlier way out."""
    kind = Underlying.objects.filter(symbol=symbol).values_list("kind", flat=True).first()
    return kind != Underlying.Kind.INDEX


def expired(account: Account, now: datetime, *, strategy_id: int | None = None) -> list[Position]:
    """What our books still hold of contracts that are over."""
    rows = Position.objects.filter(account=account, expiry__lte=now.astimezone(IST).date()).exclude(quantity=0)
    if strategy_id is not None:
        rows = rows.filter(strategy_id=strategy_id)
    found = rows.select_related("strategy").order_by("strategy_id", "symbol")
    return [row for row in found if row.expiry is not None and now >= expiry_moment(row.expiry)]


def tell_expired(desk: Desk) -> None:
    """Warn once that something waits for its settlement price."""
    waiting = expired(desk.account, desk.as_of)
    if waiting:
        sentence = f"{len(waiting)} expired contracts wait for their settlement price, {waiting[0].symbol} among them."
        remedy = "manage.py settle_expiry lists them and books them at the price you type."
        tell_once(desk.account, AlertLevel.WARNING, Reason("EXPIRED_HELD", sentence, remedy))


def settle_expired(
    account: Account, strategy_id: int, *, settlement: Decimal, delivered: bool, actor: str, now: datetime
) -> list[Settled]:
    """Book every expired contract of a strategy at its intrinsic value; the strategy closes when nothing is left.

    Raises ExecutionDenied, and books nothing, where there is nothing to settle, an exit is under way, the contracts
    expired on several days, or shares would change hands and nobody said that they did.
    """
    _require_price(settlement)
    with transaction.atomic():
        strategy = OptionStrategy.objects.select_for_update().filter(pk=strategy_id).first()
        if strategy is None:
            raise _denied("UNKNOWN_STRATEGY", f"There is no strategy {strategy_id}.", "List them: settle_expiry.")
        rows = expired(account, now, strategy_id=strategy_id)
        day = _one_day(rows, strategy)
        _require_at_rest(strategy, account)
        done = [_booked(row, _intrinsic(row, settlement), day, now) for row in rows]
        _require_told_of_shares(strategy, done, delivered=delivered)
        if not Position.objects.filter(strategy=strategy, account=account).exclude(quantity=0).exists():
            note = f"Expired on {day} at a settlement price of {settlement}, entered by {actor}."
            move_strategy(strategy, StrategyEvent.CLOSE)
            move_strategy(strategy, StrategyEvent.CLOSED, note=note)
    logger.warning("strategy %s settled at %s by %s: %s contracts", strategy_id, settlement, actor, len(done))
    return done


def _require_price(settlement: Decimal) -> None:
    if not (settlement.is_finite() and 0 < settlement <= HIGHEST_PRICE):
        raise _denied("SETTLEMENT_PRICE", f"{settlement} is not the price of an underlying.", "Type the published one.")


def _one_day(rows: Sequence[Position], strategy: OptionStrategy) -> date:
    days = {row.expiry for row in rows if row.expiry is not None}
    if len(days) != 1:
        found = "Nothing" if not days else f"More than one expiry ({', '.join(map(str, sorted(days)))})"
        raise _denied("NOTHING_EXPIRED", f"{found} of strategy {strategy.pk} waits for one settlement price.", "")
    return days.pop()


def _require_at_rest(strategy: OptionStrategy, account: Account) -> None:
    under_way = ExecutionRun.objects.open().filter(strategy=strategy, account=account)
    if under_way.exists() or state_of(strategy) is not StrategyState.EXECUTED:
        sentence = f"Strategy {strategy.pk} has a run under way or is not held ({state_of(strategy)})."
        raise _denied("RUN_UNDER_WAY", sentence, "Let it end, or settle it: manage.py attention settle RUN.")


def _require_told_of_shares(strategy: OptionStrategy, done: Sequence[Settled], *, delivered: bool) -> None:
    if delivered or not delivers(strategy.stock_name) or not any(one.price for one in done):
        return
    sentence = f"{strategy.stock_name} options in the money are settled in shares, which these books do not keep."
    raise _denied("DELIVERY", sentence, "If the shares were delivered, say so: --delivered.")


def _intrinsic(row: Position, settlement: Decimal) -> Decimal:
    if row.strike is None or row.option_type is None:
        raise _denied("NO_OPTION", f"{row.symbol} is no option and does not expire.", "")
    sign = 1 if OptionType.from_code(row.option_type) is OptionType.CALL else -1
    return max(sign * (settlement - row.strike), Decimal(0))


def _booked(row: Position, price: Decimal, day: date, now: datetime) -> Settled:
    """The trade that closes it; the holder of an exercised option pays STT on its value."""
    side = Side.SELL if row.quantity > 0 else Side.BUY
    charges = Decimal(0)
    if price and row.quantity > 0:
        charges = exercise_stt(intrinsic=price, quantity=row.quantity, as_of=day)
    Trade.objects.create(
        strategy_id=row.strategy_id,
        account_id=row.account_id,
        order_id=f"EXPIRY-{row.strategy_id}-{row.security_id}",
        trade_number=str(row.account_id),
        security_id=row.security_id,
        symbol=row.symbol,
        action=side.value,
        option_type=row.option_type,
        strike=row.strike,
        expiry=row.expiry,
        quantity=abs(row.quantity),
        price=price,
        charges=charges,
        order_status=SETTLED,
        order_type="EXPIRY",
        purpose=RunPurpose.EXIT,
        timestamp=min(now, expiry_moment(day)),
    )
    return Settled(row.symbol, -row.quantity, price, charges)


def _denied(code: str, sentence: str, remedy: str) -> ExecutionDenied:
    return ExecutionDenied(Reason(code, sentence, remedy))
