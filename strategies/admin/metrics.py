"""The metrics of a strategy as its page shows them: grouped, with the reason beside whatever is not known."""

from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.admin import StackedInline, TabularInline
from unfold.decorators import display

from market.console import MISSING, percent, rupees
from strategies.admin.rows import ReadOnlyInline, amount, greek
from strategies.catalog import BY_SLUG
from strategies.convention import TERMS
from strategies.guide import MARGIN
from strategies.models import OptionStrategy, StrategyExitRow, StrategyParameters
from strategies.services.calibrate import calibration_of
from strategies.view import weight_in_score


def share(field: str, *, description: str = "") -> Any:
    """A read-only column that shows one fraction in per cent."""

    @display(description=description or field.removeprefix("probability_").replace("_", " "))
    def shown(self: Any, row: StrategyParameters) -> str:
        return percent(getattr(row, field))

    return shown


def known_or_why(field: str, reason: str, *, description: str) -> Any:
    """A read-only column that shows one fraction in per cent, or the code of why there is none."""

    @display(description=description)
    def shown(self: Any, row: StrategyParameters) -> str:
        value = getattr(row, field)
        return (getattr(row, reason) or MISSING) if value is None else percent(value)

    return shown


def known_or_flagged(field: str, *, description: str) -> Any:
    """The same for what has its reason among the flags of the row."""

    @display(description=description)
    def shown(self: Any, row: StrategyParameters) -> str:
        value = getattr(row, field)
        whys = [f"{flag['code']}: {flag['sentence']}" for flag in row.flags if flag["about"] == field]
        return (" ".join(whys) or MISSING) if value is None else percent(value)

    return shown


class ParametersInline(ReadOnlyInline, StackedInline):
    """Metrics of one set."""

    model = StrategyParameters
    fieldsets = (
        (
            "Value of one set",
            {
                "fields": (
                    ("expected_value_shown", "expected_value_implied_shown", "expected_value_gross_shown"),
                    ("charges_shown", "spread_cost_shown", "margin_shown"),
                    ("return_shown", "sharpe_ratio", "risk_reward"),
                    ("standard_deviation_shown", "shortfall_95_shown", "shortfall_99_shown"),
                    ("breakevens_shown", "days_to_expiry"),
                )
            },
        ),
        (
            "Probability of profit, by convention",
            {
                "description": " ".join(terms.sentence for terms in TERMS.values()),
                "fields": (
                    ("after_costs_shown", "forecast_shown"),
                    ("flat_shown", "history_shown"),
                    ("touch_shown", "half_shown"),
                    "recalibrated_shown",
                ),
            },
        ),
        (
            "Volatility and market view",
            {
                "fields": (
                    ("percentile_shown", "forecast_volatility_shown"),
                    ("iv_regime", "iv_fits"),
                    ("view_shown", "view_agreement"),
                    "view_weight",
                )
            },
        ),
        (
            "Greeks and scenarios",
            {
                "fields": (
                    ("delta_shown", "gamma_shown"),
                    ("theta_shown", "vega_shown"),
                    "theta_over_time",
                    "parts",
                    "grid",
                )
            },
        ),
        ("Doubtful or not known", {"fields": ("flags_shown",)}),
    )
    readonly_fields = (
        *("expected_value_shown", "expected_value_implied_shown", "expected_value_gross_shown", "charges_shown"),
        *("spread_cost_shown", "margin_shown", "return_shown", "sharpe_ratio", "risk_reward"),
        *("standard_deviation_shown", "shortfall_95_shown", "shortfall_99_shown", "breakevens_shown"),
        *("days_to_expiry", "after_costs_shown", "forecast_shown", "flat_shown", "history_shown", "touch_shown"),
        *("half_shown", "recalibrated_shown", "percentile_shown", "iv_regime", "iv_fits", "forecast_volatility_shown"),
        *("view_shown", "view_agreement", "view_weight", "delta_shown", "gamma_shown", "theta_shown", "vega_shown"),
        *("theta_over_time", "parts", "grid", "flags_shown"),
    )
    expected_value_shown = amount("expected_value", description="expected value after charges")
    expected_value_implied_shown = amount("expected_value_implied", description="under the smile")
    expected_value_gross_shown = amount("expected_value_gross", description="before charges")
    charges_shown = amount("charges", description="charges to open and close")
    spread_cost_shown = amount("spread_cost", description="crossing the spread")
    margin_shown = amount("margin_required", description="margin (own estimate)")
    standard_deviation_shown = amount("standard_deviation")
    shortfall_95_shown = amount("shortfall_95", description="mean of the worst 5 %")
    shortfall_99_shown = amount("shortfall_99", description="mean of the worst 1 %")
    after_costs_shown = share("probability_after_costs", description="smile-implied, after charges")
    forecast_shown = share("probability_forecast", description="at the forecast volatility")
    flat_shown = share("probability_flat", description="lognormal at ATM volatility")
    history_shown = known_or_flagged("probability_history", description="from past sessions")
    touch_shown = share("probability_touch", description="of a touch")
    half_shown = known_or_flagged(
        "probability_half",
        description="of half of the credit (of the maximum profit where that is over twice it) at some time",
    )
    recalibrated_shown = known_or_why(
        "probability_recalibrated", "recalibration_reason", description="recalibrated out of sample"
    )
    percentile_shown = known_or_why("iv_percentile", "iv_percentile_reason", description="IV percentile")
    forecast_volatility_shown = known_or_flagged("forecast_volatility", description="forecast volatility")
    return_shown = known_or_flagged("return_on_margin", description="return on margin")
    delta_shown, gamma_shown = greek("net_delta"), greek("net_gamma")
    theta_shown, vega_shown = greek("net_theta"), greek("net_vega")

    def get_queryset(self, request: HttpRequest) -> Any:
        """With the market view it was generated under."""
        return super().get_queryset(request).select_related("market_view")

    @display(description="break-evens")
    def breakevens_shown(self, row: StrategyParameters) -> str:
        """Prices of the underlying."""
        return " · ".join(rupees(price, places=2) for price in row.breakevens) or MISSING

    @display(description="market view")
    def view_shown(self, row: StrategyParameters) -> str:
        """Direction, strength and confidence as of the run."""
        view = row.market_view
        if view is None:
            return MISSING
        return f"{view.direction_label}, strength {view.strength:.2f}, confidence {view.confidence:.0%}"

    @display(description="what the view may do")
    def view_weight(self, row: StrategyParameters) -> str:
        """Nothing, until it has shown something."""
        return weight_in_score()

    @display(description="theta as time passes")
    def theta_over_time(self, row: StrategyParameters) -> str:
        """Rupees per set and day at an unchanged price."""
        return " · ".join(f"day {days}: {rupees(theta)}" for days, theta in row.theta_profile) or MISSING

    @display(description="scenarios")
    def grid(self, row: StrategyParameters) -> SafeString | str:
        """Profit of one set by move of the price and of volatility."""
        if not row.scenarios:
            return MISSING
        head = "<table><tr><th>day</th><th>price</th><th>volatility</th><th>profit</th></tr>"
        cells = "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>"
        lines = format_html_join("", cells, [_scenario(*each) for each in row.scenarios])
        return format_html("{}{}</table>", SafeString(head), lines)

    @display(description="where the expected value comes from")
    def parts(self, row: StrategyParameters) -> str:
        """Loss, flat and gain at the front expiry, after charges."""
        said = (f"{name}: {percent(chance)} of the time, {rupees(value)}" for name, (chance, value) in _parts(row))
        return " · ".join(said) or MISSING

    @display(description="what")
    def flags_shown(self, row: StrategyParameters) -> SafeString | str:
        """One line each."""
        lines = [(each["about"], each["code"], each["sentence"]) for each in row.flags]
        return format_html_join(SafeString("<br>"), "{}: {} ({})", [(a, s, c) for a, c, s in lines]) or MISSING


def _parts(row: StrategyParameters) -> list[tuple[str, Any]]:
    """In the order of the outcomes: JSON objects forget it."""
    return [(name, row.regions[name]) for name in ("loss", "flat", "gain") if name in row.regions]


def _scenario(spot_shift: float, volatility_shift: float, days: int, profit: float) -> tuple[Any, ...]:
    return (days, f"{100 * spot_shift:+.1f} %", f"{100 * volatility_shift:+.0f} %", rupees(profit))


class ExitRowInline(ReadOnlyInline, TabularInline):
    """When to leave, one level a row with its unit."""

    model = StrategyExitRow
    verbose_name_plural = "exit rows"
    fields = readonly_fields = ("kind", "level_shown", "value_shown", "unit_shown", "reason")

    @display(description="level")
    def level_shown(self, row: StrategyExitRow) -> str:
        """In words."""
        return row.level.replace("_", " ")

    @display(description="value")
    def value_shown(self, row: StrategyExitRow) -> str:
        """A dash where there is none."""
        if row.value is None:
            return MISSING
        return percent(row.value) if row.kind.startswith("percent") else f"{row.value.normalize():,f}"

    @display(description="unit")
    def unit_shown(self, row: StrategyExitRow) -> str:
        """What it counts."""
        return row.unit


def calibration_sentence(row: OptionStrategy) -> str:
    """How the probability of this structure fared when it was calibrated."""
    found = calibration_of(row.structure)
    if found is None:
        return "This structure has not been calibrated. Run: python manage.py calibrate"
    return format_html(
        "{} trials in {} independent clusters until {}: forecast {}, came true {}; Brier {} ({} to {}), "
        'reliability {} where {} comes by chance. <a href="{}">All of it</a>',
        *(found["trials"], found["clusters"], found["until"]),
        *(percent(found[name]) for name in ("forecast", "realised")),
        *(f"{found[name]:.4f}" for name in ("brier", "brier_low", "brier_high", "reliability", "chance")),
        reverse("strategies:calibration"),
    )


def margin_sentence(row: OptionStrategy) -> str:
    """How the structure's margin is reckoned."""
    structure = BY_SLUG.get(row.structure)
    return MARGIN[structure.margin_group] if structure else MISSING
