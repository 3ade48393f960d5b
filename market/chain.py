"""One underlying's options at one moment, ready to calculate on: arrays by strike, a forward and a smile."""

from dataclasses import dataclass
from datetime import date, datetime

import numpy as np
from numpy.typing import NDArray

from market.contract import OptionType
from market.errors import Reason
from market.quant.smile import Smile

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class OptionSide:
    """The calls, or the puts, of one expiry; every array has one entry per strike of the ExpiryChain.

    Prices in rupees per unit, NaN where absent. `bid` and `ask` are what one can trade at:
    the book's where there is one, else modelled from the last price (`touch_modelled`).
    `usable` is False where the quote failed the gate: stale, crossed, off the smile or without a touch.
    """

    bid: Floats
    ask: Floats
    last_price: Floats
    volume: Floats
    open_interest: Floats
    implied_volatility: Floats
    usable: Flags
    touch_modelled: bool


@dataclass(frozen=True, slots=True, eq=False)
class ExpiryChain:
    """One expiry: strikes ascending, the two sides, forward (rupees), smile and time (ACT/365 years)."""

    expiry: date
    years: float
    days_to_expiry: int
    strikes: Floats
    calls: OptionSide
    puts: OptionSide
    forward: float
    smile: Smile
    lot_size: int

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
