"""What was reviewed is what trades: no leg is added, changed or removed once its strategy is marked."""

from django.db import migrations

FROZEN = """
CREATE OR REPLACE FUNCTION strategy_details_frozen() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    parent bigint := CASE WHEN TG_OP = 'INSERT' THEN NEW.strategy_id ELSE OLD.strategy_id END;
    status text;
BEGIN
    SELECT execution_status INTO status FROM strategies WHERE id = parent;
    IF status <> 'pending' THEN
        RAISE EXCEPTION 'legs of strategy % may not change: it is %', parent, status
            USING ERRCODE = 'check_violation', CONSTRAINT = 'strategy_details_frozen', HINT = 'unmark it first';
    END IF;
    RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
END $$;

DROP TRIGGER strategy_details_frozen ON strategy_details;
CREATE TRIGGER strategy_details_frozen BEFORE INSERT OR UPDATE OR DELETE ON strategy_details
    FOR EACH ROW EXECUTE FUNCTION strategy_details_frozen();
"""


class Migration(migrations.Migration):
    dependencies = [("strategies", "0004_people_may_only_mark")]

    operations = [migrations.RunSQL(FROZEN, migrations.RunSQL.noop)]
