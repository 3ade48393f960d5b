"""The morning, in order: what the clock rings that spans apps."""

from celery import chain, shared_task

from market.moment import now
from market.tasks import capture_chains, on_session_days
from strategies.services.generation import start_run
from strategies.tasks import ring


@shared_task
def capture_and_generate() -> None:
    """Capture all chains, and generate from them once they are stored."""
    chain(capture_chains.si(), generate_day.si()).delay()


@shared_task
@on_session_days
def generate_day() -> None:
    """Write one work order per symbol with a chain of today, and ring for each."""
    ring(start_run(as_of=now()))
