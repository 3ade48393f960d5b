"""An append-only hash chain of every transition, and the lifecycle tables as triggers.

A later migration adds its tables to the chain with one line:

    SELECT audit_watch('alerts', 'alert', ARRAY['state', 'acknowledged_by']);

The first column is the state: it becomes `before` and `after`; the others stand in `detail` where they changed.
Never name a column that holds a secret.
"""

from django.db import migrations, models

# A frozen copy of execution/lifecycle.py: machine -> state -> states that may follow; '' is birth.
# tests/integration/execution/test_lifecycle_guard.py compares it and prints the block to put here.
TRANSITIONS = {
    "order": {
        "": "intent",
        "acked": "cancelled expired filled part pending_cancel rejected working",
        "intent": "sending void",
        "not_placed": "acked cancelled expired filled rejected",
        "part": "cancelled expired filled part pending_cancel rejected",
        "pending_cancel": "cancelled expired filled rejected",
        "sending": "acked not_placed refused unknown",
        "unknown": "acked not_placed",
        "working": "cancelled expired filled part pending_cancel rejected",
    },
    "run": {
        "": "created",
        "attention": "complete flat unwinding",
        "buying": "attention complete selling settling",
        "complete": "attention",
        "created": "attention precheck",
        "failed_flat": "attention",
        "flat": "attention",
        "precheck": "attention denied ready",
        "ready": "attention buying selling settling",
        "selling": "attention complete settling",
        "settling": "attention buying complete failed_flat unwinding",
        "unwinding": "attention flat",
    },
    "strategy": {
        "": "pending",
        "attention": "attention executed failed",
        "closing": "closed executed",
        "executed": "closing",
        "executing": "attention executed failed",
        "marked": "executing expired pending rejected",
        "pending": "expired marked proposed rejected",
        "proposed": "expired marked rejected",
    },
}

# The details of `strategies.execution_detail` that are states of their own, by the status they stand beside.
DETAILS = {"pending": "expired proposed rejected", "executing": "attention", "executed": "closed closing"}

_PAIRS = ",\n    ".join(
    f"('{machine}', '{start}', '{end}')"
    for machine, table in TRANSITIONS.items()
    for start, ends in table.items()
    for end in ends.split()
)
_DETAILS = ", ".join(f"('{status}', '{detail}')" for status, details in DETAILS.items() for detail in details.split())

CHAIN_TABLES = """
CREATE TABLE audit_entries (
    seq bigint PRIMARY KEY,
    at timestamptz NOT NULL,
    actor text NOT NULL,
    subject_kind text NOT NULL,
    subject_id text NOT NULL,
    event text NOT NULL,
    before text,
    after text,
    detail jsonb NOT NULL,
    prev_hash text NOT NULL,
    hash text NOT NULL
);
CREATE INDEX audit_entries_subject_idx ON audit_entries (subject_kind, subject_id, seq);

CREATE TABLE audit_head (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    seq bigint NOT NULL,
    hash text NOT NULL
) WITH (fillfactor = 10);
INSERT INTO audit_head (seq, hash) VALUES (0, repeat('0', 64));

-- What a transaction did, until its commit chains it: always empty outside transactions, so it needs no log.
CREATE UNLOGGED TABLE audit_pending (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    actor text NOT NULL,
    subject_kind text NOT NULL,
    subject_id text NOT NULL,
    event text NOT NULL,
    before text,
    after text,
    detail jsonb NOT NULL,
    due boolean NOT NULL DEFAULT false,
    CONSTRAINT audit_pending_plain
        CHECK (concat(actor, subject_kind, subject_id, event, before, after) !~ '[[:cntrl:]]')
);
REVOKE ALL ON audit_entries, audit_head, audit_pending FROM PUBLIC;
"""

# Joined by U+001F, NULL as U+001E: no field holds a control character (audit_pending_plain), so no two entries have
# one text. The hashes of all entries depend on this; it can never change.
CANONICAL = r"""
CREATE FUNCTION audit_canonical(
    seq bigint, at timestamptz, actor text, subject_kind text, subject_id text, event text,
    before text, after text, detail jsonb, prev_hash text
) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT seq::text || E'\x1f' || ((extract(epoch FROM at) * 1000000)::bigint)::text || E'\x1f' || actor
        || E'\x1f' || subject_kind || E'\x1f' || subject_id || E'\x1f' || event
        || E'\x1f' || coalesce(before, E'\x1e') || E'\x1f' || coalesce(after, E'\x1e')
        || E'\x1f' || detail::text || E'\x1f' || prev_hash
$$;

CREATE FUNCTION audit_hash(canonical text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT encode(sha256(convert_to(canonical, 'UTF8')), 'hex')
$$;
"""

RECORD = """
-- The program (the tables' owner) may name the person it acts for; everybody else is their SQL role.
CREATE FUNCTION audit_actor() RETURNS text LANGUAGE plpgsql STABLE AS $$
DECLARE
    who text := current_setting('role');
    named text := current_setting('optionsv4.actor', true);
BEGIN
    IF who = 'none' THEN
        who := session_user;
    END IF;
    IF named <> '' AND pg_has_role(who, (SELECT relowner FROM pg_class WHERE oid = 'audit_entries'::regclass), 'MEMBER')
    THEN
        who := named;
    END IF;
    RETURN who;
END $$;

CREATE FUNCTION audit_plain(words text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT regexp_replace(words, '[[:cntrl:]]', ' ', 'g')
$$;

CREATE FUNCTION audit_record(
    event text, subject_kind text, subject_id text, before text, after text, detail jsonb
) RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    INSERT INTO audit_pending (actor, subject_kind, subject_id, event, before, after, detail)
    VALUES (audit_plain(audit_actor()), audit_plain(subject_kind), audit_plain(subject_id), audit_plain(event),
            audit_plain(before), audit_plain(after), coalesce(detail, '{}'))
$$;
REVOKE EXECUTE ON FUNCTION audit_record FROM PUBLIC;
"""

# The head is locked as the last thing of a transaction: the first pass of deferred triggers (foreign keys among them)
# only rings `due`, whose own deferred trigger runs in the next pass and chains all rows of the transaction at once.
CHAINING = """
CREATE FUNCTION audit_ring() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF current_setting('optionsv4.audit_rung', true) IS DISTINCT FROM pg_current_xact_id()::text THEN
        PERFORM set_config('optionsv4.audit_rung', pg_current_xact_id()::text, true);
        UPDATE audit_pending SET due = true WHERE id = NEW.id;
        IF NOT FOUND THEN  -- SET CONSTRAINTS ... IMMEDIATE: the row before has taken this one along
            PERFORM set_config('optionsv4.audit_rung', '', true);
        END IF;
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION audit_chain() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    head audit_head;
    waiting audit_pending;
    digest text;
BEGIN
    PERFORM set_config('optionsv4.audit_rung', '', true);
    SELECT * INTO STRICT head FROM audit_head FOR UPDATE;
    FOR waiting IN
        WITH taken AS (DELETE FROM audit_pending WHERE id >= NEW.id RETURNING *) SELECT * FROM taken ORDER BY id
    LOOP
        head.seq := head.seq + 1;
        digest := audit_hash(audit_canonical(
            head.seq, waiting.at, waiting.actor, waiting.subject_kind, waiting.subject_id, waiting.event,
            waiting.before, waiting.after, waiting.detail, head.hash));
        INSERT INTO audit_entries VALUES (
            head.seq, waiting.at, waiting.actor, waiting.subject_kind, waiting.subject_id, waiting.event,
            waiting.before, waiting.after, waiting.detail, head.hash, digest);
        head.hash := digest;
    END LOOP;
    UPDATE audit_head SET seq = head.seq, hash = head.hash;
    RETURN NULL;
END $$;

CREATE CONSTRAINT TRIGGER audit_ring AFTER INSERT ON audit_pending
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION audit_ring();
CREATE CONSTRAINT TRIGGER audit_chain AFTER UPDATE ON audit_pending
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION audit_chain();
ALTER TABLE audit_pending ENABLE ALWAYS TRIGGER audit_ring;
ALTER TABLE audit_pending ENABLE ALWAYS TRIGGER audit_chain;
"""

# ALWAYS: session_replication_role = replica does not switch them off.
APPEND_ONLY = """
CREATE FUNCTION refused() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%: %', TG_TABLE_NAME, TG_ARGV[1]
        USING ERRCODE = 'check_violation', CONSTRAINT = TG_ARGV[0], HINT = TG_ARGV[2];
END $$;

CREATE TRIGGER audit_entries_append_only_row BEFORE UPDATE OR DELETE ON audit_entries FOR EACH ROW
    EXECUTE FUNCTION refused('audit_entries_append_only', 'entries are never changed or removed', 'record a new entry');
CREATE TRIGGER audit_entries_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_entries FOR EACH STATEMENT
    EXECUTE FUNCTION refused('audit_entries_append_only', 'entries are never changed or removed', 'record a new entry');
CREATE TRIGGER audit_entries_chained_only BEFORE INSERT ON audit_entries FOR EACH ROW WHEN (pg_trigger_depth() = 0)
    EXECUTE FUNCTION refused('audit_entries_chained_only', 'only the chain writes entries', 'call audit_record(...)');
CREATE TRIGGER audit_head_chained_only BEFORE INSERT OR UPDATE OR DELETE ON audit_head FOR EACH ROW
    WHEN (pg_trigger_depth() = 0)
    EXECUTE FUNCTION refused('audit_head_chained_only', 'only the chain moves its head', 'call audit_record(...)');
CREATE TRIGGER audit_head_kept BEFORE TRUNCATE ON audit_head FOR EACH STATEMENT
    EXECUTE FUNCTION refused('audit_head_chained_only', 'only the chain moves its head', 'call audit_record(...)');
ALTER TABLE audit_entries ENABLE ALWAYS TRIGGER audit_entries_append_only_row;
ALTER TABLE audit_entries ENABLE ALWAYS TRIGGER audit_entries_append_only;
ALTER TABLE audit_entries ENABLE ALWAYS TRIGGER audit_entries_chained_only;
ALTER TABLE audit_head ENABLE ALWAYS TRIGGER audit_head_chained_only;
ALTER TABLE audit_head ENABLE ALWAYS TRIGGER audit_head_kept;
"""

WATCH = """
-- Arguments of the trigger: what the subject is called, the column that identifies it, the watched columns.
CREATE FUNCTION audit_watched() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    before jsonb := to_jsonb(OLD);
    after jsonb := to_jsonb(NEW);
    detail jsonb := '{}';
    name text;
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        PERFORM audit_record('truncated', TG_ARGV[0], '*', NULL, NULL, '{}');
        RETURN NULL;
    END IF;
    FOR i IN 3 .. TG_NARGS - 1 LOOP
        name := TG_ARGV[i];
        IF TG_OP <> 'UPDATE' THEN
            detail := detail || jsonb_build_object(name, coalesce(after, before) -> name);
        ELSIF before -> name IS DISTINCT FROM after -> name THEN
            detail := detail || jsonb_build_object(name, jsonb_build_array(before -> name, after -> name));
        END IF;
    END LOOP;
    PERFORM audit_record(
        CASE TG_OP WHEN 'INSERT' THEN 'created' WHEN 'UPDATE' THEN 'changed' ELSE 'deleted' END,
        TG_ARGV[0], coalesce(after, before) ->> TG_ARGV[1], before ->> TG_ARGV[2], after ->> TG_ARGV[2],
        jsonb_strip_nulls(detail));
    RETURN NULL;
END $$;

CREATE FUNCTION audit_watch(
    watched regclass, subject text, columns text[], on_rows text DEFAULT 'INSERT OR DELETE', key text DEFAULT 'id'
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    arguments text := (SELECT string_agg(quote_literal(a), ', ') FROM unnest(ARRAY[subject, key] || columns) a);
    changed text := (SELECT string_agg(format('OLD.%1$I IS DISTINCT FROM NEW.%1$I', c), ' OR ') FROM unnest(columns) c);
BEGIN
    EXECUTE format('CREATE TRIGGER audit_watch AFTER %s ON %s FOR EACH ROW EXECUTE FUNCTION audit_watched(%s)',
                   on_rows, watched, arguments);
    EXECUTE format('CREATE TRIGGER audit_watch_changes AFTER UPDATE ON %s FOR EACH ROW WHEN (%s) '
                   'EXECUTE FUNCTION audit_watched(%s)', watched, changed, arguments);
    EXECUTE format('CREATE TRIGGER audit_watch_truncation AFTER TRUNCATE ON %s FOR EACH STATEMENT '
                   'EXECUTE FUNCTION audit_watched(%s)', watched, arguments);
END $$;
REVOKE EXECUTE ON FUNCTION audit_watch FROM PUBLIC;

SELECT audit_watch('strategies', 'strategy', ARRAY[
    'execution_status', 'execution_detail', 'execution_priority', 'marked_for_execution', 'approved_hash', 'sets'
], 'INSERT');
SELECT audit_watch('execution_runs', 'run', ARRAY['state', 'purpose', 'strategy_id', 'account_id', 'reason_code']);
SELECT audit_watch('leg_orders', 'order', ARRAY[
    'state', 'filled_quantity', 'broker_order_id', 'correlation_id', 'side', 'quantity', 'run_id', 'leg_id'
]);
SELECT audit_watch('trades', 'trade', ARRAY[
    'order_status', 'order_id', 'trade_number', 'leg_order_id', 'action', 'quantity', 'price', 'security_id',
    'strategy_id'
]);
SELECT audit_watch('trader_leases', 'lease', ARRAY['owner', 'epoch', 'host', 'pid', 'account_id']);
SELECT audit_watch('trading_states', 'trading_state', ARRAY['state', 'reason_code', 'actor', 'automatic', 'account_id']);
SELECT audit_watch('alerts', 'alert', ARRAY['level', 'code', 'run_id', 'account_id', 'acknowledged_by']);
SELECT audit_watch('external_orders', 'external_order', ARRAY[
    'status', 'filled_quantity', 'quantity', 'side', 'security_id', 'broker_order_id', 'own_tag', 'account_id'
]);
SELECT audit_watch('reconcile_reports', 'reconcile_report', ARRAY['clean', 'epoch', 'findings', 'account_id']);
"""

LIFECYCLE = f"""
CREATE TABLE lifecycle_transitions (
    machine text NOT NULL,
    from_state text NOT NULL,
    to_state text NOT NULL,
    PRIMARY KEY (machine, from_state, to_state)
);
REVOKE ALL ON lifecycle_transitions FROM PUBLIC;
INSERT INTO lifecycle_transitions VALUES
    {_PAIRS};

CREATE FUNCTION lifecycle_require(machine text, subject_id bigint, from_state text, to_state text)
RETURNS void LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    legal text;
BEGIN
    PERFORM FROM lifecycle_transitions t
        WHERE (t.machine, t.from_state, t.to_state) = (lifecycle_require.machine, $3, $4);
    IF FOUND THEN
        RETURN;
    END IF;
    SELECT string_agg(t.to_state, ', ' ORDER BY t.to_state) INTO legal
        FROM lifecycle_transitions t WHERE (t.machine, t.from_state) = (lifecycle_require.machine, $3);
    RAISE EXCEPTION '% % may not go from ''%'' to ''%''', machine, subject_id, from_state, to_state
        USING ERRCODE = 'check_violation', CONSTRAINT = machine || '_transition',
              HINT = 'legal: ' || coalesce(legal, 'nothing, it has ended');
END $$;

-- Argument of the trigger: the machine.
CREATE FUNCTION lifecycle_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM lifecycle_require(TG_ARGV[0], NEW.id, CASE TG_OP WHEN 'INSERT' THEN '' ELSE OLD.state END, NEW.state);
    RETURN NEW;
END $$;

-- A detail that does not belong to the status is history, not state (execution/services/transitions.py).
CREATE FUNCTION strategy_state(status text, detail text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN (status, detail) IN ({_DETAILS}) THEN detail ELSE status END
$$;

CREATE FUNCTION strategies_lifecycle() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    from_state text := strategy_state(OLD.execution_status, OLD.execution_detail);
    to_state text := strategy_state(NEW.execution_status, NEW.execution_detail);
BEGIN
    IF from_state <> to_state THEN
        PERFORM lifecycle_require('strategy', OLD.id, from_state, to_state);
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER leg_orders_birth BEFORE INSERT ON leg_orders FOR EACH ROW EXECUTE FUNCTION lifecycle_guard('order');
CREATE TRIGGER leg_orders_transition BEFORE UPDATE ON leg_orders FOR EACH ROW
    WHEN (OLD.state IS DISTINCT FROM NEW.state) EXECUTE FUNCTION lifecycle_guard('order');
CREATE TRIGGER execution_runs_birth BEFORE INSERT ON execution_runs FOR EACH ROW EXECUTE FUNCTION lifecycle_guard('run');
CREATE TRIGGER execution_runs_transition BEFORE UPDATE ON execution_runs FOR EACH ROW
    WHEN (OLD.state IS DISTINCT FROM NEW.state) EXECUTE FUNCTION lifecycle_guard('run');
-- By name after strategies_guard, whose finer words for its own five states people know.
CREATE TRIGGER strategies_lifecycle BEFORE UPDATE ON strategies FOR EACH ROW
    WHEN ((OLD.execution_status, OLD.execution_detail) IS DISTINCT FROM (NEW.execution_status, NEW.execution_detail))
    EXECUTE FUNCTION strategies_lifecycle();
"""  # noqa: S608 - the words above, nobody's input

FROZEN = """
CREATE TRIGGER leg_orders_frozen BEFORE UPDATE ON leg_orders FOR EACH ROW
    WHEN ((OLD.id, OLD.run_id, OLD.leg_id, OLD.slice_number, OLD.attempt, OLD.side, OLD.segment, OLD.security_id,
           OLD.quantity, OLD.correlation_id)
        IS DISTINCT FROM (NEW.id, NEW.run_id, NEW.leg_id, NEW.slice_number, NEW.attempt, NEW.side, NEW.segment,
           NEW.security_id, NEW.quantity, NEW.correlation_id))
    EXECUTE FUNCTION refused('leg_orders_frozen', 'what an order is never changes', 'write a new attempt');
CREATE TRIGGER leg_orders_fills_grow BEFORE UPDATE ON leg_orders FOR EACH ROW
    WHEN (NEW.filled_quantity < OLD.filled_quantity)
    EXECUTE FUNCTION refused('leg_orders_fills_grow', 'a filled quantity only grows', 'read the trade book again');
CREATE TRIGGER execution_runs_frozen BEFORE UPDATE ON execution_runs FOR EACH ROW
    WHEN ((OLD.id, OLD.strategy_id, OLD.account_id, OLD.purpose)
        IS DISTINCT FROM (NEW.id, NEW.strategy_id, NEW.account_id, NEW.purpose))
    EXECUTE FUNCTION refused('execution_runs_frozen', 'what a run is for never changes', 'start another run');
CREATE TRIGGER leg_orders_kept BEFORE DELETE ON leg_orders FOR EACH ROW
    EXECUTE FUNCTION refused('leg_orders_kept', 'orders are never removed', 'move it to a final state');
CREATE TRIGGER execution_runs_kept BEFORE DELETE ON execution_runs FOR EACH ROW
    EXECUTE FUNCTION refused('execution_runs_kept', 'runs are never removed', 'move it to a final state');
CREATE TRIGGER trades_kept BEFORE DELETE ON trades FOR EACH ROW
    EXECUTE FUNCTION refused('trades_kept', 'trades are never removed', 'correct the row; the audit shows it');
"""


class Migration(migrations.Migration):
    dependencies = [
        ("execution", "0004_order_path"),
        ("strategies", "0005_legs_frozen_whole"),
    ]

    # No way back: history is not dropped by a command.
    operations = [
        *(migrations.RunSQL(sql) for sql in (CHAIN_TABLES, CANONICAL, RECORD, CHAINING, APPEND_ONLY, WATCH)),
        *(migrations.RunSQL(sql) for sql in (LIFECYCLE, FROZEN)),
        # Unmanaged: a test's flush must not try to empty it.
        migrations.CreateModel(
            name="AuditEntry",
            fields=[
                ("seq", models.BigIntegerField(primary_key=True, serialize=False)),
                ("at", models.DateTimeField()),
                ("actor", models.TextField()),
                ("subject_kind", models.TextField()),
                ("subject_id", models.TextField()),
                ("event", models.TextField()),
                ("before", models.TextField(null=True)),
                ("after", models.TextField(null=True)),
                ("detail", models.JSONField()),
                ("prev_hash", models.TextField()),
                ("hash", models.TextField()),
            ],
            options={
                "verbose_name_plural": "audit entries",
                "db_table": "audit_entries",
                "ordering": ["-seq"],
                "managed": False,
            },
        ),
    ]
