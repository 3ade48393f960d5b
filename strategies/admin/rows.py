"""The rows shown under a strategy: legs, metrics, exit levels, history."""

from typing import Any

from django.db import models
from django.http import HttpRequest
from unfold.admin import TabularInline
from unfold.decorators import display

from market.console import MISSING, percent, rupees
from market.templatetags.money import clock, day
from strategies.models import OptionStrategy, StrategyExitLevels, StrategyLeg

OptionStrategyEvent = OptionStrategy._meta.get_field("events").related_model


class ReadOnlyInline:
    """Rows shown under a strategy that nobody edits."""

    can_delete = False
    extra = 0
    max_num = 0
    hide_title = True

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who may see the strategy sees all of it."""
        return True

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody."""
        return False


def amount(field: str, *, places: int = 0, description: str = "") -> Any:
    """A read-only column that shows one rupee field with Indian grouping."""

    @display(description=description or field.replace("_", " "), ordering=field)
    def shown(self: Any, row: models.Model) -> str:
        return rupees(getattr(row, field), places=places)

    return shown


def greek(field: str) -> Any:
    """A read-only column that shows one sensitivity to four places."""

    @display(description=field.removeprefix("net_"))
    def shown(self: Any, row: models.Model) -> str:
        value = getattr(row, field)
        return MISSING if value is None else f"{value:+.4f}"

    return shown


class LegInline(ReadOnlyInline, TabularInline):
    """What is bought and sold."""

    model = StrategyLeg
    fields = readonly_fields = (
        *("leg_number", "action", "lots", "option_type", "strike_shown", "expires", "premium_shown"),
        *("delta_shown", "gamma_shown", "theta_shown", "vega_shown", "volatility", "interest", "off_target_shown"),
    )
    premium_shown = amount("premium", places=2, description="premium")
    delta_shown, gamma_shown = greek("delta"), greek("gamma")
    theta_shown, vega_shown = greek("theta"), greek("vega")

    @display(description="strike")
    def strike_shown(self, leg: StrategyLeg) -> str:
        """As the exchange writes it."""
        return MISSING if leg.strike is None else f"{leg.strike.normalize():f}"

    @display(description="expiry")
    def expires(self, leg: StrategyLeg) -> str:
        """Expiry day."""
        return day(leg.expiry)

    @display(description="side", label={"BUY": "info", "SELL": "danger"})
    def action(self, leg: StrategyLeg) -> str:
        """BUY or SELL in words and colour."""
        return leg.setup_type

    @display(description="IV")
    def volatility(self, leg: StrategyLeg) -> str:
        """Per cent a year."""
        return percent(leg.implied_volatility)

    @display(description="open interest")
    def interest(self, leg: StrategyLeg) -> str:
        """Units; in words where the source reports none at all."""
        if leg.interest_known is False:
            return "not reported"
        return MISSING if leg.open_interest is None else f"{leg.open_interest:,}"

    @display(description="off target")
    def off_target_shown(self, leg: StrategyLeg) -> str:
        """How far the strike lies from what the rule aimed at, in standard deviations."""
        return MISSING if leg.off_target is None else f"{leg.off_target:+.2f} σ"


class ExitLevelsInline(ReadOnlyInline, TabularInline):
    """When to leave."""

    model = StrategyExitLevels
    fields = readonly_fields = (
        *("target_1", "target_2", "target_3", "stop", "time_exit_dte"),
        *("delta_exit_threshold", "vega_exit_threshold"),
    )
    target_1 = amount("profit_target_1", description="profit target 1")
    target_2 = amount("profit_target_2", description="profit target 2")
    target_3 = amount("profit_target_3", description="profit target 3")
    stop = amount("stop_loss", description="stop loss")


class HistoryInline(ReadOnlyInline, TabularInline):
    """Every change, by whomever and however it was made."""

    model = OptionStrategyEvent
    fk_name = "pgh_obj"
    verbose_name_plural = "history"
    ordering = ("-pgh_id",)
    fields = readonly_fields = (
        *("when", "what", "who", "execution_status", "execution_detail"),
        *("execution_priority", "sets", "execution_notes"),
    )

    @display(description="when")
    def when(self, event: Any) -> str:
        """To the second, IST."""
        return clock(event.pgh_created_at)

    @display(description="change")
    def what(self, event: Any) -> str:
        """Insert, update or delete."""
        return str(event.pgh_label)

    @display(description="by")
    def who(self, event: Any) -> str:
        """Person, program or SQL role."""
        return event.changed_by or MISSING
