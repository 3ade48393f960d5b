"""`arm_live`: two persons let an account trade real money for the rest of one day; anybody takes that away."""

import os
import pwd
from dataclasses import asdict
from typing import Any, ClassVar

from django.core.management.base import CommandError, CommandParser

from allocation.models import Account
from execution.errors import ExecutionDenied
from execution.management.usage import no_account
from execution.services import arming
from market.console import USAGE, ConsoleCommand, ist, now_or, table


class Command(ConsoleCommand):
    """What is shown is what is signed: its hash stands under both signatures."""

    help = "Arm live trading for today: show, arm (first person), confirm (second person), disarm, status."
    refusals: ClassVar = (ExecutionDenied,)
    takes_as_of = False

    def add_arguments(self, parser: CommandParser) -> None:
        """Which step, of which account."""
        parser.add_argument(
            "action", nargs="?", choices=("status", "show", "arm", "confirm", "disarm"), default="status"
        )
        parser.add_argument("--account", help="by default the only live one")
        parser.add_argument("--last4", default="", help="arm: the last four digits of the client id")
        parser.add_argument("--hash", default="", dest="shown_hash", help="confirm: what the first person was shown")
        parser.add_argument("--reason", default="By hand.", help="disarm: why")

    def run(self, **options: Any) -> None:
        """Do one step."""
        account = _account(options["account"])
        actor, now = f"cli:{_signer()}", now_or(None)
        match options["action"]:
            case "arm":
                arming.arm(account, last_digits=_needed(options, "last4", "--last4 NNNN"), actor=actor, now=now)
            case "confirm":
                given = _needed(options, "shown_hash", "--hash H")
                arming.confirm(account, shown_hash=given, actor=actor, now=now)
            case "disarm":
                arming.disarm(account, reason=options["reason"].strip() or "By hand.", actor=actor)
        self._show(account, whole=options["action"] not in ("status", "disarm"))

    def _show(self, account: Account, *, whole: bool) -> None:
        seen, row = arming.shown(account, now=now_or(None)), arming.newest(account)
        armed = arming.armed_today(account, now_or(None))
        data = {"account": account.name, "armed_today": armed, "newest": None if row is None else _as_data(row)}
        tables = [_signatures(account, row, armed=armed)]
        if whole:
            data |= {"shown": asdict(seen), "hash": seen.hash}
            limits = table("Limits", ("limit", "value"), seen.limits.items())
            tables += [limits, _list("Open positions", seen.positions), _list("Marked", seen.marked)]
            tables += [f"Client {seen.client_id or '–'}, token {seen.token_generation}, code {seen.code_version}"]
            tables += [f"Open runs: {', '.join(map(str, seen.open_runs)) or 'none'}.", f"Hash: {seen.hash}"]
        self.emit(data, *tables)


def _signer() -> str:
    """By the system's list of users: a variable of the environment makes nobody somebody else."""
    uid = os.getuid()
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


def _account(name: str | None) -> Account:
    rows = Account.objects.order_by("pk")
    found = list(rows.filter(name=name) if name else rows.filter(mode=Account.Mode.LIVE, active=True))
    if name and not found:
        raise no_account(name)
    if len(found) != 1:
        raise CommandError(f"{len(found)} active live accounts: name one, --account NAME", returncode=USAGE)
    return found[0]


def _needed(options: dict[str, Any], name: str, words: str) -> str:
    value = str(options[name]).strip()
    if not value:
        raise CommandError(f"Missing: {words}", returncode=USAGE)
    return value


def _as_data(row: Any) -> dict[str, Any]:
    names = (
        "day",
        "state",
        "armed_by",
        "armed_at",
        "confirmed_by",
        "confirmed_at",
        "disarmed_at",
        "reason",
        "shown_hash",
    )
    return {name: getattr(row, name) for name in names}


def _signatures(account: Account, row: Any, *, armed: bool) -> Any:
    if row is None:
        return f"{account} was never armed."
    columns = ("account", "armed now", "day", "state", "first", "second", "disarmed", "why")
    first, second = f"{row.armed_by} {ist(row.armed_at)}", f"{row.confirmed_by} {ist(row.confirmed_at)}".strip()
    cells = (
        str(account),
        "yes" if armed else "no",
        row.day,
        row.state,
        first,
        second,
        ist(row.disarmed_at),
        row.reason,
    )
    return table("Arming", columns, [cells])


def _list(title: str, rows: list[dict[str, Any]]) -> Any:
    return table(title, list(rows[0]), [list(row.values()) for row in rows]) if rows else f"{title}: none."
