"""One situation out of the database, the market and the broker; whatever cannot be read stays unknown."""

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Protocol, TypeVar

from django.utils import timezone

from allocation.models import Account
from execution.basket.values import Purpose
from execution.checks import (
    AccountFact,
    Approval,
    BrokerFact,
    CoverFact,
    DeskFact,
    DriftFact,
    LegFact,
    Limits,
    OrderFact,
    QuoteFact,
    RiskFact,
    ShadowFact,
    Situation,
    allowed_drift,
)
from execution.legs import Slice
from execution.ports import Broker
from execution.services.checks import counting
from execution.services.checks.open_book import OpenBook, read_book
from execution.services.listing import ListedLeg
from execution.services.preparation import CASH_SECURED, at_touch, gross_margin
from execution.services.standing import Standing, standing
from market.contract import Contract
from market.errors import OptionsError
from market.ports import Touch
from strategies.models import OptionStrategy, StrategyLeg

logger = logging.getLogger(__name__)

T = TypeVar("T")


class Planned(Protocol):
    """One order as it would be sent; services.preparation.PlannedOrder is one."""

    @property
    def listed(self) -> ListedLeg:
        """The leg with its instrument."""

    @property
    def piece(self) -> Slice:
        """Side and units."""

    @property
    def limit(self) -> Decimal:
        """Rupees per unit."""

    @property
    def touch(self) -> Touch:
        """What the limit was computed from."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Questions that only the desk can ask, each asked once and only for an entry; one that raises stays unknown.

    `free` is what may be spent less what open strategies set aside, `margin` what the broker would block for these
    orders, `spot` the underlying's price and its moment, `profit` what an open strategy is worth at the touch.
    """

    free: Callable[[], Decimal]
    margin: Callable[[], Decimal]
    spot: Callable[[], tuple[Decimal, datetime]]
    profit: counting.Profit
    cash_needed: Decimal | None = None
    armed_today: bool | None = None
    breaker_closed: bool | None = None
    needs_token: bool | None = None
    token_expires_at: datetime | None = None


def gather(
    strategy: OptionStrategy,
    *,
    account: Account,
    broker: Broker,
    legs: Sequence[ListedLeg],
    orders: Sequence[Planned],
    now: datetime,
    purpose: Purpose,
    limits: Limits,
    asked: Asked,
    run_id: int | None = None,
    waiting: Collection[int] = (),
) -> Situation:
    """Everything the whole gate looks at; `waiting` are the legs an exit leaves for later on purpose."""
    rows = {row.pk: row for row in strategy.legs.all()}
    facts = {one.leg.number: _leg(one, rows.get(one.row_id), strategy) for one in legs}
    sent = [one for one in legs if one.leg.number not in waiting]
    entering = purpose is Purpose.ENTRY
    spot = _known(asked.spot) if entering else None
    book = read_book(account, since=counting.midnight(now)) if entering else None
    read = counting.before_sending(strategy, account, run_id=run_id)
    return Situation(
        now=now,
        exchanges=tuple(one.exchange for one in legs),
        desk=_desk(account, broker, asked, standing(account.pk)),
        approval=_approval(strategy) if entering else None,
        drift=_drift(strategy, sent, orders, spot, limits) if entering else None,
        legs=tuple(facts.values()),
        orders=tuple(_order(one, facts[one.listed.leg.number]) for one in orders),
        working=read.working,
        risk=_risk(strategy, account, legs, list(rows.values()), asked, spot) if entering else None,
        account=None if book is None else _account(strategy, account, now, asked, book),
        counts=read.calls
        if book is None
        else counting.counts(strategy, account, now=now, run_id=run_id, limits=limits, book=book, calls=read.calls),
        broker=_broker(account, asked),
        cover=_cover(strategy, account, orders, read.held),
        shadow=_shadow(sent, orders),
    )


def gather_order(
    strategy: OptionStrategy,
    order: Planned,
    *,
    account: Account,
    broker: Broker,
    now: datetime,
    asked: Asked,
    intended: int,
    run_id: int,
    found: Standing,
) -> Situation:
    """What the cheap checks look at inside a SENDING transaction; `intended` are the units of the INTENT row.

    Every read here stands between a decision and the wire: `strategy` comes with its legs, `found` is held already.
    """
    row = next((one for one in strategy.legs.all() if one.pk == order.listed.row_id), None)
    fact = _leg(order.listed, row, strategy)
    spot, read = _known(asked.spot), counting.before_sending(strategy, account, run_id=run_id)
    return Situation(
        now=now,
        exchanges=(order.listed.exchange,),
        desk=_desk(account, broker, asked, found),
        drift=None if spot is None else DriftFact(spot=spot[0], spot_at=spot[1]),
        legs=(fact,),
        orders=(_order(order, fact),),
        working=read.working,
        counts=read.calls,
        cover=_cover(strategy, account, [order], read.held),
        shadow=ShadowFact(1, 1, intended, order.piece.quantity),
    )


def _known(question: Callable[[], T]) -> T | None:
    """An answer, or nothing where it was refused: the checks deny what is unknown."""
    try:
        return question()
    except OptionsError as error:
        logger.warning("a check will lack a fact: %s", error.reason)
        return None


def _desk(account: Account, broker: Broker, asked: Asked, found: Standing) -> DeskFact:
    """A broker of another mode than the account is nobody's mode."""
    mode = account.mode if broker.mode == account.mode else None
    return DeskFact(mode=mode, armed_today=asked.armed_today, trading_state=found.state.value, flattens=found.flattens)


def _approval(strategy: OptionStrategy) -> Approval:
    """Its age is counted by the clock people live by: the market moment may be one of last year."""
    marked_at = strategy.marked_at
    return Approval(
        marked=strategy.marked_for_execution,
        priority=strategy.execution_priority,
        generated_on=strategy.generated_on,
        trade_date=strategy.trade_date,
        content_hash=strategy.content_hash,
        approved_hash=strategy.approved_hash,
        age=None if marked_at is None else max(timezone.now() - marked_at, timedelta(0)),
    )


def _drift(
    strategy: OptionStrategy,
    legs: Sequence[ListedLeg],
    orders: Sequence[Planned],
    spot: tuple[Decimal, datetime] | None,
    limits: Limits,
) -> DriftFact:
    options = [order for order in orders if order.listed.leg.contract.is_option]
    premium: Decimal | None = sum((at_touch(order.piece, order.touch) for order in options), Decimal(0)) / strategy.sets
    if {one.leg.number for one in legs} != {order.listed.leg.number for order in orders}:
        premium = None  # a leg without a price has no premium, and neither has the basket
    ticks = sum((order.listed.tick * order.piece.quantity for order in options), Decimal(0)) / strategy.sets
    reviewed = strategy.net_premium
    return DriftFact(
        reviewed_spot=strategy.spot_price,
        spot=None if spot is None else spot[0],
        spot_at=None if spot is None else spot[1],
        reviewed_premium=reviewed,
        premium=premium,
        worst_premium=None if reviewed is None else reviewed - allowed_drift(reviewed, ticks, limits),
        tick_value=ticks,
        reviewed_chain_at=strategy.generated_on,
    )


def _leg(listed: ListedLeg, row: StrategyLeg | None, strategy: OptionStrategy) -> LegFact:
    """`listed` was found in today's master by its terms; they must be those of the row that was approved."""
    leg = listed.leg
    return LegFact(
        number=leg.number,
        contract=leg.contract,
        side=leg.side,
        quantity=leg.quantity,
        lot_size=listed.unit_lot,
        approved_lot=strategy.lot_size,
        approved_strike=None if row is None else row.strike,
        tick=listed.tick,
        order_limit=leg.order_limit,
        segment=listed.segment,
        in_master=bool(listed.security_id),
        same_terms=None if row is None else row.contract == leg.contract,
    )


def _order(order: Planned, fact: LegFact) -> OrderFact:
    touch = order.touch
    quote = QuoteFact(touch.bid, touch.ask, touch.quoted_at)
    return OrderFact(fact, order.piece.side, order.piece.quantity, order.limit, quote)


def _risk(
    strategy: OptionStrategy,
    account: Account,
    legs: Sequence[ListedLeg],
    rows: Sequence[StrategyLeg],
    asked: Asked,
    spot: tuple[Decimal, datetime] | None,
) -> RiskFact:
    units = {one.row_id: one.leg.side.sign * one.leg.quantity for one in legs}
    greeks = counting.greeks_of([(row, units.get(row.pk, 0)) for row in rows], None if spot is None else spot[0])
    return RiskFact(
        unlimited_loss=strategy.unlimited_loss,
        max_loss=None if strategy.max_loss is None else strategy.max_loss * strategy.sets,
        margin=gross_margin(strategy, account, rows),
        cash_needed=asked.cash_needed,
        margin_required=_known(asked.margin),
        net_delta_value=None if greeks is None else greeks[0],
        net_vega=None if greeks is None else greeks[1],
    )


def _account(strategy: OptionStrategy, account: Account, now: datetime, asked: Asked, book: OpenBook) -> AccountFact:
    """`free` has what is set aside taken off already, so nothing more is reserved here."""
    greeks, start = counting.account_greeks(strategy, book=book), counting.midnight(now)
    return AccountFact(
        allow_naked=account.allow_naked,
        available=_known(asked.free),
        reserved=Decimal(0),
        underlying_at_risk=counting.underlying_at_risk(strategy, account, book=book),
        day_result=_known(lambda: counting.day_result(account, start=start, now=now, profit=asked.profit, book=book)),
        net_delta_value=None if greeks is None else greeks[0],
        net_vega=None if greeks is None else greeks[1],
    )


def _broker(account: Account, asked: Asked) -> BrokerFact:
    return BrokerFact(
        breaker_closed=asked.breaker_closed,
        reconciled_ago=counting.reconciled_ago(account),
        unknown_orders=counting.unknown_orders(account),
        critical_alerts=counting.critical_alerts(account.pk),
        needs_token=asked.needs_token,
        token_expires_at=asked.token_expires_at,
    )


def _cover(
    strategy: OptionStrategy, account: Account, orders: Sequence[Planned], held: Mapping[Contract, int]
) -> CoverFact:
    """What this strategy holds on this account, and these orders filled in full."""
    position = dict(held)
    for order in orders:
        contract = order.listed.leg.contract
        position[contract] = position.get(contract, 0) + order.piece.side.sign * order.piece.quantity
    return CoverFact(position, strategy.structure == CASH_SECURED, account.allow_naked)


def _shadow(legs: Sequence[ListedLeg], orders: Sequence[Planned]) -> ShadowFact:
    """Counted twice on purpose: from the legs, and from what would leave."""
    return ShadowFact(
        orders_intended=sum(-(-one.leg.quantity // _slice(one)) for one in legs),
        orders_leaving=len(orders),
        units_intended=sum(one.leg.quantity for one in legs),
        units_leaving=sum(order.piece.quantity for order in orders),
    )


def _slice(listed: ListedLeg) -> int:
    return listed.leg.order_limit // listed.leg.lot_size * listed.leg.lot_size
