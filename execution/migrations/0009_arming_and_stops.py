"""Arming of live trading by two persons, and stops that rest at the broker."""

import datetime as dt
import django.db.models.deletion
import django.db.models.expressions
import django.db.models.functions.datetime
from decimal import Decimal
from django.db import migrations, models

# What was armed was armed under these limits, with this token, and nobody had pulled the switch: any of it ends it.
DISARM = """
CREATE FUNCTION disarm_live(which bigint, why text) RETURNS void LANGUAGE sql
SECURITY DEFINER SET search_path = public, pg_temp AS $$
    UPDATE live_armings
       SET disarmed_at = clock_timestamp(), disarmed_by = 'system', reason = why
     WHERE disarmed_at IS NULL AND (which IS NULL OR account_id = which);
$$;
REVOKE EXECUTE ON FUNCTION disarm_live FROM PUBLIC;

CREATE FUNCTION disarm_live_here() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM disarm_live((coalesce(to_jsonb(NEW), to_jsonb(OLD)) ->> TG_ARGV[0])::bigint, TG_ARGV[1]);
    RETURN NULL;
END $$;

CREATE TRIGGER disarm_live_on_halt AFTER INSERT OR UPDATE ON trading_states
    FOR EACH ROW WHEN (NEW.state = 'HALTED')
    EXECUTE FUNCTION disarm_live_here('account_id', 'The account was halted.');
CREATE TRIGGER disarm_live_on_limits AFTER INSERT OR UPDATE OR DELETE ON risk_limits
    FOR EACH ROW EXECUTE FUNCTION disarm_live_here('account_id', 'The limits of the account were changed.');
CREATE TRIGGER disarm_live_on_account AFTER UPDATE ON accounts
    FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*)
    EXECUTE FUNCTION disarm_live_here('id', 'The account and its own limits were changed.');
-- A token belongs to a client, not to an account: whoever is armed is armed anew.
CREATE TRIGGER disarm_live_on_token AFTER UPDATE ON broker_access
    FOR EACH ROW WHEN (OLD.generation IS DISTINCT FROM NEW.generation)
    EXECUTE FUNCTION disarm_live_here('no_account', 'The access token was changed.');
"""
REARM = """
DROP TRIGGER disarm_live_on_halt ON trading_states;
DROP TRIGGER disarm_live_on_limits ON risk_limits;
DROP TRIGGER disarm_live_on_account ON accounts;
DROP TRIGGER disarm_live_on_token ON broker_access;
DROP FUNCTION disarm_live_here();
DROP FUNCTION disarm_live(bigint, text);
"""

AUDIT = """
SELECT audit_watch('live_armings', 'arming', ARRAY[
    'confirmed_by', 'account_id', 'day', 'armed_by', 'shown_hash', 'client_id', 'code_version', 'disarmed_at',
    'disarmed_by', 'reason'
]);
SELECT audit_watch('resident_stops', 'stop', ARRAY[
    'state', 'account_id', 'strategy_id', 'leg_id', 'quantity', 'trigger_price', 'limit_price', 'correlation_id',
    'broker_order_id', 'asked_by', 'reason_code', 'exit_code'
]);
"""

# Who may open the broker is a decision; the token itself never leaves its table.
ACCESS = """
SELECT audit_watch('broker_access', 'broker_access', ARRAY[
    'generation', 'client_id', 'last_four', 'expires_at', 'stored_at', 'refresh_tried_at'
]);
"""
UNWATCH = """
DROP TRIGGER audit_watch ON broker_access;
DROP TRIGGER audit_watch_changes ON broker_access;
DROP TRIGGER audit_watch_truncation ON broker_access;
"""

# What the checks said stays as it was said; a strategy or a run that is removed only leaves its answers without a name.
KEPT = """
CREATE TRIGGER check_answers_frozen BEFORE UPDATE ON check_answers FOR EACH ROW
    WHEN ((OLD.id, OLD.account_id, OLD.code, OLD.reason_code, OLD.passed, OLD.sentence, OLD.numbers, OLD.purpose,
           OLD.at, OLD.created_at)
        IS DISTINCT FROM (NEW.id, NEW.account_id, NEW.code, NEW.reason_code, NEW.passed, NEW.sentence, NEW.numbers,
           NEW.purpose, NEW.at, NEW.created_at)
        OR (NEW.strategy_id IS NOT NULL AND NEW.strategy_id IS DISTINCT FROM OLD.strategy_id)
        OR (NEW.run_id IS NOT NULL AND NEW.run_id IS DISTINCT FROM OLD.run_id))
    EXECUTE FUNCTION refused('check_answers_kept', 'answers of the checks are never changed', 'ask the checks again');
CREATE TRIGGER check_answers_kept BEFORE DELETE ON check_answers FOR EACH ROW
    EXECUTE FUNCTION refused('check_answers_kept', 'answers of the checks are never removed', 'filter them out');
"""
UNKEPT = "DROP TRIGGER check_answers_frozen ON check_answers; DROP TRIGGER check_answers_kept ON check_answers;"

GRANTS = "GRANT SELECT ON live_armings, resident_stops TO options_desk;"


class Migration(migrations.Migration):
    dependencies = [
        ("allocation", "0002_paper_account"),
        ("execution", "0008_paper_book"),
        ("strategies", "0005_legs_frozen_whole"),
    ]

    operations = [
        migrations.AddField(
            model_name="alert",
            name="reminded_at",
            field=models.DateTimeField(blank=True, help_text="when it was last said again", null=True),
        ),
        migrations.CreateModel(
            name="LiveArming",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("day", models.DateField(help_text="the IST day it is good for; it ends with that day's session")),
                ("armed_by", models.CharField(max_length=80)),
                (
                    "armed_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(),
                        help_text="by the database's clock, as are the other moments",
                    ),
                ),
                ("confirmed_by", models.CharField(blank=True, max_length=80)),
                ("confirmed_at", models.DateTimeField(blank=True, null=True)),
                ("shown_hash", models.CharField(help_text="of what both were shown", max_length=64)),
                ("client_id", models.CharField(help_text="whose money it is", max_length=20)),
                (
                    "code_version",
                    models.CharField(help_text="another one trades only after it was armed anew", max_length=40),
                ),
                ("disarmed_at", models.DateTimeField(blank=True, null=True)),
                ("disarmed_by", models.CharField(blank=True, max_length=80)),
                ("reason", models.TextField(blank=True, help_text="why it was disarmed")),
                (
                    "account",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="armings", to="allocation.account"
                    ),
                ),
            ],
            options={
                "db_table": "live_armings",
                "ordering": ["-id"],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("disarmed_at__isnull", True)),
                        fields=("account", "day"),
                        name="live_armings_one_standing",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("confirmed_at__isnull", True), ("confirmed_by", "")),
                            models.Q(("confirmed_at__isnull", False), models.Q(("confirmed_by", ""), _negated=True)),
                            _connector="OR",
                        ),
                        name="live_armings_confirmed_by_somebody",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("armed_by", ""), _negated=True),
                            models.Q(("confirmed_by", models.F("armed_by")), _negated=True),
                        ),
                        name="live_armings_two_persons",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("confirmed_at__isnull", True),
                            models.Q(
                                ("confirmed_at__gte", models.F("armed_at")),
                                (
                                    "confirmed_at__lte",
                                    django.db.models.expressions.CombinedExpression(
                                        models.F("armed_at"), "+", models.Value(dt.timedelta(seconds=600))
                                    ),
                                ),
                            ),
                            _connector="OR",
                        ),
                        name="live_armings_confirmed_in_time",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("disarmed_at__isnull", True), models.Q(("reason", ""), _negated=True), _connector="OR"
                        ),
                        name="live_armings_disarmed_with_a_reason",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("shown_hash__regex", "^[0-9a-f]{64}$")), name="live_armings_hash_whole"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="ResidentStop",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("wanted", "Wanted"),
                            ("placing", "Placing"),
                            ("placed", "Placed"),
                            ("cancelling", "Cancelling"),
                            ("cancelled", "Cancelled"),
                            ("triggered", "Triggered"),
                            ("done", "Done"),
                            ("failed", "Failed"),
                        ],
                        default="wanted",
                        max_length=12,
                    ),
                ),
                ("quantity", models.PositiveIntegerField(help_text="units to buy back")),
                ("trigger_price", models.DecimalField(decimal_places=4, max_digits=14)),
                ("limit_price", models.DecimalField(decimal_places=4, max_digits=14)),
                ("segment", models.CharField(max_length=16)),
                ("security_id", models.CharField(max_length=20)),
                ("correlation_id", models.CharField(max_length=25, unique=True)),
                ("broker_order_id", models.CharField(blank=True, max_length=40)),
                ("asked_by", models.CharField(max_length=80)),
                ("asked_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("placed_at", models.DateTimeField(blank=True, help_text="market moment of the request", null=True)),
                (
                    "looked_at",
                    models.DateTimeField(
                        blank=True, help_text="when the broker's list was last read for it", null=True
                    ),
                ),
                (
                    "ended_at",
                    models.DateTimeField(blank=True, help_text="when the list first said that it is over", null=True),
                ),
                ("misses", models.PositiveSmallIntegerField(default=0, help_text="clean lists that did not know it")),
                (
                    "exit_purpose",
                    models.CharField(
                        blank=True,
                        choices=[("entry", "Entry"), ("exit", "Exit"), ("flatten", "Flatten")],
                        help_text="of the exit that waits",
                        max_length=10,
                    ),
                ),
                ("exit_code", models.CharField(blank=True, max_length=40)),
                ("exit_text", models.TextField(blank=True)),
                ("reason_code", models.CharField(blank=True, max_length=40)),
                ("note", models.TextField(blank=True)),
                (
                    "account",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="resident_stops",
                        to="allocation.account",
                    ),
                ),
                (
                    "leg",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="resident_stops",
                        to="strategies.strategyleg",
                    ),
                ),
                (
                    "strategy",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="resident_stops",
                        to="strategies.optionstrategy",
                    ),
                ),
            ],
            options={
                "db_table": "resident_stops",
                "ordering": ["-id"],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "state__in",
                                [
                                    *("wanted", "placing", "placed", "cancelling", "cancelled", "triggered"),
                                    *("done", "failed"),
                                ],
                            )
                        ),
                        name="resident_stops_state_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("exit_purpose__in", ["", "entry", "exit", "flatten"])),
                        name="resident_stops_exit_purpose_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("quantity__gte", 1), ("quantity__lte", 10000000)),
                        name="resident_stops_quantity_bounded",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("trigger_price__gte", Decimal("0.01")), ("trigger_price__lte", Decimal("10000000"))
                        ),
                        name="resident_stops_trigger_price_bounded",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("limit_price__gte", Decimal("0.01")), ("limit_price__lte", Decimal("10000000"))
                        ),
                        name="resident_stops_limit_price_bounded",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("limit_price__gte", models.F("trigger_price"))),
                        name="resident_stops_limit_beyond",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("correlation_id__regex", "^[A-Za-z0-9_-]{1,25}$")),
                        name="resident_stops_correlation_legal",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("state__in", ["wanted", "placing", "placed", "cancelling", "triggered"])),
                        fields=("account", "leg"),
                        name="resident_stops_one_standing",
                    ),
                ],
            },
        ),
        migrations.RunSQL(DISARM, REARM),
        migrations.RunSQL(AUDIT, migrations.RunSQL.noop),
        migrations.RunSQL(ACCESS, UNWATCH),
        migrations.RunSQL(KEPT, UNKEPT),
        migrations.RunSQL(GRANTS, migrations.RunSQL.noop),
    ]
