"""What could be traded, how good it is, and who marked it."""

from decimal import Decimal

import pghistory
from django.db import models
from django.db.models.functions import Now

from market.constraints import MONEY_MAX, PRICE_MAX, bounded, one_of
from market.contract import Contract, OptionType, Side
from strategies.models.columns import fraction, greek, money
from strategies.models.generation import GenerationRun, Risk
from strategies.querysets import StrategyQuerySet


class ExecutionStatus(models.TextChoices):
    """The five states other people's SQL knows."""

    PENDING = "pending"
    MARKED = "marked"
    EXECUTING = "executing"
    EXECUTED = "executed"
    FAILED = "failed"


LEGAL_TRANSITIONS: frozenset[tuple[str, str]] = frozenset(
    {
        ("pending", "marked"),
        ("marked", "pending"),
        ("marked", "executing"),
        ("executing", "executed"),
        ("executing", "failed"),
    }
)


@pghistory.track(pghistory.InsertEvent(), pghistory.UpdateEvent(), pghistory.DeleteEvent())
class OptionStrategy(models.Model):
    """A concrete set of legs on one underlying; money is rupees for one set (leg lots × lot size), before `sets`."""

    stock_name = models.CharField(max_length=40, help_text="the underlying")
    strategy_name = models.CharField(max_length=80)
    structure = models.CharField(max_length=40, blank=True, db_default="", help_text="catalogue slug")
    strategy_type = models.CharField(
        max_length=20, blank=True, db_default="", help_text="directional, neutral, volatility, income ..."
    )
    total_score = fraction(default=0, db_default=0)
    probability_of_profit = fraction(null=True, blank=True)
    expected_profit = money(null=True, blank=True, help_text="maximum profit; NULL when unlimited")
    unlimited_profit = models.BooleanField(default=False, db_default=False)
    max_loss = money(null=True, blank=True, help_text="maximum loss as a positive amount; NULL when unlimited")
    unlimited_loss = models.BooleanField(default=False, db_default=False)
    net_premium = money(null=True, blank=True, help_text="credit positive, debit negative")
    conviction_level = models.CharField(max_length=12, blank=True, db_default="")
    market_outlook = models.CharField(max_length=12, blank=True, db_default="")
    risk_profile = models.CharField(max_length=12, choices=Risk, default=Risk.MODERATE, db_default=Risk.MODERATE)
    component_scores = models.JSONField(default=dict, blank=True, db_default=models.Value({}, models.JSONField()))
    spot_price = models.DecimalField(max_digits=14, decimal_places=4, null=True, blank=True)
    lot_size = models.PositiveIntegerField(null=True, blank=True)
    expiry = models.DateField(null=True, blank=True, help_text="of the nearest leg")
    generated_on = models.DateTimeField(db_default=Now(), help_text="the market moment the strategy was computed for")
    trade_date = models.DateField(db_default=Now(), help_text="the IST day of generated_on, kept by a trigger")
    content_hash = models.CharField(
        max_length=64,
        blank=True,
        db_default="",
        help_text="of all that was computed and stored with it; empty when typed in by hand",
    )
    legs_hash = models.CharField(
        max_length=64,
        blank=True,
        db_default="",
        help_text="of the contracts, sides and ratios alone, whatever they cost; empty when typed in by hand",
    )
    run = models.ForeignKey(GenerationRun, models.SET_NULL, null=True, blank=True, related_name="strategies")
    superseded_by = models.ForeignKey(
        GenerationRun,
        models.PROTECT,
        null=True,
        blank=True,
        db_index=False,
        related_name="superseded",
        help_text="the later run that answered for this symbol, day and risk profile: it may not be marked any more",
    )
    created_at = models.DateTimeField(auto_now_add=True, db_default=Now())

    marked_for_execution = models.BooleanField(default=False, db_default=False)
    execution_status = models.CharField(
        max_length=50,
        choices=ExecutionStatus,
        default=ExecutionStatus.PENDING,
        db_default=ExecutionStatus.PENDING,
    )
    execution_detail = models.CharField(
        max_length=20, blank=True, db_default="", help_text="finer state: proposed, attention, closing, closed ..."
    )
    execution_priority = models.IntegerField(
        default=0, db_default=0, help_text="1-10 by people, up to 100 by the allocator"
    )
    execution_notes = models.TextField(null=True, blank=True)  # noqa: DJ001 - the documents' column is NULL when empty
    sets = models.PositiveIntegerField(default=1, db_default=1, help_text="how many times the legs are traded")
    marked_at = models.DateTimeField(null=True, blank=True)
    approved_hash = models.CharField(max_length=64, blank=True, db_default="", help_text="content_hash when marked")
    executed_at = models.DateTimeField(null=True, blank=True)
    changed_by = models.CharField(max_length=80, blank=True, db_default="", help_text="person, program or SQL role")

    objects = StrategyQuerySet.as_manager()

    class Meta:
        db_table = "strategies"
        verbose_name_plural = "option strategies"
        ordering = ["-total_score", "id"]
        permissions = [("mark_optionstrategy", "Can mark strategies for execution")]
        constraints = [
            models.UniqueConstraint(
                fields=["content_hash", "trade_date"],
                condition=~models.Q(content_hash=""),
                name="strategies_once_per_day",
            ),
            one_of("strategies", "execution_status", ExecutionStatus),
            bounded("strategies", "total_score", 0, 1),
            bounded("strategies", "probability_of_profit", 0, 1),
            bounded("strategies", "expected_profit", -MONEY_MAX, MONEY_MAX),
            bounded("strategies", "max_loss", 0, MONEY_MAX),
            bounded("strategies", "net_premium", -MONEY_MAX, MONEY_MAX),
            bounded("strategies", "spot_price", Decimal("0.0001"), PRICE_MAX),
            bounded("strategies", "execution_priority", 0, 100),
            bounded("strategies", "sets", 1, 10_000),
            models.CheckConstraint(
                condition=~models.Q(execution_status="marked")
                | models.Q(marked_for_execution=True, execution_priority__gte=1),
                name="strategies_marked_is_flagged_with_priority",
            ),
            models.CheckConstraint(
                condition=~models.Q(execution_status="pending") | models.Q(marked_for_execution=False),
                name="strategies_pending_is_not_flagged",
            ),
            models.CheckConstraint(
                condition=~models.Q(execution_status="executed") | models.Q(executed_at__isnull=False),
                name="strategies_executed_has_a_time",
            ),
        ]
        indexes = [
            models.Index(fields=["marked_for_execution"], name="strategies_marked_idx"),
            models.Index(fields=["execution_status"], name="strategies_status_idx"),
            models.Index(fields=["stock_name"], name="strategies_stock_idx"),
            models.Index(fields=["trade_date", "-total_score"], name="strategies_day_score_idx"),
            models.Index(fields=["legs_hash", "trade_date"], name="strategies_legs_idx"),
            models.Index(
                fields=["stock_name", "trade_date"],
                condition=models.Q(superseded_by__isnull=True),
                name="strategies_standing_idx",
            ),
            models.Index(
                fields=["-execution_priority", "-total_score"],
                condition=models.Q(marked_for_execution=True, execution_status="marked"),
                name="strategies_queue_idx",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.stock_name} {self.strategy_name} #{self.pk}"


class StrategyLeg(models.Model):
    """One leg: an option, or the share itself (`option_type` and `strike` empty)."""

    strategy = models.ForeignKey(OptionStrategy, models.CASCADE, related_name="legs")
    leg_number = models.PositiveSmallIntegerField()
    setup_type = models.CharField(max_length=4, help_text="BUY or SELL")
    option_type = models.CharField(max_length=2, null=True, blank=True)  # noqa: DJ001 - NULL for a share
    strike = models.DecimalField(db_column="strike_price", max_digits=14, decimal_places=4, null=True, blank=True)
    expiry = models.DateField(db_column="expiry_date", null=True, blank=True)
    premium = models.DecimalField(max_digits=14, decimal_places=4, help_text="executable price, rupees per unit")
    lots = models.PositiveIntegerField(default=1, help_text="lots in one set, i.e. the leg's ratio")
    delta = greek()
    gamma = greek()
    theta = greek(help_text="rupees per unit per calendar day")
    vega = greek(help_text="per 1.00 of volatility")
    rho = greek()
    implied_volatility = models.DecimalField(max_digits=9, decimal_places=6, null=True, blank=True)
    open_interest = models.BigIntegerField(null=True, blank=True)
    interest_known = models.BooleanField(
        null=True, blank=True, help_text="false: the source reports none at all, so that limit was not applied"
    )
    off_target = models.DecimalField(
        max_digits=9,
        decimal_places=4,
        null=True,
        blank=True,
        help_text="standard deviations from what the rule aimed at to the strike that was taken; NULL for a share",
    )

    class Meta:
        db_table = "strategy_details"
        ordering = ["strategy_id", "leg_number"]
        constraints = [
            models.UniqueConstraint(fields=["strategy", "leg_number"], name="strategy_details_once"),
            one_of("strategy_details", "setup_type", ["BUY", "SELL"]),
            one_of("strategy_details", "option_type", ["CE", "PE"]),
            models.CheckConstraint(
                condition=models.Q(option_type__isnull=True, strike__isnull=True, expiry__isnull=True)
                | models.Q(option_type__isnull=False, strike__isnull=False, expiry__isnull=False),
                name="strategy_details_option_or_share",
            ),
            bounded("strategy_details", "strike", Decimal("0.0001"), PRICE_MAX),
            bounded("strategy_details", "premium", 0, PRICE_MAX),
            bounded("strategy_details", "lots", 1, 10_000),
            bounded("strategy_details", "delta", -1, 1),
            bounded("strategy_details", "gamma", 0, 10**9),
            bounded("strategy_details", "theta", -(10**9), 10**9),
            bounded("strategy_details", "vega", 0, 10**9),
            bounded("strategy_details", "rho", -(10**9), 10**9),
            bounded("strategy_details", "implied_volatility", 0, 100),
            bounded("strategy_details", "off_target", -1_000, 1_000),
        ]

    def __str__(self) -> str:
        return f"{self.setup_type} {self.lots} × {self.contract}"

    @property
    def side(self) -> Side:
        """BUY or SELL as a value."""
        return Side(self.setup_type)

    @property
    def contract(self) -> Contract:
        """The exact terms this leg trades."""
        if self.option_type is None or self.strike is None:
            return Contract(self.strategy.stock_name)
        return Contract(
            self.strategy.stock_name, self.expiry, float(self.strike), OptionType.from_code(self.option_type)
        )
