"""The numbers the checks compare with, their defaults, and what an account's own limits make of them. Pure."""

from dataclasses import dataclass, fields, replace
from decimal import Decimal
from typing import Self

# A strategy of the catalogue sells or buys at most three lots of one leg in a set, and six in all legs together.
MOST_LOTS_OF_A_LEG = 3
MOST_LOTS_OF_A_SET = 6


@dataclass(frozen=True, slots=True)
class Limits:
    """Rupees, units, fractions and times; the defaults are reliability.md 3.1 except where docs/pre-trade-checks.md
    says why not."""

    entry_after_open_minutes: int = 5
    entry_before_close_minutes: int = 30
    exit_before_close_minutes: int = 5
    approval_minutes: int = 30
    chain_minutes: int = 360
    same_legs_seconds: int = 60
    lots_per_leg: int = 10
    lots_per_basket: int = 20
    lots_per_underlying: int = 40
    lowest_price: Decimal = Decimal("0.05")
    highest_price: Decimal = Decimal(1_000_000)
    entry_collar: Decimal = Decimal("0.10")
    entry_collar_ticks: int = 4
    exit_collar: Decimal = Decimal("0.20")
    exit_collar_ticks: int = 8
    band_share: Decimal = Decimal("0.80")
    spread: Decimal = Decimal("0.20")
    spread_ticks: int = 8
    quote_age_seconds: Decimal = Decimal(600)
    quote_skew_seconds: Decimal = Decimal(600)
    spot_age_seconds: Decimal = Decimal(600)
    spot_drift: Decimal = Decimal("0.005")
    premium_drift: Decimal = Decimal("0.10")
    premium_drift_ticks: int = 2
    order_premium: Decimal = Decimal(200_000)
    basket_premium: Decimal = Decimal(500_000)
    order_value: Decimal = Decimal(100_000_000)
    max_loss: Decimal = Decimal(25_000)
    margin_headroom: Decimal = Decimal("1.05")
    open_strategies: int = 10
    open_per_underlying: int = 3
    underlying_at_risk: Decimal = Decimal(250_000)
    net_delta_value: Decimal = Decimal(3_000_000)
    net_vega: Decimal = Decimal(10_000)
    greeks_required: bool = True
    daily_loss: Decimal = Decimal(20_000)
    soft_loss_share: Decimal = Decimal("0.60")
    strategy_rejects: int = 3
    account_rejects: int = 5
    reject_minutes: int = 10
    calls_per_second: int = 8
    calls_per_minute: int = 200
    reconcile_seconds: int = 60
    token_minutes: int = 30

    @classmethod
    def for_account(
        cls,
        *,
        capital: Decimal,
        strategy_share: Decimal,
        underlying_share: Decimal,
        open_strategies: int,
        sets: int,
        greeks_required: bool,
    ) -> Self:
        """Return the defaults with every limit that the owner of the account has set already in rupees or sets.

        The table's rupee amounts suit a small account; one that may hold ten sets at 5 % of a crore each would
        otherwise be stopped by checks its owner never chose.
        """
        per_strategy = capital * strategy_share
        plain = cls()
        return replace(
            plain,
            lots_per_leg=max(plain.lots_per_leg, MOST_LOTS_OF_A_LEG * sets),
            lots_per_basket=max(plain.lots_per_basket, MOST_LOTS_OF_A_SET * sets),
            lots_per_underlying=max(plain.lots_per_underlying, 2 * MOST_LOTS_OF_A_SET * sets),
            order_premium=max(plain.order_premium, per_strategy),
            basket_premium=max(plain.basket_premium, 2 * per_strategy),
            max_loss=per_strategy,
            open_strategies=open_strategies,
            underlying_at_risk=capital * underlying_share,
            net_delta_value=3 * capital,
            net_vega=capital / 100,
            daily_loss=capital / 50,
            greeks_required=greeks_required,
        )


# What a live feed can keep; the defaults above suit chains polled every few minutes, the only source so far.
STREAMING: dict[str, Decimal | int] = {
    "quote_age_seconds": Decimal(3),
    "quote_skew_seconds": Decimal("1.5"),
    "spot_age_seconds": Decimal(2),
    "chain_minutes": 30,
}

LIMIT_NAMES: tuple[str, ...] = tuple(each.name for each in fields(Limits))
