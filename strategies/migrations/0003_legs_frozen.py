"""What was reviewed is what trades: legs change only while their strategy is pending."""

from django.db import migrations

FROZEN = """
CREATE FUNCTION strategy_details_frozen() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE status text;
BEGIN
    SELECT execution_status INTO status FROM strategies WHERE id = OLD.strategy_id;
    IF status <> 'pending' THEN
        RAISE EXCEPTION 'legs of strategy % may not change: it is %', OLD.strategy_id, status
            USING ERRCODE = 'check_violation', CONSTRAINT = 'strategy_details_frozen', HINT = 'unmark it first';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER strategy_details_frozen BEFORE UPDATE ON strategy_details
    FOR EACH ROW EXECUTE FUNCTION strategy_details_frozen();
"""


class Migration(migrations.Migration):
    dependencies = [("strategies", "0002_transition_guard_and_queue")]

    operations = [
        migrations.RunSQL(
            FROZEN, "DROP TRIGGER strategy_details_frozen ON strategy_details; DROP FUNCTION strategy_details_frozen();"
        )
    ]
