"""What a strategy trades is known apart from its prices: of the same legs on the same day only one is marked."""

import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations, models


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
        ("strategies", "0010_newest_run_stands"),
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
            name="legs_hash",
            field=models.CharField(
                blank=True,
                db_default="",
                help_text="of the contracts, sides and ratios alone, whatever they cost; empty when typed in by hand",
                max_length=64,
            ),
        ),
        migrations.AddField(
            model_name="optionstrategyevent",
            name="legs_hash",
            field=models.CharField(
                blank=True,
                db_default="",
                help_text="of the contracts, sides and ratios alone, whatever they cost; empty when typed in by hand",
                max_length=64,
            ),
        ),
        migrations.AddIndex(
            model_name="optionstrategy",
            index=models.Index(fields=["legs_hash", "trade_date"], name="strategies_legs_idx"),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="optionstrategy",
            trigger=pgtrigger.compiler.Trigger(
                name="insert_insert",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func='INSERT INTO "strategies_optionstrategyevent" ("approved_hash", "changed_by", "component_scores", "content_hash", "conviction_level", "created_at", "executed_at", "execution_detail", "execution_notes", "execution_priority", "execution_status", "expected_profit", "expiry", "generated_on", "id", "legs_hash", "lot_size", "marked_at", "marked_for_execution", "market_outlook", "max_loss", "net_premium", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "probability_of_profit", "risk_profile", "run_id", "sets", "spot_price", "stock_name", "strategy_name", "strategy_type", "structure", "superseded_by_id", "total_score", "trade_date", "unlimited_loss", "unlimited_profit") VALUES (NEW."approved_hash", NEW."changed_by", NEW."component_scores", NEW."content_hash", NEW."conviction_level", NEW."created_at", NEW."executed_at", NEW."execution_detail", NEW."execution_notes", NEW."execution_priority", NEW."execution_status", NEW."expected_profit", NEW."expiry", NEW."generated_on", NEW."id", NEW."legs_hash", NEW."lot_size", NEW."marked_at", NEW."marked_for_execution", NEW."market_outlook", NEW."max_loss", NEW."net_premium", _pgh_attach_context(), NOW(), \'insert\', NEW."id", NEW."probability_of_profit", NEW."risk_profile", NEW."run_id", NEW."sets", NEW."spot_price", NEW."stock_name", NEW."strategy_name", NEW."strategy_type", NEW."structure", NEW."superseded_by_id", NEW."total_score", NEW."trade_date", NEW."unlimited_loss", NEW."unlimited_profit"); RETURN NULL;',
                    hash="99d12829c7e9ffb18a4f7876bc55beae17dbf14b",
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
                    func='INSERT INTO "strategies_optionstrategyevent" ("approved_hash", "changed_by", "component_scores", "content_hash", "conviction_level", "created_at", "executed_at", "execution_detail", "execution_notes", "execution_priority", "execution_status", "expected_profit", "expiry", "generated_on", "id", "legs_hash", "lot_size", "marked_at", "marked_for_execution", "market_outlook", "max_loss", "net_premium", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "probability_of_profit", "risk_profile", "run_id", "sets", "spot_price", "stock_name", "strategy_name", "strategy_type", "structure", "superseded_by_id", "total_score", "trade_date", "unlimited_loss", "unlimited_profit") VALUES (NEW."approved_hash", NEW."changed_by", NEW."component_scores", NEW."content_hash", NEW."conviction_level", NEW."created_at", NEW."executed_at", NEW."execution_detail", NEW."execution_notes", NEW."execution_priority", NEW."execution_status", NEW."expected_profit", NEW."expiry", NEW."generated_on", NEW."id", NEW."legs_hash", NEW."lot_size", NEW."marked_at", NEW."marked_for_execution", NEW."market_outlook", NEW."max_loss", NEW."net_premium", _pgh_attach_context(), NOW(), \'update\', NEW."id", NEW."probability_of_profit", NEW."risk_profile", NEW."run_id", NEW."sets", NEW."spot_price", NEW."stock_name", NEW."strategy_name", NEW."strategy_type", NEW."structure", NEW."superseded_by_id", NEW."total_score", NEW."trade_date", NEW."unlimited_loss", NEW."unlimited_profit"); RETURN NULL;',
                    hash="973e0819b7c96fe81811050f73d917c77279f1d9",
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
                    func='INSERT INTO "strategies_optionstrategyevent" ("approved_hash", "changed_by", "component_scores", "content_hash", "conviction_level", "created_at", "executed_at", "execution_detail", "execution_notes", "execution_priority", "execution_status", "expected_profit", "expiry", "generated_on", "id", "legs_hash", "lot_size", "marked_at", "marked_for_execution", "market_outlook", "max_loss", "net_premium", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "probability_of_profit", "risk_profile", "run_id", "sets", "spot_price", "stock_name", "strategy_name", "strategy_type", "structure", "superseded_by_id", "total_score", "trade_date", "unlimited_loss", "unlimited_profit") VALUES (OLD."approved_hash", OLD."changed_by", OLD."component_scores", OLD."content_hash", OLD."conviction_level", OLD."created_at", OLD."executed_at", OLD."execution_detail", OLD."execution_notes", OLD."execution_priority", OLD."execution_status", OLD."expected_profit", OLD."expiry", OLD."generated_on", OLD."id", OLD."legs_hash", OLD."lot_size", OLD."marked_at", OLD."marked_for_execution", OLD."market_outlook", OLD."max_loss", OLD."net_premium", _pgh_attach_context(), NOW(), \'delete\', OLD."id", OLD."probability_of_profit", OLD."risk_profile", OLD."run_id", OLD."sets", OLD."spot_price", OLD."stock_name", OLD."strategy_name", OLD."strategy_type", OLD."structure", OLD."superseded_by_id", OLD."total_score", OLD."trade_date", OLD."unlimited_loss", OLD."unlimited_profit"); RETURN NULL;',
                    hash="44a7186348c2eaf93fd88eaec94140b3f26a5aec",
                    operation="DELETE",
                    pgid="pgtrigger_delete_delete_cc238",
                    table="strategies",
                    when="AFTER",
                ),
            ),
        ),
        migrations.RunSQL(DEFINER, migrations.RunSQL.noop),
    ]
