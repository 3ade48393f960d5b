"""Virtual time, one source of chance, and a trace: what makes a schedule the same every time it is run."""

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush
from random import Random

START = datetime(2026, 10, 28, 4, 30, tzinfo=UTC)  # 10:00 in Mumbai, a day of trading

Act = Callable[[], None]


class Crash(BaseException):
    """The process dies here; nothing after this line happens."""


class Unavailable(Exception):
    """The database is not there, or its answer to a commit was lost."""


class World:
    """Keeps the agenda. Whoever waits lets the others act meanwhile, as processes do."""

    def __init__(self, seed: int) -> None:
        self.seed, self.time = seed, 0.0
        self.rng = Random(f"{seed}:world")
        self.trace: list[tuple[object, ...]] = []
        self.is_calm = False  # nothing goes wrong at all in this schedule
        self._agenda: list[tuple[float, int, Act]] = []
        self._pushed = 0
        self._moment = 0.0, START

    def now(self) -> datetime:
        """The moment, aware; made once for all who ask at it."""
        if self._moment[0] != self.time:
            self._moment = self.time, START + timedelta(seconds=self.time)
        return self._moment[1]

    def at(self, moment: datetime) -> float:
        """Seconds since the start of a moment."""
        return (moment - START).total_seconds()

    def say(self, *words: object) -> None:
        """Write an event down."""
        self.trace.append((round(self.time, 6), *words))

    def later(self, seconds: float, act: Act) -> None:
        """Put something on the agenda."""
        self._pushed += 1
        heappush(self._agenda, (self.time + seconds, self._pushed, act))

    def chance(self, probability: float) -> bool:
        """Whether something with this probability happens now; draws nothing where it cannot."""
        return probability > 0 and self.rng.random() < probability

    def between(self, low: float, high: float) -> float:
        """An even draw."""
        return low + (high - low) * self.rng.random()

    def pass_time(self, seconds: float) -> None:
        """Let time pass; everything on the agenda until then happens in between."""
        target = self.time + seconds
        while self._agenda and self._agenda[0][0] <= target:
            self.step()
        self.time = max(self.time, target)

    def step(self) -> None:
        """Do what is next on the agenda."""
        due, _, act = heappop(self._agenda)
        self.time = max(self.time, due)
        act()

    @property
    def idle(self) -> bool:
        """Whether the agenda is empty."""
        return not self._agenda

    def hash(self) -> str:
        """Return one word for everything that happened."""
        digest = hashlib.sha256()
        for line in self.trace:
            digest.update(repr(line).encode())
        return digest.hexdigest()[:16]

    def lines(self) -> list[str]:
        """The trace, one event a line."""
        return [f"{line[0]:10.3f}  " + "  ".join(str(word) for word in line[1:]) for line in self.trace]


class ProcessClock:
    """The clock of one process: `execution.ports.Clock` on the world's time."""

    def __init__(self, world: World) -> None:
        self._world = world

    def now(self) -> datetime:
        """The market moment."""
        return self._world.now()

    def elapsed(self) -> float:
        """Seconds since the start; suspension counts."""
        return self._world.time

    def sleep(self, seconds: float) -> None:
        """Wait."""
        self._world.pass_time(seconds)
