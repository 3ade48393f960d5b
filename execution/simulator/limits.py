"""How often one user may call (dhan.md section 10). Pure: the moment is always given."""

from collections import deque
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum


class Bucket(StrEnum):
    """What is counted together."""

    ORDER = "ORDER"
    DATA = "DATA"
    QUOTE = "QUOTE"
    NON_TRADING = "NON_TRADING"
    NONE = "NONE"


_DAY = 86_400.0
LIMITS: Mapping[Bucket, tuple[tuple[float, int], ...]] = {
    Bucket.ORDER: ((1.0, 10), (60.0, 250), (3600.0, 1000), (_DAY, 7000)),
    Bucket.DATA: ((1.0, 5), (_DAY, 100_000)),
    Bucket.QUOTE: ((1.0, 1),),
    Bucket.NON_TRADING: ((1.0, 20),),
}
CHAIN_SECONDS = 3.0
"""One unique option-chain request in so many seconds."""


class Limits:
    """Rolling windows; a refused call does not count."""

    def __init__(self, *, active: bool = True) -> None:
        self.active = active
        self.refused = 0
        self._calls: dict[Bucket, dict[float, deque[float]]] = {
            bucket: {span: deque() for span, _ in spans} for bucket, spans in LIMITS.items()
        }
        self._chains: dict[str, float] = {}

    def take(self, bucket: Bucket, now: datetime) -> bool:
        """Count a call; False when it comes too soon."""
        if not self.active or bucket not in LIMITS:
            return True
        at, windows = now.timestamp(), self._calls[bucket]
        for span, most in LIMITS[bucket]:
            window = windows[span]
            while window and window[0] <= at - span:
                window.popleft()
            if len(window) >= most:
                self.refused += 1
                return False
        for window in windows.values():
            window.append(at)
        return True

    def take_chain(self, wanted: str, now: datetime) -> bool:
        """Count a request for a chain; the same one only every three seconds."""
        at = now.timestamp()
        if self.active and at - self._chains.get(wanted, float("-inf")) < CHAIN_SECONDS:
            self.refused += 1
            return False
        self._chains[wanted] = at
        return True
