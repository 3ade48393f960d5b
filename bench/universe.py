"""The whole recorded universe of 30 January 2026, from stored chains to stored rows, by every structure."""

import os
import threading
import time
from datetime import datetime
from pathlib import Path

import numpy as np
from django.core.management import call_command
from django.db import connection
from django.db.models import Sum
from numpy.typing import NDArray

from market.calendar import IST
from market.chain import Chain
from market.models import ChainSnapshot, DailyBar, Instrument
from market.services.load import load_chains
from strategies.catalog import CATALOGUE
from strategies.models import GenerationRun, OptionStrategy, StrategyExitLevels, StrategyParameters
from strategies.search import neighbourhoods
from strategies.services.contradictions import without_margin
from strategies.services.crew import generate_in_processes
from strategies.services.generation import generatable, start_run
from strategies.table import contract_table

DATA = Path(__file__).resolve().parent.parent.parent / "shared" / "data"
MASTER = DATA / "A_instruments/api-scrip-master_2026-02.csv.gz"
CHAINS = DATA / "C_option_chains/stock_option_chain_eod_2026-01-28_to_2026-01-30.tar.xz"
PASTS = (
    DATA / "B_bhavcopy_cash/sec_bhavdata_full_2025-11-03_to_2026-01-23.tar.xz",
    DATA / "B_bhavcopy_cash/sec_bhavdata_full_2026-01-27_to_2026-01-30.tar.xz",
)
AS_OF = datetime(2026, 1, 30, 15, 29, tzinfo=IST)
WORKERS = 2
SIZES = (10, 25, 50, 100, 200)
ENOUGH = 50  # choices of strikes and expiry
LOOK_SECONDS = 0.2  # between two looks at the memory


def run() -> list[tuple[str, float, str, float]]:
    """Prepare once, then time generation alone, whole and over growing parts of the universe."""
    if not CHAINS.exists():
        return []
    _prepare()
    symbols = generatable(AS_OF)
    with PeakMemory() as memory:
        whole, seconds = _timed(None)
    listed = whole.results.count()
    sums = whole.results.aggregate(measured=Sum("measured"))
    rows = OptionStrategy.objects.filter(run=whole)
    parameters = StrategyParameters.objects.filter(strategy__run=whole)
    negative = parameters.filter(expected_value__lt=0).count() + rows.filter(expected_profit__lte=0).count()
    empty = without_margin(rows).count() + rows.filter(expiry=None).count()
    empty += (
        parameters.filter(expected_value=None).count()
        + rows.count()
        - StrategyExitLevels.objects.filter(strategy__run=whole, stop_loss__isnull=False).count()
    )
    said = whole.results.exclude(status="done", kept__gt=0).exclude(reason_code="").count()
    done = whole.results.filter(status="done", kept__gt=0).count()
    stored, structures = rows.count(), rows.values("structure").distinct().count()
    grown = [(size, _timed(symbols[:size], workers=1)[1]) for size in SIZES]
    exponent = float(np.polyfit(np.log([n for n, _ in grown]), np.log([each for _, each in grown]), 1)[0])
    choices = _choices(symbols)
    return [
        (f"{len(symbols)} symbols × {len(CATALOGUE)} structures, chains to rows, 2 processes", seconds, "s", -15.0),
        ("candidates compared", float(sums["measured"] or 0), "", 0.0),
        ("choices of strikes and expiry per structure built", float(choices.mean()), "", 50.0),
        (f"structures built with at least {ENOUGH} choices", 100 * float((choices >= ENOUGH).mean()), "%", 100.0),
        ("candidates per second", (sums["measured"] or 0) / seconds, "/s", 0.0),
        ("growth with the number of symbols, one process", exponent, "(exponent)", -1.1),
        (f"peak memory, sum of {memory.named}", memory.megabytes, "MB", -1500.0),
        ("symbols with a recommendation", float(done), "", 0.0),
        (f"of {listed} symbols listed, those with one or a reason", 100 * (done + said) / listed, "%", 100.0),
        ("strategies stored", float(stored), "rows", 0.0),
        ("structures recommended", float(structures), f"of {len(CATALOGUE)}", 0.0),
        ("stored with max profit or expected value below zero", float(negative), "rows", -0.5),
        ("stored with margin, expected value, expiry or stop missing", float(empty), "rows", -0.5),
    ]


class PeakMemory:
    """The most each process ever held, of this one, its workers and the PostgreSQL backends that serve them, summed.

    What processes share (PostgreSQL's buffers, libraries) counts in each that touched it: the sum is an upper bound.
    """

    def __init__(self) -> None:
        self._peaks: dict[str, dict[int, int]] = {"this process": {}, "workers": {}, "PostgreSQL backends": {}}
        self._over = threading.Event()
        self._watcher = threading.Thread(target=self._watch)

    def __enter__(self) -> "PeakMemory":
        self._watcher.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._watcher.join()

    @property
    def named(self) -> str:
        """What was summed, and how many of each."""
        return ", ".join(f"{len(peaks)} {kind}" for kind, peaks in self._peaks.items()).removeprefix("1 ")

    @property
    def megabytes(self) -> float:
        """The sum of the peaks of resident memory."""
        return sum(sum(peaks.values()) for peaks in self._peaks.values()) / 1024

    def _watch(self) -> None:
        while not self._over.is_set():
            for peaks, pids in zip(self._peaks.values(), ([os.getpid()], _workers(), _backends()), strict=True):
                peaks |= {pid: held for pid in pids if (held := _most_resident(pid)) is not None}
            self._over.wait(LOOK_SECONDS)
        connection.close()  # the watcher's own


def _workers() -> list[int]:
    """Children of this process that are copies of it."""
    listed = [task.read_text().split() for task in Path("/proc/self/task").glob("*/children")]
    return [int(pid) for pids in listed for pid in pids if _proc(pid, "cmdline") == _proc("self", "cmdline")]


def _backends() -> list[int]:
    """Server processes of this database's connections but the watcher's."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
            " AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )
        return [pid for (pid,) in cursor.fetchall()]


def _most_resident(pid: int) -> int | None:
    """Return the peak of resident memory in kB; None for a process that has ended."""
    lines = (line.split() for line in _proc(pid, "status").splitlines())
    return next((int(words[1]) for words in lines if words[:1] == [b"VmHWM:"]), None)


def _proc(pid: int | str, name: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def _choices(symbols: list[str]) -> NDArray[np.int64]:
    """How many choices each structure that could be built has, over all symbols; the rest is all the chain lists."""
    counts = []
    for chain in load_chains(symbols, as_of=AS_OF).values():
        if isinstance(chain, Chain):
            batch, _ = neighbourhoods(CATALOGUE, chain, contract_table(chain))
            counts.append(np.bincount(batch.which, minlength=len(batch.structures)))
    return np.concatenate(counts)


def _timed(symbols: list[str] | None, *, workers: int = WORKERS) -> tuple[GenerationRun, float]:
    OptionStrategy.objects.filter(execution_status="pending").delete()
    order = start_run(as_of=AS_OF, symbols=symbols, risk="aggressive")
    started = time.perf_counter()
    generate_in_processes(order, workers=workers)
    return order, time.perf_counter() - started


def _prepare() -> None:
    if not Instrument.objects.filter(last_import__file_name=MASTER.name).exists():
        call_command("import_scrip_master", file=str(MASTER), verbosity=0)
    if not ChainSnapshot.objects.filter(taken_at__date=AS_OF.date()).exists():
        call_command("import_chains", str(CHAINS), verbosity=0)
    if not DailyBar.objects.filter(day=AS_OF.date()).exists():
        call_command("import_bhavcopy", *map(str, PASTS), verbosity=0)


if __name__ == "__main__":
    from bench.__main__ import main

    main(["universe"])
