"""Reads the open interest of many underlyings at once, from their newest snapshots."""

from collections.abc import Sequence
from datetime import datetime, time

import numpy as np
from django.db import connection

from market.calendar import IST
from market.errors import Reason
from market.quant.levels import Interest
from market.services.candles import last_closed_day

_SELECT = """
WITH newest AS (
    SELECT DISTINCT ON (symbol) id, symbol, spot FROM chain_snapshots
    WHERE symbol = ANY(%s) AND taken_at <= %s AND taken_at >= %s ORDER BY symbol, taken_at DESC, id DESC
), quotes AS (
    SELECT newest.symbol AS name, newest.spot::float8 AS spot, strike_price::float8 AS strike, option_type,
           open_interest::float8 AS interest, volume::float8 AS volume, implied_volatility::float8 AS volatility,
           expiry_date = min(expiry_date) OVER (PARTITION BY snapshot_id) AS near
    FROM newest JOIN option_chain_data ON snapshot_id = newest.id WHERE expiry_date >= %s
), strikes AS (
    SELECT name, spot, strike,
           max(interest) FILTER (WHERE option_type = 'CE') AS call_interest,
           max(interest) FILTER (WHERE option_type = 'PE') AS put_interest,
           max(volume) FILTER (WHERE option_type = 'CE') AS call_volume,
           max(volume) FILTER (WHERE option_type = 'PE') AS put_volume,
           max(volatility) FILTER (WHERE option_type = 'CE') AS call_volatility,
           max(volatility) FILTER (WHERE option_type = 'PE') AS put_volatility
    FROM quotes WHERE near GROUP BY name, spot, strike
)
SELECT name, spot, array_agg(strike ORDER BY strike), array_agg(call_interest ORDER BY strike),
       array_agg(put_interest ORDER BY strike), array_agg(call_volume ORDER BY strike),
       array_agg(put_volume ORDER BY strike), array_agg(call_volatility ORDER BY strike),
       array_agg(put_volatility ORDER BY strike)
FROM strikes GROUP BY name, spot
"""


def nearest_interest(symbols: Sequence[str], *, as_of: datetime) -> dict[str, Interest | Reason]:
    """The positions of each symbol's nearest expiry, or why they are not known (one query).

    The snapshot is the newest not later than `as_of` and not older than the last closed session.
    """
    local = as_of.astimezone(IST)
    oldest = datetime.combine(last_closed_day(as_of), time(), tzinfo=IST)
    with connection.cursor() as cursor:
        cursor.execute(_SELECT, [list(symbols), as_of, oldest, local.date()])
        found = {symbol: _interest(symbol, spot, columns) for symbol, spot, *columns in cursor.fetchall()}
    return {symbol: found.get(symbol, _no_chain(symbol, oldest)) for symbol in symbols}


def _interest(symbol: str, spot: float | None, columns: list[list[float | None]]) -> Interest | Reason:
    if spot is None:
        return Reason("NO_SPOT", f"The newest chain of {symbol} says no spot.", "Capture it again.")
    return Interest(spot, *(np.asarray(column, dtype=np.float64) for column in columns))


def _no_chain(symbol: str, oldest: datetime) -> Reason:
    return Reason("NO_CHAIN", f"No chain of {symbol} since {oldest:%Y-%m-%d} is stored.", "Import or capture one.")
