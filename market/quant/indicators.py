"""What closed daily candles say: trend, momentum, volume, place in the range, volatility state.

Everything is computed on the logarithm of the price, so that a market and its mirror image (every price p replaced by
c squared over p: each rise becomes the fall of the same ratio) get exactly opposite answers. RSI, MACD and ADX on
logarithms differ from those on prices only little at the size daily candles have; in exchange no indicator leans to one
side.
"""

import math
from dataclasses import dataclass

import numpy as np
import talib
from numpy.typing import NDArray

from market.errors import InvalidInput, Reason

Floats = NDArray[np.float64]
Days = NDArray[np.datetime64]

CORPORATE_MOVE = math.log(1.35)  # close to close: more than this is no return
CORPORATE_GAP = math.log(1.15)  # close to next open: shares with derivatives open within 10 % of the last close
LONGEST_PAUSE = 12  # calendar days between candles; the longest closure of the exchange is shorter
SIGMA_WINDOW = 60
FAST, MIDDLE, SLOW = 20, 50, 200


@dataclass(frozen=True, slots=True, eq=False)
class Bars:
    """Closed daily candles, oldest first: prices in rupees (not adjusted for splits), volume in units."""

    days: Days
    opens: Floats
    highs: Floats
    lows: Floats
    closes: Floats
    volumes: Floats

    def __len__(self) -> int:
        return len(self.closes)

    def since(self, start: int) -> "Bars":
        """The candles from position `start` on."""
        prices = (self.opens[start:], self.highs[start:], self.lows[start:], self.closes[start:])
        return Bars(self.days[start:], *prices, self.volumes[start:])

    def reflected(self, centre: float) -> "Bars":
        """The mirror image: every price p becomes centre² / p, so highs and lows change places."""
        square = centre * centre
        prices = (square / self.opens, square / self.lows, square / self.highs, square / self.closes)
        return Bars(self.days, *prices, self.volumes)


def check(bars: Bars) -> Bars:
    """Return the candles when every price is a positive number inside its range.

    Raises
    ------
    InvalidInput
        BAD_CANDLES when a price is not finite and positive, a volume is negative, or days are not ascending.
    """
    prices = np.stack([bars.opens, bars.highs, bars.lows, bars.closes])
    sound = bool(np.isfinite(prices).all() and (prices > 0).all() and (bars.highs >= bars.lows).all())
    sound = sound and bool((bars.volumes >= 0).all()) and bool((bars.days[1:] > bars.days[:-1]).all())
    if not sound:
        raise InvalidInput(Reason("BAD_CANDLES", "A candle has no positive price, or the days do not ascend."))
    return bars


def unbroken(bars: Bars) -> tuple[Bars, Reason | None]:
    """Cut history at the newest break, so that no corporate action or hole is ever read as a return.

    Parameters
    ----------
    bars : Bars
        Candles not adjusted for splits.

    Returns
    -------
    tuple of Bars and Reason or None
        The candles after the newest break, and what the break was: CORPORATE_ACTION for a one-day move over 35 %
        (a ratio above 1.35 or below 1/1.35) or an open more than 15 % off the last close, HISTORY_GAP for a hole.
    """
    positions = breaks(bars)
    if not len(positions):
        return bars, None
    start = int(positions[-1])
    return bars.since(start), _broken(bars, start)


def breaks(bars: Bars) -> NDArray[np.intp]:
    """Positions of the first candle after each break of the history."""
    closes = np.log(bars.closes)
    moves, gaps = np.diff(closes), np.log(bars.opens[1:]) - closes[:-1]
    broken = (np.abs(moves) > CORPORATE_MOVE) | (np.abs(gaps) > CORPORATE_GAP) | (_pauses(bars) > LONGEST_PAUSE)
    return np.flatnonzero(broken) + 1


def _pauses(bars: Bars) -> NDArray[np.int64]:
    return np.diff(bars.days).astype("timedelta64[D]").astype(np.int64)


def _broken(bars: Bars, start: int) -> Reason:
    day, pause = bars.days[start], int(_pauses(bars)[start - 1])
    if pause > LONGEST_PAUSE:
        sentence = f"No candles for {pause} days before {day}; only what came after is used."
        return Reason("HISTORY_GAP", sentence, "Import the missing days.")
    ratio = float(bars.closes[start] / bars.closes[start - 1])
    sentence = f"The price changed by the factor {ratio:.3f} on {day}; only what came after is used."
    return Reason("CORPORATE_ACTION", sentence, "Import prices adjusted for it.")


def sigma(bars: Bars, window: int = SIGMA_WINDOW) -> Floats:
    """Return the daily volatility: deviation of the last `window` log returns; NaN where unknown or nothing moved.

    Shape (n,), a fraction per session. Source: as `market.quant.volatility.realised_volatility`, not annualised.
    """
    found = np.full(len(bars), np.nan)
    if len(bars) > window:
        found[1:] = talib.STDDEV(np.diff(np.log(bars.closes)), window)
    return np.where(found > 0, found, np.nan)


def ema_alignment(bars: Bars) -> Floats:
    """Say how price, EMA 20, EMA 50 and EMA 200 are stacked: 1 all rising, -1 all falling.

    Shape (n,) in [-1, 1], NaN for the first 199 candles. Each distance counts in units of the volatility over the
    longer span. Source: J. J. Murphy, "Technical Analysis of the Financial Markets", ch. 9, moving averages.
    """
    price, daily = np.log(bars.closes), sigma(bars)
    fast, middle, slow = (_ema(price, span) for span in (FAST, MIDDLE, SLOW))
    steps = ((price - fast, FAST), (fast - middle, MIDDLE), (middle - slow, SLOW))
    return np.asarray(sum(np.tanh(distance / (daily * math.sqrt(span))) for distance, span in steps) / 3.0)


def directional_movement(bars: Bars, window: int = 14) -> Floats:
    """Weigh the balance of upward and downward movement by how much of a trend there is (ADX 25 is 0.76).

    Shape (n,) in [-1, 1]. Source: J. W. Wilder, "New Concepts in Technical Trading Systems" (1978), section IV.
    """
    if len(bars) < 2 * window:
        return np.full(len(bars), np.nan)
    high, low = np.log(bars.highs), np.log(bars.lows)
    up, down = talib.PLUS_DM(high, low, window), talib.MINUS_DM(high, low, window)
    return np.asarray(_ratio(up - down, up + down) * np.tanh(adx(bars, window) / 25.0))


def adx(bars: Bars, window: int = 14) -> Floats:
    """Return Wilder's average directional index, 0 to 100: how much of a trend, whichever way.

    Shape (n,), NaN for the first 2 window - 1 candles. Source: J. W. Wilder, as above.
    """
    found = talib.ADX(np.log(bars.highs), np.log(bars.lows), np.log(bars.closes), window)
    return np.asarray(np.clip(found, 0.0, 100.0), dtype=np.float64)


def rsi_balance(bars: Bars, window: int = 14) -> Floats:
    """Return Wilder's relative strength as a balance: RSI 50 is 0, RSI 100 is 1, a price that never moved is 0.

    Shape (n,) in [-1, 1]. TA-Lib answers 0 (all falls) as the RSI of a flat price; its CMO, which smooths as Wilder
    does and equals 2 RSI - 100, answers 0 there (balanced). Source: J. W. Wilder, as above, section VI.
    """
    return np.asarray(np.clip(talib.CMO(np.log(bars.closes), window) / 100.0, -1.0, 1.0))


def macd_balance(bars: Bars) -> Floats:
    """Say how far MACD 12-26 stands above its signal line of 9, in units of volatility over 9 sessions.

    Shape (n,) in [-1, 1]. Source: G. Appel, "The Moving Average Convergence-Divergence Trading Method" (1979).
    """
    if len(bars) < 34:
        return np.full(len(bars), np.nan)
    _, _, histogram = talib.MACD(np.log(bars.closes), 12, 26, 9)
    return np.asarray(np.tanh(histogram / (sigma(bars) * 3.0)))


def rate_of_change(bars: Bars, sessions: int = 20, *, skip: int = 0) -> Floats:
    """Return the log return from `sessions` ago to `skip` ago in units of the volatility over that span.

    Shape (n,) in [-1, 1]. With sessions 252 and skip 21 it is the momentum of N. Jegadeesh and S. Titman, "Returns to
    Buying Winners and Selling Losers", Journal of Finance 48 (1993) 65-91.
    """
    price, moved = np.log(bars.closes), np.full(len(bars), np.nan)
    if len(bars) > sessions:
        moved[sessions:] = price[sessions - skip : len(price) - skip] - price[:-sessions]
    return np.asarray(np.tanh(moved / (sigma(bars) * math.sqrt(sessions - skip))))


def yearly_momentum(bars: Bars) -> Floats:
    """Return the momentum of the last twelve months without the last one, shape (n,) in [-1, 1]."""
    return rate_of_change(bars, 252, skip=21)


def short_reversal(bars: Bars) -> Floats:
    """Expect the last week to be given back: the negative of the five-day rate of change, shape (n,) in [-1, 1].

    Source: B. N. Lehmann, "Fads, Martingales, and Market Efficiency", Quarterly Journal of Economics 105 (1990) 1-28.
    """
    return -rate_of_change(bars, 5)


def volume_pressure(bars: Bars, window: int = 20) -> Floats:
    """Say on which side the volume of the last sessions was traded: 1 all on strong rises, -1 all on strong falls.

    Shape (n,) in [-1, 1], NaN where no volume is known. Source: the idea of J. Granville's on-balance volume
    ("New Key to Stock Market Profits", 1963), with the size of each move in place of its bare sign.
    """
    pressure = np.full(len(bars), np.nan)
    if len(bars) <= SIGMA_WINDOW + window:
        return pressure
    signed = _rolling_sum(bars.volumes * np.nan_to_num(rate_of_change(bars, 1)), window)
    total = _rolling_sum(bars.volumes, window)
    pressure[window - 1 :] = np.where(total > 0, signed / np.where(total > 0, total, 1.0), np.nan)
    pressure[: SIGMA_WINDOW + window] = np.nan
    return pressure


def range_position(bars: Bars, window: int = 55) -> Floats:
    """Place the close between support and resistance: -1 at the lowest low of the window, 1 at its highest high.

    Shape (n,) in [-1, 1]. Source: R. Donchian's channel, e.g. P. J. Kaufman, "Trading Systems and Methods", ch. 5.
    """
    high, low = support_resistance(bars, window)
    top, bottom = np.log(high), np.log(low)
    return np.asarray(np.clip(_ratio(2.0 * np.log(bars.closes) - top - bottom, top - bottom), -1.0, 1.0))


def support_resistance(bars: Bars, window: int = 55) -> tuple[Floats, Floats]:
    """Return the highest high and the lowest low of the window, rupees, shapes (n,)."""
    if len(bars) < window:
        nothing = np.full(len(bars), np.nan)
        return nothing, nothing
    return talib.MAX(bars.highs, window), talib.MIN(bars.lows, window)


def atr_fraction(bars: Bars, window: int = 14) -> Floats:
    """Return Wilder's average true range of log prices: a fraction of the price, shape (n,)."""
    found = talib.ATR(np.log(bars.highs), np.log(bars.lows), np.log(bars.closes), window)
    return np.asarray(found, dtype=np.float64)


def band_width_percentile(bars: Bars, *, window: int = 20, history: int = 252) -> float:
    """Return the share of the last `history` sessions whose Bollinger band was narrower than today's, or NaN.

    Source: J. Bollinger, "Bollinger on Bollinger Bands" (2001), BandWidth; on logs the width is 4 deviations.
    """
    if len(bars) < window + history - 1:
        return math.nan
    widths = talib.STDDEV(np.log(bars.closes), window)[-history:]
    return float(np.mean(widths[:-1] < widths[-1]))


def volatility_change(bars: Bars, *, short: int = 20, long: int = 120) -> Floats:
    """Compare realised volatility over a month with that over half a year: positive when it is rising, (n,)."""
    return np.asarray(np.tanh(np.log(sigma(bars, short)) - np.log(sigma(bars, long))))


def _ema(price: Floats, span: int) -> Floats:
    return np.asarray(talib.EMA(price, span), dtype=np.float64)


def _ratio(part: Floats, whole: Floats) -> Floats:
    """Return part / whole; where the whole is nothing the part is too, and neither side outweighs the other."""
    return np.asarray(np.where(whole == 0, 0.0, part / np.where(whole == 0, 1.0, whole)))


def _rolling_sum(values: Floats, window: int) -> Floats:
    return np.asarray(np.lib.stride_tricks.sliding_window_view(values, window).sum(axis=1), dtype=np.float64)
