"""The rate governor: one ledger of order calls for all processes of an account, in PostgreSQL."""

from django.db import connection, transaction

from execution.brokers.dhan.limits import DHAN_LIMITS, CallLimits, seconds_to_wait

_LOCK = 7_219_004  # the first half of the advisory lock's name; the account is the second

PRUNE_EVERY = 100  # calls; what is no longer looked at waits for the next broom

# An exit's call may be a cancel, which nothing commits after; what else is sent is written down first, and that
# commit takes the call to the disk before the wire.
_QUEUE_UP = "SELECT pg_advisory_xact_lock(%s, %s), CASE WHEN %s THEN set_config('synchronous_commit', 'off', true) END;"
# A statement of its own, sent along: it sees what was committed before the lock was had.
# Ages by the database's clock, the only one that all processes share.
_AGES = """
WITH newest AS MATERIALIZED (SELECT coalesce(max(number), 0) AS number FROM order_calls WHERE account_id = %s)
SELECT newest.number, nth, extract(epoch FROM clock_timestamp() - taken_at)::float8
FROM newest CROSS JOIN unnest(%s::bigint[]) AS nth
LEFT JOIN order_calls calls ON calls.account_id = %s AND calls.number = newest.number + 1 - nth
"""
_TAKE = "INSERT INTO order_calls (account_id, number, urgent, taken_at) VALUES (%s, %s, %s, clock_timestamp())"
_PRUNE = "DELETE FROM order_calls WHERE account_id = %s AND number <= %s"


def take_call(account_id: int, *, urgent: bool, limits: CallLimits = DHAN_LIMITS) -> float:
    """Record a call and return 0.0, or return the seconds to wait before asking again; never waits itself.

    Committed before it returns, so it must not stand inside another transaction; takers of one account queue up.
    """
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        lock = _LOCK, account_id, not urgent
        cursor.execute(_QUEUE_UP + _AGES, [*lock, account_id, list(limits.looked_at(urgent=urgent)), account_id])
        cursor.nextset()
        rows = cursor.fetchall()
        newest: int = rows[0][0]
        ages = {nth: age for _, nth, age in rows}
        wait = seconds_to_wait(ages.get, urgent=urgent, limits=limits)
        if wait == 0.0:
            cursor.execute(_TAKE, [account_id, newest + 1, urgent])
            if newest % PRUNE_EVERY == 0:
                cursor.execute(_PRUNE, [account_id, newest + 1 - limits.remembered])
    return wait
