"""How many requests a capture of chains takes, how long the limits make them last, and which way is quicker."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from market.errors import InvalidInput, Reason


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One way to read chains: what a request holds, and how far apart requests must be (seconds)."""

    name: str
    contracts_per_request: int | None  # None: one request holds one expiry of one underlying
    seconds_between: float
    source: str


# dhan.md 4.11 and 9: one unique request per 3 s. That different underlyings may be asked in parallel is reported, not
# promised, so the plan does not count on it.
OPTION_CHAIN = Endpoint("option chain", None, 3.0, "dhan.md section 4.11")
# dhan.md 4.9: at most 1,000 instruments per request, one request a second for ltp, ohlc and quote together.
BULK_QUOTES = Endpoint("bulk quotes", 1_000, 1.0, "dhan.md section 4.9")
ENDPOINTS = (OPTION_CHAIN, BULK_QUOTES)


@dataclass(frozen=True, slots=True)
class Plan:
    """Requests to one endpoint and the time they take at its limit (seconds); the first one waits for nothing."""

    endpoint: Endpoint
    chains: int
    contracts: int
    requests: int
    seconds: float

    @property
    def sentence(self) -> str:
        """Requests × limit = time, for a person."""
        pace = f"1 per {self.endpoint.seconds_between:g} s"
        return f"{self.endpoint.name}: {self.requests:,} requests × {pace} = {duration(self.seconds)}"


def plan(endpoint: Endpoint, contracts: Mapping[tuple[str, object], int]) -> Plan:
    """Count the requests for these chains.

    Parameters
    ----------
    endpoint : Endpoint
    contracts : Mapping
        Number of option contracts by (underlying, expiry).

    Returns
    -------
    Plan
        Time is requests times the pace: the last answer is counted as long as the others.

    Raises
    ------
    InvalidInput
        NEGATIVE_COUNT when a number of contracts is negative.
    """
    if any(count < 0 for count in contracts.values()):
        raise InvalidInput(Reason("NEGATIVE_COUNT", "A chain cannot have fewer than no contracts."))
    chains, total = sum(count > 0 for count in contracts.values()), sum(contracts.values())
    size = endpoint.contracts_per_request
    requests = chains if size is None else math.ceil(total / size)
    return Plan(endpoint, chains, total, requests, requests * endpoint.seconds_between)


def plans(contracts: Mapping[tuple[str, object], int]) -> list[Plan]:
    """Return the plan of every endpoint, the quickest first."""
    return sorted((plan(endpoint, contracts) for endpoint in ENDPOINTS), key=lambda each: each.seconds)


def duration(seconds: float) -> str:
    """Seconds in words a person reads: `16 s`, `20 min 0 s`, `1 h 5 min`."""
    whole = math.ceil(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"
