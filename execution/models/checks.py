"""What every check answered, and the limits it compared with."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.db import models
from django.db.models.functions import Now

from allocation.models import Account
from execution.models.orders import ExecutionRun, RunPurpose
from market.constraints import MONEY_MAX, bounded, one_of
from strategies.models import OptionStrategy

HALF_DAY = 720  # minutes

# Every limit lies between two bounds; NULL is the account's own limit or the default of execution/checks/limits.py.
BOUNDS: dict[str, tuple[Decimal | int, Decimal | int]] = {
    "entry_after_open_minutes": (0, HALF_DAY),
    "entry_before_close_minutes": (0, HALF_DAY),
    "exit_before_close_minutes": (0, HALF_DAY),
    "approval_minutes": (1, 2 * HALF_DAY),
    "chain_minutes": (1, 2 * HALF_DAY),
    "same_legs_seconds": (0, 86_400),
    "lots_per_leg": (1, 100_000),
    "lots_per_basket": (1, 100_000),
    "lots_per_underlying": (1, 1_000_000),
    "lowest_price": (Decimal("0.01"), 1_000),
    "highest_price": (1, 10_000_000),
    "entry_collar": (0, 1),
    "entry_collar_ticks": (1, 1_000),
    "exit_collar": (0, 1),
    "exit_collar_ticks": (1, 1_000),
    "band_share": (Decimal("0.01"), 1),
    "spread": (0, 2),
    "spread_ticks": (1, 1_000),
    "quote_age_seconds": (Decimal("0.1"), 86_400),
    "quote_skew_seconds": (Decimal("0.1"), 86_400),
    "spot_age_seconds": (Decimal("0.1"), 86_400),
    "spot_drift": (0, 1),
    "premium_drift": (0, 1),
    "premium_drift_ticks": (0, 1_000),
    "order_premium": (1, MONEY_MAX),
    "basket_premium": (1, MONEY_MAX),
    "order_value": (1, MONEY_MAX),
    "max_loss": (1, MONEY_MAX),
    "margin_headroom": (1, 10),
    "open_strategies": (1, 1_000),
    "open_per_underlying": (1, 1_000),
    "underlying_at_risk": (1, MONEY_MAX),
    "net_delta_value": (0, MONEY_MAX),
    "net_vega": (0, MONEY_MAX),
    "daily_loss": (1, MONEY_MAX),
    "soft_loss_share": (0, 1),
    "strategy_rejects": (1, 1_000),
    "account_rejects": (1, 1_000),
    "reject_minutes": (1, 2 * HALF_DAY),
    "calls_per_second": (1, 10),
    "calls_per_minute": (1, 250),
    "reconcile_seconds": (1, 86_400),
    "token_minutes": (0, 2 * HALF_DAY),
}


def _count() -> "models.PositiveIntegerField[Any, Any]":
    return models.PositiveIntegerField(null=True, blank=True)


def _amount() -> "models.DecimalField[Any, Any]":
    return models.DecimalField(max_digits=18, decimal_places=4, null=True, blank=True)


class RiskLimits(models.Model):
    """The limits of an account from a moment on: one row for each change, the newest counts.

    Names and units are those of execution/checks/limits.py; an empty one keeps what the account says or the default.
    """

    account = models.ForeignKey(Account, models.PROTECT, related_name="risk_limits")
    valid_from = models.DateTimeField(db_default=Now())
    changed_by = models.CharField(max_length=80)
    note = models.TextField(blank=True)

    entry_after_open_minutes = _count()
    entry_before_close_minutes = _count()
    exit_before_close_minutes = _count()
    approval_minutes = _count()
    chain_minutes = _count()
    same_legs_seconds = _count()
    lots_per_leg = _count()
    lots_per_basket = _count()
    lots_per_underlying = _count()
    lowest_price = _amount()
    highest_price = _amount()
    entry_collar = _amount()
    entry_collar_ticks = _count()
    exit_collar = _amount()
    exit_collar_ticks = _count()
    band_share = _amount()
    spread = _amount()
    spread_ticks = _count()
    quote_age_seconds = _amount()
    quote_skew_seconds = _amount()
    spot_age_seconds = _amount()
    spot_drift = _amount()
    premium_drift = _amount()
    premium_drift_ticks = _count()
    order_premium = _amount()
    basket_premium = _amount()
    order_value = _amount()
    max_loss = _amount()
    margin_headroom = _amount()
    open_strategies = _count()
    open_per_underlying = _count()
    underlying_at_risk = _amount()
    net_delta_value = _amount()
    net_vega = _amount()
    greeks_required = models.BooleanField(null=True, blank=True)
    daily_loss = _amount()
    soft_loss_share = _amount()
    strategy_rejects = _count()
    account_rejects = _count()
    reject_minutes = _count()
    calls_per_second = _count()
    calls_per_minute = _count()
    reconcile_seconds = _count()
    token_minutes = _count()

    class Meta:
        db_table = "risk_limits"
        verbose_name_plural = "risk limits"
        ordering = ["-valid_from", "-id"]
        constraints = [bounded("risk_limits", name, low, high) for name, (low, high) in BOUNDS.items()]
        indexes = [models.Index(fields=["account", "-valid_from"], name="risk_limits_newest")]

    def __str__(self) -> str:
        return f"limits of account {self.account_id} from {self.valid_from:%Y-%m-%d %H:%M}"


class CheckAnswerQuerySet(models.QuerySet["CheckAnswer"]):
    """Reads of kept answers."""

    def denied(self) -> "CheckAnswerQuerySet":
        """Those that said no."""
        return self.filter(passed=False)

    def since(self, moment: datetime) -> "CheckAnswerQuerySet":
        """Those about this market moment and later ones."""
        return self.filter(at__gte=moment)


class CheckAnswer(models.Model):
    """What one check answered about one basket; a denial always, a pass with its whole gate."""

    account = models.ForeignKey(Account, models.PROTECT, related_name="check_answers")
    strategy = models.ForeignKey(OptionStrategy, models.SET_NULL, related_name="check_answers", null=True, blank=True)
    run = models.ForeignKey(ExecutionRun, models.SET_NULL, related_name="check_answers", null=True, blank=True)
    code = models.CharField(max_length=40, help_text="the check, as docs/pre-trade-checks.md names it")
    reason_code = models.CharField(max_length=40, blank=True, help_text="the exact reason, empty for a plain pass")
    passed = models.BooleanField()
    sentence = models.TextField(blank=True)
    numbers = models.JSONField(default=dict, blank=True, help_text="what was compared, as text")
    purpose = models.CharField(max_length=10, choices=RunPurpose)
    at = models.DateTimeField(help_text="market moment")
    created_at = models.DateTimeField(db_default=Now())

    objects = CheckAnswerQuerySet.as_manager()

    class Meta:
        db_table = "check_answers"
        ordering = ["-id"]
        constraints = [
            one_of("check_answers", "purpose", RunPurpose),
            models.CheckConstraint(
                condition=models.Q(passed=True) | ~models.Q(reason_code=""), name="check_answers_denied_with_a_reason"
            ),
        ]
        indexes = [
            models.Index(fields=["account", "at"], condition=models.Q(passed=False), name="check_answers_denied"),
        ]

    def __str__(self) -> str:
        return f"{self.code} {'passed' if self.passed else self.reason_code}"


class RejectionCountQuerySet(models.QuerySet["RejectionCount"]):
    """Reads of the daily counts."""

    def since(self, day: date) -> "RejectionCountQuerySet":
        """From a day on, newest day and most frequent first."""
        return self.filter(day__gte=day).order_by("-day", "-count", "code", "reason_code", "account_id")


class RejectionCount(models.Model):
    """A row of `v_rejections_by_check`: how often one reason of one check denied on one IST day."""

    id = models.CharField(max_length=140, primary_key=True)
    day = models.DateField()
    account = models.ForeignKey(Account, models.DO_NOTHING, related_name="+")
    code = models.CharField(max_length=40)
    reason_code = models.CharField(max_length=40)
    count = models.BigIntegerField()

    objects = RejectionCountQuerySet.as_manager()

    class Meta:
        managed = False
        db_table = "v_rejections_by_check"

    def __str__(self) -> str:
        return f"{self.day} {self.code} {self.reason_code} × {self.count}"
