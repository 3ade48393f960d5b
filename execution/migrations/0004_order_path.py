"""The order path: purposes, phases, one live attempt per leg, lease, trading state, alerts."""

import django.utils.timezone
from django.db import migrations, models
from django.db.models.functions import Now

# Attempts used to count within a slice; now they count within the leg. The trades keep their order rows.
RENUMBER_ATTEMPTS = """
UPDATE leg_orders o SET attempt = n.attempt
FROM (SELECT id, row_number() OVER (PARTITION BY run_id, leg_id ORDER BY id) AS attempt FROM leg_orders) n
WHERE n.id = o.id AND n.attempt <> o.attempt;
"""

_COLUMNS = """ AS id, strategy_id, {account} AS account_id, security_id,
       min(symbol) AS symbol, min(option_type) AS option_type, min(strike_price) AS strike_price,
       min(expiry_date) AS expiry_date,
       sum(CASE action WHEN 'BUY' THEN quantity ELSE -quantity END)::integer AS quantity,
       sum(CASE action WHEN 'BUY' THEN -price * quantity ELSE price * quantity END) AS cash,
       sum(charges) AS charges
FROM trades
"""

# One strategy held on two accounts is two positions. Replaced, not dropped: the grants of the SQL role stay.
POSITIONS_BY_ACCOUNT = (
    "CREATE OR REPLACE VIEW v_positions AS SELECT"
    " strategy_id || '-' || coalesce(account_id::text, 'none') || '-' || security_id"
    + _COLUMNS.format(account="account_id")
    + "GROUP BY strategy_id, account_id, security_id;"
)
POSITIONS_BY_STRATEGY = (
    "CREATE OR REPLACE VIEW v_positions AS SELECT strategy_id || ':' || security_id"
    + _COLUMNS.format(account="min(account_id)")
    + "GROUP BY strategy_id, security_id;"
)

# A missing row means "never stopped"; that is only true when no row ever goes away.
STANDING_STAYS = """
CREATE FUNCTION trading_states_stay() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the trading state of an account is changed, never deleted'
        USING HINT = 'manage.py kill_switch release', ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER trading_states_stay BEFORE DELETE ON trading_states
    FOR EACH ROW EXECUTE FUNCTION trading_states_stay();
"""

GRANTS = "GRANT SELECT ON trading_states, alerts, external_orders, reconcile_reports, trader_leases TO options_desk;"


class Migration(migrations.Migration):
    dependencies = [
        ("allocation", "0002_paper_account"),
        ("execution", "0003_desk_role"),
    ]

    operations = [
        migrations.AlterField(
            model_name="legorder",
            name="intended_at",
            field=models.DateTimeField(
                default=django.utils.timezone.now, help_text="market moment, as are sent_at and settled_at"
            ),
        ),
        migrations.CreateModel(
            name="Alert",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "level",
                    models.CharField(
                        choices=[("INFO", "Info"), ("WARNING", "Warning"), ("CRITICAL", "Critical")], max_length=8
                    ),
                ),
                ("code", models.CharField(max_length=40)),
                ("sentence", models.TextField()),
                ("remedy", models.TextField(blank=True)),
                ("dedupe", models.CharField(max_length=120)),
                ("at", models.DateTimeField(db_default=Now())),
                ("acknowledged_at", models.DateTimeField(blank=True, null=True)),
                ("acknowledged_by", models.CharField(blank=True, max_length=80)),
            ],
            options={
                "db_table": "alerts",
                "ordering": ["-id"],
            },
        ),
        migrations.CreateModel(
            name="ExternalOrder",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("broker_order_id", models.CharField(max_length=40)),
                ("correlation_id", models.CharField(blank=True, max_length=40)),
                ("own_tag", models.BooleanField(default=False, help_text="the correlation id is signed by us")),
                ("segment", models.CharField(blank=True, max_length=16)),
                ("security_id", models.CharField(blank=True, max_length=20)),
                ("side", models.CharField(blank=True, max_length=4)),
                ("quantity", models.PositiveIntegerField(help_text="units")),
                ("filled_quantity", models.PositiveIntegerField(default=0)),
                ("status", models.CharField(max_length=16)),
                ("first_seen_at", models.DateTimeField(db_default=Now())),
                ("last_seen_at", models.DateTimeField(db_default=Now())),
                ("note", models.TextField(blank=True)),
            ],
            options={
                "db_table": "external_orders",
                "ordering": ["-id"],
            },
        ),
        migrations.CreateModel(
            name="ReconcileReport",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("at", models.DateTimeField(db_default=Now(), help_text="by the database's clock")),
                ("clean", models.BooleanField()),
                ("epoch", models.BigIntegerField(default=0)),
                ("findings", models.JSONField(blank=True, default=list, help_text="one object per discrepancy")),
                ("orders_seen", models.PositiveIntegerField(default=0)),
                ("trades_seen", models.PositiveIntegerField(default=0)),
                ("positions_seen", models.PositiveIntegerField(default=0)),
            ],
            options={
                "db_table": "reconcile_reports",
                "ordering": ["-id"],
            },
        ),
        migrations.CreateModel(
            name="TraderLease",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("owner", models.CharField(max_length=80)),
                ("host", models.CharField(max_length=80)),
                ("pid", models.PositiveIntegerField()),
                ("epoch", models.BigIntegerField(default=0)),
                ("lease_until", models.DateTimeField(help_text="by the database's clock")),
                ("renewed_at", models.DateTimeField(help_text="by the database's clock")),
                ("code_version", models.CharField(blank=True, max_length=40)),
            ],
            options={
                "db_table": "trader_leases",
            },
        ),
        migrations.CreateModel(
            name="TradingState",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "state",
                    models.CharField(
                        choices=[("ACTIVE", "Active"), ("REDUCE_ONLY", "Reduce Only"), ("HALTED", "Halted")],
                        default="ACTIVE",
                        max_length=12,
                    ),
                ),
                ("reason_code", models.CharField(blank=True, max_length=40)),
                ("reason_text", models.TextField(blank=True)),
                ("actor", models.CharField(blank=True, max_length=80)),
                ("changed_at", models.DateTimeField(db_default=Now(), help_text="by the database's clock")),
                ("automatic", models.BooleanField(default=False, help_text="a rule tripped it, not a person")),
            ],
            options={
                "db_table": "trading_states",
            },
        ),
        migrations.RemoveConstraint(
            model_name="executionrun",
            name="execution_runs_purpose_known",
        ),
        migrations.RemoveConstraint(
            model_name="executionrun",
            name="execution_runs_one_open",
        ),
        migrations.RemoveConstraint(
            model_name="legorder",
            name="leg_orders_one_live_attempt",
        ),
        migrations.AddField(
            model_name="executionrun",
            name="code_version",
            field=models.CharField(blank=True, max_length=40),
        ),
        migrations.AddField(
            model_name="executionrun",
            name="epoch",
            field=models.BigIntegerField(default=0, help_text="of the leader that wrote last"),
        ),
        migrations.AddField(
            model_name="executionrun",
            name="intended",
            field=models.JSONField(blank=True, default=list, help_text="the legs as resolved at the claim"),
        ),
        migrations.AddField(
            model_name="executionrun",
            name="opening",
            field=models.JSONField(
                blank=True, default=dict, help_text="held when an exit began: leg number to signed units"
            ),
        ),
        migrations.AddField(
            model_name="executionrun",
            name="phase_started_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="executionrun",
            name="plan_hash",
            field=models.CharField(blank=True, max_length=64),
        ),
        migrations.AddField(
            model_name="executionrun",
            name="version",
            field=models.PositiveIntegerField(
                default=0, help_text="grows with every change; a writer names the one it read"
            ),
        ),
        migrations.AddField(
            model_name="legorder",
            name="looked_at",
            field=models.DateTimeField(
                blank=True, help_text="when the broker's book was last asked about it", null=True
            ),
        ),
        migrations.AddField(
            model_name="legorder",
            name="misses",
            field=models.PositiveSmallIntegerField(default=0, help_text="clean answers that did not know it"),
        ),
        migrations.AddField(
            model_name="legorder",
            name="phase",
            field=models.CharField(
                choices=[("buying", "Buying"), ("selling", "Selling"), ("unwinding", "Unwinding")],
                default="buying",
                max_length=10,
            ),
        ),
        migrations.AlterField(
            model_name="executionrun",
            name="purpose",
            field=models.CharField(
                choices=[("entry", "Entry"), ("exit", "Exit"), ("flatten", "Flatten")], default="entry", max_length=10
            ),
        ),
        migrations.AlterField(
            model_name="trade",
            name="purpose",
            field=models.CharField(db_default="entry", default="entry", max_length=10),
        ),
        migrations.AddConstraint(
            model_name="executionrun",
            constraint=models.CheckConstraint(
                condition=models.Q(("purpose__in", ["entry", "exit", "flatten"])), name="execution_runs_purpose_known"
            ),
        ),
        migrations.AddConstraint(
            model_name="executionrun",
            constraint=models.CheckConstraint(
                condition=models.Q(("epoch__gte", 0), ("epoch__lte", 1000000000000000)),
                name="execution_runs_epoch_bounded",
            ),
        ),
        migrations.AddConstraint(
            model_name="executionrun",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state__in", ["complete", "denied", "failed_flat", "flat"]), _negated=True),
                fields=("strategy",),
                name="execution_runs_one_open",
            ),
        ),
        migrations.AddConstraint(
            model_name="legorder",
            constraint=models.CheckConstraint(
                condition=models.Q(("phase__in", ["buying", "selling", "unwinding"])), name="leg_orders_phase_known"
            ),
        ),
        migrations.RunSQL(RENUMBER_ATTEMPTS, migrations.RunSQL.noop),
        migrations.AddConstraint(
            model_name="legorder",
            constraint=models.UniqueConstraint(fields=("run", "leg", "attempt"), name="leg_orders_attempt_once"),
        ),
        migrations.AddConstraint(
            model_name="legorder",
            constraint=models.UniqueConstraint(
                condition=models.Q(
                    ("state__in", ["cancelled", "expired", "filled", "not_placed", "refused", "rejected", "void"]),
                    _negated=True,
                ),
                fields=("run", "leg"),
                name="leg_orders_one_live_attempt",
            ),
        ),
        migrations.AddField(
            model_name="alert",
            name="account",
            field=models.ForeignKey(on_delete=models.PROTECT, related_name="alerts", to="allocation.account"),
        ),
        migrations.AddField(
            model_name="alert",
            name="run",
            field=models.ForeignKey(
                blank=True, null=True, on_delete=models.PROTECT, related_name="alerts", to="execution.executionrun"
            ),
        ),
        migrations.AddField(
            model_name="externalorder",
            name="account",
            field=models.ForeignKey(on_delete=models.PROTECT, related_name="external_orders", to="allocation.account"),
        ),
        migrations.AddField(
            model_name="reconcilereport",
            name="account",
            field=models.ForeignKey(
                on_delete=models.PROTECT, related_name="reconcile_reports", to="allocation.account"
            ),
        ),
        migrations.AddField(
            model_name="traderlease",
            name="account",
            field=models.OneToOneField(on_delete=models.CASCADE, related_name="lease", to="allocation.account"),
        ),
        migrations.AddField(
            model_name="tradingstate",
            name="account",
            field=models.OneToOneField(on_delete=models.PROTECT, related_name="trading_state", to="allocation.account"),
        ),
        migrations.AddConstraint(
            model_name="alert",
            constraint=models.CheckConstraint(
                condition=models.Q(("level__in", ["INFO", "WARNING", "CRITICAL"])), name="alerts_level_known"
            ),
        ),
        migrations.AddConstraint(
            model_name="alert",
            constraint=models.UniqueConstraint(
                condition=models.Q(("acknowledged_at__isnull", True)),
                fields=("account", "dedupe"),
                name="alerts_one_unacknowledged",
            ),
        ),
        migrations.AddConstraint(
            model_name="alert",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("acknowledged_at__isnull", True), models.Q(("acknowledged_by", ""), _negated=True), _connector="OR"
                ),
                name="alerts_acknowledged_by_somebody",
            ),
        ),
        migrations.AddConstraint(
            model_name="externalorder",
            constraint=models.CheckConstraint(
                condition=models.Q(("side__in", ["", "BUY", "SELL"])), name="external_orders_side_known"
            ),
        ),
        migrations.AddConstraint(
            model_name="externalorder",
            constraint=models.CheckConstraint(
                condition=models.Q(("quantity__gte", 0), ("quantity__lte", 10000000)),
                name="external_orders_quantity_bounded",
            ),
        ),
        migrations.AddConstraint(
            model_name="externalorder",
            constraint=models.UniqueConstraint(fields=("account", "broker_order_id"), name="external_orders_once"),
        ),
        migrations.AddIndex(
            model_name="reconcilereport",
            index=models.Index(fields=["account", "-id"], name="reconcile_reports_latest"),
        ),
        migrations.AddConstraint(
            model_name="reconcilereport",
            constraint=models.CheckConstraint(
                condition=models.Q(("epoch__gte", 0), ("epoch__lte", 1000000000000000)),
                name="reconcile_reports_epoch_bounded",
            ),
        ),
        migrations.AddConstraint(
            model_name="traderlease",
            constraint=models.CheckConstraint(
                condition=models.Q(("epoch__gte", 0), ("epoch__lte", 1000000000000000)),
                name="trader_leases_epoch_bounded",
            ),
        ),
        migrations.AddConstraint(
            model_name="tradingstate",
            constraint=models.CheckConstraint(
                condition=models.Q(("state__in", ["ACTIVE", "REDUCE_ONLY", "HALTED"])),
                name="trading_states_state_known",
            ),
        ),
        migrations.RunSQL(POSITIONS_BY_ACCOUNT, POSITIONS_BY_STRATEGY),
        migrations.RunSQL(STANDING_STAYS, "DROP FUNCTION trading_states_stay() CASCADE;"),
        migrations.RunSQL(GRANTS, migrations.RunSQL.noop),
    ]
