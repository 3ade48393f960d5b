"""Passes of the generator, and what became of each symbol in one."""

from django.contrib.postgres.fields import ArrayField
from django.db import models

from market.constraints import one_of
from strategies.querysets import SymbolResultQuerySet


class Risk(models.TextChoices):
    """Whose taste the ranking follows."""

    CONSERVATIVE = "conservative"
    MODERATE = "moderate"
    AGGRESSIVE = "aggressive"


class GenerationRun(models.Model):
    """One pass of the generator over some symbols at one moment."""

    as_of = models.DateTimeField()
    risk = models.CharField(max_length=12, choices=Risk, default=Risk.MODERATE)
    started_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    content_hash = models.CharField(
        max_length=64, blank=True, db_default="", help_text="of every outcome and row computed; empty until finished"
    )
    bias = models.JSONField(
        default=dict,
        blank=True,
        db_default=models.Value({}, models.JSONField()),
        help_text="how the kept strategies lean beside the market views of the same symbols",
    )

    class Meta:
        db_table = "generation_runs"
        ordering = ["-id"]
        constraints = [one_of("generation_runs", "risk", Risk)]
        indexes = [models.Index(fields=["as_of"], name="generation_runs_as_of_idx")]

    def __str__(self) -> str:
        return f"run {self.pk} as of {self.as_of:%Y-%m-%d %H:%M}"


class SymbolStatus(models.TextChoices):
    """Where one symbol's generation is."""

    PENDING = "pending"
    WORKING = "working"
    DONE = "done"
    FAILED = "failed"


class SymbolResult(models.Model):
    """What became of one symbol in a run; a pending row is the work order of a worker."""

    Status = SymbolStatus

    run = models.ForeignKey(GenerationRun, models.CASCADE, related_name="results")
    symbol = models.CharField(max_length=40)
    status = models.CharField(max_length=8, choices=Status, default=Status.PENDING)
    reason_code = models.CharField(max_length=40, blank=True)
    reason_text = models.TextField(blank=True)
    candidates = models.PositiveIntegerField(default=0, help_text="structures that could be built")
    measured = models.PositiveIntegerField(default=0, help_text="choices of strikes and expiry compared")
    kept = models.PositiveIntegerField(default=0)
    refusals = models.JSONField(default=dict, blank=True, help_text="structure slug -> reason code")
    strategy_ids = ArrayField(
        models.BigIntegerField(),
        default=list,
        blank=True,
        db_default=models.Value([], ArrayField(models.BigIntegerField())),
        help_text="what was kept, best first, also where an earlier run had stored it",
    )
    content_hash = models.CharField(
        max_length=64, blank=True, db_default="", help_text="of every row computed for the symbol, ids left out"
    )
    seconds = models.FloatField(null=True, blank=True)

    objects = SymbolResultQuerySet.as_manager()

    class Meta:
        db_table = "generation_results"
        constraints = [
            models.UniqueConstraint(fields=["run", "symbol"], name="generation_results_once"),
            one_of("generation_results", "status", SymbolStatus),
        ]

    def __str__(self) -> str:
        return f"{self.symbol} {self.status}"
