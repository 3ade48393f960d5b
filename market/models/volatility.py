"""What the option market thought of volatility, session by session."""

from decimal import Decimal

from django.db import models

from market.constraints import PRICE_MAX, bounded
from market.models.facts import price

_TABLE = "historical_iv_summary"
_MOST_VOLATILITY = 5  # 500 %: above it the gate refuses the expiry


class IvSummary(models.Model):
    """One underlying's implied volatility at the end of what is stored of a session; fractions, NULL where unknown.

    `atm_iv` is at 30 calendar days where two expiries reach around them (`interpolated`), else that of the nearest
    expiry, and `days_to_expiry` says which.
    """

    symbol = models.CharField(max_length=40)
    date = models.DateField(help_text="the session (IST)")
    atm_iv = models.FloatField(help_text="at the money, a fraction")
    iv_skew = models.FloatField(help_text="25-delta put minus 25-delta call, off the smile")
    call_iv_mean = models.FloatField(null=True, blank=True, help_text="of the usable out-of-the-money calls")
    put_iv_mean = models.FloatField(null=True, blank=True, help_text="of the usable out-of-the-money puts")
    total_volume = models.BigIntegerField(null=True, blank=True, help_text="units, all expiries")
    total_oi = models.BigIntegerField(null=True, blank=True, help_text="units, all expiries")
    spot_price = price(null=True, blank=True)
    data_points = models.PositiveIntegerField(help_text="usable quotes behind it")
    days_to_expiry = models.FloatField(help_text="calendar days of atm_iv")
    interpolated = models.BooleanField(help_text="between two expiries, at constant maturity")
    fit_error = models.FloatField(help_text="root mean square error of the smile, in volatility")
    flags = models.JSONField(default=list, blank=True, help_text="reason codes of what is doubtful")
    source = models.CharField(max_length=30)
    taken_at = models.DateTimeField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = _TABLE
        ordering = ["symbol", "date"]
        constraints = [
            models.UniqueConstraint(fields=["symbol", "date"], name=f"{_TABLE}_once"),
            bounded(_TABLE, "atm_iv", 0, _MOST_VOLATILITY),
            bounded(_TABLE, "iv_skew", -_MOST_VOLATILITY, _MOST_VOLATILITY),
            bounded(_TABLE, "call_iv_mean", 0, _MOST_VOLATILITY),
            bounded(_TABLE, "put_iv_mean", 0, _MOST_VOLATILITY),
            bounded(_TABLE, "total_volume", 0, 10**15),
            bounded(_TABLE, "total_oi", 0, 10**15),
            bounded(_TABLE, "spot_price", Decimal("0.0001"), PRICE_MAX),
            bounded(_TABLE, "days_to_expiry", 0, 10_000),
            bounded(_TABLE, "fit_error", 0, 100),
        ]

    def __str__(self) -> str:
        return f"{self.symbol} {self.date} {100 * self.atm_iv:.1f} %"
