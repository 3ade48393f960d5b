"""The real trader loop as a process: the desk is that of the still market, everything else is `run_trader`'s own."""

import os
import threading
import time
import traceback
from multiprocessing.connection import Connection
from typing import Any

from tests.crash.trader import Job, desk_of, use_database


def main(job: Job, line: Connection) -> None:
    """Trade until killed."""
    use_database(job.database)
    try:
        _trade(job, line)
    except BaseException:  # noqa: BLE001 - the process ends here, and says why
        traceback.print_exc()
        os._exit(1)


def _trade(job: Job, line: Connection) -> None:
    from execution.services import trader
    from execution.services.ledger import DatabaseLedger
    from tests.crash.tripwire import Tripwire

    def report(*words: object) -> None:
        line.send((*words[:1], os.getpid(), time.monotonic()))

    wire = Tripwire(job.point, report, signal_number=job.signal_number)
    wire.arm()
    wire.around(DatabaseLedger, "clear", "sending")
    wire.around_commit(DatabaseLedger, done=lambda: None)

    def stage(name: str) -> None:
        wire.stage(name)
        if placing and name == "sent":
            report("sent")

    def open_desk(**_: Any) -> Any:
        desk = desk_of(job, stage)
        inner = desk.broker.place

        def place(order: Any) -> Any:
            placing.append(order)
            try:
                return inner(order)
            finally:
                placing.clear()

        desk.broker.place = place
        return desk

    placing: list[Any] = []
    trader.open_desk = open_desk
    trader.trade_until(threading.Event(), account_name=None, say=lambda words: report(words.split()[0]))
