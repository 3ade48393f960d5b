"""The help texts say what is meant: what a naked short is, and what the sets of a proposal need."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("allocation", "0002_paper_account")]

    operations = [
        migrations.AlterField(
            model_name="account",
            name="allow_naked",
            field=models.BooleanField(
                default=False,
                help_text="may sell options that no bought option, share or cash set aside covers, bounded loss or not",
            ),
        ),
        migrations.AlterField(
            model_name="allocation",
            name="margin",
            field=models.DecimalField(
                blank=True,
                decimal_places=2,
                help_text=(
                    "rupees all sets need: our margin beside the credit, or the most they may lose where that is more"
                ),
                max_digits=18,
                null=True,
            ),
        ),
    ]
