"""What the rest of the system may ask of a market, wherever the prices come from."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import BinaryIO, Protocol

from market.contract import Contract, OptionType

VOLATILITY_INDEX = "INDIAVIX"  # by this name sources give India VIX, and its candles are stored


@dataclass(frozen=True, slots=True)
class CapturedQuote:
    """One option of a captured chain; None means the source did not say (never 0 for unknown).

    Prices are rupees per unit, quantities, volume and open interest are units of the underlying. `quoted_at` is the
    quote's own time where the source gives one that is not the chain's.
    """

    expiry: date
    strike: float
    option_type: OptionType
    last_price: float | None = None
    bid: float | None = None
    ask: float | None = None
    bid_quantity: int | None = None
    ask_quantity: int | None = None
    volume: int | None = None
    open_interest: int | None = None
    implied_volatility: float | None = None
    quoted_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class CapturedChain:
    """Every quote of one underlying at one moment, as a source gave it.

    `spot` is None where the source has none; the forward then follows from put-call parity.
    """

    underlying: str
    taken_at: datetime
    source: str
    spot: float | None
    quotes: tuple[CapturedQuote, ...]
    is_index: bool = False


@dataclass(frozen=True, slots=True)
class Touch:
    """Best bid and ask of one contract, exact rupees; `modelled` when the source had no book of its own."""

    bid: Decimal
    ask: Decimal
    bid_quantity: int
    ask_quantity: int
    quoted_at: datetime
    modelled: bool = False


@dataclass(frozen=True, slots=True)
class DayCandle:
    """One closed session of an underlying: rupees per unit, not adjusted for splits; `volume` None for an index."""

    day: date
    open: float
    high: float
    low: float
    close: float
    volume: int | None = None


@dataclass(frozen=True, slots=True)
class UnderlyingFact:
    """What a source knows of an underlying that is not a price."""

    symbol: str
    name: str
    kind: str  # "index" or "stock"
    exchange: str  # NSE or BSE
    industry: str
    sector: str
    market_cap: float | None = None  # rupees


class MarketSource(Protocol):
    """Chains, touches and the instrument master from one place: simulated, recorded or a broker."""

    name: str

    def underlyings(self) -> Sequence[UnderlyingFact]:
        """Every underlying this source can quote."""

    def master(self, *, as_of: datetime) -> BinaryIO:
        """Dhan's compact master CSV as of that day's morning, opened for reading bytes."""

    def chain(self, underlying: str, *, as_of: datetime) -> CapturedChain:
        """The newest chain not later than `as_of`; raises StaleQuote or UnknownInstrument."""

    def candles(self, underlying: str, *, since: date, as_of: datetime) -> Sequence[DayCandle]:
        """The sessions closed by `as_of`, from `since` on, oldest first."""

    def touch(self, contract: Contract, *, as_of: datetime) -> Touch:
        """The newest touch not later than `as_of`; raises StaleQuote, Illiquid or UnknownInstrument."""
