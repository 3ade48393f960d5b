"""Statements between a decision and the wire are planned once a session, and a page may make them as well."""

from datetime import timedelta

import pghistory
import pytest
from django.db import DatabaseError, connection

from allocation.models import Account
from execution.models import ExecutionRun
from execution.services.order_rows import read_run
from execution.services.prepared import prepared_cursor
from execution.services.standing import halt, standing
from market.errors import Reason
from tests.integration.execution.conftest import NOON, MakeStrategy

USES = 5  # more than `prepare_threshold`


def kept_plans(words: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE %s", [f"%{words}%"])
        return int(cursor.fetchone()[0])


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_a_statement_of_the_order_path_is_planned_once(account: Account) -> None:
    connection.close()
    for _ in range(USES):
        read_run(0)
        standing(account.pk)

    assert kept_plans("FROM execution_runs r JOIN strategies s") == 1
    assert kept_plans("automatic FROM trading_states WHERE account_id") == 1


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_a_page_that_keeps_history_reads_and_books_as_well(account: Account, make_strategy: MakeStrategy) -> None:
    run = ExecutionRun.objects.create(strategy=make_strategy(), account=account, broker="paper", as_of=NOON)

    with pghistory.context(user=None, url="/somewhere/"):
        found = [read_run(run.pk) for _ in range(USES)]
        states = {standing(account.pk).state for _ in range(USES)}
        halt(account, reason=Reason("TOLD", "A page said so."), actor="ann")

    assert None not in found
    assert states == {"ACTIVE"}
    assert standing(account.pk).state == "HALTED"


@pytest.mark.django_db
def test_its_errors_are_those_of_every_cursor() -> None:
    with pytest.raises(DatabaseError, match="no_such_table"), prepared_cursor() as cursor:
        cursor.execute("SELECT 1 FROM no_such_table")


@pytest.mark.django_db
def test_it_counts_like_every_cursor(django_assert_num_queries: object) -> None:
    with django_assert_num_queries(1), prepared_cursor() as cursor:  # type: ignore[operator]
        cursor.execute("SELECT %s::interval", [timedelta(seconds=1)])
        assert cursor.fetchone() == (timedelta(seconds=1),)
