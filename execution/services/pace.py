"""The rate governor: one ledger of order calls for all processes of an account, in PostgreSQL."""

from django.db import connection, transaction

from execution.brokers.dhan.limits import DHAN_LIMITS, CallLimits, seconds_to_wait

_LOCK = 7_219_004  # the first half of the advisory lock's name; the account is the second

PRUNE_EVERY = 100  # calls; what is no longer looked at waits for the next broom

_NEWEST = "SELECT coalesce(max(number), 0) FROM order_calls WHERE account_id = %s"
# Ages by the database's clock, the only one that all processes share.
_AGES = """
SELECT number, extract(epoch FROM clock_timestamp() - taken_at)::float8
FROM order_calls WHERE account_id = %s AND number = ANY(%s)
"""
_TAKE = "INSERT INTO order_calls (account_id, number, urgent, taken_at) VALUES (%s, %s, %s, clock_timestamp())"
_PRUNE = "DELETE FROM order_calls WHERE account_id = %s AND number <= %s"


def take_call(account_id: int, *, urgent: bool, limits: CallLimits = DHAN_LIMITS) -> float:
    """Record a call and return 0.0, or return the seconds to wait before asking again; never waits itself.

    Committed before it returns, so it must not stand inside another transaction; takers of one account queue up.
    """
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [_LOCK, account_id])
        cursor.execute(_NEWEST, [account_id])
        newest: int = cursor.fetchone()[0]
        cursor.execute(_AGES, [account_id, [newest + 1 - nth for nth in limits.looked_at(urgent=urgent)]])
        ages = {newest + 1 - number: age for number, age in cursor.fetchall()}
        wait = seconds_to_wait(ages.get, urgent=urgent, limits=limits)
        if wait == 0.0:
            cursor.execute(_TAKE, [account_id, newest + 1, urgent])
            if newest % PRUNE_EVERY == 0:
                cursor.execute(_PRUNE, [account_id, newest + 1 - limits.remembered])
    return wait
