"""What a structure is: data that one builder, one evaluator and one set of tests read."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from market.contract import OptionType, Side
from strategies.strikes import StrikeRule

Category = Literal["directional", "neutral", "volatility", "income", "advanced"]
Outlook = Literal["Bullish", "Bearish", "Neutral"]
VolatilityView = Literal["long", "short", "neutral"]
Premium = Literal["credit", "debit", "any"]


class Kind(StrEnum):
    """What a leg trades."""

    CALL = "CALL"
    PUT = "PUT"
    STOCK = "STOCK"

    @property
    def option_type(self) -> OptionType:
        """The option type of an option leg; ValueError for a share."""
        return OptionType(self.value)


class ExitClass(StrEnum):
    """Which exit rule a structure follows; the rules are data in `exits.py`."""

    LONG_PREMIUM = "long_premium"
    DEBIT_SPREAD = "debit_spread"
    CREDIT_SPREAD = "credit_spread"
    PINNED = "pinned"
    SHORT_PREMIUM = "short_premium"
    INCOME = "income"
    TIME_SPREAD = "time_spread"


@dataclass(frozen=True, slots=True)
class LegRule:
    """One leg: `expiry_rank` 0 is the front expiry, 1 the next; `strike` is None only for a share."""

    side: Side
    kind: Kind
    strike: StrikeRule | None = None
    expiry_rank: int = 0
    ratio: int = 1


@dataclass(frozen=True, slots=True)
class Structure:
    """One entry of the catalogue.

    `min_days` to `max_days` is the window of calendar days to the front expiry. `premium` is the sign the net premium
    of the option legs must have. `covered_above` asks that no rise of the underlying can lose money.
    `undefined_risk`: no bought option or set-aside cash bounds the loss, so it needs a risk-taking account.
    """

    slug: str
    name: str
    category: Category
    outlook: Outlook
    volatility_view: VolatilityView
    legs: tuple[LegRule, ...]
    min_days: int
    max_days: int
    exits: ExitClass
    premium: Premium
    summary: str
    undefined_risk: bool = False
    covered_above: bool = False

    @property
    def expiries_needed(self) -> int:
        """How many different expiries the legs use."""
        return 1 + max(leg.expiry_rank for leg in self.legs)
