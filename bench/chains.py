"""Chains and volatility on recorded markets: the spread model, assembly, and what forecasts variance."""

import csv
import gzip
import io
import tarfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import date, datetime
from itertools import islice
from pathlib import Path

import numpy as np
from scipy.optimize import minimize

from market.assembly import assemble
from market.calendar import IST
from market.contract import OptionType
from market.errors import BadChain
from market.ports import CapturedChain, CapturedQuote
from market.quality import WIDEST_SPREAD_SHARE
from market.quant.volatility import BLENDED_WEIGHTS, REALISED_WEIGHTS, ForecastWeights, daily_variances
from market.readers import batches, readings
from market.spread_model import (
    FITTED,
    FITTED_WITHOUT_VOLUME,
    SpreadCoefficients,
    fit,
    modelled,
    plain_half_spread,
    regressors,
)

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
CHAINS = DATA / "C_option_chains"
# Every how many members (or stamps) of which archive, and what it stands for.
BOOKS = (
    ("stocks 2019", "nse_option_chain_2019_stocks.tar.xz", 3),
    ("indices 2019", "nse_option_chain_2019_near_expiry_NIFTY_BANKNIFTY.tar.xz", 12),
    ("indices 2025", "nse_chain_1min_NIFTY_BANKNIFTY_2025-08-27_and_29_am.parquet", 20),
)
FIRST_TEST_DAY = date(2019, 7, 1)  # fitted before, tested from here on, and on all of 2025
LONGEST_TESTED_DAYS = 60
SESSIONS = "stock_option_chain_eod_2025-12-23_to_2026-01-23.tar.xz"
LAST_SESSIONS = "stock_option_chain_eod_2026-01-28_to_2026-01-30.tar.xz"
STOCKS = DATA / "D_stocks" / "stock_daily_2019-08_to_2026-01.tar.xz"
LAST_STOCKS = DATA / "D_stocks" / "stock_daily_2026-01-27_to_2026-01-30.csv.gz"
INDICES, VIX = ("NIFTY50", "NIFTY_BANK", "NIFTY_FIN_SERVICE", "SENSEX"), "india_vix_daily.csv.gz"
HORIZON, SHORT_HORIZON = 22, 5  # sessions forecast
PAST = 135  # sessions a past has, as `market.services.daily_bars.LOOKBACK` leaves them
FIRST_INDEX_YEAR, LAST_FITTED_YEAR = 2012, 2022
FIRST_TESTED_IV, LAST_FITTED_IV = date(2026, 1, 13), date(2026, 1, 5)  # a horizon apart: no target is shared
SPLIT = 0.20  # a larger gap is a split or a bonus, which the files do not adjust
Figures = list[tuple[str, float, str, float]]


def run() -> Figures:
    """Refit everything, print the coefficients beside those in use, and return errors, ratios and times."""
    return [*spread_figures(), *assembly_figures(), *forecast_figures()]


# --- half spreads ----------------------------------------------------------------------------------------------------


def spread_figures() -> Figures:
    """Errors are medians of |ln(modelled / seen)|: 0.4 is a factor of 1.5 either way."""
    design, half, source, tested = _books()
    weights = _equal_say(source, ~tested)
    figures: Figures = []
    for name, columns, in_use in (("", 9, FITTED), (" without volume", 8, FITTED_WITHOUT_VOLUME)):
        found = fit(design[~tested, :columns], half[~tested], weights)
        _print(f"half spread{name}", found, in_use)
        seen = modelled(found, design[:, :columns])
        figures.append((f"half spread{name}: error in sample", _error(seen, half, ~tested), "ln", 0.0))
        for place, (label, _, _) in enumerate(BOOKS):
            chosen = tested & (source == place)
            new, old = _error(seen, half, chosen), _error(plain_half_spread(np.exp(design[:, 1])), half, chosen)
            figures.append((f"half spread{name}: {label} out of sample, {chosen.sum():,} quotes", new, "ln", 0.0))
            figures.append((f"  ratio to the plain rule's {old:.3f}", new / old, "×", -1.0))
    return figures


def _books() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    rows, halves, sources, tested = [], [], [], []
    for place, (_, name, every) in enumerate(BOOKS):
        for chain in _sampled(CHAINS / name, every):
            day = chain.taken_at.date()
            for part, half in _book(chain):
                rows.append(part)
                halves.append(half)
                sources.append(np.full(half.size, place))
                tested.append(np.full(half.size, day >= FIRST_TEST_DAY))
    return np.concatenate(rows), np.concatenate(halves), np.concatenate(sources), np.concatenate(tested)


def _sampled(path: Path, every: int) -> Iterator[CapturedChain]:
    groups = batches(path)
    many = len(groups) > 1
    for group in groups[::every] if many else groups:
        for reading in readings(group) if many else islice(readings(group), 0, None, every):
            yield from reading.chains


def _book(chain: CapturedChain) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Regressors and half spreads of what traded and has a market, by expiry."""
    by_expiry: dict[date, list[CapturedQuote]] = {}
    for quote in chain.quotes:
        if quote.bid and quote.ask and quote.ask > quote.bid:
            by_expiry.setdefault(quote.expiry, []).append(quote)
    for expiry, quotes in by_expiry.items():
        forward, days = _forward(quotes), (expiry - chain.taken_at.date()).days
        used = [quote for quote in quotes if _is_market(quote)]
        if forward is None or not used or days > LONGEST_TESTED_DAYS:
            continue
        design = regressors(
            premium=[quote.last_price or 0.0 for quote in used],
            strike=[quote.strike for quote in used],
            forward=forward,
            days=days,
            is_call=[quote.option_type is OptionType.CALL for quote in used],
            open_interest=[quote.open_interest or 0 for quote in used],
            is_index=chain.is_index or chain.underlying in ("NIFTY", "BANKNIFTY"),
            volume=[quote.volume or 0 for quote in used],
        )
        yield design, np.array([0.5 * ((quote.ask or 0.0) - (quote.bid or 0.0)) for quote in used])


def _is_market(quote: CapturedQuote) -> bool:
    bid, ask, last = quote.bid or 0.0, quote.ask or 0.0, quote.last_price or 0.0
    mid = 0.5 * (bid + ask)
    return bool(quote.volume) and abs(last / mid - 1.0) < 0.5 and ask - bid <= max(WIDEST_SPREAD_SHARE * mid, 0.4)


def _forward(quotes: Sequence[CapturedQuote]) -> float | None:
    """By parity where call and put cost most nearly the same."""
    mids: dict[float, dict[OptionType, float]] = {}
    for quote in quotes:
        mids.setdefault(quote.strike, {})[quote.option_type] = 0.5 * ((quote.bid or 0.0) + (quote.ask or 0.0))
    gaps = [(pair[OptionType.CALL] - pair[OptionType.PUT], strike) for strike, pair in mids.items() if len(pair) == 2]
    if not gaps:
        return None
    gap, strike = min(gaps, key=lambda each: abs(each[0]))
    return strike + gap


def _equal_say(source: np.ndarray, fitted: np.ndarray) -> np.ndarray:
    """Weights that let stocks and indices count the same, however many quotes each has."""
    counts = np.bincount(source[fitted])
    return 10_000.0 / counts[source[fitted]]


def _error(model: np.ndarray, seen: np.ndarray, chosen: np.ndarray) -> float:
    return float(np.median(np.abs(np.log(model[chosen] / seen[chosen]))))


def _print(
    what: str, found: SpreadCoefficients | ForecastWeights, in_use: SpreadCoefficients | ForecastWeights
) -> None:
    used = asdict(in_use)
    print(f"{what}: " + ", ".join(f"{name}={value:.3f} ({used[name]:g})" for name, value in asdict(found).items()))


# --- assembly --------------------------------------------------------------------------------------------------------


def assembly_figures() -> Figures:
    """Assembly with smile and gate, of one chain of about 80 strikes and of all stocks of a day."""
    chains = [chain for chain in _sampled(CHAINS / LAST_SESSIONS, 1) if chain.taken_at.date() == date(2026, 1, 30)]
    one = min(chains, key=lambda chain: abs(len(chain.quotes) - 160))
    spent = [_assembling([one]) for _ in range(60)]
    return [
        (
            f"assemble {one.underlying}, {len(one.quotes)} quotes of 80 strikes (best of 60)",
            1e3 * min(spent),
            "ms",
            -3.0,
        ),
        (f"assemble {len(chains)} chains, processor time", _assembling(chains), "s", -4.0),
    ]


def _assembling(chains: Sequence[CapturedChain]) -> float:
    started = time.process_time()
    for chain in chains:
        _atm(chain)
    return time.process_time() - started


def _atm(chain: CapturedChain) -> float | None:
    """At-the-money volatility of the nearest expiry, or None where the gate leaves none."""
    try:
        made = assemble(chain, lot_sizes={quote.expiry: 1 for quote in chain.quotes}, tick_size=0.05)
    except BadChain:
        return None
    return made.expiries[0].smile.atm_volatility


# --- forecasts of variance -------------------------------------------------------------------------------------------

Bars = dict[str, tuple[list[date], np.ndarray]]
Panel = tuple[np.ndarray, np.ndarray, np.ndarray]  # past, week, month; variance of the next month; days


def forecast_figures() -> Figures:
    """Errors are the mean QLIKE: seen/forecast - ln(seen/forecast) - 1; bias is mean forecast over mean seen."""
    stocks, indices = _bars(), _index_bars()
    return [*_realised_figures(stocks, indices), *_blend_figures(stocks), *_vix_figures(indices["NIFTY50"])]


def _realised_figures(stocks: Bars, indices: Bars) -> Figures:
    panels = {"stock": _panel(stocks, every=5), "index": _panel(indices, every=5)}
    early = {name: _early(panel[2]) for name, panel in panels.items()}
    parts, seen = (np.concatenate([panels[name][at][early[name]] for name in panels]) for at in (0, 1))
    say = np.concatenate([np.full(chosen.sum(), 1.0 / chosen.sum()) for chosen in early.values()])
    found = _fitted(parts, seen, say)
    _print("variance, realised only", ForecastWeights(*found), REALISED_WEIGHTS)
    figures: Figures = []
    for name, (known, came, _) in panels.items():
        late = ~early[name]
        ways = {"fitted": known @ found, "last 22 sessions": known[:, 2]}
        figures += _measured(
            f"next {HORIZON} sessions, {name}", came[late], {way: at[late] for way, at in ways.items()}
        )
    return figures


def _blend_figures(bars: Bars) -> Figures:
    parts, seen, days = _implied_panel(bars)
    fitted, tested = days <= np.datetime64(LAST_FITTED_IV), days >= np.datetime64(FIRST_TESTED_IV)
    month_implied = parts[:, 2:]
    found = _fitted(month_implied[fitted], seen[fitted], np.ones(fitted.sum()))
    _print("variance, with implied", ForecastWeights(0.0, 0.0, *found), BLENDED_WEIGHTS)
    ways = {"fitted": month_implied @ found, "month": parts[:, 2], "implied": parts[:, 3]}
    chosen = {way: values[tested] for way, values in ways.items()}
    return _measured(f"next {SHORT_HORIZON} sessions, stock", seen[tested], chosen)


def _vix_figures(bars: tuple[list[date], np.ndarray]) -> Figures:
    """The weights in use on NIFTY with India VIX as the implied volatility, which no fit has seen."""
    parts, seen, days = _panel({"NIFTY50": bars}, every=1)
    vix = _vix()
    implied = np.array([vix.get(day, np.nan) ** 2 for day in days.tolist()])
    known = np.isfinite(implied)
    figures: Figures = []
    for name, chosen in (("to 2022", known & _early(days)), ("since", known & ~_early(days))):
        blended = np.column_stack([parts, implied])[chosen] @ _vector(BLENDED_WEIGHTS)
        ways = {"in use": blended, "month": parts[chosen, 2], "VIX": implied[chosen]}
        figures += _measured(f"NIFTY {name}", seen[chosen], ways)
        figures.append((f"  NIFTY {name}: days above VIX", float(np.mean(blended > implied[chosen])), "", -2.0))
    return figures


def _measured(what: str, seen: np.ndarray, ways: dict[str, np.ndarray]) -> Figures:
    figures: Figures = []
    for way, forecast in ways.items():
        figures.append((f"{what}, {way}, {seen.size:,} days: error", _qlike(forecast, seen), "QLIKE", 0.0))
        figures.append(("  bias", float(forecast.mean() / seen.mean()), "×", 0.0))
    return figures


def _vector(weights: ForecastWeights) -> np.ndarray:
    return np.array(list(asdict(weights).values()))


def _fitted(parts: np.ndarray, seen: np.ndarray, say: np.ndarray) -> np.ndarray:
    """The weights from 0 that sum to 1 and have the least mean QLIKE, which a few wild stocks do not rule."""
    many = parts.shape[1]
    found = minimize(
        lambda weights: float(np.average(np.log(parts @ weights) + seen / (parts @ weights), weights=say)),
        np.full(many, 1.0 / many),
        bounds=[(0.0, 1.0)] * many,
        constraints=[{"type": "eq", "fun": lambda weights: weights.sum() - 1.0}],
        method="SLSQP",
    )
    return np.asarray(found.x)


def _qlike(forecast: np.ndarray, seen: np.ndarray) -> float:
    ratio = seen / forecast
    return float(np.mean(ratio - np.log(ratio) - 1.0))


def _early(days: np.ndarray) -> np.ndarray:
    return np.asarray(days < np.datetime64(date(LAST_FITTED_YEAR + 1, 1, 1)))


def _panel(bars: Bars, *, every: int) -> Panel:
    """Past, week and month of each symbol's sessions (one in `every`), the variance of its next month, and the day."""
    rows, seen, dates = [], [], []
    for days, variances in bars.values():
        for now in range(PAST, len(variances) - HORIZON, every):
            window = variances[now - PAST : now + HORIZON]
            if np.isfinite(window).all():
                rows.append(_parts(window[:PAST]))
                seen.append(window[PAST:].mean())
                dates.append(days[now - 1])
    return np.array(rows), np.array(seen), np.array(dates, dtype="datetime64[D]")


def _parts(past: np.ndarray) -> tuple[float, float, float]:
    return past.mean(), past[-5:].mean(), past[-HORIZON:].mean()


def _implied_panel(bars: Bars) -> Panel:
    rows, seen, dates = [], [], []
    for chain in _sampled(CHAINS / SESSIONS, 1):
        days, variances = bars.get(chain.underlying, ([], np.zeros(0)))
        day = chain.taken_at.date()
        if day not in days:
            continue
        now = days.index(day) + 1
        window = variances[max(now - HORIZON, 0) : now + SHORT_HORIZON]
        if window.size < HORIZON + SHORT_HORIZON or not np.isfinite(window).all():
            continue
        volatility = _atm(chain)
        if volatility is not None:
            rows.append((*_parts(variances[now - HORIZON : now]), volatility**2))
            seen.append(window[HORIZON:].mean())
            dates.append(day)
    return np.array(rows), np.array(seen), np.array(dates, dtype="datetime64[D]")


def _index_bars() -> Bars:
    """Days and daily variances by index; a session without prices or without a range is left out."""
    found = {}
    for name in INDICES:
        by_day = {}
        for row in _rows(DATA / "D_index" / f"daily_{name}.csv.gz"):
            prices = tuple(float(row[column] or 0.0) for column in ("open", "high", "low", "close"))
            day = date.fromisoformat(row["date"][:10])
            if min(prices) > 0.0 and prices[1] > prices[2] and day.year >= FIRST_INDEX_YEAR:
                by_day[day] = prices
        found[name] = _variances(by_day)
    return found


def _vix() -> dict[date, float]:
    rows = _rows(DATA / "D_index" / VIX)
    return {datetime.strptime(row["date"], "%d-%b-%Y").date(): float(row["close"]) / 100.0 for row in rows}  # noqa: DTZ007


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with gzip.open(path, "rt", encoding="utf-8-sig") as text:
        for row in csv.DictReader(text):
            yield {name.strip().lower(): value.strip() for name, value in row.items() if name and value is not None}


def _bars() -> Bars:
    """Days and daily variances by symbol; NaN across a split."""
    rows: dict[str, dict[date, tuple[float, ...]]] = {}
    with tarfile.open(STOCKS) as archive:
        members = [archive.extractfile(member) for member in archive.getmembers() if member.isfile()]
        texts = [io.TextIOWrapper(stream, "utf-8") for stream in members if stream is not None]
        texts.append(io.TextIOWrapper(io.BytesIO(gzip.decompress(LAST_STOCKS.read_bytes())), "utf-8"))
        for text in texts:
            for row in csv.DictReader(text):
                clean = {name.strip(): value.strip() for name, value in row.items() if name and value}
                prices = tuple(float(clean[f"{name}_PRICE"]) for name in ("OPEN", "HIGH", "LOW", "CLOSE"))
                day = datetime.strptime(clean["DATE1"], "%d-%b-%Y").replace(tzinfo=IST).date()
                if min(prices) > 0.0 and clean.get("SERIES") == "EQ":
                    rows.setdefault(clean["SYMBOL"], {})[day] = prices
    return {symbol: _variances(by_day) for symbol, by_day in rows.items() if len(by_day) > 2 * HORIZON}


def _variances(by_day: dict[date, tuple[float, ...]]) -> tuple[list[date], np.ndarray]:
    days = sorted(by_day)
    o, h, low, c = np.array([by_day[day] for day in days]).T
    h, low = np.maximum.reduce([o, h, low, c]), np.minimum.reduce([o, h, low, c])
    variances = daily_variances(opens=o, highs=h, lows=low, closes=c)
    variances[np.abs(np.log(o[1:] / c[:-1])) > SPLIT] = np.nan
    return days[1:], np.maximum(variances, 1e-6)


if __name__ == "__main__":
    from bench.__main__ import main

    main(["chains"])
