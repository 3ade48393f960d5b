"""What is counted before every order is found by an index, however long the day's list of orders and trades is."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("execution", "0012_trades_of_an_account")]

    operations = [
        migrations.AddIndex(
            model_name="legorder",
            index=models.Index(fields=["sent_at"], name="leg_orders_sent"),
        ),
        migrations.AddIndex(
            model_name="legorder",
            index=models.Index(
                fields=["intended_at"],
                condition=models.Q(state__in=["refused", "rejected"]),
                name="leg_orders_refused",
            ),
        ),
        migrations.AddIndex(
            model_name="trade",
            index=models.Index(fields=["account", "timestamp"], name="trades_account_idx"),
        ),
    ]
