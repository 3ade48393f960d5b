"""`doctor`: is this installation ready for the day? One line per question, with the remedy."""

import shutil
from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import DatabaseError, connection
from django.utils import timezone
from rich.text import Text

from allocation.models import Account
from market.calendar import closed_reason, is_covered
from market.console import FAILED, ConsoleCommand, ist, now_or, table
from market.errors import OptionsError
from market.models import ChainSnapshot
from market.services.instruments import current_master
from optionsv4.health import CHECKS

LEAST_FREE_GIGABYTES = 1.0
MOST_CLOCK_SKEW_SECONDS = 2.0

Finding = tuple[bool, str]


class Command(ConsoleCommand):
    """Ask every question and say what to do about each bad answer."""

    help = "Check servers, clock, disk, master, chains, account and calendar; exit code 1 when something is wrong."

    def run(self, **options: Any) -> int | None:
        """Ask and report."""
        as_of = now_or(options["as_of"])
        findings = {name: ask(as_of) for name, ask in QUESTIONS.items()}
        rows = [(name, "ok" if well else Text("wrong", style="red"), text) for name, (well, text) in findings.items()]
        data = {name: {"ok": well, "text": text} for name, (well, text) in findings.items()}
        self.emit(data, table(f"Doctor, {ist(as_of)} IST", ("Question", "Answer", "Detail"), rows))
        return None if all(well for well, _ in findings.values()) else FAILED


def _servers(as_of: datetime) -> Finding:
    problems = [f"{name}: {text}" for name, check in CHECKS.items() if (text := check())]
    kind = "embedded" if settings.EMBEDDED_SERVERS else "given"
    return not problems, "; ".join(problems) or f"database, migrations and Redis are well ({kind})"


def _clock(as_of: datetime) -> Finding:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT clock_timestamp()")
            row = cursor.fetchone()
    except DatabaseError as error:
        return False, f"the database did not answer: {type(error).__name__}"
    skew = abs((timezone.now() - row[0]).total_seconds()) if row else float("inf")
    return skew <= MOST_CLOCK_SKEW_SECONDS, f"{skew:.2f} s between this machine and the database"


def _disk(as_of: datetime) -> Finding:
    free = shutil.disk_usage(settings.BASE_DIR).free / 1e9
    return free >= LEAST_FREE_GIGABYTES, f"{free:.1f} GB free"


def _master(as_of: datetime) -> Finding:
    try:
        master = current_master()
    except OptionsError as error:
        return False, str(error.reason)
    return True, f"{master.file_name}, {master.row_count:,} rows, of {master.published_on}"


def _chains(as_of: datetime) -> Finding:
    newest = ChainSnapshot.objects.all().fresh(as_of).order_by("-taken_at").first()
    if newest is None:
        return False, "no chain is stored; run import_chains or capture_chains"
    return True, f"newest: {newest}"


def _account(as_of: datetime) -> Finding:
    names = list(Account.objects.filter(active=True, mode=settings.TRADING_MODE).values_list("name", flat=True))
    text = f"{settings.TRADING_MODE}: {', '.join(names) or 'none is active'}; broker {settings.BROKER}"
    return bool(names), text


def _calendar(as_of: datetime) -> Finding:
    closed = closed_reason(as_of)
    return is_covered(as_of.date()), "the market is open" if closed is None else closed.sentence


QUESTIONS: dict[str, Callable[[datetime], Finding]] = {
    "Servers": _servers,
    "Clock": _clock,
    "Disk": _disk,
    "Master": _master,
    "Chains": _chains,
    "Account": _account,
    "Calendar": _calendar,
}
