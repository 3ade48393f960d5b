"""When trading stops by itself, on values: losses, books nobody compared, a full disk, clocks that differ. Pure.

Source: reliability.md section 3.3. What cannot be known trips nothing here: the checks of every entry deny on it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from market.errors import Reason

LOSS_TO_FLATTEN = Decimal("1.5")  # times the daily limit
RECONCILED_WITHIN = timedelta(seconds=120)
LEAST_FREE_BYTES = 1_000_000_000
MOST_SKEW = timedelta(seconds=2)
MOST_LOSING_EXITS = 3
LOSING_WITHIN = timedelta(minutes=30)
PAUSE = timedelta(minutes=60)


@dataclass(frozen=True, slots=True)
class Health:
    """One look at an account and its machine; None is unknown.

    `result` and `most_loss` are rupees, a loss is negative, the limit positive. `skew` is the database's clock less
    this process's.
    """

    result: Decimal | None
    most_loss: Decimal
    reconciled_ago: timedelta | None
    free_bytes: int
    skew: timedelta


@dataclass(frozen=True, slots=True)
class Trip:
    """Why entries end for the day; `flatten` says that everything open goes too."""

    reason: Reason
    flatten: bool = False


def tripped(health: Health) -> Iterator[Trip]:
    """Every breaker that must open, the gravest first."""
    yield from _loss(health)
    ago = health.reconciled_ago
    if ago is None or ago > RECONCILED_WITHIN:
        when = "never" if ago is None else f"{ago.total_seconds():.0f} s ago"
        sentence = f"Our books were last compared with the broker's {when}."
        yield Trip(Reason("NOT_COMPARED", sentence, "Look whether the broker answers: manage.py attention."))
    if health.free_bytes < LEAST_FREE_BYTES:
        sentence = f"Only {health.free_bytes / 1e9:.2f} GB are free where the state is kept."
        yield Trip(Reason("LOW_DISK", sentence, "Make room before the ledger cannot be written."))
    if abs(health.skew) > MOST_SKEW:
        sentence = f"The database's clock and this machine's differ by {health.skew.total_seconds():.1f} s."
        yield Trip(Reason("CLOCK_SKEW", sentence, "Set both clocks by NTP."))


def _loss(health: Health) -> Iterator[Trip]:
    if health.result is None or -health.result < health.most_loss:
        return
    lost, flatten = -health.result, -health.result >= health.most_loss * LOSS_TO_FLATTEN
    sentence = f"Today's loss is ₹{lost:.2f}; the limit is ₹{health.most_loss:.2f}."
    remedy = "Everything open is being closed." if flatten else "Only exits go on; a person decides when this ends."
    yield Trip(Reason("DAILY_LOSS", sentence, remedy), flatten)


def paused_until(losses: Sequence[datetime], now: datetime) -> datetime | None:
    """When entries may begin again after too many losing exits in a row of minutes; None when nothing forbids them.

    Parameters
    ----------
    losses : Sequence[datetime]
        Moments of losing exits in order of time, those later than `now` not among them.
    now : datetime

    Returns
    -------
    datetime | None
        The end of the pause that the newest cluster began, if it is still to come.
    """
    newest = [
        last
        for first, last in zip(losses, losses[MOST_LOSING_EXITS - 1 :], strict=False)
        if last - first <= LOSING_WITHIN
    ]
    until = newest[-1] + PAUSE if newest else None
    return until if until is not None and until > now else None
