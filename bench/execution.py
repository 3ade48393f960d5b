"""The order path against the simulated exchange: intent to wire, the pace of a thousand baskets, halt to last send.

BENCH_SECONDS is how long the queue is worked (45), BENCH_TRIALS how often the kill switch is thrown (50).
"""

import logging
import os
import random
import statistics
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

from bench.exchange import Call, RemoteExchange, remote_exchange
from bench.trading_floor import open_account, open_desk, own_database, queue_spreads, shift_to_session

Row = tuple[str, float, str, float]
Pace = Callable[[bool], float]

ORDERS_TIMED = 300
BASKETS = 1_000
LIMIT = 10  # order calls in any second, whoever makes them
WATCHED = 1.3  # seconds after a halt in which a send would be seen
STAGES = ("INTENT commit", "pace", "SENDING commit", "client")


def run() -> list[Row]:
    """All of it, each part on an account and an exchange of its own."""
    logging.disable(logging.WARNING)
    try:
        with own_database():
            return [
                *intent_to_wire(),
                *thousand_baskets(_number("BENCH_SECONDS", 45)),
                *halts(_number("BENCH_TRIALS", 50)),
            ]
    finally:
        logging.disable(logging.NOTSET)


class Stopwatch:
    """The moments of one order's way out, heard from the ledger and the wire."""

    def __init__(self) -> None:
        self.moments: list[float] = []
        self.ways: list[list[float]] = []
        self._placing = False

    def attach(self, leader: Any) -> None:
        """Listen to a leader's books and broker; nothing is changed but the time it takes to look at the clock."""
        ledger, broker = leader.ledger, leader.desk.broker
        ledger.commit = self._around(ledger.commit, starts=True)
        ledger.pace = self._around(ledger.pace)
        ledger.clear = self._around(ledger.clear)
        broker.place = self._place(broker.place)

    def on_stage(self, name: str) -> None:
        """The connection stands, the next thing is the first byte."""
        if self._placing and name == "connected":
            self.ways.append([*self.moments, time.perf_counter()])
        elif self._placing and name == "answered":
            self._placing = False
            _age_calls()

    def _around(self, call: Callable[..., Any], *, starts: bool = False) -> Callable[..., Any]:
        def timed(*given: Any, **named: Any) -> Any:
            if starts:
                self.moments = [time.perf_counter()]
            result = call(*given, **named)
            self.moments.append(time.perf_counter())
            return result

        return timed

    def _place(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def placing(order: Any) -> Any:
            self._placing = True
            return call(order)

        return placing


@contextmanager
def leading(label: str, baskets: int, pace: Callable[[int], Pace], watch: Stopwatch | None = None) -> Iterator[Any]:
    """A leader with a full queue, its books compared once, and the exchange it trades on."""
    from execution.services.trading import trading

    watch, shift = watch or Stopwatch(), shift_to_session()
    with remote_exchange(shift) as exchange:
        account = open_account(label)
        queue_spreads(baskets, label=label)
        with trading(open_desk(exchange, account, shift, on_stage=watch.on_stage)) as leader:
            leader.ledger._pace = pace(account.pk)  # trading() has no way to say it
            leader.reconcile()
            yield leader, exchange, watch


def work(leader: Any, stopped: Callable[[], bool]) -> None:
    """The loop of run_trader, without Redis to wait on."""
    from execution.services.trader import BUSY_SECONDS, one_pass

    while not stopped():
        leader.keep()
        if not one_pass(leader):
            time.sleep(BUSY_SECONDS)


def intent_to_wire() -> list[Row]:
    """Ours between the decision to send and the first byte, over a busy day's ledger, with nothing to wait for."""
    with leading("intent", 200, _unhurried) as (leader, _, watch):
        watch.attach(leader)
        work(leader, lambda: len(watch.ways) >= ORDERS_TIMED)
    ways = [way for way in watch.ways if len(way) == len(STAGES) + 1]
    spans = [[1_000 * (after - before) for before, after in pairwise(way)] for way in ways]
    totals = [sum(span) for span in spans]
    rows = [(f"intent to wire, {len(ways)} orders, p50", _part(totals, 50), "ms", 0.0)]
    rows += [
        ("intent to wire, p95", _part(totals, 95), "ms", 0.0),
        ("intent to wire, p99", _part(totals, 99), "ms", -10.0),
    ]
    for number, stage in enumerate(STAGES):
        part = [span[number] for span in spans]
        rows.append((f"  of which {stage}, p50", _part(part, 50), "ms", 0.0))
        rows.append((f"  of which {stage}, p99", _part(part, 99), "ms", 0.0))
    return rows


def thousand_baskets(seconds: int) -> list[Row]:
    """A thousand baskets in the queue, only the window of a second binding, as the exchange sees it."""
    from execution.brokers.dhan.limits import DHAN_LIMITS
    from execution.models import ExecutionRun

    with leading("queue", BASKETS, _only_a_second) as (leader, exchange, _):
        ends = time.monotonic() + seconds
        work(leader, lambda: time.monotonic() > ends)
        calls = exchange.calls()
        rows = ExecutionRun.objects.filter(account=leader.desk.account)
        done = rows.filter(state="complete").count()
    second = DHAN_LIMITS.windows[0]
    rate = _steady(calls)
    granted = min(second.open_to(urgent=False), 1 / DHAN_LIMITS.spacing)
    return [
        (f"{BASKETS} queued baskets: completed in {seconds} s", float(done), "baskets", 0.0),
        ("  order calls made", float(len(calls)), "calls", 0.0),
        ("  most order calls in any rolling second", float(most_in_a_second(calls)), "calls", -float(LIMIT)),
        ("  throughput", rate, "calls/s", 0.0),
        ("  throughput against what the governor grants entries", 100 * rate / granted, "%", 95.0),
        ("  throughput against the broker's 10 in a second", 100 * rate / LIMIT, "%", 0.0),
        ("  seconds for each two-leg basket (the documents: 4.2)", 2 / rate, "s", -4.2),
        *_full_windows(DHAN_LIMITS),
    ]


def halts(trials: int) -> list[Row]:
    """From asking for the halt to the last new order that the exchange sees, baskets under way."""
    with leading("halt", max(BASKETS, 8 * trials), _only_a_second) as (leader, exchange, _):
        late = [_halt_once(leader, exchange) for _ in range(trials)]
    under_way = [seconds for seconds in late if seconds is not None]
    return [
        (f"kill switch, {trials} halts with orders going out, last send after, max", max(under_way), "s", -1.0),
        ("  p50 (0 when nothing was sent after the halt was asked for)", _part(under_way, 50), "s", 0.0),
        ("  halts that met a send on its way", float(sum(seconds > 0 for seconds in under_way)), "halts", 0.0),
    ]


def _halt_once(leader: Any, exchange: RemoteExchange) -> float | None:
    """Let baskets start, halt from another connection at a random moment, watch, and let the account trade again."""
    asked: list[float] = []
    halter = threading.Thread(target=_halt, args=(leader.desk.account, random.uniform(0.3, 1.3), asked))
    halter.start()
    work(leader, lambda: bool(asked) and time.time() > asked[0] + WATCHED)
    halter.join()
    sends = [call.at for call in exchange.calls() if call.method == "POST"]
    _resume(leader.desk.account)
    return max(0.0, max(sends, default=0.0) - asked[0])


def _halt(account: Any, after: float, asked: list[float]) -> None:
    from django.db import connection

    from execution.services.standing import halt
    from market.errors import Reason

    time.sleep(after)
    moment = time.time()
    halt(account, reason=Reason("BENCH", "The kill switch is measured."), actor="bench")
    asked.append(moment)
    connection.close()


def _resume(account: Any) -> None:
    """Without the minute that a person has to wait."""
    from execution.models import TradingState

    TradingState.objects.filter(account=account).update(state="ACTIVE", reason_code="", reason_text="")


# --- pace -------------------------------------------------------------------------------------------------------------


def _unhurried(account_id: int) -> Pace:
    """The real governor with a day's calls in its table and windows too short to ever wait for."""
    from django.db import connection

    from execution.brokers.dhan.limits import DHAN_LIMITS, CallLimits, Window
    from execution.services.pace import take_call

    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO order_calls (account_id, number, urgent, taken_at) SELECT %s, n, false,"
            " clock_timestamp() - make_interval(secs => 20000 - n) FROM generate_series(1, 6500) AS n",
            [account_id],
        )
        cursor.execute("ANALYZE order_calls")
    windows = tuple(Window(one.seconds / 1e6, one.calls, one.reserved) for one in DHAN_LIMITS.windows)
    limits = CallLimits(windows=windows, spacing=0.0)

    def pace(urgent: bool) -> float:
        wait = take_call(account_id, urgent=urgent, limits=limits)
        if wait:
            raise RuntimeError(f"the governor asks for {wait} s; this part must not wait")
        return wait

    return pace


def _only_a_second(account_id: int) -> Pace:
    """The real governor with its second and its spacing; the longer windows would end the run after 250 calls."""
    from execution.brokers.dhan.limits import DHAN_LIMITS, CallLimits
    from execution.services.pace import take_call

    limits = CallLimits(windows=DHAN_LIMITS.windows[:1], spacing=DHAN_LIMITS.spacing)
    return lambda urgent: take_call(account_id, urgent=urgent, limits=limits)


def _age_calls() -> None:
    """Between two orders: let the calls made be an hour old for the checks, which count those of a second."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE order_calls SET taken_at = taken_at - interval '1 hour'"
            " WHERE taken_at > clock_timestamp() - interval '1 minute'"
        )


# --- numbers ----------------------------------------------------------------------------------------------------------


def most_in_a_second(calls: Sequence[Call]) -> int:
    """The fullest second there is, wherever it begins."""
    most = first = 0
    for last, call in enumerate(calls):
        while call.at - calls[first].at >= 1.0:
            first += 1
        most = max(most, last - first + 1)
    return most


def _steady(calls: Sequence[Call]) -> float:
    """Calls in a second from the first to the last."""
    return (len(calls) - 1) / (calls[-1].at - calls[0].at)


def _full_windows(limits: Any) -> list[Row]:
    """What a day allows entries when all windows bind."""
    names = {60.0: "minute", 3_600.0: "hour", 86_400.0: "day"}
    return [
        (
            f"  all windows binding: two-leg baskets in a {names[window.seconds]}",
            window.open_to(urgent=False) / 2,
            "baskets",
            0.0,
        )
        for window in limits.windows
        if window.seconds in names
    ]


def _part(values: Sequence[float], percent: int) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


def _number(name: str, default: int) -> int:
    return int(os.environ.get(name, default))


if __name__ == "__main__":
    from bench.__main__ import main

    main(["execution"])
