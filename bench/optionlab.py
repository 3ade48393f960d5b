"""One candidate's whole evaluation in our batch against optionlab's `run_strategy` on the same legs, in one run.

Where conventions agree: one volatility for all strikes (lognormal prices), the forward as today's price at no interest
and no dividend, calendar days / 365, no costs, no leg that lives on. optionlab calls a result of one cent a profit:
positions are sold to it ten million units at a time, so that this is a billionth of a rupee per unit, as here. Its
gamma, theta and vega come per leg and without side; its vega and rho are per point, its theta per day of its year.
Not compared: rho (Black-Scholes' there, Black's here, where the forward stands still), touch (per leg there).

optionlab asks for Jupyter and another pandas, so it lives in an environment of its own, made on first use without
them (`run_strategy` needs neither): `$OPTIONSV4_STATE_DIR/optionlab-<version>`.
"""

import json
import math
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from django.conf import settings

from market.assembly import assemble
from market.calendar import IST
from market.chain import Chain
from market.contract import OptionType
from market.errors import OptionsError
from market.quant.smile import flat_smile
from market.readers import batches, readings
from market.rulebook.charges import ChargeRates
from strategies.batch import Batch, concatenate
from strategies.build import Candidate, candidate_of
from strategies.catalog import CATALOGUE
from strategies.measure import Measures, measure
from strategies.payoff import groups, outcomes, payoff_lines, profit_ranges
from strategies.search import neighbourhood
from strategies.table import contract_table

CHAINS = (
    Path(__file__).resolve().parents[2]
    / "shared/data/C_option_chains/stock_option_chain_eod_2026-01-28_to_2026-01-30.tar.xz"
)
DAY, SYMBOL = date(2026, 1, 30), "RELIANCE"
VERSIONS = ("1.9.1", "1.6.0")  # the newest, with which numbers are compared, and the one the reference pages measured
NEEDS = ("numpy", "scipy", "pydantic", "holidays", "matplotlib")
SIDE = Path(__file__).with_name("optionlab_side.py")
INSTALL_SECONDS, RUN_SECONDS = 300, 120
UNITS = 10_000_000  # sold to optionlab at a time: a cent's profit is then a billionth of a rupee per unit
ROUNDS = 5
OURS_ROUNDS = 20
STEP = 0.01  # optionlab's own default step between prices of its domain, in rupees
NO_PRICE = 1e9  # rupees: the flat tail of a covered share has a slope of rounding there, and ends nowhere
NO_COSTS = ChargeRates(buy=0.0, sell=0.0, per_order=0.0)
TICK, LOT = 0.05, 100

Result = tuple[str, float, str, float]


def run() -> list[Result]:
    """Return (name, value, unit, target); nothing where the data or the package cannot be had."""
    if not CHAINS.exists():
        return []
    return against(flat_chain(), lambda version: environment(settings.STATE_DIR / f"optionlab-{version}", version))


def against(chain: Chain, python_of: Callable[[str], Path | str]) -> list[Result]:
    """Time both on one chain; `python_of` gives a version's Python, or a sentence why there is none."""
    batch = candidates(chain)
    firsts = batch.take(np.unique(batch.which, return_index=True)[1])
    ours, whole = timed(batch, ranges=False), timed(batch, ranges=True)
    found = measure(firsts, rates=NO_COSTS)
    results: list[Result] = [
        (f"ours, every figure of a candidate, in a batch of {batch.size:,}", 1e6 * ours, "µs", 0.0),
        ("  with its ranges of profit, which are worked out only for what is kept", 1e6 * whole, "µs", 0.0),
    ]
    for version in VERSIONS:
        python = python_of(version)
        if isinstance(python, str):
            print(f"optionlab {version} not measured: {python}")
            continue
        theirs = ask(python, firsts)
        seconds = float(np.median(theirs["seconds"]))
        results += [
            (f"optionlab {version}, per candidate, median of {firsts.size}", 1e3 * seconds, "ms", 0.0),
            ("  ratio to ours", seconds / ours, "×", 1_000.0),
            ("  ratio to ours with ranges of profit", seconds / whole, "×", 1_000.0),
        ]
        if version == VERSIONS[0]:
            gaps = differences(firsts, found, theirs["exact"])
            results += [(f"  largest difference, {name}", gap, unit, -1e-6) for name, gap, unit in gaps]
    return results


def flat_chain() -> Chain:
    """The recorded chain with the same volatility at every strike, whole days to expiry, and the forward as spot."""
    captured = next(
        chain
        for group in batches(CHAINS)
        for reading in readings(group)
        for chain in reading.chains
        if chain.underlying == SYMBOL and chain.taken_at.astimezone(IST).date() == DAY
    )
    chain = assemble(captured, lot_sizes={quote.expiry: LOT for quote in captured.quotes}, tick_size=TICK)
    front = chain.expiries[0]
    years = front.days_to_expiry / 365.0
    smile = flat_smile(forward=front.forward, years=years, volatility=front.smile.atm_volatility)
    return replace(chain, spot=front.forward, expiries=(replace(front, years=years, smile=smile),))


def candidates(chain: Chain) -> Batch:
    """Every structure of one expiry with all its neighbours."""
    table, parts = contract_table(chain), []
    for structure in CATALOGUE:
        try:
            parts.append(neighbourhood(structure, chain, table))
        except OptionsError:
            continue
    return concatenate(parts)


def timed(batch: Batch, *, ranges: bool) -> float:
    """Return the seconds per candidate that measuring the batch takes, the best of several rounds."""
    spent = []
    for _ in range(OURS_ROUNDS):
        fresh = batch.take(np.arange(batch.size))  # nothing cached from the round before
        started = time.perf_counter()
        measure(fresh, rates=NO_COSTS)
        for _, group in groups(fresh) if ranges else ():
            profit_ranges(payoff_lines(group))
        spent.append(time.perf_counter() - started)
    return min(spent) / batch.size


# --- the other side --------------------------------------------------------------------------------------------------


def environment(folder: Path, version: str) -> Path | str:
    """Return the Python of optionlab's environment, made when it is not there, or a sentence why there is none."""
    python, ready = folder / "bin" / "python", folder / f".{version}"
    if ready.exists():
        return python
    shutil.rmtree(folder, ignore_errors=True)
    installs = [("--no-deps", f"optionlab=={version}"), NEEDS]
    steps = [[sys.executable, "-m", "venv", str(folder)], *(_install(python, list(wanted)) for wanted in installs)]
    for step in steps:
        refusal = _refused(step)
        if refusal:
            return refusal
    ready.touch()
    return python


def _install(python: Path, wanted: Sequence[str]) -> list[str]:
    """The same two ways as in the Makefile: uv, which reads the system's certificates only when told to, or pip."""
    uv = ["env", "UV_SYSTEM_CERTS=1", "UV_NATIVE_TLS=1"]
    if _refused([sys.executable, "-m", "uv", "--version"]):
        return [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *wanted]
    return [*uv, sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python", str(python), *wanted]


def _refused(command: Sequence[str]) -> str:
    """Return the last line a command complained with, empty when it did what it should."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    lines = [line.strip() for line in (done.stderr or done.stdout).splitlines() if line.strip()]
    return "" if done.returncode == 0 else (lines or ["it ended without a word"])[-1]


def ask(python: Path, batch: Batch) -> dict[str, Any]:
    """Return optionlab's numbers per unit and its seconds for every candidate."""
    each = [candidate_of(batch, place) for place in range(batch.size)]
    asked = {
        "exact": [inputs(one, units=UNITS, low=0.0, high=_top(batch), step=_rung(batch)) for one in each],
        "timed": [inputs(one, units=1, low=0.5 * one.spot, high=1.5 * one.spot, step=STEP) for one in each],
        "rounds": ROUNDS,
    }
    done = subprocess.run(
        [str(python), "-I", str(SIDE)],  # isolated: this folder has a module of the same name
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS,
        check=True,
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def inputs(candidate: Candidate, *, units: int, low: float, high: float, step: float) -> dict[str, Any]:
    """Return one candidate as `run_strategy` takes it; what it works out besides is left at its default: everything."""
    legs: list[dict[str, Any]] = []
    for leg in candidate.legs:
        action = {"action": leg.side.value.lower(), "n": units * leg.ratio}
        if leg.contract.option_type is None:
            legs.append({"type": "stock", **action})
            continue
        kind = "call" if leg.contract.option_type is OptionType.CALL else "put"
        legs.append({"type": kind, "strike": leg.strike, "premium": leg.price, **action})
    volatility = next(leg.iv for leg in candidate.option_legs)
    return {
        "stock_price": candidate.spot,
        "volatility": volatility,
        "interest_rate": 0.0,
        "min_stock": low,
        "max_stock": high,
        "price_step": step,
        "strategy": legs,
        "days_to_target_date": candidate.days_to_expiry,
        "discard_nonbusiness_days": False,
    }


def _rung(batch: Batch) -> float:
    """The step of a grid on which every strike lies."""
    strikes = batch.table.chain.expiries[0].strikes
    return float(np.gcd.reduce(np.round(strikes / TICK).astype(np.int64)) * TICK)


def _top(batch: Batch) -> float:
    """The end of the domain on which numbers are compared: a level of that grid near twice the price."""
    return _rung(batch) * round(2.0 * batch.table.chain.spot / _rung(batch))


# --- the same numbers ------------------------------------------------------------------------------------------------


def differences(batch: Batch, found: Measures, theirs: Sequence[dict[str, Any]]) -> list[tuple[str, float, str]]:
    """Return the largest absolute difference of each figure over all candidates, rupees per unit of underlying."""
    named: dict[str, list[float]] = {}
    for place, answer in enumerate(theirs):
        for name, (ours, other) in pairs(batch, found, place, answer).items():
            same = ours == other  # both without limit, both without a range
            named.setdefault(name, []).append(0.0 if same else abs(ours - other))
    units = {"probability of profit": "", "delta": "", "gamma": ""}
    return [(name, float(np.max(gaps)), units.get(name, "₹")) for name, gaps in named.items()]


def pairs(batch: Batch, found: Measures, place: int, answer: dict[str, Any]) -> dict[str, tuple[float, float]]:
    """Return our figure and theirs by name; a profit or loss without limit is compared where their domain ends."""
    candidate = candidate_of(batch, place)
    one, legs = batch.take(np.array([place])), candidate.legs
    lines = payoff_lines(one)
    ends = float(outcomes(one, np.array([_top(batch)]))[0, 0]), *lines.values[0].tolist()
    best = max(ends) if math.isinf(found.max_profit[place]) else float(found.max_profit[place])
    worst = min(0.0, *ends) if math.isinf(found.max_loss[place]) else -float(found.max_loss[place])
    result = {
        "probability of profit": (float(found.probability_of_profit[place]), answer["probability"]),
        "expected value": (float(found.expected_value_gross[place]), answer["expected"] / UNITS),
        "maximum profit": (best, answer["best"] / UNITS),
        "maximum loss": (worst, min(0.0, answer["worst"] / UNITS)),
        "premium": (float(found.net_premium[place]), answer["cost"] / UNITS),
        "break-evens": _furthest(profit_ranges(lines)[0], answer["ranges"]),
        "delta": (float(found.net_delta[place]), sum(n.ratio * d for n, d in zip(legs, answer["delta"], strict=True))),
        "theta": (float(found.net_theta[place]), sum(n.ratio * d for n, d in zip(legs, answer["theta"], strict=True))),
    }
    for name, ours, scale in (("gamma", found.net_gamma, 1.0), ("vega", found.net_vega, 100.0)):
        other = scale * sum(leg.quantity * each for leg, each in zip(legs, answer[name], strict=True))
        result[name] = (float(ours[place]), other)
    return result


def _furthest(ours: Sequence[Sequence[float]], theirs: Sequence[Sequence[float]]) -> tuple[float, float]:
    """Return the two edges that are furthest apart; another number of ranges is as far apart as can be."""
    edges = [
        [edge if edge < NO_PRICE else math.inf for pair in side if pair[0] < NO_PRICE for edge in pair]
        for side in (ours, theirs)
    ]
    if len(edges[0]) != len(edges[1]):
        return math.inf, -math.inf
    both = [(0.0, 0.0), *zip(*edges, strict=True)]
    return max(both, key=lambda two: 0.0 if two[0] == two[1] else abs(two[0] - two[1]))


if __name__ == "__main__":
    from bench.__main__ import main

    main(["optionlab"])
