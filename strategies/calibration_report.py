"""From trials to a report: every convention scored in every group, and recalibration judged out of sample."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from market.chain import Flags, Floats
from strategies import calibration
from strategies.calibration import Fit, MonotoneMap, Score
from strategies.measure import SETTLED
from strategies.table import Ints
from strategies.trials import Trials

SMILE, FLAT, DELTA, AFTER_COSTS = "smile", "flat", "delta", "after_costs"
CONVENTIONS = (SMILE, FLAT, DELTA, AFTER_COSTS)
OVERALL, ARCHIVE, CHOICE, WINDOW, STRUCTURE, DAYS, REGIME = (
    "overall",
    "archive",
    "choice",
    "window",
    "structure",
    "days",
    "regime",
)
DAY_BUCKETS = ((1, 2), (3, 7), (8, 14), (15, 35))
REGIMES = ("low", "middle", "high")
LEAST_RANKED = 9  # underlyings on one day, for a tercile of implied volatility to mean anything
FITS: dict[str, Fit] = {"logistic": calibration.logistic, "isotonic": calibration.isotonic}
LEAST_CLUSTERS = 10  # settled before a map is fitted
VERDICT_LEVEL = 1.0 - 0.05 / len(FITS)  # several maps are tried, so each must be surer (Bonferroni)


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """The trials of many chains end to end; arrays of shape (n,).

    `cluster` numbers underlying and expiry, `dates` the expiry alone. Days are proleptic ordinals. `regime` is the
    tercile of at-the-money volatility among the underlyings of that day, -1 where too few were recorded.
    """

    archives: tuple[str, ...]
    archive: Ints
    structure: Ints
    cluster: Ints
    taken_on: Ints
    settled_on: Ints
    days: Ints
    regime: Ints
    own: Flags
    advised: Flags
    forecasts: dict[str, Floats]
    profit: Floats
    charges: Floats

    @property
    def size(self) -> int:
        """How many trials."""
        return int(self.profit.size)

    def outcome(self, convention: str) -> Floats:
        """1 where the trial made money by the convention's own measure, after charges or before; shape (n,)."""
        costs = np.nan_to_num(self.charges) if convention == AFTER_COSTS else 0.0
        return np.asarray(self.profit - costs > SETTLED, dtype=np.float64)


@dataclass(frozen=True, slots=True)
class GroupScore:
    """One convention's score in one group of trials."""

    convention: str
    kind: str
    label: str
    score: Score


@dataclass(frozen=True, slots=True)
class Comparison:
    """How much higher (worse) another convention's Brier score is than the smile's; intervals over clusters, dates."""

    convention: str
    change: float
    low: float
    high: float
    dates_low: float
    dates_high: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """A map fitted on everything, and what maps of its kind did walk-forward; None where nothing could be tested.

    `change` is Brier after less before, negative when it helped; intervals over clusters and over expiry dates.
    """

    method: str
    chosen: MonotoneMap
    trained_from: date
    trained_until: date
    tested: int
    tested_clusters: int
    tested_dates: int
    before: float | None
    after: float | None
    change: float | None
    low: float | None
    high: float | None
    dates_low: float | None
    dates_high: float | None

    @property
    def helps(self) -> bool:
        """Whether both intervals of the change lie below zero."""
        return self.high is not None and self.dates_high is not None and max(self.high, self.dates_high) < 0.0


@dataclass(frozen=True, slots=True)
class Report:
    """What a calibration found; `heaviest` is the expiry date on which most trials settled, and their share."""

    trials: int
    chains: int
    clusters: int
    dates: int
    symbols: int
    first: date
    last: date
    heaviest: tuple[date, float]
    scores: tuple[GroupScore, ...]
    comparisons: tuple[Comparison, ...]
    verdicts: tuple[Verdict, ...]

    def of(self, convention: str, kind: str = OVERALL) -> list[GroupScore]:
        """The scores of one convention in one kind of group."""
        return [each for each in self.scores if each.convention == convention and each.kind == kind]


def report(trials: Sequence[Trials], slugs: Sequence[str]) -> Report:
    """Score trials (one chain at least) by every convention in every group, and judge recalibration walk-forward.

    Parameters
    ----------
    trials : Sequence[Trials]
    slugs : Sequence[str]
        Of the structures, in the order that the trials count them.

    Returns
    -------
    Report

    Raises
    ------
    InvalidInput
        NO_TRIALS when there are none.
    """
    columns = joined(trials)
    return Report(
        trials=columns.size,
        chains=len(trials),
        clusters=int(np.unique(columns.cluster).size),
        dates=int(np.unique(columns.settled_on).size),
        symbols=len({each.symbol for each in trials}),
        first=min(each.taken_on for each in trials),
        last=max(each.expiry for each in trials),
        heaviest=_heaviest(columns),
        scores=tuple(_scores(columns, slugs)),
        comparisons=tuple(_compared(columns, name) for name in (FLAT, DELTA)),
        verdicts=tuple(judged(columns, name) for name in FITS),
    )


def _heaviest(columns: Columns) -> tuple[date, float]:
    days, counts = np.unique(columns.settled_on, return_counts=True)
    return date.fromordinal(int(days[counts.argmax()])), float(counts.max() / columns.size)


def joined(trials: Sequence[Trials]) -> Columns:
    """Put the trials of chains end to end; raises InvalidInput without any."""
    if not trials:
        calibration.require_trials(np.zeros(0), np.zeros(0))
    sizes = [each.profit.size for each in trials]
    archives = tuple(sorted({each.archive for each in trials}))
    names = sorted({(each.symbol, each.expiry) for each in trials})
    numbers = {name: number for number, name in enumerate(names)}

    def spread(values: Sequence[int]) -> Ints:
        return np.repeat(np.array(values, dtype=np.int64), sizes)

    def end_to_end(name: str) -> Floats:
        return np.concatenate([getattr(each, name) for each in trials])

    return Columns(
        archives=archives,
        archive=spread([archives.index(each.archive) for each in trials]),
        structure=np.concatenate([each.structure for each in trials]),
        cluster=spread([numbers[each.symbol, each.expiry] for each in trials]),
        taken_on=spread([each.taken_on.toordinal() for each in trials]),
        settled_on=spread([each.expiry.toordinal() for each in trials]),
        days=spread([each.days for each in trials]),
        regime=spread(_regimes(trials)),
        own=np.concatenate([each.own for each in trials]),
        advised=np.concatenate([each.advised for each in trials]),
        forecasts={name: end_to_end(name) for name in CONVENTIONS},
        profit=end_to_end("profit"),
        charges=end_to_end("charges"),
    )


def _regimes(trials: Sequence[Trials]) -> list[int]:
    """Return the tercile of each chain's volatility among those of its day and archive."""
    days = {(each.archive, each.taken_on): [] for each in trials}  # type: dict[tuple[str, date], list[float]]
    for each in trials:
        days[each.archive, each.taken_on].append(each.volatility)
    edges = {key: np.quantile(values, [1 / 3, 2 / 3]) for key, values in days.items() if len(values) >= LEAST_RANKED}
    return [
        int(np.searchsorted(edges[key], each.volatility)) if (key := (each.archive, each.taken_on)) in edges else -1
        for each in trials
    ]


# --- scores ----------------------------------------------------------------------------------------------------------


def groups(columns: Columns, slugs: Sequence[str]) -> Iterator[tuple[str, str, Flags]]:
    """Every group that holds a trial: its kind, its label and where it is."""
    for kind, label, chosen in _all_groups(columns, slugs):
        if chosen.any():
            yield kind, label, chosen


def _all_groups(columns: Columns, slugs: Sequence[str]) -> Iterator[tuple[str, str, Flags]]:
    yield OVERALL, OVERALL, np.ones(columns.size, dtype=np.bool_)
    for place, archive in enumerate(columns.archives):
        yield ARCHIVE, archive, columns.archive == place
    yield CHOICE, "rules' own", columns.own
    yield CHOICE, "neighbours", ~columns.own
    yield WINDOW, "advised", columns.advised
    yield WINDOW, "outside", ~columns.advised
    for low, high in DAY_BUCKETS:
        yield DAYS, f"{low}-{high}", (columns.days >= low) & (columns.days <= high)
    for place, regime in enumerate(REGIMES):
        yield REGIME, regime, columns.regime == place
    for place, slug in enumerate(slugs):
        yield STRUCTURE, slug, columns.structure == place


def _scores(columns: Columns, slugs: Sequence[str]) -> Iterator[GroupScore]:
    found = list(groups(columns, slugs))
    for convention in CONVENTIONS:
        forecast, outcome = columns.forecasts[convention], columns.outcome(convention)
        known = np.isfinite(forecast)
        for kind, label, chosen in found:
            both = chosen & known
            if both.any():
                scored = calibration.score(forecast[both], outcome[both], columns.cluster[both])
                yield GroupScore(convention, kind, label, scored)


def _compared(columns: Columns, convention: str) -> Comparison:
    outcome = columns.outcome(SMILE)
    change = (columns.forecasts[convention] - outcome) ** 2 - (columns.forecasts[SMILE] - outcome) ** 2
    return Comparison(convention, float(change.mean()), *_intervals(columns, change, calibration.LEVEL))


def _intervals(columns: Columns, change: Floats, level: float, chosen: Flags | None = None) -> tuple[float, ...]:
    """Return the intervals of a mean over clusters, then over expiry dates."""
    ends: tuple[float, ...] = ()
    for labels in (columns.cluster, columns.settled_on):
        numbers = np.unique(labels if chosen is None else labels[chosen], return_inverse=True)[1]
        ends += calibration.cluster_interval(change, numbers, level=level)
    return ends


# --- recalibration ---------------------------------------------------------------------------------------------------


def judged(columns: Columns, method: str) -> Verdict:
    """Fit one kind of map on everything, and test such maps walk-forward: each on what had settled before."""
    forecast, outcome, fit = columns.forecasts[SMILE], columns.outcome(SMILE), FITS[method]
    after = calibration.walk_forward(
        forecast,
        outcome,
        columns.cluster,
        taken_on=columns.taken_on,
        settled_on=columns.settled_on,
        fit=fit,
        least_clusters=LEAST_CLUSTERS,
    )
    tested = np.isfinite(after)
    return Verdict(
        method,
        fit(forecast, outcome),
        date.fromordinal(int(columns.taken_on.min())),
        date.fromordinal(int(columns.settled_on.max())),
        int(tested.sum()),
        int(np.unique(columns.cluster[tested]).size),
        int(np.unique(columns.settled_on[tested]).size),
        *_tested(columns, forecast, after, outcome, tested),
    )


def _tested(
    columns: Columns, forecast: Floats, after: Floats, outcome: Floats, tested: Flags
) -> tuple[float | None, ...]:
    if not tested.any():
        return (None,) * 7
    raw, new = (forecast[tested] - outcome[tested]) ** 2, (after[tested] - outcome[tested]) ** 2
    ends = _intervals(columns, new - raw, VERDICT_LEVEL, tested)
    return (float(raw.mean()), float(new.mean()), float((new - raw).mean()), *ends)
