"""Waiting for what other processes do."""

import time
from collections.abc import Callable

import pytest


@pytest.fixture
def comes_true() -> Callable[..., bool]:
    """Wait for a condition that another process makes true; False when it does not in time."""

    def wait(condition: Callable[[], object], seconds: float = 10.0) -> bool:
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        return True

    return wait
