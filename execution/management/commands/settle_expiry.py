"""`settle_expiry`: what expired in our books, and the price a person gives it."""

from decimal import Decimal, InvalidOperation
from typing import Any, ClassVar

from django.core.management.base import CommandError, CommandParser

from execution.errors import ExecutionDenied
from execution.models import Position
from execution.services.desk import account_named
from execution.services.expiry import expired, settle_expired
from market.console import USAGE, ConsoleCommand, now_or, person, table


class Command(ConsoleCommand):
    """Without a strategy, the list of what waits."""

    help = "List expired contracts our books still hold; book one strategy's at the published settlement price."
    refusals: ClassVar = (ExecutionDenied,)

    def add_arguments(self, parser: CommandParser) -> None:
        """Which strategy, at which price."""
        parser.add_argument("--strategy", type=int, metavar="ID")
        parser.add_argument("--settlement", metavar="PRICE", help="final settlement price of the underlying, rupees")
        parser.add_argument("--delivered", action="store_true", help="shares of a stock option did change hands")
        parser.add_argument("--account", help="by default the first active one")

    def run(self, **options: Any) -> None:
        """List, or book."""
        account, now = account_named(options["account"]), now_or(options["as_of"])
        if options["strategy"] is None:
            self._list(expired(account, now))
            return
        done = settle_expired(
            account,
            options["strategy"],
            settlement=_price(options["settlement"]),
            delivered=options["delivered"],
            actor=f"cli:{person()}",
            now=now,
        )
        rows = [(one.symbol, one.units, one.price, one.charges) for one in done]
        data = [dict(zip(("symbol", "units", "price", "charges"), row, strict=True)) for row in rows]
        self.emit({"settled": data}, table("Settled", ("contract", "units", "price", "charges"), rows))

    def _list(self, rows: list[Position]) -> None:
        columns = ("strategy", "contract", "units", "expired")
        cells = [(row.strategy_id, row.symbol, row.quantity, row.expiry) for row in rows]
        data = {"waiting": [dict(zip(columns, cell, strict=True)) for cell in cells]}
        self.emit(data, table("Expired and not settled", columns, cells) if cells else "Nothing expired is held.")


def _price(text: str | None) -> Decimal:
    try:
        return Decimal(text or "")
    except InvalidOperation as error:
        sentence = f"'{text or ''}' is no price: --settlement takes the published settlement price of the underlying."
        raise CommandError(sentence, returncode=USAGE) from error
