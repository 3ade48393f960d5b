"""Stops that rest at the broker for a strategy, so that it has one while this machine is not there."""

from decimal import Decimal

from django.db import models
from django.db.models.functions import Now

from allocation.models import Account
from execution.models.orders import RunPurpose
from market.constraints import PRICE_MAX, bounded, one_of
from market.models import price
from strategies.models import OptionStrategy, StrategyLeg


class StopStage(models.TextChoices):
    """Asked for; about to be sent; at the broker; being taken away; gone; sent on as an order; that order is in our
    books; not to be had.
    """

    WANTED = "wanted"
    PLACING = "placing"
    PLACED = "placed"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"
    TRIGGERED = "triggered"
    DONE = "done"
    FAILED = "failed"


# What may still buy a short leg back, or has: no exit is opened beside it.
IN_THE_WAY = [StopStage.PLACING.value, StopStage.PLACED.value, StopStage.CANCELLING.value, StopStage.TRIGGERED.value]
STANDING = [StopStage.WANTED.value, *IN_THE_WAY]


class ResidentStop(models.Model):
    """One stop for one short leg: a limit buy order that the broker sends when its trigger trades."""

    Stage = StopStage

    account = models.ForeignKey(Account, models.PROTECT, related_name="resident_stops")
    strategy = models.ForeignKey(OptionStrategy, models.PROTECT, related_name="resident_stops")
    leg = models.ForeignKey(StrategyLeg, models.PROTECT, related_name="resident_stops")
    state = models.CharField(max_length=12, choices=StopStage, default=StopStage.WANTED)
    quantity = models.PositiveIntegerField(help_text="units to buy back")
    trigger_price = price()
    limit_price = price()
    segment = models.CharField(max_length=16)
    security_id = models.CharField(max_length=20)
    correlation_id = models.CharField(max_length=25, unique=True)
    broker_order_id = models.CharField(max_length=40, blank=True)
    asked_by = models.CharField(max_length=80)
    asked_at = models.DateTimeField(db_default=Now())
    placed_at = models.DateTimeField(null=True, blank=True, help_text="market moment of the request")
    looked_at = models.DateTimeField(null=True, blank=True, help_text="when the broker's list was last read for it")
    ended_at = models.DateTimeField(null=True, blank=True, help_text="when the list first said that it is over")
    misses = models.PositiveSmallIntegerField(default=0, help_text="clean lists that did not know it")
    exit_purpose = models.CharField(max_length=10, choices=RunPurpose, blank=True, help_text="of the exit that waits")
    exit_code = models.CharField(max_length=40, blank=True)
    exit_text = models.TextField(blank=True)
    reason_code = models.CharField(max_length=40, blank=True)
    note = models.TextField(blank=True)

    class Meta:
        db_table = "resident_stops"
        ordering = ["-id"]
        constraints = [
            one_of("resident_stops", "state", StopStage),
            one_of("resident_stops", "exit_purpose", ["", *RunPurpose.values]),
            bounded("resident_stops", "quantity", 1, 10_000_000),
            bounded("resident_stops", "trigger_price", Decimal("0.01"), PRICE_MAX),
            bounded("resident_stops", "limit_price", Decimal("0.01"), PRICE_MAX),
            models.CheckConstraint(
                condition=models.Q(limit_price__gte=models.F("trigger_price")), name="resident_stops_limit_beyond"
            ),
            models.CheckConstraint(
                condition=models.Q(correlation_id__regex=r"^[A-Za-z0-9_-]{1,25}$"),
                name="resident_stops_correlation_legal",
            ),
            models.UniqueConstraint(
                fields=["account", "leg"],
                condition=models.Q(state__in=STANDING),
                name="resident_stops_one_standing",
            ),
        ]

    def __str__(self) -> str:
        return f"stop {self.pk} of strategy {self.strategy_id} at {self.trigger_price}: {self.state}"
