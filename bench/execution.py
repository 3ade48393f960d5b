"""The order path against the simulated exchange: intent to wire, pace, halt to last send, and what stands around it.

BENCH_SECONDS is how long each of the two queues is worked (25), BENCH_TRIALS how often the kill switch is thrown (10).
Everything is real time but one row that says so.
"""

import logging
import os
import random
import statistics
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from bench.exchange import Call, RemoteExchange, remote_exchange, submit_seconds
from bench.pressure import hurried_calls, most_within, virtual_calls
from bench.stopwatch import STAGES, Stopwatch, Way
from bench.trading_floor import open_account, open_desk, own_database, queue_spreads, shift_to_session

Row = tuple[str, float, str, float]
Pace = Callable[[bool], float]

ORDERS_TIMED = 300
BASKETS = 1_000
HURRY_SECONDS = 6.0
SECOND_LIMIT, MINUTE_LIMIT = 10, 250  # order calls, whoever makes them
LONGEST_WAIT = 6.0  # seconds for an order to be sent before a halt
WATCHED = 1.2  # seconds after a halt in which a send would be seen


def run() -> list[Row]:
    """All of it, each part on an account and an exchange of its own."""
    logging.disable(logging.WARNING)
    seconds, trials = _number("BENCH_SECONDS", 25), _number("BENCH_TRIALS", 10)
    try:
        with own_database():
            return [
                *intent_to_wire(seconds),
                *thousand_baskets(seconds),
                *governor_alone(),
                *halts(trials),
                *audit_chain(),
                ("simulated exchange, one order matched, without HTTP", 1e6 * submit_seconds(), "us", 0.0),
            ]
    finally:
        logging.disable(logging.NOTSET)


@contextmanager
def leading(
    label: str, baskets: int, pace: Callable[[int], Pace], on_stage: Callable[[str], None] = lambda name: None
) -> Iterator[Any]:
    """A leader with a full queue, its books compared once, and the exchange it trades on."""
    from execution.services.trader import spare_the_heap
    from execution.services.trading import trading

    shift = shift_to_session()
    with remote_exchange(shift) as exchange:
        account = open_account(label)
        queue_spreads(baskets, label=label)
        with trading(open_desk(exchange, account, shift, on_stage=on_stage)) as leader:
            leader.ledger._pace = pace(account.pk)  # trading() has no way to say it
            leader.reconcile()
            spare_the_heap()
            yield leader, exchange


def work(leader: Any, stopped: Callable[[], bool]) -> None:
    """The loop of run_trader, without Redis to wait on."""
    from execution.services.trader import BUSY_SECONDS, one_pass

    while not stopped():
        leader.keep()
        if not one_pass(leader):
            time.sleep(BUSY_SECONDS)


# --- what is measured -------------------------------------------------------------------------------------------------


def intent_to_wire(seconds: float) -> list[Row]:
    """Ours between the decision to send and the last byte of the request, with nothing to wait for."""
    watch = Stopwatch(_age_calls)
    with leading("intent", ORDERS_TIMED, _unhurried, watch.on_stage) as (leader, _):
        watch.attach(leader)
        began = time.monotonic()
        work(leader, lambda: len(watch.ways) >= ORDERS_TIMED or time.monotonic() - began > seconds)
        took = time.monotonic() - began
    ways: Sequence[Way] = watch.ways
    totals, processor = [way.total for way in ways], [1_000 * way.processor for way in ways]
    return [
        (f"intent to wire, {len(ways)} orders, p50", _part(totals, 50), "ms", 0.0),
        ("intent to wire, p95", _part(totals, 95), "ms", 0.0),
        ("intent to wire, p99", _part(totals, 99), "ms", -10.0),
        *_stages(ways),
        ("  processor time of this process, p50", _part(processor, 50), "ms", 0.0),
        ("  processor time of this process, p99", _part(processor, 99), "ms", 0.0),
        ("  SQL statements on the way, p50", _part([float(way.statements) for way in ways], 50), "", 0.0),
        ("simulated exchange answers an order by HTTP after, p50", _part(_answers(ways), 50), "ms", 0.0),
        ("simulated exchange answers an order by HTTP after, p99", _part(_answers(ways), 99), "ms", 0.0),
        ("executor with no allowance to wait for, whole path", len(ways) / took, "orders/s", float(SECOND_LIMIT)),
    ]


def thousand_baskets(seconds: float) -> list[Row]:
    """A thousand baskets in the queue, only the window of a second binding, as the exchange sees it."""
    from execution.brokers.dhan.limits import DHAN_LIMITS
    from execution.models import ExecutionRun

    with leading("queue", BASKETS, _only_a_second) as (leader, exchange):
        ends = time.monotonic() + seconds
        work(leader, lambda: time.monotonic() > ends)
        calls = exchange.calls()
        done = ExecutionRun.objects.filter(account=leader.desk.account, state="complete").count()
    rate = _steady(calls)
    granted = min(DHAN_LIMITS.windows[0].open_to(urgent=False), 1 / DHAN_LIMITS.spacing)
    return [
        (f"{BASKETS:,} queued baskets, completed in {seconds:g} s", float(done), "baskets", 0.0),
        ("  most order calls in any rolling second", float(_fullest(calls)), "calls", -float(SECOND_LIMIT)),
        ("  throughput against what the governor grants entries", 100 * rate / granted, "%", 95.0),
        ("  throughput against the broker's 10 in a second", 100 * rate / SECOND_LIMIT, "%", 0.0),
        ("  seconds for each two-leg basket (documents: 4.2 a strategy)", 2 / rate, "s", -4.2),
    ]


def governor_alone() -> list[Row]:
    """Four callers in a hurry at the exchange, then a thousand two-leg baskets of entries in virtual time."""
    shift = shift_to_session()
    with remote_exchange(shift) as exchange:
        calls = hurried_calls(exchange, open_account("hurry"), shift, HURRY_SECONDS)
    granted = virtual_calls(2 * BASKETS)
    return [
        (f"governor, 4 callers in a hurry for {HURRY_SECONDS:g} s", _steady(calls), "calls/s", 0.0),
        ("  most order calls in any rolling second", float(_fullest(calls)), "calls", -float(SECOND_LIMIT)),
        (f"governor in VIRTUAL time, {2 * BASKETS:,} entry calls take", granted[-1] / 3_600, "h", 0.0),
        ("  most in any rolling second", float(most_within(granted, 1.0)), "calls", -float(SECOND_LIMIT)),
        ("  most in any rolling minute", float(most_within(granted, 60.0)), "calls", -float(MINUTE_LIMIT)),
        ("  most in any rolling hour", float(most_within(granted, 3_600.0)), "calls", -1_000.0),
    ]


def halts(trials: int) -> list[Row]:
    """From asking for the halt to the last new order that the exchange sees, baskets under way."""
    with leading("halt", 8 * trials, _only_a_second) as (leader, exchange):
        sent = _told_of_sends(leader.desk.broker)
        seen = [_halt_once(leader, exchange, sent) for _ in range(trials)]
    late = [after for _, after in seen]
    return [
        (f"kill switch, {trials} halts, last send after, max", max(late), "s", -1.0),
        ("  halts with a send in the second before", float(sum(busy for busy, _ in seen)), "halts", 0.0),
        ("  halts with a send still on its way", float(sum(after > 0 for after in late)), "halts", 0.0),
    ]


def audit_chain() -> list[Row]:
    """The chain that all of this wrote, verified."""
    from execution.services.audit import verify

    began = time.perf_counter()
    found = verify()
    took = time.perf_counter() - began
    if not found.is_sound:
        raise RuntimeError(f"the audit chain is broken: {found.faults[:3]}")
    return [(f"audit verify, {found.entries:,} entries", found.entries / took, "rows/s", 100_000.0)]


def _told_of_sends(broker: Any) -> threading.Event:
    """Set whenever an order is about to be sent."""
    sent, place = threading.Event(), broker.place

    def placing(order: Any) -> Any:
        sent.set()
        return place(order)

    broker.place = placing
    return sent


def _halt_once(leader: Any, exchange: RemoteExchange, sent: threading.Event) -> tuple[bool, float]:
    """Halt from another connection while baskets go out; whether they did, and how much later the last one went."""
    asked: list[float] = []
    sent.clear()
    halter = threading.Thread(target=_halt, args=(leader.desk.account, sent, asked))
    halter.start()
    work(leader, lambda: bool(asked) and time.time() > asked[0] + WATCHED)
    halter.join()
    sends = [call.at for call in exchange.calls() if call.method == "POST"]
    _resume(leader.desk.account)
    busy = any(asked[0] - 1.0 <= at <= asked[0] for at in sends)
    return busy, max(0.0, max(sends, default=0.0) - asked[0])


def _halt(account: Any, sent: threading.Event, asked: list[float]) -> None:
    """At a random moment after something was sent to the exchange, at the latest after a few seconds."""
    from django.db import connection

    from execution.services.standing import halt
    from market.errors import Reason

    sent.wait(LONGEST_WAIT)
    time.sleep(random.uniform(0.0, 0.3))
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
        cursor.execute("ANALYZE order_calls")  # as after a day of them
    windows = tuple(Window(1e-6, window.calls, window.reserved) for window in DHAN_LIMITS.windows)
    limits = CallLimits(windows=windows, spacing=0.0)
    return lambda urgent: take_call(account_id, urgent=urgent, limits=limits)


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
            " WHERE number > (SELECT max(number) - 20 FROM order_calls)"
            " AND taken_at > clock_timestamp() - interval '1 minute'"
        )


# --- numbers ----------------------------------------------------------------------------------------------------------


def _stages(ways: Sequence[Way]) -> list[Row]:
    rows = []
    for number, stage in enumerate(STAGES):
        part = [way.spans[number] for way in ways]
        rows.append((f"  of which {stage}, p50", _part(part, 50), "ms", 0.0))
        rows.append((f"  of which {stage}, p99", _part(part, 99), "ms", 0.0))
    return rows


def _answers(ways: Sequence[Way]) -> list[float]:
    return [1_000 * way.answered for way in ways]


def _fullest(calls: Sequence[Call]) -> int:
    return most_within([call.at for call in calls], 1.0)


def _steady(calls: Sequence[Call]) -> float:
    """Calls in a second from the first to the last."""
    return (len(calls) - 1) / (calls[-1].at - calls[0].at)


def _part(values: Sequence[float], percent: int) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


def _number(name: str, default: int) -> int:
    return int(os.environ.get(name, default))


if __name__ == "__main__":
    from bench.__main__ import main

    main(["execution"])
