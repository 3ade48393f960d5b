"""The pre-trade checks: what they are, and what they refused."""

from argparse import ArgumentTypeError
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandParser

from execution.checks import CHECKS, Check
from execution.checks.table import asked_for, page
from execution.services.checks import rejections
from execution.services.status import newest_rejections
from market.calendar import IST
from market.console import DONE, ConsoleCommand, now_or, table

DEFAULT_DAYS = 7
MOST_DAYS = 3_650
PAGE = Path("docs") / "pre-trade-checks.md"


class Command(ConsoleCommand):
    """Three views of one registry."""

    help = "List the pre-trade checks, count what they rejected by day, or write their page."

    def add_arguments(self, parser: CommandParser) -> None:
        """What to do; days count back from today."""
        parser.add_argument("action", choices=sorted(_ACTIONS), nargs="?", default="list")
        parser.add_argument("--days", type=_days, metavar="N", help="rejections of N days, else the newest with any")

    def run(self, **options: Any) -> int | None:
        """Do what was asked."""
        _ACTIONS[options["action"]](self, options)
        return DONE


def _list(command: Command, options: dict[str, Any]) -> None:
    columns = ("check", "group", "guards", "default", "asked for", "remedy")
    rows = [(one.code, one.group, one.guards, one.default, asked_for(one), one.remedy) for one in CHECKS]
    command.emit([_as_data(one) for one in CHECKS], table("Pre-trade checks", columns, rows))


def _rejections(command: Command, options: dict[str, Any]) -> None:
    today, days = now_or(options["as_of"]).astimezone(IST).date(), options["days"]
    found = newest_rejections(DEFAULT_DAYS) if days is None else rejections(today - timedelta(days=days - 1))
    rows = [(row.day, row.account.name, row.code, row.reason_code, row.count) for row in found]
    columns = ("day", "account", "check", "reason", "count")
    of_days = f"last {days} days" if days else f"newest {len({row.day for row in found})} days that have any"
    shown = table(f"Rejections of the {of_days}", columns, rows, right=("count",))
    command.emit(
        [dict(zip(columns, row, strict=True)) for row in rows], shown if rows else "No check has rejected anything."
    )


def _docs(command: Command, options: dict[str, Any]) -> None:
    path = Path(settings.BASE_DIR) / PAGE
    path.write_text(page(), encoding="utf-8")
    command.emit({"written": str(PAGE)}, f"{PAGE} written.")


_ACTIONS = {"list": _list, "rejections": _rejections, "docs": _docs}


def _as_data(check: Check) -> dict[str, Any]:
    return {
        "code": check.code,
        "group": check.group,
        "guards": check.guards,
        "remedy": check.remedy,
        "default": check.default,
        "deviation": check.deviation,
        "purposes": sorted(check.purposes),
        "each_order": check.cheap,
        "limits": check.limits,
    }


def _days(text: str) -> int:
    days = int(text) if text.isascii() and text.isdecimal() and len(text) <= len(str(MOST_DAYS)) else 0
    if not 1 <= days <= MOST_DAYS:
        raise ArgumentTypeError(f"'{text}' is not a number of days from 1 to {MOST_DAYS}")
    return days
