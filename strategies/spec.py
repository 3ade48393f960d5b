"""What a structure is: data that one builder, one evaluator, one recogniser and one set of tests read."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from market.contract import OptionType, Side
from strategies.margins import MarginGroup
from strategies.strikes import StrikeRule

Category = Literal["directional", "neutral", "volatility", "income", "advanced"]
Outlook = Literal["Bullish", "Bearish", "Neutral"]
VolatilityView = Literal["long", "short", "neutral"]
Premium = Literal["credit", "debit", "any"]
IvRegime = Literal["low", "normal", "high"]


class Kind(StrEnum):
    """What a leg trades."""

    CALL = "CALL"
    PUT = "PUT"
    STOCK = "STOCK"

    @property
    def option_type(self) -> OptionType:
        """The option type of an option leg; ValueError for a share."""
        return _OPTION_TYPES.get(self) or OptionType(self.value)


_OPTION_TYPES = {Kind.CALL: OptionType.CALL, Kind.PUT: OptionType.PUT}  # a lookup by value is ten times slower


class ExitClass(StrEnum):
    """Which exit rule a structure follows; the rules are data in `exits.py`."""

    LONG_PREMIUM = "long_premium"
    DEBIT_SPREAD = "debit_spread"
    CREDIT_SPREAD = "credit_spread"
    PINNED = "pinned"
    SHORT_PREMIUM = "short_premium"
    INCOME = "income"
    TIME_SPREAD = "time_spread"
    DELTA_ONE = "delta_one"
    HEDGE = "hedge"


@dataclass(frozen=True, slots=True)
class LegRule:
    """One leg: `expiry_rank` 0 is the front expiry, 1 the next; `strike` is None only for a share."""

    side: Side
    kind: Kind
    strike: StrikeRule | None = None
    expiry_rank: int = 0
    ratio: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Structure:
    """One entry of the catalogue.

    `min_days` to `max_days` is the window of calendar days to the front expiry. `premium` is the sign the net premium
    of the option legs must have. `iv_regimes` are the states of implied volatility (by its percentile, or its ratio to
    realised) in which the structure is worth trying. `margin_group` is how its margin is reckoned: the premium alone
    (long), the worst outcome (defined), a short option on margin (naked), the purchase price set aside (cash), against
    the share held (covered), or a short option against a later bought one (calendar). `covered_above` and
    `covered_below` ask that no rise, or no fall, of the underlying can lose money. `undefined_risk`: it sells an option
    that no bought one, share or set-aside cash covers, so it needs a risk-taking account. `is_check` marks what is
    built only to prove that quotes agree with each other and is never recommended; `proves` says what it proves.
    """

    slug: str
    name: str
    category: Category
    outlook: Outlook
    volatility_view: VolatilityView
    iv_regimes: tuple[IvRegime, ...]
    legs: tuple[LegRule, ...]
    min_days: int
    max_days: int
    exits: ExitClass
    premium: Premium
    margin_group: MarginGroup
    summary: str
    guidance: str
    undefined_risk: bool = False
    covered_above: bool = False
    covered_below: bool = False
    is_check: bool = False
    proves: str = ""

    @property
    def expiries_needed(self) -> int:
        """How many different expiries the legs use."""
        return 1 + max(leg.expiry_rank for leg in self.legs)

    @property
    def holds_share(self) -> bool:
        """True when a leg is the share itself, so that an index cannot have it."""
        return any(leg.kind is Kind.STOCK for leg in self.legs)


def opposite(legs: tuple[LegRule, ...]) -> tuple[LegRule, ...]:
    """Return the same legs from the other side of every trade: a selling twin of what is bought."""
    return tuple(LegRule(leg.side.opposite, leg.kind, leg.strike, leg.expiry_rank, leg.ratio) for leg in legs)
