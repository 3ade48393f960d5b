"""Who is acting: a name the database's triggers write beside every change."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection


@contextmanager
def acting(name: str) -> Iterator[None]:
    """Name the person or program for the changes made inside; without it the SQL role stands there."""
    _name(name)
    try:
        yield
    finally:
        if connection.connection is not None and not connection.needs_rollback:
            _name("")


def _name(name: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('optionsv4.actor', %s, false)", [name[:80]])
