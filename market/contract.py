"""The identity of what trades: never a trading symbol, always its terms."""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum


class OptionType(StrEnum):
    """Right to buy or right to sell; CE and PE exist only at the edges."""

    CALL = "CALL"
    PUT = "PUT"

    @property
    def code(self) -> str:
        """The exchange's two letters."""
        return "CE" if self is OptionType.CALL else "PE"

    @classmethod
    def from_code(cls, code: str) -> "OptionType":
        """Read CE or PE."""
        return {"CE": cls.CALL, "PE": cls.PUT}[code]


class Side(StrEnum):
    """Which way an order or a leg goes."""

    BUY = "BUY"
    SELL = "SELL"

    @property
    def sign(self) -> int:
        """+1 for bought, -1 for sold."""
        return 1 if self is Side.BUY else -1

    @property
    def opposite(self) -> "Side":
        """The side that closes this one."""
        return Side.SELL if self is Side.BUY else Side.BUY


@dataclass(frozen=True, slots=True, order=True)
class Contract:
    """One listed contract: an option, or the share itself when `expiry` is None.

    `strike` is rupees; all three option terms are set together or not at all.
    """

    underlying: str
    expiry: date | None = None
    strike: float | None = None
    option_type: OptionType | None = None

    @property
    def is_option(self) -> bool:
        """True for an option, False for the share."""
        return self.option_type is not None

    def worth_at_expiry(self, level: float) -> float:
        """Return rupees per unit with the underlying at a level of rupees; a share is worth that level."""
        if self.option_type is None or self.strike is None:
            return level
        return max(0.0, level - self.strike if self.option_type is OptionType.CALL else self.strike - level)

    def __str__(self) -> str:
        if self.expiry is None or self.strike is None or self.option_type is None:
            return self.underlying
        return f"{self.underlying} {self.expiry:%d %b %Y} {self.strike:g} {self.option_type.code}"
