"""Runs the calibration over recorded archives, keeps what it found, and answers what was found."""

import logging
import multiprocessing
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from datetime import date, datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

from django.db import transaction

from market.errors import Reason
from strategies.calibration import Bin, MonotoneMap
from strategies.calibration_report import OVERALL, STRUCTURE, GroupScore, Report, Verdict, report
from strategies.catalog import CATALOGUE
from strategies.errors import StrategyError
from strategies.models import CalibrationBin, CalibrationRun, CalibrationScore, Convention, RecalibrationMap
from strategies.reliability_picture import reliability_picture
from strategies.services.recorded_trials import ARCHIVES, orders_of
from strategies.trials import Order, Trials, trials_of

logger = logging.getLogger(__name__)

PER_STRUCTURE = 8  # the rules' own choice and its seven nearest neighbours
WORKERS = 2
_CHUNK = 8  # chains a worker takes at a time
_NAMES = {name: label for name, label in Convention.choices if name != Convention.AFTER_COSTS}

Progress = Callable[[int, int], None]


def calibrate(
    *,
    archives: Sequence[str],
    data: Path,
    as_of: datetime,
    symbols: int | None = None,
    per_structure: int = PER_STRUCTURE,
    workers: int = WORKERS,
    progress: Progress = lambda done, total: None,
) -> tuple[CalibrationRun, Report]:
    """Try every structure on every recorded chain, settle, score and keep; raises StrategyError NO_TRIALS."""
    began = time.monotonic()
    orders: list[Order] = []
    left_out: Counter[str] = Counter()
    for archive in archives:
        found = orders_of(archive, data, symbols=symbols)
        orders += found.ready
        left_out += found.left_out
    trials = list(_tried(orders, per_structure, workers, left_out, progress))
    if not trials:
        raise StrategyError(Reason("NO_TRIALS", "No recorded chain could be settled.", f"Look into {data}."))
    scored = report(trials, [structure.slug for structure in CATALOGUE])
    run = CalibrationRun(
        archives=" ".join(archives),
        per_structure=per_structure,
        whole=is_whole(archives=archives, symbols=symbols, per_structure=per_structure),
        left_out=dict(sorted(left_out.items())),
        finished_at=as_of,
        seconds=time.monotonic() - began,
    )
    keep(run, scored)
    logger.info("calibration %d: %d trials of %d chains", run.pk, scored.trials, scored.chains)
    return run, scored


def is_whole(*, archives: Sequence[str], symbols: int | None, per_structure: int) -> bool:
    """Whether a run tries all that is recorded, as closely as usual: only such a run may speak and choose the map."""
    return {*archives} == {*ARCHIVES} and symbols is None and per_structure >= PER_STRUCTURE


def _tried(
    orders: Sequence[Order], most: int, workers: int, left_out: Counter[str], progress: Progress
) -> Iterator[Trials]:
    tried = partial(trials_of, structures=CATALOGUE, most=most)
    for done, (trials, refused) in enumerate(_mapped(tried, orders, workers), start=1):
        left_out.update(refused)
        progress(done, len(orders))
        if trials is not None:
            yield trials


def _mapped(
    tried: Callable[[Order], tuple[Trials | None, Counter[str]]], orders: Sequence[Order], workers: int
) -> Iterator[tuple[Trials | None, Counter[str]]]:
    if workers == 1:
        yield from map(tried, orders)
        return
    # Spawned, not forked: a worker must not share this process's connections.
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield from pool.map(tried, orders, chunksize=_CHUNK)


@transaction.atomic
def keep(run: CalibrationRun, scored: Report) -> None:
    """Write a report: the run, its scores, their bins, and the maps with their verdicts."""
    run.first_day, run.last_day = scored.first, scored.last
    run.symbols, run.chains, run.trials = scored.symbols, scored.chains, scored.trials
    run.clusters, run.expiry_dates = scored.clusters, scored.dates
    run.comparisons = [asdict(each) for each in scored.comparisons]
    run.picture = picture_of(scored)
    run.save()
    rows = CalibrationScore.objects.bulk_create([_score(run, each) for each in scored.scores])
    bins = zip(rows, scored.scores, strict=True)
    CalibrationBin.objects.bulk_create(_bin(row, each) for row, group in bins for each in group.score.bins)
    RecalibrationMap.objects.bulk_create(_map(run, each) for each in scored.verdicts)


def picture_of(scored: Report) -> str:
    """Draw the conventions that forecast the same event in one diagram."""
    series = [(label, scored.of(name)[0].score.bins) for name, label in _NAMES.items()]
    return reliability_picture(series, title="Probability of profit: forecast and come true")


def _exact(value: float | None, places: int) -> Decimal | None:
    return None if value is None else round(Decimal(value), places)


def _score(run: CalibrationRun, group: GroupScore) -> CalibrationScore:
    score, parts = group.score, asdict(group.score.murphy)
    figures = parts | {name: getattr(score, name) for name in ("brier_low", "brier_high", "chance", "log_loss")}
    return CalibrationScore(
        run=run,
        convention=group.convention,
        kind=group.kind,
        label=group.label,
        trials=score.trials,
        clusters=score.clusters,
        forecast=_exact(score.forecast, 6),
        realised=_exact(score.realised, 6),
        **{name: _exact(value, 8) for name, value in figures.items()},
    )


def _bin(row: CalibrationScore, found: Bin) -> CalibrationBin:
    shares = ("low", "high", "forecast", "realised", "interval_low", "interval_high")
    return CalibrationBin(
        score=row,
        count=found.count,
        effective=found.effective,
        **{name: _exact(getattr(found, name), 6) for name in shares},
    )


def _map(run: CalibrationRun, verdict: Verdict) -> RecalibrationMap:
    reason = verdict_reason(verdict)
    return RecalibrationMap(
        run=run,
        method=verdict.method,
        breakpoints=[list(pair) for pair in zip(verdict.chosen.raw, verdict.chosen.mapped, strict=True)],
        trained_from=verdict.trained_from,
        trained_until=verdict.trained_until,
        tested=verdict.tested,
        tested_clusters=verdict.tested_clusters,
        tested_dates=verdict.tested_dates,
        brier_before=_exact(verdict.before, 8),
        brier_after=_exact(verdict.after, 8),
        change=_exact(verdict.change, 8),
        change_low=_exact(verdict.low, 8),
        change_high=_exact(verdict.high, 8),
        dates_low=_exact(verdict.dates_low, 8),
        dates_high=_exact(verdict.dates_high, 8),
        helps=reason is None,
        reason_code=reason.code if reason else "",
        reason_text=reason.sentence if reason else "",
    )


def verdict_reason(verdict: Verdict) -> Reason | None:
    """Why a kind of map is not used; None when it helps."""
    if verdict.helps:
        return None
    if verdict.change is None:
        return Reason("TOO_LITTLE_SETTLED", "Too few outcomes had settled before the later forecasts to test a map.")
    return Reason(
        "NO_GAIN_OUT_OF_SAMPLE",
        f"Out of sample the {verdict.method} map changed the Brier score by {verdict.change:+.5f}; "
        "not surely below zero over clusters and over expiry dates.",
    )


# --- what was found --------------------------------------------------------------------------------------------------


def newest_run() -> CalibrationRun | None:
    """The last calibration over all that is recorded; a look at a part of it is kept, and speaks for nothing."""
    return CalibrationRun.objects.filter(whole=True).first()


def current_map(*, as_of: date) -> tuple[MonotoneMap, RecalibrationMap] | Reason:
    """Return the map to recalibrate by on a day, with its row, or why there is none.

    Only the maps of the newest whole run count, and only one whose training was over before that day, so that no
    forecast is corrected by outcomes of its own future. Two queries.
    """
    run = newest_run()
    if run is None:
        sentence = "No calibration over all recorded chains has been run."
        return Reason("NOT_CALIBRATED", sentence, "Run: python manage.py calibrate")
    maps = list(run.maps.all())
    helping = [each for each in maps if each.helps]
    if not helping:
        worst = next(iter(maps), None)
        return Reason(worst.reason_code, worst.reason_text) if worst else Reason("NOT_CALIBRATED", "It kept no map.")
    best = min(helping, key=lambda each: each.change or Decimal(0))
    if best.trained_until >= as_of:
        return Reason("MAP_KNOWS_LATER", f"The map was fitted on outcomes until {best.trained_until}.")
    raw, mapped = zip(*best.breakpoints, strict=True)
    return MonotoneMap(tuple(raw), tuple(mapped)), best


def calibration_of(slug: str) -> dict[str, Any] | None:
    """Return how the smile's probability fared for one structure in the newest whole run; None when it was not tried.

    The page and the map are of that run as well: an older one tried another search.
    """
    run = newest_run()
    own = CalibrationScore.objects.filter(run=run, convention=Convention.SMILE, kind=STRUCTURE, label=slug)
    row = own.select_related("run").first()
    if row is None:
        return None
    return {
        "run": row.run_id,
        "until": row.run.last_day,
        "trials": row.trials,
        "clusters": row.clusters,
        "brier": float(row.brier),
        "brier_low": float(row.brier_low),
        "brier_high": float(row.brier_high),
        "reliability": float(row.reliability),
        "chance": float(row.chance),
        "forecast": float(row.forecast),
        "realised": float(row.realised),
    }


def calibration_page_data() -> dict[str, Any]:
    """Return what the page shows of the newest whole run; five queries however much was kept."""
    run = newest_run()
    if run is None:
        return {"run": None}
    smile = run.scores.filter(convention=Convention.SMILE)
    others = run.scores.filter(kind=OVERALL).exclude(convention=Convention.SMILE)
    return {
        "run": run,
        "bins": CalibrationBin.objects.filter(score__in=smile.filter(kind=OVERALL)),
        "scores": [*smile.filter(kind=OVERALL), *others, *smile.exclude(kind=OVERALL)],
        "maps": run.maps.all(),
    }
