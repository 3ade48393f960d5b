"""How well probabilities of profit come true on the recorded chains of 2019: `python -m bench.calibration`."""

import time
from pathlib import Path

from strategies.calibration_report import DELTA, FLAT, SMILE, report
from strategies.catalog import CATALOGUE
from strategies.services.recorded_trials import INDEX_2019, STOCKS_2019, orders_of
from strategies.trials import trials_of

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
PER_STRUCTURE = 8

Result = tuple[str, float, str, float]


def run() -> list[Result]:
    """Return (name, value, unit, target); 0 means there is no target."""
    orders = [order for archive in (INDEX_2019, STOCKS_2019) for order in orders_of(archive, DATA).ready]
    started = time.process_time()
    tried = [trials_of(order, CATALOGUE, most=PER_STRUCTURE)[0] for order in orders]
    seconds = time.process_time() - started
    found = report([each for each in tried if each is not None], [structure.slug for structure in CATALOGUE])
    scores = {name: found.of(name)[0].score for name in (SMILE, FLAT, DELTA)}
    return [
        ("candidates settled", float(found.trials), "", 0.0),
        ("clusters (underlying and expiry)", float(found.clusters), "", 0.0),
        ("candidates tried and settled", found.trials / seconds, "per second", 0.0),
        *((f"Brier score, {name}", each.murphy.brier, "", 0.0) for name, each in scores.items()),
        *((f"reliability, {name}", each.murphy.reliability, "", 0.0) for name, each in scores.items()),
    ]


if __name__ == "__main__":
    from bench.__main__ import main

    main(["calibration"])
