"""What goes wrong, and when: seeded or by script, the same for the same seed. Pure.

Every opportunity is a *call*. Each kind of call draws from a random stream of its own, so that reading the book more
often does not change what happens to orders.
"""

import math
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from enum import StrEnum
from itertools import accumulate
from random import Random
from typing import NamedTuple

from execution.simulator.book import ORDINARY, Fate


class Call(StrEnum):
    """Where something can go wrong; `nth` of a script counts these."""

    PLACE = "PLACE"  # the wire of a new order
    MODIFY = "MODIFY"
    CANCEL = "CANCEL"
    BOOK = "BOOK"  # order book, trade book, positions, funds and any other read
    LOOKUP = "LOOKUP"  # one order by id or correlation id
    FATE = "FATE"  # an order that was taken
    UPDATE = "UPDATE"  # a message of the order-update socket
    FEED = "FEED"  # a packet of the market feed
    SESSION = "SESSION"  # any request at all: tokens, the broker's own acts


class Fault(StrEnum):
    """Everything that can be made to go wrong."""

    # the wire of a request
    DROP_REQUEST = "DROP_REQUEST"  # closed before the broker saw it
    ACCEPT_THEN_CLOSE = "ACCEPT_THEN_CLOSE"  # done, and no answer
    LATE_ARRIVAL = "LATE_ARRIVAL"  # no answer, done 0 to 30 s later
    DUPLICATE_ACCEPT = "DUPLICATE_ACCEPT"  # done twice
    TOO_MANY_REQUESTS = "TOO_MANY_REQUESTS"  # 429, and so are the next few
    SLOW_DRIP = "SLOW_DRIP"  # done; the answer comes a byte at a time
    SERVER_ERROR_BEFORE = "SERVER_ERROR_BEFORE"  # 5xx, not done
    SERVER_ERROR_AFTER = "SERVER_ERROR_AFTER"  # 5xx, done
    NOT_JSON = "NOT_JSON"  # done, a web page comes back
    NO_ORDER_ID = "NO_ORDER_ID"  # done, 2xx without an id
    ERROR_IN_OK = "ERROR_IN_OK"  # not done, an error object with status 200
    REDIRECT = "REDIRECT"  # 307, not done
    INVALID_IP = "INVALID_IP"
    DH_901 = "DH_901"
    DH_902 = "DH_902"
    DH_903 = "DH_903"
    DH_904 = "DH_904"
    DH_905 = "DH_905"
    DH_906 = "DH_906"
    DH_907 = "DH_907"
    DH_908 = "DH_908"
    DH_909 = "DH_909"
    DH_910 = "DH_910"
    DH_911 = "DH_911"
    MODIFY_LOST = "MODIFY_LOST"  # confirmed, never applied
    CANCEL_LOST = "CANCEL_LOST"  # confirmed, never happens
    FILL_ON_CANCEL = "FILL_ON_CANCEL"  # confirmed, and then it fills
    # an order behind the front door
    REJECT_LEG = "REJECT_LEG"
    PARTIAL_FILL = "PARTIAL_FILL"
    NO_FILL = "NO_FILL"
    OVERFILL = "OVERFILL"
    TRANSIT_STAYS = "TRANSIT_STAYS"
    LOOKUP_LAG = "LOOKUP_LAG"  # neither book nor lookup shows it for seconds
    # reads
    STALE_BOOK = "STALE_BOOK"
    TRUNCATED_BOOK = "TRUNCATED_BOOK"
    LOOKUP_ERROR = "LOOKUP_ERROR"  # a read fails
    LOOKUP_MISSES = "LOOKUP_MISSES"  # a lookup says that there is none
    WRONG_CASING = "WRONG_CASING"  # "Traded" for "TRADED", PascalCase keys in updates
    NULL_FIELDS = "NULL_FIELDS"  # null where a number belongs
    # sockets
    UPDATE_MISSING = "UPDATE_MISSING"
    UPDATE_DUPLICATE = "UPDATE_DUPLICATE"
    UPDATE_REORDERED = "UPDATE_REORDERED"
    UPDATE_UNKNOWN_STATUS = "UPDATE_UNKNOWN_STATUS"
    UPDATE_FOREIGN_MESSAGE = "UPDATE_FOREIGN_MESSAGE"  # not an order_alert
    SILENT_SOCKET = "SILENT_SOCKET"  # open, and nothing comes
    SOCKET_CLOSED = "SOCKET_CLOSED"  # close code 1011
    MALFORMED_FRAME = "MALFORMED_FRAME"
    STACKED_FRAMES = "STACKED_FRAMES"  # two packets in one frame
    FEED_DISCONNECT = "FEED_DISCONNECT"  # packet 50, then the end
    # the account
    TOKEN_EXPIRED = "TOKEN_EXPIRED"  # noqa: S105 - the name of a fault
    FOREIGN_ORDER = "FOREIGN_ORDER"  # a person trades by hand
    BROKER_SQUARE_OFF = "BROKER_SQUARE_OFF"


class Strike(NamedTuple):
    """A fault that hits now; `seconds` is how late, how old or how long, where that matters."""

    fault: Fault
    seconds: float = 0.0
    times: int = 0


_CODES = tuple(fault for fault in Fault if fault.name.startswith("DH_"))
_WIRE = (
    Fault.DROP_REQUEST,
    Fault.ACCEPT_THEN_CLOSE,
    Fault.LATE_ARRIVAL,
    Fault.TOO_MANY_REQUESTS,
    Fault.SLOW_DRIP,
    Fault.SERVER_ERROR_BEFORE,
    Fault.SERVER_ERROR_AFTER,
    Fault.NOT_JSON,
    Fault.ERROR_IN_OK,
    Fault.REDIRECT,
    Fault.INVALID_IP,
    *_CODES,
)
_READ = (Fault.LOOKUP_ERROR, Fault.TOO_MANY_REQUESTS, Fault.SLOW_DRIP, Fault.WRONG_CASING, Fault.NULL_FIELDS)
_SOCKET = (Fault.SILENT_SOCKET, Fault.SOCKET_CLOSED, Fault.MALFORMED_FRAME)

APPLIES: Mapping[Call, tuple[Fault, ...]] = {
    Call.PLACE: (*_WIRE, Fault.NO_ORDER_ID, Fault.DUPLICATE_ACCEPT),
    Call.MODIFY: (*_WIRE, Fault.MODIFY_LOST),
    Call.CANCEL: (*_WIRE, Fault.CANCEL_LOST, Fault.FILL_ON_CANCEL),
    Call.BOOK: (*_READ, Fault.STALE_BOOK, Fault.TRUNCATED_BOOK),
    Call.LOOKUP: (*_READ, Fault.LOOKUP_MISSES),
    Call.FATE: (
        Fault.REJECT_LEG,
        Fault.PARTIAL_FILL,
        Fault.NO_FILL,
        Fault.OVERFILL,
        Fault.TRANSIT_STAYS,
        Fault.LOOKUP_LAG,
        Fault.FILL_ON_CANCEL,
        Fault.CANCEL_LOST,
    ),
    Call.UPDATE: (
        *_SOCKET,
        Fault.UPDATE_MISSING,
        Fault.UPDATE_DUPLICATE,
        Fault.UPDATE_REORDERED,
        Fault.UPDATE_UNKNOWN_STATUS,
        Fault.UPDATE_FOREIGN_MESSAGE,
        Fault.WRONG_CASING,
    ),
    Call.FEED: (*_SOCKET, Fault.STACKED_FRAMES, Fault.FEED_DISCONNECT),
    Call.SESSION: (Fault.TOKEN_EXPIRED, Fault.FOREIGN_ORDER, Fault.BROKER_SQUARE_OFF),
}

# The longest that a fault of a kind takes, seconds; drawn evenly from nothing to this.
LONGEST: Mapping[Fault, float] = {
    Fault.LATE_ARRIVAL: 30.0,
    Fault.LOOKUP_LAG: 10.0,
    Fault.STALE_BOOK: 10.0,
    Fault.SLOW_DRIP: 20.0,
    Fault.SILENT_SOCKET: 60.0,
}
_STORM_CALLS = 8

# Probability per call that these hit in a storm; a calm plan has none.
STORM: Mapping[Fault, float] = {
    **dict.fromkeys(_CODES, 0.004),
    Fault.DROP_REQUEST: 0.05,
    Fault.ACCEPT_THEN_CLOSE: 0.05,
    Fault.LATE_ARRIVAL: 0.04,
    Fault.DUPLICATE_ACCEPT: 0.02,
    Fault.TOO_MANY_REQUESTS: 0.02,
    Fault.SLOW_DRIP: 0.02,
    Fault.SERVER_ERROR_BEFORE: 0.03,
    Fault.SERVER_ERROR_AFTER: 0.03,
    Fault.NOT_JSON: 0.02,
    Fault.NO_ORDER_ID: 0.02,
    Fault.ERROR_IN_OK: 0.01,
    Fault.REDIRECT: 0.005,
    Fault.INVALID_IP: 0.005,
    Fault.MODIFY_LOST: 0.03,
    Fault.CANCEL_LOST: 0.05,
    Fault.FILL_ON_CANCEL: 0.10,
    Fault.REJECT_LEG: 0.06,
    Fault.PARTIAL_FILL: 0.12,
    Fault.NO_FILL: 0.10,
    Fault.OVERFILL: 0.005,
    Fault.TRANSIT_STAYS: 0.03,
    Fault.LOOKUP_LAG: 0.10,
    Fault.STALE_BOOK: 0.05,
    Fault.TRUNCATED_BOOK: 0.04,
    Fault.LOOKUP_ERROR: 0.08,
    Fault.LOOKUP_MISSES: 0.05,
    Fault.WRONG_CASING: 0.02,
    Fault.NULL_FIELDS: 0.005,
    Fault.UPDATE_MISSING: 0.20,
    Fault.UPDATE_DUPLICATE: 0.15,
    Fault.UPDATE_REORDERED: 0.15,
    Fault.UPDATE_UNKNOWN_STATUS: 0.01,
    Fault.UPDATE_FOREIGN_MESSAGE: 0.02,
    Fault.SILENT_SOCKET: 0.02,
    Fault.SOCKET_CLOSED: 0.01,
    Fault.MALFORMED_FRAME: 0.005,
    Fault.STACKED_FRAMES: 0.005,
    Fault.FEED_DISCONNECT: 0.001,
    Fault.TOKEN_EXPIRED: 0.002,
    Fault.FOREIGN_ORDER: 0.005,
    Fault.BROKER_SQUARE_OFF: 0.0005,
}
CALM: Mapping[Fault, float] = {}
PLANS: Mapping[str, Mapping[Fault, float]] = {"calm": CALM, "storm": STORM}


class Scripted(NamedTuple):
    """The `nth` call of a kind, counted from when the script was given, meets this fault."""

    fault: Fault
    call: Call
    nth: int = 1
    seconds: float | None = None
    times: int = 0


def default_call(fault: Fault) -> Call:
    """The kind of call that a fault belongs to first."""
    return next(call for call, faults in APPLIES.items() if fault in faults)


class FaultPlan:
    """Decides at every call whether something goes wrong."""

    def __init__(
        self, seed: int | Random, rates: Mapping[Fault, float] = CALM, script: Iterable[Scripted] = ()
    ) -> None:
        self.seed = seed.getrandbits(64) if isinstance(seed, Random) else seed
        self.counts = dict.fromkeys(Call, 0)
        self.struck: list[tuple[Call, int, Strike]] = []
        self._streams: dict[Call, Random] = {}
        self._scripted: dict[tuple[Call, int], Scripted] = {}
        self._storm = 0
        self.set_rates(rates)
        for line in script:
            self.add(line)

    @classmethod
    def swarm(
        cls, seed: int, rates: Mapping[Fault, float] = STORM, *, disabled: float = 0.35, amplified: float = 0.20
    ) -> "FaultPlan":
        """A plan with a mix of its own: some faults never come, some come three times as often."""
        rng, mix = Random(f"{seed}:swarm"), dict[Fault, float]()  # noqa: S311 - a simulation
        for fault, rate in rates.items():
            drawn = rng.random()
            if drawn >= disabled:
                mix[fault] = min(3 * rate, 0.9) if drawn < disabled + amplified else rate
        return cls(seed, mix)

    @property
    def rates(self) -> Mapping[Fault, float]:
        """What may hit, with its probability per call."""
        return self._rates

    def set_rates(self, rates: Mapping[Fault, float]) -> None:
        """Replace the mix; raises ValueError for what is no probability."""
        for fault, rate in rates.items():
            if not (math.isfinite(rate) and 0 <= rate <= 1):
                raise ValueError(f"{fault} cannot have the probability {rate}.")
        self._rates = dict(rates)
        self._tables = {call: _table(faults, rates) for call, faults in APPLIES.items()}
        self._fates = tuple((fault, rates[fault]) for fault in APPLIES[Call.FATE] if rates.get(fault))

    def add(self, line: Scripted) -> None:
        """Script one fault; raises ValueError when it cannot hit that kind of call."""
        if line.fault not in APPLIES[line.call] or line.nth < 1:
            raise ValueError(f"{line.fault} cannot hit call {line.nth} of {line.call}.")
        self._scripted[line.call, self.counts[line.call] + line.nth] = line

    def pending(self) -> list[Scripted]:
        """What was scripted and has not hit yet, `nth` counted from now."""
        left = sorted(self._scripted.items(), key=lambda item: item[0])
        return [line._replace(nth=number - self.counts[line.call]) for (_, number), line in left]

    def on(self, call: Call) -> Strike | None:
        """Say what goes wrong with this call, None when nothing does; for FATE ask `fate`."""
        self.counts[call] += 1
        line = self._scripted.pop((call, self.counts[call]), None)
        strike = self._drawn(call) if line is None else self._strike(line.fault, call, line.seconds, line.times)
        if strike is not None:
            self.struck.append((call, self.counts[call], strike))
        return strike

    def fate(self) -> Fate:
        """Say what becomes of an order that was taken: several things may go wrong at once."""
        call = Call.FATE
        self.counts[call] += 1
        line = self._scripted.pop((call, self.counts[call]), None)
        hits = [] if line is None else [self._strike(line.fault, call, line.seconds, line.times)]
        if self._fates and line is None:
            rng = self._stream(call)
            hits += [self._strike(fault, call, None, 0) for fault, rate in self._fates if rng.random() < rate]
        self.struck += [(call, self.counts[call], hit) for hit in hits]
        return self._fate_of(hits) if hits else ORDINARY

    def _fate_of(self, hits: Iterable[Strike]) -> Fate:
        by_fault = {hit.fault: hit for hit in hits}
        share = self._stream(Call.FATE).uniform(0.1, 0.9) if Fault.PARTIAL_FILL in by_fault else None
        lag = by_fault.get(Fault.LOOKUP_LAG)
        return Fate(
            reject="RMS:Rejected by the fault plan" if Fault.REJECT_LEG in by_fault else "",
            share=0.0 if Fault.NO_FILL in by_fault else share,
            stays_in_transit=Fault.TRANSIT_STAYS in by_fault,
            hidden_seconds=0.0 if lag is None else lag.seconds,
            overfill_lots=int(Fault.OVERFILL in by_fault),
            fills_on_cancel=Fault.FILL_ON_CANCEL in by_fault,
            loses_cancel=Fault.CANCEL_LOST in by_fault,
        )

    def _drawn(self, call: Call) -> Strike | None:
        if self._storm > 0 and call in _COUNTED:
            self._storm -= 1
            return Strike(Fault.TOO_MANY_REQUESTS)
        faults, edges = self._tables[call]
        if not faults:
            return None
        place = bisect_right(edges, self._stream(call).random())
        return self._strike(faults[place], call, None, 0) if place < len(faults) else None

    def _strike(self, fault: Fault, call: Call, seconds: float | None, times: int) -> Strike:
        """Draw what the fault needs and was not given."""
        rng = self._stream(call)
        if fault is Fault.TOO_MANY_REQUESTS and call in _COUNTED:
            self._storm = times or rng.randrange(_STORM_CALLS)
        if seconds is None:
            seconds = rng.uniform(0.0, LONGEST[fault]) if fault in LONGEST else 0.0
        return Strike(fault, seconds, times)

    def _stream(self, call: Call) -> Random:
        found = self._streams.get(call)
        if found is None:
            found = self._streams[call] = Random(f"{self.seed}:{call.value}")  # noqa: S311 - a simulation
        return found


_COUNTED = frozenset({Call.PLACE, Call.MODIFY, Call.CANCEL})


def _table(faults: Iterable[Fault], rates: Mapping[Fault, float]) -> tuple[tuple[Fault, ...], tuple[float, ...]]:
    """Faults that can hit, and where each one's share of the unit interval ends; shares over one are scaled down."""
    live = tuple(fault for fault in faults if rates.get(fault))
    edges = tuple(accumulate(rates[fault] for fault in live))
    total = max(1.0, edges[-1]) if edges else 1.0
    return live, tuple(edge / total for edge in edges)
