"""What closed sessions say of an underlying's volatility, read for many symbols at once."""

from collections.abc import Sequence
from datetime import datetime

import numpy as np

from market.errors import InvalidInput
from market.quant.indicators import check, unbroken
from market.quant.volatility import daily_variances
from market.services.candles import closed_candles
from market.services.daily_bars import LOOKBACK
from market.sessions import FEWEST_SESSIONS, Past


def past_sessions(symbols: Sequence[str], *, as_of: datetime) -> dict[str, Past]:
    """The past of each symbol since its newest break, in one query; one without a month of sessions is absent."""
    found: dict[str, Past] = {}
    for symbol, bars in closed_candles(symbols, as_of=as_of, lookback=LOOKBACK).items():
        try:
            whole, _ = unbroken(check(bars))
        except InvalidInput:
            continue  # the market view says what is wrong with these candles
        if len(whole) > FEWEST_SESSIONS:
            variances = daily_variances(opens=whole.opens, highs=whole.highs, lows=whole.lows, closes=whole.closes)
            found[symbol] = Past(np.diff(np.log(whole.closes)), variances)
    return found
