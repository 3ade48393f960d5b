"""A paper order is sent at one price and never modified: the count of modifications was always zero."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("execution", "0013_what_is_counted_before_an_order")]

    operations = [
        migrations.RemoveField(model_name="paperorder", name="modifications"),
        migrations.AlterField(
            model_name="paperorder",
            name="limit_price",
            field=models.DecimalField(decimal_places=4, max_digits=14),
        ),
    ]
