"""The transition table in the database, who changed what, and the queue view."""

from django.db import migrations

GUARD = """
CREATE FUNCTION strategies_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.trade_date := (NEW.generated_on AT TIME ZONE 'Asia/Kolkata')::date;
    NEW.changed_by := coalesce(nullif(current_setting('optionsv4.actor', true), ''), session_user);
    IF TG_OP = 'INSERT' THEN
        IF NEW.execution_status <> 'pending' THEN
            RAISE EXCEPTION 'a new strategy starts as pending, not %', NEW.execution_status
                USING ERRCODE = 'check_violation', CONSTRAINT = 'strategies_transition';
        END IF;
        RETURN NEW;
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
        IF NEW.execution_status = 'marked' THEN
            NEW.marked_at := now();
            NEW.approved_hash := NEW.content_hash;
        END IF;
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER strategies_guard BEFORE INSERT OR UPDATE ON strategies
    FOR EACH ROW EXECUTE FUNCTION strategies_guard();
"""

QUEUE = """
CREATE VIEW v_execution_queue AS
SELECT id, stock_name, strategy_name, total_score, conviction_level, marked_for_execution,
       execution_priority, execution_status, execution_notes
FROM strategies
WHERE marked_for_execution AND execution_status = 'marked' AND execution_priority > 0
ORDER BY execution_priority DESC, total_score DESC, id;
"""


class Migration(migrations.Migration):
    dependencies = [("strategies", "0001_initial")]

    operations = [
        migrations.RunSQL(GUARD, "DROP TRIGGER strategies_guard ON strategies; DROP FUNCTION strategies_guard();"),
        migrations.RunSQL(QUEUE, "DROP VIEW v_execution_queue;"),
    ]
