"""The rate governor alone: a whole queue in virtual time, and callers in a hurry against the exchange in real time."""

import threading
import time
from collections.abc import Iterator, Sequence
from decimal import Decimal
from functools import partial
from itertools import count
from typing import Any

from bench.exchange import Call, RemoteExchange

CALLERS = 4
LEAST_STEP = 1e-6  # seconds; less than that may be lost in rounding


def virtual_calls(wanted: int) -> list[float]:
    """The moments at which so many entry calls are granted when somebody always asks: all of Dhan's windows bind."""
    from execution.brokers.dhan.limits import DHAN_LIMITS, seconds_to_wait

    granted: list[float] = []
    now = 0.0
    while len(granted) < wanted:
        wait = seconds_to_wait(partial(_age, granted, now), urgent=False, limits=DHAN_LIMITS)
        if wait:
            now += max(wait, LEAST_STEP)
        else:
            granted.append(now)
    return granted


def most_within(moments: Sequence[float], seconds: float) -> int:
    """The fullest span of so many seconds, wherever it begins."""
    most = first = 0
    for last, moment in enumerate(moments):
        while moment - moments[first] >= seconds:
            first += 1
        most = max(most, last - first + 1)
    return most


def hurried_calls(exchange: RemoteExchange, account: Any, shift: float, seconds: float) -> list[Call]:
    """What the exchange sees when several callers, urgent ones among them, ask without ever pausing."""
    before = len(exchange.calls())
    ends, numbers = time.monotonic() + seconds, count(1)
    callers = [
        threading.Thread(target=_hurry, args=(exchange, account, shift, ends, numbers, number == 0))
        for number in range(CALLERS)
    ]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    return exchange.calls()[before:]


def _hurry(
    exchange: RemoteExchange, account: Any, shift: float, ends: float, numbers: Iterator[int], urgent: bool
) -> None:
    """Take a call, make it, ask again; the limits are Dhan's own."""
    from django.db import connection

    from bench.trading_floor import open_desk
    from execution.ports import ClearedOrder
    from execution.services.pace import take_call

    desk = open_desk(exchange, account, shift, on_stage=lambda name: None)
    while time.monotonic() < ends:
        wait = take_call(account.pk, urgent=urgent)
        if wait:
            time.sleep(min(wait, 0.01))
        else:
            desk.broker.place(ClearedOrder(_order(f"P-hurry-{next(numbers)}"), desk.clock.elapsed()))
    connection.close()


def _order(name: str) -> Any:
    """A purchase that never trades."""
    from execution.ports import OrderRequest
    from market.contract import Side
    from tests.crash import market

    return OrderRequest(
        correlation_id=name, segment=market.SEGMENT, security_id=market.STRAY,
        contract=market.contract(1000.0, "CE"), side=Side.BUY, quantity=market.LOT, limit_price=Decimal("35.00"),
        tick_size=market.TICK, lot_size=market.LOT,
    )  # fmt: skip


def _age(granted: Sequence[float], now: float, nth: int) -> float | None:
    return now - granted[-nth] if nth <= len(granted) else None
