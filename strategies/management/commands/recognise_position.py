"""`recognise_position`: what structure a position is."""

import math
from argparse import ArgumentTypeError
from dataclasses import asdict
from datetime import date
from typing import Any

from django.core.management.base import CommandParser

from market.console import FAILED, ConsoleCommand, percent, table
from market.contract import Contract, OptionType, Side
from market.errors import Reason
from market.readers.rows import is_symbol
from strategies.services.recognition import Named, named, named_strategy


class Command(ConsoleCommand):
    """Name a position."""

    help = (
        "Name what is held, e.g. --legs BUY:65:NIFTY:2026-02-24:25000:CE SELL:65:NIFTY:2026-02-24:25500:CE, or "
        "BUY:500:INFY for a share; exit code 1 when no structure has these legs."
    )
    takes_as_of = False

    def add_arguments(self, parser: CommandParser) -> None:
        """Legs, or a stored strategy."""
        asked = parser.add_mutually_exclusive_group(required=True)
        asked.add_argument("--strategy", type=int, metavar="ID", help="the legs of this stored strategy")
        asked.add_argument("--legs", nargs="+", type=leg, metavar="SIDE:UNITS:SYMBOL[:EXPIRY:STRIKE:CE|PE]")
        parser.add_argument("--cash-secured", action="store_true", help="the price of the underlying is set aside")

    def run(self, **options: Any) -> int | None:
        """Recognise and report."""
        secured = options["cash_secured"]
        if options["strategy"] is not None:
            found = named_strategy(options["strategy"], cash_secured=secured)
        else:
            found = named(options["legs"], cash_secured=secured)
        if isinstance(found, Reason):
            self.emit({"structure": None, "reason": asdict(found)}, str(found))
            return FAILED
        self.emit({"structure": asdict(found)}, _shown(found))
        return None


def leg(text: str) -> tuple[Contract, int]:
    """Read BUY:65:NIFTY:2026-02-24:25000:CE, or BUY:500:INFY."""
    try:
        side, units, symbol, *terms = text.split(":")
        count = Side(side.upper()).sign * int(units)
        contract = Contract(symbol, *_terms(*terms)) if terms else Contract(symbol)
    except (ValueError, KeyError, TypeError) as error:
        raise ArgumentTypeError(f"{text[:60]!r} is no leg like BUY:65:NIFTY:2026-02-24:25000:CE") from error
    if count * Side(side.upper()).sign <= 0 or not is_symbol(symbol):
        raise ArgumentTypeError(f"{text[:60]!r} has no units or no symbol")
    return contract, count


def _terms(expiry: str, strike: str, code: str) -> tuple[date, float, OptionType]:
    price = float(strike)
    if not 0.0 < price < math.inf:
        raise ValueError(strike)
    return date.fromisoformat(expiry), price, OptionType.from_code(code.upper())


def _shown(found: Named) -> Any:
    rows = [
        ("Structure", f"{found.name} ({found.slug})"),
        ("View", f"{found.outlook}, volatility {found.volatility_view}"),
        ("Units of it", found.units),
        ("Conditions on strikes that hold", percent(found.confidence, places=0)),
        ("Margin", found.margin),
        ("Risk", "sells what nothing covers" if found.undefined_risk else "all it sells, if anything, is covered"),
        ("What it is", found.summary),
    ]
    return table("Position", ("What", "Value"), rows)
