"""A strategy may ask for a stop at the broker for each of its short legs."""

from decimal import Decimal

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("strategies", "0005_legs_frozen_whole")]

    operations = [
        migrations.AddField(
            model_name="strategyexitlevels",
            name="resident_stop_multiple",
            field=models.DecimalField(
                blank=True,
                decimal_places=2,
                help_text="leave a stop at the broker for each short leg, at so many times what it was sold for",
                max_digits=6,
                null=True,
            ),
        ),
        migrations.AddConstraint(
            model_name="strategyexitlevels",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("resident_stop_multiple__gte", Decimal("1.05")), ("resident_stop_multiple__lte", 100)
                ),
                name="strategy_exit_levels_resident_stop_multiple_bounded",
            ),
        ),
    ]
