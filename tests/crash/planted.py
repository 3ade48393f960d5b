"""Bugs planted on purpose: a harness that does not report these would report nothing."""

from functools import wraps
from typing import Any

BUGS = ("resend", "deaf")


def plant(bug: str) -> None:
    """Break this process's executor in the named way; no name, no bug."""
    if bug:
        {"resend": _resend, "deaf": _deaf}[bug]()


def _resend() -> None:
    """Recovery sends what stands SENDING again before it looks whether it arrived."""
    from execution.evidence import Watch
    from execution.lifecycle import OrderState
    from execution.ports import ClearedOrder
    from execution.services.preparation import request_for

    inner = Watch.look

    @wraps(inner)
    def look(own: Any, *, everything: bool = False) -> bool:
        ledger = own._ledger
        for known in ledger.known_orders().values():
            if known.state is OrderState.SENDING:
                attempt = ledger.basket(known.run).attempt(known.correlation_id)
                listed = ledger.listed(known.run, attempt.leg)
                request = request_for(
                    listed, attempt.correlation_id, side=attempt.side, quantity=attempt.quantity, limit=attempt.limit
                )
                own._broker.place(ClearedOrder(request, own._clock.elapsed()))
        return inner(own, everything=everything)

    Watch.look = look  # type: ignore[method-assign]


def _deaf() -> None:
    """What an order filled is noted, its trades are not."""
    from execution.services import ledger

    ledger.keep_trades = lambda *_: None
