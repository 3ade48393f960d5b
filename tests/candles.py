"""Daily candles for tests: a seeded walk, or one with given closes."""

import numpy as np

from market.quant.indicators import Bars
from market.quant.levels import Interest

FIRST_DAY = "2024-01-01"


def make_bars(closes, *, spread: float = 0.01, volumes=None, first: str = FIRST_DAY) -> Bars:
    """Candles on consecutive days around these closes; each opens at the last close."""
    closes = np.asarray(closes, dtype=np.float64)
    opens = np.concatenate([closes[:1], closes[:-1]])
    highs, lows = np.maximum(opens, closes) * (1 + spread), np.minimum(opens, closes) / (1 + spread)
    days = np.datetime64(first) + np.arange(len(closes))
    traded = np.full(len(closes), 1_000.0) if volumes is None else np.asarray(volumes, dtype=np.float64)
    return Bars(days, opens, highs, lows, closes, traded)


def walk(seed: int, count: int = 400, *, drift: float = 0.0, volatility: float = 0.015, start: float = 1_000.0) -> Bars:
    """A random walk whose ranges and volumes vary from candle to candle."""
    random = np.random.default_rng(seed)
    closes = start * np.exp(np.cumsum(random.normal(drift, volatility, count)))
    opens = np.concatenate([[start], closes[:-1]]) * np.exp(random.normal(0, 0.003, count))
    top, bottom = np.maximum(opens, closes), np.minimum(opens, closes)
    highs, lows = top * np.exp(random.uniform(0, 0.01, count)), bottom / np.exp(random.uniform(0, 0.01, count))
    days = np.datetime64(FIRST_DAY) + np.arange(count)
    return Bars(days, opens, highs, lows, closes, random.uniform(1e3, 1e5, count).round())


def make_interest(
    spot: float = 100.0,
    strikes=(90, 95, 100, 105, 110),
    *,
    calls=(1, 1, 2, 9, 3),
    puts=(3, 8, 2, 1, 1),
    call_volatility=None,
    put_volatility=None,
) -> Interest:
    """One expiry's positions; volume is half the open interest, volatility unknown unless given."""
    columns = [np.asarray(column, dtype=np.float64) for column in (strikes, calls, puts)]
    ladder, call, put = columns
    unknown = np.full(len(ladder), np.nan)
    stated = [
        unknown if column is None else np.asarray(column, dtype=np.float64)
        for column in (call_volatility, put_volatility)
    ]
    return Interest(spot, ladder, call, put, call / 2, put / 2, *stated)


def random_interest(seed: int, spot: float) -> Interest:
    """Positions on 21 strikes around the spot with a stated smile."""
    random = np.random.default_rng(seed)
    strikes = spot * np.exp(np.linspace(-0.2, 0.2, 21) + random.uniform(-0.004, 0.004, 21))
    counts = [random.integers(0, 5_000, 21).astype(np.float64) for _ in range(4)]
    return Interest(spot, strikes, *counts, random.uniform(0.1, 0.5, 21), random.uniform(0.1, 0.5, 21))
