"""The weather over all underlyings: where the index is going, and how dear protection is."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from market.errors import InvalidInput, Reason
from market.quant.indicators import Bars, Floats, rate_of_change

IndexRegime = Literal["Bullish", "Neutral", "Bearish"]
VixRegime = Literal["Low", "Normal", "High"]

SPANS = ((5, 0.4), (10, 0.3), (20, 0.2), (60, 0.1))  # sessions and weight
INDEX_BAND = 0.2  # trend beyond which the index has a direction
VIX_BANDS = ((15.0, "Low"), (20.0, "Normal"), (25.0, "Elevated"), (30.0, "High"), (math.inf, "Extreme"))  # per cent
VIX_STATES: dict[str, VixRegime] = {
    "Low": "Low",
    "Normal": "Normal",
    "Elevated": "High",
    "High": "High",
    "Extreme": "High",
}
VIX_HISTORY = 252  # closes below which a percentile says nothing
STATES = tuple(f"{index}_{vix}_VIX" for index in ("Bullish", "Bearish", "Neutral") for vix in ("Low", "Normal", "High"))


@dataclass(frozen=True, slots=True)
class Vix:
    """India VIX: its close in per cent, the band it lies in, and the share of past closes below it."""

    close: float
    band: str
    regime: VixRegime
    percentile: float | None


def index_trend(bars: Bars) -> Floats:
    """Return the trend over 5, 10, 20 and 60 sessions, weighted .4, .3, .2, .1; shape (n,) in [-1, 1]."""
    return np.asarray(sum(weight * rate_of_change(bars, sessions) for sessions, weight in SPANS))


def index_regime(trend: float) -> IndexRegime:
    """Name a trend: beyond ±0.2 it has a direction."""
    if not -1.0 <= trend <= 1.0:
        raise InvalidInput(Reason("BAD_TREND", f"A trend lies between -1 and 1, not at {trend}."))
    return "Bullish" if trend > INDEX_BAND else "Bearish" if trend < -INDEX_BAND else "Neutral"


def vix_regime(closes: Floats) -> Vix:
    """Place the newest close of India VIX by level and in its own history.

    Parameters
    ----------
    closes : ndarray, shape (n,)
        Per cent a year, oldest first, n >= 1.

    Returns
    -------
    Vix
        `percentile` is the share of the earlier closes below the newest, None with fewer than 252.

    Raises
    ------
    InvalidInput
        When there is no close or one is not a positive number.
    """
    if not len(closes) or not (np.isfinite(closes).all() and (closes > 0).all()):
        raise InvalidInput(Reason("BAD_VIX", "India VIX needs positive closes."))
    last = float(closes[-1])
    band = next(name for ceiling, name in VIX_BANDS if last < ceiling)
    percentile = float(np.mean(closes[:-1] < last)) if len(closes) >= VIX_HISTORY else None
    return Vix(last, band, VIX_STATES[band], percentile)


def state(index: IndexRegime, vix: VixRegime) -> str:
    """Name one of the nine states, e.g. Bullish_Low_VIX."""
    return f"{index}_{vix}_VIX"
