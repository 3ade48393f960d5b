"""Doing it: runs, orders, trades and what is held."""

from collections.abc import Iterable
from decimal import Decimal
from enum import StrEnum

from django.db import models
from django.utils import timezone

from allocation.models import Account
from execution.lifecycle import ENDED_ORDERS, ENDED_RUNS, OrderState, RunState
from execution.price_text import price_text
from execution.querysets import LegOrderQuerySet, RunQuerySet, TradeQuerySet
from market.constraints import MONEY_MAX, PRICE_MAX, bounded, one_of
from market.contract import Side
from market.models import price
from strategies.models import OptionStrategy, StrategyLeg, money

EPOCH_MAX = 10**15


def labelled(states: Iterable[StrEnum]) -> list[tuple[str, str]]:
    """The states of a lifecycle table as a field's choices; the table is the only place that lists them."""
    return [(state.value, state.value.replace("_", " ").title()) for state in states]


class RunPurpose(models.TextChoices):
    """Opening, closing by the strategy's own rules, or closing because the account is being shut down."""

    ENTRY = "entry"
    EXIT = "exit"
    FLATTEN = "flatten"


class OrderPhase(models.TextChoices):
    """What an attempt is for within its run."""

    BUYING = "buying"
    SELLING = "selling"
    UNWINDING = "unwinding"


class ExecutionRun(models.Model):
    """One basket on its way: opening, closing or unwinding one strategy on one account."""

    Purpose = RunPurpose

    State = RunState

    strategy = models.ForeignKey(OptionStrategy, models.PROTECT, related_name="execution_runs")
    account = models.ForeignKey(Account, models.PROTECT, related_name="execution_runs")
    broker = models.CharField(max_length=20)
    purpose = models.CharField(max_length=10, choices=Purpose, default=Purpose.ENTRY)
    state = models.CharField(max_length=12, choices=labelled(State), default=State.CREATED)
    as_of = models.DateTimeField(help_text="the market moment the run acts on")
    reason_code = models.CharField(max_length=40, blank=True)
    reason_text = models.TextField(blank=True)
    started_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    phase_started_at = models.DateTimeField(null=True, blank=True)
    version = models.PositiveIntegerField(
        default=0, help_text="grows with every change; a writer names the one it read"
    )
    epoch = models.BigIntegerField(default=0, help_text="of the leader that wrote last")
    code_version = models.CharField(max_length=40, blank=True)
    opening = models.JSONField(
        default=dict, blank=True, help_text="held when an exit began: leg number to signed units"
    )
    intended = models.JSONField(default=list, blank=True, help_text="the legs as resolved at the claim")
    plan_hash = models.CharField(max_length=64, blank=True)

    objects = RunQuerySet.as_manager()

    class Meta:
        db_table = "execution_runs"
        ordering = ["-id"]
        constraints = [
            one_of("execution_runs", "purpose", RunPurpose),
            one_of("execution_runs", "state", list(RunState)),
            bounded("execution_runs", "epoch", 0, EPOCH_MAX),
            models.UniqueConstraint(
                fields=["strategy"],  # one exit at a time, and never beside an entry
                condition=~models.Q(state__in=sorted(ENDED_RUNS)),
                name="execution_runs_one_open",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.purpose} run {self.pk} of strategy {self.strategy_id}: {self.state}"


class LegOrder(models.Model):
    """One attempt at one slice of one leg: one broker order, one correlation id."""

    State = OrderState

    run = models.ForeignKey(ExecutionRun, models.PROTECT, related_name="orders")
    leg = models.ForeignKey(StrategyLeg, models.PROTECT, related_name="orders")
    phase = models.CharField(max_length=10, choices=OrderPhase, default=OrderPhase.BUYING)
    slice_number = models.PositiveSmallIntegerField(default=1)
    attempt = models.PositiveSmallIntegerField(default=1)
    side = models.CharField(max_length=4)
    segment = models.CharField(max_length=16)
    security_id = models.CharField(max_length=20)
    symbol = models.CharField(max_length=120, help_text="for people only, never used to find a contract")
    quantity = models.PositiveIntegerField(help_text="units")
    limit_price = price()
    state = models.CharField(max_length=16, choices=labelled(State), default=State.INTENT)
    filled_quantity = models.PositiveIntegerField(default=0)
    average_price = price(null=True, blank=True)
    correlation_id = models.CharField(max_length=25, unique=True)
    broker_order_id = models.CharField(max_length=40, blank=True)
    reason_code = models.CharField(max_length=40, blank=True)
    reason_text = models.TextField(blank=True)
    intended_at = models.DateTimeField(default=timezone.now, help_text="market moment, as are sent_at and settled_at")
    sent_at = models.DateTimeField(null=True, blank=True)
    settled_at = models.DateTimeField(null=True, blank=True)
    looked_at = models.DateTimeField(null=True, blank=True, help_text="when the broker's book was last asked about it")
    misses = models.PositiveSmallIntegerField(default=0, help_text="clean answers that did not know it")

    objects = LegOrderQuerySet.as_manager()

    class Meta:
        db_table = "leg_orders"
        ordering = ["id"]
        constraints = [
            one_of("leg_orders", "side", list(Side)),
            one_of("leg_orders", "phase", OrderPhase),
            one_of("leg_orders", "state", list(OrderState)),
            bounded("leg_orders", "quantity", 1, 10_000_000),
            bounded("leg_orders", "limit_price", Decimal("0.01"), PRICE_MAX),
            bounded("leg_orders", "average_price", 0, PRICE_MAX),
            models.CheckConstraint(
                condition=models.Q(filled_quantity__lte=models.F("quantity")), name="leg_orders_no_overfill"
            ),
            models.CheckConstraint(
                condition=models.Q(correlation_id__regex=r"^[A-Za-z0-9_-]{1,25}$"), name="leg_orders_correlation_legal"
            ),
            models.UniqueConstraint(fields=["run", "leg", "attempt"], name="leg_orders_attempt_once"),
            models.UniqueConstraint(
                fields=["run", "leg"],
                condition=~models.Q(state__in=sorted(ENDED_ORDERS)),
                name="leg_orders_one_live_attempt",
            ),
        ]
        indexes = [
            models.Index(fields=["sent_at"], name="leg_orders_sent"),
            models.Index(
                fields=["intended_at"],
                condition=models.Q(state__in=["refused", "rejected"]),
                name="leg_orders_refused",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.side} {self.quantity} {self.symbol} {self.state}"


class Trade(models.Model):
    """One fill, as the broker's trade book gives it."""

    strategy = models.ForeignKey(OptionStrategy, models.PROTECT, related_name="trades")
    leg_order = models.ForeignKey(LegOrder, models.PROTECT, related_name="trades", null=True, blank=True)
    account = models.ForeignKey(Account, models.PROTECT, related_name="trades", null=True, blank=True)
    order_id = models.CharField(max_length=40)
    trade_number = models.CharField(max_length=40, default="1", db_default="1")
    security_id = models.CharField(max_length=20)
    symbol = models.CharField(max_length=120, blank=True, db_default="")
    action = models.CharField(max_length=4, help_text="BUY or SELL")
    option_type = models.CharField(max_length=2, null=True, blank=True)  # noqa: DJ001 - NULL for a share
    strike = models.DecimalField(db_column="strike_price", max_digits=14, decimal_places=4, null=True, blank=True)
    expiry = models.DateField(db_column="expiry_date", null=True, blank=True)
    quantity = models.PositiveIntegerField(help_text="units")
    price = price()
    charges = money(default=0, db_default=0)
    order_status = models.CharField(max_length=16)
    product_type = models.CharField(max_length=10, default="MARGIN", db_default="MARGIN")
    order_type = models.CharField(max_length=10, default="LIMIT", db_default="LIMIT")
    purpose = models.CharField(max_length=10, default="entry", db_default="entry")
    timestamp = models.DateTimeField()

    objects = TradeQuerySet.as_manager()

    class Meta:
        db_table = "trades"
        ordering = ["-timestamp", "-id"]
        constraints = [
            # Order ids are the broker's, for one account: two exchanges may give the same one.
            models.UniqueConstraint(fields=["account", "order_id", "trade_number"], name="trades_once_an_account"),
            one_of("trades", "action", list(Side)),
            bounded("trades", "quantity", 1, 10_000_000),
            # An option that expires worthless is settled at nothing; nothing else trades at that.
            models.CheckConstraint(
                condition=models.Q(price__gte=Decimal("0.0001"), price__lte=PRICE_MAX)
                | models.Q(price=0, order_status="SETTLED"),
                name="trades_price_bounded",
            ),
            bounded("trades", "charges", 0, MONEY_MAX),
        ]
        indexes = [
            models.Index(fields=["strategy", "timestamp"], name="trades_strategy_idx"),
            models.Index(fields=["account", "timestamp"], name="trades_account_idx"),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.quantity} {self.symbol} @ {price_text(self.price)}"


class Position(models.Model):
    """A row of `v_positions`: what the trades of one strategy on one account add up to in one contract."""

    id = models.CharField(max_length=80, primary_key=True)
    strategy = models.ForeignKey(OptionStrategy, models.DO_NOTHING, related_name="positions")
    account = models.ForeignKey(Account, models.DO_NOTHING, related_name="positions", null=True)
    security_id = models.CharField(max_length=20)
    symbol = models.CharField(max_length=120)
    option_type = models.CharField(max_length=2, null=True)  # noqa: DJ001 - a view's column
    strike = models.DecimalField(db_column="strike_price", max_digits=14, decimal_places=4, null=True)
    expiry = models.DateField(db_column="expiry_date", null=True)
    quantity = models.IntegerField(help_text="units, signed")
    cash = money(help_text="rupees received minus paid, before charges")
    charges = money()

    class Meta:
        managed = False
        db_table = "v_positions"

    def __str__(self) -> str:
        return f"{self.quantity} {self.symbol}"


class StrategyMark(models.Model):
    """What an open strategy was worth at one moment: the price of getting out, and the profit that leaves."""

    strategy = models.ForeignKey(OptionStrategy, models.CASCADE, related_name="marks")
    as_of = models.DateTimeField()
    profit = money(help_text="rupees, after charges paid so far")
    decision = models.CharField(max_length=40, blank=True, help_text="reason code of an exit, empty to hold")
    note = models.TextField(blank=True)

    class Meta:
        db_table = "strategy_marks"
        ordering = ["-as_of"]
        constraints = [
            models.UniqueConstraint(fields=["strategy", "as_of"], name="strategy_marks_once"),
            bounded("strategy_marks", "profit", -MONEY_MAX, MONEY_MAX),
        ]

    def __str__(self) -> str:
        return f"{self.strategy_id} at {self.as_of}: {self.profit}"
