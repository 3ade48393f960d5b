"""Whether the broker can be worked with. Pure."""

from execution.checks import broker
from execution.checks.asking import ENTRY, Check, Group

HEALTH: tuple[Check, ...] = (
    Check(
        "REJECT_STREAK",
        Group.HEALTH,
        broker.reject_streak,
        "What the broker keeps refusing is not sent again and again.",
        "Read the reasons with execution_status --recent 1 and mend the cause: an account waits ten minutes, a strategy"
        " refused three times is not sent again; generate and mark a new one.",
        "fewer than 3 in a row per strategy, fewer than 5 per account in 10 min",
        ("counts", "counts.strategy_rejects", "counts.account_rejects"),
        ENTRY,
        limits=("strategy_rejects", "account_rejects", "reject_minutes"),
    ),
    Check(
        "RATE",
        Group.HEALTH,
        broker.rate,
        "The broker's limits are never reached, so an exit always has room.",
        "Nothing to do: the order goes out a moment later.",
        "fewer than 8 order calls in this second and 200 in this minute; exits only wait for the governor",
        ("counts", "counts.calls_this_second", "counts.calls_this_minute"),
        purposes=ENTRY,
        cheap=True,
        passing_cloud=True,
        limits=("calls_per_second", "calls_per_minute"),
    ),
    Check(
        "BROKER_HEALTH",
        Group.HEALTH,
        broker.broker_health,
        "Nothing opens while our books and the broker's may differ; nothing leaves while the broker fails.",
        "Wait for the probe; look at execution_status and the alerts.",
        "breaker closed; for entries books compared at most 60 s ago, 0 unknown orders, 0 critical alerts waiting",
        (
            "broker",
            "broker.breaker_closed",
            "broker.reconciled_ago",
            "broker.unknown_orders",
            "broker.critical_alerts",
        ),
        passing_cloud=True,
        limits=("reconcile_seconds",),
    ),
    Check(
        "TOKEN",
        Group.ACCESS,
        broker.token,
        "A basket that is opened can still be managed until the close.",
        "Refresh the token.",
        "for entries valid until the close and 30 min; for exits valid now; a broker without tokens passes",
        ("now", "exchanges", "broker", "broker.needs_token", "broker.token_expires_at"),
        limits=("token_minutes",),
    ),
)
