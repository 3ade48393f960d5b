"""Drills on real trader processes: six at once, one that hangs, and bells that ring five times."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.crash import market
from tests.crash.clock import MOMENT
from tests.crash.ground import Ground, connected
from tests.drills.scene import Result, scene


def six_executors(ground: Ground, *, strategies: int = 12, kills: int = 3) -> Result:
    """Six traders at one queue, the leader killed a few times: every strategy once.

    A kill may fall between the commit of SENDING and the first byte. That order is given up after its quarantine and
    its basket taken back, so each kill may cost the execution of a strategy that was under way: never a fill.
    """
    result = Result("six executors at once")
    with scene(ground, "drill_six") as six:
        six.queue(strategies)
        for _ in range(6):
            six.trader()
        for number in range(1, kills + 1):
            part = strategies * number // (kills + 1)
            six.await_so(lambda part=part: six.done() >= part, 60)
            leader = six.count("SELECT pid FROM trader_leases")
            for process in six.processes:
                if process.pid == leader:
                    process.end()
        six.await_so(lambda: six.done() >= strategies, 180)
        led = [process for process in six.processes if process.said("Trader")]
        result.expect("kills", sum(not process.lives for process in six.processes), kills)
        result.counts["processes that led"] = len(led)
        six.require_once(result, strategies, interrupted=True)
    return result


def stopped_leader(ground: Ground, *, strategies: int = 4, seconds: float = 15.0, takeover: float = 15.0) -> Result:
    """The leader is stopped between SENDING and the first byte; it wakes after its lease and sends nothing."""
    result = Result(f"SIGSTOP of the leader for {seconds:.0f} s")
    with scene(ground, "drill_stop") as stopped:
        victim = stopped.trader(point="sending.after", signal_number=int(signal.SIGSTOP))
        stopped.await_so(lambda: bool(victim.said("Trader")), 30)
        heir = stopped.trader()
        stopped.await_so(lambda: bool(heir.said("Standing")), 30)
        stopped.queue(strategies)
        stopped.await_so(lambda: bool(victim.said("struck")), 30)
        struck = victim.said("struck")[0]
        stopped.await_so(lambda: bool(heir.said("Trader")), takeover + 5)
        result.at_most("takeover s", (heir.said("Trader") or [time.monotonic()])[0] - struck, takeover)
        while time.monotonic() - struck < seconds:
            time.sleep(0.05)
        victim.signal(signal.SIGCONT)
        woken = time.monotonic()
        stopped.await_so(lambda: bool([at for at in victim.said("Standing") if at > woken]), 20)
        time.sleep(0.5)
        result.expect("sent by the one that woke", sum(at > woken for at in victim.said("sent")), 0)
        result.expect("it stands by again", bool([at for at in victim.said("Standing") if at > woken]), True)
        clock = stopped.simulator.venue.clock
        clock.skip(40)  # type: ignore[attr-defined] - the quarantine of the order that was under way
        stopped.await_so(lambda: stopped.undone() == 0, 60)
        result.expect("open runs", stopped.undone(), 0)
        verdict = stopped.judged()
        result.expect("lost", len(verdict.lost), 0)
        result.expect("duplicate", len(verdict.duplicate), 0)
        result.wrong += [*verdict.lost[:3], *verdict.duplicate[:3]]
    return result


def tasks_five_times(ground: Ground, *, strategies: int = 3) -> Result:
    """Every task that may ring on the way to an order, delivered five times before and after a trader has worked."""
    result = Result("each task delivered five times")
    with scene(ground, "drill_tasks") as drill:
        drill.trader()
        drill.queue(strategies)
        result.counts["deliveries"] = _deliver(drill.name)
        drill.await_so(lambda: drill.executed() >= strategies, 60)
        result.counts["deliveries"] += _deliver(drill.name)  # type: ignore[operator]
        time.sleep(1.0)
        orders = drill.simulator.exchange.every_order()
        result.expect("broker orders", len(orders), strategies * len(market.SPREAD))
        drill.require_once(result, strategies)
    return result


# These only fetch facts, a whole day of them, and send nothing on.
_FACTS = {"market.tasks.import_master", "market.tasks.capture_chains", "optionsv4.tasks.capture_and_generate"}


def _deliver(database: str) -> int:
    """Five deliveries of each task that the workers know, at the market's moment."""
    with connected(database), _at_the_moment():
        from allocation.models import Account
        from optionsv4.celery import app
        from strategies.models import GenerationRun, SymbolResult

        app.loader.import_default_modules()
        app.conf.task_always_eager = app.conf.task_eager_propagates = True
        run = GenerationRun.objects.create(as_of=MOMENT, risk="moderate")
        order = SymbolResult.objects.create(run=run, symbol=market.SYMBOL)
        arguments = {
            "strategies.tasks.generate_symbol": (order.pk,),
            "allocation.tasks.allocate": (Account.objects.get(name="paper").pk,),
        }
        tasks = sorted(name for name in app.tasks if not name.startswith("celery.") and name not in _FACTS)
        for name in tasks:
            for _ in range(5):
                app.tasks[name].apply(arguments.get(name, ())).get()
        return 5 * len(tasks)


@contextmanager
def _at_the_moment() -> Iterator[None]:
    """Shift this process's installation to the moment of the exchange, a day of trading."""
    from django.conf import settings
    from django.utils import timezone

    shift = settings.CLOCK_SHIFT_SECONDS
    settings.CLOCK_SHIFT_SECONDS = (MOMENT - timezone.now()).total_seconds()
    try:
        yield
    finally:
        settings.CLOCK_SHIFT_SECONDS = shift
