"""Broker tokens, encrypted, and the calls that count against the broker's limits."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("execution", "0006_checks_kept")]

    operations = [
        migrations.CreateModel(
            name="BrokerAccess",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("client_id", models.CharField(max_length=20, unique=True)),
                ("token_encrypted", models.BinaryField(default=bytes)),
                ("last_four", models.CharField(blank=True, max_length=4)),
                ("expires_at", models.DateTimeField(blank=True, null=True)),
                (
                    "generation",
                    models.PositiveIntegerField(default=0, help_text="grows with every new token; sockets follow it"),
                ),
                ("refresh_tried_at", models.DateTimeField(blank=True, null=True)),
                ("stored_at", models.DateTimeField(blank=True, null=True)),
            ],
            options={
                "verbose_name_plural": "broker access",
                "db_table": "broker_access",
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("generation__gte", 0), ("generation__lte", 2_000_000_000)),
                        name="broker_access_generation_bounded",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="OrderCall",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("number", models.PositiveBigIntegerField()),
                ("urgent", models.BooleanField(help_text="an exit or a cancel")),
                (
                    "taken_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), help_text="by the database's clock"
                    ),
                ),
                (
                    "account",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="allocation.account",
                    ),
                ),
            ],
            options={
                "db_table": "order_calls",
                "constraints": [models.UniqueConstraint(fields=["account", "number"], name="order_calls_numbered")],
            },
        ),
    ]
