"""The paper exchange's own books: what a real broker would keep on its side."""

from decimal import Decimal

from django.db import models

from allocation.models import Account
from execution.ports import OrderStatus, Product, Validity
from market.constraints import PRICE_MAX, bounded, one_of
from market.contract import Side
from market.models import price

LIVE = sorted(status.value for status in OrderStatus if not status.is_final)


class PaperOrder(models.Model):
    """One order; its fills stand in `paper_fills`, their sum and average here for people."""

    account = models.ForeignKey(Account, models.PROTECT, related_name="paper_orders")
    correlation_id = models.CharField(max_length=25, db_index=True)
    order_id = models.CharField(max_length=40, unique=True)
    security_id = models.CharField(max_length=20)
    segment = models.CharField(max_length=16)
    underlying = models.CharField(max_length=40)
    expiry = models.DateField(null=True, blank=True)
    strike = models.DecimalField(max_digits=14, decimal_places=5, null=True, blank=True)
    option_type = models.CharField(max_length=2, blank=True, help_text="CE, PE, or empty for the share")
    side = models.CharField(max_length=4)
    quantity = models.PositiveIntegerField()
    lot_size = models.PositiveIntegerField()
    tick_size = price()
    product = models.CharField(max_length=10)
    validity = models.CharField(max_length=3)
    limit_price = price()
    status = models.CharField(max_length=16)
    filled_quantity = models.PositiveIntegerField(default=0)
    average_price = price(null=True, blank=True)
    reason = models.TextField(blank=True)
    placed_at = models.DateTimeField(help_text="market moment")
    arrives_at = models.DateTimeField(help_text="when it is at the exchange")
    match_from = models.DateTimeField(help_text="not matched before")
    matched = models.BooleanField(default=False, help_text="the exchange has looked at the touch for it")
    cancel_at = models.DateTimeField(null=True, blank=True, help_text="when a cancel reaches the exchange")
    revision = models.PositiveIntegerField(default=0, help_text="moves so far; a move must know the last one")

    class Meta:
        db_table = "paper_orders"
        ordering = ["id"]
        constraints = [
            one_of("paper_orders", "side", list(Side)),
            bounded("paper_orders", "quantity", 1, 10_000_000),
            one_of("paper_orders", "status", list(OrderStatus)),
            one_of("paper_orders", "product", list(Product)),
            one_of("paper_orders", "validity", list(Validity)),
            models.CheckConstraint(
                condition=models.Q(filled_quantity__lte=models.F("quantity")), name="paper_orders_no_overfill"
            ),
        ]
        indexes = [models.Index(fields=["account"], condition=models.Q(status__in=LIVE), name="paper_orders_live_idx")]

    def __str__(self) -> str:
        return f"{self.order_id} {self.status}"


class PaperFill(models.Model):
    """One fill of one paper order."""

    order = models.ForeignKey(PaperOrder, models.CASCADE, related_name="fills")
    number = models.PositiveSmallIntegerField()
    quantity = models.PositiveIntegerField(help_text="units")
    price = price()
    traded_at = models.DateTimeField(help_text="market moment")

    class Meta:
        db_table = "paper_fills"
        ordering = ["order_id", "number"]
        constraints = [
            models.UniqueConstraint(fields=["order", "number"], name="paper_fills_once"),
            bounded("paper_fills", "quantity", 1, 10_000_000),
            bounded("paper_fills", "price", Decimal("0.0001"), PRICE_MAX),
        ]
        indexes = [models.Index(fields=["traded_at"], name="paper_fills_traded_at_idx")]

    def __str__(self) -> str:
        return f"{self.quantity} @ {self.price}"


class PaperSwitch(models.Model):
    """A day on which an account was switched off at the paper exchange."""

    account = models.ForeignKey(Account, models.PROTECT, related_name="paper_switches")
    day = models.DateField()

    class Meta:
        db_table = "paper_switches"
        constraints = [models.UniqueConstraint(fields=["account", "day"], name="paper_switches_once")]

    def __str__(self) -> str:
        return f"{self.account_id} off on {self.day}"
