"""What could be traded, how good it is, and who marked it."""

from decimal import Decimal
from typing import Any

import pghistory
from django.db import models
from django.db.models.functions import Now

from market.constraints import MONEY_MAX, PRICE_MAX, bounded, one_of
from market.contract import Contract, OptionType, Side
from strategies.querysets import StrategyQuerySet, SymbolResultQuerySet


def money(**options: Any) -> "models.DecimalField[Any, Any]":
    """Rupees, exact to the paisa."""
    return models.DecimalField(max_digits=18, decimal_places=2, **options)


def fraction(**options: Any) -> "models.DecimalField[Any, Any]":
    """A share of one, to six places."""
    return models.DecimalField(max_digits=9, decimal_places=6, **options)


def greek(**options: Any) -> "models.DecimalField[Any, Any]":
    """A sensitivity per unit of underlying."""
    return models.DecimalField(max_digits=20, decimal_places=8, null=True, blank=True, **options)


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

    class Meta:
        db_table = "generation_runs"
        ordering = ["-id"]
        constraints = [one_of("generation_runs", "risk", Risk)]

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
        help_text="underlying, structure and legs; empty when typed in by hand",
    )
    run = models.ForeignKey(GenerationRun, models.SET_NULL, null=True, blank=True, related_name="strategies")
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


class StrategyParameters(models.Model):
    """Metrics of one strategy; money is rupees per set, break-evens and ranges are prices of the underlying."""

    strategy = models.OneToOneField(OptionStrategy, models.CASCADE, related_name="parameters")
    breakevens = models.JSONField(db_column="breakeven_points", default=list)
    profit_ranges = models.JSONField(default=list, help_text="[low, high] pairs; null for an open end")
    expected_value = money(null=True, blank=True, help_text="after charges, at the forecast volatility")
    expected_value_gross = money(null=True, blank=True, help_text="the same before charges")
    sharpe_ratio = models.DecimalField(max_digits=12, decimal_places=6, null=True, blank=True)
    iv_percentile = fraction(null=True, blank=True, help_text="NULL: not enough history to say")
    days_to_expiry = models.PositiveIntegerField(null=True, blank=True)
    risk_reward = models.DecimalField(max_digits=14, decimal_places=6, null=True, blank=True)
    charges = money(null=True, blank=True, help_text="to open and close one set")
    expected_value_implied = money(null=True, blank=True, help_text="after charges, under the smile's own distribution")
    probability_after_costs = fraction(null=True, blank=True, help_text="smile-implied, at the front expiry")
    probability_forecast = fraction(null=True, blank=True, help_text="after charges, at the forecast volatility")
    probability_flat = fraction(null=True, blank=True, help_text="lognormal at the at-the-money volatility")
    probability_history = fraction(null=True, blank=True, help_text="blocks of past sessions; NULL without a past")
    probability_touch = fraction(
        null=True, blank=True, help_text="of leaving the range around the forward before expiry"
    )
    forecast_volatility = models.DecimalField(
        max_digits=9, decimal_places=6, null=True, blank=True, help_text="annual; NULL without a past"
    )
    standard_deviation = money(null=True, blank=True, help_text="of the outcome of one set at the front expiry")
    shortfall_95 = money(null=True, blank=True, help_text="mean of the worst 5 % of outcomes, positive, after charges")
    shortfall_99 = money(null=True, blank=True, help_text="mean of the worst 1 % of outcomes, positive, after charges")
    spread_cost = money(null=True, blank=True, help_text="crossing from mid to touch, one set")
    margin_required = money(null=True, blank=True, help_text="what one set blocks, by our own estimate")
    return_on_margin = models.DecimalField(
        max_digits=12, decimal_places=6, null=True, blank=True, help_text="expected value over margin"
    )
    net_delta = greek()
    net_gamma = greek()
    net_theta = greek()
    net_vega = greek()

    class Meta:
        db_table = "strategy_parameters"
        verbose_name_plural = "strategy parameters"
        constraints = [
            bounded("strategy_parameters", "expected_value", -MONEY_MAX, MONEY_MAX),
            bounded("strategy_parameters", "expected_value_gross", -MONEY_MAX, MONEY_MAX),
            bounded("strategy_parameters", "sharpe_ratio", -100_000, 100_000),
            bounded("strategy_parameters", "iv_percentile", 0, 1),
            bounded("strategy_parameters", "expected_value_implied", -MONEY_MAX, MONEY_MAX),
            bounded("strategy_parameters", "probability_after_costs", 0, 1),
            bounded("strategy_parameters", "probability_forecast", 0, 1),
            bounded("strategy_parameters", "probability_flat", 0, 1),
            bounded("strategy_parameters", "probability_history", 0, 1),
            bounded("strategy_parameters", "probability_touch", 0, 1),
            bounded("strategy_parameters", "forecast_volatility", 0, 100),
            bounded("strategy_parameters", "standard_deviation", 0, MONEY_MAX),
            bounded("strategy_parameters", "shortfall_95", 0, MONEY_MAX),
            bounded("strategy_parameters", "shortfall_99", 0, MONEY_MAX),
            bounded("strategy_parameters", "spread_cost", -MONEY_MAX, MONEY_MAX),
            bounded("strategy_parameters", "margin_required", 0, MONEY_MAX),
            bounded("strategy_parameters", "return_on_margin", -100_000, 100_000),
            bounded("strategy_parameters", "days_to_expiry", 0, 4_000),
        ]

    def __str__(self) -> str:
        return f"parameters of {self.strategy_id}"


class StrategyExitLevels(models.Model):
    """When to leave; profit targets and stop are rupees per set, each as a positive amount."""

    strategy = models.OneToOneField(OptionStrategy, models.CASCADE, related_name="exit_levels")
    profit_target_1 = money(null=True, blank=True)
    profit_target_2 = money(null=True, blank=True)
    profit_target_3 = money(null=True, blank=True)
    stop_loss = money(null=True, blank=True)
    time_exit_dte = models.PositiveSmallIntegerField(
        null=True, blank=True, help_text="leave at this many days to expiry"
    )
    delta_exit_threshold = models.DecimalField(max_digits=12, decimal_places=6, null=True, blank=True)
    vega_exit_threshold = models.DecimalField(max_digits=18, decimal_places=6, null=True, blank=True)
    resident_stop_multiple = models.DecimalField(
        max_digits=6,
        decimal_places=2,
        null=True,
        blank=True,
        help_text="leave a stop at the broker for each short leg, at so many times what it was sold for",
    )

    class Meta:
        db_table = "strategy_exit_levels"
        verbose_name_plural = "strategy exit levels"
        constraints = [
            bounded("strategy_exit_levels", "profit_target_1", 0, MONEY_MAX),
            bounded("strategy_exit_levels", "profit_target_2", 0, MONEY_MAX),
            bounded("strategy_exit_levels", "profit_target_3", 0, MONEY_MAX),
            bounded("strategy_exit_levels", "stop_loss", 0, MONEY_MAX),
            bounded("strategy_exit_levels", "time_exit_dte", 0, 1_000),
            bounded("strategy_exit_levels", "delta_exit_threshold", 0, 1_000_000),
            bounded("strategy_exit_levels", "vega_exit_threshold", 0, 10**11),
            bounded("strategy_exit_levels", "resident_stop_multiple", Decimal("1.05"), 100),
        ]

    def __str__(self) -> str:
        return f"exits of {self.strategy_id}"
