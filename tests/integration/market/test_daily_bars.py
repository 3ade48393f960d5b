"""What has closed is kept once, and what the past says of volatility is read back."""

from datetime import date, datetime, timedelta

import numpy as np
import pytest

from market.calendar import IST, sessions_between
from market.models import DailyBar
from market.services.candles import closed_candles
from market.services.capture import capture_chains
from market.services.daily_bars import LOOKBACK, record_daily_bars
from market.services.past import past_of
from market.sessions import FEWEST_SESSIONS
from market.sources import build_source
from strategies.services.views import weather
from tests.factories import record_past

pytestmark = pytest.mark.django_db

AS_OF = datetime(2026, 10, 28, 10, 0, tzinfo=IST)
DAY = date(2026, 10, 27)


@pytest.fixture(scope="module")
def market():
    return build_source("simulated")


def days_of(symbol: str) -> list[date]:
    return list(DailyBar.objects.filter(symbol=symbol).order_by("day").values_list("day", flat=True))


def test_every_closed_session_is_kept_and_the_open_one_is_not(market):
    outcome = record_daily_bars(market, ["INFY"], as_of=AS_OF)

    first = AS_OF.date() - LOOKBACK
    assert outcome == {"INFY": None}
    assert days_of("INFY") == [session.day for session in sessions_between(first, DAY)]


def test_a_candle_spans_the_minutes_of_its_session(market):
    candle = market.candles("INFY", since=DAY, as_of=AS_OF)[-1]

    minutes = [
        float(market.chain("INFY", as_of=datetime(2026, 10, 27, hour, minute, tzinfo=IST)).spot)
        for hour in range(10, 15)
        for minute in (0, 30)
    ]
    assert candle.day == DAY
    assert candle.low <= min(minutes) <= max(minutes) <= candle.high
    assert candle.low <= min(candle.open, candle.close) <= max(candle.open, candle.close) <= candle.high


def test_the_next_day_adds_one_session_and_changes_none(market):
    record_daily_bars(market, ["INFY"], as_of=AS_OF)
    before = set(DailyBar.objects.values_list("day", "close"))

    record_daily_bars(market, ["INFY"], as_of=AS_OF + timedelta(days=1))

    after = set(DailyBar.objects.values_list("day", "close"))
    assert before < after
    assert {day for day, _ in after - before} == {AS_OF.date()}


def test_a_symbol_nobody_knows_is_a_reason_and_stops_no_other(market):
    outcome = record_daily_bars(market, ["NOSUCH", "INFY"], as_of=AS_OF)

    assert outcome["NOSUCH"].code == "UNKNOWN_UNDERLYING"
    assert outcome["INFY"] is None
    assert days_of("INFY")


def past():
    return past_of(closed_candles(["INFY"], as_of=AS_OF)["INFY"], as_of=AS_OF)


def test_capturing_chains_keeps_the_past_too(market):
    capture_chains(market, ["INFY"], as_of=AS_OF)

    assert past().variances.size > FEWEST_SESSIONS


def test_the_variance_of_a_past_is_that_of_its_sessions():
    record_past("INFY", until=DAY, volatility=0.20)

    found = past()

    assert found.variances == pytest.approx(np.full(found.variances.size, 0.04), rel=2e-3)
    assert found.returns.size == found.variances.size


def test_a_short_past_is_none():
    record_past("INFY", until=DAY, volatility=0.20, sessions=FEWEST_SESSIONS)

    assert past() is None


def test_a_split_ends_the_past():
    record_past("INFY", until=DAY - timedelta(days=10), volatility=0.20, sessions=60)
    record_past("INFY", until=DAY, volatility=0.20, sessions=6, price=20.0)

    assert past() is None


def test_capturing_keeps_what_every_market_view_asks_for(market):
    capture_chains(market, ["INFY"], as_of=AS_OF)

    now = weather(closed_candles(["NIFTY", "INDIAVIX"], as_of=AS_OF), as_of=AS_OF)

    last = closed_candles(["INDIAVIX"], as_of=AS_OF)["INDIAVIX"]
    assert now.vix.close == last.closes[-1]
    assert 8.0 < now.vix.close < 40.0
    assert (last.lows <= last.closes).all()
    assert isinstance(now.trend, float)
    assert set(DailyBar.objects.filter(symbol__in=["NIFTY", "INDIAVIX"]).values_list("series", flat=True)) == {"IDX"}
