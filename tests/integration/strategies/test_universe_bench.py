"""The benchmark of the whole universe: whose memory it adds up."""

import multiprocessing
import os
import resource
import time

import pytest

from bench.universe import PeakMemory

pytestmark = pytest.mark.django_db

HELD = 64 * 1024 * 1024


def hold() -> None:
    """Touch so much memory, for a second."""
    held = bytearray(os.urandom(1)) * HELD
    time.sleep(1.0)
    assert len(held) == HELD


def test_memory_is_that_of_this_process_its_workers_and_their_backends():
    with PeakMemory() as memory:
        worker = multiprocessing.get_context("fork").Process(target=hold)
        worker.start()
        worker.join()

    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    assert memory.named.startswith("this process, 1 workers, ")
    assert int(memory.named.split()[4]) >= 1
    assert memory.megabytes > own + HELD / 1024**2
