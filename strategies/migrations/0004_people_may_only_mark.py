"""Who may move a strategy where: people's SQL marks and unmarks, the program does the rest, and nobody signs as another."""

from django.db import migrations

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


class Migration(migrations.Migration):
    dependencies = [("strategies", "0003_legs_frozen")]

    operations = [
        migrations.RunSQL(GUARD, migrations.RunSQL.noop),
        migrations.RunSQL(
            "ALTER TABLE strategies ADD CONSTRAINT strategies_execution_notes_bounded "
            "CHECK (char_length(execution_notes) <= 100000)",
            "ALTER TABLE strategies DROP CONSTRAINT strategies_execution_notes_bounded",
        ),
    ]
