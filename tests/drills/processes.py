"""Drills on real trader processes: six at once, one that hangs, and bells that ring five times."""

import signal
import time

from tests.crash.ground import Ground
from tests.drills.scene import Result, scene

LEASE_SECONDS = 15.0


def six_executors(ground: Ground, *, strategies: int = 12, kills: int = 3) -> Result:
    """Six traders at one queue, the leader killed a few times: every strategy once."""
    result = Result("six executors at once")
    with scene(ground, "drill_six") as six:
        six.queue(strategies)
        for _ in range(6):
            six.trader()
        for number in range(1, kills + 1):
            part = strategies * number // (kills + 1)
            six.await_so(lambda part=part: six.executed() >= part, 60)
            leader = six.count("SELECT pid FROM trader_leases")
            for process in six.processes:
                if process.pid == leader:
                    process.end()
        six.await_so(lambda: six.executed() >= strategies, 120)
        led = [process for process in six.processes if process.said("Trader")]
        result.expect("kills", sum(not process.lives for process in six.processes), kills)
        result.counts["processes that led"] = len(led)
        six.require_once(result, strategies)
    return result


def stopped_leader(ground: Ground, *, strategies: int = 4, seconds: float = 15.0) -> Result:
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
        stopped.await_so(lambda: bool(heir.said("Trader")), seconds + 15)
        result.at_most("takeover s", (heir.said("Trader") or [struck + 99])[0] - struck, LEASE_SECONDS)
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
        stopped.await_so(lambda: _open(stopped.count) == 0, 60)
        result.expect("open runs", _open(stopped.count), 0)
        verdict = stopped.judged()
        result.expect("lost", len(verdict.lost), 0)
        result.expect("duplicate", len(verdict.duplicate), 0)
        result.wrong += [*verdict.lost[:3], *verdict.duplicate[:3]]
    return result


def _open(count) -> int:  # type: ignore[no-untyped-def]
    queued = count("SELECT count(*) FROM strategies WHERE execution_status IN ('marked', 'executing')")
    return int(queued)


def tasks_five_times(ground: Ground, *, strategies: int = 3) -> Result:
    """Every task that may ring during the day, delivered five times each while a trader works."""
    result = Result("each task delivered five times")
    with scene(ground, "drill_tasks") as drill:
        drill.trader()
        drill.queue(strategies)
        delivered = _deliver(drill.name)
        drill.await_so(lambda: drill.executed() >= strategies, 60)
        delivered += _deliver(drill.name)
        time.sleep(1.0)
        result.counts["deliveries"] = delivered
        orders = drill.simulator.exchange.every_order()
        result.expect("broker orders", len(orders), strategies * 2)
        drill.require_once(result, strategies)
    return result


def _deliver(database: str) -> int:
    """Five deliveries of each bell, past the calendar: today need not be a day of trading."""
    from tests.drills.database import connected

    with connected(database):
        from execution.tasks import wake_trader
        from strategies.models import GenerationRun, SymbolResult
        from strategies.tasks import generate_symbol
        from tests.crash.clock import MOMENT

        run = GenerationRun.objects.create(as_of=MOMENT, risk="moderate")
        order = SymbolResult.objects.create(run=run, symbol="ACME")
        bells = [wake_trader.run.__wrapped__, lambda: generate_symbol.apply([order.pk]).get()]
        for bell in bells:
            for _ in range(5):
                bell()
        return 5 * len(bells)
