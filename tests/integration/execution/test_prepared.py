"""Statements between a decision and the wire are planned once a session, and a page may make them as well."""

from datetime import timedelta

import pghistory
import pytest
from django.db import DatabaseError, connection

from allocation.models import Account
from execution.models import OrderCall
from execution.services.order_rows import read_run
from execution.services.pace import take_call
from execution.services.prepared import prepared_cursor
from execution.services.standing import standing

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
def test_the_pace_holds_inside_a_page_that_keeps_history(account: Account) -> None:
    with pghistory.context(user=None, url="/somewhere/"):
        waits = [take_call(account.pk, urgent=True) for _ in range(USES)]
        OrderCall.objects.filter(account=account).update(taken_at=OrderCall.objects.latest("taken_at").taken_at)

    assert waits[0] == 0.0
    assert OrderCall.objects.filter(account=account).count() == waits.count(0.0)


@pytest.mark.django_db
def test_its_errors_are_those_of_every_cursor() -> None:
    with pytest.raises(DatabaseError, match="no_such_table"), prepared_cursor() as cursor:
        cursor.execute("SELECT 1 FROM no_such_table")


@pytest.mark.django_db
def test_it_counts_like_every_cursor(django_assert_num_queries: object) -> None:
    with django_assert_num_queries(1), prepared_cursor() as cursor:  # type: ignore[operator]
        cursor.execute("SELECT %s::interval", [timedelta(seconds=1)])
        assert cursor.fetchone() == (timedelta(seconds=1),)
