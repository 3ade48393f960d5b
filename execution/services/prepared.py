"""Statements between a decision and the wire: PostgreSQL plans each of them once a session, not once an order."""

from django.db import connection
from django.db.backends.postgresql.base import ServerBindingCursor
from django.db.backends.utils import CursorWrapper


def prepared_cursor() -> CursorWrapper:
    """Open a cursor whose values travel beside the words, so that the plan of a statement is kept.

    For one statement of fixed words at a time, of whose values PostgreSQL can tell the types: a SELECT, or what only
    the leader writes. In front of what a page writes stands a statement of pghistory's, so there are two.
    """
    connection.close_if_health_check_failed()
    connection.ensure_connection()
    with connection.wrap_database_errors:
        cursor: CursorWrapper = connection._prepare_cursor(ServerBindingCursor(connection.connection))
    return cursor
