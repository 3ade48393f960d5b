"""Every recorded date with chains: which structures can be built and are recommended, and what every row holds.

`python -m bench structures` takes every fifth share by name, and all indices; `python -m bench structures=1` takes all.
The service that `generate_strategies` calls does the work, one date after the other, each inside a transaction that is
rolled back, so that nothing stays in the database but what `bench.universe` prepares.

The master of February 2026 lists none of the expiries before, so each date brings instruments derived from its own
chains: shares with the lots of February 2026 (true since January; of December's expiry not all), indices with the
rulebook's. Every so many of the symbols that master lists but a date has no chain of are asked for too: they must end
with a reason. No chain of 2019 can be taken: calendar, lots and charges begin in 2024.
"""

import csv
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import count

from django.core.management import call_command
from django.db import transaction
from django.db.models import F, Q
from rich.console import Console
from rich.table import Table

from bench.universe import CHAINS, DATA, _prepare
from market.calendar import IST
from market.errors import OptionsError
from market.models import DailyBar, FileImport, Instrument, Underlying
from market.ports import CapturedChain
from market.readers import batches, readings
from market.rulebook.lots import lot_size
from market.services.capture import capturable
from market.services.chains import store_chains
from strategies.catalog import CATALOGUE
from strategies.models import GenerationRun, OptionStrategy, StrategyExitLevels, StrategyParameters
from strategies.score import REASONS, RiskProfile
from strategies.services.contradictions import without_margin
from strategies.services.generation import generate, start_run

ARCHIVES = (
    DATA / "C_option_chains/nse_chain_1min_NIFTY_BANKNIFTY_2025-08-27_and_29_am.parquet",
    DATA / "C_option_chains/stock_option_chain_eod_2025-12-23_to_2026-01-23.tar.xz",
    DATA / "C_option_chains/index_option_chain_intraday_2026-01-22_to_2026-01-29.tar.xz",
    CHAINS,
)
LOTS = DATA / "E_reference/fno_stock_lot_size_2026-02.csv"
INDICES = (
    "daily_NIFTY50.csv.gz",
    "daily_NIFTY50_2026-01-27_to_2026-01-30.csv",
    "daily_NIFTY_BANK.csv.gz",
    "daily_NIFTY_BANK_2026-01-27_to_2026-01-30.csv",
    "daily_NIFTY_FIN_SERVICE.csv.gz",
)
EVERY = 5  # of the shares, by name
RISK: RiskProfile = "aggressive"  # refuses least: structures of undefined risk are among the catalogue
TICK_PAISE = 5
EVERYWHERE = [[0.0, None]]  # a share hedged so that no price loses has no break-even
FEWEST_RECOMMENDED = 40.0

Result = tuple[str, float, str, float]


@dataclass
class Seen:
    """What one date gave: symbols by outcome, structures, and rows that should not be."""

    day: date
    symbols: int = 0
    recommended: int = 0
    reasoned: int = 0
    rows: int = 0
    losing: int = 0
    missing: int = 0
    seconds: float = 0.0
    built: set[str] = field(default_factory=set)
    kept: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)


def run(every: int = EVERY) -> list[Result]:
    """Return (name, value, unit, target) over all dates, and print one row per date."""
    if not CHAINS.exists():
        return []
    started = time.perf_counter()
    _prepare()
    _history()
    seen = [_date(day, chains, names, every) for day, chains, names in recorded(every)]
    built, kept = set().union(*(each.built for each in seen)), sum((each.kept for each in seen), Counter[str]())
    print_dates(seen, every, built, kept)
    symbols = sum(each.symbols for each in seen)
    absent = sum(each.reasons["NO_CHAIN"] for each in seen)
    recommended = sum(each.recommended for each in seen)
    said = recommended + sum(each.reasoned for each in seen)
    return [
        (f"dates, 1 of {every} shares and all indices", float(len(seen)), "", 0.0),
        ("structures built somewhere", float(len(built)), f"of {len(CATALOGUE)}", float(len(CATALOGUE))),
        ("structures recommended somewhere", float(len(kept)), f"of {len(CATALOGUE)}", FEWEST_RECOMMENDED),
        ("symbols with a chain that have a recommendation", 100.0 * recommended / (symbols - absent), "%", 0.0),
        ("symbols listed without a chain that date", float(absent), f"of {symbols}", 0.0),
        ("symbols with one or a stored reason, worst date", min(map(share_said, seen)), "%", 100.0),
        ("symbols with one or a stored reason, all dates", 100.0 * said / symbols, "%", 100.0),
        ("rows stored", float(sum(each.rows for each in seen)), "", 0.0),
        ("rows with max profit ≤ 0 or expected value < 0", float(sum(each.losing for each in seen)), "", -0.5),
        ("rows with a figure, an expiry or an exit missing", float(sum(each.missing for each in seen)), "", -0.5),
        ("time", time.perf_counter() - started, "s", 0.0),
    ]


def share_said(seen: Seen) -> float:
    """Per cent of a date's symbols that have a recommendation or a stored reason."""
    return 100.0 * (seen.recommended + seen.reasoned) / max(1, seen.symbols)


def recorded(every: int) -> Iterator[tuple[date, list[CapturedChain], set[str]]]:
    """Yield each date with the last chain of every sampled symbol, and the names of all that have one; in order."""
    days: dict[date, dict[str, CapturedChain]] = defaultdict(dict)
    for archive in ARCHIVES:
        for group in batches(archive):
            for reading in readings(group):
                for chain in reading.chains:
                    newest = days[chain.taken_at.astimezone(IST).date()]
                    held = newest.get(chain.underlying)
                    if held is None or held.taken_at <= chain.taken_at:
                        newest[chain.underlying] = chain
    for day in sorted(days):
        yield day, sampled(list(days[day].values()), every), set(days[day])


def sampled(chains: Sequence[CapturedChain], every: int) -> list[CapturedChain]:
    """Keep every so many of the shares by name, and all indices."""
    shares = sorted((chain for chain in chains if not chain.is_index), key=lambda chain: chain.underlying)
    return [chain for chain in chains if chain.is_index] + shares[::every]


def _history() -> None:
    """Put the recorded days of the indices beside those of the shares."""
    if not DailyBar.objects.filter(symbol="NIFTY", day=date(2026, 1, 30)).exists():
        call_command("import_history", *(str(DATA / "D_index" / name) for name in INDICES), verbosity=0)


# --- one date --------------------------------------------------------------------------------------------------------


def _date(day: date, chains: Sequence[CapturedChain], names: set[str], every: int) -> Seen:
    with transaction.atomic():
        OptionStrategy.objects.filter(execution_status="pending").delete()  # what another run of that day stored
        list_instruments(day, chains)
        store_chains(chains)
        as_of = max(chain.taken_at for chain in chains)
        asked = {chain.underlying for chain in chains} | set(without_chain(names, every))
        seen = generated(as_of, sorted(asked))
        transaction.set_rollback(True)
    return seen


def without_chain(names: set[str], every: int) -> list[str]:
    """Every so many, by name, of the symbols with listed options that are not among `names`."""
    return sorted(set(capturable()) - names)[::every]


def list_instruments(day: date, chains: Sequence[CapturedChain]) -> None:
    """Write one derived contract of every expiry the master does not list, with its lot; without a lot, none."""
    master = FileImport.objects.masters().usable().first()
    lots, numbers = _share_lots(), count(1)
    listed = set(Instrument.objects.active().options().values_list("underlying", "expiry").distinct())
    rows = []
    for chain in chains:
        for expiry in sorted({quote.expiry for quote in chain.quotes}):
            lot = _lot(chain, expiry, day, lots)
            if lot is not None and (chain.underlying, expiry) not in listed:
                rows.append(_derived(chain, expiry, lot, f"derived-{next(numbers)}", master))
    Instrument.objects.bulk_create(rows)
    known = set(Underlying.objects.values_list("symbol", flat=True))
    Underlying.objects.bulk_create(
        Underlying(symbol=chain.underlying, kind="index" if chain.is_index else "stock", exchange="NSE")
        for chain in chains
        if chain.underlying not in known
    )


def _lot(chain: CapturedChain, expiry: date, day: date, lots: dict[str, int]) -> int | None:
    if not chain.is_index:
        return lots.get(chain.underlying)
    try:
        return lot_size(chain.underlying, expiry, as_of=day)
    except OptionsError:
        return None


def _derived(chain: CapturedChain, expiry: date, lot: int, number: str, master: FileImport | None) -> Instrument:
    return Instrument(
        exchange="NSE",
        segment_letter="D",
        segment="NSE_FNO",
        security_id=number,
        instrument_name="OPTIDX" if chain.is_index else "OPTSTK",
        underlying=chain.underlying,
        expiry=expiry,
        strike=min(quote.strike for quote in chain.quotes),
        option_type="CE",
        lot_size=lot,
        tick_paise=TICK_PAISE,
        trading_symbol=f"{chain.underlying}-{expiry:%d%b%Y}",
        custom_symbol="derived from the chain",
        first_import=master,
        last_import=master,
    )


def _share_lots() -> dict[str, int]:
    with LOTS.open(encoding="utf-8") as lines:
        return {row["Stock"].strip(): int(row["Lot_Size"]) for row in csv.DictReader(lines)}


def generated(as_of: datetime, symbols: Sequence[str]) -> Seen:
    """Generate for these symbols, and look at what was stored."""
    started = time.perf_counter()
    run = generate(start_run(as_of=as_of, symbols=symbols, risk=RISK))
    seen = Seen(as_of.astimezone(IST).date(), seconds=time.perf_counter() - started)
    for result in run.results.all():
        seen.symbols += 1
        seen.recommended += result.status == "done" and result.kept > 0
        seen.built |= {slug for slug, code in result.refusals.items() if code in REASONS}  # built, then gated
        if result.reason_code:
            seen.reasoned += 1
            seen.reasons[result.reason_code] += 1
    _look(run, seen)
    seen.built |= set(seen.kept)
    return seen


def _look(run: GenerationRun, seen: Seen) -> None:
    rows = OptionStrategy.objects.filter(run=run)
    seen.rows = rows.count()
    seen.kept.update(rows.values_list("structure", flat=True))
    seen.losing, seen.missing = faults(run)


def faults(run: GenerationRun) -> tuple[int, int]:
    """Return how many rows cannot win or are expected to lose, and how many lack a figure, an expiry or an exit.

    A margin of zero is none, but for what neither sells an option nor pays for itself.
    """
    rows = OptionStrategy.objects.filter(run=run)
    figures = StrategyParameters.objects.filter(strategy__run=run)
    exits = StrategyExitLevels.objects.filter(strategy__run=run)
    losing = set(rows.filter(expected_profit__lte=0).values_list("pk", flat=True))
    losing |= set(figures.filter(expected_value__lt=0).values_list("strategy_id", flat=True))
    whole = Q(margin_required__isnull=False, expected_value__isnull=False, days_to_expiry__isnull=False)
    turning = ~Q(breakevens=[]) | Q(profit_ranges=EVERYWHERE)
    complete = set(figures.filter(whole & turning).values_list("strategy_id", flat=True))
    complete &= set(rows.filter(expiry__isnull=False).values_list("pk", flat=True))
    complete -= set(without_margin(rows).values_list("pk", flat=True))
    complete &= set(
        exits.filter(stop_loss__isnull=False, profit_target_1__isnull=False, time_exit_dte__isnull=False)
        .annotate(row=F("strategy_id"))
        .values_list("row", flat=True)
    )
    return len(losing), rows.count() - len(complete)


# --- the table -------------------------------------------------------------------------------------------------------


def print_dates(seen: Sequence[Seen], every: int, built: set[str], kept: Counter[str]) -> None:
    """Print one row per date, the structures never recommended, and how long it took."""
    console = Console(width=140)
    table = Table(title=f"Recorded dates, 1 of {every} shares and all indices", title_justify="left")
    for column in (
        "Date",
        "Symbols",
        "Recommended",
        "With a reason",
        "Said",
        "Rows",
        "Structures",
        "Seconds",
        "Why not",
    ):
        table.add_column(column, justify="left" if column in ("Date", "Why not") else "right")
    for each in seen:
        why = ", ".join(f"{code} {number}" for code, number in each.reasons.most_common(2))
        numbers = (
            each.symbols,
            each.recommended,
            each.reasoned,
            f"{share_said(each):.0f} %",
            each.rows,
            len(each.kept),
        )
        table.add_row(f"{each.day:%Y-%m-%d}", *map(str, numbers), f"{each.seconds:.1f}", why)
    console.print(table)
    never = sorted({structure.slug for structure in CATALOGUE} - set(kept))
    print(f"Never recommended: {', '.join(never) or 'none'}.")
    print(f"Never built: {', '.join(sorted({structure.slug for structure in CATALOGUE} - built)) or 'none'}.")


if __name__ == "__main__":
    from bench.__main__ import main

    main(["structures"])
