"""How fast orders may leave: sliding windows, a least distance, and a share that only exits may use. Pure."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Window:
    """At most so many calls in any span of so many seconds; `reserved` of them are for exits and cancels."""

    seconds: float
    calls: int
    reserved: int

    def open_to(self, *, urgent: bool) -> int:
        """How many of the calls this kind may use up."""
        return self.calls if urgent else self.calls - self.reserved


@dataclass(frozen=True, slots=True)
class CallLimits:
    """Windows of one account, and the least seconds between two grants.

    Nine grants in a second, evenly spaced, stay within ten on the wire though one is late by up to a tenth of a second.
    """

    windows: tuple[Window, ...]
    spacing: float

    @property
    def remembered(self) -> int:
        """How many of the newest calls can ever decide."""
        return max(window.calls for window in self.windows)

    def looked_at(self, *, urgent: bool) -> tuple[int, ...]:
        """Which of the newest calls decide: 1 is the newest."""
        return (1, *(window.open_to(urgent=urgent) for window in self.windows))


DHAN_LIMITS = CallLimits(
    windows=(Window(1.0, 10, 3), Window(60.0, 250, 25), Window(3_600.0, 1_000, 100), Window(86_400.0, 7_000, 700)),
    spacing=0.112,
)


def seconds_to_wait(age_of: Callable[[int], float | None], *, urgent: bool, limits: CallLimits) -> float:
    """Seconds until a call may leave, 0.0 for now.

    Parameters
    ----------
    age_of : callable
        Seconds since the n-th newest granted call (1 is the newest), None when there are fewer.
    urgent : bool
        An exit or a cancel.
    limits : CallLimits
        What holds.
    """
    waits = [limits.spacing - age for age in [age_of(1)] if age is not None]
    for window in limits.windows:
        age = age_of(window.open_to(urgent=urgent))
        if age is not None:
            waits.append(window.seconds - age)
    return max(0.0, *waits, 0.0)
