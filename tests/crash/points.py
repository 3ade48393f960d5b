"""Every named place at which a trader dies, and what must go wrong outside so that it gets there at all. Pure.

A name says what was under way and how far it was: `before` the call, `inside` its transaction after the first write
(where that statement is all of it: when it has been carried out and nobody here knows), `after` it returned (so:
committed). `connected`, `sent` and `answered` are the stages of one HTTP request.
"""

from dataclasses import dataclass
from enum import StrEnum


class Purpose(StrEnum):
    """What the basket is doing when the process dies."""

    ENTRY = "entry"
    EXIT = "exit"
    UNWIND = "unwind"


class Setting(StrEnum):
    """What the exchange does to the first order after the point is armed."""

    CALM = "calm"
    STUCK = "stuck"  # it stays in transit until it is cancelled
    DROPPED = "dropped"  # the request is lost on its way, and the connection ends
    UNANSWERED = "unanswered"  # it is accepted, and the connection ends
    STRAY = "stray"  # an order that bears our mark and is not in our books stands in the broker's


@dataclass(frozen=True, slots=True)
class Point:
    """One place; an `early` one lies before the first order, so it is armed before the run exists."""

    name: str
    setting: Setting = Setting.CALM
    early: bool = False


def _points(subject: str, *moments: str, setting: Setting = Setting.CALM, early: bool = False) -> list[Point]:
    return [Point(f"{subject}.{moment}", setting, early) for moment in moments]


_COMMIT = ("before", "inside", "after")
_CALL = ("before", "after")
_REQUEST = ("before", "connected", "sent", "answered", "after")

POINTS: tuple[Point, ...] = (
    # the claim: the strategy moves and its run is opened, in one transaction
    *_points("claim", "before", "strategy-written", "run-written", "after", early=True),
    *_points("begin", *_COMMIT, early=True),
    *_points("check", *_CALL, early=True),
    *_points("verdict", *_COMMIT, early=True),
    # one order
    *_points("limit", *_CALL),
    *_points("intent", *_COMMIT),
    *_points("pace", "before", "inside", "after"),
    *_points("sending", "before", "standing-held", "inside", "after"),
    *_points("place", *_REQUEST),
    *_points("ack", *_COMMIT),
    *_points("orders-read", *_CALL),
    *_points("trades-read", *_CALL),
    *_points("fill", "before", "inside", "trade-written", "after"),
    *_points("phase", *_COMMIT),
    *_points("finish", *_COMMIT),
    # an order that does not end by itself
    *_points("cancel-intent", *_COMMIT, setting=Setting.STUCK),
    *_points("cancel", *_REQUEST, setting=Setting.STUCK),
    *_points("cancelled", *_COMMIT, setting=Setting.STUCK),
    # an order whose fate is unknown
    *_points("unknown", *_COMMIT, setting=Setting.DROPPED),
    *_points("lookup", *_CALL, setting=Setting.DROPPED),
    *_points("miss", *_CALL, setting=Setting.DROPPED),
    *_points("not-placed", *_COMMIT, setting=Setting.DROPPED),
    *_points("found", *_COMMIT, setting=Setting.UNANSWERED),
    # what needs a person
    *_points("external", *_CALL, setting=Setting.STRAY),
    *_points("alert", "before", "written", "switch-written", "after", setting=Setting.STRAY),
    # housekeeping
    *_points("renewal", *_CALL),
    *_points("positions-read", *_CALL),
    *_points("report", *_CALL),
)
NAMED = {point.name: point for point in POINTS}

# Where the process that takes over dies in its turn, while a third one waits.
AGAIN: tuple[str, ...] = (
    "election.inside",
    "election.after",
    "orders-read.after",
    "trades-read.after",
    "recovery.before",
    "recovery.inside",
    "recovery.after",
    "place.sent",
)
# What is crashed first in these.
FIRST: tuple[str, ...] = ("sending.after", "place.sent", "fill.inside")

# A combination that does not exist, and why; it is not run and not counted. Any other that is not reached is a failure.
UNREACHABLE = {
    "entry:sending.after:place.sent": "the order never left, the entry ends with nothing held, nothing is sent",
}
