"""Reads closed daily candles of many symbols at once."""

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta

import numpy as np
from django.db import connection

from market.calendar import IST, is_covered, session_on, sessions_between
from market.quant.indicators import Bars

LOOKBACK = timedelta(days=800)  # about 540 sessions: a year of percentiles on top of the longest average
_NORMAL_CLOSE = time(15, 30)  # of years the rulebook does not cover
_SERIES = ["EQ", "IDX"]
_SELECT = (
    "SELECT symbol, array_agg(day - DATE '1970-01-01' ORDER BY day), array_agg(open::float8 ORDER BY day),"
    " array_agg(high::float8 ORDER BY day), array_agg(low::float8 ORDER BY day), array_agg(close::float8 ORDER BY day),"
    " array_agg(volume::float8 ORDER BY day) FROM daily_bars"
    " WHERE symbol = ANY(%s) AND exchange IN ('NSE', 'BSE') AND series = ANY(%s) AND day BETWEEN %s AND %s"
    " GROUP BY symbol, exchange ORDER BY symbol, exchange DESC"
)


def closed_candles(symbols: Sequence[str], *, as_of: datetime, lookback: timedelta = LOOKBACK) -> dict[str, Bars]:
    """The closed candles of each symbol, oldest first, in one query; a symbol without any is absent.

    The day of `as_of` counts only once its session has closed. A symbol of both exchanges is read from NSE.
    """
    last = last_closed_day(as_of)
    with connection.cursor() as cursor:
        cursor.execute(_SELECT, [list(symbols), _SERIES, last - lookback, last])
        rows = cursor.fetchall()
    found: dict[str, Bars] = {}
    for symbol, days, *columns in rows:
        prices = [np.asarray(column, dtype=np.float64) for column in columns]
        found.setdefault(symbol, Bars(np.asarray(days, dtype="datetime64[D]"), *prices))
    return found


def last_closed_day(as_of: datetime) -> date:
    """The last day whose candle can be closed: the day itself after the close, else the day before."""
    local = as_of.astimezone(IST)
    session = session_on(local.date()) if is_covered(local.date()) else None
    closes = session.closes if session else datetime.combine(local.date(), _NORMAL_CLOSE, tzinfo=IST)
    return local.date() if local >= closes else local.date() - timedelta(days=1)


def sessions_late(day: date, *, as_of: datetime) -> int:
    """How many sessions have closed since the candle of `day`; weekdays count where the rulebook knows no sessions."""
    last = last_closed_day(as_of)
    if day >= last:
        return 0
    if is_covered(day) and is_covered(last):
        return len(sessions_between(day + timedelta(days=1), last))
    return int(np.busday_count(day + timedelta(days=1), last + timedelta(days=1)))
