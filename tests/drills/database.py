"""Drills on rows: who claims, who marks, who closes, when fifty do it at the same moment."""

import random
import threading
import time
from collections.abc import Callable
from typing import Any

from tests.crash.ground import Ground, connected
from tests.crash.points import Purpose
from tests.crash.trader import Job, desk_of
from tests.drills.scene import Result


def claim_race(ground: Ground, *, executors: int = 50, strategies: int = 1_000) -> Result:
    """Many executors run through the same marked strategies: each is claimed exactly once."""
    result = Result(f"{executors} executors x {strategies} marks")
    with ground.copy("drill_claims") as name, connected(name):
        from execution.services.runs import open_entry
        from tests.crash import market
        from tests.crash.ground import make_strategies

        ids = make_strategies(strategies, market.SPREAD, marked=True)
        won: list[int] = []
        desk = _desk(ground, name)
        began = time.monotonic()

        def executor(number: int) -> None:
            mine = list(ids)
            random.Random(number).shuffle(mine)
            for pk in mine:
                if open_entry(pk, desk) is not None:
                    won.append(pk)

        result.wrong += _together(executors, executor)
        with ground.connect(name) as session:
            rows = session.execute("SELECT count(*), count(DISTINCT strategy_id) FROM execution_runs").fetchone()
            left = session.execute("SELECT count(*) FROM strategies WHERE execution_status = 'marked'").fetchone()
        runs, distinct = (int(str(number)) for number in rows or (0, 0))
        result.expect("claims won", len(won), strategies)
        result.expect("runs", runs, strategies)
        result.expect("strategies with a run", distinct, strategies)
        result.expect("left", int(str((left or (-1,))[0])), 0)
        result.counts["attempts"] = executors * strategies
        result.counts["seconds"] = round(time.monotonic() - began, 1)
    return result


def reviewers_race(ground: Ground, *, reviewers: int = 50, strategies: int = 20, turns: int = 20) -> Result:
    """Many people mark and unmark the same strategies: no illegal transition, one audit row per transition."""
    result = Result(f"{reviewers} reviewers mark and unmark")
    with ground.copy("drill_reviews") as name, connected(name):
        from strategies.services.marking import mark, unmark
        from tests.crash import market
        from tests.crash.ground import make_strategies

        ids = make_strategies(strategies, market.SPREAD)
        done: list[int] = []

        def reviewer(number: int) -> None:
            chance = random.Random(number)
            for _ in range(turns):
                chosen = chance.sample(ids, 3)
                verb = mark if chance.random() < 0.5 else unmark
                done.extend(verb(chosen).done)

        result.wrong += _together(reviewers, reviewer)
        with ground.connect(name) as session:
            rows = session.execute(
                "SELECT pgh_obj_id, execution_status, marked_for_execution FROM strategies_optionstrategyevent"
                " WHERE pgh_label = 'update' AND pgh_obj_id = ANY(%s) ORDER BY pgh_id",
                [ids],
            ).fetchall()
        result.counts["transitions"] = len(done)
        result.expect("audit rows", len(rows), len(done))
        result.expect("illegal", _illegal(rows), 0)
    return result


def _illegal(rows: list[tuple[Any, ...]]) -> int:
    """Rows that do not follow from the one before: pending and marked take turns, the flag agrees."""
    status: dict[int, str] = {}
    wrong = 0
    for strategy, now, flag in rows:
        before = status.get(strategy, "pending")
        wrong += (before, now) not in {("pending", "marked"), ("marked", "pending")} or flag != (now == "marked")
        status[strategy] = now
    return wrong


def exits_race(ground: Ground, *, threads: int = 20) -> Result:
    """Stop, target and a person close one strategy at the same moment: one exit run."""
    result = Result(f"{threads} exit reasons at once")
    with ground.copy("drill_exits") as name, connected(name):
        from django.utils import timezone

        from execution.services.runs import open_exit
        from market.errors import Reason
        from strategies.models import OptionStrategy

        desk = _desk(ground, name)
        rows = OptionStrategy.objects.filter(structure="bull-put-spread")
        strategy = rows[0]
        for status in ("marked", "executing", "executed"):
            marked = status == "marked"
            changes: dict[str, object] = {"execution_status": status}
            if marked:
                changes |= {"marked_for_execution": True, "execution_priority": 5}
            if status == "executed":
                changes["executed_at"] = timezone.now()
            OptionStrategy.objects.filter(pk=strategy.pk).update(**changes)
        opened: list[int] = []

        def close(number: int) -> None:
            run = open_exit(strategy, Reason(f"RULE_{number}", "A rule says so."), desk)
            if run is not None:
                opened.append(run.pk)

        result.wrong += _together(threads, close)
        with ground.connect(name) as session:
            row = session.execute("SELECT count(*) FROM execution_runs WHERE purpose = 'exit'").fetchone()
        result.expect("exit runs", int(str((row or (-1,))[0])), 1)
        result.expect("opened by", len(opened), 1)
    return result


def _desk(ground: Ground, name: str) -> Any:
    """A desk that claims; nothing is ever asked of its broker."""
    from tests.crash.clock import SharedClock

    path = ground.directory / f"{name}.clock"
    SharedClock.start(path)
    job = Job(name, "http://127.0.0.1:9/v2", "1", "none", path, Purpose.ENTRY, 0)
    return desk_of(job, lambda _name: None)


def _together(count: int, work: Callable[[int], None]) -> list[str]:
    """Run the same work in many threads that start at the same moment; what they raised, in words."""
    from django.db import connection

    settings = dict(connection.settings_dict)
    gate, raised = threading.Barrier(count), list[str]()

    def one(number: int) -> None:
        connection.settings_dict.update(settings)
        try:
            gate.wait()
            work(number)
        except Exception as error:  # noqa: BLE001 - whatever it is, the drill has failed
            raised.append(f"{type(error).__name__}: {error}"[:200])
        finally:
            connection.close()

    threads = [threading.Thread(target=one, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return raised[:5]
