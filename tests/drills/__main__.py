"""`python -m tests.drills`: every drill in turn, with its counts."""

import argparse
import json
import multiprocessing
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial

from tests.crash.ground import Ground, ground
from tests.drills.database import claim_race, exits_race, reviewers_race
from tests.drills.processes import six_executors, stopped_leader, tasks_five_times
from tests.drills.scene import Result
from tests.drills.servers import postgres_crashes, redis_lost

Drill = Callable[[Ground], Result]

# By name: the whole drill, and the same with smaller numbers for the test suite, whose machine may be busy.
DRILLS: Mapping[str, tuple[Drill, Drill]] = {
    "claims": (claim_race, partial(claim_race, executors=10, strategies=40)),
    "reviewers": (reviewers_race, partial(reviewers_race, reviewers=10, turns=5)),
    "exits": (exits_race, exits_race),
    "tasks": (tasks_five_times, partial(tasks_five_times, strategies=2)),
    "six": (six_executors, partial(six_executors, strategies=4, kills=1)),
    "stopped": (stopped_leader, partial(stopped_leader, strategies=1, seconds=12.0, takeover=60.0)),
    "redis": (redis_lost, partial(redis_lost, strategies=3, gone_seconds=1.0)),
    "postgres": (postgres_crashes, partial(postgres_crashes, strategies=2, outage_seconds=60.0)),
}


def main() -> int:
    """Run what was asked for and say what came of it."""
    parser = argparse.ArgumentParser(prog="python -m tests.drills", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(DRILLS)}; by default all")
    parser.add_argument("--quick", action="store_true", help="smaller numbers")
    parser.add_argument("--json", action="store_true", help="the results as one line of JSON")
    options = parser.parse_args()
    unknown = set(options.names) - set(DRILLS)
    if unknown:
        parser.error(f"no such drill: {', '.join(sorted(unknown))}")
    results = _run(options.names or list(DRILLS), quick=options.quick, silent=options.json)
    failed = sum(bool(result.wrong) for result in results.values())
    if options.json:
        sys.stdout.write(json.dumps({name: asdict(result) for name, result in results.items()}) + "\n")
    else:
        sys.stdout.write(f"{len(results)} drills, {failed} failed\n")
    return 1 if failed else 0


def _run(names: list[str], *, quick: bool, silent: bool) -> dict[str, Result]:
    """On durable servers: what is drilled must be as it is in earnest."""
    results: dict[str, Result] = {}
    with ground(throwaway=False) as place:
        multiprocessing.get_context("forkserver").set_forkserver_preload(["tests.crash.preload"])
        for name in names:
            results[name] = _result(name, DRILLS[name][1 if quick else 0], place)
            if not silent:
                sys.stdout.write(f"{results[name]}\n")
                sys.stdout.flush()
    return results


def _result(name: str, drill: Drill, place: Ground) -> Result:
    try:
        return drill(place)
    except Exception as error:  # noqa: BLE001 - whatever it is, this drill has failed and the next one goes on
        traceback.print_exc()
        return Result(name, wrong=[f"{type(error).__name__}: {error}"[:300]])


if __name__ == "__main__":
    raise SystemExit(main())
