"""Who is acting: a name the database's triggers write beside every change."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection


@contextmanager
def acting(name: str) -> Iterator[None]:
    """Name the person or program for the changes made inside; without it the SQL role stands there."""
    before = _name(name)
    try:
        yield
    finally:
        if connection.connection is not None and not connection.needs_rollback:
            _name(before)


def who_acts() -> str:
    """Return who is named now, empty where nobody is (one query)."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT coalesce(current_setting('optionsv4.actor', true), '')")
        (name,) = cursor.fetchone()
    return str(name)


def _name(name: str) -> str:
    """Set the name and return the one that stood there (one query)."""
    with connection.cursor() as cursor:
        cursor.execute(
            "WITH held AS MATERIALIZED (SELECT coalesce(current_setting('optionsv4.actor', true), '') AS name)"
            " SELECT held.name, set_config('optionsv4.actor', %s, false) FROM held",
            [name[:80]],
        )
        (before, _) = cursor.fetchone()
    return str(before)
