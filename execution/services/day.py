"""The daily run, in order: master, chains, strategies, sizes and marks, orders, monitoring."""

import logging
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.db import transaction

from allocation.models import AllocationRun, IndustryAllocation
from allocation.services import allocate_portfolio
from execution.services.outcomes import RunResult
from execution.services.positions import MonitorReport, monitor_positions
from execution.services.preparation import Desk
from execution.services.runs import execute_queue, require_open
from market.calendar import next_session
from market.errors import MarketError, OptionsError, Reason
from market.models import FileImport, Underlying
from market.services.capture import capture_chains
from market.services.instruments import current_master, import_scrip_master
from strategies.models import GenerationRun
from strategies.score import RiskProfile
from strategies.services.generation import generate, start_run

logger = logging.getLogger(__name__)

Steps = tuple[FileImport, dict[str, Reason | None], GenerationRun, AllocationRun, list[RunResult]]

# Opens a progress bar for a step of so many parts and gives back what moves it.
Bar = Callable[[str, int | None], AbstractContextManager[Callable[[int], None]]]

FOLLOW_UP_HOURS = (11, 15)  # IST: when later sessions are looked at


@dataclass
class DayReport:
    """What each step of the day came to."""

    as_of: datetime
    master: FileImport
    captured: dict[str, Reason | None]
    generation: GenerationRun
    allocation: AllocationRun
    executed: list[RunResult]
    monitored: MonitorReport


def run_day(desk: Desk, *, risk: RiskProfile, min_score: float, bar: Bar, as_of: datetime | None = None) -> DayReport:
    """Run the day; every step finds what an earlier run left and adds only what is missing.

    `as_of` is the moment of a replayed day: facts and decisions stay with it, while the desk goes on where its own
    orders ended. Whatever refuses to go on, what is open is looked at before that is raised.
    """
    require_open(desk.as_of)
    try:
        steps = _until_orders(desk, risk=risk, min_score=min_score, bar=bar, as_of=as_of)
    except OptionsError:
        with bar("Monitoring", None):
            _look_all_the_same(desk)
        raise
    with bar("Monitoring", None):
        monitored = look_again(desk)
    return DayReport(desk.as_of, *steps, monitored)


def _until_orders(desk: Desk, *, risk: RiskProfile, min_score: float, bar: Bar, as_of: datetime | None) -> Steps:
    """Everything before monitoring; without any chain nothing is sized or opened."""
    with bar("Instrument master", None):
        master = refresh_master(desk)
    symbols = [fact.symbol for fact in desk.market.underlyings()]
    with bar("Option chains", len(symbols)) as advance:
        captured = capture_chains(desk.market, symbols, as_of=as_of or desk.as_of, progress=advance)
    ready = [symbol for symbol, reason in captured.items() if reason is None]
    refused = {symbol: reason for symbol, reason in captured.items() if reason is not None}
    generation = start_run(as_of=as_of or desk.as_of, risk=risk, symbols=ready, refused=refused)
    with bar("Strategies", len(ready)) as advance:
        generate(generation, progress=advance)
    if not ready:
        raise MarketError(_nothing_captured(refused))
    with bar("Sizes and marks", None):
        allocation = allocate_portfolio(desk.account, as_of=as_of or desk.as_of, min_score=min_score)
    with bar("Orders", None) as advance:
        executed = _execute(desk, advance)
    return master, captured, generation, allocation, executed


def _look_all_the_same(desk: Desk) -> None:
    """Of what ended the day the caller hears; what goes wrong here as well is written down."""
    try:
        seen = look_again(desk)
        logger.info("%s: looked at %d open strategies all the same: %s", desk.account, len(seen.watched), seen.watched)
    except OptionsError as error:
        logger.error(  # noqa: TRY400 - the reason says it all
            "what is open on %s could not be looked at: %s", desk.account, error.reason
        )


def _nothing_captured(refused: Mapping[str, Reason]) -> Reason:
    """Each symbol's own reason is kept with the run of the generator."""
    symbol, first = next(iter(refused.items()))
    sentence = f"None of {len(refused)} chains could be captured, {symbol} because: {first.sentence}"
    return Reason("NO_CHAINS", sentence, first.remedy)


def refresh_master(desk: Desk) -> FileImport:
    """Import the source's master of the day; a recorded market has none, then the one in force must be good."""
    if desk.market.name == "recorded":
        return current_master()
    with desk.market.master(as_of=desk.as_of) as stream:
        name = f"{desk.market.name}-master-{desk.day:%Y-%m-%d}.csv"
        return import_scrip_master(stream, source=desk.market.name, file_name=name, as_of=desk.day)


def look_again(desk: Desk) -> MonitorReport:
    """Mark what is open and leave where a rule says so."""
    return monitor_positions(desk)


def follow_up(start: datetime, sessions: int) -> list[datetime]:
    """The moments at which the next sessions are looked at."""
    moments, day = [], start.date()
    for _ in range(sessions):
        session = next_session(day + timedelta(days=1))
        day = session.day
        moments += [session.opens.replace(hour=hour, minute=0) for hour in FOLLOW_UP_HOURS]
    return moments


@transaction.atomic
def equal_weights() -> int:
    """Give every industry the same target weight where nobody has set any; returns how many were written."""
    if IndustryAllocation.objects.exists():
        return 0
    rows = Underlying.objects.all().tradable().exclude(industry="").values_list("industry", flat=True)
    industries = sorted(set(rows))
    share = Decimal(100) / len(industries) if industries else Decimal(0)
    weights = [IndustryAllocation(industry=name, weight_percentage=round(share, 3)) for name in industries]
    return len(IndustryAllocation.objects.bulk_create(weights))


def _execute(desk: Desk, advance: Callable[[int], None]) -> list[RunResult]:
    return execute_queue(desk, progress=lambda done, total: advance(done))
