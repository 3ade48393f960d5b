"""Views of many underlyings at a moment: computed in two queries, kept once, shown with their reasons."""

import json
from datetime import datetime, timedelta
from decimal import Decimal
from io import StringIO

import numpy as np
import pytest
from django.core.management import call_command
from django.db import IntegrityError, transaction

from market.calendar import IST
from market.errors import Reason, StaleQuote
from market.models import ChainSnapshot, DailyBar, MarketView, OptionQuote, Underlying
from strategies.services.views import store_views, views_for
from strategies.view import LATE_SESSION, View
from tests.builders import make_chain
from tests.candles import walk

pytestmark = pytest.mark.django_db

AS_OF = datetime(2026, 1, 30, 15, 45, tzinfo=IST)
LAST = AS_OF.date()


def keep(symbol, seed, count=300, *, series="EQ", start=1_000.0, last=LAST):
    """Store a walk whose newest candle is of `last`, on every day of the week (a candle is a candle)."""
    bars = walk(seed, count, start=start)
    rows = [
        DailyBar(
            symbol=symbol,
            series=series,
            day=last - timedelta(days=count - 1 - place),
            open=round(bars.opens[place], 4),
            high=round(bars.highs[place], 4),
            low=round(bars.lows[place], 4),
            close=round(bars.closes[place], 4),
            volume=int(bars.volumes[place]),
        )
        for place in range(count)
    ]
    DailyBar.objects.bulk_create(rows)
    return bars


def keep_chain(symbol, spot, taken_at=AS_OF - timedelta(minutes=16)):
    snapshot = ChainSnapshot.objects.create(
        symbol=symbol, taken_at=taken_at, source="made", spot=spot, quote_count=8, content_hash=str(taken_at)
    )
    ladder = [(-60, 1, 3), (-30, 1, 8), (30, 9, 2), (60, 3, 1)]
    for month, more in (("2026-02-24", 0), ("2026-03-30", 100)):
        for step, call, put in ladder:
            for option_type, interest in (("CE", call), ("PE", put)):
                OptionQuote.objects.create(
                    snapshot=snapshot,
                    symbol=symbol,
                    option_type=option_type,
                    strike=spot + step,
                    expiry=month,
                    open_interest=interest + more * (abs(step) == 60),
                    volume=interest,
                    implied_volatility=Decimal("0.2"),
                    quoted_at=taken_at,
                )


@pytest.fixture
def market():
    keep("NIFTY", 1, series="IDX")
    keep("INDIAVIX", 2, series="IDX", start=14.0)
    for number, symbol in enumerate(("ACME", "BOLT"), start=3):
        keep(symbol, number)
        Underlying.objects.create(symbol=symbol)
    keep_chain("ACME", 1_000)


def test_all_symbols_take_two_queries(market, django_assert_num_queries):
    with django_assert_num_queries(2):
        found = views_for(["ACME", "BOLT", "NOWHERE"], as_of=AS_OF)

    assert isinstance(found["ACME"], View)
    assert found["NOWHERE"].code == "NO_CANDLES"
    assert {why.code for why in found["BOLT"].missing.values()} == {"NO_CHAIN"}
    assert found["ACME"].levels.support == 970.0  # of the nearest expiry, not the one with more interest
    assert found["ACME"].levels.resistance == 1_030.0
    assert found["ACME"].components["smirk"] == 0.0
    assert found["ACME"].components["put_call_interest"] == 0.0


def test_given_chains_save_the_second_query(market, django_assert_num_queries):
    chain = make_chain(1_000.0)
    with django_assert_num_queries(1):
        found = views_for(["ACME", "BOLT"], as_of=AS_OF, chains={"ACME": chain})

    assert "smirk" in found["ACME"].components
    assert found["BOLT"].missing["smirk"].code == "NO_CHAIN"


def test_the_candle_of_the_running_session_is_not_read(market):
    during = views_for(["ACME"], as_of=AS_OF.replace(hour=15, minute=29))["ACME"]

    assert during.day == LAST - timedelta(days=1)


def test_a_chain_of_another_day_is_not_read(market):
    ChainSnapshot.objects.update(taken_at=AS_OF - timedelta(days=1))

    assert views_for(["ACME"], as_of=AS_OF)["ACME"].missing["max_pain"].code == "NO_CHAIN"


def test_old_candles_are_no_view_of_today(market):
    keep("OLDIE", 9, last=LAST - timedelta(days=14))

    assert views_for(["OLDIE"], as_of=AS_OF)["OLDIE"].code == "STALE_CANDLES"


def test_a_candle_some_sessions_late_costs_confidence(market):
    keep("LATE", 3, last=LAST - timedelta(days=2))

    found = views_for(["ACME", "LATE"], as_of=AS_OF, chains={})  # the same walk, two sessions apart

    assert found["LATE"].agreement == pytest.approx(found["ACME"].agreement)
    assert found["LATE"].confidence == pytest.approx(found["ACME"].confidence * LATE_SESSION**2)


def test_a_candle_without_a_price_is_a_reason(market):
    DailyBar.objects.filter(symbol="ACME", day=LAST).update(open=0)

    assert views_for(["ACME"], as_of=AS_OF)["ACME"].code == "BAD_CANDLES"


def test_a_chain_without_a_spot_is_a_reason(market):
    ChainSnapshot.objects.update(spot=None)

    assert views_for(["ACME"], as_of=AS_OF)["ACME"].missing["max_pain"].code == "NO_SPOT"


def test_a_chain_that_could_not_be_assembled_passes_its_reason_on(market):
    refused = StaleQuote(Reason("STALE_CHAIN", "Old."))

    found = views_for(["ACME"], as_of=AS_OF, chains={"ACME": refused})

    assert found["ACME"].missing["max_pain"].code == "STALE_CHAIN"


def test_without_an_index_the_rest_is_still_told(market):
    DailyBar.objects.filter(series="IDX").delete()

    found = views_for(["ACME"], as_of=AS_OF)["ACME"]

    assert found.missing["index_trend"].code == "NO_CANDLES"
    assert isinstance(found.weather.vix, Reason)


def test_a_view_is_kept_once_per_moment_and_adds_up_in_the_database(market):
    found = views_for(["ACME", "BOLT", "NOWHERE"], as_of=AS_OF)
    store_views(found, as_of=AS_OF)

    stored = store_views(found, as_of=AS_OF)

    assert (stored, MarketView.objects.count()) == (2, 2)
    row = MarketView.objects.get(symbol="ACME")
    assert row.direction == sum(row.waterfall.values()) == found["ACME"].direction
    assert (row.tested_direction, row.direction_label) == (None, found["ACME"].label)
    assert (row.support, row.resistance, row.max_pain) == (970, 1030, Decimal(str(found["ACME"].levels.max_pain)))
    assert row.point_of_control is not None
    assert row.vix == pytest.approx(found["ACME"].weather.vix.close)
    assert MarketView.objects.get(symbol="BOLT").missing["max_pain"]["code"] == "NO_CHAIN"


@pytest.mark.parametrize(
    "change",
    [
        {"direction": 1.5},
        {"direction": float("nan")},
        {"confidence": float("inf")},
        {"direction_label": "Very Bullish"},
        {"support": 1_010, "resistance": 1_000},
        {"value_area_low": 2_000},
        {"vix_regime": "Panic"},
        {"close": 0},
        {"max_pain": -1},
    ],
)
def test_the_database_refuses_what_no_view_can_be(market, change):
    store_views(views_for(["ACME"], as_of=AS_OF), as_of=AS_OF)

    with pytest.raises(IntegrityError), transaction.atomic():
        MarketView.objects.update(**change)


def run(*arguments):
    out = StringIO()
    code = 0
    try:
        call_command("market_view", *arguments, "--as-of", "2026-01-30T15:45", stdout=out)
    except SystemExit as stop:
        code = stop.code
    return code, out.getvalue()


def test_the_command_takes_every_tradable_symbol_and_keeps_the_views(market):
    code, text = run("--json")

    data = json.loads(text)
    assert code == 0
    assert sorted(data["views"]) == ["ACME", "BOLT"]
    acme = data["views"]["ACME"]
    assert sum(acme["waterfall"].values()) == acme["direction"]
    assert acme["tested_direction"] is None
    assert data["bias"]["bullish"] + data["bias"]["bearish"] + data["bias"]["neutral"] == 2
    assert MarketView.objects.count() == 2


def test_the_command_shows_the_waterfall_and_what_is_missing(market):
    code, text = run("--symbol", "BOLT")

    assert code == 0
    assert "ema_alignment" in text
    assert "Index and VIX" in text
    assert "NO_CHAIN" in text


def test_the_command_fails_when_nothing_is_known(market):
    code, text = run("--symbol", "NOWHERE")

    assert code == 1
    assert "NO_CANDLES" in text
    assert MarketView.objects.count() == 0


def test_two_hundred_views_take_a_second_of_one_core(market):
    import time

    symbols = [f"S{number}" for number in range(60)]
    for number, symbol in enumerate(symbols):
        keep(symbol, number, count=540)
    views_for(symbols, as_of=AS_OF)
    started = time.process_time()

    found = views_for(symbols, as_of=AS_OF)

    assert all(isinstance(each, View) for each in found.values())
    assert (time.process_time() - started) / len(symbols) <= 0.010  # 3 ms when the machine is quiet
    assert np.isfinite([each.direction for each in found.values()]).all()
