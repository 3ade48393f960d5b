"""What closed sessions say of an underlying's volatility, read for many symbols at once."""

from collections.abc import Sequence
from datetime import datetime

import numpy as np

from market.errors import InvalidInput
from market.quant.indicators import Bars, check, unbroken
from market.quant.volatility import daily_variances
from market.services.candles import closed_candles, last_closed_day
from market.services.daily_bars import LOOKBACK
from market.sessions import FEWEST_SESSIONS, Past


def past_sessions(symbols: Sequence[str], *, as_of: datetime) -> dict[str, Past]:
    """The past of each symbol since its newest break, in one query; one without a month of sessions is absent."""
    candles = closed_candles(symbols, as_of=as_of, lookback=LOOKBACK)
    pasts = {symbol: past_of(bars, as_of=as_of) for symbol, bars in candles.items()}
    return {symbol: past for symbol, past in pasts.items() if past is not None}


def past_of(bars: Bars, *, as_of: datetime) -> Past | None:
    """The past that closed candles tell, since their newest break; None without a month of sessions."""
    oldest = np.datetime64(last_closed_day(as_of) - LOOKBACK, "D")
    recent = bars.since(int(np.searchsorted(bars.days, oldest)))
    if len(recent) <= FEWEST_SESSIONS:
        return None
    try:
        whole, _ = unbroken(check(recent))
    except InvalidInput:
        return None  # the market view says what is wrong with these candles
    if len(whole) <= FEWEST_SESSIONS:
        return None
    variances = daily_variances(opens=whole.opens, highs=whole.highs, lows=whole.lows, closes=whole.closes)
    return Past(np.diff(np.log(whole.closes)), variances)
