"""What every check answered, and the limits it compared with."""

import django.db.models.deletion
import django.db.models.functions.datetime
from decimal import Decimal

from django.db import migrations, models

# How often each reason of each check denied, by IST day of the market moment.
REJECTIONS = """
CREATE VIEW v_rejections_by_check AS
SELECT day || ':' || account_id || ':' || code || ':' || reason_code AS id, day, account_id, code, reason_code,
       count(*) AS count
FROM (
    SELECT (at AT TIME ZONE 'Asia/Kolkata')::date AS day, account_id, code, reason_code
    FROM check_answers WHERE NOT passed
) denied
GROUP BY day, account_id, code, reason_code;
"""

# A change of limits is a link of the audit chain, and so is every gate: one link for all its answers together.
AUDIT = """
SELECT audit_watch('risk_limits', 'limits', ARRAY[
    'changed_by', 'account_id', 'note', 'entry_after_open_minutes', 'entry_before_close_minutes',
    'exit_before_close_minutes', 'approval_minutes', 'chain_minutes', 'same_legs_seconds', 'lots_per_leg',
    'lots_per_basket', 'lots_per_underlying', 'lowest_price', 'highest_price', 'entry_collar',
    'entry_collar_ticks', 'exit_collar', 'exit_collar_ticks', 'band_share', 'spread', 'spread_ticks',
    'quote_age_seconds', 'quote_skew_seconds', 'spot_age_seconds', 'spot_drift', 'premium_drift',
    'premium_drift_ticks', 'order_premium', 'basket_premium', 'order_value', 'max_loss', 'margin_headroom',
    'open_strategies', 'open_per_underlying', 'underlying_at_risk', 'net_delta_value', 'net_vega',
    'greeks_required', 'daily_loss', 'soft_loss_share', 'strategy_rejects', 'account_rejects',
    'reject_minutes', 'calls_per_second', 'calls_per_minute', 'reconcile_seconds', 'token_minutes'
]);

CREATE FUNCTION audit_gate() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM audit_record(
        'checked', 'gate', min(id)::text, NULL, CASE WHEN bool_and(passed) THEN 'passed' ELSE 'denied' END,
        jsonb_build_object(
            'account_id', account_id, 'strategy_id', strategy_id, 'run_id', run_id, 'purpose', purpose, 'at', at,
            'answers', jsonb_object_agg(code, CASE WHEN passed THEN 'pass' ELSE reason_code || ': ' || sentence END)))
    FROM made GROUP BY account_id, strategy_id, run_id, purpose, at;
    RETURN NULL;
END $$;
CREATE TRIGGER audit_gate AFTER INSERT ON check_answers
    REFERENCING NEW TABLE AS made FOR EACH STATEMENT EXECUTE FUNCTION audit_gate();
"""
UNAUDIT = "DROP TRIGGER audit_gate ON check_answers; DROP FUNCTION audit_gate();"

GRANTS = "GRANT SELECT ON risk_limits, check_answers, v_rejections_by_check TO options_desk;"


class Migration(migrations.Migration):
    dependencies = [
        ("allocation", "0002_paper_account"),
        ("execution", "0005_audit_chain"),
        ("strategies", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="RejectionCount",
            fields=[
                ("id", models.CharField(max_length=140, primary_key=True, serialize=False)),
                ("day", models.DateField()),
                ("code", models.CharField(max_length=40)),
                ("reason_code", models.CharField(max_length=40)),
                ("count", models.BigIntegerField()),
            ],
            options={
                "db_table": "v_rejections_by_check",
                "managed": False,
            },
        ),
        migrations.CreateModel(
            name="CheckAnswer",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("code", models.CharField(help_text="the check, as docs/pre-trade-checks.md names it", max_length=40)),
                (
                    "reason_code",
                    models.CharField(blank=True, help_text="the exact reason, empty for a plain pass", max_length=40),
                ),
                ("passed", models.BooleanField()),
                ("sentence", models.TextField(blank=True)),
                ("numbers", models.JSONField(blank=True, default=dict, help_text="what was compared, as text")),
                (
                    "purpose",
                    models.CharField(
                        choices=[("entry", "Entry"), ("exit", "Exit"), ("flatten", "Flatten")], max_length=10
                    ),
                ),
                ("at", models.DateTimeField(help_text="market moment")),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "account",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="check_answers",
                        to="allocation.account",
                    ),
                ),
                (
                    "run",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="check_answers",
                        to="execution.executionrun",
                    ),
                ),
                (
                    "strategy",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="check_answers",
                        to="strategies.optionstrategy",
                    ),
                ),
            ],
            options={
                "db_table": "check_answers",
                "ordering": ["-id"],
                "indexes": [
                    models.Index(
                        condition=models.Q(("passed", False)), fields=["account", "at"], name="check_answers_denied"
                    )
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("purpose__in", ["entry", "exit", "flatten"])),
                        name="check_answers_purpose_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("passed", True), models.Q(("reason_code", ""), _negated=True), _connector="OR"
                        ),
                        name="check_answers_denied_with_a_reason",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="RiskLimits",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("valid_from", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("changed_by", models.CharField(max_length=80)),
                ("note", models.TextField(blank=True)),
                ("entry_after_open_minutes", models.PositiveIntegerField(blank=True, null=True)),
                ("entry_before_close_minutes", models.PositiveIntegerField(blank=True, null=True)),
                ("exit_before_close_minutes", models.PositiveIntegerField(blank=True, null=True)),
                ("approval_minutes", models.PositiveIntegerField(blank=True, null=True)),
                ("chain_minutes", models.PositiveIntegerField(blank=True, null=True)),
                ("same_legs_seconds", models.PositiveIntegerField(blank=True, null=True)),
                ("lots_per_leg", models.PositiveIntegerField(blank=True, null=True)),
                ("lots_per_basket", models.PositiveIntegerField(blank=True, null=True)),
                ("lots_per_underlying", models.PositiveIntegerField(blank=True, null=True)),
                ("lowest_price", models.DecimalField(blank=True, decimal_places=4, max_digits=18, null=True)),
                ("highest_price", models.DecimalField(blank=True, decimal_places=4, max_digits=18, null=True)),
                ("entry_collar", models.DecimalField(blank=True, decimal_places=4, max_digits=18, null=True)),
                ("entry_collar_ticks", models.PositiveIntegerField(blank=True, null=True)),
                ("exit_collar", models.DecimalField(blank=True, decimal_places=4, max_digits=18, null=True)),
                ("exit_collar_ticks", models.PositiveIntegerField(blank=True, null=True)),
                ("band_share", models.DecimalField(blank=True, decimal_places=4, max_digits=18, null=True)),
                ("spread", models.DecimalField(blank=True, decimal_places=4, max_digits=18, null=True)),
                ("spread_ticks", models.PositiveIntegerField(blank=True, null=True)),
                ("quote_age_seconds", models.DecimalField(blank=True, decimal_places=4, max_digits=18, null=True)),
                ("quote_skew_seconds", models.DecimalField(blank=True, decimal_places=4, max_digits=18, null=True)),
                ("spot_age_seconds", models.DecimalField(blank=True, decimal_places=4, max_digits=18, null=True)),
                ("spot_drift", models.DecimalField(blank=True, decimal_places=4, max_digits=18, null=True)),
                ("premium_drift", models.DecimalField(blank=True, decimal_places=4, max_digits=18, null=True)),
                ("premium_drift_ticks", models.PositiveIntegerField(blank=True, null=True)),
                ("order_premium", models.DecimalField(blank=True, decimal_places=4, max_digits=18, null=True)),
                ("basket_premium", models.DecimalField(blank=True, decimal_places=4, max_digits=18, null=True)),
                ("order_value", models.DecimalField(blank=True, decimal_places=4, max_digits=18, null=True)),
                ("max_loss", models.DecimalField(blank=True, decimal_places=4, max_digits=18, null=True)),
                ("margin_headroom", models.DecimalField(blank=True, decimal_places=4, max_digits=18, null=True)),
                ("open_strategies", models.PositiveIntegerField(blank=True, null=True)),
                ("open_per_underlying", models.PositiveIntegerField(blank=True, null=True)),
                ("underlying_at_risk", models.DecimalField(blank=True, decimal_places=4, max_digits=18, null=True)),
                ("net_delta_value", models.DecimalField(blank=True, decimal_places=4, max_digits=18, null=True)),
                ("net_vega", models.DecimalField(blank=True, decimal_places=4, max_digits=18, null=True)),
                ("greeks_required", models.BooleanField(blank=True, null=True)),
                ("daily_loss", models.DecimalField(blank=True, decimal_places=4, max_digits=18, null=True)),
                ("soft_loss_share", models.DecimalField(blank=True, decimal_places=4, max_digits=18, null=True)),
                ("strategy_rejects", models.PositiveIntegerField(blank=True, null=True)),
                ("account_rejects", models.PositiveIntegerField(blank=True, null=True)),
                ("reject_minutes", models.PositiveIntegerField(blank=True, null=True)),
                ("calls_per_second", models.PositiveIntegerField(blank=True, null=True)),
                ("calls_per_minute", models.PositiveIntegerField(blank=True, null=True)),
                ("reconcile_seconds", models.PositiveIntegerField(blank=True, null=True)),
                ("token_minutes", models.PositiveIntegerField(blank=True, null=True)),
                (
                    "account",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="risk_limits", to="allocation.account"
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "risk limits",
                "db_table": "risk_limits",
                "ordering": ["-valid_from", "-id"],
                "indexes": [models.Index(fields=["account", "-valid_from"], name="risk_limits_newest")],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("entry_after_open_minutes__gte", 0), ("entry_after_open_minutes__lte", 720)
                        ),
                        name="risk_limits_entry_after_open_minutes_bounded",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("entry_before_close_minutes__gte", 0), ("entry_before_close_minutes__lte", 720)
                        ),
                        name="risk_limits_entry_before_close_minutes_bounded",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("exit_before_close_minutes__gte", 0), ("exit_before_close_minutes__lte", 720)
                        ),
                        name="risk_limits_exit_before_close_minutes_bounded",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("approval_minutes__gte", 1), ("approval_minutes__lte", 1440)),
                        name="risk_limits_approval_minutes_bounded",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("chain_minutes__gte", 1), ("chain_minutes__lte", 1440)),
                        name="risk_limits_chain_minutes_bounded",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("same_legs_seconds__gte", 0), ("same_legs_seconds__lte", 86400)),
                        name="risk_limits_same_legs_seconds_bounded",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("lots_per_leg__gte", 1), ("lots_per_leg__lte", 100000)),
                        name="risk_limits_lots_per_leg_bounded",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("lots_per_basket__gte", 1), ("lots_per_basket__lte", 100000)),
                        name="risk_limits_lots_per_basket_bounded",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("lots_per_underlying__gte", 1), ("lots_per_underlying__lte", 1000000)),
                        name="risk_limits_lots_per_underlying_bounded",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("lowest_price__gte", Decimal("0.01")), ("lowest_price__lte", 1000)),
                        name="risk_limits_lowest_price_bounded",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("highest_price__gte", 1), ("highest_price__lte", 10000000)),
                        name="risk_limits_highest_price_bounded",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("entry_collar__gte", 0), ("entry_collar__lte", 1)),
                        name="risk_limits_entry_collar_bounded",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("entry_collar_ticks__gte", 1), ("entry_collar_ticks__lte", 1000)),
                        name="risk_limits_entry_collar_ticks_bounded",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("exit_collar__gte", 0), ("exit_collar__lte", 1)),
                        name="risk_limits_exit_collar_bounded",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("exit_collar_ticks__gte", 1), ("exit_collar_ticks__lte", 1000)),
                        name="risk_limits_exit_collar_ticks_bounded",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("band_share__gte", Decimal("0.01")), ("band_share__lte", 1)),
                        name="risk_limits_band_share_bounded",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("spread__gte", 0), ("spread__lte", 2)), name="risk_limits_spread_bounded"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("spread_ticks__gte", 1), ("spread_ticks__lte", 1000)),
                        name="risk_limits_spread_ticks_bounded",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("quote_age_seconds__gte", Decimal("0.1")), ("quote_age_seconds__lte", 86400)
                        ),
                        name="risk_limits_quote_age_seconds_bounded",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("quote_skew_seconds__gte", Decimal("0.1")), ("quote_skew_seconds__lte", 86400)
                        ),
                        name="risk_limits_quote_skew_seconds_bounded",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("spot_age_seconds__gte", Decimal("0.1")), ("spot_age_seconds__lte", 86400)),
                        name="risk_limits_spot_age_seconds_bounded",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("spot_drift__gte", 0), ("spot_drift__lte", 1)),
                        name="risk_limits_spot_drift_bounded",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("premium_drift__gte", 0), ("premium_drift__lte", 1)),
                        name="risk_limits_premium_drift_bounded",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("premium_drift_ticks__gte", 0), ("premium_drift_ticks__lte", 1000)),
                        name="risk_limits_premium_drift_ticks_bounded",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("order_premium__gte", 1), ("order_premium__lte", Decimal("1000000000000"))),
                        name="risk_limits_order_premium_bounded",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("basket_premium__gte", 1), ("basket_premium__lte", Decimal("1000000000000"))
                        ),
                        name="risk_limits_basket_premium_bounded",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("order_value__gte", 1), ("order_value__lte", Decimal("1000000000000"))),
                        name="risk_limits_order_value_bounded",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("max_loss__gte", 1), ("max_loss__lte", Decimal("1000000000000"))),
                        name="risk_limits_max_loss_bounded",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("margin_headroom__gte", 1), ("margin_headroom__lte", 10)),
                        name="risk_limits_margin_headroom_bounded",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("open_strategies__gte", 1), ("open_strategies__lte", 1000)),
                        name="risk_limits_open_strategies_bounded",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("open_per_underlying__gte", 1), ("open_per_underlying__lte", 1000)),
                        name="risk_limits_open_per_underlying_bounded",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("underlying_at_risk__gte", 1), ("underlying_at_risk__lte", Decimal("1000000000000"))
                        ),
                        name="risk_limits_underlying_at_risk_bounded",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("net_delta_value__gte", 0), ("net_delta_value__lte", Decimal("1000000000000"))
                        ),
                        name="risk_limits_net_delta_value_bounded",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("net_vega__gte", 0), ("net_vega__lte", Decimal("1000000000000"))),
                        name="risk_limits_net_vega_bounded",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("daily_loss__gte", 1), ("daily_loss__lte", Decimal("1000000000000"))),
                        name="risk_limits_daily_loss_bounded",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("soft_loss_share__gte", 0), ("soft_loss_share__lte", 1)),
                        name="risk_limits_soft_loss_share_bounded",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("strategy_rejects__gte", 1), ("strategy_rejects__lte", 1000)),
                        name="risk_limits_strategy_rejects_bounded",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("account_rejects__gte", 1), ("account_rejects__lte", 1000)),
                        name="risk_limits_account_rejects_bounded",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("reject_minutes__gte", 1), ("reject_minutes__lte", 1440)),
                        name="risk_limits_reject_minutes_bounded",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("calls_per_second__gte", 1), ("calls_per_second__lte", 10)),
                        name="risk_limits_calls_per_second_bounded",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("calls_per_minute__gte", 1), ("calls_per_minute__lte", 250)),
                        name="risk_limits_calls_per_minute_bounded",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("reconcile_seconds__gte", 1), ("reconcile_seconds__lte", 86400)),
                        name="risk_limits_reconcile_seconds_bounded",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("token_minutes__gte", 0), ("token_minutes__lte", 1440)),
                        name="risk_limits_token_minutes_bounded",
                    ),
                ],
            },
        ),
        migrations.RunSQL(REJECTIONS, "DROP VIEW v_rejections_by_check;"),
        migrations.RunSQL(AUDIT, UNAUDIT),
        migrations.RunSQL(GRANTS, migrations.RunSQL.noop),
    ]
