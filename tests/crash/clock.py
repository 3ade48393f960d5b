"""Real time from a trading moment on, for several processes alike; it runs faster while everybody only waits."""

import mmap
import struct
import time
from datetime import datetime, timedelta
from pathlib import Path

from market.calendar import IST

MOMENT = datetime(2026, 10, 28, 10, 0, tzinfo=IST)
_FIELDS = struct.Struct("dd")  # the machine's seconds at MOMENT, seconds skipped since


class SharedClock:
    """The market moment is the same for all who name the same file; process time is the machine's."""

    def __init__(self, path: Path) -> None:
        with path.open("r+b") as file:
            self._shared = mmap.mmap(file.fileno(), _FIELDS.size)

    @classmethod
    def start(cls, path: Path) -> "SharedClock":
        """Begin at MOMENT, now."""
        path.write_bytes(_FIELDS.pack(_machine(), 0.0))
        return cls(path)

    def now(self) -> datetime:
        """MOMENT plus what has passed and what was skipped."""
        began, skipped = _FIELDS.unpack_from(self._shared)
        return MOMENT + timedelta(seconds=_machine() - began + skipped)

    def elapsed(self) -> float:
        """Seconds of the machine, suspension included."""
        return _machine()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)

    def skip(self, seconds: float) -> None:
        """Let the market moment jump ahead; only the runner does."""
        began, skipped = _FIELDS.unpack_from(self._shared)
        _FIELDS.pack_into(self._shared, 0, began, skipped + seconds)


def _machine() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)
