"""What is known of one strategy beside its legs: its metrics, and when to leave it."""

from decimal import Decimal

from django.db import models

from market.constraints import MONEY_MAX, bounded, one_of
from market.models import MarketView
from strategies.exits import STORED_UNITS, ExitKind
from strategies.models.columns import fraction, greek, money
from strategies.models.strategy import OptionStrategy


class IvRegime(models.TextChoices):
    """Where implied volatility stands: by its percentile, or by its ratio to the realised one."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"


class Agreement(models.TextChoices):
    """Whether the market view stands on the structure's side."""

    AGREES = "agrees"
    NEUTRAL = "neutral"
    CONTRADICTS = "contradicts"
    UNKNOWN = "unknown"


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
    probability_half = fraction(
        null=True,
        blank=True,
        help_text="of half the credit, or of the maximum profit, at some time; NULL where neither",
    )
    probability_recalibrated = fraction(
        null=True, blank=True, help_text="the raw one through the newest map that helps out of sample; else NULL"
    )
    recalibration_reason = models.CharField(
        max_length=40, blank=True, db_default="", help_text="why there is no recalibrated probability"
    )
    iv_percentile_reason = models.CharField(
        max_length=40, blank=True, db_default="", help_text="why there is no percentile"
    )
    iv_regime = models.CharField(max_length=6, choices=IvRegime, blank=True, db_default="")
    iv_fits = models.BooleanField(
        null=True, blank=True, help_text="whether the structure is meant for this regime; NULL when it is not known"
    )
    market_view = models.ForeignKey(
        MarketView, models.SET_NULL, null=True, blank=True, related_name="+", help_text="as of the run"
    )
    view_agreement = models.CharField(
        max_length=12, choices=Agreement, blank=True, db_default="", help_text="moves no score: it was not proven"
    )
    theta_profile = models.JSONField(
        default=list,
        db_default=models.Value([], models.JSONField()),
        help_text="[days from now, rupees per set and day] at an unchanged price",
    )
    scenarios = models.JSONField(
        default=list,
        db_default=models.Value([], models.JSONField()),
        help_text="[move of the price, move of volatility (fractions), days from now, rupees per set]",
    )
    regions = models.JSONField(
        default=dict,
        db_default=models.Value({}, models.JSONField()),
        help_text="loss, flat and gain: [probability, rupees per set of the expected value after charges]",
    )
    flags = models.JSONField(
        default=list,
        blank=True,
        db_default=models.Value([], models.JSONField()),
        help_text="what is doubtful or not known: about, code, sentence",
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
            bounded("strategy_parameters", "probability_half", 0, 1),
            bounded("strategy_parameters", "probability_recalibrated", 0, 1),
            one_of("strategy_parameters", "iv_regime", [*IvRegime.values, ""]),
            one_of("strategy_parameters", "view_agreement", [*Agreement.values, ""]),
            models.CheckConstraint(
                condition=models.Q(probability_recalibrated__isnull=True) | models.Q(recalibration_reason=""),
                name="strategy_parameters_recalibrated_or_reason",
            ),
            models.CheckConstraint(
                condition=models.Q(iv_percentile__isnull=True) | models.Q(iv_percentile_reason=""),
                name="strategy_parameters_percentile_or_reason",
            ),
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


class StrategyExitRow(models.Model):
    """One level at which to leave, in the one unit of its kind; the same amounts as `strategy_exit_levels`."""

    strategy = models.ForeignKey(OptionStrategy, models.CASCADE, related_name="exit_rows")
    kind = models.CharField(max_length=24, choices=[(kind.value, kind.value.replace("_", " ")) for kind in ExitKind])
    level = models.CharField(max_length=20, help_text="profit_target_1, stop_loss, time_exit, price_above ...")
    value = models.DecimalField(
        max_digits=20, decimal_places=6, null=True, blank=True, help_text="NULL: it has none, and the reason says why"
    )
    reason = models.CharField(max_length=200)

    class Meta:
        db_table = "strategy_exit_rows"
        ordering = ["strategy_id", "id"]
        constraints = [
            models.UniqueConstraint(fields=["strategy", "kind", "level"], name="strategy_exit_rows_once"),
            one_of("strategy_exit_rows", "kind", [kind.value for kind in ExitKind]),
            bounded("strategy_exit_rows", "value", 0, MONEY_MAX),
            models.CheckConstraint(condition=~models.Q(reason=""), name="strategy_exit_rows_have_a_reason"),
        ]

    def __str__(self) -> str:
        return f"{self.level} of {self.strategy_id}"

    @property
    def unit(self) -> str:
        """What `value` counts."""
        return STORED_UNITS[ExitKind(self.kind)]
