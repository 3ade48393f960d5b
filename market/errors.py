"""Every error of the system, named by what the caller should do.

OptionsError
├── QuantError      InvalidInput · NoSolution
├── MarketError     UnknownInstrument · StaleQuote · Illiquid · BadMaster · BadChain · UnknownDay
├── StrategyError   NotConstructible                      (strategies/errors.py)
├── RiskError                                             (allocation/errors.py)
└── BrokerError     NotSent · RateLimited · AuthExpired · OrderRefused · OutcomeUnknown   (execution/errors.py)
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reason:
    """Why something was refused: a stable code, a sentence for a person, and what to do about it."""

    code: str
    sentence: str
    remedy: str = ""

    def __str__(self) -> str:
        return " ".join(part for part in (f"{self.code}: {self.sentence}", self.remedy) if part)


class OptionsError(Exception):
    """Anything this product refuses, with its reason."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(str(reason))
        self.reason = reason


class QuantError(OptionsError):
    """A calculation that has no meaningful answer."""


class InvalidInput(QuantError):
    """An argument outside the domain of the formula."""


class NoSolution(QuantError):
    """The equation has no root for this input."""


class MarketError(OptionsError):
    """A fact about the market that is missing, old or wrong."""


class UnknownInstrument(MarketError):
    """No contract in today's master has this identity."""


class StaleQuote(MarketError):
    """The newest quote is too old, or later than the moment asked about."""


class Illiquid(MarketError):
    """Too little trades to price this honestly."""


class BadMaster(MarketError):
    """An instrument master that must not be used."""


class BadChain(MarketError):
    """An option chain that must not be used."""


class UnknownDay(MarketError):
    """The rulebook does not cover this date."""
