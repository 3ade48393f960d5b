"""Drills on the servers themselves: Redis forgets everything or is gone, PostgreSQL dies in the middle of a run."""

import os
import signal
import threading
import time
from pathlib import Path

import psycopg

from optionsv4 import embedded
from tests.crash.ground import Ground
from tests.drills.scene import Result, Scene, scene


def redis_lost(ground: Ground, *, strategies: int = 6, gone_seconds: float = 20.0) -> Result:
    """FLUSHALL while strategies run, then Redis killed and away: everything marked runs, within ten seconds."""
    result = Result(f"Redis flushed, then gone for {gone_seconds:.0f} s")
    with scene(ground, "drill_redis") as drill:
        trader = drill.trader()
        drill.await_so(lambda: bool(trader.said("Trader")), 30)
        waits = []
        for _ in range(2):
            _flush(ground)
            waits.append(_marked_to_claimed(drill, drill.queue(strategies // 3)))
            _flush(ground)
        _kill_redis(ground)
        died = time.monotonic()
        waits.append(_marked_to_claimed(drill, drill.queue(strategies - 2 * (strategies // 3))))
        drill.await_so(lambda: drill.executed() >= strategies, 60)
        without = drill.executed()
        while time.monotonic() - died < gone_seconds:
            time.sleep(0.1)
        embedded.start(ground.state)
        result.at_most("wake-up s", max(waits), 10.0)
        result.expect("executed without Redis", without, strategies)
        result.expect("trader lives", trader.lives, True)
        drill.require_once(result, strategies)
    return result


def _marked_to_claimed(drill: Scene, ids: list[int]) -> float:
    """Seconds until the first of these has a run."""
    began = time.monotonic()
    wanted = ",".join(map(str, ids))
    drill.await_so(lambda: drill.count(f"SELECT count(*) FROM execution_runs WHERE strategy_id IN ({wanted})") > 0, 30)
    return time.monotonic() - began


def _flush(ground: Ground) -> None:
    from redis import Redis

    Redis.from_url(ground.redis_url).flushall()


def _kill_redis(ground: Ground) -> None:
    pid = embedded.status(ground.state).redis.pid
    if pid is not None:
        os.kill(pid, signal.SIGKILL)


def postgres_crashes(ground: Ground, *, strategies: int = 4, outage_seconds: float = 2.0) -> Result:
    """A backend killed, then an immediate stop and a start, in the middle of runs: no acknowledged row is missing."""
    result = Result("PostgreSQL crash")
    with scene(ground, "drill_postgres") as drill:
        with drill.session() as session:
            session.execute("CREATE TABLE drill_rows (id bigint PRIMARY KEY)")
        writer = _Writer(drill)
        trader = drill.trader()
        drill.await_so(lambda: bool(trader.said("Trader")), 30)
        drill.queue(strategies)
        drill.await_so(lambda: drill.count("SELECT count(*) FROM leg_orders") > 0, 30)
        _kill_backend(drill)
        first = writer.await_again()
        drill.await_so(lambda: drill.executed() >= 1, 90)
        _stop_at_once(ground)
        embedded.start(ground.state)
        second = writer.await_again()
        drill.simulator.venue.clock.skip(40)  # type: ignore[attr-defined] - whatever was under way is out of quarantine
        drill.await_so(lambda: drill.undone() == 0, 90)
        writer.end()
        with drill.session() as session:
            kept = {int(str(row[0])) for row in session.execute("SELECT id FROM drill_rows")}
        result.counts["acknowledged"] = len(writer.acknowledged)
        result.expect("acknowledged rows lost", len(set(writer.acknowledged) - kept), 0)
        result.at_most("outage after kill -9 s", first, outage_seconds)
        result.at_most("outage after immediate stop s", second, outage_seconds)
        result.expect("unfinished", drill.undone(), 0)
        verdict = drill.judged()
        result.expect("lost", len(verdict.lost), 0)
        result.expect("duplicate", len(verdict.duplicate), 0)
        result.expect("trader lives", trader.lives, True)
        result.wrong += [*verdict.lost[:3], *verdict.duplicate[:3]]
    return result


def _kill_backend(drill: Scene) -> None:
    """Kill -9 one of the trader's own sessions; PostgreSQL then restarts all of them."""
    pid = drill.count(
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        " AND application_name = 'optionsv4 leader'"
    )
    if pid <= 0:  # 0 would be this process and all of its group
        raise RuntimeError("no trader leads, so it has no session to kill")
    os.kill(pid, signal.SIGKILL)


def _stop_at_once(ground: Ground) -> None:
    """`pg_ctl stop -m immediate`, by its signal; wait until the server is gone."""
    pid = embedded.status(ground.state).postgres.pid
    if pid is None:
        return
    os.kill(pid, signal.SIGQUIT)
    while _runs(pid):
        time.sleep(0.005)


def _runs(pid: int) -> bool:
    """Whether the process is more than an entry that nobody has read yet."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes() != b""
    except (FileNotFoundError, ProcessLookupError):
        return False


class _Writer:
    """Inserts numbers all the time and remembers those whose COMMIT was answered."""

    def __init__(self, drill: Scene) -> None:
        self._drill, self._over = drill, threading.Event()
        self.acknowledged: list[int] = []
        self._broke, self._again = 0.0, threading.Event()
        self.outage = 0.0
        self._thread = threading.Thread(target=self._write, daemon=True)
        self._thread.start()

    def _write(self) -> None:
        number = 0
        while not self._over.is_set():
            try:
                with self._drill.session() as session:
                    while not self._over.is_set():
                        number += 1
                        session.execute("INSERT INTO drill_rows VALUES (%s)", [number])
                        self.acknowledged.append(number)
                        if self._broke:
                            self.outage, self._broke = time.monotonic() - self._broke, 0.0
                            self._again.set()
                        time.sleep(0.001)
            except psycopg.Error:
                self._broke = self._broke or time.monotonic()
                time.sleep(0.005)

    def await_again(self) -> float:
        """Seconds from the first failed write to the next answered one."""
        self._again.wait(60)
        self._again.clear()
        return self.outage

    def end(self) -> None:
        """Stop writing."""
        self._over.set()
        self._thread.join()
