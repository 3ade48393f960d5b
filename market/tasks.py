"""Celery's part in facts: clock-driven, so each asks the calendar first; every one is safe to run twice."""

import logging
from collections.abc import Callable
from functools import wraps
from typing import Any

from celery import shared_task

from market.calendar import IST, session_on
from market.errors import OptionsError
from market.moment import now
from market.services import capture
from market.services.instruments import import_scrip_master
from market.services.master_origin import todays_master
from market.sources import build_source

logger = logging.getLogger(__name__)


def refusing_in_one_line(work: Callable[..., Any]) -> Callable[..., None]:
    """Do the work, and log a refusal as one line instead of a traceback."""

    @wraps(work)
    def asked(*args: Any, **kwargs: Any) -> None:
        try:
            work(*args, **kwargs)
        except OptionsError as refusal:
            logger.error("%s refused: %s", work.__name__, refusal.reason)  # noqa: TRY400 - the reason says it all

    return asked


def on_session_days(work: Callable[..., Any]) -> Callable[..., None]:
    """The same, only on a day with a session."""
    refusing = refusing_in_one_line(work)

    @wraps(work)
    def asked(*args: Any, **kwargs: Any) -> None:
        if session_on(now().astimezone(IST).date()) is None:
            logger.info("%s: no session today", work.__name__)
            return
        refusing(*args, **kwargs)

    return asked


@shared_task
@on_session_days
def import_master() -> None:
    """Take the day's instrument master: Dhan's, or the simulated market's."""
    origin = todays_master(as_of=now())
    import_scrip_master(origin.stream, source=origin.source, file_name=origin.file_name)


@shared_task
@on_session_days
def capture_chains(symbols: list[str] | None = None) -> None:
    """Store the chains of these underlyings, by default of all the market source knows."""
    source = build_source()
    chosen = symbols or [fact.symbol for fact in source.underlyings()]
    outcome = capture.capture_chains(source, chosen, as_of=now())
    refused = {symbol: reason.code for symbol, reason in outcome.items() if reason}
    logger.info("captured %d of %d chains", len(outcome) - len(refused), len(outcome))
    if refused:
        logger.warning("chains not captured: %s", refused)
