"""One leader per account: a lock that dies with its session, a lease that runs out, an epoch that tells who was later.

A candidate may take the lease when it has run out by the database's clock, or when the leader's session is gone.
The session is seen by its advisory lock, whose name holds account *and* epoch. That is what makes a hang harmless
without `pg_terminate_backend`: a stopped leader keeps its lock for ever, but the lock of an epoch that is over means
nothing to anybody, the next leader holds one of its own. Ending the other session instead would need rights, could hit
a stranger that got the same process id, and would not stop the process, which may hold a request half sent. What stops
it is the epoch: every transaction that clears an order asks for it (LEADS).

A lease that ran out is never renewed, even when nobody took it: whoever slept that long starts over as a candidate.
"""

import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from typing import Any

import psycopg
from django.db import DatabaseError, connection, transaction
from django.db.backends.utils import CursorWrapper

from execution.errors import ExecutionDenied, Fenced
from market.errors import Reason

logger = logging.getLogger(__name__)

LEASE = timedelta(seconds=10)
# A frozen process must not keep the lease row locked: the server ends its transaction well before the lease is over.
IDLE_LIMIT = "5s"

Session = psycopg.Connection[Any]


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to lead one account, as long as it is renewed; `session` holds the lock that shows us alive."""

    account_id: int
    owner: str
    epoch: int
    ttl: timedelta
    session: Session


@contextmanager
def lead(account_id: int, *, owner: str, ttl: timedelta = LEASE, code_version: str = "") -> Iterator[Lease]:
    """Lead an account; raise ExecutionDenied NOT_LEADER while somebody else does. Renew at least every third of `ttl`.

    Rows go through Django's connection, the lock through a session of its own that no pool hands on.
    """
    with _session() as session:
        lease = _elect(account_id, owner, ttl, code_version, session)
        logger.info("%s leads account %s, epoch %s", owner, account_id, lease.epoch)
        try:
            yield lease
        finally:
            _resign(lease)


def renew(lease: Lease) -> None:
    """Extend the lease; raise ExecutionDenied FENCED when it ran out, was taken, or our lock is gone.

    Never inside a transaction that asked for the epoch: a rollback would take the renewal with it.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE trader_leases SET lease_until = clock_timestamp() + make_interval(secs => %s),"
            " renewed_at = clock_timestamp() WHERE account_id = %s AND epoch = %s AND lease_until > clock_timestamp()",
            [lease.ttl.total_seconds(), lease.account_id, lease.epoch],
        )
        kept = cursor.rowcount == 1
    if not kept or not _lives(lease.session):
        raise _fenced(lease.account_id, lease.epoch)


# Begins a statement that only the leader may make: `leads` has a row or none. The row of the lease stays share-locked
# until the commit, so nobody becomes leader between the check and the commit. The first CTE takes the lock; the clock
# is read after a possible wait for it.
LEADS = """
lease AS MATERIALIZED (SELECT epoch, lease_until FROM trader_leases WHERE account_id = %s FOR SHARE),
leads AS MATERIALIZED (
    SELECT set_config('idle_in_transaction_session_timeout', %s, true),
           CASE WHEN %s THEN set_config('synchronous_commit', 'off', true) END
    FROM lease WHERE epoch = %s AND lease_until > clock_timestamp()
)"""


def leads_as(account_id: int, epoch: int, *, lazily: bool = False) -> list[Any]:
    """The values that LEADS asks for.

    `lazily` lets the commit return before it is on the disk: for what a later commit takes there before it counts.
    """
    return [account_id, IDLE_LIMIT, lazily, epoch]


def assert_epoch(account_id: int, epoch: int) -> None:
    """Inside a transaction: raise ExecutionDenied FENCED unless this epoch leads, until the commit (one query).

    A process that freezes in between loses its transaction after five seconds, not its successor the lease.
    """
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("assert_epoch holds only inside the transaction that writes")
    with connection.cursor() as cursor:
        cursor.execute(f"WITH {LEADS} SELECT true FROM leads", leads_as(account_id, epoch))  # noqa: S608 - our words
        row = cursor.fetchone()
    if row is None:
        raise _fenced(account_id, epoch)


def _elect(account_id: int, owner: str, ttl: timedelta, code_version: str, session: Session) -> Lease:
    """Take the lease in one transaction that holds its row; the lock of the new epoch comes before the commit."""
    with transaction.atomic(), connection.cursor() as cursor:
        over = _epoch_that_is_over(cursor, account_id)
        # A candidate that froze in the middle of its election may hold the lock of the next epoch, without the row.
        epoch = next(number for number in count(over + 1) if _locked(session, account_id, number))
        cursor.execute(
            "UPDATE trader_leases SET owner = %s, host = %s, pid = %s, epoch = %s, code_version = %s,"
            " lease_until = clock_timestamp() + make_interval(secs => %s), renewed_at = clock_timestamp()"
            " WHERE account_id = %s",
            [
                owner[:80],
                socket.gethostname()[:80],
                os.getpid(),
                epoch,
                code_version[:40],
                ttl.total_seconds(),
                account_id,
            ],
        )
    return Lease(account_id, owner, epoch, ttl, session)


def _epoch_that_is_over(cursor: CursorWrapper, account_id: int) -> int:
    """Lock the lease row and return its epoch; raise when that is not over, or when the row is in use."""
    cursor.execute("SELECT set_config('idle_in_transaction_session_timeout', %s, true)", [IDLE_LIMIT])
    cursor.execute(
        "INSERT INTO trader_leases (account_id, owner, host, pid, epoch, code_version, lease_until, renewed_at)"
        " VALUES (%s, '', '', 0, 0, '', to_timestamp(0), to_timestamp(0)) ON CONFLICT (account_id) DO NOTHING",
        [account_id],
    )
    # A row in use means that a leader clears an order or another candidate is being elected: both live.
    cursor.execute(
        "WITH lease AS MATERIALIZED (SELECT * FROM trader_leases WHERE account_id = %s FOR UPDATE SKIP LOCKED)"
        " SELECT owner, epoch, lease_until <= clock_timestamp() OR pg_try_advisory_xact_lock("
        "hashtextextended('optionsv4 leader ' || account_id || ' ' || epoch, 0)) FROM lease",
        [account_id],
    )
    row = cursor.fetchone()
    if row is None or not row[2]:
        raise _not_leader(account_id, row[0] if row else "")
    return int(row[1])


def _locked(session: Session, account_id: int, epoch: int) -> bool:
    name = f"optionsv4 leader {account_id} {epoch}"
    with connection.wrap_database_errors:
        row = session.execute("SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", [name]).fetchone()
    return bool(row and row[0])


def _resign(lease: Lease) -> None:
    """End the lease if it is still ours, so that the next leader need not wait; closing the session does as well."""
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE trader_leases SET lease_until = clock_timestamp() WHERE account_id = %s AND epoch = %s",
                [lease.account_id, lease.epoch],
            )
    except DatabaseError:
        logger.warning("the lease of account %s could not be ended; its session is closed", lease.account_id)


@contextmanager
def _session() -> Iterator[Session]:
    """A database session of our own; a lock held in a pooled one would outlive its holder."""
    known = ("dbname", "user", "password", "host", "port", "sslmode", "sslrootcert", "sslcert", "sslkey", "service")
    parameters: dict[str, Any] = {
        name: value for name, value in connection.get_connection_params().items() if name in known
    }
    with connection.wrap_database_errors:
        session = psycopg.connect(**parameters, autocommit=True, connect_timeout=3, application_name="optionsv4 leader")
    try:
        yield session
    finally:
        session.close()


def _lives(session: Session) -> bool:
    try:
        session.execute("SELECT 1")
    except psycopg.Error:
        return False
    return True


def _not_leader(account_id: int, owner: str) -> ExecutionDenied:
    who = owner or "Another process"
    sentence = f"{who} leads account {account_id}."
    return ExecutionDenied(Reason("NOT_LEADER", sentence, "Stop it first, or wait: one leads."))


def _fenced(account_id: int, epoch: int) -> Fenced:
    logger.warning("epoch %s of account %s is over", epoch, account_id)
    sentence = f"This process leads account {account_id} no more: epoch {epoch} is over."
    return Fenced(Reason("FENCED", sentence, "It sends nothing; it must be elected anew."))
