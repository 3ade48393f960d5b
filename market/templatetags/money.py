"""How amounts, shares and moments look on a page: the console's own words, so both say the same."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from market.calendar import IST
from market.console import MISSING, percent, rupees

register = template.Library()
register.filter("rupees", rupees)
register.filter("percent", percent)


@register.filter
def paise(amount: Decimal | float | None) -> str:
    """₹ with paise: premiums and fill prices."""
    return rupees(amount, places=2)


@register.filter
def gain(amount: Decimal | float | None) -> SafeString:
    """A profit in green with +, a loss in red with −: never by colour alone."""
    if amount is None:
        return SafeString(MISSING)
    tone = "profit" if amount > 0 else "loss" if amount < 0 else "even"
    return format_html('<span class="{}">{}{}</span>', tone, "+" if amount > 0 else "", rupees(amount))


@register.filter
def clock(stamp: datetime | None) -> str:
    """`09:14:05`, with the day before it when that is not today's."""
    if stamp is None:
        return MISSING
    local = stamp.astimezone(IST)
    today = local.date() == datetime.now(IST).date()
    return f"{local:%H:%M:%S}" if today else f"{local.day} {local:%b %Y %H:%M}"


@register.filter
def day(value: date | None) -> str:
    """`25 Aug 2026`."""
    return MISSING if value is None else f"{value.day} {value:%b %Y}"


@register.filter
def limited(amount: Decimal | float | None, unlimited: Any) -> str:
    """An amount, or the word where there is no limit."""
    return "Unlimited" if unlimited else rupees(amount)


@register.filter
def or_dash(value: Any) -> Any:
    """A dash where nothing is known."""
    return MISSING if value is None or value == "" else value
