"""Run by the Python of optionlab's own environment: inputs as JSON on stdin, results and times as JSON on stdout."""

import json
import sys
import time

from optionlab import run_strategy


def main() -> None:
    """Answer {"exact": [inputs], "timed": [inputs], "rounds": n}; each time is the best of its rounds, in seconds."""
    asked = json.load(sys.stdin)
    exact = [_numbers(run_strategy(inputs)) for inputs in asked["exact"]]
    for inputs in asked["timed"]:
        run_strategy(inputs)  # its price sequences are cached, as they would be in a long run
    seconds = [_best(inputs, asked["rounds"]) for inputs in asked["timed"]]
    json.dump({"exact": exact, "seconds": seconds}, sys.stdout)


def _best(inputs: dict, rounds: int) -> float:
    spent = []
    for _ in range(rounds):
        started = time.perf_counter()
        run_strategy(inputs)
        spent.append(time.perf_counter() - started)
    return min(spent)


def _numbers(found) -> dict:
    profit = found.probability_of_profit
    return {
        "probability": profit,
        "expected": profit * found.expected_profit_if_profitable + (1.0 - profit) * found.expected_loss_if_unprofitable,
        "best": float(found.maximum_return_in_the_domain),
        "worst": float(found.minimum_return_in_the_domain),
        "cost": found.strategy_cost,
        "ranges": [[float(low), float(high)] for low, high in found.profit_ranges],
        "delta": found.delta,
        "gamma": found.gamma,
        "theta": found.theta,
        "vega": found.vega,
    }


if __name__ == "__main__":
    main()
