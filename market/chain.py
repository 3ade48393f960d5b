"""One underlying's options at one moment, ready to calculate on: arrays by strike, a forward and a smile."""

import math
from dataclasses import dataclass, field
from datetime import date, datetime

import numpy as np
from numpy.typing import NDArray

from market.contract import OptionType
from market.errors import Reason
from market.quality import Refusal, reason_of
from market.quant.smile import Smile

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Codes = NDArray[np.int8]


def _unsaid() -> Codes:
    return np.zeros(0, dtype=np.int8)


@dataclass(frozen=True, slots=True, eq=False)
class OptionSide:
    """The calls, or the puts, of one expiry; every array has one entry per strike of the ExpiryChain.

    Prices in rupees per unit, NaN where absent. `bid` and `ask` are what one can trade at:
    the book's where there is one, else modelled from the last price (`touch_modelled`).
    `refusal` holds the code of the first gate a quote failed (`market.quality.Refusal`), 0 where it passed them all;
    `usable` is where it is 0. A side made without codes gets UNSAID where it is not usable.
    """

    bid: Floats
    ask: Floats
    last_price: Floats
    volume: Floats
    open_interest: Floats
    implied_volatility: Floats
    usable: Flags
    touch_modelled: bool
    refusal: Codes = field(default_factory=_unsaid)

    def __post_init__(self) -> None:
        if self.refusal.shape != self.usable.shape:
            codes = np.where(self.usable, Refusal.NONE, Refusal.UNSAID).astype(np.int8)
            object.__setattr__(self, "refusal", codes)

    def reason(self, index: int) -> Reason | None:
        """Why the quote at this place cannot be used; None when it can."""
        return reason_of(int(self.refusal[index]))


@dataclass(frozen=True, slots=True, eq=False)
class ExpiryChain:
    """One expiry: strikes ascending, the two sides, forward (rupees), smile and time (ACT/365 years).

    `carry` is the annual rate, continuously compounded, at which the spot grows to the forward; None without a spot,
    and `carry_reason` says so. `forward_stderr` is in rupees (inf from a single pair), `pairs` the strikes whose call
    and put made the forward. `flags` are what is doubtful about the expiry as a whole.
    """

    expiry: date
    years: float
    days_to_expiry: int
    strikes: Floats
    calls: OptionSide
    puts: OptionSide
    forward: float
    smile: Smile
    lot_size: int
    forward_stderr: float = math.inf
    pairs: int = 0
    carry: float | None = None
    carry_reason: Reason | None = None
    flags: tuple[Reason, ...] = ()

    def side(self, option_type: OptionType) -> OptionSide:
        """The calls or the puts."""
        return self.calls if option_type is OptionType.CALL else self.puts


@dataclass(frozen=True, slots=True, eq=False)
class Chain:
    """One underlying at one moment: its expiries in order, and what was wrong with the rest."""

    underlying: str
    taken_at: datetime
    source: str
    spot: float
    tick_size: float
    is_index: bool
    expiries: tuple[ExpiryChain, ...]
    flags: tuple[Reason, ...] = ()
