"""`options_desk`: the SQL role people are given. It reads the contract tables and may mark; the triggers watch it."""

from django.db import migrations

ROLE = """
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'options_desk') THEN
        CREATE ROLE options_desk LOGIN;
        ALTER ROLE options_desk SET timezone = 'Asia/Kolkata';
    END IF;
EXCEPTION
    WHEN duplicate_object OR unique_violation THEN NULL;  -- another database of this cluster made it just now
    WHEN insufficient_privilege THEN
        RAISE EXCEPTION 'this database user may not create roles'
            USING HINT = 'have an administrator run: CREATE ROLE options_desk LOGIN';
END $$;
"""

GRANTS = """
GRANT USAGE ON SCHEMA public TO options_desk;
GRANT SELECT ON strategies, strategy_details, strategy_parameters, strategy_exit_levels,
    industry_allocations_current, sector_allocations_current, stock_data, option_chain_data,
    api_scrip_master, trades, v_execution_queue, v_positions TO options_desk;
GRANT UPDATE (marked_for_execution, execution_status, execution_priority, execution_notes)
    ON strategies TO options_desk;
"""

# History is written by the triggers as the tables' owner: the role needs no right to write it, and has none.
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
        ("execution", "0002_positions_view"),
        ("strategies", "0002_transition_guard_and_queue"),
        ("allocation", "0001_initial"),
        ("market", "0001_initial"),
    ]

    operations = [
        migrations.RunSQL(ROLE, migrations.RunSQL.noop),
        migrations.RunSQL(GRANTS, "DROP OWNED BY options_desk;"),
        migrations.RunSQL(DEFINER, migrations.RunSQL.noop),
    ]
