"""From a strategy row to a basket that may be sent: resolve every leg, price every order, ask every check."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal

from allocation.models import Account, Allocation
from execution import checks
from execution.basket import (
    Held,
    Phase,
    Slice,
    after,
    entry_would_uncover,
    outstanding,
    positions,
    uncovered_short,
)
from execution.checks import Candidate
from execution.errors import ExecutionDenied
from execution.limit_price import ENTRY_PRICES, EXIT_PRICES, PriceRules, limit_price
from execution.models import ExecutionRun, Position, Trade
from execution.ports import Broker
from execution.services.listing import ListedLeg, closing_legs, listed_legs
from market.calendar import IST, closed_reason
from market.contract import Contract, OptionType, Side
from market.errors import OptionsError, Reason
from market.ports import MarketSource, Touch
from market.rulebook import equity_charges, option_charges
from strategies.models import OptionStrategy

# The one structure whose short puts are covered by cash instead of by a long put.
CASH_SECURED = "cash-secured-put"


@dataclass(frozen=True, slots=True)
class Desk:
    """What a run acts with: whom it asks, for whom it acts, and at which market moment."""

    broker: Broker
    market: MarketSource
    account: Account
    as_of: datetime

    @property
    def day(self) -> date:
        """The IST day of the moment."""
        return self.as_of.astimezone(IST).date()


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
    or a price. `notes` say what an exit has to leave for now without being stopped by it.
    """

    strategy: OptionStrategy
    purpose: str
    legs: tuple[ListedLeg, ...]
    orders: tuple[PlannedOrder, ...]
    denials: tuple[Reason, ...]
    priced: bool
    cash_needed: Decimal | None = None
    notes: tuple[Reason, ...] = ()

    @property
    def charges(self) -> Decimal | None:
        """Of all orders."""
        return sum((order.charges for order in self.orders), Decimal(0)) if self.priced else None

    @property
    def net_premium(self) -> Decimal | None:
        """At the touch."""
        return sum((_at_touch(order) for order in self.orders), Decimal(0)) if self.priced else None

    @property
    def listed(self) -> dict[int, ListedLeg]:
        """Legs by number."""
        return {listed.leg.number: listed for listed in self.legs}


def prepare_entry(strategy: OptionStrategy, desk: Desk) -> BasketPreview:
    """Plan the opening basket and collect every reason not to send it."""
    return _prepare(strategy, desk, ExecutionRun.Purpose.ENTRY, _entry_legs, held={})


def prepare_exit(strategy: OptionStrategy, desk: Desk, held: Held) -> BasketPreview:
    """Plan the closing basket: what was held when it began, whatever of it is done already."""
    return _prepare(strategy, desk, ExecutionRun.Purpose.EXIT, _exit_legs, held=held)


def prepare_unwind(strategy: OptionStrategy, desk: Desk) -> BasketPreview:
    """The opening basket as it was meant, to finish by what is filled or to take back; nothing of it is sent anew."""
    return _prepare(strategy, desk, ExecutionRun.Purpose.ENTRY, _unwind_legs, held={})


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


def cover_of(strategy: OptionStrategy, account: Account) -> dict[str, bool]:
    """What may stand in for a covering leg."""
    return {"cash_secured": strategy.structure == CASH_SECURED, "allow_naked": account.allow_naked}


def _prepare(
    strategy: OptionStrategy,
    desk: Desk,
    purpose: str,
    make_legs: Callable[[OptionStrategy, Desk], list[ListedLeg]],
    *,
    held: Held,
) -> BasketPreview:
    try:
        legs = make_legs(strategy, desk)
    except OptionsError as error:
        return BasketPreview(strategy, purpose, (), (), (error.reason,), priced=False)
    orders, unpriced = _plan(legs, held, desk, purpose)
    plan = BasketPreview(strategy, purpose, tuple(legs), tuple(orders), (), priced=not unpriced)
    if purpose == ExecutionRun.Purpose.ENTRY:
        plan = replace(plan, cash_needed=_cash_needed(plan, desk.account))
        gate = _entry_gate(plan, desk)
    else:
        gate = _exit_gate(plan, desk)
        waiting = [number for number in unpriced if _can_wait(number, plan)]
        notes = _unique([unpriced.pop(number) for number in waiting])
        # The driver stops at the first order it cannot price: what can be closed goes before what cannot.
        legs = sorted(plan.legs, key=lambda one: one.leg.number in waiting)
        plan = replace(plan, legs=tuple(legs), notes=notes)
    return replace(plan, denials=_unique([*_answers(gate), *unpriced.values()]))


def _can_wait(number: int, plan: BasketPreview) -> bool:
    """Whether an exit may leave this unpriced leg for later: a long if anything, a short if another can be closed."""
    side = plan.listed[number].leg.side
    return any(side is Side.SELL or order.piece.side is Side.BUY for order in plan.orders)


def _entry_legs(strategy: OptionStrategy, desk: Desk) -> list[ListedLeg]:
    return listed_legs(strategy, desk.as_of)


def _unwind_legs(strategy: OptionStrategy, desk: Desk) -> list[ListedLeg]:
    return listed_legs(strategy, desk.as_of, leaving=True)


def _exit_legs(strategy: OptionStrategy, desk: Desk) -> list[ListedLeg]:
    return closing_legs(strategy, _held_before_exit(strategy, desk.account), desk.as_of)


def _held_before_exit(strategy: OptionStrategy, account: Account) -> dict[Contract, int]:
    """Signed units by contract when the open exit began: what is held now without what that exit has traded."""
    units: dict[Contract, int] = {}
    for row in Position.objects.filter(strategy=strategy, account=account):
        contract = _contract(strategy, row)
        units[contract] = units.get(contract, 0) + row.quantity
    exits = ExecutionRun.objects.open().filter(strategy=strategy, purpose=ExecutionRun.Purpose.EXIT)
    for trade in Trade.objects.filter(leg_order__run__in=exits):
        contract = _contract(strategy, trade)
        units[contract] = units.get(contract, 0) - Side(trade.action).sign * trade.quantity
    return units


def _contract(strategy: OptionStrategy, row: Position | Trade) -> Contract:
    if row.option_type is None or row.strike is None:
        return Contract(strategy.stock_name)
    return Contract(strategy.stock_name, row.expiry, float(row.strike), OptionType.from_code(row.option_type))


def _plan(
    legs: Sequence[ListedLeg], held: Held, desk: Desk, purpose: str
) -> tuple[list[PlannedOrder], dict[int, Reason]]:
    """Every order still to be sent, priced as its first attempt, and by leg number why some cannot be."""
    by_number = {listed.leg.number: listed for listed in legs}
    basket = [listed.leg for listed in legs]
    orders: list[PlannedOrder] = []
    refusals: dict[int, Reason] = {}
    for phase in (Phase.BUYING, Phase.SELLING):
        for piece in outstanding(phase, basket, held):
            try:
                listed = by_number[piece.leg.number]
                orders.append(plan_order(listed, piece, desk, attempt=1, rules=prices_for(purpose)))
            except OptionsError as error:
                refusals[piece.leg.number] = error.reason
    return orders, refusals


Check = Callable[[], Reason | None]


def _entry_gate(preview: BasketPreview, desk: Desk) -> Iterator[Check]:
    strategy, account = preview.strategy, desk.account
    candidate = _candidate(strategy, preview.legs)
    basket = [listed.leg for listed in preview.legs]
    yield from _session_checks(preview, desk)
    yield lambda: checks.not_queued(candidate)
    yield lambda: checks.generated_later(candidate, desk.as_of)
    yield lambda: checks.approval_changed(candidate)
    yield lambda: checks.expired(candidate, desk.as_of)
    yield lambda: checks.approval_expired(candidate, desk.day)
    yield lambda: _lots_unchanged(preview)
    yield lambda: _premium_moved(preview, candidate)
    yield lambda: checks.naked_not_allowed(candidate, allow_naked=account.allow_naked)
    yield lambda: entry_would_uncover(basket, **cover_of(strategy, account))
    yield lambda: checks.risk_unknown(candidate, margin=_margin(strategy, account))
    needed = preview.cash_needed
    if needed is not None:
        yield lambda: checks.funds_short(needed=needed, free=free_funds(desk, but=strategy))


def _cash_needed(plan: BasketPreview, account: Account) -> Decimal | None:
    """What an entry must find free: what its buys cost at their limits before any sale, or its worst loss if more."""
    if plan.charges is None:
        return None
    bought = sum((order.value for order in plan.orders if order.piece.side is Side.BUY), Decimal(0))
    at_risk = checks.at_risk(_candidate(plan.strategy, plan.legs), margin=_margin(plan.strategy, account))
    return None if at_risk is None else max(bought + plan.charges, at_risk)


def _exit_gate(preview: BasketPreview, desk: Desk) -> Iterator[Check]:
    candidate = _candidate(preview.strategy, preview.legs)
    yield from _session_checks(preview, desk)
    yield lambda: checks.expired(candidate, desk.as_of)


def _session_checks(preview: BasketPreview, desk: Desk) -> Iterator[Check]:
    for exchange in sorted({listed.exchange for listed in preview.legs}):
        yield lambda exchange=exchange: closed_reason(desk.as_of, exchange=exchange)  # type: ignore[misc]


def _answers(gate: Iterable[Check]) -> Iterator[Reason]:
    """What each check says; a check that cannot answer has answered no."""
    for check in gate:
        try:
            reason = check()
        except OptionsError as error:
            reason = error.reason
        if reason is not None:
            yield reason


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


def _lots_unchanged(preview: BasketPreview) -> Reason | None:
    approved = preview.strategy.lot_size
    found = (checks.lot_changed(one.leg.contract, approved=approved, listed=one.leg.lot_size) for one in preview.legs)
    return next((reason for reason in found if reason is not None), None)


def _premium_moved(preview: BasketPreview, candidate: Candidate) -> Reason | None:
    """The premium of the option legs for one set, as the generator stored it, against the touch of now."""
    orders = [order for order in preview.orders if order.listed.leg.contract.is_option]
    now = sum((_at_touch(order) for order in orders), Decimal(0)) / candidate.sets if preview.priced else None
    ticks = sum((order.listed.tick * order.piece.quantity for order in orders), Decimal(0)) / candidate.sets
    return checks.premium_moved(candidate, now=now, tick_value=ticks)


def _margin(strategy: OptionStrategy, account: Account) -> Decimal | None:
    """What the allocator computed for this account and as many sets as are traded; a refusal computed nothing."""
    rows = Allocation.objects.filter(strategy=strategy, run__account=account, sets__gt=0, margin__isnull=False)
    newest = rows.order_by("-run_id").first()
    return newest.margin if newest is not None and newest.sets == strategy.sets else None


def free_funds(desk: Desk, *, but: OptionStrategy) -> Decimal:
    """The broker's balance less what open strategies keep set aside; raises when one's risk is unknown."""
    free = desk.broker.funds(now=desk.as_of).available
    balances = _open_cash(desk.account, but=but)
    for strategy_id, strategy in OptionStrategy.objects.in_bulk(list(balances)).items():
        cash = balances[strategy_id]
        aside = (
            _margin(strategy, desk.account)
            if strategy.unlimited_loss
            else checks.blocked(cash=cash, max_loss=strategy.max_loss, sets=strategy.sets)
        )
        if aside is None:
            raise ExecutionDenied(
                Reason(
                    "RISK_UNKNOWN", f"The risk of the open strategy {strategy_id} is unknown.", "Close or allocate it."
                )
            )
        free -= aside
    return free


def _open_cash(account: Account, *, but: OptionStrategy) -> dict[int, Decimal]:
    """Rupees received minus paid, by strategy that still holds something."""
    rows = Position.objects.filter(account=account).exclude(strategy=but)
    cash: dict[int, Decimal] = {}
    holding: set[int] = set()
    for row in rows:
        cash[row.strategy_id] = cash.get(row.strategy_id, Decimal(0)) + row.cash
        if row.quantity:
            holding.add(row.strategy_id)
    return {strategy_id: amount for strategy_id, amount in cash.items() if strategy_id in holding}


def sale_would_uncover(preview: BasketPreview, held: Held, piece: Slice, account: Account) -> Reason | None:
    """The cover rule at the last moment, on what is really filled."""
    if piece.side is Side.BUY:
        return None
    then = after(_entry_positions(preview, held), piece)
    return uncovered_short(then, **cover_of(preview.strategy, account))


def _entry_positions(preview: BasketPreview, held: Held) -> dict[Contract, int]:
    """Signed units that the strategy holds: for an exit, what was opened plus what the exit has traded."""
    legs = [listed.leg for listed in preview.legs]
    now = positions(legs, held)
    if preview.purpose == ExecutionRun.Purpose.EXIT:
        for leg in legs:
            now[leg.contract] -= leg.side.sign * leg.quantity
    return now


def _at_touch(order: PlannedOrder) -> Decimal:
    price = order.touch.ask if order.piece.side is Side.BUY else order.touch.bid
    return -order.piece.side.sign * price * order.piece.quantity
