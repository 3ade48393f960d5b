"""From a strategy row to a basket: resolve every leg, price every order."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.db import connection

from allocation.models import Account, Allocation
from allocation.services import credit_per_set
from execution import checks
from execution.checks import Candidate
from execution.clock import SteppedClock
from execution.cover import after, positions, uncovered_short
from execution.errors import ExecutionDenied
from execution.legs import Phase, Slice, outstanding
from execution.lifecycle import ENDED_RUNS
from execution.limit_price import ENTRY_PRICES, EXIT_PRICES, PriceRules, limit_price
from execution.models import ExecutionRun, Position
from execution.ports import Broker, Clock, OrderRequest
from execution.services.listing import ListedLeg, closing_legs, listed_legs
from market.calendar import IST
from market.contract import Contract, OptionType, Side
from market.errors import OptionsError, Reason
from market.ports import MarketSource, Touch
from market.rulebook import equity_charges, option_charges
from strategies.models import OptionStrategy, StrategyLeg

# The one structure whose short puts are covered by cash instead of by a long put.
CASH_SECURED = "cash-secured-put"


@dataclass(frozen=True, slots=True)
class Desk:
    """What a run acts with: whom it asks, for whom it acts, and by which clock."""

    broker: Broker
    market: MarketSource
    account: Account
    clock: Clock

    @property
    def as_of(self) -> datetime:
        """The market moment of now."""
        return self.clock.now()

    @property
    def day(self) -> date:
        """The IST day of the moment."""
        return self.as_of.astimezone(IST).date()

    @property
    def replays(self) -> bool:
        """Whether a recorded day is gone through again, which may be known at its last minute only."""
        return self.market.name == "recorded" and isinstance(self.clock, SteppedClock)


@dataclass(frozen=True, slots=True)
class PlannedOrder:
    """One order as it would be sent now."""

    listed: ListedLeg
    piece: Slice
    touch: Touch
    limit: Decimal
    charges: Decimal

    @property
    def value(self) -> Decimal:
        """Rupees at the limit."""
        return self.limit * self.piece.quantity


@dataclass(frozen=True, slots=True)
class BasketPreview:
    """Everything a person should see before a basket is sent; rupees, credit positive, None where unknown.

    `cash_needed` is what the funds check of an entry demands; `priced` says that no order is missing for want of a leg
    or a price. `notes` say what an exit has to leave for now without being stopped by it, `waiting` which legs.
    """

    strategy: OptionStrategy
    purpose: str
    legs: tuple[ListedLeg, ...]
    orders: tuple[PlannedOrder, ...]
    denials: tuple[Reason, ...]
    priced: bool
    cash_needed: Decimal | None = None
    notes: tuple[Reason, ...] = ()
    waiting: frozenset[int] = frozenset()
    passes: bool = False  # what denies it is of this moment only

    @property
    def charges(self) -> Decimal | None:
        """Of all orders."""
        return sum((order.charges for order in self.orders), Decimal(0)) if self.priced else None

    @property
    def net_premium(self) -> Decimal | None:
        """At the touch."""
        return sum((at_touch(order.piece, order.touch) for order in self.orders), Decimal(0)) if self.priced else None

    @property
    def listed(self) -> dict[int, ListedLeg]:
        """Legs by number."""
        return {listed.leg.number: listed for listed in self.legs}


def prepare_entry(strategy: OptionStrategy, desk: Desk) -> BasketPreview:
    """Plan the opening basket; what cannot be resolved or priced denies it, the gate asks everything else."""
    return _prepare(strategy, desk, ExecutionRun.Purpose.ENTRY, lambda: listed_legs(strategy, desk.as_of))


def prepare_exit(strategy: OptionStrategy, desk: Desk, purpose: str = ExecutionRun.Purpose.EXIT) -> BasketPreview:
    """Plan the basket that closes what this strategy holds on this account now, and nothing else."""
    return _prepare(strategy, desk, purpose, lambda: exit_legs(strategy, desk))


def exit_legs(strategy: OptionStrategy, desk: Desk) -> list[ListedLeg]:
    """The legs that bring what is held to nothing."""
    return closing_legs(strategy, _held_units(strategy, desk.account), desk.as_of)


def prices_for(purpose: str) -> PriceRules:
    """How far limits may go for this purpose."""
    return ENTRY_PRICES if purpose == ExecutionRun.Purpose.ENTRY else EXIT_PRICES


def plan_order(listed: ListedLeg, piece: Slice, desk: Desk, *, attempt: int, rules: PriceRules) -> PlannedOrder:
    """Price one order on the newest touch; raises when the touch is missing, old, late or too wide."""
    contract = listed.leg.contract
    touch = desk.market.touch(contract, as_of=desk.as_of)
    unusable = checks.quote_unusable(contract, touch, desk.as_of)
    if unusable is not None:
        raise ExecutionDenied(unusable)
    limit = limit_price(
        side=piece.side, touch=touch, tick=listed.tick, attempt=attempt, rules=rules, banded=contract.is_option
    )
    charges = order_charges(listed, side=piece.side, price=limit, quantity=piece.quantity, day=desk.day)
    return PlannedOrder(listed, piece, touch, limit, charges)


def order_charges(listed: ListedLeg, *, side: Side, price: Decimal, quantity: int, day: date) -> Decimal:
    """Brokerage, taxes and fees of one executed order, rupees to the paisa."""
    if listed.leg.contract.is_option:
        found = option_charges(side=side.value, premium=price, quantity=quantity, exchange=listed.exchange, as_of=day)
    else:
        found = equity_charges(side=side.value, price=price, quantity=quantity, exchange=listed.exchange, as_of=day)
    return found.total.quantize(Decimal("0.01"))


def request_for(listed: ListedLeg, correlation_id: str, *, side: Side, quantity: int, limit: Decimal) -> OrderRequest:
    """An order on one leg in the broker's words; there is no second place where one is made."""
    return OrderRequest(
        correlation_id=correlation_id,
        segment=listed.segment,
        security_id=listed.security_id,
        contract=listed.leg.contract,
        side=side,
        quantity=quantity,
        limit_price=limit,
        tick_size=listed.tick,
        lot_size=listed.unit_lot,
        product=listed.product,
    )


def cover_of(structure: str, account: Account) -> dict[str, bool]:
    """What may stand in for a covering leg."""
    return {"cash_secured": structure == CASH_SECURED, "allow_naked": account.allow_naked}


def _prepare(
    strategy: OptionStrategy, desk: Desk, purpose: str, make_legs: Callable[[], list[ListedLeg]]
) -> BasketPreview:
    try:
        legs = make_legs()
    except OptionsError as error:
        return BasketPreview(strategy, purpose, (), (), (error.reason,), priced=False)
    orders, unpriced = _plan(legs, desk, purpose)
    plan = BasketPreview(strategy, purpose, tuple(legs), tuple(orders), (), priced=not unpriced)
    if purpose == ExecutionRun.Purpose.ENTRY:
        plan = replace(plan, cash_needed=_cash_needed(plan, desk.account))
        return replace(plan, denials=_unique(unpriced.values()))
    waiting = {number: unpriced.pop(number) for number in list(unpriced) if _can_wait(number, plan)}
    plan = replace(plan, denials=_unique(unpriced.values()))
    return _without(plan, waiting | _still_cover(plan, waiting, desk.account))


def _still_cover(plan: BasketPreview, waiting: Collection[int], account: Account) -> dict[int, Reason]:
    """Longs that an exit may not sell yet, since they cover a short that has to wait, each with why."""
    if not any(plan.listed[number].leg.side is Side.BUY for number in waiting):
        return {}
    opening = {one.leg.number: -one.leg.side.sign * one.leg.quantity for one in plan.legs}
    position, kept = positions([one.leg for one in plan.legs], opening), dict[int, Reason]()
    for order in plan.orders:  # the purchases come first
        filled = after(position, order.piece)
        naked = uncovered_short(filled, **cover_of(plan.strategy.structure, account))
        if order.piece.side is Side.SELL and naked is not None:
            kept[order.piece.leg.number] = naked
        else:
            position = filled
    return kept


def _without(plan: BasketPreview, waiting: Mapping[int, Reason]) -> BasketPreview:
    """The plan without the orders of these legs, and a note for each of them."""
    orders = tuple(order for order in plan.orders if order.piece.leg.number not in waiting)
    return replace(plan, orders=orders, waiting=frozenset(waiting), notes=_unique(waiting.values()))


def _can_wait(number: int, plan: BasketPreview) -> bool:
    """Whether an exit may leave this unpriced leg for later: a long if anything, a short if another can be closed."""
    side = plan.listed[number].leg.side
    return any(side is Side.SELL or order.piece.side is Side.BUY for order in plan.orders)


def _held_units(strategy: OptionStrategy, account: Account) -> dict[Contract, int]:
    """Signed units by contract."""
    units: dict[Contract, int] = {}
    for row in Position.objects.filter(strategy=strategy, account=account):
        contract = contract_of(strategy, row)
        units[contract] = units.get(contract, 0) + row.quantity
    return units


def contract_of(strategy: OptionStrategy, row: Position) -> Contract:
    """The contract a position is in."""
    if row.option_type is None or row.strike is None:
        return Contract(strategy.stock_name)
    return Contract(strategy.stock_name, row.expiry, float(row.strike), OptionType.from_code(row.option_type))


def _plan(legs: Sequence[ListedLeg], desk: Desk, purpose: str) -> tuple[list[PlannedOrder], dict[int, Reason]]:
    """Every order to be sent, priced as its first attempt, and by leg number why some cannot be."""
    by_number = {listed.leg.number: listed for listed in legs}
    basket = [listed.leg for listed in legs]
    orders: list[PlannedOrder] = []
    refusals: dict[int, Reason] = {}
    for phase in (Phase.BUYING, Phase.SELLING):
        for piece in outstanding(phase, basket, {}):
            try:
                listed = by_number[piece.leg.number]
                orders.append(plan_order(listed, piece, desk, attempt=1, rules=prices_for(purpose)))
            except OptionsError as error:
                refusals[piece.leg.number] = error.reason
    return orders, refusals


def _cash_needed(plan: BasketPreview, account: Account) -> Decimal | None:
    """What an entry must find free: what its buys cost at their limits before any sale, or its worst loss if more."""
    if plan.charges is None:
        return None
    bought = sum((order.value for order in plan.orders if order.piece.side is Side.BUY), Decimal(0))
    at_risk = checks.at_risk(_candidate(plan.strategy, plan.legs), margin=allocated_margin(plan.strategy, account))
    return None if at_risk is None else max(bought + plan.charges, at_risk)


def _unique(reasons: Iterable[Reason]) -> tuple[Reason, ...]:
    return tuple(dict.fromkeys(reasons))


def _candidate(strategy: OptionStrategy, legs: Sequence[ListedLeg]) -> Candidate:
    return Candidate(
        marked=strategy.marked_for_execution,
        priority=strategy.execution_priority,
        generated_on=strategy.generated_on,
        trade_date=strategy.trade_date,
        content_hash=strategy.content_hash,
        approved_hash=strategy.approved_hash,
        expiries=[listed.leg.contract.expiry for listed in legs if listed.leg.contract.expiry is not None],
        sets=strategy.sets,
        max_loss=strategy.max_loss,
        unlimited_loss=strategy.unlimited_loss,
        net_premium=strategy.net_premium,
    )


def allocated_margin(strategy: OptionStrategy, account: Account) -> Decimal | None:
    """What the allocator computed for this account and as many sets as are traded; a refusal computed nothing.

    Of one's own money: the credit of the sold options counts towards it.
    """
    rows = Allocation.objects.filter(strategy=strategy, run__account=account, sets__gt=0, margin__isnull=False)
    newest = rows.order_by("-run_id").first()
    return newest.margin if newest is not None and newest.sets == strategy.sets else None


def gross_margin(strategy: OptionStrategy, account: Account, legs: Iterable[StrategyLeg]) -> Decimal | None:
    """The same with the credit of the options, which is not one's own money but stays blocked as well."""
    margin = allocated_margin(strategy, account)
    if margin is None or strategy.lot_size is None:
        return None
    return margin + credit_per_set(legs, strategy.lot_size) * strategy.sets


def free_funds(desk: Desk, *, but: OptionStrategy) -> Decimal:
    """The broker's balance less what open and opening strategies keep set aside; raises when one's risk is unknown.

    An entry under way has its whole risk reserved before anything of it has filled.
    """
    free = desk.broker.funds().available
    asked: dict[str, Any] = {
        "account": desk.account.pk,
        "but": but.pk,
        "not_begun": sorted({*ENDED_RUNS, "created", "precheck"}),
    }
    with connection.cursor() as cursor:
        cursor.execute(_AT_RISK, asked)
        rows = cursor.fetchall()
    for strategy_id, unlimited, max_loss, sets, cash in rows:
        if unlimited:
            margin = allocated_margin(OptionStrategy.objects.get(pk=strategy_id), desk.account)
            aside = checks.blocked(cash=cash, max_loss=margin, sets=1)  # it is that of all sets
        else:
            aside = checks.blocked(cash=cash, max_loss=max_loss, sets=sets)
        if aside is None:
            raise ExecutionDenied(
                Reason(
                    "RISK_UNKNOWN", f"The risk of the open strategy {strategy_id} is unknown.", "Close or allocate it."
                )
            )
        free -= aside
    return free


# Strategies that hold something, with the rupees received minus paid, and those with an entry under way.
_AT_RISK = """
WITH held AS (
    SELECT strategy_id, sum(cash) AS cash FROM v_positions
    WHERE account_id = %(account)s GROUP BY strategy_id HAVING bool_or(quantity <> 0)
)
SELECT s.id, s.unlimited_loss, s.max_loss, s.sets, coalesce(held.cash, 0)
FROM strategies s LEFT JOIN held ON held.strategy_id = s.id
WHERE s.id <> %(but)s AND (held.strategy_id IS NOT NULL OR s.id IN (
    SELECT strategy_id FROM execution_runs
    WHERE account_id = %(account)s AND purpose = 'entry' AND NOT state = ANY(%(not_begun)s)))
ORDER BY s.id
"""


def at_touch(piece: Slice, touch: Touch) -> Decimal:
    """Rupees that a slice brings (or costs, below zero) at the opposite touch."""
    price = touch.ask if piece.side is Side.BUY else touch.bid
    return -piece.side.sign * price * piece.quantity
