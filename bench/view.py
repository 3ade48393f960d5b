"""What the market view is worth and what it costs: `python -m bench.view` measures on the recorded daily history.

Every component is a number per share and session; the question is whether it ranks the shares of a session by what
they did next. IC is the rank correlation across shares of one session, averaged over sessions. Returns of 5, 10 and 20
sessions overlap, so the t-value uses a Newey-West variance over twice the horizon; the non-overlapping t stands beside
it. Candles whose next sessions hold a break of the history (split, bonus, demerger, hole) have no return.
"""

import math
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table
from scipy.stats import rankdata

from market.errors import InvalidInput, Reason
from market.quant import indicators, levels, regime
from market.quant.indicators import Bars, Floats
from market.readers.archive import members
from market.readers.bhavcopy import ShareDay
from market.readers.history import read_history
from strategies.view import HORIZON, LEAST_KNOWN, THRESHOLD, WEIGHTS, Weather, view

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
STOCKS = DATA / "D_stocks" / "stock_daily_2019-08_to_2026-01.tar.xz"
NIFTY = DATA / "D_index" / "daily_NIFTY50.csv.gz"
HORIZONS = (5, 10, 20)
LEAST_SHARES = 30  # per session, for a rank correlation to mean anything
OUT_OF_SAMPLE = np.datetime64("2021-01-01")  # before it the walk-forward learns and yearly momentum has no year yet
SESSIONS = 540  # what the service reads
VALUE_AREA_STEP = 5  # sessions between two value areas: they move slowly and cost the most

Result = tuple[str, float, str, float]
Panel = dict[str, Floats]  # component -> (sessions, shares)
Traces = dict[tuple[str, int], "Trace"]

READ = {
    "ema_alignment": indicators.ema_alignment,
    "directional_movement": indicators.directional_movement,
    "rsi": indicators.rsi_balance,
    "macd": indicators.macd_balance,
    "rate_of_change": indicators.rate_of_change,
    "yearly_momentum": indicators.yearly_momentum,
    "short_reversal": indicators.short_reversal,
    "volume_pressure": indicators.volume_pressure,
    "support_resistance": indicators.range_position,
}


@dataclass(frozen=True)
class Market:
    """The recorded history on one calendar of sessions."""

    days: np.ndarray
    symbols: list[str]
    panel: Panel
    returns: dict[int, Floats]  # horizon -> (sessions, shares), next log return
    sigma: Floats


@dataclass(frozen=True)
class Trace:
    """One signal at one horizon, session by session: rank correlation, mean called move, share of signs right."""

    ic: Floats
    called: Floats
    hits: Floats


@dataclass(frozen=True)
class Worth:
    """One signal at one horizon: mean rank correlation, t-values (relative, apart, absolute), hit rate.

    `t` belongs to the rank correlation; of a signal that is the same for all shares it belongs to the called move.
    """

    ic: float
    t: float
    t_apart: float
    absolute_t: float
    hit: float
    sessions: int
    first: date
    last: date


def bars_of(rows: Iterable[ShareDay]) -> dict[str, Bars]:
    """Sort the sessions of every symbol into candles."""
    by_symbol: dict[str, list[ShareDay]] = defaultdict(list)
    for row in rows:
        by_symbol[row.symbol].append(row)
    return {symbol: _bars(sorted(days, key=lambda row: row.day)) for symbol, days in sorted(by_symbol.items())}


def _bars(rows: list[ShareDay]) -> Bars:
    prices = np.array([(row.open, row.high, row.low, row.close, row.volume) for row in rows], dtype=np.float64).T
    return Bars(np.array([row.day for row in rows], dtype="datetime64[D]"), *prices)


def history(path: Path) -> dict[str, Bars]:
    """Read the candles of one recorded file."""
    return bars_of(row for member in members(path) for row in read_history(member).shares)


def market(shares: Mapping[str, Bars], index: Bars) -> Market:
    """Put every component and every next return on one calendar."""
    days = np.unique(np.concatenate([bars.days for bars in shares.values()]))
    symbols = list(shares)
    names = [*READ, "value_area", "index_trend"]
    panel = {name: np.full((len(days), len(symbols)), np.nan) for name in names}
    returns = {horizon: np.full((len(days), len(symbols)), np.nan) for horizon in HORIZONS}
    deviation = np.full((len(days), len(symbols)), np.nan)
    for column, bars in enumerate(shares.values()):
        for piece in _pieces(bars):
            rows = np.searchsorted(days, piece.days)
            for name, values in components(piece, rows).items():
                panel[name][rows, column] = values
            for horizon in HORIZONS:
                returns[horizon][rows, column] = _next_return(piece, horizon)
            deviation[rows, column] = indicators.sigma(piece)
    trend = regime.index_trend(index)
    places = np.searchsorted(index.days, days, side="right") - 1
    panel["index_trend"][:] = trend[places][:, None]
    return Market(days, symbols, panel, returns, deviation)


def _pieces(bars: Bars) -> list[Bars]:
    """Cut at every break: what stands on both sides of one is no return and no trend."""
    ends = [0, *(int(each) for each in indicators.breaks(bars)), len(bars)]
    whole = [_until(bars.since(start), end - start) for start, end in pairwise(ends)]
    return [piece for piece in whole if len(piece) > indicators.SIGMA_WINDOW]


def _until(bars: Bars, end: int) -> Bars:
    columns = (bars.days, bars.opens, bars.highs, bars.lows, bars.closes, bars.volumes)
    return Bars(*(column[:end] for column in columns))


def components(bars: Bars, rows: np.ndarray) -> Panel:
    """Read every component of one unbroken history at every session; `rows` are their places in the calendar."""
    found = {name: read(bars) for name, read in READ.items()}
    return found | {"value_area": _value_areas(bars, rows)}


def _value_areas(bars: Bars, rows: np.ndarray, window: int = 60) -> Floats:
    found = np.full(len(bars), np.nan)
    for end in 1 + np.flatnonzero((rows % VALUE_AREA_STEP == 0) & (np.arange(len(bars)) >= window - 1)):
        area = levels.value_area(_until(bars.since(end - window), window))
        if area is not None:
            found[end - 1] = area.position(float(bars.closes[end - 1]))
    return found


def _next_return(bars: Bars, horizon: int) -> Floats:
    found = np.full(len(bars), np.nan)
    if len(bars) > horizon:
        price = np.log(bars.closes)
        found[:-horizon] = price[horizon:] - price[:-horizon]
    return found


def correlations(signal: Floats, returns: Floats) -> Floats:
    """Return the rank correlation across shares of each session; NaN where too few shares are known."""
    found = np.full(len(signal), np.nan)
    known = np.isfinite(signal) & np.isfinite(returns)
    for row in np.flatnonzero(known.sum(axis=1) >= LEAST_SHARES):
        left, right = (rankdata(side[row, known[row]]) for side in (signal, returns))
        if left.std() > 0 and right.std() > 0:
            found[row] = np.corrcoef(left, right)[0, 1]
    return found


def called(signal: Floats, returns: Floats, sigma: Floats) -> Floats:
    """Return, per session, the mean over shares of signal × next return in units of volatility."""
    product = signal * returns / sigma
    counted = np.isfinite(product).sum(axis=1)
    total = np.nansum(product, axis=1)
    return np.where(counted >= LEAST_SHARES, total / np.maximum(counted, 1), np.nan)


def newey_west(series: Floats, lags: int) -> float:
    """Return the t-value of a mean whose terms overlap.

    Source: W. K. Newey and K. D. West, Econometrica 55 (1987) 703-708, Bartlett weights 1 - k / (lags + 1).
    """
    apart = series - series.mean()
    variance = float(apart @ apart)
    for lag in range(1, min(lags, len(series) - 1) + 1):
        variance += 2.0 * (1.0 - lag / (lags + 1)) * float(apart[lag:] @ apart[:-lag])
    return float(series.mean() * len(series) / math.sqrt(variance)) if variance > 0 else math.nan


def trace(signal: Floats, there: Market, horizon: int) -> Trace:
    """Follow one signal through the sessions."""
    returns = there.returns[horizon]
    agree = np.where(signal * returns == 0, np.nan, signal * returns)
    counted = np.isfinite(agree).sum(axis=1)
    hits = np.where(counted >= LEAST_SHARES, np.nansum(agree > 0, axis=1) / np.maximum(counted, 1), np.nan)
    return Trace(correlations(signal, returns), called(signal, returns, there.sigma), hits)


def traces(there: Market) -> Traces:
    """Follow every component and the described direction, at every horizon."""
    signals = there.panel | {"direction": described(there.panel)}
    return {(name, horizon): trace(signal, there, horizon) for name, signal in signals.items() for horizon in HORIZONS}


def described(panel: Panel) -> Floats:
    """Return the weighted mean of the known components, as strategies.view.combine makes it."""
    weights = {name: WEIGHTS[name] for name in panel}
    heard = sum(weights[name] * np.isfinite(values) for name, values in panel.items())
    total = sum(weights[name] * np.nan_to_num(values) for name, values in panel.items())
    enough = heard >= LEAST_KNOWN * sum(WEIGHTS.values())
    return np.where(enough, total / np.where(enough, heard, 1.0), np.nan)


def worth(found: Trace, days: np.ndarray, horizon: int, chosen: np.ndarray) -> Worth | None:
    """Sum up a trace over the sessions of the mask `chosen`; None with fewer than 20."""
    relative = bool(np.isfinite(found.ic[chosen]).any())
    series = found.ic if relative else found.called
    known = chosen & np.isfinite(series)
    if known.sum() < 20:
        return None
    spaced = int(np.median(np.diff(np.flatnonzero(known))))
    lags = max(1, math.ceil(2 * horizon / spaced))
    apart = series[known][:: max(1, horizon // spaced)]
    return Worth(
        ic=float(series[known].mean()) if relative else math.nan,
        t=newey_west(series[known], lags),
        t_apart=float(apart.mean() / (apart.std(ddof=1) / math.sqrt(len(apart)))),
        absolute_t=newey_west(found.called[known & np.isfinite(found.called)], lags),
        hit=float(np.nanmean(found.hits[known])),
        sessions=int(known.sum()),
        first=days[known][0].astype(object),
        last=days[known][-1].astype(object),
    )


def by_year(found: Trace, days: np.ndarray) -> dict[int, float]:
    """Return the mean rank correlation of each calendar year."""
    years = days.astype("datetime64[Y]").astype(int) + 1970
    return {
        int(year): float(np.nanmean(found.ic[years == year]))
        for year in np.unique(years)
        if np.isfinite(found.ic[years == year]).any()
    }


def walk_forward(there: Market, found: Traces, horizon: int) -> tuple[dict[int, list[str]], Worth | None]:
    """Choose, before each year, the components that had passed by then; follow their sum through that year.

    The sessions whose next return reaches into the year are left out of the choice.
    """
    years = there.days.astype("datetime64[Y]").astype(int) + 1970
    chosen: dict[int, list[str]] = {}
    signal = np.full_like(there.sigma, np.nan)
    for year in range(2021, int(years.max()) + 1):
        before = np.flatnonzero(years < year)[:-horizon]
        mask = np.isin(np.arange(len(years)), before)
        passed = {name: worth(found[name, horizon], there.days, horizon, mask) for name in there.panel}
        weights = {name: each.ic for name, each in passed.items() if each and each.t >= THRESHOLD.t and each.ic > 0}
        chosen[year] = sorted(weights)
        if weights:
            mean = sum(weight * np.nan_to_num(there.panel[name]) for name, weight in weights.items())
            signal[years == year] = mean[years == year] / sum(weights.values())
    everything = np.ones(len(years), dtype=bool)
    return chosen, worth(trace(signal, there, horizon), there.days, horizon, everything)


def recorded() -> Market:
    """Load the recorded history of the shares and of the index."""
    return market(history(STOCKS), history(NIFTY)["NIFTY"])


def report(there: Market, found: Traces, console: Console) -> None:
    """Print what every component was worth, out of sample and by year."""
    outside = there.days >= OUT_OF_SAMPLE
    for horizon in HORIZONS:
        title = f"Next {horizon} sessions, {OUT_OF_SAMPLE} on; a component needs t >= {THRESHOLD.t:g} at {HORIZON}"
        table = Table(title=title, title_justify="left")
        for column in ("Component", "IC", "t", "t apart", "absolute t", "Hit", "Sessions", "Passed"):
            table.add_column(column, justify="left" if column == "Component" else "right")
        for name in [*there.panel, "direction"]:
            each = worth(found[name, horizon], there.days, horizon, outside)
            if each is not None:
                table.add_row(name, *_cells(each), "yes" if horizon == HORIZON and _passes(each) else "no")
        console.print(table)
    years = {name: by_year(found[name, HORIZON], there.days) for name in [*there.panel, "direction"]}
    table = Table(title=f"IC by year, next {HORIZON} sessions", title_justify="left")
    shown = sorted({year for each in years.values() for year in each})
    for column in ("Component", *map(str, shown)):
        table.add_column(column, justify="left" if column == "Component" else "right")
    for name, each in years.items():
        if each:
            table.add_row(name, *(f"{each[year]:+.3f}" if year in each else "–" for year in shown))
    console.print(table)
    for horizon in HORIZONS:
        chosen, total = walk_forward(there, found, horizon)
        console.print(f"Walk-forward, next {horizon}: chosen before each year {chosen}")
        console.print(f"  its sum: {total}" if total else "  nothing to follow")


def _cells(each: Worth) -> tuple[str, ...]:
    numbers = (each.t, each.t_apart, each.absolute_t)
    ic = "–" if math.isnan(each.ic) else f"{each.ic:+.4f}"
    return (ic, *(f"{number:+.2f}" for number in numbers), f"{each.hit:.1%}", f"{each.sessions:,}")


def _passes(each: Worth) -> bool:
    return not math.isnan(each.ic) and each.t >= THRESHOLD.t and each.sessions >= THRESHOLD.sessions


def run() -> list[Result]:
    """Measure the worth of the view and its speed: (name, value, unit, target); 0 means there is no target."""
    shares, index = history(STOCKS), history(NIFTY)["NIFTY"]
    there = market(shares, index)
    found = {("direction", HORIZON): trace(described(there.panel), there, HORIZON)}
    found |= {(name, HORIZON): trace(values, there, HORIZON) for name, values in there.panel.items()}
    outside = there.days >= OUT_OF_SAMPLE
    worths = {name: worth(each, there.days, HORIZON, outside) for (name, _), each in found.items()}
    total = worths.pop("direction")
    passed = [name for name, each in worths.items() if each is not None and _passes(each)]
    return [
        ("components measured", float(len(worths)), "", 0.0),
        (f"components that passed t >= {THRESHOLD.t:g}: {', '.join(passed) or 'none'}", float(len(passed)), "", 0.0),
        (f"described direction, IC with the next {HORIZON} sessions", total.ic if total else math.nan, "", 0.0),
        ("described direction, t (Newey-West)", total.t if total else math.nan, "", 0.0),
        ("one view, candles in memory", milliseconds(shares, index), "ms", -5.0),
    ]


def milliseconds(shares: Mapping[str, Bars], index: Bars) -> float:
    """Return the processor time of one view without options, the best of three rounds over all shares."""
    recent = {name: bars.since(max(0, len(bars) - SESSIONS)) for name, bars in shares.items()}
    unknown = Reason("NO_CHAIN", "No chain is recorded for these years.")
    trend = float(regime.index_trend(index)[-1])
    weather = Weather(trend, regime.index_regime(trend), Reason("NO_VIX", "India VIX is not needed here."))
    rounds = []
    for _ in range(3):
        started = time.process_time()
        for name, bars in recent.items():
            with suppress(InvalidInput):  # a share just after a split has no view, and that takes time too
                view(name, bars, interest=unknown, weather=weather)
        rounds.append(time.process_time() - started)
    return 1_000 * min(rounds) / len(recent)


if __name__ == "__main__":
    place = recorded()
    report(place, traces(place), Console(width=140))
