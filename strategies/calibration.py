"""Whether forecast probabilities come true: scores, their decomposition, bins with intervals, and recalibration."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit, ndtri

from market.chain import Flags, Floats
from market.errors import InvalidInput, Reason

Ints = NDArray[np.int64]

BINS = 10  # equally wide, over the probabilities from 0 to 1
LEVEL = 0.95  # of every interval
LEAST_PROBABILITY = 0.001  # a recalibrated probability is never certain, and log loss never infinite
RESAMPLES = 2000
ISOTONIC_PLACES = 4  # forecasts closer than this are one level
LOGISTIC_POINTS = 201  # breakpoints that stand for a logistic map
_NEWTON_STEPS, _CLOSE, _RIDGE = 60, 1e-10, 1e-6


@dataclass(frozen=True, slots=True)
class Murphy:
    """The parts of a Brier score: brier = reliability - resolution + uncertainty + within.

    `within` is what bins hide: the variance of forecasts inside a bin less twice their covariance with the outcomes;
    0 when all forecasts of a bin are equal.
    """

    brier: float
    reliability: float
    resolution: float
    uncertainty: float
    within: float


@dataclass(frozen=True, slots=True)
class Bin:
    """Forecasts between `low` and `high`, how many, their mean, the share that came true and its interval.

    `effective` is the number of independent trials that carry as much information as the `count` clustered ones.
    """

    low: float
    high: float
    count: int
    effective: float
    forecast: float
    realised: float
    interval_low: float
    interval_high: float


@dataclass(frozen=True, slots=True)
class Score:
    """How good forecasts of one group were; the Brier score with its interval over resampled clusters."""

    trials: int
    clusters: int
    murphy: Murphy
    brier_low: float
    brier_high: float
    log_loss: float
    forecast: float
    realised: float
    bins: tuple[Bin, ...]

    @property
    def chance(self) -> float:
        """The reliability that a perfect forecaster would show by chance, given how few clusters there are."""
        parts = [each.count * each.forecast * (1.0 - each.forecast) / each.effective for each in self.bins]
        return sum(parts) / self.trials


@dataclass(frozen=True, slots=True)
class MonotoneMap:
    """A rising map of probabilities, straight between breakpoints and flat beyond them."""

    raw: tuple[float, ...]
    mapped: tuple[float, ...]

    def __post_init__(self) -> None:
        raw, mapped = np.array(self.raw), np.array(self.mapped)
        if raw.size == 0 or raw.size != mapped.size:
            raise InvalidInput(Reason("BAD_MAP", "A map needs as many values as breakpoints, one at least."))
        inside = ((raw >= 0.0) & (raw <= 1.0) & (mapped >= 0.0) & (mapped <= 1.0)).all()  # false for NaN
        if not (inside and (np.diff(raw) > 0.0).all() and (np.diff(mapped) >= 0.0).all()):
            raise InvalidInput(Reason("BAD_MAP", "Breakpoints must rise and values not fall, all from 0 to 1."))


Fit = Callable[[Floats, Floats], MonotoneMap]


def recalibrated(raw: float, chosen: MonotoneMap) -> float:
    """Return what a raw probability (a fraction) becomes under a map; raises InvalidInput when it is none."""
    if not 0.0 <= raw <= 1.0:
        raise InvalidInput(Reason("NOT_A_PROBABILITY", f"{raw} is no probability."))
    return float(np.interp(raw, chosen.raw, chosen.mapped))


# --- scores ----------------------------------------------------------------------------------------------------------


def murphy(forecast: Floats, outcome: Floats, *, bins: int = BINS) -> Murphy:
    """Split the Brier score of forecasts into its parts.

    Parameters
    ----------
    forecast : ndarray, shape (n,)
        Probabilities, fractions.
    outcome : ndarray, shape (n,)
        1 where it came true, 0 where not.
    bins : int
        Equally wide bins over [0, 1].

    Returns
    -------
    Murphy
        Parts that add up to the score.

    Raises
    ------
    InvalidInput
        Without trials, or when a forecast is no probability or an outcome neither 0 nor 1.

    Notes
    -----
    Source: A. H. Murphy, "A new vector partition of the probability score", J. Applied Meteorology 12 (1973) 595-600;
    D. B. Stephenson, C. A. S. Coelho and I. T. Jolliffe, "Two extra components in the Brier score decomposition",
    Weather and Forecasting 23 (2008) 752-757, for what bins hide.
    """
    require_trials(forecast, outcome)
    place = bin_of(forecast, bins)
    counts = np.bincount(place, minlength=bins).astype(np.float64)
    held = np.maximum(counts, 1.0)
    means = np.bincount(place, forecast, minlength=bins) / held
    rates = np.bincount(place, outcome, minlength=bins) / held
    base, share = float(outcome.mean()), counts / forecast.size
    apart = forecast - means[place]
    return Murphy(
        brier=float(np.mean((forecast - outcome) ** 2)),
        reliability=float(share @ (means - rates) ** 2),
        resolution=float(share @ (rates - base) ** 2),
        uncertainty=base * (1.0 - base),
        within=float(np.mean(apart**2) - 2.0 * np.mean(apart * (outcome - rates[place]))),
    )


def log_loss(forecast: Floats, outcome: Floats) -> float:
    """Return the mean negative log of the probability given to what came, forecasts kept a hair away from 0 and 1.

    Source: I. J. Good, "Rational decisions", J. Royal Statistical Society B 14 (1952) 107-114.
    """
    kept = np.clip(forecast, LEAST_PROBABILITY, 1.0 - LEAST_PROBABILITY)
    return float(-np.mean(np.where(outcome > 0.5, np.log(kept), np.log1p(-kept))))


def score(forecast: Floats, outcome: Floats, cluster: Ints, *, bins: int = BINS, seed: int = 0) -> Score:
    """Score forecasts whose outcomes are shared inside clusters.

    Parameters
    ----------
    forecast, outcome : ndarray, shape (n,)
    cluster : ndarray of int, shape (n,)
        Trials of one number share one outcome of the underlying.
    bins : int
    seed : int
        Of the resampling of clusters.

    Returns
    -------
    Score
        Empty bins are left out.
    """
    parts = murphy(forecast, outcome, bins=bins)
    numbers = np.unique(cluster, return_inverse=True)[1]
    low, high = cluster_interval((forecast - outcome) ** 2, numbers, seed=seed)
    return Score(
        trials=forecast.size,
        clusters=int(numbers.max()) + 1,
        murphy=parts,
        brier_low=low,
        brier_high=high,
        log_loss=log_loss(forecast, outcome),
        forecast=float(forecast.mean()),
        realised=float(outcome.mean()),
        bins=reliability_bins(forecast, outcome, cluster, bins=bins),
    )


def reliability_bins(forecast: Floats, outcome: Floats, cluster: Ints, *, bins: int = BINS) -> tuple[Bin, ...]:
    """Return the bins that hold forecasts, from low to high, with Wilson intervals of the effective size."""
    place = bin_of(forecast, bins)
    found = []
    for number in np.unique(place).tolist():
        inside = place == number
        rate, effective = float(outcome[inside].mean()), effective_size(outcome[inside], cluster[inside])
        low, high = wilson(rate, effective)
        mean = float(forecast[inside].mean())
        found.append(
            Bin(number / bins, (number + 1) / bins, int(inside.sum()), effective, mean, rate, low, high),
        )
    return tuple(found)


def bin_of(forecast: Floats, bins: int = BINS) -> Ints:
    """Return the number of each forecast's bin; 1 belongs to the last."""
    return np.minimum((forecast * bins).astype(np.int64), bins - 1)


def require_trials(forecast: Floats, outcome: Floats) -> None:
    """Refuse what cannot be scored."""
    if forecast.size == 0 or forecast.shape != outcome.shape:
        raise InvalidInput(Reason("NO_TRIALS", "There is nothing to score."))
    if not ((forecast >= 0.0) & (forecast <= 1.0)).all():
        raise InvalidInput(Reason("NOT_A_PROBABILITY", "A forecast lies outside 0 to 1 or is missing."))
    if not ((outcome == 0.0) | (outcome == 1.0)).all():
        raise InvalidInput(Reason("NOT_AN_OUTCOME", "An outcome is neither 0 nor 1."))


# --- intervals -------------------------------------------------------------------------------------------------------


def wilson(rate: float, trials: float, *, level: float = LEVEL) -> tuple[float, float]:
    """Return the score interval of a share seen in so many trials (not necessarily a whole number, > 0).

    Source: E. B. Wilson, "Probable inference, the law of succession, and statistical inference", J. American
    Statistical Association 22 (1927) 209-212.
    """
    z = float(ndtri(0.5 + 0.5 * level))
    middle = (rate + z * z / (2.0 * trials)) / (1.0 + z * z / trials)
    half = z / (1.0 + z * z / trials) * math.sqrt(rate * (1.0 - rate) / trials + z * z / (4.0 * trials * trials))
    return max(0.0, middle - half), min(1.0, middle + half)


def effective_size(outcome: Floats, cluster: Ints) -> float:
    """Return how many independent trials carry as much information as clustered ones.

    The variance of the share is that between clusters; the size is never below what it is when all trials of a cluster
    are one, n^2 / sum of squared cluster sizes, nor above the number of clusters: opposite trades of a cluster cancel
    in the variance, but no more of the market was seen for it.
    Source: L. Kish, "Survey Sampling" (Wiley 1965), sections 5.4 and 8.2 (design effect).
    """
    numbers = np.unique(cluster, return_inverse=True)[1]
    sizes = np.bincount(numbers).astype(np.float64)
    trials, clusters = float(outcome.size), sizes.size
    least = trials**2 / float(sizes @ sizes)
    rate = float(outcome.mean())
    residuals = np.bincount(numbers, outcome - rate)
    variance = float(residuals @ residuals) / trials**2 * clusters / max(clusters - 1, 1)
    if variance <= 0.0:  # all the same, or one cluster: nothing is known of the variance
        return least
    return float(np.clip(rate * (1.0 - rate) / variance, least, clusters))


def cluster_interval(
    values: Floats, numbers: Ints, *, level: float = LEVEL, resamples: int = RESAMPLES, seed: int = 0
) -> tuple[float, float]:
    """Return the percentile interval of a mean when whole clusters are drawn again with replacement.

    Parameters
    ----------
    values : ndarray, shape (n,)
    numbers : ndarray of int, shape (n,)
        Cluster of each value, 0 to clusters - 1.
    level : float
    resamples : int
    seed : int

    Returns
    -------
    tuple of float
        In the unit of the values; both ends are the mean where there is one cluster.

    Notes
    -----
    Source: A. C. Davison and D. V. Hinkley, "Bootstrap Methods and their Application" (Cambridge 1997), section 3.8.
    """
    sums, sizes = np.bincount(numbers, values), np.bincount(numbers).astype(np.float64)
    clusters = sums.size
    draws = np.random.default_rng(seed).multinomial(clusters, np.full(clusters, 1.0 / clusters), size=resamples)
    means = (draws @ sums) / (draws @ sizes)
    tail = 0.5 * (1.0 - level)
    low, high = np.quantile(means, [tail, 1.0 - tail])
    return float(low), float(high)


# --- recalibration ---------------------------------------------------------------------------------------------------


def isotonic(forecast: Floats, outcome: Floats) -> MonotoneMap:
    """Fit the rising step map of least squares by pooling adjacent violators; its values are shares that came true.

    Source: M. Ayer et al., "An empirical distribution function for sampling with incomplete information", Annals of
    Mathematical Statistics 26 (1955) 641-647; B. Zadrozny and C. Elkan (KDD 2002) for probabilities.
    """
    require_trials(forecast, outcome)
    levels, back = np.unique(np.round(forecast, ISOTONIC_PLACES), return_inverse=True)
    weights = np.bincount(back).astype(np.float64)
    starts, values = pooled(np.bincount(back, outcome) / weights, weights)
    ends = np.append(starts[1:], levels.size) - 1
    raw = np.stack([levels[starts], levels[ends]], axis=1).ravel()
    mapped = np.repeat(np.clip(values, LEAST_PROBABILITY, 1.0 - LEAST_PROBABILITY), 2)
    _, first = np.unique(raw, return_index=True)
    return MonotoneMap(tuple(raw[first].tolist()), tuple(mapped[first].tolist()))


def pooled(values: Floats, weights: Floats) -> tuple[Ints, Floats]:
    """Pool neighbours until values do not fall; returns where each block starts and its weighted mean."""
    starts: list[int] = []
    sums: list[float] = []
    masses: list[float] = []
    for place, (value, weight) in enumerate(zip(values.tolist(), weights.tolist(), strict=True)):
        start, total, mass = place, value * weight, weight
        while starts and sums[-1] * mass >= total * masses[-1]:
            start, total, mass = starts.pop(), total + sums.pop(), mass + masses.pop()
        starts.append(start)
        sums.append(total)
        masses.append(mass)
    return np.array(starts, dtype=np.int64), np.array(sums) / np.array(masses)


def logistic(forecast: Floats, outcome: Floats) -> MonotoneMap:
    """Fit log odds = intercept + slope x raw log odds by maximum likelihood; a falling slope becomes flat.

    Source: D. R. Cox, "Two further applications of a model for binary regression", Biometrika 45 (1958) 562-565;
    J. Platt (1999). A hair of ridge keeps the fit finite where outcomes are separated.
    """
    require_trials(forecast, outcome)
    odds = _odds(forecast)
    design = np.stack([np.ones_like(odds), odds], axis=1)
    weights = _newton(design, outcome)
    if weights[1] < 0.0:
        weights = np.array([float(_odds(outcome.mean(keepdims=True))[0]), 0.0])
    grid = np.linspace(0.0, 1.0, LOGISTIC_POINTS)
    mapped = np.clip(expit(weights[0] + weights[1] * _odds(grid)), LEAST_PROBABILITY, 1.0 - LEAST_PROBABILITY)
    return MonotoneMap(tuple(grid.tolist()), tuple(np.maximum.accumulate(mapped).tolist()))


def _odds(probability: Floats) -> Floats:
    return np.asarray(logit(np.clip(probability, LEAST_PROBABILITY, 1.0 - LEAST_PROBABILITY)))


def _newton(design: Floats, outcome: Floats) -> Floats:
    weights = np.array([0.0, 1.0])
    for _ in range(_NEWTON_STEPS):
        mean = expit(design @ weights)
        slope = design.T @ (outcome - mean)
        curvature = (design * (mean * (1.0 - mean))[:, None]).T @ design + _RIDGE * np.eye(2)
        step = np.linalg.solve(curvature, slope)
        weights = weights + np.clip(step, -2.0, 2.0)
        if float(np.abs(step).max()) < _CLOSE:
            break
    return weights


def walk_forward(
    forecast: Floats,
    outcome: Floats,
    cluster: Ints,
    *,
    taken_on: Ints,
    settled_on: Ints,
    fit: Fit,
    least_clusters: int,
) -> Floats:
    """Recalibrate every forecast by a map fitted only on what had settled before it was made.

    Parameters
    ----------
    forecast, outcome : ndarray, shape (n,)
    cluster : ndarray of int, shape (n,)
    taken_on, settled_on : ndarray of int, shape (n,)
        Day numbers: when the forecast was made, and when its outcome was known.
    fit : callable
        `isotonic` or `logistic`.
    least_clusters : int
        Settled clusters a map needs.

    Returns
    -------
    ndarray, shape (n,)
        NaN where too little had settled.
    """
    require_trials(forecast, outcome)
    settlements = np.unique(settled_on)
    known = np.searchsorted(settlements, taken_on, side="left")  # settlements strictly before the forecast
    result = np.full(forecast.size, np.nan)
    for count in np.unique(known[known > 0]):
        past = settled_on <= settlements[count - 1]
        if np.unique(cluster[past]).size < least_clusters:
            continue
        chosen = fit(forecast[past], outcome[past])
        now: Flags = known == count
        result[now] = np.interp(forecast[now], chosen.raw, chosen.mapped)
    return result
