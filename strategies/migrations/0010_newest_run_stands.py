"""A later run of the same symbol, day and risk profile replaces what an earlier one left pending, which stays to read."""

import django.db.models.deletion
import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations, models


GUARD = """
CREATE OR REPLACE FUNCTION strategies_guard() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    -- The program acts as the table's owner (or a superuser); everybody else is a person with SQL.
    is_program boolean := pg_has_role(current_user, (SELECT relowner FROM pg_class WHERE oid = TG_RELID), 'MEMBER');
BEGIN
    NEW.trade_date := (NEW.generated_on AT TIME ZONE 'Asia/Kolkata')::date;
    IF is_program THEN
        NEW.changed_by := coalesce(nullif(current_setting('optionsv4.actor', true), ''), session_user);
    ELSE
        NEW.changed_by := current_user;
    END IF;
    IF TG_OP = 'UPDATE' AND OLD.execution_status = 'marked' AND NEW.execution_status = 'marked'
        AND NEW.superseded_by_id IS DISTINCT FROM OLD.superseded_by_id THEN
        NEW.changed_by := OLD.changed_by;  -- a later run says something of the row: who marked it stays
    END IF;
    IF TG_OP = 'INSERT' THEN
        IF NEW.execution_status <> 'pending' THEN
            RAISE EXCEPTION 'a new strategy starts as pending, not %', NEW.execution_status
                USING ERRCODE = 'check_violation', CONSTRAINT = 'strategies_transition';
        END IF;
        RETURN NEW;
    END IF;
    IF NOT is_program AND NEW.execution_priority > 10 THEN
        RAISE EXCEPTION 'priority % is outside the scale 1-10', NEW.execution_priority
            USING ERRCODE = 'check_violation', CONSTRAINT = 'strategies_priority_of_people';
    END IF;
    IF NEW.execution_status IS DISTINCT FROM OLD.execution_status THEN
        IF (OLD.execution_status, NEW.execution_status) NOT IN (
            ('pending', 'marked'), ('marked', 'pending'), ('marked', 'executing'),
            ('executing', 'executed'), ('executing', 'failed')
        ) THEN
            RAISE EXCEPTION 'strategy % may not go from % to %', OLD.id, OLD.execution_status, NEW.execution_status
                USING ERRCODE = 'check_violation', CONSTRAINT = 'strategies_transition',
                      HINT = 'legal: pending to marked and back, marked to executing, executing to executed or failed';
        END IF;
        IF NOT is_program AND NEW.execution_status NOT IN ('pending', 'marked') THEN
            RAISE EXCEPTION 'only the executor moves strategy % to %', OLD.id, NEW.execution_status
                USING ERRCODE = 'check_violation', CONSTRAINT = 'strategies_transition',
                      HINT = 'SQL may mark and unmark';
        END IF;
        IF NEW.execution_status = 'marked' THEN
            IF NEW.superseded_by_id IS NOT NULL THEN
                RAISE EXCEPTION 'strategy % was superseded by generation run %', OLD.id, NEW.superseded_by_id
                    USING ERRCODE = 'check_violation', CONSTRAINT = 'strategies_superseded',
                          HINT = 'its numbers are old: mark a strategy of the newest run';
            END IF;
            NEW.marked_at := now();
            NEW.approved_hash := NEW.content_hash;
        END IF;
    ELSIF NOT is_program AND OLD.execution_status NOT IN ('pending', 'marked') THEN
        RAISE EXCEPTION 'strategy % is %: SQL may change it no more', OLD.id, OLD.execution_status
            USING ERRCODE = 'check_violation', CONSTRAINT = 'strategies_transition';
    END IF;
    RETURN NEW;
END $$;
"""

OLD_GUARD = """
CREATE OR REPLACE FUNCTION strategies_guard() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    -- The program acts as the table's owner (or a superuser); everybody else is a person with SQL.
    is_program boolean := pg_has_role(current_user, (SELECT relowner FROM pg_class WHERE oid = TG_RELID), 'MEMBER');
BEGIN
    NEW.trade_date := (NEW.generated_on AT TIME ZONE 'Asia/Kolkata')::date;
    IF is_program THEN
        NEW.changed_by := coalesce(nullif(current_setting('optionsv4.actor', true), ''), session_user);
    ELSE
        NEW.changed_by := current_user;
    END IF;
    IF TG_OP = 'INSERT' THEN
        IF NEW.execution_status <> 'pending' THEN
            RAISE EXCEPTION 'a new strategy starts as pending, not %', NEW.execution_status
                USING ERRCODE = 'check_violation', CONSTRAINT = 'strategies_transition';
        END IF;
        RETURN NEW;
    END IF;
    IF NOT is_program AND NEW.execution_priority > 10 THEN
        RAISE EXCEPTION 'priority % is outside the scale 1-10', NEW.execution_priority
            USING ERRCODE = 'check_violation', CONSTRAINT = 'strategies_priority_of_people';
    END IF;
    IF NEW.execution_status IS DISTINCT FROM OLD.execution_status THEN
        IF (OLD.execution_status, NEW.execution_status) NOT IN (
            ('pending', 'marked'), ('marked', 'pending'), ('marked', 'executing'),
            ('executing', 'executed'), ('executing', 'failed')
        ) THEN
            RAISE EXCEPTION 'strategy % may not go from % to %', OLD.id, OLD.execution_status, NEW.execution_status
                USING ERRCODE = 'check_violation', CONSTRAINT = 'strategies_transition',
                      HINT = 'legal: pending to marked and back, marked to executing, executing to executed or failed';
        END IF;
        IF NOT is_program AND NEW.execution_status NOT IN ('pending', 'marked') THEN
            RAISE EXCEPTION 'only the executor moves strategy % to %', OLD.id, NEW.execution_status
                USING ERRCODE = 'check_violation', CONSTRAINT = 'strategies_transition',
                      HINT = 'SQL may mark and unmark';
        END IF;
        IF NEW.execution_status = 'marked' THEN
            NEW.marked_at := now();
            NEW.approved_hash := NEW.content_hash;
        END IF;
    ELSIF NOT is_program AND OLD.execution_status NOT IN ('pending', 'marked') THEN
        RAISE EXCEPTION 'strategy % is %: SQL may change it no more', OLD.id, OLD.execution_status
            USING ERRCODE = 'check_violation', CONSTRAINT = 'strategies_transition';
    END IF;
    RETURN NEW;
END $$;
"""

# pghistory's triggers were made anew: they write history as the tables' owner, like before, whoever marks.
DEFINER = """
DO $$
DECLARE f regprocedure;
BEGIN
    FOR f IN
        SELECT p.oid::regprocedure FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
        WHERE t.tgrelid = 'strategies'::regclass AND NOT t.tgisinternal AND p.proname LIKE 'pgtrigger%'
    LOOP
        EXECUTE format('ALTER FUNCTION %s SECURITY DEFINER SET search_path = public, pg_temp', f);
    END LOOP;
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("strategies", "0009_exit_rows_and_surroundings"),
    ]

    operations = [
        pgtrigger.migrations.RemoveTrigger(
            model_name="optionstrategy",
            name="insert_insert",
        ),
        pgtrigger.migrations.RemoveTrigger(
            model_name="optionstrategy",
            name="update_update",
        ),
        pgtrigger.migrations.RemoveTrigger(
            model_name="optionstrategy",
            name="delete_delete",
        ),
        migrations.AddField(
            model_name="optionstrategy",
            name="superseded_by",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                help_text="the later run that answered for this symbol, day and risk profile: it may not be marked any more",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="superseded",
                to="strategies.generationrun",
            ),
        ),
        migrations.AddField(
            model_name="optionstrategyevent",
            name="superseded_by",
            field=models.ForeignKey(
                blank=True,
                db_constraint=False,
                help_text="the later run that answered for this symbol, day and risk profile: it may not be marked any more",
                null=True,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="+",
                related_query_name="+",
                to="strategies.generationrun",
            ),
        ),
        migrations.AlterField(
            model_name="optionstrategy",
            name="content_hash",
            field=models.CharField(
                blank=True,
                db_default="",
                help_text="of all that was computed and stored with it; empty when typed in by hand",
                max_length=64,
            ),
        ),
        migrations.AlterField(
            model_name="optionstrategyevent",
            name="content_hash",
            field=models.CharField(
                blank=True,
                db_default="",
                help_text="of all that was computed and stored with it; empty when typed in by hand",
                max_length=64,
            ),
        ),
        migrations.AddIndex(
            model_name="generationrun",
            index=models.Index(fields=["as_of"], name="generation_runs_as_of_idx"),
        ),
        migrations.AddIndex(
            model_name="optionstrategy",
            index=models.Index(
                condition=models.Q(("superseded_by__isnull", True)),
                fields=["stock_name", "trade_date"],
                name="strategies_standing_idx",
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="optionstrategy",
            trigger=pgtrigger.compiler.Trigger(
                name="insert_insert",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func='INSERT INTO "strategies_optionstrategyevent" ("approved_hash", "changed_by", "component_scores", "content_hash", "conviction_level", "created_at", "executed_at", "execution_detail", "execution_notes", "execution_priority", "execution_status", "expected_profit", "expiry", "generated_on", "id", "lot_size", "marked_at", "marked_for_execution", "market_outlook", "max_loss", "net_premium", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "probability_of_profit", "risk_profile", "run_id", "sets", "spot_price", "stock_name", "strategy_name", "strategy_type", "structure", "superseded_by_id", "total_score", "trade_date", "unlimited_loss", "unlimited_profit") VALUES (NEW."approved_hash", NEW."changed_by", NEW."component_scores", NEW."content_hash", NEW."conviction_level", NEW."created_at", NEW."executed_at", NEW."execution_detail", NEW."execution_notes", NEW."execution_priority", NEW."execution_status", NEW."expected_profit", NEW."expiry", NEW."generated_on", NEW."id", NEW."lot_size", NEW."marked_at", NEW."marked_for_execution", NEW."market_outlook", NEW."max_loss", NEW."net_premium", _pgh_attach_context(), NOW(), \'insert\', NEW."id", NEW."probability_of_profit", NEW."risk_profile", NEW."run_id", NEW."sets", NEW."spot_price", NEW."stock_name", NEW."strategy_name", NEW."strategy_type", NEW."structure", NEW."superseded_by_id", NEW."total_score", NEW."trade_date", NEW."unlimited_loss", NEW."unlimited_profit"); RETURN NULL;',
                    hash="1ab99c14f666f81ac211ac181d6c6f0cdf4ee8ff",
                    operation="INSERT",
                    pgid="pgtrigger_insert_insert_dbbc0",
                    table="strategies",
                    when="AFTER",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="optionstrategy",
            trigger=pgtrigger.compiler.Trigger(
                name="update_update",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    condition="WHEN (OLD.* IS DISTINCT FROM NEW.*)",
                    func='INSERT INTO "strategies_optionstrategyevent" ("approved_hash", "changed_by", "component_scores", "content_hash", "conviction_level", "created_at", "executed_at", "execution_detail", "execution_notes", "execution_priority", "execution_status", "expected_profit", "expiry", "generated_on", "id", "lot_size", "marked_at", "marked_for_execution", "market_outlook", "max_loss", "net_premium", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "probability_of_profit", "risk_profile", "run_id", "sets", "spot_price", "stock_name", "strategy_name", "strategy_type", "structure", "superseded_by_id", "total_score", "trade_date", "unlimited_loss", "unlimited_profit") VALUES (NEW."approved_hash", NEW."changed_by", NEW."component_scores", NEW."content_hash", NEW."conviction_level", NEW."created_at", NEW."executed_at", NEW."execution_detail", NEW."execution_notes", NEW."execution_priority", NEW."execution_status", NEW."expected_profit", NEW."expiry", NEW."generated_on", NEW."id", NEW."lot_size", NEW."marked_at", NEW."marked_for_execution", NEW."market_outlook", NEW."max_loss", NEW."net_premium", _pgh_attach_context(), NOW(), \'update\', NEW."id", NEW."probability_of_profit", NEW."risk_profile", NEW."run_id", NEW."sets", NEW."spot_price", NEW."stock_name", NEW."strategy_name", NEW."strategy_type", NEW."structure", NEW."superseded_by_id", NEW."total_score", NEW."trade_date", NEW."unlimited_loss", NEW."unlimited_profit"); RETURN NULL;',
                    hash="ebd438f929e861caad01fe36fc81fa6aa301ed2d",
                    operation="UPDATE",
                    pgid="pgtrigger_update_update_665e8",
                    table="strategies",
                    when="AFTER",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="optionstrategy",
            trigger=pgtrigger.compiler.Trigger(
                name="delete_delete",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func='INSERT INTO "strategies_optionstrategyevent" ("approved_hash", "changed_by", "component_scores", "content_hash", "conviction_level", "created_at", "executed_at", "execution_detail", "execution_notes", "execution_priority", "execution_status", "expected_profit", "expiry", "generated_on", "id", "lot_size", "marked_at", "marked_for_execution", "market_outlook", "max_loss", "net_premium", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "probability_of_profit", "risk_profile", "run_id", "sets", "spot_price", "stock_name", "strategy_name", "strategy_type", "structure", "superseded_by_id", "total_score", "trade_date", "unlimited_loss", "unlimited_profit") VALUES (OLD."approved_hash", OLD."changed_by", OLD."component_scores", OLD."content_hash", OLD."conviction_level", OLD."created_at", OLD."executed_at", OLD."execution_detail", OLD."execution_notes", OLD."execution_priority", OLD."execution_status", OLD."expected_profit", OLD."expiry", OLD."generated_on", OLD."id", OLD."lot_size", OLD."marked_at", OLD."marked_for_execution", OLD."market_outlook", OLD."max_loss", OLD."net_premium", _pgh_attach_context(), NOW(), \'delete\', OLD."id", OLD."probability_of_profit", OLD."risk_profile", OLD."run_id", OLD."sets", OLD."spot_price", OLD."stock_name", OLD."strategy_name", OLD."strategy_type", OLD."structure", OLD."superseded_by_id", OLD."total_score", OLD."trade_date", OLD."unlimited_loss", OLD."unlimited_profit"); RETURN NULL;',
                    hash="47944ac001937870d12035bada927e11cc44fd30",
                    operation="DELETE",
                    pgid="pgtrigger_delete_delete_cc238",
                    table="strategies",
                    when="AFTER",
                ),
            ),
        ),
        migrations.RunSQL(GUARD, OLD_GUARD),
        migrations.RunSQL(DEFINER, migrations.RunSQL.noop),
    ]
