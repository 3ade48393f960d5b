"""Statements between a decision and the wire: PostgreSQL plans each of them once a session, not once an order."""

from typing import Any

from django.db import connection
from django.db.backends.postgresql.base import ServerBindingCursor
from django.db.backends.utils import CursorWrapper


def prepared_cursor() -> CursorWrapper:
    """Open a cursor whose values travel beside the words, so that the plan of a statement is kept.

    For one statement of fixed words at a time, of whose values PostgreSQL can tell the types: a SELECT, or what only
    the leader writes. In front of what a page writes stands a statement of pghistory's, so there are two.
    """
    session: Any = connection  # the stubs know neither what PostgreSQL's wrapper has nor what its cursors take
    factory: Any = ServerBindingCursor
    session.close_if_health_check_failed()
    session.ensure_connection()
    with session.wrap_database_errors:
        cursor: CursorWrapper = session._prepare_cursor(factory(session.connection))
    return cursor
