"""`python -m tests.simulation`: schedules, one schedule again, the documents' design, planted bugs."""

import argparse
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from multiprocessing import get_context

from tests.simulation.mutants import MUTANTS, Mutant
from tests.simulation.naive import simulate_naive
from tests.simulation.schedule import Outcome, simulate

DESIGNS: dict[str, Callable[..., Outcome]] = {"ours": simulate, "naive": simulate_naive}
MUTANT_SEEDS = 2_000
SHOWN = 20


def main(arguments: list[str] | None = None) -> int:
    """Parse, run, print; 0 when what was asked holds."""
    options = _options(arguments)
    if options.replay is not None:
        return _replay(options.replay, options.design)
    if options.mutants:
        return _mutants(options.schedules or MUTANT_SEEDS, options.processes, options.only)
    return _schedules(options.schedules or 1_000, options)


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument(
        "--schedules", type=int, help="how many seeds (1000; with --mutants at most so many each, 2000)"
    )
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    parser.add_argument("--design", choices=DESIGNS, default="ours", help="whose executor")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--replay", type=int, metavar="SEED", help="print the trace of one schedule and its hash")
    parser.add_argument("--mutants", action="store_true", help="plant each bug and look whether it is caught")
    parser.add_argument("--only", default="", help="with --mutants: those whose name holds this")
    return parser.parse_args(arguments)


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


# --- schedules -------------------------------------------------------------------------------------------------------


def _schedules(count: int, options: argparse.Namespace) -> int:
    began, bad, broken = time.monotonic(), 0, 0
    run = DESIGNS[options.design]
    for done, outcome in enumerate(_outcomes(run, range(options.seed, options.seed + count), options.processes), 1):
        if outcome.violations:
            bad, broken = bad + 1, broken + len(outcome.violations)
            if bad <= SHOWN and options.design == "ours":
                _print_failure(outcome, options.design)
        _progress(done, count, began)
    spent = time.monotonic() - began
    if options.design == "naive":
        _say(f"the documents' design breaks in {bad} of {count} schedules")
    _say(f"{count} schedules, {broken} violations, {count / spent:.0f} schedules/s")
    return 1 if broken and options.design == "ours" else 0


def _outcomes(run: Callable[[int], Outcome], seeds: Iterable[int], processes: int) -> Iterator[Outcome]:
    if processes <= 1:
        yield from map(run, seeds)
        return
    with get_context("fork").Pool(processes) as pool:
        yield from pool.imap_unordered(run, seeds, chunksize=8)


def _print_failure(outcome: Outcome, design: str) -> None:
    _say(f"seed {outcome.seed}: {outcome.violations[0]} ({len(outcome.violations)} in all)")
    _say(f"  python -m tests.simulation --design {design} --replay {outcome.seed}")


def _progress(done: int, count: int, began: float) -> None:
    if not sys.stderr.isatty() or (done % 50 and done != count):
        return
    rate = done / max(time.monotonic() - began, 1e-9)
    end = "\n" if done == count else ""
    sys.stderr.write(f"\r{done}/{count}  {rate:.0f}/s  {(count - done) / rate:.0f} s left  {end}")
    sys.stderr.flush()


def _replay(seed: int, design: str) -> int:
    outcome = DESIGNS[design](seed, lines=True)
    for line in outcome.lines:
        _say(line)
    for violation in outcome.violations:
        _say(str(violation))
    _say(f"seed {seed}: {len(outcome.violations)} violations, hash {outcome.hash}")
    return 1 if outcome.violations else 0


# --- mutants ---------------------------------------------------------------------------------------------------------


def hunt(mutant: Mutant, seeds: Iterable[int]) -> Outcome | None:
    """Return the first schedule that catches a planted bug."""
    with mutant.planted():
        return next((outcome for outcome in map(simulate, seeds) if outcome.violations), None)


def _hunt_one(task: tuple[int, int]) -> tuple[int, Outcome | None]:
    place, seeds = task
    return place, hunt(MUTANTS[place], range(seeds))


def _mutants(seeds: int, processes: int, only: str) -> int:
    began = time.monotonic()
    tasks = [(place, seeds) for place, mutant in enumerate(MUTANTS) if only in mutant.name]
    caught = 0
    with get_context("fork").Pool(max(processes, 1)) as pool:
        for done, (place, outcome) in enumerate(pool.imap_unordered(_hunt_one, tasks), 1):
            mutant = MUTANTS[place]
            caught += outcome is not None
            found = "SURVIVED" if outcome is None else f"seed {outcome.seed}: {outcome.violations[0]}"
            _say(f"{mutant.name} ({mutant.modes}): {found}")
            _progress(done, len(tasks), began)
    _say(f"caught {caught} of {len(tasks)}")
    return 0 if caught == len(tasks) else 1


if __name__ == "__main__":
    sys.exit(main())
