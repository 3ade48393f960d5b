"""The chain in PostgreSQL: who writes it, what it holds, and that nobody changes it unseen."""

import json
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import IntegrityError, connection, connections, transaction

from allocation.models import Account
from execution.audit_chain import Anchor, Entry, entry_hash
from execution.models import AuditEntry, ExecutionRun, LegOrder, TradingState
from execution.services import audit
from execution.services.audit import AuditError, Subject
from market.actor import acting
from strategies.models import OptionStrategy
from tests.integration.execution.conftest import NOON, MakeStrategy

HERE = Subject("test", "1")
GUARDED = ("audit_entries", "audit_head")
WATCHED = (
    *("strategies", "execution_runs", "leg_orders", "trades", "trader_leases", "trading_states", "alerts"),
    *("external_orders", "reconcile_reports"),
)


def sql(statement: str, *values: object) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement, values or None)


def settle() -> None:
    """Do what a commit does: ordinary tests never commit."""
    sql("SET CONSTRAINTS ALL IMMEDIATE")
    sql("SET CONSTRAINTS ALL DEFERRED")


def told(kind: str, row: int | str) -> list[tuple[str, str | None, str | None]]:
    settle()
    rows = AuditEntry.objects.filter(subject_kind=kind, subject_id=str(row)).order_by("seq")
    return [(entry.event, entry.before, entry.after) for entry in rows]


def newest() -> AuditEntry:
    settle()
    return AuditEntry.objects.latest("seq")


@contextmanager
def undone() -> Iterator[None]:
    """What happens inside has not happened."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


@pytest.fixture
def run(make_strategy: MakeStrategy, account: Account) -> ExecutionRun:
    return ExecutionRun.objects.create(strategy=make_strategy(), account=account, broker="paper", as_of=NOON)


@pytest.fixture
def order(run: ExecutionRun) -> LegOrder:
    return LegOrder.objects.create(
        run=run, leg=run.strategy.legs.first(), side="BUY", segment="NSE_FNO", security_id="11", symbol="X",
        quantity=500, limit_price=10, correlation_id="corr-1",
    )  # fmt: skip


def change(order: LegOrder, state: str, **values: object) -> None:
    assert LegOrder.objects.filter(pk=order.pk).update(state=state, **values) == 1


def test_an_order_has_as_many_entries_as_transitions(order: LegOrder) -> None:
    change(order, "sending", sent_at=NOON)
    change(order, "acked", broker_order_id="b1")
    change(order, "part", filled_quantity=100)
    change(order, "part", filled_quantity=200)
    LegOrder.objects.filter(pk=order.pk).update(reason_text="no transition, no entry")
    change(order, "filled", filled_quantity=500)

    assert told("order", order.pk) == [
        ("created", None, "intent"),
        ("changed", "intent", "sending"),
        ("changed", "sending", "acked"),
        ("changed", "acked", "part"),
        ("changed", "part", "part"),
        ("changed", "part", "filled"),
    ]
    assert newest().detail == {"filled_quantity": [200, 500]}


def test_a_run_and_a_strategy_have_theirs(run: ExecutionRun) -> None:
    ExecutionRun.objects.filter(pk=run.pk).update(state="precheck")
    ExecutionRun.objects.filter(pk=run.pk).update(state="denied", reason_code="MARGIN")

    assert told("run", run.pk) == [
        ("created", None, "created"),
        ("changed", "created", "precheck"),
        ("changed", "precheck", "denied"),
    ]
    assert newest().detail == {"reason_code": ["", "MARGIN"]}
    assert told("strategy", run.strategy_id) == [("created", None, "pending"), ("changed", "pending", "marked")]


def test_a_refused_or_undone_transition_has_no_entry(order: LegOrder) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        change(order, "filled")
    with undone():
        change(order, "sending")
        settle()

    assert told("order", order.pk) == [("created", None, "intent")]
    assert audit.verify().faults == []


def test_nothing_is_chained_before_the_commit(order: LegOrder) -> None:
    settle()
    before = audit.head()

    change(order, "sending")
    unchained = audit.head()
    settle()

    assert unchained == before
    assert audit.head().seq == before.seq + 1


def test_the_actor_is_who_acted_when_the_row_changed(order: LegOrder) -> None:
    with acting("cli:anna"):
        change(order, "sending")
    with acting("web:ben\n9: forged"):
        change(order, "acked")
    settle()

    rows = AuditEntry.objects.filter(subject_kind="order", subject_id=str(order.pk)).order_by("seq")
    program = rows[0].actor
    assert [entry.actor for entry in rows] == [program, "cli:anna", "web:ben 9: forged"]
    with connection.cursor() as cursor:
        cursor.execute("SELECT session_user::text")
        assert cursor.fetchone() == (program,)


def test_fm_F5_sql_of_the_desk_is_told_under_its_own_role(make_strategy: MakeStrategy) -> None:
    strategy = make_strategy(marked=False)

    sql("SET LOCAL ROLE options_desk")
    sql("SET LOCAL optionsv4.actor = 'somebody else'")
    OptionStrategy.objects.filter(pk=strategy.pk).update(
        execution_status="marked", execution_priority=5, marked_for_execution=True
    )
    sql("SET CONSTRAINTS ALL IMMEDIATE")
    sql("RESET ROLE")

    entry = newest()
    assert (entry.actor, entry.subject_kind, entry.after) == ("options_desk", "strategy", "marked")


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM audit_entries",
        "INSERT INTO audit_pending (actor, subject_kind, subject_id, event, detail) VALUES ('a', 'b', 'c', 'd', '{}')",
        "SELECT audit_record('login', 'person', 'x', NULL, NULL, '{}')",
        "UPDATE audit_head SET seq = 0",
    ],
)
def test_the_desk_has_no_way_to_the_chain(db: None, statement: str) -> None:
    with undone():
        sql("SET LOCAL ROLE options_desk")

        with pytest.raises(Exception, match="permission denied"), transaction.atomic():
            sql(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_entries SET actor = 'nobody'",
        "UPDATE audit_entries SET actor = 'nobody' WHERE false",
        "DELETE FROM audit_entries",
        "TRUNCATE audit_entries",
        "INSERT INTO audit_entries SELECT seq + 1, at, actor, subject_kind, subject_id, event, before, after, detail,"
        " prev_hash, hash FROM audit_entries ORDER BY seq DESC LIMIT 1",
        "UPDATE audit_head SET seq = 0",
        "DELETE FROM audit_head",
        "TRUNCATE audit_head",
    ],
)
@pytest.mark.parametrize("role", ["origin", "replica"])
def test_fm_F15_the_owner_changes_nothing_in_the_chain(db: None, statement: str, role: str) -> None:
    audit.record("said", HERE)
    settle()
    before = (audit.head(), AuditEntry.objects.count())
    sql(f"SET LOCAL session_replication_role = {role}")

    with pytest.raises(IntegrityError, match="entries are never changed|only the chain"):
        sql(statement)

    assert (audit.head(), AuditEntry.objects.count()) == before


def test_a_change_of_the_trading_state_is_told_with_its_reason(account: Account) -> None:
    state = TradingState.objects.create(account=account)
    TradingState.objects.filter(pk=state.pk).update(state="HALTED", reason_code="LOSS", automatic=True)

    assert told("trading_state", state.pk) == [("created", None, "ACTIVE"), ("changed", "ACTIVE", "HALTED")]
    assert newest().detail == {"reason_code": ["", "LOSS"], "automatic": [False, True]}


@pytest.mark.parametrize("table", WATCHED)
def test_each_table_of_the_order_path_is_watched(db: None, table: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT tgname FROM pg_trigger WHERE tgrelid = %s::regclass AND tgname ~ 'audit'", [table])
        names = {name for (name,) in cursor.fetchall()}

    assert names == {"audit_watch", "audit_watch_changes", "audit_watch_truncation"}


def test_no_entry_holds_a_control_character(db: None) -> None:
    audit.record("said", Subject("test", "1\x1f2"), before="a\nb", after="\x1e")
    entry = newest()

    with pytest.raises(IntegrityError, match="audit_pending_plain"):
        sql(
            "INSERT INTO audit_pending (actor, subject_kind, subject_id, event, detail)"
            " VALUES (E'a\\x1fb', 'b', 'c', 'd', '{}')"
        )

    assert (entry.subject_id, entry.before, entry.after) == ("1 2", "a b", " ")


def test_an_emptied_table_is_told(db: None) -> None:
    with undone():
        sql("TRUNCATE trades CASCADE")
        entry = newest()

    assert (entry.event, entry.subject_kind, entry.subject_id) == ("truncated", "trade", "*")


def test_another_table_joins_with_one_line(db: None) -> None:
    sql("CREATE TABLE lamp (name text PRIMARY KEY, state text, secret text)")
    sql("SELECT audit_watch('lamp', 'lamp', ARRAY['state'], key => 'name')")

    sql("INSERT INTO lamp VALUES ('hall', 'off', 's1')")
    sql("UPDATE lamp SET state = 'on'")
    sql("UPDATE lamp SET secret = 's2'")
    sql("DELETE FROM lamp")

    assert told("lamp", "hall") == [("created", None, "off"), ("changed", "off", "on"), ("deleted", "on", None)]


def test_what_is_no_table_change_is_recorded_too(db: None) -> None:
    detail = {"request": audit.digest(b"{}"), "status": 200, "said": "x\0y\ud800", "legs": (1, 2)}

    with acting("trader"):
        audit.record("answered", Subject("order", "12"), detail, before="sending", after="acked")

    entry = newest()
    assert (entry.actor, entry.subject_kind, entry.subject_id) == ("trader", "order", "12")
    assert (entry.event, entry.before, entry.after) == ("answered", "sending", "acked")
    assert entry.detail == {
        "request": "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
        "status": 200,
        "said": "x\ufffdy?",
        "legs": [1, 2],
    }
    assert audit.verify().faults == []


@pytest.mark.parametrize(
    ("event", "kind", "detail"),
    [("Said so", "test", {}), ("said", "", {}), ("said", "test", {"body": "x" * audit.MOST_DETAIL})],
)
def test_a_record_that_is_no_short_fact_is_refused(db: None, event: str, kind: str, detail: dict[str, Any]) -> None:
    before = audit.head()

    with pytest.raises(ValueError, match="small letters|bytes"):
        audit.record(event, Subject(kind, "1"), detail)

    settle()
    assert audit.head() == before


# --- tampering: by somebody who may switch triggers off ---


def entries() -> list[Entry]:
    return list(audit._entries())


def put(entry: Entry) -> None:
    sql(
        "UPDATE audit_entries SET at = to_timestamp(0) + %s * interval '1 microsecond', actor = %s, subject_kind = %s,"
        " subject_id = %s, event = %s, before = %s, after = %s, detail = %s, prev_hash = %s, hash = %s WHERE seq = %s",
        *entry[1:], entry.seq,
    )  # fmt: skip


def sealed(entry: Entry) -> Entry:
    return entry._replace(hash=entry_hash(entry))


def move_head(entry: Entry) -> None:
    sql("UPDATE audit_head SET seq = %s, hash = %s", entry.seq, entry.hash)


Tamper = Callable[[random.Random, list[Entry]], set[int]]


def edit(dice: random.Random, chain: list[Entry]) -> set[int]:
    entry = dice.choice(chain)
    changes: list[dict[str, Any]] = [
        *({name: getattr(entry, name) + "x"} for name in ("actor", "subject_kind", "subject_id", "event")),
        {"at": entry.at + 1},
        {"before": "acked" if entry.before is None else None},
        {"after": f"{entry.after}ed"},
        {"detail": '{"n": 9999}'},
        {"hash": "0" * 64},
        {"prev_hash": "1" * 64},
    ]
    put(entry._replace(**dice.choice(changes)))
    return {entry.seq}


def edit_and_seal(dice: random.Random, chain: list[Entry]) -> set[int]:
    entry = dice.choice(chain)
    put(sealed(entry._replace(after="filled")))
    return {entry.seq}


def remove(dice: random.Random, chain: list[Entry]) -> set[int]:
    entry = dice.choice(chain[:-1])
    sql("DELETE FROM audit_entries WHERE seq = %s", entry.seq)
    return {entry.seq}


def insert(dice: random.Random, chain: list[Entry]) -> set[int]:
    """Make room in the middle by pushing the rest up, and copy a stranger in."""
    place = dice.choice(chain[1:-1])
    sql("UPDATE audit_entries SET seq = -seq - 1 WHERE seq >= %s", place.seq)
    sql("UPDATE audit_entries SET seq = -seq WHERE seq < 0")
    sql(
        "INSERT INTO audit_entries SELECT %s, at, 'stranger', subject_kind, subject_id, event, before, after, detail,"
        " prev_hash, hash FROM audit_entries WHERE seq = %s",
        place.seq, place.seq - 1,
    )  # fmt: skip
    return {place.seq}


def swap(dice: random.Random, chain: list[Entry]) -> set[int]:
    one, other = dice.sample(chain, 2)
    put(other._replace(seq=one.seq))
    put(one._replace(seq=other.seq))
    return {one.seq, other.seq}


def cut(dice: random.Random, chain: list[Entry]) -> set[int]:
    last = dice.choice(chain[:-1])
    sql("DELETE FROM audit_entries WHERE seq > %s", last.seq)
    return {last.seq + 1}


def cut_with_the_head(dice: random.Random, chain: list[Entry]) -> set[int]:
    found = cut(dice, chain)
    move_head(chain[min(found) - 1 - chain[0].seq])
    return found


def rewrite_to_the_end(dice: random.Random, chain: list[Entry]) -> set[int]:
    start = dice.randrange(len(chain))
    link = chain[start].prev_hash
    for entry in chain[start:]:
        entry = sealed(entry._replace(actor="stranger", prev_hash=link))  # noqa: PLW2901
        put(entry)
        link = entry.hash
    move_head(entry)
    return {entry.seq}


TAMPERS: list[Tamper] = [edit, edit_and_seal, remove, insert, swap, cut, cut_with_the_head, rewrite_to_the_end]


def test_fm_F15_a_hundred_random_tampers_are_all_found_and_named(db: None, tmp_path: Path) -> None:
    start = audit.head().seq
    for number in range(30):
        audit.record("said", HERE, {"n": number}, before=None if number % 3 else "a", after="b")
    settle()
    kept = audit.export_head(tmp_path / "heads", now=NOON)
    own = [entry for entry in entries() if entry.seq > start]
    for table in GUARDED:
        sql(f"ALTER TABLE {table} DISABLE TRIGGER USER")
    found = []

    for seed in range(100):
        dice = random.Random(seed)
        tamper = TAMPERS[seed % len(TAMPERS)]
        with undone():
            expected = tamper(dice, own)
            faults = [fault for fault in audit.verify([kept]).faults if fault.code != "GUARD_OFF"]
        named = {fault.seq for fault in faults}
        assert expected <= named, f"{tamper.__name__}, seed {seed}: {expected} not in {named}"
        found.append(min(named) == min(expected))

    assert found == [True] * 100
    assert {fault.code for fault in audit.verify([kept]).faults} == {"GUARD_OFF"}


def test_fm_F15_switched_off_guards_are_told(db: None) -> None:
    sql("ALTER TABLE audit_entries DISABLE TRIGGER audit_entries_append_only")
    sql("DROP TRIGGER audit_head_kept ON audit_head")

    told_of = audit.verify().faults

    assert [fault.sentence for fault in told_of] == [
        "The trigger audit_entries_append_only is switched off or gone.",
        "The trigger audit_head_kept is switched off or gone.",
    ]


def test_fm_F15_a_tail_forged_beyond_the_head_is_told(db: None) -> None:
    audit.record("said", HERE)
    settle()
    last = entries()[-1]
    for table in GUARDED:
        sql(f"ALTER TABLE {table} DISABLE TRIGGER USER")

    sql(
        "INSERT INTO audit_entries SELECT seq + 1, at, actor, subject_kind, subject_id, event, before, after, detail,"
        " hash, %s FROM audit_entries WHERE seq = %s",
        sealed(last._replace(seq=last.seq + 1, prev_hash=last.hash)).hash, last.seq,
    )  # fmt: skip

    found = [(fault.seq, fault.code) for fault in audit.verify().faults if fault.seq]
    assert found == [(last.seq + 1, "INSERTED")]


# --- the head outside ---


def test_heads_are_appended_and_read_back(db: None, tmp_path: Path) -> None:
    file = tmp_path / "kept" / "heads"
    first = audit.export_head(file, now=NOON)
    audit.record("said", HERE)
    settle()

    second = audit.export_head(file, now=NOON + timedelta(minutes=5))

    assert second.seq == first.seq + 1
    assert audit.read_heads(file) == [first, second]
    assert file.read_text().splitlines()[0] == f"2026-01-30T12:00:00+05:30 {first.seq} {first.hash}"


def test_fm_F15_a_head_that_contradicts_the_one_kept_is_not_written(db: None, tmp_path: Path) -> None:
    file = tmp_path / "heads"
    audit.record("said", HERE)
    settle()
    kept = audit.export_head(file, now=NOON)
    before = file.read_bytes()
    sql("ALTER TABLE audit_entries DISABLE TRIGGER USER")
    sql("DELETE FROM audit_entries WHERE seq = %s", kept.seq)

    with pytest.raises(AuditError) as refusal:
        audit.export_head(file, now=NOON)

    assert refusal.value.reason.code == "AUDIT_REWRITTEN"
    assert file.read_bytes() == before


def test_a_file_that_holds_no_heads_is_refused(db: None, tmp_path: Path) -> None:
    file = tmp_path / "heads"
    file.write_text("something else\n")

    with pytest.raises(AuditError) as refusal:
        audit.export_head(file, now=NOON)
    with pytest.raises(AuditError) as missing:
        audit.read_heads(tmp_path / "none")

    assert refusal.value.reason.sentence == f"Line 1 of {file} is no head of the chain."
    assert missing.value.reason.code == "AUDIT_HEAD_FILE"
    assert file.read_text() == "something else\n"


# --- the command ---


def command(*words: str) -> tuple[int, Any]:
    out = StringIO()
    code = 0
    try:
        call_command("audit", *words, "--json", stdout=out)
    except SystemExit as ended:
        code = int(str(ended.code))
    return code, json.loads(out.getvalue())


def test_the_command_verifies_exports_and_shows(order: LegOrder, tmp_path: Path) -> None:
    file = str(tmp_path / "heads")
    settle()
    change(order, "sending")
    settle()

    exported, line = command("export-head", file)
    verified, answer = command("verify", "--head", file)
    shown, rows = command("show", "--subject", "order", str(order.pk), "--limit", "1")

    assert (exported, verified, shown) == (0, 0, 0)
    assert (answer["faults"], answer["anchors"], answer["head"]["hash"]) == ([], 1, line["hash"])
    assert [(row["subject_kind"], row["before"], row["after"]) for row in rows] == [("order", "intent", "sending")]


def test_fm_F15_the_command_fails_and_names_what_was_changed(db: None) -> None:
    audit.record("said", HERE)
    seq = newest().seq
    sql("ALTER TABLE audit_entries DISABLE TRIGGER USER")
    sql("UPDATE audit_entries SET actor = 'nobody' WHERE seq = %s", seq)

    code, answer = command("verify")

    assert code == 1
    assert {"seq": seq, "code": "EDITED", "sentence": f"Entry {seq} is not what its hash was made from."} in answer[
        "faults"
    ]


def test_shown_words_hold_no_control_characters(db: None) -> None:
    audit.record("said", HERE, {"text": "a\u0007b"}, before="x\n2 forged line", after="\x1b[31m")
    settle()
    out = StringIO()

    call_command("audit", "show", "--limit", "1", stdout=out)

    assert "x 2 forged line" in out.getvalue()
    assert not any(character in out.getvalue() for character in "\x1b\x07")


# --- several writers ---


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_fm_F15_four_writers_make_one_chain(make_strategy: MakeStrategy, record_property: Any) -> None:
    start, failed = audit.head().seq, []

    def write(writer: int) -> None:
        try:
            for number in range(25):
                with transaction.atomic():
                    audit.record("said", Subject("writer", str(writer)), {"n": number})
                    audit.record("said", Subject("writer", str(writer)), {"n": number, "again": True})
        except BaseException as error:
            failed.append(error)
            raise
        finally:
            connections.close_all()

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    found = audit.verify([Anchor(audit.head().seq, audit.head().hash, "now")])
    rows = AuditEntry.objects.filter(seq__gt=start, subject_kind="writer")
    assert (failed, found.faults) == ([], [])
    assert rows.count() == 200
    for writer in range(4):
        mine = rows.filter(subject_id=str(writer)).order_by("seq").values_list("detail", flat=True)
        assert [detail["n"] for detail in mine] == [number // 2 for number in range(50)]


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_the_head_is_locked_after_foreign_keys_were_checked(make_strategy: MakeStrategy, account: Account) -> None:
    """Else one who holds a strategy and waits for the head, and one with the head who waits for it, stand still."""
    strategy = make_strategy()
    held, go_on = threading.Event(), threading.Event()
    failed: list[BaseException] = []

    def hold() -> None:
        try:
            with transaction.atomic():
                OptionStrategy.objects.select_for_update().get(pk=strategy.pk)
                audit.record("said", HERE)
                held.set()
                go_on.wait(10)
        except BaseException as error:
            failed.append(error)
            raise
        finally:
            connections.close_all()

    def insert_beside() -> None:
        try:
            with transaction.atomic():
                audit.record("said", HERE)
                ExecutionRun.objects.create(strategy_id=strategy.pk, account=account, broker="paper", as_of=NOON)
        except BaseException as error:
            failed.append(error)
            raise
        finally:
            connections.close_all()

    threads = [threading.Thread(target=hold), threading.Thread(target=insert_beside)]
    threads[0].start()
    assert held.wait(10)
    threads[1].start()
    threads[1].join(1)  # it waits for the strategy now, at its commit
    go_on.set()
    for thread in threads:
        thread.join(10)

    assert failed == []
    assert ExecutionRun.objects.filter(strategy_id=strategy.pk).count() == 1
    assert audit.verify().faults == []
