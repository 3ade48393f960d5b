"""Everything a check may look at, as values; None means that nobody knows, which never passes. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from market.contract import Contract, Side


@dataclass(frozen=True, slots=True)
class DeskFact:
    """Whether this desk may act at all; `mode` paper or live, `trading_state` ACTIVE, REDUCE_ONLY or HALTED.

    `flattens` says that it was halted to have everything taken back: exits under way go on as a part of that.
    """

    mode: str | None = None
    armed_today: bool | None = None
    trading_state: str | None = None
    flattens: bool = False


@dataclass(frozen=True, slots=True)
class Approval:
    """What a person approved; `age` is how long ago, in the time people live in."""

    marked: bool | None = None
    priority: int | None = None
    generated_on: datetime | None = None
    trade_date: date | None = None
    content_hash: str | None = None
    approved_hash: str | None = None
    age: timedelta | None = None


@dataclass(frozen=True, slots=True)
class DriftFact:
    """What the reviewer saw against what is there now.

    Premiums are rupees for one set, credit positive; `worst_premium` is the least the approval allows, `tick_value`
    what one tick of every option leg is worth for one set; the chain is the one the review was computed from.
    """

    reviewed_spot: Decimal | None = None
    spot: Decimal | None = None
    spot_at: datetime | None = None
    reviewed_premium: Decimal | None = None
    premium: Decimal | None = None
    worst_premium: Decimal | None = None
    tick_value: Decimal | None = None
    reviewed_chain_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class LegFact:
    """One leg: what was approved of it and what today's master says; quantities in units, prices in rupees.

    A share has no lot of its own: `approved_lot` is then ignored and `lot_size` is 1.
    """

    number: int
    contract: Contract
    side: Side
    quantity: int | None = None
    lot_size: int | None = None
    approved_lot: int | None = None
    approved_strike: Decimal | None = None
    tick: Decimal | None = None
    order_limit: int | None = None
    segment: str | None = None
    in_master: bool | None = None
    same_terms: bool | None = None


@dataclass(frozen=True, slots=True)
class QuoteFact:
    """The touch an order was priced on."""

    bid: Decimal | None = None
    ask: Decimal | None = None
    quoted_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class OrderFact:
    """One order as it would be sent."""

    leg: LegFact
    side: Side
    quantity: int | None = None
    limit: Decimal | None = None
    quote: QuoteFact | None = None

    def __str__(self) -> str:
        return f"{self.side} {self.quantity} {self.leg.contract}"


@dataclass(frozen=True, slots=True)
class RiskFact:
    """What the whole basket costs and may lose, rupees for all sets.

    `margin` is our own estimate of what it blocks, before the credit of its options.
    """

    unlimited_loss: bool | None = None
    max_loss: Decimal | None = None
    margin: Decimal | None = None
    cash_needed: Decimal | None = None
    margin_required: Decimal | None = None
    net_delta_value: Decimal | None = None
    net_vega: Decimal | None = None


@dataclass(frozen=True, slots=True)
class AccountFact:
    """What the account has, holds and has lost today, rupees; delta as rupees of underlying, vega per point."""

    allow_naked: bool | None = None
    available: Decimal | None = None
    reserved: Decimal | None = None
    underlying_at_risk: Decimal | None = None
    day_result: Decimal | None = None
    net_delta_value: Decimal | None = None
    net_vega: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Counts:
    """How many: runs, strategies, lots, refusals and calls; nothing here counts the basket itself."""

    runs_of_strategy: int | None = None
    same_legs_lately: int | None = None
    open_strategies: int | None = None
    open_on_underlying: int | None = None
    lots_on_underlying_today: int | None = None
    strategy_rejects: int | None = None
    account_rejects: int | None = None
    calls_this_second: int | None = None
    calls_this_minute: int | None = None


@dataclass(frozen=True, slots=True)
class BrokerFact:
    """How the way to the broker stands; `reconciled_ago` since the last clean comparison of its books with ours."""

    breaker_closed: bool | None = None
    reconciled_ago: timedelta | None = None
    unknown_orders: int | None = None
    critical_alerts: int | None = None
    needs_token: bool | None = None
    token_expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class CoverFact:
    """The position as it would be with these orders filled, signed units, and what may stand in for a long leg."""

    position: Mapping[Contract, int] | None = None
    cash_secured: bool | None = None
    allow_naked: bool | None = None


@dataclass(frozen=True, slots=True)
class ShadowFact:
    """What was intended, counted from the legs, and what is about to leave, counted from the orders."""

    orders_intended: int | None = None
    orders_leaving: int | None = None
    units_intended: int | None = None
    units_leaving: int | None = None


@dataclass(frozen=True, slots=True)
class Situation:
    """One basket, or one order of it, at one market moment."""

    now: datetime | None = None
    exchanges: tuple[str, ...] | None = None
    desk: DeskFact | None = None
    approval: Approval | None = None
    drift: DriftFact | None = None
    legs: tuple[LegFact, ...] | None = None
    orders: tuple[OrderFact, ...] | None = None
    working: tuple[tuple[Contract, Side], ...] | None = None
    risk: RiskFact | None = None
    account: AccountFact | None = None
    counts: Counts | None = None
    broker: BrokerFact | None = None
    cover: CoverFact | None = None
    shadow: ShadowFact | None = None
