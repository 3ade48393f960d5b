"""What the market said of an underlying at a moment, as it was known then."""

from decimal import Decimal
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db import models

from market.constraints import PRICE_MAX, bounded, one_of
from market.models.facts import price

LABELS = [
    "Strong Bullish",
    "Moderate Bullish",
    "Weak Bullish",
    "Neutral",
    "Weak Bearish",
    "Moderate Bearish",
    "Strong Bearish",
]
REGIMES = ["Bullish", "Neutral", "Bearish"]
VIX_BANDS = ["Low", "Normal", "Elevated", "High", "Extreme"]
LEVELS = [
    "close",
    "support",
    "resistance",
    "put_wall",
    "call_wall",
    "max_pain",
    "point_of_control",
    "value_area_low",
    "value_area_high",
]
LEAST_PRICE = Decimal("0.0001")
_TABLE = "market_views"


def level() -> "models.DecimalField[Any, Any]":
    """A price level in rupees; NULL where it cannot be known."""
    return price(null=True, blank=True)


class MarketView(models.Model):
    """One underlying's market view at one moment; what was not known is NULL here and has its reason in `missing`.

    Numbers of the view are double precision: the contributions of the waterfall add up to `direction` to the last bit.
    """

    symbol = models.CharField(max_length=40)
    as_of = models.DateTimeField(help_text="the moment asked about")
    candle_day = models.DateField(help_text="the newest closed candle read")
    direction = models.FloatField(help_text="-1 to 1; describes, moves no score")
    direction_label = models.CharField(max_length=16)
    strength = models.FloatField(help_text="0 to 1, size of the direction")
    confidence = models.FloatField(help_text="0 to 1, agreement x known weight x freshness")
    agreement = models.FloatField(help_text="0 to 1")
    tested_direction = models.FloatField(null=True, blank=True, help_text="NULL while no component has passed")
    components = models.JSONField(help_text="component: -1 to 1")
    waterfall = models.JSONField(help_text="component: contribution; they add up to the direction")
    weights = models.JSONField(help_text="component: weight after what is missing was left out")
    missing = models.JSONField(default=dict, blank=True, help_text="component: code and sentence")
    flags = ArrayField(models.TextField(), default=list, blank=True, help_text="what was cut, and why")
    close = price()
    support = level()
    resistance = level()
    put_wall = level()
    call_wall = level()
    max_pain = level()
    point_of_control = level()
    value_area_low = level()
    value_area_high = level()
    atr_pct = models.FloatField(null=True, blank=True, help_text="a fraction of the price")
    adx = models.FloatField(null=True, blank=True)
    rsi = models.FloatField(null=True, blank=True)
    realised_volatility = models.FloatField(null=True, blank=True, help_text="annual, a fraction, 60 sessions")
    width_percentile = models.FloatField(null=True, blank=True)
    volatility_change = models.FloatField(null=True, blank=True)
    index_regime = models.CharField(max_length=8, blank=True)
    vix_regime = models.CharField(max_length=8, blank=True, help_text="Low, Normal, Elevated, High, Extreme")
    vix = models.FloatField(null=True, blank=True, help_text="per cent")
    vix_percentile = models.FloatField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = _TABLE
        ordering = ["symbol", "-as_of"]
        constraints = [
            models.UniqueConstraint(fields=["symbol", "as_of"], name=f"{_TABLE}_once"),
            one_of(_TABLE, "direction_label", LABELS),
            one_of(_TABLE, "index_regime", [*REGIMES, ""]),
            one_of(_TABLE, "vix_regime", [*VIX_BANDS, ""]),
            *[bounded(_TABLE, name, -1, 1) for name in ("direction", "tested_direction", "volatility_change")],
            *[
                bounded(_TABLE, name, 0, 1)
                for name in ("strength", "confidence", "agreement", "width_percentile", "vix_percentile")
            ],
            *[bounded(_TABLE, name, 0, 100) for name in ("adx", "rsi")],
            *[bounded(_TABLE, name, 0, 100) for name in ("atr_pct", "realised_volatility")],
            bounded(_TABLE, "vix", 0, 1000),
            *[bounded(_TABLE, name, LEAST_PRICE, PRICE_MAX) for name in LEVELS],
            models.CheckConstraint(
                condition=models.Q(support__lte=models.F("resistance")), name=f"{_TABLE}_levels_not_inverted"
            ),
            models.CheckConstraint(
                condition=models.Q(value_area_low__lte=models.F("point_of_control"))
                & models.Q(point_of_control__lte=models.F("value_area_high")),
                name=f"{_TABLE}_value_area_ordered",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.symbol} {self.direction_label} {self.as_of:%Y-%m-%d %H:%M}"
