"""The simulated paths: one level per minute, correlated as the universe says, whatever is asked first."""

import os
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest

from market.calendar import IST
from market.errors import InvalidInput, StaleQuote
from market.sources.simulated import SimulatedMarket
from market.sources.simulated.paths import MARKET_VOLATILITY, Paths
from market.sources.simulated.universe import BY_SYMBOL, SHARES, UNIVERSE

NOON = datetime(2026, 1, 30, 12, 0, tzinfo=IST)
PRINT_SOME = """
from datetime import datetime
from hashlib import sha256
from market.calendar import IST
from market.sources.simulated import SimulatedMarket
noon = datetime(2026, 1, 30, 12, 0, tzinfo=IST)
source = SimulatedMarket(seed=5)
print(sha256(repr([source.chain(s, as_of=noon) for s in ("NIFTY", "M&M")]).encode()).hexdigest())
print(sha256(source.master(as_of=noon).read()).hexdigest())
"""


def closes(paths: Paths, symbol: str, days: list[date]) -> np.ndarray:
    return np.array([paths.closing(BY_SYMBOL[symbol], day + timedelta(days=1)) for day in days])


def test_another_process_with_another_hash_seed_prints_the_same_numbers():
    outputs = [
        subprocess.run(
            [sys.executable, "-c", PRINT_SOME],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for hash_seed in ("1", "4242")
    ]

    assert outputs[0] == outputs[1]
    assert len(outputs[0].split()) == 2


def test_the_order_of_calls_changes_nothing():
    straight, shuffled = SimulatedMarket(seed=3), SimulatedMarket(seed=3)

    for symbol in ("SENSEX", "DLF", "NIFTY"):
        shuffled.chain(symbol, as_of=NOON + timedelta(minutes=17))

    assert straight.chain("NIFTY", as_of=NOON) == shuffled.chain("NIFTY", as_of=NOON)


def test_another_seed_is_another_market():
    one, two = (SimulatedMarket(seed=seed).chain("NIFTY", as_of=NOON).spot for seed in (1, 2))

    assert one != two


def test_two_minutes_differ_and_seconds_of_one_minute_do_not():
    source = SimulatedMarket()

    first, same, next_minute = (
        source.chain("RELIANCE", as_of=NOON + timedelta(seconds=seconds)) for seconds in (0, 59, 60)
    )

    assert first == same
    assert first.spot != next_minute.spot
    assert abs(next_minute.spot / first.spot - 1) < 0.005


def test_a_day_ends_at_its_close_and_opens_near_the_close_before():
    paths = Paths(1)
    last = paths.moment(datetime(2026, 1, 30, 15, 29, tzinfo=IST))

    moves = [paths.level(listing, last) / paths.closing(listing, date(2026, 1, 31)) - 1 for listing in UNIVERSE]
    gaps = [paths.level(listing, paths.start_of(last)) / paths.closing(listing, last.day) - 1 for listing in UNIVERSE]

    assert 0 < max(map(abs, moves)) < 0.004
    assert 0 < max(map(abs, gaps)) < 0.03


def test_minutes_add_up_to_a_day_of_the_stated_volatility():
    paths, listing = Paths(1), BY_SYMBOL["RELIANCE"]
    minutes = [
        np.log([paths.level(listing, paths.moment(session.opens + timedelta(minutes=n))) for n in range(375)])
        for session in paths.sessions[100:160]
    ]

    yearly = np.std(np.diff(minutes, axis=1)) * (375 * 252) ** 0.5

    assert 0.5 * listing.base_volatility < yearly < 1.5 * listing.base_volatility


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        (datetime(2026, 1, 30, 9, 14, tzinfo=IST), datetime(2026, 1, 29, 15, 29, tzinfo=IST)),
        (datetime(2026, 1, 30, 9, 15, tzinfo=IST), datetime(2026, 1, 30, 9, 15, tzinfo=IST)),
        (datetime(2026, 1, 30, 5, 0, 30, tzinfo=UTC), datetime(2026, 1, 30, 10, 30, tzinfo=IST)),
        (datetime(2026, 1, 30, 23, 0, tzinfo=IST), datetime(2026, 1, 30, 15, 29, tzinfo=IST)),
        (datetime(2026, 1, 31, 12, 0, tzinfo=IST), datetime(2026, 1, 30, 15, 29, tzinfo=IST)),
        (datetime(2026, 2, 1, 12, 0, tzinfo=IST), datetime(2026, 2, 1, 12, 0, tzinfo=IST)),  # Budget Sunday
        (datetime(2026, 8, 3, 20, 0, tzinfo=IST), datetime(2026, 8, 3, 15, 39, tzinfo=IST)),  # the longer day
        (datetime(2024, 3, 2, 10, 30, tzinfo=IST), datetime(2024, 3, 2, 9, 59, tzinfo=IST)),  # between two parts
    ],
)
def test_a_moment_gets_the_newest_minute_of_trading(asked: datetime, answered: datetime):
    chain = SimulatedMarket().chain("NIFTY", as_of=asked)

    assert chain.taken_at == answered


@pytest.mark.parametrize("moment", [datetime(2023, 12, 31, tzinfo=IST), datetime(2032, 1, 1, tzinfo=IST)])
def test_a_moment_outside_the_calendar_is_stale(moment: datetime):
    with pytest.raises(StaleQuote) as refused:
        SimulatedMarket().chain("NIFTY", as_of=moment)

    assert refused.value.reason.code == "NO_SIMULATED_DAY"


def test_a_moment_without_time_zone_is_refused():
    with pytest.raises(InvalidInput):
        SimulatedMarket().chain("NIFTY", as_of=datetime(2026, 1, 30, 12, 0))


@pytest.mark.parametrize("seed", [1, 2, 42])
def test_daily_returns_follow_the_market_as_much_as_the_universe_says(seed: int):
    paths = Paths(seed)
    days = [session.day for session in paths.sessions]

    for listing in UNIVERSE:
        returns = np.diff(np.log([listing.base_price, *closes(paths, listing.symbol, days)]))
        expected = listing.beta * MARKET_VOLATILITY / listing.base_volatility
        assert np.corrcoef(returns, paths.market_returns)[0, 1] == pytest.approx(expected, abs=0.15), listing.symbol


def test_shares_of_one_sector_move_together_more_than_with_others():
    paths = Paths(1)
    days = [session.day for session in paths.sessions]
    returns = {s: np.diff(np.log(closes(paths, s, days))) for s in ("DRREDDY", "CIPLA", "HCLTECH", "NIFTY", "SENSEX")}

    within = np.corrcoef(returns["DRREDDY"], returns["CIPLA"])[0, 1]
    across = np.corrcoef(returns["DRREDDY"], returns["HCLTECH"])[0, 1]

    assert within > across
    assert np.corrcoef(returns["NIFTY"], returns["SENSEX"])[0, 1] > 0.95


def test_the_volatility_index_rises_when_the_market_falls():
    source, paths = SimulatedMarket(), Paths(1)
    fear = [source.volatility_index(as_of=session.closes) for session in paths.sessions]

    correlation = np.corrcoef(np.diff(np.log(fear)), paths.market_returns[1:])[0, 1]

    assert -0.9 < correlation < -0.4
    assert 8 < min(fear) < max(fear) < 40


def test_levels_stay_within_reach_of_their_base():
    paths = Paths(1)

    for listing in UNIVERSE:
        levels = closes(paths, listing.symbol, [session.day for session in paths.sessions]) / listing.base_price
        assert 0.4 < levels.min() < levels.max() < 2.5


def test_the_universe_is_fifty_shares_and_three_indices_of_many_industries():
    facts = SimulatedMarket().underlyings()

    stocks = [fact for fact in facts if fact.kind == "stock"]
    assert len(stocks) == len(SHARES) == 50
    assert {fact.symbol: fact.exchange for fact in facts if fact.kind == "index"} == {
        "NIFTY": "NSE",
        "BANKNIFTY": "NSE",
        "SENSEX": "BSE",
    }
    assert len({fact.industry for fact in stocks}) >= 6
    assert len({fact.sector for fact in stocks}) >= 6
    assert all(fact.market_cap and 5e11 < fact.market_cap < 2.5e13 for fact in stocks)
