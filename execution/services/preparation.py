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
    entry_would_uncover,
    outstanding,
    positions,
    reversed_legs,
    uncovered_short,
)
from execution.checks import Candidate
from execution.errors import ExecutionDenied
from execution.limit_price import ENTRY_PRICES, EXIT_PRICES, PriceRules, limit_price
from execution.models import ExecutionRun, Position
from execution.ports import Broker
from execution.services.listing import ListedLeg, listed_legs
from market.calendar import IST, closed_reason
from market.contract import Contract, Side
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
    or a price.
    """

    strategy: OptionStrategy
    purpose: str
    legs: tuple[ListedLeg, ...]
    orders: tuple[PlannedOrder, ...]
    denials: tuple[Reason, ...]
    priced: bool
    cash_needed: Decimal | None = None

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
    """Plan the closing basket: the legs reversed, whatever of it is done already."""
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
        plan = replace(plan, cash_needed=_cash_needed(plan))
        gate = _entry_gate(plan, desk)
    else:
        gate = _exit_gate(plan, desk)
    return replace(plan, denials=_unique([*_answers(gate), *unpriced]))


def _entry_legs(strategy: OptionStrategy, desk: Desk) -> list[ListedLeg]:
    return listed_legs(strategy, desk.as_of)


def _unwind_legs(strategy: OptionStrategy, desk: Desk) -> list[ListedLeg]:
    return listed_legs(strategy, desk.as_of, leaving=True)


def _exit_legs(strategy: OptionStrategy, desk: Desk) -> list[ListedLeg]:
    found = listed_legs(strategy, desk.as_of, leaving=True)
    turned = reversed_legs([listed.leg for listed in found])
    return [replace(one, leg=leg) for one, leg in zip(found, turned, strict=True)]


def _plan(legs: Sequence[ListedLeg], held: Held, desk: Desk, purpose: str) -> tuple[list[PlannedOrder], list[Reason]]:
    """Every order still to be sent, priced as its first attempt, and why some cannot be."""
    by_number = {listed.leg.number: listed for listed in legs}
    basket = [listed.leg for listed in legs]
    orders: list[PlannedOrder] = []
    refusals: list[Reason] = []
    for phase in (Phase.BUYING, Phase.SELLING):
        for piece in outstanding(phase, basket, held):
            try:
                listed = by_number[piece.leg.number]
                orders.append(plan_order(listed, piece, desk, attempt=1, rules=prices_for(purpose)))
            except OptionsError as error:
                refusals.append(error.reason)
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
    yield lambda: _lots_unchanged(preview)
    yield lambda: checks.naked_not_allowed(candidate, allow_naked=account.allow_naked)
    yield lambda: entry_would_uncover(basket, **cover_of(strategy, account))
    yield lambda: checks.risk_unknown(candidate, margin=_margin(strategy))
    needed = preview.cash_needed
    if needed is not None:
        yield lambda: checks.funds_short(needed=needed, free=free_funds(desk, but=strategy))


def _cash_needed(plan: BasketPreview) -> Decimal | None:
    """What an entry must find free: what its buys cost at their limits before any sale, or its worst loss if more."""
    if plan.charges is None:
        return None
    bought = sum((order.value for order in plan.orders if order.piece.side is Side.BUY), Decimal(0))
    at_risk = checks.at_risk(_candidate(plan.strategy, plan.legs), margin=_margin(plan.strategy))
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
        content_hash=strategy.content_hash,
        approved_hash=strategy.approved_hash,
        expiries=[listed.leg.contract.expiry for listed in legs if listed.leg.contract.expiry is not None],
        sets=strategy.sets,
        max_loss=strategy.max_loss,
        unlimited_loss=strategy.unlimited_loss,
    )


def _lots_unchanged(preview: BasketPreview) -> Reason | None:
    approved = preview.strategy.lot_size
    found = (checks.lot_changed(one.leg.contract, approved=approved, listed=one.leg.lot_size) for one in preview.legs)
    return next((reason for reason in found if reason is not None), None)


def _margin(strategy: OptionStrategy) -> Decimal | None:
    """What the allocator computed for all sets, if it ever did."""
    return (
        Allocation.objects.filter(strategy=strategy, margin__isnull=False)
        .order_by("-run_id")
        .values_list("margin", flat=True)
        .first()
    )


def free_funds(desk: Desk, *, but: OptionStrategy) -> Decimal:
    """The broker's balance less what open strategies keep set aside; raises when one's risk is unknown."""
    free = desk.broker.funds(now=desk.as_of).available
    balances = _open_cash(desk.account, but=but)
    for strategy_id, strategy in OptionStrategy.objects.in_bulk(list(balances)).items():
        cash = balances[strategy_id]
        aside = (
            _margin(strategy)
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
    now = _entry_positions(preview, held)
    contract = piece.leg.contract
    then = {**now, contract: now.get(contract, 0) - piece.quantity}
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
