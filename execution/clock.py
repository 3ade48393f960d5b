"""Time as a thing one can hand over: the machine's, or one that moves only when told. Pure."""

import time
from datetime import UTC, datetime, timedelta


class SystemClock:
    """The machine's clock, its moment shifted for practice; deadlines count the time it was suspended."""

    def __init__(self, shift_seconds: float = 0.0) -> None:
        self._shift = timedelta(seconds=shift_seconds)

    def now(self) -> datetime:
        """The present moment, UTC."""
        return datetime.now(UTC) + self._shift

    def elapsed(self) -> float:
        """Seconds since the machine started, suspension included."""
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)


class SteppedClock:
    """Starts at a given moment and moves when somebody sleeps; nobody waits for it."""

    def __init__(self, start: datetime) -> None:
        self._start, self._passed = start, 0.0

    def now(self) -> datetime:
        """The given moment plus all sleeps."""
        return self._start + timedelta(seconds=self._passed)

    def elapsed(self) -> float:
        """Seconds slept so far."""
        return self._passed

    def sleep(self, seconds: float) -> None:
        """Move the moment forward."""
        self._passed += seconds
