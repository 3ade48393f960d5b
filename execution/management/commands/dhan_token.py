"""Look after the Dhan access token: see when it ends, set, refresh, re-encrypt."""

import getpass
import sys
from typing import Any, ClassVar

from django.core.management.base import CommandParser

from execution.brokers.dhan.token import Credential
from execution.errors import RateLimited
from execution.models import BrokerAccess
from execution.services.access import current_credential, refresh_token, rotate_keys, store_token
from market.console import DONE, ConsoleCommand, ist, now_or, table


class Command(ConsoleCommand):
    """The token is read from the terminal or standard input, never from an argument, and never shown whole."""

    help = "Show, set, refresh or re-encrypt the Dhan access token."
    refusals: ClassVar = (RateLimited,)

    def add_arguments(self, parser: CommandParser) -> None:
        """What to do."""
        parser.add_argument("action", choices=["status", "set", "refresh", "rotate"])

    def run(self, **options: Any) -> int | None:
        """Do the one thing that was asked for."""
        match options["action"]:
            case "set":
                self._show_stored(store_token(_read_token()))
            case "refresh":
                self._show_stored(refresh_token(now=now_or(options["as_of"])))
            case "rotate":
                rows = rotate_keys()
                self.emit({"rotated": rows}, f"{rows} stored tokens re-encrypted with the first key.")
            case _:
                self._show(current_credential())
        return DONE

    def _show_stored(self, row: BrokerAccess) -> None:
        self._emit(row.client_id, row.last_four, row.expires_at, row.generation)

    def _show(self, who: Credential) -> None:
        self._emit(who.client_id, who.last_four, who.expires_at, who.generation)

    def _emit(self, client_id: str, shown: str, expires_at: Any, generation: int) -> None:
        data = {"client_id": client_id, "last_four": shown, "expires_at": expires_at, "generation": generation}
        cells = (client_id, f"…{shown}" if shown else None, ist(expires_at), generation)
        self.emit(data, table("Dhan access token", ("client", "token", "expires (IST)", "generation"), [cells]))


def _read_token() -> str:
    """Ask a person without echo, or read one line of a pipe."""
    return getpass.getpass("Access token: ") if sys.stdin.isatty() else sys.stdin.readline().strip()
