"""`python -m tests.crash`: every named crash point for an entry, an exit and an unwinding, with real kills.

Each combination has a database and an exchange of its own. A trader is killed with SIGKILL at the point, a second one
that stood by takes over and brings the strategy where it should be; where a second point is named it dies there too,
and a third is started. Then the exchange's journal is compared with our tables.

Recovery runs from the kill to the moment at which the successor leads, has compared the broker's books with ours, and
has accounted for every order that was live at the kill: none is left as the dead process left it. What was intended is
void, what was being sent is known or of unknown fate, never sent again. The successor is a process that stood by, or
for the second kill one that is forked by it; starting one from nothing is measured too, in a line of its own.

Lost: a fill that our trades lack, an order still live at the end, a run that did not end, or a run that claims what the
broker does not show. Duplicate: one name twice at the broker, more held than was meant at any moment, or a short
without its cover.
"""

import argparse
import json
import multiprocessing
import os
import statistics
import sys
import traceback
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict
from pathlib import Path

from tests.crash.ground import Ground, ground
from tests.crash.planted import BUGS
from tests.crash.points import AGAIN, FIRST, NAMED, POINTS, UNREACHABLE, Purpose
from tests.crash.rig import Combination, Outcome, run_combination

GOAL_P95, GOAL_MAX = 1.0, 5.0
COLD = ("sending.after", "fill.inside", "phase.after")


def main() -> int:
    """Run what was asked for and say what came of it."""
    options = _options()
    if options.list:
        for point in POINTS:
            sys.stdout.write(f"{point.name:28}{point.setting}\n")
        sys.stdout.write(f"{len(POINTS)} points\n")
        return 0
    chosen = _chosen(options)
    with ground() as place:
        multiprocessing.get_context("forkserver").set_forkserver_preload(["tests.crash.preload"])
        outcomes = _run_all(place, chosen, jobs=options.jobs, quiet=options.json)
    if options.json:
        sys.stdout.write(json.dumps([_plain(outcome) for outcome in outcomes]) + "\n")
    return _conclude(outcomes, quiet=options.json)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.crash", description=__doc__)
    parser.add_argument("--list", action="store_true", help="name the points and stop")
    parser.add_argument("--points", nargs="*", choices=sorted(NAMED), metavar="NAME", help="only these")
    parser.add_argument("--purposes", nargs="*", choices=list(Purpose), default=list(Purpose))
    parser.add_argument(
        "--combinations",
        nargs="*",
        default=None,
        metavar="PURPOSE:POINT[:AGAIN][@cold][+BUG]",
        help=f"exactly these; bugs to plant: {', '.join(BUGS)}",
    )
    parser.add_argument("--jobs", type=int, default=max(2, os.cpu_count() or 1))
    parser.add_argument("--json", action="store_true", help="the outcomes as one line of JSON")
    return parser.parse_args()


def _chosen(options: argparse.Namespace) -> list[Combination]:
    if options.combinations is not None:
        return [Combination.read(text) for text in options.combinations]
    return _all(options.points, [Purpose(word) for word in options.purposes])


def _all(names: Sequence[str] | None, purposes: Sequence[Purpose]) -> list[Combination]:
    chosen = [Combination(name, purpose) for name in names or NAMED for purpose in purposes]
    if not names:
        chosen += [Combination(first, purpose, again) for first in FIRST for again in AGAIN for purpose in purposes]
        chosen += [Combination(name, purpose, cold=True) for name in COLD for purpose in purposes]
    return [one for one in chosen if str(one) not in UNREACHABLE]


def _run_all(place: Ground, chosen: Sequence[Combination], *, jobs: int, quiet: bool) -> list[Outcome]:
    outcomes: list[Outcome] = []
    with ThreadPoolExecutor(jobs) as pool:
        waiting = [
            pool.submit(_outcome, place, f"crash_{number}", combination) for number, combination in enumerate(chosen)
        ]
        try:
            for done in as_completed(waiting):
                outcomes.append(done.result())
                if not quiet:
                    sys.stdout.write(f"[{len(outcomes)}/{len(chosen)}] {_line(outcomes[-1])}\n")
                    sys.stdout.flush()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)  # an interrupt does not wait for what has not begun
    return outcomes


def _outcome(place: Ground, name: str, combination: Combination) -> Outcome:
    try:
        return run_combination(place, name, combination)
    except Exception as error:  # noqa: BLE001 - whatever it is, this one has failed and the next one goes on
        traceback.print_exc()
        return Outcome(combination, trouble=f"{type(error).__name__}: {error}"[:300])


def _line(outcome: Outcome) -> str:
    if is_good(outcome):
        took = ", ".join(f"{seconds * 1000:.0f} ms" for seconds in outcome.recovery)
        return f"ok   {outcome.combination}: recovered in {took}; {'; '.join(outcome.verdict.runs)}"
    found = [outcome.trouble, *outcome.verdict.lost, *outcome.verdict.duplicate]
    said = f"BAD  {outcome.combination}: {'; '.join(one for one in found if one)} | {'; '.join(outcome.verdict.runs)}"
    return "\n     ".join([said, *outcome.scene])


def is_good(outcome: Outcome) -> bool:
    """Struck wherever it should be, recovered each time, finished, nothing lost, nothing twice."""
    clean = not (outcome.verdict.lost or outcome.verdict.duplicate or outcome.trouble)
    second = outcome.struck_again or not outcome.combination.again
    return clean and outcome.struck and outcome.finished and second and bool(outcome.recovery)


def _conclude(outcomes: Sequence[Outcome], *, quiet: bool) -> int:
    bad = [outcome for outcome in outcomes if not is_good(outcome)]
    hot = sorted(seconds for one in outcomes if not one.combination.cold for seconds in one.recovery)
    cold = sorted(seconds for one in outcomes if one.combination.cold for seconds in one.recovery)
    p95, most = (_p(hot, 95), hot[-1]) if hot else (0.0, 0.0)
    if not quiet:
        sys.stdout.write("\n".join([*_said(outcomes, bad, cold, hot), _verdict(outcomes, bad, p95, most)]) + "\n")
    return 1 if bad or p95 >= GOAL_P95 or most >= GOAL_MAX else 0


def _said(
    outcomes: Sequence[Outcome], bad: Sequence[Outcome], cold: Sequence[float], hot: Sequence[float]
) -> list[str]:
    said = [f"failed: {_line(outcome)}" for outcome in bad]
    points, purposes = {one.combination.point for one in outcomes}, {one.combination.purpose for one in outcomes}
    said.append(f"{len(points)} points, {len(purposes)} purposes; the Dhan adapter over HTTP against the simulator")
    said += [f"not counted, cannot be reached: {words}: {why}" for words, why in UNREACHABLE.items()]
    if cold:
        said.append(f"nobody standing by (interpreter, Django, lease): p50 {_p(cold, 50):.2f} s, max {cold[-1]:.2f} s")
    if hot:
        said.append(f"a trader standing by: p50 {_p(hot, 50):.2f} s over {len(hot)} recoveries")
    return said


def _verdict(outcomes: Sequence[Outcome], bad: Sequence[Outcome], p95: float, most: float) -> str:
    crashes = sum(one.struck + one.struck_again for one in outcomes)
    lost = sum(bool(one.verdict.lost) for one in outcomes)
    duplicate = sum(bool(one.verdict.duplicate) for one in outcomes)
    failed = f", {len(bad)} FAILED" if bad else ""
    return f"{crashes} crashes, {lost} lost, {duplicate} duplicate, recovery p95 {p95:.2f} s, max {most:.2f} s{failed}"


def _p(values: Sequence[float], percent: int) -> float:
    return values[0] if len(values) == 1 else statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


def _plain(outcome: Outcome) -> dict[str, object]:
    return asdict(outcome) | {"asked": str(outcome.combination), "good": is_good(outcome)}


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    raise SystemExit(main())
