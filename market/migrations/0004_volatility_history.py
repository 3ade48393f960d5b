"""Implied volatility by session, and the view of ranks and percentiles people query."""

from decimal import Decimal
from django.db import migrations, models


# Ranks are NULL below 60 sessions in all and where the lookback holds one value only, never a number.
VIEW = """
CREATE VIEW iv_percentiles AS
WITH days AS (
    SELECT symbol, date, atm_iv, created_at,
           row_number() OVER (PARTITION BY symbol ORDER BY date DESC) AS place,
           count(*) OVER (PARTITION BY symbol) AS observations
    FROM historical_iv_summary
), lookbacks(lookback_days) AS (VALUES (5), (20), (60), (120), (252)),
newest AS (SELECT symbol, atm_iv, date FROM days WHERE place = 1)
SELECT days.symbol,
       lookbacks.lookback_days,
       newest.atm_iv AS current_iv,
       newest.date AS current_iv_date,
       percentile_cont(0.10) WITHIN GROUP (ORDER BY days.atm_iv) AS percentile_10,
       percentile_cont(0.25) WITHIN GROUP (ORDER BY days.atm_iv) AS percentile_25,
       percentile_cont(0.50) WITHIN GROUP (ORDER BY days.atm_iv) AS percentile_50,
       percentile_cont(0.75) WITHIN GROUP (ORDER BY days.atm_iv) AS percentile_75,
       percentile_cont(0.90) WITHIN GROUP (ORDER BY days.atm_iv) AS percentile_90,
       min(days.atm_iv) AS iv_low,
       max(days.atm_iv) AS iv_high,
       CASE WHEN max(observations) >= 60 AND max(days.atm_iv) > min(days.atm_iv)
            THEN (newest.atm_iv - min(days.atm_iv)) / (max(days.atm_iv) - min(days.atm_iv)) END AS iv_rank,
       CASE WHEN max(observations) >= 60 AND max(days.atm_iv) > min(days.atm_iv)
            THEN (avg((days.atm_iv < newest.atm_iv)::int) FILTER (WHERE place > 1))::float8 END AS iv_percentile,
       count(*) AS data_days,
       max(days.created_at) AS last_updated
FROM days
JOIN newest USING (symbol)
JOIN lookbacks ON days.place <= lookbacks.lookback_days
GROUP BY days.symbol, lookbacks.lookback_days, newest.atm_iv, newest.date
"""


class Migration(migrations.Migration):
    dependencies = [
        ("market", "0003_market_views"),
    ]

    operations = [
        migrations.CreateModel(
            name="IvSummary",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("symbol", models.CharField(max_length=40)),
                ("date", models.DateField(help_text="the session (IST)")),
                ("atm_iv", models.FloatField(help_text="at the money, a fraction")),
                ("iv_skew", models.FloatField(help_text="25-delta put minus 25-delta call, off the smile")),
                (
                    "call_iv_mean",
                    models.FloatField(blank=True, help_text="of the usable out-of-the-money calls", null=True),
                ),
                (
                    "put_iv_mean",
                    models.FloatField(blank=True, help_text="of the usable out-of-the-money puts", null=True),
                ),
                ("total_volume", models.BigIntegerField(blank=True, help_text="units, all expiries", null=True)),
                ("total_oi", models.BigIntegerField(blank=True, help_text="units, all expiries", null=True)),
                ("spot_price", models.DecimalField(blank=True, decimal_places=4, max_digits=14, null=True)),
                ("data_points", models.PositiveIntegerField(help_text="usable quotes behind it")),
                ("days_to_expiry", models.FloatField(help_text="calendar days of atm_iv")),
                ("interpolated", models.BooleanField(help_text="between two expiries, at constant maturity")),
                ("fit_error", models.FloatField(help_text="root mean square error of the smile, in volatility")),
                ("flags", models.JSONField(blank=True, default=list, help_text="reason codes of what is doubtful")),
                ("source", models.CharField(max_length=30)),
                ("taken_at", models.DateTimeField()),
                ("created_at", models.DateTimeField(auto_now_add=True)),
            ],
            options={
                "db_table": "historical_iv_summary",
                "ordering": ["symbol", "date"],
                "constraints": [
                    models.UniqueConstraint(fields=("symbol", "date"), name="historical_iv_summary_once"),
                    models.CheckConstraint(
                        condition=models.Q(("atm_iv__gte", 0), ("atm_iv__lte", 5)),
                        name="historical_iv_summary_atm_iv_bounded",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("iv_skew__gte", -5), ("iv_skew__lte", 5)),
                        name="historical_iv_summary_iv_skew_bounded",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("call_iv_mean__gte", 0), ("call_iv_mean__lte", 5)),
                        name="historical_iv_summary_call_iv_mean_bounded",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("put_iv_mean__gte", 0), ("put_iv_mean__lte", 5)),
                        name="historical_iv_summary_put_iv_mean_bounded",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("total_volume__gte", 0), ("total_volume__lte", 1000000000000000)),
                        name="historical_iv_summary_total_volume_bounded",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("total_oi__gte", 0), ("total_oi__lte", 1000000000000000)),
                        name="historical_iv_summary_total_oi_bounded",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("spot_price__gte", Decimal("0.0001")), ("spot_price__lte", Decimal("10000000"))
                        ),
                        name="historical_iv_summary_spot_price_bounded",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("days_to_expiry__gte", 0), ("days_to_expiry__lte", 10000)),
                        name="historical_iv_summary_days_to_expiry_bounded",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("fit_error__gte", 0), ("fit_error__lte", 100)),
                        name="historical_iv_summary_fit_error_bounded",
                    ),
                ],
            },
        ),
        migrations.RunSQL(VIEW, "DROP VIEW iv_percentiles"),
    ]
