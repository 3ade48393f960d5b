"""What a run set out to do does not change, and no order of it goes beyond it or closes more than is held."""

from django.db import migrations

WITHIN = """
CREATE FUNCTION leg_orders_within_intention() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    meant jsonb;
    wanted jsonb;
    held bigint;
    under_way bigint;
    room bigint;
BEGIN
    SELECT intended INTO meant FROM execution_runs WHERE id = NEW.run_id;
    IF jsonb_array_length(meant) = 0 THEN
        RETURN NEW;  -- nothing was resolved: the executor has nothing to send for such a run
    END IF;
    SELECT one INTO wanted FROM jsonb_array_elements(meant) AS one WHERE (one ->> 'row')::bigint = NEW.leg_id;
    IF wanted IS NULL THEN
        RAISE EXCEPTION 'run % was not to trade leg %', NEW.run_id, NEW.leg_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'leg_orders_within_intention';
    END IF;
    SELECT coalesce(sum(CASE WHEN side = wanted ->> 'side' THEN filled_quantity ELSE -filled_quantity END), 0),
           coalesce(sum(CASE WHEN side = NEW.side AND state IN
               ('intent', 'sending', 'unknown', 'acked', 'working', 'part', 'pending_cancel')
               THEN quantity - filled_quantity ELSE 0 END), 0)
      INTO held, under_way FROM leg_orders WHERE run_id = NEW.run_id AND leg_id = NEW.leg_id;
    room := CASE WHEN NEW.side = wanted ->> 'side' THEN (wanted ->> 'quantity')::bigint - held ELSE held END;
    IF under_way + NEW.quantity > room THEN
        RAISE EXCEPTION 'order for % units of leg % of run %: only % may still be sent',
            NEW.quantity, NEW.leg_id, NEW.run_id, greatest(room - under_way, 0)
            USING ERRCODE = 'check_violation', CONSTRAINT = 'leg_orders_within_intention';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER leg_orders_within_intention BEFORE INSERT ON leg_orders
    FOR EACH ROW EXECUTE FUNCTION leg_orders_within_intention();

CREATE FUNCTION execution_runs_intention_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'what run % set out to do may not change', OLD.id
        USING ERRCODE = 'check_violation', CONSTRAINT = 'execution_runs_intention_kept';
END $$;

CREATE TRIGGER execution_runs_intention_kept BEFORE UPDATE ON execution_runs
    FOR EACH ROW WHEN (
        OLD.intended IS DISTINCT FROM NEW.intended OR OLD.opening IS DISTINCT FROM NEW.opening
        OR OLD.plan_hash IS DISTINCT FROM NEW.plan_hash
    ) EXECUTE FUNCTION execution_runs_intention_kept();
"""

UNDO = """
DROP TRIGGER leg_orders_within_intention ON leg_orders;
DROP FUNCTION leg_orders_within_intention();
DROP TRIGGER execution_runs_intention_kept ON execution_runs;
DROP FUNCTION execution_runs_intention_kept();
"""


class Migration(migrations.Migration):
    dependencies = [("execution", "0009_arming_and_stops")]

    operations = [migrations.RunSQL(WITHIN, UNDO)]
