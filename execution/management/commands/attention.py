"""`attention`: what waits for a person, and how a person settles it."""

from argparse import ArgumentTypeError
from decimal import Decimal, InvalidOperation
from typing import Any, ClassVar

from django.core.management.base import CommandError, CommandParser

from execution.errors import ExecutionDenied
from execution.services import alerts, waiting
from execution.services.attention import settle
from execution.services.booking import Booking, OrderEnd, book_order
from execution.services.desk import account_named
from execution.services.hand_trades import HandTrade, book_trade
from market.console import USAGE, ConsoleCommand, ist, moment, person, table
from market.contract import Side
from market.moment import now

MOST_DIGITS = 18
OUTCOMES = ("complete", "flat", "unwind")
USES = {
    "acknowledge": "Which alert? attention acknowledge ALERT",
    "settle": "Settle how? attention settle RUN --as complete|flat|unwind --reason TEXT",
    "book-order": "Book what? attention book-order CORRELATION_ID --filled UNITS [--price PRICE] --reason TEXT",
    "book-trade": (
        "Book what? attention book-trade --strategy ID --leg N --side buy|sell --units U --price P --at MOMENT"
        " --reason TEXT"
    ),
}


class Command(ConsoleCommand):
    """Without an action, the list; a booking is only shown until --execute stands there."""

    help = (
        "List what needs a person; acknowledge an alert; settle a run that stopped in attention;"
        " book how an order ended, or a trade made by hand."
    )
    refusals: ClassVar = (ExecutionDenied,)
    takes_as_of = False

    def add_arguments(self, parser: CommandParser) -> None:
        """What to do, with which row, and why."""
        parser.add_argument("action", nargs="?", choices=("list", *USES), default="list")
        parser.add_argument("which", nargs="?", help="number of the alert or the run; correlation id of the order")
        parser.add_argument("--as", choices=OUTCOMES, dest="outcome", help="what the run came to")
        parser.add_argument("--reason", default="", help="why it is settled or booked so; kept in the audit")
        book = parser.add_argument_group("book-order, book-trade")
        book.add_argument("--execute", action="store_true", help="book it; without it nothing is written")
        book.add_argument("--price", type=_price, metavar="PRICE", help="rupees a unit; of an order, its average")
        book.add_argument("--order-id", default="", metavar="ID", help="the broker's, where it is known")
        book.add_argument("--filled", type=_units, metavar="UNITS", help="book-order: filled in all, 0 for nothing")
        book.add_argument("--strategy", type=int, metavar="ID", help="book-trade: whose leg was traded")
        book.add_argument("--leg", type=int, metavar="N", help="book-trade: the number of the leg")
        book.add_argument("--side", choices=("buy", "sell"), help="book-trade: what was done")
        book.add_argument("--units", type=_units, metavar="UNITS", help="book-trade: units, not lots")
        book.add_argument("--at", type=moment, metavar="MOMENT", help="book-trade: when, IST without a zone")
        book.add_argument("--account", metavar="NAME", help="book-trade: by default the first active one")

    def run(self, **options: Any) -> None:
        """Do one thing."""
        options["reason"] = options["reason"].strip()
        actions = {
            "list": self._list,
            "acknowledge": self._acknowledge,
            "settle": self._settle,
            "book-order": self._book_order,
            "book-trade": self._book_trade,
        }
        actions[options["action"]](options)

    def _list(self, _: dict[str, Any]) -> None:
        found = waiting.for_a_person()
        titles = {
            "runs": "Runs that need a person",
            "strategies": "Strategies that need a person",
            "alerts": "Alerts not acknowledged",
            "external_orders": "Orders that are not ours",
        }
        self.emit(found, *(_listing(title, found[name]) for name, title in titles.items()))

    def _acknowledge(self, options: dict[str, Any]) -> None:
        alert = alerts.acknowledge(_number(options), actor=f"cli:{person()}")
        self.emit({"acknowledged": alert.pk, "by": alert.acknowledged_by}, f"Alert {alert.pk} acknowledged.")

    def _settle(self, options: dict[str, Any]) -> None:
        number = _number(options)
        outcome, reason = _needed(options, "outcome", "reason")
        settle(number, outcome=outcome, reason=reason, actor=f"cli:{person()}")
        self.emit({"settled": number, "as": outcome}, f"Run {number} settled as {outcome}.")

    def _book_order(self, options: dict[str, Any]) -> None:
        name, filled, _ = _needed(options, "which", "filled", "reason")
        end = OrderEnd(name, filled, options["price"], options["order_id"])
        self._show(book_order(end, **_by_whom(options)))

    def _book_trade(self, options: dict[str, Any]) -> None:
        names = ("strategy", "leg", "side", "units", "price", "at", "reason")
        strategy, leg, side, units, price, at, _ = _needed(options, *names)
        trade = HandTrade(strategy, leg, Side(side.upper()), units, price, at, options["order_id"])
        self._show(book_trade(trade, account_named(options["account"]), **_by_whom(options)))

    def _show(self, booked: Booking) -> None:
        data = {name: getattr(booked, name) for name in Booking.__dataclass_fields__}
        columns = ("name", "strategy_id", "run_id", "symbol", "side", "units", "price")
        if booked.already:
            last = booked.then
        else:
            last = f"{booked.then} {'Booked.' if booked.done else 'Nothing was booked; add --execute to book it.'}"
        shown = table("By hand", columns, [[data[name] for name in columns]], right=("units", "price"))
        self.emit(data, shown, last)


def _by_whom(options: dict[str, Any]) -> dict[str, Any]:
    return {
        "actor": f"cli:{person()}",
        "words": options["reason"],
        "now": now(),
        "execute": options["execute"],
    }


def _needed(options: dict[str, Any], *names: str) -> list[Any]:
    """What an action cannot do without; none of it is 0 or empty by chance."""
    found = [options[name] for name in names]
    if any(value is None or value == "" for value in found):
        raise CommandError(USES[options["action"]], returncode=USAGE)
    return found


def _number(options: dict[str, Any]) -> int:
    (text,) = _needed(options, "which")
    if not (text.isascii() and text.isdecimal() and len(text) < MOST_DIGITS):
        raise CommandError(f"'{text}' is no number. {USES[options['action']]}", returncode=USAGE)
    return int(text)


def _units(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < MOST_DIGITS):
        raise ArgumentTypeError(f"'{text}' is no number of units")
    return int(text)


def _price(text: str) -> Decimal:
    try:
        price = Decimal(text)
    except InvalidOperation as error:
        raise ArgumentTypeError(f"'{text}' is no price") from error
    if not price.is_finite():
        raise ArgumentTypeError(f"'{text}' is no price")
    return price


def _listing(title: str, rows: list[dict[str, Any]]) -> Any:
    if not rows:
        return f"{title}: none."
    cells = [
        [ist(cell) if name in ("since", "at", "last_seen_at") else cell for name, cell in row.items()] for row in rows
    ]
    return table(title, list(rows[0]), cells)
