"""The conventions of a probability of profit, named: what it is anchored at, which distribution, how days count."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from market.errors import Reason
from market.quant.volatility import TRADING_DAYS_PER_YEAR
from strategies.forecast import BLOCK, DRAWS

EVENT = "Any profit at the front expiry, at executable prices, before charges."
NO_PAST = Reason(
    "NO_PAST",
    "Too few different past sessions of the underlying are stored to draw from.",
    "Import its history with import_history and generate again.",
)
NOT_MEASURED = Reason("NOT_MEASURED", "It was typed in by hand: nobody measured it.", "Generate it.")


class ProbabilityConvention(StrEnum):
    """Which probability of profit is meant."""

    SMILE = "smile"
    FLAT = "flat"
    HISTORY = "history"


@dataclass(frozen=True, slots=True)
class Terms:
    """What one convention takes for granted; `column` is where a stored strategy keeps the probability."""

    name: str
    anchor: str
    distribution: str
    day_count: str
    column: str

    @property
    def sentence(self) -> str:
        """All of it in one sentence."""
        return f"{self.name}: {self.distribution}; anchored at {self.anchor}; {self.day_count}."


TERMS: Mapping[ProbabilityConvention, Terms] = MappingProxyType(
    {
        ProbabilityConvention.SMILE: Terms(
            name="Smile-implied",
            anchor="the forward of put-call parity",
            distribution="the risk-neutral distribution that the fitted smile implies (Breeden and Litzenberger 1978)",
            day_count="calendar days, ACT/365, to the close of the front expiry",
            column="probability_of_profit",
        ),
        ProbabilityConvention.FLAT: Terms(
            name="Flat-IV lognormal",
            anchor="the forward of put-call parity",
            distribution="lognormal at the at-the-money volatility (Black 1976)",
            day_count="calendar days, ACT/365, to the close of the front expiry",
            column="parameters__probability_flat",
        ),
        ProbabilityConvention.HISTORY: Terms(
            name="Historical bootstrap",
            anchor="the forward of put-call parity, past returns without their mean",
            distribution=f"{DRAWS:,} draws of past closes in blocks of {BLOCK} sessions (Künsch 1989)",
            day_count=f"sessions, {TRADING_DAYS_PER_YEAR} a year",
            column="parameters__probability_history",
        ),
    }
)


def why_none(convention: ProbabilityConvention, *, measured: bool) -> Reason:
    """Return why a strategy has no probability under a convention; `measured` where it was generated, not typed in."""
    return NO_PAST if measured and convention is ProbabilityConvention.HISTORY else NOT_MEASURED
