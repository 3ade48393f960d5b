"""Practise against the Dhan-shaped exchange: start it, and point every other process at it."""

import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime, time, timedelta
from itertools import islice
from pathlib import Path

from django.conf import settings
from django.core.management.base import CommandError

from allocation.models import Account
from market.calendar import IST, closed_reason, next_session
from market.moment import now
from strategies.models import OptionStrategy

LINES = {
    *("DHAN_BASE_URL", "DHAN_AUTH_URL", "DHAN_MASTER_URL", "DHAN_MARKET_FEED_URL", "DHAN_ORDER_UPDATE_URL"),
    *("BROKER", "DHAN_CLIENT_ID", "DHAN_ACCESS_TOKEN", "DHAN_PIN", "DHAN_TOTP_SECRET"),
}
PRACTICE = "practice "
SOON = timedelta(minutes=2)
BEGINS = time(10, 30)  # IST, where there is nothing to mark yet


def practice_environment(moment: datetime) -> dict[str, str]:
    """What every process of a practice session needs beside the exchange's own lines; opens an account for it.

    The exchange keeps its books in memory, so each session trades on an account of its own.
    """
    old = Account.objects.filter(name__startswith=PRACTICE, mode=Account.Mode.PAPER)
    old.update(active=False)  # their exchanges are gone
    name = f"{PRACTICE}{now().astimezone(IST):%d %b %H:%M:%S}"
    Account.objects.create(name=name, capital=settings.PAPER_CAPITAL)
    shift = round((moment - now()).total_seconds()) + settings.CLOCK_SHIFT_SECONDS
    return {
        "BROKER": "simulator",
        "TRADING_MODE": "paper",
        "MARKET_SOURCE": "simulated",
        "ACCOUNT": name,
        "CLOCK_SHIFT_SECONDS": str(shift),
    }


def keep_environment(environment: Mapping[str, str]) -> Path:
    """Write the environment of this session where another terminal can load it; readable by its owner only."""
    path = Path(settings.STATE_DIR) / "practice.env"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_text("".join(f"{name}={shlex.quote(value)}\n" for name, value in environment.items()), encoding="utf-8")
    return path


def practice_moment() -> datetime:
    """Now while the market is open; else just after the newest strategies were made, so that they can be marked."""
    present = now()
    if closed_reason(present) is None:
        return present
    newest: datetime | None = (
        OptionStrategy.objects.order_by("-generated_on").values_list("generated_on", flat=True).first()
    )
    if newest is not None and closed_reason(newest + SOON) is None:
        return newest + SOON
    day = next_session(present.astimezone(IST).date() + timedelta(days=1)).day
    return datetime.combine(day, BEGINS, tzinfo=IST)


def with_environment(command: Sequence[str], environment: Mapping[str, str]) -> list[str]:
    """The same command in a changed environment; nothing in it is a secret of a real broker."""
    return ["env", *(f"{name}={value}" for name, value in environment.items()), *command]


def start_exchange(environment: Mapping[str, str], *, port: int) -> tuple[subprocess.Popen[str], dict[str, str]]:
    """Start `simulate_dhan` and read the lines of environment it prints for everybody else."""
    command = with_environment([sys.executable, "manage.py", "simulate_dhan", "--port", str(port)], environment)
    child = subprocess.Popen(  # noqa: S603 - our own command
        command, cwd=Path(settings.BASE_DIR), stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    printed = dict(line.strip().split("=", 1) for line in islice(child.stdout or (), len(LINES)) if "=" in line)
    if set(printed) != LINES:
        child.terminate()
        raise CommandError("The simulated exchange did not start; its words stand above.")
    return child, printed
