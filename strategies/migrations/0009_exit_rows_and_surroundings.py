"""Exit levels as typed rows, and what was known around a strategy when it was generated."""

import django.contrib.postgres.fields
import django.db.models.deletion
from decimal import Decimal
from django.db import migrations, models


GRANT = "GRANT SELECT ON strategy_exit_rows TO options_desk"


class Migration(migrations.Migration):
    # The role is made there; without it there is nobody to grant to.
    dependencies = [
        ("execution", "0003_desk_role"),
        ("market", "0004_volatility_history"),
        ("strategies", "0008_calibration"),
    ]

    operations = [
        migrations.CreateModel(
            name="StrategyExitRow",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("money", "money"),
                            ("percent_of_max_profit", "percent of max profit"),
                            ("percent_of_credit", "percent of credit"),
                            ("days_to_expiry", "days to expiry"),
                            ("underlying_price", "underlying price"),
                            ("delta", "delta"),
                            ("vega", "vega"),
                        ],
                        max_length=24,
                    ),
                ),
                (
                    "level",
                    models.CharField(help_text="profit_target_1, stop_loss, time_exit, price_above ...", max_length=20),
                ),
                (
                    "value",
                    models.DecimalField(
                        blank=True,
                        decimal_places=6,
                        help_text="NULL: it has none, and the reason says why",
                        max_digits=20,
                        null=True,
                    ),
                ),
                ("reason", models.CharField(max_length=200)),
            ],
            options={
                "db_table": "strategy_exit_rows",
                "ordering": ["strategy_id", "id"],
            },
        ),
        migrations.AddField(
            model_name="generationrun",
            name="bias",
            field=models.JSONField(
                blank=True,
                db_default=models.Value({}, models.JSONField()),
                default=dict,
                help_text="how the kept strategies lean beside the market views of the same symbols",
            ),
        ),
        migrations.AddField(
            model_name="generationrun",
            name="content_hash",
            field=models.CharField(
                blank=True,
                db_default="",
                help_text="of every outcome and row computed; empty until finished",
                max_length=64,
            ),
        ),
        migrations.AddField(
            model_name="strategyleg",
            name="interest_known",
            field=models.BooleanField(
                blank=True, help_text="false: the source reports none at all, so that limit was not applied", null=True
            ),
        ),
        migrations.AddField(
            model_name="strategyleg",
            name="off_target",
            field=models.DecimalField(
                blank=True,
                decimal_places=4,
                help_text="standard deviations from what the rule aimed at to the strike that was taken; NULL for a share",
                max_digits=9,
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="strategyparameters",
            name="flags",
            field=models.JSONField(
                blank=True,
                db_default=models.Value([], models.JSONField()),
                default=list,
                help_text="what is doubtful or not known: about, code, sentence",
            ),
        ),
        migrations.AddField(
            model_name="strategyparameters",
            name="iv_fits",
            field=models.BooleanField(
                blank=True,
                help_text="whether the structure is meant for this regime; NULL when it is not known",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="strategyparameters",
            name="iv_percentile_reason",
            field=models.CharField(blank=True, db_default="", help_text="why there is no percentile", max_length=40),
        ),
        migrations.AddField(
            model_name="strategyparameters",
            name="iv_regime",
            field=models.CharField(
                blank=True,
                choices=[("low", "Low"), ("normal", "Normal"), ("high", "High")],
                db_default="",
                max_length=6,
            ),
        ),
        migrations.AddField(
            model_name="strategyparameters",
            name="market_view",
            field=models.ForeignKey(
                blank=True,
                help_text="as of the run",
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to="market.marketview",
            ),
        ),
        migrations.AddField(
            model_name="strategyparameters",
            name="probability_half",
            field=models.DecimalField(
                blank=True,
                decimal_places=6,
                help_text="of half the credit, or of the maximum profit, at some time; NULL where neither",
                max_digits=9,
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="strategyparameters",
            name="probability_recalibrated",
            field=models.DecimalField(
                blank=True,
                decimal_places=6,
                help_text="the raw one through the newest map that helps out of sample; else NULL",
                max_digits=9,
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="strategyparameters",
            name="recalibration_reason",
            field=models.CharField(
                blank=True, db_default="", help_text="why there is no recalibrated probability", max_length=40
            ),
        ),
        migrations.AddField(
            model_name="strategyparameters",
            name="regions",
            field=models.JSONField(
                db_default=models.Value({}, models.JSONField()),
                default=dict,
                help_text="loss, flat and gain: [probability, rupees per set of the expected value after charges]",
            ),
        ),
        migrations.AddField(
            model_name="strategyparameters",
            name="scenarios",
            field=models.JSONField(
                db_default=models.Value([], models.JSONField()),
                default=list,
                help_text="[move of the price, move of volatility (fractions), days from now, rupees per set]",
            ),
        ),
        migrations.AddField(
            model_name="strategyparameters",
            name="theta_profile",
            field=models.JSONField(
                db_default=models.Value([], models.JSONField()),
                default=list,
                help_text="[days from now, rupees per set and day] at an unchanged price",
            ),
        ),
        migrations.AddField(
            model_name="strategyparameters",
            name="view_agreement",
            field=models.CharField(
                blank=True,
                choices=[
                    ("agrees", "Agrees"),
                    ("neutral", "Neutral"),
                    ("contradicts", "Contradicts"),
                    ("unknown", "Unknown"),
                ],
                db_default="",
                help_text="moves no score: it was not proven",
                max_length=12,
            ),
        ),
        migrations.AddField(
            model_name="symbolresult",
            name="content_hash",
            field=models.CharField(
                blank=True, db_default="", help_text="of every row computed for the symbol, ids left out", max_length=64
            ),
        ),
        migrations.AddField(
            model_name="symbolresult",
            name="strategy_ids",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.BigIntegerField(),
                blank=True,
                db_default=models.Value(
                    [], django.contrib.postgres.fields.ArrayField(base_field=models.BigIntegerField(), size=None)
                ),
                default=list,
                help_text="what was kept, best first, also where an earlier run had stored it",
                size=None,
            ),
        ),
        migrations.AddConstraint(
            model_name="strategyleg",
            constraint=models.CheckConstraint(
                condition=models.Q(("off_target__gte", -1000), ("off_target__lte", 1000)),
                name="strategy_details_off_target_bounded",
            ),
        ),
        migrations.AddConstraint(
            model_name="strategyparameters",
            constraint=models.CheckConstraint(
                condition=models.Q(("probability_half__gte", 0), ("probability_half__lte", 1)),
                name="strategy_parameters_probability_half_bounded",
            ),
        ),
        migrations.AddConstraint(
            model_name="strategyparameters",
            constraint=models.CheckConstraint(
                condition=models.Q(("probability_recalibrated__gte", 0), ("probability_recalibrated__lte", 1)),
                name="strategy_parameters_probability_recalibrated_bounded",
            ),
        ),
        migrations.AddConstraint(
            model_name="strategyparameters",
            constraint=models.CheckConstraint(
                condition=models.Q(("iv_regime__in", ["low", "normal", "high", ""])),
                name="strategy_parameters_iv_regime_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="strategyparameters",
            constraint=models.CheckConstraint(
                condition=models.Q(("view_agreement__in", ["agrees", "neutral", "contradicts", "unknown", ""])),
                name="strategy_parameters_view_agreement_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="strategyparameters",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("probability_recalibrated__isnull", True), ("recalibration_reason", ""), _connector="OR"
                ),
                name="strategy_parameters_recalibrated_or_reason",
            ),
        ),
        migrations.AddConstraint(
            model_name="strategyparameters",
            constraint=models.CheckConstraint(
                condition=models.Q(("iv_percentile__isnull", True), ("iv_percentile_reason", ""), _connector="OR"),
                name="strategy_parameters_percentile_or_reason",
            ),
        ),
        migrations.AddField(
            model_name="strategyexitrow",
            name="strategy",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="exit_rows", to="strategies.optionstrategy"
            ),
        ),
        migrations.AddConstraint(
            model_name="strategyexitrow",
            constraint=models.UniqueConstraint(fields=("strategy", "kind", "level"), name="strategy_exit_rows_once"),
        ),
        migrations.AddConstraint(
            model_name="strategyexitrow",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "kind__in",
                        [
                            "money",
                            "percent_of_max_profit",
                            "percent_of_credit",
                            "days_to_expiry",
                            "underlying_price",
                            "delta",
                            "vega",
                        ],
                    )
                ),
                name="strategy_exit_rows_kind_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="strategyexitrow",
            constraint=models.CheckConstraint(
                condition=models.Q(("value__gte", 0), ("value__lte", Decimal("1000000000000"))),
                name="strategy_exit_rows_value_bounded",
            ),
        ),
        migrations.AddConstraint(
            model_name="strategyexitrow",
            constraint=models.CheckConstraint(
                condition=models.Q(("reason", ""), _negated=True), name="strategy_exit_rows_have_a_reason"
            ),
        ),
        migrations.RunSQL(GRANT, migrations.RunSQL.noop),
    ]
