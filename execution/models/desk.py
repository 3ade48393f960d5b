"""Who leads an account, what it may do now, what a person must see, and what the broker's books said."""

from django.db import models
from django.db.models.functions import Now

from allocation.models import Account
from execution.models.orders import EPOCH_MAX, ExecutionRun
from market.constraints import bounded, one_of
from market.contract import Side


class TraderLease(models.Model):
    """The right to send for one account, for a few seconds at a time; the epoch tells the leader from those before."""

    account = models.OneToOneField(Account, models.CASCADE, related_name="lease")
    owner = models.CharField(max_length=80)
    host = models.CharField(max_length=80)
    pid = models.PositiveIntegerField()
    epoch = models.BigIntegerField(default=0)
    lease_until = models.DateTimeField(help_text="by the database's clock")
    renewed_at = models.DateTimeField(help_text="by the database's clock")
    code_version = models.CharField(max_length=40, blank=True)

    class Meta:
        db_table = "trader_leases"
        constraints = [bounded("trader_leases", "epoch", 0, EPOCH_MAX)]

    def __str__(self) -> str:
        return f"{self.owner} leads account {self.account_id}, epoch {self.epoch}"


class Standing(models.TextChoices):
    """What may be sent: everything, only what closes, only cancels and a flatten."""

    ACTIVE = "ACTIVE"
    REDUCE_ONLY = "REDUCE_ONLY"
    HALTED = "HALTED"


class TradingState(models.Model):
    """The kill switch of one account, latched; an account that was never stopped has no row."""

    State = Standing

    account = models.OneToOneField(Account, models.PROTECT, related_name="trading_state")
    state = models.CharField(max_length=12, choices=Standing, default=Standing.ACTIVE)
    reason_code = models.CharField(max_length=40, blank=True)
    reason_text = models.TextField(blank=True)
    actor = models.CharField(max_length=80, blank=True)
    changed_at = models.DateTimeField(db_default=Now(), help_text="by the database's clock")
    automatic = models.BooleanField(default=False, help_text="a rule tripped it, not a person")

    class Meta:
        db_table = "trading_states"
        constraints = [one_of("trading_states", "state", Standing)]

    def __str__(self) -> str:
        return f"account {self.account_id} {self.state}"


class AlertLevel(models.TextChoices):
    """How much a person must care; CRITICAL stops entries until acknowledged."""

    INFO = "INFO"
    WARNING = "WARNING"
    CRITICAL = "CRITICAL"


class Alert(models.Model):
    """Something a person must see; the same thing stands once until it is acknowledged."""

    Level = AlertLevel

    account = models.ForeignKey(Account, models.PROTECT, related_name="alerts")
    level = models.CharField(max_length=8, choices=AlertLevel)
    code = models.CharField(max_length=40)
    sentence = models.TextField()
    remedy = models.TextField(blank=True)
    run = models.ForeignKey(ExecutionRun, models.PROTECT, related_name="alerts", null=True, blank=True)
    dedupe = models.CharField(max_length=120)
    at = models.DateTimeField(db_default=Now())
    acknowledged_at = models.DateTimeField(null=True, blank=True)
    acknowledged_by = models.CharField(max_length=80, blank=True)
    reminded_at = models.DateTimeField(null=True, blank=True, help_text="when it was last said again")

    class Meta:
        db_table = "alerts"
        ordering = ["-id"]
        constraints = [
            one_of("alerts", "level", AlertLevel),
            models.UniqueConstraint(
                fields=["account", "dedupe"],
                condition=models.Q(acknowledged_at__isnull=True),
                name="alerts_one_unacknowledged",
            ),
            models.CheckConstraint(
                condition=models.Q(acknowledged_at__isnull=True) | ~models.Q(acknowledged_by=""),
                name="alerts_acknowledged_by_somebody",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.level} {self.code}: {self.sentence}"


class ExternalOrder(models.Model):
    """An order in the broker's book that no attempt of ours explains; with our tag it is an alarm."""

    account = models.ForeignKey(Account, models.PROTECT, related_name="external_orders")
    broker_order_id = models.CharField(max_length=40)
    correlation_id = models.CharField(max_length=40, blank=True)
    own_tag = models.BooleanField(default=False, help_text="the correlation id is signed by us")
    segment = models.CharField(max_length=16, blank=True)
    security_id = models.CharField(max_length=20, blank=True)
    side = models.CharField(max_length=4, blank=True)
    quantity = models.PositiveIntegerField(help_text="units")
    filled_quantity = models.PositiveIntegerField(default=0)
    status = models.CharField(max_length=16)
    first_seen_at = models.DateTimeField(db_default=Now())
    last_seen_at = models.DateTimeField(db_default=Now())
    note = models.TextField(blank=True)

    class Meta:
        db_table = "external_orders"
        ordering = ["-id"]
        constraints = [
            one_of("external_orders", "side", ["", *Side]),
            bounded("external_orders", "quantity", 0, 10_000_000),
            models.UniqueConstraint(fields=["account", "broker_order_id"], name="external_orders_once"),
        ]

    def __str__(self) -> str:
        return f"{self.broker_order_id} {self.side} {self.quantity} of {self.security_id} {self.status}"


class ReconcileReport(models.Model):
    """One comparison of the ledger with the broker's books; only complete reads make one."""

    account = models.ForeignKey(Account, models.PROTECT, related_name="reconcile_reports")
    at = models.DateTimeField(db_default=Now(), help_text="by the database's clock")
    clean = models.BooleanField()  # type: ignore[assignment]  # shadows Model.clean(): no form edits a report
    epoch = models.BigIntegerField(default=0)
    findings = models.JSONField(default=list, blank=True, help_text="one object per discrepancy")
    orders_seen = models.PositiveIntegerField(default=0)
    trades_seen = models.PositiveIntegerField(default=0)
    positions_seen = models.PositiveIntegerField(default=0)

    class Meta:
        db_table = "reconcile_reports"
        ordering = ["-id"]
        constraints = [bounded("reconcile_reports", "epoch", 0, EPOCH_MAX)]
        indexes = [models.Index(fields=["account", "-id"], name="reconcile_reports_latest")]

    def __str__(self) -> str:
        return f"account {self.account_id} {'clean' if self.clean else 'not clean'} at {self.at}"

    @property
    def is_equal(self) -> bool:
        """Whether the books were found equal, with nothing left open: what a person may rely on."""
        return bool(self.clean) and not self.findings
