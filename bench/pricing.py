"""Price, greeks and implied volatility on 100,000 options against scalar py_vollib: `python -m bench.pricing`."""

import time
import warnings
from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from market.quant import black, implied

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # py_vollib is now an alias of vollib and says so
    import py_vollib.black as scalar
    import py_vollib.black.greeks.analytical as scalar_greeks
    import py_vollib.black.implied_volatility as scalar_implied

OPTIONS = 100_000
SAMPLE = 2_000
ROUNDS = 5
RATE = 0.06
SEED = 20260128

Book = dict[str, Any]
Result = tuple[str, float, str, float]


def run() -> list[Result]:
    """Measure both ratios in interleaved rounds and the accuracy of the inversion: (name, value, unit, target).

    A positive target is to be reached, a negative one not to be exceeded in size; 0 means there is none.
    """
    book = make_book(OPTIONS)
    discounted = black.price(**book)
    rows = _scalar_rows(book, discounted)
    greeks = _interleaved(lambda: black.greeks(**book, rate=RATE), lambda: _scalar_greeks(rows))
    volatility = _interleaved(lambda: implied.implied_volatility(**_quoted(book, discounted)), lambda: _scalar_iv(rows))
    results: list[Result] = [
        ("price and 5 greeks, scalar py_vollib / ours, per option", greeks[1] / greeks[0], "x", 100.0),
        ("implied volatility, scalar py_vollib / ours, per option", volatility[1] / volatility[0], "x", 30.0),
        ("price and 5 greeks, ours", greeks[0] * 1e6, "us/option", 0.0),
        ("implied volatility, ours", volatility[0] * 1e6, "us/option", 0.0),
    ]
    return results + accuracy()


def make_book(size: int) -> Book:
    """Return liquid index options: deltas from 0.05 to 0.95, 1 to 90 days, volatilities from 8 to 60 %."""
    random = np.random.default_rng(SEED)
    years = random.uniform(1.0, 90.0, size) / 365.0
    volatility = random.uniform(0.08, 0.60, size)
    forward = random.uniform(15_000.0, 60_000.0, size)
    strike = forward * np.exp(random.uniform(-1.645, 1.645, size) * volatility * np.sqrt(years))
    return {
        "forward": forward,
        "strike": strike,
        "years": years,
        "volatility": volatility,
        "is_call": random.random(size) < 0.5,
        "discount": np.exp(-RATE * years),
    }


def accuracy(size: int = 20_000) -> list[Result]:
    """Return the median and largest absolute error of price -> implied volatility, by regime."""
    random = np.random.default_rng(SEED)
    results: list[Result] = []
    for name, lowest, highest, days, target in (
        ("liquid", -1.645, 1.645, (1.0, 90.0), 1e-12),
        ("deep out of the money", 4.0, 29.5, (1.0, 30.0), 1e-12),
        ("15 minutes to expiry", 0.0, 3.0, (1 / 96, 1 / 96), 1e-12),
        ("deep in the money", -5.0, -2.0, (1.0, 90.0), 1e-8),
    ):
        volatility, years = random.uniform(0.05, 0.8, size), random.uniform(*days, size) / 365.0
        is_call = random.random(size) < 0.5
        deviations_out = np.where(is_call, 1.0, -1.0) * random.uniform(lowest, highest, size)
        strike = 22_000.0 * np.exp(deviations_out * volatility * np.sqrt(years))
        book = {"forward": 22_000.0, "strike": strike, "years": years, "is_call": is_call}
        found = implied.implied_volatility(price=black.price(**book, volatility=volatility), **book)
        error = np.abs(found - volatility)
        results.append((f"IV error, {name}, median", float(np.median(error)), "vol", -target))
        results.append((f"IV error, {name}, largest", float(error.max()), "vol", -target))
    return results


def _interleaved(ours: Callable[[], object], theirs: Callable[[], object]) -> tuple[float, float]:
    """Return the median seconds per option of both, taken in turns so that a slow moment hits both."""
    ours()
    spent = [(_seconds(ours) / OPTIONS, _seconds(theirs) / SAMPLE) for _ in range(ROUNDS)]
    return median(a for a, _ in spent), median(b for _, b in spent)


def _seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def _quoted(book: Book, price: Any) -> Book:
    return {"price": price} | {name: column for name, column in book.items() if name != "volatility"}


def _scalar_rows(book: Book, price: Any) -> list[tuple[str, float, float, float, float, float]]:
    columns = [book[name][:SAMPLE].tolist() for name in ("is_call", "forward", "strike", "years", "volatility")]
    calls, *numbers = columns
    return list(zip(["c" if call else "p" for call in calls], *numbers, price[:SAMPLE].tolist(), strict=True))


def _scalar_greeks(rows: list[tuple[str, float, float, float, float, float]]) -> None:
    for flag, forward, strike, years, volatility, _ in rows:
        scalar.black(flag, forward, strike, years, RATE, volatility)
        for greek in (
            scalar_greeks.delta,
            scalar_greeks.gamma,
            scalar_greeks.theta,
            scalar_greeks.vega,
            scalar_greeks.rho,
        ):
            greek(flag, forward, strike, years, RATE, volatility)


def _scalar_iv(rows: list[tuple[str, float, float, float, float, float]]) -> None:
    for flag, forward, strike, years, _, price in rows:
        scalar_implied.implied_volatility(price, forward, strike, RATE, years, flag)


def main() -> None:
    """Print the figures."""
    table = Table("figure", "value", "unit", "target", title=f"{OPTIONS:,} options")
    for name, value, unit, target in run():
        limit = f"{'>=' if target > 0 else '<='} {abs(target):g}" if target else ""
        table.add_row(name, f"{value:,.3g}", unit, limit)
    Console().print(table)


if __name__ == "__main__":
    main()
