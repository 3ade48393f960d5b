"""The market view of one underlying: what its candles, its options and the index say, added up in the open.

Two sums are kept apart. The *direction* describes: it adds every component by WEIGHTS and is shown
to people. The *tested direction* may move a score: it adds only components whose predictive value passed THRESHOLD on
the recorded history (MEASURED). What nobody could measure, or what failed, has score weight 0.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from types import MappingProxyType
from typing import Literal

from market.errors import InvalidInput, Reason
from market.quant import indicators
from market.quant.indicators import Bars
from market.quant.levels import Interest, value_area
from market.quant.regime import IndexRegime, Vix, state
from strategies.observe import Levels, VolatilityState, read_candles, read_interest, read_levels, read_volatility

Label = Literal[
    "Strong Bullish",
    "Moderate Bullish",
    "Weak Bullish",
    "Neutral",
    "Weak Bearish",
    "Moderate Bearish",
    "Strong Bearish",
]

BANDS = ((0.5, "Strong"), (0.2, "Moderate"), (0.1, "Weak"))
LEAST_KNOWN = 0.25  # of the weight: with less there is no view
GRAIN = 2.0**-40  # contributions are whole multiples of this, so that they add up exactly in any order
LATE_SESSION = 0.8  # confidence keeps this share for each session the newest candle is late


# The documents weigh technical .60, options .15, price action .25 (options-v4.md section 4). Put-call ratios and the
# smirk weigh nothing: their usual level is not 0 (puts cost more on most days, calls are more open on most shares),
# so a symmetric formula would still lean to one side.
WEIGHTS: Mapping[str, float] = MappingProxyType(
    {
        "ema_alignment": 0.16,
        "directional_movement": 0.10,
        "rsi": 0.07,
        "macd": 0.07,
        "rate_of_change": 0.08,
        "yearly_momentum": 0.06,
        "short_reversal": 0.02,
        "volume_pressure": 0.10,
        "support_resistance": 0.08,
        "value_area": 0.06,
        "open_interest_walls": 0.08,
        "max_pain": 0.04,
        "put_call_interest": 0.0,
        "put_call_volume": 0.0,
        "smirk": 0.0,
        "index_trend": 0.08,
    }
)


@dataclass(frozen=True, slots=True)
class Measured:
    """A component's rank correlation across shares with the next return over HORIZON sessions, out of sample.

    `ic` is None where all shares have the same value. `t` is its Newey-West t-value (of the called move where there is
    no IC), `t_apart` that of non-overlapping returns, `absolute_t` that of signal x return, `hit` the share of signs
    right, `sessions` how many were measured.
    """

    ic: float | None
    t: float
    t_apart: float
    absolute_t: float
    hit: float
    sessions: int
    first: date
    last: date


@dataclass(frozen=True, slots=True)
class Threshold:
    """What a component must show before it may move a score; its expected sign is always plus."""

    t: float
    sessions: int

    def passed(self, measured: Measured) -> bool:
        """Whether this is enough."""
        return measured.ic is not None and measured.t >= self.t and measured.sessions >= self.sessions


HORIZON = 10  # sessions; fixed before anything was measured, the middle of what option trades are held for
THRESHOLD = Threshold(t=3.0, sessions=120)

# Measured 2026-11-21 by `python -m bench.view` on 150 shares, out of sample from 2021. Components of options have no
# row: 25 recorded sessions are two and a half independent spans of HORIZON, which can show nothing.
MEASURED: Mapping[str, Measured] = MappingProxyType(
    {
        "ema_alignment": Measured(0.0113, 0.88, 1.02, 2.27, 0.513, 1244, date(2021, 1, 1), date(2026, 1, 8)),
        "directional_movement": Measured(0.0036, 0.31, 0.52, 0.88, 0.502, 1244, date(2021, 1, 1), date(2026, 1, 8)),
        "rsi": Measured(0.0026, 0.23, 0.50, 1.15, 0.508, 1244, date(2021, 1, 1), date(2026, 1, 8)),
        "macd": Measured(-0.0029, -0.31, -0.33, -0.64, 0.498, 1244, date(2021, 1, 1), date(2026, 1, 8)),
        "rate_of_change": Measured(0.0093, 0.82, 0.70, 2.11, 0.513, 1244, date(2021, 1, 1), date(2026, 1, 8)),
        "yearly_momentum": Measured(0.0348, 2.69, 2.89, 2.29, 0.516, 1244, date(2021, 1, 1), date(2026, 1, 8)),
        "short_reversal": Measured(0.0128, 1.65, 0.80, 1.09, 0.503, 1244, date(2021, 1, 1), date(2026, 1, 8)),
        "volume_pressure": Measured(0.0085, 0.86, 0.80, 2.74, 0.514, 1244, date(2021, 1, 1), date(2026, 1, 8)),
        "support_resistance": Measured(-0.0026, -0.22, -0.10, 1.20, 0.507, 1244, date(2021, 1, 1), date(2026, 1, 8)),
        "value_area": Measured(-0.0029, -0.25, -0.59, 1.04, 0.505, 249, date(2021, 1, 4), date(2026, 1, 6)),
        "index_trend": Measured(None, 0.38, 1.29, 0.38, 0.501, 1244, date(2021, 1, 1), date(2026, 1, 8)),
        "direction": Measured(0.0127, 1.03, 1.16, 1.89, 0.512, 1244, date(2021, 1, 1), date(2026, 1, 8)),
    }
)


def score_weight(name: str, measured: Mapping[str, Measured] = MEASURED) -> float:
    """Return the weight of a component in the tested direction: its measured IC, or 0 when it did not pass."""
    found = measured.get(name)
    return found.ic if found is not None and found.ic is not None and THRESHOLD.passed(found) else 0.0


def weight_in_score(measured: Mapping[str, Measured] = MEASURED) -> str:
    """Say what a view may do to a score, and why."""
    moving = sorted(name for name in WEIGHTS if score_weight(name, measured) > 0.0)
    asked = f"t of {THRESHOLD.t:g} over {THRESHOLD.sessions} sessions or more, out of sample"
    if moving:
        return f"Only {', '.join(moving)} may move a score: the others did not show {asked}."
    return f"Weight in the score: 0. No component showed {asked}."


@dataclass(frozen=True, slots=True)
class Waterfall:
    """A weighted mean laid open: the contributions add up to `total` exactly, in any order.

    `weights` are those of the known components, raised in proportion so that they add up to 1; `known` is the share of
    the whole weight that they had before.
    """

    total: float
    contributions: Mapping[str, float]
    weights: Mapping[str, float]
    known: float


@dataclass(frozen=True, slots=True)
class Weather:
    """The index and India VIX at the moment; a Reason where unknown."""

    trend: float | Reason
    regime: IndexRegime | Reason
    vix: Vix | Reason

    @property
    def state(self) -> str | None:
        """One of the nine states, or None while a part is unknown."""
        if isinstance(self.regime, Reason) or isinstance(self.vix, Reason):
            return None
        return state(self.regime, self.vix.regime)


@dataclass(frozen=True, slots=True)
class View:
    """What the market says of one underlying after the session `day`.

    `direction` from -1 to 1 with its label; `strength` its size; `confidence` how far the components agree and how much
    of them is known, whatever the size. `tested` is what may move a score: None while no component has passed.
    """

    symbol: str
    day: date
    direction: float
    label: Label
    strength: float
    confidence: float
    agreement: float
    components: Mapping[str, float]
    waterfall: Waterfall
    tested: Waterfall | None
    missing: Mapping[str, Reason]
    levels: Levels
    volatility: VolatilityState
    weather: Weather
    flags: tuple[Reason, ...] = field(default=())

    @property
    def outlook(self) -> Literal["Bullish", "Bearish", "Neutral"]:
        """The side without its strength."""
        return outlook(self.direction)


def view(
    symbol: str,
    bars: Bars,
    *,
    interest: Interest | Reason,
    weather: Weather,
    sessions_late: int = 0,
    measured: Mapping[str, Measured] = MEASURED,
) -> View:
    """Add up what the market says of one underlying.

    Parameters
    ----------
    symbol : str
    bars : Bars
        Closed daily candles, oldest first, not adjusted for splits: history is cut at the newest break.
    interest : Interest or Reason
        Open interest of the nearest expiry, or why there is none.
    weather : Weather
    sessions_late : int
        Sessions that closed since the newest candle.
    measured : mapping
        Which component has shown what; see MEASURED.

    Returns
    -------
    View

    Raises
    ------
    InvalidInput
        NO_CANDLES, BAD_CANDLES, or TOO_LITTLE_KNOWN when less than a quarter of the weight could be read.
    """
    if not len(bars):
        raise InvalidInput(Reason("NO_CANDLES", f"No closed candle of {symbol} is stored.", "Run import_history."))
    recent, cut = indicators.unbroken(indicators.check(bars))
    area = value_area(recent)
    read = {**read_candles(recent, area), **read_interest(interest), "index_trend": weather.trend}
    known = {name: value for name, value in read.items() if not isinstance(value, Reason)}
    missing = {name: value for name, value in read.items() if isinstance(value, Reason)}
    waterfall = _described(symbol, known, len(recent))
    agreement = agree(known, waterfall)
    return View(
        symbol=symbol,
        day=recent.days[-1].astype(object),
        direction=waterfall.total,
        label=label(waterfall.total),
        strength=abs(waterfall.total),
        confidence=agreement * waterfall.known * LATE_SESSION**sessions_late,
        agreement=agreement,
        components=MappingProxyType(known),
        waterfall=waterfall,
        tested=combine(known, {name: score_weight(name, measured) for name in WEIGHTS}),
        missing=MappingProxyType(missing),
        levels=read_levels(recent, area, interest),
        volatility=read_volatility(recent),
        weather=weather,
        flags=(cut,) if cut else (),
    )


def _described(symbol: str, known: Mapping[str, float], candles: int) -> Waterfall:
    waterfall = combine(known, WEIGHTS)
    if waterfall is not None and waterfall.known >= LEAST_KNOWN:
        return waterfall
    share = waterfall.known if waterfall else 0.0
    sentence = f"Of {symbol} only {share:.0%} of what makes a view is known, from {candles} unbroken candles."
    raise InvalidInput(Reason("TOO_LITTLE_KNOWN", sentence, "Import more history with import_history."))


def combine(components: Mapping[str, float], weights: Mapping[str, float]) -> Waterfall | None:
    """Take the weighted mean of what is known; what is missing is left out, never counted as zero.

    None when no known component has weight. Contributions are cut to multiples of 2^-40, so that
    their sum is exact and never beyond 1.
    """
    counted = {name: weights[name] for name in components if weights.get(name, 0.0) > 0.0}
    whole, heard = math.fsum(weights.values()), math.fsum(counted.values())
    if not counted:
        return None
    raised = {name: weight / heard for name, weight in counted.items()}
    contributions = {name: GRAIN * math.trunc(raised[name] * components[name] / GRAIN) for name in raised}
    total = math.fsum(contributions.values())
    return Waterfall(total, MappingProxyType(contributions), MappingProxyType(raised), heard / whole)


def agree(components: Mapping[str, float], waterfall: Waterfall) -> float:
    """Return the share of the weight whose components stand on the side of the total (bullish, neutral, bearish)."""
    side = outlook(waterfall.total)
    found = math.fsum(weight for name, weight in waterfall.weights.items() if outlook(components[name]) == side)
    return min(1.0, found)  # weights that were raised to 1 can sum to the next float


def outlook(direction: float) -> Literal["Bullish", "Bearish", "Neutral"]:
    """Return the side of a direction: within ±0.1 it has none."""
    weakest = BANDS[-1][0]
    return "Bullish" if direction > weakest else "Bearish" if direction < -weakest else "Neutral"


def label(direction: float) -> Label:
    """Name a direction; the bands are the same on both sides (above .5, from .2, above .1)."""
    size, side = abs(direction), outlook(direction)
    if side == "Neutral":
        return "Neutral"
    word = "Strong" if size > BANDS[0][0] else "Moderate" if size >= BANDS[1][0] else "Weak"
    return f"{word} {side}"  # type: ignore[return-value]
