"""The bias monitor: do many outlooks lean to one side?

The system of the documents called 154 shares bullish and 15 bearish on its last day. A market can rise as a whole, so
an alarm is a question for a person, not a correction of the numbers.
"""

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from market.errors import Reason

Outlook = Literal["Bullish", "Bearish", "Neutral"]


@dataclass(frozen=True, slots=True)
class Lean:
    """One view or recommendation: its side, and its vega in rupees where there is one."""

    symbol: str
    outlook: Outlook
    vega: float | None = None


@dataclass(frozen=True, slots=True)
class Bounds:
    """How one-sided is too one-sided: shares of the decided, and how many must be decided to say anything."""

    direction: float
    vega: float
    symbol: float
    least: int


BOUNDS = Bounds(direction=0.75, vega=0.85, symbol=0.10, least=20)


@dataclass(frozen=True, slots=True)
class Bias:
    """How outlooks lean: counts, shares of the decided (None while nothing is decided), symbols by count, alarms."""

    bullish: int
    bearish: int
    neutral: int
    bullish_share: float | None
    long_vega_share: float | None
    top_symbols: tuple[tuple[str, int], ...]
    alarms: tuple[Reason, ...]

    @property
    def total(self) -> int:
        """How many were counted."""
        return self.bullish + self.bearish + self.neutral


def bias(leans: Iterable[Lean], *, bounds: Bounds = BOUNDS) -> Bias:
    """Count the sides and raise an alarm where one exceeds its bound.

    Parameters
    ----------
    leans : iterable of Lean
        Views (one per symbol) or recommendations (many per symbol).
    bounds : Bounds

    Returns
    -------
    Bias
        `bullish_share` is bullish / (bullish + bearish); `long_vega_share` is positive vega over absolute vega. The
        same bounds hold for both sides, so reflecting every outlook changes which side an alarm names, not whether.
    """
    rows = list(leans)
    sides = Counter(row.outlook for row in rows)
    vegas = [row.vega for row in rows if row.vega]
    bullish = _share(sides["Bullish"], sides["Bullish"] + sides["Bearish"])
    long_vega = _share(math.fsum(vega for vega in vegas if vega > 0), math.fsum(map(abs, vegas)))
    symbols = Counter(row.symbol for row in rows)
    decided = sides["Bullish"] + sides["Bearish"]
    found = (
        _direction_alarm(sides, bullish, bounds) if decided >= bounds.least else None,
        _vega_alarm(long_vega, bounds) if len(vegas) >= bounds.least else None,
        _symbol_alarm(symbols, bounds) if len(rows) >= bounds.least else None,
    )
    return Bias(
        bullish=sides["Bullish"],
        bearish=sides["Bearish"],
        neutral=sides["Neutral"],
        bullish_share=bullish,
        long_vega_share=long_vega,
        top_symbols=tuple(symbols.most_common(5)),
        alarms=tuple(reason for reason in found if reason is not None),
    )


def beside(strategies: Bias, market: Bias) -> str:
    """Say how strategies lean beside the market they were made on.

    Parameters
    ----------
    strategies : Bias
        Of what was kept.
    market : Bias
        Of the market views of the same symbols: its breadth.

    Returns
    -------
    str
        Shares of each side, and by how much the strategies are more bullish, in percentage points of the decided.
    """
    mine = f"{_sides(strategies)} of the strategies"
    if not market.total:
        return f"{mine}; no market view is known to hold against it."
    both = strategies.bullish_share, market.bullish_share
    if both[0] is None or both[1] is None:
        return f"{mine}; {_sides(market)} of the market views."
    gap = round(100 * (both[0] - both[1]))
    side = "more bullish than" if gap > 0 else "more bearish than" if gap < 0 else "as bullish as"
    points = f"{abs(gap)} points {side}" if gap else f"of the decided {side}"
    return f"{mine}, {_sides(market)} of the market views: {points} the market."


def _sides(found: Bias) -> str:
    if not found.total:
        return "None"
    counts = {"bullish": found.bullish, "bearish": found.bearish, "neutral": found.neutral}
    return ", ".join(f"{count / found.total:.0%} {name}" for name, count in counts.items())


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def _one_sided(share: float | None, bound: float) -> bool:
    return share is not None and max(share, 1.0 - share) > bound


def _direction_alarm(sides: Counter[Outlook], share: float | None, bounds: Bounds) -> Reason | None:
    if not _one_sided(share, bounds.direction):
        return None
    sentence = f"{sides['Bullish']} bullish against {sides['Bearish']} bearish, {sides['Neutral']} neutral."
    remedy = "Look at the index first: a market that moves as one explains it, a lean of the formula does not."
    return Reason("ONE_SIDED_DIRECTION", sentence, remedy)


def _vega_alarm(share: float | None, bounds: Bounds) -> Reason | None:
    if share is None or not _one_sided(share, bounds.vega):
        return None
    sentence = f"{share:.0%} of the vega is long."
    return Reason("ONE_SIDED_VEGA", sentence, "A move of volatility hits all of it at once: balance or size down.")


def _symbol_alarm(symbols: Counter[str], bounds: Bounds) -> Reason | None:
    symbol, count = symbols.most_common(1)[0]
    if count <= bounds.symbol * symbols.total() or len(symbols) * bounds.symbol <= 1.0:
        return None  # of ten symbols one always stands for a tenth
    sentence = f"{symbol} stands for {count} of {symbols.total()}."
    return Reason("ONE_SYMBOL", sentence, "Rank the others against it across the universe.")
