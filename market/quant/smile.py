"""A volatility smile one can read at any strike: raw SVI, fitted robustly, free of butterfly arbitrage."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from market.errors import InvalidInput, NoSolution, Reason
from market.quant import black
from market.quant.black import Flags, Floats, require_domain
from market.quant.forward import weighted_median

FEWEST_POINTS = 5  # raw SVI has five parameters
STEEPEST_WING = 1.9  # of total variance per unit of log-strike; R. Lee (2004): 2 is the most any distribution allows

_HIGHEST_VOLATILITY = 10.0  # 1000 %: beyond it a quote is garbage, not a smile


def _vertices(centres: Floats, widths: Floats) -> Floats:
    return np.stack(np.meshgrid(centres, widths), axis=-1).reshape(-1, 2)


# Vertices (m, sigma) of the first grid, in at-the-money standard deviations, and how the later ones close in.
_CENTRE_STEP, _WIDTH_STEP = 0.5, 1.85
_NARROWEST = 0.3
_GRID = _vertices(_CENTRE_STEP * np.arange(-4.0, 5.0), _NARROWEST * _WIDTH_STEP ** np.arange(6.0))
_SPARSE = 15  # strikes below which the vertex is not free: five parameters would chase one bad quote
_SPARSE_GRID = _vertices(np.array([-0.5, 0.0, 0.5]), np.array([1.0, 3.0]))
_OFFSETS = _vertices(np.array([-1.0, -0.5, 0.0, 0.5, 1.0]), np.array([-1.0, -0.5, 0.0, 0.5, 1.0]))
_ZOOMS = 4
_ROUNDS = 5
# Wing slopes tried, in at-the-money variance per standard deviation: the first suits two days to expiry, where quotes
# reach 15 deviations; the second keeps the wings of a shorter range of quotes free of butterflies.
_STEEPEST_SCORES = (2.6, 1.6)
_FAR = 4.0  # at-the-money deviations at which a quote counts half
_LEAST_TARGET = 0.1  # of the at-the-money variance: the smile's lowest point, and the least variance trusted
_NOISE = 2e-4  # of the at-the-money variance: smaller residuals are rounding
_REJECTED = 4.5  # robust standard deviations beyond which a quote is stale
_RIDGE = 1e-6  # holds parameters that the quotes do not determine
_CHECKED = np.concatenate([-np.geomspace(40.0, 0.02, 70), [0.0], np.geomspace(0.02, 40.0, 70)])
_SHARES_KEPT = 0.92 ** np.arange(1.0, 60.0)  # of the wings, tried in turn
_HALF_WINDOW = 2


@dataclass(frozen=True, slots=True)
class SviShape:
    """Raw SVI: w(k) = level + slope (tilt (k - centre) + sqrt((k - centre)^2 + width^2)), k = ln(strike/forward)."""

    level: float
    slope: float
    tilt: float
    centre: float
    width: float

    def variance(self, log_strike: Floats) -> tuple[Floats, Floats, Floats]:
        """Return total variance and its first two derivatives in log-strike."""
        return _svi(self.level, self.slope, self, log_strike)


def _svi(
    level: float | Floats, slope: float | Floats, shape: SviShape, log_strike: Floats
) -> tuple[Floats, Floats, Floats]:
    away = log_strike - shape.centre
    root = np.sqrt(away * away + shape.width**2)
    first = slope * (shape.tilt + away / root)
    second = slope * shape.width**2 / (root * root * root)
    return level + slope * (shape.tilt * away + root), first, second


@dataclass(frozen=True, slots=True, eq=False)
class Smile:
    """Implied volatility of one expiry as a function of strike.

    forward in rupees; years ACT/365; atm_volatility at strike = forward, as a fraction; skew is its slope per unit of
    ln(strike/forward); rmse of the used quotes, in volatility; quality "fitted" or "flat"; used says which of the
    quotes given to `fit_smile` the result rests on.
    """

    forward: float
    years: float
    atm_volatility: float
    skew: float
    rmse: float
    quality: Literal["fitted", "flat"]
    used: Flags
    shape: SviShape

    def total_variance(self, strike: ArrayLike) -> Floats:
        """Return sigma^2 T at any strikes (rupees, > 0)."""
        return self.shape.variance(self._log_strike(strike))[0]

    def volatility(self, strike: ArrayLike) -> Floats:
        """Return the annual volatility, as a fraction, at any strikes (rupees, > 0)."""
        return np.sqrt(self.total_variance(strike) / self.years)

    def prices(self, strike: ArrayLike, is_call: ArrayLike, *, discount: ArrayLike = 1.0) -> Floats:
        """Return Black prices in rupees per unit at the smile's own volatility; undiscounted by default."""
        return black.price(
            forward=self.forward,
            strike=strike,
            years=self.years,
            volatility=self.volatility(strike),
            is_call=is_call,
            discount=discount,
        )

    def _log_strike(self, strike: ArrayLike) -> Floats:
        (levels,) = require_domain(strike=strike)
        if (levels <= 0.0).any():
            raise InvalidInput(Reason("STRIKE_NOT_POSITIVE", "A smile has no volatility at strike 0."))
        return np.log(levels / self.forward)


def flat_smile(*, forward: float, years: float, volatility: float) -> Smile:
    """Return the smile with one volatility at every strike; InvalidInput unless all three are positive."""
    _require_underlying(forward, years)
    require_domain(volatility=volatility)
    if volatility <= 0.0:
        raise InvalidInput(Reason("VOLATILITY_NOT_POSITIVE", "A smile needs a positive volatility."))
    return _flat(forward, years, volatility, 0.0, np.zeros(0, dtype=np.bool_))


def fit_smile(
    *,
    forward: float,
    years: float,
    strikes: ArrayLike,
    volatilities: ArrayLike,
    weights: ArrayLike | None = None,
) -> Smile:
    """Fit a smile to quoted volatilities of one expiry, surviving a fifth of them being stale.

    Parameters
    ----------
    forward : float
        Rupees, > 0.
    years : float
        ACT/365, > 0.
    strikes : array_like, shape (n,)
        Rupees. Several quotes may share a strike (its call and its put).
    volatilities : array_like, shape (n,)
        Annual, fractions. NaN, zero, negative and above 10 (1000 %) are not used.
    weights : array_like, shape (n,), optional
        Trust in each quote, >= 0, equal by default.

    Returns
    -------
    Smile
        quality "fitted"; or "flat" at the weighted median volatility when fewer than 5 quotes, or fewer than 5
        different strikes, are usable. Linear in total variance beyond the quotes, with slopes within Lee's bound.

    Raises
    ------
    NoSolution
        NO_VOLATILITIES when not one quote is usable.
    InvalidInput
        When the arrays differ in shape, or forward, years or weights are outside their domain.

    Notes
    -----
    For a given vertex (m, sigma) raw SVI is linear in its other three parameters. All vertices of a small grid are
    solved at once by least absolute deviations; quotes beyond 4.5 robust standard deviations of the best one are
    dropped, and smaller grids of plain least squares close in on it. Below 15 strikes the vertex is not free. The
    result is flattened towards its at-the-money variance until Gatheral's g(k) >= 0 on a grid out to 40 standard
    deviations, so steep wings may fit the quotes less closely than an SVI without that condition.
    Source: J. Gatheral and A. Jacquier, "Arbitrage-free SVI volatility surfaces", Quantitative Finance 14 (2014)
    59-71, eq. 3.1 and lemma 2.2; Zeliade Systems, "Quasi-explicit calibration of Gatheral's SVI model" (2009);
    R. Lee, "The moment formula for implied volatility at extreme strikes", Mathematical Finance 14 (2004) 469-480.
    """
    _require_underlying(forward, years)
    levels, quotes = np.asarray(strikes, dtype=np.float64), np.asarray(volatilities, dtype=np.float64)
    trust = np.ones_like(levels) if weights is None else np.asarray(weights, dtype=np.float64)
    _require_aligned(levels, quotes, trust)
    usable = _usable(levels, quotes, trust)
    if not usable.any():
        raise NoSolution(Reason("NO_VOLATILITIES", "No quote has a usable volatility.", "Wait for a fuller chain."))
    middle = weighted_median(quotes[usable], trust[usable])
    if np.unique(levels[usable]).size < FEWEST_POINTS:
        return _flat(forward, years, middle, _rms(quotes[usable] - middle, trust[usable]), usable)
    return _fitted(forward, years, levels, quotes, np.where(usable, trust, 0.0))


def _fitted(forward: float, years: float, levels: Floats, quotes: Floats, trust: Floats) -> Smile:
    usable = trust > 0.0
    log_strikes, variances = np.log(levels[usable] / forward), quotes[usable] ** 2 * years
    shape, kept = _fit_svi(log_strikes, variances, trust[usable] / trust[usable].mean())
    used = usable.copy()
    used[usable] = kept
    model = np.sqrt(shape.variance(np.log(levels[used] / forward))[0] / years)
    variance, slope, _ = shape.variance(np.zeros(1))
    atm_volatility = float(np.sqrt(variance[0] / years))
    return Smile(
        forward=forward,
        years=years,
        atm_volatility=atm_volatility,
        skew=float(slope[0]) / (2.0 * atm_volatility * years),
        rmse=_rms(quotes[used] - model, trust[used]),
        quality="fitted",
        used=used,
        shape=shape,
    )


def _fit_svi(log_strikes: Floats, variances: Floats, trust: Floats) -> tuple[SviShape, Flags]:
    """Return the arbitrage-free SVI shape nearest to the quotes, and which of them are not stale."""
    smooth = _running_median(log_strikes, variances)
    unit = float(smooth[np.argmin(np.abs(log_strikes))])
    # An error of one volatility point weighs the same at every level; quotes at the tick floor far out weigh little.
    trust = trust * unit / smooth / (1.0 + log_strikes**2 / (_FAR**2 * unit))
    candidates: list[tuple[float, SviShape, Flags]] = []
    for score in _STEEPEST_SCORES:
        steepest = min(STEEPEST_WING / np.sqrt(unit), score)
        steep, kept = _fit_raw(_Quotes(log_strikes / np.sqrt(unit), variances / unit, trust, steepest), unit)
        shape = _without_butterflies(steep)
        loss = float(trust @ np.abs(shape.variance(log_strikes)[0] - variances))
        candidates.append((loss, shape, kept))
        if shape == steep:
            break
    _, shape, kept = min(candidates, key=lambda candidate: candidate[0])
    return shape, kept


@dataclass(frozen=True, slots=True, eq=False)
class _Quotes:
    """Quotes in units of the at-the-money deviation (scores) and variance (targets), with the steepest wing allowed."""

    scores: Floats
    targets: Floats
    trust: Floats
    steepest: float


def _fit_raw(quotes: _Quotes, unit: float) -> tuple[SviShape, Flags]:
    """Return the SVI shape of the quotes whatever its butterflies, and which quotes are not stale."""
    sparse = np.unique(quotes.scores).size < _SPARSE
    vertex, line = _best(quotes, _SPARSE_GRID if sparse else _GRID, rounds=_ROUNDS)
    for zoom in range(_ZOOMS):
        good = replace(quotes, trust=np.where(_kept(quotes, vertex, line), quotes.trust, 0.0))
        vertices = vertex[None, :] if sparse else _around(vertex, 0.5**zoom)
        vertex, line = _best(good, vertices, rounds=1)
    kept = _kept(quotes, vertex, line)
    level, tilted, slope = line * unit
    root = np.sqrt(unit)
    tilt = float(tilted / slope) if slope > 0.0 else 0.0
    shape = SviShape(float(level), float(slope / root), tilt, float(vertex[0] * root), float(vertex[1] * root))
    return shape, kept


def _best(quotes: _Quotes, vertices: Floats, *, rounds: int) -> tuple[Floats, Floats]:
    """Return the vertex (m, sigma) with the smallest loss, and its (level, slope x tilt, slope).

    One round is least squares; each further one reweights by 1/|residual|, which tends to least absolute deviations.
    """
    away, root = _away_and_root(quotes.scores, vertices)
    products = _products(away, root, quotes.targets)
    weights = np.broadcast_to(quotes.trust, away.shape)
    for _ in range(rounds):
        level, tilted, slope = _solved(np.matmul(products, weights[:, :, None])[:, :, 0].T, vertices, quotes.steepest)
        misses = np.abs(level[:, None] + tilted[:, None] * away + slope[:, None] * root - quotes.targets)
        weights = quotes.trust / np.maximum(misses, _NOISE)
    loss = misses @ quotes.trust if rounds > 1 else misses**2 @ quotes.trust
    winner = int(np.argmin(loss))
    return vertices[winner], np.array([level[winner], tilted[winner], slope[winner]])


def _away_and_root(scores: Floats, vertices: Floats) -> tuple[Floats, Floats]:
    away = scores - vertices[:, :1]
    return away, np.sqrt(away * away + vertices[:, 1:] ** 2)


def _products(away: Floats, root: Floats, targets: Floats) -> Floats:
    """What the normal equations sum up, per vertex: 1, a, r, aa, ar, rr, y, ay, ry; shape (vertices, 9, quotes)."""
    products = np.empty((away.shape[0], 9, away.shape[1]))
    products[:, 0], products[:, 1], products[:, 2] = 1.0, away, root
    np.multiply(away, away, out=products[:, 3])
    np.multiply(away, root, out=products[:, 4])
    np.multiply(root, root, out=products[:, 5])
    products[:, 6] = targets
    np.multiply(away, targets, out=products[:, 7])
    np.multiply(root, targets, out=products[:, 8])
    return products


def _solved(sums: Floats, vertices: Floats, steepest: float) -> tuple[Floats, Floats, Floats]:
    """Solve the weighted normal equations of every vertex and move each answer into the SVI domain."""
    total, a, r, aa, ar, rr, y, ay, ry = sums
    ridge = _RIDGE * total
    aa, rr, ar = aa + ridge - a * a / total, rr + ridge - r * r / total, ar - a * r / total  # the level eliminated
    ay, ry = ay - a * y / total, ry - r * y / total
    determinant = aa * rr - ar * ar
    slope = np.maximum((aa * ry - ar * ay) / determinant, 0.0)
    tilted = np.clip((rr * ay - ar * ry) / determinant, -slope, slope)
    ease = steepest / np.maximum(slope + np.abs(tilted), steepest)
    slope, tilted = slope * ease, tilted * ease
    lowest = _LEAST_TARGET - vertices[:, 1] * np.sqrt(slope**2 - tilted**2)
    return np.maximum((y - a * tilted - r * slope) / total, lowest), tilted, slope


def _kept(quotes: _Quotes, vertex: Floats, line: Floats) -> Flags:
    level, tilted, slope = line
    away = quotes.scores - vertex[0]
    model = level + tilted * away + slope * np.sqrt(away * away + vertex[1] ** 2)
    misses = np.abs(model - quotes.targets) * np.sqrt(quotes.trust)
    scale = max(1.4826 * _median(misses), _NOISE)
    return np.asarray(misses <= _REJECTED * scale)


def _running_median(log_strikes: Floats, variances: Floats) -> Floats:
    """Return for each quote the median of itself and its two neighbours on either side."""
    order = np.argsort(log_strikes, kind="stable")
    ranks = np.abs(np.arange(-_HALF_WINDOW, variances.size + _HALF_WINDOW))
    reflected = np.minimum(ranks, 2 * (variances.size - 1) - ranks)
    sorted_variances = variances[order]
    windows = [sorted_variances[reflected[shift : shift + variances.size]] for shift in range(2 * _HALF_WINDOW + 1)]
    smooth = np.empty_like(variances)
    smooth[order] = np.sort(windows, axis=0)[_HALF_WINDOW]
    return smooth


def _median(values: Floats) -> float:
    """The median of a short array; NumPy's own takes ten times as long for its checks."""
    middle = (values.size - 1) // 2
    ranked = np.sort(values)
    return float(0.5 * (ranked[middle] + ranked[values.size // 2]))


def _around(vertex: Floats, reach: float) -> Floats:
    vertices = np.empty_like(_OFFSETS)
    vertices[:, 0] = vertex[0] + reach * _CENTRE_STEP * _OFFSETS[:, 0]
    vertices[:, 1] = np.maximum(vertex[1] * _WIDTH_STEP ** (reach * _OFFSETS[:, 1]), _NARROWEST)
    return vertices


def _without_butterflies(shape: SviShape) -> SviShape:
    """Flatten towards the at-the-money variance until no butterfly on the grid has a negative price."""
    atm_variance = float(shape.variance(np.zeros(1))[0][0])
    grid = _CHECKED * np.sqrt(atm_variance)
    if (butterfly(shape, grid) >= 0.0).all():
        return shape
    levels = _SHARES_KEPT * shape.level + (1.0 - _SHARES_KEPT) * atm_variance
    signs = _butterfly(_svi(levels[:, None], (_SHARES_KEPT * shape.slope)[:, None], shape, grid), grid)
    sound = np.flatnonzero((signs >= 0.0).all(axis=1))
    if not sound.size:
        return SviShape(atm_variance, 0.0, 0.0, 0.0, 1.0)
    first = int(sound[0])
    return replace(shape, level=float(levels[first]), slope=float(_SHARES_KEPT[first] * shape.slope))


def butterfly(shape: SviShape, log_strike: Floats) -> Floats:
    """Return Gatheral's g(k), whose sign is that of the density (Gatheral and Jacquier 2014, eq. 2.1)."""
    return _butterfly(shape.variance(log_strike), log_strike)


def _butterfly(curve: tuple[Floats, Floats, Floats], log_strike: Floats) -> Floats:
    variance, first, second = curve
    ridge = 1.0 - 0.5 * log_strike * first / variance
    return ridge**2 - 0.25 * first**2 * (1.0 / variance + 0.25) + 0.5 * second


def _flat(forward: float, years: float, volatility: float, rmse: float, used: Flags) -> Smile:
    shape = SviShape(level=volatility**2 * years, slope=0.0, tilt=0.0, centre=0.0, width=1.0)
    return Smile(forward, years, volatility, 0.0, rmse, "flat", used, shape)


def _rms(residuals: Floats, trust: Floats) -> float:
    return float(np.sqrt(np.average(residuals**2, weights=trust)))


def _usable(levels: Floats, quotes: Floats, trust: Floats) -> Flags:
    readable = np.isfinite(levels) & np.isfinite(quotes)
    return readable & (levels > 0.0) & (quotes > 0.0) & (quotes <= _HIGHEST_VOLATILITY) & (trust > 0.0)


def _require_underlying(forward: float, years: float) -> None:
    require_domain(forward=forward, years=years)
    if years <= 0.0:
        raise InvalidInput(Reason("EXPIRED", "A smile needs time to expiry."))


def _require_aligned(levels: Floats, quotes: Floats, trust: Floats) -> None:
    if levels.ndim != 1 or quotes.shape != levels.shape or trust.shape != levels.shape:
        raise InvalidInput(Reason("SHAPES_DIFFER", "Strikes, volatilities and weights must be lists of one length."))
    if not (np.isfinite(trust).all() and (trust >= 0.0).all()):
        raise InvalidInput(Reason("BAD_WEIGHTS", "Weights must be finite and not negative."))
