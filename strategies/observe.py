"""What can be read of one underlying at one moment: each component between -1 and 1, or the reason it is not known."""

import math
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from market.chain import Chain
from market.errors import Reason
from market.quant import indicators, levels
from market.quant.indicators import Bars, Floats
from market.quant.levels import Interest, ValueArea
from strategies.spec import IvRegime

Source = Literal["candles", "options", "index"]


@dataclass(frozen=True, slots=True)
class Component:
    """One thing the market says, where it is read, and the closed candles it needs (0: none)."""

    name: str
    group: str
    source: Source
    needs: int = 0


COMPONENTS = (
    Component("ema_alignment", "trend", "candles", 260),
    Component("directional_movement", "trend", "candles", 28),
    Component("rsi", "momentum", "candles", 15),
    Component("macd", "momentum", "candles", 61),
    Component("rate_of_change", "momentum", "candles", 61),
    Component("yearly_momentum", "momentum", "candles", 253),
    Component("short_reversal", "momentum", "candles", 61),
    Component("volume_pressure", "volume", "candles", 81),
    Component("support_resistance", "price action", "candles", 55),
    Component("value_area", "price action", "candles", 60),
    Component("open_interest_walls", "options", "options"),
    Component("max_pain", "options", "options"),
    Component("put_call_interest", "options", "options"),
    Component("put_call_volume", "options", "options"),
    Component("smirk", "options", "options"),
    Component("index_trend", "index", "index"),
)

LOW_PERCENTILE, HIGH_PERCENTILE = 1 / 3, 2 / 3
# Implied over realised volatility of 22 sessions: terciles of 206 shares on 28 to 30 January 2026, one market's mood.
LOW_RATIO, HIGH_RATIO = 1.08, 1.26

_CANDLES = MappingProxyType(
    {
        "ema_alignment": indicators.ema_alignment,
        "directional_movement": indicators.directional_movement,
        "rsi": indicators.rsi_balance,
        "macd": indicators.macd_balance,
        "rate_of_change": indicators.rate_of_change,
        "yearly_momentum": indicators.yearly_momentum,
        "short_reversal": indicators.short_reversal,
        "volume_pressure": indicators.volume_pressure,
        "support_resistance": indicators.range_position,
    }
)


@dataclass(frozen=True, slots=True)
class Levels:
    """Prices that matter, rupees; None where unknown. Support and resistance never stand on the wrong side."""

    close: float
    support: float | None = None
    resistance: float | None = None
    put_wall: float | None = None
    call_wall: float | None = None
    max_pain: float | None = None
    point_of_control: float | None = None
    value_area_low: float | None = None
    value_area_high: float | None = None


@dataclass(frozen=True, slots=True)
class VolatilityState:
    """How much it moves: Wilder's range as a fraction of price, Bollinger width percentile, realised against longer."""

    atr_fraction: float | None
    adx: float | None
    rsi: float | None
    width_percentile: float | None
    realised: float | None
    change: float | None


def read_candles(bars: Bars, area: ValueArea | None) -> dict[str, float | Reason]:
    """Read every component of an unbroken history at its newest candle, or say why it cannot be known."""
    found: dict[str, float | Reason] = {}
    for each in COMPONENTS:
        if each.source == "candles":
            found[each.name] = _too_few(each, bars) or _read(each.name, bars, area)
    return found


def _too_few(component: Component, bars: Bars) -> Reason | None:
    if len(bars) >= component.needs:
        return None
    sentence = f"{component.name} needs {component.needs} closed candles, has {len(bars)}."
    return Reason("TOO_FEW_CANDLES", sentence, "Import more history with import_history.")


def _read(name: str, bars: Bars, area: ValueArea | None) -> float | Reason:
    if name == "value_area":
        value = area.position(float(bars.closes[-1])) if area else math.nan
    else:
        value = float(_CANDLES[name](bars)[-1])
    if math.isfinite(value):
        return min(1.0, max(-1.0, value))
    return Reason("NO_MOVEMENT", f"{name} cannot be known: the price stood still or nothing was traded.")


def read_interest(interest: Interest | Reason) -> dict[str, float | Reason]:
    """Read every component of the nearest expiry's positions, or say why it cannot be known."""
    names = [each.name for each in COMPONENTS if each.source == "options"]
    if isinstance(interest, Reason):
        return dict.fromkeys(names, interest)
    walls, pain = levels.walls(interest), levels.max_pain(interest)
    values = {
        "open_interest_walls": walls.balance(interest.spot) if walls else None,
        "max_pain": math.tanh(20.0 * math.log(pain / interest.spot)) if pain else None,
        "put_call_interest": levels.put_call_balance(interest.call_interest, interest.put_interest),
        "put_call_volume": levels.put_call_balance(interest.call_volume, interest.put_volume),
        "smirk": levels.smirk(interest),
    }
    return {name: _one_sided(name) if value is None else value for name, value in values.items()}


def _one_sided(name: str) -> Reason:
    return Reason("ONE_SIDED_CHAIN", f"{name} cannot be known: calls or puts lack what it compares.")


def read_levels(bars: Bars, area: ValueArea | None, interest: Interest | Reason) -> Levels:
    """Find the levels; support and resistance are the walls where there are options, else the range of 55 sessions."""
    high, low = indicators.support_resistance(bars)
    walls = None if isinstance(interest, Reason) else levels.walls(interest)
    return Levels(
        close=float(bars.closes[-1]),
        support=walls.put_wall if walls else _known(low),
        resistance=walls.call_wall if walls else _known(high),
        put_wall=walls.put_wall if walls else None,
        call_wall=walls.call_wall if walls else None,
        max_pain=None if isinstance(interest, Reason) else levels.max_pain(interest),
        point_of_control=area.point_of_control if area else None,
        value_area_low=area.low if area else None,
        value_area_high=area.high if area else None,
    )


def read_volatility(bars: Bars) -> VolatilityState:
    """Say how much the price moves; the same for a market and its mirror image except the RSI."""
    width = indicators.band_width_percentile(bars)
    realised = _known(indicators.sigma(bars))
    rsi = _known(indicators.rsi_balance(bars))
    return VolatilityState(
        atr_fraction=_known(indicators.atr_fraction(bars)),
        adx=_known(indicators.adx(bars)),
        rsi=None if rsi is None else 50.0 + 50.0 * rsi,
        width_percentile=None if math.isnan(width) else width,
        realised=None if realised is None else realised * math.sqrt(252.0),
        change=_known(indicators.volatility_change(bars)),
    )


def _known(series: Floats) -> float | None:
    value = float(series[-1])
    return value if math.isfinite(value) else None


def iv_regime(percentile: float | Reason, *, implied: float, realised: float | None) -> IvRegime | Reason:
    """Say where implied volatility stands: by its percentile, else by its ratio to the realised one.

    Parameters
    ----------
    percentile : float or Reason
        Of the implied volatility in its own history, a fraction; a Reason where the history is too short.
    implied, realised : float
        Annual volatilities, fractions; `realised` None without a past.

    Returns
    -------
    {"low", "normal", "high"} or Reason
        NO_IV_REGIME when neither is known.
    """
    if not isinstance(percentile, Reason):
        return _third(percentile, LOW_PERCENTILE, HIGH_PERCENTILE)
    if realised is not None and realised > 0.0:
        return _third(implied / realised, LOW_RATIO, HIGH_RATIO)
    sentence = "Neither a history of implied volatility nor a past of prices is long enough to compare with."
    return Reason("NO_IV_REGIME", sentence, "Import more sessions.")


def _third(value: float, low: float, high: float) -> IvRegime:
    return "low" if value < low else "high" if value > high else "normal"


def interest_of(chain: Chain) -> Interest | Reason:
    """Take the positions of an assembled chain's nearest expiry."""
    if not chain.expiries:
        return Reason("NO_EXPIRY", f"The chain of {chain.underlying} holds no usable expiry.", "Capture it again.")
    near = chain.expiries[0]
    calls, puts = near.calls, near.puts
    positions = (calls.open_interest, puts.open_interest, calls.volume, puts.volume)
    return Interest(chain.spot, near.strikes, *positions, calls.implied_volatility, puts.implied_volatility)
