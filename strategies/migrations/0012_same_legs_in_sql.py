"""The same legs are refused to SQL as well, rows from before are given their key, and a part of a calibration is known."""

from importlib import import_module

from django.db import migrations, models

OLD_GUARD = import_module("strategies.migrations.0010_newest_run_stands").GUARD

GUARD = """
CREATE OR REPLACE FUNCTION strategies_guard() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    -- The program acts as the table's owner (or a superuser); everybody else is a person with SQL.
    is_program boolean := pg_has_role(current_user, (SELECT relowner FROM pg_class WHERE oid = TG_RELID), 'MEMBER');
    twin record;
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
    IF TG_OP = 'UPDATE' AND OLD.legs_hash = '' AND NEW.legs_hash <> ''
        AND NEW.execution_status = OLD.execution_status THEN
        NEW.changed_by := OLD.changed_by;  -- so does who did something last where only the key is filled in
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
            IF NEW.legs_hash <> '' THEN
                -- After the row, like marking.lock_rows: of two that are marked at once the second sees the first.
                PERFORM pg_advisory_xact_lock(hashtextextended('marking', 8));
                SELECT s.id, s.execution_status INTO twin FROM public.strategies s
                    WHERE s.legs_hash = NEW.legs_hash AND s.id <> NEW.id AND (
                        (s.execution_status = 'marked' AND s.trade_date = NEW.trade_date)
                        OR (s.execution_status IN ('executing', 'executed') AND s.execution_detail <> 'closed'))
                    ORDER BY s.id LIMIT 1;
                IF FOUND THEN
                    RAISE EXCEPTION 'strategy % has the same legs as strategy %, which is %',
                            OLD.id, twin.id, twin.execution_status
                        USING ERRCODE = 'check_violation', CONSTRAINT = 'strategies_same_legs',
                              HINT = 'unmark or close that one first, or choose other legs';
                END IF;
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

# What strategies.build.legs_key makes of the same legs.
BACKFILL = """
UPDATE strategies SET legs_hash = encode(sha256(convert_to(
    '[' || to_json(stock_name::text)::text || ',[' || own.legs || ']]', 'UTF8')), 'hex')
FROM (
    SELECT strategy_id, string_agg(
        format('["%s","%s","%s","%s","%s"]', expiry, strike, kind, setup_type, ratio), ','
        ORDER BY expiry COLLATE "C", strike COLLATE "C", kind COLLATE "C", setup_type COLLATE "C", ratio COLLATE "C"
    ) AS legs
    FROM (
        SELECT strategy_id, coalesce(to_char(expiry_date, 'YYYY-MM-DD'), '') AS expiry,
            coalesce(strike_price::numeric(14, 4)::text, '') AS strike,
            CASE option_type WHEN 'CE' THEN 'CALL' WHEN 'PE' THEN 'PUT' ELSE 'STOCK' END AS kind,
            setup_type::text AS setup_type, lots::text AS ratio
        FROM strategy_details
    ) leg
    GROUP BY strategy_id
) own
WHERE own.strategy_id = strategies.id AND strategies.legs_hash = '' AND strategies.content_hash <> '';
"""

# Whether earlier runs were limited is not recorded: all four archives settle chains of more than 200 underlyings.
WHOLE = """
UPDATE calibration_runs SET whole = true
WHERE archives = 'index-2019 stocks-2019 terms-2019 stocks-2026' AND symbols > 200 AND per_structure >= 8;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("strategies", "0011_same_legs"),
    ]

    operations = [
        migrations.AddField(
            model_name="calibrationrun",
            name="whole",
            field=models.BooleanField(
                db_default=False,
                default=False,
                help_text="all archives, all their underlyings, no fewer choices than usual: only such a run is shown "
                "and chooses the map",
            ),
        ),
        migrations.RunSQL(GUARD, OLD_GUARD),
        migrations.RunSQL(BACKFILL, migrations.RunSQL.noop),
        migrations.RunSQL(WHOLE, migrations.RunSQL.noop),
    ]
