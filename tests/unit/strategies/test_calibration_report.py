"""From trials to groups, scores and verdicts."""

from datetime import date, timedelta

import numpy as np
import pytest

from market.errors import InvalidInput
from strategies.calibration_page import page
from strategies.calibration_report import (
    AFTER_COSTS,
    ARCHIVE,
    DAYS,
    DELTA,
    FLAT,
    OVERALL,
    REGIME,
    SMILE,
    STRUCTURE,
    Report,
    groups,
    joined,
    judged,
    report,
)
from strategies.trials import Trials

SLUGS = ("long-call", "short-put")
FIRST = date(2026, 1, 5)


def made(
    symbol: str, *, taken_on: date = FIRST, days: int = 10, volatility: float = 0.2, seed: int = 0, bias: float = 0.0
) -> Trials:
    """Ten candidates of each of two structures; all come true together, by the mean forecast less the bias."""
    random = np.random.default_rng([seed, sum(map(ord, symbol)), taken_on.toordinal()])
    smile = random.uniform(0.3, 0.9) + random.uniform(-0.01, 0.01, 20)
    came = random.random() < smile.mean() - bias
    return Trials(
        archive="stocks-2026",
        symbol=symbol,
        taken_on=taken_on,
        expiry=taken_on + timedelta(days=days),
        volatility=volatility,
        structure=np.repeat([0, 1], 10),
        smile=smile,
        flat=np.clip(smile + 0.05, 0.0, 1.0),
        delta=np.full(20, 0.5),
        after_costs=np.full(20, np.nan),
        profit=np.full(20, 5.0 if came else -5.0),
        charges=np.full(20, np.nan),
        own=np.tile([True] + [False] * 9, 2),
        advised=np.ones(20, dtype=np.bool_),
    )


TRIALS = [made(f"S{number}", volatility=0.1 + 0.01 * number) for number in range(30)]


def found() -> Report:
    return report(TRIALS, SLUGS)


def test_clusters_are_underlying_and_expiry():
    again = [made("S1", taken_on=FIRST + timedelta(days=1), days=9), made("S1", days=30)]

    assert np.unique(joined([*TRIALS, *again]).cluster).size == 31  # the second chain of S1 shares its expiry
    counted = found()
    assert (counted.trials, counted.chains, counted.clusters, counted.dates, counted.symbols) == (600, 30, 30, 1, 30)
    assert counted.heaviest == (FIRST + timedelta(days=10), 1.0)


def test_groups_part_the_trials():
    columns = joined(TRIALS)

    sizes: dict[str, list[tuple[str, int]]] = {}
    for kind, label, chosen in groups(columns, SLUGS):
        sizes.setdefault(kind, []).append((label, int(chosen.sum())))

    assert sizes[OVERALL] == [("overall", 600)]
    assert sizes[ARCHIVE] == [("stocks-2026", 600)]
    assert sizes[STRUCTURE] == [("long-call", 300), ("short-put", 300)]
    assert sizes[REGIME] == [("low", 200), ("middle", 200), ("high", 200)]
    assert sizes[DAYS] == [("8-14", 600)]
    assert sizes["choice"] == [("rules' own", 60), ("neighbours", 540)]


def test_too_few_underlyings_have_no_regime():
    assert {label for kind, label, _ in groups(joined(TRIALS[:5]), SLUGS) if kind == REGIME} == set()


def test_each_convention_is_scored_where_it_forecast():
    counted = found()

    assert [len(counted.of(name)) for name in (SMILE, FLAT, DELTA)] == [1, 1, 1]
    assert counted.of(AFTER_COSTS) == []
    assert counted.of(DELTA)[0].score.murphy.brier == pytest.approx(0.25)


def test_after_costs_is_judged_by_the_profit_that_is_left():
    one = made("S1")
    thin = Trials(
        **{name: getattr(one, name) for name in Trials.__slots__}
        | {"profit": np.full(20, 1.0), "charges": np.full(20, 2.0), "after_costs": np.full(20, 0.4)}
    )

    columns = joined([thin])

    assert columns.outcome(SMILE).tolist() == [1.0] * 20
    assert columns.outcome(AFTER_COSTS).tolist() == [0.0] * 20


def test_comparisons_are_paired_against_the_smile():
    counted = found()

    for each in counted.comparisons:
        worse = counted.of(each.convention)[0].score.murphy.brier - counted.of(SMILE)[0].score.murphy.brier
        assert each.change == pytest.approx(worse)
        assert each.low <= each.change <= each.high


def weekly(bias: float) -> list[Trials]:
    return [
        made(f"S{number}", taken_on=FIRST + timedelta(days=7 * week), days=5, bias=bias)
        for week in range(20)
        for number in range(20)
    ]


def test_a_map_helps_where_forecasts_are_biased_and_is_marked_useless_where_they_are_not():
    biased, honest = judged(joined(weekly(0.25)), "logistic"), judged(joined(weekly(0.0)), "logistic")

    assert biased.helps
    assert biased.change is not None
    assert biased.change < -0.02
    assert (biased.tested_dates, biased.trained_until) == (19, FIRST + timedelta(days=7 * 19 + 5))
    assert not honest.helps


def test_nothing_is_claimed_where_nothing_had_settled_in_time():
    verdict = judged(joined(TRIALS), "isotonic")

    assert (verdict.tested, verdict.change, verdict.helps) == (0, None, False)


def test_no_trials_are_refused():
    with pytest.raises(InvalidInput, match="NO_TRIALS"):
        report([], SLUGS)


def test_the_page_says_what_was_found():
    counted = found()

    text = page(counted, left_out={"CORPORATE_ACTION": 14}, archives=["stocks-2026"], seconds=12.0, whole=True)

    assert "600 candidates on 30 recorded chains of 30 underlyings" in text
    assert "| CORPORATE_ACTION | 14 |" in text
    assert "too little had settled" in text
    assert text.count("| long-call |") == 1
