"""What closed sessions say of an underlying's volatility."""

from datetime import datetime

import numpy as np

from market.errors import InvalidInput
from market.quant.indicators import Bars, check, unbroken
from market.quant.volatility import daily_variances
from market.services.candles import last_closed_day
from market.services.daily_bars import LOOKBACK
from market.sessions import FEWEST_SESSIONS, Past


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
