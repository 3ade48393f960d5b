"""Keep the closed sessions of underlyings, so that volatility and the market view have something to look back on."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta

from django.db import transaction
from django.db.models import Max

from market.calendar import IST
from market.errors import OptionsError, Reason
from market.models import DailyBar, Underlying
from market.ports import VOLATILITY_INDEX, DayCandle, MarketSource
from market.readers.bhavcopy import ShareDay
from market.services.bhavcopy import upsert_bars

LOOKBACK = timedelta(days=200)  # about 135 sessions
WEATHER = ("NIFTY", VOLATILITY_INDEX)  # what every market view asks for, whichever symbol it is of


def record_daily_bars(source: MarketSource, symbols: Sequence[str], *, as_of: datetime) -> dict[str, Reason | None]:
    """Store what has closed since the newest stored session of each symbol; None means stored, else why not."""
    known = Underlying.objects.filter(symbol__in=symbols).in_bulk(field_name="symbol")
    outcome: dict[str, Reason | None] = {}
    days: list[ShareDay] = []
    newest = _newest(symbols)
    for symbol in symbols:
        since = newest.get(symbol, as_of.astimezone(IST).date() - LOOKBACK)
        try:
            candles = source.candles(symbol, since=since, as_of=as_of)
        except OptionsError as error:
            outcome[symbol] = error.reason
            continue
        row = known.get(symbol)
        is_index = symbol in WEATHER or (row is not None and row.kind == "index")
        exchange = "NSE" if row is None else row.exchange
        days += [_day(exchange, symbol, "IDX" if is_index else "EQ", candle) for candle in candles]
        outcome[symbol] = None
    if days:
        with transaction.atomic():
            upsert_bars(days)
    return outcome


def _newest(symbols: Sequence[str]) -> dict[str, date]:
    rows = DailyBar.objects.filter(symbol__in=symbols, series__in=["EQ", "IDX"])
    return dict(rows.values_list("symbol").annotate(newest=Max("day")).order_by())


def _day(exchange: str, symbol: str, series: str, candle: DayCandle) -> ShareDay:
    return ShareDay(
        exchange=exchange,
        symbol=symbol,
        series=series,
        day=candle.day,
        open=candle.open,
        high=candle.high,
        low=candle.low,
        close=candle.close,
        last_price=candle.close,
        previous_close=None,
        volume=candle.volume or 0,  # an index trades nothing
        delivered=None,
    )
