"""A run done by several hands: everything once, and what one leaves another does."""

import time
from datetime import datetime

import pytest
from django.db import connection

from market.actor import acting
from market.calendar import IST
from market.services.chains import store_chain
from market.sources import build_source
from strategies.services.crew import generate_in_processes, take_part
from strategies.services.generation import start_run
from tests.factories import list_chain

AS_OF = datetime(2026, 1, 30, 12, 0, tzinfo=IST)
ABSENT = ["AAA", "BBB", "CCC", "DDD"]  # no chain of theirs is stored: refused at once
PATIENCE = 60.0  # seconds for a process to start
WATCH = """
CREATE TABLE done_by (number bigserial, pk bigint, who integer, actor text);
CREATE FUNCTION note_who() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO done_by (pk, who, actor) VALUES (NEW.id, pg_backend_pid(), current_setting('optionsv4.actor', true));
    RETURN NULL;
END $$;
CREATE TRIGGER note_who AFTER UPDATE ON generation_results FOR EACH ROW
WHEN (NEW.status IN ('done', 'failed')) EXECUTE FUNCTION note_who();
"""


@pytest.fixture
def run():
    chain = build_source("simulated").chain("INFY", as_of=AS_OF)
    list_chain(chain, lot_size=400)
    store_chain(chain)
    return start_run(as_of=AS_OF, symbols=[*ABSENT, "INFY"])


def orders(run) -> list[int]:
    return list(run.results.order_by("pk").values_list("pk", flat=True))


@pytest.mark.django_db
def test_a_share_comes_first_and_then_the_last_of_what_is_left(run):
    first, second, third, fourth, fifth = orders(run)
    done: list[set[int]] = []

    def look() -> None:
        done.append(set(run.results.exclude(status="pending").values_list("pk", flat=True)))

    take_part(run.pk, [second, fourth], after_each=look)

    new = [later - earlier for earlier, later in zip([set(), *done], done, strict=False)]
    assert new == [{second}, {fourth}, {fifth}, {third}, {first}]


@pytest.mark.django_db
def test_one_hand_finishes_the_run_and_tells_how_far_it_is(run):
    told: list[int] = []

    finished = generate_in_processes(run, workers=1, progress=told.append)

    assert finished.finished_at is not None
    assert told == sorted(told)
    assert told[-1] == 5
    assert set(run.results.exclude(symbol="INFY").values_list("status", "reason_code")) == {("failed", "NO_CHAIN")}


@pytest.mark.slow
@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_two_processes_do_every_order_once(run, hands):
    """This process waits after its first order until the other has done one, so that both have their part."""
    deadline = time.monotonic() + PATIENCE

    def wait_for_the_other(done: int) -> None:
        while len({who for _, who in hands()}) < 2 and time.monotonic() < deadline:
            time.sleep(0.05)

    with acting("cli:asha"):
        generate_in_processes(run, workers=2, progress=wait_for_the_other)

    done = hands()
    assert acted_by() == {"cli:asha"}
    first, second, *_ = orders(run)
    here, there = (next(who for pk, who in done if pk == own) for own in (first, second))
    assert sorted(pk for pk, _ in done) == orders(run)
    assert {who for _, who in done} == {here, there}
    assert here != there
    assert not run.results.filter(status="pending").exists()


@pytest.fixture
def hands():
    """What was done in the order of its doing, as pairs of order and server process, which is one per process here."""
    with connection.cursor() as cursor:
        cursor.execute(WATCH)
    yield done_by
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE done_by CASCADE; DROP FUNCTION note_who() CASCADE")


def done_by() -> list[tuple[int, int]]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pk, who FROM done_by ORDER BY number")
        return cursor.fetchall()


def acted_by() -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT actor FROM done_by")
        return {actor for (actor,) in cursor.fetchall()}
