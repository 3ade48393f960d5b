"""How forecast probabilities of profit fared on recorded markets, and the maps that would correct them."""

from typing import Any

from django.db import models

from market.constraints import bounded, one_of
from strategies.models.columns import fraction

_COUNTS_MAX = 1_000_000_000


def share(**options: Any) -> "models.DecimalField[Any, Any]":
    """A share of one, to eight places: parts of a Brier score are small."""
    return models.DecimalField(max_digits=11, decimal_places=8, **options)


class CalibrationRun(models.Model):
    """One pass of `calibrate` over recorded archives; a finished result, never changed."""

    archives = models.CharField(max_length=80, help_text="which recorded archives, separated by blanks")
    first_day = models.DateField(help_text="of the first chain")
    last_day = models.DateField(help_text="the last expiry that settled")
    symbols = models.PositiveIntegerField()
    chains = models.PositiveIntegerField()
    trials = models.PositiveIntegerField(help_text="candidates settled")
    clusters = models.PositiveIntegerField(help_text="underlying and expiry: trials of one share one outcome")
    expiry_dates = models.PositiveIntegerField()
    per_structure = models.PositiveIntegerField(help_text="choices tried per structure and chain at most")
    whole = models.BooleanField(
        default=False,
        db_default=False,
        help_text="all archives, all their underlyings, no fewer choices than usual: only such a run is shown "
        "and chooses the map",
    )
    left_out = models.JSONField(default=dict, blank=True, help_text="reason code: how many")
    comparisons = models.JSONField(default=list, blank=True, help_text="Brier against the smile's, with intervals")
    picture = models.TextField(help_text="reliability diagram, SVG")
    seconds = models.FloatField()
    finished_at = models.DateTimeField()

    class Meta:
        db_table = "calibration_runs"
        ordering = ["-id"]
        constraints = [
            bounded("calibration_runs", "trials", 1, _COUNTS_MAX),
            bounded("calibration_runs", "seconds", 0, _COUNTS_MAX),
            models.CheckConstraint(
                condition=models.Q(last_day__gt=models.F("first_day")), name="calibration_runs_days_in_order"
            ),
            models.CheckConstraint(
                condition=models.Q(clusters__lte=models.F("trials"), expiry_dates__lte=models.F("clusters")),
                name="calibration_runs_clusters_within_trials",
            ),
        ]

    def __str__(self) -> str:
        return f"calibration {self.pk}: {self.trials} trials of {self.first_day} to {self.last_day}"


class Convention(models.TextChoices):
    """How a probability of profit was reckoned."""

    SMILE = "smile", "smile-implied, before charges"
    FLAT = "flat", "lognormal at the at-the-money volatility, before charges"
    DELTA = "delta", "the documents' delta formulas"
    AFTER_COSTS = "after_costs", "smile-implied, after charges"


class CalibrationScore(models.Model):
    """One convention's Brier score in one group of trials: brier = reliability - resolution + uncertainty + within."""

    run = models.ForeignKey(CalibrationRun, models.CASCADE, related_name="scores")
    convention = models.CharField(max_length=12, choices=Convention)
    kind = models.CharField(max_length=12, help_text="overall, structure, days, regime …")
    label = models.CharField(max_length=40)
    trials = models.PositiveIntegerField()
    clusters = models.PositiveIntegerField()
    brier = share()
    brier_low = share()
    brier_high = share()
    reliability = share()
    resolution = share()
    uncertainty = share()
    within = share()
    chance = share(help_text="reliability a perfect forecaster would show with so few clusters")
    log_loss = share()
    forecast = fraction(help_text="mean")
    realised = fraction(help_text="mean")

    class Meta:
        db_table = "calibration_scores"
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["run", "convention", "kind", "label"], name="calibration_scores_once"),
            one_of("calibration_scores", "convention", Convention),
            bounded("calibration_scores", "trials", 1, _COUNTS_MAX),
            *(
                bounded("calibration_scores", name, 0, 1)
                for name in ("brier", "reliability", "resolution", "uncertainty", "forecast", "realised")
            ),
        ]

    def __str__(self) -> str:
        return f"{self.convention} {self.kind} {self.label}"


class CalibrationBin(models.Model):
    """One bin of a reliability diagram."""

    score = models.ForeignKey(CalibrationScore, models.CASCADE, related_name="bins")
    low = fraction()
    high = fraction()
    count = models.PositiveIntegerField()
    effective = models.FloatField(help_text="independent trials worth as much")
    forecast = fraction(help_text="mean")
    realised = fraction(help_text="mean")
    interval_low = fraction()
    interval_high = fraction()

    class Meta:
        db_table = "calibration_bins"
        ordering = ["score", "low"]
        constraints = [
            models.UniqueConstraint(fields=["score", "low"], name="calibration_bins_once"),
            bounded("calibration_bins", "count", 1, _COUNTS_MAX),
            bounded("calibration_bins", "effective", 0, _COUNTS_MAX),
            models.CheckConstraint(
                condition=models.Q(low__gte=0, high__lte=1, low__lt=models.F("high")), name="calibration_bins_in_order"
            ),
            models.CheckConstraint(
                condition=models.Q(
                    interval_low__gte=0,
                    interval_high__lte=1,
                    interval_low__lte=models.F("realised"),
                    interval_high__gte=models.F("realised"),
                ),
                name="calibration_bins_interval_holds_rate",
            ),
            models.CheckConstraint(
                condition=models.Q(forecast__gte=models.F("low"), forecast__lte=models.F("high")),
                name="calibration_bins_forecast_inside",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.low} to {self.high}"


class RecalibrationMap(models.Model):
    """A rising map of raw probabilities of profit, and whether maps of its kind helped out of sample."""

    run = models.ForeignKey(CalibrationRun, models.CASCADE, related_name="maps")
    method = models.CharField(max_length=12)
    breakpoints = models.JSONField(help_text="raw and mapped probability, rising")
    trained_from = models.DateField()
    trained_until = models.DateField(help_text="the last outcome it has seen")
    tested = models.PositiveIntegerField(help_text="trials tested walk-forward")
    tested_clusters = models.PositiveIntegerField()
    tested_dates = models.PositiveIntegerField()
    brier_before = share(null=True, blank=True)
    brier_after = share(null=True, blank=True)
    change = share(null=True, blank=True, help_text="negative when it helped")
    change_low = share(null=True, blank=True)
    change_high = share(null=True, blank=True)
    dates_low = share(null=True, blank=True, help_text="of the interval over expiry dates")
    dates_high = share(null=True, blank=True)
    helps = models.BooleanField()
    reason_code = models.CharField(max_length=40, blank=True)
    reason_text = models.TextField(blank=True)

    class Meta:
        db_table = "recalibration_maps"
        ordering = ["run", "id"]
        constraints = [
            models.UniqueConstraint(fields=["run", "method"], name="recalibration_maps_once"),
            one_of("recalibration_maps", "method", ["logistic", "isotonic"]),
            models.CheckConstraint(
                condition=models.Q(trained_until__gt=models.F("trained_from")), name="recalibration_maps_days_in_order"
            ),
            models.CheckConstraint(
                condition=models.Q(helps=False) | models.Q(change__lt=0, change_high__lt=0, dates_high__lt=0),
                name="recalibration_maps_help_is_proven",
            ),
            models.CheckConstraint(
                condition=models.Q(helps=True, reason_code="") | (models.Q(helps=False) & ~models.Q(reason_code="")),
                name="recalibration_maps_no_help_has_reason",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.method} map until {self.trained_until}"
