"""The simulated broker, and the real dhanhq 2.3.0 classes pointed at it."""

from collections.abc import Iterator
from datetime import datetime

import pytest
from dhanhq import DhanContext, DhanHTTP, DhanLogin, MarketFeed, Security, dhanhq

from execution.simulator.book import Listing
from execution.simulator.faults import FaultPlan
from execution.simulator.listings import read_master
from execution.simulator.serving import RunningClock, RunningSimulator, running_simulator
from execution.simulator.venue import build_venue
from market.calendar import IST
from market.contract import OptionType
from market.sources.simulated import SimulatedMarket

OPEN_MARKET = datetime(2026, 11, 20, 10, 0, tzinfo=IST)  # a Friday
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")


@pytest.fixture(scope="session")
def simulated_source() -> SimulatedMarket:
    """One market for all servers: it is a function of seed and moment."""
    return SimulatedMarket(seed=1)


@pytest.fixture(scope="session")
def simulated_master(simulated_source: SimulatedMarket) -> bytes:
    """Its master of that day."""
    return simulated_source.master(as_of=OPEN_MARKET).read()


@pytest.fixture(scope="session")
def simulated_listings(simulated_master: bytes) -> dict[tuple[str, str], Listing]:
    """The contracts of that master."""
    return read_master(simulated_master.decode(), day=OPEN_MARKET.date())


@pytest.fixture
def simulator(
    simulated_source: SimulatedMarket,
    simulated_master: bytes,
    simulated_listings: dict[tuple[str, str], Listing],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[RunningSimulator]:
    """A fresh server on a Friday morning without faults or rate limits; dhanhq's classes point at it."""
    venue = build_venue(
        simulated_source,
        RunningClock(OPEN_MARKET),
        plan=FaultPlan(1),
        master=simulated_master,
        listings=simulated_listings,
        rate_limits=False,
    )
    with running_simulator(venue) as running:
        where = running.addresses
        monkeypatch.setattr(DhanHTTP, "API_BASE_URL", where.base)
        monkeypatch.setattr(DhanLogin, "API_BASE_URL", where.base)
        monkeypatch.setattr(DhanLogin, "AUTH_BASE_URL", where.auth)
        monkeypatch.setattr(Security, "COMPACT_CSV_URL", where.master)
        monkeypatch.setattr(Security, "DETAILED_CSV_URL", where.detailed_master)
        monkeypatch.setattr(MarketFeed, "market_feed_wss", where.feed)
        for name in PROXIES:
            monkeypatch.delenv(name, raising=False)
        yield running


@pytest.fixture
def context(simulator: RunningSimulator) -> Iterator[DhanContext]:
    """The package's context with the live token."""
    made = DhanContext(simulator.venue.client_id, simulator.venue.access.token)
    made.get_dhan_http().timeout = 5
    yield made
    made.get_dhan_http().session.close()


@pytest.fixture
def api(context: DhanContext) -> dhanhq:
    """The real REST client."""
    return dhanhq(context)


@pytest.fixture
def call_option(simulated_listings: dict[tuple[str, str], Listing]) -> Listing:
    """A NIFTY call near the money that expires on 23 November 2026."""
    return next(
        listing
        for listing in simulated_listings.values()
        if listing.contract.underlying == "NIFTY"
        and listing.contract.strike == 25950
        and listing.contract.option_type is OptionType.CALL
    )
