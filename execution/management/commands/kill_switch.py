"""`kill_switch`: stops an account, shows where it stands, lets it trade again, or closes all it holds."""

from typing import Any, ClassVar

from django.core.management.base import CommandError, CommandParser

from allocation.models import Account
from execution.errors import ExecutionDenied
from execution.management.usage import no_account, require_known_broker
from execution.services import standing
from execution.services.flatten import flatten_account
from market.console import REFUSED, USAGE, ConsoleCommand, ist, person, table
from market.errors import Reason

STOPPING = {"halt": standing.halt, "reduce-only": standing.reduce_only, "release": standing.release}


class Command(ConsoleCommand):
    """Needs PostgreSQL only: it works with web and Redis down."""

    help = "Show or change what an account may send: status, halt, reduce-only, release, flatten."
    refusals: ClassVar = (ExecutionDenied,)
    takes_as_of = False

    def add_arguments(self, parser: CommandParser) -> None:
        """What, whose and why."""
        parser.add_argument("action", nargs="?", choices=("status", *STOPPING, "flatten"), default="status")
        parser.add_argument("--account", help="by default all active ones; flatten and release need a name")
        parser.add_argument("--reason", default="", help="needed for everything but status")
        parser.add_argument(
            "--broker-switch",
            action="store_true",
            help="flatten: once flat, engage the broker's own switch for the day",
        )

    def run(self, **options: Any) -> int | None:
        """Do it for each account, then show where they stand."""
        action, reason = options["action"], options["reason"].strip()
        accounts = _accounts(options["account"], action)
        if action != "status" and not reason:
            raise CommandError("Say why: --reason TEXT", returncode=USAGE)
        switch_off = options["broker_switch"]
        refusals = [
            refusal for account in accounts if (refusal := _act(action, account, reason, switch_off=switch_off))
        ]
        self._show(accounts, refusals)
        return REFUSED if refusals else None

    def _show(self, accounts: list[Account], refusals: list[Reason]) -> None:
        found = [(account, standing.standing(account.pk)) for account in accounts]
        data = [
            {
                "account": account.name,
                "state": now.state,
                "code": now.reason.code if now.reason else "",
                "reason": now.reason.sentence if now.reason else "",
                "actor": now.actor,
                "changed_at": now.changed_at,
                "automatic": now.automatic,
            }
            for account, now in found
        ]
        cells = [
            (row["account"], row["state"], row["code"], row["reason"], row["actor"], ist(now.changed_at))
            for row, (_, now) in zip(data, found, strict=True)
        ]
        refused = [
            {"code": refusal.code, "sentence": refusal.sentence, "remedy": refusal.remedy} for refusal in refusals
        ]
        shown = table("Kill switch", ("account", "state", "code", "reason", "by", "since"), cells)
        self.emit({"accounts": data, "refused": refused}, shown, *map(str, refusals))


NOT_FLAT = Reason(
    "NOT_FLAT",
    "Something is still held or under way, or the broker could not be read.",
    "See manage.py execution_status and attention; run it again.",
)


def _accounts(name: str | None, action: str) -> list[Account]:
    if name is None and action in ("flatten", "release"):
        raise CommandError(f"Name the account to {action}: --account NAME", returncode=USAGE)
    # A stop reaches accounts that are not active too: they may still hold something.
    accounts = list(Account.objects.filter(name=name) if name else Account.objects.order_by("pk"))
    if name and not accounts:
        raise no_account(name)
    return accounts


def _act(action: str, account: Account, sentence: str, *, switch_off: bool) -> Reason | None:
    """Do it for one account; what refuses one does not keep the next from being stopped."""
    code = action.replace("-", "_").upper()
    try:
        if action == "flatten":
            require_known_broker()
            report = flatten_account(account, Reason(code, sentence), switch_off=switch_off)
            if not report.flat:
                return NOT_FLAT
            if switch_off and not report.switched_off:
                return report.problems[-1]
        elif action in STOPPING:
            STOPPING[action](account, reason=Reason(code, sentence), actor=f"cli:{person()}")
    except ExecutionDenied as refusal:
        return refusal.reason
    return None
