"""Several traders of one account as real processes: each sends whenever it leads, a send is one row with its epoch.

Run as a program: it forks COUNT candidates, prints their process ids and waits for them.
"""

import os
import signal
import sys
import time

COUNT, ACCOUNT, TTL, FREEZE = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), sys.argv[4] == "freeze"


def candidate() -> None:
    from datetime import timedelta

    from django.db import Error

    from execution.errors import ExecutionDenied
    from execution.services.leadership import lead

    owner = f"candidate {os.getpid()}"
    while True:
        try:
            with lead(ACCOUNT, owner=owner, ttl=timedelta(seconds=TTL)) as lease:
                keep_sending(lease)
        except ExecutionDenied as denied:
            if denied.reason.code == "FENCED":
                say("fenced")
            time.sleep(0.05)
        except Error as error:
            say(f"lost {type(error).__name__}")
            forget_connection()


def keep_sending(lease) -> None:
    from django.db import transaction

    from execution.models import ReconcileReport
    from execution.services.leadership import assert_epoch, renew

    for number in range(100_000):
        with transaction.atomic():
            assert_epoch(lease.account_id, lease.epoch)
            if FREEZE and number == 3 and lease.epoch == 1:
                os.kill(os.getpid(), signal.SIGSTOP)
            ReconcileReport.objects.create(account_id=lease.account_id, epoch=lease.epoch, clean=True)
        renew(lease)
        time.sleep(0.02)


def forget_connection() -> None:
    from django.db import connection

    connection.close()


def say(word: str) -> None:
    os.write(1, f"{os.getpid()} {word}\n".encode())


def main() -> None:
    import django

    django.setup()
    children = []
    for _ in range(COUNT):
        child = os.fork()
        if child == 0:
            candidate()
        children.append(child)
    os.write(1, (" ".join(map(str, children)) + "\n").encode())
    for child in children:
        os.waitpid(child, 0)


if __name__ == "__main__":
    main()
