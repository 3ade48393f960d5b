"""Indicators on closed candles: against their definitions, written out here another way."""

import math

import numpy as np
import pytest

from market.errors import InvalidInput
from market.quant import indicators
from tests.candles import make_bars, walk

WILDER = 14


def wilder(values, window=WILDER):
    """Wilder's smoothing by hand: a mean first, then one part new to thirteen parts old."""
    smooth = [float(np.mean(values[:window]))]
    for value in values[window:]:
        smooth.append(smooth[-1] + (value - smooth[-1]) / window)
    return np.array(smooth)


def test_rsi_is_wilders_on_log_prices():
    bars = walk(1, 120)
    moves = np.diff(np.log(bars.closes))
    gain, loss = wilder(np.maximum(moves, 0)), wilder(np.maximum(-moves, 0))

    found = 50 + 50 * indicators.rsi_balance(bars)[WILDER:]

    assert found == pytest.approx(100 * gain / (gain + loss), abs=1e-9)


def test_a_price_that_never_moved_has_a_balanced_rsi():
    assert indicators.rsi_balance(make_bars([100.0] * 40))[-1] == 0.0


def test_atr_is_wilders_mean_of_log_true_ranges():
    bars = walk(2, 120)
    high, low, close = np.log(bars.highs), np.log(bars.lows), np.log(bars.closes)
    ranges = np.maximum(high[1:], close[:-1]) - np.minimum(low[1:], close[:-1])

    assert indicators.atr_fraction(bars)[WILDER:] == pytest.approx(wilder(ranges), abs=1e-12)


def test_adx_of_a_steady_trend_is_a_hundred():
    bars = make_bars(100 * 1.01 ** np.arange(80))

    assert indicators.adx(bars)[-1] == pytest.approx(100.0, abs=1e-6)
    assert indicators.directional_movement(bars)[-1] == pytest.approx(math.tanh(4.0), abs=1e-9)


def test_averages_are_stacked_as_the_trend_goes():
    up = indicators.ema_alignment(walk(3, 400, drift=0.004))[-1]

    assert up > 0.7
    assert np.isnan(indicators.ema_alignment(walk(3, 199))).all()


def test_ema_alignment_by_hand():
    bars = walk(4, 400)
    price = np.log(bars.closes)

    def ema(span):
        value = price[:span].mean()
        for each in price[span:]:
            value += 2.0 / (span + 1) * (each - value)
        return value

    daily = np.diff(price)[-60:].std()
    steps = [(price[-1] - ema(20), 20), (ema(20) - ema(50), 50), (ema(50) - ema(200), 200)]
    expected = sum(math.tanh(step / (daily * math.sqrt(span))) for step, span in steps) / 3

    assert indicators.ema_alignment(bars)[-1] == pytest.approx(expected, abs=1e-9)


def test_rate_of_change_counts_in_volatility_of_its_span():
    bars = walk(5, 300)
    price = np.log(bars.closes)
    daily = np.diff(price)[-60:].std()

    month = indicators.rate_of_change(bars, 20)[-1]
    year = indicators.yearly_momentum(bars)[-1]

    assert month == pytest.approx(math.tanh((price[-1] - price[-21]) / (daily * math.sqrt(20))), abs=1e-9)
    assert year == pytest.approx(math.tanh((price[-22] - price[-253]) / (daily * math.sqrt(231))), abs=1e-9)


def test_reversal_is_against_the_last_week():
    bars = walk(6, 100)

    assert indicators.short_reversal(bars)[-1] == -indicators.rate_of_change(bars, 5)[-1]


def test_macd_is_above_its_signal_when_a_fall_turns_into_a_rise():
    turned = np.concatenate([np.full(60, -0.01), np.full(10, 0.02)]) + walk(7, 70, volatility=1e-4).closes * 0

    assert indicators.macd_balance(make_bars(100 * np.exp(np.cumsum(turned))))[-1] > 0.5


def test_volume_on_rises_presses_upward():
    moves = np.tile([0.01, -0.01], 60)
    rising = np.where(moves > 0, 9_000, 1_000)

    assert indicators.volume_pressure(make_bars(100 * np.exp(np.cumsum(moves)), volumes=rising))[-1] > 0.5
    nothing = make_bars(100 * np.exp(np.cumsum(moves)), volumes=np.zeros(120))
    assert math.isnan(indicators.volume_pressure(nothing)[-1])


def test_a_new_high_stands_near_the_top_of_the_range():
    bars = make_bars(100 + np.arange(60.0), spread=1e-9)

    assert indicators.range_position(bars)[-1] == pytest.approx(1.0, abs=1e-6)
    high, low = indicators.support_resistance(bars)
    assert (high[-1], low[-1]) == (bars.highs[-55:].max(), bars.lows[-55:].min())


def test_the_widest_band_of_a_year_is_in_the_hundredth_percentile():
    quiet = walk(8, 400, volatility=0.005)
    closes = np.concatenate([quiet.closes, quiet.closes[-1] * 1.03 ** np.arange(1, 11)])

    assert indicators.band_width_percentile(make_bars(closes)) == 1.0
    assert math.isnan(indicators.band_width_percentile(walk(8, 270)))


def test_volatility_rises_when_the_last_month_moved_more():
    random = np.random.default_rng(9)
    moves = np.concatenate([random.normal(0, 0.005, 200), random.normal(0, 0.03, 20)])

    assert indicators.volatility_change(make_bars(100 * np.exp(np.cumsum(moves))))[-1] > 0.5


@pytest.mark.parametrize(
    ("factor", "code"),
    [(0.5, "CORPORATE_ACTION"), (2 / 3, "CORPORATE_ACTION"), (0.8, "CORPORATE_ACTION"), (2.0, "CORPORATE_ACTION")],
)
def test_a_split_or_bonus_cuts_the_history_and_is_no_return(factor, code):
    closes = np.concatenate([np.full(100, 100.0), np.full(30, 100.0 * factor)])
    bars = make_bars(closes)
    bars.opens[100] = closes[100]  # ex-date: it already opens there

    kept, reason = indicators.unbroken(bars)

    assert (len(kept), reason.code) == (30, code)
    assert f"{factor:.3f}" in reason.sentence
    assert kept.closes[0] == 100.0 * factor


@pytest.mark.parametrize(("factor", "left"), [(1.36, 30), (1.34, 130), (1 / 1.36, 30), (1 / 1.34, 130)])
def test_a_day_of_more_than_35_per_cent_is_cut_wherever_it_opened(factor, left):
    kept, _ = indicators.unbroken(make_bars(np.concatenate([np.full(100, 100.0), np.full(30, 100.0 * factor)])))

    assert len(kept) == left


def test_a_crash_within_a_session_is_a_return_and_stays():
    closes = np.concatenate([np.full(100, 100.0), np.full(30, 78.0)])  # opens at 100, closes at 78

    kept, reason = indicators.unbroken(make_bars(closes))

    assert (len(kept), reason) == (130, None)


def test_a_hole_in_the_history_cuts_it_too():
    bars = make_bars([100.0] * 50)
    bars.days[20:] += 13

    kept, reason = indicators.unbroken(bars)

    assert (len(kept), reason.code) == (30, "HISTORY_GAP")


@pytest.mark.parametrize("column", ["opens", "highs", "lows", "closes"])
@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf])
def test_a_candle_without_a_price_is_refused(column, value):
    bars = make_bars([100.0] * 5)
    getattr(bars, column)[2] = value

    with pytest.raises(InvalidInput) as refusal:
        indicators.check(bars)

    assert refusal.value.reason.code == "BAD_CANDLES"


def test_days_out_of_order_are_refused():
    bars = make_bars([100.0] * 5)
    bars.days[3] = bars.days[2]

    with pytest.raises(InvalidInput):
        indicators.check(bars)
