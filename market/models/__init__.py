"""Facts: what trades, at what price, and which files said so."""

from market.models.facts import (
    ChainSnapshot,
    ContractBar,
    DailyBar,
    FileImport,
    FileKind,
    FileStatus,
    Instrument,
    LotSize,
    OptionQuote,
    Underlying,
    UnderlyingKind,
    WatchKind,
    WatchlistItem,
    price,
)
from market.models.view import MarketView
from market.models.volatility import IvSummary

__all__ = [
    "ChainSnapshot",
    "ContractBar",
    "DailyBar",
    "FileImport",
    "FileKind",
    "FileStatus",
    "Instrument",
    "IvSummary",
    "LotSize",
    "MarketView",
    "OptionQuote",
    "Underlying",
    "UnderlyingKind",
    "WatchKind",
    "WatchlistItem",
    "price",
]
