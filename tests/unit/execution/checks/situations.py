"""A situation that every check lets pass, and a way to change one fact of it."""

from dataclasses import fields, is_dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal

from execution.checks import (
    AccountFact,
    Approval,
    BrokerFact,
    Counts,
    CoverFact,
    DeskFact,
    DriftFact,
    LegFact,
    OrderFact,
    QuoteFact,
    RiskFact,
    ShadowFact,
    Situation,
)
from market.calendar import IST
from market.contract import Contract, OptionType, Side

NOON = datetime(2026, 1, 30, 12, 0, tzinfo=IST)
EXPIRY = date(2026, 2, 24)
LONG = Contract("ACME", EXPIRY, 1000.0, OptionType.CALL)
SHORT = Contract("ACME", EXPIRY, 1050.0, OptionType.CALL)
LOT = 500


def leg(number: int, contract: Contract, side: Side) -> LegFact:
    return LegFact(
        number=number, contract=contract, side=side, quantity=LOT, lot_size=LOT, approved_lot=LOT,
        approved_strike=Decimal(str(contract.strike)), tick=Decimal("0.05"), order_limit=20 * LOT, segment="NSE_FNO",
        in_master=True, same_terms=True,
    )  # fmt: skip


def passing(now: datetime = NOON) -> Situation:
    """A bull call spread that was reviewed ten minutes ago."""
    long, short = leg(1, LONG, Side.BUY), leg(2, SHORT, Side.SELL)
    orders = (
        OrderFact(long, Side.BUY, LOT, Decimal("40.10"), QuoteFact(Decimal("39.95"), Decimal("40.05"), now)),
        OrderFact(short, Side.SELL, LOT, Decimal("19.90"), QuoteFact(Decimal("19.95"), Decimal("20.05"), now)),
    )
    return Situation(
        now=now,
        exchanges=("NSE",),
        desk=DeskFact(mode="paper", armed_today=False, trading_state="ACTIVE"),
        approval=Approval(
            marked=True, priority=5, generated_on=now - timedelta(minutes=15), trade_date=now.date(),
            content_hash="a", approved_hash="a", age=timedelta(minutes=10),
        ),
        drift=DriftFact(
            reviewed_spot=Decimal(1010), spot=Decimal(1011), spot_at=now, reviewed_premium=Decimal(-10_000),
            premium=Decimal(-10_050), worst_premium=Decimal(-11_050), tick_value=Decimal(50),
            reviewed_chain_at=now - timedelta(minutes=15),
        ),
        legs=(long, short),
        orders=orders,
        working=(),
        risk=RiskFact(
            unlimited_loss=False, max_loss=Decimal(10_000), margin=Decimal(30_000), cash_needed=Decimal(20_050),
            margin_required=Decimal(30_000), net_delta_value=Decimal(100_000), net_vega=Decimal(50),
        ),
        account=AccountFact(
            allow_naked=False, available=Decimal(900_000), reserved=Decimal(0), underlying_at_risk=Decimal(0),
            day_result=Decimal(-100), net_delta_value=Decimal(0), net_vega=Decimal(0),
        ),
        counts=Counts(0, 0, 0, 0, 0, 0, 0, 0, 0),
        broker=BrokerFact(
            breaker_closed=True, reconciled_ago=timedelta(seconds=5), unknown_orders=0, critical_alerts=0,
            needs_token=True, token_expires_at=now.replace(hour=16, minute=0),
        ),
        cover=CoverFact({LONG: LOT, SHORT: -LOT}, cash_secured=False, allow_naked=False),
        shadow=ShadowFact(2, 2, 2 * LOT, 2 * LOT),
    )  # fmt: skip


def changed(situation: Situation, path: str, value: object) -> Situation:
    """The same situation with one fact replaced; of legs and orders, that of the first one."""
    return _set(situation, path.split("."), value)


def paths(situation: object, prefix: str = "") -> list[str]:
    """Every fact there is, by its dotted name; a contract, a side and a number identify and are always there."""
    found: list[str] = []
    for each in fields(situation):  # type: ignore[arg-type]
        if each.name in {"contract", "side", "number"}:
            continue
        value, name = getattr(situation, each.name), prefix + each.name
        if name != "orders.leg":
            found.append(name)
        inner = value[0] if isinstance(value, tuple) and value and is_dataclass(value[0]) else value
        if is_dataclass(inner):
            found += paths(inner, f"{name}.")
    return found


def _set(target: object, names: list[str], value: object) -> object:
    if isinstance(target, tuple):
        return (_set(target[0], names, value), *target[1:])
    name, *rest = names
    new = value if not rest else _set(getattr(target, name), rest, value)
    return replace(target, **{name: new})  # type: ignore[type-var]
