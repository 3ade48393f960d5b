"""The paper exchange remembers what an order asks for, its moments, each fill, and the days an account was off."""

from datetime import UTC, datetime
from decimal import Decimal

import django.db.models.deletion
from django.db import migrations, models

# Placeholders for rows from before this migration; FROM_TRADES and MOMENTS put the truth in their place.
THEN = datetime(2026, 1, 1, tzinfo=UTC)
LIVE = ["PART_TRADED", "PENDING", "TRANSIT"]
STATUSES = ["TRANSIT", "PENDING", "PART_TRADED", "TRADED", "CANCELLED", "REJECTED", "EXPIRED"]

MOMENTS = "UPDATE paper_orders SET arrives_at = placed_at, match_from = placed_at, matched = true"
FROM_TRADES = """
UPDATE paper_orders AS kept
   SET underlying = strategy.stock_name, expiry = trade.expiry_date, strike = trade.strike_price,
       option_type = coalesce(trade.option_type, ''), product = trade.product_type
  FROM trades AS trade JOIN strategies AS strategy ON strategy.id = trade.strategy_id
 WHERE trade.order_id = kept.order_id
"""
FILLS = """
INSERT INTO paper_fills (order_id, number, quantity, price, traded_at)
SELECT id, 1, filled_quantity, average_price, placed_at FROM paper_orders WHERE filled_quantity > 0
"""


def added(name: str, field: models.Field, default: object) -> migrations.AddField:
    """A column that older rows need a value for, and newer ones must bring."""
    field.default = default
    return migrations.AddField("paperorder", name, field, preserve_default=False)


class Migration(migrations.Migration):
    dependencies = [("execution", "0007_broker_access")]

    operations = [
        migrations.AlterField("paperorder", "correlation_id", models.CharField(db_index=True, max_length=25)),
        migrations.AlterField(
            "paperorder",
            "limit_price",
            models.DecimalField(decimal_places=4, help_text="as last modified", max_digits=14),
        ),
        added("underlying", models.CharField(max_length=40), ""),
        migrations.AddField("paperorder", "expiry", models.DateField(blank=True, null=True)),
        migrations.AddField(
            "paperorder", "strike", models.DecimalField(blank=True, decimal_places=5, max_digits=14, null=True)
        ),
        added(
            "option_type",
            models.CharField(blank=True, help_text="CE, PE, or empty for the share", max_length=2),
            "",
        ),
        added("lot_size", models.PositiveIntegerField(), 1),
        added("tick_size", models.DecimalField(decimal_places=4, max_digits=14), Decimal("0.01")),
        added("product", models.CharField(max_length=10), "MARGIN"),
        added("validity", models.CharField(max_length=3), "IOC"),
        added("arrives_at", models.DateTimeField(help_text="when it is at the exchange"), THEN),
        added("match_from", models.DateTimeField(help_text="not matched before"), THEN),
        migrations.AddField(
            "paperorder",
            "matched",
            models.BooleanField(default=False, help_text="the exchange has looked at the touch for it"),
        ),
        migrations.AddField(
            "paperorder",
            "cancel_at",
            models.DateTimeField(blank=True, help_text="when a cancel reaches the exchange", null=True),
        ),
        migrations.AddField("paperorder", "modifications", models.PositiveSmallIntegerField(default=0)),
        migrations.AddField(
            "paperorder",
            "revision",
            models.PositiveIntegerField(default=0, help_text="moves so far; a move must know the last one"),
        ),
        migrations.AddConstraint(
            "paperorder",
            models.CheckConstraint(condition=models.Q(status__in=STATUSES), name="paper_orders_status_known"),
        ),
        migrations.AddConstraint(
            "paperorder",
            models.CheckConstraint(
                condition=models.Q(product__in=["MARGIN", "CNC"]), name="paper_orders_product_known"
            ),
        ),
        migrations.AddConstraint(
            "paperorder",
            models.CheckConstraint(condition=models.Q(validity__in=["IOC", "DAY"]), name="paper_orders_validity_known"),
        ),
        migrations.AddConstraint(
            "paperorder",
            models.CheckConstraint(
                condition=models.Q(filled_quantity__lte=models.F("quantity")), name="paper_orders_no_overfill"
            ),
        ),
        migrations.AddIndex(
            "paperorder",
            models.Index(fields=["account"], condition=models.Q(status__in=LIVE), name="paper_orders_live_idx"),
        ),
        migrations.CreateModel(
            name="PaperFill",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("number", models.PositiveSmallIntegerField()),
                ("quantity", models.PositiveIntegerField(help_text="units")),
                ("price", models.DecimalField(decimal_places=4, max_digits=14)),
                ("traded_at", models.DateTimeField(help_text="market moment")),
                (
                    "order",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="fills", to="execution.paperorder"
                    ),
                ),
            ],
            options={
                "db_table": "paper_fills",
                "ordering": ["order_id", "number"],
                "constraints": [
                    models.UniqueConstraint(fields=("order", "number"), name="paper_fills_once"),
                    models.CheckConstraint(
                        condition=models.Q(quantity__gte=1, quantity__lte=10_000_000),
                        name="paper_fills_quantity_bounded",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(price__gte=Decimal("0.0001"), price__lte=Decimal(10_000_000)),
                        name="paper_fills_price_bounded",
                    ),
                ],
                "indexes": [models.Index(fields=["traded_at"], name="paper_fills_traded_at_idx")],
            },
        ),
        migrations.CreateModel(
            name="PaperSwitch",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("day", models.DateField()),
                (
                    "account",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="paper_switches",
                        to="allocation.account",
                    ),
                ),
            ],
            options={
                "db_table": "paper_switches",
                "constraints": [models.UniqueConstraint(fields=("account", "day"), name="paper_switches_once")],
            },
        ),
        migrations.RunSQL(MOMENTS, migrations.RunSQL.noop),
        migrations.RunSQL(FROM_TRADES, migrations.RunSQL.noop),
        migrations.RunSQL(FILLS, migrations.RunSQL.noop),
    ]
